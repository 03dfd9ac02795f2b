"""Splicing: a new line from two lines by one writer, the first words of one and the last words of the other.

A network that sees a line many times learns its words by heart instead of looking at them (overfitting). It has to
read the words of a line that it has not seen before. Spaces are found with a hidden Markov model.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[Any]  # of a normalised line, (rows, W): pixels (height, W) uint8, or the path of a pen (3, W) float32
Numbers = NDArray[Any]

# Chosen on 100 lines of Copiste, where with them 72 % of all spaces are found, and 3 % of the joined lines are cut in
# the wrong place (experiments/LOG.md, 2026-11-25: evenness 0.5, 0.8, 1.2; weight 3, 6, 10; narrowest 0, 0.5).
EVENNESS = 0.5  # widths of a letter: standard deviation of the width of a letter
GAP_WEIGHT = 10.0  # nats by which a gap is likelier than no gap, for each width of a letter that it is wide
WIDEST = 2.0  # widths of a letter: a gap that is still wider is no likelier
NARROWEST = 0.5  # widths of a letter: narrower gaps are not cut
SURE = 0.9  # probability that a gap is the space of the text; less certain ones are not cut

BODY = (0.3, 0.68)  # shares of the height of a normalised image between which small letters are; ink there fills a gap
INK = 80  # of 255: darker pixels are ink, not the blur around it


class Gap(NamedTuple):
    """A space of the text of a line, and its place among the columns."""

    space: int  # characters of the text before it
    end: int  # columns of the line before it
    start: int  # the first column after it


class Gaps(NamedTuple):
    """Everything in a line that may be a space, from left to right; each array is (J,)."""

    ends: Numbers  # columns before the gap
    starts: Numbers  # the first column after it
    lefts: Numbers  # its left and right edge, along the line
    rights: Numbers
    line: tuple[float, float]  # left and right edge of the whole line


def find_gaps(columns: Columns, text: str) -> list[Gap]:
    """The spaces of a text in its normalised line, from left to right; only those that are found with certainty."""
    gaps = _gaps_of_path(columns) if len(columns) == 3 else _gaps_of_image(columns)
    left, right = gaps.line
    spaces = np.array([place for place, character in enumerate(text) if character == " "])
    if not len(spaces) or len(gaps.ends) < len(spaces) or right <= left:
        return []
    letter = (right - left) / len(text)
    widths = (gaps.rights - gaps.lefts) / letter
    log_p = match_gaps(((gaps.lefts + gaps.rights) / 2 - left) / letter, widths, spaces, len(text))
    return [
        Gap(int(space), int(gaps.ends[gap]), int(gaps.starts[gap]))
        for space, gap, best in zip(spaces, log_p.argmax(axis=1), log_p.max(axis=1), strict=True)
        if best > np.log(SURE) and widths[gap] > NARROWEST
    ]


def match_gaps(places: Numbers, widths: Numbers, spaces: Numbers, length: int) -> Numbers:
    """The log-probability that space k of a text is gap j of its line, (K, J).

    places, widths: (J,), the middles and widths of the gaps from left to right, in widths of a letter.
    spaces: (K,), the number of characters before each space of the text, which has `length` characters.

    A hidden Markov model assigns one gap to each space, from left to right. Wide gaps are likely, and so are words
    that are as wide as their number of letters. The posterior is computed with the forward-backward algorithm
    (Rabiner 1989, section III).
    """
    evidence = GAP_WEIGHT * np.minimum(widths, WIDEST)
    distances = places - places[:, None]  # (J, J): from one gap to another
    steps = [np.where(distances > 0, _width_score(distances, letters), -np.inf) for letters in np.diff(spaces)]
    forward = [_width_score(places, spaces[0] + 0.5) + evidence]
    for step in steps:
        forward.append(_log_sum(forward[-1][:, None] + step, 0) + evidence)
    backward = [_width_score(length - places, length - spaces[-1] - 0.5)]
    for step in reversed(steps):
        backward.append(_log_sum(step + evidence + backward[-1], 1))
    posterior: Numbers = np.array(forward) + np.array(backward[::-1])  # (K, J)
    posterior -= _log_sum(posterior[-1], 0)
    return posterior


def splice(first: Columns, gap: Gap, second: Columns, other: Gap) -> Columns:
    """The columns of `first` up to its gap, and those of `second` from its own: (rows, W1), (rows, W2) -> (rows, W).

    A pen's path gets a straight way above the paper, as many points long as the gap of `first`.
    """
    before, after = first[:, : gap.end], second[:, other.start :]
    if len(first) != 3:
        return np.concatenate([before, after], axis=1)
    after = after.copy()
    after[0] += first[0, gap.start] - after[0, 0]
    way = np.linspace(before[:, -1], after[:, 0], gap.start - gap.end + 2, axis=1)[:, 1:-1]
    way[2] = 0
    return np.concatenate([before, way.astype(first.dtype), after], axis=1)


def _width_score(width: Numbers, letters: float) -> Numbers:
    """The log-likelihood that so many letters are so many letters wide, without a constant: a normal distribution."""
    return -((width - letters) ** 2) / (2 * EVENNESS**2 * max(letters, 1))


def _log_sum(logs: Numbers, axis: int) -> Numbers:
    """log Σ exp. If all are -inf it is a very small number instead, so that differences of two are defined."""
    total: Numbers = np.maximum(np.logaddexp.reduce(logs, axis=axis), -1e30)
    return total


def _gaps_of_image(pixels: Columns) -> Gaps:
    """The blank runs of columns of an image. It is cut in their middles."""
    height, width = pixels.shape
    inked = np.any(pixels[round(BODY[0] * height) : round(BODY[1] * height)] > INK, axis=0)
    lefts, rights = _runs(~inked)
    middles = (lefts + rights) // 2
    columns = np.flatnonzero(inked) if inked.any() else np.array([0, width])
    return Gaps(middles, middles, lefts, rights, (columns[0], columns[-1] + 1))


def _gaps_of_path(path: Columns) -> Gaps:
    """The ways of a pen above the paper. What is written later on the left of a gap gives it a negative width."""
    x, on_paper = path[0].astype(np.float64), path[2] > 0.5
    ends, starts = _runs(~on_paper)
    furthest = np.maximum.accumulate(np.where(on_paper, x, -np.inf))
    nearest = np.minimum.accumulate(np.where(on_paper, x, np.inf)[::-1])[::-1]
    return Gaps(ends, starts, furthest[ends - 1], nearest[starts], (x.min(), x.max()))


def _runs(values: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The first place of each run of True, and the first after it; runs at the two ends are left out."""
    edges = np.flatnonzero(np.diff(values))
    edges = edges[int(values[0]) :] + 1
    return edges[: len(edges) // 2 * 2 : 2], edges[1::2]
