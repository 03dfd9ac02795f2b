"""The path of a pen from the outline of its stroke.

Programs whose pens have a varying width, such as Excalidraw and Obsidian Ink, export each stroke as a filled outline:
along one side of the stroke, around its end, and back along the other side.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LONGER = 6.0  # times its width: shorter outlines are dots. A square counts as 4 times as long as wide, a disc as 3
MOST_POINTS = 1000  # on a side of an outline
COARSE = 64  # places around an outline at which its tip is looked for
DRIFT = 8  # points opposite each other are this part of a side apart at most: in a curve, the outer side is longer


def width_of(outline: Floats) -> float:
    """The mean width of a stroke with this outline (N, 2): twice its area by its circumference.

    The signed area, since that of a loop, where the outline crosses itself, is then right as well.
    """
    x, y = outline.T
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
    return 2 * area / max(_length(outline), 1e-12)


def center_line(outline: Floats) -> Floats:
    """The middle between the two sides of an outline (N, 2); a single point for a dot.

    It goes from the tip nearest to the first point of the outline to the other one.
    """
    length, width = _length(outline) / 2, width_of(outline)
    if length < LONGER * width or not length:
        middle: Floats = outline.mean(axis=0, keepdims=True)
        return middle
    count = int(np.clip(2 * length / max(width, 1e-12), 16, MOST_POINTS))
    around = _resampled(outline, 2 * count)
    tip, end = _tips(around, width * count / length)
    one, other = (_between(around, tip, end, way, count) for way in (1, -1))
    steps = np.arange(count)
    window = np.arange(-(count // DRIFT), count // DRIFT + 1)
    opposite = (steps[:, None] + window).clip(0, count - 1)  # (points, window)
    distances = np.square(one[:, None] - other[opposite]).sum(axis=2)
    nearest = np.maximum.accumulate(opposite[steps, distances.argmin(axis=1)])
    return (one + other[nearest]) / 2


def _length(outline: Floats) -> float:
    """The circumference."""
    return float(np.hypot(*(np.roll(outline, -1, axis=0) - outline).T).sum())


def _resampled(outline: Floats, count: int) -> Floats:
    """So many points at equal distances around an outline, from its first point on."""
    closed = np.concatenate([outline, outline[:1]])
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    places = np.linspace(0, at[-1], count, endpoint=False)
    return np.column_stack([np.interp(places, at, axis) for axis in closed.T])


def _tips(around: Floats, width: float) -> tuple[int, int]:
    """The points of an outline (2 n, 2) at the two ends of the stroke, whose width is that of so many points.

    From each, the two ways around the outline stay close to each other; and there the outline turns back.
    """
    total, count = len(around), len(around) // 2
    places = np.arange(-(count // 2), count // 2 + 1, max(1, count // COARSE))  # the first point is at the nearer tip
    pairs = np.linspace(0, count, min(count, COARSE)).astype(int)
    ahead, back = (around[(places[:, None] + way * pairs) % total] for way in (1, -1))
    tip = int(places[np.square(ahead - back).sum(axis=(1, 2)).argmin()])
    reach = max(2, round(2 * width))
    turn = np.square(np.roll(around, -reach, axis=0) - np.roll(around, reach, axis=0)).sum(axis=1)
    near = np.arange(-(count // DRIFT), count // DRIFT + 1)
    ends = [int(place + near[turn[(place + near) % total].argmin()]) for place in (tip, tip + count)]
    return ends[0], ends[1]


def _between(around: Floats, start: int, end: int, way: int, count: int) -> Floats:
    """So many points of an outline from one point to another, forwards (1) or backwards (-1)."""
    steps = (way * (end - start)) % len(around)
    places = start + way * np.linspace(0, steps, count)
    points = np.arange(len(around))
    return np.column_stack([np.interp(places, points, axis, period=len(around)) for axis in around.T])
