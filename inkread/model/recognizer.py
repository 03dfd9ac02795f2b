"""The whole reading path: picture or strokes -> preprocess -> features -> network -> decoder -> text and its places."""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkread._threads import available_cpus
from inkread.config import DEFAULT_MODEL, NO_LM, STROKE_MODEL
from inkread.errors import BadInput, BadModel
from inkread.features.extract import NormalizedLine, columns_of, extract, normalize, source_x
from inkread.inputs.ink import LineInput
from inkread.lm.ngram import Fusion, LanguageModel, with_own_words
from inkread.model.checkpoint import Model, load_language_models, load_model
from inkread.model.decoder import Label, align, greedy, prefix_beam

Decoder = Literal["greedy", "beam"]

LOOKAHEAD = 16  # batches of pictures looked at together, so that lines of one width share a batch
MOST_PIXELS = 200_000_000  # in the pictures that are looked at together, so that large ones do not fill the memory
ACCEPTED = (
    "give a grey picture, a numpy array (height, width) of uint8, or pen strokes, a list of arrays (points, 2); "
    "inkread.inputs.open_images opens files"
)

_starting = threading.Lock()  # held while torch is told how many threads one thread may use


@dataclass(frozen=True)
class Character:
    """One character read, and where: its left and right in pixels of the picture, or in the units of the strokes."""

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True)
class Reading:
    """A line read. The confidence is the geometric mean of its characters'; 0 where nothing was read."""

    text: str
    confidence: float
    characters: tuple[Character, ...]


