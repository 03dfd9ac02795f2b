"""An image of a page with the lines that were found and the words that were read. It is upright."""

import functools
import importlib.resources
import io
import itertools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkread.document._xml import bounding_box
from inkread.document.elements import Line, Page, Word

COLOURS = ("#c8102e", "#0057b7", "#00843d", "#8031a7")  # of one line after another
UNREAD_COLOUR = "#ff8c00"
LABEL_BACKGROUND = (255, 255, 255, 180)  # white; the page shows through
LABEL_SIZE = 0.6  # size of the font, of the height of most lines above their baseline
SMALLEST_LABEL, NARROWEST_LABEL = 12.0, 9  # sizes of the font in pixels; the second where a word is too narrow
LABEL_MARGIN = 2  # pixels left and right of the text
PAGE_PER_STROKE = 1000  # a page of so many pixels, on its longer side, gets lines one pixel wide


def draw_overlay(page_image: NDArray[np.uint8], page: Page) -> Image.Image:
    """The image of the page, (H, W) or (H, W, 3), with outlines and baselines, and above each word its text.

    Thick outlines mark what may be handwriting, but was not read, and thin ones in the same colour what is crossed out.
    """
    image = Image.fromarray(np.rot90(page_image, -page.rotation // 90)).convert("RGB")
    page = page.upright
    draw = ImageDraw.Draw(image)
    width = max(1, round(max(page.width, page.height) / PAGE_PER_STROKE))
    coloured = list(zip(page.lines, itertools.cycle(COLOURS)))
    for line, colour in coloured:
        draw.line([*line.polygon, line.polygon[0]], fill=colour, width=width, joint="curve")
        if line.baseline:
            draw.line(line.baseline, fill=colour, width=width)
    for outline in page.unread:
        draw.line([*outline, outline[0]], fill=UNREAD_COLOUR, width=3 * width, joint="curve")
    for outline in itertools.chain.from_iterable(line.crossed_out for line in page.lines):
        draw.line([*outline, outline[0]], fill=UNREAD_COLOUR, width=width, joint="curve")
    rises = [_rise(line) for line in page.lines]
    font_size = max(SMALLEST_LABEL, LABEL_SIZE * float(np.median(rises))) if rises else SMALLEST_LABEL
    for (line, colour), rise in zip(coloured, rises, strict=True):
        for word in line.words:
            _paste_label(image, page, line, word, rise, font_size, colour)
    return image


@functools.cache
def load_font(size: float) -> ImageFont.FreeTypeFont:
    """Source Sans: Pillow's own font has only the letters of English."""
    file = importlib.resources.files("font_source_sans_pro") / "files" / "SourceSansPro-Regular.ttf"
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), size)


def _rise(line: Line) -> float:
    """The median height, in pixels, of the upper outline of a line above its baseline."""
    if not line.baseline:
        return 0.0
    points, baseline = np.array(line.polygon), np.array(line.baseline)
    rises = np.interp(points[:, 0], baseline[:, 0], baseline[:, 1]) - points[:, 1]
    return float(np.median(rises[rises > 0])) if (rises > 0).any() else 0.0


def _paste_label(
    image: Image.Image, page: Page, line: Line, word: Word, rise: float, font_size: float, colour: str
) -> None:
    """Write the text of a word above it, parallel to the baseline."""
    left, top, right, _ = bounding_box([word.polygon], page)
    baseline = np.array(line.baseline or ((left, top), (right, top)))
    start, end = np.interp([left, right], baseline[:, 0], baseline[:, 1])
    angle = math.atan2(end - start, right - left)
    label = _draw_label(word.text, right - left, font_size, colour)
    height = label.height
    label = label.rotate(-math.degrees(angle), Image.Resampling.BICUBIC, expand=True)
    # The middle of the label is above the middle of the word.
    x = (left + right) / 2 + height / 2 * math.sin(angle)
    y = (start + end) / 2 - rise - height / 2 * math.cos(angle)
    image.paste(label, (round(x - label.width / 2), round(y - label.height / 2)), label)


def _draw_label(text: str, width: int, font_size: float, colour: str) -> Image.Image:
    """The text on its background; in a smaller font where it would be wider than `width` pixels."""
    font = load_font(font_size)
    if font.getlength(text) > width:
        font = load_font(max(NARROWEST_LABEL, math.floor(font_size * width / font.getlength(text))))
    size = (math.ceil(font.getlength(text)) + 2 * LABEL_MARGIN, sum(font.getmetrics()))
    label = Image.new("RGBA", size, LABEL_BACKGROUND)
    ImageDraw.Draw(label).text((LABEL_MARGIN, 0), text, fill=colour, font=font)
    return label
