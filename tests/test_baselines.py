"""Baselines: their positions to one another, and which of them are print or scraps."""

import numpy as np
import pytest
from handwriting import page_of

from inkread.pages.baselines import Baseline, BaselineTable, _sharpness, find_baselines, line_distance
from inkread.pages.ink_mask import Ink, estimate_x_height, level_ink, without_blobs


def straight(first: int, last: int, y: float, slope: float = 0) -> Baseline:
    x = np.arange(first, last + 1)
    return Baseline(x, y + slope * (x - first), np.ones(len(x), np.float32))


LINES = [straight(0, 100, 10), straight(50, 150, 30, 0.1), straight(120, 200, 12)]


def prepared(page: np.ndarray) -> tuple[Ink, float]:
    ink, _ = level_ink(page, 2.0)
    x_height = estimate_x_height(ink)
    return without_blobs(ink, x_height), x_height


def test_the_position_of_lines_to_one_another() -> None:
    table = BaselineTable(LINES)
    assert table.shared(0).tolist() == [100, 50, -20]
    # In the middle of the shared columns, 75, line 1 is at 32.5. Between 100 and 120 the ends count.
    assert table.below(0).tolist() == pytest.approx([0, 22.5, 2])
    assert table.below(1)[0] == pytest.approx(-22.5)
    assert table.covered(0, 0).tolist() == pytest.approx([1, 51 / 101, -19 / 101])
    assert table.covered(0, 30)[2] == pytest.approx(11 / 101)
    assert table.rows_between(0).tolist() == pytest.approx([0, 20, 2])


def test_a_row_is_interpolated() -> None:
    assert LINES[1].at(60.5) == pytest.approx(31.05) and LINES[1].at(500) == pytest.approx(40)


def test_the_distance_of_lines_is_that_of_long_neighbours() -> None:
    lines = [straight(0, 300, y) for y in (0, 40, 80, 120, 160)] + [straight(0, 20, 50)]
    assert line_distance(lines, 10) == 40
    assert line_distance(lines[:2], 10) == 26  # too few to measure


def test_each_line_of_a_page_has_one_baseline_near_the_feet_of_its_letters() -> None:
    ink, x_height = prepared(page_of(6))
    lines, x_height = find_baselines(ink, x_height)
    assert len(lines) == 6
    rows = sorted(2 * float(np.median(line.y)) for line in lines)
    assert np.diff(rows) == pytest.approx(85, abs=12)
    assert all(100 + 85 * number < row < 164 + 85 * number for number, row in enumerate(rows))


def test_print_is_sharper_than_handwriting() -> None:
    """The letters of print begin and end in the same rows; those of handwriting in rows that differ a little."""
    random = np.random.default_rng(0)
    line = straight(0, 399, 60)
    printed, written = np.zeros((100, 400), np.float32), np.zeros((100, 400), np.float32)
    for x in range(0, 400, 8):
        printed[50:61, x : x + 3] = 1
        top, bottom = random.integers(-4, 5, 2)
        written[50 + top : 61 + bottom, x : x + 3] = 1
    assert _sharpness(line, printed, 10) > 1.15 > 1 > _sharpness(line, written, 10)
