"""From log-probabilities (T, C) to labels: the best path, or a beam search over prefixes.

A CTC network (Graves et al. 2006) gives each step a distribution over the alphabet and the blank. A path has one label
per step. Merging repeated labels and then removing the blanks turns a path into a labelling, so many paths stand for
the same labelling.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from operator import attrgetter, eq
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import BLANK

LogProbs = NDArray[np.floating]  # (T, C) log-probabilities; label 0 is the blank
Candidates = Sequence[tuple[tuple[int, ...], float]]  # of the beam search: labels and log-probability, best first

# Both thresholds of the beam search. On development lines they cost no errors and save more than half of the time.
THRESHOLD = 3e-3
SMALLEST_PRODUCT = 1e-100  # of probabilities, long before they would be rounded to 0
WIDTH = 16  # of the beam, in prefixes
IMPOSSIBLE = -1e9  # a log-probability that stands for minus infinity in sums
CANDIDATES = 64  # at most, whose shares are the posterior; with 16 the confidence of words is worse, see the LOG


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


# ---- crossed-out writing


def without_label(labels: Sequence[int], removed: int, space: int) -> list[int]:
    """The places of labels other than `removed`, and of no space that only a removed label keeps apart from another.

    >>> without_label([5, 1, 9, 1, 6], removed=9, space=1), without_label([5, 1, 9], removed=9, space=1)
    ([0, 1, 4], [0])
    """
    if removed not in labels:
        return list(range(len(labels)))
    kept: list[int] = []
    for place, label in enumerate(labels):
        second = label == space and labels[place - 1] == removed and (not kept or labels[kept[-1]] == space)
        if label != removed and not second:
            kept.append(place)
    if labels[-1] == removed and kept and labels[kept[-1]] == space:
        kept.pop()
    return kept


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

    def context(self, state: Any) -> Hashable:
        """What the factors of all further labels depend on. States with equal contexts give nearly the same factors."""


def prefix_beam(
    log_probs: LogProbs,
    width: int = WIDTH,
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
    are 0 and the beam holds every prefix. Prefixes that differ only in what no longer matters go on as one, the best;
    the list of the labellings has the others again, and the ratio of their probabilities is then the one they had.

    `align` finds the steps of the labels. Raises ValueError for a step in which no label has a probability above 0.
    """
    return _candidates(*_search(_steps(log_probs, token_threshold), width, scorer, beam_threshold), scorer, width)


def _candidates(
    beam: Iterable[_Prefix], log_scale: float, scorer: LanguageScorer | None, count: int
) -> list[tuple[tuple[int, ...], float]]:
    """The best labellings, at most `count`, of the beam after the last step and of what was merged into it."""
    heap = []  # the negative score first, then the labels
    for prefix in beam:
        factor = scorer.finish(prefix.state) if scorer else 1.0
        heap.append((-math.log(prefix.mass * factor) - log_scale, prefix.labels, prefix.merged))
    heapify(heap)
    found: dict[str, float] = {}
    while heap and len(found) < count:
        score, labels, merged = heappop(heap)
        if labels in found:  # it was merged twice: the first time, not all of its paths had reached it
            continue
        found[labels] = -score
        while merged:
            length, other, log_ratio, merged_there, merged = merged
            heappush(heap, (score - log_ratio, other + labels[length:], merged_there))
    return [(tuple(map(ord, labels)), score) for labels, score in found.items()]


def read_beam(log_probs: LogProbs, scorer: LanguageScorer | None = None) -> tuple[list[Label], Candidates]:
    """The most probable labelling, as `prefix_beam` finds it, with the steps of its labels, as `align` finds them.

    Also the labellings that compete with it, at most CANDIDATES; the best one is the first of them.
    """
    best_path = greedy(log_probs)
    candidates = _candidates(*_search(_steps(log_probs, THRESHOLD), WIDTH, scorer, THRESHOLD), scorer, CANDIDATES)
    best = candidates[0][0]
    same = len(best) == len(best_path) and all(map(eq, best, (label.label for label in best_path)))
    return best_path if same else align(log_probs, best), candidates


@dataclass(slots=True)
class _Step:
    """One step of the network, or a run of certain blanks."""

    blank: float  # its probability
    labels: list[tuple[int, float]]  # those to try, with their probabilities
    highest: float  # of all probabilities
    certain: bool  # whether the blank or one label is the only one to try


