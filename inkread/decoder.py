"""From label scores (T, C) to labels: the best path, or the best labelling with a prefix beam.

A CTC network (Graves et al. 2006) gives every step a distribution over the alphabet and the blank.  A path is one
label a step; repeats are merged, then blanks dropped, so many paths spell one labelling.
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

Scores = NDArray[np.floating]  # (T, C) log-probabilities, label 0 the blank


@dataclass(frozen=True, slots=True)
class Label:
    """One decoded label and the steps it was read from, both ends included.

    The confidence is the highest posterior within them.  CTC spells a character with a spike; the mean would punish
    the shoulders of the spike, which say how wide the character is, not how sure the network is.
    """

    label: int
    confidence: float
    first: int
    last: int


def greedy(log_probs: Scores) -> list[Label]:
    """The best path: the best label of each step, repeats merged, blanks dropped (Graves et al. 2006, section 3.2).

    log_probs (T, C).  Best labels a a - a b, "-" the blank -> a (steps 0-1), a (step 3), b (step 4).
    """
    if len(log_probs) == 0:
        return []
    path = log_probs.argmax(axis=1)  # (T,)
    first = np.flatnonzero(np.diff(path, prepend=-1))  # where a run of one label starts
    last = np.append(first[1:], len(path)) - 1
    confidence = np.exp(np.maximum.reduceat(log_probs.max(axis=1), first))
    runs = zip(path[first].tolist(), confidence.tolist(), first.tolist(), last.tolist(), strict=True)
    return [Label(*run) for run in runs if run[0] != BLANK]


class Guide(Protocol):
    """What the beam asks of a language model; a state stands for the labels so far and means something to it alone."""

    @property
    def start(self) -> Any: ...
    def extend(self, state: Any, label: int) -> tuple[float, Any]:
        """The factor that a prefix's probability gets when this label is added to it, more than 0; the state then."""

    def finish(self, state: Any) -> float:
        """The factor it gets when the line ends there."""


def prefix_beam(
    log_probs: Scores, width: int = 16, guide: Guide | None = None, *, least: float = 3e-3, margin: float = 3e-3
) -> list[tuple[tuple[int, ...], float]]:
    """The most probable labellings, best first, each with its log-probability: prefix beam search (Hannun et al. 2014).

    log_probs (T, C) -> at most width (labels, log-probability).  Unlike `greedy` it adds up the paths that spell the
    same: two steps of "a" 0.4, blank 0.6 are greedily "" (0.36), while "a" has 0.16 + 0.24 + 0.24 = 0.64.
    With a guide each probability is multiplied by the guide's factors for its labels and for its end.

    It is quick because it leaves out what hardly counts: labels less probable than `least` at a step, which makes most
    steps certain blanks, and prefixes beyond the `width` best or with less than `margin` times the best probability.
    A log-probability is a little too low for that; it is exact when both are 0 and the beam holds every prefix.
    `align` places the labels. Raises ValueError for a step in which nothing is possible, or of values that are not
    numbers.
    """
    root = _Prefix((), 1.0, guide.start if guide else None)
    root.in_blank = 1.0
    beam = [root]
    best, divided = 1.0, 0.0  # all is divided by the best probability, so that a long line's does not vanish
    for blank, labels in _steps(log_probs, least):
        divided += math.log(best)
        probability_of = dict(labels)
        for prefix in beam:
            prefix.in_blank /= best
            prefix.in_label /= best
            prefix.next_blank = (prefix.in_blank + prefix.in_label) * blank
            prefix.next_label = prefix.in_label * probability_of.get(prefix.last, 0.0)
        # What is less than this would not be among the best: so many are there before any gets a label more, or the
        # best one's extension leaves it behind.
        stay = sorted(prefix.next_blank + prefix.next_label for prefix in beam)
        hardly = max(margin * max([stay[-1], *probability_of.values()]), stay[0] if len(beam) == width else 0.0)
        reached = beam.copy()
        for prefix in beam:
            both = prefix.in_blank + prefix.in_label
            for label, probability in labels:
                # Only a blank between makes a repeated label a new one.
                mass = probability * (both if label != prefix.last else prefix.in_blank)
                longer = prefix.longer.get(label)
                if mass > hardly or (longer and longer.in_beam):
                    longer = longer or prefix.extend(label, guide)
                    longer.next_label += mass * longer.factor
                    if not longer.in_beam:
                        reached.append(longer)
        for prefix in reached:
            prefix.in_blank, prefix.in_label = prefix.next_blank, prefix.next_label
            prefix.mass = prefix.next_blank + prefix.next_label
            prefix.next_blank = prefix.next_label = 0.0
            prefix.in_beam = False
        reached.sort(key=attrgetter("mass"), reverse=True)
        best = reached[0].mass
        if not best > 0:
            raise ValueError("a step gives no label a probability")
        beam = [prefix for prefix in reached[:width] if prefix.mass > margin * best]
        for prefix in beam:
            prefix.in_beam = True
    scored = []
    for prefix in beam:
        factor = guide.finish(prefix.state) if guide else 1.0
        scored.append((prefix.labels, math.log((prefix.in_blank + prefix.in_label) * factor) + divided))
    return sorted(scored, key=lambda pair: -pair[1])


