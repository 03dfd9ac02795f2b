"""Reads documents: pages and single lines, from images and pen strokes, to text with positions on the page."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby, islice, pairwise
from operator import itemgetter
from typing import Protocol, TypeVar, get_args

import numpy as np

from inkread._names import one_line
from inkread.config import DEFAULT_MODEL, STROKE_MODEL
from inkread.document.elements import Character, Document, Line, Page, Paragraph, Points, Word
from inkread.errors import BadConfig, BadInput, BadModel, InkreadError, explain_failure
from inkread.features.extract import Writing
from inkread.inputs import Inks
from inkread.inputs.collect import Input
from inkread.inputs.ink import LineInput
from inkread.model.engines import EngineName
from inkread.model.recognizer import Decoder, Reading, Recognizers
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.orientation import turn_upright
from inkread.pages.readable import Readable, name_of, open_pages
from inkread.pages.regions import Cut, Region
from inkread.pages.unread import describe_places

LINES_AT_ONCE = 256  # single lines that are read together
PIXELS_AT_ONCE = 200_000_000  # at most, in the images of single lines that are read together

log = logging.getLogger("inkread")
T = TypeVar("T")


class LineRecognizer(Protocol):
    """What a Reader needs of a recognizer: one reading per line, in the order of the lines.

    `one_page` says whether the lines are those of one page, and so probably in the same language.
    """

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]: ...


Failed = Callable[[str, InkreadError], None]  # takes the name of an input and what is wrong with it
Check = Callable[[PageLayout], None]


class Reader:
    """Reads documents with a recognizer of lines. `inkread.load` makes one.

    An input is a path, the bytes of a file, a PIL image, a numpy array or pen strokes. Arrays are (height, width) or
    (height, width, 3 or 4), of uint8, uint16, bool, or of floats from 0 to 1; 0 is black. Strokes are a list with one
    array or list of points [x, y] per stroke, y growing downwards.
    """

    def __init__(self, recognizer: LineRecognizer) -> None:
        self.recognizer = recognizer

    def read(self, x: Readable, *, page: bool | None = None) -> Document:
        """Read an input, with all pages of a TIFF or PDF.

        Whether an image is a page or a single line is detected unless `page` says it. Raises BadInput for an input
        that cannot be read.
        """
        read = list(self.read_many([x], page=page))
        return Document(name_of(x), tuple(page for _, page in read), self.model_of(read[0][0]) if read else "")

    def read_line(self, x: Readable) -> Line:
        """Read an input as one single line. Raises BadInput if it has several pages."""
        pages = open_pages(x)
        if pages.count != 1:
            raise BadInput(f"{pages.count} pages, but one line is wanted", path=pages.name, hint="use read instead")
        layout = detect_layout(pages.name, 1, 1, pages.load(0), is_page=False)
        ((_, readings),) = read_layouts(self.recognizer, [layout])
        return to_page(layout, readings).lines[0]

    def read_many(
        self,
        inputs: Iterable[Readable | Input],
        *,
        page: bool | None = None,
        failed: Failed | None = None,
        check: Check | None = None,
    ) -> Iterator[tuple[PageLayout, Page]]:
        """Read many inputs; each page comes as soon as it has been read, in order, with its layout.

        The layout has the name of the file and the number of its pages. An input or page that cannot be read is
        reported to `failed` by its name and an InkreadError, and the others are still read; without `failed` the
        error is raised. `check` is called with each layout before it is read, and raises an error if it is not wanted.
        """
        layouts = self._layouts(inputs, page, failed, check)
        layout_failed = partial(_layout_failed, failed) if failed else None
        for layout, readings in read_layouts(self.recognizer, layouts, layout_failed):
            _log_layout(layout)
            yield layout, to_page(layout, readings)

    def model_of(self, layout: PageLayout) -> str:
        """The name of the model that reads a page, or "" where the recognizer has none."""
        if not isinstance(self.recognizer, Recognizers):
            return ""
        is_ink = isinstance(layout.file, Inks) or layout.size == (0, 0) or bool(layout.strokes)
        return self.recognizer.strokes if is_ink else self.recognizer.images

    def _layouts(
        self, inputs: Iterable[Readable | Input], page: bool | None, failed: Failed | None, check: Check | None
    ) -> Iterator[PageLayout]:
        for x in inputs:
            try:
                for layout in find_layouts(x, page):
                    if check:
                        check(layout)
                    yield layout
            except Exception as error:  # whatever is wrong with one input, the others are read
                if not failed:
                    raise
                name = name_of(x)
                failed(name, explain_failure(error, _place(name)))


def find_layouts(x: Readable | Input, page: bool | None = None) -> Iterator[PageLayout]:
    """The layout of each page of an input. Raises BadInput when it, or its next page, cannot be read."""
    pages = open_pages(x)
    for number in pages.wanted or range(1, pages.count + 1):
        layout = detect_layout(pages.name, number, pages.count, pages.load(number - 1), page)
        in_color = partial(pages.in_color, number - 1) if pages.in_color else None
        yield replace(layout, in_color=in_color or layout.in_color, wanted=pages.wanted, file=pages.file)


def read_layouts(
    recognizer: LineRecognizer,
    layouts: Iterable[PageLayout],
    failed: Callable[[PageLayout, Exception], None] | None = None,
) -> Iterator[tuple[PageLayout, list[Reading]]]:
    """Each layout with the readings of its lines, in order.

    A page comes as soon as it has been read; single lines are read many at once. Meanwhile a second thread takes the
    next page, or the next lines, from `layouts`, and no more than these. A layout that cannot be read is reported to
    `failed`, and the others are still read; without `failed` the error is raised. BadModel is always raised.
    """
    for group in _one_ahead(_groups(layouts)):
        yield from _read_group(recognizer, group, failed)


def _groups(layouts: Iterable[PageLayout]) -> Iterator[list[PageLayout]]:
    """What is read together: one page, or single lines that follow one another."""
    group: list[PageLayout] = []
    pixels = 0
    for layout in layouts:
        if layout.is_page and group:
            yield group
            group, pixels = [], 0
        group.append(layout)
        pixels += layout.size[0] * layout.size[1]
        if layout.is_page or len(group) == LINES_AT_ONCE or pixels > PIXELS_AT_ONCE:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items; another thread makes each of them while the one before is used."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as ahead:
        item = next(iterator, None)
        while item is not None:
            following = ahead.submit(next, iterator, None)
            yield item
            item = following.result()


def _read_group(
    recognizer: LineRecognizer,
    group: Sequence[PageLayout],
    failed: Callable[[PageLayout, Exception], None] | None,
) -> list[tuple[PageLayout, list[Reading]]]:
    """The layouts with their readings. If one of them cannot be read, they are read one by one."""
    lines = (line for layout in group for line in layout.line_inputs)
    readings = recognizer.read_many(lines, one_page=group[0].is_page)
    try:
        read = [(layout, list(islice(readings, len(layout.line_inputs)))) for layout in group]
        return [turn_upright(partial(recognizer.read_many, one_page=True), *each) for each in read]
    except BadModel:
        raise
    except Exception as error:
        if not failed:
            raise
        if len(group) > 1:
            return [read for layout in group for read in _read_group(recognizer, [layout], failed)]
        failed(group[0], error)
        return []


def _layout_failed(failed: Failed, layout: PageLayout, error: Exception) -> None:
    failed(layout.name, explain_failure(error, place_of(layout)))


def _log_layout(layout: PageLayout) -> None:
    if layout.is_page:
        count = len(layout.regions)
        found = "no handwriting found" if not count else "1 line found" if count == 1 else f"{count} lines found"
        turned = f"turned by {layout.rotation} degrees, " if layout.rotation else ""
        if layout.unread:
            found += f"; handwriting at {describe_places(layout.unread, layout.size)} was not read"
        to_look_at = not count or turned or layout.unread
        level = logging.WARNING if to_look_at else logging.INFO
        log.log(level, "%s: %s", one_line(place_of(layout)), turned + found)


def place_of(layout: PageLayout) -> str:
    """Where a page is, for messages: "letter.jpg" or "scan.pdf, page 2"."""
    return _place(layout.name) + (f", page {layout.number}" if layout.count > 1 else "")


def _place(name: str) -> str:
    return "<stdin>" if name == "-" else name


# ---- from the readings of lines to a page


def to_page(layout: PageLayout, readings: Sequence[Reading]) -> Page:
    """The readings of a layout's lines as a page, with the positions of characters and words on the image as given."""
    width, height = layout.size
    if not layout.is_page:
        paragraphs = tuple(
            Paragraph((_single_line(line_input, reading),))
            for line_input, reading in zip(layout.line_inputs, readings, strict=True)
        )
        return Page(layout.number, width, height, paragraphs, is_line=True)
    found = _lines_of_image(layout, readings) if layout.cuts else _lines_of_ink(layout, readings)
    lines = zip(layout.paragraphs, found, strict=True)
    paragraphs = tuple(Paragraph(tuple(line for _, line in group)) for _, group in groupby(lines, key=itemgetter(0)))
    page = Page(layout.number, width, height, paragraphs, unread=layout.unread)
    return page.turned(-layout.rotation % 360)


