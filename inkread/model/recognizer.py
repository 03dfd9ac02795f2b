"""From a line, an image or pen strokes, to its text: preprocessing, features, network, decoder, positions."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inkread._files import content_hash
from inkread._model_files import describe_model, find_language_model, find_model
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
from inkread.model.confidence import Calibration, alternatives, word_spans
from inkread.model.decoder import Candidates, Label, greedy, read_beam
from inkread.model.engines import EngineName, check_engine, make_engine

Decoder = Literal["greedy", "beam"]

CHUNK = 256  # lines that are taken at once and sorted by width, so that a batch has lines of similar width
MAX_PIXELS = 200_000_000  # of the images in memory at once; 200 MB
ACCEPTED = (
    "give a grey image, a numpy array (height, width) of uint8, or pen strokes, a list of arrays (points, 2); "
    "inkread.inputs.open_images opens files"
)

log = logging.getLogger("inkread")


@dataclass(frozen=True)
class Reading:
    """What the recogniser has read in one line.

    `text` is the text of the line, and `characters` are its characters with their positions, from left to right.
    `confidence` is the probability, from 0 to 1, that the line has no error; 0 if nothing was read. `words` has the
    probability of each word; where it is empty, nothing more is known of the words than of the line. `network` is the
    mean probability that the network alone gives the characters: what has no letters has a low one, also where the
    language model sees words.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...]
    words: tuple[float, ...] = ()
    network: float = 1.0


