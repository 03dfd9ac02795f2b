"""Notes of Xournal++, which other programs write too: .xopp, .xoj, and their XML. A page of the notes is a page.

The coordinates are points, 1/72 inch, from the upper left. Backgrounds, also those from PDF files, and pictures are not
read. Xournal++ keeps no erased strokes, but its whiteout is a white stroke over what it hides.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image, ImageDraw

from inkread.errors import BadInput
from inkread.inputs._xml import line_of, parse, root_name, tag
from inkread.inputs.ink import MAX_POINTS, MAX_TYPED_CHARACTERS, PAGE_DPI, Ink, Pen, Stroke, TypedText
from inkread.inputs.source import Source, is_zip, unzipped

NAME = "Xournal++"
SUFFIXES: tuple[str, ...] = (".xopp", ".xoj")

SCALE = PAGE_DPI / 72  # pixels per point
CONTENT = "content.xml"  # the notes in an .xopp of version 1.0.7 to 1.0.9, which is a zip file
LARGEST_PAGE = 20_000.0  # points: 7 metres. Larger ones are damaged
LINE_HEIGHT, CHARACTER_WIDTH = 1.2, 0.5  # of typed text, in its font size: those of most fonts, as the file has none
COORDINATE_CHARACTERS = 20  # that the coordinates of a point take at most, in a stroke with MAX_POINTS
USUAL_WIDTH = 1.41  # points: the medium pen of Xournal++
# The names of Xournal and Xournal++, in their file load handlers.
COLORS = {
    "black": "#000000", "blue": "#3333cc", "red": "#ff0000", "green": "#008000", "gray": "#808080",
    "lightblue": "#00c0ff", "lightgreen": "#00ff00", "magenta": "#ff00ff", "orange": "#ff8000", "yellow": "#ffff00",
    "white": "#ffffff",
}  # fmt: skip
MASK_SIDE = 3000  # pixels: the resolution with which whiteout hides strokes is 0.3 points on A4
MAX_WHITE = 5_000_000_000  # pixels that whiteout covers, each as often as it is covered: some seconds of drawing


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return root_name(start) == "xournal" or (is_zip(start) and (CONTENT.encode() in start or b"xournal" in start))


def read(source: Source, whole: bool) -> list[Ink]:
    """An ink for each page. Raises BadInput for what is not XML of Xournal++, and for invalid strokes."""
    name = source.name
    if is_zip(source.start()):
        source = Source(name, unzipped(source, CONTENT))
    root = parse(source)
    if root.tag != "xournal":
        raise BadInput(f"<{root.tag}> is XML but not of Xournal++", path=name, hint="save it again with Xournal++")
    pages = [_page(name, page) for page in root if tag(page) == "page"]
    if not pages:
        raise BadInput("no pages in it", path=name, hint="save it again with Xournal++")
    return pages


def _page(name: str, page: Element) -> Ink:
    width, height = (_number(name, page, key) for key in ("width", "height"))
    if not (0 < width <= LARGEST_PAGE and 0 < height <= LARGEST_PAGE):
        problem = f"a page of {width:g} x {height:g} points"
        raise BadInput(problem, path=name, line=line_of(page), hint="correct its size")
    strokes: list[Stroke] = []
    pens: list[Pen] = []
    white: list[tuple[int, Stroke, float]] = []  # whiteout: the number of strokes before it, its path and its width
    typed: list[TypedText] = []
    for layer in page:
        for item in layer if tag(layer) == "layer" else ():
            if tag(item) == "text":
                typed += _typed(name, item)
            elif tag(item) == "stroke":
                tool = item.get("tool", "pen")
                points = _points(name, item)
                if tool == "eraser":
                    white.append((len(strokes), points, _width(name, item)))
                elif tool != "highlighter" and item.get("style", "plain") == "plain" and len(points):
                    strokes.append(points)
                    pens.append(_pen(item))
    if white:
        visible = list(_without_hidden(name, strokes, white, width, height))
        strokes, pens = [part for _, part in visible], [pens[number] for number, _ in visible]
    scaled = tuple(stroke * SCALE for stroke in strokes)
    return Ink(scaled, size=(width * SCALE, height * SCALE), typed=tuple(typed), pens=tuple(pens))


def _points(name: str, stroke: Element) -> Stroke:
    """ "1 2 3.5 4" -> [[1, 2], [3.5, 4]]."""
    text = stroke.text or ""
    if len(text) > COORDINATE_CHARACTERS * MAX_POINTS:
        raise BadInput(
            f"a stroke of more than {MAX_POINTS:,} points", path=name, line=line_of(stroke), hint="delete it"
        )
    try:
        values = np.array(list(map(float, text.split())))
    except ValueError as error:
        problem = "a stroke with something else than numbers"
        raise BadInput(problem, path=name, line=line_of(stroke), hint="delete it") from error
    if len(values) % 2:
        raise BadInput("a stroke with an x that has no y", path=name, line=line_of(stroke), hint="delete it")
    return values.reshape(-1, 2)


def _number(name: str, element: Element, key: str) -> float:
    try:
        value = float(element.get(key, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problem = f"{key}={element.get(key)!r} is not a finite number"
        raise BadInput(problem, path=name, line=line_of(element), hint="save it again")
    return value


def _width(name: str, stroke: Element) -> float:
    """The width of a stroke in points; the first number, as others are its widths from point to point."""
    first = (stroke.get("width") or "").split()[:1]
    try:
        width = float(first[0]) if first else math.nan
    except ValueError:
        width = math.nan
    if not 0 <= width <= LARGEST_PAGE:
        raise BadInput("a stroke without a width", path=name, line=line_of(stroke), hint="delete it")
    return width


def _pen(stroke: Element) -> Pen:
    """The pen of a stroke; what is damaged does not matter, as it does not change what is read."""
    try:
        width = float((stroke.get("width") or "").split()[0])
    except (ValueError, IndexError):
        width = USUAL_WIDTH
    color = COLORS.get(stroke.get("color", ""), stroke.get("color", ""))
    if re.fullmatch(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?", color):
        red, green, blue = bytes.fromhex(color[1:7])
    else:
        red = green = blue = 0
    return Pen(SCALE * (width if 0 < width <= LARGEST_PAGE else USUAL_WIDTH), (red, green, blue))


def _typed(name: str, box: Element) -> Iterator[TypedText]:
    """The lines of a text box. The file does not say how wide a line is, or where one is wrapped: it is estimated."""
    left, top, size = (_number(name, box, key) for key in ("x", "y", "size"))
    if not max(map(abs, (left, top, size))) <= LARGEST_PAGE:
        raise BadInput("a text outside of its page", path=name, line=line_of(box), hint="move it")
    width = _number(name, box, "wrap") if box.get("wrap") else 0.0  # of a box whose lines are wrapped
    most = int(width / max(CHARACTER_WIDTH * size, 1e-9)) if width > 0 else 0  # characters in a line
    rows = (row for line in (box.text or "").split("\n") for row in _wrapped(line, most))
    for number, row in enumerate(rows):
        text = " ".join(row.split())
        if text:
            y = top + number * LINE_HEIGHT * size
            corners = (left, y, left + CHARACTER_WIDTH * size * len(text), y + LINE_HEIGHT * size)
            yield TypedText(text, *(SCALE * each for each in corners))


def _wrapped(line: str, most: int) -> list[str]:
    """The parts of a line with at most so many characters each, unless a word is longer; 0 is no limit."""
    if not most or len(line) > MAX_TYPED_CHARACTERS:  # which is refused later
        return [line]
    return textwrap.wrap(line, most, break_long_words=False, break_on_hyphens=False) or [""]


def _without_hidden(
    name: str, strokes: Sequence[Stroke], white: Sequence[tuple[int, Stroke, float]], width: float, height: float
) -> Iterator[tuple[int, Stroke]]:
    """The parts of strokes that no whiteout hides which was made after them, each with the number of its stroke."""
    scale = MASK_SIDE / max(width, height)
    mask = Image.new("I", (math.ceil(width * scale) + 1, math.ceil(height * scale) + 1), 0)
    brush = ImageDraw.Draw(mask)
    covered = 0.0
    for before, path, thickness in white:  # in the order of time, so that the last one at a place counts
        flat = np.nan_to_num(path * scale).clip(-MASK_SIDE, 2 * MASK_SIDE)
        radius = min(thickness * scale / 2, 2 * MASK_SIDE)
        covered += 2 * radius * (float(np.hypot(*np.diff(flat, axis=0).T).sum()) + 2 * radius * len(flat))
        if not covered < MAX_WHITE:
            raise BadInput("too much whiteout on a page", path=name, hint="delete some of it with Xournal++")
        brush.line(flat.ravel().tolist(), fill=before, width=max(1, round(2 * radius)), joint="curve")
        for x, y in flat[[0, -1]].tolist() if len(flat) else ():
            brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=before)
    hidden_before = np.asarray(mask)  # strokes with a smaller number are hidden there
    for number, stroke in enumerate(strokes):
        x, y = np.nan_to_num(stroke * scale).clip(0, [mask.width - 1, mask.height - 1]).astype(int).T
        hidden = hidden_before[y, x] > number
        begins = [0, *(np.flatnonzero(np.diff(hidden)) + 1).tolist()]
        yield from ((number, stroke[a:b]) for a, b in pairwise([*begins, len(stroke)]) if not hidden[a])
