"""From label scores (T, C) to labels: the best path, or the best labelling with a prefix beam.

A CTC network (Graves et al. 2006) gives every step a distribution over the alphabet and the blank.  A path is one
label a step; repeats are merged, then blanks dropped, so many paths spell one labelling.
"""

from __future__ import annotations

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
