"""Distorted lines: seeded, sound for any line, and different enough to be worth it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkread.augment.image import (
    PHOTO_HEIGHT,
    _cut_corners,
    _joined,
    _smooth,
    _space,
    distort,
    distort_path,
    other_hand,
    photograph,
)
from inkread.features.image import normalize_image
from inkread.features.ink import STEP

Pixels = NDArray[np.uint8]


def strokes(width: int, height: int = 48) -> Pixels:
    """A line of loops: 0 = paper, 255 = ink."""
    x = np.arange(width)
    middle = height / 2 + height / 6 * np.sin(x / 4) + height / 10 * np.sin(x / 9)
    distance = np.abs(np.arange(height)[:, None] - middle)
    return (np.clip(2 - distance, 0, 1) * 255).astype(np.uint8)


def test_one_seed_gives_one_result_and_another_another() -> None:
    pixels = strokes(300)
    before = pixels.copy()
    first, again, other = (distort(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
    np.testing.assert_array_equal(pixels, before)  # the line itself is left as it was


def test_a_read_only_line_of_columns_will_do() -> None:
    """As the lines of a training come, mapped from a file column by column."""
    pixels = strokes(200)
    columns = np.ascontiguousarray(pixels.T)
    columns.flags.writeable = False
    first, second = (distort(line, np.random.default_rng(1)) for line in (pixels, columns.T))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("width", [1, 2, 8, 9, 19, 20, 21, 500, 4000])
@pytest.mark.parametrize("height", [16, 48])
def test_any_width_gives_a_line_of_the_same_height(width: int, height: int) -> None:
    for seed in range(10):
        distorted = distort(strokes(width, height), np.random.default_rng(seed))
        assert distorted.dtype == np.uint8 and len(distorted) == height
        assert max(8, 0.5 * width) <= distorted.shape[1] <= max(8, 2 * width)


@pytest.mark.filterwarnings("error")  # a number that is none turned into a byte would be one
def test_a_thousand_lines_are_sound_and_mostly_legible() -> None:
    rng = np.random.default_rng(0)
    pixels = strokes(120)
    kept = []
    for _ in range(1000):
        distorted = distort(pixels, rng)
        assert distorted.dtype == np.uint8 and len(distorted) == 48
        kept.append((distorted > 100).mean() / (pixels > 100).mean())
    assert np.mean(np.array(kept) < 0.2) < 0.03  # hardly ever is the ink gone
    assert np.mean(np.array(kept) > 4) < 0.03  # or everywhere
    assert np.std(kept) > 0.1  # and pens do differ


def test_blank_paper_stays_nearly_blank() -> None:
    blank = np.zeros((48, 200), np.uint8)
    for seed in range(100):
        distorted = distort(blank, np.random.default_rng(seed))
        assert (distorted > 100).mean() < 0.1  # grain, or a ruled line


def test_a_photograph_is_seeded_and_leaves_its_picture_alone() -> None:
    picture = 255 - strokes(300)
    before = picture.copy()
    first, again, other = (photograph(picture, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
    np.testing.assert_array_equal(picture, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (300, 1), (48, 200), (2000, 900), (2, 70_000)])
@pytest.mark.parametrize("shade", [0, 255])
def test_anything_can_be_photographed(shape: tuple[int, int], shade: int) -> None:
    for seed in range(20):
        photo = photograph(np.full(shape, shade, np.uint8), np.random.default_rng(seed))
        assert photo.dtype == np.uint8 and photo.ndim == 2
        assert 1 <= len(photo) <= 2 * PHOTO_HEIGHT


def test_a_photograph_shows_the_same_line() -> None:
    """Normalised again it has about the size it had, and ink where it was: on paper, rules, in shadows alike."""
    picture = np.pad(255 - strokes(400), ((10, 10), (10, 10)), constant_values=255)
    clean = normalize_image(picture, 48).pixels
    widths, likenesses = [], []
    for seed in range(100):
        photo = normalize_image(photograph(picture, np.random.default_rng(seed)), 48).pixels
        widths.append(photo.shape[1] / clean.shape[1])
        same_width = np.asarray(Image.fromarray(photo).resize(clean.shape[::-1]))
        likenesses.append(np.corrcoef(clean.sum(axis=1), same_width.sum(axis=1))[0, 1])
    assert 0.8 < np.median(widths) < 1.25
    assert np.median(likenesses) > 0.8


def loops(count: int) -> NDArray[np.float32]:
    """A pen's path (3, T): loops along a line, up for every tenth point."""
    x = np.arange(count) * 0.2
    return np.stack([0.5 * x + 0.4 * np.sin(x * 3), 0.4 * np.cos(x * 3), np.arange(count) % 10 != 9]).astype(np.float32)


