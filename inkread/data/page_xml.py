"""Pages in ALTO 2-4 or PAGE XML: each TextLine is a line of the page's image, with an outline and often a baseline."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np

from inkread.data._reading import any_below, files_below
from inkread.data.samples import IMAGE_SUFFIXES, Note, Sample, Skipped, clean_text
from inkread.document.elements import Points
from inkread.errors import BadDataset
from inkread.pages.regions import Region

NAME = "ALTO or PAGE XML"
IMAGE_FOLDERS = ("jpg", "jpeg", "png", "tif", "tiff", "img", "image", "images", "pictures", "scans")
ALTO, PAGE = "alto", "PcGts"  # the root elements


def recognizes(path: Path) -> bool:
    """One .xml file, or a folder with .xml files in it or below."""
    return any_below(path, ".xml") if path.is_dir() else path.suffix.lower() == ".xml"


def read(path: Path) -> Iterator[Sample | Skipped | Note]:
    """The lines of all pages. Raises BadDataset if a file is malformed, or if none of them is ALTO or PAGE."""
    folder, files = (path, files_below(path, ".xml")) if path.is_dir() else (path.parent, [path])
    _images_around.cache_clear()  # files may have come since the last time
    read_from: dict[tuple[Path, int], Path] = {}  # a page of an image -> its XML file
    others = []
    for file in files:
        root = _parse(file)
        if _tag(root) not in (ALTO, PAGE):
            others.append((file, f"<{_tag(root)}> is neither ALTO nor PAGE"))
            continue
        for number, page in enumerate(root.iterfind(".//{*}Page")):
            image = _find_image(file, _image_name(root, page))
            if read_from.setdefault((image, number), file) != file:
                yield Skipped(f"{file}: its image {image.name} has been read from {read_from[image, number]}")
                continue
            stem = str(file.relative_to(folder).with_suffix(""))
            lines = _alto_lines(file, page) if _tag(root) == ALTO else _page_lines(file, page)
            for line in lines:
                yield _sample(stem, image, number, *line) if isinstance(line, tuple) else line
    if len(others) == len(files):
        raise BadDataset(others[0][1], path=others[0][0], hint="export the transcriptions as one of them")
    yield from (Skipped(f"{file}: {problem}") for file, problem in others)


TextLine = tuple[str, str, Region]  # id, text, region


def _sample(stem: str, image: Path, page: int, id: str, text: str, region: Region) -> Sample | Skipped:
    if len(region.polygon) < 3:
        return Skipped(f"{stem}/{id}: no outline")
    return Sample(f"{stem}/{id}", image, text, page=page, region=region)


def _alto_lines(file: Path, page: Element) -> Iterator[TextLine]:
    for id, line in _text_lines(page):
        try:
            size = _page_size(page, "WIDTH", "HEIGHT")
            polygon, baseline = _alto_region(line)
        except ValueError as error:
            raise _bad_line(file, id, error) from error
        yield id, _alto_text(line), Region(polygon, baseline, size)


def _page_lines(file: Path, page: Element) -> Iterator[TextLine | Note]:
    """The lines of a page in PAGE XML, and a note if the text of some lines is not that of their words."""
    contradictions = []
    for id, line in _text_lines(page):
        try:
            size = _page_size(page, "imageWidth", "imageHeight")
            text, words = _first_reading(line), _words_of(line)
            region = Region(_points_of(line, "Coords"), _points_of(line, "Baseline"), size)
        except ValueError as error:
            raise _bad_line(file, id, error) from error
        # The higher level counts, as OCR-D prescribes for PAGE. The words count if the line has no text of its own.
        text = text if text.strip() else " ".join(words)
        if words and _contradicts(words, text):
            contradictions.append(f"TextLine {id}: {clean_text(text)!r} and {clean_text(' '.join(words))!r}")
        yield id, text, region
    if contradictions:
        yield Note(
            f"{file}: the text of {len(contradictions)} lines differs from that of their words ({contradictions[0]}); "
            "the text of the line is used, so delete it where the words are right"
        )


def _text_lines(page: Element) -> Iterator[tuple[str, Element]]:
    """The TextLine elements of a page with their ids, or with their numbers from 1 if they have none."""
    for number, line in enumerate(page.iterfind(".//{*}TextLine"), 1):
        yield line.get("ID") or line.get("id") or str(number), line


def _bad_line(file: Path, id: str, error: ValueError) -> BadDataset:
    return BadDataset(f"TextLine {id}: {error}", path=file, hint="fix or delete the line")


def _page_size(page: Element, *names: str) -> tuple[float, float] | None:
    """Width and height of a page in the units of its coordinates. Raises ValueError if they are no numbers."""
    width, height = (float(page.get(name) or 0) for name in names)
    return (width, height) if width > 0 and height > 0 else None


# ---- ALTO


def _alto_text(line: Element) -> str:
    """A String is a word, SP a space, HYP a hyphen at the end of the line."""
    words = [element for element in line if _tag(element) in ("String", "SP", "HYP")]
    return "".join(
        {"String": " " + word.get("CONTENT", ""), "SP": " ", "HYP": word.get("CONTENT", "-")}[_tag(word)]
        for word in words
    )


def _alto_region(line: Element) -> tuple[Points, Points]:
    """Outline and baseline of an ALTO 2, 3 or 4 TextLine; ALTO 2 has a box instead of an outline."""
    left, top, width, height = (float(line.get(name) or 0) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    right, bottom = left + width, top + height
    shape = line.find("{*}Shape/{*}Polygon")
    polygon = _points(shape.get("POINTS", "")) if shape is not None else ()
    if not polygon and width > 0 and height > 0:
        polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
    baseline = line.get("BASELINE", "")
    if re.fullmatch(r"\s*[-+.\d]+\s*", baseline):  # ALTO 2 and 3: one y for the whole line
        return polygon, ((left, float(baseline)), (right, float(baseline)))
    return polygon, _points(baseline)


# ---- PAGE


def _points_of(line: Element, name: str) -> Points:
    element = line.find(f"{{*}}{name}")
    return () if element is None else _points(element.get("points", ""))


def _words_of(line: Element) -> list[str]:
    return [_first_reading(word) for word in line.iterfind("{*}Word")]


def _first_reading(element: Element) -> str:
    """The text of the TextEquiv with the lowest index; the others are alternatives."""
    readings = sorted(element.iterfind("{*}TextEquiv"), key=lambda reading: int(reading.get("index") or 0))
    return readings[0].findtext("{*}Unicode") or "" if readings else ""


def _contradicts(words: list[str], text: str) -> bool:
    """Whether all words have a text that together differs from that of the line.

    Spaces do not count, as some tools separate words and commas.
    """
    return all(words) and clean_text("".join(words)).replace(" ", "") != clean_text(text).replace(" ", "")


# ---- XML and images


def _parse(file: Path) -> Element:
    """The root of an XML file. Entities and external references are refused: they can fill the memory or read files."""
    try:
        return cast(Element, defusedxml.ElementTree.parse(file).getroot())
    except defusedxml.ElementTree.ParseError as error:
        line, column = error.position
        problem = f"not well-formed XML (column {column})"
        raise BadDataset(problem, path=file, line=line, hint="export it again") from error
    except defusedxml.DefusedXmlException as error:
        problem = "defines XML entities, which are unsafe to read"
        raise BadDataset(problem, path=file, hint="export it without a DOCTYPE") from error
    except (ValueError, LookupError) as error:
        raise BadDataset(f"not readable XML ({error})", path=file, hint="save it as UTF-8") from error


def _tag(element: Element) -> str:
    """The name without its namespace: "{http://www.loc.gov/standards/alto/ns-v4#}alto" -> "alto"."""
    return element.tag.rpartition("}")[2]


def _points(text: str) -> Points:
    """ "1,2 3,4" or "1 2 3 4" -> ((1, 2), (3, 4)). Raises ValueError if a number is missing or malformed."""
    numbers = [float(number) for number in re.split(r"[\s,]+", text.strip()) if number]
    if len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError(f"{text!r} are not points")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _image_name(root: Element, page: Element) -> str:
    """The file name of the image that the XML gives, or ""."""
    if _tag(root) == ALTO:
        return root.findtext(".//{*}sourceImageInformation/{*}fileName") or ""
    return page.get("imageFilename") or ""


def _find_image(xml: Path, name: str) -> Path:
    """The image of a page by the file name in the XML, else by its stem, else by the stem of the XML file.

    It is searched beside the XML, in a folder below, in the folder above, and there in folders such as jpg/ or images/.
    It is not searched elsewhere, as another book may have a page of the same name. If it is not found, the result is
    the path that it should have, so that the message about the missing file names it.
    """
    name = re.split(r"[/\\]", name)[-1]
    images = _images_around(xml.parent)
    for key in (name, Path(name).stem, xml.stem):
        if found := images.get(key.lower()):
            return found
    return xml.with_name(name) if name else xml.with_suffix(IMAGE_SUFFIXES[0])


@lru_cache(maxsize=8)
def _images_around(folder: Path) -> dict[str, Path]:
    """Names and stems, in lower case, of the images that may belong to the XML files in a folder; nearer ones first."""
    beside = [sibling for sibling in folder.parent.glob("*") if sibling.name.lower() in IMAGE_FOLDERS]
    places = (folder.glob("*"), folder.glob("*/*"), folder.parent.glob("*"), *(place.glob("*") for place in beside))
    images: dict[str, Path] = {}
    for place in places:
        for file in sorted(place):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                images.setdefault(file.name.lower(), file)
                images.setdefault(file.stem.lower(), file)
    return images