def _steps(log_probs: Scores, least: float) -> Iterator[tuple[float, list[tuple[int, float]]]]:
    """Of each step the blank's probability, and the labels worth trying with theirs; a run of blanks is one step."""
    probabilities = np.exp(np.asarray(log_probs, dtype=np.float64))  # (T, C)
    floor = np.minimum(least, probabilities.max(axis=1, keepdims=True))  # one is always worth it, if not the blank
    tried = (probabilities >= floor) & (probabilities > 0)
    tried[:, BLANK] = False
    steps, labels = np.nonzero(tried)
    pairs = list(zip(labels.tolist(), probabilities[steps, labels].tolist(), strict=True))
    ends = np.searchsorted(steps, np.arange(len(probabilities)), side="right").tolist()
    passed, waiting = 1.0, False  # the probability of the certain blanks gone by, and whether there were any
    for blank, first, end in zip(probabilities[:, BLANK].tolist(), [0, *ends], ends, strict=False):
        if first == end:
            passed, waiting = passed * blank, True
            if passed > 1e-100:
                continue
            # Before it vanishes, as in a long line of a network that has learnt nothing.
        if waiting:
            yield passed, []
            passed, waiting = 1.0, False
        if first < end:
            yield blank, pairs[first:end]
    if waiting:
        yield passed, []


class _Prefix:
    """Labels read so far, as a node of a tree, so that a prefix which comes back is the same one.

    It does not know its parent: without a cycle the whole tree goes when the line is read, and Python's garbage
    collector, which else takes as long as the beam itself, finds nothing to do.
    """

    __slots__ = (
        *("labels", "last", "factor", "state", "longer"),  # the tree
        *("in_blank", "in_label"),  # probability of the paths that spell it and end in a blank, or in its last label
        *("next_blank", "next_label"),  # the same one step later, while the step is taken
        *("mass", "in_beam"),
    )

    def __init__(self, labels: tuple[int, ...], factor: float, state: Any) -> None:
        self.labels, self.factor, self.state = labels, factor, state
        self.last = labels[-1] if labels else BLANK
        self.longer: dict[int, _Prefix] = {}
        self.in_blank = self.in_label = self.next_blank = self.next_label = self.mass = 0.0
        self.in_beam = False

    def extend(self, label: int, guide: Guide | None) -> _Prefix:
        factor, state = guide.extend(self.state, label) if guide else (1.0, None)
        self.longer[label] = longer = _Prefix((*self.labels, label), factor, state)
        return longer


def align(log_probs: Scores, labels: Sequence[int]) -> list[Label]:
    """Where the labels stand: the steps of the best path that spells them, found with Viterbi.

    log_probs (T, C).  `align(p, [run.label for run in greedy(p)])` is `greedy(p)`.  The states are the labels with a
    blank before, between and after them (Graves et al. 2006, section 4.1).
    Raises ValueError when no path of T steps spells the labels.
    """
    if not labels:
        return []
    states = np.full(2 * len(labels) + 1, BLANK)  # (S,) - a - b -
    states[1::2] = labels
    may_skip = states != BLANK  # (S,) a label may follow the label before without the blank between ...
    may_skip[3::2] &= states[3::2] != states[1:-2:2]  # ... unless they are the same
    emitted = np.asarray(log_probs, dtype=np.float64)[:, states]  # (T, S)

    # scores[1 + step, 2 + state]: of the best path up to there. The first two columns only pad; all paths start in one,
    # one before the first blank and two before the first label.
    scores = np.full((1 + len(emitted), 2 + len(states)), -np.inf)
    scores[0, 1] = 0.0
    skip = np.where(may_skip, 0.0, -np.inf)
    for before, after, emission in zip(scores, scores[1:], emitted, strict=False):
        reach = before[:-2] + skip
        np.maximum(reach, before[1:-1], out=reach)
        np.maximum(reach, before[2:], out=reach)
        np.add(reach, emission, out=after[2:])
    if scores[-1, -2:].max() == -np.inf:
        raise ValueError(f"no path of {len(emitted)} steps spells the {len(labels)} labels")

    state = len(states) - 2 + int(scores[-1, -2:].argmax())  # ends in the last label or in the blank after it
    path = np.empty(len(emitted), dtype=np.intp)
    for step in reversed(range(len(emitted))):
        path[step] = state
        skipped, moved, stayed = scores[step, state : state + 3].tolist()
        if stayed < moved or (may_skip[state] and stayed < skipped):
            state -= 2 if may_skip[state] and moved < skipped else 1
    runs = []
    for state in range(1, len(states), 2):
        first, end = np.searchsorted(path, [state, state + 1]).tolist()  # a path never goes back, so it is sorted
        runs.append(Label(int(states[state]), float(np.exp(emitted[first:end, state].max())), first, end - 1))
    return runs
