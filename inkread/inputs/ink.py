"""Pen strokes in memory, and the limits that they are checked against."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadInput

Stroke = NDArray[np.float64]  # (N, 2): points x, y in the order of time; y grows downwards
LineInput = NDArray[np.uint8] | Sequence[Stroke]  # a line to read: its image (H, W), 0 = black, or its strokes

# Points of one ink: 40 minutes of a pen that reports 200 points per second. More is a mistake, or an attack.
MAX_POINTS = 500_000
# Units of a coordinate. Larger numbers are damaged data, and their products would lose all precision.
MAX_COORDINATE = 1e12


@dataclass(frozen=True)
class Ink:
    """The strokes of a page, a line or a word, and what their file says about them."""

    strokes: tuple[Stroke, ...]
    text: str = ""
    writer: str | None = None
    split: str | None = None


def check_inks(name: str, inks: Sequence[Ink]) -> None:
    """Raise BadInput if the inks of a file have no points, too many points, or points that no pen makes."""
    if not inks:
        raise BadInput("no pen strokes in it", path=name, hint="save the ink again")
    for number, ink in enumerate(inks, 1):
        _check_points(name, "" if len(inks) == 1 else f"ink {number}: ", ink.strokes)
    if len(inks) == 1 and not np.ptp(np.concatenate(inks[0].strokes), axis=0).any():
        raise BadInput("all of its points lie at one place", path=name, hint="save the ink again")


def _check_points(name: str, which: str, strokes: Sequence[Stroke]) -> None:
    count = sum(map(len, strokes))
    if not count:
        raise BadInput(f"{which}no points of a pen in it", path=name, hint="save the ink again")
    if count > MAX_POINTS:
        raise BadInput(f"{which}{count:,} points, at most {MAX_POINTS:,}", path=name, hint="give it page by page")
    points = np.concatenate(strokes)
    if not np.isfinite(points).all() or np.abs(points).max() > MAX_COORDINATE:
        problem = f"{which}a coordinate that is not a finite number, or larger than {MAX_COORDINATE:g}"
        raise BadInput(problem, path=name, hint="fix or delete the point")
