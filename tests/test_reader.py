"""Documents read with a recognizer that reads "ab c" everywhere."""

import io
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from handwriting import SCANS, Echo, page_of
from PIL import Image

from inkread.document.elements import Character
from inkread.errors import BadConfig, BadInput, BadModel, InkreadError
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading
from inkread.pages import layout as page_layout
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.reader import Reader, _words, load_reader, read_layouts, to_page
from inkread.pages.segment import find_lines

STROKES = [[[10, 5], [30, 25]], [[40, 5], [90, 20]]]


@pytest.fixture
def reader() -> Reader:
    return Reader(Echo())


def test_a_page_becomes_a_document_with_paragraphs_and_lines(reader: Reader) -> None:
    document = reader.read(page_of(5, gap=100))
    assert document.name == "<array>" and document.text == "ab c\nab c\n\nab c\nab c\nab c"
    (page,) = document.pages
    assert (page.number, page.width, page.height, page.is_line) == (1, 900, 1000, False)
    assert [len(paragraph.lines) for paragraph in page.paragraphs] == [2, 3]
    assert all(len(line.polygon) > 4 and len(line.baseline) > 1 for line in page.lines)


def test_all_pages_of_a_file_are_read(reader: Reader, tmp_path: Path) -> None:
    first, second = (Image.fromarray(page_of(lines)) for lines in (2, 3))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    document = reader.read(tmp_path / "two.tif")
    assert document.name == str(tmp_path / "two.tif")
    assert [(page.number, len(page.lines)) for page in document.pages] == [(1, 2), (2, 3)]


def test_standard_input_is_read_once(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(SCANS[0].read_bytes())))
    document = reader.read("-")
    assert (document.name, document.text) == ("-", "ab c")


def test_an_image_of_a_line_has_one_line_that_fills_it(reader: Reader) -> None:
    (page,) = reader.read(SCANS[0]).pages
    with Image.open(SCANS[0]) as image:
        width, height = image.size
    assert page.is_line and (page.width, page.height) == (width, height)
    (line,) = page.lines
    assert line.polygon == ((0, 0), (width, 0), (width, height), (0, height)) and line.baseline == ()
    assert [word.polygon[0][0] for word in line.words] == [0, 30]  # from the end of the space on
    assert [word.polygon[1][0] for word in line.words] == [20, width]  # to the start of the space
    assert "".join(character.text for word in line.words for character in word.characters) == "abc"
    assert reader.read_line(SCANS[0]) == line


def test_what_is_crossed_out_has_an_outline_in_images_pages_and_strokes() -> None:
    class Crossing(Echo):
        def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
            for reading in super().read_many(lines):
                yield replace(reading, crossed_out=((40.0, 60.0),))

    reader = Reader(Crossing())
    assert reader.read_line(STROKES).crossed_out == (((40, 5), (60, 5), (60, 25), (40, 25)),)
    for x in (SCANS[0], page_of(3)):
        for line in reader.read(x).pages[0].lines:
            (outline,) = line.crossed_out
            left = min(x for x, _ in line.polygon) if line.baseline else 0
            xs = [x - left for x, _ in outline]
            assert min(xs) == pytest.approx(40, abs=10) and max(xs) - min(xs) == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    ("crossed_out", "expected"),
    [
        (((20.0, 20.0),), [(0, 20), (30, 900)]),  # the space after "ab"
        (((40.0, 60.0),), [(0, 20), (30, 40)]),
        (((0.0, 0.0), (25.0, 30.0)), [(0, 20), (30, 900)]),
    ],
)
def test_a_word_ends_where_something_is_crossed_out(
    crossed_out: tuple[tuple[float, float], ...], expected: list[tuple[float, float]]
) -> None:
    (reading,) = Echo().read_many([np.zeros((40, 900), np.uint8)])
    crossed = replace(reading, crossed_out=crossed_out)
    assert [(left, right) for _, left, right in _words(crossed, 0.0, 900.0)] == expected


def test_the_kind_of_image_can_be_given(reader: Reader) -> None:
    assert reader.read(page_of(3), page=False).pages[0].is_line
    assert not reader.read(SCANS[0], page=True).pages[0].is_line