def _lines_of_image(layout: PageLayout, readings: Sequence[Reading]) -> list[Line]:
    return [_line_of_page(*each) for each in zip(readings, layout.cuts, layout.regions, strict=True)]


def _lines_of_ink(layout: PageLayout, readings: Sequence[Reading]) -> list[Line]:
    """The lines of a page of pen strokes: those that were read, and those that were typed."""
    read = iter(readings)
    return [
        _line_in_box(_as_reading(typed, region) if typed is not None else next(read), region)
        for typed, region in zip(layout.typed, layout.regions, strict=True)
    ]


def _as_reading(text: str, region: Region) -> Reading:
    """Typed text, which is certain; its characters are taken as equally wide."""
    edges = np.linspace(region.polygon[0][0], region.polygon[1][0], len(text) + 1).tolist()
    return Reading(
        text, 1.0, tuple(Character(each, 1.0, *edge) for each, edge in zip(text, pairwise(edges), strict=True))
    )


def _line_in_box(reading: Reading, region: Region) -> Line:
    """A line of a page of pen strokes, the polygon of which is a box along the line."""
    corners = np.array(region.polygon)  # clockwise from the upper left
    xs = corners[:, 0]

    def part(left: float, right: float) -> Points:
        """The part of the box between two x positions, which are those of strokes."""
        begin, end = ((np.array([left, right]) - xs.min()) / max(float(np.ptp(xs)), 1e-300)).tolist()
        upper, lower = corners[1] - corners[0], corners[2] - corners[3]
        points = (
            corners[0] + begin * upper,
            corners[0] + end * upper,
            corners[3] + end * lower,
            corners[3] + begin * lower,
        )
        return tuple((float(x), float(y)) for x, y in points)

    words = tuple(
        replace(word, polygon=part(left, right))
        for word, left, right in _words(reading, float(xs.min()), float(xs.max()))
    )
    return _line(reading, words, reading.characters, part, region.polygon, region.baseline)


