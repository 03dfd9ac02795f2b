"""Normalised ink: paths worked out by hand, changes that must not matter, and real ink."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ink_samples import IAM, needs_iam, writing, zigzag

from inkread.features.extract import ink_features
from inkread.features.ink import (
    MAX_POINTS,
    MAX_UP_POINTS,
    MIN_POINTS,
    MIN_UP_POINTS,
    baseline_and_x_height,
    drop_repeated_points,
    drop_stray_dots,
    normalize_ink,
    resample,
    rotate,
    slant,
    slope,
    turning_points,
)
from inkread.inputs import read_inks
from inkread.inputs.ink import Stroke

# ---- measuring


def test_turning_points_of_a_stroke() -> None:
    assert turning_points([np.array([[0.0, 0], [1, 5], [2, 1]])], 1) == ([(1, 5)], [(0, 0), (2, 1)])


def test_turning_points_ignore_small_swings() -> None:
    stroke = np.array([[0.0, 0], [1, 3], [2, 2.5], [3, 6], [4, 0]])  # the 0.5 in the middle is tremor
    assert turning_points([stroke], 1) == ([(3, 6)], [(0, 0), (4, 0)])


def test_a_point_has_no_turning_points() -> None:
    assert turning_points([np.array([[1.0, 1]])], 1) == ([], [])


def test_turning_points_of_strokes_with_level_parts() -> None:
    first = np.array([[0.0, 4], [1, 4], [2, 9], [3, 9], [4, 9], [5, 2], [6, 2]])  # of points at one height, the first
    second = np.array([[7.0, 2], [8, 8], [9, 8], [10, 9], [11, 3], [12, 5]])  # begins where the first stroke ends
    assert turning_points([first, second], 3) == ([(2, 9), (10, 9)], [(0, 4), (5, 2), (7, 2), (11, 3)])


def test_a_descender_does_not_move_the_baseline() -> None:
    assert baseline_and_x_height([zigzag([0, 0, 0, 9, 0, 0])]) == (0, 10)  # one g among five letters


@pytest.mark.parametrize("angle", [-0.4, -0.05, 0.0, 0.1, 0.5])
def test_the_slope_of_a_rotated_line_is_measured(angle: float) -> None:
    level = [np.vstack([zigzag([0] * 10 + [9] + [0] * 10) * [4, 1]])]
    assert slope(rotate(level, angle)) == pytest.approx(angle, abs=0.01)


def test_a_short_line_has_no_slope() -> None:
    assert slope([zigzag([0, 5])]) == 0
    assert slope([np.array([[3.0, 4.0]])]) == 0


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.7])
def test_the_slant_of_sheared_uprights_is_measured(lean: float) -> None:
    uprights = [np.array([[x, -10.0], [x, 0.0]]) @ np.array([[1, 0], [-lean, 1]]) for x in range(5)]
    strokes = [*uprights, np.array([[0.0, 0.0], [30.0, 2.0]])]  # a level dash does not count
    assert slant(strokes) == pytest.approx(lean)
    assert slant([np.array([[0.0, 0.0], [5.0, 0.0]])]) == 0


def test_repeated_points_and_stray_dots_are_dropped() -> None:
    rested = drop_repeated_points([np.array([[0.0, 0], [0, 0], [1, 0], [0, 0]]), np.array([[0.0, 0], [0, 0]])])
    assert [stroke.tolist() for stroke in rested] == [[[0, 0], [1, 0], [0, 0]], [[0, 0]]]
    word, full_stop, stray = zigzag([0, 0]), np.array([[9.0, 0.0]]), np.array([[4.0, 60.0]])
    assert [len(stroke) for stroke in drop_stray_dots([word, full_stop, stray])] == [5, 1]
    dots = [np.array([[float(x), 0.0]]) for x in range(3)]
    assert len(drop_stray_dots(dots)) == 3


# ---- resampling


def test_strokes_resampled_in_even_steps() -> None:
    strokes = [np.array([[0.0, 0.0], [0.6, 0.0], [0.6, 0.4]]), np.array([[1.0, 0.4]])]
    path, places = resample(strokes)
    on_paper: list[list[float]] = [[0, 0], [0.2, 0], [0.4, 0], [0.6, 0], [0.6, 0.2], [0.6, 0.4]]
    assert path[:6] == pytest.approx(np.array([[x, y, 1] for x, y in on_paper]))
    assert path[6:9] == pytest.approx(np.array([[0.7, 0.4, 0], [0.8, 0.4, 0], [0.9, 0.4, 0]]))
    assert path[9:].tolist() == [[1, 0.4, 1]] * MIN_POINTS
    assert places == pytest.approx([0, 1 / 3, 2 / 3, 1, 1.5, 2, 2.25, 2.5, 2.75, 3, 3, 3])


def test_the_way_above_the_paper_has_few_points() -> None:
    for gap, steps in ((0.01, MIN_UP_POINTS), (1.1, 6), (50, MAX_UP_POINTS)):
        path, _ = resample([np.array([[0.0, 0.0]]), np.array([[gap, 0.0]])])
        assert len(path) == 2 * MIN_POINTS + steps and path[:, 2].sum() == 2 * MIN_POINTS


# ---- changes that must not matter


def halved(strokes: list[Stroke], rng: np.random.Generator) -> list[Stroke]:
    """The same strokes from a pen that reports more points, at an uneven rate, and some of them twice."""
    dense = []
    for stroke in strokes:
        points = [stroke[0]]
        for start, end in pairwise(stroke):
            shares = np.sort(rng.uniform(0, 1, rng.integers(0, 4)))
            points += [start + share * (end - start) for share in shares] + [end] * int(rng.integers(1, 3))
        dense.append(np.array(points))
    return dense


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e4), x=st.floats(-1e5, 1e5), y=st.floats(-1e5, 1e5))
def test_units_origin_and_sampling_rate_do_not_matter(seed: int, scale: float, x: float, y: float) -> None:
    strokes = writing(seed)
    expected = normalize_ink(strokes)
    other = normalize_ink([stroke * scale + [x, y] for stroke in halved(strokes, np.random.default_rng(seed))])
    assert other.path == pytest.approx(expected.path, abs=1e-3)
    assert (other.source_x - x) / scale == pytest.approx(expected.source_x, abs=1e-2 + 0.05 / scale)
    # A point on the very border between two cells of the map may fall to the other side.
    assert np.mean(np.abs(ink_features(other.path) - ink_features(expected.path)) > 1e-2) < 0.005


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), angle=st.floats(-0.2, 0.2), lean=st.floats(-0.5, 0.5))
def test_slope_and_slant_hardly_matter(seed: int, angle: float, lean: float) -> None:
    strokes = writing(seed, words=8)
    leaning = rotate([stroke @ np.array([[1, 0], [-lean, 1]]) for stroke in strokes], angle)
    first, second = normalize_ink(strokes).path, normalize_ink(leaning).path
    assert len(second) == pytest.approx(len(first), rel=0.1)
    assert second[:, :2].min(axis=0) == pytest.approx(first[:, :2].min(axis=0), abs=0.5)
    assert second[:, :2].max(axis=0) == pytest.approx(first[:, :2].max(axis=0), rel=0.1, abs=0.5)


def test_ink_that_is_not_a_line() -> None:
    dash = normalize_ink([np.array([[20.0, 7.0], [60.0, 7.0]])])
    assert dash.path[[0, -1]].tolist() == [[0, 0, 1], [1, 0, 1]] and dash.source_x[[0, -1]].tolist() == [20, 60]
    dot = normalize_ink([np.array([[20.0, 7.0]])])
    assert dot.path.tolist() == [[0, 0, 1]] * MIN_POINTS
    scribble = np.array([[0.0, 0.0], [1e6, 0.0]] * MAX_POINTS) + np.arange(2.0 * MAX_POINTS)[:, None]
    assert len(normalize_ink([scribble, *writing(0)]).path) <= 1.1 * MAX_POINTS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(*[st.floats(-1e12, 1e12)] * 2).map(list), min_size=1, max_size=6), min_size=1))
def test_any_ink_gives_finite_features(strokes: list[list[list[float]]]) -> None:
    features = ink_features(normalize_ink([np.array(stroke) for stroke in strokes]).path)
    assert np.isfinite(features).all() and features.shape[1] == 89


@needs_iam
def test_real_lines_are_on_the_baseline_and_in_x_heights() -> None:
    features = []
    for file in sorted(IAM.glob("a0*/*/*-03.xml"))[::20]:
        line = normalize_ink(read_inks(file)[0].strokes)
        x, y, pen = line.path.T
        on_paper = pen > 0
        assert 0.4 < np.mean((y > -1.2) & (y < 0.2)) <= 1, file  # most ink is in the small letters
        assert np.diff(x)[on_paper[1:] & on_paper[:-1]].mean() > 0, file  # it runs to the right
        assert line.source_x.min() >= 0 and len(line.source_x) == len(line.path)
        features.append(ink_features(line.path))
    assert np.concatenate(features).std(axis=0).min() > 0.01  # every feature varies


@pytest.mark.parametrize("far", [1e6, 1e12, 1e-310, -1e12])
def test_huge_and_tiny_coordinates_stay_within_bounds(far: float) -> None:
    """A damaged coordinate made features of many terabytes."""
    writing = [np.array([(0, 0), (3, 9), (6, 0), (9, 9)], float), np.array([(far, 5.0)]), np.array([(far, far)])]
    for strokes in (writing, writing[:2], writing[1:], [stroke * [1, 0] for stroke in writing]):
        line = normalize_ink(strokes)
        assert np.isfinite(line.path).all() and np.abs(line.path).max() <= 4100
        assert len(line.path) < 25_000
