"""PAGE and ALTO files are edited, and what other programs wrote in them stays."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from documents import letter, with_excluded

pytest.importorskip("lxml", reason="the extra studio is not installed")

from inkread.document import alto, page_xml
from inkread.document.elements import Document, Line, Page, Paragraph, Points, Word
from inkread.errors import BadInput
from inkread.studio.transcript import Transcript

PAGE = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<!-- written by hand -->
<pc:PcGts xmlns:pc="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"
  xmlns:x="urn:other" x:note="kept">
  <pc:Metadata><pc:Creator>someone</pc:Creator><pc:LastChange>2020-01-01T00:00:00</pc:LastChange></pc:Metadata>
  <pc:Page imageFilename="a.png" imageWidth="1000" imageHeight="500">
    <pc:ReadingOrder><pc:OrderedGroup id="o">
      <pc:RegionRefIndexed index="0" regionRef="r2"/>
      <pc:RegionRefIndexed index="1"
      regionRef="r1"/></pc:OrderedGroup></pc:ReadingOrder>
    <pc:TextRegion id="r1" custom="structure {type:marginalia;}"><pc:Coords points="0,0 9,0 9,9"/>
      <pc:TextLine id="l3" custom="readingOrder {index:0;}"><pc:Coords points="0,300 400,300 400,350 0,350"/>
        <pc:TextEquiv conf="0.5"><pc:PlainText>old</pc:PlainText>
          <pc:Unicode>at the end</pc:Unicode></pc:TextEquiv></pc:TextLine>
      <pc:TextEquiv><pc:Unicode>at the end</pc:Unicode></pc:TextEquiv>
    </pc:TextRegion>
    <pc:TextRegion id="r2">
      <pc:TextLine id="l1" production="handwritten-cursive"><pc:Coords points="0,0 400,0 400,50 0,50"/>
        <pc:Baseline points="0,40 400,40"/>
        <pc:Word id="w1" x:mine="1"><pc:Coords points="0,0 100,0 100,50 0,50"/>
          <pc:TextEquiv conf="0.9"><pc:Unicode>dear</pc:Unicode></pc:TextEquiv></pc:Word>
        <pc:Word id="w2"><pc:Coords points="120,0 400,0 400,50 120,50"/>
          <pc:Glyph id="g"><pc:Coords points="1,1"/></pc:Glyph>
          <pc:TextEquiv conf="0.3"><pc:Unicode>Anne</pc:Unicode></pc:TextEquiv></pc:Word>
        <pc:TextEquiv index="1"><pc:Unicode>deer Anne</pc:Unicode></pc:TextEquiv>
        <pc:TextEquiv index="0" conf="0.6"><pc:Unicode>dear Anne</pc:Unicode></pc:TextEquiv></pc:TextLine>
      <pc:TextLine id="l2"><pc:Coords points="0,100 400,100 400,150 0,150"/><pc:Baseline points="0,140 400,140"/>
        <pc:TextEquiv><pc:Unicode>good day</pc:Unicode></pc:TextEquiv></pc:TextLine>
    </pc:TextRegion>
  </pc:Page>
</pc:PcGts>"""
ALTO = """<?xml version="1.0"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v2#"><Description><MeasurementUnit>pixel</MeasurementUnit></Description>
<Layout><Page ID="p" WIDTH="1000" HEIGHT="500"><PrintSpace><TextBlock ID="b" STYLEREFS="s">
<TextLine ID="l1" HPOS="0" VPOS="0" WIDTH="400" HEIGHT="50" BASELINE="40">
<String ID="s1" CONTENT="dear" HPOS="0" VPOS="0" WIDTH="100" HEIGHT="50" WC="0.9" STYLE="bold"/><SP/>
<String ID="s2" CONTENT="An" HPOS="120" VPOS="0" WIDTH="280" HEIGHT="50" WC="0.4"
  SUBS_TYPE="HypPart1" SUBS_CONTENT="Anna"/><HYP CONTENT="-"/>
</TextLine></TextBlock></PrintSpace></Page></Layout></alto>"""


def opened(text: str) -> Transcript:
    return Transcript(text.encode(), "a.xml")


def again(transcript: Transcript) -> Transcript:
    return Transcript(transcript.to_bytes(), "a.xml")


def texts(transcript: Transcript) -> list[str]:
    return [line["text"] for line in again(transcript).to_dict()["lines"]]