def test_strokes_have_positions_in_their_units(reader: Reader) -> None:
    line = reader.read_line(STROKES)
    assert line.polygon == ((10, 5), (90, 5), (90, 25), (10, 25)) and line.text == "ab c"
    (page,) = reader.read(STROKES).pages
    assert page.is_line and (page.width, page.height) == (0, 0) and page.lines == (line,)


def test_one_line_cannot_be_several_pages(reader: Reader, tmp_path: Path) -> None:
    image = Image.open(SCANS[0])
    image.save(tmp_path / "two.tif", save_all=True, append_images=[image])
    with pytest.raises(BadInput, match=r"two\.tif: 2 pages.*use read instead"):
        reader.read_line(tmp_path / "two.tif")


@pytest.mark.parametrize("method", ["read", "read_line"])
def test_a_wrong_argument_is_told_what_is_accepted(reader: Reader, method: str) -> None:
    with pytest.raises(BadInput, match="give a path"):
        getattr(reader, method)(None)


def test_many_sources_come_page_by_page_and_failures_are_reported(reader: Reader, tmp_path: Path) -> None:
    failures: list[tuple[str, InkreadError]] = []
    sources: list[Any] = [SCANS[0], tmp_path / "missing.png", page_of(2), None, STROKES]
    read = list(reader.read_many(sources, failed=lambda name, error: failures.append((name, error))))
    assert [(layout.name, len(page.lines)) for layout, page in read] == [
        (str(SCANS[0]), 1),
        ("<array>", 2),
        ("<strokes>", 1),
    ]
    assert [name for name, _ in failures] == [str(tmp_path / "missing.png"), "<NoneType>"]
    assert "no such file" in str(failures[0][1]) and str(failures[0][1]).count("missing.png") == 1
    with pytest.raises(BadInput, match="no such file"):
        list(reader.read_many(sources))


def test_pages_that_are_not_wanted_are_reported(reader: Reader) -> None:
    def check(layout: PageLayout) -> None:
        if layout.is_page:
            raise BadInput("no pages, please")

    failures: list[str] = []
    read = list(
        reader.read_many([page_of(2), SCANS[0]], check=check, failed=lambda name, error: failures.append(str(error)))
    )
    assert [layout.name for layout, _ in read] == [str(SCANS[0])]
    assert failures == ["<array>: no pages, please"]


