"""Pen strokes that are still being written: their lines are found each time, and only those that changed are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from inkread.document.elements import Line
from inkread.errors import BadInput
from inkread.features.extract import Writing
from inkread.inputs import json_ink
from inkread.inputs.ink import Ink, Stroke, check_inks
from inkread.inputs.source import open_source
from inkread.model.confidence import word_spans
from inkread.model.recognizer import Reading
from inkread.pages.layout import detect_layout
from inkread.pages.reader import to_page

KEPT = 500  # readings of lines in memory: those of ten full pages; one takes 10 KB
LARGEST = 50_000_000  # bytes of JSON: MAX_POINTS with every digit of a float, and times and pressures
Alternatives = list[list[str]]  # of each word


class Recognizer(Protocol):
    """What is needed of Recognizers."""

    def read_with_alternatives(self, line: Writing, /) -> tuple[Reading, Alternatives]: ...


@dataclass(frozen=True)
class ReadLine:
    """A line that was found among strokes: which of them it has, and other readings of each of its words."""

    line: Line
    strokes: tuple[int, ...]
    alternatives: Alternatives
    paragraph: int


class StrokeReader:
    """Reads lines of strokes, and remembers the latest: of a page, all but one are the same after one more stroke."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._read = lru_cache(KEPT)(self._read_line)
        self._read_line((np.eye(2).tobytes(),))  # loads the model, so that the first line does not take longer

    def _read_line(self, strokes: tuple[bytes, ...]) -> tuple[Reading, Alternatives]:
        return self._recognizer.read_with_alternatives([np.frombuffer(each).reshape(-1, 2) for each in strokes])

    def read(self, name: str, strokes: Sequence[Stroke]) -> list[ReadLine]:
        """The lines of a page, in reading order. Raises BadInput for strokes that no pen makes."""
        if not strokes:
            return []
        extent = np.maximum(np.concatenate(strokes).max(axis=0), 1.0)
        ink = Ink(tuple(strokes), size=(float(extent[0]), float(extent[1])))
        check_inks(name, [ink])
        layout = detect_layout(name, 1, 1, ink, is_page=True)
        read = [self._read(tuple(stroke.tobytes() for stroke in line)) for line in layout.line_inputs]
        numbers = {id(stroke): number for number, stroke in enumerate(ink.strokes)}
        lines = to_page(layout, [reading for reading, _ in read]).lines
        return [
            ReadLine(line, tuple(numbers[id(stroke)] for stroke in of_line), _of_words(line, alternatives), paragraph)
            for line, of_line, (_, alternatives), paragraph in zip(
                lines, layout.line_inputs, read, layout.paragraphs, strict=True
            )
        ]


def _of_words(line: Line, alternatives: Alternatives) -> Alternatives:
    """The alternatives of those words that the line has: none of them is white space alone."""
    spans = word_spans(line.text)
    kept = [each for (begin, end), each in zip(spans, alternatives, strict=True) if line.text[begin:end].strip()]
    assert len(kept) == len(line.words)
    return kept


def parse_strokes(data: bytes, name: str) -> list[Stroke]:
    """The strokes in a JSON ink, in the order of time; there may be none. Raises BadInput."""
    inks = _parse(data, name)
    if len(inks) != 1:
        raise BadInput(f"{len(inks)} inks, but one is wanted", path=name, hint="send one JSON object")
    return list(inks[0].strokes)


def parse_lines(data: bytes, name: str) -> list[Ink]:
    """The lines of writing in JSON Lines, each with its text. Raises BadInput."""
    inks = _parse(data, name)
    check_inks(name, inks)
    return inks


def _parse(data: bytes, name: str) -> list[Ink]:
    check_length(data, name)
    try:
        return json_ink.read(open_source(data, name), True)
    except RecursionError as error:
        raise BadInput("nested too deeply for ink", path=name, hint="send a list of strokes") from error


def check_length(data: bytes, name: str) -> None:
    """Raise BadInput for more JSON than a page of strokes has, before it fills the memory."""
    if len(data) > LARGEST:
        raise BadInput(f"more than {LARGEST // 1_000_000} MB of strokes", path=name, hint="send fewer at once")


def to_dict(lines: Sequence[ReadLine]) -> dict[str, Any]:
    """Lines as JSON: what the pad shows."""
    return {
        "lines": [
            {
                "text": each.line.text,
                "confidence": round(each.line.confidence, 4),
                "paragraph": each.paragraph,
                "strokes": each.strokes,
                "polygon": [[round(x, 2), round(y, 2)] for x, y in each.line.polygon],
                "words": [
                    {"text": word.text, "confidence": round(word.confidence, 4), "alternatives": alternatives}
                    for word, alternatives in zip(each.line.words, each.alternatives, strict=True)
                ],
            }
            for each in lines
        ]
    }
