"""Scores of a recogniser on the lines of a dataset: error rates with intervals, and what was misread."""

import itertools
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from inkread.alphabet import normal, without_crossed_out
from inkread.data import Dataset, Sample, open_dataset
from inkread.data.samples import read_line_input
from inkread.errors import BadDataset, EmptyDataset, InkreadError
from inkread.evaluation.calibration import (
    Bin,
    calibration_error,
    reliability,
    right_characters,
    right_words,
    roc_area,
)
from inkread.evaluation.metrics import alignment, bootstrap_interval, edit_distance, words
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading
from inkread.pages.reader import LineRecognizer

logger = logging.getLogger("inkread")


@dataclass(frozen=True)
class ScoredLine:
    """One line of the dataset: the text that is written, the text that was read, and the edits between them."""

    index: int  # of its sample in Dataset.samples
    id: str
    writer: str | None
    written: str  # NFC
    read: str  # NFC
    confidence: float
    characters: int  # in the written text
    words: int  # in the written text
    character_edits: int  # insertions, deletions and substitutions from the written to the read text
    word_edits: int
    character_confidences: tuple[float, ...] = ()  # one for each character of `read`
    word_confidences: tuple[float, ...] = ()  # one for each word of `read`

    @property
    def rate(self) -> float:
        """Edits per written character; a line without written text counts as one character."""
        return self.character_edits / max(1, self.characters)


