"""An image or a page of pen strokes becomes a page layout: the lines to read; or it is one line by itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from inkread.document.elements import Points
from inkread.errors import BadInput
from inkread.features.image import dark_on_light
from inkread.inputs import Images, Inks
from inkread.inputs.images import check_size
from inkread.inputs.ink import Ink, LineInput, Stroke
from inkread.pages.ink_page import draw_page, find_ink_lines
from inkread.pages.readable import Readable, open_pages
from inkread.pages.regions import Cut, Region, cut_out
from inkread.pages.segment import find_lines

# How pages and single lines are told apart. The values fit every image of datasets/sample (tests/test_layout.py).
WIDEST_PAGE = 20  # width / height: a wider image is a single line, and no lines are looked for
TALLEST_LINE = 400  # pixels: a higher image without any line found is an empty page, if it is not very wide ...
EMPTY_PAGE_HEIGHT = 0.3  # ... that is, if its height is more than this share of its width
LONE_LINE_HEIGHT = 0.4  # share of the image's height: if its only line takes less, there is room for others
LONG_LINE = 0.2  # share of the image's width that a line must have to count as one of several lines
BESIDE = 0.5  # share of the shorter one's width that two lines must have in common to stand one above the other


@dataclass(frozen=True)
class PageLayout:
    """What is to be read on one page of a file: its lines in reading order, or the only line.

    `regions` and `paragraphs` have an entry for each line of a page, and none for a single line. `cuts` has one for
    each line of an image of a page. `typed` has one for each line of a page of pen strokes: its text if it was typed,
    or None if it is to be read; `line_inputs` has only the latter.
    """

    name: str  # of the file
    number: int  # of the page in its file, from 1
    count: int  # pages in the file
    size: tuple[int, int]  # width and height in pixels, of pen strokes in their units; (0, 0) for a line of strokes
    line_inputs: tuple[LineInput, ...]  # the image (H, W) uint8 or the strokes of each line
    regions: tuple[Region, ...] = ()  # where each line is on the page
    cuts: tuple[Cut, ...] = ()  # how each line was cut out
    paragraphs: tuple[int, ...] = ()  # the number of each line's paragraph, from 1
    is_page: bool = False  # a whole page, not a single line
    unread: tuple[Points, ...] = ()  # outlines of what may be handwriting, but is not among the lines
    typed: tuple[str | None, ...] = ()
    strokes: tuple[Stroke, ...] = ()  # all of a page, drawings included
    in_color: Callable[[], NDArray[np.uint8]] | None = None  # reads the page again, (H, W, 3), or (H, W) if it is grey
    wanted: range | None = None  # the numbers of the pages of this file that are to be read; None for all
    file: Images | Inks | None = None  # the file that this is a page of; None for what was in memory
    rotation: int = 0  # degrees by which the image was turned clockwise before its lines were found
    image: NDArray[np.uint8] | None = None  # (H, W), dark on light, while it is not yet known whether it is upright

    @property
    def numbers(self) -> range:
        """The numbers, from 1, of the pages of this file that are to be read."""
        return self.wanted or range(1, self.count + 1)


def detect_layout(
    name: str, number: int, count: int, source: NDArray[np.uint8] | Ink, is_page: bool | None = None
) -> PageLayout:
    """The layout of an image (H, W) uint8 or of ink.

    Whether it is a page or a single line is detected unless `is_page` says it.
    `name`, `number` and `count` are those of PageLayout.
    """
    if isinstance(source, Ink):
        return _detect_ink_layout(name, number, count, source, is_page)
    height, width = source.shape
    layout = PageLayout(name, number, count, (width, height), (source,))
    if is_page is False or (is_page is None and width > WIDEST_PAGE * height):
        return layout
    page = dark_on_light(source)
    found = find_lines(page)
    paragraphs = found.paragraphs
    regions = tuple(region for paragraph in paragraphs for region in paragraph)
    if is_page is None and not _look_like_a_page(regions, width, height):
        return replace(layout, image=page) if _is_high(width, height) else layout
    cuts = tuple(cut_out(page, region) for region in regions)
    return replace(
        layout,
        line_inputs=tuple(cut.image for cut in cuts),
        regions=regions,
        cuts=cuts,
        paragraphs=tuple(number for number, paragraph in enumerate(paragraphs, 1) for _ in paragraph),
        is_page=True,
        image=page if height > EMPTY_PAGE_HEIGHT * width else None,  # lines have no room to run up or down
        unread=found.unread,
    )


def turn_layout(layout: PageLayout, degrees: int) -> PageLayout:
    """The layout of the page that an image shows after it was turned clockwise by 90, 180 or 270 degrees.

    Its size and all positions are those of the turned image.
    """
    assert layout.image is not None
    turned = np.ascontiguousarray(np.rot90(layout.image, -degrees // 90))
    found = detect_layout(layout.name, layout.number, layout.count, turned, is_page=True)
    return replace(found, rotation=degrees, in_color=layout.in_color, wanted=layout.wanted, file=layout.file)


def _detect_ink_layout(name: str, number: int, count: int, ink: Ink, is_page: bool | None) -> PageLayout:
    """The layout of pen strokes: they are a page if their format has pages, or if they are several lines.

    Where the format has no pages, the page reaches to the strokes on the right and below, and strokes at negative
    places are moved onto it.
    """
    layout = PageLayout(name, number, count, (0, 0), (ink.strokes,))
    if is_page is False and ink.strokes:
        return layout
    strokes, size = ink.strokes, ink.size
    if not size:
        points = np.concatenate([*strokes, *(np.array(text.corners) for text in ink.typed)])
        origin = points.min(axis=0).clip(None, 0)
        strokes, size = tuple(stroke - origin for stroke in strokes), tuple((points.max(axis=0) - origin).tolist())
    paragraphs = find_ink_lines(strokes, ink.typed)
    lines = [line for paragraph in paragraphs for line in paragraph]
    if is_page is None and not ink.size and not ink.typed and len(lines) <= 1:
        return layout
    width, height = (max(math.ceil(length), 1) for length in size)
    return replace(
        layout,
        size=(width, height),
        line_inputs=tuple(line.strokes for line in lines if line.typed is None),
        regions=tuple(line.region for line in lines),
        paragraphs=tuple(number for number, paragraph in enumerate(paragraphs, 1) for _ in paragraph),
        is_page=True,
        typed=tuple(line.typed for line in lines),
        strokes=strokes,
        in_color=partial(_draw, name, strokes, (width, height)),
    )


def _draw(name: str, strokes: Sequence[Stroke], size: tuple[int, int]) -> NDArray[np.uint8]:
    check_size(name, *size)
    return draw_page(strokes, size)


def find_lines_of(x: Readable) -> list[list[Region]]:
    """The lines on an image of one page; see `inkread.find_lines`."""
    pages = open_pages(x)
    page = pages.load(0) if pages.count == 1 else None
    if page is None:
        raise BadInput(f"{pages.count} pages", path=pages.name, hint="give one page as an array or a PIL image")
    if isinstance(page, Ink):
        raise BadInput("pen strokes, not a page", path=pages.name, hint="give an image")
    return find_lines(dark_on_light(page)).paragraphs


def _look_like_a_page(regions: Sequence[Region], width: int, height: int) -> bool:
    """Whether the lines found in an image are those of a page, not parts of a single line.

    They are if two long ones stand one above the other, or if the only one leaves room for more.
    """
    corners = [np.array(region.polygon) for region in regions]
    boxes = [(*points.min(axis=0), *points.max(axis=0)) for points in corners]  # left, top, right, bottom
    if not boxes:
        return _is_high(width, height)
    if len(boxes) == 1:
        (_, top, _, bottom) = boxes[0]
        return bool(bottom - top < LONE_LINE_HEIGHT * height and height > EMPTY_PAGE_HEIGHT * width)
    long = [box for box in boxes if box[2] - box[0] > LONG_LINE * width]
    return any(_stands_above(first, second) for first in long for second in long)


def _is_high(width: int, height: int) -> bool:
    """Whether an image is higher than one of a single line."""
    return height > max(TALLEST_LINE, EMPTY_PAGE_HEIGHT * width)


def _stands_above(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether one box (left, top, right, bottom) is above another one and shares much of its width."""
    shared = min(first[2], second[2]) - max(first[0], second[0])
    middle = (first[1] + first[3]) / 2
    return bool(shared > BESIDE * min(first[2] - first[0], second[2] - second[0]) and middle < second[1])
