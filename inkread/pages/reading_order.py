"""The order of the lines on a page: columns of text, the lines in each from its top, divided into paragraphs."""

import itertools
from heapq import heappop, heappush

import numpy as np

from inkread.pages.baselines import Baseline, BaselineTable, Rows
from inkread.pages.ink_mask import Mask

SHARED_PART = 3  # two lines follow one another if they share the shorter one's width divided by this
SHORT_COLUMN = 2  # lines: so few beside a column that continues below them are part of it
COLUMN_OVERLAP = 0.1  # share of the shorter one: columns with more in common are above, or beside, one another
PARAGRAPH_GAP = 1.5  # line distances: a larger one begins a new paragraph


def order_lines(lines: list[Baseline], line_distance: float) -> list[list[Baseline]]:
    """The paragraphs of a page in reading order, each with its lines from the top."""
    return [
        paragraph for column in find_columns(lines, line_distance) for paragraph in _paragraphs(column, line_distance)
    ]


def find_columns(lines: list[Baseline], line_distance: float) -> list[list[Baseline]]:
    """The columns of text in reading order, each with its lines from the top.

    A line belongs to the column of the line above it if each is the nearest neighbour of the other.
    """
    table = BaselineTable(lines)
    above = [_nearest(table, number, -1) for number in range(len(lines))]
    below = [_nearest(table, number, 1) for number in range(len(lines))]
    columns: list[list[int]] = []
    column_of: dict[int, int] = {}
    for number in sorted(range(len(lines)), key=lambda number: float(lines[number].y.mean())):
        before = above[number]
        follows = before is not None and below[before] == number
        # Where lines cross, the line above may come later and have no column yet.
        column = column_of.get(before) if before is not None and follows else None
        if column is None:
            column = len(columns)
            columns.append([])
        columns[column].append(number)
        column_of[number] = column
    _merge_short_columns(columns, column_of, below)
    found = [[lines[number] for number in column] for column in columns if column]
    return _order_columns([_order_rows(column, line_distance) for column in found])


def _merge_short_columns(columns: list[list[int]], column_of: dict[int, int], below: list[int | None]) -> None:
    """Add one or two lines beside a column that continues below them, such as part of a broken line, to that column."""
    for index, column in enumerate(columns):
        after = below[column[-1]] if 0 < len(column) <= SHORT_COLUMN else None
        host = column_of[after] if after is not None else index
        if host != index and len(columns[host]) > len(column):
            columns[host].extend(column)
            column_of.update(dict.fromkeys(column, host))
            column.clear()


def _nearest(table: BaselineTable, number: int, way: int) -> int | None:
    """The nearest line below (way = 1) or above (way = -1) that shares enough columns with this one."""
    lengths = table.last - table.first + 1
    distance = way * table.below(number)
    fits = (table.shared(number) > np.minimum(lengths, lengths[number]) / SHARED_PART) & (distance > 0)
    return int(np.where(fits, distance, np.inf).argmin()) if fits.any() else None


def _order_rows(column: list[Baseline], line_distance: float) -> list[Baseline]:
    """The lines of a column from its top; those side by side from the left."""
    rows: list[list[Baseline]] = []
    for line in sorted(column, key=lambda line: float(line.y.mean())):
        beside = rows and all(_shared_columns(line, other) <= 0 for other in rows[-1])
        if beside and abs(line.y.mean() - rows[-1][-1].y.mean()) < line_distance / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: int(line.x[0]))]


def _order_columns(columns: list[list[Baseline]]) -> list[list[Baseline]]:
    """Columns in reading order: from the top, then from the left (after Breuel 2003), by topological sorting."""
    boxes = [BaselineTable(column) for column in columns]
    spans = [(float(b.top.min()), float(b.bottom.max()), float(b.first.min()), float(b.last.max())) for b in boxes]
    order = sorted(range(len(columns)), key=lambda number: spans[number][:2])
    before = _comes_before(np.array([spans[number] for number in order]))
    np.fill_diagonal(before, False)
    waits_for = before.sum(axis=0)  # columns that come before each one
    free = np.flatnonzero(waits_for == 0).tolist()
    left = dict.fromkeys(range(len(columns)))
    chosen = []
    while left:
        place = heappop(free) if free else next(iter(left))  # where the order is a circle, the topmost comes first
        if place not in left:
            continue
        del left[place]
        chosen.append(columns[order[place]])
        waits_for -= before[place]
        for follower in np.flatnonzero(before[place] & (waits_for == 0)).tolist():
            heappush(free, follower)
    return chosen


def _comes_before(spans: Rows) -> Mask:
    """(n, n): whether one column is read before another. spans (n, 4), sorted: top, bottom, left and right of each."""
    top, bottom, left, right = spans.T
    above = np.triu(np.ones((len(spans), len(spans)), bool), 1)
    above &= (top[:, None] != top) | (bottom[:, None] != bottom)
    further_left = (left[:, None] < left) | ((left[:, None] == left) & (right[:, None] < right))
    before: Mask = np.where(_overlap(left, right), above, _overlap(top, bottom) & further_left)
    return before


def _overlap(first: Rows, last: Rows) -> Mask:
    """(n, n): whether two spans have a substantial part in common."""
    shared = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
    lengths = last - first
    overlapping: Mask = shared > COLUMN_OVERLAP * np.minimum(lengths[:, None], lengths)
    return overlapping


def _paragraphs(column: list[Baseline], line_distance: float) -> list[list[Baseline]]:
    """A column, divided where the lines are farther apart than usual."""
    paragraphs = [column[:1]]
    for above, line in itertools.pairwise(column):
        if _shared_columns(above, line) > 0 and _distance(above, line) > PARAGRAPH_GAP * line_distance:
            paragraphs.append([])
        paragraphs[-1].append(line)
    return paragraphs


def _shared_columns(first: Baseline, second: Baseline) -> int:
    """The number of columns that both lines have; if negative, the columns between them."""
    return int(min(first.x[-1], second.x[-1]) - max(first.x[0], second.x[0]))


def _distance(first: Baseline, second: Baseline) -> float:
    """The rows between two lines, in the middle of the columns they share."""
    middle = (max(first.x[0], second.x[0]) + min(first.x[-1], second.x[-1])) / 2
    return abs(first.at(middle) - second.at(middle))
