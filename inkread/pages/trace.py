"""From the maps of the page network to baselines: its ridges are followed from left to right, and divided at line ends.

A cell of the maps is STRIDE pixels of the page copy that the network saw; places are in cells until the end.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkread.model.page_model import STRIDE

Floats = NDArray[np.float64]
Map = NDArray[np.float32]

SEEN = 0.3  # probability from which on a cell may be on a baseline
SURE = 0.5  # ... which most cells of a line exceed
SURE_PART = 0.4  # ... which a part exceeds that is joined with others
FARTHEST_STEP = 3  # cells without a baseline that a ridge may cross
STEEPEST = 0.6  # rows per column between a ridge's cells
JUMP = 0.7  # rows more than that
SLOPE_OVER = 8  # columns over which the direction of a ridge is measured
SHORTEST = 1.0  # x-heights: a shorter line is a dot
# Parts of a line, with no ends between them, are at most so far apart, in x-heights:
LARGEST_GAP, OFFSET = 6.0, 0.6  # along the line, and across it
END, MAYBE_END = 0.5, 0.25  # probabilities of an end: from END on lines are divided, from the other parts not joined


@dataclass(frozen=True)
class TracedLine:
    """A baseline in pixels of the copy: points (N, 2) from left to right; and the x-height there."""

    points: Floats
    x_height: float
    probability: float  # the mean over its columns


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
    ridges = _joined([part for part in parts if part.probability > SURE_PART])
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
    cuts, first = [-1], 0
    for is_end, group in itertools.groupby(marked):
        last = first + len(list(group))
        if is_end and first > margin and len(ridge) - last > margin:
            cuts.append(min(range(first, last), key=lambda place: ridge[place].probability))
        first = last
    cuts.append(len(ridge))
    return [_Ridge(ridge[a + 1 : b]) for a, b in itertools.pairwise(cuts) if b - a > 2]


def _joined(ridges: list[_Ridge]) -> list[_Ridge]:
    """Ridges that continue one another, though the map fades between them, and no line ends there."""
    joined: list[_Ridge] = []
    for ridge in sorted(ridges, key=lambda ridge: ridge[0].x):
        first, x_height = ridge[0], ridge.x_height
        best, nearest = None, LARGEST_GAP * x_height
        for other in joined:
            gap = first.x - other[-1].x
            in_line = 0 < gap < nearest and abs(other.expected(first.x) - first.y) < OFFSET * x_height
            if in_line and max(cell.end for cell in (*other[-3:], *ridge[:3])) < MAYBE_END:
                best, nearest = other, gap
        if best is None:
            joined.append(ridge)
        else:
            best.extend(ridge)
    return joined


def _finished(ridge: _Ridge) -> TracedLine:
    """In pixels of the copy, from the left edge of the first cell to the right edge of the last one."""
    points = np.array([(cell.x, cell.y) for cell in ridge], float)
    points[0, 0] -= 0.5
    points[-1, 0] += 0.5
    return TracedLine(points * STRIDE + (STRIDE - 1) / 2, ridge.x_height * STRIDE, ridge.probability)
