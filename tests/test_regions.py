"""Cutting a line out of its page."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_datasets import BOX

from inkread.errors import BadInput
from inkread.pages.regions import Region, cut_line

PAPER, INK, NEIGHBOUR = 200, 20, 60


def bent_page(bend: float, slope: float) -> tuple[np.ndarray, Region]:
    """A page with one bent, sloping stroke 8 px thick as its line, and a neighbour 40 px above and below it."""
    x = np.arange(50, 551)
    y = np.rint(150 + bend * np.sin(np.pi * (x - 50) / 500) + slope * (x - 50)).astype(int)
    page = np.full((400, 600), PAPER, np.uint8)
    for offset, grey in ((-40, NEIGHBOUR), (0, INK), (40, NEIGHBOUR)):
        for thickness in range(8):
            page[y + offset - thickness, x] = grey
    upper, lower = list(zip(x, y - 20, strict=True)), list(zip(x, y + 12, strict=True))
    points = tuple((float(a), float(b)) for a, b in upper[::20] + lower[::-20])
    return page, Region(points, tuple((float(a), float(b)) for a, b in zip(x[::25], y[::25], strict=True)))


@pytest.mark.parametrize("bend, slope", [(0, 0), (25, 0), (-25, 0), (0, 0.2), (0, -0.2), (15, 0.1)])
def test_a_bent_line_is_levelled_and_its_neighbours_painted_over(bend: float, slope: float) -> None:
    page, region = bent_page(bend, slope)
    line = cut_line(page, region)
    assert line.dtype == np.uint8 and 30 <= line.shape[0] <= 60 and 490 <= line.shape[1] <= 540
    middle = line[:, 25:-25]
    rows = (middle < (PAPER + INK) / 2).mean(axis=1)
    assert (rows > 0.5).sum() in (7, 8, 9), "the stroke is level"
    assert ((rows > 0.02) & (rows < 0.5)).sum() <= 4, "and nothing stands beside it"
    assert np.median(line[0]) == np.median(line[-1]) == PAPER


def test_a_level_box_is_cut_as_it_is() -> None:
    page = np.random.default_rng(0).integers(0, 256, (100, 200), dtype=np.uint8)
    line = cut_line(page, Region(BOX, ((10, 45), (110, 45))))
    views = np.lib.stride_tricks.sliding_window_view(line, (31, 101))  # the box, somewhere in its margin of 3 px
    assert line.shape[0] <= 31 + 8 and line.shape[1] <= 101 + 8
    assert (views == page[20:51, 10:111]).all(axis=(2, 3)).sum() == 1


def test_a_smaller_copy_of_the_scan_is_cut_at_the_same_place() -> None:
    page = np.full((100, 200), PAPER, np.uint8)
    page[30:40, 20:50] = INK
    page[60:] = NEIGHBOUR
    line = cut_line(page, Region(tuple((2 * x, 2 * y) for x, y in BOX), (), page_size=(400, 200)))
    assert (line == INK).sum() == 300 and (line == PAPER).sum() == line.size - 300


def test_points_from_right_to_left_do_not_turn_the_line_over() -> None:
    page, region = bent_page(10, 0.1)
    turned = Region(region.polygon, region.baseline[::-1])
    np.testing.assert_allclose(cut_line(page, turned).mean(1), cut_line(page, region).mean(1), atol=8)
    upside_down = Region(
        tuple((599 - x, 399 - y) for x, y in region.polygon), tuple((599 - x, 399 - y) for x, y in region.baseline)
    )
    np.testing.assert_allclose(cut_line(page[::-1, ::-1], upside_down).mean(1), cut_line(page, region).mean(1), atol=8)


NUMBER = st.one_of(st.integers(-5, 60), st.floats(-1e12, 1e12))
POINTS = st.lists(st.tuples(NUMBER, NUMBER), min_size=3, max_size=6).map(tuple)


@settings(max_examples=150, deadline=None)
@given(POINTS, st.one_of(st.just(()), POINTS), st.integers(1, 40), st.integers(1, 40))
def test_any_outline_gives_a_line_or_is_refused(polygon: object, baseline: object, height: int, width: int) -> None:
    page = np.full((height, width), PAPER, np.uint8)
    try:
        line = cut_line(page, Region(polygon, baseline))  # type: ignore[arg-type]
    except BadInput:
        return
    assert line.size and (line == PAPER).all() and max(line.shape) < 200


def test_a_sliver_away_from_its_baseline_is_refused() -> None:
    page = np.full((100, 200), PAPER, np.uint8)
    for polygon, baseline in [
        (((10, 0), (10, 99), (10, 50)), ((150, 90), (199, 99))),
        (((0, 50), (199, 50), (100, 50)), ((10, 99), (190, 0))),
        (((199, 0), (199, 99), (199, 1)), ((0, 0), (50, 99), (100, 0))),
        (((float("nan"), 0), (5, 9), (9, 1)), ()),
        (((0, 0), (5, 9), (9, 1)), ((0, 5), (float("inf"), 5))),
        (((0, 0), (5, 9), (9, 1)), ((0, 5), (5, 5))),
    ]:
        try:
            for size in (None, (200.0, 100.0), (1e-320, 1e-320)):
                assert cut_line(page, Region(polygon, baseline, size)).size
        except BadInput as error:
            assert "line" in str(error)
