"""A page -> its lines, in reading order, without any training.

Handwriting ends at the feet of its letters: smoothed along the writing, ink that stands on nothing shows as ridges, and
these are the baselines. They are followed over gaps, waves and slopes, each with its own; what lies between two of them
is parted where it costs the least ink. All of it happens on a copy of the page in which a letter such as `n` is about
nine pixels high, whatever the scan's resolution.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inkread.document.elements import Points
from inkread.pages.regions import Region

Grey = NDArray[np.uint8]
Wet = NDArray[np.bool_]
Field = NDArray[np.float32]
Rows = NDArray[np.floating]
Paragraph = list[Region]

PIXELS, WIDTH = 600_000, 800  # at most, of the copy that is looked at first: A4 at 80 dpi
BODY = 10.0  # pixels that a letter without ascender gets in the end
BODIES = (7.0, 13.0)  # with these the first copy does
RADII = (1, 2, 3, 4, 5, 7, 9, 12)  # of the box filters that look for the height of the letters
SMALLEST = 16  # pixels of a page, one way
STEEPEST = 20  # degrees of skew that are looked for
MOST_TURNED = 4  # times as many pixels as before may the level copy have
WET = 0.2  # darkness from which on a pixel is ink

# Texture - a photograph, noise, scribble all over - is no page: its ridges are short and dense. On 235 pages of Copiste
# and IAM's forms they are 15 letters' heights long or longer on average, and at most 14 in a square of 1000; in noise
# of any kind at most 10.4 long, and at least 19 in such a square.
SHORT_SEGMENT = 12.5  # letters' heights
DENSE_SEGMENTS = 16 / 1000  # for each square of a letter's height
SMALLEST_LINE = 4000  # pixels of the page for each line: on average, no word that can be read takes less
FEW_LINES = 100  # as many may be on a page of any size
FEW_SEGMENTS = 20  # in a picture with fewer, an average means little

# How a baseline is followed. Lengths are in heights of a letter without ascender (`body`), and were chosen on training
# pages of Copiste.
LONGEST_GAP = 5  # without a peak, within a line
TRACK_REACH = 0.5  # rows from the predicted one in which a peak may be of the line
LARGEST_ERROR = 0.3  # rows that a peak may correct the prediction by
ROW_GAIN, SLOPE_GAIN = 0.25, 0.006  # shares of the error that correct the row and the slope
USUAL_GAIN = 0.1  # share by which the slope returns to that of the other lines at each step
USUAL_SLOPE = 6  # a segment shorter than this has the slope of the other lines, rather than its own
STEEPEST_LINE = 0.15  # rows per column
LAST_LETTERS = 10  # at the end of a path: they tell where it would go on
GRID_STEP = 2  # pixels between the columns in which outlines are looked for
SEAM_CELLS = 1_000_000  # places of seams that are worked on at once: 40 MB
LARGEST_JUMP = 1.4  # rows between the ends of two paths of one line


@dataclass(frozen=True)
class Line:
    """A baseline on the level copy: the row `y` (n,) at every column `x` (n,), and the ink above it there."""

    x: NDArray[np.int64]
    y: Rows
    ink: Field

    def at(self, x: float) -> float:
        return float(np.interp(x, self.x, self.y))


class LineTable:
    """Lines, and how one of them lies to all the others: each answer is an array (n,) with a value for every line."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.first = np.array([line.x[0] for line in lines], np.int64)
        self.last = np.array([line.x[-1] for line in lines], np.int64)
        self.top = np.array([line.y.min() for line in lines])
        self.bottom = np.array([line.y.max() for line in lines])
        self._rows = np.concatenate([line.y for line in lines]) if lines else np.zeros(0)
        self._begin = np.cumsum([0, *(len(line.y) for line in lines)])[:-1] - self.first  # of each in _rows

    def shared(self, number: int) -> NDArray[np.int64]:
        """The columns that both lines have; below 0, the columns between them."""
        shared: NDArray[np.int64] = np.minimum(self.last, self.last[number]) - np.maximum(
            self.first, self.first[number]
        )
        return shared

    def below(self, number: int) -> Rows:
        """The rows by which each line lies below this one, in the middle of the columns they share."""
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
        """The share of this line's columns that each line has, or would if it were longer by `margin` at either end."""
        first = np.maximum(self.first[number], np.ceil(self.first - margin))
        last = np.minimum(self.last[number], np.floor(self.last + margin))
        share: Rows = (last - first + 1) / len(self.lines[number].x)
        return share

    def rows_between(self, number: int) -> Rows:
        """The rows that are at least between this line and each other one; 0 where their boxes overlap."""
        rows: Rows = np.maximum(self.top - self.bottom[number], self.top[number] - self.bottom).clip(0)
        return rows


def find_lines(page: Grey) -> list[Paragraph]:
    """The lines of a page (H, W) uint8, 0 = black: paragraphs in reading order, each a list of regions from its top.

    Polygons and baselines are in pixels of the page, which may be turned by up to 15 degrees or seen at an angle. Ruled
    and squared lines, frames, and print beside the writing are left out. [] where nothing is written.
    """
    if min(page.shape) < SMALLEST:
        return []
    factor = max(1.0, float(np.sqrt(page.size / PIXELS)), page.shape[1] / WIDTH)
    ink, to_page = _level(page, factor)
    body = _body_height(ink)
    wanted = max(1.0, factor * body / BODY)
    if not BODIES[0] <= body <= BODIES[1] and not 0.9 < wanted / factor < 1.1:
        ink, to_page = _level(page, wanted)
        body = _body_height(ink)
    ink = _without_blobs(ink, body)
    lines, body = _lines(ink, body)
    lines = _without_scraps(_without_print(lines, ink, body), ink, body)
    if not lines or len(lines) > max(FEW_LINES, page.size / SMALLEST_LINE):
        return []
    outlines = dict(zip(map(id, lines), _outlines(ink, lines, body), strict=True))
    pitch = _pitch(lines, body)
    return [
        [Region(_on_page(outlines[id(line)], to_page), _on_page(_thinned(line, body), to_page)) for line in paragraph]
        for column in _columns(lines, pitch)
        for paragraph in _paragraphs(column, pitch)
    ]


