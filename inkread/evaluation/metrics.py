"""Edit distance, alignment, error rates, and their bootstrap intervals.

Characters are Unicode code points in the normal form NFC, so "é" is one character, however it was typed. Words are what
is between white space.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import ArrayLike
from rapidfuzz.distance import Levenshtein

from inkread.alphabet import normal
from inkread.errors import BadDataset

Units = Callable[[str], Sequence[str]]


def words(text: str) -> list[str]:
    """The words of a text, for the word error rate: " a  quick fox " -> ["a", "quick", "fox"]."""
    return normal(text).split()


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The smallest number of insertions, deletions and substitutions that turn a into b (Levenshtein 1966).

    "kitten", "sitting" -> 3
    ["the", "cat"], ["the", "hat"] -> 1
    """
    return Levenshtein.distance(a, b)


def alignment(written: str, read: str) -> list[tuple[str, str]]:
    """Pairs (written character, read character) with the smallest number of edits.

    ("a", "a") is a match, ("a", "b") a substitution, ("a", "") a deletion and ("", "b") an insertion.
    "cart", "chat" -> [("c", "c"), ("", "h"), ("a", "a"), ("r", ""), ("t", "t")]
    """
    written, read = normal(written), normal(read)
    pairs: list[tuple[str, str]] = []
    for edit in Levenshtein.opcodes(written, read):
        a, b = written[edit.src_start : edit.src_end], read[edit.dest_start : edit.dest_end]
        # "equal" and "replace" have as many characters on both sides, "delete" and "insert" none on one
        pairs += zip_longest(a, b, fillvalue="")
    return pairs


def error_rate(pairs: Iterable[tuple[str, str]], units: Units = normal) -> float:
    """All edits over all written units of the pairs (written, read): the CER, or with units=words the WER.

    [("abcd", "abed"), ("ef", "ef")] -> 1 / 6

    The rate is above 1 if more is added than was written. Raises BadDataset if nothing was written.
    """
    edits = length = 0
    for written, read in pairs:
        reference = units(written)
        edits += edit_distance(reference, units(read))
        length += len(reference)
    if length == 0:
        raise BadDataset("an error rate needs a text to compare with, and every reference text is empty")
    return edits / length


def bootstrap_interval(
    errors: ArrayLike,
    lengths: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    rounds: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of sum(errors) / sum(lengths) (Efron 1979; Bisani & Ney 2004).

    `errors` and `lengths` have one number per line. The lines of one writer are alike, and an interval by line would be
    too narrow. So if `groups` gives the writer of each line, whole writers are drawn with replacement, not lines. The
    same seed gives the same interval. A single group says nothing about other groups: its interval is the rate itself.
    """
    totals = np.stack([np.asarray(errors, dtype=np.float64), np.asarray(lengths, dtype=np.float64)])  # (2, lines)
    if groups is not None:
        names = {name: index for index, name in enumerate(dict.fromkeys(groups))}
        members = np.array([names[name] for name in groups])
        totals = np.stack([np.bincount(members, row, len(names)) for row in totals])  # (2, groups)
    count = totals.shape[1]
    random = np.random.default_rng(seed)
    draws = [totals[:, random.integers(count, size=count)].sum(axis=1) for _ in range(rounds)]
    drawn_errors, drawn_lengths = np.transpose(draws)  # (rounds,) each
    rates = drawn_errors / np.maximum(drawn_lengths, 1)  # a draw of empty lines has the length 0
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
