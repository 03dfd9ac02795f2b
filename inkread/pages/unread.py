"""Handwriting that may have been missed: places that look like a line, but not enough to be read as one."""

from collections.abc import Sequence

import numpy as np

from inkread.document.elements import Points
from inkread.pages.trace import TracedLine

SHORTEST = 3.0  # x-heights: less is no word
ABOVE, BELOW = 2.5, 1.5  # x-heights: what is so near to the baseline of a line belongs to it
OUTSIDE = 0.7  # share of a doubtful line that is not near any line
RISE, FALL = 1.6, 0.6  # x-heights: the height of its outline above and below its baseline


def find_unread(doubtful: Sequence[TracedLine], lines: Sequence[TracedLine]) -> tuple[Points, ...]:
    """The outlines of doubtful lines that are not part of the lines that are read, in pixels of the page."""
    return tuple(
        _outline(line)
        for line in doubtful
        if np.ptp(line.points[:, 0]) > SHORTEST * line.x_height and _share_near(line, lines) < 1 - OUTSIDE
    )


def _share_near(line: TracedLine, lines: Sequence[TracedLine]) -> float:
    """The share of a line's columns where it is near one of the lines that are read."""
    x, y = line.points.T
    near = np.zeros(len(x), bool)
    for other in lines:
        height, (first, last) = other.x_height, other.points[[0, -1], 0]
        below = y - np.interp(x, *other.points.T)
        inside = (x > first - height) & (x < last + height)
        near |= inside & (below > -ABOVE * height) & (below < BELOW * height)
    return float(near.mean())


def _outline(line: TracedLine) -> Points:
    """Clockwise from the upper left."""
    ends = line.points[[0, -1]]
    corners = np.concatenate((ends - (0, RISE * line.x_height), ends[::-1] + (0, FALL * line.x_height)))
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in corners)


def describe_places(outlines: Sequence[Points], size: tuple[int, int]) -> str:
    """Where outlines are on a page of that width and height, in words: "the lower left and the top"."""
    names = []
    for outline in outlines:
        x, y = np.mean(outline, axis=0) / size
        row, column = ("upper", "", "lower")[int(min(3 * y, 2))], ("left", "", "right")[int(min(3 * x, 2))]
        single = {"upper": "top", "lower": "bottom", "": "middle"}[row]
        name = f"the {row} {column}" if row and column else f"the {column or single}"
        names += [name] if name not in names else []
    return " and ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)
