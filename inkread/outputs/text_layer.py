"""Invisible text on a page of a PDF, at the place of each word, so that a viewer finds, marks and copies it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Array, Dictionary, Name, Stream

from inkread.document.elements import Line, Page, Word
from inkread.outputs.glyphless import ASCENT, UNITS, WIDTH, GlyphlessFont

Floats = NDArray[np.float64]

FONT = "/InkreadText"  # the name of the font on a page
LAYER = Name.InkreadTextLayer  # marks our own text layer, which a later run replaces
NO_BASELINE = 0.75  # of the height of a line without a baseline is above it: most letters have no descender
SHORTEST = 0.1  # points: no width, height or line is shorter, so that nothing is divided by 0
LEVEL = 6  # degrees: a line that slopes less has level words, each at its own height
ORDERED_DRIFT, LARGEST_DRIFT = 0.3, 0.75  # of the size of the font; see `_settle`
HIGHEST_TREE = 100  # levels of nodes above a page; those of a damaged file could lead in a circle
DEFAULT_BOX = (0, 0, 612, 792)  # of a page that names no size: that of a letter, as in most viewers
TURNS = {  # the way from the corner at the upper left, to the right and down, as a viewer turns the page
    0: ((0, 1), (1, 0), (0, -1)),
    90: ((0, 0), (0, 1), (1, 0)),
    180: ((1, 0), (-1, 0), (0, 1)),
    270: ((1, 1), (0, -1), (-1, 0)),
}


@dataclass(frozen=True)
class Placement:
    """How positions on a page that was read become points of the PDF."""

    origin: Floats  # (2,)
    axes: Floats  # (2, 2): rows: the way of one pixel to the right, and of one pixel down

    def __call__(self, points: Floats) -> Floats:
        """Points (..., 2)."""
        return self.origin + points @ self.axes


def add_text_layer(pdf_page: pikepdf.Page, page: Page, font: GlyphlessFont, placement: Placement | None = None) -> None:
    """Add the words of a page, whose positions are in pixels of the page as a viewer shows it, to a page of a PDF.

    The text comes before what is on the page: there, the coordinates are still those of the page, whatever the page
    does with them. A layer of an earlier run is replaced. By default the pixels fill what a viewer shows of the page.

    Viewers are told to show a page upright whose writing is upside down or on its side: some would copy its text from
    the end.
    """
    _remove_layer(pdf_page)
    placement = placement or _placement(pdf_page, page.width, page.height)
    if page.rotation:
        pdf_page.obj[Name.Rotate] = (_rotation(pdf_page) + page.rotation) % 360
    lines = [_show_line(line, placement, font) for line in page.lines if line.words]
    if not lines:
        return
    content = b"q BT 3 Tr %s ET Q" % b"\n".join(lines)  # 3: neither filled nor stroked
    stream = Stream(font.pdf, content)
    stream[LAYER] = True
    pdf_page.contents_add(stream, prepend=True)
    _add_font(pdf_page, font)


def _placement(pdf_page: pikepdf.Page, width: int, height: int) -> Placement:
    """Where the pixels of a page of `width` x `height` are: a viewer shows the crop box, turned by /Rotate."""
    left, bottom, right, top = _visible_box(pdf_page)
    corner, across, down = (np.array(pair, float) for pair in TURNS[_rotation(pdf_page)])
    size = np.array([right - left, top - bottom])
    across, down = across * size / width, down * size / height
    return Placement(np.array([left, bottom]) + corner * size, np.array([across, down]))


def _visible_box(pdf_page: pikepdf.Page) -> tuple[float, float, float, float]:
    """The left, bottom, right and top of what a viewer shows: the crop box inside of the media box."""
    media, crop = (_box(_inherited(pdf_page, key)) for key in (Name.MediaBox, Name.CropBox))
    media = media or DEFAULT_BOX
    if not crop:
        return media
    left, bottom = max(media[0], crop[0]), max(media[1], crop[1])
    right, top = min(media[2], crop[2]), min(media[3], crop[3])
    return (left, bottom, right, top) if left < right and bottom < top else media


def _box(value: pikepdf.Object | None) -> tuple[float, float, float, float] | None:
    """A box with its corners in order; None for one that is damaged or empty."""
    try:
        x, y, other_x, other_y = (float(number) for number in value)  # type: ignore[union-attr]
    except (TypeError, ValueError):
        return None
    box = min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)
    return box if box[0] < box[2] and box[1] < box[3] else None


def _rotation(pdf_page: pikepdf.Page) -> int:
    """By how many degrees a viewer turns the page clockwise: 0, 90, 180 or 270."""
    try:
        degrees = int(_inherited(pdf_page, Name.Rotate))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0
    return degrees % 360 if degrees % 90 == 0 else 0


def _inherited(pdf_page: pikepdf.Page, key: Name) -> pikepdf.Object | None:
    """A value of a page, or else of the nearest node above it that has one."""
    node: object = pdf_page.obj
    seen = 0
    while isinstance(node, Dictionary) and seen < HIGHEST_TREE:
        if key in node:
            return node[key]
        node, seen = node.get(Name.Parent), seen + 1
    return None


def _show_line(line: Line, placement: Placement, font: GlyphlessFont) -> bytes:
    """The operators that show the words of a line, each at its baseline and as wide as it is on the page.

    The coordinates of the text begin at the first word, x along the line and y up.
    """
    placed = [_place(word, line) for word in line.words]
    starts, ends = (placement(np.array([word[side] for word in placed])) for side in (0, 1))  # (words, 2)
    axes = _axes(ends[-1] - starts[0])
    starts, ends = (points @ axes.T for points in (starts, ends))  # along the line, and up
    widths = np.maximum(ends[:, 0] - starts[:, 0], SHORTEST)
    heights = (starts[:, 1] + ends[:, 1]) / 2
    rise = float(np.median([word[2] for word in placed])) * float(np.hypot(*placement.axes[1]))
    letter = float(widths.sum()) / sum(len(word.text) for word in line.words)
    size = max(SHORTEST, min(rise * UNITS / ASCENT, letter * UNITS / WIDTH))
    places = np.column_stack([starts[:, 0], _settle(heights, size)])  # (words, 2)
    rows = [b"%s %s Tf %s %s Tm" % (FONT.encode(), _number(size), _numbers(axes.flat, 4), _numbers(places[0] @ axes))]
    for number, word in enumerate(line.words):
        if number:
            rows.append(b"%s Td" % _numbers(places[number] - places[number - 1]))
        stretch = 100 * widths[number] / (len(word.text) * size * WIDTH / UNITS)
        rows.append(b"%s Tz%sTj" % (_number(stretch, 0), font.encode(word.text + " ")))
    return b"\n".join(rows)


def _axes(along: Floats) -> Floats:
    """Rows: the unit vectors along a line that goes this way, and up.

    A line that is nearly level, or nearly upright, is taken for exactly that: for poppler, the library of Evince and
    Okular, a word ends where the baseline has moved by half a point. Its words still have their own heights.
    """
    angle = math.atan2(along[1], along[0])
    quarter = round(angle / (math.pi / 2)) * (math.pi / 2)
    if abs(angle - quarter) < math.radians(LEVEL):
        angle = quarter
    return np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])


def _settle(heights: Floats, size: float) -> Floats:
    """The heights of the words of a line (words,), closer together where the line slopes a little.

    Poppler mixes up the order of words whose heights differ by more than about a third of the size of the font. In
    lines that slope more, the words stay where they are: otherwise they would be marked in the line above or below.
    """
    drift, allowed = float(np.ptp(heights)), ORDERED_DRIFT * size
    if not allowed < drift <= LARGEST_DRIFT * size:
        return heights
    middle = (heights.min() + heights.max()) / 2
    settled: Floats = middle + (heights - middle) * (allowed / drift)
    return settled


def _place(word: Word, line: Line) -> tuple[Floats, Floats, float]:
    """Where the baseline of a word starts and ends, and how far above it the upper edge is, all in pixels."""
    upper_left, upper_right, _, lower_left = np.array(word.polygon, float)
    along, down = _unit(upper_right - upper_left), _unit(lower_left - upper_left)
    height = float(np.hypot(*(lower_left - upper_left)))
    rise = NO_BASELINE * height
    if line.baseline:
        baseline = np.array(line.baseline, float) - upper_left  # (points, 2)
        order = np.argsort(baseline @ along)
        middle = (upper_right - upper_left) @ along / 2
        rise = float(np.interp(middle, (baseline @ along)[order], (baseline @ down)[order]))
        rise = min(max(rise, height / 4), height)
    return upper_left + rise * down, upper_right + rise * down, rise


def _unit(vector: Floats) -> Floats:
    unit: Floats = vector / max(float(np.hypot(*vector)), 1e-12)
    return unit


def _numbers(values: Iterable[float], decimals: int = 1) -> bytes:
    return b" ".join(_number(value, decimals) for value in values)


def _number(value: float, decimals: int = 1) -> bytes:
    """A number as short as possible: 12.0 -> 12, 0.50 -> .5. A PDF has no exponents."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return (
        "0" if text in ("", "-0") else text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
    ).encode()


def _add_font(pdf_page: pikepdf.Page, font: GlyphlessFont) -> None:
    """Name the font in the resources of the page, which may be shared with other pages."""
    resources = _copy(_inherited(pdf_page, Name.Resources))
    fonts = _copy(resources.get(Name.Font))
    fonts[FONT] = font.font
    resources[Name.Font] = fonts
    pdf_page.obj[Name.Resources] = resources


def _copy(dictionary: pikepdf.Object | None) -> Dictionary:
    return Dictionary(dict(dictionary.items())) if isinstance(dictionary, Dictionary) else Dictionary()


def _remove_layer(pdf_page: pikepdf.Page) -> None:
    """Remove the text layer that an earlier run has added."""
    contents = pdf_page.obj.get(Name.Contents)
    if isinstance(contents, Array):
        rest = [stream for stream in contents if not (isinstance(stream, Stream) and LAYER in stream)]
        if len(rest) < len(contents):
            pdf_page.obj[Name.Contents] = Array(rest)
