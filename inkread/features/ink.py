"""Pen strokes are normalised: level, upright, of one size, and resampled in even steps along the path.

Everything is measured along the path of the pen, and nothing by its time or its number of points. So the same writing
gives the same path from a pen that reports 30 or 200 points per second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from inkread.inputs.ink import Stroke

Point = tuple[float, float]
PenPath = NDArray[np.float32]  # (T, 3): x and y in x-heights, y = 0 on the baseline, and the pen: 1 down, 0 up

STEP = 0.2  # x-heights from one point of a path to the next: about 20 points per character
MIN_POINTS = 3  # of a stroke: with fewer, the network, which shortens paths, would skip a full stop
MIN_UP_POINTS, MAX_UP_POINTS = 3, 8  # of the way above the paper to the next stroke: it says little, however long
MAX_POINTS = 20_000  # of a path: a line has about 50 to 2,000, and longer ones would fill the memory
MIN_COORDINATE = 1e-12  # units: smaller coordinates are 0, as the inverse of a number such as 1e-310 is not finite
MIN_X_HEIGHT = 1e-9  # units: smaller writing is a dot

SWING = 0.15  # of the height of a line: smaller swings of y are tremor and serifs, not turning points
LONG_LINE = 3  # heights: in shorter lines the letters themselves hide the slope
KEPT_BOTTOMS = 0.8  # of the bottoms of letters are near the baseline; the rest are descenders, mostly
MAX_SLANT = 55  # degrees from the vertical: strokes that lean more are not uprights of letters


@dataclass(frozen=True)
class NormalizedInk:
    """A normalised line of pen strokes.

    path: (T, 3), see PenPath.
    source_x: (T,), the x of each point of the path in the original strokes, in their units.
    """

    path: PenPath
    source_x: NDArray[np.float32]


def normalize_ink(strokes: Sequence[Stroke]) -> NormalizedInk:
    """Level a line of strokes, make it upright, scale it to x-heights, and resample it in even steps.

    Delayed strokes, such as dots and crosses that are added when a word is finished, keep their place in time. Ink
    without height, such as a dash or a dot, gets the length of one x-height. Ink that is far too long is squeezed.
    """
    original, upright = straighten(strokes)
    path, positions = resample(upright)
    xs = np.concatenate(original)[:, 0]
    before = np.floor(positions).astype(int)
    after = np.minimum(before + 1, len(xs) - 1)
    source_x = xs[before] + (positions - before) * (xs[after] - xs[before])
    left = path[:, 0].min()
    return NormalizedInk((path - [left, 0, 0]).astype(np.float32), source_x.astype(np.float32))


def straighten(strokes: Sequence[Stroke]) -> tuple[list[Stroke], list[Stroke]]:
    """The strokes of a line without stray dots, as they are, and the same level, upright and in x-heights."""
    original = drop_stray_dots(drop_repeated_points(strokes))
    level = rotate(original, -slope(original))
    baseline, x_height = baseline_and_x_height(level)
    points, firsts = joined(level)
    upright = (points - [0, baseline]) @ np.array([[1, 0], [slant(level), 1]])
    path_length = float(lengths(steps_on_paper(upright, firsts)).sum())
    extent = max(width_and_height(upright))
    shortest = max(path_length, extent) / (MAX_POINTS * STEP)  # x-height at which the path has MAX_POINTS
    x_height = max(max(x_height or extent, shortest) or 1.0, MIN_X_HEIGHT)
    return original, divided(upright / x_height, firsts)


# ---- cleaning


def drop_repeated_points(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes without the points that repeat the one before: the pen rested there."""
    points, firsts = joined(strokes)
    points[np.abs(points) < MIN_COORDINATE] = 0
    x, y = points.T
    moved = np.ones(len(points), bool)
    moved[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    moved[firsts] = True
    return divided(points[moved], np.cumsum(moved)[firsts] - 1)


def drop_stray_dots(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes without dots that are farther above or below all others than these are high.

    Such dots come from a hand that touched the tablet.
    """
    points, firsts = joined(strokes)
    tops, bottoms = np.minimum.reduceat(points, firsts), np.maximum.reduceat(points, firsts)  # (strokes, 2) each
    sizes = lengths(bottoms - tops)
    if not sizes.any():
        return list(strokes)
    writing = sizes >= 0.1 * median(sizes[sizes > 0].tolist())  # all others are dots
    top, bottom = tops[writing, 1].min(), bottoms[writing, 1].max()
    height = bottom - top
    near = (bottoms[:, 1] > top - height) & (tops[:, 1] < bottom + height)
    return [stroke for stroke, kept in zip(strokes, writing | near, strict=True) if kept]


# ---- measuring


def rotate(strokes: Sequence[Stroke], angle: float) -> list[Stroke]:
    """Strokes turned about the origin by an angle in radians; a positive one turns the x axis towards y, downwards."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [stroke @ turn for stroke in strokes]


def slope(strokes: Sequence[Stroke]) -> float:
    """The angle, in radians, by which a line of ink descends to the right; 0 if the line is too short to measure it.

    First the angle of the straight line that is nearest to the whole path. Then that of the line through the bottoms
    of the letters, without the fifth of them that are farthest from it.
    """
    coarse = _slope_of_path(strokes)
    if coarse is None:
        return 0.0
    level = rotate(strokes, -coarse)
    width, height = width_and_height(np.concatenate(level))
    if width < LONG_LINE * height:
        return 0.0
    bottoms = np.array(turning_points(level, SWING * height)[0])
    if len(bottoms) < 5 or np.ptp(bottoms[:, 0]) < LONG_LINE * height:
        return coarse
    rise, offset = straight_line(bottoms)
    for _ in range(3):
        distances = np.abs(bottoms[:, 1] - rise * bottoms[:, 0] - offset)
        limit = np.sort(distances)[int(KEPT_BOTTOMS * (len(distances) - 1))]
        bottoms = bottoms[distances <= limit + 1e-9 * height]  # 1e-9: rounding
        if len(bottoms) < 4 or np.ptp(bottoms[:, 0]) == 0:
            return coarse
        rise, offset = straight_line(bottoms)
    return coarse + float(np.arctan(rise))


def _slope_of_path(strokes: Sequence[Stroke]) -> float | None:
    """The angle of the straight line nearest to the path, by least squares; None for a path without length.

    The sums are the exact integrals along each step, so a step that is cut in two counts the same.
    """
    points, firsts = joined(strokes)
    numbers = np.delete(np.arange(len(points) - 1), firsts[1:] - 1)  # of the points at which a step on paper begins
    starts, ends = points[numbers], points[numbers + 1]
    weights = lengths(ends - starts)
    if not weights.any():
        return None
    middles = (starts + ends) / 2
    x, y = (middles - np.average(middles, axis=0, weights=weights)).T
    right, down = (ends - starts).T
    variance = weights @ (x * x + right * right / 12)
    covariance = weights @ (x * y + right * down / 12)
    return float(np.arctan(covariance / variance)) if variance else 0.0


def straight_line(points: NDArray[np.float64]) -> tuple[float, float]:
    """The a and b of the line y = a x + b nearest to points (N, 2), by least squares. Not all x may be equal."""
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    rise = float(x @ y / (x @ x))
    return rise, float(middle[1] - rise * middle[0])


def slant(strokes: Sequence[Stroke]) -> float:
    """How far letters lean to the right, as x per height: the median over the path downwards.

    Each step counts by its length, and only those within MAX_SLANT of the vertical count.
    """
    steps = steps_on_paper(*joined(strokes))
    right, down = steps[np.abs(steps[:, 0]) < np.tan(np.radians(MAX_SLANT)) * steps[:, 1]].T
    if not len(down):
        return 0.0
    leans, weights = -right / down, np.hypot(right, down)
    order = np.argsort(leans)
    reached = np.cumsum(weights[order])
    return float(leans[order][np.searchsorted(reached, reached[-1] / 2)])


def baseline_and_x_height(strokes: Sequence[Stroke]) -> tuple[float, float]:
    """The y of the baseline and the x-height of a level line, from the turning points of its path.

    Most bottoms of letters are on the baseline, and most tops at the x-height. So the medians of both are robust
    against the few letters that reach further. A sign that turns nowhere is taken as one that is on the baseline.
    """
    ys = np.concatenate(strokes)[:, 1]
    height = float(np.ptp(ys))
    bottoms, tops = turning_points(strokes, SWING * height)
    if not bottoms or not tops:
        return float(ys.max()), height
    baseline = median(y for _, y in bottoms)  # of a few numbers, in a tenth of the time that numpy takes
    return baseline, max(baseline - median(y for _, y in tops), 0.2 * height)  # not 0 for odd ink


def turning_points(strokes: Sequence[Stroke], min_swing: float) -> tuple[list[Point], list[Point]]:
    """Where the pen turns: (at the bottom, at the top). Swings of y smaller than `min_swing` are ignored.

    [[(0, 0), (1, 5), (2, 1)]], 1 -> ([(1, 5)], [(0, 0), (2, 1)]): y grows downwards, so the 5 is at the bottom.
    """
    bottoms: list[Point] = []
    tops: list[Point] = []
    for points in _extremes(strokes):
        lowest = highest = points[0]  # since the last turn
        direction = 0  # 1 downwards, -1 upwards, 0 not known yet
        for point in points:
            lowest = point if point[1] > lowest[1] else lowest
            highest = point if point[1] < highest[1] else highest
            if direction <= 0 and point[1] > highest[1] + min_swing:  # it went up to `highest` and now comes down
                tops.append(highest)
                direction, lowest = 1, point
            elif direction >= 0 and point[1] < lowest[1] - min_swing:
                bottoms.append(lowest)
                direction, highest = -1, point
        if direction > 0:
            bottoms.append(lowest)
        elif direction < 0:
            tops.append(highest)
    return bottoms, tops


def _extremes(strokes: Sequence[Stroke]) -> list[list[Point]]:
    """The ends of each stroke, and its points where y stops growing or shrinking: the pen turns at no others."""
    points, firsts = joined(strokes)
    y = points[:, 1]
    moved = np.ones(len(y), bool)
    moved[1:] = y[1:] != y[:-1]  # of points at the same y, the first
    moved[firsts] = True
    numbers = np.flatnonzero(moved)
    firsts = np.cumsum(moved)[firsts] - 1  # now among the numbers
    down = np.diff(y[numbers]) > 0
    turned = np.ones(len(numbers), bool)
    turned[1:-1] = down[1:] != down[:-1]
    turned[firsts] = turned[firsts - 1] = True
    extremes = [(x, y) for x, y in points[numbers[turned]].tolist()]
    return [extremes[first:end] for first, end in pairwise([*np.cumsum(turned)[firsts] - 1, None])]


def joined(strokes: Sequence[Stroke]) -> tuple[Stroke, NDArray[np.int64]]:
    """The points (N, 2) of all strokes, and the index of the first point of each stroke among them."""
    return np.concatenate(strokes), np.cumsum([0, *map(len, strokes[:-1])])


def divided(points: Stroke, firsts: NDArray[np.int64]) -> list[Stroke]:
    """The strokes that begin at the indexes `firsts` of points (N, 2): the inverse of `joined`."""
    return [points[first:end] for first, end in pairwise([*firsts.tolist(), None])]


def width_and_height(points: Stroke) -> tuple[float, float]:
    """Those of the box around points (N, 2). One by one, as numpy takes five times as long for both together."""
    return float(np.ptp(points[:, 0])), float(np.ptp(points[:, 1]))


def steps_on_paper(points: Stroke, firsts: NDArray[np.int64]) -> Stroke:
    """The ways (N - 1, 2) from point to point of strokes as `joined` gives them; 0 while the pen is up."""
    steps = points[1:] - points[:-1]
    steps[firsts[1:] - 1] = 0
    return steps


def lengths(ways: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lengths (N,) of vectors (N, 2)."""
    distances: NDArray[np.float64] = np.hypot(*ways.T)
    return distances


# ---- resampling


def resample(strokes: Sequence[Stroke]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strokes in x-heights as a path (T, 3) in even steps, and the position (T,) of each point among their points.

    The position 2.5 is half way between the third and the fourth point of all strokes. While it is up, the pen goes
    straight to the next stroke, in MIN_UP_POINTS to MAX_UP_POINTS steps.
    """
    points = np.concatenate(strokes)
    along = np.concatenate([[0.0], np.cumsum(lengths(points[1:] - points[:-1]))])  # distance from the first point
    sizes = np.array([len(stroke) for stroke in strokes])
    lasts = np.cumsum(sizes) - 1
    # Pieces are, in turn, a stroke and the way to the next stroke, each from one distance along the path to another.
    ends_of_strokes = np.column_stack([lasts - sizes + 1, lasts]).ravel()
    begins, ends = along[ends_of_strokes[:-1]], along[ends_of_strokes[1:]]
    counts = np.ceil((ends - begins) / STEP - 1e-9).astype(int)  # of steps; 1e-9: rounding
    counts[::2] = np.maximum(counts[::2] + 1, MIN_POINTS)
    counts[1::2] = counts[1::2].clip(MIN_UP_POINTS, MAX_UP_POINTS)
    piece = np.repeat(np.arange(len(counts)), counts)
    up = piece % 2  # a stroke begins and ends at its ends, but the way above the paper one step inside of its ends
    number = np.arange(len(piece)) - (np.cumsum(counts) - counts)[piece]  # of a point in its piece, counted from 0
    share = (number + up) / (counts[piece] - 1 + 2 * up)
    distance = begins[piece] + share * (ends - begins)[piece]
    x, y, positions = (np.interp(distance, along, values) for values in (*points.T, np.arange(len(points))))
    return np.column_stack([x, y, 1 - up]), positions
