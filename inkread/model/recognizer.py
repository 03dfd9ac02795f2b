"""From a line, an image or pen strokes, to its text: preprocessing, features, network, decoder, positions."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from inkread._files import content_hash
from inkread._languages import CODES
from inkread._model_files import (
    describe_model,
    find_detector,
    find_language_model,
    find_model,
    shipped_language_models,
)
from inkread._threads import available_cpus
from inkread.alphabet import BLANK, CROSSED_OUT, without_crossed_out
from inkread.config import AUTO_LM, DEFAULT_MODEL, NO_LM, STROKE_MODEL
from inkread.document.elements import Character
from inkread.errors import BadInput, BadModel
from inkread.features.extract import NormalizedLine, Writing, columns_of, extract, normalize, source_x
from inkread.features.image import NormalizedImage
from inkread.features.ink import NormalizedInk
from inkread.lm.automatic import AutomaticLanguages, Codes, LineLanguages
from inkread.lm.files import load_language_models
from inkread.lm.fusion import Fusion, LanguageModel
from inkread.lm.lexicon import with_user_words
from inkread.model.checkpoint import Model, load_model
from inkread.model.confidence import Calibration, alternatives, word_spans
from inkread.model.decoder import Candidates, Label, greedy, read_beam, without_label
from inkread.model.engines import EngineName, check_engine, make_engine

Decoder = Literal["greedy", "beam"]

CHUNK = 256  # lines that are taken at once and sorted by width, so that a batch has lines of similar width
FIRST_CHUNK = 16  # lines at first, then twice as many each time: nothing is read yet while they are normalised
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
    `confidence` is the probability, from 0 to 1, that the line has no error; 0 if nothing was found. `words` has the
    probability of each word; where it is empty, nothing more is known of the words than of the line. `network` is the
    mean probability that the network alone gives the characters: what has no letters has a low one, also where the
    language model sees words. `language` is the code of the line's language, such as "de", if it was detected.
    `crossed_out` has the left and right end of each part that is crossed out, which is not in the text.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...]
    words: tuple[float, ...] = ()
    network: float = 1.0
    language: str = ""
    crossed_out: tuple[tuple[float, float], ...] = ()


class Decoded(NamedTuple):
    """The labels of a line, with the network's probabilities, and where it has writing that is crossed out."""

    labels: list[Label]
    crossed_out: list[Label]  # not among `labels`
    candidates: Candidates | None  # of the beam search, without what is crossed out; None from the greedy decoder


