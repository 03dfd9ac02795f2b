"""Lines of text drawn in a handwriting font, made less regular: black ink on white."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkread.augment.ink import strike_out
from inkread.features.image import GreyImage

MARGIN = 6  # pixels around the ink, in the large image
X_HEIGHT = 0.4  # of the size of a font: the height of small letters
# Chosen by looking at drawn lines. Standard deviations, if nothing else is said.
SPACE = 0.8, 1.8  # of the font's space: uniform, per line
SPACE_WITHIN = 0.8, 1.25  # of the line's space: uniform, per space
LIFT = 0.03  # of the font size: each word stands a little higher or lower
SLANT = 0.15  # x per height
STRETCH, STRETCH_PERIOD = 0.1, 3  # logarithm of the width of letters, and half font sizes in which it changes
WANDER, WANDER_PERIOD = 0.04, 8  # of the font size: the baseline, and half font sizes in which it changes


def draw_text(
    text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator, struck: Collection[int] = ()
) -> GreyImage:
    """A line of text in a handwriting font, with spaces, widths, slant and baseline that vary; (H, W) uint8.

    The font's size gives the size of the image. It is drawn twice as large and reduced. The words whose numbers are in
    `struck` are crossed out.
    """
    size = int(font.size)
    large = font.font_variant(size=2 * size)
    words = text.split(" ")
    space = max(large.getlength(" "), 0.2 * size) * rng.uniform(*SPACE)
    spaces = space * rng.uniform(*SPACE_WITHIN, len(words))
    starts = np.cumsum([0.0, *[large.getlength(word) + gap for word, gap in zip(words, spaces, strict=True)]])
    border = 2 * size
    canvas = Image.new("L", (round(starts[-1]) + 2 * border, 5 * size), 255)
    brush = ImageDraw.Draw(canvas)
    for word, x in zip(words, starts.tolist(), strict=False):
        brush.text((border + x, 3 * size + rng.normal(0, LIFT) * size), word, fill=0, font=large, anchor="ls")
    x_height = 2 * X_HEIGHT * size
    for place in struck:
        for stroke in strike_out(large.getlength(words[place]) / x_height, rng):
            path = stroke * x_height + [border + starts[place], 3 * size]
            brush.line(path.ravel().tolist(), fill=0, width=max(2, round(0.1 * size)), joint="curve")
    image = _crop(warp(canvas, 2 * size, rng))
    return np.asarray(image.reduce(2))


def warp(image: Image.Image, unit: int, rng: np.random.Generator) -> Image.Image:
    """Distort the image of a line smoothly: slant it, and let its baseline and the width of its letters vary.

    `unit` is the size of the font in pixels. The image is divided into vertical strips half as wide; each strip of the
    result shows a parallelogram of the source.
    """
    width, height = image.size
    columns = np.arange(0, width + unit, max(unit // 2, 1), dtype=float)
    slant = rng.normal(0, SLANT)
    stretch = np.exp(_random_curve(len(columns), STRETCH_PERIOD, rng) * STRETCH)
    source = np.concatenate([[0.0], np.cumsum(stretch * (columns[1] - columns[0]))])[: len(columns)]
    target_width = int(columns[np.searchsorted(source, width).clip(max=len(columns) - 1)])
    lift = _random_curve(len(columns), WANDER_PERIOD, rng) * WANDER * unit
    top, bottom = slant * height / 2, -slant * height / 2
    mesh = []
    for i in range(len(columns) - 1):
        corners = (
            *(source[i] + top, lift[i]),
            *(source[i] + bottom, height + lift[i]),
            *(source[i + 1] + bottom, height + lift[i + 1]),
            *(source[i + 1] + top, lift[i + 1]),
        )
        mesh.append(((int(columns[i]), 0, int(columns[i + 1]), height), corners))
    size = (max(target_width, 1), height)
    # Outside of the image the mesh reads 0. The ink is inverted, so that this becomes paper.
    warped = ImageOps.invert(image).transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return ImageOps.invert(warped)


def _random_curve(count: int, period: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`count` values of a smooth random curve with a deviation of about 1 that changes over about `period` of them."""
    knots = rng.normal(0, 1, count // period + 2)
    return np.interp(np.arange(count) / period, np.arange(len(knots)), knots)


def _crop(image: Image.Image) -> Image.Image:
    """The image cut to its ink, with a margin."""
    box = ImageOps.invert(image).getbbox()
    if box is None:
        return image
    return ImageOps.expand(image.crop(box), MARGIN, 255)
