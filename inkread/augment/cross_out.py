"""Words are crossed out, so that a network learns to mark them with CROSSED_OUT instead of reading them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inkread.augment.image import HALF_X_HEIGHT
from inkread.augment.ink import strike_out
from inkread.augment.splice import INK, Gap

Pixels = NDArray[np.uint8]  # of a normalised line, (height, W), 255 = ink

# Chosen by looking at 16 lines of Copiste with crossed-out words. In about a third of them a word is begun twice.
FALSE_START_CHANCE = 0.4  # the beginning of a word is written, crossed out, and written again
FALSE_START = 0.25, 0.7  # of the width of the word
ONE_MORE = 0.25  # probability that one more word is crossed out
LEAST_START = 10  # pixels: a narrower beginning of a word is not a letter
AFTER_FALSE_START = 3, 12  # blank columns before it is written again
THICKNESS = 1.2, 3.2  # pixels of the strokes that cross out
SUPERSAMPLING = 4  # they are drawn so many times as large


class CrossedOut(NamedTuple):
    """A line in which something is crossed out, and between which characters of its text that is."""

    pixels: Pixels
    begin: int  # characters of the text before what is crossed out
    end: int  # and before what follows it; these two are equal for a false start


def cross_out_word(pixels: Pixels, gaps: Sequence[Gap], length: int, rng: np.random.Generator) -> CrossedOut | None:
    """Cross out words of a line with a text of so many characters, or the beginning of a word that is written twice.

    Words lie between two of the gaps, or between one of them and an end of the line. None if the line has no gaps.
    The characters that are crossed out include the space that follows them, or at the end of the line precedes them.
    """
    if not gaps:
        return None
    first = int(rng.integers(len(gaps) + 1))
    last = min(first + int(rng.geometric(1 - ONE_MORE)), len(gaps) + 1) - 1
    begin, left = (gaps[first - 1].space + 1, gaps[first - 1].start) if first else (0, 0)
    end, right = (gaps[last].space + 1, gaps[last].end) if last < len(gaps) else (length, pixels.shape[1])
    inked = left + np.flatnonzero(np.any(pixels[:, left:right] > INK, axis=0))
    if not len(inked):
        return None
    left, right = int(inked[0]), int(inked[-1]) + 1
    cut = left + round((right - left) * rng.uniform(*FALSE_START))
    if cut - left >= LEAST_START and rng.random() < FALSE_START_CHANCE:
        start = strike(pixels[:, left:cut], 0, cut - left, rng)
        blank = np.zeros((len(pixels), rng.integers(*AFTER_FALSE_START)), np.uint8)
        return CrossedOut(np.concatenate([pixels[:, :left], start, blank, pixels[:, left:]], axis=1), begin, begin)
    if last == len(gaps) and first:
        begin -= 1
    return CrossedOut(strike(pixels, left, right, rng), begin, end)


def strike(pixels: Pixels, left: int, right: int, rng: np.random.Generator) -> Pixels:
    """The line with strokes over its columns from `left` up to `right`, as dark as its ink there."""
    height, width = pixels.shape
    ink = pixels[:, left:right][pixels[:, left:right] > INK]
    brightness = int(np.quantile(ink, 0.9)) if len(ink) else 255
    canvas = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    brush, x_height = ImageDraw.Draw(canvas), 2 * HALF_X_HEIGHT
    thickness = round(rng.uniform(*THICKNESS) * SUPERSAMPLING)
    for stroke in strike_out((right - left) / x_height, rng):
        path = (stroke * x_height + [left, height / 2 + HALF_X_HEIGHT]) * SUPERSAMPLING
        brush.line(path.ravel().tolist(), fill=brightness, width=thickness, joint="curve")
    crossed: Pixels = np.maximum(pixels, np.asarray(canvas.reduce(SUPERSAMPLING)))
    return crossed
