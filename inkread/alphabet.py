"""Text <-> labels. Label 0 is the CTC blank, said here and nowhere else; label i is the i-th character, from 1."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

BLANK = 0
# Stands for crossed-out writing. As a word of its own it also stands for one space beside it, so that a text without it
# has the right spaces: "a ✗word", "a word✗".
CROSSED_OUT = "✗"
# Letters that Unicode does not decompose, and those that they look like.
UNDECOMPOSED = dict(zip("đðıłøþæœßĐÐŁØÞÆŒ", "ddilopaosDDLOPAO", strict=True))


class Alphabet:
    """An ordered set of characters.

    >>> alphabet = Alphabet.of(["abba"])
    >>> alphabet.encode("ab"), alphabet.decode([2, 1])
    ([1, 2], 'ba')
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = "".join(characters)
        self.label = {character: index for index, character in enumerate(self.characters, start=BLANK + 1)}

    @classmethod
    def of(cls, texts: Iterable[str], base: str = "") -> "Alphabet":
        """The alphabet of some texts: the characters of `base` in their order, then the new ones, sorted."""
        found = set().union(*(normal(text) for text in texts))
        return cls(base + "".join(sorted(found - set(base))))

    @property
    def size(self) -> int:
        """The number of labels, the blank among them."""
        return len(self.characters) + 1

    def encode(self, text: str) -> list[int]:
        """The labels of a text; KeyError for a character that is not in the alphabet."""
        return [self.label[character] for character in normal(text)]

    def decode(self, labels: Iterable[int]) -> str:
        """The text of labels, none of them the blank."""
        return "".join(self.characters[label - 1] for label in labels)


def normal(text: str) -> str:
    """Text in Unicode's composed form (NFC), so that é is one character however it was typed."""
    return unicodedata.normalize("NFC", text)


def join_crossed_out(text: str) -> str:
    """The text in which each word CROSSED_OUT takes in the space after it, at the end the one before it.

    >>> join_crossed_out("a ✗ word ✗"), join_crossed_out("play✗ it")
    ('a ✗word✗', 'play✗ it')
    """
    if CROSSED_OUT not in text:
        return text
    text = re.sub(f"(?<![^ {CROSSED_OUT}]){CROSSED_OUT} ", CROSSED_OUT, text)
    return re.sub(f" ({CROSSED_OUT}+)$", r"\1", text)


def without_crossed_out(text: str) -> str:
    """The text without the marks of what is crossed out.

    >>> without_crossed_out("a ✗word✗")
    'a word'
    """
    return text.replace(CROSSED_OUT, "")


def bare_letter(character: str) -> str:
    """The letter without its marks: é -> e, ő -> o, ł -> l, ß -> s; other characters stay as they are."""
    return UNDECOMPOSED.get(character) or unicodedata.normalize("NFD", character)[0]


def steps_needed(labels: Sequence[int]) -> int:
    """The fewest steps in which CTC can write these labels: one each, and a blank between equal neighbours.

    >>> steps_needed([1, 1, 2])
    4
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))
