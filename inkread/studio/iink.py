"""The requests and answers of MyScript's cloud service, `POST /api/v4.0/iink/batch`, as far as they concern text.

rmfakecloud, a server for reMarkable tablets, sends what the tablet wants to have converted to text to this address.
Its form is described at https://cloud.myscript.com/api/v4.0/iink/batch/api-docs, and that of the answer, JIIX 3, at
https://developer.myscript.com/docs/interactive-ink/latest/reference/web/jiix.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from inkread.document.elements import Points, Word
from inkread.errors import BadInput
from inkread.inputs.ink import MAX_POINTS, Stroke
from inkread.studio.strokes import ReadLine, check_length

JIIX, PLAIN = "application/vnd.myscript.jiix", "text/plain"
ANY = ("*/*", "application/*", "application/json")  # MyScript answers JSON for errors only, and JIIX is JSON
CONTENT_TYPES = ("Text", "Raw Content", "Text Document")
MM_PER_INCH = 25.4  # JIIX has its coordinates in millimetres
USUAL_DPI = 96.0  # of requests that do not say it
PLACE = "the request"  # what messages call it


@dataclass(frozen=True)
class Request:
    """What is to be read, and what the answer is to have in it."""

    strokes: list[Stroke]
    content_type: str = "Text"
    dpi: tuple[float, float] = (USUAL_DPI, USUAL_DPI)
    words: bool = True
    characters: bool = False


def accepted(header: str) -> str | None:
    """The first type in an Accept header that can be answered; None if there is none."""
    wanted = [part.partition(";")[0].strip().lower() for part in header.split(",") if part.strip()] or ["*/*"]
    exact = [kind for kind in wanted if kind in (JIIX, PLAIN)]
    return exact[0] if exact else JIIX if any(kind in ANY for kind in wanted) else None


def parse(data: bytes) -> Request:
    """A request from its JSON. Raises BadInput."""
    check_length(data, PLACE)
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput("not JSON", path=PLACE, hint="send an object with strokeGroups") from error
    if not isinstance(asked, dict):
        raise BadInput("not a JSON object", path=PLACE, hint="send an object with strokeGroups")
    content_type = asked.get("contentType", "Text")
    if content_type not in CONTENT_TYPES:
        problem = f"contentType {json.dumps(content_type)[:40]} is not supported"
        raise BadInput(problem, path=PLACE, hint=f"send {' or '.join(CONTENT_TYPES)}")
    strokes = list(_strokes(asked.get("strokeGroups")))
    if not strokes:
        raise BadInput("no strokes in its strokeGroups", path=PLACE, hint="select some writing")
    text = _inner(asked, "configuration", "export", "jiix", "text")
    return Request(
        strokes,
        content_type,
        (_dpi(asked, "xDPI"), _dpi(asked, "yDPI")),
        text.get("words") is not False,
        text.get("chars") is True,
    )


def _inner(value: Any, *names: str) -> dict[str, Any]:
    """The object at the end of a path of names; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _dpi(asked: dict[str, Any], name: str) -> float:
    value = asked.get(name, USUAL_DPI)
    if type(value) not in (int, float) or not 1 <= value <= 1e6:  # also for NaN
        raise BadInput(f"{name} is not a resolution", path=PLACE, hint="send points per inch, or leave it out")
    return float(value)


def _strokes(groups: Any) -> Iterator[Stroke]:
    """The strokes of all groups, in their order, but those of an eraser. Raises BadInput."""
    count = 0
    for group in _list(groups, "strokeGroups"):
        for stroke in _list(group.get("strokes") if isinstance(group, dict) else None, "strokes"):
            if not isinstance(stroke, dict):
                raise BadInput("a stroke is not an object", path=PLACE, hint='send {"x": [...], "y": [...]}')
            points = _points(stroke.get("x"), stroke.get("y"))
            count += len(points)
            if count > MAX_POINTS:
                raise BadInput(f"more than {MAX_POINTS:,} points", path=PLACE, hint="send fewer at once")
            if len(points) and stroke.get("pointerType") != "ERASER":
                yield points


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{name} is not a list", path=PLACE, hint="send an object with strokeGroups")
    return value


