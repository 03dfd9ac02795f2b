"""ALTO 4 XML of the Library of Congress, which libraries and archives use. A paragraph is a TextBlock.

Positions are those in the image as it is. Blocks of a page that is not upright have ROTATION, which counts
counterclockwise from upright text. An area that the user has excluded is an Illustration, in which programs expect no
text.
"""

from xml.etree.ElementTree import Element, SubElement

from inkread import __version__
from inkread.document._xml import Box, add_text, bounding_box, file_name, format_points, require_pages, serialize
from inkread.document.elements import Document, Line, Page, Word

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
EXCLUDED = "inkread excluded"  # the type of an illustration, which is free text
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


def write(document: Document) -> str:
    """All pages in one file. Raises BadInput for pen strokes."""
    require_pages(document, "ALTO")
    root = Element("alto", {"xmlns": NAMESPACE, SCHEMA_LOCATION: f"{NAMESPACE} {SCHEMA}"})
    _add_description(root, file_name(document))
    layout = SubElement(root, "Layout")
    for page in document.pages:
        _add_page(layout, page)
    return serialize(root)


def _add_description(root: Element, name: str) -> None:
    description = SubElement(root, "Description")
    add_text(description, "MeasurementUnit", "pixel")
    add_text(SubElement(description, "sourceImageInformation"), "fileName", name)
    software = SubElement(SubElement(description, "Processing", ID="processing"), "processingSoftware")
    add_text(software, "softwareName", "inkread")
    add_text(software, "softwareVersion", __version__)


def _add_page(layout: Element, page: Page) -> None:
    page_id = f"page{page.number}"
    size = {"WIDTH": str(page.width), "HEIGHT": str(page.height)}
    element = SubElement(layout, "Page", {"ID": page_id, "PHYSICAL_IMG_NR": str(page.number), **size})
    space = SubElement(element, "PrintSpace", _position((0, 0, page.width, page.height)))
    for number, paragraph in enumerate(page.paragraphs, 1):
        block_id = f"{page_id}_block{number}"
        box = bounding_box([line.polygon for line in paragraph.lines], page)
        rotation = {"ROTATION": str(page.rotation)} if page.rotation else {}
        block = SubElement(space, "TextBlock", {"ID": block_id, **_position(box), **rotation})
        for line_number, line in enumerate(paragraph.lines, 1):
            _add_line(block, f"{block_id}_line{line_number}", line, page)
    for number, outline in enumerate(page.excluded, 1):
        place = _position(bounding_box([outline], page))
        SubElement(space, "Illustration", {"ID": f"{page_id}_excluded{number}", "TYPE": EXCLUDED, **place})


def _add_line(block: Element, line_id: str, line: Line, page: Page) -> None:
    attributes = {"ID": line_id, **_position(bounding_box([line.polygon], page))}
    if line.language:
        attributes["LANG"] = line.language
    if line.baseline:
        attributes["BASELINE"] = format_points(line.baseline, page, " ")
    element = SubElement(block, "TextLine", attributes)
    SubElement(SubElement(element, "Shape"), "Polygon", POINTS=format_points(line.polygon, page, " "))
    # The schema requires a String in every line, even where nothing could be read.
    for number, word in enumerate(line.words or (Word("", line.confidence, line.polygon),), 1):
        if number > 1:
            SubElement(element, "SP")
        attributes = {"ID": f"{line_id}_word{number}", **_position(bounding_box([word.polygon], page))}
        SubElement(element, "String", {**attributes, "CONTENT": word.text, "WC": f"{word.confidence:.4f}"})


def _position(box: Box) -> dict[str, str]:
    left, top, right, bottom = box
    return {"HPOS": str(left), "VPOS": str(top), "WIDTH": str(right - left), "HEIGHT": str(bottom - top)}
