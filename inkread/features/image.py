"""The image of a line is normalised: white paper becomes 0, and the writing level, upright and of one size.

These steps are usual since the 1990s: remove the background, the slope and the slant, and normalise the size. The
height is taken from the moments of the ink (Kozielski, Forster and Ney 2012), because one long descender can double the
height of its bounding box. The width is taken from the distance between strokes. All steps end in one affine map, so
the image is resampled only once, and every column of the result can be traced back to the original.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

GreyImage = NDArray[np.uint8]  # (H, W), 0 = black
Mask = NDArray[np.bool_]  # (H, W), True = ink
Floats = NDArray[np.float32]

MARGIN = 6  # blank columns left and right of the ink
SPREAD = 1 / 6.8  # of the height: standard deviation of the rows of the ink, so that the height is +-3.4 deviations
STROKE_SPACING = 7.0  # normalised columns from stroke to stroke; a letter has about two strokes
# Wide and narrow writing is brought most of the way to one spacing: on IAM, the columns per character vary by a third
# before and by a sixth after. The limits are for odd ink.
SPACING_POWER, MIN_STRETCH, MAX_STRETCH = 0.7, 0.5, 2.5
LONGEST = 8192  # columns of the ink: wider than any line of writing; a wider image is squeezed

WORKING_HEIGHT = 96  # rows at which slope, slant and size are measured: more take time, but are not more accurate
INK = 0.3  # darkness above which a pixel counts as ink
MIN_INK = 3  # pixels: with fewer, an image is blank
SLANTS = np.linspace(-0.9, 0.9, 19, dtype=np.float32)  # tangents of the slants that are tried
MAX_SLOPE = 0.3  # tangent: more is not the slope of a line
SMOOTHING_ZOOM = 1.5  # above this reduction, the affine map would skip pixels, so the image is smoothed before

PAGE_PIXELS = 500_000  # of the copy in which `dark_on_light` looks: lines are about 25 rows apart in it
SQUARE = 24  # pixels of that copy


@dataclass(frozen=True)
class NormalizedImage:
    """A normalised line.

    pixels: (height, W) uint8, 0 = paper, 255 = ink.
    scale, offset: column x of `pixels`, in the middle row, is at x * scale + offset in the original, in its pixels.
    """

    pixels: GreyImage
    scale: float
    offset: float


@dataclass(frozen=True)
class _InkPixels:
    """The pixels of ink of an image: columns x, rows y and darkness, each (N,), row by row.

    begins: (N,) whether a pixel is the first of a run of ink along its row.
    """

    mask: Mask
    x: Floats
    y: Floats
    weights: Floats
    begins: Mask


def normalize_image(grey: GreyImage, height: int) -> NormalizedImage:
    """Normalise the image of a line, (H, W) uint8 with 0 = black, to `height` rows.

    An image without ink gives a short blank line.
    """
    box, reduced = _shrink(grey)
    darkness = _darkness(reduced)
    mask = _without_rules(darkness > INK)
    if np.count_nonzero(mask) < MIN_INK:
        return NormalizedImage(np.zeros((height, 4 * MARGIN), np.uint8), grey.shape[1] / (4 * MARGIN), 0.0)
    ink, slope = _own_ink(mask, darkness)
    y: Floats = ink.y - slope * ink.x
    middle = float(_mean(y, ink.weights))
    slant = _slant(ink.x, y - middle, ink.weights)
    x: Floats = ink.x - slant * (y - middle)
    # The deviation of one flat stroke is almost 0. Then the width of the pen tells the size of its writing.
    deviation = float(np.sqrt(_mean((y - middle) ** 2, ink.weights)))
    zoom = max(deviation, 1.2 * _pen_width(ink), 1.0) / (SPREAD * height)  # working pixels per normalised row
    spacing = _stroke_spacing(x, y, ink.begins, zoom) / STROKE_SPACING
    across = zoom * float(np.clip(spacing, MIN_STRETCH, MAX_STRETCH)) ** SPACING_POWER  # the same per column
    left, right = float(x.min()), float(x.max()) + 1
    across = max(across, (right - left) / LONGEST)
    width = round((right - left) / across) + 2 * MARGIN
    # The normalised pixel (u, v) is taken from the working pixel (X, Y):
    #   X = left + across (u - MARGIN) + slant zoom (v - height / 2),    Y = middle + slope X + zoom (v - height / 2)
    origin = left - across * MARGIN - slant * zoom * height / 2
    upper = middle + slope * origin - zoom * height / 2
    matrix = (across, slant * zoom, origin, slope * across, zoom * (1 + slope * slant), upper)
    pixels = _resampled(darkness, (width, height), matrix, zoom)
    shrunk = (box[2] - box[0]) / reduced.shape[1]  # original pixels per working pixel
    return NormalizedImage(pixels, across * shrunk, (left - across * MARGIN) * shrunk + box[0])


def _own_ink(mask: Mask, darkness: Floats) -> tuple[_InkPixels, float]:
    """The ink of the line itself, without that of the lines above and below, and the tangent of its slope."""
    pixels = np.flatnonzero(mask)
    rows = pixels // mask.shape[1]
    x, y = (pixels - rows * mask.shape[1]).astype(np.float32), rows.astype(np.float32)
    weights = darkness.ravel()[pixels]
    slope = _slope(x, y, weights)
    own = _own_rows(y - slope * x)
    if not own.all():
        np.put(mask, pixels[~own], False)
        pixels, x, y, weights = pixels[own], x[own], y[own], weights[own]
        slope = _slope(x, y, weights)
    begins = x == 0
    begins[1:] |= np.diff(pixels) != 1
    begins[0] = True
    return _InkPixels(mask, x, y, weights, begins), slope


def _resampled(darkness: Floats, size: tuple[int, int], matrix: tuple[float, ...], zoom: float) -> GreyImage:
    """The image of a size (width, height) by an affine map; 255 = ink."""
    image = Image.fromarray((darkness * 255).astype(np.uint8))
    if zoom > SMOOTHING_ZOOM:
        image = image.filter(ImageFilter.BoxBlur((zoom - 1) / 2))
    return np.asarray(image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def _shrink(grey: GreyImage) -> tuple[tuple[int, int, int, int], GreyImage]:
    """The box (left, top, right, bottom) around the ink, and the image in it with at most WORKING_HEIGHT rows.

    Strokes that are brighter than the paper are inverted.
    """
    image = Image.fromarray(grey)
    coarse = shrink_to_height(image, WORKING_HEIGHT // 2)
    inverse = np.uint8(255 if _bright_on_dark(coarse) else 0)
    inked = _darkness(coarse ^ inverse) > INK
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not len(rows):
        return (0, 0, image.width, image.height), shrink_to_height(image, WORKING_HEIGHT) ^ inverse
    factor_x, factor_y = image.width / coarse.shape[1], image.height / coarse.shape[0]
    box = (
        max(0, int((columns[0] - 2) * factor_x)),
        max(0, int((rows[0] - 2) * factor_y)),
        min(image.width, int((columns[-1] + 3) * factor_x) + 1),
        min(image.height, int((rows[-1] + 3) * factor_y) + 1),
    )
    return box, shrink_to_height(image.crop(box), WORKING_HEIGHT) ^ inverse


def shrink_to_height(image: Image.Image, height: int) -> GreyImage:
    """The image, reduced to `height` rows if it has more."""
    if image.height > height:
        width = max(1, round(image.width * height / image.height))
        image = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(image)


def _darkness(grey: GreyImage) -> Floats:
    """A grey image (H, W) as float32: 0 = paper, 1 = ink, whatever the shade of paper and ink, and with shadows."""
    paper = _paper(grey)
    depth: Floats = (np.maximum(paper, grey) - grey).astype(np.float32)  # (H, W): how much darker than the paper
    depth /= np.maximum(paper, 1).astype(np.float32)  # as a share of its brightness
    # Full ink is 80 % of what the darkest percent reaches. Below 0.12 it would be the grain of blank paper.
    full = max(_percentile((depth * 255).astype(np.uint8), 0.99) / 255 * 0.8, 0.12)
    noise = 0.15 * full  # what is less dark is paper
    depth -= noise
    depth /= full - noise
    return np.clip(depth, 0, 1, out=depth)


def _bright_on_dark(grey: GreyImage) -> bool:
    """Whether the strokes are brighter than the paper, as chalk is: strokes cover less of the image than paper."""
    image = Image.fromarray(shrink_to_height(Image.fromarray(grey), WORKING_HEIGHT // 3))
    around = image.filter(ImageFilter.BoxBlur(max(1, image.height // 5)))
    detail = np.asarray(image, np.float32) - np.asarray(around, np.float32)
    deviation = float(detail.std())
    return deviation > 2 and float((detail * detail * detail).mean()) > 0.5 * deviation**3  # skewed to bright


def dark_on_light(page: GreyImage) -> GreyImage:
    """A page (H, W) uint8 unchanged, or inverted if it has bright writing on a dark background.

    The page is divided into squares. Writing covers the smaller part of a square, and the squares beside it have about
    the same background. The page is inverted if most of it is dark, and also the background of most squares with
    writing. So a photo on a white page is not enough, and a dark table around the page is not enough either.
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
    enough = on_dark > max(3 * on_light, 0.015 * ground.size)  # a line of writing is about 3 % of a page
    return 255 - page if mostly_dark and enough else page


