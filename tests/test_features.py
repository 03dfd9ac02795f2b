"""Column features: the nine of Marti and Bunke by a slow loop, the windows by hand, the number of steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inkread.config import NetworkConfig
from inkread.features.extract import extract, feature_size, geometry


def geometry_by_loop(ink: np.ndarray) -> np.ndarray:
    """The formulas of geometry's docstring, one pixel at a time."""
    height, width = ink.shape
    found = np.zeros((width, 9))
    for x in range(width):
        column = [ink[y - 1, x] > 0.5 for y in range(1, height + 1)]
        wet = [y for y in range(1, height + 1) if column[y - 1]]
        first, last = (wet[0], wet[-1]) if wet else (height / 2, height / 2)
        found[x, 0] = len(wet) / height
        found[x, 1] = sum(wet) / height**2
        found[x, 2] = sum(y**2 for y in wet) / height**3
        found[x, 3], found[x, 4] = first / height, last / height
        found[x, 7] = sum(column[y] != column[y - 1] for y in range(1, height))
        found[x, 8] = len(wet) / (last - first + 1) if wet else 0
    for x in range(width):
        before, after = max(x - 1, 0), min(x + 1, width - 1)
        found[x, 5:7] = (found[after, 3:5] - found[before, 3:5]) / 2
    return found


@settings(deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 12)), elements=st.sampled_from([0, 100, 130, 255]))
)
def test_geometry_is_its_formulas(pixels: np.ndarray) -> None:
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


def test_conv_takes_the_columns_as_they_are() -> None:
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
