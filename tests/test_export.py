"""What is written about a page is what its readers expect, and inkread reads it again."""

import json
import os
import re
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from inkread._model_files import shipped_models
from inkread._names import one_line
from inkread.data import open_dataset
from inkread.data.samples import read_line
from inkread.errors import BadDataset, CannotWrite
from inkread.model.checkpoint import load_model
from inkread.model.recognizer import Character, Reading
from inkread.pages.export import _font, as_alto, as_dict, as_hocr, as_page, draw_overlay, write_text
from inkread.pages.reader import Word, WrittenLine, WrittenPage
from inkread.pages.regions import Region

SIZE = (400, 300)


def line(text: str, top: float, paragraph: int = 1) -> WrittenLine:
    """Characters 10 pixels wide from x = 50 on, in a box 40 pixels high."""
    characters = tuple(
        Character(character, 0.5 if character == "x" else 1.0, 50 + 10 * place, 60 + 10 * place)
        for place, character in enumerate(text)
    )
    words, left = [], 50.0
    for word in text.split():
        right = left + 10 * len(word)
        words.append(Word(word, 0.9, ((left, top), (right, top), (right, top + 40), (left, top + 40))))
        left = right + 10
    end = 50.0 + 10 * len(text)
    polygon = ((50.0, top), (end, top), (end, top + 40), (50.0, top + 40))
    return WrittenLine(
        Region(polygon, ((50.0, top + 30), (end, top + 28))), Reading(text, 0.8, characters), tuple(words), paragraph
    )


