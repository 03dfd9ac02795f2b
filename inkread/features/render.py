"""Pen strokes drawn as a grey picture: black ink on white."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkread.features.image import GreyImage
from inkread.features.ink_lines import typical_x_height
from inkread.inputs.ink import Stroke

X_HEIGHT = 22  # pixels of the height of small letters in a drawn line
PEN = 3.0  # pixels: a usual pen at that size
BORDER = 2.0  # pixels around the ink
SUPERSAMPLING = 4  # strokes are drawn this many times larger, then averaged down: smooth edges


def draw_ink(strokes: Sequence[Stroke]) -> GreyImage:
    """Ink as it lies on its page, small letters X_HEIGHT pixels high, as a grey picture; the same every time."""
    return draw_strokes(strokes, X_HEIGHT / typical_x_height(strokes), PEN, np.random.default_rng(0))


def drawing_scale_and_left(strokes: Sequence[Stroke]) -> tuple[float, float]:
    """Where `draw_ink` draws ink: the pixels a unit of it, and its x at the left edge of the picture."""
    scale = X_HEIGHT / typical_x_height(strokes)
    return scale, min(float(stroke[:, 0].min()) for stroke in strokes) - (BORDER + PEN) / scale


def draw_strokes(strokes: Sequence[Stroke], scale: float, pen: float, rng: np.random.Generator) -> GreyImage:
    """Pen strokes as a grey picture, just large enough: `scale` pixels a unit, a line of about `pen` pixels width.

    The width wanders smoothly by some 15 %, as the pressure of a hand does.
    """
    margin = BORDER + pen
    points = np.concatenate(strokes)
    origin = points.min(axis=0) - margin / scale
    width, height = np.ceil(np.ptp(points, axis=0) * scale + 2 * margin).astype(int)
    canvas = Image.new("L", (int(width) * SUPERSAMPLING, int(height) * SUPERSAMPLING), 255)
    brush = ImageDraw.Draw(canvas)
    for stroke in strokes:
        path = thin_out((stroke - origin) * scale * SUPERSAMPLING, 0.35 * pen * SUPERSAMPLING)
        width_now = pen * SUPERSAMPLING
        dots = sharp_corners(path)  # the brush is round: at ends and corners it leaves a dot
        for start in range(0, max(len(path) - 1, 1), 6):
            piece = path[start : start + 7]
            width_now = 0.6 * width_now + 0.4 * pen * SUPERSAMPLING * float(np.clip(rng.normal(1.0, 0.25), 0.6, 1.5))
            brush.line(piece.ravel().tolist(), fill=0, width=max(round(width_now), 1))
            radius = width_now / 2
            for x, y in piece[dots[start : start + 7]].tolist():
                brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def thin_out(path: Stroke, step: float) -> Stroke:
    """The points of a path that are at least `step` apart along it, with both its ends."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    keep = np.diff((along / step).astype(int), prepend=-1) > 0
    keep[-1] = True
    return path[keep]


def sharp_corners(path: Stroke) -> NDArray[np.bool_]:
    """Which points of a path are its ends, or places where it turns by more than 25 degrees."""
    sharp = np.ones(len(path), dtype=bool)
    if len(path) > 2:
        steps = np.diff(path, axis=0)
        angles = np.diff(np.arctan2(steps[:, 1], steps[:, 0]))
        sharp[1:-1] = np.cos(angles) < np.cos(np.radians(25))
    return sharp
