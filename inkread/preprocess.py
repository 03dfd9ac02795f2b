"""The picture of a line of handwriting -> the line as networks see it: ink on nothing, level, upright, of one size.

The steps are those of every handwriting reader since the nineties (paper removed, slope and slant removed, size
normalised), with the height taken from moments of the ink (Kozielski, Forster and Ney 2012) instead of from the box
around it, which one long descender can double, and the width from how closely the strokes follow one another. All of
them end in one affine map, so that the picture is resampled once and every column of the result can be traced back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.uint8]

MARGIN = 6  # blank columns left and right of the ink
SPREAD = 1 / 6.5  # standard deviation of the ink's rows, as a share of the height, which then holds +-3 deviations
STROKE_SPACING = 7.5  # normalised columns from stroke to stroke, of which a letter has about two
WORKING_HEIGHT = 96  # rows at which slope, slant and size are measured: more add time, not accuracy
SLANTS = np.linspace(-0.9, 0.9, 19, dtype=np.float32)  # tangents of the angles tried
LONGEST = 8192  # columns; wider than any line of writing: the picture is then squeezed


@dataclass(frozen=True)
class Line:
    """A normalised line.

    pixels: (height, W) uint8, 0 = paper, 255 = ink.
    scale, offset: column x of `pixels`, at the middle row, lies at x * scale + offset in the picture, in its pixels.
    """

    pixels: Grey
    scale: float
    offset: float


def normalise(grey: Grey, height: int) -> Line:
    """Normalise the picture of a line, (H, W) uint8 with 0 = black, to `height` rows.

    A picture with no ink at all gives a short blank line.
    """
    box, reduced = _shrink(grey)
    ink = _darkness(reduced)
    rows, columns = np.nonzero(ink > 0.3)
    if len(rows) < 3:
        return Line(np.zeros((height, 4 * MARGIN), np.uint8), grey.shape[1] / (4 * MARGIN), 0.0)
    weights = ink[rows, columns]
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    slope = _slope(x, y, weights)
    y = y - slope * x
    middle = float(np.average(y, weights=weights))
    slant = _slant(x, y - middle, weights)
    # Writing of one flat stroke has no spread to speak of; the floor keeps a dash from being blown up to a wall.
    spread = max(float(np.sqrt(np.average((y - middle) ** 2, weights=weights))), 0.06 * len(ink), 1.0)
    zoom = spread / (SPREAD * height)  # working pixels a normalised pixel
    # Wide and narrow hands are brought most of the way to one spacing: on IAM the columns a character takes vary
    # by a third before and by a sixth after.
    across = zoom * float(np.clip(_stroke_spacing(ink, y, zoom) / STROKE_SPACING, 0.5, 2.5)) ** 0.7
    x = x - slant * (y - middle)
    left, right = float(x.min()), float(x.max()) + 1
    across = max(across, (right - left) / LONGEST)
    width = round((right - left) / across) + 2 * MARGIN
    # A normalised pixel (u, v) is looked up at the working pixel
    #   X = left + across (u - MARGIN) + slant zoom (v - h/2),    Y = middle + slope X + zoom (v - h/2)
    origin = left - across * MARGIN - slant * zoom * height / 2
    matrix = (
        across,
        slant * zoom,
        origin,
        slope * across,
        zoom * (1 + slope * slant),
        middle + slope * origin - zoom * height / 2,
    )
    picture = Image.fromarray((ink * 255).astype(np.uint8))
    if zoom > 1.5:  # the affine map samples points: smooth away what it would skip
        picture = picture.filter(ImageFilter.BoxBlur((zoom - 1) / 2))
    pixels = picture.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    shrunk = (box[2] - box[0]) / reduced.shape[1]
    return Line(np.asarray(pixels), across * shrunk, (left - across * MARGIN) * shrunk + box[0])


def _shrink(grey: Grey) -> tuple[tuple[int, int, int, int], Grey]:
    """The box (left, top, right, bottom) around the ink, and what is in it at no more than the working height."""
    picture = Image.fromarray(grey)
    coarse = _darkness(at_most(picture, WORKING_HEIGHT))
    wet = coarse > 0.3
    rows, columns = np.flatnonzero(wet.any(axis=1)), np.flatnonzero(wet.any(axis=0))
    if not len(rows):
        return (0, 0, picture.width, picture.height), at_most(picture, WORKING_HEIGHT)
    factor_x, factor_y = picture.width / coarse.shape[1], picture.height / coarse.shape[0]
    box = (
        max(0, int((columns[0] - 4) * factor_x)),
        max(0, int((rows[0] - 4) * factor_y)),
        min(picture.width, int((columns[-1] + 5) * factor_x) + 1),
        min(picture.height, int((rows[-1] + 5) * factor_y) + 1),
    )
    return box, at_most(picture.crop(box), WORKING_HEIGHT)


def at_most(picture: Image.Image, height: int) -> Grey:
    """The picture, shrunk to `height` rows if it has more."""
    if picture.height > height:
        width = max(1, round(picture.width * height / picture.height))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(picture)


def _darkness(grey: Grey) -> NDArray[np.float32]:
    """(H, W) uint8 -> (H, W) float32: 0 = paper, 1 = ink, whatever the paper's shade, its shadows, the ink's colour."""
    low, middle, high = np.percentile(grey, (1, 50, 99))
    if middle < (low + high) / 2 and high - low > 30:  # paper is what there is most of
        grey = 255 - grey
    paper = _paper(grey)
    depth = np.maximum(paper - grey, 0) / np.maximum(paper, 1)
    # Full ink is what the darkest strokes reach; below 0.12 it would be the grain of empty paper.
    full = max(float(np.percentile(depth, 99)) * 0.8, 0.12)
    noise = 0.15 * full
    ink: NDArray[np.float32] = np.clip((depth - noise) / (full - noise), 0, 1).astype(np.float32)
    return ink


def _paper(grey: Grey) -> NDArray[np.float32]:
    """The paper's brightness around each pixel: the brightest of a neighbourhood larger than any stroke, smoothed."""
    height, width = grey.shape
    step = max(2, height // 12)
    small = Image.fromarray(grey).resize((max(1, width // step), max(1, height // step)), Image.Resampling.BOX)
    small = small.filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.BoxBlur(2))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _slope(x: NDArray[np.float32], y: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """The tangent of the writing's slope, by weighted least squares; shrunk to 0 where the ink is too short to tell."""
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    spread_x, spread_y = float(np.average(x * x, weights=weights)), float(np.average(y * y, weights=weights))
    slope = float(np.average(x * y, weights=weights)) / (spread_x + 10 * spread_y)
    return float(np.clip(slope, -0.3, 0.3))


def _slant(x: NDArray[np.float32], y: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """The tangent of the letters' slant: the shear after which the ink stands in the sharpest columns."""
    best, best_score = 0.0, 0.0
    for slant in SLANTS:
        columns = (x - slant * y).astype(np.int64)
        profile = np.bincount(columns - columns.min(), weights=weights)
        score = float(np.square(profile).sum()) * (1 - 0.1 * abs(float(slant)))  # in doubt, upright
        if score > best_score:
            best, best_score = float(slant), score
    return best


def _stroke_spacing(ink: NDArray[np.float32], y: NDArray[np.float32], zoom: float) -> float:
    """Columns from one stroke to the next, in normalised pixels, gaps between words left out.

    Strokes are counted where a row of pixels crosses the most of them, in the body of the writing; `y` are the levelled
    rows of the wet pixels of `ink`, in np.nonzero's order.
    """
    wet = ink > 0.3
    begins = wet & ~np.pad(wet, ((0, 0), (1, 0)))[:, :-1]
    levels = np.round(y[begins[wet]]).astype(np.int64)
    strokes = np.bincount(levels - levels.min())
    window = max(1, round(5 * zoom))
    crossed = float(np.convolve(strokes, np.ones(window) / window).max())
    return int(wet.any(axis=0).sum()) / max(crossed, 1.0) / zoom