class Recognizer:
    """Reads lines with one model; with a language model beside it, always by the beam.

    A model of pictures reads pen strokes too, from their drawing.
    """

    def __init__(self, model: Model, decoder: Decoder | None = None, language: LanguageModel | None = None) -> None:
        self.model = model
        self.decoder: Decoder = "beam" if language else decoder or "greedy"
        self.guide = Fusion(language, model.alphabet) if language else None
        self.network = model.network().for_reading()
        self.pool = ThreadPoolExecutor(available_cpus(), initializer=_use_one_thread)

    @classmethod
    def load(
        cls, name: str, decoder: Decoder | None = None, lm: str | None = None, words: Sequence[str] = ()
    ) -> "Recognizer":
        """The recogniser with the model of that name or path.

        It reads along with the language models `lm`, names or paths with commas between, or "none"; if not given with
        those that the model names itself. `words` of the user's own may always be read. The greedy decoder, which is
        the default without a language model, takes neither. Raises BadModel, and BadInput for words without one.
        """
        model = load_model(name)
        named = model.facts.get("lm", NO_LM) if lm is None else lm
        if decoder == "greedy" or named == NO_LM:
            if words:
                raise BadInput(f"{name}: names no language model, which words of your own need; add --lm english")
            return cls(model, decoder)
        language = load_language_models(named)
        return cls(model, decoder, with_own_words(language, words) if words else language)

    def read(self, writing: LineInput) -> Reading:
        """Read one line: its picture, (H, W) uint8, 0 = black, or its pen strokes.

        Raises BadInput for anything else, and for a picture where the model reads strokes alone.
        """
        return next(self.read_many([writing]))

    def read_many(self, writings: Iterable[LineInput], batch: int = 16) -> Iterator[Reading]:
        """Read many lines; the readings come in their order.

        Lines of about one width are read together, and as many batches side by side as torch has threads, each in one.
        Meanwhile the next pictures are taken from `writings`, and normalised, in a thread of their own.
        """
        writings = iter(writings)
        # Pillow and numpy let others work; strokes keep Python busy, which does one thing at a time.
        in_turn = map if self.model.config.features == "strokes" else self.pool.map

        def prepare() -> tuple[list[LineInput], list[NormalizedLine]]:
            chunk = _take(writings, batch * LOOKAHEAD)
            return chunk, list(in_turn(self._normalise, chunk))

        chunk, lines = prepare()
        # A thread of this call alone: `writings` may come from a generator that reads with this recogniser itself.
        with ThreadPoolExecutor(1) as ahead:
            while chunk:
                following = ahead.submit(prepare)
                yield from self._read_chunk(chunk, lines, batch)
                chunk, lines = following.result()

    def _read_chunk(self, chunk: list[LineInput], lines: list[NormalizedLine], batch: int) -> Iterator[Reading]:
        order = sorted(range(len(lines)), key=lambda index: columns_of(lines[index]).shape[1])
        batches = [order[start : start + batch] for start in range(0, len(order), batch)]
        each = self.pool.map if len(batches) > 1 else map
        readings: dict[int, Reading] = {}
        for read in each(partial(self._read_batch, chunk, lines), batches):
            readings |= read
        return (readings[index] for index in range(len(chunk)))

    def _read_batch(
        self, writings: list[LineInput], lines: list[NormalizedLine], members: list[int]
    ) -> dict[int, Reading]:
        """The readings of those lines, by their place among all."""
        scores = self.scores([columns_of(lines[index]) for index in members])
        return {
            index: self._decode(log_probs, lines[index], _ends(writings[index]))
            for index, log_probs in zip(members, scores, strict=True)
        }

    def scores(self, lines: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Log-probabilities (T, C) of each normalised line (rows, W)."""
        columns, lengths = pad([extract(line, self.model.config) for line in lines])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16()):
            log_probs, steps = self.network(columns, lengths)  # (T, B, C), (B,)
        scores = [log_probs[:length, index].numpy() for index, length in enumerate(steps.tolist())]
        if not all(np.isfinite(of_line).all() for of_line in scores):
            raise BadModel(f"{self.model.name}: damaged: its weights give no probabilities; copy the file again")
        return scores

    def _normalise(self, writing: LineInput) -> NormalizedLine:
        _check(writing)
        return normalize(writing, self.model.config)

    def _bfloat16(self) -> bool:
        """Where the CPU multiplies bfloat16 itself, an LSTM behind convolutions reads twice as fast and the same."""
        # torch has no public function for this in all its versions; without the private one, read in float32.
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return self.model.config.cell == "lstm" and supported()

    def _decode(self, log_probs: NDArray[np.float32], line: NormalizedLine, ends: tuple[float, float]) -> Reading:
        beam = self.decoder == "beam"
        labels = align(log_probs, prefix_beam(log_probs, guide=self.guide)[0][0]) if beam else greedy(log_probs)
        characters = tuple(self._character(label, line, ends) for label in labels)
        return Reading("".join(character.text for character in characters), mean_confidence(characters), characters)

    def _character(self, label: Label, line: NormalizedLine, ends: tuple[float, float]) -> Character:
        """The character at a label; a normalised line has margins outside the picture, where no character ends."""
        edges = np.array([label.first, label.last + 1.0]) * self.model.config.step
        left, right = sorted(source_x(line, edges).tolist())  # a pen may go back to the left
        return Character(
            self.model.alphabet.decode([label.label]),
            label.confidence,
            float(np.clip(left, *ends)),
            float(np.clip(right, *ends)),
        )


class Recognizers:
    """Reads pictures with one model and pen strokes with another, each loaded when the first of its kind comes.

    `decoder`, `lm` and `words` are those of Recognizer.load.
    """

    def __init__(
        self,
        pictures: str = DEFAULT_MODEL,
        strokes: str = STROKE_MODEL,
        decoder: Decoder | None = None,
        lm: str | None = None,
        words: Sequence[str] = (),
    ) -> None:
        self.pictures, self.strokes = pictures, strokes
        self.load = partial(Recognizer.load, decoder=decoder, lm=lm, words=words)
        self.loaded: dict[str, Recognizer] = {}  # by the name of the model

    def read_many(self, writings: Iterable[LineInput]) -> Iterator[Reading]:
        """Read many lines; the readings come in their order. Raises BadModel for a model that is not there."""
        for is_picture, lines in groupby(writings, lambda writing: isinstance(writing, np.ndarray)):
            name = self.pictures if is_picture else self.strokes
            if name not in self.loaded:
                self.loaded[name] = self.load(name)
            yield from self.loaded[name].read_many(lines)


def _use_one_thread() -> None:
    """Let torch compute with one thread in this thread, and with as many as before in those that start later."""
    with _starting:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of this thread, but also of all that start from now on
        restore = threading.Thread(target=torch.set_num_threads, args=(threads,))
        restore.start()
        restore.join()


def _take(writings: Iterator[LineInput], most: int) -> list[LineInput]:
    """The next so many lines, or fewer if their pictures are large."""
    taken: list[LineInput] = []
    pixels = 0
    for writing in islice(writings, most):
        taken.append(writing)
        pixels += writing.size if isinstance(writing, np.ndarray) else 0
        if pixels > MOST_PIXELS:
            break
    return taken


def _check(writing: object) -> None:
    """Raise BadInput for what is neither a picture nor strokes."""
    given = f"an object of type {type(writing).__name__}"
    if isinstance(writing, np.ndarray):
        if writing.ndim == 2 and writing.dtype == np.uint8 and writing.size:
            return
        given = f"an array {writing.shape} of {writing.dtype}"
    elif isinstance(writing, Sequence) and not isinstance(writing, str | bytes):
        if writing and all(isinstance(points, np.ndarray) and points.shape[1:] == (2,) for points in writing):
            return
        given = f"a {type(writing).__name__} without strokes"
    raise BadInput(f"cannot read {given}: {ACCEPTED}")


def mean_confidence(characters: Sequence[Character]) -> float:
    """The geometric mean of the characters' confidences; 0 for none."""
    logarithms = [math.log(max(character.confidence, 1e-9)) for character in characters]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else 0.0


def _ends(writing: LineInput) -> tuple[float, float]:
    """The left and right of a line, in its own units."""
    if isinstance(writing, np.ndarray):
        return 0.0, float(writing.shape[1])
    xs = np.concatenate([stroke[:, 0] for stroke in writing])
    return float(xs.min()), float(xs.max())


def pad(sequences: Sequence[NDArray[np.float32]], to: int = 0) -> tuple[Tensor, Tensor]:
    """Feature sequences (T, F) -> one batch (B, longest T or `to`, F), zero beyond each end, and their lengths (B,)."""
    lengths = [len(sequence) for sequence in sequences]
    batch = np.zeros((len(sequences), max(*lengths, to), sequences[0].shape[1]), np.float32)
    for index, sequence in enumerate(sequences):
        batch[index, : len(sequence)] = sequence
    return torch.from_numpy(batch), torch.tensor(lengths)
