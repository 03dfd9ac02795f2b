"""What comes in from a pen: files of strokes, told apart by looking at their content."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element, TreeBuilder

import defusedxml.ElementTree
import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadInput

Stroke = NDArray[np.float64]  # (N, 2): points x, y in the order of time; y grows downwards

# Forty minutes of a pen that never leaves the paper, at 200 points a second: more is a mistake, or an attack.
MOST_POINTS = 500_000


@dataclass(frozen=True)
class Ink:
    """What a pen wrote, stroke after stroke, and what the file says is written there."""

    strokes: tuple[Stroke, ...]
    text: str = ""


def read_inks(path: Path | str, data: bytes | None = None) -> list[Ink]:
    """The ink of a file: IAM-OnDB's XML.

    `data` is the content of the file when it has been read already, from standard input, say; then `path` only names it
    in messages, and "-" is called <stdin>. Raises BadInput in one line that names the file and the place when the file
    is missing, malformed, or holds points that no pen makes.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    root = _parse(name, _content(path) if data is None else data)
    inks = [_read_iam(name, root)]
    for ink in inks:
        _check(name, ink)
    return inks


def _content(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path}: a folder, not ink; name the files inside it") from error
    except (OSError, ValueError) as error:  # no permission, a failing disk; a zero byte in the name
        raise BadInput(f"{path}: cannot be read ({error}); check the path and its permissions") from error


def _check(name: str, ink: Ink) -> None:
    points = np.concatenate([np.empty((0, 2)), *ink.strokes])
    if not len(points):
        raise BadInput(f"{name}: no point of a pen in it; save the ink again")
    if len(points) > MOST_POINTS:
        raise BadInput(f"{name}: {len(points):,} points; inkread takes {MOST_POINTS:,} at most, give it page by page")
    if not np.ptp(points, axis=0).any():
        raise BadInput(f"{name}: all of its points lie at one place; nothing is written there")


# ---- XML


class _Element(Element):
    """An element that knows its line in the file, for messages."""

    line = 0


def _where(name: str, element: Element) -> str:
    return f"{name}, line {cast(_Element, element).line}"


def _parse(name: str, data: bytes) -> Element:
    """The root of an XML file; entities and external references, which could fill the memory or spy, are refused."""

    def make(tag: str, attributes: dict[str, str]) -> _Element:
        element = _Element(tag, attributes)
        element.line = parser.parser.CurrentLineNumber
        return element

    parser: Any = defusedxml.ElementTree.XMLParser(target=TreeBuilder(element_factory=make))
    try:
        parser.feed(data)
        return cast(Element, parser.close())
    except defusedxml.ElementTree.ParseError as error:
        line, column = error.position
        raise BadInput(f"{name}, line {line}: not well-formed XML (column {column}); export it again") from error
    except defusedxml.DefusedXmlException as error:
        raise BadInput(f"{name}: defines XML entities, which are unsafe; export it without a DOCTYPE") from error
    except (ValueError, LookupError) as error:
        raise BadInput(f"{name}: not readable XML ({error}); save it as UTF-8") from error


def _number(where: str, text: str | None) -> float:
    """A finite number; anything else is named with its place."""
    try:
        number = float(text or "")
    except ValueError as error:
        raise BadInput(f"{where}: {text!r} is no number; mend or delete the point") from error
    if not np.isfinite(number):
        raise BadInput(f"{where}: {text!r} is not a place on paper; mend or delete the point")
    return number


# ---- IAM-OnDB: <Stroke>s of <Point x="916" y="3112" time="14921023.64"/>, seen from the top left


def _read_iam(name: str, root: Element) -> Ink:
    def place(point: Element) -> list[float]:
        return [_number(_where(name, point), point.get(axis)) for axis in ("x", "y")]

    strokes = [[place(point) for point in stroke.findall("Point")] for stroke in root.iter("Stroke")]
    return Ink(tuple(np.array(points) for points in strokes if points))
