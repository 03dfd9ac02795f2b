"""The outline of each line: between two seams that cross as little ink as possible, drawn in to the ink of the line.

A seam is computed in every second column, as rows from the baseline, which grow downwards and are a seventh of the
line's x-height: letters of any size look the same.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inkread.pages.baselines import Baseline
from inkread.pages.ink_mask import INK, Ink, Rows, sample_ink

GRID_STEP = 2  # pixels between the columns of a seam
ROWS = 7  # rows of a seam per x-height
CELLS_AT_ONCE = 1_000_000  # places of seams that are computed at once: 40 MB

# Lengths are in x-heights.
MARGIN = 1.0  # that an outline is longer than its baseline at either end
INK_MARGIN = 0.2  # around the ink
LEAST_ABOVE, LEAST_BELOW = 1.6, 0.5  # from the baseline: so much is inside between the seams, as faint ink is not seen
NEXT_LINE = 0.6  # a line less far away is not the next line above or below
UPPER_SEAM, LOWER_SEAM = (-4.3, -1.0), (0.15, 3.1)  # between these rows is the seam above, and the one below
# A seam is two fifths of the way from a line down to the next one: ascenders are longer than descenders.
UPPER_SHARE, LOWER_SHARE = -0.62, 0.38
WIDEST_UPPER_GAP, WIDEST_LOWER_GAP = 5.3, 4.9  # the next line counts as at most so far away
OFF_UPPER_LINE, OFF_LOWER_LINE = 0.3, 1.3  # rows that a seam keeps below the line above, and above the line below

# Costs of a seam per column, where a column full of ink costs 1
COST_PER_ROW = 0.002  # away from the wanted row
COST_BEYOND = 2.0  # beyond the next line
COST_PER_MOVE = 0.02  # per row up or down from one column to the next
MOVES = np.arange(-2, 3)  # rows that a seam may move by from one column to the next


@dataclass(frozen=True)
class _GridPoints:
    """The baselines of all lines at the columns of a grid, one line after the other."""

    x: NDArray[np.int64]  # (columns,) of the grid
    column: NDArray[np.int64]  # (n,): index into x
    row: Rows  # (n,), in pixels of the page
    unit: Rows  # (n,): pixels per row of a seam
    begin: NDArray[np.int64]  # (lines + 1,): line i has the points begin[i] to begin[i + 1]

    @classmethod
    def of(cls, lines: list[Baseline], width: int) -> Self:
        """The points of lines that are each longer by MARGIN at either end."""
        x = np.arange(0, width, GRID_STEP)
        margins = [MARGIN * line.x_height for line in lines]
        columns = [
            np.flatnonzero((x >= line.x[0] - margin) & (x <= line.x[-1] + margin))
            for line, margin in zip(lines, margins, strict=True)
        ]
        rows = [np.interp(x[on], line.x, line.y) for on, line in zip(columns, lines, strict=True)]
        lengths = [len(on) for on in columns]
        units = np.repeat([line.x_height / ROWS for line in lines], lengths)
        return cls(x, np.concatenate(columns), np.concatenate(rows), units, np.cumsum([0, *lengths]))

    def gaps(self) -> tuple[Rows, Rows]:
        """(n,), (n,): the rows to the next line above, and below, that is more than NEXT_LINE away; inf without one."""
        nearest = NEXT_LINE * ROWS * self.unit
        height = float(np.ptp(self.row) + 2 * nearest.max() + 1)
        key = self.column * height + (self.row - self.row.min() + nearest.max())  # sorts by column, then by row
        order = np.argsort(key)
        ends = np.array([-1])  # stands for no line
        around = np.concatenate((ends, order, ends))
        below = around[np.searchsorted(key[order], key + nearest, side="right") + 1]
        above = around[np.searchsorted(key[order], key - nearest, side="left")]
        return self._distance(above), self._distance(below)

    def _distance(self, other: NDArray[np.int64]) -> Rows:
        known = (other >= 0) & (self.column[other] == self.column)
        distance: Rows = np.where(known, np.abs(self.row[other] - self.row) / self.unit, np.inf)
        return distance


def find_outlines(ink: Ink, lines: list[Baseline]) -> list[Rows]:
    """The polygon (N, 2) of each line."""
    points = _GridPoints.of(lines, ink.shape[1])
    above, below = points.gaps()
    upper = _seams(ink, points, UPPER_SEAM, UPPER_SHARE, above, WIDEST_UPPER_GAP, -above + OFF_UPPER_LINE * ROWS)
    lower = _seams(ink, points, LOWER_SEAM, LOWER_SHARE, below, WIDEST_LOWER_GAP, below - OFF_LOWER_LINE * ROWS)
    parts = [slice(first, last) for first, last in itertools.pairwise(points.begin.tolist())]
    return [
        _polygon(ink, points.x[points.column[part]], points.row[part], upper[part], lower[part], line.x_height)
        for part, line in zip(parts, lines, strict=True)
    ]


def _polygon(ink: Ink, x: NDArray[np.int64], baseline: Rows, top: Rows, bottom: Rows, x_height: float) -> Rows:
    """The outline (N, 2) around the ink of a line between its seams, `top` and `bottom` rows from the baseline."""
    unit = x_height / ROWS
    v = np.arange(round(UPPER_SEAM[0] * ROWS), round(LOWER_SEAM[1] * ROWS) + 1)[:, None]
    mask = sample_ink(ink, baseline + v * unit, x) > INK
    mask &= (v >= top) & (v <= bottom)
    high = np.where(mask, v, -LEAST_ABOVE * ROWS).min(axis=0)
    low = np.where(mask, v, LEAST_BELOW * ROWS).max(axis=0)
    radius = round(MARGIN * x_height) // GRID_STEP
    high = np.maximum(-_largest_nearby(-high, radius) - INK_MARGIN * ROWS, top)
    low = np.minimum(_largest_nearby(low, radius) + INK_MARGIN * ROWS, bottom)
    few = np.r_[0 : len(x) - 1 : 3, len(x) - 1]  # every third column is enough
    above, under = (np.column_stack((x, baseline + edge * unit))[few] for edge in (high, low))
    return np.concatenate((above, under[::-1]))


def _largest_nearby(values: Rows, radius: int) -> Rows:
    """For each value the largest one up to `radius` places away."""
    padded = np.pad(values, radius, mode="edge")
    largest: Rows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1).max(axis=1)
    return largest


# ---- seams


def _seams(
    ink: Ink, points: _GridPoints, between: tuple[float, float], share: float, gap: Rows, widest: float, limit: Rows
) -> Rows:
    """The seam (n,) above or below each line, in rows from its baseline, that crosses the least ink `between` two rows.

    It keeps near a `share` of the `gap` (n,) to the next line, or of the `widest` gap, and on the line's own side of
    the `limit` (n,). `between` and `widest` are in x-heights, `gap`, `limit` and the result in rows of a seam.
    """
    v = np.arange(round(between[0] * ROWS), round(between[1] * ROWS) + 1)
    widest *= ROWS
    wanted = share * gap.clip(0, widest)
    lengths, seams = np.diff(points.begin), np.zeros(len(points.row))
    left = points.column[points.begin[:-1]]  # (lines,): columns beside each line
    right = len(points.x) - left - lengths
    no_ink = (COST_PER_ROW * np.abs(v - share * widest)).astype(np.float32)
    beside = _costs_beside(no_ink, max(left.max(), right.max()))
    for group in _groups(lengths, CELLS_AT_ONCE // len(v)):
        length = lengths[group]
        at = points.begin[group] + np.minimum(np.arange(length.max())[:, None], length - 1)  # (columns, lines)
        # (columns, lines, rows)
        cost = sample_ink(
            ink, points.row[at][..., None] + v * points.unit[at][..., None], points.x[points.column[at]][..., None]
        )
        cost = cost + COST_PER_ROW * np.abs(v - wanted[at][..., None])
        beyond = v < limit[at][..., None] if share < 0 else v > limit[at][..., None]
        cost = (cost + COST_BEYOND * beyond).astype(np.float32)
        seams[at] = v[_cheapest(cost, length - 1, beside[left[group]], beside[right[group]])]
    return seams


def _groups(lengths: NDArray[np.int64], cells: int) -> Iterator[NDArray[np.int64]]:
    """The numbers of lines of similar length, in groups that are computed at once and limit the memory this takes."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        count = max(1, cells // int(lengths[order[0]]))
        yield order[:count]
        order = order[count:]


