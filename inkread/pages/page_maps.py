"""The page network on a page: a reduced copy goes in, maps come out, and lines are traced on them.

Lines are found best where their letters have about the size that the network was trained with. If they are much larger
or smaller in the first copy, a second one is made.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkread._threads import available_cpus
from inkread.config import PAGE_MODEL
from inkread.model.engines import start_session
from inkread.model.page_model import (
    FEATURE_STRIDE,
    MULTIPLE,
    SHAPE_FEATURES,
    STRIDE,
    X_HEIGHT_UNIT,
    load_page_model,
    to_onnx,
)
from inkread.pages.trace import Floats, Map, TracedLine, trace_lines, without_doubles

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

Grey = NDArray[np.uint8]

PAGE_PIXELS = 1_150_000  # of the first copy at most: A4 at 110 dpi
LARGEST_COPY = 2_500_000  # pixels of the second copy at most
GOOD_X_HEIGHTS = (6.5, 17.0)  # pixels: with these the first copy is good enough
X_HEIGHT = 9.0  # pixels in the second copy
LARGEST_FACTOR = 2.0  # times that a small image is enlarged for it
LEAST_CHANGE = 1.15  # of the size: for less there is no second copy
# Log-odds from which on a line is handwriting, and may be: 40 % and 18 %. Missing a line is worse than reading print.
HANDWRITING, DOUBTFUL = -0.4, -1.5


@dataclass(frozen=True)
class PageMaps:
    """What the network sees on a copy of a page (h, w): the maps have the shape (h / 4, w / 4), rounded up."""

    baseline: Map  # the probability that a cell is on a baseline
    end: Map  # ... that it is at the end of a line
    x_height: Map  # in cells
    features: NDArray[np.float32]  # (FEATURES, h / 8, w / 8)


@dataclass(frozen=True)
class Candidates:
    """Lines traced on a page, in pixels of the page, and how far each looks like handwriting."""

    lines: list[TracedLine]
    features: Floats  # (lines, FEATURES + SHAPE_FEATURES)
    scores: Floats  # (lines,): log-odds, see HANDWRITING


@dataclass(frozen=True)
class Traces:
    """The lines of handwriting on a page, and those that may be some, in pixels of the page."""

    lines: list[TracedLine]
    doubtful: list[TracedLine]


def find_traces(page: Grey, model: str = PAGE_MODEL) -> Traces:
    """The lines on a page (H, W) uint8 that a page model sees. Raises BadModel if it is missing or damaged."""
    found = best_candidates(page, model)
    scored = list(zip(found.lines, found.scores, strict=True))
    lines = without_doubles([line for line, score in scored if score > HANDWRITING])
    return Traces(lines, [line for line, score in scored if DOUBTFUL < score <= HANDWRITING])


def best_candidates(page: Grey, model: str) -> Candidates:
    """All lines that are traced on a copy in which the letters have the right size."""
    factor = max(1.0, math.sqrt(page.size / PAGE_PIXELS))
    found = find_candidates(page, factor, model)
    if not found.lines:
        return found
    sure = [line for line, score in zip(found.lines, found.scores, strict=True) if score > HANDWRITING]
    x_height = usual_x_height(sure or found.lines) / factor
    if GOOD_X_HEIGHTS[0] <= x_height <= GOOD_X_HEIGHTS[1]:
        return found
    second = max(factor * x_height / X_HEIGHT, math.sqrt(page.size / LARGEST_COPY), 1 / LARGEST_FACTOR)
    return find_candidates(page, second, model) if max(second / factor, factor / second) > LEAST_CHANGE else found


def find_candidates(page: Grey, factor: float, model: str) -> Candidates:
    """All lines that are traced on a copy `factor` times smaller than the page."""
    height, width = page.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    method = Image.Resampling.BOX if factor >= 1 else Image.Resampling.BILINEAR
    maps = page_maps(np.asarray(Image.fromarray(page).resize(size, method)), model)
    lines = trace_lines(maps.baseline, maps.end, maps.x_height)
    scale = np.array((width / size[0], height / size[1]))
    moved = [
        replace(line, points=(line.points + 0.5) * scale - 0.5, x_height=line.x_height * scale[1]) for line in lines
    ]
    features = _line_features(lines, maps.features)
    _, weight, bias = _network(model)
    return Candidates(moved, features, features @ weight + bias)


def _line_features(lines: list[TracedLine], features: NDArray[np.float32]) -> Floats:
    """For each line the mean of the features along it, and SHAPE_FEATURES: its probability, length and x-height.

    Then its x-height and slope compared with those of most lines, and how much of it is outside of their columns.
    """
    count, rows, columns = features.shape
    table = np.zeros((len(lines), count + SHAPE_FEATURES))
    if not lines:
        return table
    usual, slope = usual_x_height(lines), usual_slope(lines)
    left, right = (_median_of([line.points[end, 0] for line in lines], lines) for end in (0, -1))
    for row, line in zip(table, lines, strict=True):
        x, y = (line.points / FEATURE_STRIDE).astype(int).T
        row[:count] = features[:, y.clip(0, rows - 1), x.clip(0, columns - 1)].mean(axis=1)
        first, last = line.points[[0, -1], 0]
        outside = 1 - max(0.0, min(last, right) - max(first, left)) / (last - first)
        row[count:] = (
            line.probability,
            math.log((last - first) / line.x_height),
            math.log(line.x_height / X_HEIGHT_UNIT),
            abs(math.log(line.x_height / usual)),
            abs(line.slope - slope),
            outside,
        )
    return table


def page_maps(copy: Grey, model: str) -> PageMaps:
    """What a page model sees on a copy of a page (h, w)."""
    height, width = copy.shape
    pads = [(0, -length % MULTIPLE) for length in copy.shape]
    page = np.pad(copy, pads, mode="edge").astype(np.float32) / np.float32(255)
    session, _, _ = _network(model)
    maps, features = session.run(["maps", "features"], {"page": page[None, None]})
    maps = maps[0, :, : -(-height // STRIDE), : -(-width // STRIDE)]
    baseline, end = 1 / (1 + np.exp(-maps[:2].clip(-30, 30)))
    return PageMaps(baseline, end, X_HEIGHT_UNIT / STRIDE * np.exp(maps[2].clip(-3, 3)), features[0])


def usual_x_height(lines: list[TracedLine]) -> float:
    """The median over the columns of all lines."""
    return _median_of([line.x_height for line in lines], lines)


def usual_slope(lines: list[TracedLine]) -> float:
    """The median over the columns of all lines, in rows per column; down to the right is positive."""
    return _median_of([line.slope for line in lines], lines)


def _median_of(values: list[float], lines: list[TracedLine]) -> float:
    """The value of a line up to which the lines, in the order of their values, have half of all columns."""
    order = np.argsort(values)
    columns = np.cumsum([np.ptp(lines[number].points[:, 0]) for number in order])
    return float(values[order[np.searchsorted(columns, columns[-1] / 2)]])


@lru_cache(maxsize=1)
def _network(model: str) -> tuple["InferenceSession", Floats, float]:
    """The network, and the weights (FEATURES + SHAPE_FEATURES,) and the bias that tell handwriting from other lines."""
    weights = load_page_model(model)
    session = start_session(to_onnx(weights), available_cpus())
    return session, weights["line.weight"][0].astype(float), float(weights["line.bias"][0])
