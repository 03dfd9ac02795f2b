"""Byte-pair encoding, compared with counting by hand."""

import itertools
from collections import Counter

import pytest

from inkread.model.tokenizer import Tokenizer, learn_merges, merge

LINES = ["the cat sat on the mat", "that is the hat", "a cat, a hat"] * 20


def test_the_most_frequent_pair_is_merged_first() -> None:
    words = Counter({"low": 5, "lower": 2, "newest": 6, "widest": 3})  # the example of Sennrich et al.
    assert learn_merges(words, 3)[:2] in ([("s", "t"), ("e", "st")], [("e", "s"), ("es", "t")])  # both occur 9 times
    assert ("lo", "w") in learn_merges(words, 6) or ("l", "ow") in learn_merges(words, 6)
    assert learn_merges(Counter({"ab": 1}), 3) == []  # what occurs once is no piece
    assert merge(["a", "b", "a", "b", "c"], ("a", "b")) == ["ab", "ab", "c"]


def test_merges_equal_those_of_recounting_everything() -> None:
    words = Counter(word for line in LINES for word in line.split())
    parts, found = {word: list(word) for word in words}, []
    for _ in range(8):
        times: Counter[tuple[str, str]] = Counter()
        for word, pieces in parts.items():
            for pair in itertools.pairwise(pieces):
                times[pair] += words[word]
        found.append(max(times, key=lambda pair: (times[pair], pair)))
        parts = {word: merge(pieces, found[-1]) for word, pieces in parts.items()}
    assert learn_merges(words, 8) == found


@pytest.mark.parametrize("pieces", [0, 3, 100])
def test_a_text_survives_encoding(pieces: int) -> None:
    tokenizer = Tokenizer.of(LINES, pieces)
    for line in (*LINES[:3], " the  tac", ""):
        tokens = tokenizer.encode(line)
        assert "".join(tokenizer.tokens[token] for token in tokens[:-1]) == line and tokens[-1] == 0
    assert tokenizer.encode("the") == tokenizer.encode("the")
    assert tokenizer.tokens[tokenizer.encode("?")[0]] == "<unk>"
    assert all(" " not in token[1:] for token in tokenizer.tokens)  # no piece goes beyond a word
    assert len(tokenizer.encode(LINES[0])) < len(LINES[0]) or not pieces
