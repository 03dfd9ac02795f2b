"""Which lines are listed as worth checking, and why."""

from dataclasses import replace

from documents import letter_page, line

from inkread.document.elements import Page, Paragraph
from inkread.document.uncertain import UncertainLine, least_certain, lines_of, to_report


def test_the_least_certain_lines_come_first_in_reading_order() -> None:
    lines = [UncertainLine(str(place), replace(line("a", 0), confidence=c)) for place, c in enumerate([0.5, 0.1, 0.5])]
    assert [each.place for each in least_certain(lines, 2)] == ["1", "0"]
    assert [each.place for each in least_certain(lines, 9)] == ["1", "0", "2"]


def test_lines_are_named_by_their_place_and_typed_ones_left_out() -> None:
    assert [each.place for each in lines_of("p", letter_page())] == ["p, line 1", "p, line 2", "p, line 3"]
    typed = replace(line("typed", 0), confidence=1.0)
    assert list(lines_of("p", Page(1, 9, 9, (Paragraph((typed,)),)))) == []
    assert next(lines_of("p", Page(1, 9, 9, (Paragraph((line("a", 0),)),), is_line=True))).place == "p"


def test_the_reason_names_the_least_certain_words() -> None:
    read = line("we walkd aleng the canl", 0)
    confidences = [0.95, 0.3, 0.2, 0.89, 0.5]
    words = tuple(replace(word, confidence=c) for word, c in zip(read.words, confidences, strict=True))
    read = replace(read, words=words, confidence=0.123)
    assert list(to_report([UncertainLine("b.png, line 7", read)]))[1:] == [
        " 12 %  b.png, line 7:  we walkd aleng the canl  (uncertain: aleng 20 %, walkd 30 %, canl 50 %)"
    ]
    certain = replace(read, words=words[:1])
    assert UncertainLine("", certain).reason == "no single word is uncertain"
    assert list(to_report([UncertainLine("b.png", line("", 0))]))[1:] == [" 80 %  b.png:  (nothing was read)"]
    assert list(to_report([])) == []
