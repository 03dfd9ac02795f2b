"""A normalised line -> a sequence of feature vectors, one a column or a window of columns: (T, F).

conv        the columns themselves, F = height: the network's own convolutions make the features
pixels      a window of columns sliding over the line, F = height * window: the plain lecture
geometry    the nine features of Marti and Bunke (2001), F = 9
strokes     of a pen's path, a vector a step along it, F = 89
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.config import NetworkConfig
from inkread.errors import BadInput
from inkread.features.image import NormalizedImage, normalize_image
from inkread.features.ink import STEP, NormalizedInk, PenPath, normalize_ink
from inkread.features.render import draw_ink, drawing_scale_and_left
from inkread.inputs.ink import LineInput

NormalizedLine = NormalizedImage | NormalizedInk
Features = NDArray[np.float32]


def feature_size(config: NetworkConfig) -> int:
    """F, the length of one vector."""
    sizes = {"conv": config.height, "pixels": config.height * config.window, "geometry": 9, "strokes": 89}
    return sizes[config.features]


def normalize(writing: LineInput, config: NetworkConfig) -> NormalizedLine:
    """A line, normalised for a network; for one that reads pictures, strokes are drawn first.

    Raises BadInput for a picture where the network reads strokes.
    """
    if isinstance(writing, np.ndarray):
        if config.features == "strokes":
            raise BadInput("a picture, but the model reads pen strokes; take a model of pictures")
        return normalize_image(writing, config.height)
    if config.features == "strokes":
        return normalize_ink(writing)
    line = normalize_image(draw_ink(writing), config.height)
    scale, left = drawing_scale_and_left(writing)
    return replace(line, scale=line.scale / scale, offset=line.offset / scale + left)


def columns_of(line: NormalizedLine) -> NDArray[Any]:
    """What a network steps over, (rows, W): pixels (height, W) uint8, 255 = ink, or a pen's path (3, W) float32."""
    return line.pixels if isinstance(line, NormalizedImage) else line.path.T


