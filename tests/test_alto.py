"""ALTO 4, compared with the schema of the Library of Congress."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from documents import letter, line, of_lines, with_excluded
from PIL import Image
from schemas import check

from inkread.data import open_dataset
from inkread.document.elements import Document

# From alto-4-4.xsd.
CHILDREN = {
    "alto": "Description Layout ",
    "Description": "MeasurementUnit (sourceImageInformation )?(Processing )*",
    "sourceImageInformation": "(fileName )?",
    "Processing": "(processingSoftware )?",
    "processingSoftware": "(softwareName )?(softwareVersion )?",
    "Layout": "(Page )+",
    "Page": "(PrintSpace )?",
    "PrintSpace": "(TextBlock |Illustration )*",
    "TextBlock": "(TextLine )*",
    "TextLine": "(Shape )?(String (SP )?)+",
    "Shape": "Polygon ",
}
REQUIRED = {
    "Page": {"ID", "PHYSICAL_IMG_NR"},
    **{name: {"ID"} for name in ("TextBlock", "Illustration")},
    "String": {"CONTENT"},
    "Polygon": {"POINTS"},
}
NAMES = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}


@pytest.mark.parametrize(
    "document",
    [letter(pages=2), of_lines(), of_lines(line("", 20)), with_excluded(letter(pages=2))],
    ids=["text", "empty", "?", "excluded"],
)
def test_the_schema_allows_it(document: Document) -> None:
    check(document.to_alto(), CHILDREN, REQUIRED)


def test_lines_and_words_have_texts_positions_and_confidences() -> None:
    root = ElementTree.fromstring(letter().to_alto())
    assert root.findtext("a:Description/a:MeasurementUnit", None, NAMES) == "pixel"
    lines = root.findall(".//a:TextLine", NAMES)
    assert [len(block) for block in root.iterfind(".//a:TextBlock", NAMES)] == [2, 1]
    assert lines[0].get("BASELINE") == "50 50 210 48"
    words = lines[0].findall("a:String", NAMES)
    assert [word.get("CONTENT") for word in words] == ["Dear", "<Ann>", "&", "you"]
    assert words[1].attrib == {
        "ID": "page1_block1_line1_word2", "HPOS": "100", "VPOS": "20", "WIDTH": "50", "HEIGHT": "40",
        "CONTENT": "<Ann>", "WC": "0.9000",
    }  # fmt: skip


def test_identifiers_are_unique() -> None:
    root = ElementTree.fromstring(letter(pages=2).to_alto())
    ids = [element.get("ID") for element in root.iter() if element.get("ID")]
    assert len(ids) == len(set(ids)) > 20


def test_the_pages_of_a_file_are_separate_pages_of_a_dataset(tmp_path: Path) -> None:
    first = Image.fromarray(np.full((300, 400), 255, np.uint8))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[first])
    (tmp_path / "two.xml").write_text(letter("two.tif", pages=2).to_alto(), "utf-8")
    assert [sample.page for sample in open_dataset(str(tmp_path)).samples] == [0, 0, 0, 1, 1, 1]