@dataclass(frozen=True)
class Group:
    """Lines by the same writer, or of similar length, and their character error rate."""

    name: str
    lines: int
    characters: int
    rate: float


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`. At least one word is written in the lines, so every rate exists."""

    dataset: str
    lines: tuple[ScoredLine, ...]
    failures: tuple[tuple[str, str], ...]  # (id, message) of each line that cannot be read from its file
    seconds: float  # wall-clock time, including the reading of files

    @property
    def characters(self) -> int:
        """The number of written characters."""
        return sum(line.characters for line in self.lines)

    @property
    def words(self) -> int:
        """The number of written words."""
        return sum(line.words for line in self.lines)

    @property
    def writers(self) -> int | None:
        """The number of writers; None if the writer of a line is not known."""
        found = {line.writer for line in self.lines}
        return None if None in found else len(found)

    @property
    def cer(self) -> float:
        """The character error rate: all edits over all written characters."""
        return sum(line.character_edits for line in self.lines) / self.characters

    @property
    def wer(self) -> float:
        """The word error rate: all edits of words over all written words."""
        return sum(line.word_edits for line in self.lines) / self.words

    @property
    def interval_by(self) -> str:
        """What the bootstrap draws: "writer", or "line" if writers are unknown or there is only one."""
        return "writer" if self.writers is not None and self.writers > 1 else "line"

    @cached_property
    def cer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the CER."""
        return self._interval([line.character_edits for line in self.lines], [line.characters for line in self.lines])

    @cached_property
    def wer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the WER."""
        return self._interval([line.word_edits for line in self.lines], [line.words for line in self.lines])

    @property
    def lines_per_second(self) -> float:
        """The speed, with the reading of files."""
        return len(self.lines) / self.seconds

    @property
    def perfect(self) -> float:
        """The share of lines that were read without an error."""
        return sum(line.read == line.written for line in self.lines) / len(self.lines)

    @property
    def reliability(self) -> dict[str, list[Bin]]:
        """For characters, words and lines: in bins of confidence, the share that was read correctly."""
        return {unit: reliability(*judged) for unit, judged in self._judged.items()}

    @property
    def calibration_errors(self) -> dict[str, float]:
        """The expected calibration error of the confidences of characters, words and lines."""
        return {unit: calibration_error(*judged) for unit, judged in self._judged.items()}

    @property
    def line_roc_area(self) -> float | None:
        """How often a line without an error has a higher confidence than one with errors; see `roc_area`."""
        return roc_area(*self._judged["lines"])

    def worst(self, count: int) -> list[ScoredLine]:
        """The `count` lines with the highest error rates above 0; of equal ones, those with more edits come first."""
        wrong = [line for line in self.lines if line.character_edits]
        return sorted(wrong, key=lambda line: (-line.rate, -line.character_edits))[:count]

    def confusions(self, count: int) -> list[tuple[str, str, int]]:
        """The `count` most frequent errors, as (written, read, times).

        ("a", "o", 12): a was read as o 12 times; ("a", "", 3): a was missed; ("", "a", 2): a was added.
        """
        return [(*pair, times) for pair, times in self._pairs.most_common() if pair[0] != pair[1]][:count]

    def character_accuracy(self) -> dict[str, tuple[int, int]]:
        """Each written character: (times written, times read correctly); those with most errors come first."""
        written: Counter[str] = Counter()
        for (character, _), times in self._pairs.items():
            written[character] += times
        del written[""]
        accuracy = {character: (times, self._pairs[character, character]) for character, times in written.items()}
        return dict(sorted(accuracy.items(), key=lambda item: (item[1][1] - item[1][0], item[0])))

    def error_by_length(self) -> list[Group]:
        """The lines in bins of ten written characters, the shortest first, without empty bins."""
        return _groups(sorted(self.lines, key=lambda line: line.characters), _length_bin)

    def error_by_writer(self) -> list[Group]:
        """The writers, the highest error rate first; empty if they are not known."""
        if self.writers is None:
            return []
        return sorted(_groups(self.lines, lambda line: str(line.writer)), key=lambda group: -group.rate)

    def to_dict(self) -> dict[str, Any]:
        """All results as plain values for JSON. Rates are fractions, and times are wall-clock seconds."""
        return {
            "dataset": self.dataset,
            "cer": self.cer,
            "cer_interval": self.cer_interval,
            "wer": self.wer,
            "wer_interval": self.wer_interval,
            "interval_by": self.interval_by,
            "perfect_lines": self.perfect,
            "calibration_errors": self.calibration_errors,
            "line_roc_area": self.line_roc_area,
            "lines": len(self.lines),
            "characters": self.characters,
            "words": self.words,
            "writers": self.writers,
            "seconds": self.seconds,
            "lines_per_second": self.lines_per_second,
            "failures": [{"id": name, "message": message} for name, message in self.failures],
            "readings": [asdict(line) for line in self.lines],
        }

    @cached_property
    def _judged(self) -> dict[str, tuple[list[float], list[bool]]]:
        """The confidences of characters, words and lines, and for each whether it was read correctly."""
        judged: dict[str, tuple[list[float], list[bool]]] = {
            "characters": ([], []),
            "words": ([], []),
            "lines": ([], []),
        }
        for line in self.lines:
            for unit, confidences, right in (
                ("characters", line.character_confidences, right_characters(line.written, line.read)),
                ("words", line.word_confidences, right_words(line.written, line.read)),
                ("lines", (line.confidence,), [line.read == line.written]),
            ):
                if len(confidences) == len(right):  # a recogniser may know nothing of characters and words
                    judged[unit][0].extend(confidences)
                    judged[unit][1].extend(right)
        return judged

    @cached_property
    def _pairs(self) -> Counter[tuple[str, str]]:
        """How often each (written, read) pair of characters occurs in the alignments."""
        return Counter(itertools.chain.from_iterable(alignment(line.written, line.read) for line in self.lines))

    def _interval(self, edits: Sequence[int], lengths: Sequence[int]) -> tuple[float, float]:
        writers = [line.writer for line in self.lines]
        return bootstrap_interval(edits, lengths, writers if self.interval_by == "writer" else None)


def evaluate(
    recognizer: LineRecognizer, dataset: Dataset, progress: Callable[[int, int], None] | None = None
) -> Evaluation:
    """Read every line of a dataset and score it.

    `progress` is called with the number of lines done and the number of all lines. A line that cannot be read from its
    file becomes one of the failures, and the others are still scored. Raises BadDataset if nothing is left to score.
    """
    total = len(dataset.samples)
    inputs = _LineInputs(dataset.samples)
    lines: list[ScoredLine] = []
    start = time.perf_counter()
    for reading in recognizer.read_many(inputs):
        index = inputs.opened[len(lines)]
        lines.append(_score(index, dataset.samples[index], reading))
        if progress:
            progress(len(lines) + len(inputs.failures), total)
    seconds = time.perf_counter() - start
    if progress:
        progress(total, total)  # failures may have come after the last reading
    if not lines and inputs.failures:
        problem = f"none of its {total} lines can be read; the first: {inputs.failures[0][1]}"
        raise BadDataset(problem, path=dataset.name)
    if not any(line.words for line in lines):
        raise EmptyDataset("no line with a text to compare with", path=dataset.name, hint="check its transcriptions")
    return Evaluation(dataset.name, tuple(lines), tuple(inputs.failures), seconds)


def evaluate_dataset(dataset: str | os.PathLike[str] | Dataset, recognizer: LineRecognizer) -> Evaluation:
    """Open a dataset if it is a path, evaluate it, and log which lines were left out; see `inkread.evaluate`."""
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(os.fspath(dataset))
    for reason in opened.skipped:
        logger.info("left out: %s", reason)
    for note in opened.notes:
        logger.info("note: %s", note)
    evaluation = evaluate(recognizer, opened)
    for _, message in evaluation.failures:
        logger.error("%s", message)
    return evaluation


class _LineInputs:
    """The images or strokes of samples, read one by one. It records which samples could be read, and which not."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.opened: list[int] = []  # indexes of samples
        self.failures: list[tuple[str, str]] = []  # (id, message)

    def __iter__(self) -> Iterator[Writing]:
        for index, sample in enumerate(self.samples):
            try:
                line = read_line_input(sample)
            except InkreadError as error:
                self.failures.append((sample.id, str(error)))
            except Exception as error:  # whatever is wrong with one line, the others are scored
                problem = f"cannot be read because of an error in inkread ({error!r})"
                message = str(InkreadError(problem, path=sample.path, hint="please report it"))
                self.failures.append((sample.id, message))
            else:
                self.opened.append(index)
                yield line


def summary_lines(evaluation: Evaluation) -> list[str]:
    """The result as two or three lines of plain text."""
    (cer_low, cer_high), (wer_low, wer_high) = evaluation.cer_interval, evaluation.wer_interval
    writers = "" if evaluation.writers is None else f"{evaluation.writers} writers, "
    summary = [
        f"CER {100 * evaluation.cer:.2f} % ({100 * cer_low:.2f}-{100 * cer_high:.2f})   "
        f"WER {100 * evaluation.wer:.1f} % ({100 * wer_low:.1f}-{100 * wer_high:.1f})   "
        f"{len(evaluation.lines)} lines, {writers}{evaluation.lines_per_second:.1f} lines per second; "
        f"interval: 95 % bootstrap by {evaluation.interval_by}"
    ]
    errors = evaluation.calibration_errors
    area = evaluation.line_roc_area
    summary.append(
        f"Calibration error: {100 * errors['characters']:.1f} points for characters, {100 * errors['words']:.1f} for "
        f"words, {100 * errors['lines']:.1f} for lines   "
        + (f"AUC for a line without an error: {area:.3f}" if area is not None else "All lines are alike: no AUC")
    )
    if evaluation.failures:
        summary.append(f"Lines not scored because they cannot be read: {len(evaluation.failures)}")
    return summary


def _score(index: int, sample: Sample, reading: Reading) -> ScoredLine:
    written, read = normal(without_crossed_out(sample.text)), normal(reading.text)
    return ScoredLine(
        index=index,
        id=sample.id,
        writer=sample.writer,
        written=written,
        read=read,
        confidence=reading.confidence,
        characters=len(written),
        words=len(words(written)),
        character_edits=edit_distance(written, read),
        word_edits=edit_distance(words(written), words(read)),
        character_confidences=tuple(character.confidence for character in reading.characters),
        word_confidences=reading.words,
    )


def _groups(lines: Iterable[ScoredLine], name: Callable[[ScoredLine], str]) -> list[Group]:
    """The lines with the same name together, in the order in which the names first occur."""
    members = defaultdict(list)
    for line in lines:
        members[name(line)].append(line)
    groups = []
    for key, together in members.items():
        characters = sum(line.characters for line in together)
        edits = sum(line.character_edits for line in together)
        groups.append(Group(key, len(together), characters, edits / max(1, characters)))
    return groups


def _length_bin(line: ScoredLine) -> str:
    """34 written characters -> "31–40"; "over 100" beyond."""
    tens = max(0, line.characters - 1) // 10
    return f"{10 * tens + 1}–{10 * tens + 10}" if tens < 10 else "over 100"
