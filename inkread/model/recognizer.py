"""From a line, an image or pen strokes, to its text: preprocessing, features, network, decoder, positions."""

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

from inkread._threads import available_cpus
from inkread.config import DEFAULT_MODEL, NO_LM, STROKE_MODEL
from inkread.document.elements import Character
from inkread.errors import BadInput, BadModel
from inkread.features.extract import NormalizedLine, Writing, columns_of, extract, normalize, source_x
from inkread.features.image import NormalizedImage
from inkread.features.ink import NormalizedInk
from inkread.lm.files import load_language_models
from inkread.lm.fusion import Fusion, LanguageModel
from inkread.lm.lexicon import with_user_words
from inkread.model.checkpoint import Model, load_model
from inkread.model.decoder import Label, align, greedy, prefix_beam
from inkread.model.device import find_device
from inkread.model.network import pad

Decoder = Literal["greedy", "beam"]

BATCH = 16  # lines per batch
LOOKAHEAD = 16  # batches whose lines are sorted by width together, so that a batch has lines of similar width
MAX_PIXELS = 200_000_000  # of the images in memory at once; 200 MB
MIN_CONFIDENCE = 1e-9  # of a character in the mean of a line, so that its logarithm is finite
ACCEPTED = (
    "give a grey image, a numpy array (height, width) of uint8, or pen strokes, a list of arrays (points, 2); "
    "inkread.inputs.open_images opens files"
)

_starting = threading.Lock()  # held while a thread sets its number of torch threads


@dataclass(frozen=True)
class Reading:
    """What the recogniser has read in one line.

    `text` is the text of the line, and `characters` are its characters with their positions, from left to right.
    `confidence` is the geometric mean of the confidences of the characters, from 0 to 1; 0 if nothing was read.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...]


class Recognizer:
    """Reads lines with one model. With a language model, the decoder is always the beam search.

    A model for images also reads pen strokes: it draws them first. `device` is "cpu", or the name of a device of torch
    such as "cuda", "cuda:1" or "mps".
    """

    def __init__(
        self,
        model: Model,
        decoder: Decoder | None = None,
        language: LanguageModel | None = None,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.decoder: Decoder = "beam" if language else decoder or "greedy"
        self.scorer = Fusion(language, model.alphabet) if language else None
        self.device = find_device(device)
        self.network = model.network().for_reading().to(self.device)
        self.pool = ThreadPoolExecutor(available_cpus(), initializer=_use_one_thread)

    @classmethod
    def load(
        cls,
        name: str,
        decoder: Decoder | None = None,
        lm: str | None = None,
        words: Sequence[str] = (),
        device: str = "cpu",
    ) -> "Recognizer":
        """The recogniser with the model of that name or path.

        lm: the language models to decode with, names or paths separated by commas, or "none"; by default those that the
        model file names. words: words of the user that may always be read. The greedy decoder, which is the default
        without a language model, uses neither. Raises BadModel, BadInput for words without a language model, and
        BadConfig for a device that is not available.
        """
        model = load_model(name)
        named = model.facts.get("lm", NO_LM) if lm is None else lm
        if decoder == "greedy" or named == NO_LM:
            if words:
                raise BadInput("names no language model, which your own words need", path=name, hint="add --lm english")
            return cls(model, decoder, device=device)
        language = load_language_models(named)
        return cls(model, decoder, with_user_words(language, words) if words else language, device)

    def read(self, line: Writing) -> Reading:
        """Read one line: its image, (H, W) uint8, 0 = black, or its pen strokes.

        Raises BadInput for anything else, and for an image if the model reads only strokes.
        """
        return next(self.read_many([line]))

    def read_many(self, lines: Iterable[Writing], batch: int = BATCH) -> Iterator[Reading]:
        """Read many lines. The readings come in the order of the lines.

        Lines of similar width form a batch. Each core reads a batch in one thread. Meanwhile another thread takes the
        next lines from `lines` and normalises them.
        """
        lines = iter(lines)
        # Images are normalised in parallel, as Pillow and numpy release Python's global lock. Strokes gain nothing.
        in_turn = map if self.model.config.features == "strokes" else self.pool.map

        def prepare() -> tuple[list[Writing], list[NormalizedLine]]:
            chunk = _take(lines, batch * LOOKAHEAD)
            return chunk, list(in_turn(self._normalize, chunk))

        chunk, normalized = prepare()
        # This thread is not of the pool, as `lines` may be a generator that itself reads with this recogniser.
        with ThreadPoolExecutor(1) as ahead:
            while chunk:
                following = ahead.submit(prepare)
                yield from self._read_chunk(chunk, normalized, batch)
                chunk, normalized = following.result()

    def _read_chunk(self, chunk: list[Writing], lines: list[NormalizedLine], batch: int) -> Iterator[Reading]:
        """Read lines in batches of similar width. The readings come in the order of the lines."""
        order = sorted(range(len(lines)), key=lambda index: columns_of(lines[index]).shape[1])
        batches = [order[start : start + batch] for start in range(0, len(order), batch)]
        each = self.pool.map if len(batches) > 1 else map
        readings: dict[int, Reading] = {}
        for read in each(partial(self._read_batch, chunk, lines), batches):
            readings |= read
        return (readings[index] for index in range(len(chunk)))

    def _read_batch(self, chunk: list[Writing], lines: list[NormalizedLine], members: list[int]) -> dict[int, Reading]:
        """The readings of one batch, by the index of the line."""
        scores = self.scores([columns_of(lines[index]) for index in members])
        return {
            index: self._decode(log_probs, lines[index], _extent(chunk[index]))
            for index, log_probs in zip(members, scores, strict=True)
        }

    def scores(self, lines: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The log-probabilities (T, C) of each normalised line (rows, W). Raises BadModel if they are not finite."""
        columns, lengths = pad([extract(line, self.model.config) for line in lines])  # (B, T0, F), (B,)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16()):
            log_probs, steps = self.network(columns.to(self.device), lengths.to(self.device))  # (T, B, C), (B,)
        log_probs = log_probs.cpu()
        scores = [log_probs[:length, index].numpy() for index, length in enumerate(steps.tolist())]
        if not all(np.isfinite(of_line).all() for of_line in scores):
            problem = "damaged: its weights give no probabilities"
            raise BadModel(problem, path=self.model.name, hint="copy the file again")
        return scores

    def _normalize(self, line: Writing) -> NormalizedLine:
        _check(line)
        return normalize(line, self.model.config)

    def _bfloat16(self) -> bool:
        """Whether to compute in bfloat16: on a CPU that supports it, an LSTM behind convolutions is twice as fast."""
        # Not all versions of torch have a public function for this. Without the private one, compute in float32.
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return self.device.type == "cpu" and self.model.config.cell == "lstm" and supported()

    def _decode(self, log_probs: NDArray[np.float32], line: NormalizedLine, extent: tuple[float, float]) -> Reading:
        beam = self.decoder == "beam"
        labels = align(log_probs, prefix_beam(log_probs, scorer=self.scorer)[0][0]) if beam else greedy(log_probs)
        characters = tuple(self._character(label, line, extent) for label in labels)
        return Reading("".join(character.text for character in characters), mean_confidence(characters), characters)

    def _character(self, label: Label, line: NormalizedLine, extent: tuple[float, float]) -> Character:
        """The character of a label, its position limited to the extent of the line: a normalised line has margins."""
        edges = np.array([label.first, label.last + 1.0]) * self.model.config.step
        left, right = sorted(source_x(line, edges).tolist())  # the pen may move to the left
        return Character(
            self.model.alphabet.decode([label.label]),
            label.confidence,
            float(np.clip(left, *extent)),
            float(np.clip(right, *extent)),
        )