def line(transcript: Transcript, id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(line for line in again(transcript).to_dict()["lines"] if line["id"] == id)
    return found


def box(transcript: Transcript, id: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a line."""
    x, y = zip(*line(transcript, id)["polygon"], strict=True)
    return min(x), min(y), max(x), max(y)


def test_the_lines_of_a_page_file_come_in_its_reading_order() -> None:
    page = opened(PAGE)
    assert page.size == (1000, 500)
    assert texts(page) == ["dear Anne", "good day", "at the end"]
    assert line(page, "l1")["confidence"] == 0.6 and line(page, "l2")["confidence"] is None
    assert line(page, "l1")["words"] == [{"text": "dear", "confidence": 0.9}, {"text": "Anne", "confidence": 0.3}]


def test_an_edit_changes_nothing_else() -> None:
    """All lines of the file but those of the text and the date are the same bytes."""
    page = opened(PAGE)
    before = page.to_bytes().decode().splitlines()
    page.set_text("l2", "good  evening")
    after = page.to_bytes().decode().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new and "LastChange" not in old]
    (old, new), (old_text, new_text) = changed
    assert new == old.replace('id="l2"', 'id="l2" custom="inkread {corrected:true;}"')
    assert new_text == old_text.replace("good day", "good evening")
    assert "<!-- written by hand -->" in "\n".join(after) and 'x:note="kept"' in "\n".join(after)


def test_words_that_stay_keep_what_the_file_says_of_them() -> None:
    page = opened(PAGE)
    page.set_text("l1", "dear Anna")
    text = page.to_bytes().decode()
    assert 'id="w1" x:mine="1"' in text and 'production="handwritten-cursive"' in text
    assert "<pc:Unicode>deer Anne</pc:Unicode>" in text  # another program's alternative
    assert "Glyph" not in text  # it was of another word
    assert line(page, "l1")["words"] == [{"text": "dear", "confidence": 0.9}, {"text": "Anna", "confidence": None}]
    assert line(page, "l1")["confidence"] is None and line(page, "l1")["corrected"]


def test_new_words_take_the_place_of_old_ones() -> None:
    page = opened(PAGE)
    page.set_text("l1", "my dear and Anne")
    assert [word["text"] for word in line(page, "l1")["words"]] == ["my", "dear", "and", "Anne"]
    (read,) = [each for each in again(page).to_page(1, 1000, 500).lines if each.text.startswith("my")]
    lefts = [word.polygon[0][0] for word in read.words]
    assert lefts == sorted(lefts) and all(0 <= left < 400 for left in lefts)
    assert read.words[3].polygon[0] == (120, 0)


def test_the_text_of_the_region_and_the_marks_of_others_are_kept_right() -> None:
    page = opened(PAGE)
    page.set_text("l3", "the very end")
    text = page.to_bytes().decode()
    assert text.count("<pc:Unicode>the very end</pc:Unicode>") == 2 and "PlainText" not in text
    assert 'custom="readingOrder {index:0;} inkread {corrected:true;}"' in text
    page.confirm("l3", False)
    assert 'id="l3" custom="readingOrder {index:0;}"' in page.to_bytes().decode()


def test_alto_keeps_its_attributes_and_joins_the_hyphen() -> None:
    page = opened(ALTO)
    assert texts(page) == ["dear An-"]
    page.set_text("l1", "dear Anna,")
    text = page.to_bytes().decode()
    assert texts(page) == ["dear Anna,"]
    assert '<String ID="s1" CONTENT="dear" HPOS="0" VPOS="0" WIDTH="100" HEIGHT="50" WC="0.9" STYLE="bold"/>' in text
    assert '<String ID="s2" CONTENT="Anna," HPOS="120" VPOS="0" WIDTH="280" HEIGHT="50"/>' in text
    assert "HYP" not in text and 'CS="true"' in text and 'BASELINE="40"' in text


@pytest.mark.parametrize("write", [page_xml.write, alto.write])
def test_lines_are_merged_split_moved_added_and_deleted(write: object) -> None:
    assert callable(write)
    page = Transcript(write(document("one two", "three four", "five")).encode(), "a.xml")
    first, second, third = [each["id"] for each in page.to_dict()["lines"]]
    page.merge(first, second)
    assert texts(page) == ["one two three four", "five"]
    assert box(page, first) == (0, 0, 400, 140)
    new = page.split(first, len("one two "))
    assert texts(page) == ["one two", "three four", "five"]
    assert box(page, first)[2] == box(page, new)[0]
    page.move(third, -1)
    page.move(first, -1)  # already the first
    assert texts(page) == ["one two", "five", "three four"]
    page.delete(third)
    drawn = page.add(((0, 450), (300, 450), (300, 490), (0, 490)))
    page.reread(drawn, read_line("new words", 450))
    assert texts(page)[-1] == "new words" and line(page, drawn)["confidence"] == pytest.approx(0.8)
    page.reshape(drawn, ((0, 440), (200, 440), (200, 480), (0, 480)))
    assert line(page, drawn)["polygon"] == ((0, 440), (200, 440), (200, 480), (0, 480))
    assert [each.text for each in again(page).to_page(1, 1000, 500).lines] == texts(page)


@pytest.mark.parametrize(("write", "kind"), [(page_xml.write, "ImageRegion"), (alto.write, "Illustration")])
def test_an_area_is_excluded_and_stays_so(write: object, kind: str) -> None:
    assert callable(write)
    page = Transcript(write(document("one two", "three four", "five")).encode(), "a.xml")
    area: Points = ((0, 90), (500, 90), (500, 160), (0, 160))  # around the second line
    id = page.exclude(area)
    assert texts(page) == ["one two", "five"]
    assert again(page).to_dict()["excluded"] == [{"id": id, "polygon": area}]
    element = ET.fromstring(page.to_bytes()).find(f".//{{*}}{kind}")
    assert element is not None and not element.findall(".//{*}TextLine")
    first, last = [each["id"] for each in page.to_dict()["lines"]]
    page.set_text(first, "One, two")
    (read,) = document("one tow", "three four", "six", "seven").pages
    page.read_again(read)
    assert texts(page) == ["One, two", "six", "seven"]  # corrected, excluded, replaced, new
    assert line(page, first)["corrected"] and page.to_dict()["lines"][1]["id"] != last
    page.include(id)
    assert again(page).to_dict()["excluded"] == []
    page.read_again(read)
    assert texts(page) == ["One, two", "three four", "six", "seven"]
    with pytest.raises(BadInput, match="no longer excluded"):
        page.include(id)


@pytest.mark.parametrize(("write", "kind"), [(page_xml.write, "page"), (alto.write, "alto")], ids=["page", "alto"])
def test_excluded_areas_are_exported_and_read_back(write: Callable[[Document], str], kind: str) -> None:
    exported = opened(write(with_excluded(letter())))
    outlines = [area["polygon"] for area in exported.to_dict()["excluded"]]
    triangle = [(300, 10), (380, 15), (340, 60)] if kind == "page" else [(300, 10), (380, 10), (380, 60), (300, 60)]
    assert list(outlines[0]) == triangle and len(outlines) == 2
    width, height = exported.size
    read = exported.to_page(1, 2 * width, 2 * height)
    assert read.excluded[0] == tuple((2 * x, 2 * y) for x, y in triangle)
    once_more = opened(write(Document("a", (exported.to_page(1, width, height),))))
    assert [area["polygon"] for area in once_more.to_dict()["excluded"]] == outlines
    assert replace(read, paragraphs=()).turned(90).turned(270) == replace(read, paragraphs=())


def test_images_of_other_programs_are_no_excluded_areas() -> None:
    image = '<pc:ImageRegion id="i"><pc:Coords points="0,0 9,0 9,9"/></pc:ImageRegion></pc:Page>'
    assert opened(PAGE.replace("</pc:Page>", image)).to_dict()["excluded"] == []


def test_a_page_that_is_read_again_is_in_the_units_of_the_file() -> None:
    page = opened(PAGE.replace('imageWidth="1000" imageHeight="500"', 'imageWidth="2000" imageHeight="1000"'))
    page.read_again(document("one").pages[0])
    (found,) = again(page).to_dict()["lines"]
    assert found["polygon"] == ((0, 0), (800, 0), (800, 80), (0, 80)) and found["baseline"] == ((0, 60), (800, 60))


def test_a_line_is_added_to_a_page_without_any() -> None:
    empty = re.sub(r"<pc:TextRegion.*</pc:TextRegion>", "", PAGE, flags=re.DOTALL)
    page = opened(empty)
    page.set_text(page.add(((0, 0), (50, 0), (50, 20), (0, 20))), "hello")
    assert texts(page) == ["hello"]


def test_the_order_of_elements_is_that_of_the_schema() -> None:
    page = opened(PAGE)
    page.reshape("l3", ((0, 300), (400, 300), (400, 360), (0, 360)))
    page.set_text("l1", "oh dear Anne my")
    for each in ET.fromstring(page.to_bytes()).iterfind(".//{*}TextLine"):
        kinds = [child.tag.rpartition("}")[2] for child in each]
        assert kinds == sorted(kinds, key=["Coords", "Baseline", "Word", "TextEquiv"].index)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<html/>", "neither PAGE nor ALTO"),
        ("<PcGts/>", "no page"),
        ("<PcGts", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><PcGts>&b;</PcGts>', "DOCTYPE"),
    ],
)
def test_what_is_no_transcript_is_refused(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        opened(text)


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    page = opened(PAGE)
    page.set_text("l2", "a\x00b\ud800c\ufffed")
    assert texts(page)[1] == "abcd"


def read_line(text: str, top: float) -> Line:
    outline: Points = ((0, top), (400, top), (400, top + 40), (0, top + 40))
    words = text.split()
    step = 400 / len(words)
    boxes = [
        Word(word, 0.8, ((n * step, top), (n * step + step, top), (n * step + step, top + 40), (n * step, top + 40)))
        for n, word in enumerate(words)
    ]
    return Line(text, 0.8, tuple(boxes), (), outline, ((0, top + 30), (400, top + 30)))


def document(*lines: str) -> Document:
    read = tuple(read_line(text, 100.0 * number) for number, text in enumerate(lines))
    return Document("a.png", (Page(1, 1000, 500, (Paragraph(read),)),))
