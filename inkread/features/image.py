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

GreyImage = NDArray[np.uint8]  # (H, W), 0 = black
Wet = NDArray[np.bool_]

MARGIN = 6  # blank columns left and right of the ink
SPREAD = 1 / 6.8  # standard deviation of the ink's rows, as a share of the height, which then holds +-3.4 deviations
STROKE_SPACING = 7.0  # normalised columns from stroke to stroke, of which a letter has about two
WORKING_HEIGHT = 96  # rows at which slope, slant and size are measured: more add time, not accuracy
SLANTS = np.linspace(-0.9, 0.9, 19, dtype=np.float32)  # tangents of the angles tried
PAGE_PIXELS = 500_000  # of the copy on which it is seen whether a page is bright on dark: lines are some 25 rows apart
SQUARE = 24  # pixels of that copy
LONGEST = 8192  # columns; wider than any line of writing: the picture is then squeezed


@dataclass(frozen=True)
class NormalizedImage:
    """A normalised line.

    pixels: (height, W) uint8, 0 = paper, 255 = ink.
    scale, offset: column x of `pixels`, at the middle row, lies at x * scale + offset in the picture, in its pixels.
    """

    pixels: GreyImage
    scale: float
    offset: float


def normalize_image(grey: GreyImage, height: int) -> NormalizedImage:
    """Normalise the picture of a line, (H, W) uint8 with 0 = black, to `height` rows.

    A picture with no ink at all gives a short blank line.
    """
    box, reduced = _shrink(grey)
    ink = _darkness(reduced)
    writing = _without_rules(ink > 0.3)
    places = np.flatnonzero(writing)
    if len(places) < 3:
        return NormalizedImage(np.zeros((height, 4 * MARGIN), np.uint8), grey.shape[1] / (4 * MARGIN), 0.0)
    rows, columns = np.divmod(places, writing.shape[1])
    x, y, weights = columns.astype(np.float32), rows.astype(np.float32), ink.ravel()[places]
    slope = _slope(x, y, weights)
    own = _own_rows(y - slope * x)
    if not own.all():
        writing[rows[~own], columns[~own]] = False
        x, y, weights = x[own], y[own], weights[own]
        slope = _slope(x, y, weights)
    y = y - slope * x
    middle = float(np.average(y, weights=weights))
    slant = _slant(x, y - middle, weights)
    x = x - slant * (y - middle)
    # LineInput of one flat stroke has no spread to speak of; the pen tells how large its writing would be.
    spread = max(float(np.sqrt(np.average((y - middle) ** 2, weights=weights))), 1.2 * _pen_width(writing), 1.0)
    zoom = spread / (SPREAD * height)  # working pixels a normalised pixel
    # Wide and narrow hands are brought most of the way to one spacing: on IAM the columns a character takes vary
    # by a third before and by a sixth after.
    across = zoom * float(np.clip(_stroke_spacing(writing, x, y, zoom) / STROKE_SPACING, 0.5, 2.5)) ** 0.7
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
    return NormalizedImage(np.asarray(pixels), across * shrunk, (left - across * MARGIN) * shrunk + box[0])


