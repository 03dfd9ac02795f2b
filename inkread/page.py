"""A page: its lines."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from inkread.errors import BadInput

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Region:
    """Where one line stands on its page: x to the right, y down, in pixels of the upright page.

    `page_size` is the (width, height) the file says the page has: a smaller copy of the scan, or units that are not
    pixels, are then told from the picture and scaled to it. None: the coordinates are those of the picture.
    """

    polygon: Points  # the outline around the ink of the line
    baseline: Points = ()  # along the feet of the letters; empty when the file gives none
    page_size: tuple[float, float] | None = None

    def fitted(self, width: int, height: int) -> "Region":
        """The same in pixels of a picture of that size, with a baseline in any case."""
        across, down = (width / self.page_size[0], height / self.page_size[1]) if self.page_size else (1.0, 1.0)
        polygon, baseline = (
            tuple((float(x * across), float(y * down)) for x, y in points)
            for points in (self.polygon, self.baseline or _foot(self.polygon))
        )
        return Region(polygon, baseline)


@dataclass(frozen=True)
class Cut:
    """The picture of a line cut from its page, and where on the page each column of it was."""

    picture: np.ndarray  # (h, w) uint8, the baseline straight and level
    feet: np.ndarray  # (w, 2): the x and y on the page of the baseline in each column
    down: np.ndarray  # (2,): the unit vector on the page from a column's top to its bottom
    foot: int  # the row of the baseline in the picture

    def outline(self, left: float, right: float) -> Points:
        """The corners on the page, clockwise from the upper left, of the columns from `left` to `right`."""
        last = len(self.feet) - 1
        first, second = (self.feet[round(min(max(column, 0), last))] for column in (left, right))
        above, below = -self.foot * self.down, (len(self.picture) - self.foot) * self.down
        corners = (first + above, second + above, second + below, first + below)
        return tuple((float(x), float(y)) for x, y in corners)


def cut_line(page: np.ndarray, region: Region) -> np.ndarray:
    """One line of a (H, W) uint8 page as a grey (h, w) uint8 picture, straight and level; see `cut_out`."""
    return cut_out(page, region).picture


def cut_out(page: np.ndarray, region: Region) -> Cut:
    """One line of a (H, W) uint8 page, straightened along its baseline, and the way back.

    Only what lies in the polygon, widened by a tenth of the line's height, is kept; neighbouring lines are painted
    over with the colour of the paper around there. Raises BadInput when the polygon lies outside of the page, or has no
    pixel where the baseline leads.
    """
    height, width = page.shape
    region = region.fitted(width, height)
    polygon, baseline = np.array(region.polygon), np.array(region.baseline)  # (N, 2), (M, 2)
    corner = (width - 1, height - 1)
    if not (np.isfinite(polygon).all() and np.isfinite(baseline).all()):
        raise BadInput("the outline or baseline of a line has a point that is not finite")
    if (polygon.max(axis=0) < 0).any() or (polygon.min(axis=0) > corner).any():
        raise BadInput(f"the outline of a line lies outside of its page of {width} x {height} pixels")
    polygon, baseline = polygon.clip(0, corner), baseline.clip(0, corner)

    # Line coordinates: u along the straight way from end to end of the baseline, v down from it.
    along = _direction(baseline, polygon)
    axes = np.array([along, (-along[1], along[0])])  # rows: the unit vectors of u and v
    outline = (polygon - baseline[0]) @ axes.T
    feet = (baseline - baseline[0]) @ axes.T
    feet = feet[np.argsort(feet[:, 0])]
    line_height = _line_height(outline)
    margin = max(1.0, 0.1 * line_height)

    u = np.arange(np.floor(outline[:, 0].min() - margin), np.ceil(outline[:, 0].max() + margin) + 1)  # (w,)
    bend = _smooth(np.interp(u, feet[:, 0], feet[:, 1]), int(line_height))
    v = np.arange(
        np.floor(outline[:, 1].min() - bend.max() - margin), np.ceil(outline[:, 1].max() - bend.min() + margin) + 1
    )
    depth = bend + v[:, None]  # (h, w): the v of every pixel of the straightened line
    x = baseline[0, 0] + u * axes[0, 0] + depth * axes[1, 0]
    y = baseline[0, 1] + u * axes[0, 1] + depth * axes[1, 1]

    inside = _inside(polygon, margin, x, y) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if not inside.any():
        raise BadInput("the outline of a line encloses no pixel of its page along the baseline")
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    frame = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    line, inside = _bilinear(page, x[frame], y[frame]), inside[frame]
    picture = np.rint(np.where(inside, line, _paper(line, inside))).astype(np.uint8)
    on_foot = baseline[0] + u[:, None] * axes[0] + bend[:, None] * axes[1]  # (w, 2)
    return Cut(picture, on_foot[columns[0] : columns[-1] + 1], axes[1], int(-v[0]) - int(rows[0]))


def _foot(polygon: Points) -> Points:
    """A level baseline below the polygon, for files that give none."""
    xs, ys = zip(*polygon, strict=True)
    return ((min(xs), max(ys)), (max(xs), max(ys)))


def _direction(baseline: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """The unit vector from the baseline's start to its end; level when it is too short to tell.

    Some tools list the points from right to left though the line is not upside down: its ink lies above it on the page.
    """
    way = baseline[-1] - baseline[0]
    length = np.hypot(*way)
    if length < max(1.0, np.ptp(polygon, axis=0).max() / 4):
        return np.array([1.0, 0.0])
    upside_down = polygon[:, 1].mean() > baseline[:, 1].mean()
    if way[0] < 0 and abs(way[0]) > abs(way[1]) and not upside_down:
        way = -way
    unit: np.ndarray = way / length
    return unit


def _line_height(outline: np.ndarray) -> float:
    """Area over length, in pixels: the mean height of a polygon in line coordinates (N, 2)."""
    u, v = outline.T
    area = abs(u @ np.roll(v, 1) - v @ np.roll(u, 1)) / 2
    return float(area / max(1.0, np.ptp(u)))


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Moving average: a hand-set baseline has corners where the writing has none."""
    width = min(max(1, width), len(values)) // 2 * 2 + 1
    padded = np.pad(values, width // 2, mode="edge")
    smooth: np.ndarray = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    return smooth


def _inside(polygon: np.ndarray, margin: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points (h, w) of the page lie in the polygon widened by `margin` pixels."""
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
    inside: np.ndarray = on_mask & np.asarray(mask)[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return inside


def _bilinear(page: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The page's grey at real-valued points (h, w); beyond its edge, that of the edge."""
    height, width = page.shape
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = x.astype(int), y.astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = x - left, y - top
    upper = page[top, left] * (1 - x) + page[top, right] * x
    lower = page[bottom, left] * (1 - x) + page[bottom, right] * x
    grey: np.ndarray = upper * (1 - y) + lower * y
    return grey


def _paper(line: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The colour of the paper along the line (w,): the median of each square block, as ink covers less than half."""
    height, width = line.shape
    blocks = [
        slice(start, start + height) for start in range(0, width, height) if inside[:, start : start + height].any()
    ]
    medians = [float(np.median(line[:, block][inside[:, block]])) for block in blocks]
    return np.interp(np.arange(width), [block.start + height / 2 for block in blocks], medians)
