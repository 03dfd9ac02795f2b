"""Strokes made comparable: by hand-worked paths, by what must not change them, and on real ink."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path as File

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkread.features.extract import ink_features
from inkread.features.ink import (
    DOT,
    FEWEST_UP,
    LONGEST,
    MOST_UP,
    STEP,
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
from inkread.features.ink_lines import split_lines, typical_x_height
from inkread.inputs import read_inks
from inkread.inputs.ink import Stroke

IAM = File(__file__).parents[2] / "data" / "iam-ondb" / "lineStrokes"
needs_iam = pytest.mark.skipif(not IAM.is_dir(), reason="IAM-OnDB is not here")


def zigzag(bottoms: Sequence[float], top: float = -10.0) -> Stroke:
    """A stroke that goes down to each of `bottoms` and back up to `top`, one to the right each time."""
    ys = [top, *[y for bottom in bottoms for y in (bottom, top)]]
    return np.array([[float(x), y] for x, y in enumerate(ys)])


def writing(seed: int, words: int = 4) -> list[Stroke]:
    """Letters of a kind: loops and zigzags of one height with some that reach further, in words, with late dots."""
    rng = np.random.default_rng(seed)
    strokes, left = [], 0.0
    for _ in range(words):
        bottoms = [0.0, *(rng.choice([0, 0, 0, 0, 8], 7) + rng.normal(0, 0.3, 7))]
        word = zigzag(bottoms) * [rng.uniform(1.5, 3), 1] + rng.normal(0, 0.2, (2 * len(bottoms) + 1, 2))
        strokes += [word + [left, 0], np.array([[left + rng.uniform(0, 20), -16.0]])]
        left += float(np.ptp(word[:, 0])) + 10
    return strokes


# ---- measuring


def test_turning_points_of_a_hand_worked_stroke() -> None:
    assert turning_points(np.array([[0.0, 0], [1, 5], [2, 1]]), 1) == ([(1, 5)], [(0, 0), (2, 1)])


def test_turning_points_ignore_small_swings() -> None:
    stroke = np.array([[0.0, 0], [1, 3], [2, 2.5], [3, 6], [4, 0]])  # the 0.5 in the middle is a tremor
    assert turning_points(stroke, 1) == ([(3, 6)], [(0, 0), (4, 0)])


def test_a_point_turns_nowhere() -> None:
    assert turning_points(np.array([[1.0, 1]]), 1) == ([], [])


def test_a_descender_does_not_move_the_baseline() -> None:
    assert baseline_and_x_height([zigzag([0, 0, 0, 9, 0, 0])]) == (0, 10)  # one 'g' among five feet


@pytest.mark.parametrize("angle", [-0.4, -0.05, 0.0, 0.1, 0.5])
def test_the_slope_of_a_turned_line_is_found(angle: float) -> None:
    level = [np.vstack([zigzag([0] * 10 + [9] + [0] * 10) * [4, 1]])]
    assert slope(rotate(level, angle)) == pytest.approx(angle, abs=0.01)


def test_a_short_piece_has_no_slope() -> None:
    assert slope([zigzag([0, 5])]) == 0
    assert slope([np.array([[3.0, 4.0]])]) == 0


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.7])
def test_the_slant_of_sheared_uprights_is_found(lean: float) -> None:
    uprights = [np.array([[x, -10.0], [x, 0.0]]) @ np.array([[1, 0], [-lean, 1]]) for x in range(5)]
    strokes = [*uprights, np.array([[0.0, 0.0], [30.0, 2.0]])]  # a level dash does not count
    assert slant(strokes) == pytest.approx(lean)
    assert slant([np.array([[0.0, 0.0], [5.0, 0.0]])]) == 0


def test_points_that_repeat_and_strokes_far_off_are_dropped() -> None:
    rested = drop_repeated_points([np.array([[0.0, 0], [0, 0], [1, 0], [0, 0]]), np.array([[0.0, 0], [0, 0]])])
    assert [stroke.tolist() for stroke in rested] == [[[0, 0], [1, 0], [0, 0]], [[0, 0]]]
    word, full_stop, stray = zigzag([0, 0]), np.array([[9.0, 0.0]]), np.array([[4.0, 60.0]])
    assert [len(stroke) for stroke in drop_stray_dots([word, full_stop, stray])] == [5, 1]
    dots = [np.array([[float(x), 0.0]]) for x in range(3)]
    assert len(drop_stray_dots(dots)) == 3


# ---- walking


def test_a_walk_of_hand_worked_strokes() -> None:
    strokes = [np.array([[0.0, 0.0], [0.6, 0.0], [0.6, 0.4]]), np.array([[1.0, 0.4]])]
    path, places = resample(strokes)
    on_paper: list[list[float]] = [[0, 0], [0.2, 0], [0.4, 0], [0.6, 0], [0.6, 0.2], [0.6, 0.4]]
    assert path[:6] == pytest.approx(np.array([[x, y, 1] for x, y in on_paper]))
    assert path[6:9] == pytest.approx(np.array([[0.7, 0.4, 0], [0.8, 0.4, 0], [0.9, 0.4, 0]]))
    assert path[9:].tolist() == [[1, 0.4, 1]] * DOT
    assert places == pytest.approx([0, 1 / 3, 2 / 3, 1, 1.5, 2, 2.25, 2.5, 2.75, 3, 3, 3])


def test_ways_above_the_paper_are_short() -> None:
    for gap, steps in ((0.01, FEWEST_UP), (1.1, 6), (50, MOST_UP)):
        path, _ = resample([np.array([[0.0, 0.0]]), np.array([[gap, 0.0]])])
        assert len(path) == 2 * DOT + steps and path[:, 2].sum() == 2 * DOT


# ---- what must not matter


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
    assert (other.places - x) / scale == pytest.approx(expected.places, abs=1e-2 + 0.05 / scale)
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


def test_ink_that_is_no_line() -> None:
    dash = normalize_ink([np.array([[20.0, 7.0], [60.0, 7.0]])])
    assert dash.path[[0, -1]].tolist() == [[0, 0, 1], [1, 0, 1]] and dash.places[[0, -1]].tolist() == [20, 60]
    dot = normalize_ink([np.array([[20.0, 7.0]])])
    assert dot.path.tolist() == [[0, 0, 1]] * DOT
    scribble = np.array([[0.0, 0.0], [1e6, 0.0]] * LONGEST) + np.arange(2.0 * LONGEST)[:, None]
    assert len(normalize_ink([scribble, *writing(0)]).path) <= 1.1 * LONGEST


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(*[st.floats(-1e12, 1e12)] * 2).map(list), min_size=1, max_size=6), min_size=1))
def test_any_ink_gives_finite_features(strokes: list[list[list[float]]]) -> None:
    features = ink_features(normalize_ink([np.array(stroke) for stroke in strokes]).path)
    assert np.isfinite(features).all() and features.shape[1] == 89


# ---- features


def test_features_of_a_hand_worked_path() -> None:
    """Six steps to the right on the baseline, then six straight down, the pen up for the last of them."""
    right = [[STEP * i, 0.0, 1.0] for i in range(7)]
    down = [[STEP * 6, STEP * i, float(i < 6)] for i in range(1, 7)]
    features = ink_features(np.array(right + down, dtype=np.float32))
    assert features.shape == (13, 89)
    assert features[0, :2].tolist() == [0, 0]
    assert features[3, :6] == pytest.approx([1, 0, 1, 0, 1, 0], abs=1e-5)  # on along x, no turn
    assert features[6, :6] == pytest.approx([1, 0, 0.5**0.5, 0.5**0.5, 0, 1], abs=1e-5)  # a quarter turn to the right
    assert features[10, :6] == pytest.approx([0, 1, 0, 1, 1, 0], abs=1e-5)
    assert features[:, 6].tolist() == [1.0] * 12 + [0.0]
    assert features[[3, 12], 7] == pytest.approx([0, -6 * STEP])  # below the baseline
    assert features[:, 9].tolist() == [0.0] * 13  # it never goes back
    assert features[[4, 6, 12], 10] == pytest.approx([-1 / 2, 0, 1], abs=1e-5)  # wide, square, tall: (2-6)/(2+6), ...
    assert features[6, 11:13] == pytest.approx([0.5**0.5, 0.5**0.5], abs=1e-5)
    assert features[[0, 6], 13] == pytest.approx([0, 1], abs=1e-5)  # straight; twice as long as its box
    # Distances from the chord, in steps: 0, 1, 2, 3, 4, 3, 2, 1, 0, each over the root of 2.
    assert features[6, 14] == pytest.approx(STEP**2 * 44 / 2 / 9, abs=1e-5)
    # At the corner, from the middle of its maps: six points of ink to the left, itself across and down, five below.
    ink, across = features[6, 15:87].reshape(2, 6, 6)
    assert ink[3, :4] == pytest.approx(STEP * np.array([2, 2, 2, 2]), abs=1e-5)
    assert ink[4:, 3] == pytest.approx(STEP * np.array([2, 2]), abs=1e-5) and ink.sum() == pytest.approx(12 * STEP)
    assert across[3, :4] == pytest.approx(STEP * np.array([2, 2, 2, 0.5]), abs=1e-5)  # half of the corner
    assert across.sum() == pytest.approx(6.5 * STEP)


def test_the_map_shows_what_is_written_later() -> None:
    """A stem, then a word to the right, then the stem's cross: the stem's middle sees ink to both sides."""
    stem = np.array([[0.0, -2.0], [0.0, 0.0]])
    word = zigzag([0, 0, 0], top=-1) * [0.5, 1] + [2, 0]
    cross = np.array([[-0.85, -1.55], [0.85, -1.55]])
    without, _ = resample([stem, word])
    with_it, _ = resample([stem, word, cross])
    middle = 6  # y = -0.8 of the stem
    before, after = ink_features(without.astype(np.float32))[middle], ink_features(with_it.astype(np.float32))[middle]
    before, after = before[15:51].reshape(6, 6), after[15:51].reshape(6, 6)
    assert before[:, [0, 1, 2, 4, 5]].tolist() == [[0] * 5] * 6  # the stem alone
    assert np.argwhere(after > before + 1e-6).tolist() == [[1, 1], [1, 2], [1, 3], [1, 4], [1, 5]]  # and its cross
    late = ink_features(with_it.astype(np.float32))[-1]
    assert late[9] == pytest.approx(with_it[:, 0].max() - 0.85, abs=1e-3)  # behind the farthest


# ---- pages


def test_a_page_is_split_where_the_pen_goes_back_and_down() -> None:
    first, second = writing(1), [stroke + [0, 60] for stroke in writing(2)]
    late = np.array([[30.0, -17.0]])  # a dot of the first line, added when the second is done
    lines = split_lines([*first, *second, late])
    assert [len(line) for line in lines] == [len(first) + 1, len(second)]
    assert lines[0][-1] is late
    assert typical_x_height([*first, *second]) == pytest.approx(10, rel=0.1)
    assert len(split_lines([np.array([[0.0, 0.0]])])) == 1 and typical_x_height([np.array([[0.0, 0.0]])]) == 1


@needs_iam
@pytest.mark.parametrize("form", ["a01/a01-000/a01-000u", "f02/f02-133/f02-133z", "l10/l10-141/l10-141z"])
def test_real_pages_are_split_as_their_writers_did(form: str) -> None:
    lines = [read_inks(file)[0].strokes for file in sorted(IAM.glob(f"{form}-*.xml"))]
    found = split_lines([stroke for line in lines for stroke in line])
    assert [[id(stroke) for stroke in line] for line in found] == [[id(stroke) for stroke in line] for line in lines]


@needs_iam
def test_real_lines_stand_on_the_baseline_in_body_heights() -> None:
    features = []
    for file in sorted(IAM.glob("a0*/*/*-03.xml"))[::20]:
        track = normalize_ink(read_inks(file)[0].strokes)
        x, y, pen = track.path.T
        on_paper = pen > 0
        assert 0.4 < np.mean((y > -1.2) & (y < 0.2)) <= 1, file  # most ink is in the small letters
        assert np.diff(x)[on_paper[1:] & on_paper[:-1]].mean() > 0, file  # it runs to the right
        assert track.places.min() >= 0 and len(track.places) == len(track.path)
        features.append(ink_features(track.path))
    assert np.concatenate(features).std(axis=0).min() > 0.01  # every feature says something


@pytest.mark.parametrize("far", [1e6, 1e12, 1e-310, -1e12])
def test_points_far_off_or_tiny_stay_within_bounds(far: float) -> None:
    """A damaged coordinate made features of many terabytes."""
    writing = [np.array([(0, 0), (3, 9), (6, 0), (9, 9)], float), np.array([(far, 5.0)]), np.array([(far, far)])]
    for strokes in (writing, writing[:2], writing[1:], [stroke * [1, 0] for stroke in writing]):
        track = normalize_ink(strokes)
        assert np.isfinite(track.path).all() and np.abs(track.path).max() <= 4100
        assert len(track.path) < 25_000
