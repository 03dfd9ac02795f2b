"""What was read on pages, as other people's tools take it: text, JSON lines, ALTO 4, PAGE 2019, hOCR; and a picture.

All coordinates are pixels of the page as it was scanned, x to the right and y down.
"""

import datetime
import functools
import importlib.resources
import io
import itertools
import math
import os
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inkread import __version__
from inkread.files import write_whole
from inkread.names import one_line
from inkread.page import Points, Region
from inkread.reader import Word, WrittenLine, WrittenPage
from inkread.recognizer import Reading

Box = tuple[int, int, int, int]  # left, top, right, bottom

ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
PAGE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
XHTML = "http://www.w3.org/1999/xhtml"
SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
STYLE = """
.ocr_page { position: relative; }
.ocrx_word { position: absolute; color: transparent; white-space: nowrap; overflow: hidden; }
.ocr_line:hover .ocrx_word { color: #a00; background: #fffc; }
"""
COLOURS = ("#c8102e", "#0057b7", "#00843d", "#8031a7")  # of one line after another
BACKGROUND = (255, 255, 255, 180)  # of a label on an overlay


def as_dict(name: str, number: int, reading: Reading, line: WrittenLine | None = None) -> dict[str, Any]:
    """A line as one JSON object; a line of a page also tells its place there."""
    place: dict[str, Any] = {}
    if line is not None:
        place = {"paragraph": line.paragraph, "baseline": line.region.baseline, "polygon": line.region.polygon}
    return {
        "file": name,
        "page": number,
        "text": reading.text,
        "confidence": round(reading.confidence, 4),
        **place,
        "characters": [
            {
                "text": character.text,
                "confidence": round(character.confidence, 4),
                "left": round(character.left, 1),
                "right": round(character.right, 1),
            }
            for character in reading.characters
        ],
    }


def as_alto(pages: Sequence[WrittenPage]) -> str:
    """The pages of one file as ALTO 4; a paragraph is a TextBlock."""
    root = Element("alto", {"xmlns": ALTO, SCHEMA: f"{ALTO} http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"})
    description = SubElement(root, "Description")
    _text(description, "MeasurementUnit", "pixel")
    source = SubElement(description, "sourceImageInformation")
    _text(source, "fileName", _file_name(pages[0]))
    software = SubElement(SubElement(description, "Processing", ID="processing"), "processingSoftware")
    _text(software, "softwareName", "inkread")
    _text(software, "softwareVersion", __version__)
    layout = SubElement(root, "Layout")
    for page in pages:
        id = f"page{page.number}"
        width, height = page.size
        sheet = SubElement(
            layout, "Page", ID=id, PHYSICAL_IMG_NR=str(page.number), WIDTH=str(width), HEIGHT=str(height)
        )
        space = SubElement(sheet, "PrintSpace", _alto_box((0, 0, width, height)))
        for number, lines in enumerate(page.paragraphs, 1):
            box = _around([line.region.polygon for line in lines], page.size)
            block = SubElement(space, "TextBlock", {"ID": f"{id}_block{number}", **_alto_box(box)})
            for place, line in enumerate(lines, 1):
                _alto_line(block, f"{id}_block{number}_line{place}", line, page.size)
    return _document(root)


def _alto_line(block: Element, id: str, line: WrittenLine, size: tuple[int, int]) -> None:
    box = _alto_box(_around([line.region.polygon], size))
    baseline = _points(line.region.baseline, size, " ")
    element = SubElement(block, "TextLine", {"ID": id, **box, "BASELINE": baseline})
    SubElement(SubElement(element, "Shape"), "Polygon", POINTS=_points(line.region.polygon, size, " "))
    # The schema wants a String in every line, even in one on which nothing could be read.
    for number, word in enumerate(line.words or (Word("", line.reading.confidence, line.region.polygon),)):
        if number:
            SubElement(element, "SP")
        attributes = {"ID": f"{id}_word{number + 1}", **_alto_box(_around([word.outline], size))}
        SubElement(element, "String", {**attributes, "CONTENT": word.text, "WC": f"{word.confidence:.4f}"})


