"""A normalised line becomes a sequence of T feature vectors of length F.

The setting `features` of a model chooses one of four kinds:

conv        the columns of pixels, F = height; the convolutions of the network make features of them
pixels      windows of columns that slide over the line, F = height * window
geometry    nine features of each column, by Marti and Bunke (2001)
strokes     89 features of each step along the path of a pen
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
Writing = LineInput | NormalizedLine  # a line to read; those of prepared datasets are normalised already
Features = NDArray[np.float32]  # (T, F)

TINY = 1e-6  # x-heights: shorter vectors have no direction, and no box is divided by less


def feature_size(config: NetworkConfig) -> int:
    """F, the length of a feature vector."""
    sizes = {"conv": config.height, "pixels": config.height * config.window, "geometry": 9, "strokes": 89}
    return sizes[config.features]


def normalize(line: Writing, config: NetworkConfig) -> NormalizedLine:
    """A line normalised for a network. Strokes are drawn for a network that reads images.

    A line of a prepared dataset is normalised already, and is returned as it is. Raises BadInput for an image if the
    network reads pen strokes, and for a line that was prepared for another kind of network.
    """
    if isinstance(line, NormalizedImage | NormalizedInk):
        if kind_of(line) != kind_read_by(config):
            problem = f"prepared as {kind_of(line)}, but the model reads {kind_read_by(config)}"
            raise BadInput(problem, hint="use the dataset that it was prepared from")
        return line
    if isinstance(line, np.ndarray):
        if config.features == "strokes":
            raise BadInput("an image, but the model reads pen strokes", hint="use a model for images")
        return normalize_image(line, config.height)
    if config.features == "strokes":
        return normalize_ink(line)
    drawn = normalize_image(draw_ink(line), config.height)
    scale, left = drawing_scale_and_left(line)
    return replace(drawn, scale=drawn.scale / scale, offset=drawn.offset / scale + left)


def kind_of(line: NormalizedLine) -> str:
    """What a line was normalised to, in words: "pen strokes" or "images 48 pixels high"."""
    return kind_in_words(len(line.pixels) if isinstance(line, NormalizedImage) else None)


def kind_read_by(config: NetworkConfig) -> str:
    """What a network reads, in the words of `kind_of`."""
    return kind_in_words(None if config.features == "strokes" else config.height)


def kind_in_words(height: int | None) -> str:
    """The kind of normalised lines: images of a height in pixels, or pen strokes, which have none."""
    return "pen strokes" if height is None else f"images {height} pixels high"


def image_of(line: Writing) -> NDArray[np.uint8]:
    """A grey image (H, W) of a line, 0 = black. Strokes are drawn."""
    if isinstance(line, NormalizedImage):
        return 255 - line.pixels
    if isinstance(line, NormalizedInk):
        up = np.flatnonzero(np.diff(line.path[:, 2] > 0.5)) + 1  # where the pen touches or leaves the paper
        parts = np.split(line.path.astype(np.float64), up)
        return draw_ink([part[:, :2] for part in parts if part[0, 2] > 0.5])
    return line if isinstance(line, np.ndarray) else draw_ink(line)


def columns_of(line: NormalizedLine) -> NDArray[Any]:
    """The columns that a network reads one after the other: pixels (height, W) uint8, 255 = ink, or a path (3, W)."""
    return line.pixels if isinstance(line, NormalizedImage) else line.path.T


def source_x(line: NormalizedLine, columns: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The x in the original image or ink of positions among the columns of a normalised line."""
    if isinstance(line, NormalizedImage):
        return columns * line.scale + line.offset
    xs: NDArray[np.floating[Any]] = np.interp(columns, np.arange(len(line.source_x)), line.source_x)
    return xs


def extract(columns: NDArray[Any], config: NetworkConfig) -> Features:
    """The features (T, F) float32 of the columns (rows, W) of a line.

    T is W for the features conv and strokes, else ceil(W / step).
    """
    if config.features == "strokes":
        return ink_features(columns.T)
    ink = columns.astype(np.float32) / np.float32(255)
    if config.features == "conv":
        return np.ascontiguousarray(ink.T)
    if config.features == "pixels":
        return _windows(ink, config.window, config.step)
    return geometry(ink)[:: config.step]


