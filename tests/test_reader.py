"""Pages told from lines, and their readings placed on the page; with a reader that reads "ab c" everywhere."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkread.inputs.ink import LineInput
from inkread.model.recognizer import Character, Reading
from inkread.pages.reader import Sheet, lay_out, place_on_page, read_sheets

SAMPLES = sorted((Path(__file__).parent.parent / "datasets" / "sample").glob("*.png"))
SCANS = [file for file in SAMPLES if "scan" in file.name]


class Echo:
    """Reads "ab c" in characters ten pixels wide from the left of each line."""

    def read_many(self, writings: Iterable[LineInput]) -> Iterator[Reading]:
        for _ in writings:
            yield Reading("ab c", 1.0, tuple(Character(c, 0.5, 10.0 * i, 10.0 * i + 10) for i, c in enumerate("ab c")))


def page_of(lines: int, gap: int = 0) -> np.ndarray:
    """Sample lines below one another, after two of them a gap."""
    page = Image.new("L", (900, 1000), 245)
    for number in range(lines):
        picture: Image.Image = Image.open(SCANS[number])
        picture = picture.resize((round(picture.width * 64 / picture.height), 64))
        page.paste(
            picture, (150, 100 + 85 * number + (gap if number > 1 else 0)), picture.point(lambda g: 255 * (g < 170))
        )
    return np.asarray(page)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_a_line_is_told_from_a_page(file: Path) -> None:
    picture = np.asarray(Image.open(file).convert("L"))
    sheet = lay_out(file.name, 1, 1, picture)
    assert not sheet.page and len(sheet.writings) == 1 and sheet.writings[0] is picture


@pytest.mark.parametrize("lines", [2, 6])
def test_a_page_is_told_from_a_line(lines: int) -> None:
    sheet = lay_out("page.png", 1, 1, page_of(lines))
    assert sheet.page and len(sheet.writings) == lines


@pytest.mark.parametrize("lines", [3, 6])
def test_white_writing_on_black_is_read_as_dark_writing_is(lines: int) -> None:
    page = page_of(lines)
    sheet, inverted = lay_out("page.png", 1, 1, page), lay_out("page.png", 1, 1, 255 - page)
    assert inverted.page and inverted.regions == sheet.regions
    for cut, other in zip(sheet.cuts, inverted.cuts, strict=True):
        np.testing.assert_array_equal(cut.picture, other.picture)


def test_what_a_picture_is_can_be_said() -> None:
    line = np.asarray(Image.open(SCANS[0]).convert("L"))
    assert lay_out("line.png", 1, 1, line, page=True).page
    assert not lay_out("page.png", 1, 1, page_of(5), page=False).page


def test_a_large_picture_without_lines_is_a_page_without_handwriting() -> None:
    sheet = lay_out("photo.png", 1, 1, np.full((1200, 900), 240, np.uint8))
    assert sheet.page and not sheet.writings
    assert not lay_out("word.png", 1, 1, np.full((100, 200), 240, np.uint8)).page


def test_strokes_are_a_line() -> None:
    strokes = (np.array([(0.0, 0.0), (5.0, 5.0)]),)
    assert lay_out("ink.json", 1, 1, strokes).writings == (strokes,)


def test_readings_come_with_their_sheet_empty_pages_too() -> None:
    blank = Sheet("blank", 1, 1, (10, 10), (), page=True)
    one, two = (Sheet(name, 1, 1, (10, 10), (np.zeros((9, 9), np.uint8),) * n) for name, n in (("one", 1), ("two", 2)))
    read = [(sheet.name, len(readings)) for sheet, readings in read_sheets(Echo(), [blank, one, blank, two, blank])]
    assert read == [("blank", 0), ("one", 1), ("blank", 0), ("two", 2), ("blank", 0)]


def line_sheet(name: str) -> Sheet:
    return Sheet(name, 1, 1, (9, 9), (np.zeros((9, 9), np.uint8),))


def test_a_page_comes_when_it_is_read_and_only_the_next_is_prepared() -> None:
    taken: list[int] = []

    def sheets() -> Iterator[Sheet]:
        for number in range(1, 9):
            taken.append(number)
            yield replace(line_sheet("scan.pdf"), number=number, count=8, page=True)

    for place, (sheet, readings) in enumerate(read_sheets(Echo(), sheets()), 1):
        assert (sheet.number, len(readings)) == (place, 1)
        assert len(taken) <= place + 1


def test_what_cannot_be_read_does_not_stop_the_others() -> None:
    class Choosy(Echo):
        def read_many(self, writings: Iterable[LineInput]) -> Iterator[Reading]:
            for writing in writings:
                if isinstance(writing, list):
                    raise RuntimeError("strokes")
                yield from super().read_many([writing])

    strokes = replace(line_sheet("strokes"), writings=([],))
    page = replace(line_sheet("page"), page=True)
    sheets = [line_sheet("a"), strokes, line_sheet("b"), replace(strokes, page=True), page, line_sheet("c")]
    failures: list[tuple[str, str]] = []
    read = read_sheets(Choosy(), sheets, lambda sheet, error: failures.append((sheet.name, str(error))))
    assert [sheet.name for sheet, _ in read] == ["a", "b", "page", "c"]
    assert failures == [("strokes", "strokes")] * 2
    with pytest.raises(RuntimeError):
        list(read_sheets(Choosy(), sheets))


def test_a_line_on_which_nothing_is_read_has_no_words() -> None:
    ((sheet, readings),) = read_sheets(Echo(), [lay_out("page.png", 1, 1, page_of(2), page=True)])
    page = place_on_page(sheet, [Reading("", 0.0, ()), readings[1]])
    assert page.lines[0].words == () and len(page.lines[1].words) == 2


def test_words_stand_on_the_page_where_they_were_cut() -> None:
    ((sheet, readings),) = read_sheets(Echo(), [lay_out("page.png", 1, 1, page_of(5, gap=100))])
    page = place_on_page(sheet, readings)
    assert page.text == "ab c\nab c\n\nab c\nab c\nab c"
    line = page.lines[0]
    assert [(word.text, word.confidence) for word in line.words] == [
        ("ab", pytest.approx(0.5)),
        ("c", pytest.approx(0.5)),
    ]
    left = min(x for x, _ in line.region.polygon)
    (x, top), (right, _), (_, bottom), _ = line.words[0].outline
    assert x == pytest.approx(left, abs=10) and right - x == pytest.approx(20, abs=2)
    assert 80 < top < 130 < bottom < 180
    characters = line.reading.characters
    assert characters[3].left - characters[0].left == pytest.approx(30, abs=2)


def test_a_word_reaches_to_the_blanks_around_it() -> None:
    ((sheet, _),) = read_sheets(Echo(), [lay_out("page.png", 1, 1, page_of(2), page=True)])
    spikes = (("a", 10, 12), ("b", 20, 22), (" ", 40, 44), ("c", 60, 62))
    reading = Reading("ab c", 0.5, tuple(Character(text, 0.5, left, right) for text, left, right in spikes))
    line = place_on_page(sheet, [reading] * len(sheet.cuts)).lines[0]
    first, second = ([x for x, _ in word.outline] for word in line.words)
    (begin, _), (end, _) = sheet.cuts[0].feet[0], sheet.cuts[0].feet[-1]
    assert [min(first) - begin, max(first) - begin] == pytest.approx([0, 40], abs=2)
    assert [min(second) - begin, end - max(second)] == pytest.approx([44, 0], abs=2)
