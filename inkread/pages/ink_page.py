"""A page of pen strokes becomes its lines, in reading order.

Strokes that follow one another in time and place form chunks, most often words. Chunks beside one another at the same
height are linked to lines, whether one was written after the other or was added later. Dots and bars go to the chunk
nearest to them. So lines may be written in any order, in columns, slanted, or in several sizes. benchmarks/ink_pages.py
measures this. Finding the lines of a drawing of the page, as on a scan, was worse and took longer.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkread.document.elements import Points
from inkread.features.ink import SWING, baseline_and_x_height, joined, rotate, slope, turning_points
from inkread.features.ink_lines import split_lines
from inkread.inputs.ink import Stroke, TypedText
from inkread.pages.baselines import USUAL_DISTANCE, Baseline, line_distance
from inkread.pages.reading_order import order_lines
from inkread.pages.regions import Region

# Lengths are in x-heights. Those without another source were chosen on pages of UNIPEN's writers for training.
STROKE_HEIGHT = 1.6  # of most strokes that are not dots: single letters have 1 to 2, joined words 2 to 3
DOT = 0.2  # share of the height of most strokes: smaller ones say nothing about the size of the letters

# Drawings
LONGEST_BAR = 8.0  # a longer straight stroke is a rule, an arrow or underlines
TALLER = 1.5  # drawings are so much taller, or wider, than most strokes
STRAIGHT = 0.04  # share of its length: so far from the straight way between its ends is a straight stroke at most
FRAME = 5.0  # a stroke higher and wider than this, or a closed one on one side, is a frame if it turns seldom
CLOSED = 0.05  # share of its length: the ends of a closed stroke are nearer than this
SHAPE_POINTS, SHAPE_EDGE = 6, 3.0  # so few points so far apart are a shape made with a ruler, such as an arrow
FRAME_TURNS = 4  # times at most that it turns up or down

# Chunks
SMALL = 0.6  # flatter strokes are dots, bars and accents: they do not begin a word
CORE = 0.5  # from the middle of a chunk, up and down: what overlaps this is at the same height
LETTER_SPACE = 1.3  # between the strokes of a chunk, from side to side
ACCENT_SPACE = 1.2  # between a chunk and a dot above or a comma below it
FARTHEST_DOT = 3.0  # a dot farther from all chunks is a trace of the hand, and left out
SMALLEST, LARGEST = 0.5, 4.0  # x-heights of a chunk, in those of the page: the few letters of a word may mislead

# The slope of the page
STEEPEST = 25  # degrees: chunks that follow one another more steeply are not words of a line
LONG_WORD = 6.0  # the slope of a longer word shows that of the page
LEVEL = 4.0  # words of this length count for a level page, so that two or three words do not turn it

# Links between chunks
SAME_HEIGHT = 0.9  # between the middles of two chunks of a line; lines are 2.5 or more apart
NEXT_HEIGHT = 1.6  # ... if the second one was written at once after the first, with a usual space
NEAR_WORD = 6.0  # a wider space than this is more than one between words
NEXT_WORD = 12.0  # to the next chunk of a line, if it was written next,
ADDED_WORD = 3.0  # ... and if not: columns are farther apart
OVERLAP = 2.0  # by which slanted words may overlap
UP_AND_DOWN = 2.0  # how much more a difference of heights counts than a space, in choosing the next chunk
END_CHUNKS = 3  # at the end of a line, of which the mean height counts
SCRAP_WIDTH, SCRAP_HEIGHT = 3.0, 2.0  # a smaller part near a line is a comma, an accent or a bar of it
SCRAP_DISTANCE = 2.3  # ... if it is so near
MOST_ROUNDS = 8  # of linking: usual pages take three
# Strokes of a page, neighbours of a chunk and parts of lines that are compared, so that the time is limited: a full
# page has two or three thousand strokes.
MOST_STROKES, MOST_NEIGHBOURS, MOST_PARTS = 10_000, 20, 3000

MOST_COLUMNS = 100_000  # of a page: strokes far apart must not fill the memory
PAGE_PER_PIXEL = 700  # a page of so many pixels, on its longer side, is drawn with lines one pixel wide
BASELINE_STEP = 10.0  # columns of a baseline per x-height, as in a drawing with letters of that many pixels


Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class InkLine:
    """A line of a page and where it is, in the units of the ink: strokes in the order of reading, or typed text."""

    strokes: tuple[Stroke, ...]
    region: Region
    typed: str | None = None


@dataclass
class _Chunk:
    """Strokes by their numbers, most often a word, on the level page; also the dots and bars above it."""

    place: int  # in the order of time
    numbers: list[int]
    left: float
    top: float
    right: float
    bottom: float
    baseline: float = 0.0
    x_height: float = 0.0

    @property
    def middle(self) -> float:
        return self.baseline - self.x_height / 2

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2

    @property
    def width(self) -> float:
        return self.right - self.left


def find_ink_lines(strokes: Sequence[Stroke], typed: Sequence[TypedText] = ()) -> list[list[InkLine]]:
    """The lines of a page: paragraphs in reading order, each with its lines from the top.

    Rules, frames and other drawings are left out. Lines of typed text take their place among those of the pen.
    """
    x_height = _usual_x_height(strokes) if strokes else 1.0
    x_height = _mean_x_height(_chunks(strokes, x_height)[0], x_height)
    tall = _height_of_most(strokes) if strokes else 0.0
    strokes = [stroke for stroke in strokes if not _is_drawing(stroke, x_height, tall)]
    if not strokes:
        x_height = float(np.median([text.bottom - text.top for text in typed])) / 2 if typed else 1.0
    if len(strokes) > MOST_STROKES:
        return _lines_in_time(strokes, x_height)
    angle = _skew(_chunks(strokes, x_height)[0], strokes, x_height)
    level = rotate(strokes, -angle)
    chunks, small = _chunks(level, x_height)
    parts = _link(chunks, x_height)
    _add_small(parts, small, level, x_height)
    lines = [InkLine(_in_order(part, strokes), _region(part, level, angle)) for part in parts]
    lines += [InkLine((), Region(text.corners, text.corners[:1:-1]), text.text) for text in typed]
    return _ordered(lines, angle, x_height)


def _lines_in_time(strokes: Sequence[Stroke], x_height: float) -> list[list[InkLine]]:
    """The lines in the order in which they were written, for more strokes than are compared with one another."""
    lines = []
    for line in split_lines(strokes):
        points = np.concatenate(line)
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        chunk = _Chunk(0, list(range(len(line))), left, top, right, bottom, baseline_and_x_height(line)[0], x_height)
        lines.append(InkLine(tuple(line), _region([chunk], line, 0.0)))
    return [lines]


def _boxes(strokes: Sequence[Stroke]) -> NDArray[np.float64]:
    """The left, top, right and bottom of each stroke: (strokes, 4)."""
    points, firsts = joined(strokes)
    return np.column_stack([edge.reduceat(points, firsts) for edge in (np.minimum, np.maximum)])


def _usual_x_height(strokes: Sequence[Stroke]) -> float:
    """The x-height of most of the writing, roughly, in the units of the ink; more than 0."""
    boxes = _boxes(strokes)
    sizes = boxes[:, 2:] - boxes[:, :2]  # (strokes, 2)
    heights = sizes[:, 1]
    high = heights[heights >= DOT * np.percentile(heights, 75)]
    return float(np.median(high)) / STROKE_HEIGHT or float(sizes.max()) or 1.0


def _mean_x_height(chunks: Sequence[_Chunk], x_height: float) -> float:
    """The x-height of half of the writing, from an estimate: that of words is more exact than that of strokes."""
    found = sorted((chunk.x_height, chunk.width + chunk.x_height) for chunk in chunks)
    reached = np.cumsum([weight for _, weight in found])
    return found[int(np.searchsorted(reached, reached[-1] / 2))][0] if found else x_height


def _height_of_most(strokes: Sequence[Stroke]) -> float:
    """The height, in the units of the ink, that nine of ten strokes have at most, dots left out."""
    boxes = _boxes(strokes)
    heights = boxes[:, 3] - boxes[:, 1]
    return float(np.percentile(heights[heights >= DOT * np.percentile(heights, 75)], 90))


def _is_drawing(stroke: Stroke, x_height: float, tall: float) -> bool:
    """Whether a stroke is a rule, a frame or another drawing rather than writing, most of which is at most so tall."""
    width, height = np.ptp(stroke, axis=0)
    if max(width, height) < max(min(LONGEST_BAR, FRAME) * x_height, TALLER * tall):
        return False
    way = stroke[-1] - stroke[0]
    length = float(np.hypot(*way))
    if length > LONGEST_BAR * x_height:
        across = (stroke - stroke[0]) @ np.array([-way[1], way[0]]) / length
        if np.abs(across).max() < STRAIGHT * length:
            return True
    edges = np.hypot(*np.diff(stroke, axis=0).T)
    if len(stroke) <= SHAPE_POINTS and np.median(edges) > SHAPE_EDGE * x_height:
        return True
    is_closed = length < CLOSED * edges.sum()
    if max(width, height) < FRAME * x_height or (min(width, height) < FRAME * x_height and not is_closed):
        return False
    bottoms, tops = turning_points([stroke], SWING * float(height))
    return len(bottoms) + len(tops) <= FRAME_TURNS


# ---- chunks


def _chunks(strokes: Sequence[Stroke], x_height: float) -> tuple[list[_Chunk], list[int]]:
    """Strokes that follow one another in time and place, and the numbers of the small ones that are beside none."""
    chunks: list[_Chunk] = []
    small: list[int] = []
    last = 0  # the last stroke that was not small
    boxes = [(left, top, right, bottom) for left, top, right, bottom in _boxes(strokes).tolist()] if strokes else []
    middles = [median(stroke[:, 1].tolist()) for stroke in strokes]
    for number, box in enumerate(boxes):
        left, top, right, bottom = box
        is_small = bottom - top < SMALL * x_height and right - left < LONGEST_BAR * x_height
        chunk = chunks[-1] if chunks else None
        if chunk and (
            _is_near(chunk, box, x_height) if is_small else _continues(boxes[last], middles[last], box, x_height)
        ):
            chunk.numbers.append(number)
            chunk.left, chunk.right = min(chunk.left, left), max(chunk.right, right)
            if not is_small:
                chunk.top, chunk.bottom = min(chunk.top, top), max(chunk.bottom, bottom)
        elif is_small:
            small.append(number)
        else:
            chunks.append(_Chunk(len(chunks), [number], *box))
        last = last if is_small else number
    for chunk in chunks:
        chunk.baseline, height = baseline_and_x_height([strokes[number] for number in chunk.numbers])
        chunk.x_height = float(np.clip(height, SMALLEST * x_height, LARGEST * x_height))
    return chunks, small


def _is_near(chunk: _Chunk, box: Box, x_height: float) -> bool:
    """Whether a small stroke with this box is beside, above or below a chunk."""
    left, top, right, bottom = box
    across, down = LETTER_SPACE * x_height, ACCENT_SPACE * x_height
    beside = left < chunk.right + across and right > chunk.left - across
    return beside and top < chunk.bottom + down and bottom > chunk.top - down


def _continues(last: Box, middle: float, box: Box, x_height: float) -> bool:
    """Whether a stroke with this box is beside the last one, at the same height; `middle` is the median of its y."""
    left, top, right, bottom = box
    beside = left < last[2] + LETTER_SPACE * x_height and right > last[0] - LETTER_SPACE * x_height
    return beside and top < middle + CORE * x_height and bottom > middle - CORE * x_height


def _skew(chunks: Sequence[_Chunk], strokes: Sequence[Stroke], x_height: float) -> float:
    """The angle, in radians, by which lines descend to the right: the weighted median over words and the ways between.

    Longer ones count more, as they show the angle better.
    """
    found = [
        (float(np.arctan2(other.middle - chunk.middle, other.center - chunk.center)), other.center - chunk.center)
        for chunk, other in pairwise(chunks)
        if other.left - chunk.right < NEXT_WORD * x_height and other.center - chunk.center > x_height
    ]
    for chunk in chunks:
        if chunk.width > LONG_WORD * x_height:
            angle = slope([strokes[number] for number in chunk.numbers])
            found += [(angle, chunk.width)] if angle else []  # it is 0 where the word is too short
    found = sorted(each for each in found if abs(each[0]) < np.radians(STEEPEST))
    found = sorted([*found, (0.0, LEVEL * x_height)])
    reached = np.cumsum([weight for _, weight in found])
    return found[int(np.searchsorted(reached, reached[-1] / 2))][0]


# ---- lines


def _link(chunks: list[_Chunk], x_height: float) -> list[list[_Chunk]]:
    """The lines that chunks form, from left to right. What was linked is longer, and its height is better known."""
    lines = [[chunk] for chunk in chunks]
    for _ in range(MOST_ROUNDS):
        count = len(lines)
        lines = _absorb(_link_once(lines, x_height), x_height)
        if len(lines) == count:
            break
    return lines


def _link_once(lines: list[list[_Chunk]], x_height: float) -> list[list[_Chunk]]:
    """Link each part of a line to the next part if each is the other's nearest."""
    begins, ends = [_end(line) for line in lines], [_end(line[::-1]) for line in lines]
    rows: dict[int, list[int]] = defaultdict(list)  # numbers of lines that begin at one height, from the left
    for number, begin in sorted(enumerate(begins), key=lambda item: item[1].left):
        rows[round(begin.middle / x_height)].append(number)
    lefts = {row: [begins[number].left for number in numbers] for row, numbers in rows.items()}
    nexts: dict[int, tuple[float, int]] = {}
    befores: dict[int, tuple[float, int]] = {}
    for number, end in enumerate(ends):
        reach, row = int(np.ceil(NEXT_HEIGHT * max(end.x_height / x_height, 1))), round(end.middle / x_height)
        for near in range(row - reach, row + reach + 1):
            first = bisect_left(lefts.get(near, []), end.left - OVERLAP * x_height)
            for other in rows.get(near, [])[first : first + MOST_NEIGHBOURS]:
                cost = _cost(end, begins[other]) if other != number else None
                if cost is not None:
                    nexts[number] = min(nexts.get(number, (cost, other)), (cost, other))
                    befores[other] = min(befores.get(other, (cost, number)), (cost, number))
    follows = {number: other for number, (_, other) in nexts.items() if befores[other][1] == number}
    linked = []
    for number in sorted(set(range(len(lines))) - set(follows.values())):
        line = list(lines[number])
        while number in follows:
            number = follows[number]
            line += lines[number]
        linked.append(line)
    return linked


