"""hOCR 1.2."""

import os
import re
import urllib.parse
from xml.etree import ElementTree

import pytest
from documents import letter

NAMES = {"h": "http://www.w3.org/1999/xhtml"}


def test_words_are_placed_over_the_image() -> None:
    root = ElementTree.fromstring(letter().to_hocr())
    page = root.find(".//h:div", NAMES)
    assert page is not None and page.get("title") == 'image "letter.png"; bbox 0 0 400 300; ppageno 0'
    spans = root.findall(".//h:span", NAMES)
    assert spans[0].get("title") == "bbox 50 20 210 60; baseline -0.0125 -10.0"
    assert spans[1].get("title") == "bbox 50 20 90 60; x_wconf 90"
    assert "left:50px;top:20px;width:40px;height:40px" in spans[1].get("style", "")
    assert "".join(spans[0].itertext()).split() == ["Dear", "<Ann>", "&", "you"]


@pytest.mark.parametrize("name", ['a "b"; c.png', "œ & <é>.png", os.fsdecode(b"caf\xe9.png"), "tab\tline\nend\x1b.png"])
def test_the_image_is_found_under_an_odd_name(name: str) -> None:
    root = ElementTree.fromstring(letter(f"folder/{name}").to_hocr())
    (page,) = (element for element in root.iter() if element.get("class") == "ocr_page")
    assert re.fullmatch(r'image "[^"]*"; bbox 0 0 400 300; ppageno 0', page.get("title", ""))
    source = page[0].get("src", "")
    assert os.fsdecode(urllib.parse.unquote_to_bytes(source)) == name and source.isascii()