def as_page(page: WrittenPage) -> str:
    """A page as PAGE XML 2019; a paragraph is a TextRegion."""
    root = Element("PcGts", {"xmlns": PAGE, SCHEMA: f"{PAGE} {PAGE}/pagecontent.xsd"})
    metadata = SubElement(root, "Metadata")
    _text(metadata, "Creator", f"inkread {__version__}")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _text(metadata, "Created", now)
    _text(metadata, "LastChange", now)
    width, height = str(page.size[0]), str(page.size[1])
    sheet = SubElement(root, "Page", imageFilename=_file_name(page), imageWidth=width, imageHeight=height)
    if page.lines:
        order = SubElement(SubElement(sheet, "ReadingOrder"), "OrderedGroup", id="order")
        for number in range(len(page.paragraphs)):
            SubElement(order, "RegionRefIndexed", index=str(number), regionRef=f"region{number + 1}")
    for number, lines in enumerate(page.paragraphs, 1):
        region = SubElement(sheet, "TextRegion", id=f"region{number}", type="paragraph")
        left, top, right, bottom = _around([line.region.polygon for line in lines], page.size)
        _page_place(region, "Coords", ((left, top), (right, top), (right, bottom), (left, bottom)), page.size)
        for place, line in enumerate(lines, 1):
            element = SubElement(region, "TextLine", id=f"region{number}_line{place}")
            _page_place(element, "Coords", line.region.polygon, page.size)
            _page_place(element, "Baseline", line.region.baseline, page.size)
            for index, word in enumerate(line.words, 1):
                part = SubElement(element, "Word", id=f"region{number}_line{place}_word{index}")
                _page_place(part, "Coords", word.outline, page.size)
                _text(SubElement(part, "TextEquiv", conf=f"{word.confidence:.4f}"), "Unicode", word.text)
            reading = line.reading
            _text(SubElement(element, "TextEquiv", conf=f"{reading.confidence:.4f}"), "Unicode", reading.text)
    return _document(root)


def as_hocr(pages: Sequence[WrittenPage]) -> str:
    """The pages of one file as hOCR 1.2: in a browser the picture, and over a line the mouse points at, its words."""
    root = Element("html", xmlns=XHTML)
    head = SubElement(root, "head")
    _text(head, "title", _file_name(pages[0]))
    SubElement(head, "meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    SubElement(head, "meta", name="ocr-system", content=f"inkread {__version__}")
    SubElement(head, "meta", name="ocr-capabilities", content="ocr_page ocr_par ocr_line ocrx_word")
    _text(head, "style", STYLE)
    body = SubElement(root, "body")
    for page in pages:
        width, height = page.size
        id = f"page_{page.number}"
        name = _file_name(page).replace('"', "%22")  # a quotation mark cannot be escaped there
        title = f'image "{name}"; bbox 0 0 {width} {height}; ppageno {page.number - 1}'
        sheet = SubElement(body, "div", {"class": "ocr_page", "id": id, "title": title})
        source = urllib.parse.quote(os.fsencode(Path(page.name).name))
        SubElement(sheet, "img", src=source, width=str(width), height=str(height), alt="")
        for lines in page.paragraphs:
            box = _around([line.region.polygon for line in lines], page.size)
            paragraph = SubElement(sheet, "p", {"class": "ocr_par", "title": _bbox(box)})
            for line in lines:
                _hocr_line(paragraph, line, page.size)
    return _document(root)


def _hocr_line(paragraph: Element, line: WrittenLine, size: tuple[int, int]) -> None:
    box = _around([line.region.polygon], size)
    (x, y), (end_x, end_y) = line.region.baseline[0], line.region.baseline[-1]
    slope = (end_y - y) / (end_x - x) if end_x > x else 0.0
    offset = y + slope * (box[0] - x) - box[3]  # hOCR counts from the lower left corner of the box
    title = f"{_bbox(box)}; baseline {slope:.4f} {offset:.1f}"
    element = SubElement(paragraph, "span", {"class": "ocr_line", "title": title})
    for word in line.words:
        left, top, right, bottom = _around([word.outline], size)
        title = f"{_bbox((left, top, right, bottom))}; x_wconf {round(100 * word.confidence)}"
        place = f"left:{left}px;top:{top}px;width:{right - left}px;height:{bottom - top}px"
        style = f"{place};font-size:{round(0.6 * (bottom - top))}px"
        part = SubElement(element, "span", {"class": "ocrx_word", "title": title, "style": style})
        part.text, part.tail = word.text, " "


def draw_overlay(picture: np.ndarray, page: WrittenPage) -> Image.Image:
    """The page, (H, W) or (H, W, 3) uint8, with the lines found, and above each word what was read there."""
    image = Image.fromarray(picture).convert("RGB")
    draw = ImageDraw.Draw(image)
    thickness = max(1, round(max(page.size) / 1000))
    for line, colour in zip(page.lines, itertools.cycle(COLOURS)):
        draw.line([*line.region.polygon, line.region.polygon[0]], fill=colour, width=thickness, joint="curve")
        draw.line(line.region.baseline, fill=colour, width=thickness)
    if page.lines:
        rises = [_rise(line.region) for line in page.lines]
        size = max(12.0, 0.6 * float(np.median(rises)))
        for line, rise, colour in zip(page.lines, rises, itertools.cycle(COLOURS)):
            for word in line.words:
                _label(image, word, line.region, rise, size, colour)
    return image


@functools.cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    """Source Sans, as Pillow's own font has no letters beyond those of English."""
    file = importlib.resources.files("font_source_sans_pro") / "files" / "SourceSansPro-Regular.ttf"
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), size)


