"""Pen strokes are drawn as a grey image: black ink on white paper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkread.features.image import GreyImage
from inkread.features.ink_lines import typical_x_height
from inkread.inputs.ink import Stroke

if TYPE_CHECKING:
    from numpy.random import Generator  # not needed to read images, and slow to import

X_HEIGHT = 22  # pixels of the x-height in a drawing: about that of a page scanned or drawn at 200 dpi
PEN_WIDTH = 3.0  # pixels: that of a usual pen at this scale
BORDER = 2.0  # pixels around the ink
SUPERSAMPLING = 4  # strokes are drawn this many times larger and then averaged down, for smooth edges

# The width of a stroke varies slowly, by about 15 %, as the pressure of a hand does. After each PIECE of points it
# moves from its old value towards a random one around the width of the pen.
PIECE = 6  # points
NEW_SHARE = 0.4  # of the random value in the new width
DEVIATION, MIN_WIDTH, MAX_WIDTH = 0.25, 0.6, 1.5  # of the random value, in widths of the pen

POINT_DISTANCE = 0.35  # widths of the pen: points nearer to one another change nothing
SHARP_CORNER = 25  # degrees: where a path turns by more, a round pen leaves a dot


def draw_ink(strokes: Sequence[Stroke]) -> GreyImage:
    """Ink as it is on its page, with an x-height of X_HEIGHT pixels, as a grey image; the same at each call."""
    return draw_strokes(strokes, X_HEIGHT / typical_x_height(strokes), PEN_WIDTH, np.random.default_rng(0))


def drawing_scale_and_left(strokes: Sequence[Stroke]) -> tuple[float, float]:
    """Where `draw_ink` draws: the pixels per unit of the ink, and the x, in its units, of the image's left edge."""
    scale = X_HEIGHT / typical_x_height(strokes)
    return scale, min(float(stroke[:, 0].min()) for stroke in strokes) - (BORDER + PEN_WIDTH) / scale


def draw_strokes(strokes: Sequence[Stroke], scale: float, pen: float, rng: "Generator") -> GreyImage:
    """Strokes as a grey image that is just large enough: `scale` pixels per unit, lines about `pen` pixels wide."""
    margin = BORDER + pen
    points = np.concatenate(strokes)
    origin = points.min(axis=0) - margin / scale
    width, height = np.ceil(np.ptp(points, axis=0) * scale + 2 * margin).astype(int)
    canvas = Image.new("L", (int(width) * SUPERSAMPLING, int(height) * SUPERSAMPLING), 255)
    brush = ImageDraw.Draw(canvas)
    for stroke in strokes:
        _draw_stroke(brush, (stroke - origin) * scale * SUPERSAMPLING, pen * SUPERSAMPLING, rng)
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def _draw_stroke(brush: ImageDraw.ImageDraw, stroke: Stroke, pen: float, rng: "Generator") -> None:
    """Draw a stroke, in pixels, with a pen of a slowly varying width in pixels."""
    path = thin_out(stroke, POINT_DISTANCE * pen)
    width = pen
    dots = sharp_corners(path)
    for start in range(0, max(len(path) - 1, 1), PIECE):
        piece = path[start : start + PIECE + 1]
        wanted = float(np.clip(rng.normal(1.0, DEVIATION), MIN_WIDTH, MAX_WIDTH))
        width = (1 - NEW_SHARE) * width + NEW_SHARE * pen * wanted
        brush.line(piece.ravel().tolist(), fill=0, width=max(round(width), 1))
        radius = width / 2
        for x, y in piece[dots[start : start + PIECE + 1]].tolist():
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)


def thin_out(path: Stroke, distance: float) -> Stroke:
    """The points of a path that are at least `distance` apart along it, and both its ends."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    kept = np.diff((along / distance).astype(int), prepend=-1) > 0
    kept[-1] = True
    return path[kept]


def sharp_corners(path: Stroke) -> NDArray[np.bool_]:
    """Which points (N,) of a path are its ends, or corners of more than SHARP_CORNER degrees."""
    sharp = np.ones(len(path), dtype=bool)
    if len(path) > 2:
        steps = np.diff(path, axis=0)
        angles = np.diff(np.arctan2(steps[:, 1], steps[:, 0]))
        sharp[1:-1] = np.cos(angles) < np.cos(np.radians(SHARP_CORNER))
    return sharp
