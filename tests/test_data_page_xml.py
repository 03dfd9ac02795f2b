"""ALTO and PAGE."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_datasets import ALTO, ALTO_LINE, BOX, DATA, PAGE, draw, refusal

from inkread.data import Sample, open_dataset
from inkread.data.samples import read_line
from inkread.pages.regions import Region


@pytest.mark.parametrize("points", ["10 20 110 20 110 50 10 50", "10,20 110,20 110,50 10,50"])
@pytest.mark.parametrize("baseline", ["10 45 110 45", "10,45 110,45", "45", "45.0"])
def test_alto_in_its_spellings(tmp_path: Path, points: str, baseline: str) -> None:
    attributes = f'HPOS="10" VPOS="20" WIDTH="100" HEIGHT="30" BASELINE="{baseline}"'
    (tmp_path / "x.xml").write_text(ALTO.format(picture="x.png", lines=ALTO_LINE.format(attributes, points)))
    draw(tmp_path / "x.png", 200, 100)
    region = Region(BOX, ((10, 45), (110, 45)), (200, 100))
    for spec in (tmp_path, tmp_path / "x.xml"):
        assert open_dataset(str(spec)).samples == (Sample("x/l", tmp_path / "x.png", "un mot", region=region),)


def test_alto_with_a_box_and_a_hyphen(tmp_path: Path) -> None:
    line = '<TextLine HPOS="10" VPOS="20" WIDTH="100" HEIGHT="30"><String CONTENT="Gou"/><HYP CONTENT="-"/></TextLine>'
    empty = '<TextLine ID="e" HPOS="1" VPOS="2" WIDTH="3" HEIGHT="4"/>'
    nowhere = '<TextLine ID="n"><String CONTENT="x"/></TextLine>'
    (tmp_path / "x.xml").write_text(ALTO.format(picture="x.png", lines=line + empty + nowhere))
    dataset = open_dataset(str(tmp_path))
    assert [(sample.id, sample.text, sample.region) for sample in dataset.samples] == [
        ("x/1", "Gou-", Region(BOX, (), (200, 100)))
    ]
    assert dataset.skipped == ("x/n: no outline", "x/e: no text")


def test_page_in_its_spellings(tmp_path: Path) -> None:
    coords = '<Coords points="10,20 110,20 110,50 10,50"/><Baseline points="10,45 110,45"/>'
    second, first = (
        '<TextEquiv index="1"><Unicode>no</Unicode></TextEquiv>',
        "<TextEquiv><Unicode>yes</Unicode></TextEquiv>",
    )
    words = "".join(f"<Word><TextEquiv><Unicode>{word}</Unicode></TextEquiv></Word>" for word in ("by", "words"))
    lines = f'<TextLine id="a">{coords}{second}{first}</TextLine><TextLine id="b">{coords}{words}</TextLine>'
    (tmp_path / "x.xml").write_text(PAGE.format(picture="scans\\x.png", lines=lines))
    dataset = open_dataset(str(tmp_path))
    assert [(sample.id, sample.text) for sample in dataset.samples] == [("x/a", "yes"), ("x/b", "by words")]
    assert dataset.samples[0].region == Region(BOX, ((10, 45), (110, 45)), (200, 100))
    assert dataset.samples[0].path.name == "x.png"


def test_page_words_that_contradict_their_line_are_noted(tmp_path: Path) -> None:
    coords = '<Coords points="10,20 110,20 110,50 10,50"/>'

    def line(id: str, text: str, words: str) -> str:
        equiv = "<TextEquiv><Unicode>{}</Unicode></TextEquiv>".format
        parts = "".join(f"<Word>{equiv(word)}</Word>" for word in words.split())
        return f'<TextLine id="{id}">{coords}{parts}{equiv(text)}</TextLine>'

    lines = line("a", "old text", "new text") + line("b", " ", "by words") + line("c", "same, here", "same , here")
    (tmp_path / "x.xml").write_text(PAGE.format(picture="x.png", lines=lines + line("d", "no words", "")))
    dataset = open_dataset(str(tmp_path))
    assert [sample.text for sample in dataset.samples] == ["old text", "by words", "same, here", "no words"]
    (note,) = dataset.notes
    assert (
        note.startswith(f"{tmp_path}/x.xml: the text of 1 lines differs")
        and "TextLine a: 'old text' and 'new text'" in note
    )


@pytest.mark.parametrize("picture", ["x.png", "jpg/x.png", "other.png", ""])
@pytest.mark.parametrize("place", ["xml/x.png", "xml/any/x.png", "jpg/x.PNG", "x.png"])
def test_the_picture_is_found_around_its_xml(tmp_path: Path, picture: str, place: str) -> None:
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml/x.xml").write_text(ALTO.format(picture=picture, lines=ALTO_LINE.format("", "10 20 110 20 110 50")))
    draw(tmp_path / place)
    for spec in (tmp_path, tmp_path / "xml", tmp_path / "xml/x.xml"):
        assert open_dataset(str(spec)).samples[0].path == tmp_path / place


def test_the_page_of_another_book_is_not_taken(tmp_path: Path) -> None:
    draw(tmp_path / "book2/x.png")
    (tmp_path / "book1").mkdir()
    (tmp_path / "book1/x.xml").write_text(ALTO.format(picture="x.png", lines=ALTO_LINE.format("", "1 2 3 4 5 9")))
    assert open_dataset(str(tmp_path)).samples[0].path == tmp_path / "book1/x.png"


def test_a_page_exported_twice_is_read_once(tmp_path: Path, symlink: Callable[[Path, Path | str], None]) -> None:
    draw(tmp_path / "x.png")
    for kind in "ab":
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "x.xml").write_text(ALTO.format(picture="x.png", lines=ALTO_LINE.format("", "1 2 3 4 5 9")))
    (tmp_path / "mets.xml").write_text("<mets/>")
    symlink(tmp_path / "loop", tmp_path)
    dataset = open_dataset(str(tmp_path))
    assert [sample.id for sample in dataset.samples] == ["a/x/l"]
    assert ["has been read from" in dataset.skipped[0], "<mets>" in dataset.skipped[1]] == [True, True]


BILLION_LAUGHS = (
    """<!DOCTYPE alto [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><alto>&c;</alto>"""
)
STRANGER = """<!DOCTYPE alto [<!ENTITY x SYSTEM "file:///etc/passwd">]><alto>&x;</alto>"""


@pytest.mark.parametrize(
    "content, told",
    [
        (BILLION_LAUGHS, "entities"),
        (STRANGER, "entities"),
        ("<alto>\n<Layout>\n</alto>", "x.xml, line 3: not well-formed"),
        ("", "x.xml, line 1: not well-formed"),
        ('<?xml version="1.0" encoding="klingon"?><alto/>', "x.xml"),
        ("<html/>", "<html> is neither ALTO nor PAGE"),
        ("<alto/>", "no line with a text"),
        (ALTO.format(picture="", lines=ALTO_LINE.format("", "1 2 3 4 5")), "TextLine l: '1 2 3 4 5' are not points"),
        (ALTO.format(picture="", lines=ALTO_LINE.format("", "1 2 3 x 5 6")), "TextLine l: could not convert"),
        (ALTO.format(picture="", lines=ALTO_LINE.format("", "1 2 3 inf 5 6")), "are not points"),
        (ALTO.format(picture="", lines=ALTO_LINE.format('BASELINE="1.2.3"', "1 2 3 4 5 6")), "TextLine l"),
        (ALTO.format(picture="", lines=ALTO_LINE.format('HPOS="left"', "1 2 3 4 5 6")), "TextLine l"),
        (PAGE.format(picture="", lines="").replace("200", "wide"), "no line with a text"),
    ],
)
def test_bad_xml_is_refused_and_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "x.xml").write_text(content)
    assert told in refusal(tmp_path) and told in refusal(tmp_path / "x.xml")


def test_real_pages_open_and_their_lines_are_level(tmp_path: Path, symlink: Callable[[Path, Path | str], None]) -> None:
    if not (DATA / "copiste").is_dir():
        pytest.skip("no ../shared/data/copiste")
    with tarfile.open(DATA / "copiste/alto.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    symlink(tmp_path / "jpg", DATA / "copiste/jpg")
    dataset = open_dataset(str(tmp_path))
    assert (len(dataset.samples), len(dataset.skipped)) == (5176, 2)
    assert all(sample.path.parent.name == "jpg" for sample in dataset.samples)
    for sample in dataset.samples[:20]:
        line = read_line(sample)
        assert sample.region is not None
        xs = [x for x, _ in sample.region.polygon]
        assert abs(line.shape[1] - (max(xs) - min(xs))) < 60 and 20 < line.shape[0] < 250
        assert np.median(line) > 150 > line.min(), "dark ink on light paper"
