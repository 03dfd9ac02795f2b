"""The XML of IAM-OnDB: <Stroke> elements of <Point x="916" y="3112" time="14921023.64"/>, y growing downwards."""

import math

import numpy as np

from inkread.errors import BadInput
from inkread.inputs._xml import each_element, root_name
from inkread.inputs.ink import Ink
from inkread.inputs.source import Source

NAME = "IAM-OnDB's XML"
SUFFIXES: tuple[str, ...] = ()  # .xml is also the ending of ALTO and PAGE files, which lie beside images


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return root_name(start) == "WhiteboardCaptureSession"


def read(source: Source, whole: bool) -> list[Ink]:
    """The one ink of a file, which has no text. Raises BadInput for a point without finite coordinates."""
    strokes: list[list[tuple[float, float]]] = []

    def start(tag: str, attributes: dict[str, str], line: int) -> None:
        if tag == "Point" and strokes:
            strokes[-1].append(_point(source.name, attributes, line))
        elif tag == "Stroke":
            strokes.append([])

    each_element(source, start)
    return [Ink(tuple(np.array(points) for points in strokes if points))]


def _point(name: str, attributes: dict[str, str], line: int) -> tuple[float, float]:
    time = attributes.get("time", "")
    if time.startswith("-"):
        raise BadInput(f"a negative time, {time}", path=name, line=line, hint="fix the point")
    return _coordinate(name, attributes, "x", line), _coordinate(name, attributes, "y", line)


def _coordinate(name: str, attributes: dict[str, str], attribute: str, line: int) -> float:
    text = attributes.get(attribute, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        problem = f"{attribute}={text!r} is not a finite number"
        raise BadInput(problem, path=name, line=line, hint="fix the point")
    return value