def _end(line: Sequence[_Chunk]) -> _Chunk:
    """The first chunk of a line, its height and size averaged with those that follow it."""
    near = line[:END_CHUNKS]
    weights = [chunk.width + chunk.x_height for chunk in near]  # more than 0
    baseline, x_height = (
        sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
        for values in ([chunk.baseline for chunk in near], [chunk.x_height for chunk in near])
    )
    return replace(line[0], baseline=baseline, x_height=x_height)


def _cost(chunk: _Chunk, other: _Chunk) -> float | None:
    """How far the other chunk is from being the next one of the line; None if it cannot be."""
    x_height = max(chunk.x_height, other.x_height)
    space, down = (other.left - chunk.right) / x_height, abs(other.middle - chunk.middle) / x_height
    is_next = other.place == chunk.place + 1
    if other.center <= chunk.center or space > (NEXT_WORD if is_next else ADDED_WORD):
        return None
    if down > (NEXT_HEIGHT if is_next and space < NEAR_WORD else SAME_HEIGHT):
        return None
    return max(space, 0.0) + UP_AND_DOWN * down


def _absorb(lines: list[list[_Chunk]], x_height: float) -> list[list[_Chunk]]:
    """Add what was written later, inside of a longer line: words, and bars and accents that are no words."""
    if len(lines) > MOST_PARTS:
        return lines
    kept: list[list[_Chunk]] = []
    for line in sorted(lines, key=lambda line: line[0].left - line[-1].right):  # the longest first
        width = line[-1].right - line[0].left
        height = max(chunk.bottom for chunk in line) - min(chunk.top for chunk in line)
        is_scrap = width < SCRAP_WIDTH * x_height and height < SCRAP_HEIGHT * x_height
        reach = (SCRAP_DISTANCE if is_scrap else SAME_HEIGHT) * x_height
        center, middle = line[0].left + width / 2, float(np.mean([chunk.middle for chunk in line]))
        around = [other for other in kept if other[0].left - reach < center < other[-1].right + reach]
        distances = [abs(_middle_at(other, center) - middle) for other in around]
        if not distances or min(distances) > reach:
            kept.append(line)
            continue
        owner = around[distances.index(min(distances))]
        if is_scrap:
            nearest = min(owner, key=lambda chunk: abs(chunk.center - center))
            nearest.numbers += [number for chunk in line for number in chunk.numbers]
        else:
            owner[:] = sorted(owner + line, key=lambda chunk: chunk.center)
    # Scraps no longer count in the order of time.
    for place, chunk in enumerate(sorted((chunk for line in kept for chunk in line), key=lambda chunk: chunk.place)):
        chunk.place = place
    return kept


