"""The reading order of lines that are drawn by hand."""

import numpy as np

from inkread.pages.baselines import Baseline
from inkread.pages.reading_order import find_columns, order_lines

DISTANCE = 40.0


def line(first: int, last: int, y: float) -> Baseline:
    x = np.arange(first, last + 1)
    return Baseline(x, np.full(len(x), float(y)), 10.0)


def places(columns: list[list[Baseline]]) -> list[list[tuple[int, int]]]:
    """The left end and the row of each line."""
    return [[(int(line.x[0]), int(line.y[0])) for line in column] for column in columns]


def test_lines_come_from_the_top() -> None:
    lines = [line(100, 500, y) for y in (120, 40, 80)]
    assert places(find_columns(lines, DISTANCE)) == [[(100, 40), (100, 80), (100, 120)]]


def test_the_left_column_comes_before_the_right_one() -> None:
    lines = [line(x, x + 300, y) for y in (40, 80, 120) for x in (400, 0)]
    assert places(find_columns(lines, DISTANCE)) == [[(x, y) for y in (40, 80, 120)] for x in (0, 400)]


def test_a_heading_comes_before_the_columns_below_it() -> None:
    lines = [line(x, x + 300, y) for y in (140, 180, 220) for x in (0, 400)] + [line(0, 700, 40)]
    order = [place for column in places(find_columns(lines, DISTANCE)) for place in column]
    assert order == [(0, 40), (0, 140), (0, 180), (0, 220), (400, 140), (400, 180), (400, 220)]


def test_parts_of_a_broken_line_come_from_the_left() -> None:
    lines = [line(0, 600, 40), line(320, 600, 82), line(0, 280, 80), line(0, 600, 120)]
    order = [place for column in places(find_columns(lines, DISTANCE)) for place in column]
    assert order == [(0, 40), (0, 80), (320, 82), (0, 120)]


def test_a_wide_gap_begins_a_paragraph() -> None:
    lines = [line(0, 500, y) for y in (40, 80, 160, 200)]
    assert places(order_lines(lines, DISTANCE)) == [[(0, 40), (0, 80)], [(0, 160), (0, 200)]]


def test_columns_in_a_circle_are_all_read() -> None:
    """Each of these is above or left of the next one, around a circle."""
    lines = [line(0, 100, 50), line(80, 300, 45), line(250, 330, 200), line(0, 260, 190), line(50, 90, 48)]
    assert sum(map(len, find_columns(lines, DISTANCE))) == len(lines)
