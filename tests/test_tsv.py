"""TSV in the columns of Tesseract."""

import csv

from documents import letter, pen_line

from inkread.document.elements import Document, Line, Page, Paragraph, Word
from inkread.document.tsv import write


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_each_word_has_a_row_with_its_box() -> None:
    read = rows(write(letter(pages=2)))
    assert [row["text"] for row in read[:7]] == ["Dear", "<Ann>", "&", "you", "thanks", "déjà", "vu"]
    assert [row["page_num"] for row in read] == ["1"] * 7 + ["2"] * 7
    places = [(row["block_num"], row["par_num"], row["line_num"], row["word_num"]) for row in read[3:6]]
    assert places == [("1", "1", "1", "4"), ("1", "1", "2", "1"), ("2", "1", "1", "1")]
    assert [read[1][key] for key in ("level", "left", "top", "width", "height", "conf")] == [
        "5", "100", "20", "50", "40", "90.00"
    ]  # fmt: skip


def test_the_header_is_that_of_tesseract() -> None:
    header = "level page_num block_num par_num line_num word_num left top width height conf text"
    assert write(Document("empty.png", ())) == header.replace(" ", "\t") + "\n"
    assert rows(write(pen_line())) == []  # no words


def test_pen_strokes_have_boxes_in_their_own_units() -> None:
    word = Word("hi", 0.5, ((-3.5, 0.25), (2.0, 0.25), (2.0, 1.0), (-3.5, 1.0)))
    line = Line("hi", 0.5, (word,), (), word.polygon)
    (row,) = rows(write(Document("a.inkml", (Page(1, 0, 0, (Paragraph((line,)),), is_line=True),))))
    assert [float(row[key]) for key in ("left", "top", "width", "height")] == [-3.5, 0.25, 5.5, 0.75]