def test_a_distorted_path_is_another_hand_s() -> None:
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
        assert ways.max() < 1.001 * STEP < 1.3 * np.median(ways)  # walked anew: as even as what is read


def test_another_hand_s_spaces_are_wider_and_its_letters_are_not() -> None:
    x, pen = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.4, 1.6, 0.3]), np.array([1, 1, 1, 0, 0, 1, 1, 1]) > 0
    # Of the 1.0 without ink between 0.4 and 1.4 the 0.3 that letters have stay, and 0.7 become 1.4.
    np.testing.assert_allclose(_space(x, pen, 2.0), [0, 0.2, 0.4, 0.74, 1.08, 2.1, 2.3, 0.3])


def test_a_pen_that_stays_on_the_paper_joins_what_is_near_to_the_right() -> None:
    points = np.array([[0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.5, 0.1, 3.0], [0, 0, 0, 0, 0, 0, -1, -1, 0]])
    pen = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0]) > 0
    sizes = {tuple(map(len, _joined(points, pen, np.random.default_rng(seed)))) for seed in range(50)}
    assert sizes == {(2, 3, 1), (5, 1)}  # the dot at the end, back to the left, is always one of its own


def test_corners_are_cut_and_ends_stay() -> None:
    corner = np.array([[0.0, 0], [4, 0], [4, 4]])
    np.testing.assert_array_equal(_cut_corners(corner), [[0, 0], [1, 0], [3, 0], [4, 1], [4, 3], [4, 4]])
    dot = np.array([[2.0, 1]])
    np.testing.assert_array_equal(np.unique(_cut_corners(dot), axis=0), dot)


def test_another_hand_s_ink_is_in_body_heights_and_smooth() -> None:
    path = loops(100)
    strokes = [40 * path[:2, start : start + 9].T.astype(float) for start in range(0, 100, 10)]
    first, again = (other_hand(strokes, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert 0.5 < np.ptp(np.concatenate(first)[:, 1]) < 4
    turns = [np.diff(np.unwrap(np.arctan2(*np.diff(stroke, axis=0).T[::-1]))) for stroke in first if len(stroke) > 9]
    assert np.quantile(np.abs(np.concatenate(turns)), 0.9) < np.radians(30)


def test_haste_cuts_corners_and_leaves_straight_ways() -> None:
    straight = np.stack([np.arange(30.0), 2 * np.arange(30.0)])
    np.testing.assert_allclose(_smooth(straight, 2.0)[:, 5:-5], straight[:, 5:-5])
    waves = np.sin(np.arange(200) * 2 * np.pi / 20)[None].repeat(2, axis=0)
    shrunk = np.ptp(_smooth(waves, 1.5)[0]) / np.ptp(waves[0])
    assert shrunk == pytest.approx(np.exp(-0.5 * (1.5 * 2 * np.pi / 20) ** 2), abs=0.01)  # its Fourier transform


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_the_shortest_paths_are_distorted_too(count: int) -> None:
    for seed in range(20):
        assert distort_path(loops(count), np.random.default_rng(seed)).shape[1] >= 1
