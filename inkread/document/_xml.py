"""What the XML formats share: boxes and points in whole pixels, the name of the file, and writing the XML."""

import math
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from inkread._names import one_line
from inkread.document.elements import Document, Page, Points
from inkread.errors import BadInput

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are just outside


def require_pages(document: Document, format_name: str) -> None:
    """Raise BadInput for pen strokes, whose coordinates are not pixels of a page, and for a document without a page."""
    if not document.pages or any(page.width == 0 for page in document.pages):
        raise BadInput(
            f"{format_name} describes pages, not pen strokes", path=document.name, hint="write text or JSON instead"
        )


def serialize(root: Element) -> str:
    """The text of an XML file, indented, with a declaration."""
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def add_text(parent: Element, tag: str, text: str) -> None:
    """Add an element that contains only text."""
    SubElement(parent, tag).text = text


def file_name(document: Document) -> str:
    """The name of the document's file without its folder, on one line."""
    return one_line(Path(document.name).name)


def bounding_box(polygons: Iterable[Points], page: Page) -> Box:
    """The box around polygons, within the page, at least one pixel wide and high."""
    x, y = zip(*(point for polygon in polygons for point in polygon), strict=True)
    left, top = _clip(math.floor(min(x)), page.width - 1), _clip(math.floor(min(y)), page.height - 1)
    right, bottom = _clip(math.ceil(max(x)), page.width), _clip(math.ceil(max(y)), page.height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def format_points(points: Points, page: Page, separator: str) -> str:
    """Points in whole pixels within the page: ((1.2, 3), (4, 5)) -> "1,3 4,5" with the separator ","."""
    whole = [(_clip(round(x), page.width - 1), _clip(round(y), page.height - 1)) for x, y in points]
    return " ".join(f"{x}{separator}{y}" for x, y in whole)


def _clip(value: int, largest: int) -> int:
    return max(0, min(value, largest))
