"""New lines out of two of one writer: the first words of one and the last words of another.

A network that meets a line for the hundredth time knows its words by heart and need not look at them. What it meets
for the first time, the end of one line after the beginning of another, it must read.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[Any]  # of a normalised line, (rows, W): pixels (height, W) uint8, or a pen's path (3, W) float32
Numbers = NDArray[Any]

BODY = (0.3, 0.68)  # where small letters are, as shares of a line's height: what reaches into a gap from there fills it
INK = 80
EVENNESS = 0.5  # standard deviation of the width of a letter, in widths of a letter
WIDE = 10.0  # nats in favour of a gap as wide as a letter
NARROWEST = 0.5  # widths of a letter: a gap between words
SURE = 0.9  # probability that a gap is where a space is


class Gap(NamedTuple):
    """A space of a line's text and its place among the columns."""

    space: int  # characters of the text before it
    end: int  # columns of the line before it
    start: int  # the first column behind it


def find_gaps(columns: Columns, text: str) -> list[Gap]:
    """Where the spaces of a text are in its normalised line; those alone that are plain to see."""
    ends, starts, lefts, rights, (left, right) = (
        _gaps_of_path(columns) if len(columns) == 3 else _gaps_of_picture(columns)
    )
    spaces = np.array([place for place, character in enumerate(text) if character == " "])
    if not len(spaces) or len(ends) < len(spaces) or right <= left:
        return []
    letter = (right - left) / len(text)
    widths = (rights - lefts) / letter
    log_p = match_gaps(((lefts + rights) / 2 - left) / letter, widths, spaces, len(text))
    return [
        Gap(int(space), int(ends[gap]), int(starts[gap]))
        for space, gap, sure in zip(spaces, log_p.argmax(axis=1), log_p.max(axis=1), strict=True)
        if sure > np.log(SURE) and widths[gap] > NARROWEST
    ]


def match_gaps(places: Numbers, widths: Numbers, spaces: Numbers, length: int) -> Numbers:
    """The log-probability that space k of a text is gap j of its line, (K, J).

    places, widths: (J,), the middles and widths of the gaps from left to right, in widths of a letter.
    spaces: (K,), the characters before each space, of the text's `length`.

    A hidden Markov model goes through the spaces and takes a gap for each, further and further to the right. Wide gaps
    are likely, and words about as long as their letters are many. The posterior is found forwards and backwards
    (Rabiner 1989, section III).
    """
    evidence = WIDE * np.minimum(widths, 2)
    between = places - places[:, None]  # from one gap to another
    steps = [np.where(between > 0, _as_long_as(between, letters), -np.inf) for letters in np.diff(spaces)]
    ahead = [_as_long_as(places, spaces[0] + 0.5) + evidence]
    for step in steps:
        ahead.append(_sum(ahead[-1][:, None] + step, 0) + evidence)
    behind = [_as_long_as(length - places, length - spaces[-1] - 0.5)]
    for step in reversed(steps):
        behind.append(_sum(step + evidence + behind[-1], 1))
    both: Numbers = np.array(ahead) + np.array(behind[::-1])
    both -= _sum(both[-1], 0)
    return both


def _as_long_as(width: Numbers, letters: float) -> Numbers:
    """The log-likelihood that so many letters are so many letters wide; a constant is left out."""
    return -((width - letters) ** 2) / (2 * EVENNESS**2 * max(letters, 1))


def _sum(logs: Numbers, axis: int) -> Numbers:
    """log Σ exp; of nothing but -inf a very small number, so that no difference of two is undefined."""
    total: Numbers = np.maximum(np.logaddexp.reduce(logs, axis=axis), -1e30)
    return total


def _gaps_of_picture(pixels: Columns) -> tuple[Numbers, Numbers, Numbers, Numbers, tuple[float, float]]:
    """The blank runs of columns, cut in their middles: (ends, starts, left and right edges, the line's two ends)."""
    height, width = pixels.shape
    wet = np.any(pixels[round(BODY[0] * height) : round(BODY[1] * height)] > INK, axis=0)
    lefts, rights = _runs(~wet)
    middles = (lefts + rights) // 2
    inked = np.flatnonzero(wet) if wet.any() else np.array([0, width])
    return middles, middles, lefts, rights, (inked[0], inked[-1] + 1)


def _gaps_of_path(path: Columns) -> tuple[Numbers, Numbers, Numbers, Numbers, tuple[float, float]]:
    """The ways above the paper, as _gaps_of_picture; what is written later on the left makes a gap narrower than 0."""
    x, paper = path[0].astype(np.float64), path[2] > 0.5
    ends, starts = _runs(~paper)
    furthest = np.maximum.accumulate(np.where(paper, x, -np.inf))
    nearest = np.minimum.accumulate(np.where(paper, x, np.inf)[::-1])[::-1]
    return ends, starts, furthest[ends - 1], nearest[starts], (x.min(), x.max())


def _runs(there: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The first place of each run of True, and the first after it; runs at the two ends are left out."""
    edges = np.flatnonzero(np.diff(there))
    edges = edges[int(there[0]) :] + 1
    return edges[: len(edges) // 2 * 2 : 2], edges[1::2]


def cross(first: Columns, gap: Gap, second: Columns, other: Gap) -> Columns:
    """The columns of `first` up to its gap, and those of `second` from its own."""
    before, after = first[:, : gap.end], second[:, other.start :]
    if len(first) != 3:
        return np.concatenate([before, after], axis=1)
    after = after.copy()
    after[0] += first[0, gap.start] - after[0, 0]
    way = np.linspace(before[:, -1], after[:, 0], gap.start - gap.end + 2, axis=1)[:, 1:-1]
    way[2] = 0
    return np.concatenate([before, way.astype(first.dtype), after], axis=1)