class Recognizer:
    """Reads lines with one model. With a language model, the decoder is always the beam search.

    A model for images also reads pen strokes: it draws them first. `engine`, `device` and `lines`, the number of lines
    to expect, are those of `make_engine`.
    """

    def __init__(
        self,
        model: Model,
        decoder: Decoder | None = None,
        language: LanguageModel | None = None,
        engine: EngineName = "auto",
        device: str = "auto",
        lines: int = 0,
    ) -> None:
        self.model = model
        self.decoder: Decoder = "beam" if language else decoder or "greedy"
        self.scorer = Fusion(language, model.alphabet) if language else None
        self.calibration = Calibration.of_model(model.facts, self.decoder)
        self.engine = make_engine(model, engine, device, lines)
        log.debug("%s: %s", model.name, self.engine.name)
        self.pool = ThreadPoolExecutor(available_cpus(), initializer=self.engine.start_thread)

    @classmethod
    def load(
        cls,
        name: str,
        decoder: Decoder | None = None,
        lm: str | None = None,
        words: Sequence[str] = (),
        engine: EngineName = "auto",
        device: str = "auto",
        lines: int = 0,
    ) -> "Recognizer":
        """The recogniser with the model of that name or path.

        lm: the language models to decode with, names or paths separated by commas, or "none"; by default those that the
        model file names. words: words of the user that may always be read. The greedy decoder, which is the default
        without a language model, uses neither. Raises BadModel, BadInput for words without a language model, and
        BadConfig for an engine or device that is not available.
        """
        model = load_model(name)
        named = model.facts.get("lm", NO_LM) if lm is None else lm
        if decoder == "greedy" or named == NO_LM:
            if words:
                raise BadInput("names no language model, which your own words need", path=name, hint="add --lm english")
            return cls(model, decoder, None, engine, device, lines)
        language = load_language_models(named)
        language = with_user_words(language, words) if words else language
        return cls(model, decoder, language, engine, device, lines)

    def read(self, line: Writing) -> Reading:
        """Read one line: its image, (H, W) uint8, 0 = black, or its pen strokes.

        Raises BadInput for anything else, and for an image if the model reads only strokes.
        """
        return next(self.read_many([line]))

    def read_many(self, lines: Iterable[Writing], chunk: int = CHUNK) -> Iterator[Reading]:
        """Read many lines. The readings come in the order of the lines.

        The lines are taken in chunks. Each core reads lines of the chunk in one thread. Meanwhile another thread takes
        the next chunk from `lines` and normalises its lines.
        """
        lines = iter(lines)
        # Images are normalised in parallel, as Pillow and numpy release Python's global lock. Strokes gain nothing.
        in_turn = map if self.model.config.features == "strokes" else self.pool.map

        def prepare() -> tuple[list[Writing], list[NormalizedLine]]:
            taken = _take(lines, chunk)
            return taken, list(in_turn(self._normalize, taken))

        taken, normalized = prepare()
        # This thread is not of the pool, as `lines` may be a generator that itself reads with this recogniser.
        with ThreadPoolExecutor(1) as ahead:
            while taken:
                following = ahead.submit(prepare)
                yield from self._read_chunk(taken, normalized)
                taken, normalized = following.result()

    def _read_chunk(self, chunk: list[Writing], lines: list[NormalizedLine]) -> Iterator[Reading]:
        """Read lines in batches of similar width, the widest first. The readings come in the order of the lines."""
        order = sorted(range(len(lines)), key=lambda index: -columns_of(lines[index]).shape[1])
        size = self.engine.batch
        batches = [order[start : start + size] for start in range(0, len(order), size)]
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

    def read_with_alternatives(self, line: Writing, most: int = 5) -> tuple[Reading, list[list[str]]]:
        """Read one line, with other readings of each of its words, `most` at most, the likeliest first.

        Those come from the beam search; greedy decoding has none. Raises BadInput as `read` does.
        """
        normalized = self._normalize(line)
        (log_probs,) = self.scores([columns_of(normalized)])
        labels, candidates = self.decode(log_probs)
        reading = self._reading(labels, candidates, normalized, _extent(line))
        words = word_spans(reading.text)
        others = alternatives(candidates, words, most) if candidates else [[] for _ in words]
        return reading, [[self.model.alphabet.decode(labels) for labels in of_word] for of_word in others]

    def scores(self, lines: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The log-probabilities (T, C) of each normalised line (rows, W). Raises BadModel if they are not finite."""
        scores = self.engine.log_probs([extract(line, self.model.config) for line in lines])
        if not all(np.isfinite(of_line).all() for of_line in scores):
            problem = "damaged: its weights give no probabilities"
            raise BadModel(problem, path=self.model.name, hint="copy the file again")
        return scores

    def _normalize(self, line: Writing) -> NormalizedLine:
        _check(line)
        return normalize(line, self.model.config)

    def _decode(self, log_probs: NDArray[np.float32], line: NormalizedLine, extent: tuple[float, float]) -> Reading:
        return self._reading(*self.decode(log_probs), line, extent)

    def _reading(
        self, labels: list[Label], candidates: Candidates | None, line: NormalizedLine, extent: tuple[float, float]
    ) -> Reading:
        characters = self._characters(labels, line, extent)
        text = "".join(character.text for character in characters)
        sure = self.calibration(labels, word_spans(text), candidates)
        characters = tuple(map(_with_confidence, characters, sure.characters))
        network = sum(label.confidence for label in labels) / max(1, len(labels))
        return Reading(text, sure.line, characters, tuple(sure.words), network)

    def decode(self, log_probs: NDArray[np.float32]) -> tuple[list[Label], Candidates | None]:
        """The labels of a line, with the network's probabilities; and of the beam search also its candidates."""
        return read_beam(log_probs, self.scorer) if self.decoder == "beam" else (greedy(log_probs), None)

    def _characters(
        self, labels: list[Label], line: NormalizedLine, extent: tuple[float, float]
    ) -> tuple[Character, ...]:
        """The characters of labels, limited to the extent of the line: a normalised line has margins."""
        edges = np.array([(label.first, label.last + 1.0) for label in labels]).reshape(-1, 2) * self.model.config.step
        places = np.sort(source_x(line, edges), axis=1).clip(*extent).tolist()  # the pen may move to the left
        return tuple(
            Character(self.model.alphabet.decode([label.label]), label.confidence, left, right)
            for label, (left, right) in zip(labels, places, strict=True)
        )


class Recognizers:
    """Reads images with one model and pen strokes with another. Each is loaded when it is needed for the first time.

    `decoder`, `lm`, `words`, `engine`, `device` and `lines` are those of Recognizer.load.
    """

    def __init__(
        self,
        images: str = DEFAULT_MODEL,
        strokes: str = STROKE_MODEL,
        decoder: Decoder | None = None,
        lm: str | None = None,
        words: Sequence[str] = (),
        engine: EngineName = "auto",
        device: str = "auto",
        lines: int = 0,
    ) -> None:
        check_engine(engine, device)  # now, so that a wrong name is reported at once
        self.images, self.strokes = images, strokes
        self.load = partial(
            Recognizer.load, decoder=decoder, lm=lm, words=words, engine=engine, device=device, lines=lines
        )
        self.loaded: dict[str, Recognizer] = {}  # by the name of the model

    def settings(self) -> dict[str, Any]:
        """The arguments with which these were made, for JSON."""
        return {"images": self.images, "strokes": self.strokes, **self.load.keywords}

    def identity(self) -> dict[str, Any]:
        """What decides how a line is read, for JSON: the hash of each file of a model, and the settings.

        Raises BadModel for language models that are named and missing.
        """
        settings: dict[str, Any] = self.load.keywords
        files: dict[str, str] = {}
        for name in dict.fromkeys((self.images, self.strokes)):
            with suppress(BadModel):  # reported if it is needed
                path = find_model(name)
                files[name] = content_hash(path)
                languages = settings["lm"] or describe_model(path).get("facts", {}).get("lm", NO_LM)
                for language in () if languages == NO_LM else languages.split(","):
                    files[language] = content_hash(find_language_model(language))
        return {
            "models": files,
            "words": sha256("\n".join(settings["words"]).encode()).hexdigest(),
            **{name: settings[name] for name in ("decoder", "lm", "engine")},
        }

    def read_many(self, lines: Iterable[Writing]) -> Iterator[Reading]:
        """Read many lines. The readings come in the order of the lines. Raises BadModel if a model is missing."""
        for is_image, group in groupby(lines, _is_image):
            yield from self._recognizer(is_image).read_many(group)

    def read_with_alternatives(self, line: Writing, most: int = 5) -> tuple[Reading, list[list[str]]]:
        """Read one line; see `Recognizer.read_with_alternatives`."""
        return self._recognizer(_is_image(line)).read_with_alternatives(line, most)

    def _recognizer(self, is_image: bool) -> Recognizer:
        name = self.images if is_image else self.strokes
        if name not in self.loaded:
            self.loaded[name] = self.load(name)
        return self.loaded[name]


def _is_image(line: Writing) -> bool:
    return isinstance(line, np.ndarray | NormalizedImage)


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


def _with_confidence(character: Character, confidence: float) -> Character:
    return Character(character.text, confidence, character.left, character.right)


def _extent(line: Writing) -> tuple[float, float]:
    """The left and right end of a line, in pixels or in the units of the strokes."""
    if isinstance(line, np.ndarray):
        return 0.0, float(line.shape[1])
    if isinstance(line, NormalizedImage):
        left, right = source_x(line, np.array([0.0, line.pixels.shape[1]])).tolist()
        return left, right
    xs = line.source_x if isinstance(line, NormalizedInk) else np.concatenate([stroke[:, 0] for stroke in line])
    return float(xs.min()), float(xs.max())