def source_x(line: NormalizedLine, columns: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The x in the picture, or in the ink, of columns of its normalised line."""
    if isinstance(line, NormalizedImage):
        return columns * line.scale + line.offset
    places: NDArray[np.floating[Any]] = np.interp(columns, np.arange(len(line.places)), line.places)
    return places


def extract(columns: NDArray[Any], config: NetworkConfig) -> Features:
    """The columns of a normalised line (rows, W) -> (T, F) float32: T = W for conv and strokes, else ceil(W / step)."""
    if config.features == "strokes":
        return ink_features(columns.T)
    ink = columns.astype(np.float32) / np.float32(255)
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


AROUND = 4  # steps: the vicinity of a point reaches so far to both sides
GRID = 0.2  # body heights: what maps are counted on
CELL = 2  # grid squares to each side: one of the six by six cells of the maps around a point
REACH = 3 * CELL  # grid squares from a point to a side of its maps


def ink_features(path: PenPath) -> Features:
    """A pen's path (T, 3) in body heights -> (T, 89), after Jaeger et al. 2001 (NPen++), Liwicki and Bunke 2006, Graves
    et al. 2009; neighbours beyond an end are the end itself.

        0-1    offset          from the point before, in steps; long only above the paper (Graves)
        2-3    direction       cosine and sine of the way from the point before to the one after (Jaeger)
        4-5    curvature       cosine and sine of the turn between the ways from and to the second neighbours (Jaeger)
        6      pen             1 on the paper, 0 above it (Jaeger, Graves)
        7      height          above the baseline, in body heights (Jaeger, Liwicki)
        8      side            x less its mean over 25 steps (Liwicki)
        9      retreat         how far x lies behind the farthest so far: a delayed stroke, the "hat" of Jaeger
        10     aspect          (height - width) / (height + width) of the box around the vicinity, AROUND steps to
                               both sides (Jaeger)
        11-12  vicinity slope  cosine and sine of the way from the vicinity's first to its last point (Jaeger)
        13     curliness       the vicinity's path over the longer side of its box, 0 for a straight line (Jaeger)
        14     linearity       mean squared distance of the vicinity from the line of 11-12 (Jaeger)
        15-50  map             ink, as path in body heights, in six by six cells about the point, row by row from the
                               top left: what was and will be written there, at whatever time (Jaeger, Liwicki)
        51-86  map across      the share of each cell that was written from side to side: the squared cosine of 2-3
        87-88  reach           ink above and below the small letters within two cells to the sides (Liwicki)
    """
    points, pen = path[:, :2].astype(np.float64), path[:, 2]
    offset = np.diff(points, axis=0, prepend=points[:1])
    padded = np.concatenate([points[:1].repeat(AROUND, 0), points, points[-1:].repeat(AROUND, 0)])
    window = np.stack([padded[first : first + len(points)] for first in range(2 * AROUND + 1)])  # (2 AROUND + 1, T, 2)
    second_before, before, _, after, second_after = window[AROUND - 2 : AROUND + 3]
    chord = window[-1] - window[0]
    box = np.ptp(window, axis=0)
    longer = np.maximum(box.max(axis=1), 1e-6)
    ways = np.hypot(*np.moveaxis(np.diff(window, axis=0), -1, 0)).sum(axis=0)
    along = _unit(chord)
    x, y = np.moveaxis(window - window[0], 2, 0)
    distance = y * along[:, 0] - x * along[:, 1]
    direction = _unit(after - before)
    columns = [
        (offset / STEP).clip(-10, 10),
        direction,
        _turn(_unit(points - second_before), _unit(second_after - points)),
        pen,
        -points[:, 1],
        points[:, 0] - _moving_mean(points[:, 0], 12),
        np.maximum.accumulate(points[:, 0]) - points[:, 0],
        (box[:, 1] - box[:, 0]) / np.maximum(box.sum(axis=1), 1e-6),
        along,
        ways / longer - 1,
        (distance**2).mean(axis=0),
        _ink_around(points, pen, pen * direction[:, 0] ** 2),
    ]
    return np.column_stack(columns).clip(-10, 10).astype(np.float32)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (T, 2) of length one, (cosine, sine) of their direction; 0 where there is none."""
    lengths = np.hypot(*vectors.T)[:, None]
    unit: NDArray[np.float64] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)
    return unit


def _turn(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine and sine of the angle from one direction to another."""
    cosine = (first * second).sum(axis=1)
    sine = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.column_stack([cosine, sine])


def _moving_mean(values: NDArray[np.float64], around: int) -> NDArray[np.float64]:
    """The mean of each value and `around` neighbours to both sides, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - around, 0), np.minimum(places + around + 1, len(values))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def _ink_around(points: NDArray[np.float64], *inks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Features 15 to 88: (T, 36) of each ink, counted by a table of sums, and (T, 2) of the first."""
    least = points.min(axis=0)
    x, y = cells = (((points - least) / GRID).astype(int) + REACH).T
    width, height = (cells.max(axis=1) + REACH).tolist()
    counted = [np.bincount(x * height + y, ink, width * height).reshape(width, height) * STEP for ink in inks]
    sums = np.zeros((len(inks), width + 1, height + 1))  # of the ink to the left and above
    np.cumsum(np.cumsum(counted, axis=1), axis=2, out=sums[:, 1:, 1:])

    columns = sums[:, CELL:] - sums[:, :-CELL]
    squares = columns[:, :, CELL:] - columns[:, :, :-CELL]  # [:, x, y]: the ink of the cell from there on
    away = np.arange(-REACH, REACH, CELL)
    rows = squares.shape[2]
    around = (x * rows + y)[:, None] + (away[:, None] + away * rows).ravel()  # (T, 36), places in a flat map
    maps = [square.ravel()[around] for square in squares]

    top = least[1] - REACH * GRID
    ascenders, descenders = (int(np.clip((line - top) / GRID, 0, height)) for line in (-1.3, 0.3))
    beyond = sums[0][:, [0, ascenders, descenders, height]]  # where ink above and below the small letters begins, ends
    reach = np.diff(beyond[x + 2 * CELL] - beyond[x - 2 * CELL], axis=1)[:, ::2]
    return np.column_stack([*maps, reach])