def _points(xs: Any, ys: Any) -> Stroke:
    """[0, 5], [1, 7] -> [[0, 1], [5, 7]]"""
    hint = "send as many numbers in x as in y"
    try:
        x, y = (np.array(_list(each, "x or y of a stroke")) for each in (xs, ys))
    except ValueError as error:  # lists in lists, of different lengths
        raise BadInput("x or y of a stroke has something else than numbers", path=PLACE, hint=hint) from error
    if len(x) != len(y):
        raise BadInput(f"a stroke with {len(x)} x and {len(y)} y", path=PLACE, hint=hint)
    if not len(x):
        return np.empty((0, 2))
    if x.ndim != 1 or y.ndim != 1 or x.dtype.kind not in "iuf" or y.dtype.kind not in "iuf":
        raise BadInput("x or y of a stroke has something else than numbers", path=PLACE, hint=hint)
    points = np.column_stack([x, y]).astype(float)
    if not np.isfinite(points).all():
        raise BadInput("a coordinate that is not a finite number", path=PLACE, hint="fix or delete the point")
    return points


# ---- the answer


def to_text(lines: Sequence[ReadLine]) -> str:
    """The lines as plain text."""
    return "\n".join(" ".join(word.text for word in each.line.words) for each in lines if each.line.words)


def to_jiix(request: Request, lines: Sequence[ReadLine]) -> dict[str, Any]:
    """The lines as JIIX: a block of text, which is the only element of any block but Text."""
    corners = tuple(point for each in lines for point in each.line.polygon)
    text: dict[str, Any] = {"type": "Text", "bounding-box": _box(corners, request.dpi), "label": to_text(lines)}
    if request.words or request.characters:
        words, characters = _words(lines, request)
        text |= {"words": words} | ({"chars": characters} if request.characters else {})
    if request.content_type == "Text":
        return text | {"id": "MainBlock", "version": "3"}
    return {
        "type": request.content_type,
        "bounding-box": text["bounding-box"],
        "elements": [text | {"id": "text-1"}],
        "id": "MainBlock",
        "version": "3",
    }


def _words(lines: Sequence[ReadLine], request: Request) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The words and characters of JIIX: spaces and the ends of lines are words, too."""
    words: list[dict[str, Any]] = []
    characters: list[dict[str, Any]] = []

    def add(label: str, entry: dict[str, Any], boxes: Sequence[dict[str, float]]) -> None:
        if request.characters:
            entry |= {"first-char": len(characters), "last-char": len(characters) + len(label) - 1}
            for number, each in enumerate(label):
                box = {"bounding-box": boxes[number]} if boxes else {}
                characters.append({"label": each, "word": len(words)} | box)
        words.append({"label": label} | entry)

    for each in lines:
        if words and each.line.words:
            add("\n", {"reflow-label": " "}, ())
        corners = _corners(each.line.words, [request.strokes[number] for number in each.strokes])
        for place, (word, others, box) in enumerate(zip(each.line.words, each.alternatives, corners, strict=True)):
            if place:
                add(" ", {}, ())
            (_, top), (_, bottom) = box
            boxes = [_box(((of.left, top), (of.right, bottom)), request.dpi) for of in word.characters]
            add(word.text, {"candidates": [word.text, *others], "bounding-box": _box(box, request.dpi)}, boxes)
    return words, characters


def _corners(words: Sequence[Word], strokes: Sequence[Stroke]) -> list[Points]:
    """The upper left and lower right corner of the strokes of each word of a line.

    The network knows only roughly where a word ends: at the widest gap between strokes near the space after it.
    """
    extents = sorted((float(stroke[:, 0].min()), float(stroke[:, 0].max())) for stroke in strokes)
    reached = accumulate((right for _, right in extents), max)
    gaps = [(end, left) for end, (left, _) in zip(reached, extents[1:], strict=False) if left > end]
    edges = [-math.inf]
    for word, following in pairwise(words):
        low, high = sorted((word.characters[-1].right, following.characters[0].left))
        near = [(right - left, left, right) for left, right in gaps if left <= high and right >= low]
        _, left, right = max(near, default=(0.0, low, high))
        edges.append(max((left + right) / 2, edges[-1]))
    found = []
    for word, left, right in zip(words, edges, [*edges[1:], math.inf], strict=True):
        own = [stroke for stroke in strokes if left <= (stroke[:, 0].min() + stroke[:, 0].max()) / 2 < right]
        points = np.concatenate(own or [np.array(word.polygon)])
        found.append(tuple((float(x), float(y)) for x, y in (points.min(axis=0), points.max(axis=0))))
    return found


def _box(points: Points, dpi: tuple[float, float]) -> dict[str, float]:
    """The box around points, in millimetres."""
    if not points:
        return {"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}
    place = np.array(points) * MM_PER_INCH / np.array(dpi)
    (x, y), (width, height) = place.min(axis=0).tolist(), np.ptp(place, axis=0).tolist()
    return {name: round(value, 4) for name, value in (("x", x), ("y", y), ("width", width), ("height", height))}
