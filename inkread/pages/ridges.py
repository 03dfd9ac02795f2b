"""Where lines of writing end below: ridges of the ink, followed from column to column over gaps, waves and slopes.

Ink with nothing below it, smoothed along the writing, forms a ridge along each baseline. A peak is a pixel of a ridge
that is higher than those above and below it. Peaks in neighbouring columns are linked to ridge parts; a tracker follows
each of them as far as the line goes, and ridges that belong to one line are joined.

Only every few pixels a column is looked at, a *step*; `k` counts steps, x and y are pixels. How the values of the
constants were chosen one by one is not recorded; what the rules achieve together is in experiments/LOG.md, "Lines of a
page".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkread.pages.ink_mask import Ink, Mask, Rows, box_filter

Ridge = tuple[Rows, Rows]  # x (n,) and y (n,), from left to right
RidgePart = list[tuple[int, int]]  # (k, y) of each peak

# Peaks
FAINTEST_EDGE = 0.01  # of the ink per pixel, above less below: a lower peak is noise
WEAK_PEAK = 0.15  # share of a line's typical strength: weaker peaks are left out
WEAK_PART = 0.2  # the same for the mean of a ridge part

# Texture - a photograph, noise, scribble all over - has short and dense ridges. Of page pictures of Copiste, some of
# them distorted, and a sample of IAM's forms, 235 in all, the closest to texture were large pages of registers: their
# ridges were 15.3 x-heights long on average, and 12.8 in 1000 squares of an x-height. In noise of any kind they were at
# most 10.4 long, and at least 19 in 1000 squares.
SHORT_RIDGE = 12.5  # x-heights
DENSE_RIDGES = 16 / 1000  # per square of an x-height
FEW_RIDGES = 20  # with fewer of them an average means little

# Tracking; lengths are in x-heights
LONGEST_GAP = 5  # a line ends where there is no peak for so long
TRACK_REACH = 0.5  # a peak may be so far above or below the predicted row
LARGEST_CORRECTION = 0.3  # a peak counts as at most so far from the predicted row
ROW_GAIN, SLOPE_GAIN = 0.25, 0.006  # shares of the correction that change the row, and the slope (per step)
USUAL_GAIN = 0.1  # share by which the slope approaches that of the other lines at each step
USUAL_LENGTH = 6  # the slope of a shorter ridge part counts less than that of the other lines
STEEPEST = 0.15  # rows per column
STRENGTH_BONUS = 0.3  # of the reach: so much farther away may a peak be that is as strong as is typical
ALREADY_TAKEN = 0.5  # a ridge is new if at least this share of its peaks is not on another ridge

# Joining; lengths are in x-heights
LAST_LETTERS = 10  # so much of a ridge's end shows where it would continue
LARGEST_JUMP = 1.4  # rows between the ends of two ridges of one line
FARTHEST = 3 * LONGEST_GAP  # a gap of that length counts as much as the largest jump
STIFFNESS = 32  # squares of an x-height: with few columns the slope at an end is nearly level


@dataclass(frozen=True)
class Slopes:
    """The usual slope of the lines, in rows per step: a plane, as lines seen at an angle have different slopes."""

    constant: float = 0.0
    along: float = 0.0  # per step
    down: float = 0.0  # per row

    def at(self, k: float, y: float) -> float:
        return self.constant + self.along * k + self.down * y


def find_ridges(ink: Ink, x_height: float) -> list[Ridge]:
    """The ridges (lines of writing) on a level page, those of one line joined; [] for texture."""
    step = max(2, round(x_height / 2))
    edge = _edges(ink, x_height)[:, step // 2 :: step]
    peaks, typical = _peaks(edge)
    if not peaks.any():
        return []
    columns = [np.flatnonzero(column).tolist() for column in peaks.T]
    parts = _link(columns, 0.3 * x_height)
    if _is_texture(parts, step / x_height, ink.size / x_height**2):
        return []
    parts = sorted(parts, key=lambda part: -sum(edge[y, k] for k, y in part))
    tracker = Tracker(columns, edge / typical, x_height, step, _usual_slopes(parts, step, 8 * x_height / step))
    return join_ridges(_follow(parts, peaks, edge, typical, tracker), x_height)


def _edges(ink: Ink, x_height: float) -> Ink:
    """The mean ink above each pixel less that below it, after smoothing along the writing."""
    height, reach = len(ink), max(1, round(0.6 * x_height))
    smooth = ink
    for _ in range(3):
        smooth = box_filter(smooth, round(2 * x_height), 1)
    sums = np.pad(smooth, ((reach + 1, reach), (0, 0))).cumsum(axis=0, dtype=np.float32)
    above, below = sums[reach : reach + height] - sums[:height], sums[2 * reach :][:height] - sums[reach:][:height]
    edges: Ink = (above - below) / reach
    return edges


def _peaks(edge: Ink) -> tuple[Mask, float]:
    """Where the edges are highest from row to row, and the typical strength of a line (not of a speck)."""
    peaks = np.zeros(edge.shape, bool)
    peaks[1:-1] = (edge[1:-1] > edge[:-2]) & (edge[1:-1] >= edge[2:]) & (edge[1:-1] > FAINTEST_EDGE)
    if not peaks.any():
        return peaks, 0.0
    typical = float(np.square(edge[peaks]).sum() / edge[peaks].sum())
    return peaks & (edge > WEAK_PEAK * typical), typical


def _is_texture(parts: list[RidgePart], step: float, area: float) -> bool:
    """Whether ridge parts are too short and too dense for writing; the step and the area are in x-heights."""
    length = step * sum(map(len, parts)) / len(parts)
    return len(parts) > FEW_RIDGES and length < SHORT_RIDGE and len(parts) > DENSE_RIDGES * area


def _link(columns: list[list[int]], reach: float) -> list[RidgePart]:
    """Peaks in neighbouring columns, linked: each to the nearest one in the next column, at most `reach` rows away."""
    growing: list[RidgePart] = []
    done: list[RidgePart] = []
    for k, rows in enumerate(columns):
        followers = _nearest_peaks([part[-1][1] for part in growing], rows, reach)
        done += [part for index, part in enumerate(growing) if index not in followers]
        for index, y in followers.items():
            growing[index].append((k, y))
        taken = set(followers.values())
        growing = [growing[index] for index in followers] + [[(k, y)] for y in rows if y not in taken]
    return done + growing


def _nearest_peaks(ends: list[int], rows: list[int], reach: float) -> dict[int, int]:
    """For the index of each end the row of its peak, the nearest pairs first; not for ends without a peak nearby."""
    near = []
    for index, end in enumerate(ends):
        near += [(abs(y - end), index, y) for y in rows[bisect_left(rows, end - reach) :][:2]]
    followers: dict[int, int] = {}
    taken: set[int] = set()
    for distance, index, y in sorted(near):
        if distance <= reach and index not in followers and y not in taken:
            followers[index] = y
            taken.add(y)
    return followers


def _usual_slopes(parts: list[RidgePart], step: int, shortest: float) -> Slopes:
    """A plane through the slopes of all parts of at least `shortest` steps; outliers count less (robust regression)."""
    found = []
    for part in parts:
        k, y = np.array(part, float).T
        if np.ptp(k) >= shortest:
            found.append((np.polyfit(k, y, 1)[0], k.mean(), y.mean(), np.ptp(k)))
    if len(found) < 3:
        return Slopes()
    slopes, k, y, lengths = np.array(found).T
    centre, spread = np.array((k.mean(), y.mean())), np.array((np.ptp(k), np.ptp(y))) + 1
    places = np.column_stack((np.ones_like(k), (np.column_stack((k, y)) - centre) / spread))
    stiffness = np.diag((0, 0.1, 0.03)) * lengths.sum()  # in doubt all lines have the same slope
    weights = lengths
    for _ in range(4):
        plane = np.linalg.solve(places.T * weights @ places + stiffness, places.T * weights @ slopes)
        weights = lengths / (1 + ((slopes - places @ plane) / (0.02 * step)) ** 2)
    along, down = plane[1:] / spread
    return Slopes(float(plane[0] - (plane[1:] / spread) @ centre), float(along), float(down))


# ---- tracking


def _follow(parts: list[RidgePart], peaks: Mask, edge: Ink, typical: float, tracker: "Tracker") -> list[Ridge]:
    """The ridges through the parts, strongest first; parts on a ridge that was found before are left out."""
    height = len(edge)
    free, around = peaks.copy(), np.arange(-round(0.5 * tracker.x_height), round(0.5 * tracker.x_height) + 1)[:, None]
    ridges = []
    for part in parts:
        k, y = np.array(part).T
        if free[y, k].mean() < ALREADY_TAKEN or edge[y, k].mean() < WEAK_PART * typical:
            continue
        k, rows, seen = tracker.track(part)
        area = (np.rint(rows).astype(np.int64) + around).clip(0, height - 1), k
        if not seen.any() or (free[area] & peaks[area]).any(axis=0)[seen].mean() < ALREADY_TAKEN:
            continue
        free[area] = False
        ridges.append(((k + 0.5) * tracker.step, rows))
    return ridges


@dataclass(frozen=True)
class Tracker:
    """Follows a line from column to column.

    The next row is predicted from the last row and the slope, and nearby peaks correct both a little, as in a Kalman
    filter. So descenders and specks do not lead it away from the line.
    """

    columns: list[list[int]]  # the rows of the peaks at each step
    strength: Ink  # (H, steps): the edges, 1 = typical
    x_height: float
    step: int  # pixels
    slopes: Slopes

    def track(self, part: RidgePart) -> tuple[NDArray[np.int64], Rows, Mask]:
        """The line through a part: steps k (n,), rows (n,), and at which of them there is a peak (n,)."""
        middle, start, slope = self._start(part)
        right = self._track_one_way(range(middle, len(self.columns)), 1, start, slope)
        left = self._track_one_way(range(middle, -1, -1), -1, start, slope)
        found = {**right, **left}
        seen = [k for k in sorted(found) if found[k][1]] or [middle]
        steps = list(range(seen[0], seen[-1] + 1))
        rows, has_peak = zip(*(found.get(k, (start, True)) for k in steps), strict=True)
        return np.array(steps), np.array(rows), np.array(has_peak)

    def _start(self, part: RidgePart) -> tuple[int, float, float]:
        """The step in the middle of a part, its row there, and its slope: near the usual one if the part is short."""
        k, y = np.array(part, float).T
        usual = self.slopes.at(k.mean(), y.mean())
        apart = k - k.mean()
        stiffness = (USUAL_LENGTH * self.x_height / self.step) ** 2
        slope = usual + float(apart @ (y - y.mean() - usual * apart) / (apart @ apart + stiffness))
        middle = round(float(k.mean()))
        return middle, float(np.median(y + slope * (middle - k))), slope

    def _track_one_way(self, steps: range, way: int, row: float, slope: float) -> dict[int, tuple[float, bool]]:
        """For each step that the line reaches: its row, and whether there is a peak. way: 1 = right, -1 = left."""
        steepest = STEEPEST * self.step
        missing = 0
        found: dict[int, tuple[float, bool]] = {}
        for k in steps:
            row += way * slope if k != steps[0] else 0
            error = self._error(k, row)
            missing = 0 if error is not None else missing + 1
            if missing * self.step > LONGEST_GAP * self.x_height:
                break
            if error is not None:
                row += ROW_GAIN * error
                slope += way * SLOPE_GAIN * error
                slope += USUAL_GAIN * (self.slopes.at(k, row) - slope)
                slope = max(-steepest, min(slope, steepest))
            found[k] = (row, not missing)
        return found

    def _error(self, k: int, row: float) -> float | None:
        """How far the best peak is below the predicted row, at most LARGEST_CORRECTION; None without a peak nearby."""
        reach, largest = TRACK_REACH * self.x_height, LARGEST_CORRECTION * self.x_height
        peaks = self.columns[k]
        near = peaks[bisect_left(peaks, row - reach) : bisect_right(peaks, row + reach)]
        if not near:
            return None
        costs = [abs(peak - row) / reach - STRENGTH_BONUS * min(float(self.strength[peak, k]), 1.5) for peak in near]
        error = near[costs.index(min(costs))] - row
        return max(-largest, min(error, largest))


# ---- joining


class _JoinTable:
    """Ridges in a table, so that one can be compared with all others at once.

    Each row has the first and last column of a ridge and, for either end, the straight line through its last letters:
    a point (x, y) and the slope there.
    """

    START, END, START_X, START_Y, START_SLOPE, END_X, END_Y, END_SLOPE = range(8)

    def __init__(self, ridges: Iterable[Ridge], x_height: float) -> None:
        self.x_height = x_height
        self.ridges = list(ridges)
        self.table = np.full((2 * len(self.ridges), 8), np.nan)  # each join adds one
        self.is_left = np.zeros(2 * len(self.ridges), bool)  # not yet joined to another one
        for number, ridge in enumerate(self.ridges):
            self._enter(number, ridge)

    def _enter(self, number: int, ridge: Ridge) -> None:
        start, end = ridge[0][0], ridge[0][-1]
        ends = (*_line_at_end(ridge, start, self.x_height), *_line_at_end(ridge, end, self.x_height))
        self.table[number] = (start, end, *ends)
        self.is_left[number] = True

    def join(self, one: int, other: int) -> int:
        """Replace two ridges by one, and return its number. Where both have columns, the longer one counts."""
        first, second = (
            self.ridges[number] for number in sorted((one, other), key=lambda number: self.table[number, self.START])
        )
        cut = first[0][-1] if len(first[0]) >= len(second[0]) else second[0][0] - 1
        left, right = first[0] <= cut, second[0] > cut
        ridge = np.concatenate((first[0][left], second[0][right])), np.concatenate((first[1][left], second[1][right]))
        self.is_left[[one, other]] = False
        self.ridges.append(ridge)
        self._enter(len(self.ridges) - 1, ridge)
        return len(self.ridges) - 1

    def best_match(self, number: int) -> int | None:
        """The ridge that continues this one best, on either side; None if no one continues its line."""
        known = len(self.ridges)
        table, candidates = self.table[:known], self.is_left[:known].copy()
        candidates[number] = False
        own = self.table[number]
        before = (table[:, self.START] < own[self.START]) & candidates
        cost = np.full(known, np.inf)
        cost[before] = self._mismatch(table[before], own[None])
        cost[candidates & ~before] = self._mismatch(own[None], table[candidates & ~before])
        best = int(cost.argmin())
        return best if cost[best] < 1 else None

    def _mismatch(self, first: Rows, second: Rows) -> Rows:
        """How badly the second ridges continue the first: 0 = perfectly; from 1 on they are not of one line.

        Both are extended to the middle of the gap between them, where their rows are compared.
        """
        gap = second[:, self.START] - first[:, self.END]
        middle = (first[:, self.END] + second[:, self.START]) / 2
        at_end = first[:, self.END_Y] + first[:, self.END_SLOPE] * (middle - first[:, self.END_X])
        at_start = second[:, self.START_Y] + second[:, self.START_SLOPE] * (middle - second[:, self.START_X])
        cost = np.abs(at_end - at_start) / (LARGEST_JUMP * self.x_height) + gap.clip(0) / (FARTHEST * self.x_height)
        shorter = np.minimum(first[:, self.END] - first[:, self.START], second[:, self.END] - second[:, self.START])
        too_far = gap > LONGEST_GAP * self.x_height
        overlaps = (-gap > 0.5 * shorter + self.x_height) | (second[:, self.END] <= first[:, self.END])
        impossible: Rows = np.where(too_far | overlaps, np.inf, cost)
        return impossible


def _line_at_end(ridge: Ridge, end: float, x_height: float) -> tuple[float, float, float]:
    """The straight line through the last letters at one end of a ridge: a point (x, y) and the slope."""
    near = np.abs(ridge[0] - end) <= LAST_LETTERS * x_height
    x, y = ridge[0][near], ridge[1][near]
    along = x - x.mean()
    slope = along @ (y - y.mean()) / (along @ along + STIFFNESS * x_height**2)
    return float(x.mean()), float(y.mean()), float(slope)


def join_ridges(ridges: list[Ridge], x_height: float) -> list[Ridge]:
    """The ridges, those of one line joined; beginning with the longest one, each is joined to its best match."""
    table = _JoinTable(sorted(ridges, key=lambda ridge: -len(ridge[0])), x_height)
    for number in range(len(ridges)):
        if not table.is_left[number]:
            continue
        current = number
        while (match := table.best_match(current)) is not None:
            current = table.join(current, match)
    joined = range(len(table.ridges) - 1, len(ridges) - 1, -1)  # the last one first
    return [table.ridges[number] for number in (*joined, *range(len(ridges))) if table.is_left[number]]
