"""Documents and what all output formats have in common."""

import dataclasses
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from documents import HEIGHT, WIDTH, box, letter, letter_page, line, of_lines, pen_line
from PIL import Image

from inkread._names import one_line
from inkread.data import open_dataset
from inkread.data.samples import read_line
from inkread.document import FORMATS
from inkread.document.elements import Document, Page, Paragraph
from inkread.document.uncertain import lines_of
from inkread.errors import BadDataset, BadInput

XML = ("alto", "page", "hocr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.tile(np.arange(400) % 256, (300, 1)).astype(np.uint8)).save(tmp_path / "letter.png")
    return tmp_path


def test_text_has_one_line_per_line_and_blank_lines_between_paragraphs() -> None:
    assert letter().pages[0].text == "Dear <Ann> & you\nthanks\n\ndéjà vu"
    assert [line.text for line in letter().pages[0].lines] == ["Dear <Ann> & you", "thanks", "déjà vu"]
    assert letter(pages=2).text == letter().text + "\n\n" + letter().text


def test_elements_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        letter().pages[0].number = 2  # type: ignore[misc]


def test_each_format_has_a_method_that_writes_the_same() -> None:
    document = letter()
    methods = {
        "text": document.to_text,
        "md": document.to_markdown,
        "json": document.to_json_lines,
        "tsv": document.to_tsv,
        "alto": document.to_alto,
        "page": document.to_page_xml,
        "hocr": document.to_hocr,
    }
    assert list(methods) == list(FORMATS)
    for name, method in methods.items():
        written, time_of_writing = (text.splitlines() for text in (method(), FORMATS[name].write(document)))
        same = [
            a == b or "Created" in a or "LastChange" in a or a.startswith("date:")
            for a, b in zip(written, time_of_writing, strict=True)
        ]
        assert all(same)


def test_a_text_file_ends_its_last_line_and_separates_pages() -> None:
    assert letter().to_text() == letter().text + "\n"
    assert letter(pages=2).to_text() == letter(pages=2).text + "\n"
    assert of_lines().to_text() == ""


def test_json_has_one_object_per_line_with_its_position() -> None:
    rows = [json.loads(row) for row in letter().to_json_lines().splitlines()]
    assert list(rows[2]) == ["file", "page", "text", "confidence", "paragraph", "baseline", "polygon", "characters"]
    assert [row["paragraph"] for row in rows] == [1, 1, 2]
    assert (rows[2]["file"], rows[2]["page"], rows[2]["text"]) == ("letter.png", 1, "déjà vu")
    assert rows[2]["baseline"] == [[50, 230], [120, 228]]
    assert rows[2]["characters"][0] == {"text": "d", "confidence": 1.0, "left": 50.0, "right": 60.0}


def test_a_line_that_is_crossed_out_leaves_no_empty_line() -> None:
    crossed = dataclasses.replace(line("", 140), crossed_out=(box(50, 140, 150),))
    page = of_lines(line("Dear", 80), crossed, line("Ann", 200)).pages[0]
    alone = dataclasses.replace(
        page, paragraphs=(*page.paragraphs, Paragraph((crossed,)), Paragraph((line("x", 240),)))
    )
    document = Document("letter.png", (alone,))
    assert document.to_text() == "Dear\nAnn\n\nx\n"
    assert document.to_markdown().endswith("Dear\nAnn\n\nx\n")
    assert [row.reason for row in lines_of("letter.png", alone) if row.line.is_crossed_out] == ["crossed out"] * 2


def test_json_has_the_outlines_of_what_is_crossed_out(folder: Path) -> None:
    crossed = of_lines(dataclasses.replace(line("thanks", 80), crossed_out=(box(110, 80, 150),)), line("Ann", 140))
    first, second = map(json.loads, crossed.to_json_lines().splitlines())
    assert first["crossed_out"] == [[[110, 80], [150, 80], [150, 120], [110, 120]]]
    assert "crossed_out" not in second
    (folder / "letter.jsonl").write_text(crossed.to_json_lines(), "utf-8")
    assert [sample.text for sample in open_dataset(str(folder)).samples] == ["thanks", "Ann"]
    (turned,) = crossed.pages[0].turned(180).lines[0].crossed_out
    assert turned[2] == (WIDTH - 1 - 150, HEIGHT - 1 - 120)


def test_json_of_a_single_line_has_no_position_on_a_page() -> None:
    (row,) = map(json.loads, pen_line().to_json_lines().splitlines())
    assert list(row) == ["file", "page", "text", "confidence", "characters"]


@pytest.mark.parametrize("form", ["alto", "page"])
def test_xml_is_read_as_a_dataset(form: str, folder: Path) -> None:
    (folder / "letter.xml").write_text(FORMATS[form].write(letter()), "utf-8")
    samples = open_dataset(str(folder)).samples
    assert [sample.text for sample in samples] == ["Dear <Ann> & you", "thanks", "déjà vu"]
    region = samples[1].region
    assert region is not None
    assert region.polygon == ((50, 80), (110, 80), (110, 120), (50, 120))
    assert region.baseline == ((50, 110), (110, 108))
    assert read_line(samples[1]).shape == pytest.approx((50, 70), abs=4)


def test_json_is_read_as_a_dataset(folder: Path) -> None:
    (folder / "letter.jsonl").write_text(letter().to_json_lines(), "utf-8")
    samples = open_dataset(str(folder)).samples
    lines = letter().pages[0].lines
    assert [sample.text for sample in samples] == [line.text for line in lines]
    regions = [sample.region for sample in samples if sample.region]
    assert [(region.polygon, region.baseline) for region in regions] == [(it.polygon, it.baseline) for it in lines]
    first = json.loads(letter().to_json_lines().splitlines()[0])
    (folder / "letter.jsonl").write_text(json.dumps({**first, "polygon": [[1, 2], 3]}), "utf-8")
    with pytest.raises(BadDataset, match=r"letter\.jsonl, line 1: a polygon"):
        open_dataset(str(folder))


def test_places_that_were_not_read_are_in_json_and_no_lines_of_a_dataset(folder: Path) -> None:
    missed = Document("letter.png", (dataclasses.replace(letter_page(), unread=(box(20, 250, 90),)),))
    content = missed.to_json_lines()
    assert json.loads(content.splitlines()[-1]) == {
        "file": "letter.png", "page": 1, "unread": True, "polygon": [[20, 250], [90, 250], [90, 290], [20, 290]]
    }  # fmt: skip
    (folder / "letter.jsonl").write_text(content, "utf-8")
    assert len(open_dataset(str(folder / "letter.jsonl")).samples) == len(letter_page().lines)


@pytest.mark.parametrize("form", XML)
def test_an_empty_page_is_valid_xml(form: str) -> None:
    text = FORMATS[form].write(of_lines())
    assert "letter.png" in text and ElementTree.fromstring(text) is not None


@pytest.mark.parametrize("form", XML)
@pytest.mark.parametrize("document", [pen_line(), Document("nothing.pdf", ())], ids=["strokes", "no page"])
def test_what_has_no_page_cannot_be_xml(form: str, document: Document) -> None:
    with pytest.raises(BadInput, match="pages") as raised:
        FORMATS[form].write(document)
    assert raised.value.path == document.name and raised.value.hint


@pytest.mark.parametrize("form", XML)
def test_an_image_of_a_single_line_is_a_page_without_a_baseline(form: str) -> None:
    (line,) = pen_line().pages[0].lines
    paragraph = dataclasses.replace(
        pen_line().pages[0].paragraphs[0], lines=(dataclasses.replace(line, polygon=((0, 0), (90, 0), (90, 40))),)
    )
    document = Document("line.png", (Page(1, 90, 40, (paragraph,), is_line=True),))
    text = FORMATS[form].write(document)
    assert ElementTree.fromstring(text) is not None and "baseline" not in text.lower()


@pytest.mark.parametrize("name", ['a "b"; c.png', "œ & <é>.png", os.fsdecode(b"caf\xe9.png"), "tab\tline\nend\x1b.png"])
@pytest.mark.parametrize("form", XML)
def test_odd_file_names_give_valid_xml(form: str, name: str) -> None:
    root = ElementTree.fromstring(FORMATS[form].write(letter(f"folder/{name}")))
    values = [value for element in root.iter() for value in element.attrib.values()]
    assert one_line(name) in "".join([*root.itertext(), *values])


def test_each_format_states_the_detected_languages() -> None:
    german = dataclasses.replace(line("Guten Tag", 20), language="de")
    norwegian = dataclasses.replace(line("Hei", 140), language="nb")
    document = of_lines(german, line("123", 80), norwegian)
    assert (document.language, document.pages[0].language, of_lines().language) == ("de", "de", "")
    assert of_lines(line("Guten Tag", 20), norwegian).language == ""  # most is not known
    assert [json.loads(row).get("language") for row in document.to_json_lines().splitlines()] == ["de", None, "nb"]
    assert "\nlanguage: de\n" in document.to_markdown() and "language:" not in letter().to_markdown()
    found = {
        "LANG": ElementTree.fromstring(document.to_alto()),
        "primaryLanguage": ElementTree.fromstring(document.to_page_xml()),
        "lang": ElementTree.fromstring(document.to_hocr()),
    }
    values = {name: [value for each in root.iter() if (value := each.get(name))] for name, root in found.items()}
    assert values == {"LANG": ["de", "nb"], "primaryLanguage": ["German", "Norwegian"], "lang": ["de", "nb"]}
