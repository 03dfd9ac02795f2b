"""Variations of images: the same for one seed, valid for any line, and different enough."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkread.augment.image import PHOTO_HEIGHT, distort_image, photograph
from inkread.features.image import normalize_image

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
    first, again, other = (distort_image(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()
    np.testing.assert_array_equal(pixels, before)  # the line itself is left as it was


def test_a_read_only_line_of_columns_will_do() -> None:
    """As the lines of a training come, mapped from a file column by column."""
    pixels = strokes(200)
    columns = np.ascontiguousarray(pixels.T)
    columns.flags.writeable = False
    first, second = (distort_image(line, np.random.default_rng(1)) for line in (pixels, columns.T))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("width", [1, 2, 8, 9, 19, 20, 21, 500, 4000])
@pytest.mark.parametrize("height", [16, 48])
def test_any_width_gives_a_line_of_the_same_height(width: int, height: int) -> None:
    for seed in range(10):
        distorted = distort_image(strokes(width, height), np.random.default_rng(seed))
        assert distorted.dtype == np.uint8 and len(distorted) == height
        assert max(8, 0.5 * width) <= distorted.shape[1] <= max(8, 2 * width)


@pytest.mark.filterwarnings("error")  # a number that is none turned into a byte would be one
def test_a_thousand_lines_are_sound_and_mostly_legible() -> None:
    rng = np.random.default_rng(0)
    pixels = strokes(120)
    kept = []
    for _ in range(1000):
        distorted = distort_image(pixels, rng)
        assert distorted.dtype == np.uint8 and len(distorted) == 48
        kept.append((distorted > 100).mean() / (pixels > 100).mean())
    assert np.mean(np.array(kept) < 0.2) < 0.03  # hardly ever is the ink gone
    assert np.mean(np.array(kept) > 4) < 0.03  # or everywhere
    assert np.std(kept) > 0.1  # and pens do differ


def test_blank_paper_stays_nearly_blank() -> None:
    blank = np.zeros((48, 200), np.uint8)
    for seed in range(100):
        distorted = distort_image(blank, np.random.default_rng(seed))
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
