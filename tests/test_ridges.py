"""Ridges of drawn lines: how they are linked, followed, joined; and when they are texture."""

import numpy as np
import pytest

from inkread.pages.ink_mask import Ink
from inkread.pages.ridges import Ridge, _is_texture, _link, find_ridges, join_ridges

X_HEIGHT = 10.0


def ink_of(*lines: tuple[float, float, float, float]) -> Ink:
    """Bands as high as an x-height, each from x to x, whose feet are at y + slope * x."""
    ink = np.zeros((300, 600), np.float32)
    for first, last, y, slope in lines:
        for x in range(int(first), int(last)):
            foot = round(y + slope * x)
            ink[foot - int(X_HEIGHT) : foot, x] = (x // 4) % 2  # upright strokes
    return ink


def ridge(first: float, last: float, y: float, slope: float = 0) -> Ridge:
    x = np.arange(first, last, 5.0)
    return x, y + slope * x


def test_a_ridge_is_a_little_below_the_feet_of_a_line() -> None:
    (found,) = find_ridges(ink_of((50, 550, 150, 0)), X_HEIGHT)
    x, y = found
    assert x[0] < 70 and x[-1] > 530
    assert np.abs(y[5:-5] - 150).max() < 0.4 * X_HEIGHT


def test_sloping_lines_are_followed() -> None:
    found = sorted(find_ridges(ink_of((50, 550, 100, 0.05), (50, 550, 150, 0.05)), X_HEIGHT), key=lambda it: it[1][0])
    assert len(found) == 2
    for (x, y), start in zip(found, (100, 150), strict=True):
        assert np.abs(y - start - 0.05 * x).max() < 0.5 * X_HEIGHT


def test_a_line_is_followed_across_a_gap() -> None:
    assert len(find_ridges(ink_of((50, 250, 150, 0), (280, 550, 150, 0)), X_HEIGHT)) == 1


def test_an_empty_page_has_no_ridges() -> None:
    assert find_ridges(np.zeros((300, 600), np.float32), X_HEIGHT) == []


def test_peaks_are_linked_to_the_nearest_peak_within_reach() -> None:
    parts = _link([[10, 20], [11, 30], [12, 19]], reach=3)
    assert sorted(parts) == [[(0, 10), (1, 11), (2, 12)], [(0, 20)], [(1, 30)], [(2, 19)]]


def test_short_and_dense_parts_are_texture() -> None:
    part = [(k, 0) for k in range(10)]
    assert _is_texture([part] * 40, step=0.5, area=1000)
    assert not _is_texture([part] * 40, step=2, area=1000)  # long
    assert not _is_texture([part] * 40, step=0.5, area=10_000)  # not dense
    assert not _is_texture([part] * 5, step=0.5, area=10)  # too few to tell


def test_ridges_of_one_line_are_joined() -> None:
    (joined,) = join_ridges([ridge(0, 200, 50), ridge(220, 400, 52), ridge(410, 500, 51)], X_HEIGHT)
    x, y = joined
    assert (x[0], x[-1]) == (0, 495) and (np.diff(x) > 0).all()
    assert y[0] == 50 and y[-1] == 51


@pytest.mark.parametrize(
    "other",
    [ridge(220, 400, 80), ridge(260, 400, 50), ridge(50, 150, 55)],
    ids=["another row", "too far away", "above it"],
)
def test_ridges_of_different_lines_are_not_joined(other: Ridge) -> None:
    assert len(join_ridges([ridge(0, 200, 50), other], X_HEIGHT)) == 2
