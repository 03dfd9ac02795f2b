"""Where a line is on its page, and how it is cut out and straightened."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkread.document.elements import Points
from inkread.errors import BadInput

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MARGIN = 0.1  # of a line's height: so much around its polygon is cut out with it


@dataclass(frozen=True)
class Region:
    """Where one line is on its page: x to the right, y down, in pixels of the upright page.

    `polygon` is the outline around the ink. `baseline` runs along the feet of the letters; it is empty when a file
    gives none. `page_size` is the width and height of the page according to the file: its coordinates may be for a
    smaller copy of the scan, or in other units than pixels. None means pixels of the image.
    """

    polygon: Points
    baseline: Points = ()
    page_size: tuple[float, float] | None = None

    def fitted(self, width: int, height: int) -> "Region":
        """The same region in pixels of an image of that size, always with a baseline."""
        across, down = (width / self.page_size[0], height / self.page_size[1]) if self.page_size else (1.0, 1.0)
        polygon, baseline = (
            tuple((float(x * across), float(y * down)) for x, y in points)
            for points in (self.polygon, self.baseline or _lower_edge(self.polygon))
        )
        return Region(polygon, baseline)


@dataclass(frozen=True)
class Cut:
    """The image of a line that was cut from its page and straightened, and where on the page its columns were."""

    image: Grey  # (h, w), the baseline straight and level
    baseline: Floats  # (w, 2): for each column, the x and y of the baseline on the page
    down: Floats  # (2,): the unit vector on the page along a column, from its top to its bottom
    baseline_row: int  # the row of the baseline in the image

    def outline(self, left: float, right: float) -> Points:
        """The corners on the page, clockwise from the upper left, of the columns from `left` to `right`."""
        last = len(self.baseline) - 1
        first, second = (self.baseline[round(min(max(column, 0), last))] for column in (left, right))
        above, below = -self.baseline_row * self.down, (len(self.image) - self.baseline_row) * self.down
        corners = (first + above, second + above, second + below, first + below)
        return tuple((float(x), float(y)) for x, y in corners)


def cut_line(page: Grey, region: Region) -> Grey:
    """One line of a page (H, W) as an image (h, w), straight and level; see `cut_out`."""
    return cut_out(page, region).image


def cut_out(page: Grey, region: Region) -> Cut:
    """One line of a page (H, W) uint8, straightened along its baseline, and the way back to the page.

    What is outside of the polygon, widened by MARGIN, is painted over with the colour of the paper nearby, so that
    neighbouring lines do not show. Raises BadInput if the polygon is outside of the page, or if the straightened line
    has no pixel in it.
    """
    height, width = page.shape
    polygon, baseline = _corners_on_page(region.fitted(width, height), width, height)  # (N, 2), (M, 2)
    grid = _straighten(polygon, baseline)
    x, y = grid.x, grid.y
    inside = _inside(polygon, grid.margin, x, y) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if not inside.any():
        raise BadInput("the outline of a line encloses no pixel of its page along the baseline")
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    frame = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    line, inside = _bilinear(page, x[frame], y[frame]), inside[frame]
    image = np.rint(np.where(inside, line, _paper(line, inside))).astype(np.uint8)
    return Cut(image, grid.baseline[columns[0] : columns[-1] + 1], grid.down, grid.baseline_row - int(rows[0]))


def _corners_on_page(region: Region, width: int, height: int) -> tuple[Floats, Floats]:
    """The points of polygon and baseline, moved to the edge of the page where they are outside. Raises BadInput."""
    polygon, baseline = np.array(region.polygon), np.array(region.baseline)
    corner = (width - 1, height - 1)
    if not (np.isfinite(polygon).all() and np.isfinite(baseline).all()):
        raise BadInput("the outline or baseline of a line has a point that is not finite")
    if (polygon.max(axis=0) < 0).any() or (polygon.min(axis=0) > corner).any():
        raise BadInput(f"the outline of a line lies outside of its page of {width} x {height} pixels")
    return polygon.clip(0, corner), baseline.clip(0, corner)


@dataclass(frozen=True)
class _Grid:
    """Where on the page the pixels of a straightened line come from."""

    x: Floats  # (h, w)
    y: Floats  # (h, w)
    baseline: Floats  # (w, 2): the points of the baseline on the page
    baseline_row: int
    down: Floats  # (2,): the unit vector on the page from row to row
    margin: float  # pixels around the polygon


def _straighten(polygon: Floats, baseline: Floats) -> _Grid:
    """The grid of a line. Its coordinates are u, along the straight way between the baseline's ends, and v, down."""
    along = _direction(baseline, polygon)
    axes = np.array([along, (-along[1], along[0])])  # rows: the unit vectors of u and v
    outline = (polygon - baseline[0]) @ axes.T
    baseline_uv = (baseline - baseline[0]) @ axes.T
    baseline_uv = baseline_uv[np.argsort(baseline_uv[:, 0])]
    line_height = _line_height(outline)
    margin = max(1.0, MARGIN * line_height)

    u = np.arange(np.floor(outline[:, 0].min() - margin), np.ceil(outline[:, 0].max() + margin) + 1)  # (w,)
    bend = _smooth(np.interp(u, baseline_uv[:, 0], baseline_uv[:, 1]), int(line_height))  # (w,): v of the baseline
    v = np.arange(
        np.floor(outline[:, 1].min() - bend.max() - margin), np.ceil(outline[:, 1].max() - bend.min() + margin) + 1
    )  # (h,): from the baseline
    depth = bend + v[:, None]  # (h, w): the v of every pixel
    x = baseline[0, 0] + u * axes[0, 0] + depth * axes[1, 0]
    y = baseline[0, 1] + u * axes[0, 1] + depth * axes[1, 1]
    on_page = baseline[0] + u[:, None] * axes[0] + bend[:, None] * axes[1]
    return _Grid(x, y, on_page, int(-v[0]), axes[1], margin)


