"""How far a reading is from what was written: edit distance, error rates and how sure they are.

Everything is counted over Unicode NFC code points ("é" is one character, however it was typed) or over words,
which are whatever stands between white space.
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
    """The units of the word error rate.  " a  quick fox " -> ["a", "quick", "fox"]"""
    return normal(text).split()


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that turn a into b (Levenshtein 1966).

    "kitten", "sitting" -> 3; ["the", "cat"], ["the", "hat"] -> 1
    """
    return Levenshtein.distance(a, b)


def alignment(written: str, read: str) -> list[tuple[str, str]]:
    """The characters of both texts side by side, with the fewest possible edits.

    ("a", "a") is a match, ("a", "b") a swap, ("a", "") lost, ("", "b") added.
    "cart", "chat" -> [("c", "c"), ("", "h"), ("a", "a"), ("r", ""), ("t", "t")]
    """
    written, read = normal(written), normal(read)
    pairs: list[tuple[str, str]] = []
    for edit in Levenshtein.opcodes(written, read):
        a, b = written[edit.src_start : edit.src_end], read[edit.dest_start : edit.dest_end]
        # "equal" and "replace" take as many characters on both sides, "delete" and "insert" none on one
        pairs += zip_longest(a, b, fillvalue="")
    return pairs


def error_rate(pairs: Iterable[tuple[str, str]], units: Units = normal) -> float:
    """All edits over all units that were written: the CER, or with units=words the WER.

    Each pair is (written, read).  [("abcd", "abed"), ("ef", "ef")] -> 1 / 6.  Above 1 when more is added than was
    written.  Raises BadDataset when nothing was written, for then there is no rate.
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

    errors and lengths hold one number a line.  Lines of one writer are alike, so where groups names the writers,
    whole writers are drawn again with replacement, not lines: an interval by line would promise too much.
    The same seed gives the same interval.  A single group says nothing about others: its interval is the rate itself.
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
    rates = drawn_errors / np.maximum(drawn_lengths, 1)  # a draw of empty lines only has no length
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
