"""Whole pages: told from lines, their lines found, cut out and read, and every word placed on the page again."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np

from inkread.layout import find_lines
from inkread.page import Cut, Points, Region, cut_out
from inkread.recognizer import Reading, mean_confidence
from inkread.strokes import Writing

TALLEST_LINE = 400  # pixels: a higher picture in which no line is found is not that of a line
SLIMMEST = 20  # times as wide as high a picture may be and still be looked at for several lines


class Reader(Protocol):
    """What is needed of a `recognizer.Recognizer`: one reading a line, in the order of the lines."""

    def read_many(self, writings: Iterable[Writing]) -> Iterator[Reading]: ...


@dataclass(frozen=True)
class Sheet:
    """What one picture holds, to be read: the lines of a page, or a line that fills it."""

    name: str  # of its file
    number: int  # of the page in the file, from 1 on
    count: int  # of pages in the file
    size: tuple[int, int]  # width, height
    writings: tuple[Writing, ...]  # a picture, or strokes, of each line
    cuts: tuple[Cut, ...] = ()  # of a page: how each line was cut
    regions: tuple[Region, ...] = ()
    paragraphs: tuple[int, ...] = ()  # of a page: the number of each line's paragraph, from 1 on
    page: bool = False  # or a single line
    picture: np.ndarray | None = None  # of the page


@dataclass(frozen=True)
class Word:
    """A word read, and the corners of its place on the page, clockwise from the upper left."""

    text: str
    confidence: float
    outline: Points


@dataclass(frozen=True)
class WrittenLine:
    """A line of a page, read. The characters' left and right are those of their feet on the page."""

    region: Region
    reading: Reading
    words: tuple[Word, ...]
    paragraph: int


@dataclass(frozen=True)
class WrittenPage:
    """A page, read: its lines in reading order."""

    name: str
    number: int
    size: tuple[int, int]
    lines: tuple[WrittenLine, ...]

    @property
    def paragraphs(self) -> list[list[WrittenLine]]:
        return [list(lines) for _, lines in groupby(self.lines, key=lambda line: line.paragraph)]

    @property
    def text(self) -> str:
        """A line of text a line, a blank line between paragraphs."""
        return "\n\n".join("\n".join(line.reading.text for line in lines) for lines in self.paragraphs)


def lay_out(name: str, number: int, count: int, writing: Writing, page: bool | None = None) -> Sheet:
    """What a picture (H, W) uint8 holds. `page` says so where it is known; else it is told by looking.

    Pen strokes are those of a line.
    """
    if not isinstance(writing, np.ndarray):
        return Sheet(name, number, count, (0, 0), (writing,))
    picture = writing
    height, width = picture.shape
    sheet = Sheet(name, number, count, (width, height), (picture,))
    if page is False or (page is None and width > SLIMMEST * height):
        return sheet
    paragraphs = find_lines(picture)
    regions = tuple(region for paragraph in paragraphs for region in paragraph)
    if page is None and not _is_page(regions, width, height):
        return sheet
    numbers = tuple(number for number, paragraph in enumerate(paragraphs, 1) for _ in paragraph)
    cuts = tuple(cut_out(picture, region) for region in regions)
    writings = tuple(cut.picture for cut in cuts)
    return replace(sheet, writings=writings, cuts=cuts, regions=regions, paragraphs=numbers, page=True, picture=picture)


def _is_page(regions: Sequence[Region], width: int, height: int) -> bool:
    """Whether these are lines of a page: two of them stand one above the other, or one takes little of its height.

    A large picture without any line is a page without handwriting.
    """
    spans = [np.array(region.polygon) for region in regions]
    boxes = [(*points.min(axis=0), *points.max(axis=0)) for points in spans]
    if not boxes:
        return height > max(TALLEST_LINE, 0.3 * width)
    if len(boxes) == 1:
        return bool(boxes[0][3] - boxes[0][1] < 0.4 * height and height > 0.3 * width)
    long = [box for box in boxes if box[2] - box[0] > 0.2 * width]
    return any(
        min(a[2], b[2]) - max(a[0], b[0]) > 0.5 * min(a[2] - a[0], b[2] - b[0]) and (a[1] + a[3]) / 2 < b[1]
        for a in long
        for b in long
    )


def read_sheets(reader: Reader, sheets: Iterable[Sheet]) -> Iterator[tuple[Sheet, list[Reading]]]:
    """Each sheet with the readings of its lines, in the order of the sheets; lines of several are read together."""
    waiting: deque[Sheet] = deque()

    def writings() -> Iterator[Writing]:
        for sheet in sheets:
            waiting.append(sheet)
            yield from sheet.writings

    readings: list[Reading] = []
    for reading in reader.read_many(writings()):
        while not waiting[0].writings:
            yield waiting.popleft(), []
        readings.append(reading)
        if len(readings) == len(waiting[0].writings):
            yield waiting.popleft(), readings
            readings = []
    for sheet in waiting:  # pages on which nothing is written
        yield sheet, []


def place_on_page(sheet: Sheet, readings: Sequence[Reading]) -> WrittenPage:
    """The readings of a page's lines, with the places of characters and words on the page."""
    lines = [
        WrittenLine(region, _on_page(reading, cut), tuple(_words(reading, cut)), paragraph)
        for region, cut, paragraph, reading in zip(sheet.regions, sheet.cuts, sheet.paragraphs, readings, strict=True)
    ]
    return WrittenPage(sheet.name, sheet.number, sheet.size, tuple(lines))


def _on_page(reading: Reading, cut: Cut) -> Reading:
    columns = np.arange(len(cut.feet))
    characters = tuple(
        replace(
            character,
            left=float(np.interp(character.left, columns, cut.feet[:, 0])),
            right=float(np.interp(character.right, columns, cut.feet[:, 0])),
        )
        for character in reading.characters
    )
    return replace(reading, characters=characters)


def _words(reading: Reading, cut: Cut) -> Iterator[Word]:
    """The words, each as far as the blanks around it: CTC tells where a letter is, but not how wide it is."""
    groups = [list(group) for _, group in groupby(reading.characters, key=lambda character: character.text == " ")]
    ends = [group[0].left for group in groups[1:]] + [float(len(cut.feet))]
    begins = [0.0] + [group[-1].right for group in groups[:-1]]
    for characters, left, right in zip(groups, begins, ends, strict=True):
        text = "".join(character.text for character in characters)
        if text.strip():
            yield Word(text, mean_confidence(characters), cut.outline(left, right))
