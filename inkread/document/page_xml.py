"""PAGE XML 2019 of the PRImA laboratory, which transcription tools use. A paragraph is a TextRegion.

Positions are those in the image as it is. A page that is not upright has `orientation`: by how many degrees the image
must be turned clockwise, from -179 to 180. An area that the user has excluded is an ImageRegion, in which programs
expect no text.
"""

import datetime
from xml.etree.ElementTree import Element, SubElement

from inkread import __version__
from inkread._languages import LANGUAGES
from inkread.document._xml import add_text, bounding_box, file_name, format_points, require_pages, serialize
from inkread.document.elements import Document, Line, Page, Paragraph, Points
from inkread.errors import BadInput

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
EXCLUDED = "inkread {excluded:true;}"  # in the attribute `custom`, in the notation that Transkribus uses there
LANGUAGE_NAMES = {code: name.capitalize() for code, name in LANGUAGES.items()}  # as the schema has them
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


def write(document: Document) -> str:
    """The only page of a document. Raises BadInput for pen strokes, and for several pages: a file can hold only one."""
    require_pages(document, "PAGE XML")
    if len(document.pages) > 1:
        raise BadInput(
            f"{len(document.pages)} pages, but a PAGE file has only one", path=document.name, hint="write ALTO instead"
        )
    (page,) = document.pages
    root = Element("PcGts", {"xmlns": NAMESPACE, SCHEMA_LOCATION: f"{NAMESPACE} {NAMESPACE}/pagecontent.xsd"})
    _add_metadata(root)
    size = {"imageWidth": str(page.width), "imageHeight": str(page.height)}
    rotation = {"orientation": str(page.rotation if page.rotation <= 180 else page.rotation - 360)}
    attributes = {"imageFilename": file_name(document), **size, **(rotation if page.rotation else {})}
    element = SubElement(root, "Page", attributes)
    if page.lines:
        _add_reading_order(element, len(page.paragraphs))
    for number, paragraph in enumerate(page.paragraphs, 1):
        _add_region(element, f"region{number}", paragraph, page)
    for number, outline in enumerate(page.excluded, 1):
        region = SubElement(element, "ImageRegion", id=f"excluded{number}", custom=EXCLUDED)
        _add_points(region, "Coords", outline, page)
    return serialize(root)


def _add_metadata(root: Element) -> None:
    metadata = SubElement(root, "Metadata")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    for tag, text in (("Creator", f"inkread {__version__}"), ("Created", now), ("LastChange", now)):
        add_text(metadata, tag, text)


def _add_reading_order(element: Element, regions: int) -> None:
    order = SubElement(SubElement(element, "ReadingOrder"), "OrderedGroup", id="order")
    for number in range(regions):
        SubElement(order, "RegionRefIndexed", index=str(number), regionRef=f"region{number + 1}")


def _add_region(element: Element, region_id: str, paragraph: Paragraph, page: Page) -> None:
    region = SubElement(element, "TextRegion", id=region_id, type="paragraph")
    left, top, right, bottom = bounding_box([line.polygon for line in paragraph.lines], page)
    _add_points(region, "Coords", ((left, top), (right, top), (right, bottom), (left, bottom)), page)
    for number, line in enumerate(paragraph.lines, 1):
        _add_line(region, f"{region_id}_line{number}", line, page)


def _add_line(region: Element, line_id: str, line: Line, page: Page) -> None:
    element = SubElement(region, "TextLine", id=line_id)
    if line.language in LANGUAGE_NAMES:
        element.set("primaryLanguage", LANGUAGE_NAMES[line.language])
    _add_points(element, "Coords", line.polygon, page)
    if line.baseline:
        _add_points(element, "Baseline", line.baseline, page)
    for number, word in enumerate(line.words, 1):
        word_element = SubElement(element, "Word", id=f"{line_id}_word{number}")
        _add_points(word_element, "Coords", word.polygon, page)
        _add_reading(word_element, word.text, word.confidence)
    _add_reading(element, line.text, line.confidence)


def _add_reading(element: Element, text: str, confidence: float) -> None:
    add_text(SubElement(element, "TextEquiv", conf=f"{confidence:.4f}"), "Unicode", text)


def _add_points(parent: Element, tag: str, points: Points, page: Page) -> None:
    SubElement(parent, tag, points=format_points(points, page, ","))
