"""Features: those of columns by a slow loop and by hand, those of ink by hand, and the number of steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ink_samples import zigzag

from inkread.config import NetworkConfig
from inkread.features.extract import extract, feature_size, geometry, ink_features
from inkread.features.ink import STEP, resample


def geometry_by_loop(ink: np.ndarray) -> np.ndarray:
    """The formulas of geometry's docstring, one pixel at a time."""
    height, width = ink.shape
    found = np.zeros((width, 9))
    for x in range(width):
        column = [ink[y - 1, x] > 0.5 for y in range(1, height + 1)]
        inked = [y for y in range(1, height + 1) if column[y - 1]]
        first, last = (inked[0], inked[-1]) if inked else (height / 2, height / 2)
        found[x, 0] = len(inked) / height
        found[x, 1] = sum(inked) / height**2
        found[x, 2] = sum(y**2 for y in inked) / height**3
        found[x, 3], found[x, 4] = first / height, last / height
        found[x, 7] = sum(column[y] != column[y - 1] for y in range(1, height))
        found[x, 8] = len(inked) / (last - first + 1) if inked else 0
    for x in range(width):
        before, after = max(x - 1, 0), min(x + 1, width - 1)
        found[x, 5:7] = (found[after, 3:5] - found[before, 3:5]) / 2
    return found


@settings(deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 12)), elements=st.sampled_from([0, 100, 130, 255]))
)
def test_geometry_is_as_in_its_formulas(pixels: np.ndarray) -> None:
    ink = (pixels / 255).astype(np.float32)
    np.testing.assert_allclose(geometry(ink), geometry_by_loop(ink), atol=1e-6)


def test_geometry_by_hand() -> None:
    ink = np.array([[0, 0], [1, 0], [0, 0], [1, 0]], np.float32)  # a column with ink in rows 2 and 4, an empty one
    np.testing.assert_allclose(
        geometry(ink),
        [
            [2 / 4, 6 / 16, 20 / 64, 2 / 4, 4 / 4, 0, (2 - 4) / 4 / 2, 3, 2 / 3],
            [0, 0, 0, 2 / 4, 2 / 4, 0, -1 / 4, 0, 0],
        ],
    )


def test_pixels_are_windows_of_columns() -> None:
    pixels = np.arange(1, 6, dtype=np.uint8) * np.ones((16, 1), np.uint8)  # column c holds c + 1 in all its rows
    pixels[0] += 100  # and 101 + c at the top
    vectors = extract(pixels, NetworkConfig(features="pixels", height=16, window=3, step=2)) * 255
    columns = vectors.reshape(3, 3, 16)  # (T, window, height)
    assert columns[:, :, 1].round().tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 0]]
    assert columns[:, :, 0].round().tolist() == [[0, 101, 102], [102, 103, 104], [104, 105, 0]]


def test_an_even_window_has_its_extra_column_after() -> None:
    pixels = np.arange(1, 5, dtype=np.uint8) * np.ones((16, 1), np.uint8)
    vectors = extract(pixels, NetworkConfig(features="pixels", height=16, window=4, step=4)) * 255
    assert vectors.reshape(1, 4, 16)[0, :, 0].round().tolist() == [0, 1, 2, 3]


def test_conv_takes_the_columns_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 30), np.uint8)
    np.testing.assert_allclose(extract(pixels, NetworkConfig()) * 255, pixels.T, atol=1e-4)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9, 63])
@pytest.mark.parametrize(
    "settings", [{"features": "conv"}, *({"features": f, "step": s} for f in ("pixels", "geometry") for s in (1, 3, 4))]
)
def test_shape(settings: dict[str, object], width: int) -> None:
    config = NetworkConfig().replace(settings)
    vectors = extract(np.full((48, width), 255, np.uint8), config)
    steps = width if config.features == "conv" else -(-width // config.step)
    assert vectors.shape == (steps, feature_size(config)) and vectors.dtype == np.float32


# ---- ink


def test_ink_features_of_a_path_worked_out_by_hand() -> None:
    """Six steps to the right on the baseline, then six straight down, the pen up for the last of them."""
    right = [[STEP * i, 0.0, 1.0] for i in range(7)]
    down = [[STEP * 6, STEP * i, float(i < 6)] for i in range(1, 7)]
    features = ink_features(np.array(right + down, dtype=np.float32))
    assert features.shape == (13, 89)
    assert features[0, :2].tolist() == [0, 0]
    assert features[3, :6] == pytest.approx([1, 0, 1, 0, 1, 0], abs=1e-5)  # straight on along x, no turn
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
    """A stem, then a word to the right, then the cross of the stem: the middle of the stem has ink to both sides."""
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
