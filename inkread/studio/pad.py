"""What becomes of the lines of the pad: files, and documents of the library."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from inkread.document.elements import Line, Page, Paragraph, Points
from inkread.features.ink import baseline_and_x_height
from inkread.inputs.ink import PAGE_DPI, Ink
from inkread.inputs.inkml import to_inkml
from inkread.inputs.json_ink import to_json_line

FORMATS = {"inkml": ".inkml", "json": ".jsonl"}  # the endings of files
CSS_DPI = 96  # pixels of a browser per inch
JSON_UNITS = 10  # per pixel, as coordinates are whole numbers there


def to_bytes(lines: Sequence[Ink], format_name: str) -> bytes:
    """The lines, in pixels of a browser, as a file in one of FORMATS."""
    if format_name == "inkml":
        return to_inkml([_scaled(line, PAGE_DPI / CSS_DPI) for line in lines])
    return "".join(_row(line) + "\n" for line in lines).encode()


def to_page(lines: Sequence[Ink]) -> Page:
    """The page that an InkML file of these lines is, with their texts."""
    scaled = [_scaled(line, PAGE_DPI / CSS_DPI) for line in lines]
    width, height = np.concatenate([stroke for line in scaled for stroke in line.strokes]).max(axis=0)
    found = tuple(Line(line.text, 1.0, (), (), *_places(line)) for line in scaled)
    return Page(1, max(1, int(np.ceil(width))), max(1, int(np.ceil(height))), (Paragraph(found),))


def _places(line: Ink) -> tuple[Points, Points]:
    """The outline and the baseline of a line."""
    points = np.concatenate(line.strokes)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    baseline = baseline_and_x_height(line.strokes)[0]
    return ((left, top), (right, top), (right, bottom), (left, bottom)), ((left, baseline), (right, baseline))


def confirmed(data: bytes) -> list[bool]:
    """Which lines of ink, in JSON Lines or alone, the user has confirmed: objects that say so."""
    try:
        rows = [json.loads(data)]
    except ValueError:
        rows = [json.loads(row) for row in data.split(b"\n") if row.strip()]
    return [isinstance(row, dict) and row.get("confirmed") is True for row in rows]


def _id(line: Ink) -> str:
    return f"pad-{hashlib.sha256(b''.join(stroke.tobytes() for stroke in line.strokes)).hexdigest()[:16]}"


def _row(line: Ink) -> str:
    return to_json_line(_id(line), _scaled(line, JSON_UNITS))


def _scaled(line: Ink, factor: float) -> Ink:
    return Ink(tuple(factor * stroke for stroke in line.strokes), line.text)
