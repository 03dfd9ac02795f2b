"""Pen strokes made comparable: a page cut into lines, a line levelled, set upright, scaled, and walked in even steps.

Everything is measured along the way the pen took, nothing by its time or its number of points: the same writing gives
the same path from a pen that reports 30 or 200 points a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkread.inputs.ink import Stroke

Point = tuple[float, float]
PenPath = NDArray[
    np.float32
]  # (T, 3): x and y in body heights, the baseline at y = 0, and the pen: 1 on paper, 0 above

STEP = 0.2  # body heights from one point of a path to the next: some 20 points a character
DOT = 3  # points of a stroke at least, or a full stop would be no step of the network
FEWEST_UP, MOST_UP = 3, 8  # points of the way above the paper to the next stroke
TINIEST, SMALLEST = 1e-12, 1e-9  # units of a coordinate, and of a body height: what is smaller is a dot
LONGEST = 20_000  # points of a path: a line is some 50 to 2,000


@dataclass(frozen=True)
class NormalizedInk:
    """A line of strokes, normalised; what a Line is for a picture.

    path: (T, 3), see PenPath.
    places: (T,), the x that each point of the path had in the file, in its units.
    """

    path: PenPath
    places: NDArray[np.float32]


def normalize_ink(strokes: Sequence[Stroke]) -> NormalizedInk:
    """Level a line of ink, set it upright, bring it to body heights, and resample along it in even steps.

    Delayed strokes - the dots and crosses that a hand adds when a word is done - stay where they are in time. Ink
    without height, a dash or a dot, counts as one body height long; what is far too long for a line is squeezed.
    """
    original, upright = straighten(strokes)
    path, source = resample(upright)
    places = np.concatenate(original)[:, 0]
    before = np.floor(source).astype(int)
    after = np.minimum(before + 1, len(places) - 1)
    x = places[before] + (source - before) * (places[after] - places[before])
    left = path[:, 0].min()
    return NormalizedInk((path - [left, 0, 0]).astype(np.float32), x.astype(np.float32))


def straighten(strokes: Sequence[Stroke]) -> tuple[list[Stroke], list[Stroke]]:
    """The strokes of a line that are writing, as they are, and level, upright and in body heights."""
    original = drop_stray_dots(drop_repeated_points(strokes))
    level = rotate(original, -slope(original))
    baseline, body = baseline_and_x_height(level)
    leaning, origin = np.array([[1, 0], [slant(level), 1]]), np.array([0, baseline])
    upright = [(stroke - origin) @ leaning for stroke in level]
    along = float(lengths(*segments(upright)).sum())
    extent = float(np.ptp(np.concatenate(upright), axis=0).max())
    body = max(max(body or extent, max(along, extent) / (LONGEST * STEP)) or 1.0, SMALLEST)
    return original, [stroke / body for stroke in upright]


def drop_repeated_points(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes without the points that repeat the one before: the pen rested."""
    points, firsts = joined(strokes)
    points[np.abs(points) < TINIEST] = 0  # or differences of numbers such as 1e-310 would have no finite inverse
    x, y = points.T
    moved = np.ones(len(points), bool)
    moved[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
    moved[firsts] = True
    return np.split(points[moved], np.cumsum(np.add.reduceat(moved, firsts, dtype=int))[:-1])


def drop_stray_dots(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes but for dots far above or below all others: a hand that touched the tablet.

    Far is more than the height of all the rest.
    """
    points, firsts = joined(strokes)
    lows, highs = np.minimum.reduceat(points, firsts), np.maximum.reduceat(points, firsts)  # (strokes, 2)
    sizes = lengths(lows, highs)
    if not sizes.any():
        return list(strokes)
    writing = sizes >= 0.1 * np.median(sizes[sizes > 0])
    top, bottom = lows[writing, 1].min(), highs[writing, 1].max()
    far = bottom - top
    near = (highs[:, 1] > top - far) & (lows[:, 1] < bottom + far)
    return [stroke for stroke, stays in zip(strokes, writing | near, strict=True) if stays]


def rotate(strokes: Sequence[Stroke], angle: float) -> list[Stroke]:
    """Strokes turned about the origin; a positive angle turns the x axis towards y, downwards."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [stroke @ turn for stroke in strokes]


def slope(strokes: Sequence[Stroke]) -> float:
    """The angle by which a line of ink runs down, in radians; 0 where it is too short to tell.

    First that of the straight line nearest to the whole path, then that through the bottoms of the letters; the fifth
    of them that lie farthest from it, descenders mostly, do not count.
    """
    starts, ends = segments(strokes)
    weights = lengths(starts, ends)
    if not weights.any():
        return 0.0
    middles = (starts + ends) / 2 - np.average((starts + ends) / 2, axis=0, weights=weights)
    # The integrals along each piece, exactly: a piece that is cut in two counts the same.
    spread = weights @ (middles[:, 0] ** 2 + (ends - starts)[:, 0] ** 2 / 12)
    joint = weights @ (middles.prod(axis=1) + (ends - starts).prod(axis=1) / 12)
    coarse = float(np.arctan(joint / spread)) if spread else 0.0
    level = rotate(strokes, -coarse)
    width, height = np.ptp(np.concatenate(level), axis=0)
    if width < 3 * height:
        return 0.0
    bottoms = np.array([point for stroke in level for point in turning_points(stroke, 0.15 * height)[0]])
    if len(bottoms) < 5 or np.ptp(bottoms[:, 0]) < 3 * height:
        return coarse
    rise, offset = straight_line(bottoms)
    for _ in range(3):
        off = np.abs(bottoms[:, 1] - rise * bottoms[:, 0] - offset)
        bottoms = bottoms[off <= np.sort(off)[int(0.8 * (len(off) - 1))] + 1e-9 * height]
        if len(bottoms) < 4 or np.ptp(bottoms[:, 0]) == 0:
            return coarse
        rise, offset = straight_line(bottoms)
    return coarse + float(np.arctan(rise))


def straight_line(points: NDArray[np.float64]) -> tuple[float, float]:
    """The a and b of the line y = a x + b that is nearest to points (N, 2), not all of one x, by least squares."""
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    rise = float(x @ y / (x @ x))
    return rise, float(middle[1] - rise * middle[0])


def slant(strokes: Sequence[Stroke]) -> float:
    """How far upright strokes lean to the right, as x per height: the median direction of the downward path.

    Only what is within 55 degrees of the vertical counts, by its length.
    """
    starts, ends = segments(strokes)
    right, down = (ends - starts).T
    upright = (down > 0) & (np.abs(right) < np.tan(np.radians(55)) * down)
    if not upright.any():
        return 0.0
    leans = -right[upright] / down[upright]
    weights = np.hypot(right, down)[upright]
    order = np.argsort(leans)
    reached = np.cumsum(weights[order])
    return float(leans[order][np.searchsorted(reached, reached[-1] / 2)])


def joined(strokes: Sequence[Stroke]) -> tuple[Stroke, NDArray[np.int64]]:
    """The points of all strokes, (N, 2), and where each stroke begins among them."""
    return np.concatenate(strokes), np.cumsum([0, *map(len, strokes[:-1])])


def lengths(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lengths (N,) of the ways from some points (N, 2) to others."""
    far: NDArray[np.float64] = np.hypot(*(ends - starts).T)
    return far


def segments(strokes: Sequence[Stroke]) -> tuple[Stroke, Stroke]:
    """The starts and the ends of the straight pieces of all strokes."""
    return np.concatenate([stroke[:-1] for stroke in strokes]), np.concatenate([stroke[1:] for stroke in strokes])


def turning_points(stroke: Stroke, least: float) -> tuple[list[Point], list[Point]]:
    """Where the pen turns round: (at the bottom, at the top), ignoring swings of y smaller than `least`.

    [(0, 0), (1, 5), (2, 1)], 1 -> ([(1, 5)], [(0, 0), (2, 1)]): y grows downwards, so the 5 is a bottom.
    """
    ends: tuple[list[Point], list[Point]] = ([], [])
    points = [(x, y) for x, y in stroke.tolist()]
    lowest = highest = points[0]
    direction = 0
    for point in points:
        lowest = point if point[1] > lowest[1] else lowest
        highest = point if point[1] < highest[1] else highest
        if direction <= 0 and point[1] > highest[1] + least:  # it went up to `highest` and now comes down
            ends[1].append(highest)
            direction, lowest = 1, point
        elif direction >= 0 and point[1] < lowest[1] - least:
            ends[0].append(lowest)
            direction, highest = -1, point
    if direction:
        ends[0 if direction > 0 else 1].append(lowest if direction > 0 else highest)
    return ends


def baseline_and_x_height(strokes: Sequence[Stroke]) -> tuple[float, float]:
    """The baseline (a y) and the height of the small letters of a level line, from where its pen turns round.

    Most bottoms of handwriting stand on the baseline and most tops reach the height of an x, so the medians of both are
    robust against the few letters that reach further. A sign without a swing counts as standing on the baseline.
    """
    ys = np.concatenate([stroke[:, 1] for stroke in strokes])
    height = float(np.ptp(ys))
    bottoms: list[float] = []
    tops: list[float] = []
    for stroke in strokes:
        below, above = turning_points(stroke, 0.15 * height)
        bottoms += [y for _, y in below]
        tops += [y for _, y in above]
    if not bottoms or not tops:
        return float(ys.max()), height
    baseline = float(np.median(bottoms))
    return baseline, max(baseline - float(np.median(tops)), 0.2 * height)


def resample(strokes: Sequence[Stroke]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strokes in body heights -> a path (T, 3) in even steps, and where each of its points lies among theirs, (T,).

    The place 2.5 is half way from the third point of all strokes to the fourth. Above the paper the pen goes straight,
    in at most MOST_UP steps.
    """
    points = np.concatenate(strokes)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    sizes = np.array([len(stroke) for stroke in strokes])
    lasts = np.cumsum(sizes) - 1
    # Strokes and the ways between them by turns, each from one place along the path to another.
    turns = np.column_stack([lasts - sizes + 1, lasts]).ravel()
    begins, ends = along[turns[:-1]], along[turns[1:]]
    counts = np.ceil((ends - begins) / STEP - 1e-9).astype(int)
    counts[::2] = np.maximum(counts[::2] + 1, DOT)
    counts[1::2] = counts[1::2].clip(FEWEST_UP, MOST_UP)
    turn = np.repeat(np.arange(len(counts)), counts)
    above = turn % 2  # the ways above the paper begin and end within it, strokes on their ends
    share = (np.arange(len(turn)) - (np.cumsum(counts) - counts)[turn] + above) / (counts[turn] - 1 + 2 * above)
    place = begins[turn] + share * (ends - begins)[turn]
    x, y, places = (np.interp(place, along, axis) for axis in (*points.T, np.arange(len(points))))
    return np.column_stack([x, y, 1 - above]), places