def _shrink(grey: GreyImage) -> tuple[tuple[int, int, int, int], GreyImage]:
    """The box (left, top, right, bottom) around the ink, and what is in it at no more than the working height."""
    picture = Image.fromarray(grey)
    coarse = _darkness(shrink_to_height(picture, WORKING_HEIGHT // 2))
    wet = coarse > 0.3
    rows, columns = np.flatnonzero(wet.any(axis=1)), np.flatnonzero(wet.any(axis=0))
    if not len(rows):
        return (0, 0, picture.width, picture.height), shrink_to_height(picture, WORKING_HEIGHT)
    factor_x, factor_y = picture.width / coarse.shape[1], picture.height / coarse.shape[0]
    box = (
        max(0, int((columns[0] - 2) * factor_x)),
        max(0, int((rows[0] - 2) * factor_y)),
        min(picture.width, int((columns[-1] + 3) * factor_x) + 1),
        min(picture.height, int((rows[-1] + 3) * factor_y) + 1),
    )
    return box, shrink_to_height(picture.crop(box), WORKING_HEIGHT)


def shrink_to_height(picture: Image.Image, height: int) -> GreyImage:
    """The picture, shrunk to `height` rows if it has more."""
    if picture.height > height:
        width = max(1, round(picture.width * height / picture.height))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(picture)


def _darkness(grey: GreyImage) -> NDArray[np.float32]:
    """(H, W) uint8 -> (H, W) float32: 0 = paper, 1 = ink, whatever the paper's shade, its shadows, the ink's colour."""
    if _bright_on_dark(grey):
        grey = 255 - grey
    paper = _paper(grey)
    depth = np.subtract(paper, grey)
    depth = np.maximum(depth, 0, out=depth)
    depth /= np.maximum(paper, 1, out=paper)
    # Full ink is what the darkest strokes reach; below 0.12 it would be the grain of empty paper.
    full = max(_percentile((depth * 255).astype(np.uint8), 0.99) / 255 * 0.8, 0.12)
    noise = 0.15 * full
    depth -= noise
    depth /= full - noise
    return np.clip(depth, 0, 1, out=depth)


def _bright_on_dark(grey: GreyImage) -> bool:
    """Whether the strokes are brighter than what is around them, as chalk is: there is less of them than of paper."""
    picture = Image.fromarray(shrink_to_height(Image.fromarray(grey), WORKING_HEIGHT // 3))
    around = picture.filter(ImageFilter.BoxBlur(max(1, picture.height // 5)))
    detail = np.asarray(picture, np.float32) - np.asarray(around, np.float32)
    deviation = float(detail.std())
    return deviation > 2 and float((detail * detail * detail).mean()) > 0.5 * deviation**3  # skewed to the bright


def dark_on_light(page: GreyImage) -> GreyImage:
    """A page (H, W) uint8 as it is, or inverted where it has bright writing on a dark ground.

    Seen in squares, writing leaves most of a square to its ground, and the next squares have about the same ground.
    The page is inverted if most of it is dark, and so is the ground of most squares with writing: a photo on a white
    page is not enough, nor is a dark table around it.
    """
    small = np.asarray(Image.fromarray(page).resize(_at_most_pixels(page.shape), Image.Resampling.BOX))
    height, width = (length // SQUARE for length in small.shape)
    if not height or not width:
        return page
    squares = small[: height * SQUARE, : width * SQUARE].reshape(height, SQUARE, width, SQUARE)
    levels = np.sort(squares.swapaxes(1, 2).reshape(height, width, SQUARE * SQUARE), axis=2)
    dark, ground, bright = (levels[:, :, int(share * SQUARE * SQUARE)].astype(int) for share in (0.03, 0.5, 0.97))
    darkest, middle, brightest = (_percentile(small, share) for share in (0.01, 0.5, 0.99))
    contrast = bright - dark
    written = (contrast > 0.4 * (brightest - darkest)) & (_steps_around(ground) < 0.3 * contrast)
    on_dark = int(np.count_nonzero(written & (ground - dark < 0.3 * contrast)))
    on_light = int(np.count_nonzero(written & (bright - ground < 0.3 * contrast)))
    mostly_dark = middle - darkest < brightest - middle
    enough = on_dark > max(3 * on_light, 0.015 * ground.size)  # a line of writing is some 3 % of a page
    return 255 - page if mostly_dark and enough else page


def _steps_around(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far each value (H, W) is from the one of its four neighbours that differs most."""
    framed = np.pad(values, 1, mode="edge")
    inner = framed[1:-1, 1:-1]
    neighbours = (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:])
    steps: NDArray[np.int64] = np.max([np.abs(inner - neighbour) for neighbour in neighbours], axis=0)
    return steps


def _at_most_pixels(shape: tuple[int, ...]) -> tuple[int, int]:
    """The size (width, height) of a copy with some PAGE_PIXELS pixels, or of the page itself if it has fewer."""
    factor = max(1.0, (shape[0] * shape[1] / PAGE_PIXELS) ** 0.5)
    return max(1, round(shape[1] / factor)), max(1, round(shape[0] / factor))


def _percentile(values: GreyImage, share: float) -> int:
    """The value that `share` of all values don't exceed; by counting, which is far faster than np.percentile."""
    counts = np.cumsum(Image.fromarray(values).histogram())
    return int(np.searchsorted(counts, share * counts[-1]))


def _paper(grey: GreyImage) -> NDArray[np.float32]:
    """The paper's brightness around each pixel: what is darker but narrower than a neighbourhood is filled up.

    The neighbourhood is larger than any stroke and smaller than a shadow, whose edge stays where it is.
    """
    height, width = grey.shape
    step = max(2, height // 12)
    small = Image.fromarray(grey).resize((max(1, width // step), max(1, height // step)), Image.Resampling.BOX)
    closed = _of_five(np.minimum, _of_five(np.maximum, np.asarray(small)))
    small = Image.fromarray(closed).filter(ImageFilter.BoxBlur(1))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _of_five(extreme: np.ufunc, values: GreyImage) -> GreyImage:
    """The extreme of the square of 5 x 5 around each value: down the columns, then along the rows; Pillow sorts."""
    for _ in range(2):
        here, values = values, values.copy()
        for distance in (1, 2):
            extreme(values[distance:], here[:-distance], out=values[distance:])
            extreme(values[:-distance], here[distance:], out=values[:-distance])
        values = values.T
    return values


def _without_rules(wet: Wet) -> Wet:
    """The wet pixels less those of ruled lines: of runs, a row up or down, longer than any stroke of a letter."""
    length = 2 * len(wet)
    if wet.shape[1] <= length:
        return wet
    near = wet.copy()
    near[1:] |= wet[:-1]
    near[:-1] |= wet[1:]
    sums = np.pad(near, ((0, 0), (1, 0))).cumsum(axis=1, dtype=np.int32)
    full = sums[:, length:] - sums[:, :-length] >= 0.9 * length  # (H, W - length + 1), by where a run begins
    if not full.any():
        return wet
    begun = np.pad(full, ((0, 0), (length, length - 1))).cumsum(axis=1, dtype=np.int32)
    ruled = begun[:, length:] > begun[:, :-length]  # (H, W): a full run begins here or up to `length` before
    rest: Wet = wet & ~ruled
    return rest if np.count_nonzero(rest) > 0.1 * np.count_nonzero(wet) else wet  # a lone dash is no rule


def _own_rows(y: NDArray[np.float32]) -> Wet:
    """Which of the wet pixels at the levelled rows `y` are the line's own, not of the lines above and below.

    The median row and the median distance from it hold, where mean and deviation don't, as long as most ink is its own.
    """
    distance = np.abs(y - np.median(y))
    # In handwriting 1.6 times the median distance is a standard deviation; long loops reach three and a half.
    own: Wet = distance <= 4 * max(1.6 * float(np.median(distance)), 1.0)
    return own


def _pen_width(wet: Wet) -> float:
    """The width of the strokes in pixels: the mean run of wet pixels along rows, or down columns if that is less."""
    runs_across = np.count_nonzero(wet[:, 1:] & ~wet[:, :-1]) + np.count_nonzero(wet[:, 0])
    runs_down = np.count_nonzero(wet[1:] & ~wet[:-1]) + np.count_nonzero(wet[0])
    return float(np.count_nonzero(wet) / max(runs_across, runs_down))


def _slope(x: NDArray[np.float32], y: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """The tangent of the writing's slope, by weighted least squares; shrunk to 0 where the ink is too short to tell."""
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    spread_x, spread_y = float(np.average(x * x, weights=weights)), float(np.average(y * y, weights=weights))
    slope = float(np.average(x * y, weights=weights)) / (spread_x + 10 * spread_y)
    return float(np.clip(slope, -0.3, 0.3))


def _slant(x: NDArray[np.float32], y: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    """The tangent of the letters' slant: the shear after which the ink stands in the sharpest columns."""
    best, best_score = 0.0, 0.0
    weights = weights.astype(np.float64)  # as bincount would with each slant
    for slant in SLANTS:
        columns = (x - slant * y).astype(np.int64)
        profile = np.bincount(columns - columns.min(), weights=weights)
        score = float(np.square(profile).sum()) * (1 - 0.1 * abs(float(slant)))  # in doubt, upright
        if score > best_score:
            best, best_score = float(slant), score
    return best


def _stroke_spacing(wet: Wet, x: NDArray[np.float32], y: NDArray[np.float32], zoom: float) -> float:
    """Columns from one stroke to the next, in normalised pixels, gaps between words left out.

    Strokes are counted where a row of pixels crosses the most of them, in the body of the writing; `x` and `y` are the
    places of the wet pixels, in np.nonzero's order, made upright and level.
    """
    begins = wet & ~np.pad(wet, ((0, 0), (1, 0)))[:, :-1]
    levels = np.round(y[begins[wet]]).astype(np.int64)
    strokes = np.bincount(levels - levels.min())
    window = max(1, round(5 * zoom))
    crossed = float(np.convolve(strokes, np.ones(window) / window).max())
    inked = np.count_nonzero(np.bincount(np.round(x - x.min()).astype(np.int64)))
    return float(inked / max(crossed, 1.0) / zoom)
