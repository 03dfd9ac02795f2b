"""An image becomes a page layout: the lines to read, each cut out and straightened; or it is one line by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadInput
from inkread.features.image import dark_on_light
from inkread.inputs import Images, Inks
from inkread.inputs.ink import LineInput
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

    `regions`, `cuts` and `paragraphs` have an entry for each line of a page, and none for a single line.
    """

    name: str  # of the file
    number: int  # of the page in its file, from 1
    count: int  # pages in the file
    size: tuple[int, int]  # width and height in pixels; (0, 0) for pen strokes
    line_inputs: tuple[LineInput, ...]  # the image (H, W) uint8 or the strokes of each line
    regions: tuple[Region, ...] = ()  # where each line is on the page
    cuts: tuple[Cut, ...] = ()  # how each line was cut out
    paragraphs: tuple[int, ...] = ()  # the number of each line's paragraph, from 1
    is_page: bool = False  # a whole page, not a single line
    in_color: Callable[[], NDArray[np.uint8]] | None = None  # reads the page again, (H, W, 3), or (H, W) if it is grey
    wanted: range | None = None  # the numbers of the pages of this file that are to be read; None for all
    file: Images | Inks | None = None  # the file that this is a page of; None for what was in memory

    @property
    def numbers(self) -> range:
        """The numbers, from 1, of the pages of this file that are to be read."""
        return self.wanted or range(1, self.count + 1)


def detect_layout(name: str, number: int, count: int, line_input: LineInput, is_page: bool | None = None) -> PageLayout:
    """The layout of an image (H, W) uint8. Whether it is a page or a line is detected unless `is_page` says it.

    Pen strokes are always one line. `name`, `number` and `count` are those of PageLayout.
    """
    if not isinstance(line_input, np.ndarray):
        return PageLayout(name, number, count, (0, 0), (line_input,))
    height, width = line_input.shape
    layout = PageLayout(name, number, count, (width, height), (line_input,))
    if is_page is False or (is_page is None and width > WIDEST_PAGE * height):
        return layout
    page = dark_on_light(line_input)
    paragraphs = find_lines(page)
    regions = tuple(region for paragraph in paragraphs for region in paragraph)
    if is_page is None and not _look_like_a_page(regions, width, height):
        return layout
    cuts = tuple(cut_out(page, region) for region in regions)
    return replace(
        layout,
        line_inputs=tuple(cut.image for cut in cuts),
        regions=regions,
        cuts=cuts,
        paragraphs=tuple(number for number, paragraph in enumerate(paragraphs, 1) for _ in paragraph),
        is_page=True,
    )


def find_lines_of(x: Readable) -> list[list[Region]]:
    """The lines on an image of one page; see `inkread.find_lines`."""
    pages = open_pages(x)
    page = pages.load(0) if pages.count == 1 else None
    if page is None:
        raise BadInput(f"{pages.count} pages", path=pages.name, hint="give one page as an array or a PIL image")
    if not isinstance(page, np.ndarray):
        raise BadInput("pen strokes, not a page", path=pages.name, hint="give an image")
    return find_lines(dark_on_light(page))


def _look_like_a_page(regions: Sequence[Region], width: int, height: int) -> bool:
    """Whether the lines found in an image are those of a page, not parts of a single line.

    They are if two long ones stand one above the other, or if the only one leaves room for more.
    """
    corners = [np.array(region.polygon) for region in regions]
    boxes = [(*points.min(axis=0), *points.max(axis=0)) for points in corners]  # left, top, right, bottom
    if not boxes:
        return height > max(TALLEST_LINE, EMPTY_PAGE_HEIGHT * width)
    if len(boxes) == 1:
        (_, top, _, bottom) = boxes[0]
        return bool(bottom - top < LONE_LINE_HEIGHT * height and height > EMPTY_PAGE_HEIGHT * width)
    long = [box for box in boxes if box[2] - box[0] > LONG_LINE * width]
    return any(_stands_above(first, second) for first in long for second in long)


def _stands_above(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether one box (left, top, right, bottom) is above another one and shares much of its width."""
    shared = min(first[2], second[2]) - max(first[0], second[0])
    middle = (first[1] + first[3]) / 2
    return bool(shared > BESIDE * min(first[2] - first[0], second[2] - second[0]) and middle < second[1])
