"""How likely it is that a character, a word or a line was read without an error.

There are one or two pieces of evidence, each a probability p, taken as log-odds log(p / (1 - p)):

- network: the product of the network's probabilities of the characters;
- posterior: the share of the candidates of the beam search, weighted by their probabilities with network and language
  model together, that agree here with the best one. Greedy decoding has no candidates, and so no posterior.

They overlap and are too high or too low. A logistic regression turns them into a probability (Platt 1999). Its
coefficients are in the model file; `benchmarks/calibrate.py` estimates them on lines that the model has not seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rapidfuzz.distance import Levenshtein

from inkread.model.decoder import Candidates, Label

Unit = Literal["character", "word", "line"]
Spans = Sequence[tuple[int, int]]
Evidence = tuple[float, ...]  # log-odds: of the network, and with a beam search of the posterior

SMALLEST = 1e-4  # probability of an error, or of none, that is told apart from 0
# For model files that have no coefficients: those of `latin`, the model that has been measured on most writers.
DEFAULTS: dict[str, dict[Unit, tuple[float, ...]]] = {
    "greedy": {"character": (-0.05, 0.94), "word": (-0.28, 0.91), "line": (0.10, 1.06)},
    "beam": {"character": (0.08, 0.27, 0.33), "word": (-0.33, 0.09, 0.46), "line": (-0.45, 0.12, 0.78)},
}


@dataclass(frozen=True)
class Confidences:
    """The probability that each character, each word and the whole line is right."""

    characters: list[float]
    words: list[float]
    line: float


class Calibration:
    """The logistic regressions of a model and a decoder: for each unit a constant and a factor for each evidence."""

    def __init__(self, coefficients: Mapping[Unit, Sequence[float]]) -> None:
        self.coefficients = coefficients

    @classmethod
    def of_model(cls, facts: Mapping[str, Any], decoder: str) -> Calibration:
        """The calibration in the facts of a model file, or the default one. Raises ValueError if it is damaged."""
        coefficients = {**DEFAULTS, **facts.get("calibration", {})}[decoder]
        for unit in get_args(Unit):
            numbers = coefficients[unit]
            if len(numbers) != len(DEFAULTS[decoder][unit]) or not all(map(_is_number, numbers)):
                raise ValueError(f"the calibration of a {unit} is not a list of numbers")
        return cls(coefficients)

    def __call__(self, labels: Sequence[Label], words: Spans, candidates: Candidates | None = None) -> Confidences:
        """The confidences of what was read; words are spans of `labels`. A line without labels has the confidence 0."""
        if not labels:
            return Confidences([], [], 0.0)
        found = evidence(labels, words, candidates)
        characters, in_words, (line,) = (
            [self.probability(unit, each) for each in found[unit]] for unit in get_args(Unit)
        )
        return Confidences(characters, in_words, line)

    def probability(self, unit: Unit, values: Evidence) -> float:
        """The probability of a unit with this evidence."""
        constant, *factors = self.coefficients[unit]
        total = constant + sum([factor * value for factor, value in zip(factors, values, strict=True)])
        return 1 / (1 + math.exp(-total))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 50  # log-odds are below 10, and exp must not overflow


# ---- evidence


def evidence(labels: Sequence[Label], words: Spans, candidates: Candidates | None) -> dict[Unit, list[Evidence]]:
    """The evidence of the characters, the words and the line: one tuple of log-odds for each of them."""
    network = [label.confidence for label in labels]
    products = [network, [math.prod(network[begin:end]) for begin, end in words], [math.prod(network)]]
    units: tuple[Unit, ...] = get_args(Unit)
    if candidates is None:
        return {unit: [(log_odds(p),) for p in each] for unit, each in zip(units, products, strict=True)}
    agreement = posteriors(candidates, words)
    return {
        unit: [(log_odds(p), log_odds(q)) for p, q in zip(each, shared, strict=True)]
        for unit, each, shared in zip(units, products, agreement, strict=True)
    }


def log_odds(p: float) -> float:
    """log(p / (1 - p)), where p is first kept away from 0 and 1."""
    p = min(max(p, SMALLEST), 1 - SMALLEST)
    return math.log(p / (1 - p))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each word of a text begins and ends: "to be" -> [(0, 2), (3, 5)]. Words are separated by spaces."""
    return [word.span() for word in re.finditer("[^ ]+", text)]


def shares(candidates: Candidates) -> list[float]:
    """The probability of each candidate divided by the sum of all: log-probabilities log 3, log 1 -> [0.75, 0.25]."""
    best = candidates[0][1]
    weights = [math.exp(score - best) for _, score in candidates]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def posteriors(candidates: Candidates, words: Spans) -> tuple[list[float], list[float], list[float]]:
    """Of each character, each word and the whole line of the best candidate: the share of those that agree with it.

    Each candidate is aligned with the best one by the fewest edits. It agrees on a character that is not edited, and on
    a word if nothing is edited in it, or in the spaces around it, and nothing is added there.
    """
    best = candidates[0][0]
    characters, in_words = [1.0] * len(best), [1.0] * len(words)
    word_of = [-1] * (len(best) + 1)  # the word of each character; -1 for spaces, and for what is beyond the ends
    for number, (begin, end) in enumerate(words):
        word_of[begin:end] = [number] * (end - begin)
    posterior = shares(candidates)
    text = "".join(map(chr, best))  # rapidfuzz is fastest with strings
    for (labels, _), share in zip(candidates[1:], posterior[1:], strict=True):
        edited = set[int]()
        for edit in Levenshtein.editops(text, "".join(map(chr, labels))):
            at = edit.src_pos
            if edit.tag == "insert":  # between the characters at - 1 and at
                edited |= {word_of[at - 1], word_of[at]}
                continue
            characters[at] -= share
            edited |= {word_of[at]} if word_of[at] >= 0 else {word_of[at - 1], word_of[at + 1]}
        for number in edited - {-1}:
            in_words[number] -= share
    return characters, in_words, posterior[:1]


# ---- other readings


def alternatives(candidates: Candidates, words: Spans, most: int) -> list[list[tuple[int, ...]]]:
    """Of each word of the best candidate: what others have in its place, `most` at most, the likeliest first.

    Each candidate is aligned with the best one by the fewest edits. What it has between the spaces around a word may be
    several words. Where one of these spaces is edited, it says nothing about the word.
    """
    best, *others = ("".join(map(chr, labels)) for labels, _ in candidates)
    found: list[dict[str, float]] = [{} for _ in words]
    for other, share in zip(others, shares(candidates)[1:], strict=True):
        place = {-1: -1, len(best): len(other)}  # of each character of the best one that is not edited, in the other
        for begin, there, length in Levenshtein.editops(best, other).as_matching_blocks():
            place |= zip(range(begin, begin + length), range(there, there + length), strict=True)
        for weights, (begin, end) in zip(found, words, strict=True):
            if begin - 1 in place and end in place:
                text = other[place[begin - 1] + 1 : place[end]]
                if text and text != best[begin:end]:
                    weights[text] = weights.get(text, 0.0) + share
    ordered = [sorted(weights, key=weights.__getitem__, reverse=True)[:most] for weights in found]
    return [[tuple(map(ord, text)) for text in texts] for texts in ordered]
