"""Pen strokes for tests: hand-made ones, and IAM-OnDB where it is available."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inkread.errors import BadInput
from inkread.inputs import read_inks
from inkread.inputs.ink import Ink, Stroke

IAM = Path(__file__).parents[2] / "data" / "iam-ondb" / "lineStrokes"
needs_iam = pytest.mark.skipif(not IAM.is_dir(), reason="IAM-OnDB is not available")


def only(text: str) -> Ink:
    """The one ink in a file with this content."""
    (ink,) = read_inks(text.encode(), name="a.ink")
    return ink


def points(ink: Ink) -> list[list[list[float]]]:
    return [stroke.tolist() for stroke in ink.strokes]


def refused(text: str) -> BadInput:
    """The error for a file with this content."""
    with pytest.raises(BadInput) as caught:
        read_inks(text.encode(), name="a.ink")
    assert "\n" not in str(caught.value) and caught.value.path == "a.ink" and caught.value.hint
    return caught.value


def zigzag(bottoms: Sequence[float], top: float = -10.0) -> Stroke:
    """A stroke that goes down to each of `bottoms` and back up to `top`, one to the right each time."""
    ys = [top, *[y for bottom in bottoms for y in (bottom, top)]]
    return np.array([[float(x), y] for x, y in enumerate(ys)])


def writing(seed: int, words: int = 4) -> list[Stroke]:
    """Something like letters: zigzags of one height, some of which reach further, in words, with dots added later."""
    rng = np.random.default_rng(seed)
    strokes, left = [], 0.0
    for _ in range(words):
        bottoms = [0.0, *(rng.choice([0, 0, 0, 0, 8], 7) + rng.normal(0, 0.3, 7))]
        word = zigzag(bottoms) * [rng.uniform(1.5, 3), 1] + rng.normal(0, 0.2, (2 * len(bottoms) + 1, 2))
        strokes += [word + [left, 0], np.array([[left + rng.uniform(0, 20), -16.0]])]
        left += float(np.ptp(word[:, 0])) + 10
    return strokes