def _steps_around(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest difference (H, W) of each value from its four neighbours."""
    framed = np.pad(values, 1, mode="edge")
    inner = framed[1:-1, 1:-1]
    neighbours = (framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:])
    steps: NDArray[np.int64] = np.max([np.abs(inner - neighbour) for neighbour in neighbours], axis=0)
    return steps


def _at_most_pixels(shape: tuple[int, ...]) -> tuple[int, int]:
    """The size (width, height) of a copy with about PAGE_PIXELS pixels, or of the page itself if it has fewer."""
    factor = max(1.0, (shape[0] * shape[1] / PAGE_PIXELS) ** 0.5)
    return max(1, round(shape[1] / factor)), max(1, round(shape[0] / factor))


def _percentile(values: GreyImage, share: float) -> int:
    """The value that `share` of all values do not exceed. Counting is much faster than np.percentile."""
    counts = np.cumsum(Image.fromarray(values).histogram())
    return int(np.searchsorted(counts, share * counts[-1]))


def _paper(grey: GreyImage) -> GreyImage:
    """The brightness of the paper at each pixel: a morphological closing removes what is darker and narrower than it.

    The closing is larger than any stroke and smaller than a shadow, so the edges of shadows stay where they are.
    """
    height, width = grey.shape
    step = max(2, height // 12)
    small = Image.fromarray(grey).resize((max(1, width // step), max(1, height // step)), Image.Resampling.BOX)
    closed = _of_five(np.minimum, _of_five(np.maximum, np.asarray(small)))
    small = Image.fromarray(closed).filter(ImageFilter.BoxBlur(1))
    return np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))


def _of_five(extreme: np.ufunc, values: GreyImage) -> GreyImage:
    """The minimum or maximum of the 5 x 5 values around each value: first of columns, then of rows.

    Pillow has filters for that, but they sort the values, which is slow.
    """
    for _ in range(2):
        here, values = values, values.copy()
        for distance in (1, 2):
            extreme(values[distance:], here[:-distance], out=values[distance:])
            extreme(values[:-distance], here[distance:], out=values[:-distance])
        values = values.T
    return values


def _without_rules(mask: Mask) -> Mask:
    """The mask of the ink without ruled lines: without level runs, up to a row off, longer than strokes of letters."""
    length = 2 * len(mask)
    if mask.shape[1] <= length:
        return mask
    near = mask.copy()
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    # Such a run fills at least 0.8 of one of these parts, which are half as long. In most images none is so full.
    parts = near[:, : mask.shape[1] // len(mask) * len(mask)].reshape(len(mask), -1, len(mask))
    if parts.view(np.uint8).sum(axis=2, dtype=np.uint8).max() < 0.8 * len(mask):
        return mask
    sums = np.pad(near, ((0, 0), (1, 0))).cumsum(axis=1, dtype=np.int32)
    full = sums[:, length:] - sums[:, :-length] >= 0.9 * length  # (H, W - length + 1), by where a run begins
    if not full.any():
        return mask
    begun = np.pad(full, ((0, 0), (length, length - 1))).cumsum(axis=1, dtype=np.int32)
    ruled = begun[:, length:] > begun[:, :-length]  # (H, W): a full run begins here or at most `length` before
    rest: Mask = mask & ~ruled
    return rest if np.count_nonzero(rest) > 0.1 * np.count_nonzero(mask) else mask  # a single dash is not a rule


def _own_rows(y: Floats) -> Mask:
    """Which pixels of ink, at the levelled rows `y` (N,), belong to the line, and not to the lines above and below.

    The median row, and the median distance from it, are right as long as most ink belongs to the line. The mean and
    the standard deviation are not.
    """
    distance = np.abs(y - _median(y))
    # In handwriting, 1.6 times the median distance is a standard deviation, and long loops reach 3.5 deviations.
    own: Mask = distance <= 4 * max(1.6 * _median(distance), 1.0)
    return own


def _median(values: Floats) -> float:
    """The median of values (N,), in a third of the time of np.median."""
    half = len(values) // 2
    parted = np.partition(values, half)
    return float(parted[half] if len(values) % 2 else (parted[:half].max() + parted[half]) / 2)


def _mean(values: Floats, weights: Floats) -> np.float32:
    """The weighted mean of values (N,), in half of the time of np.average."""
    mean: np.float32 = (values * weights).sum() / weights.sum()
    return mean


def _pen_width(ink: _InkPixels) -> float:
    """The width of the strokes in pixels: the mean length of runs of ink along rows, or columns if that is less."""
    runs_across = np.count_nonzero(ink.begins)
    runs_down = np.count_nonzero(ink.mask[1:] > ink.mask[:-1]) + np.count_nonzero(ink.mask[0])
    return float(len(ink.x) / max(runs_across, runs_down))


def _slope(x: Floats, y: Floats, weights: Floats) -> float:
    """The tangent of the slope, by weighted least squares; near 0 where the ink is too short to measure it."""
    x, y = x - _mean(x, weights), y - _mean(y, weights)
    spread_x, spread_y = float(_mean(x * x, weights)), float(_mean(y * y, weights))
    slope = float(_mean(x * y, weights)) / (spread_x + 10 * spread_y)
    return float(np.clip(slope, -MAX_SLOPE, MAX_SLOPE))


def _slant(x: Floats, y: Floats, weights: Floats) -> float:
    """The tangent of the slant: of all SLANTS, that for which the sheared ink has the sharpest profile of columns."""
    best, best_score = 0.0, 0.0
    weights = weights.astype(np.float64)  # once, as bincount converts them each time
    farthest = int(np.abs(y).max()) + 1  # columns to the left: all slants are smaller than 1
    for slant in SLANTS:
        profile = np.bincount((x - slant * y).astype(np.int32) + farthest, weights=weights)
        score = float(profile @ profile) * (1 - 0.1 * abs(float(slant)))  # upright ones are preferred a little
        if score > best_score:
            best, best_score = float(slant), score
    return best


def _stroke_spacing(x: Floats, y: Floats, begins: Mask, zoom: float) -> float:
    """The distance from one stroke to the next, in normalised rows, without the gaps between words.

    Strokes are counted in the rows that cross most of them, between the baseline and the x-height. `x` and `y` (N,) are
    the positions of the pixels of ink, level and upright; `begins` (N,) are those that begin a run along a row.
    """
    levels = np.round(y[begins]).astype(np.int64)
    strokes = np.bincount(levels - levels.min())
    window = max(1, round(5 * zoom))
    crossed = float(np.convolve(strokes, np.ones(window) / window).max())
    inked = np.count_nonzero(np.bincount(np.round(x - x.min()).astype(np.int64)))
    return float(inked / max(crossed, 1.0) / zoom)