def _middle_at(line: Sequence[_Chunk], x: float) -> float:
    return float(np.interp(x, [chunk.center for chunk in line], [chunk.middle for chunk in line]))


def _add_small(lines: list[list[_Chunk]], small: list[int], strokes: Sequence[Stroke], x_height: float) -> None:
    """Add dots, bars and accents that were made later to the chunk nearest to them. On their own, they are a line."""
    if not lines and small:
        points = np.concatenate([strokes[number] for number in small])
        (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        lines.append([_Chunk(0, small, left, top, right, bottom, bottom, x_height)])
        return
    chunks = [chunk for line in lines for chunk in line]
    boxes = np.array([[chunk.left, chunk.top, chunk.right, chunk.bottom] for chunk in chunks]).reshape(-1, 4)
    for number in small:
        x, y = ((strokes[number].min(axis=0) + strokes[number].max(axis=0)) / 2).tolist()
        across = np.maximum(np.maximum(boxes[:, 0] - x, x - boxes[:, 2]), 0)
        down = np.maximum(np.maximum(boxes[:, 1] - y, y - boxes[:, 3]), 0)
        distances = np.hypot(across, down)
        near = np.argsort(distances, kind="stable")[:MOST_NEIGHBOURS]
        near = near[distances[near] < FARTHEST_DOT * x_height]
        if len(near):
            nearest = min(near, key=lambda index: _distance(chunks[index], strokes, x, y))
            chunks[nearest].numbers.append(number)


def _distance(chunk: _Chunk, strokes: Sequence[Stroke], x: float, y: float) -> float:
    return min(float(np.hypot(*(strokes[number] - [x, y]).T).min()) for number in chunk.numbers)


def draw_page(strokes: Sequence[Stroke], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Strokes at their places on a white page (height, width) uint8, to look at."""
    image = Image.new("L", size, 255)
    brush = ImageDraw.Draw(image)
    width = max(1, round(max(size) / PAGE_PER_PIXEL))
    for stroke in strokes:
        brush.line([*stroke.ravel().tolist(), *(stroke[-1] + [1, 0]).tolist()], fill=0, width=width, joint="curve")
    return np.asarray(image)


# ---- the result


def _in_order(line: Sequence[_Chunk], strokes: Sequence[Stroke]) -> tuple[Stroke, ...]:
    """The strokes of a line: chunks from left to right, those of a chunk in the order of time."""
    return tuple(strokes[number] for chunk in line for number in sorted(chunk.numbers))


def _region(line: Sequence[_Chunk], level: Sequence[Stroke], angle: float) -> Region:
    """Where a line is on the page as it was written: a box along the line, and the baseline through its chunks."""
    points = np.concatenate([level[number] for chunk in line for number in chunk.numbers])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    x = np.array([left, *sorted({chunk.center for chunk in line if left < chunk.center < right}), right])
    y = np.interp(x, [chunk.center for chunk in line], [chunk.baseline for chunk in line])
    polygon, baseline = rotate([corners, np.column_stack([x, y])], angle)
    return Region(_as_points(polygon), _as_points(baseline))


def _as_points(points: NDArray[np.float64]) -> Points:
    return tuple((float(x), float(y)) for x, y in points)


def _ordered(lines: Sequence[InkLine], angle: float, x_height: float) -> list[list[InkLine]]:
    """Lines as paragraphs in reading order; see `reading_order`, which works on level pages."""
    if not lines:
        return []
    points = np.concatenate([line.region.baseline for line in lines])
    scale = min(BASELINE_STEP / x_height, MOST_COLUMNS / max(float(np.ptp(points, axis=0).max()), x_height))
    baselines = [_columns(rotate([np.array(line.region.baseline)], -angle)[0] * scale) for line in lines]
    line_at = {id(baseline): line for baseline, line in zip(baselines, lines, strict=True)}
    distance = line_distance(baselines) if len(lines) > 1 else USUAL_DISTANCE * BASELINE_STEP
    return [[line_at[id(baseline)] for baseline in paragraph] for paragraph in order_lines(baselines, distance)]


def _columns(points: NDArray[np.float64]) -> Baseline:
    """A baseline with a row for each whole column."""
    x = np.arange(round(points[0, 0]), max(round(points[-1, 0]), round(points[0, 0]) + 1) + 1)
    return Baseline(x, np.interp(x, *points.T), BASELINE_STEP)