class Recognizers:
    """Reads images with one model and pen strokes with another. Each is loaded when it is needed for the first time.

    `decoder`, `lm`, `words` and `device` are those of Recognizer.load.
    """

    def __init__(
        self,
        images: str = DEFAULT_MODEL,
        strokes: str = STROKE_MODEL,
        decoder: Decoder | None = None,
        lm: str | None = None,
        words: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:
        self.images, self.strokes = images, strokes
        self.load = partial(Recognizer.load, decoder=decoder, lm=lm, words=words, device=device)
        self.loaded: dict[str, Recognizer] = {}  # by the name of the model

    def read_many(self, lines: Iterable[Writing]) -> Iterator[Reading]:
        """Read many lines. The readings come in the order of the lines. Raises BadModel if a model is missing."""
        for is_image, group in groupby(lines, lambda line: isinstance(line, np.ndarray | NormalizedImage)):
            name = self.images if is_image else self.strokes
            if name not in self.loaded:
                self.loaded[name] = self.load(name)
            yield from self.loaded[name].read_many(group)


def _use_one_thread() -> None:
    """Let torch use one thread in this thread, without changing how many it uses in threads that start later."""
    with _starting:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # in this thread, but also in all that start from now on
        restore = threading.Thread(target=torch.set_num_threads, args=(threads,))
        restore.start()
        restore.join()


def _take(lines: Iterator[Writing], count: int) -> list[Writing]:
    """The next `count` lines, or fewer if their images are large."""
    taken: list[Writing] = []
    pixels = 0
    for line in islice(lines, count):
        taken.append(line)
        pixels += line.size if isinstance(line, np.ndarray) else 0
        if pixels > MAX_PIXELS:
            break
    return taken


def _check(line: object) -> None:
    """Raise BadInput for what is neither an image nor strokes."""
    if isinstance(line, NormalizedImage | NormalizedInk):
        return
    given = f"an object of type {type(line).__name__}"
    if isinstance(line, np.ndarray):
        if line.ndim == 2 and line.dtype == np.uint8 and line.size:
            return
        given = f"an array {line.shape} of {line.dtype}"
    elif isinstance(line, Sequence) and not isinstance(line, str | bytes):
        if line and all(isinstance(points, np.ndarray) and points.shape[1:] == (2,) for points in line):
            return
        given = f"a {type(line).__name__} without strokes"
    raise BadInput(f"cannot read {given}", hint=ACCEPTED)


def mean_confidence(characters: Sequence[Character]) -> float:
    """The geometric mean of the confidences of characters; 0 for none."""
    logarithms = [math.log(max(character.confidence, MIN_CONFIDENCE)) for character in characters]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else 0.0


def _extent(line: Writing) -> tuple[float, float]:
    """The left and right end of a line, in pixels or in the units of the strokes."""
    if isinstance(line, np.ndarray):
        return 0.0, float(line.shape[1])
    if isinstance(line, NormalizedImage):
        left, right = source_x(line, np.array([0.0, line.pixels.shape[1]])).tolist()
        return left, right
    xs = line.source_x if isinstance(line, NormalizedInk) else np.concatenate([stroke[:, 0] for stroke in line])
    return float(xs.min()), float(xs.max())
