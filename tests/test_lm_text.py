"""Texts: cut into lines; words of the user."""

from pathlib import Path

import pytest

from inkread.errors import BadInput
from inkread.lm.text import lines_of, read_words


def test_long_lines_are_cut_between_words() -> None:
    assert list(lines_of("  To be,\tor not\n\nto be e\u0301", 10)) == ["To be, or", "not", "to be é"]
    assert list(lines_of("incomprehensibilities too", 10)) == ["incomprehensibilities", "too"]
    assert list(lines_of("It rained. We ran home.", 15)) == ["It rained.", "We ran home."]
    words = " ".join(str(number) for number in range(500))
    assert " ".join(lines_of(words)) == words and max(map(len, lines_of(words))) <= 60


def test_words_are_read_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffZoe\u0308\n\n New  York \nZoë\n", encoding="utf-8")
    assert read_words(path) == ["New York", "Zoë"]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"words\.txt: has no words"):
        read_words(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_words(tmp_path / "nowhere.txt")
