"""Baselines on a level page, and their positions to one another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]

LONG_LINE, LONG_OVERLAP = 12, 6  # x-heights: lines that long with so much above one another show their distance
USUAL_DISTANCE = 4.0  # x-heights between lines, where there are too few of them to measure it


@dataclass(frozen=True)
class Baseline:
    """A baseline on the level page: the row `y` (n,) at every column `x` (n,), and the height of letters such as n."""

    x: NDArray[np.int64]
    y: Rows
    x_height: float

    def at(self, x: float) -> float:
        """The row at a real-valued column; beyond its ends that of the end."""
        return float(np.interp(x, self.x, self.y))


class BaselineTable:
    """Baselines and the position of one of them to all the others: each answer is an array (n,), a value per line."""

    def __init__(self, lines: list[Baseline]) -> None:
        self.lines = lines
        self.first = np.array([line.x[0] for line in lines], np.int64)
        self.last = np.array([line.x[-1] for line in lines], np.int64)
        self.top = np.array([line.y.min() for line in lines])
        self.bottom = np.array([line.y.max() for line in lines])
        self._rows = np.concatenate([line.y for line in lines]) if lines else np.zeros(0)
        self._begin = np.cumsum([0, *(len(line.y) for line in lines)])[:-1] - self.first  # of each line in _rows

    def shared(self, number: int) -> NDArray[np.int64]:
        """The number of columns that both lines have; if negative, the columns between them."""
        shared: NDArray[np.int64] = np.minimum(self.last, self.last[number]) - np.maximum(
            self.first, self.first[number]
        )
        return shared

    def below(self, number: int) -> Rows:
        """By how many rows each line is below this one, in the middle of the columns they share."""
        middle = (np.maximum(self.first, self.first[number]) + np.minimum(self.last, self.last[number])) / 2
        below: Rows = self._at(np.arange(len(self.lines)), middle) - self._at(np.full(len(self.lines), number), middle)
        return below

    def _at(self, numbers: NDArray[np.int64], x: Rows) -> Rows:
        """The rows of these lines at real-valued columns; beyond their ends, those of the ends."""
        x = x.clip(self.first[numbers], self.last[numbers])
        left = np.floor(x).astype(np.int64)
        right = np.minimum(left + 1, self.last[numbers])
        begin = self._begin[numbers]
        before, after = self._rows[begin + left], self._rows[begin + right]
        rows: Rows = (after - before) * (x - left) + before
        return rows


def line_distance(lines: list[Baseline]) -> float:
    """The median number of rows between a long line and the nearest other long one."""
    x_height = float(np.median([line.x_height for line in lines]))
    table = BaselineTable([line for line in lines if len(line.x) > LONG_LINE * x_height])
    nearest = []
    for number in range(len(table.lines)):
        apart = np.abs(table.below(number)[table.shared(number) > LONG_OVERLAP * x_height])  # 0 from itself
        apart = apart[apart > x_height]
        nearest += [float(apart.min())] if len(apart) else []
    return float(np.median(nearest)) if len(nearest) > 2 else USUAL_DISTANCE * x_height
