"""A page becomes its lines, in reading order. This needs no training.

The ink of the page is turned level, and rules are removed (`ink_mask`). Where lines end below, the ink forms ridges,
which are followed (`ridges`); they become baselines, without print and scraps (`baselines`). Between two of them a seam
that crosses as little ink as possible separates the lines (`outlines`). All this is done on a copy of the page in which
letters without ascender, such as `n`, are about ten pixels high, whatever the resolution of the scan.
"""

import numpy as np

from inkread.document.elements import Points
from inkread.pages.baselines import Baseline, find_baselines, line_distance
from inkread.pages.ink_mask import Grey, Ink, Rows, estimate_x_height, level_ink, without_blobs
from inkread.pages.outlines import find_outlines
from inkread.pages.reading_order import order_lines
from inkread.pages.regions import Region

SMALLEST_PAGE = 16  # pixels, in width and height: there are no lines on a smaller page
FIRST_COPY_PIXELS, FIRST_COPY_WIDTH = 600_000, 800  # at most; A4 at 80 dpi
X_HEIGHT = 10.0  # pixels in the final copy
GOOD_X_HEIGHTS = (7.0, 13.0)  # with these the first copy is the final one,
LEAST_CHANGE = 0.1  # ... and also if the final one would hardly have another size
PIXELS_PER_LINE = 4000  # of the page, on average: no readable word takes less, so more lines are not writing
FEW_LINES = 100  # so many lines may be on a page of any size
POINT_DISTANCE = 2  # x-heights between the points of a baseline in the result

Paragraph = list[Region]


def find_lines(page: Grey) -> list[Paragraph]:
    """The lines of a page (H, W) uint8, 0 = black: paragraphs in reading order, each a list of regions from its top.

    Polygons and baselines are in pixels of the page. The page may be turned by up to 15 degrees, or seen at an angle.
    Ruled and squared lines, frames and print are left out. The result is [] where nothing is written.
    """
    if min(page.shape) < SMALLEST_PAGE:
        return []
    ink, x_height, to_page = _scaled_ink(page)
    ink = without_blobs(ink, x_height)
    lines, x_height = find_baselines(ink, x_height)
    if not lines or len(lines) > max(FEW_LINES, page.size / PIXELS_PER_LINE):
        return []
    outlines = dict(zip(map(id, lines), find_outlines(ink, lines, x_height), strict=True))
    return [
        [
            Region(_on_page(outlines[id(line)], to_page), _on_page(_points(line, x_height), to_page))
            for line in paragraph
        ]
        for paragraph in order_lines(lines, line_distance(lines, x_height))
    ]


def _scaled_ink(page: Grey) -> tuple[Ink, float, Rows]:
    """The level ink on a copy with letters of the right size, the x-height there, and the way back to the page."""
    factor = max(1.0, float(np.sqrt(page.size / FIRST_COPY_PIXELS)), page.shape[1] / FIRST_COPY_WIDTH)
    ink, to_page = level_ink(page, factor)
    x_height = estimate_x_height(ink)
    wanted = max(1.0, factor * x_height / X_HEIGHT)
    is_good = GOOD_X_HEIGHTS[0] <= x_height <= GOOD_X_HEIGHTS[1]
    if not is_good and not 1 - LEAST_CHANGE < wanted / factor < 1 + LEAST_CHANGE:
        ink, to_page = level_ink(page, wanted)
        x_height = estimate_x_height(ink)
    return ink, x_height, to_page


def _points(line: Baseline, x_height: float) -> Rows:
    """The baseline as few points (N, 2)."""
    count = max(2, round(len(line.x) / (POINT_DISTANCE * x_height)) + 1)
    x = np.linspace(line.x[0], line.x[-1] + 1, count)
    return np.column_stack((x, np.interp(x, line.x, line.y)))


def _on_page(points: Rows, to_page: Rows) -> Points:
    """Points (N, 2) of the level copy on the page, to a tenth of a pixel."""
    moved = np.column_stack((points, np.ones(len(points)))) @ to_page.T
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in moved)
