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
# Lines and characters of typed text on one page: more than a newspaper has. More is a mistake, or an attack.
MAX_TYPED_LINES, MAX_TYPED_CHARACTERS = 2000, 100_000
# Units of a coordinate. Larger numbers are damaged data, and their products would lose all precision.
MAX_COORDINATE = 1e12
# Pixels per inch of a page of known size, as of the pages of a PDF that are drawn.
PAGE_DPI = 200
HIGHLIGHTER_OPACITY = 0.6  # Xournal++ draws highlighters with 0.5: what is more transparent is not writing
TOUCHING = 0.02  # pixels: exports are rounded to 0.001 units or finer


@dataclass(frozen=True)
class TypedText:
    """A line of text that was typed into a page, and the box around it."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The corners of the box, clockwise from the upper left."""
        return ((self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom))


@dataclass(frozen=True)
class Pen:
    """What a stroke was drawn with."""

    width: float  # in the unit of the strokes
    color: tuple[int, int, int] = (0, 0, 0)  # red, green and blue, 0 to 255


@dataclass(frozen=True)
class Ink:
    """The strokes of a page, a line or a word, and what their file says about them."""

    strokes: tuple[Stroke, ...]
    text: str = ""
    writer: str | None = None
    split: str | None = None
    size: tuple[float, float] | None = None  # width and height of the page, in pixels at PAGE_DPI; None: it has none
    typed: tuple[TypedText, ...] = ()  # text on the page that is known already
    pens: tuple[Pen, ...] = ()  # that of each stroke, or () where the file does not say it


def check_inks(name: str, inks: Sequence[Ink]) -> None:
    """Raise BadInput if the inks of a file have no points, too many points or typed text, or points that no pen makes.

    A page of a notebook may be empty.
    """
    if not inks:
        raise BadInput("no pen strokes in it", path=name, hint="save the ink again")
    for ink in inks:
        if len(ink.typed) > MAX_TYPED_LINES or sum(len(line.text) for line in ink.typed) > MAX_TYPED_CHARACTERS:
            limits = f"{MAX_TYPED_LINES:,} lines or {MAX_TYPED_CHARACTERS:,} characters"
            raise BadInput(f"more than {limits} of typed text on a page", path=name, hint="divide the page")
    for number, ink in enumerate(inks, 1):
        if ink.strokes or not (ink.size or ink.typed):
            _check_points(name, "" if len(inks) == 1 else f"ink {number}: ", ink.strokes)
    if (
        len(inks) == 1
        and not (inks[0].size or inks[0].typed)
        and not np.ptp(np.concatenate(inks[0].strokes), axis=0).any()
    ):
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


def join_touching(strokes: Sequence[Stroke]) -> list[Stroke]:
    """Strokes, where one that begins at the end of the one before continues it.

    Programs export a stroke of varying width as many short paths, each of one width.
    """
    joined: list[list[Stroke]] = []
    for stroke in strokes:
        if joined and np.abs(stroke[0] - joined[-1][-1][-1]).max() <= TOUCHING:
            joined[-1].append(stroke[1:] if len(stroke) > 1 else stroke)
        else:
            joined.append([stroke])
    return [np.concatenate(parts) for parts in joined]
