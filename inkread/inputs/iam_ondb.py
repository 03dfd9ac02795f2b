"""The XML of IAM-OnDB: <Stroke> elements of <Point x="916" y="3112" time="14921023.64"/>, y growing downwards."""

import math
from xml.etree.ElementTree import Element

import numpy as np

from inkread.errors import BadInput
from inkread.inputs._xml import line_of, parse, root_name
from inkread.inputs.ink import Ink
from inkread.inputs.source import Source

NAME = "IAM-OnDB's XML"
SUFFIXES: tuple[str, ...] = ()  # .xml is also the ending of ALTO and PAGE files, which lie beside images


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return root_name(start) == "WhiteboardCaptureSession"


def read(source: Source, whole: bool) -> list[Ink]:
    """The one ink of a file, which has no text. Raises BadInput for a point without finite coordinates."""
    strokes = []
    for stroke in parse(source).iter("Stroke"):
        points = [_point(source.name, point) for point in stroke.iterfind("Point")]
        if points:
            strokes.append(np.array(points))
    return [Ink(tuple(strokes))]


def _point(name: str, point: Element) -> tuple[float, float]:
    time = point.get("time", "")
    if time.startswith("-"):
        raise BadInput(f"a negative time, {time}", path=name, line=line_of(point), hint="fix the point")
    return _coordinate(name, point, "x"), _coordinate(name, point, "y")


def _coordinate(name: str, point: Element, attribute: str) -> float:
    text = point.get(attribute, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problem = f"{attribute}={text!r} is not a finite number"
        raise BadInput(problem, path=name, line=line_of(point), hint="fix the point")
    return value