def _costs_beside(cost: Ink, columns: int) -> Ink:
    """The cost (columns + 1, rows) of 0, 1, 2 ... columns beside a line for a seam that comes from there or goes there.

    There is no ink; each row costs what `cost` (rows,) says.
    """
    beside = [np.zeros_like(cost)]
    for _ in range(columns):
        beside.append(_move((beside[-1] + cost)[None])[0][0])
    return np.stack(beside)


def _move(total: Ink) -> tuple[Ink, NDArray[np.int64]]:
    """The least cost (lines, rows) to reach each row of the next column, and the index of the move to it."""
    count = total.shape[1]
    padded = np.full((len(total), count + 4), np.inf, np.float32)
    padded[:, 2:-2] = total
    choices = np.empty((len(MOVES), *total.shape), np.float32)
    for choice, move in zip(choices, MOVES.tolist(), strict=True):
        np.add(padded[:, 2 + move : 2 + move + count], np.float32(COST_PER_MOVE * abs(move)), out=choice)
    return choices.min(axis=0), choices.argmin(axis=0)


def _cheapest(cost: Ink, last: NDArray[np.int64], before: Ink, after: Ink) -> NDArray[np.int64]:
    """The rows (columns, lines) of the cheapest way through `cost` (columns, lines, rows), by dynamic programming.

    A line ends at its column `last` (lines,). `before` and `after` (lines, rows): the cost of what is beside it.
    """
    came = np.zeros(cost.shape, np.int8)
    total = cost  # of the way to each place
    total[0] += before
    for column in range(1, len(cost)):
        smallest, came[column] = _move(total[column - 1])
        total[column] += smallest
    lines = np.arange(len(last))
    place = (total[last, lines] + after).argmin(axis=1)
    places = np.empty(cost.shape[:2], np.int64)
    for column in range(len(cost) - 1, -1, -1):
        places[column] = place
        place = np.where(column <= last, place + MOVES[came[column, lines, place]], place)
    return places
