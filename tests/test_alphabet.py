"""Text <-> labels, and how many steps CTC needs for labels."""

import unicodedata
from itertools import groupby, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkread.alphabet import BLANK, Alphabet, join_crossed_out, normal, steps_needed, without_crossed_out


@settings(deadline=None)
@given(st.lists(st.text()))
def test_what_is_encoded_is_decoded(texts: list[str]) -> None:
    alphabet = Alphabet.of(texts)
    for text in texts:
        labels = alphabet.encode(text)
        assert alphabet.decode(labels) == normal(text)
        assert all(BLANK < label < alphabet.size for label in labels)


def test_labels_by_hand() -> None:
    alphabet = Alphabet.of(["cab", "é"])
    assert alphabet.characters == "abcé" and alphabet.size == 5
    assert alphabet.encode("bé") == [2, 4]
    with pytest.raises(KeyError):
        alphabet.encode("x")


def test_an_accent_is_one_character_however_it_was_typed() -> None:
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    assert composed != decomposed and normal(decomposed) == composed
    alphabet = Alphabet.of([decomposed])
    assert alphabet.characters == composed
    assert alphabet.encode(decomposed) == alphabet.encode(composed) == [1]


def test_a_base_keeps_its_labels() -> None:
    base = Alphabet("zya")
    grown = Alphabet.of(["abz", "c"], base.characters)
    assert grown.characters == "zyabc"
    assert grown.encode("zya") == base.encode("zya")


@pytest.mark.parametrize(
    ("typed", "joined", "without"),
    [
        ("a ✗ word", "a ✗word", "a word"),
        ("✗ a word ✗", "✗a word✗", "a word"),
        ("a ✗ ✗ word ✗ ✗", "a ✗✗word✗✗", "a word"),
        ("play✗ it", "play✗ it", "play it"),
        ("✗it, d✗e", "✗it, d✗e", "it, de"),
        ("✗", "✗", ""),
    ],
)
def test_a_text_without_what_is_crossed_out_has_the_right_spaces(typed: str, joined: str, without: str) -> None:
    assert join_crossed_out(typed) == join_crossed_out(joined) == joined
    assert without_crossed_out(joined) == without


@pytest.mark.parametrize("labels", [labels for length in range(4) for labels in product((1, 2), repeat=length)])
def test_steps_needed_are_those_of_the_shortest_path(labels: tuple[int, ...]) -> None:
    def spelled(steps: int) -> bool:
        paths = product((BLANK, 1, 2), repeat=steps)
        return any(tuple(label for label, _ in groupby(path) if label != BLANK) == labels for path in paths)

    assert steps_needed(labels) == next(steps for steps in range(6) if spelled(steps))