def _steps(log_probs: LogProbs, token_threshold: float) -> list[_Step]:
    """What to try in each step. A run of certain blanks becomes one step."""
    log_p = np.asarray(log_probs)
    highest = log_p.max(axis=1, keepdims=True)  # (T, 1); this label or blank is always tried
    lowest = math.log(token_threshold) if token_threshold else -math.inf
    steps, labels = np.nonzero(log_p >= np.minimum(highest, lowest))
    pairs = list(zip(labels.tolist(), np.exp(log_p[steps, labels], dtype=np.float64).tolist(), strict=True))
    ends = np.cumsum(np.bincount(steps, minlength=len(log_p))).tolist()
    found: list[_Step] = []
    first, after_blank = 0, False
    for end, blank, best in zip(
        ends, *np.exp([log_p[:, BLANK], highest[:, 0]], dtype=np.float64).tolist(), strict=True
    ):
        certain = end - first == 1
        tried = pairs[first:end]
        if tried and tried[0][0] == BLANK:
            del tried[0]
        if certain and not tried and after_blank and found[-1].blank * blank > SMALLEST_PRODUCT:
            found[-1].blank *= blank
            found[-1].highest *= blank
        else:
            found.append(_Step(blank, tried, best, certain))
            after_blank = certain and not tried
        first = end
    return found


def _search(
    steps: Iterable[_Step], width: int, scorer: LanguageScorer | None, beam_threshold: float
) -> tuple[list[_Prefix], float]:
    """The beam after the last step, and the logarithm of what its probabilities have been divided by."""
    root = _Prefix("", BLANK, 1.0, scorer.start if scorer else None, None)
    root.in_blank = root.mass = best = 1.0
    beam, log_scale = [root], 0.0
    for step in steps:
        lowest = beam_threshold * best * step.highest
        if len(beam) == width:  # its prefixes all stay, and would fill the beam without a longer prefix below this
            lowest = max(lowest, min([prefix.mass for prefix in beam]) * step.blank)
        reached = _extend(beam, step.labels, scorer, lowest)
        blank = step.blank
        for prefix in reached:
            prefix.in_blank = prefix.mass * blank
            prefix.in_label = prefix.next_label
            prefix.mass = prefix.in_blank + prefix.in_label
            prefix.next_label = 0.0
        best = max([prefix.mass for prefix in reached])
        if not best > 0:
            raise ValueError("a step gives no label a probability")
        beam = _prune(reached, width, beam_threshold * best)
        if step.certain and len(beam) > 1:
            beam = _merge(beam, scorer)
        if best < SMALLEST_PRODUCT:
            log_scale += math.log(best)
            for prefix in beam:
                prefix.in_blank /= best
                prefix.in_label /= best
                prefix.mass /= best
            best = 1.0
    return beam, log_scale


def _extend(
    beam: list[_Prefix], labels: list[tuple[int, float]], scorer: LanguageScorer | None, lowest: float
) -> list[_Prefix]:
    """Take one step: the prefixes of the beam, and those that are one label longer, with their next probabilities.

    labels: those to try, with their probabilities. A longer prefix that is not in the beam is added only if its
    probability is above `lowest`, before its factor.
    """
    reached = beam.copy()
    for prefix in beam:
        both, last, known = prefix.mass, prefix.last, prefix.longer
        for label, probability in labels:
            if label == last:
                prefix.next_label += prefix.in_label * probability
                mass = prefix.in_blank * probability  # a repeated label is a new one only after a blank
            else:
                mass = both * probability
            longer = known.get(label) if known else None
            if longer and longer.mass:
                longer.next_label += mass * longer.factor
            elif mass > lowest:
                longer = longer or prefix.extend(label, scorer)
                longer.next_label = mass * longer.factor
                reached.append(longer)
    return reached


def _prune(reached: list[_Prefix], width: int, lowest: float) -> list[_Prefix]:
    """The next beam: the best prefixes, at most `width`, whose probability is above `lowest`."""
    if len(reached) > width:
        reached.sort(key=attrgetter("mass"), reverse=True)
    beam = []
    for place, prefix in enumerate(reached):
        if prefix.mass > lowest and place < width:
            beam.append(prefix)
        else:
            prefix.mass = 0.0
    return beam


def _merge(beam: list[_Prefix], scorer: LanguageScorer | None) -> list[_Prefix]:
    """Of the prefixes with the same future, the one with the highest probability goes on, and remembers the others.

    After a certain step, a prefix ends in the same blank or label whatever was before. So all that follows depends only
    on its last label and on the context of the language model.
    """
    going_on: dict[Hashable, _Prefix] = {}
    last = [prefix.last for prefix in beam]
    for prefix in sorted(beam, key=attrgetter("mass"), reverse=True):
        future: Hashable = prefix.last
        if scorer and last.count(prefix.last) > 1:  # otherwise the context need not be known
            future = prefix.last, scorer.context(prefix.state)
        first = going_on.setdefault(future, prefix)
        if first is not prefix:
            log_ratio = math.log(prefix.mass / first.mass)
            first.merged = len(first.labels), prefix.labels, log_ratio, prefix.merged, first.merged
            prefix.mass = 0.0
    return list(going_on.values())


