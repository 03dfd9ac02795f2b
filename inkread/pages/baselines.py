"""The baselines of a level page: ridges where there is ink on them, without print, dots, bars and descenders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkread.pages.ink_mask import INK, Ink, Mask, Rows, box_filter, sample_ink
from inkread.pages.ridges import Ridge, find_ridges

# Lengths are in x-heights unless it says otherwise.
RIDGE_BELOW_BASELINE = 0.2  # a ridge is a little below the feet of the letters
WIDEST_SPACE = 6  # a wider one separates two lines side by side
SHORTEST_LINE, LEAST_INK = 0.5, 0.6  # a shorter line, or one with less ink (pixels per x-height), is a dot
DENSER_THAN_EXPECTED = 1.1  # lines whose letters are so much higher than estimated are searched once more

# Print
SMALL_LETTERS = 0.68  # share of the usual height: lines of smaller letters are small print
SHORT_LINE = 6  # in a shorter line the height of the letters cannot be measured; only remains of rules are left out ...
FLATTEST_SHORT_LINE = 0.3  # ... which are lower than this
LONG_ENOUGH_FOR_PRINT = 25  # a shorter line is never taken for print
PRINT_SHARPNESS, SMALL_PRINT_SHARPNESS = 1.15, 1.0  # see `_sharpness`; the second for letters smaller than usual
SMALLER_THAN_USUAL = 0.85  # share of the usual height
WITHIN_PRINT = 1.6  # a line so close to a printed one is part of the print

# Scraps: bars of t, descenders and other parts of a longer line
SCRAP_COVERED = 0.6  # share of a scrap's columns that the longer line has, too
FARTHEST_SCRAP = 1.3  # line distances between a scrap and its line
HANGING_SCRAP = 3  # only a shorter scrap can be the end of a descender
# A shorter line than this, and so close to a longer one (in line distances), is a scrap of it:
NEAREST_SHORT, NEAREST_MEDIUM, NEAREST_LONG = 0.75, 0.6, 0.4  # shorter than SHORT_LINE, than MEDIUM_LINE, others
MEDIUM_LINE = 0.6  # share of the longer line's width

LONG_LINE, LONG_OVERLAP = 12, 6  # lines that long with so much above one another show the distance of the lines
USUAL_DISTANCE = 2.6  # of lines, where there are too few of them to measure it


@dataclass(frozen=True)
class Baseline:
    """A baseline on the level page: the row `y` (n,) at every column `x` (n,), and the amount of ink above it there."""

    x: NDArray[np.int64]
    y: Rows
    ink: Ink

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

    def covered(self, number: int, margin: float) -> Rows:
        """The share of this line's columns that each line has, if each were longer by `margin` columns at both ends."""
        first = np.maximum(self.first[number], np.ceil(self.first - margin))
        last = np.minimum(self.last[number], np.floor(self.last + margin))
        share: Rows = (last - first + 1) / len(self.lines[number].x)
        return share

    def rows_between(self, number: int) -> Rows:
        """The least number of rows between this line and each other one; 0 where their boxes overlap."""
        rows: Rows = np.maximum(self.top - self.bottom[number], self.top[number] - self.bottom).clip(0)
        return rows


def find_baselines(ink: Ink, x_height: float) -> tuple[list[Baseline], float]:
    """The baselines of handwriting, and the x-height in pixels.

    The estimated x-height comes from the distance of the lines, which is good enough to find them. Where lines are
    dense, the letters are higher than that, and the lines are searched once more.
    """
    lines = _candidates(ink, x_height)
    height = _median_height(lines, [_letter_height(line, ink, x_height) for line in lines])
    if height > DENSER_THAN_EXPECTED * x_height:
        x_height = height
        lines = _candidates(ink, x_height)
    return _without_scraps(_without_print(lines, ink, x_height), ink, x_height), x_height


def _candidates(ink: Ink, x_height: float) -> list[Baseline]:
    """All that may be baselines, print and scraps included."""
    return [line for ridge in find_ridges(ink, x_height) for line in _inked_parts(ink, ridge, x_height)]


def _inked_parts(ink: Ink, ridge: Ridge, x_height: float) -> list[Baseline]:
    """A ridge from the first to the last of its ink, with a row for every column, divided at wide spaces."""
    height, width = ink.shape
    x = np.arange(max(0, int(ridge[0][0] - x_height)), min(width, int(ridge[0][-1] + x_height) + 1))
    y = np.interp(x, *ridge) - RIDGE_BELOW_BASELINE * x_height
    above = np.arange(-round(x_height), round(0.2 * x_height) + 1)[:, None]
    rows = (np.rint(y) + above).clip(0, height - 1).astype(np.int64)
    amount = ink[rows, x].sum(axis=0)
    inked = np.flatnonzero(amount > 0.5)
    parts = np.split(inked, np.flatnonzero(np.diff(inked) > WIDEST_SPACE * x_height) + 1)
    spans = [slice(part[0], part[-1] + 1) for part in parts if len(part)]
    lines = [Baseline(x[span], y[span], amount[span]) for span in spans]
    return [
        line for line in lines if len(line.x) >= SHORTEST_LINE * x_height and line.ink.sum() >= LEAST_INK * x_height
    ]


# ---- the height of letters and the distance of lines


def _letter_height(line: Baseline, ink: Ink, x_height: float) -> float:
    """The mean number of rows near the baseline with at least half as much ink as the row with most of it."""
    rows = np.rint(line.y) + np.arange(-round(1.2 * x_height), round(0.3 * x_height) + 1)[:, None]
    profile = box_filter(ink[rows.clip(0, len(ink) - 1).astype(np.int64), line.x], round(3 * x_height), 0)
    fullest = profile.argmax(axis=0)  # of the profile (rows, columns)
    low = profile <= 0.5 * profile.max(axis=0)
    row = np.arange(len(profile))[:, None]
    top = np.where(low & (row < fullest), row, -1).max(axis=0)
    bottom = np.where(low & (row > fullest), row, len(profile)).min(axis=0)
    return float((bottom - top).mean())


