"""A page becomes its lines, in reading order.

The page network shows where baselines, the ends of lines and the x-height are (`page_maps`). Its ridges are followed
(`trace`). The ink of the page is turned level, and rules are removed (`ink_mask`); between two lines a seam that
crosses as little ink as possible separates them (`outlines`).
"""

import math
from dataclasses import dataclass

import numpy as np

from inkread.config import PAGE_MODEL
from inkread.document.elements import Points
from inkread.pages.baselines import Baseline, Rows, line_distance
from inkread.pages.ink_mask import Grey, level_ink
from inkread.pages.outlines import find_outlines
from inkread.pages.page_maps import find_traces, usual_slope, usual_x_height
from inkread.pages.reading_order import order_lines
from inkread.pages.regions import Region
from inkread.pages.trace import TracedLine
from inkread.pages.unread import find_unread

SMALLEST_PAGE = 16  # pixels, in width and height: there are no lines on a smaller page
X_HEIGHT = 7.0  # pixels of the usual letters in the level copy
LARGEST_COPY = 2_500_000  # pixels of the level copy at most
POINT_DISTANCE = 2  # x-heights between the points of a baseline in the result

Paragraph = list[Region]


@dataclass(frozen=True)
class PageLines:
    """The lines of a page, and what may be handwriting too."""

    paragraphs: list[Paragraph]  # in reading order, each with its lines from the top
    unread: tuple[Points, ...] = ()  # outlines in pixels of the page


def find_lines(page: Grey, model: str = PAGE_MODEL) -> PageLines:
    """The lines of a page (H, W) uint8, 0 = black.

    Polygons and baselines are in pixels of the page. The page may be turned by up to 15 degrees, or seen at an angle.
    Rules, frames, pictures and print are left out as far as the network knows them; of a page of print alone, many
    lines are not.
    `model` is the name or path of a page model. Raises BadModel if it is missing or damaged.
    """
    if min(page.shape) < SMALLEST_PAGE:
        return PageLines([])
    found = find_traces(page, model)
    traces, unread = found.lines, find_unread(found.doubtful, found.lines)
    if not traces:
        return PageLines([], unread)
    factor = max(1.0, usual_x_height(traces) / X_HEIGHT, math.sqrt(page.size / LARGEST_COPY))
    ink, to_page = level_ink(page, factor, usual_slope(traces))
    lines = [_on_level_copy(trace, to_page, ink.shape[1]) for trace in traces]
    outlines = dict(zip(map(id, lines), find_outlines(ink, lines), strict=True))
    paragraphs = [
        [Region(_on_page(outlines[id(line)], to_page), _on_page(_points(line), to_page)) for line in paragraph]
        for paragraph in order_lines(lines, line_distance(lines))
    ]
    return PageLines(paragraphs, unread)


def _on_level_copy(trace: TracedLine, to_page: Rows, width: int) -> Baseline:
    """A traced line, in pixels of the page, as a baseline in pixels of the level copy."""
    linear, shift = to_page[:, :2], to_page[:, 2]
    points = (trace.points - shift) @ np.linalg.inv(linear).T
    first = int(np.clip(np.ceil(points[0, 0]), 0, width - 2))
    x = np.arange(first, int(np.clip(points[-1, 0], first + 1, width - 1)) + 1)
    scale = float(np.sqrt(abs(np.linalg.det(linear))))
    return Baseline(x, np.interp(x, points[:, 0], points[:, 1]), trace.x_height / scale)


def _points(line: Baseline) -> Rows:
    """The baseline as few points (N, 2)."""
    count = max(2, round(len(line.x) / (POINT_DISTANCE * line.x_height)) + 1)
    x = np.linspace(line.x[0], line.x[-1] + 1, count)
    return np.column_stack((x, np.interp(x, line.x, line.y)))


def _on_page(points: Rows, to_page: Rows) -> Points:
    """Points (N, 2) of the level copy on the page, to a tenth of a pixel."""
    moved = np.column_stack((points, np.ones(len(points)))) @ to_page.T
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in moved)
