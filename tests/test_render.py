"""Drawn ink: where it is, how wide its lines are, and how much of a path is kept."""

import numpy as np
import pytest
from ink_samples import writing

from inkread.features.render import (
    BORDER,
    PEN_WIDTH,
    X_HEIGHT,
    draw_ink,
    draw_strokes,
    drawing_scale_and_left,
    sharp_corners,
    thin_out,
)


def test_a_level_stroke_is_a_line_as_wide_as_the_pen() -> None:
    image = draw_strokes([np.array([[10.0, 5.0], [110.0, 5.0]])], 2, 4, np.random.default_rng(0))
    assert image.shape == (2 * (BORDER + 4), 2 * (100 + BORDER + 4))
    rows, columns = np.nonzero(image < 128)
    assert rows.mean() == pytest.approx(BORDER + 4 - 0.5, abs=0.5)  # in the middle
    assert 2 <= np.ptp(rows) + 1 <= 6  # as wide as the pen, more or less
    assert (columns.min(), columns.max()) == pytest.approx((BORDER + 4 - 2, 200 + BORDER + 4 + 1), abs=2)


def test_the_drawing_is_the_same_each_time_and_in_every_unit() -> None:
    strokes = writing(0)
    image = draw_ink(strokes)
    np.testing.assert_array_equal(image, draw_ink(strokes))
    np.testing.assert_array_equal(image, draw_ink([stroke * 8 for stroke in strokes]))


def test_scale_and_left_lead_from_the_drawing_to_the_ink() -> None:
    strokes = [stroke + [300, 0] for stroke in writing(0)]  # about 10 units from baseline to x-height
    scale, left = drawing_scale_and_left(strokes)
    assert scale == pytest.approx(X_HEIGHT / 10, rel=0.1)
    columns = np.flatnonzero((draw_ink(strokes) < 128).any(axis=0))
    xs = np.concatenate(strokes)[:, 0]
    for column, x in ((columns[0], xs.min()), (columns[-1], xs.max())):
        assert (column + 0.5) / scale + left == pytest.approx(x, abs=PEN_WIDTH / scale)


def test_a_path_is_thinned_out_but_keeps_its_ends() -> None:
    path = np.column_stack([np.arange(11.0), np.zeros(11)])
    assert thin_out(path, 2.5)[:, 0].tolist() == [0, 3, 5, 8, 10]
    assert thin_out(path, 100)[:, 0].tolist() == [0, 10]
    assert thin_out(path[:1], 1).tolist() == [[0, 0]]


def test_ends_and_sharp_corners_are_found() -> None:
    path = np.array([[0.0, 0], [1, 0], [2, 0.2], [2, 1], [2, 2]])  # turns by 11, 79 and 0 degrees
    assert sharp_corners(path).tolist() == [True, False, True, False, True]
    assert sharp_corners(path[:1]).tolist() == [True]
