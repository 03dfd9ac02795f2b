"""The pen strokes of a page are divided into lines.

This is a part of `features`, not of `pages`, because a drawing of ink is scaled by the x-height of its lines.
"""

from collections.abc import Sequence

import numpy as np

from inkread.features.ink import baseline_and_x_height, rotate, slope
from inkread.inputs.ink import Stroke

NEIGHBOURS = 5  # strokes of a line, nearest from side to side, that another stroke is compared with
# Strokes of a line, and lines, that a stroke is compared with: the last ones. Otherwise the time would grow with the
# square of the number of strokes.
RECENT_STROKES, RECENT_LINES = 200, 20
# Typical heights of a stroke. A new line begins more than NEW_LINE_DOWN below, and more than NEW_LINE_LEFT to the left
# of the right end of the line before. A stroke more than FAR above or below its line may belong to another one.
NEW_LINE_DOWN, NEW_LINE_LEFT, FAR = 1.0, 2.0, 1.5


def split_lines(strokes: Sequence[Stroke]) -> list[list[Stroke]]:
    """The strokes of each line of a page; lines and strokes are in the order of time.

    A new line begins where the pen goes back to the left, and down. A stroke that is added later, such as a forgotten
    dot, goes to the line that is nearest to it.
    """
    heights = np.array([np.ptp(stroke[:, 1]) for stroke in strokes])
    height = float(np.median(heights[heights >= 0.2 * heights.max()])) or 1.0  # one to three x-heights; dots left out
    middles = np.array([(stroke.min(axis=0) + stroke.max(axis=0)) / 2 for stroke in strokes])
    rights = np.array([stroke[:, 0].max() for stroke in strokes])
    lines = [[0]]
    right = rights[0]  # of the line that is being written

    def depth(index: int, line: list[int]) -> float:
        """How far a stroke is below the strokes of a line that are nearest to it from side to side."""
        x, y = middles[index]
        others = middles[line[-RECENT_STROKES:]]
        nearest = np.argsort(np.abs(others[:, 0] - x), kind="stable")[:NEIGHBOURS]
        return float(y - np.median(others[nearest, 1]))

    for index in range(1, len(strokes)):
        below = depth(index, lines[-1])
        if middles[index, 0] < right - NEW_LINE_LEFT * height and below > NEW_LINE_DOWN * height:
            lines.append([index])
            right = rights[index]
            continue
        line = lines[-1]
        if abs(below) > FAR * height:
            nearest = min(lines[-RECENT_LINES:], key=lambda line: abs(depth(index, line)))
            line = nearest if abs(depth(index, nearest)) < height else line
        line.append(index)
        right = max(right, rights[index]) if line is lines[-1] else right
    return [[strokes[index] for index in line] for line in lines]


def typical_x_height(strokes: Sequence[Stroke]) -> float:
    """The median x-height of the lines of a page, in its units; at least 1 % of its extent, and more than 0."""
    extent = float(np.ptp(np.concatenate(strokes), axis=0).max())
    x_heights = [baseline_and_x_height(rotate(line, -slope(line)))[1] for line in split_lines(strokes)]
    return max(float(np.median(x_heights)), 0.01 * extent) or 1.0
