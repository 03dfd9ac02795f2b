"""Baselines: their positions to one another."""

import numpy as np
import pytest

from inkread.pages.baselines import Baseline, BaselineTable, line_distance


def straight(first: int, last: int, y: float, slope: float = 0) -> Baseline:
    x = np.arange(first, last + 1)
    return Baseline(x, y + slope * (x - first), 10.0)


LINES = [straight(0, 100, 10), straight(50, 150, 30, 0.1), straight(120, 200, 12)]


def test_the_position_of_lines_to_one_another() -> None:
    table = BaselineTable(LINES)
    assert table.shared(0).tolist() == [100, 50, -20]
    # In the middle of the shared columns, 75, line 1 is at 32.5. Between 100 and 120 the ends count.
    assert table.below(0).tolist() == pytest.approx([0, 22.5, 2])
    assert table.below(1)[0] == pytest.approx(-22.5)


def test_a_row_is_interpolated() -> None:
    assert LINES[1].at(60.5) == pytest.approx(31.05) and LINES[1].at(500) == pytest.approx(40)


def test_the_distance_of_lines_is_that_of_long_neighbours() -> None:
    lines = [straight(0, 300, y) for y in (0, 40, 80, 120, 160)] + [straight(0, 20, 50)]
    assert line_distance(lines) == 40
    assert line_distance(lines[:2]) == 40  # too few to measure