def _lower_edge(polygon: Points) -> Points:
    """A level baseline along the bottom of the polygon, for files that give none."""
    xs, ys = zip(*polygon, strict=True)
    return ((min(xs), max(ys)), (max(xs), max(ys)))


def _direction(baseline: Floats, polygon: Floats) -> Floats:
    """The unit vector along the writing, from the baseline's start to its end; level if the baseline is too short.

    Some tools list the points from right to left. Such a line is not upside down if its ink is above its baseline.
    """
    way = baseline[-1] - baseline[0]
    length = np.hypot(*way)
    if length < max(1.0, np.ptp(polygon, axis=0).max() / 4):
        return np.array([1.0, 0.0])
    upside_down = polygon[:, 1].mean() > baseline[:, 1].mean()
    if way[0] < 0 and abs(way[0]) > abs(way[1]) and not upside_down:
        way = -way
    unit: Floats = way / length
    return unit


def _line_height(outline: Floats) -> float:
    """Area over length, in pixels: the mean height of a polygon in line coordinates (N, 2)."""
    u, v = outline.T
    area = abs(u @ np.roll(v, 1) - v @ np.roll(u, 1)) / 2
    return float(area / max(1.0, np.ptp(u)))


def _smooth(values: Floats, width: int) -> Floats:
    """Moving average over an odd number of values: a baseline drawn by hand has corners, writing has none."""
    width = min(max(1, width), len(values)) // 2 * 2 + 1
    padded = np.pad(values, width // 2, mode="edge")
    smooth: Floats = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    return smooth


def _inside(polygon: Floats, margin: float, x: Floats, y: Floats) -> Mask:
    """Which points (h, w) of the page are in the polygon, widened by `margin` pixels."""
    origin = np.floor(polygon.min(axis=0) - margin - 1)
    width, height = (np.ceil(polygon.max(axis=0) + margin + 2) - origin).astype(int)
    corners = [(float(px), float(py)) for px, py in polygon - origin]
    mask = Image.new("1", (int(width), int(height)))
    draw = ImageDraw.Draw(mask)
    draw.polygon(corners, fill=1)
    draw.line([*corners, corners[0]], fill=1, width=round(2 * margin), joint="curve")
    columns = np.rint(x - origin[0]).astype(int)
    rows = np.rint(y - origin[1]).astype(int)
    on_mask = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    inside: Mask = on_mask & np.asarray(mask)[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return inside


def _bilinear(page: Grey, x: Floats, y: Floats) -> Floats:
    """The grey of the page at points (h, w) between its pixels; outside of the page, that of its edge."""
    height, width = page.shape
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = x - left, y - top
    upper = page[top, left] * (1 - x) + page[top, right] * x
    lower = page[bottom, left] * (1 - x) + page[bottom, right] * x
    grey: Floats = upper * (1 - y) + lower * y
    return grey


def _paper(line: Floats, inside: Mask) -> Floats:
    """The grey of the paper along the line (w,): the median of each square block, since ink covers less than half."""
    height, width = line.shape
    blocks = [
        slice(start, start + height) for start in range(0, width, height) if inside[:, start : start + height].any()
    ]
    medians = [float(np.median(line[:, block][inside[:, block]])) for block in blocks]
    return np.interp(np.arange(width), [block.start + height / 2 for block in blocks], medians)
