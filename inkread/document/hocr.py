"""hOCR 1.2, an HTML page: a browser shows the image and, over the line that the mouse points at, its words.

Positions are those in the image as it is. Lines of a page that is not upright have `textangle`, which counts
counterclockwise from upright text, and no `baseline`, which must be nearly level.
"""

import os
import urllib.parse
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from inkread import __version__
from inkread.document._xml import Box, add_text, bounding_box, file_name, require_pages, serialize
from inkread.document.elements import Document, Line, Page, Word

NAMESPACE = "http://www.w3.org/1999/xhtml"
STYLE = """
.ocr_page { position: relative; }
.ocrx_word { position: absolute; color: transparent; white-space: nowrap; overflow: hidden; }
.ocr_line:hover .ocrx_word { color: #a00; background: #fffc; }
"""
FONT_SIZE = 0.6  # of the height of a word's box, which includes ascenders and descenders
WRITING = {  # the style of a word, by the rotation of its page
    0: "",
    90: ";writing-mode:vertical-rl;transform:rotate(180deg)",
    180: ";transform:rotate(180deg)",
    270: ";writing-mode:vertical-rl",
}


def write(document: Document) -> str:
    """All pages in one file. Raises BadInput for pen strokes."""
    require_pages(document, "hOCR")
    root = Element("html", xmlns=NAMESPACE)
    head = SubElement(root, "head")
    add_text(head, "title", file_name(document))
    SubElement(head, "meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    SubElement(head, "meta", name="ocr-system", content=f"inkread {__version__}")
    SubElement(head, "meta", name="ocr-capabilities", content="ocr_page ocr_par ocr_line ocrx_word")
    add_text(head, "style", STYLE)
    body = SubElement(root, "body")
    for page in document.pages:
        _add_page(body, document, page)
    return serialize(root)


def _add_page(body: Element, document: Document, page: Page) -> None:
    name = file_name(document).replace('"', "%22")  # hOCR has no escape for a quotation mark
    title = f'image "{name}"; {_bbox((0, 0, page.width, page.height))}; ppageno {page.number - 1}'
    element = SubElement(body, "div", {"class": "ocr_page", "id": f"page_{page.number}", "title": title})
    source = urllib.parse.quote(os.fsencode(Path(document.name).name))
    SubElement(element, "img", src=source, width=str(page.width), height=str(page.height), alt="")
    for paragraph in page.paragraphs:
        box = bounding_box([line.polygon for line in paragraph.lines], page)
        part = SubElement(element, "p", {"class": "ocr_par", "title": _bbox(box)})
        for line in paragraph.lines:
            _add_line(part, line, page)


def _add_line(paragraph: Element, line: Line, page: Page) -> None:
    box = bounding_box([line.polygon], page)
    title = _bbox(box) + (f"; textangle {page.rotation}" if page.rotation else _baseline(line, box))
    language = {"lang": line.language} if line.language else {}
    element = SubElement(paragraph, "span", {"class": "ocr_line", "title": title, **language})
    for word in line.words:
        _add_word(element, word, page)


def _baseline(line: Line, box: Box) -> str:
    """The property with the baseline as a straight line: its slope, and its height over the box's lower left corner."""
    if not line.baseline:
        return ""
    (x, y), (end_x, end_y) = line.baseline[0], line.baseline[-1]
    slope = (end_y - y) / (end_x - x) if end_x > x else 0.0
    offset = y + slope * (box[0] - x) - box[3]
    return f"; baseline {slope:.4f} {offset:.1f}"


def _add_word(line: Element, word: Word, page: Page) -> None:
    left, top, right, bottom = box = bounding_box([word.polygon], page)
    title = f"{_bbox(box)}; x_wconf {round(100 * word.confidence)}"
    place = f"left:{left}px;top:{top}px;width:{right - left}px;height:{bottom - top}px"
    height = right - left if page.rotation % 180 else bottom - top  # of the letters
    style = f"{place};font-size:{round(FONT_SIZE * height)}px{WRITING[page.rotation]}"
    element = SubElement(line, "span", {"class": "ocrx_word", "title": title, "style": style})
    element.text, element.tail = word.text, " "


def _bbox(box: Box) -> str:
    return "bbox " + " ".join(map(str, box))
