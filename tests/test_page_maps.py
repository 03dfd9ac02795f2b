"""Lines on a page, with a stand-in for the network that sees black bars; and the network on pages of any size."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkread.model.page_model import FEATURES, SHAPE_FEATURES, STRIDE, save_page_model, weight_shapes
from inkread.pages import page_maps
from inkread.pages.page_maps import PageMaps, Traces, find_traces

Grey = NDArray[np.uint8]


def page_with_bars(size: tuple[int, int], rows: tuple[int, ...], height: int) -> Grey:
    page = np.full((size[1], size[0]), 255, np.uint8)
    for row in rows:
        page[row - height : row, size[0] // 5 : size[0] // 2] = 0
    return page


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the copies that were seen, by a network to which the lower edge of a bar is a baseline."""
    sizes: list[tuple[int, int]] = []

    def maps(copy: Grey, model: str) -> PageMaps:
        sizes.append(copy.shape[::-1])
        height, width = (length // STRIDE for length in copy.shape)
        dark = np.asarray(Image.fromarray(copy).resize((width, height), Image.Resampling.BOX)) < 128
        below = np.roll(dark, -1, axis=0)
        x_height = dark.sum(axis=0).max() * np.ones(dark.shape)
        baseline, end = (dark & ~below).astype(np.float32), np.zeros(dark.shape, np.float32)
        features = np.zeros((FEATURES, -(-height // 2), -(-width // 2)), np.float32)
        return PageMaps(baseline, end, x_height.astype(np.float32), features)

    everything = None, np.zeros(FEATURES + SHAPE_FEATURES), 1.0
    monkeypatch.setattr(page_maps, "_network", lambda model: everything)
    monkeypatch.setattr(page_maps, "page_maps", maps)
    return sizes


def test_lines_are_in_pixels_of_the_page(seen: list[tuple[int, int]]) -> None:
    (line,) = find_traces(page_with_bars((2000, 2000), (600,), 24), "").lines
    assert line.points[0] == pytest.approx((400, 600), abs=10) and line.points[-1] == pytest.approx((1000, 600), abs=10)
    assert line.x_height == pytest.approx(24, abs=6)
    assert len(seen) == 1 and seen[0][0] * seen[0][1] <= page_maps.PAGE_PIXELS


@pytest.mark.parametrize(("size", "height"), [((800, 600), 80), ((3000, 3000), 300)])
def test_large_letters_are_looked_at_from_farther_away(
    seen: list[tuple[int, int]], size: tuple[int, int], height: int
) -> None:
    (line,) = find_traces(page_with_bars(size, (400,), height), "").lines
    assert len(seen) == 2 and seen[1][0] < seen[0][0] / 3
    assert line.points[:, 1] == pytest.approx(400, abs=0.5 * height)


def test_small_letters_are_looked_at_closely_if_the_page_is_large(seen: list[tuple[int, int]]) -> None:
    find_traces(page_with_bars((4000, 4000), (1000,), 15), "")
    assert len(seen) == 2 and seen[0][0] < seen[1][0] <= np.sqrt(page_maps.LARGEST_COPY) + 1


def test_an_empty_page_is_looked_at_once(seen: list[tuple[int, int]]) -> None:
    assert find_traces(np.full((500, 300), 255, np.uint8), "") == Traces([], [])
    assert len(seen) == 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (33, 31), (100, 64)])
def test_maps_have_a_cell_for_each_four_pixels(shape: tuple[int, int], tmp_path: Path) -> None:
    model = tmp_path / "x.page.safetensors"
    rng = np.random.default_rng(0)
    weights = {name: np.abs(rng.normal(0, 0.1, of)) + 0.1 for name, of in weight_shapes().items()}
    save_page_model(model, weights, {})
    maps = page_maps.page_maps(np.zeros(shape, np.uint8), str(model))
    assert maps.baseline.shape == maps.end.shape == maps.x_height.shape == (-(-shape[0] // 4), -(-shape[1] // 4))
    assert maps.baseline.min() >= 0 and maps.baseline.max() <= 1 and np.isfinite(maps.x_height).all()
    assert all(8 * have >= need for have, need in zip(maps.features.shape[1:], shape, strict=True))
