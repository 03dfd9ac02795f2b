"""The ink of a page: how dark each pixel is, turned level, without ruled lines, frames and punched holes.

Arrays are (H, W). `ink` is float32, from 0 = paper to 1 = as dark as most of the ink; a mask is boolean.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.uint8]
Ink = NDArray[np.float32]
Mask = NDArray[np.bool_]
Rows = NDArray[np.floating]

INK = 0.2  # darkness from which on a pixel counts as ink
FAINT_INK = 0.6 * INK  # the same where ruled lines are looked for, which may be faint
STEEPEST_SKEW = 20  # degrees of skew that are looked for
MOST_GROWTH = 4  # times as many pixels as before may the level copy have
LARGE_COPY = 400  # pixels: on a copy less wide, letters are as small as the dots of dotted rules
RULE_PART = 6  # a straight line as long as the page's width (or height) divided by this is a rule
RULE_THICKNESS = 5  # pixels: the ink of a rule is at most so thick
BOX_RADII = (1, 2, 3, 4, 5, 7, 9, 12)  # pixels of the halved copy: blurs that are compared to find the x-height


def level_ink(page: Grey, factor: float) -> tuple[Ink, Rows]:
    """The ink of a page (H, W) uint8, `factor` times smaller, turned level and without rules; and the way back.

    The way back is a matrix (2, 3): the place on the page is matrix @ (x, y, 1).
    """
    height, width = page.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    ink = _darkness(np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX)))
    ink, to_copy = _turn_level(ink)
    mask = ink > FAINT_INK
    if size[0] > LARGE_COPY:
        mask |= _between_dots(mask)
    height_of_copy, width_of_copy = mask.shape
    rules = _long_runs(mask, width_of_copy // RULE_PART) | _long_runs(mask.T, height_of_copy // RULE_PART).T
    scale = np.array([[width / size[0]], [height / size[1]]])
    return np.where(rules, np.float32(0), ink), to_copy * scale


def _darkness(grey: Grey) -> Ink:
    """How much darker than the paper around it each pixel is: 0 = paper, 1 = as dark as most of the ink."""
    depth = _depth_below_paper(grey)
    noise = 3 * float(np.median(depth)) + 0.03
    inked = depth[depth > max(noise, 0.08)]
    full = max(float(np.percentile(inked, 75)) if len(inked) else 1.0, noise + 0.1)
    ink: Ink = np.clip((depth - noise) / (full - noise), 0, 1, dtype=np.float32)
    for side in (ink, ink[::-1], ink.T, ink.T[::-1]):  # what reaches in from the edge of the scan is not writing
        side[np.logical_and.accumulate(side > 0, axis=0)] = 0
    return ink


def _depth_below_paper(grey: Grey) -> Ink:
    """The share by which each pixel is darker than the paper there, which the brightest pixels around it show."""
    height, width = grey.shape
    image = Image.fromarray(grey)
    small = image.resize((max(1, width // 4), max(1, height // 4)), Image.Resampling.BOX)
    # Strokes are narrower than 7 x 4 pixels, so the first filter removes them; shadows and dark tables are wider. The
    # second filter widens these by 2 x 4 pixels, so that their edges do not count as ink.
    small = small.filter(ImageFilter.MaxFilter(7)).filter(ImageFilter.MinFilter(11))
    paper = np.asarray(small.resize(image.size, Image.Resampling.BILINEAR), np.float32)
    depth: Ink = np.maximum(paper - grey, 0) / np.maximum(paper, 1)
    return depth


# ---- skew


def _turn_level(ink: Ink) -> tuple[Ink, Rows]:
    """The ink turned so that the writing is level, and the matrix (2, 3) from places on it to those before."""
    height, width = ink.shape
    slope = _skew(ink)
    cos, sin = 1 / np.hypot(1, slope), slope / np.hypot(1, slope)
    new_width, new_height = round(width * cos + height * abs(sin)), round(height * cos + width * abs(sin))
    if new_width * new_height > MOST_GROWTH * ink.size:  # a long strip, which would need a huge empty canvas
        slope, cos, sin, (new_width, new_height) = 0.0, 1.0, 0.0, (width, height)
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array((width, height)) / 2 - turn @ (new_width / 2, new_height / 2)
    matrix = np.column_stack((turn, shift))
    if slope:
        turned = Image.fromarray((ink * 255).astype(np.uint8)).transform(
            (new_width, new_height), Image.Transform.AFFINE, matrix.ravel().tolist(), Image.Resampling.BILINEAR
        )
        ink = np.asarray(turned).astype(np.float32) / np.float32(255)
    return ink, matrix


def _skew(ink: Ink) -> float:
    """The tangent of the angle at which the writing goes down to the right; 0 where there is hardly any ink.

    Along that angle, the amount of ink changes most from row to row. Whole degrees are tried first, then eighths.
    """
    coarse = np.asarray(Image.fromarray(ink).reduce(4))
    rows, columns = np.nonzero(coarse > 0.1)
    if len(rows) < 50:
        return 0.0
    weights = coarse[rows, columns]
    x, y = columns.astype(np.float32), rows.astype(np.float32)

    def contrast(slope: float) -> float:
        along = y - slope * x
        return float(np.abs(np.diff(np.bincount((along - along.min()).astype(np.int64), weights))).sum())

    degrees = np.arange(-STEEPEST_SKEW, STEEPEST_SKEW + 1)
    best = max(np.tan(np.radians(degrees)).tolist(), key=contrast)
    return float(max((best + np.linspace(-0.0175, 0.0175, 15)).tolist(), key=contrast))  # 0.0175 = tan(1 degree)


# ---- ruled lines


def _long_runs(mask: Mask, length: int) -> Mask:
    """The pixels of thin lines from left to right, nearly level and straight, at least `length` pixels long.

    A path through cells of 1 x 4 pixels gains 1 by each cell with ink, and loses 2 by each one without and by each
    step up or down. A cell is on a line if the best path to it from the left, or that from the right, has gained as
    much as half of such a line.
    """
    width = mask.shape[1]
    count = width // 4
    cells = mask[:, : 4 * count].reshape(len(mask), count, 4).sum(axis=2) >= 3
    gain = np.where(cells, 1, -2).astype(np.float32).T.copy()  # (count, H)
    enough = max(length / 8, 4)  # cells
    best = np.maximum(_best_paths(gain, enough), _best_paths(gain[::-1], enough)[::-1])
    on_line = (best > enough - 1) & (gain > 0)
    line = np.zeros_like(mask)
    line[:, : 4 * count] = np.repeat(on_line.T, 4, axis=1)
    near = line.copy()
    for distance in (1, 2):  # the soft edges of the line
        near[distance:] |= line[:-distance]
        near[:-distance] |= line[distance:]
    thin: Mask = near & mask & ~_in_run(mask, RULE_THICKNESS)  # without letters that touch or cross the line
    return thin


def _best_paths(gain: Ink, enough: float) -> Ink:
    """The gain (columns, H) of the best path that ends at each cell, between 0 and `enough`; see `_long_runs`."""
    best, found = np.zeros(gain.shape[1], np.float32), np.zeros_like(gain)
    for column, gained in enumerate(gain):
        before = best
        best = before.copy()
        np.maximum(best[1:], before[:-1] - 2, out=best[1:])
        np.maximum(best[:-1], before[1:] - 2, out=best[:-1])
        best = np.clip(best + gained, 0, enough)
        found[column] = best
    return found


def _between_dots(mask: Mask) -> Mask:
    """What is between dots side by side, up to six pixels apart, and the dots: rules may be dotted."""
    thick = mask.copy()  # strokes of a letter above one another count as one, so that they are not dots
    thick[1:] |= mask[:-1]
    thick[:-1] |= mask[1:]
    dots = mask & ~_in_run(thick, 6) & ~_in_run(mask.T, 4).T
    right, left = dots.copy(), dots.copy()
    for _ in range(3):
        right[:, 1:] |= right[:, :-1]
        left[:, :-1] |= left[:, 1:]
    return right & left


def _in_run(mask: Mask, longest: int) -> Mask:
    """Which pixels (H, W) are in a run of more than `longest` pixels of the mask from top to bottom."""
    sums = np.pad(mask, ((1, 0), (0, 0))).cumsum(axis=0, dtype=np.int16)
    full = sums[longest + 1 :] - sums[: -longest - 1] > longest  # by where the run begins
    begun = np.pad(full, ((longest + 1, longest), (0, 0))).cumsum(axis=0, dtype=np.int16)
    inside: Mask = begun[longest + 1 :] > begun[: -longest - 1]
    return inside


# ---- the size of the letters


def estimate_x_height(ink: Ink) -> float:
    """The height of letters without ascender, in pixels, from the blur that shows lines best (Lindeberg 1998).

    The lines are blurred along and across. The energy of the second derivative from row to row, times a power of the
    blur's width, is largest where the blur fits the distance of the lines; the best width is interpolated.
    """
    half = np.asarray(Image.fromarray(ink).reduce(2))
    energies = []
    for radius in BOX_RADII:
        smooth = box_filter(half, 6 * radius, 0)
        for _ in range(3):
            smooth = box_filter(smooth, 0, radius)
        bend = 2 * smooth[1:-1] - smooth[2:] - smooth[:-2]
        energies.append(float((np.maximum(bend, 0) ** 1.3).sum()) * _sigma(radius) ** 2.6)
    best = int(np.argmax(energies))
    widths = np.log([_sigma(radius) for radius in BOX_RADII])
    peak = float(widths[best])
    if 0 < best < len(BOX_RADII) - 1:  # the top of the parabola through the best one and its neighbours
        square, straight, _ = np.polyfit(widths[best - 1 : best + 2], energies[best - 1 : best + 2], 2)
        peak = float(-straight / (2 * square)) if square < 0 else peak
    return 3.3 * float(np.exp(peak))  # 2 for the halved copy; the rest was measured on pages by 30 writers


def _sigma(radius: int) -> float:
    """The standard deviation of three box filters of that radius."""
    return float(np.sqrt(((2 * radius + 1) ** 2 - 1) / 4))


def without_blobs(ink: Ink, x_height: float) -> Ink:
    """The ink without what is much thicker than a stroke in every direction: punched holes, filled shapes."""
    radius = round(0.5 * x_height)
    solid = box_filter((ink > INK).astype(np.float32), radius, radius) > 0.97
    return np.where(box_filter(solid.astype(np.float32), radius + 2, radius + 2) > 1e-3, np.float32(0), ink)


# ---- filters


def box_filter(field: Ink, across: int, down: int) -> Ink:
    """The mean of the (2 across + 1) x (2 down + 1) pixels around each; outside of the array everything is 0."""
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


def sample_ink(ink: Ink, rows: Rows, columns: NDArray[np.int64]) -> Ink:
    """The ink at real-valued rows (..., n) of the columns (n,); none above and below the page."""
    nearest = np.rint(rows).astype(np.int64)
    inside = (nearest >= 0) & (nearest < len(ink))
    return np.where(inside, ink[nearest.clip(0, len(ink) - 1), columns], np.float32(0))
