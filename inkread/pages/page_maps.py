"""The page network on a page: a reduced copy goes in, maps come out, and lines are traced on them.

Lines are found best where their letters have about the size that the network was trained with. If they are much larger
or smaller in the first copy, a second one is made.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkread._threads import available_cpus
from inkread.model.engines import start_session
from inkread.model.page_model import MULTIPLE, STRIDE, X_HEIGHT_UNIT, load_page_model, to_onnx
from inkread.pages.trace import Map, TracedLine, trace_lines

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

Grey = NDArray[np.uint8]

PAGE_PIXELS = 1_150_000  # of the first copy at most: A4 at 110 dpi
LARGEST_COPY = 2_500_000  # pixels of the second copy at most
GOOD_X_HEIGHTS = (6.5, 17.0)  # pixels: with these the first copy is good enough
X_HEIGHT = 9.0  # pixels in the second copy
LARGEST_FACTOR = 2.0  # times that a small image is enlarged for it
LEAST_CHANGE = 1.15  # of the size: for less there is no second copy


def find_traces(page: Grey, model: str) -> list[TracedLine]:
    """The baselines on a page (H, W) uint8 that a page model sees, in pixels of the page, each from left to right.

    `model` is the name or path of the model. Raises BadModel if it is missing or damaged.
    """
    factor = max(1.0, math.sqrt(page.size / PAGE_PIXELS))
    traces = _traces(page, factor, model)
    if not traces:
        return []
    x_height = float(np.median([trace.x_height for trace in traces])) / factor
    if not GOOD_X_HEIGHTS[0] <= x_height <= GOOD_X_HEIGHTS[1]:
        second = max(factor * x_height / X_HEIGHT, math.sqrt(page.size / LARGEST_COPY), 1 / LARGEST_FACTOR)
        if max(second / factor, factor / second) > LEAST_CHANGE:
            return _traces(page, second, model)
    return traces


def _traces(page: Grey, factor: float, model: str) -> list[TracedLine]:
    """The baselines that the network sees on a copy `factor` times smaller than the page, in pixels of the page."""
    height, width = page.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    method = Image.Resampling.BOX if factor >= 1 else Image.Resampling.BILINEAR
    copy = np.asarray(Image.fromarray(page).resize(size, method))
    scale = np.array((width / size[0], height / size[1]))
    return [
        TracedLine((trace.points + 0.5) * scale - 0.5, trace.x_height * scale[1], trace.probability)
        for trace in trace_lines(*page_maps(copy, model))
    ]


def page_maps(copy: Grey, model: str) -> tuple[Map, Map, Map]:
    """What a page model sees on a copy of a page (h, w): maps (h / 4, w / 4), rounded up.

    The probability that a cell is on a baseline, that it is at the end of a line, and the x-height in cells.
    """
    height, width = copy.shape
    pads = [(0, -length % MULTIPLE) for length in copy.shape]
    page = np.pad(copy, pads, mode="edge").astype(np.float32) / np.float32(255)
    maps = _session(model).run(None, {"page": page[None, None]})[0][0, :, : -(-height // STRIDE), : -(-width // STRIDE)]
    baseline, end = 1 / (1 + np.exp(-maps[:2].clip(-30, 30)))
    return baseline, end, X_HEIGHT_UNIT / STRIDE * np.exp(maps[2].clip(-3, 3))


@lru_cache(maxsize=1)
def _session(model: str) -> "InferenceSession":
    return start_session(to_onnx(load_page_model(model)), available_cpus())
