"""The decoders, compared with examples by hand and with sums over all paths."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inkread.model.decoder import Label, align, greedy, prefix_beam, read_beam

A, B = 1, 2
EXACT: dict[str, Any] = {"token_threshold": 0.0, "beam_threshold": 0.0}  # nothing is left out


def logs(rows: list[list[float]]) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(rows))


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    """The labelling of a path: (1, 1, 0, 1) -> (1, 1)."""
    return tuple(label for label, _ in itertools.groupby(path) if label)


def every_labelling(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """The log-probability of each labelling: the sum over all C ** T paths."""
    steps, labels = log_probs.shape
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(labels), repeat=steps):
        score = float(log_probs[range(steps), path].sum())
        found[collapse(path)] = float(np.logaddexp(found.get(collapse(path), -np.inf), score))
    return found


def textbook_beam(log_probs: np.ndarray, width: int) -> dict[tuple[int, ...], float]:
    """Prefix beam search as published by Hannun et al.: dictionaries, plain probabilities, one prefix at a time."""
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for step in np.exp(log_probs):
        following: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, label) in beam.items():
            following.setdefault(prefix, [0.0, 0.0])[0] += step[0] * (blank + label)
            if prefix:
                following[prefix][1] += step[prefix[-1]] * label
            for new in range(1, len(step)):
                mass = blank if prefix and new == prefix[-1] else blank + label
                following.setdefault((*prefix, new), [0.0, 0.0])[1] += step[new] * mass
        ranked = sorted(following.items(), key=lambda item: -sum(item[1]))[:width]
        beam = {prefix: (blank, label) for prefix, (blank, label) in ranked if blank + label > 0}
    return {prefix: float(np.log(sum(masses))) for prefix, masses in beam.items()}


def normalised(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))


@st.composite
def posteriors(draw: st.DrawFn) -> np.ndarray:
    """Log-probabilities (1..5, 2..4), with ties and nearly impossible labels."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(2, 4)))
    return normalised(draw(arrays(np.float64, shape, elements=st.floats(-30, 8, width=32))))


