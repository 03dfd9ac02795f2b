"""From label scores (T, C) to labels: the best path, or the best labelling with a prefix beam.

A CTC network (Graves et al. 2006) gives every step a distribution over the alphabet and the blank.  A path is one
label a step; repeats are merged, then blanks dropped, so many paths spell one labelling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def prefix_beam(log_probs: Scores, width: int = 16) -> list[tuple[tuple[int, ...], float]]:
    """The most probable labellings, best first, each with its log-probability: prefix beam search (Hannun et al. 2014).

    log_probs (T, C) -> at most width (labels, log-probability).  Unlike `greedy` it adds up the paths that spell the
    same: two steps of "a" 0.4, blank 0.6 are greedily "" (0.36), while "a" has 0.16 + 0.24 + 0.24 = 0.64.
    Every label is tried at every step; only the width best prefixes go on, so a log-probability is that of the paths
    which stayed in the beam: exact when the beam holds every prefix, else a little too low.  `align` places the labels.
    """
    prefixes = _Prefixes()
    number = np.zeros(1, dtype=np.intp)  # (W,) the prefixes in the beam; at the start the empty one, number 0
    parent = np.full(1, -1, dtype=np.intp)  # (W,) each without its last label
    last = np.full(1, BLANK, dtype=np.intp)  # (W,) that last label
    in_blank = np.zeros(1)  # (W,) log-probability of the paths that spell the prefix and end in a blank,
    in_label = np.full(1, -np.inf)  # (W,) and of those that end in its last label
    for step in np.asarray(log_probs, dtype=np.float64):  # (C,)
        either = np.logaddexp(in_blank, in_label)
        extended = either[:, None] + step  # (W, C) the prefix and one label more
        rows = np.arange(len(number))
        extended[rows, last] = in_blank + step[last]  # only a blank between makes a repeated label a new one
        extended[:, BLANK] = -np.inf
        in_blank = either + step[BLANK]
        in_label = in_label + step[last]
        # A prefix may be in the beam and be the extension of another one there: their paths belong together.
        shorter, longer = np.nonzero(number[:, None] == parent)
        in_label[longer] = np.logaddexp(in_label[longer], extended[shorter, last[longer]])
        extended[shorter, last[longer]] = -np.inf

        scores = np.concatenate([np.logaddexp(in_blank, in_label), extended.ravel()])
        best = np.argpartition(-scores, width)[:width] if len(scores) > width else np.arange(len(scores))
        best = best[scores[best] > -np.inf]
        stay = best[best < len(rows)]
        source, label = np.divmod(best[best >= len(rows)] - len(rows), len(step))
        born = [prefixes.extend(*pair) for pair in zip(number[source].tolist(), label.tolist(), strict=True)]
        parent = np.concatenate([parent[stay], number[source]])
        number = np.concatenate([number[stay], np.array(born, dtype=np.intp)])
        last = np.concatenate([last[stay], label])
        in_blank = np.concatenate([in_blank[stay], np.full(len(source), -np.inf)])
        in_label = np.concatenate([in_label[stay], extended[source, label]])
    scores = np.logaddexp(in_blank, in_label)
    return [(prefixes.labels(number[rank]), float(scores[rank])) for rank in np.argsort(-scores, kind="stable")]


class _Prefixes:
    """Every prefix the beam has met, as a tree, so that a prefix is one number and the same one when it comes back."""

    def __init__(self) -> None:
        self.shorter = [-1]  # the number of the prefix without its last label; number 0 is the empty prefix
        self.last = [BLANK]
        self.numbers: dict[tuple[int, int], int] = {}

    def extend(self, number: int, label: int) -> int:
        longer = self.numbers.setdefault((number, label), len(self.last))
        if longer == len(self.last):
            self.shorter.append(number)
            self.last.append(label)
        return longer

    def labels(self, number: int) -> tuple[int, ...]:
        labels = []
        while number > 0:
            labels.append(self.last[number])
            number = self.shorter[number]
        return tuple(reversed(labels))


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

    scores = np.full(2 + len(states), -np.inf)  # (2 + S,) of the best path to each state, after two that only pad
    scores[1] = 0.0  # where all paths start: one before the first blank, two before the first label
    moves = np.empty(emitted.shape, dtype=np.intp)  # (T, S) by how many states the best path moved on: 0, 1 or 2
    for step, emission in enumerate(emitted):
        sources = np.stack([scores[2:], scores[1:-1], np.where(may_skip, scores[:-2], -np.inf)])  # (3, S)
        moves[step] = sources.argmax(axis=0)
        scores[1] = -np.inf
        scores[2:] = sources.max(axis=0) + emission
    if scores[-2:].max() == -np.inf:
        raise ValueError(f"no path of {len(emitted)} steps spells the {len(labels)} labels")

    state = len(states) - 2 + int(scores[-2:].argmax())  # ends in the last label or in the blank after it
    path = np.empty(len(emitted), dtype=np.intp)
    for step in reversed(range(len(emitted))):
        path[step] = state
        state -= moves[step, state]
    runs = []
    for state in range(1, len(states), 2):
        first, end = np.searchsorted(path, [state, state + 1]).tolist()  # a path never goes back, so it is sorted
        runs.append(Label(int(states[state]), float(np.exp(emitted[first:end, state].max())), first, end - 1))
    return runs
