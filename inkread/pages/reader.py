"""Whole pages: told from lines, their lines found, cut out and read, and every word placed on the page again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Protocol, TypeVar

import numpy as np

from inkread.errors import BadModel
from inkread.features.image import dark_on_light
from inkread.inputs.ink import LineInput
from inkread.model.recognizer import Reading, mean_confidence
from inkread.pages.regions import Cut, Points, Region, cut_out
from inkread.pages.segment import find_lines

TOGETHER = 256  # single lines that are read together
MOST_PIXELS = 200_000_000  # in the pictures of lines that are read together

TALLEST_LINE = 400  # pixels: a higher picture in which no line is found is not that of a line
SLIMMEST = 20  # times as wide as high a picture may be and still be looked at for several lines

T = TypeVar("T")


class LineRecognizer(Protocol):
    """What a reader of lines must have: one reading per line, in the order of the lines."""

    def read_many(self, lines: Iterable[LineInput], /) -> Iterator[Reading]: ...


@dataclass(frozen=True)
class Sheet:
    """What one picture holds, to be read: the lines of a page, or a line that fills it."""

    name: str  # of its file
    number: int  # of the page in the file, from 1 on
    count: int  # of pages in the file
    size: tuple[int, int]  # width, height
    writings: tuple[LineInput, ...]  # a picture, or strokes, of each line
    cuts: tuple[Cut, ...] = ()  # of a page: how each line was cut
    regions: tuple[Region, ...] = ()
    paragraphs: tuple[int, ...] = ()  # of a page: the number of each line's paragraph, from 1 on
    page: bool = False  # or a single line
    picture: np.ndarray | None = None  # of the page, (H, W) or in colour (H, W, 3)


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


def lay_out(name: str, number: int, count: int, writing: LineInput, page: bool | None = None) -> Sheet:
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
    inked = dark_on_light(picture)
    paragraphs = find_lines(inked)
    regions = tuple(region for paragraph in paragraphs for region in paragraph)
    if page is None and not _is_page(regions, width, height):
        return sheet
    numbers = tuple(number for number, paragraph in enumerate(paragraphs, 1) for _ in paragraph)
    cuts = tuple(cut_out(inked, region) for region in regions)
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


def read_sheets(
    reader: LineRecognizer, sheets: Iterable[Sheet], failed: Callable[[Sheet, Exception], None] | None = None
) -> Iterator[tuple[Sheet, list[Reading]]]:
    """Each sheet with the readings of its lines, in the order of the sheets.

    A page comes as soon as it has been read; single lines are read many at once. Meanwhile the next page, or the next
    lines, are taken from `sheets` in a thread of their own, and no more. A sheet that cannot be read is given to
    `failed` with the error, and the others are read; without `failed` the error is raised.
    """
    for group in _one_ahead(_groups(sheets)):
        yield from _read_group(reader, group, failed)


def _groups(sheets: Iterable[Sheet]) -> Iterator[list[Sheet]]:
    """What is read together: a page by itself, or single lines that follow one another."""
    group: list[Sheet] = []
    pixels = 0
    for sheet in sheets:
        if sheet.page and group:
            yield group
            group, pixels = [], 0
        group.append(sheet)
        pixels += sheet.size[0] * sheet.size[1]
        if sheet.page or len(group) == TOGETHER or pixels > MOST_PIXELS:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, each made in another thread while the one before it is used."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as ahead:
        item = next(iterator, None)
        while item is not None:
            following = ahead.submit(next, iterator, None)
            yield item
            item = following.result()


def _read_group(
    reader: LineRecognizer, group: Sequence[Sheet], failed: Callable[[Sheet, Exception], None] | None
) -> list[tuple[Sheet, list[Reading]]]:
    """The sheets with their readings. If one of them cannot be read, they are read one by one."""
    readings = reader.read_many(writing for sheet in group for writing in sheet.writings)
    try:
        return [(sheet, list(islice(readings, len(sheet.writings)))) for sheet in group]
    except BadModel:
        raise
    except Exception as error:
        if not failed:
            raise
        if len(group) > 1:
            return [read for sheet in group for read in _read_group(reader, [sheet], failed)]
        failed(group[0], error)
        return []


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
    if not reading.characters:
        return
    groups = [list(group) for _, group in groupby(reading.characters, key=lambda character: character.text == " ")]
    ends = [group[0].left for group in groups[1:]] + [float(len(cut.feet))]
    begins = [0.0] + [group[-1].right for group in groups[:-1]]
    for characters, left, right in zip(groups, begins, ends, strict=True):
        text = "".join(character.text for character in characters)
        if text.strip():
            yield Word(text, mean_confidence(characters), cut.outline(left, right))