def _lines(ink: Field, body: float) -> tuple[list[Line], float]:
    """All that may be lines, print and scraps among them, and the height of their letters.

    `_body_height` tells it from the distance of the lines, which will do to find them; but where they are dense it is
    larger than that, and they are looked for once more.
    """
    lines = _traced(ink, body)
    height = _height_of_most(lines, [_letter_height(line, ink, body) for line in lines])
    if height > 1.1 * body:
        body = height
        lines = _traced(ink, body)
    return lines, body


def _traced(ink: Field, body: float) -> list[Line]:
    return [part for path in _join(_follow(ink, body), body) for part in _written(ink, path, body)]


# ---- the ink, level and without rules


def _level(page: Grey, factor: float) -> tuple[Field, Rows]:
    """The ink of the page, `factor` times smaller, turned level, rules removed; and the way back.

    -> (H, W) float32, 0 = paper .. 1 = ink, and (2, 3): the place on the page is matrix @ (x, y, 1).
    """
    height, width = page.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    ink = _darkness(np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX)))
    slope = _skew(ink)
    cos, sin = 1 / np.hypot(1, slope), slope / np.hypot(1, slope)
    wide, high = (round(size[0] * cos + size[1] * abs(sin)), round(size[1] * cos + size[0] * abs(sin)))
    if wide * high > MOST_TURNED * ink.size:  # a long strip, which would need a vast empty canvas
        slope, cos, sin, (wide, high) = 0.0, 1.0, 0.0, size
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array(size) / 2 - turn @ (wide / 2, high / 2)
    if slope:
        matrix = np.column_stack((turn, shift)).ravel().tolist()
        turned = Image.fromarray((ink * 255).astype(np.uint8)).transform(
            (wide, high), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        ink = np.asarray(turned).astype(np.float32) / np.float32(255)
    wet = ink > 0.6 * WET
    if size[0] > WIDTH / 2:  # on smaller copies letters are as small as dots
        wet |= _between_dots(wet)
    rules = _long_runs(wet, wet.shape[1] // 6) | _long_runs(wet.T, wet.shape[0] // 6).T
    scale = np.array([[width / size[0]], [height / size[1]]])
    return np.where(rules, np.float32(0), ink), np.column_stack((turn, shift)) * scale


def _darkness(grey: Grey) -> Field:
    """How much darker than the paper around it each pixel is: 0 = paper, 1 = ink as dark as most of it."""
    height, width = grey.shape
    picture = Image.fromarray(grey)
    small = picture.resize((max(1, width // 4), max(1, height // 4)), Image.Resampling.BOX)
    # Strokes are narrower than 7 x 4 pixels, shadows and dark tables wider; these are then widened by 2 x 4, so that
    # their edges are not taken for ink.
    small = small.filter(ImageFilter.MaxFilter(7)).filter(ImageFilter.MinFilter(11))
    paper = np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR), np.float32)
    depth = np.maximum(paper - grey, 0) / np.maximum(paper, 1)
    noise = 3 * float(np.median(depth)) + 0.03
    wet = depth[depth > max(noise, 0.08)]
    full = max(float(np.percentile(wet, 75)) if len(wet) else 1.0, noise + 0.1)
    ink: Field = np.clip((depth - noise) / (full - noise), 0, 1, dtype=np.float32)
    for side in (ink, ink[::-1], ink.T, ink.T[::-1]):  # what reaches in from the edge of the scan is not written there
        side[np.logical_and.accumulate(side > 0, axis=0)] = 0
    return ink


def _skew(ink: Field) -> float:
    """The tangent of the angle at which the writing goes down to the right: rows along it differ the most."""
    coarse = np.asarray(Image.fromarray(ink).reduce(4))
    rows, columns = np.nonzero(coarse > 0.1)
    if len(rows) < 50:
        return 0.0
    weights = coarse[rows, columns]
    x, y = columns.astype(np.float32), rows.astype(np.float32)

    def contrast(slope: float) -> float:
        along = y - slope * x
        return float(np.abs(np.diff(np.bincount((along - along.min()).astype(np.int64), weights))).sum())

    best = max(np.tan(np.radians(np.arange(-STEEPEST, STEEPEST + 1))).tolist(), key=contrast)
    return float(max((best + np.linspace(-0.0175, 0.0175, 15)).tolist(), key=contrast))


def _long_runs(wet: Wet, length: int, thickest: int = 5) -> Wet:
    """The wet pixels of thin lines from left to right, nearly level and straight, at least `length` pixels long.

    A path through cells of 1 x 4 pixels gains by each that is wet, loses by each that is not and by each step up or
    down; where the best path from the left or that from the right has gained as much as half a line, there is one.
    """
    height, width = wet.shape
    count = width // 4
    cells = wet[:, : 4 * count].reshape(height, count, 4).sum(axis=2) >= 3
    gain = np.where(cells, 1, -2).astype(np.float32).T.copy()  # (count, height)
    enough = max(length / 8, 4)  # cells

    def best_paths(gain: Field) -> Field:
        best, found = np.zeros(height, np.float32), np.zeros_like(gain)
        for column, gained in enumerate(gain):
            before = best
            best = before.copy()
            np.maximum(best[1:], before[:-1] - 2, out=best[1:])
            np.maximum(best[:-1], before[1:] - 2, out=best[:-1])
            best = np.clip(best + gained, 0, enough)
            found[column] = best
        return found

    on_line = (np.maximum(best_paths(gain), best_paths(gain[::-1])[::-1]) > enough - 1) & (gain > 0)
    line = np.zeros_like(wet)
    line[:, : 4 * count] = np.repeat(on_line.T, 4, axis=1)
    near = line.copy()
    for distance in (1, 2):  # its soft edges
        near[distance:] |= line[:-distance]
        near[:-distance] |= line[distance:]
    thin: Wet = near & wet & ~_in_run(wet, thickest)  # but letters that stand on the line, or cross it
    return thin


def _between_dots(wet: Wet) -> Wet:
    """What lies between dots that stand beside one another, up to six pixels apart: rules may be dotted."""
    smeared = wet.copy()  # so that a letter's strokes one above the other are no dots
    smeared[1:] |= wet[:-1]
    smeared[:-1] |= wet[1:]
    dots = wet & ~_in_run(smeared, 6) & ~_in_run(wet.T, 4).T
    right, left = dots.copy(), dots.copy()
    for _ in range(3):
        right[:, 1:] |= right[:, :-1]
        left[:, :-1] |= left[:, 1:]
    return right & left


def _in_run(wet: Wet, longest: int) -> Wet:
    """Which pixels (H, W) lie in a run of more than `longest` wet ones from top to bottom."""
    sums = np.pad(wet, ((1, 0), (0, 0))).cumsum(axis=0, dtype=np.int16)
    full = sums[longest + 1 :] - sums[: -longest - 1] > longest  # by where the run begins
    begun = np.pad(full, ((longest + 1, longest), (0, 0))).cumsum(axis=0, dtype=np.int16)
    inside: Wet = begun[longest + 1 :] > begun[: -longest - 1]
    return inside


def _body_height(ink: Field) -> float:
    """The height of letters without ascender, in pixels, by the blur that shows the lines best (Lindeberg 1998)."""
    half = np.asarray(Image.fromarray(ink).reduce(2))
    energies = []
    for radius in RADII:
        smooth = _box(half, 6 * radius, 0)
        for _ in range(3):
            smooth = _box(smooth, 0, radius)
        bend = 2 * smooth[1:-1] - smooth[2:] - smooth[:-2]
        energies.append(float((np.maximum(bend, 0) ** 1.3).sum()) * _sigma(radius) ** 2.6)
    best = int(np.argmax(energies))
    place = np.log([_sigma(radius) for radius in RADII])
    peak = float(place[best])
    if 0 < best < len(RADII) - 1:  # the top of the parabola through the best and its neighbours
        square, straight, _ = np.polyfit(place[best - 1 : best + 2], energies[best - 1 : best + 2], 2)
        peak = float(-straight / (2 * square)) if square < 0 else peak
    return 3.3 * float(np.exp(peak))  # 2 for the halved copy, the rest as measured on pages of 30 hands


def _without_blobs(ink: Field, body: float) -> Field:
    """The ink but what is much thicker than a stroke in every direction: punched holes, filled shapes."""
    radius = round(0.5 * body)
    solid = _box((ink > WET).astype(np.float32), radius, radius) > 0.97
    return np.where(_box(solid.astype(np.float32), radius + 2, radius + 2) > 1e-3, np.float32(0), ink)


def _sigma(radius: int) -> float:
    """The standard deviation of three box filters of that radius."""
    return float(np.sqrt(((2 * radius + 1) ** 2 - 1) / 4))


def _box(field: Field, across: int, down: int) -> Field:
    """The mean of the (2 across + 1) x (2 down + 1) pixels around each; beyond the edge there is nothing."""
    for axis, radius in ((1, across), (0, down)):
        length = field.shape[axis]
        radius = min(radius, length - 1)
        if radius < 1:
            continue
        pads = [(0, 0), (0, 0)]
        pads[axis] = (radius + 1, radius)
        sums = np.moveaxis(np.pad(field, pads).cumsum(axis=axis, dtype=np.float32), axis, 0)
        means = (sums[2 * radius + 1 :] - sums[:length]) / np.float32(2 * radius + 1)
        field = np.moveaxis(means, 0, axis)
    return field


# ---- baselines: ridges followed from column to column. A path is the columns x (n,) and rows y (n,) it goes through.

Path = tuple[Rows, Rows]
Segment = list[tuple[int, int]]  # (step, row)


def _follow(ink: Field, body: float) -> list[Path]:
    """The baselines, strongest first: ridges of the ink above less the ink below, smoothed along the writing."""
    step, reach, height = max(2, round(body / 2)), max(1, round(0.6 * body)), len(ink)
    smooth = ink
    for _ in range(3):
        smooth = _box(smooth, round(2 * body), 1)
    sums = np.pad(smooth, ((reach + 1, reach), (0, 0))).cumsum(axis=0, dtype=np.float32)
    above, below = sums[reach : reach + height] - sums[:height], sums[2 * reach :][:height] - sums[reach:][:height]
    edge = (above - below)[:, step // 2 :: step] / reach
    peaks = np.zeros(edge.shape, bool)
    peaks[1:-1] = (edge[1:-1] > edge[:-2]) & (edge[1:-1] >= edge[2:]) & (edge[1:-1] > 0.01)
    if not peaks.any():
        return []
    typical = float(np.square(edge[peaks]).sum() / edge[peaks].sum())  # the strength of a line, not of a speck
    peaks &= edge > 0.15 * typical
    columns = [np.flatnonzero(column).tolist() for column in peaks.T]
    segments = _linked(columns, 0.3 * body)
    if _is_texture(segments, step / body, ink.size / body**2):
        return []
    segments = sorted(segments, key=lambda segment: -sum(edge[y, k] for k, y in segment))
    slopes = _slopes(segments, step, 8 * body / step)
    free, around = peaks.copy(), np.arange(-round(0.5 * body), round(0.5 * body) + 1)[:, None]
    paths = []
    for segment in segments:
        k, y = np.array(segment).T
        if free[y, k].mean() < 0.5 or edge[y, k].mean() < 0.2 * typical:
            continue
        k, rows, seen = _track(segment, columns, edge / typical, body, step, slopes)
        area = (np.rint(rows).astype(np.int64) + around).clip(0, height - 1), k
        if not seen.any() or (free[area] & peaks[area]).any(axis=0)[seen].mean() < 0.5:
            continue
        free[area] = False
        paths.append(((k + 0.5) * step, rows))
    return paths


def _is_texture(segments: list[Segment], step: float, area: float) -> bool:
    """Whether segments are too short and too dense for lines of writing; in heights of a letter."""
    length = step * sum(map(len, segments)) / len(segments)
    return len(segments) > FEW_SEGMENTS and length < SHORT_SEGMENT and len(segments) > DENSE_SEGMENTS * area


def _linked(columns: list[list[int]], reach: float) -> list[Segment]:
    """Segments of peaks in neighbouring columns: each peak is linked to the nearest one within `reach` rows."""
    growing: list[Segment] = []
    done: list[Segment] = []
    for k, rows in enumerate(columns):
        near = []
        for index, segment in enumerate(growing):
            last = segment[-1][1]
            near += [(abs(y - last), index, y) for y in rows[bisect_left(rows, last - reach) :][:2]]
        follower: dict[int, int] = {}
        taken: set[int] = set()
        for distance, index, y in sorted(near):
            if distance <= reach and index not in follower and y not in taken:
                follower[index] = y
                taken.add(y)
        done += [segment for index, segment in enumerate(growing) if index not in follower]
        for index, y in follower.items():
            growing[index].append((k, y))
        growing = [growing[index] for index in follower] + [[(k, y)] for y in rows if y not in taken]
    return done + growing


def _slopes(segments: list[Segment], step: int, shortest: float) -> tuple[float, float, float]:
    """The slopes of the lines, a + b k + c y rows a step at (step k, row y): a plane through those of long segments.

    On a page seen at an angle the lines at the top have another slope than those at the bottom. Outliers count less.
    """
    found = []
    for segment in segments:
        k, y = np.array(segment, float).T
        if np.ptp(k) >= shortest:
            found.append((np.polyfit(k, y, 1)[0], k.mean(), y.mean(), np.ptp(k)))
    if len(found) < 3:
        return 0.0, 0.0, 0.0
    slopes, k, y, lengths = np.array(found).T
    centre, spread = np.array((k.mean(), y.mean())), np.array((np.ptp(k), np.ptp(y))) + 1
    places = np.column_stack((np.ones_like(k), (np.column_stack((k, y)) - centre) / spread))
    stiffness = np.diag((0, 0.1, 0.03)) * lengths.sum()  # in doubt all lines have one slope
    weights = lengths
    for _ in range(4):
        plane = np.linalg.solve(places.T * weights @ places + stiffness, places.T * weights @ slopes)
        weights = lengths / (1 + ((slopes - places @ plane) / (0.02 * step)) ** 2)
    along, down = plane[1:] / spread
    return float(plane[0] - (plane[1:] / spread) @ centre), float(along), float(down)


def _track(
    segment: Segment,
    columns: list[list[int]],
    strength: Field,
    body: float,
    step: int,
    slopes: tuple[float, float, float],
) -> tuple[NDArray[np.int64], Rows, Wet]:
    """The segment's line both ways from its middle: steps (n,), rows (n,), and at which of them there is a peak.

    The next row is predicted from the last row and the slope; near peaks correct both a little, as in a Kalman filter,
    so that descenders and specks do not lead it astray. The line ends where there is no peak for LONGEST_GAP.
    """
    middle, start, slope = _start(segment, body, step, slopes)
    right = _track_one_way(range(middle, len(columns)), 1, start, slope, columns, strength, body, step, slopes)
    left = _track_one_way(range(middle, -1, -1), -1, start, slope, columns, strength, body, step, slopes)
    found = {**right, **left}
    seen = [column for column in sorted(found) if found[column][1]] or [middle]
    steps = list(range(seen[0], seen[-1] + 1))
    rows, hits = zip(*(found.get(column, (start, True)) for column in steps), strict=True)
    return np.array(steps), np.array(rows), np.array(hits)


def _start(segment: Segment, body: float, step: int, slopes: tuple[float, float, float]) -> tuple[int, float, float]:
    """The column in the middle of a segment, its row there, and its slope: near the usual one if it is short."""
    k, y = np.array(segment, float).T
    at, along, down = slopes
    usual = at + along * k.mean() + down * y.mean()
    apart = k - k.mean()
    trust = (USUAL_SLOPE * body / step) ** 2
    slope = usual + float(apart @ (y - y.mean() - usual * apart) / (apart @ apart + trust))
    middle = round(float(k.mean()))
    return middle, float(np.median(y + slope * (middle - k))), slope


def _track_one_way(
    way_columns: range,
    way: int,
    row: float,
    slope: float,
    columns: list[list[int]],
    strength: Field,
    body: float,
    step: int,
    slopes: tuple[float, float, float],
) -> dict[int, tuple[float, bool]]:
    """For each column that a line reaches: its row, and whether there is a peak."""
    at, along, down = slopes
    reach, steepest, largest_error = TRACK_REACH * body, STEEPEST_LINE * step, LARGEST_ERROR * body
    missing = 0
    found: dict[int, tuple[float, bool]] = {}
    for column in way_columns:
        row += way * slope if column != way_columns[0] else 0
        peaks = columns[column]
        near = peaks[bisect_left(peaks, row - reach) : bisect_right(peaks, row + reach)]
        missing = 0 if near else missing + 1
        if missing * step > LONGEST_GAP * body:
            break
        if near:
            costs = [abs(peak - row) / reach - 0.3 * min(float(strength[peak, column]), 1.5) for peak in near]
            error = near[costs.index(min(costs))] - row
            error = max(-largest_error, min(error, largest_error))
            row += ROW_GAIN * error
            slope += way * SLOPE_GAIN * error
            slope += USUAL_GAIN * (at + along * column + down * row - slope)
            slope = max(-steepest, min(slope, steepest))
        found[column] = (row, not missing)
    return found


# ---- paths of one line that broke at a jump, joined


class _Pieces:
    """Paths in a table, so that one can be compared with all others at once.

    Each row has the first and last column of a path and, for either end, the straight line through its last letters:
    a point (x, y) and the slope there.
    """

    START, END, START_X, START_Y, START_SLOPE, END_X, END_Y, END_SLOPE = range(8)

    def __init__(self, paths: list[Path], body: float) -> None:
        self.body = body
        self.paths = list(paths)
        self.table = np.full((2 * len(paths), 8), np.nan)  # each join adds one
        self.alive = np.zeros(2 * len(paths), bool)
        for number, path in enumerate(paths):
            self._enter(number, path)

    def _enter(self, number: int, path: Path) -> None:
        start, end = path[0][0], path[0][-1]
        self.table[number] = (start, end, *_end_of_path(path, start, self.body), *_end_of_path(path, end, self.body))
        self.alive[number] = True

    def join(self, one: int, other: int) -> int:
        """Replace two paths by one; -> its number. Where both have columns, those of the longer path count."""
        first, second = (self.paths[number] for number in sorted((one, other), key=lambda n: self.table[n, self.START]))
        cut = first[0][-1] if len(first[0]) >= len(second[0]) else second[0][0] - 1
        left, right = first[0] <= cut, second[0] > cut
        path = np.concatenate((first[0][left], second[0][right])), np.concatenate((first[1][left], second[1][right]))
        self.alive[[one, other]] = False
        self.paths.append(path)
        self._enter(len(self.paths) - 1, path)
        return len(self.paths) - 1

    def best_match(self, number: int) -> int | None:
        """The path that continues this one best, on either side."""
        known = len(self.paths)
        table, alive = self.table[:known], self.alive[:known].copy()
        alive[number] = False
        own = self.table[number]
        before = (table[:, self.START] < own[self.START]) & alive
        cost = np.full(known, np.inf)
        cost[before] = self._mismatch(table[before], own[None])
        cost[alive & ~before] = self._mismatch(own[None], table[alive & ~before])
        best = int(cost.argmin())
        return best if cost[best] < 1 else None

    def _mismatch(self, first: Rows, second: Rows) -> Rows:
        """How badly the second paths continue the first: 0 = perfectly, from 1 on they are not of one line."""
        gap = second[:, self.START] - first[:, self.END]
        middle = (first[:, self.END] + second[:, self.START]) / 2
        at_end = first[:, self.END_Y] + first[:, self.END_SLOPE] * (middle - first[:, self.END_X])
        at_start = second[:, self.START_Y] + second[:, self.START_SLOPE] * (middle - second[:, self.START_X])
        cost = np.abs(at_end - at_start) / (LARGEST_JUMP * self.body) + gap.clip(0) / (3 * LONGEST_GAP * self.body)
        shorter = np.minimum(first[:, self.END] - first[:, self.START], second[:, self.END] - second[:, self.START])
        too_far = gap > LONGEST_GAP * self.body
        beside = (-gap > 0.5 * shorter + self.body) | (second[:, self.END] <= first[:, self.END])
        impossible: Rows = np.where(too_far | beside, np.inf, cost)
        return impossible


def _end_of_path(path: Path, end: float, body: float) -> tuple[float, float, float]:
    """The straight line through the last letters at one end of a path: a point (x, y) and the slope."""
    near = np.abs(path[0] - end) <= LAST_LETTERS * body
    x, y = path[0][near], path[1][near]
    along = x - x.mean()
    slope = along @ (y - y.mean()) / (along @ along + 32 * body**2)  # level if they are too few to tell
    return float(x.mean()), float(y.mean()), float(slope)


def _join(paths: list[Path], body: float) -> list[Path]:
    """The paths, those of one line that broke at a jump joined: from the longest on, each with its best match."""
    pieces = _Pieces(sorted(paths, key=lambda path: -len(path[0])), body)
    for number in range(len(paths)):
        if not pieces.alive[number]:
            continue
        current = number
        while (match := pieces.best_match(current)) is not None:
            current = pieces.join(current, match)
    joined = range(len(pieces.paths) - 1, len(paths) - 1, -1)  # the last one first
    return [pieces.paths[number] for number in (*joined, *range(len(paths))) if pieces.alive[number]]


def _written(ink: Field, path: Path, body: float) -> list[Line]:
    """The path from the first to the last of its ink, a row for every column; in parts where it has a wide gap."""
    height, width = ink.shape
    x = np.arange(max(0, int(path[0][0] - body)), min(width, int(path[0][-1] + body) + 1))
    y = np.interp(x, *path) - 0.2 * body  # the ridge lies a little below the feet
    rows = (np.rint(y) + np.arange(-round(body), round(0.2 * body) + 1)[:, None]).clip(0, height - 1).astype(np.int64)
    amount = ink[rows, x].sum(axis=0)
    inked = np.flatnonzero(amount > 0.5)
    parts = np.split(inked, np.flatnonzero(np.diff(inked) > 6 * body) + 1)
    spans = [slice(part[0], part[-1] + 1) for part in parts if len(part)]
    lines = [Line(x[span], y[span], amount[span]) for span in spans]
    return [line for line in lines if len(line.x) >= 0.5 * body and line.ink.sum() >= 0.6 * body]


# ---- what is no line


def _sharpness(line: Line, ink: Field, body: float) -> float:
    """How suddenly ink begins and ends from row to row of the straight line that shows it best; print from 1 on.

    The letters of print begin and end in the same two rows. The bounds are those of 73 printed lines and 4,394 written
    ones of Copiste's training pages: of print 86 % are beyond, of handwriting 2.
    """
    rows, apart = np.arange(-round(1.6 * body), round(body) + 1)[:, None], max(3, round(0.35 * body))
    slope, start = np.polyfit(line.x, line.y, 1)
    best = 0.0
    for turn in (-0.004, -0.002, 0, 0.002, 0.004):
        y = start + slope * line.x + turn * (line.x - line.x.mean())
        profile = _sampled(ink, y + rows, line.x).mean(axis=1)
        steps = np.diff(profile) / max(float(profile.max()), 1e-6)
        edges = np.minimum(np.maximum.accumulate(steps)[:-apart], -steps[apart:]).max()
        best = max(best, min(float(edges) / 0.36, float(steps @ steps) / 0.9))
    return best


def _without_print(lines: list[Line], ink: Field, body: float) -> list[Line]:
    """The lines but those in letters much smaller than most, remains of rules among them, and those that look printed.

    What stands nearer to a printed line than writing would is of that print. All are kept when there is nothing else.
    """
    heights = [_letter_height(line, ink, body) for line in lines]
    usual = _height_of_most(lines, heights)
    large, printed = [], []
    for line, height in zip(lines, heights, strict=True):
        if height > (0.68 * usual if len(line.x) >= 6 * body else 0.3 * body):
            large.append(line)
        if len(line.x) >= 25 * body and _sharpness(line, ink, body) > (1.0 if height < 0.85 * usual else 1.15):
            printed.append(line)

    table = LineTable([*printed, *large])
    in_print = {id(line) for line in printed}
    for number, line in enumerate(table.lines[len(printed) :], len(printed)):
        shared, distance = table.shared(number)[: len(printed)], table.below(number)[: len(printed)]
        if ((shared > len(line.x) / 2) & (np.abs(distance) < 1.6 * body)).any():
            in_print.add(id(line))
    return [line for line in large if id(line) not in in_print] or lines


def _height_of_most(lines: list[Line], heights: list[float]) -> float:
    """The median of the lines' heights, that of each as often as the line is long; 0 where there is none."""
    return float(np.median(np.repeat(heights, [len(line.x) for line in lines]))) if lines else 0.0


def _letter_height(line: Line, ink: Field, body: float) -> float:
    """The rows above the baseline in which there is at least half as much ink as in the fullest."""
    rows = np.rint(line.y) + np.arange(-round(1.2 * body), round(0.3 * body) + 1)[:, None]
    profile = _box(ink[rows.clip(0, len(ink) - 1).astype(np.int64), line.x], round(3 * body), 0)  # (rows, columns)
    fullest = profile.argmax(axis=0)
    low = profile <= 0.5 * profile.max(axis=0)
    row = np.arange(len(profile))[:, None]
    top = np.where(low & (row < fullest), row, -1).max(axis=0)
    bottom = np.where(low & (row > fullest), row, len(profile)).min(axis=0)
    return float((bottom - top).mean())


def _without_scraps(lines: list[Line], ink: Field, body: float) -> list[Line]:
    """The lines but those too close to a longer one to be of their own, or hanging from it: bars of t, descenders."""
    pitch = _pitch(lines, body)
    table = LineTable(sorted(lines, key=lambda line: -len(line.x)))
    kept = np.zeros(len(lines), bool)
    for number, line in enumerate(table.lines):
        beside = kept & (table.covered(number, body) > 0.6) & (table.rows_between(number) < 1.3 * pitch)
        longer = (table.lines[other] for other in np.flatnonzero(beside))
        kept[number] = not any(_is_scrap(line, other, ink, body, pitch) for other in longer)
    return [line for line, keep in zip(table.lines, kept.tolist(), strict=True) if keep]


def _is_scrap(line: Line, other: Line, ink: Field, body: float, pitch: float) -> bool:
    """Whether a line is only a part of a longer one beside it."""
    both = (line.x >= other.x[0] - body) & (line.x <= other.x[-1] + body)
    distance = np.abs(line.y - np.interp(line.x, other.x, other.y))[both].mean()
    length = len(line.x)
    if length < 3 * body and distance < 1.3 * pitch and _hangs(line, other, ink, body):
        return True
    nearest = 0.75 if length < 6 * body else 0.6 if length < 0.6 * len(other.x) else 0.4
    return bool(distance < nearest * pitch)


def _hangs(line: Line, above: Line, ink: Field, body: float) -> bool:
    """Whether there is ink in every row between a scrap and the line above it: it is the foot of a long descender."""
    top, bottom = round(above.at(float(line.x.mean())) + 0.2 * body), round(float(line.y.mean()) - 0.3 * body)
    return top < bottom and bool((ink[top:bottom, line.x[0] : line.x[-1] + 1].max(axis=1) > WET).all())


def _pitch(lines: list[Line], body: float) -> float:
    """The usual distance of a long line from the nearest other long one."""
    table = LineTable([line for line in lines if len(line.x) > 12 * body])
    nearest = []
    for number in range(len(table.lines)):
        apart = np.abs(table.below(number)[table.shared(number) > 6 * body])  # 0 from itself
        apart = apart[apart > body]
        nearest += [float(apart.min())] if len(apart) else []
    return float(np.median(nearest)) if len(nearest) > 2 else 2.6 * body


def _shared(a: Line, b: Line) -> int:
    """The columns that both lines have; below 0, the columns between them."""
    return int(min(a.x[-1], b.x[-1]) - max(a.x[0], b.x[0]))


def _distance(a: Line, b: Line) -> float:
    """The rows between two lines, in the middle of the columns they share."""
    middle = (max(a.x[0], b.x[0]) + min(a.x[-1], b.x[-1])) / 2
    return abs(a.at(middle) - b.at(middle))


# ---- outlines: the seams above and below each line, in every second column


@dataclass(frozen=True)
class _Feet:
    """The baselines of all lines at the columns of a grid, one line after the other."""

    x: NDArray[np.int64]  # (columns,) of the grid
    column: NDArray[np.int64]  # (n,): index into x
    row: Rows  # (n,)
    begin: NDArray[np.int64]  # (lines + 1,): line i has the feet begin[i] to begin[i + 1]

    @classmethod
    def of(cls, lines: list[Line], width: int, margin: int) -> Self:
        """Each line, longer by `margin` pixels at either end."""
        x = np.arange(0, width, GRID_STEP)
        columns = [np.flatnonzero((x >= line.x[0] - margin) & (x <= line.x[-1] + margin)) for line in lines]
        rows = [np.interp(x[on], line.x, line.y) for on, line in zip(columns, lines, strict=True)]
        return cls(x, np.concatenate(columns), np.concatenate(rows), np.cumsum([0, *map(len, columns)]))

    def gaps(self, least: float) -> tuple[Rows, Rows]:
        """(n,), (n,): the rows to the next line above, and below, that is more than `least` away; inf if none is."""
        height = float(np.ptp(self.row)) + 2 * least + 1
        key = self.column * height + (self.row - self.row.min() + least)  # sorts by column, then row
        order = np.argsort(key)
        ends = np.array([-1])  # stands for no line
        around = np.concatenate((ends, order, ends))
        below = around[np.searchsorted(key[order], key + least, side="right") + 1]
        above = around[np.searchsorted(key[order], key - least, side="left")]
        return self._distance(above), self._distance(below)

    def _distance(self, other: NDArray[np.int64]) -> Rows:
        known = (other >= 0) & (self.column[other] == self.column)
        distance: Rows = np.where(known, np.abs(self.row[other] - self.row), np.inf)
        return distance


def _outlines(ink: Field, lines: list[Line], body: float) -> list[Rows]:
    """The polygon (N, 2) of each line: between two seams, drawn in to its ink."""
    margin = round(0.7 * body)
    feet = _Feet.of(lines, ink.shape[1], margin)
    above, below = feet.gaps(0.4 * body)
    # A seam passes two fifths of the way down to the next line: ascenders are longer than descenders.
    upper = _seams(ink, feet, (-3 * body, -0.7 * body), -0.62, above, 3.7 * body, -above + 0.2 * body)
    lower = _seams(ink, feet, (0.1 * body, 2.2 * body), 0.38, below, 3.4 * body, below - 0.9 * body)
    parts = [slice(first, last) for first, last in itertools.pairwise(feet.begin.tolist())]
    return [
        _polygon(ink, feet.x[feet.column[part]], feet.row[part], upper[part], lower[part], body, margin)
        for part in parts
    ]


def _polygon(ink: Field, x: NDArray[np.int64], foot: Rows, top: Rows, bottom: Rows, body: float, margin: int) -> Rows:
    """The outline (N, 2) around the ink of a line between its seams, `top` and `bottom` rows from its `foot`."""
    v = np.arange(round(-3 * body), round(2.2 * body) + 1)[:, None]
    wet = _sampled(ink, foot + v, x) > WET
    wet &= (v >= top) & (v <= bottom)
    high = np.where(wet, v, -0.7 * body).min(axis=0)
    low = np.where(wet, v, 0.1 * body).max(axis=0)
    high = np.maximum(-_widest(-high, margin // GRID_STEP) - 0.15 * body, top)
    low = np.minimum(_widest(low, margin // GRID_STEP) + 0.15 * body, bottom)
    few = np.r_[0 : len(x) - 1 : 3, len(x) - 1]
    above, under = (np.column_stack((x, foot + edge))[few] for edge in (high, low))
    return np.concatenate((above, under[::-1]))


def _seams(
    ink: Field, feet: _Feet, between: tuple[float, float], share: float, gap: Rows, widest: float, limit: Rows
) -> Rows:
    """The seam (n,) above or below each line, in rows from its feet, that crosses the least ink `between` two rows.

    It keeps near a `share` of the `gap` (n,) to the next line, or of the `widest` gap, and on the line's own side of
    the `limit` (n,).
    """
    v = np.arange(round(between[0]), round(between[1]) + 1)
    wanted = share * gap.clip(0, widest)
    lengths, seams = np.diff(feet.begin), np.zeros(len(feet.row))
    left = feet.column[feet.begin[:-1]]  # (lines,): columns beside each line
    right = len(feet.x) - left - lengths
    beside = _costs_beside((0.002 * np.abs(v - share * widest)).astype(np.float32), max(left.max(), right.max()))
    for group in _groups(lengths, SEAM_CELLS // len(v)):
        length = lengths[group]
        at = feet.begin[group] + np.minimum(np.arange(length.max())[:, None], length - 1)  # (columns, lines)
        cost = _sampled(ink, feet.row[at][..., None] + v, feet.x[feet.column[at]][..., None])  # (columns, lines, rows)
        cost = cost + 0.002 * np.abs(v - wanted[at][..., None])
        beyond = v < limit[at][..., None] if share < 0 else v > limit[at][..., None]
        cost = (cost + 2.0 * beyond).astype(np.float32)
        seams[at] = v[_cheapest(cost, length - 1, beside[left[group]], beside[right[group]])]
    return seams


def _groups(lengths: NDArray[np.int64], cells: int) -> Iterator[NDArray[np.int64]]:
    """The numbers of lines of like length, in groups that are worked on at once and bound the memory this takes."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        count = max(1, cells // int(lengths[order[0]]))
        yield order[:count]
        order = order[count:]


MOVES = np.arange(-2, 3)  # rows that a seam may move by from one column to the next


def _costs_beside(cost: Field, columns: int) -> Field:
    """What up to so many columns beside a line cost a seam that comes from there, or goes there: (columns + 1, rows).

    There is no ink; each row costs what `cost` (rows,) says.
    """
    beside = [np.zeros_like(cost)]
    for _ in range(columns):
        beside.append(_moved((beside[-1] + cost)[None])[0][0])
    return np.stack(beside)


def _moved(total: Field) -> tuple[Field, NDArray[np.int64]]:
    """The least cost (lines, rows) of the next column's rows, before their own, and the move that leads there."""
    count = total.shape[1]
    padded = np.full((len(total), count + 4), np.inf, np.float32)
    padded[:, 2:-2] = total
    choices = np.empty((len(MOVES), *total.shape), np.float32)
    for choice, move in zip(choices, MOVES.tolist(), strict=True):
        np.add(padded[:, 2 + move : 2 + move + count], np.float32(0.02 * abs(move)), out=choice)
    return choices.min(axis=0), choices.argmin(axis=0)


def _cheapest(cost: Field, last: NDArray[np.int64], before: Field, after: Field) -> NDArray[np.int64]:
    """The rows (columns, lines) of the cheapest way through `cost` (columns, lines, rows), by dynamic programming.

    A line ends at its column `last` (lines,). before, after: (lines, rows), the cost of what lies beside it.
    """
    came = np.zeros(cost.shape, np.int8)
    total = cost  # of the way up to each place
    total[0] += before
    for column in range(1, len(cost)):
        least, came[column] = _moved(total[column - 1])
        total[column] += least
    lines = np.arange(len(last))
    place = (total[last, lines] + after).argmin(axis=1)
    places = np.empty(cost.shape[:2], np.int64)
    for column in range(len(cost) - 1, -1, -1):
        places[column] = place
        place = np.where(column <= last, place + MOVES[came[column, lines, place]], place)
    return places


def _sampled(ink: Field, rows: Rows, columns: NDArray[np.int64]) -> Field:
    """The ink at real-valued rows (..., n) of the columns (n,); none above and below the page."""
    whole = np.rint(rows).astype(np.int64)
    inside = (whole >= 0) & (whole < len(ink))
    return np.where(inside, ink[whole.clip(0, len(ink) - 1), columns], np.float32(0))


def _widest(values: Rows, radius: int) -> Rows:
    """The largest of the values up to `radius` places away."""
    padded = np.pad(values, radius, mode="edge")
    largest: Rows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1).max(axis=1)
    return largest


def _thinned(line: Line, body: float) -> Rows:
    """The baseline as few points (N, 2): one every two letters' heights."""
    count = max(2, round(len(line.x) / (2 * body)) + 1)
    x = np.linspace(line.x[0], line.x[-1] + 1, count)
    return np.column_stack((x, np.interp(x, line.x, line.y)))


def _on_page(points: Rows, to_page: Rows) -> Points:
    """Points (N, 2) of the level copy on the page, to a tenth of a pixel; at its edge where they lie beyond."""
    moved = np.column_stack((points, np.ones(len(points)))) @ to_page.T
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in moved)


# ---- reading order


def _columns(lines: list[Line], pitch: float) -> list[list[Line]]:
    """The lines in reading order, those of one column together, from its top."""
    table = LineTable(lines)
    above = [_nearest(table, number, -1) for number in range(len(lines))]
    below = [_nearest(table, number, 1) for number in range(len(lines))]
    columns: list[list[int]] = []
    column_of: dict[int, int] = {}
    for number in sorted(range(len(lines)), key=lambda number: float(lines[number].y.mean())):
        before = above[number]
        follows = before is not None and below[before] == number
        # Where lines cross, the one above may come later.
        column = column_of.get(before) if before is not None and follows else None
        if column is None:
            column = len(columns)
            columns.append([])
        columns[column].append(number)
        column_of[number] = column
    for index, column_lines in enumerate(columns):  # a piece of a line, or two, beside the column that goes on below
        after = below[column_lines[-1]] if 0 < len(column_lines) <= 2 else None
        host = column_of[after] if after is not None else index
        if host != index and len(columns[host]) > len(column_lines):
            columns[host].extend(column_lines)
            column_of.update(dict.fromkeys(column_lines, host))
            column_lines.clear()
    found = [[lines[number] for number in column] for column in columns if column]
    return _ordered([_rows_in_order(column, pitch) for column in found])


def _nearest(table: LineTable, number: int, way: int) -> int | None:
    """The nearest line below (way = 1) or above (-1) that shares a third of the columns of the shorter one."""
    lengths = table.last - table.first + 1
    distance = way * table.below(number)
    fits = (table.shared(number) > np.minimum(lengths, lengths[number]) / 3) & (distance > 0)
    return int(np.where(fits, distance, np.inf).argmin()) if fits.any() else None


def _rows_in_order(column: list[Line], pitch: float) -> list[Line]:
    """The lines of a column from its top, those that stand side by side from the left."""
    rows: list[list[Line]] = []
    for line in sorted(column, key=lambda line: float(line.y.mean())):
        beside = rows and all(_shared(line, other) <= 0 for other in rows[-1])
        if beside and abs(line.y.mean() - rows[-1][-1].y.mean()) < pitch / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: int(line.x[0]))]


def _ordered(columns: list[list[Line]]) -> list[list[Line]]:
    """Columns in reading order: what is above comes before what is below it, left before right (after Breuel 2003)."""
    boxes = [LineTable(column) for column in columns]
    spans = [(float(b.top.min()), float(b.bottom.max()), float(b.first.min()), float(b.last.max())) for b in boxes]
    order = sorted(range(len(columns)), key=lambda number: spans[number][:2])
    before = _comes_before(np.array([spans[number] for number in order]))
    np.fill_diagonal(before, False)
    waits_for = before.sum(axis=0)  # columns that come before each one
    free = np.flatnonzero(waits_for == 0).tolist()
    left = dict.fromkeys(range(len(columns)))
    chosen = []
    while left:
        place = heappop(free) if free else next(iter(left))  # what comes before itself is read from the top
        if place not in left:
            continue
        del left[place]
        chosen.append(columns[order[place]])
        waits_for -= before[place]
        for follower in np.flatnonzero(before[place] & (waits_for == 0)).tolist():
            heappush(free, follower)
    return chosen


def _comes_before(spans: Rows) -> Wet:
    """Which column is read before which: (n, n), for spans (n, 4), sorted: the top, bottom, left and right of each."""
    top, bottom, left, right = spans.T

    def overlap(first: Rows, last: Rows) -> Wet:
        shared = np.minimum(last[:, None], last) - np.maximum(first[:, None], first)
        lengths = last - first
        overlapping: Wet = shared > 0.1 * np.minimum(lengths[:, None], lengths)
        return overlapping

    above = np.triu(np.ones((len(spans), len(spans)), bool), 1)
    above &= (top[:, None] != top) | (bottom[:, None] != bottom)
    further_left = (left[:, None] < left) | ((left[:, None] == left) & (right[:, None] < right))
    before: Wet = np.where(overlap(left, right), above, overlap(top, bottom) & further_left)
    return before


def _paragraphs(column: list[Line], pitch: float) -> list[list[Line]]:
    """A column, cut where the lines stand farther apart than usual."""
    paragraphs = [column[:1]]
    for above, line in itertools.pairwise(column):
        if _shared(above, line) > 0 and _distance(above, line) > 1.5 * pitch:
            paragraphs.append([])
        paragraphs[-1].append(line)
    return paragraphs
