"""Handwriting that was not read: which doubtful lines count, and how their place is called."""

import numpy as np
import pytest

from inkread.document.elements import Points
from inkread.pages.trace import TracedLine
from inkread.pages.unread import describe_places, find_unread


def line(left: float, right: float, y: float) -> TracedLine:
    x = np.linspace(left, right, 50)
    return TracedLine(np.column_stack((x, np.full(50, y))), 10.0, 0.7)


LINES = [line(100, 500, 100), line(100, 500, 150)]


@pytest.mark.parametrize(
    ("doubtful", "counts"),
    [
        (line(100, 300, 400), True),
        (line(600, 700, 100), True),  # beside a line
        (line(400, 900, 150), True),  # most of it
        (line(200, 300, 90), False),  # in the letters of a line
        (line(200, 300, 164), False),  # below a line, where descenders are
        (line(100, 120, 400), False),  # too short for a word
    ],
)
def test_what_belongs_to_no_line_is_unread(doubtful: TracedLine, counts: bool) -> None:
    assert len(find_unread([doubtful], LINES)) == counts


def test_the_outline_is_around_the_letters() -> None:
    (outline,) = find_unread([line(100, 300, 400)], LINES)
    assert outline == ((100, 384), (300, 384), (300, 406), (100, 406))


def at(x: float, y: float) -> Points:
    return ((x - 5, y - 5), (x + 5, y - 5), (x + 5, y + 5), (x - 5, y + 5))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([at(100, 900)], "the lower left"),
        ([at(300, 20)], "the top"),
        ([at(300, 450), at(310, 460)], "the middle"),
        ([at(550, 450), at(20, 20), at(300, 880)], "the right, the upper left and the bottom"),
    ],
)
def test_places_in_words(places: list[Points], words: str) -> None:
    assert describe_places(places, (600, 900)) == words
