"""What becomes of the lines of the pad: files, documents of the library, and lines to train on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inkread._files import write_atomic
from inkread.document.elements import Line, Page, Paragraph, Points
from inkread.errors import BadInput
from inkread.features.ink import baseline_and_x_height
from inkread.inputs.ink import PAGE_DPI, Ink
from inkread.inputs.inkml import to_inkml
from inkread.inputs.json_ink import to_json_line

FORMATS = {"inkml": ".inkml", "json": ".jsonl"}  # the endings of files
FOLDER = "pad-lines"  # below the folder of the studio
FILE = "lines.jsonl"
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


def add_lines(folder: Path, lines: Sequence[Ink]) -> tuple[int, int]:
    """Add lines to a dataset for `inkread train`, FILE in `folder`; the same strokes replace what was there.

    Returns the number of new lines and of all. Raises BadInput for a damaged file, and CannotWrite.
    """
    path = folder / FILE
    rows = _rows(path)
    before = len(rows)
    rows |= {_id(line): _row(line) for line in lines if line.text.strip()}
    folder.mkdir(exist_ok=True)
    write_atomic(path, "".join(f"{row}\n" for row in rows.values()).encode())
    return len(rows) - before, len(rows)


def _rows(path: Path) -> dict[str, str]:
    """The rows of the dataset by their ids; those that were added by hand, too."""
    if not path.exists():
        return {}
    rows = {}
    for number, row in enumerate(path.read_text("utf-8").split("\n"), 1):
        if row.strip():
            try:
                rows[str(json.loads(row).get("id", f"line {number}"))] = row
            except (ValueError, AttributeError, RecursionError) as error:
                hint = "delete the line"
                raise BadInput(f"not a JSON object ({error})", path=path, line=number, hint=hint) from error
    return rows


def _id(line: Ink) -> str:
    return f"pad-{hashlib.sha256(b''.join(stroke.tobytes() for stroke in line.strokes)).hexdigest()[:16]}"


def _row(line: Ink) -> str:
    return to_json_line(_id(line), _scaled(line, JSON_UNITS))


def _scaled(line: Ink, factor: float) -> Ink:
    return Ink(tuple(factor * stroke for stroke in line.strokes), line.text)
