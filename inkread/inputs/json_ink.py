"""Ink as JSON: a list of strokes, each a list of [x, y] or [x, y, time]; or {"strokes": ..., "text": ...}.

A file holds one such value, or one per line.
"""

import json
from typing import Any

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.ink import Ink, Stroke
from inkread.inputs.source import Source, text_start

NAME = "JSON"
SUFFIXES: tuple[str, ...] = ()  # .json may be anything, also what `inkread predict` has written
_EXAMPLE = 'write {"strokes": [[[x, y], [x, y], ...], ...], "text": "..."}'


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return text_start(start).startswith((b"[", b"{"))


def read(source: Source, whole: bool) -> list[Ink]:
    """The ink of each value in the file. Raises BadInput for what is not JSON, and for values that are not ink."""
    name, data = source.name, source.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput("not UTF-8 text", path=name, line=line, hint="save it as UTF-8") from error
    try:
        return [_ink(name, None, json.loads(text))]
    except ValueError as error:
        rows = [(number, row) for number, row in enumerate(text.split("\n"), 1) if row.strip()]
        if not rows or not _is_json(rows[0][1]):
            line = getattr(error, "lineno", 1)
            raise BadInput(f"not JSON ({error})", path=name, line=line, hint=_EXAMPLE) from error
    return [_ink(name, number, _load(name, number, row)) for number, row in rows]


def to_json_line(id: str, ink: Ink) -> str:
    """Ink as one line of a dataset, its coordinates rounded to whole units."""
    strokes = [np.rint(stroke).astype(int).tolist() for stroke in ink.strokes]
    facts = {"id": id, "text": ink.text, "writer": ink.writer, "split": ink.split, "strokes": strokes}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _load(name: str, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"not JSON ({error})", path=name, line=line, hint="write one object per line") from error


def _ink(name: str, line: int | None, value: Any) -> Ink:
    facts = value if isinstance(value, dict) else {"strokes": value}
    strokes = facts.get("strokes")
    if not isinstance(strokes, list):
        raise BadInput("no strokes", path=name, line=line, hint=_EXAMPLE)
    read = [_stroke(name, line, number, points) for number, points in enumerate(strokes, 1)]
    text, writer, split = (None if facts.get(key) is None else str(facts[key]) for key in ("text", "writer", "split"))
    return Ink(tuple(stroke for stroke in read if len(stroke)), text or "", writer, split)


def _stroke(name: str, line: int | None, number: int, points: Any) -> Stroke:
    """[[0, 0, 0.0], [5, 7, 0.01]] -> [[0, 0], [5, 7]]: times are checked and dropped, as the order of points counts."""

    def bad(problem: str, hint: str) -> BadInput:
        return BadInput(f"stroke {number}: {problem}", path=name, line=line, hint=hint)

    if points == []:
        return np.empty((0, 2))
    try:
        values = np.array(points)
    except ValueError as error:  # of different lengths
        raise bad("points of different kinds", "write each as [x, y] or each as [x, y, time]") from error
    if values.ndim != 2 or values.shape[1] not in (2, 3) or values.dtype.kind not in "iuf":
        raise bad("not a list of points", "write each as [x, y] or [x, y, time], in numbers")
    values = values.astype(float)
    if not np.isfinite(values).all():
        raise bad("a number that is not finite", "fix or delete the point")
    if values.shape[1] == 3 and values[:, 2].min() < 0:
        raise bad(f"a negative time, {values[:, 2].min():g}", "count it from the first point")
    return values[:, :2].copy()