def written(name: str = "letter.png", number: int = 1) -> WrittenPage:
    return WrittenPage(name, number, SIZE, (line("Dear <Ann> & you", 20), line("thanks", 80), line("déjà vu", 200, 2)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.tile(np.arange(400) % 256, (300, 1)).astype(np.uint8)).save(tmp_path / "letter.png")
    return tmp_path


def test_text_has_a_line_a_line_and_blank_lines_between_paragraphs() -> None:
    assert written().text == "Dear <Ann> & you\nthanks\n\ndéjà vu"


@pytest.mark.parametrize("form", ["alto", "page"])
def test_what_is_written_is_a_dataset(form: str, folder: Path) -> None:
    (folder / "letter.xml").write_text(as_alto([written()]) if form == "alto" else as_page(written()), "utf-8")
    samples = open_dataset(str(folder)).samples
    assert [sample.text for sample in samples] == ["Dear <Ann> & you", "thanks", "déjà vu"]
    region = samples[1].region
    assert region is not None
    assert region.polygon == ((50, 80), (110, 80), (110, 120), (50, 120))
    assert region.baseline == ((50, 110), (110, 108))
    assert read_line(samples[1]).shape == pytest.approx((50, 70), abs=4)


def test_json_of_a_page_is_a_dataset(folder: Path) -> None:
    rows = [as_dict("letter.png", 1, line.reading, line) for line in written().lines]
    (folder / "letter.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    samples = open_dataset(str(folder)).samples
    assert [sample.text for sample in samples] == ["Dear <Ann> & you", "thanks", "déjà vu"]
    assert [(sample.page, sample.region) for sample in samples] == [(0, line.region) for line in written().lines]
    (folder / "letter.jsonl").write_text(json.dumps({**rows[0], "polygon": [[1, 2], 3]}), "utf-8")
    with pytest.raises(BadDataset, match=r"letter\.jsonl, line 1: a polygon"):
        open_dataset(str(folder))


def test_pages_of_one_file_are_told_apart_in_alto(folder: Path) -> None:
    first = Image.open(folder / "letter.png")
    first.save(folder / "two.tif", save_all=True, append_images=[first])
    (folder / "letter.png").unlink()
    (folder / "two.xml").write_text(as_alto([written("two.tif"), written("two.tif", 2)]), "utf-8")
    assert [sample.page for sample in open_dataset(str(folder)).samples] == [0, 0, 0, 1, 1, 1]


# The schemas' content models of what is written, as regular expressions of the children's names: alto-4-4.xsd of the
# Library of Congress and pagecontent.xsd of 2019-07-15. Elements that are not here have no children.
ALTO = {
    "alto": "Description Layout ",
    "Description": "MeasurementUnit (sourceImageInformation )?(Processing )*",
    "sourceImageInformation": "(fileName )?",
    "Processing": "(processingSoftware )?",
    "processingSoftware": "(softwareName )?(softwareVersion )?",
    "Layout": "(Page )+",
    "Page": "(PrintSpace )?",
    "PrintSpace": "(TextBlock )*",
    "TextBlock": "(TextLine )*",
    "TextLine": "(Shape )?(String (SP )?)+",
    "Shape": "Polygon ",
}
ALTO_NEEDS = {"Page": {"ID", "PHYSICAL_IMG_NR"}, "TextBlock": {"ID"}, "String": {"CONTENT"}, "Polygon": {"POINTS"}}
PAGE = {
    "PcGts": "Metadata Page ",
    "Metadata": "Creator Created LastChange ",
    "Page": "(ReadingOrder )?(TextRegion )*",
    "ReadingOrder": "OrderedGroup ",
    "OrderedGroup": "(RegionRefIndexed )+",
    "TextRegion": "Coords (TextLine )*",
    "TextLine": "Coords (Baseline )?(Word )*(TextEquiv )*",
    "Word": "Coords (TextEquiv )*",
    "TextEquiv": "Unicode ",
}
PAGE_NEEDS = {
    "Page": {"imageFilename", "imageWidth", "imageHeight"},
    **{name: {"id"} for name in ("OrderedGroup", "TextRegion", "TextLine", "Word")},
    **{name: {"points"} for name in ("Coords", "Baseline")},
}


@pytest.mark.parametrize("lines", [written().lines, (), (line("", 20),)], ids=["written", "blank", "nothing read"])
def test_alto_and_page_are_what_their_schemas_allow(lines: tuple[WrittenLine, ...]) -> None:
    page = WrittenPage("letter.png", 1, SIZE, lines)
    for text, models, needs in ((as_alto([page]), ALTO, ALTO_NEEDS), (as_page(page), PAGE, PAGE_NEEDS)):
        for element in ElementTree.fromstring(text).iter():
            name = element.tag.partition("}")[2]
            children = "".join(child.tag.partition("}")[2] + " " for child in element)
            assert re.fullmatch(models.get(name, ""), children), (name, children)
            assert needs.get(name, set()) <= set(element.attrib), name
            assert re.fullmatch(r"\d+,\d+( \d+,\d+)+", element.get("points", "0,0 1,1"))
            assert 0 <= float(element.get("WC", element.get("conf", "0"))) <= 1


def test_alto_has_the_elements_in_the_order_of_its_schema() -> None:
    names = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
    root = ElementTree.fromstring(as_alto([written()]))
    assert [child.tag.partition("}")[2] for child in root] == ["Description", "Layout"]
    assert root.findtext("a:Description/a:MeasurementUnit", None, names) == "pixel"
    lines = root.findall(".//a:TextLine", names)
    assert [len(block) for block in root.iterfind(".//a:TextBlock", names)] == [2, 1]
    assert [child.tag.partition("}")[2] for child in lines[2]] == ["Shape", "String", "SP", "String"]
    words = lines[0].findall("a:String", names)
    assert [word.get("CONTENT") for word in words] == ["Dear", "<Ann>", "&", "you"]
    assert words[1].attrib == {
        "ID": "page1_block1_line1_word2", "HPOS": "100", "VPOS": "20", "WIDTH": "50", "HEIGHT": "40",
        "CONTENT": "<Ann>", "WC": "0.9000",
    }  # fmt: skip
    ids = [element.get("ID") for element in root.iter() if element.get("ID")]
    assert len(ids) == len(set(ids))


def test_page_has_the_elements_in_the_order_of_its_schema() -> None:
    names = {"p": "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"}
    root = ElementTree.fromstring(as_page(written()))
    page = root.find("p:Page", names)
    assert page is not None and page.get("imageFilename") == "letter.png"
    assert [child.tag.partition("}")[2] for child in page] == ["ReadingOrder", "TextRegion", "TextRegion"]
    first = root.find(".//p:TextLine", names)
    assert first is not None
    assert [child.tag.partition("}")[2] for child in first] == ["Coords", "Baseline", *["Word"] * 4, "TextEquiv"]
    order = [reference.get("regionRef") for reference in root.iterfind(".//p:RegionRefIndexed", names)]
    assert order == [region.get("id") for region in root.iterfind(".//p:TextRegion", names)]


def test_hocr_places_the_words_over_the_picture() -> None:
    names = {"h": "http://www.w3.org/1999/xhtml"}
    root = ElementTree.fromstring(as_hocr([written()]))
    page = root.find(".//h:div", names)
    assert page is not None and page.get("title") == 'image "letter.png"; bbox 0 0 400 300; ppageno 0'
    spans = root.findall(".//h:span", names)
    assert spans[0].get("title") == "bbox 50 20 210 60; baseline -0.0125 -10.0"
    assert spans[1].get("title") == "bbox 50 20 90 60; x_wconf 90"
    assert "left:50px;top:20px;width:40px;height:40px" in spans[1].get("style", "")
    assert "".join(spans[0].itertext()).split() == ["Dear", "<Ann>", "&", "you"]


def test_a_page_on_which_nothing_is_written() -> None:
    empty = WrittenPage("blank.png", 1, SIZE, ())
    assert empty.text == ""
    for text in (as_alto([empty]), as_page(empty), as_hocr([empty])):
        assert "blank.png" in text and ElementTree.fromstring(text) is not None
    assert draw_overlay(np.full((300, 400), 255, np.uint8), empty).size == SIZE


def test_json_tells_where_a_line_stands() -> None:
    page = written()
    found = json.loads(json.dumps(as_dict("letter.png", 1, page.lines[2].reading, page.lines[2])))
    assert found["paragraph"] == 2 and found["baseline"] == [[50, 230], [120, 228]]
    assert found["characters"][0] == {"text": "d", "confidence": 1.0, "left": 50.0, "right": 60.0}
    assert "polygon" not in as_dict("line.png", 1, page.lines[0].reading)


@pytest.mark.parametrize("colours", [(), (3,)])
def test_the_overlay_draws_lines_and_texts(colours: tuple[int, ...]) -> None:
    page = np.full((300, 400, *colours), 255, np.uint8)
    drawn = np.asarray(draw_overlay(page, written()))
    assert drawn.shape == (300, 400, 3)
    assert (drawn[110] != 255).any() and (drawn[150] == 255).all()


def test_the_overlay_keeps_colours_and_lets_the_page_through() -> None:
    page = np.full((300, 400, 3), (200, 220, 255), np.uint8)
    page[:, 140:143] = 0  # ink, also where labels are
    drawn = np.asarray(draw_overlay(page, written()))
    assert (drawn[-1, 0] == (200, 220, 255)).all()
    label = drawn[5:19, 141].astype(int)  # above the first line, from y = 20 on
    assert (label.sum(axis=1) < 3 * 200).all()


def test_lines_of_the_overlay_are_wider_on_larger_pages() -> None:
    def width(scale: int) -> int:
        size = (400 * scale, 300 * scale)
        region = Region(((50, 20), (300, 20), (300, 250), (50, 250)), ((50, 200), (300, 200)))
        page = WrittenPage("a.png", 1, size, (WrittenLine(region, Reading("", 0, ()), (), 1),))
        drawn = np.asarray(draw_overlay(np.full(size[::-1], 255, np.uint8), page))
        return int((drawn[100, :150] != 255).any(axis=1).sum())

    assert (width(1), width(10)) == (1, 4)


def test_the_font_of_the_overlay_has_the_letters_of_the_models() -> None:
    def drawn(character: str) -> tuple[bytes, tuple[int, int]]:
        mask = _font(20).getmask(character)
        return bytes(mask), mask.size

    shown = {character for name in shipped_models() for character in load_model(name).alphabet.characters}
    for character in {*shown, *"éœŒæßłőčșğıÅøñ“”«»€§ΩЖ"}:
        assert drawn(character) != drawn("\U000fffff"), character


@pytest.mark.parametrize("name", ['a "b"; c.png', "œ & <é>.png", os.fsdecode(b"caf\xe9.png"), "tab\tline\nend\x1b.png"])
def test_odd_file_names_give_valid_documents(name: str) -> None:
    page = written(f"folder/{name}")
    for text in (as_alto([page]), as_page(page), as_hocr([page])):
        assert one_line(name) in "".join(
            [*ElementTree.fromstring(text).itertext()]
            + [value for element in ElementTree.fromstring(text).iter() for value in element.attrib.values()]
        )
    root = ElementTree.fromstring(as_hocr([page]))
    (sheet,) = (element for element in root.iter() if element.get("class") == "ocr_page")
    assert re.fullmatch(r'image "[^"]*"; bbox 0 0 400 300; ppageno 0', sheet.get("title", ""))
    source = sheet[0].get("src", "")
    assert os.fsdecode(urllib.parse.unquote_to_bytes(source)) == name and source.isascii()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"nowhere.letter\.xml: cannot be written"):
        write_text(tmp_path / "nowhere" / "letter.xml", "text")
    write_text(tmp_path / "letter.xml", "text")
    assert [file.name for file in tmp_path.iterdir()] == ["letter.xml"]