class Recognizer:
    """Reads lines with one model. With a language model, the decoder is always the beam search.

    `language` is the language model, or what chooses one for each line; a line in another language is decoded greedily.
    A model for images also reads pen strokes: it draws them first. `engine`, `device` and `lines`, the number of lines
    to expect, are those of `make_engine`.
    """

    def __init__(
        self,
        model: Model,
        decoder: Decoder | None = None,
        language: LanguageModel | AutomaticLanguages | None = None,
        engine: EngineName = "auto",
        device: str = "auto",
        lines: int = 0,
    ) -> None:
        self.model = model
        self.decoder: Decoder = "beam" if language else decoder or "greedy"
        self.languages = language if isinstance(language, AutomaticLanguages) else None
        self.scorer = None
        if language and not isinstance(language, AutomaticLanguages):
            self.scorer = Fusion(language, model.alphabet)
        self.scorers: dict[Codes, Fusion] = {}  # of the detected languages
        # the labels of what is crossed out and of a space; BLANK where the alphabet has none
        self.mark, self.space = (model.alphabet.label.get(character, BLANK) for character in (CROSSED_OUT, " "))
        self.calibrations = {decoder: Calibration.of_model(model.facts, decoder) for decoder in get_args(Decoder)}
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

        lm: the language models to decode with, names or paths separated by commas; "auto" for those of the languages
        that are detected, or "none". The default is "auto" if the model file names language models. words: words of the
        user that may always be read. The greedy decoder, which is the default without a language model, uses neither.
        Raises BadModel, BadInput for words without a language model, and BadConfig for an engine or device that is not
        available.
        """
        model = load_model(name)
        named = lm or default_languages(model.facts)
        if decoder == "greedy" or named == NO_LM:
            if words:
                raise BadInput("names no language model, which your own words need", path=name, hint="add --lm english")
            return cls(model, decoder, None, engine, device, lines)
        if named == AUTO_LM:
            return cls(model, decoder, AutomaticLanguages(words), engine, device, lines)
        language = load_language_models(named)
        language = with_user_words(language, words) if words else language
        return cls(model, decoder, language, engine, device, lines)

    def read(self, line: Writing) -> Reading:
        """Read one line: its image, (H, W) uint8, 0 = black, or its pen strokes.

        Raises BadInput for anything else, and for an image if the model reads only strokes.
        """
        return next(self.read_many([line]))

    def read_many(self, lines: Iterable[Writing], chunk: int = CHUNK, one_page: bool = False) -> Iterator[Reading]:
        """Read many lines. The readings come in the order of the lines.

        The lines are taken in chunks, the later ones of `chunk` lines. Each core reads lines of the chunk in one
        thread. Meanwhile another thread takes the next chunk from `lines` and normalises its lines. one_page: the
        languages of lines in a chunk are detected together, and not those of each line for itself.
        """
        lines = iter(lines)
        count = chunk if one_page else min(FIRST_CHUNK, chunk)
        # Images are normalised in parallel, as Pillow and numpy release Python's global lock. Strokes gain nothing.
        in_turn = map if self.model.config.features == "strokes" else self.pool.map

        def prepare() -> tuple[list[Writing], list[NormalizedLine]]:
            nonlocal count
            taken = _take(lines, count)
            count = min(2 * count, chunk)
            return taken, list(in_turn(self._normalize, taken))

        taken, normalized = prepare()
        # This thread is not of the pool, as `lines` may be a generator that itself reads with this recogniser.
        with ThreadPoolExecutor(1) as ahead:
            while taken:
                following = ahead.submit(prepare)
                yield from self._read_chunk(taken, normalized, one_page)
                taken, normalized = following.result()

    def _read_chunk(self, chunk: list[Writing], lines: list[NormalizedLine], one_page: bool) -> Iterator[Reading]:
        """Read lines in batches of similar width, the widest first. The readings come in the order of the lines."""
        order = sorted(range(len(lines)), key=lambda index: -columns_of(lines[index]).shape[1])
        size = self.engine.batch
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        each = self.pool.map if len(batches) > 1 else map
        if one_page and self.languages:
            found = each(partial(self._scores_of, lines), batches)
            scores = {index: log_probs for of_batch in found for index, log_probs in of_batch.items()}
            languages = self.languages.choose([self._greedy_text(scores[index]) for index in range(len(lines))])
            read = each(partial(self._decode_batch, chunk, lines, scores, languages), batches)
        else:
            read = each(partial(self._read_batch, chunk, lines), batches)
        readings: dict[int, Reading] = {}
        for of_batch in read:
            readings |= of_batch
        return (readings[index] for index in range(len(chunk)))

    def _read_batch(self, chunk: list[Writing], lines: list[NormalizedLine], members: list[int]) -> dict[int, Reading]:
        """The readings of one batch, by the index of the line; the language of each line is detected for itself."""
        scores = self._scores_of(lines, members)
        languages = {index: self.detect(log_probs) for index, log_probs in scores.items()}
        return self._decode_batch(chunk, lines, scores, languages, members)

    def _scores_of(self, lines: list[NormalizedLine], members: list[int]) -> dict[int, NDArray[np.float32]]:
        """The log-probabilities (T, C) of the lines of one batch, by the index of the line."""
        return dict(zip(members, self.scores([columns_of(lines[index]) for index in members]), strict=True))

    def _decode_batch(
        self,
        chunk: list[Writing],
        lines: list[NormalizedLine],
        scores: Mapping[int, NDArray[np.float32]],
        languages: Sequence[LineLanguages] | Mapping[int, LineLanguages],
        members: list[int],
    ) -> dict[int, Reading]:
        readings: dict[int, Reading] = {}
        for index in members:
            decoded = self.decode(scores[index], languages[index].models)
            extent, language = _extent(chunk[index]), languages[index].stated
            readings[index] = self._reading(decoded, lines[index], extent, language)
        return readings

    def read_with_alternatives(self, line: Writing, most: int = 5) -> tuple[Reading, list[list[str]]]:
        """Read one line, with other readings of each of its words, `most` at most, the likeliest first.

        Those come from the beam search; greedy decoding has none. Raises BadInput as `read` does.
        """
        normalized = self._normalize(line)
        (log_probs,) = self.scores([columns_of(normalized)])
        languages = self.detect(log_probs)
        decoded = self.decode(log_probs, languages.models)
        reading = self._reading(decoded, normalized, _extent(line), languages.stated)
        words = word_spans(reading.text)
        others = alternatives(decoded.candidates, words, most) if decoded.candidates else [[] for _ in words]
        spelled = [[self.model.alphabet.decode(labels) for labels in of_word] for of_word in others]
        return reading, [
            _others(reading.text[slice(*span)], of_word) for span, of_word in zip(words, spelled, strict=True)
        ]

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

    def _reading(
        self,
        decoded: Decoded,
        line: NormalizedLine,
        extent: tuple[float, float],
        language: str,
    ) -> Reading:
        labels = decoded.labels
        characters = self._characters(labels, line, extent)
        crossed_out = _between(characters, self._characters(decoded.crossed_out, line, extent), extent)
        text = "".join(character.text for character in characters)
        calibration = self.calibrations["greedy" if decoded.candidates is None else "beam"]
        sure = calibration(labels, word_spans(text), decoded.candidates)
        characters = tuple(map(_with_confidence, characters, sure.characters))
        confidence = sure.line if labels else min([label.confidence for label in decoded.crossed_out], default=0.0)
        network = sum(label.confidence for label in labels) / max(1, len(labels))
        return Reading(text, confidence, characters, tuple(sure.words), network, language, crossed_out)

    def detect(self, log_probs: NDArray[np.float32]) -> LineLanguages:
        """The languages of a line; none if they are not to be detected."""
        return self.languages.choose([self._greedy_text(log_probs)])[0] if self.languages else LineLanguages()

    def decode(self, log_probs: NDArray[np.float32], languages: Codes | None = None) -> Decoded:
        """Decode a line from its log-probabilities (T, C).

        languages: those whose language models are used, if they are known; by default they are detected.
        """
        scorer = self.scorer_of(log_probs, languages)
        if self.decoder == "greedy" or (self.languages and not scorer):
            return self._apart(greedy(log_probs), None)
        return self._apart(*read_beam(log_probs, scorer))

    def _apart(self, labels: list[Label], candidates: Candidates | None) -> Decoded:
        """The labels and candidates without CROSSED_OUT. Candidates that are then the same become one."""
        mark, space = self.mark, self.space
        if mark == BLANK:
            return Decoded(labels, [], candidates)
        crossed_out = [label for label in labels if label.label == mark]
        if not crossed_out and not any(mark in each for each, _ in candidates or ()):
            return Decoded(labels, [], candidates)
        kept = without_label([label.label for label in labels], mark, space)
        merged: dict[tuple[int, ...], float] = {}
        for each, log_p in candidates or ():
            left = tuple(each[place] for place in without_label(each, mark, space))
            merged[left] = float(np.logaddexp(merged.get(left, -np.inf), log_p))
        return Decoded([labels[place] for place in kept], crossed_out, list(merged.items()) if candidates else None)

    def scorer_of(self, log_probs: NDArray[np.float32], languages: Codes | None = None) -> Fusion | None:
        """The language models of a line; none for a line in a language that has no model."""
        if not self.languages:
            return self.scorer
        languages = self.detect(log_probs).models if languages is None else languages
        if languages and languages not in self.scorers:
            self.scorers[languages] = Fusion(self.languages.model(languages), self.model.alphabet)
        return self.scorers.get(languages)

    def _greedy_text(self, log_probs: NDArray[np.float32]) -> str:
        return without_crossed_out(self.model.alphabet.decode(label.label for label in greedy(log_probs)))

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
                languages = settings["lm"] or default_languages(describe_model(path).get("facts", {}))
                files |= {language: content_hash(path) for language, path in _language_files(languages)}
        return {
            "models": files,
            "words": sha256("\n".join(settings["words"]).encode()).hexdigest(),
            **{name: settings[name] for name in ("decoder", "lm", "engine")},
        }

    def read_many(self, lines: Iterable[Writing], one_page: bool = False) -> Iterator[Reading]:
        """Read many lines, as Recognizer.read_many does. Raises BadModel if a model is missing."""
        for is_image, group in groupby(lines, _is_image):
            yield from self._recognizer(is_image).read_many(group, one_page=one_page)

    def read_with_alternatives(self, line: Writing, most: int = 5) -> tuple[Reading, list[list[str]]]:
        """Read one line; see `Recognizer.read_with_alternatives`."""
        return self._recognizer(_is_image(line)).read_with_alternatives(line, most)

    def _recognizer(self, is_image: bool) -> Recognizer:
        name = self.images if is_image else self.strokes
        if name not in self.loaded:
            self.loaded[name] = self.load(name)
        return self.loaded[name]


def _others(word: str, readings: Iterable[str]) -> list[str]:
    """The other readings of a word, each once: a space before or behind it is no difference.

    >>> _others("so", ["so ", "sow", " sow", "s o"])
    ['sow', 's o']
    """
    return [text for text in dict.fromkeys(reading.strip() for reading in readings) if text not in ("", word)]


def _is_image(line: Writing) -> bool:
    return isinstance(line, np.ndarray | NormalizedImage)


def default_languages(facts: Mapping[str, Any]) -> str:
    """The language models of a model: those of the detected languages, if its facts name shipped ones."""
    named: str = facts.get("lm", NO_LM)
    return AUTO_LM if find_detector() and CODES.keys() >= {*named.split(",")} else named


def _language_files(names: str) -> list[tuple[str, Path]]:
    """The files that decide how the beam search decodes. Raises BadModel for one that is missing."""
    if names == NO_LM:
        return []
    if names != AUTO_LM:
        return [(name, find_language_model(name)) for name in names.split(",")]
    detector = find_detector()
    return [*([(AUTO_LM, detector)] if detector else []), *shipped_language_models().items()]


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


def _between(
    characters: Sequence[Character], marks: Sequence[Character], extent: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """The left and right end of what marks stand for: from the character before each of them to the one after it."""
    found = []
    for mark in marks:
        middle = (mark.left + mark.right) / 2
        before = [character.right for character in characters if character.right <= middle]
        after = [character.left for character in characters if character.left >= middle]
        found.append((max(before, default=extent[0]), min(after, default=extent[1])))
    return tuple(dict.fromkeys(found))


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
