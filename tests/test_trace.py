"""Lines traced on maps that are drawn by hand: where they run is known."""

import numpy as np
import pytest

from inkread.model.page_model import STRIDE
from inkread.pages.trace import TracedLine, trace_lines

SHAPE = (60, 120)  # cells
X_HEIGHT = 2.0  # cells


class Maps:
    """Maps of a page without lines, to draw on; places are in cells."""

    def __init__(self) -> None:
        self.baseline, self.end = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)

    def line(self, first: int, last: int, y: float, slope: float = 0.0, ends: bool = True) -> None:
        for x in range(first, last + 1):
            place = y + slope * (x - first)
            row = int(np.floor(place))
            self.baseline[row, x] += 0.9 * (1 - (place - row))
            self.baseline[row + 1, x] += 0.9 * (place - row)
        for x in (first, last) if ends else ():
            row = round(y + slope * (x - first))
            self.end[row - 1 : row + 2, max(0, x - 1) : x + 2] = 0.95

    def traced(self) -> list[TracedLine]:
        lines = trace_lines(self.baseline, self.end, np.full(SHAPE, X_HEIGHT, np.float32))
        return sorted(lines, key=lambda line: (line.points[0, 1], line.points[0, 0]))


def ends(line: TracedLine) -> tuple[float, float]:
    """The columns of both ends in cells."""
    first, last = (line.points[[0, -1], 0] - (STRIDE - 1) / 2) / STRIDE
    return float(first), float(last)


def test_a_line_that_runs_on_into_the_next_column_is_cut_where_the_others_begin() -> None:
    maps = Maps()
    for number, y in enumerate((6, 14, 22)):
        maps.line(2, 50 - 8 * number, y)  # ragged ends
        maps.line(64, 110, y)
    for y in (30, 38, 46, 54):
        maps.line(2, 110, y)
    lines = maps.traced()
    assert len(lines) == 14
    assert {round(ends(line)[0]) for line in lines} == {2, 64} | {round(ends(lines[-1])[0])}
    assert ends(lines[-1])[0] == pytest.approx(64, abs=6)  # the strip is 6 cells to either side


def test_an_indent_and_the_numbers_of_a_list_are_no_columns() -> None:
    maps = Maps()
    for number in range(6):
        maps.line(8 if number % 2 else 2, 110, 4 + 4 * number)
    for number in range(4):
        maps.line(2, 6, 32 + 6 * number)  # two x-heights
        maps.line(12, 110, 32 + 6 * number)
    maps.line(2, 110, 57)
    assert len(maps.traced()) == 6 + 8 + 1


def test_a_level_line_between_two_rows() -> None:
    maps = Maps()
    maps.line(10, 90, 20.3)
    (line,) = maps.traced()
    assert ends(line) == (9.5, 90.5)
    assert line.points[:, 1] == pytest.approx(20.3 * STRIDE + 1.5, abs=1)
    assert line.x_height == X_HEIGHT * STRIDE and 0.5 < line.probability < 0.9


def test_a_line_that_goes_down_is_followed() -> None:
    maps = Maps()
    maps.line(5, 110, 10, 0.35)
    (line,) = maps.traced()
    slope = np.polyfit(line.points[:, 0], line.points[:, 1], 1)[0]
    assert ends(line) == (4.5, 110.5) and slope == pytest.approx(0.35, abs=0.01)


def test_close_lines_stay_apart() -> None:
    maps = Maps()
    for y in (10, 13, 16):
        maps.line(5, 100, y)
    assert [round(line.points[0, 1] / STRIDE) for line in maps.traced()] == [10, 13, 16]


def test_a_ridge_is_divided_where_two_lines_end() -> None:
    maps = Maps()
    maps.line(5, 50, 20)
    maps.line(52, 100, 20)
    maps.baseline[20, 51] = 0.4  # the map does not quite go down between the cells of a table
    assert [round(end) for line in maps.traced() for end in ends(line)] == pytest.approx([5, 50, 52, 100], abs=1.6)


def test_parts_of_a_line_are_joined_unless_an_end_is_between_them() -> None:
    maps = Maps()
    maps.line(5, 50, 20, ends=False)
    maps.line(58, 100, 20, ends=False)  # a gap of 3.5 x-heights
    maps.line(5, 50, 40)
    maps.line(58, 100, 40)
    assert [ends(line) for line in maps.traced()] == [(4.5, 100.5), (4.5, 50.5), (57.5, 100.5)]


def test_faint_and_short_ridges_are_no_lines() -> None:
    maps = Maps()
    maps.line(10, 10, 20)
    maps.baseline[40, 10:80] = 0.38
    assert len(maps.traced()) == 0


def test_an_empty_page_has_no_lines() -> None:
    assert Maps().traced() == []