class _Prefix:
    """A prefix of a labelling, as a node of a tree. A prefix that leaves the beam and returns is the same object.

    A node does not refer to its parent. Without cycles the tree is freed as soon as the line is done, without Python's
    garbage collector, which would take as long as the beam search itself. For its sake, too, the labels are a string,
    and most prefixes, as they have no longer ones, have no dictionary of them.
    """

    __slots__ = (
        *("labels", "last", "factor", "state", "longer"),  # the tree; chr(label) of each label; label -> prefix
        *("in_blank", "in_label"),  # probability of the paths of this prefix that end in a blank, or in its last label
        "mass",  # the sum of both; 0 if the prefix is not in the beam
        "next_label",  # like in_label, after the step that is being taken
        "merged",  # the prefixes that were merged into it, see _Merged
    )

    def __init__(self, labels: str, last: int, factor: float, state: Any, merged: _Merged | None) -> None:
        self.labels, self.last, self.factor, self.state, self.merged = labels, last, factor, state, merged
        self.longer: dict[int, _Prefix] | None = None
        self.in_blank = self.in_label = self.mass = self.next_label = 0.0

    def extend(self, label: int, scorer: LanguageScorer | None) -> _Prefix:
        """The prefix with one more label."""
        factor, state = scorer.extend(self.state, label) if scorer else (1.0, None)
        longer = _Prefix(self.labels + chr(label), label, factor, state, self.merged)
        if self.longer is None:
            self.longer = {label: longer}
        else:
            self.longer[label] = longer
        return longer


# What was merged into a prefix, or into one that it continues: a chain, the last one first. The parts are: how many
# labels the prefix had then; the labels of the other; the logarithm of its probability divided by that of the prefix;
# what had been merged into the other; the rest of the chain.
_Merged = tuple[int, str, float, "_Merged | None", "_Merged | None"]


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
    runs = _best_path(np.asarray(log_probs), states, may_skip.tolist())
    if not runs:
        raise ValueError(f"no path of {len(log_probs)} steps has the {len(labels)} labels")
    first, end, state = np.array(runs[::-1]).T
    emitted = np.asarray(log_probs)[np.arange(len(log_probs)), np.repeat(states[state], end - first)]
    confidence = np.exp(np.maximum.reduceat(emitted.astype(np.float64), first))
    found = zip(states[state].tolist(), confidence.tolist(), first.tolist(), (end - 1).tolist(), strict=True)
    return [Label(*run) for run in found if run[0] != BLANK]


def _best_path(log_probs: LogProbs, states: NDArray[np.intp], may_skip: list[bool]) -> list[tuple[int, int, int]]:
    """The best path, the last state first: its first step, the step after its last one, and the state; [] if none.

    All steps of a state are computed at once, as there are fewer states than steps. A path that comes to a state after
    `step` steps and stays there up to `end` has the score before + totals[end] - totals[step].
    """
    steps = len(log_probs)
    totals = np.zeros((len(states), steps + 1))
    np.cumsum(np.maximum(log_probs.T[states], IMPOSSIBLE), axis=1, dtype=np.float64, out=totals[:, 1:])
    coming = np.empty_like(totals)  # the best score of a path that comes to the state after so many steps, less totals
    scores = np.full((len(states) + 1, steps + 1), -np.inf)  # of the best path that is in the state before, after ...
    scores[0, 0] = 0.0  # all paths begin in a state before the first blank
    for state, skips in enumerate(may_skip):
        before = np.maximum(scores[state], scores[state - 1]) if skips else scores[state]
        np.subtract(before, totals[state], out=coming[state])
        np.add(np.maximum.accumulate(coming[state])[:-1], totals[state, 1:], out=scores[state + 1, 1:])
    state, end = len(states) - (1 if scores[-1, -1] > scores[-2, -1] else 2), steps  # the last blank or label
    if scores[state + 1, -1] < IMPOSSIBLE:
        return []
    runs = []
    while end:
        first = int(coming[state, :end].argmax())
        runs.append((first, end, state))
        skipped = may_skip[state] and scores[state, first] < scores[state - 1, first]
        state, end = state - 2 if skipped else state - 1, first
    return runs