@st.composite
def posteriors_without_ties(draw: st.DrawFn) -> np.ndarray:
    """Log-probabilities (1..12, 2..5) whose best labels and prefixes are never equally good."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 12), st.integers(2, 5)))
    return normalised(random.normal(scale=2, size=shape))


def test_greedy_merges_repeats_and_drops_blanks() -> None:
    log_probs = logs([[0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.0, 1.0]])
    runs = greedy(log_probs)  # a a - a b
    assert [(run.label, run.first, run.last) for run in runs] == [(A, 0, 1), (A, 3, 3), (B, 4, 4)]
    assert [run.confidence for run in runs] == pytest.approx([0.8, 0.7, 1.0])  # the highest of each run


def test_greedy_reads_nothing_from_blanks_or_no_steps() -> None:
    assert greedy(logs([[0.9, 0.1]] * 3)) == []
    assert greedy(np.empty((0, 3))) == []


def test_greedy_takes_float32_and_gives_plain_numbers() -> None:
    (run,) = greedy(logs([[0.25, 0.75]]).astype(np.float32))
    assert run == Label(A, run.confidence, 0, 0)
    assert run.confidence == pytest.approx(0.75)
    assert [type(part) for part in (run.label, run.confidence, run.first, run.last)] == [int, float, int, int]


def test_the_beam_adds_up_paths_unlike_greedy() -> None:
    log_probs = logs([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(log_probs) == []  # the best path is - -, with 0.36
    (best, score), (second, _) = prefix_beam(log_probs, 2)
    assert (best, second) == ((A,), ())
    assert np.exp(score) == pytest.approx(0.4 * 0.4 + 0.4 * 0.6 + 0.6 * 0.4)


def test_a_repeated_letter_needs_a_blank_between() -> None:
    labellings = dict(prefix_beam(logs([[0.1, 0.9]] * 3), 16))
    assert np.exp(labellings[(A, A)]) == pytest.approx(0.9 * 0.1 * 0.9)  # only the path a - a
    assert (A, A, A) not in labellings


def test_beam_of_no_steps_is_the_empty_labelling() -> None:
    assert prefix_beam(np.empty((0, 3)), 4) == [((), 0.0)]


def test_the_beam_accepts_impossible_labels() -> None:
    ((best, score),) = prefix_beam(logs([[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]), 8)
    assert (best, score) == ((A, A), 0.0)


@given(posteriors())
def test_a_wide_beam_equals_the_sum_over_all_paths(log_probs: np.ndarray) -> None:
    assert dict(prefix_beam(log_probs, width=4**5, **EXACT)) == pytest.approx(every_labelling(log_probs))


@given(posteriors_without_ties(), st.integers(1, 6))
def test_a_narrow_beam_equals_the_published_algorithm(log_probs: np.ndarray, width: int) -> None:
    found, truth = prefix_beam(log_probs, width, **EXACT), textbook_beam(log_probs, width)
    assert dict(found) == pytest.approx(truth)
    assert [labels for labels, _ in found] == sorted(truth, key=lambda labels: -truth[labels])


@pytest.mark.parametrize("seed", [0, 2, 14])
def test_a_prefix_that_returns_joins_its_extension(seed: int) -> None:
    """In each of these lines a prefix leaves the beam, its extension stays, and the prefix returns."""
    log_probs = normalised(np.random.default_rng(seed).normal(scale=2, size=(30, 3)))
    assert dict(prefix_beam(log_probs, 4, **EXACT)) == pytest.approx(textbook_beam(log_probs, 4))


class Bigrams:
    """A scorer whose factor of a label depends on the label before it; that of the end on the last label."""

    start = 0

    def __init__(self, seed: int) -> None:
        self.factors = np.random.default_rng(seed).uniform(0.1, 3, size=(5, 5)).tolist()

    def extend(self, state: int, label: int) -> tuple[float, int]:
        return self.factors[state][label], label

    def finish(self, state: int) -> float:
        return float(self.factors[state][0])

    def context(self, state: int) -> int:
        return state

    def weigh(self, labels: tuple[int, ...]) -> float:
        return float(sum(np.log(self.factors[a][b]) for a, b in itertools.pairwise((0, *labels, 0))))


@given(posteriors(), st.integers(0, 99))
def test_a_wide_beam_with_a_scorer_equals_the_weighted_sum_over_all_paths(log_probs: np.ndarray, seed: int) -> None:
    scorer = Bigrams(seed)
    truth = {labels: score + scorer.weigh(labels) for labels, score in every_labelling(log_probs).items()}
    found = prefix_beam(log_probs, 4**5, scorer, **EXACT)
    assert dict(found) == pytest.approx(truth)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_a_scorer_decides_uncertain_labels_only() -> None:
    scorer = Bigrams(0)
    scorer.factors = [[1, 0.2, 1.8], [1] * 3, [1] * 3]  # a line begins with b nine times as often as with a
    assert prefix_beam(logs([[0.1, 0.5, 0.4]]), scorer=scorer)[0][0] == (B,)
    assert prefix_beam(logs([[0.02, 0.96, 0.02]]), scorer=scorer)[0][0] == (A,)


@given(posteriors_without_ties(), st.integers(0, 99))
def test_pruning_changes_little(log_probs: np.ndarray, seed: int) -> None:
    (best, score), *_ = prefix_beam(log_probs, 1000, Bigrams(seed), **EXACT)
    (quick, quick_score), *_ = prefix_beam(log_probs, 1000, Bigrams(seed), token_threshold=1e-4, beam_threshold=1e-6)
    assert quick_score == pytest.approx(score, abs=0.05) and quick_score <= score + 1e-9
    assert quick == best or dict(prefix_beam(log_probs, 1000, Bigrams(seed), **EXACT))[quick] > score - 0.05


@pytest.mark.parametrize("scorer", [None, Bigrams(1)])
def test_merged_prefixes_are_listed_with_their_probabilities(scorer: Bigrams | None) -> None:
    """Three times one of two labels, with certain blanks between. The beam merges all that end in the same label."""
    rows: list[list[float]] = []
    for first, second in ((0.6, 0.4), (0.3, 0.7), (0.9, 0.1)):
        labels = [0.0, first, second, 0.0, 0.0] if len(rows) != 2 else [0.0, 0.0, 0.0, first, second]
        rows += [labels, [1.0, 0.0, 0.0, 0.0, 0.0]]
    truth = {labels: score for labels, score in every_labelling(logs(rows)).items() if score > -np.inf}
    if scorer:
        truth = {labels: score + scorer.weigh(labels) for labels, score in truth.items()}
    found = prefix_beam(logs(rows), 8, scorer, **EXACT)
    assert len(found) == 8 and dict(found) == pytest.approx(truth)
    assert [labels for labels, _ in found] == sorted(truth, key=lambda labels: -truth[labels])
    assert prefix_beam(logs(rows), 4, scorer, **EXACT) == found[:4]


@given(posteriors_without_ties(), st.integers(0, 99))
def test_a_line_is_read_as_the_best_of_the_list(log_probs: np.ndarray, seed: int) -> None:
    scorer = Bigrams(seed)
    labels, candidates = read_beam(log_probs, scorer)
    assert labels == align(log_probs, candidates[0][0])
    assert candidates[0] == prefix_beam(log_probs, scorer=scorer)[0]


def test_certain_blanks_separate_labels_and_long_lines_do_not_underflow() -> None:
    rows = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert prefix_beam(logs(rows))[0] == ((A, A), 0.0)
    (_, score), *_ = prefix_beam(logs([[0.3, 0.5, 0.2], [0.5, 0.2, 0.3]] * 2000))
    assert -5000 < score < -800  # the probability itself would underflow


@given(posteriors())
def test_an_alignment_is_the_best_of_all_paths_of_a_labelling(log_probs: np.ndarray) -> None:
    steps, count = log_probs.shape
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(count), repeat=steps):
        score = float(log_probs[range(steps), path].sum())
        best[collapse(path)] = max(best.get(collapse(path), -np.inf), score)
    for labels, truth in best.items():
        runs = align(log_probs, labels)
        assert tuple(run.label for run in runs) == labels
        spelt = np.zeros(steps, dtype=int)
        for run in runs:
            spelt[run.first : run.last + 1] = run.label
        assert collapse(tuple(spelt)) == labels
        assert log_probs[range(steps), spelt].sum() == pytest.approx(truth)


@given(posteriors_without_ties())
def test_aligning_the_labels_of_greedy_gives_greedy(log_probs: np.ndarray) -> None:
    runs = greedy(log_probs)
    assert align(log_probs, [run.label for run in runs]) == runs


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="no path of 2 steps has the 2 labels"):
        align(logs([[0.5, 0.5]] * 2), [A, A])


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_an_alphabet_without_labels_reads_nothing(steps: int) -> None:
    blanks = np.zeros((steps, 1))
    assert greedy(blanks) == [] and align(blanks, []) == []
    assert prefix_beam(blanks) == [((), 0.0)]


def test_an_alphabet_of_one_label_is_read() -> None:
    log_probs = logs([[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
    assert prefix_beam(log_probs)[0][0] == (A, A)


def test_a_long_line_of_an_untrained_network_is_read() -> None:
    """With 1,000 labels of similar probability and the blank slightly above, a run of blanks underflows."""
    scores = np.zeros((800, 1001))
    scores[:, 0] = 0.5
    found = prefix_beam(normalised(scores))
    assert found[0][0] == () and found[0][1] == pytest.approx(normalised(scores)[:, 0].sum())


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_steps_without_probabilities_are_refused(value: float) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="probability"):
        prefix_beam(np.full((4, 3), value))
