"""From log-probabilities (T, C) to labels: the best path, or a beam search over prefixes.

A CTC network (Graves et al. 2006) gives each step a distribution over the alphabet and the blank. A path has one label
per step. Merging repeated labels and then removing the blanks turns a path into a labelling, so many paths stand for
the same labelling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import BLANK

LogProbs = NDArray[np.floating]  # (T, C) log-probabilities; label 0 is the blank

# Both thresholds of the beam search. On development lines they cost no errors and save more than half of the time.
THRESHOLD = 3e-3
SMALLEST_PRODUCT = 1e-100  # of probabilities, before they are rounded to 0


@dataclass(frozen=True, slots=True)
class Label:
    """One decoded label, and the steps it stands for, from `first` to `last` inclusive.

    Its confidence is the highest probability among these steps. A CTC network writes a character as a peak. The steps
    beside the peak show how wide the character is, not how certain it is, so a mean would be too low.
    """

    label: int
    confidence: float
    first: int
    last: int


def greedy(log_probs: LogProbs) -> list[Label]:
    """The best path: the best label of each step, repeats merged, blanks removed (Graves et al. 2006, section 3.2).

    log_probs (T, C). Best labels a a - a b, where "-" is the blank -> a (steps 0-1), a (step 3), b (step 4).
    """
    if len(log_probs) == 0:
        return []
    path = log_probs.argmax(axis=1)  # (T,)
    first = np.flatnonzero(np.diff(path, prepend=-1))  # the first step of each run of equal labels
    last = np.append(first[1:], len(path)) - 1
    confidence = np.exp(np.maximum.reduceat(log_probs.max(axis=1), first))
    runs = zip(path[first].tolist(), confidence.tolist(), first.tolist(), last.tolist(), strict=True)
    return [Label(*run) for run in runs if run[0] != BLANK]


# ---- beam search


class LanguageScorer(Protocol):
    """What the beam search needs of a language model. A state stands for the labels so far; the beam only keeps it."""

    @property
    def start(self) -> Any:
        """The state at the start of a line."""

    def extend(self, state: Any, label: int) -> tuple[float, Any]:
        """The factor, above 0, that one more label gives to the probability of a prefix; and the next state."""

    def finish(self, state: Any) -> float:
        """The factor that the end of the line gives."""


def prefix_beam(
    log_probs: LogProbs,
    width: int = 16,
    scorer: LanguageScorer | None = None,
    *,
    token_threshold: float = THRESHOLD,
    beam_threshold: float = THRESHOLD,
) -> list[tuple[tuple[int, ...], float]]:
    """The most probable labellings, best first, each with its log-probability: prefix beam search (Hannun et al. 2014).

    log_probs (T, C) -> at most `width` pairs of labels and log-probability. Unlike `greedy`, it adds up the paths of a
    labelling: in two steps with "a" 0.4 and blank 0.6, the best path is "" (0.36), but "a" has 0.16 + 0.24 + 0.24 =
    0.64. With a scorer each probability is multiplied by the scorer's factors for the labels and for the end.

    To be fast it prunes. Labels with a probability below `token_threshold` in a step are not tried; so most steps are
    certain blanks. Prefixes are dropped if they are not among the `width` best, or if their probability is less than
    `beam_threshold` times the best. Therefore a log-probability is slightly too low. It is exact if both thresholds
    are 0 and the beam holds every prefix.

    `align` finds the steps of the labels. Raises ValueError for a step in which no label has a probability above 0.
    """
    root = _Prefix((), 1.0, scorer.start if scorer else None)
    root.in_blank = 1.0
    beam = [root]
    best, log_scale = 1.0, 0.0  # all probabilities are divided by the best one, which would vanish in a long line
    for blank, labels in _steps(log_probs, token_threshold):
        log_scale += math.log(best)
        reached = _extend(beam, best, blank, labels, scorer, width, beam_threshold)
        for prefix in reached:
            prefix.in_blank, prefix.in_label = prefix.next_blank, prefix.next_label
            prefix.mass = prefix.next_blank + prefix.next_label
            prefix.next_blank = prefix.next_label = 0.0
            prefix.in_beam = False
        reached.sort(key=attrgetter("mass"), reverse=True)
        best = reached[0].mass
        if not best > 0:
            raise ValueError("a step gives no label a probability")
        beam = [prefix for prefix in reached[:width] if prefix.mass > beam_threshold * best]
        for prefix in beam:
            prefix.in_beam = True
    scored = []
    for prefix in beam:
        factor = scorer.finish(prefix.state) if scorer else 1.0
        scored.append((prefix.labels, math.log((prefix.in_blank + prefix.in_label) * factor) + log_scale))
    return sorted(scored, key=lambda pair: -pair[1])


def _extend(
    beam: list[_Prefix],
    scale: float,
    blank: float,
    labels: list[tuple[int, float]],
    scorer: LanguageScorer | None,
    width: int,
    beam_threshold: float,
) -> list[_Prefix]:
    """Take one step: the prefixes of the beam, and those that are one label longer, with their next probabilities."""
    probability_of = dict(labels)
    for prefix in beam:
        prefix.in_blank /= scale
        prefix.in_label /= scale
        prefix.next_blank = (prefix.in_blank + prefix.in_label) * blank
        prefix.next_label = prefix.in_label * probability_of.get(prefix.last, 0.0)
    # A longer prefix is worth adding only above this. Otherwise the prefixes of the beam, which all stay, fill the
    # beam without it, or it is below the threshold of the best prefix or of that prefix's best extension.
    unchanged = sorted(prefix.next_blank + prefix.next_label for prefix in beam)
    smallest = max(
        beam_threshold * max([unchanged[-1], *probability_of.values()]), unchanged[0] if len(beam) == width else 0.0
    )
    reached = beam.copy()
    for prefix in beam:
        both = prefix.in_blank + prefix.in_label
        for label, probability in labels:
            # A repeated label is a new one only after a blank.
            mass = probability * (both if label != prefix.last else prefix.in_blank)
            longer = prefix.longer.get(label)
            if mass > smallest or (longer and longer.in_beam):
                longer = longer or prefix.extend(label, scorer)
                longer.next_label += mass * longer.factor
                if not longer.in_beam:
                    reached.append(longer)
    return reached


def _steps(log_probs: LogProbs, token_threshold: float) -> Iterator[tuple[float, list[tuple[int, float]]]]:
    """For each step the probability of the blank, and the labels to try with theirs. A run of blanks is one step."""
    probabilities = np.exp(np.asarray(log_probs, dtype=np.float64))  # (T, C)
    floor = np.minimum(token_threshold, probabilities.max(axis=1, keepdims=True))  # the best label is always tried
    tried = (probabilities >= floor) & (probabilities > 0)
    tried[:, BLANK] = False
    steps, labels = np.nonzero(tried)
    pairs = list(zip(labels.tolist(), probabilities[steps, labels].tolist(), strict=True))
    ends = np.searchsorted(steps, np.arange(len(probabilities)), side="right").tolist()
    skipped, pending = 1.0, False  # the probability of a run of certain blanks, and whether there is such a run
    for blank, first, end in zip(probabilities[:, BLANK].tolist(), [0, *ends], ends, strict=False):
        if first == end:
            skipped, pending = skipped * blank, True
            if skipped > SMALLEST_PRODUCT:
                continue  # else end the run; so long a run occurs if the network has learnt nothing
        if pending:
            yield skipped, []
            skipped, pending = 1.0, False
        if first < end:
            yield blank, pairs[first:end]
    if pending:
        yield skipped, []


class _Prefix:
    """A prefix of a labelling, as a node of a tree. A prefix that leaves the beam and returns is the same object.

    A node does not refer to its parent. Without cycles the tree is freed as soon as the line is done, without Python's
    garbage collector, which would take as long as the beam search itself.
    """

    __slots__ = (
        *("labels", "last", "factor", "state", "longer"),  # the tree
        *("in_blank", "in_label"),  # probability of the paths of this prefix that end in a blank, or in its last label
        *("next_blank", "next_label"),  # the same after the step that is being taken
        *("mass", "in_beam"),
    )

    def __init__(self, labels: tuple[int, ...], factor: float, state: Any) -> None:
        self.labels, self.factor, self.state = labels, factor, state
        self.last = labels[-1] if labels else BLANK
        self.longer: dict[int, _Prefix] = {}
        self.in_blank = self.in_label = self.next_blank = self.next_label = self.mass = 0.0
        self.in_beam = False

    def extend(self, label: int, scorer: LanguageScorer | None) -> _Prefix:
        """The prefix with one more label."""
        factor, state = scorer.extend(self.state, label) if scorer else (1.0, None)
        self.longer[label] = longer = _Prefix((*self.labels, label), factor, state)
        return longer


# ---- alignment


def align(log_probs: LogProbs, labels: Sequence[int]) -> list[Label]:
    """The steps of the labels: those of the best path of this labelling, found with the Viterbi algorithm.

    log_probs (T, C). `align(p, [run.label for run in greedy(p)])` equals `greedy(p)`. The states are the labels with
    blanks before, between and after them (Graves et al. 2006, section 4.1).
    Raises ValueError if no path of T steps has these labels.
    """
    if not labels:
        return []
    states = np.full(2 * len(labels) + 1, BLANK)  # (S,) - a - b -
    states[1::2] = labels
    may_skip = states != BLANK  # (S,) a label may follow the previous label without the blank between them ...
    may_skip[3::2] &= states[3::2] != states[1:-2:2]  # ... unless they are equal
    emitted = np.asarray(log_probs, dtype=np.float64)[:, states]  # (T, S)
    scores = _viterbi(emitted, may_skip)
    if scores[-1, -2:].max() == -np.inf:
        raise ValueError(f"no path of {len(emitted)} steps has the {len(labels)} labels")
    path = _trace_back(scores, may_skip)
    runs = []
    for state in range(1, len(states), 2):
        first, end = np.searchsorted(path, [state, state + 1]).tolist()  # a path never goes back, so it is sorted
        runs.append(Label(int(states[state]), float(np.exp(emitted[first:end, state].max())), first, end - 1))
    return runs


def _viterbi(emitted: NDArray[np.float64], may_skip: NDArray[np.bool_]) -> NDArray[np.float64]:
    """scores[1 + step, 2 + state]: the log-probability of the best path that is in this state at this step.

    The first two columns are padding. All paths start in the second one: one before the first blank, two before the
    first label.
    """
    scores = np.full((1 + len(emitted), 2 + len(may_skip)), -np.inf)  # (1 + T, 2 + S)
    scores[0, 1] = 0.0
    skip = np.where(may_skip, 0.0, -np.inf)
    for before, after, emission in zip(scores, scores[1:], emitted, strict=False):
        reach = before[:-2] + skip
        np.maximum(reach, before[1:-1], out=reach)
        np.maximum(reach, before[2:], out=reach)
        np.add(reach, emission, out=after[2:])
    return scores


def _trace_back(scores: NDArray[np.float64], may_skip: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(T,) the state at each step of the best path."""
    state = len(may_skip) - 2 + int(scores[-1, -2:].argmax())  # a path ends in the last label or in the blank after it
    path = np.empty(len(scores) - 1, dtype=np.intp)
    for step in reversed(range(len(path))):
        path[step] = state
        skipped, moved, stayed = scores[step, state : state + 3].tolist()
        if stayed < moved or (may_skip[state] and stayed < skipped):
            state -= 2 if may_skip[state] and moved < skipped else 1
    return path
