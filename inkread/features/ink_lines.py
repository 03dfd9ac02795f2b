"""The pen strokes of a page are divided into lines.

It is here, before drawing, because the scale of a drawing depends on the height of the letters in each line.
"""

from collections.abc import Sequence

import numpy as np

from inkread.features.ink import baseline_and_x_height, rotate, slope
from inkread.inputs.ink import Stroke


def split_lines(strokes: Sequence[Stroke]) -> list[list[Stroke]]:
    """The strokes of a page -> those of each line, lines and strokes in the order of time.

    A new line begins where the pen goes back to the left and down. A stroke that comes late, such as a forgotten dot,
    goes to the line that it is nearest to.
    """
    heights = np.array([np.ptp(stroke[:, 1]) for stroke in strokes])
    usual = float(np.median(heights[heights >= 0.2 * heights.max()])) or 1.0  # one to three times a small letter
    middles = np.array([(stroke.min(axis=0) + stroke.max(axis=0)) / 2 for stroke in strokes])
    lines = [[0]]
    right = strokes[0][:, 0].max()  # of the line that is being written

    def below(line: list[int], index: int) -> float:
        """How far the stroke lies below the five of the line that are nearest to it from side to side."""
        x, y = middles[index]
        others = middles[line[-200:]]  # longer lines are none, and would take for ever
        nearest = np.argsort(np.abs(others[:, 0] - x), kind="stable")[:5]
        return float(y - np.median(others[nearest, 1]))

    for index in range(1, len(strokes)):
        down = below(lines[-1], index)
        if middles[index, 0] < right - 2 * usual and down > usual:
            lines.append([index])
            right = strokes[index][:, 0].max()
            continue
        line = lines[-1]
        if abs(down) > 1.5 * usual:
            nearest = min(lines[-20:], key=lambda line: abs(below(line, index)))
            line = nearest if abs(below(nearest, index)) < usual else line
        line.append(index)
        right = max(right, strokes[index][:, 0].max()) if line is lines[-1] else right
    return [[strokes[index] for index in line] for line in lines]


def typical_x_height(strokes: Sequence[Stroke]) -> float:
    """The height of the small letters on a page of one line or several; more than 0, however odd the ink."""
    extent = float(np.ptp(np.concatenate(strokes), axis=0).max())
    lines = split_lines(strokes)
    bodies = [baseline_and_x_height(rotate(line, -slope(line)))[1] for line in lines]
    return max(float(np.median(bodies)), 0.01 * extent) or 1.0