def _line_of_page(reading: Reading, cut: Cut, region: Region) -> Line:
    """A line that was cut out of its page."""
    columns = np.arange(len(cut.baseline))

    def on_page(character: Character) -> Character:
        left, right = (
            float(np.interp(edge, columns, cut.baseline[:, 0])) for edge in (character.left, character.right)
        )
        return replace(character, left=left, right=right)

    words = tuple(
        Word(word.text, word.confidence, cut.outline(left, right), tuple(map(on_page, word.characters)))
        for word, left, right in _words(reading, 0.0, float(len(cut.baseline)))
    )
    characters = tuple(map(on_page, reading.characters))
    return _line(reading, words, characters, cut.outline, region.polygon, region.baseline)


def _single_line(line_input: LineInput, reading: Reading) -> Line:
    """A line that is a whole image, or pen strokes: it reaches over all of them."""
    left, top, right, bottom = _extent(line_input)

    def part(begin: float, end: float) -> Points:
        return ((begin, top), (end, top), (end, bottom), (begin, bottom))

    words = tuple(replace(word, polygon=part(*ends)) for word, *ends in _words(reading, left, right))
    return _line(reading, words, reading.characters, part, part(left, right))


def _line(
    reading: Reading,
    words: tuple[Word, ...],
    characters: tuple[Character, ...],
    part: Callable[[float, float], Points],
    polygon: Points,
    baseline: Points = (),
) -> Line:
    """A line; `part` is the outline of its part between two positions of the reading."""
    crossed_out = tuple(part(*ends) for ends in reading.crossed_out)
    return Line(reading.text, reading.confidence, words, characters, polygon, baseline, reading.language, crossed_out)


def _extent(line_input: LineInput) -> tuple[float, float, float, float]:
    """The left, top, right and bottom of an image or of strokes."""
    if isinstance(line_input, np.ndarray):
        height, width = line_input.shape
        return 0.0, 0.0, float(width), float(height)
    points = np.concatenate(list(line_input))
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def _words(reading: Reading, begin: float, end: float) -> Iterator[tuple[Word, float, float]]:
    """The words of a line, without polygons, each with its left and right end.

    A word reaches as far as the spaces around it, or what is crossed out beside it, and the first and last one to the
    `begin` and `end` of the line: CTC says where a character is, but not how wide it is.
    """
    if not reading.characters:
        return
    groups = [tuple(group) for _, group in groupby(reading.characters, key=lambda character: character.text == " ")]
    rights = [group[0].left for group in groups[1:]] + [end]
    lefts = [begin] + [group[-1].right for group in groups[:-1]]
    confidences = iter(reading.words)
    for characters, left, right in zip(groups, lefts, rights, strict=True):
        if characters[0].text == " ":
            continue
        confidence = next(confidences, reading.confidence)
        text = "".join(character.text for character in characters)
        if text.strip():
            before = [stop for _, stop in reading.crossed_out if stop <= characters[0].left]
            after = [start for start, _ in reading.crossed_out if start >= characters[-1].right]
            yield Word(text, confidence, (), characters), max([left, *before]), min([right, *after])


# ---- what a Reader is made of


def load_reader(
    model: str | None = None,
    *,
    lm: str | None = None,
    words: Sequence[str] = (),
    decoder: Decoder | None = None,
    engine: EngineName = "auto",
    device: str = "auto",
) -> Reader:
    """A Reader with models by name or path; see `inkread.load`."""
    if decoder not in (None, *get_args(Decoder)):
        raise BadConfig(f"decoder={decoder!r}", hint=f"give {' or '.join(map(repr, get_args(Decoder)))}")
    if isinstance(words, str) or not all(isinstance(word, str) for word in words):
        raise BadConfig(f"words={words!r}", hint="give a list of words")
    recognizers = Recognizers(model or DEFAULT_MODEL, model or STROKE_MODEL, decoder, lm, words, engine, device)
    if model:
        recognizers.loaded[model] = recognizers.load(model)  # now, so that a wrong name is reported at once
    return Reader(recognizers)
