"""Pages of pen strokes as pages of a PDF, with the strokes as lines of a pen and typed text as text."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from pikepdf import Dictionary, Name, Pdf

from inkread.document.elements import Page, Paragraph
from inkread.inputs.ink import PAGE_DPI, Ink, Pen
from inkread.outputs.text_layer import Placement

Floats = NDArray[np.float64]

POINTS_PER_INCH = 72  # the unit of lengths in a PDF
A4_HEIGHT = 842  # points: the longer side of a page whose size is unknown
MARGIN = 10.0  # points, around strokes that have no page
PEN_WIDTH, THINNEST = 1.2, 0.3  # points: a usual pen has 0.4 mm; a line of 0.1 mm can still be seen
TYPED_FONT = "/InkreadTyped"
TYPED_SIZE, TYPED_BASELINE = (
    0.75,
    0.25,
)  # of the height of a line of typed text: the size of its letters, and their feet
TYPED_ENCODING = "cp1252"  # WinAnsiEncoding of ISO 32000-1, annex D


@dataclass(frozen=True)
class InkSheet:
    """Where on a page of a PDF the units of pen strokes are."""

    width: float  # of the page, in points
    height: float
    left: float  # the units at the upper left corner of the page
    top: float
    scale: float  # points per unit

    def points(self, units: Floats) -> Floats:
        """The points (N, 2) of the PDF for units (N, 2)."""
        return (units - (self.left, self.top)) * (self.scale, -self.scale) + (0, self.height)

    def placement(self, origin: Floats) -> Placement:
        """The placement of positions that are counted from `origin`, in units."""
        return Placement(self.points(origin), np.array([(self.scale, 0.0), (0.0, -self.scale)]))


def sheet_of(ink: Ink) -> InkSheet:
    """The page of the file, or one around the strokes."""
    if ink.size:
        scale = POINTS_PER_INCH / PAGE_DPI
        return InkSheet(ink.size[0] * scale, ink.size[1] * scale, 0.0, 0.0, scale)
    low, high = _extent(ink)
    scale = (A4_HEIGHT - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    (width, height), (left, top) = (high - low) * scale + 2 * MARGIN, low - MARGIN / scale
    return InkSheet(float(width), float(height), float(left), float(top), scale)


def origin_of(ink: Ink, page: Page) -> Floats:
    """Where the positions on a page that was read begin, in units: a page without a size is moved to begin at 0."""
    if ink.size or page.is_line:
        return np.zeros(2)
    return np.minimum(_extent(ink)[0], 0)


def _extent(ink: Ink) -> tuple[Floats, Floats]:
    """The smallest and the largest x and y, each (2,)."""
    points = np.concatenate([*ink.strokes, *(np.array(text.corners) for text in ink.typed)])
    return points.min(axis=0), points.max(axis=0)


def add_ink(pdf: Pdf, ink: Ink) -> InkSheet:
    """Add a page with the strokes and the typed text."""
    sheet = sheet_of(ink)
    page = pdf.add_blank_page(page_size=(sheet.width, sheet.height))
    content = [b"1 J 1 j"]  # round ends and corners
    pens = ink.pens or [Pen(PEN_WIDTH / sheet.scale)] * len(ink.strokes)
    for pen, strokes in groupby(zip(pens, ink.strokes, strict=True), key=itemgetter(0)):
        color = _numbers(level / 255 for level in pen.color)
        content.append(b"%s RG %s w" % (color, _numbers([max(pen.width * sheet.scale, THINNEST)])))
        content += (_path(sheet.points(stroke)) for _, stroke in strokes if len(stroke))
    for text in ink.typed:
        if encoded := _encode(text.text):
            height = text.bottom - text.top
            feet = np.array([[text.left, text.bottom - TYPED_BASELINE * height]])
            size = TYPED_SIZE * height * sheet.scale
            at = _numbers(sheet.points(feet)[0])
            content.append(b"BT %s %s Tf %s Td <%s> Tj ET" % (TYPED_FONT.encode(), _numbers([size]), at, encoded))
    page.contents_add(b"\n".join(content))
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    page.obj.Resources = Dictionary(Font=Dictionary({TYPED_FONT: font}))
    return sheet


def without_shown(page: Page, ink: Ink) -> Page:
    """The page without lines of typed text that the PDF shows, since they would be found twice."""
    shown = {text.text for text in ink.typed if _encode(text.text)}

    def rest(paragraph: Paragraph) -> Paragraph:
        return Paragraph(tuple(line for line in paragraph.lines if line.confidence < 1 or line.text not in shown))

    return replace(page, paragraphs=tuple(map(rest, page.paragraphs)))


def _path(points: Floats) -> bytes:
    """The operators that draw a stroke (N, 2); one of a single point is a dot."""
    start, *others = points.tolist()
    steps = [_numbers(point) + b" l" for point in others or [start]]
    return b"%s m %s S" % (_numbers(start), b" ".join(steps))


def _encode(text: str) -> bytes:
    """A text in hex digits of the encoding of the font, or b"" where it has a character that the font lacks."""
    try:
        return text.encode(TYPED_ENCODING).hex().encode()
    except UnicodeEncodeError:
        return b""


def _numbers(values: Iterable[float]) -> bytes:
    return " ".join(f"{value:.2f}" for value in values).encode()
