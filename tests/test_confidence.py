"""Posteriors worked out by hand and by brute force, and the probabilities that are made of them."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkread.model.confidence import (
    DEFAULTS,
    Calibration,
    alternatives,
    evidence,
    log_odds,
    posteriors,
    shares,
    word_spans,
)
from inkread.model.decoder import Label, greedy, prefix_beam

SPACE, A, B = 1, 2, 3


def candidates(**weights: float) -> list[tuple[tuple[int, ...], float]]:
    """Labels that stand for the characters of each text, with the logarithm of its weight; "_" is a space."""
    codes = {"_": SPACE, "a": A, "b": B}
    return [(tuple(codes[each] for each in text), math.log(weight)) for text, weight in weights.items()]


def labels_of(*confidences: float) -> list[Label]:
    return [Label(A, confidence, step, step) for step, confidence in enumerate(confidences)]


def test_shares_are_probabilities_over_their_sum() -> None:
    assert shares(candidates(a=3.0, b=1.0)) == pytest.approx([0.75, 0.25])
    assert shares([((A,), -5000.0)]) == [1.0]  # far below the smallest number


def test_words_are_between_spaces() -> None:
    assert word_spans(" to  be ") == [(1, 3), (5, 7)] and word_spans("") == []


def test_a_replaced_character_by_hand() -> None:
    found = posteriors(candidates(ab_a=6.0, bb_a=3.0, ab_b=1.0), [(0, 2), (3, 4)])
    assert found == (
        pytest.approx([0.7, 1.0, 1.0, 0.9]),
        pytest.approx([0.7, 0.9]),
        pytest.approx([0.6]),
    )


def test_missing_and_additional_characters_by_hand() -> None:
    words = [(0, 2), (3, 4)]
    assert posteriors(candidates(ab_a=6.0, aba=4.0), words)[:2] == (  # the space is missing: both words differ
        pytest.approx([1.0, 1.0, 0.6, 1.0]),
        pytest.approx([0.6, 0.6]),
    )
    assert posteriors(candidates(ab_a=6.0, aab_a=4.0), words)[:2] == ([1.0] * 4, pytest.approx([0.6, 1.0]))
    assert posteriors(candidates(ab_a=6.0, ab_ab=4.0), words)[1] == pytest.approx([1.0, 0.6])
    assert posteriors(candidates(ab_a=6.0, a_b_a=4.0), words)[1] == pytest.approx([0.6, 1.0])


@st.composite
def short_lines(draw: st.DrawFn) -> np.ndarray:
    """Log-probabilities (T, 4) of a blank, a space, a and b."""
    steps = draw(st.integers(1, 5))
    scores = np.random.default_rng(draw(st.integers(0, 9999))).normal(0, 2, (steps, 4))
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))


@given(short_lines())
def test_the_posterior_is_the_share_of_all_paths(log_probs: np.ndarray) -> None:
    """Of all labellings, by adding up all paths; the words of equally long ones, which need no alignment, by hand."""
    every: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(4), repeat=len(log_probs)):
        labelling = tuple(label for label, _ in itertools.groupby(path) if label)
        every[labelling] += math.exp(sum(log_probs[step, label] for step, label in enumerate(path)))
    found = prefix_beam(log_probs, 4**5, token_threshold=0, beam_threshold=0)
    best = found[0][0]
    _, _, (line,) = posteriors(found, [])
    assert line == pytest.approx(every[best] / sum(every.values()))

    equally_long = [(labels, score) for labels, score in found if len(labels) == len(best)]
    one_edit = [each for each in equally_long if sum(a != b for a, b in zip(best, each[0], strict=True)) <= 1]
    characters, _, _ = posteriors(one_edit, [])
    total = sum(every[labels] for labels, _ in one_edit)
    for place, label in enumerate(best):
        agreeing = sum(every[labels] for labels, _ in one_edit if labels[place] == label)
        assert characters[place] == pytest.approx(agreeing / total)


# ---- evidence and probabilities


def test_evidence_by_hand() -> None:
    labels = labels_of(0.5, 0.8, 0.9)
    of_network = evidence(labels, [(0, 2)], None)
    assert of_network["character"] == [(0.0,), (pytest.approx(math.log(4)),), (pytest.approx(math.log(9)),)]
    assert of_network["word"] == [(pytest.approx(log_odds(0.4)),)]
    assert of_network["line"] == [(pytest.approx(log_odds(0.36)),)]
    both = evidence(labels, [(0, 2)], candidates(aaa=3.0, baa=1.0))
    assert both["line"] == [(pytest.approx(log_odds(0.36)), pytest.approx(log_odds(0.75)))]
    assert both["word"] == [(pytest.approx(log_odds(0.4)), pytest.approx(log_odds(0.75)))]
    assert log_odds(0) == pytest.approx(-log_odds(1)) and math.isfinite(log_odds(0))


def test_without_a_change_the_calibration_gives_the_probability_itself() -> None:
    calibration = Calibration({"character": (0, 1), "word": (0, 1), "line": (0, 1)})
    found = calibration(labels_of(0.5, 0.8, 0.9), [(0, 2)])
    assert found.characters == pytest.approx([0.5, 0.8, 0.9])
    assert (found.words, found.line) == (pytest.approx([0.4]), pytest.approx(0.36))
    assert calibration([], []).line == 0


def test_coefficients_come_from_the_model_file() -> None:
    own = {"character": [1.0, 0.0], "word": [0.0, 0.0], "line": [-1.0, 0.0]}
    found = Calibration.of_model({"calibration": {"greedy": own}}, "greedy")(labels_of(0.9), [(0, 1)])
    assert found.characters == pytest.approx([1 / (1 + math.exp(-1))]) and found.words == [0.5]
    assert Calibration.of_model({}, "beam").coefficients == DEFAULTS["beam"]


@pytest.mark.parametrize(
    "damaged",
    [{"greedy": {}}, {"greedy": {**DEFAULTS["greedy"], "word": [1.0]}}, {"greedy": 3}, 3]
    + [{"greedy": {**DEFAULTS["greedy"], "line": [bad, 1.0]}} for bad in ("1", math.nan, 1e9, True)],
)
def test_damaged_coefficients_are_refused(damaged: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Calibration.of_model({"calibration": damaged}, "greedy")


@given(short_lines())
def test_a_more_probable_character_never_has_a_lower_confidence(log_probs: np.ndarray) -> None:
    labels = greedy(log_probs)
    found = Calibration(DEFAULTS["greedy"])(labels, [])
    order = sorted(range(len(labels)), key=lambda place: labels[place].confidence)
    confidences = [found.characters[place] for place in order]
    assert confidences == sorted(confidences) and all(0 < each < 1 for each in confidences)


def test_alternatives_of_words_by_hand() -> None:
    def of(words: list[tuple[int, int]], **weights: float) -> list[list[str]]:
        found = alternatives(candidates(**weights), words, 2)
        return [["".join(" _ab"[label] for label in labels) for labels in of_word] for of_word in found]

    words = [(0, 2), (3, 4)]
    assert of(words, ab_a=6.0) == [[], []]
    assert of(words, ab_a=6.0, bb_a=1.0, aa_b=2.0, bb_b=1.5) == [["bb", "aa"], ["b"]]  # bb: 2.5, aa: 2
    assert of(words, ab_a=6.0, a_b_a=1.0) == [["a_b"], []]
    assert of(words, ab_a=6.0, aba=1.0) == [[], []]  # the space is missing: which part is of which word?
    assert of(words, ab_a=6.0, ab_=1.0, b_a=0.5, aab_a=0.4, bab_a=0.3) == [["b", "aab"], []]
