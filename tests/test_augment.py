"""Distorted lines: seeded, sound for any line, and different enough to be worth it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inkread.augment import distort

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
    np.testing.assert_array_equal(*(distort(line, np.random.default_rng(1)) for line in (pixels, columns.T)))


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
