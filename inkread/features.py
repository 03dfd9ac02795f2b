"""A normalised line -> a sequence of feature vectors, one a column or a window of columns: (T, F).

conv        the columns themselves, F = height: the network's own convolutions make the features
pixels      a window of columns sliding over the line, F = height * window: the plain lecture
geometry    the nine features of Marti and Bunke (2001), F = 9
"""

import numpy as np
from numpy.typing import NDArray

from inkread.config import NetworkConfig

Features = NDArray[np.float32]


def feature_size(config: NetworkConfig) -> int:
    """F, the length of one vector."""
    return {"conv": config.height, "pixels": config.height * config.window, "geometry": 9}[config.features]


def extract(pixels: NDArray[np.uint8], config: NetworkConfig) -> Features:
    """(height, W) uint8, 255 = ink -> (T, F) float32: T = W for conv, else ceil(W / step)."""
    ink = pixels.astype(np.float32) / np.float32(255)
    if config.features == "conv":
        return np.ascontiguousarray(ink.T)
    if config.features == "pixels":
        return _windows(ink, config.window, config.step)
    return geometry(ink)[:: config.step]


def _windows(ink: Features, window: int, step: int) -> Features:
    """(H, W) -> (ceil(W / step), window * H): the columns around every step-th column, blank beyond the ends."""
    before = (window - 1) // 2
    padded = np.pad(ink.T, ((before, window - 1 - before), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)[::step]  # (T, H, window)
    return np.ascontiguousarray(views.transpose(0, 2, 1)).reshape(len(views), -1)  # (T, window * H)


def geometry(ink: Features) -> Features:
    """(H, W), 0 = paper, 1 = ink -> (W, 9): Marti and Bunke 2001, "Using a statistical language model ...", section 3.

    With p(x, y) = 1 where a pixel is ink, and rows y = 1..H counted from the top as in the paper:
        f1  weight          sum_y p / H
        f2  centre          sum_y y p / H^2
        f3  second moment   sum_y y^2 p / H^3
        f4  upper contour   the first row with ink
        f5  lower contour   the last row with ink
        f6  gradient of f4, and f7  of f5, from the column before to the one after
        f8  transitions     changes between paper and ink down the column
        f9  ink between     the share of ink between the contours
    f4 and f5 are divided by H so that all features are of one order; f3 is divided by H^3, not by H^2, for the same
    reason. A column without ink takes its contours from the middle row and has nothing between.
    """
    height = ink.shape[0]
    wet = ink > 0.5
    rows = np.arange(1, height + 1, dtype=np.float32)[:, None]
    any_ink = wet.any(axis=0)
    upper = np.where(any_ink, wet.argmax(axis=0) + 1, height / 2) / height
    lower = np.where(any_ink, height - wet[::-1].argmax(axis=0), height / 2) / height
    count = wet.sum(axis=0)
    between = np.where(any_ink, np.round((lower - upper) * height) + 1, 1)
    columns = [
        count / height,
        (rows * wet).sum(axis=0) / height**2,
        (rows**2 * wet).sum(axis=0) / height**3,
        upper,
        lower,
        _gradient(upper),
        _gradient(lower),
        (wet[1:] != wet[:-1]).sum(axis=0),
        count / between,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _gradient(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the difference of the neighbours; at the ends the end stands for the missing neighbour."""
    padded = np.pad(values, 1, mode="edge")
    return (padded[2:] - padded[:-2]) / 2
