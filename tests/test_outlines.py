"""Outlines: the cheapest way compared with all ways, and polygons around drawn lines."""

import itertools

import numpy as np

from inkread.pages.baselines import Baseline
from inkread.pages.outlines import COST_PER_MOVE, _cheapest, _largest_nearby, find_outlines


def straight(first: int, last: int, y: float) -> Baseline:
    x = np.arange(first, last + 1)
    return Baseline(x, np.full(len(x), y), 10.0)


def test_a_seam_takes_the_cheapest_of_all_ways() -> None:
    cost = np.random.default_rng(0).random((5, 1, 4)).astype(np.float32)  # columns, lines, rows
    nothing = np.zeros((1, 4), np.float32)

    def total(way: tuple[int, ...]) -> float:
        moves = [abs(after - before) for before, after in itertools.pairwise(way)]
        if max(moves) > 2:
            return np.inf
        return sum(float(cost[k, 0, row]) for k, row in enumerate(way)) + COST_PER_MOVE * sum(moves)

    best = min(itertools.product(range(4), repeat=5), key=total)
    assert tuple(_cheapest(cost.copy(), np.array([4]), nothing, nothing)[:, 0].tolist()) == best


def test_the_largest_value_nearby() -> None:
    assert _largest_nearby(np.array([0.0, 3, 1, 0, 0]), 1).tolist() == [3, 3, 3, 1, 0]


def test_an_outline_has_the_ink_of_its_line_and_none_of_the_next() -> None:
    ink = np.zeros((120, 300), np.float32)
    lines = [straight(40, 259, 50), straight(40, 259, 80)]
    for line in lines:
        foot = int(line.y[0])
        ink[foot - 10 : foot, 40:260:4] = 1
    ink[50:58, 100:103] = 1  # a descender of the first line
    upper, lower = find_outlines(ink, lines)
    assert upper[:, 1].min() <= 40 and 50 <= upper[:, 1].max() < 70
    assert upper[np.abs(upper[:, 0] - 101) < 8, 1].max() >= 57
    assert 57 < lower[:, 1].min() <= 70 and lower[:, 1].max() >= 79
    for polygon in (upper, lower):
        assert polygon[:, 0].min() <= 40 and polygon[:, 0].max() >= 259
