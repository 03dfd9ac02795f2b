"""Variations of pen strokes: the same for one seed, valid for any line, and different enough."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inkread.augment.ink import _cut_corners, _join_letters, _smooth, _widen_spaces, distort_path, other_writer
from inkread.features.ink import STEP


def loops(count: int) -> NDArray[np.float32]:
    """A pen's path (3, T): loops along a line, up for every tenth point."""
    x = np.arange(count) * 0.2
    return np.stack([0.5 * x + 0.4 * np.sin(x * 3), 0.4 * np.cos(x * 3), np.arange(count) % 10 != 9]).astype(np.float32)


def test_a_distorted_path_is_seeded_and_evenly_sampled() -> None:
    path = loops(400)
    before = path.copy()
    first, again, other = (distort_path(path, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(path, before)
    assert first.shape != other.shape or (first != other).any()
    for seed in range(50):
        changed = distort_path(path, np.random.default_rng(seed))
        assert changed.dtype == np.float32 and np.isfinite(changed).all()
        assert set(changed[2].tolist()) == {0.0, 1.0} and np.ptp(changed[1]) < 6
        assert abs(np.log(np.ptp(changed[0]) / np.ptp(path[0]))) < 0.6
        ways = np.hypot(*np.diff(changed[:2]))[(changed[2, 1:] > 0) & (changed[2, :-1] > 0)]
        assert ways.max() < 1.001 * STEP < 1.3 * np.median(ways)  # as even as the steps of lines that are read


def test_spaces_are_widened_and_letters_are_not() -> None:
    x, pen = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.4, 1.6, 0.3]), np.array([1, 1, 1, 0, 0, 1, 1, 1]) > 0
    # From 0.4 to 1.4 there is no ink: 0.3 of it stays, as between letters, and 0.7 becomes 1.4.
    np.testing.assert_allclose(_widen_spaces(x, pen, 2.0), [0, 0.2, 0.4, 0.74, 1.08, 2.1, 2.3, 0.3])


def test_only_letters_near_to_the_right_are_joined() -> None:
    points = np.array([[0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.5, 0.1, 3.0], [0, 0, 0, 0, 0, 0, -1, -1, 0]])
    pen = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0]) > 0
    sizes = {tuple(map(len, _join_letters(points, pen, np.random.default_rng(seed)))) for seed in range(50)}
    assert sizes == {(2, 3, 1), (5, 1)}  # the last stroke begins to the left, so it is never joined


def test_corners_are_cut_and_ends_stay() -> None:
    corner = np.array([[0.0, 0], [4, 0], [4, 4]])
    np.testing.assert_array_equal(_cut_corners(corner), [[0, 0], [1, 0], [3, 0], [4, 1], [4, 3], [4, 4]])
    dot = np.array([[2.0, 1]])
    np.testing.assert_array_equal(np.unique(_cut_corners(dot), axis=0), dot)


def test_another_writer_s_ink_is_in_body_heights_and_smooth() -> None:
    path = loops(100)
    strokes = [40 * path[:2, start : start + 9].T.astype(float) for start in range(0, 100, 10)]
    first, again = (other_writer(strokes, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert 0.5 < np.ptp(np.concatenate(first)[:, 1]) < 4
    turns = [np.diff(np.unwrap(np.arctan2(*np.diff(stroke, axis=0).T[::-1]))) for stroke in first if len(stroke) > 9]
    assert np.quantile(np.abs(np.concatenate(turns)), 0.9) < np.radians(30)


def test_smoothing_cuts_corners_and_leaves_straight_lines() -> None:
    straight = np.stack([np.arange(30.0), 2 * np.arange(30.0)])
    np.testing.assert_allclose(_smooth(straight, 2.0)[:, 5:-5], straight[:, 5:-5])
    waves = np.sin(np.arange(200) * 2 * np.pi / 20)[None].repeat(2, axis=0)
    shrunk = np.ptp(_smooth(waves, 1.5)[0]) / np.ptp(waves[0])
    assert shrunk == pytest.approx(np.exp(-0.5 * (1.5 * 2 * np.pi / 20) ** 2), abs=0.01)  # its Fourier transform


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_the_shortest_paths_can_be_distorted(count: int) -> None:
    for seed in range(20):
        assert distort_path(loops(count), np.random.default_rng(seed)).shape[1] >= 1
