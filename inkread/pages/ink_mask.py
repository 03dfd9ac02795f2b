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
MOST_GROWTH = 4  # times as many pixels as before may the level copy have
LARGE_COPY = 400  # pixels: on a copy less wide, letters are as small as the dots of dotted rules
RULE_PART = 6  # a straight line as long as the page's width (or height) divided by this is a rule
RULE_THICKNESS = 5  # pixels: the ink of a rule is at most so thick


def level_ink(page: Grey, factor: float, slope: float) -> tuple[Ink, Rows]:
    """The ink of a page (H, W) uint8, `factor` times smaller, turned level and without rules; and the way back.

    Its writing goes down by `slope` rows per column.

    The way back is a matrix (2, 3): the place on the page is matrix @ (x, y, 1).
    """
    height, width = page.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    ink = _darkness(np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX)))
    ink, to_copy = _turn_level(ink, slope)
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


def _turn_level(ink: Ink, slope: float) -> tuple[Ink, Rows]:
    """The ink turned so that writing with this slope is level, and the matrix (2, 3) from it to the ink before."""
    height, width = ink.shape
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


def sample_ink(ink: Ink, rows: Rows, columns: NDArray[np.int64]) -> Ink:
    """The ink at real-valued rows (..., n) of the columns (n,); none above and below the page."""
    nearest = np.rint(rows).astype(np.int64)
    inside = (nearest >= 0) & (nearest < len(ink))
    return np.where(inside, ink[nearest.clip(0, len(ink) - 1), columns], np.float32(0))
