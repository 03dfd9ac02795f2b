"""Pen strokes as the sequence that a network writes: offsets from point to point, and what the pen does after each.

Strokes are simplified to the points where they bend, so that a character takes about nine points instead of the twenty
of `features.ink.resample`. Curves through these points bring the round shapes back.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inkread.features.ink import straighten
from inkread.inputs.ink import Stroke

# (T, 3): dx and dy in x-heights from the point before, and the pen after this point: GOES_ON, LIFTS or ENDS. The first
# offset is from the place where the line begins on its baseline. y grows downwards.
Offsets = NDArray[np.float32]
GOES_ON, LIFTS, ENDS = 0, 1, 2  # the pen stays on the paper, goes up, or has written the whole text
PEN_STATES = 3

TOLERANCE = 0.05  # x-heights by which a simplified stroke may differ: half of the width of a usual pen
CURVE_POINTS = 4  # of a curve from one point to the next: at 22 pixels per x-height, its corners are not visible


def to_offsets(strokes: Sequence[Stroke]) -> Offsets:
    """A line of strokes in any units -> offsets (T, 3), of the line made level and upright, see `straighten`."""
    _, upright = straighten(strokes)
    kept = [simplify(stroke) for stroke in upright]
    points = np.concatenate(kept)
    left = points[:, 0].min()
    moves = np.diff(points, axis=0, prepend=[[left, 0.0]])
    pen = np.full(len(points), float(GOES_ON))
    pen[np.cumsum([len(stroke) for stroke in kept]) - 1] = LIFTS
    pen[-1] = ENDS
    return np.column_stack([moves, pen]).astype(np.float32)


def to_strokes(offsets: Offsets) -> list[Stroke]:
    """Offsets (T, 3) -> strokes in x-heights, from the place where the line begins on its baseline."""
    points = np.cumsum(offsets[:, :2].astype(np.float64), axis=0)
    ends = np.flatnonzero(offsets[:, 2] != GOES_ON) + 1
    return [stroke for stroke in np.split(points, ends) if len(stroke)]


def simplify(stroke: Stroke, tolerance: float = TOLERANCE) -> Stroke:
    """The points of a stroke (N, 2) that are needed so that it moves by at most `tolerance` (Douglas and Peucker 1973).

    >>> simplify(np.array([[0.0, 0.0], [1.0, 0.01], [2.0, 0.0], [2.0, 1.0]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]]
    """
    kept = np.zeros(len(stroke), bool)
    kept[[0, -1]] = True
    pieces = [(0, len(stroke) - 1)]
    while pieces:
        first, last = pieces.pop()
        if last - first < 2:
            continue
        distances = _distances(stroke[first + 1 : last], stroke[first], stroke[last])
        if distances.max() > tolerance:
            middle = first + 1 + int(distances.argmax())
            kept[middle] = True
            pieces += [(first, middle), (middle, last)]
    return stroke[kept]


def _distances(points: Stroke, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distances (N,) of points (N, 2) from the straight piece between two others."""
    along = end - start
    square = float(along @ along)
    share = ((points - start) @ along / square).clip(0, 1) if square else np.zeros(len(points))
    distances: NDArray[np.float64] = np.hypot(*(points - start - share[:, None] * along).T)
    return distances


def curve(stroke: Stroke) -> Stroke:
    """A smooth curve through all points of a stroke (N, 2), with CURVE_POINTS for each (Catmull and Rom 1974).

    The points are passed at times that grow with the square root of their distance, so that the curve has no loops of
    its own (Yuksel 2011).
    """
    moved = np.ones(len(stroke), bool)
    moved[1:] = np.abs(np.diff(stroke, axis=0)).max(axis=1) > 0
    stroke = stroke[moved]
    if len(stroke) < 3:
        return stroke
    times = np.cumsum(np.sqrt(np.hypot(*np.diff(stroke, axis=0).T)))
    times = np.concatenate([[0.0], times])
    slopes = np.gradient(stroke, times, axis=0)
    share = np.linspace(0, 1, CURVE_POINTS, endpoint=False)[:, None, None]  # (C, 1, 1)
    lasting = np.diff(times)[:, None]
    # Hermite's cubic: two points with their slopes.
    curved = (
        (1 + 2 * share) * (1 - share) ** 2 * stroke[:-1]
        + share * (1 - share) ** 2 * lasting * slopes[:-1]
        + share**2 * (3 - 2 * share) * stroke[1:]
        + share**2 * (share - 1) * lasting * slopes[1:]
    )  # (C, N - 1, 2)
    return np.concatenate([curved.swapaxes(0, 1).reshape(-1, 2), stroke[-1:]])