def test_the_log_says_how_many_lines_were_found(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inkread")
    log = logging.getLogger("inkread")
    log.propagate, propagated = True, log.propagate
    try:
        reader.read(page_of(3))
        reader.read(np.full((1200, 900), 240, np.uint8))
        reader.read(SCANS[0])
    finally:
        log.propagate = propagated
    assert caplog.messages == ["<array>: 3 lines found", "<array>: no handwriting found"]


def test_the_log_says_where_handwriting_was_not_read(
    reader: Reader, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(3)
    height = len(page)
    missed = ((0.0, height - 30.0), (60.0, height - 30.0), (60.0, height - 5.0), (0.0, height - 5.0))
    monkeypatch.setattr(page_layout, "find_lines", lambda page: replace(find_lines(page), unread=(missed,)))
    caplog.set_level(logging.INFO, "inkread")
    monkeypatch.setattr(logging.getLogger("inkread"), "propagate", True)
    (read,) = reader.read(page).pages
    assert caplog.messages == ["<array>: 3 lines found; handwriting at the lower left was not read"]
    assert read.unread == (missed,)


# ---- groups of layouts


def line_layout(name: str) -> PageLayout:
    return PageLayout(name, 1, 1, (9, 9), (np.zeros((9, 9), np.uint8),))


def test_readings_come_with_their_layout_for_empty_pages_too() -> None:
    blank = PageLayout("blank", 1, 1, (10, 10), (), is_page=True)
    one = line_layout("one")
    two = replace(one, name="two", line_inputs=one.line_inputs * 2)
    read = [(layout.name, len(readings)) for layout, readings in read_layouts(Echo(), [blank, one, blank, two, blank])]
    assert read == [("blank", 0), ("one", 1), ("blank", 0), ("two", 2), ("blank", 0)]


def test_a_page_comes_when_it_is_read_and_only_the_next_one_is_prepared() -> None:
    taken: list[int] = []

    def layouts() -> Iterator[PageLayout]:
        for number in range(1, 9):
            taken.append(number)
            yield replace(line_layout("scan.pdf"), number=number, count=8, is_page=True)

    for place, (layout, readings) in enumerate(read_layouts(Echo(), layouts()), 1):
        assert (layout.number, len(readings)) == (place, 1)
        assert len(taken) <= place + 1


class NoStrokes(Echo):
    """Fails for pen strokes, also in the middle of a group of lines."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        for line in lines:
            if isinstance(line, list):
                raise self.error
            yield from super().read_many([line])


def test_what_cannot_be_read_does_not_stop_the_others() -> None:
    strokes = replace(line_layout("strokes"), line_inputs=([],))
    page = replace(line_layout("page"), is_page=True)
    layouts = [line_layout("a"), strokes, line_layout("b"), replace(strokes, is_page=True), page, line_layout("c")]
    failures: list[tuple[str, str]] = []
    recognizer = NoStrokes(RuntimeError("no"))
    read = read_layouts(recognizer, layouts, lambda layout, error: failures.append((layout.name, str(error))))
    assert [layout.name for layout, _ in read] == ["a", "b", "page", "c"]
    assert failures == [("strokes", "no")] * 2
    with pytest.raises(RuntimeError):
        list(read_layouts(recognizer, layouts))


def test_a_bad_model_stops_everything() -> None:
    strokes = replace(line_layout("strokes"), line_inputs=([],))
    with pytest.raises(BadModel):
        list(read_layouts(NoStrokes(BadModel("damaged")), [strokes], lambda layout, error: None))


# ---- positions on the page


def test_a_line_on_which_nothing_is_read_has_no_words() -> None:
    ((layout, readings),) = read_layouts(Echo(), [detect_layout("page.png", 1, 1, page_of(2), is_page=True)])
    page = to_page(layout, [Reading("", 0.0, ()), readings[1]])
    assert page.lines[0].words == () and len(page.lines[1].words) == 2


def test_words_are_on_the_page_where_they_were_cut_out(reader: Reader) -> None:
    line = reader.read(page_of(5, gap=100)).pages[0].lines[0]
    assert [word.text for word in line.words] == ["ab", "c"]
    assert (line.confidence, [word.confidence for word in line.words]) == (0.4, [0.6, 0.7])
    left = min(x for x, _ in line.polygon)
    (x, top), (right, _), (_, bottom), _ = line.words[0].polygon
    assert x == pytest.approx(left, abs=10) and right - x == pytest.approx(20, abs=2)
    assert 80 < top < 130 < bottom < 180
    assert line.characters[3].left - line.characters[0].left == pytest.approx(30, abs=2)
    assert line.words[1].characters == line.characters[3:]


def test_a_word_reaches_to_the_spaces_around_it() -> None:
    layout = detect_layout("page.png", 1, 1, page_of(2), is_page=True)
    narrow = (("a", 10, 12), ("b", 20, 22), (" ", 40, 44), ("c", 60, 62))
    reading = Reading("ab c", 0.5, tuple(Character(text, 0.5, left, right) for text, left, right in narrow))
    line = to_page(layout, [reading] * len(layout.cuts)).lines[0]
    first, second = ([x for x, _ in word.polygon] for word in line.words)
    (begin, _), (end, _) = layout.cuts[0].baseline[0], layout.cuts[0].baseline[-1]
    assert [min(first) - begin, max(first) - begin] == pytest.approx([0, 40], abs=2)
    assert [min(second) - begin, end - max(second)] == pytest.approx([44, 0], abs=2)


# ---- loading


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [({"decoder": "fast"}, "give 'greedy' or 'beam'"), ({"words": "Anna"}, "list of words"), ({"words": [3]}, "list")],
)
def test_wrong_options_are_reported(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadConfig, match=problem):
        load_reader(**arguments)


def test_a_model_that_does_not_exist_is_reported_at_once() -> None:
    with pytest.raises(BadModel, match="no-such-model"):
        load_reader("no-such-model")
