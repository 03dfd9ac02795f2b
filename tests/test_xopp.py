"""Notes of Xournal++: pages, layers, tools, whiteout and typed text, from hand-made files and real ones."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inkread.errors import BadInput
from inkread.inputs import Inks, open_input
from inkread.inputs.ink import Ink, Pen, TypedText

REAL = Path(__file__).parents[2] / "shared" / "data" / "pen-files"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/pen-files is not there")

# 36 points are half an inch, which is 100 pixels at 200 dpi.
PAGE = '<page width="360" height="720"><background type="solid" style="lined"/>{}</page>'
PEN = '<stroke tool="pen" color="#000000ff" width="1.41 0.5 0.5">{}</stroke>'


def notes(*pages: str) -> bytes:
    xml = '<?xml version="1.0"?><xournal creator="x" fileversion="4"><title>t</title>{}</xournal>'
    return gzip.compress(xml.format("".join(PAGE.format(page) for page in pages)).encode())


def pages_of(data: bytes) -> tuple[Ink, ...]:
    pages = open_input(data, name="a.xopp")
    assert isinstance(pages, Inks)
    return pages.inks


def layer(*items: str) -> str:
    return f"<layer>{''.join(items)}</layer>"


def strokes(ink: Ink) -> list[list[list[float]]]:
    return [stroke.round(6).tolist() for stroke in ink.strokes]


def refused(data: bytes) -> str:
    with pytest.raises(BadInput) as caught:
        open_input(data, name="a.xopp")
    assert "\n" not in str(caught.value) and caught.value.hint
    return str(caught.value)


def test_pages_layers_and_tools() -> None:
    highlighter = PEN.format("1 1 2 2").replace('"pen"', '"highlighter"')
    dashed = PEN.format("1 1 2 2").replace("tool=", 'style="dash" tool=')
    first, empty = pages_of(
        notes(layer(PEN.format("36 36 72 36")) + layer(highlighter, dashed, PEN.format("0 36 0 72")), layer())
    )
    assert strokes(first) == [[[100, 100], [200, 100]], [[0, 100], [0, 200]]]
    assert first.size == empty.size == (1000, 2000) and not empty.strokes


def test_plain_xml_and_zip_are_read_too() -> None:
    data = notes(layer(PEN.format("36 36 72 36")))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/xournal++")
        archive.writestr("content.xml", gzip.decompress(data))
    for content in (gzip.decompress(data), file.getvalue()):
        assert strokes(pages_of(content)[0]) == [[[100, 100], [200, 100]]]


def test_whiteout_hides_what_was_written_before_it() -> None:
    white = '<stroke tool="eraser" color="#ffffffff" width="4">100 0 100 300</stroke>'
    before = PEN.format(" ".join(f"{x} 50" for x in range(90, 112)))
    (ink,) = pages_of(notes(layer(before, white, PEN.format("100 100 101 100"))))
    left, right, after = (stroke * 0.36 for stroke in ink.strokes)
    assert left[:, 0].min() == pytest.approx(90) and left[:, 0].max() == pytest.approx(98, abs=1.1)
    assert right[:, 0].min() == pytest.approx(102, abs=1.1) and right[:, 0].max() == pytest.approx(111)
    np.testing.assert_allclose(after, [[100, 100], [101, 100]])


def test_typed_text_is_kept_line_by_line() -> None:
    (ink,) = pages_of(
        notes(layer('<text font="Sans" size="18" x="36" y="72" color="#000000ff">one\n\n t&lt;o </text>'))
    )
    assert ink.typed[0] == TypedText("one", 100, 200, pytest.approx(175), pytest.approx(260))  # type: ignore[arg-type]
    assert ink.typed[1].text == "t<o" and ink.typed[1].top == pytest.approx(320) and len(ink.typed) == 2


def test_typed_text_is_wrapped_in_its_box() -> None:
    """A box of 90 points has room for ten letters of 18 points; a longer word stays whole."""
    box = '<text font="Sans" size="18" x="36" y="72" wrap="90">{}</text>'
    (ink,) = pages_of(notes(layer(box.format("one two three\nimpossibility of"))))
    assert [line.text for line in ink.typed] == ["one two", "three", "impossibility", "of"]
    tops = [line.top for line in ink.typed]
    np.testing.assert_allclose(np.diff(tops), 60, err_msg="1.2 times 18 points at 200 dpi")
    (ink,) = pages_of(notes(layer(box.format("one two three").replace('"90"', '"-1"'))))
    assert [line.text for line in ink.typed] == ["one two three"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (layer(PEN.format("1 2 x 4")), "something else than numbers"),
        (layer(PEN.format("1 2 3")), "an x that has no y"),
        (layer(PEN.format("1 nan")), "not a finite number"),
        (layer('<text size="inf" x="1" y="2">a</text>'), "size='inf' is not a finite number"),
        (layer('<stroke tool="eraser" width="x">1 1</stroke>'), "without a width"),
    ],
)
def test_invalid_items_are_named(content: str, problem: str) -> None:
    assert problem in refused(notes(content))


def test_invalid_files() -> None:
    data = notes(layer(PEN.format("36 36 72 36")))
    assert "damaged or cut short" in refused(data[: len(data) // 2])
    assert "no pages" in refused(notes())
    assert "1e+99 x 720 points" in refused(gzip.compress(gzip.decompress(data).replace(b'"360"', b'"1e99"')))
    entities = b'<!DOCTYPE xournal [<!ENTITY a "b">]>' + gzip.decompress(data).partition(b"?>")[2]
    assert "entities" in refused(entities)


def test_little_files_that_unpack_to_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.inputs.source.MAX_UNPACKED", 1_000_000)
    assert "more than 1 MB when it is unpacked" in refused(notes(layer(PEN.format("1 1 " * 300_000))))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content.xml", " " * 1_000_001)
    assert "more than 1 MB when it is unpacked" in refused(file.getvalue())


def test_pages_that_would_take_hours_are_refused() -> None:
    white = '<stroke tool="eraser" width="20000" color="white">{}</stroke>'
    assert "too much whiteout" in refused(notes(layer(PEN.format("1 1 2 2"), white.format("1 1 300 700 " * 2000))))
    (ink,) = pages_of(notes(layer(PEN.format("1 1 2 2"), white.format("nan nan 1 1"))))
    assert len(ink.strokes) == 0  # hidden
    text = '<text x="1" y="1" size="9">{}</text>'
    assert "lines or 100,000 characters of typed text" in refused(notes(layer(text.format("a\n" * 2001))))
    assert "lines or 100,000 characters of typed text" in refused(notes(layer(text.format("a" * 100_001))))


@needs_real
def test_real_files() -> None:
    counts = {
        file.name: [(len(ink.strokes), len(ink.typed)) for ink in pages_of(file.read_bytes())]
        for file in sorted(REAL.glob("*.xopp"))
    }
    assert counts == {  # looked at in Xournal++'s own previews
        "xpp-pdfbg.xopp": [(0, 0), (0, 0)],
        "xpp-stroke-new.xopp": [(1, 0)],
        "xpp-strokes.xopp": [(9, 0)],
        "xpp-suite.xopp": [(5, 1)],
        "xpp-text.xopp": [(0, 54)],
    }


def test_pens_have_a_width_and_a_colour_also_where_whiteout_cuts_strokes() -> None:
    def stroke(color: str, width: str, y: int) -> str:
        return f'<stroke tool="pen" color="{color}" width="{width}">0 {y} 150 {y} 300 {y}</stroke>'

    given = [("red", "3.6"), ("#0000ff80", "1.8 1 1"), ("nothing", "thick")]
    lines = [stroke(*pen, 100 * number) for number, pen in enumerate(given, 1)]
    white = '<stroke tool="eraser" color="#ffffffff" width="20">150 190 150 210</stroke>'  # cuts the second stroke
    (ink,) = pages_of(notes(layer(*lines, white)))
    assert [round(float(part[0, 1]) * 72 / 200) for part in ink.strokes] == [100, 200, 200, 300]
    blue = Pen(5.0, (0, 0, 255))
    assert ink.pens[:3] == (Pen(10.0, (255, 0, 0)), blue, blue)
    assert ink.pens[3].color == (0, 0, 0) and ink.pens[3].width == pytest.approx(1.41 * 200 / 72)
