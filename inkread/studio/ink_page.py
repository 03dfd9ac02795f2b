"""A page that was written with a pen: which of its strokes belong to a line that the user has drawn or corrected."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inkread.inputs.ink import Ink, Stroke
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.regions import Region

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class InkPage:
    """The lines that are found on a page, which those of the user are compared with."""

    layout: PageLayout

    @classmethod
    def of(cls, name: str, number: int, ink: Ink) -> "InkPage":
        """A page of a file."""
        return cls(detect_layout(name, number, 1, ink, is_page=True))

    def strokes_in(self, region: Region) -> tuple[Stroke, ...]:
        """What is written within an outline, in the order of reading; nothing of other lines that reach into it.

        Where no line was found, also what was taken for a drawing.
        """
        polygon = np.array(region.polygon, float)
        found = [stroke for line in self.layout.line_inputs for stroke in _part_in(polygon, _strokes(line))]
        if not found:
            known = {id(stroke) for line in self.layout.line_inputs for stroke in _strokes(line)}
            others = [stroke for stroke in self.layout.strokes if id(stroke) not in known]
            found = [stroke for other in others for stroke in _part_in(polygon, [other])]
        return tuple(found)

    def typed_in(self, region: Region) -> str:
        """The text that was typed within an outline."""
        polygon = np.array(region.polygon, float)
        typed = [
            text
            for text, place in zip(self.layout.typed, self.layout.regions, strict=True)
            if text is not None and _inside(polygon, np.array([np.mean(place.polygon, axis=0)])).any()
        ]
        return " ".join(typed)

    def with_lines(self, regions: Sequence[Region]) -> tuple[PageLayout, list[bool]]:
        """The page with these lines, to be read, and which of them have anything in them; the others are left out."""
        found = [(region, self.strokes_in(region), self.typed_in(region)) for region in regions]
        lines = [(region, strokes, typed) for region, strokes, typed in found if strokes or typed]
        layout = replace(
            self.layout,
            line_inputs=tuple(strokes for _, strokes, _ in lines if strokes),
            regions=tuple(_boxed(region) for region, _, _ in lines),
            paragraphs=tuple(1 for _ in lines),
            typed=tuple(None if strokes else typed for _, strokes, typed in lines),
        )
        return layout, [bool(strokes or typed) for _, strokes, typed in found]


def _strokes(line: object) -> Sequence[Stroke]:
    assert isinstance(line, Sequence)  # an image of a line is not of a page of strokes
    return line


def _part_in(polygon: Floats, strokes: Sequence[Stroke]) -> list[Stroke]:
    """Those strokes of a line that are in an outline, which may have only a part of the line; none of a line beside it.

    Tall letters reach into the outlines of other lines, so it is decided for all that is written between its ends.
    """
    left, right = polygon[:, 0].min(), polygon[:, 0].max()
    points = np.concatenate(strokes)
    across = points[(points[:, 0] >= left) & (points[:, 0] <= right)]
    if not len(across) or _inside(polygon, across).mean() <= 0.5:
        return []
    return [stroke for stroke in strokes if ((stroke[:, 0] >= left) & (stroke[:, 0] <= right)).mean() > 0.5]


def _inside(polygon: Floats, points: Floats) -> NDArray[np.bool_]:
    """Which points (N, 2) are in a polygon (M, 2): a ray from there crosses an odd number of edges."""
    x, y = points.T
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 != y2:
            inside ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def _boxed(region: Region) -> Region:
    """With the four corners that words are placed between; an outline that was drawn or merged may have others."""
    if len(region.polygon) == 4:
        return region
    (left, top), (right, bottom) = np.min(region.polygon, axis=0).tolist(), np.max(region.polygon, axis=0).tolist()
    return replace(region, polygon=((left, top), (right, top), (right, bottom), (left, bottom)))