def _rise(region: Region) -> float:
    """How far the outline of a line is above its baseline, as most letters have it."""
    points, baseline = np.array(region.polygon), np.array(region.baseline)
    rises = np.interp(points[:, 0], baseline[:, 0], baseline[:, 1]) - points[:, 1]
    return float(np.median(rises[rises > 0])) if (rises > 0).any() else 0.0


def _label(image: Image.Image, word: Word, region: Region, rise: float, size: float, colour: str) -> None:
    """Write what was read above a word, along its line, on a light background that lets the page through."""
    left, _, right, _ = _around([word.outline], image.size)
    font = _font(size)
    if font.getlength(word.text) > right - left:
        font = _font(max(9, math.floor(size * (right - left) / font.getlength(word.text))))
    width, height = math.ceil(font.getlength(word.text)) + 4, sum(font.getmetrics())
    label = Image.new("RGBA", (width, height), BACKGROUND)
    ImageDraw.Draw(label).text((2, 0), word.text, fill=colour, font=font)

    baseline = np.array(region.baseline)
    start, end = np.interp([left, right], baseline[:, 0], baseline[:, 1])
    angle = math.atan2(end - start, right - left)
    label = label.rotate(-math.degrees(angle), Image.Resampling.BICUBIC, expand=True)
    # The middle of the label is above the middle of the word.
    x = (left + right) / 2 + height / 2 * math.sin(angle)
    y = (start + end) / 2 - rise - height / 2 * math.cos(angle)
    image.paste(label, (round(x - label.width / 2), round(y - label.height / 2)), label)


def write_text(path: Path, text: str) -> None:
    """Write a file, completely or not at all; half characters as \\udce9. Raises CannotWrite."""
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def write_picture(path: Path, image: Image.Image) -> None:
    """Write a PNG, completely or not at all. Raises CannotWrite."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def _file_name(page: WrittenPage) -> str:
    return one_line(Path(page.name).name)


def _document(root: Element) -> str:
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _text(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _around(outlines: Iterable[Points], size: tuple[int, int]) -> Box:
    """The box around outlines, within the page and never empty."""
    points = np.concatenate([np.array(outline) for outline in outlines])
    left, top = np.floor(points.min(axis=0)).clip(0, np.array(size) - 1).astype(int).tolist()
    right, bottom = np.ceil(points.max(axis=0)).clip(0, size).astype(int).tolist()
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _points(points: Points, size: tuple[int, int], between: str) -> str:
    """((1.2, 3), (4, 5)), " " -> "1 3 4 5"; and with "," "1,3 4,5", as PAGE has it."""
    inside = np.rint(np.array(points)).clip(0, np.array(size) - 1).astype(int).tolist()
    return " ".join(f"{x}{between}{y}" for x, y in inside)


def _page_place(parent: Element, tag: str, points: Points, size: tuple[int, int]) -> None:
    SubElement(parent, tag, points=_points(points, size, ","))


def _alto_box(box: Box) -> dict[str, str]:
    left, top, right, bottom = box
    return {"HPOS": str(left), "VPOS": str(top), "WIDTH": str(right - left), "HEIGHT": str(bottom - top)}


def _bbox(box: Box) -> str:
    return "bbox " + " ".join(map(str, box))
