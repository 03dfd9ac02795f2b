"""PAGE XML 2019, compared with its schema."""

from xml.etree import ElementTree

import pytest
from documents import letter, line, of_lines, with_excluded
from schemas import check

from inkread.document.elements import Document
from inkread.errors import BadInput

# From pagecontent.xsd of 2019-07-15.
CHILDREN = {
    "PcGts": "Metadata Page ",
    "Metadata": "Creator Created LastChange ",
    "Page": "(ReadingOrder )?(TextRegion |ImageRegion )*",
    "ImageRegion": "Coords ",
    "ReadingOrder": "OrderedGroup ",
    "OrderedGroup": "(RegionRefIndexed )+",
    "TextRegion": "Coords (TextLine )*",
    "TextLine": "Coords (Baseline )?(Word )*(TextEquiv )*",
    "Word": "Coords (TextEquiv )*",
    "TextEquiv": "Unicode ",
}
REQUIRED = {
    "Page": {"imageFilename", "imageWidth", "imageHeight"},
    **{name: {"id"} for name in ("OrderedGroup", "TextRegion", "ImageRegion", "TextLine", "Word")},
    **{name: {"points"} for name in ("Coords", "Baseline")},
}
NAMES = {"p": "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"}


@pytest.mark.parametrize(
    "document",
    [letter(), of_lines(), of_lines(line("", 20)), with_excluded(letter())],
    ids=["text", "empty", "?", "excluded"],
)
def test_the_schema_allows_it(document: Document) -> None:
    check(document.to_page_xml(), CHILDREN, REQUIRED)


def test_lines_have_texts_and_positions_and_regions_an_order() -> None:
    root = ElementTree.fromstring(letter().to_page_xml())
    page = root.find("p:Page", NAMES)
    assert page is not None and page.get("imageFilename") == "letter.png"
    first = root.find(".//p:TextLine", NAMES)
    assert first is not None
    assert [child.tag.partition("}")[2] for child in first] == ["Coords", "Baseline", *["Word"] * 4, "TextEquiv"]
    assert first[0].get("points") == "50,20 210,20 210,60 50,60"
    assert first[1].get("points") == "50,50 210,48"
    assert first.findtext("p:TextEquiv/p:Unicode", None, NAMES) == "Dear <Ann> & you"
    order = [reference.get("regionRef") for reference in root.iterfind(".//p:RegionRefIndexed", NAMES)]
    assert order == [region.get("id") for region in root.iterfind(".//p:TextRegion", NAMES)]


def test_several_pages_do_not_fit_into_one_file() -> None:
    with pytest.raises(BadInput, match=r"two\.tif: 2 pages.*ALTO"):
        letter("two.tif", pages=2).to_page_xml()