def _windows(ink: Features, window: int, step: int) -> Features:
    """Windows of columns: (H, W) -> (ceil(W / step), window * H), around every step-th column, 0 beyond the ends."""
    before = (window - 1) // 2
    padded = np.pad(ink.T, ((before, window - 1 - before), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)[::step]  # (T, H, window)
    return np.ascontiguousarray(views.transpose(0, 2, 1)).reshape(len(views), -1)  # (T, window * H)


def geometry(ink: Features) -> Features:
    """The features (W, 9) of the columns of pixels (H, W), 0 = paper, 1 = ink.

    From Marti and Bunke (2001), "Using a statistical language model to improve the performance of an HMM-based cursive
    handwriting recognition system", section 3. With p(x, y) = 1 if a pixel is ink, and rows y = 1..H from the top:
        f1  weight          sum_y p / H
        f2  centre          sum_y y p / H^2
        f3  second moment   sum_y y^2 p / H^3
        f4  upper contour   the first row with ink
        f5  lower contour   the last row with ink
        f6  gradient of f4, and f7  of f5, from the column before to the one after
        f8  transitions     changes between paper and ink down the column
        f9  ink between     the share of ink between the contours
    Unlike in the paper, f4 and f5 are divided by H, and f3 by H^3 instead of H^2, so that all features have similar
    sizes. In a column without ink, the contours are at the middle row, with nothing between.
    """
    height = ink.shape[0]
    inked = ink > 0.5
    rows = np.arange(1, height + 1, dtype=np.float32)[:, None]
    any_ink = inked.any(axis=0)
    upper = np.where(any_ink, inked.argmax(axis=0) + 1, height / 2) / height
    lower = np.where(any_ink, height - inked[::-1].argmax(axis=0), height / 2) / height
    count = inked.sum(axis=0)
    between = np.where(any_ink, np.round((lower - upper) * height) + 1, 1)
    columns = [
        count / height,
        (rows * inked).sum(axis=0) / height**2,
        (rows**2 * inked).sum(axis=0) / height**3,
        upper,
        lower,
        _gradient(upper),
        _gradient(lower),
        (inked[1:] != inked[:-1]).sum(axis=0),
        count / between,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _gradient(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the difference of the neighbours; at the ends, the end itself is used for the missing neighbour."""
    padded = np.pad(values, 1, mode="edge")
    return (padded[2:] - padded[:-2]) / 2


AROUND = 4  # steps: the neighbourhood of a point reaches this far to both sides
MEAN_AROUND = 12  # steps to both sides, over which the mean x is taken
SECOND = 2  # steps to the second neighbours, between which curvature is measured
GRID = 0.2  # x-heights: the side of a grid square, on which maps are counted
CELL = 2  # grid squares: the side of a cell of the maps around a point
REACH = 3 * CELL  # grid squares from a point to a side of its maps, which have 6 x 6 cells
ASCENDERS, DESCENDERS = -1.3, 0.3  # x-heights: y above which ink is in ascenders, and below which in descenders
MAX_FEATURE = 10  # features are clipped to this size: more comes from odd ink, and would dominate the network


def ink_features(path: PenPath) -> Features:
    """The path of a pen (T, 3), in x-heights, as features (T, 89).

    They are those of NPen++ (Jaeger, Manke, Reichert and Waibel 2001), Liwicki and Bunke (2006), and Graves et al.
    (2009). The "neighbourhood" of a point is AROUND steps to both sides; beyond an end it repeats the end.

        0-1    offset          from the point before, in steps; long only while the pen is up (Graves)
        2-3    direction       cosine and sine of the way from the point before to the one after (Jaeger)
        4-5    curvature       cosine and sine of the turn between the ways from and to the second neighbours (Jaeger)
        6      pen             1 down, 0 up (Jaeger, Graves)
        7      height          above the baseline, in x-heights (Jaeger, Liwicki)
        8      side            x minus its mean over 25 steps (Liwicki)
        9      retreat         how far x is behind the farthest x so far: marks delayed strokes, the "hat" of Jaeger
        10     aspect          (height - width) / (height + width) of the box around the neighbourhood (Jaeger)
        11-12  chord           cosine and sine of the way from the first to the last point of the neighbourhood (Jaeger)
        13     curliness       length of the neighbourhood over the longer side of its box, minus 1 (Jaeger)
        14     linearity       mean squared distance of the neighbourhood from its chord (Jaeger)
        15-50  map             ink, as length of path in x-heights, in the 6 x 6 cells around the point, row by row from
                               the top left: what was and will be written there, at whatever time (Jaeger, Liwicki)
        51-86  horizontal map  the part of 15-50 that was written from side to side: weighted with the squared cosine
                               of its direction
        87-88  reach           ink of ascenders and of descenders within two cells to both sides (Liwicki)
    """
    points, pen = path[:, :2].T.astype(np.float64), path[:, 2]  # (2, T), (T,)
    x, y = points
    windows = _neighbourhoods(points)  # (2 AROUND + 1, 2, T)
    direction = _unit(windows[AROUND + 1] - windows[AROUND - 1])
    before, after = _unit(points - windows[AROUND - SECOND]), _unit(windows[AROUND + SECOND] - points)
    features = np.empty((len(path), 89), np.float32)
    columns = features.T
    columns[0:2] = (points - windows[AROUND - 1]) / STEP
    columns[2:4] = direction
    columns[4] = before[0] * after[0] + before[1] * after[1]
    columns[5] = before[0] * after[1] - before[1] * after[0]
    columns[6] = pen
    columns[7] = -y
    columns[8] = x - _moving_mean(x, MEAN_AROUND)
    columns[9] = np.maximum.accumulate(x) - x
    columns[10:15] = _shapes(windows)
    features[:, 15:51], features[:, 51:87], columns[87:] = _maps(points, pen, pen * direction[0] ** 2)
    return features.clip(-MAX_FEATURE, MAX_FEATURE, out=features)


def _neighbourhoods(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The neighbours of each point: (2, T) -> (2 AROUND + 1, 2, T), from AROUND steps before to AROUND steps after."""
    count = points.shape[1]
    padded = points[:, np.arange(-AROUND, count + AROUND).clip(0, count - 1)]
    return np.stack([padded[:, first : first + count] for first in range(2 * AROUND + 1)])


def _shapes(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features 10 to 14 (5, T) of neighbourhoods (2 AROUND + 1, 2, T): aspect, chord, curliness and linearity."""
    cosine, sine = _unit(windows[-1] - windows[0])  # of the chord
    width, height = np.ptp(windows, axis=0)
    steps = windows[1:] - windows[:-1]
    length = np.sqrt((steps * steps).sum(axis=1)).sum(axis=0)  # (T,)
    ways = windows - windows[0]
    distance = ways[:, 1] * cosine - ways[:, 0] * sine  # from the chord
    return np.stack(
        [
            (height - width) / np.maximum(width + height, TINY),
            cosine,
            sine,
            length / np.maximum(np.maximum(width, height), TINY) - 1,
            (distance * distance).mean(axis=0),
        ]
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (2, T) scaled to length 1: cosine and sine of their direction. Those without length become 0."""
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    unit: NDArray[np.float64] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > TINY)
    return unit


def _moving_mean(values: NDArray[np.float64], around: int) -> NDArray[np.float64]:
    """The mean of each value (T,) and its `around` neighbours to both sides; of fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    indexes = np.arange(len(values))
    first, last = np.maximum(indexes - around, 0), np.minimum(indexes + around + 1, len(values))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def _maps(points: NDArray[np.float64], *inks: NDArray[np.floating[Any]]) -> list[NDArray[np.floating[Any]]]:
    """Features 15 to 88 of points (2, T): a map (T, 36) of each ink (T,) around each point, and the reach (2, T).

    The ink is counted on a grid, and the squares of each cell are added once. The reach is that of the first ink.
    """
    corner = points.min(axis=1)
    x, y = cells = ((points - corner[:, None]) / GRID).astype(int) + REACH  # (T,) each: the grid squares of the points
    width, height = (cells.max(axis=1) + REACH).tolist()
    grids = np.array([np.bincount(x * height + y, ink, width * height) for ink in inks]).reshape(-1, width, height)
    columns = grids[:, 1:] + grids[:, :-1]  # a cell has CELL = 2 columns and rows
    squares = ((columns[:, :, 1:] + columns[:, :, :-1]) * STEP).astype(np.float32)  # [:, i, j]: of the cell from i, j
    offsets = np.arange(-REACH, REACH, CELL)  # of the cells of a map from its point
    rows = squares.shape[2]
    around = (x * rows + y)[:, None] + (offsets[:, None] + offsets * rows).ravel()  # (T, 36): indexes of flat squares
    maps = [square.ravel()[around] for square in squares]

    top = corner[1] - REACH * GRID  # the y at which the grid begins
    ascenders, descenders = (int(np.clip((y - top) / GRID, 0, height)) for y in (ASCENDERS, DESCENDERS))
    bands = np.zeros((2, height))
    bands[0, :ascenders] = bands[1, descenders:] = STEP
    sums = np.zeros((2, width + 1))  # [:, i]: the ink of ascenders, and of descenders, in the columns before i
    np.cumsum(bands @ grids[0].T, axis=1, out=sums[:, 1:])
    return [*maps, sums[:, x + 2 * CELL] - sums[:, x - 2 * CELL]]