def _median_height(lines: list[Baseline], heights: list[float]) -> float:
    """The median of the lines' heights, each counted once per column of its line; 0 without lines."""
    return float(np.median(np.repeat(heights, [len(line.x) for line in lines]))) if lines else 0.0


def line_distance(lines: list[Baseline], x_height: float) -> float:
    """The median number of rows between a long line and the nearest other long one."""
    table = BaselineTable([line for line in lines if len(line.x) > LONG_LINE * x_height])
    nearest = []
    for number in range(len(table.lines)):
        apart = np.abs(table.below(number)[table.shared(number) > LONG_OVERLAP * x_height])  # 0 from itself
        apart = apart[apart > x_height]
        nearest += [float(apart.min())] if len(apart) else []
    return float(np.median(nearest)) if len(nearest) > 2 else USUAL_DISTANCE * x_height


# ---- print


def _without_print(lines: list[Baseline], ink: Ink, x_height: float) -> list[Baseline]:
    """The lines without small print, remains of rules, and lines that look printed, with what is close to these.

    All lines are kept when nothing else is left.
    """
    heights = [_letter_height(line, ink, x_height) for line in lines]
    usual = _median_height(lines, heights)
    large, printed = [], []
    for line, height in zip(lines, heights, strict=True):
        is_short = len(line.x) < SHORT_LINE * x_height
        if height > (FLATTEST_SHORT_LINE * x_height if is_short else SMALL_LETTERS * usual):
            large.append(line)
        sharpest = SMALL_PRINT_SHARPNESS if height < SMALLER_THAN_USUAL * usual else PRINT_SHARPNESS
        if len(line.x) >= LONG_ENOUGH_FOR_PRINT * x_height and _sharpness(line, ink, x_height) > sharpest:
            printed.append(line)

    table = BaselineTable([*printed, *large])
    in_print = {id(line) for line in printed}
    for number, line in enumerate(large, len(printed)):
        shared, distance = table.shared(number)[: len(printed)], table.below(number)[: len(printed)]
        if ((shared > len(line.x) / 2) & (np.abs(distance) < WITHIN_PRINT * x_height)).any():
            in_print.add(id(line))
    return [line for line in large if id(line) not in in_print] or lines


def _sharpness(line: Baseline, ink: Ink, x_height: float) -> float:
    """How suddenly ink begins and ends from row to row, along the straight line where it does so most; print from 1 on.

    The letters of print begin and end in the same two rows. The bounds 0.36 and 0.9 come from 73 printed and 4,394
    written lines of Copiste's training pages: 86 % of the printed lines exceed them, and 2 % of the written ones.
    """
    rows, apart = np.arange(-round(1.6 * x_height), round(x_height) + 1)[:, None], max(3, round(0.35 * x_height))
    slope, start = np.polyfit(line.x, line.y, 1)
    best = 0.0
    for turn in (-0.004, -0.002, 0, 0.002, 0.004):
        y = start + slope * line.x + turn * (line.x - line.x.mean())
        profile = sample_ink(ink, y + rows, line.x).mean(axis=1)
        steps = np.diff(profile) / max(float(profile.max()), 1e-6)
        edges = np.minimum(np.maximum.accumulate(steps)[:-apart], -steps[apart:]).max()
        best = max(best, min(float(edges) / 0.36, float(steps @ steps) / 0.9))
    return best


# ---- scraps


def _without_scraps(lines: list[Baseline], ink: Ink, x_height: float) -> list[Baseline]:
    """The lines, longest first, without those that are only part of a longer one: bars of t, descenders."""
    distance = line_distance(lines, x_height)
    table = BaselineTable(sorted(lines, key=lambda line: -len(line.x)))
    kept: Mask = np.zeros(len(lines), bool)
    for number, line in enumerate(table.lines):
        near = table.rows_between(number) < FARTHEST_SCRAP * distance
        longer = np.flatnonzero(kept & (table.covered(number, x_height) > SCRAP_COVERED) & near)
        kept[number] = not any(_is_scrap(line, table.lines[other], ink, x_height, distance) for other in longer)
    return [line for line, keep in zip(table.lines, kept.tolist(), strict=True) if keep]


def _is_scrap(line: Baseline, longer: Baseline, ink: Ink, x_height: float, line_distance: float) -> bool:
    """Whether a line is only a part of a longer one."""
    both = (line.x >= longer.x[0] - x_height) & (line.x <= longer.x[-1] + x_height)
    distance = np.abs(line.y - np.interp(line.x, longer.x, longer.y))[both].mean()
    length = len(line.x)
    may_hang = length < HANGING_SCRAP * x_height and distance < FARTHEST_SCRAP * line_distance
    if may_hang and _hangs(line, longer, ink, x_height):
        return True
    nearest = (
        NEAREST_SHORT
        if length < SHORT_LINE * x_height
        else NEAREST_MEDIUM
        if length < MEDIUM_LINE * len(longer.x)
        else NEAREST_LONG
    )
    return bool(distance < nearest * line_distance)


def _hangs(line: Baseline, above: Baseline, ink: Ink, x_height: float) -> bool:
    """Whether there is ink in every row between a scrap and the line above it: then it is the end of a descender."""
    top = round(above.at(float(line.x.mean())) + 0.2 * x_height)
    bottom = round(float(line.y.mean()) - 0.3 * x_height)
    return top < bottom and bool((ink[top:bottom, line.x[0] : line.x[-1] + 1].max(axis=1) > INK).all())
