"""From the maps of the page network to baselines: ridges are followed from left to right, divided at line ends, joined.

A cell of the maps is STRIDE pixels of the page copy that the network saw; places are in cells until the end.
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkread.model.page_model import STRIDE

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

SEEN = 0.3  # probability from which on a cell may be on a baseline
SURE = 0.4  # ... which a line, and a part that is joined with others, exceeds on average
FARTHEST_STEP = 3  # cells without a baseline that a ridge may cross
STEEPEST = 0.6  # rows per column between a ridge's cells
JUMP = 0.7  # rows more than that
SLOPE_OVER = 8  # columns over which the direction of a ridge is measured where it is followed,
LAST_LETTERS = 5.0  # ... and x-heights, where it is joined
STIFFNESS = 8.0  # cubed x-heights: a short ridge is taken as level rather than as steep
SHORTEST = 1.0  # x-heights: a shorter line is a dot
# Parts of a line, with no ends between them, are at most so far apart, in x-heights:
LARGEST_GAP, LARGEST_OVERLAP, OFFSET = 6.0, 1.5, 0.6  # along the line, if negative, and across it
# A line is a double of a better one if it has so much of its columns, and is so few x-heights away:
DOUBLE_PART, DOUBLE_DISTANCE = 0.6, 0.8
END, MAYBE_END = 0.92, 0.6  # probabilities of an end: from END on lines are divided, from the other parts not joined
# A column begins where at least so many lines begin, in a strip of x-heights to either side, right of lines as long as
# LEAST_CELL x-heights: the number of an item in a list is shorter, and not a column.
BEGINNINGS, STRIP, LEAST_CELL = 3, 3.0, 3.0


@dataclass(frozen=True)
class TracedLine:
    """A baseline in pixels of the copy: points (N, 2) from left to right; and the x-height there."""

    points: Floats
    x_height: float
    probability: float  # the mean over its columns

    @property
    def slope(self) -> float:
        """In rows per column, from one end to the other."""
        across, down = self.points[-1] - self.points[0]
        return float(down / across)


class _Cell(NamedTuple):
    """A cell of a ridge: its column, the row of the ridge there, and the values of the maps."""

    x: int
    y: float
    probability: float
    end: float
    x_height: float


class _Ridge(list[_Cell]):
    """Cells that follow one another from left to right."""

    def expected(self, column: int) -> float:
        """The row where the ridge would be in a later column."""
        last, before = self[-1], self[max(0, len(self) - SLOPE_OVER)]
        run = last.x - before.x
        slope = (last.y - before.y) / run if run >= 3 else 0.0
        return last.y + max(-STEEPEST, min(slope, STEEPEST)) * (column - last.x)

    def row_beyond(self, end: int, column: float) -> float:
        """The row in a column near an end, 0 or -1, on the straight line through the last letters there."""
        x_height, last = self.x_height, self[end].x
        near = [cell for cell in self if abs(cell.x - last) <= LAST_LETTERS * x_height]
        x, y = np.array([cell.x for cell in near], float), np.array([cell.y for cell in near])
        along = x - x.mean()
        slope = along @ (y - y.mean()) / (along @ along + STIFFNESS * x_height**3)
        return float(y.mean() + slope * (column - x.mean()))

    @property
    def x_height(self) -> float:
        """The median, in cells."""
        return sorted(cell.x_height for cell in self)[len(self) // 2]

    @property
    def probability(self) -> float:
        return sum(cell.probability for cell in self) / len(self)

    @property
    def length(self) -> int:
        return self[-1].x - self[0].x + 1


def trace_lines(baseline: Map, end: Map, x_height: Map) -> list[TracedLine]:
    """The lines that maps (h, w) show: probabilities of baseline and line end, and the x-height in cells."""
    parts = [part for ridge in _follow(baseline, end, x_height) for part in _divided(ridge)]
    ridges = _cut_at_columns(_joined([part for part in parts if part.probability > SURE]))
    return [
        _finished(ridge)
        for ridge in ridges
        if ridge.length >= max(2.0, SHORTEST * ridge.x_height) and ridge.probability > SURE
    ]


def _follow(baseline: Map, end: Map, x_height: Map) -> list[_Ridge]:
    """Ridges of the baseline map, from column to column."""
    padded = np.pad(baseline, ((1, 1), (0, 0)))
    above, below = padded[:-2], padded[2:]
    top = (baseline > SEEN) & (baseline >= above) & (baseline > below)
    offset = (below - above) / np.maximum(above + baseline + below, 1e-6)  # the centre of mass of three rows
    done: list[_Ridge] = []
    growing: list[_Ridge] = []
    for column in range(baseline.shape[1]):
        done += [ridge for ridge in growing if column - ridge[-1].x > FARTHEST_STEP]
        growing = [ridge for ridge in growing if column - ridge[-1].x <= FARTHEST_STEP]
        rows = np.flatnonzero(top[:, column])
        if not len(rows):
            continue
        places = rows + offset[rows, column]
        values = np.column_stack([field[rows, column] for field in (baseline, end, x_height)]).tolist()
        for number, ridge in _nearest_pairs(places, growing, column):
            if not ridge:
                growing.append(ridge)
            ridge.append(_Cell(column, float(places[number]), *values[number]))
    return done + growing


def _nearest_pairs(places: Floats, ridges: list[_Ridge], column: int) -> list[tuple[int, _Ridge]]:
    """Each place (n,) of a column with the ridge that it continues, or a new one; the nearest pairs first."""
    pairs = []
    free_places, free_ridges = set(range(len(places))), set(range(len(ridges)))
    if ridges:
        expected = np.array([ridge.expected(column) for ridge in ridges])
        steps = np.array([column - ridge[-1].x for ridge in ridges])
        apart = np.abs(places[:, None] - expected)  # (places, ridges)
        near = np.argwhere(apart <= JUMP + STEEPEST * steps)
        for place, number in near[np.argsort(apart[tuple(near.T)])].tolist():
            if place in free_places and number in free_ridges:
                pairs.append((place, ridges[number]))
                free_places.discard(place)
                free_ridges.discard(number)
    return pairs + [(place, _Ridge()) for place in sorted(free_places)]


def _divided(ridge: _Ridge) -> list[_Ridge]:
    """The parts of a ridge between line ends within it. A mark near either end of the ridge is that end."""
    margin = max(2.0, 0.5 * ridge.x_height)
    marked = [cell.end > END for cell in ridge]
    cuts, first = [], 0
    for is_end, group in itertools.groupby(marked):
        last = first + len(list(group))
        if is_end and first > margin and len(ridge) - last > margin:
            cuts.append(min(range(first, last), key=lambda place: ridge[place].probability))
        first = last
    return _pieces(ridge, cuts)


def _pieces(ridge: _Ridge, cuts: list[int]) -> list[_Ridge]:
    """The parts of a ridge between the numbers of cells, from the left, without these cells."""
    return [_Ridge(ridge[a + 1 : b]) for a, b in itertools.pairwise([-1, *cuts, len(ridge)]) if b - a > 2]


def _joined(ridges: list[_Ridge]) -> list[_Ridge]:
    """Ridges that continue one another, though the map fades between them, and no line ends there."""
    joined: list[_Ridge] = []
    for ridge in sorted(ridges, key=lambda ridge: ridge[0].x):
        x_height = ridge.x_height
        gaps = [(_gap(other, ridge, x_height), number) for number, other in enumerate(joined)]
        gap, best = min(gaps, default=(math.inf, 0))
        if gap == math.inf:
            joined.append(ridge)
        else:
            joined[best].extend([cell for cell in ridge if cell.x > joined[best][-1].x])
    return joined


def _gap(first: _Ridge, second: _Ridge, x_height: float) -> float:
    """The columns between two ridges, or in both, if the second continues the first; else inf."""
    gap = second[0].x - first[-1].x
    if not -LARGEST_OVERLAP * x_height < gap < LARGEST_GAP * x_height or 2 * -gap > min(first.length, second.length):
        return math.inf
    if min(max(cell.end for cell in part) for part in (first[-3:], second[:3])) >= MAYBE_END:
        return math.inf
    middle = (first[-1].x + second[0].x) / 2
    apart = abs(first.row_beyond(-1, middle) - second.row_beyond(0, middle))
    return abs(gap) if apart < OFFSET * x_height else math.inf


def _cut_at_columns(ridges: list[_Ridge]) -> list[_Ridge]:
    """The ridges, cut where they run on from a column of text, or a page of an open book, into the next one."""
    if not ridges:
        return ridges
    strip = STRIP * float(np.median([ridge.x_height for ridge in ridges]))
    slope = float(np.median([(ridge[-1].y - ridge[0].y) / ridge.length for ridge in ridges]))
    # how far to the right the cells (n,) of each ridge are, on a page whose lines have this slope
    all_across = [np.array([cell.x + slope * cell.y for cell in ridge]) for ridge in ridges]
    columns = _columns(ridges, all_across, strip, slope)
    parts: list[_Ridge] = []
    for ridge, across in zip(ridges, all_across, strict=True):
        cuts = []
        for column in columns[(columns > across[0] + strip) & (columns < across[-1] - strip)]:
            near = np.flatnonzero(np.abs(across - column) <= strip).tolist() or [np.searchsorted(across, column) - 1]
            cuts.append(min(near, key=lambda number: ridge[number].probability - ridge[number].end))
        parts += _pieces(ridge, sorted(cuts))
    return parts


def _columns(ridges: list[_Ridge], all_across: list[Floats], strip: float, slope: float) -> Floats:
    """Where columns begin: in a strip many lines begin beside other lines, and at most twice as many run across it."""
    first, last = np.array([across[[0, -1]] for across in all_across]).T
    top, bottom = np.array([[ridge[end].y - slope * ridge[end].x for end in (0, -1)] for ridge in ridges]).T
    x_heights = np.array([ridge.x_height for ridge in ridges])
    left = (last < first[:, None] + strip) & (last - first > LEAST_CELL * x_heights)  # (ridges, others on its left)
    beside = (left & (np.abs(bottom - top[:, None]) < x_heights)).any(axis=1)
    found: list[tuple[int, float]] = []
    for place in first[beside]:
        begins = np.abs(first - place) <= strip
        crossing = (first < place - strip) & (last > place + strip)
        evidence = int((begins & beside).sum())
        if evidence >= BEGINNINGS and 2 * evidence >= crossing.sum() > 0:
            found.append((evidence, float(np.median(first[begins]))))
    columns: list[float] = []
    for _, column in sorted(found, reverse=True):
        if all(abs(column - other) > 2 * strip for other in columns):
            columns.append(column)
    return np.array(columns)


def _finished(ridge: _Ridge) -> TracedLine:
    """In pixels of the copy, from the left edge of the first cell to the right edge of the last one."""
    points = np.array([(cell.x, cell.y) for cell in ridge], float)
    points[0, 0] -= 0.5
    points[-1, 0] += 0.5
    return TracedLine(points * STRIDE + (STRIDE - 1) / 2, ridge.x_height * STRIDE, ridge.probability)


def without_doubles(lines: list[TracedLine]) -> list[TracedLine]:
    """The lines, without those that run inside the letters of a longer and surer one."""
    kept: list[TracedLine] = []
    for line in sorted(lines, key=lambda line: -line.probability * np.ptp(line.points[:, 0])):
        if not any(_is_double(line.points, better) for better in kept):
            kept.append(line)
    return kept


def _is_double(points: Floats, better: TracedLine) -> bool:
    x, y = points.T
    first, last = better.points[0, 0], better.points[-1, 0]
    if x[0] > last or x[-1] < first:
        return False
    near = np.abs(y - np.interp(x, *better.points.T)) < DOUBLE_DISTANCE * better.x_height
    return bool(np.count_nonzero(near & (x >= first) & (x <= last)) > DOUBLE_PART * len(x))
