"""What comes in from a pen: files of strokes - InkML, IAM-OnDB, UNIPEN, JSON -, told apart by their content."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element, TreeBuilder

import defusedxml.ElementTree
import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadInput

Stroke = NDArray[np.float64]  # (N, 2): points x, y in the order of time; y grows downwards
Writing = NDArray[np.uint8] | Sequence[Stroke]  # a line to read: its picture (H, W), 0 = black, or its strokes

# Forty minutes of a pen that never leaves the paper, at 200 points a second: more is a mistake, or an attack.
MOST_POINTS = 500_000
READABLE = "InkML, IAM-OnDB's XML, UNIPEN or JSON"


@dataclass(frozen=True)
class Ink:
    """What a pen wrote, stroke after stroke, and what the file says of it: the text that is written, by whom."""

    strokes: tuple[Stroke, ...]
    text: str = ""
    writer: str | None = None
    split: str | None = None


def looks_like_ink(start: bytes) -> bool:
    """Is a file that begins so one of pen strokes, rather than a picture? b"<?xml ..." -> True, b"\\x89PNG" -> False"""
    return _start(start)[:1] in (b"<", b"[", b"{", b".")


def read_inks(path: Path | str, data: bytes | None = None, whole: bool = False) -> list[Ink]:
    """The ink of a file: a piece for each part that it labels with a text, and one for all that has none.

    With `whole` it is one piece whatever its labels, a page as it was written; only JSON lines are a page each. `data`
    is the content of the file when it has been read already, from standard input, say; then `path` only names it in
    messages, and "-" is called <stdin>. Raises BadInput in one line that names the file and the place when the file
    is missing, malformed, or holds points that no pen makes.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    content = _content(path) if data is None else data
    start = _start(content)
    try:
        if start.startswith(b"<"):
            inks = _from_xml(name, content, whole)
        elif start.startswith((b"[", b"{")):
            inks = _from_json(name, content)
        elif start.startswith(b"."):
            inks = _from_unipen(name, content, whole)
        else:
            raise BadInput(f"{name}: not ink that inkread reads; give it {READABLE}")
    except RecursionError as error:
        raise BadInput(f"{name}: nested too deeply for ink; export it again") from error
    if not inks:
        raise BadInput(f"{name}: no stroke of a pen in it; save the ink again")
    for number, ink in enumerate(inks, 1):
        _check(name if len(inks) == 1 else f"{name}, ink {number}", ink.strokes)
    if len(inks) == 1 and not np.ptp(np.concatenate(inks[0].strokes), axis=0).any():
        raise BadInput(f"{name}: all of its points lie at one place; nothing is written there")
    return inks


def _start(content: bytes) -> bytes:
    """The first bytes, behind a byte order mark and white space."""
    return content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()


def _content(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path}: a folder, not ink; name the files inside it") from error
    except (OSError, ValueError) as error:  # no permission, a failing disk; a zero byte in the name
        raise BadInput(f"{path}: cannot be read ({error}); check the path and its permissions") from error


def version(path: Path) -> tuple[int, int] | None:
    """What tells an edited file from what it was, for caches: its time and size; None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _check(where: str, strokes: tuple[Stroke, ...]) -> None:
    count = sum(map(len, strokes))
    if not count:
        raise BadInput(f"{where}: no point of a pen in it; save the ink again")
    if count > MOST_POINTS:
        raise BadInput(f"{where}: {count:,} points, more than the {MOST_POINTS:,} of a page; give it page by page")
    points = np.concatenate(strokes)
    if not np.isfinite(points).all() or np.abs(points).max() > 1e12:
        raise BadInput(f"{where}: a point that is nowhere on paper (not a number, or too large); mend or delete it")


# ---- XML


class _Element(Element):
    """An element that knows its line in the file, for messages."""

    line = 0


def _where(name: str, element: Element) -> str:
    return f"{name}, line {cast(_Element, element).line}"


def _tag(element: Element) -> str:
    """The name without its namespace: "{http://www.w3.org/2003/InkML}trace" -> "trace"."""
    return element.tag.rpartition("}")[2]


def _parse(name: str, data: bytes) -> Element:
    """The root of an XML file; entities and external references, which could fill the memory or spy, are refused."""
    count = 0

    def make(tag: str, attributes: dict[str, str]) -> _Element:
        nonlocal count
        count += 1
        if count > MOST_POINTS:
            raise BadInput(f"{name}: more than {MOST_POINTS:,} points or other elements; give it page by page")
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


def _from_xml(name: str, data: bytes, whole: bool) -> list[Ink]:
    root = _parse(name, data)
    if _tag(root) == "ink":
        return _from_inkml(name, root, whole)
    if _tag(root) == "WhiteboardCaptureSession":
        return [_from_iam(name, root)]
    raise BadInput(f"{name}: <{_tag(root)}> is XML but not ink; give {READABLE}")


# ---- IAM-OnDB: <Stroke>s of <Point x="916" y="3112" time="14921023.64"/>, seen from the top left


def _from_iam(name: str, root: Element) -> Ink:
    def number(point: Element, attribute: str) -> float:
        text = point.get(attribute, "")
        try:
            value = float(text)
        except ValueError as error:
            raise BadInput(f"{_where(name, point)}: {attribute}={text!r} is no number; mend the point") from error
        if not np.isfinite(value):
            raise BadInput(f"{_where(name, point)}: {attribute}={text!r} is nowhere on paper; mend the point")
        return value

    strokes = []
    for stroke in root.iter("Stroke"):
        points = []
        for point in stroke.iterfind("Point"):
            points.append((number(point, "x"), number(point, "y")))
            if point.get("time", "").startswith("-"):
                raise BadInput(f"{_where(name, point)}: a negative time, {point.get('time')}; mend the point")
        if points:
            strokes.append(np.array(points))
    return Ink(tuple(strokes))


# ---- InkML: W3C Recommendation 20 September 2011, https://www.w3.org/TR/InkML

TRUTHS = ("truth", "transcription", "label", "text")  # what tools call the annotation with what is written
# A value with its prefix: ! explicit, ' a first difference, " a second; hexadecimal after #; * and ? as before.
VALUE = re.compile(r"""\s*([!'"]?)\s*(?:#([\dA-Fa-f]+)|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|([TF*?]))""")


def _from_inkml(name: str, ink: Element, whole: bool) -> list[Ink]:
    """The parts that an annotation labels with their text, each an Ink; then all that has none, together."""
    ids = {value: element for element in ink.iter() for key, value in element.items() if key.endswith("id")}
    strokes = _inkml_strokes(name, ink, ids)
    writer = _annotation(ink, ("writer",)) or None
    if strokes and (whole or _annotation(ink, TRUTHS)):
        return [Ink(tuple(strokes.values()), _annotation(ink, TRUTHS), writer)]
    inks = []
    for part in _labelled(ink):
        traces = list(islice(_traces(part, ids), MOST_POINTS))
        own = tuple(strokes.pop(trace) for trace in traces if trace in strokes)
        if own:
            inks.append(Ink(own, _annotation(part, TRUTHS), _annotation(part, ("writer",)) or writer))
    return inks + ([Ink(tuple(strokes.values()), "", writer)] if strokes else [])


def _labelled(element: Element) -> Iterator[Element]:
    """The outermost groups and views with a text of their own."""
    for child in element:
        if _tag(child) in ("traceGroup", "traceView"):
            if _annotation(child, TRUTHS):
                yield child
            else:
                yield from _labelled(child)


def _annotation(element: Element, kinds: tuple[str, ...]) -> str:
    """The text of an element's own annotation or annotationXML of one of these kinds, in single spaces; or ""."""
    for child in element:
        if _tag(child) in ("annotation", "annotationXML") and (child.get("type") or "").lower() in kinds:
            return " ".join("".join(child.itertext()).split())
    return ""


def _traces(element: Element, ids: dict[str, Element]) -> Iterator[Element]:
    """The traces in a group, or that a view shows."""
    if _tag(element) == "trace":
        yield element
    elif _tag(element) in ("ink", "traceGroup", "traceView"):
        shown = ids.get(element.get("traceDataRef", "").removeprefix("#"))
        if shown is not None and _tag(shown) in ("trace", "traceGroup"):  # not a view, or views could run in circles
            yield from _traces(shown, ids)
        for child in element:
            if _tag(element) != "ink" or _tag(child) != "traceView":
                yield from _traces(child, ids)


def _inkml_strokes(name: str, ink: Element, ids: dict[str, Element]) -> dict[Element, Stroke]:
    """Every trace of the pen on paper -> its points; a trace that continues another belongs to that one's points."""
    for group in reversed(list(ink.iter())):  # what a group says of its traces, the innermost first
        if _tag(group) == "traceGroup" and (reference := group.get("contextRef")):
            for trace in _traces(group, ids):
                trace.attrib.setdefault("contextRef", reference)
    formats = [element for element in ink.iter() if _tag(element) == "traceFormat"]
    current = formats[0] if len(formats) == 1 else None
    strokes: dict[Element, Stroke] = {}
    continued: dict[Element, Element] = {}  # trace -> the trace that it goes on from
    for top in ink:
        if _tag(top) in ("context", "traceFormat"):  # holds for the traces that follow
            current = top
        for trace in _traces(top, ids):
            if trace.get("type") in ("penUp", "indeterminate") or trace in strokes or trace in continued:
                continue
            context = ids.get(trace.get("contextRef", "").removeprefix("#"), current)
            points = _read_trace(_where(name, trace), "".join(trace.itertext()), _channels(context, ids))
            prior = ids.get(trace.get("priorRef", "").removeprefix("#"), trace)
            first = continued.get(prior, prior)
            if first is not trace and first in strokes:
                continued[trace] = first
                strokes[first] = np.concatenate([strokes[first], points])
            elif len(points):
                strokes[trace] = points
    return strokes


def _channels(context: Element | None, ids: dict[str, Element]) -> list[tuple[str, int]]:
    """The channels of a context or traceFormat in their order, each with its sign: [("X", 1), ("Y", 1)] by default."""
    for _ in range(10):  # references to references, which could run in circles
        if context is None:
            break
        formats = [element for element in context.iter() if _tag(element) == "traceFormat"]
        if formats:
            found = [element for element in formats[0].iter() if _tag(element) == "channel"]
            return [(each.get("name", ""), -1 if each.get("orientation") == "-ve" else 1) for each in found]
        references = [
            element.get(key, "")
            for element in context.iter()
            for key in ("traceFormatRef", "inkSourceRef", "contextRef")
            if element.get(key)
        ]
        context = ids.get(references[0].removeprefix("#")) if references else None
    return [("X", 1), ("Y", 1)]


def _read_trace(where: str, text: str, channels: list[tuple[str, int]]) -> Stroke:
    """The points of a trace, "1125 18432,'23'43,"7"-8" -> [[1125, 18432], [1148, 18475], [1178, 18510]].

    A prefix holds until the next one of its channel: ! before a value itself, ' before the difference to the value
    before, " before the change of that difference. Intermittent channels at the end of a point may be left out.
    """
    names = [name for name, _ in channels]
    if "X" not in names or "Y" not in names:
        raise BadInput(f"{where}: its traceFormat has no channels X and Y, but {', '.join(names)}; export it again")
    x, y, t = names.index("X"), names.index("Y"), names.index("T") if "T" in names else None
    orders = ["!"] * len(names)
    values, changes = [0.0] * len(names), [0.0] * len(names)
    points: list[tuple[float, float]] = []
    for point in text.split(","):
        place = channel = 0
        while channel < len(names) and (match := VALUE.match(point, place)):
            prefix, hexadecimal, decimal, sign = match.groups()
            orders[channel] = order = prefix or orders[channel]
            number = _from_hexadecimal(hexadecimal) if hexadecimal else float(decimal or sign == "T")
            before = values[channel]
            if order == "!":
                values[channel] = before if sign in ("*", "?") else number  # * and ?: as before
                changes[channel] = values[channel] - before
            else:
                if sign not in ("*", "?"):
                    changes[channel] = number if order == "'" else changes[channel] + number
                values[channel] = before + changes[channel]
            place, channel = match.end(), channel + 1
        rest = point[place:].strip()
        if rest or 0 < channel <= max(x, y):
            problem = f"{rest[:20]!r} is no value" if rest else "a point without x and y"
            raise BadInput(f"{where}: {problem} after {len(points)} points of the trace; export it again")
        if t is not None and values[t] < 0:
            raise BadInput(f"{where}: a negative time, {values[t]:g}, after {len(points)} points; export it again")
        if channel:
            points.append((values[x] * channels[x][1], values[y] * channels[y][1]))
    stroke = np.array(points, dtype=float).reshape(-1, 2)
    if not np.isfinite(stroke).all():
        raise BadInput(f"{where}: a point that is nowhere on paper; mend or delete the trace")
    return stroke


def _from_hexadecimal(digits: str) -> float:
    try:
        return float(int(digits, 16))
    except OverflowError:
        return np.inf


# ---- UNIPEN: http://unipen.org, "UNIPEN 1.0 format definition" (1994)

# The units that .SEGMENT labels, the largest first.
UNITS = ("TEXT", "LINE", "WORD", "CHARACTER")
# In these providers a .SEGMENT counts .PEN_DOWN and .PEN_UP components, in all others .PEN_DOWN alone. Components
# without a point are never counted.
COUNT_BOTH = {"abm", "cea", "ceb", "cec", "hpp", "lex", "nic", "pri", "sta", "ugi"}

# The quantifiers that give nothing back (++) keep the time linear for any text.
SEGMENT = re.compile(
    r'^\.SEGMENT\s++([A-Z]++)\s++([\d,\-]++(?:[ \t]++[\d,\-]++)*?)\s++(\S++)\s++"(.*)"\s*$', re.MULTILINE
)
COMPONENTS = re.compile(r"\d{1,9}(-\d{0,9})?|-\d{0,9}")  # 3 or 3-5; "3-" counts as 3, and "-5" as nothing
INCLUDE = re.compile(r"^\.INCLUDE\s+(\S+)", re.MULTILINE)
COMPONENT = re.compile(r"^\.PEN_(DOWN|UP)\b[^\n]*\n((?:[ \t]*(?:[-+\d][^\n]*)?\r?\n)*)", re.MULTILINE)

Component = tuple[bool, Stroke]  # is the pen down? and its path


@dataclass(frozen=True)
class Segment:
    """A labelled part of a UNIPEN file."""

    unit: str  # one of UNITS
    text: str
    writer: str | None
    provider: str  # who gave the data: the first folder of its ink, as "abm"
    strokes: tuple[Stroke, ...]


def person(segment: Segment, file: Path) -> str:
    """Who wrote a segment, as "ap/Bill_Cleveland": UNIPEN's writers are split by it, wherever their ink is used.

    The same people wrote for several sets of one provider, apb and apd, cee and ced: its first two letters tell whose.
    A writer who is not named is told by the file.
    """
    return f"{segment.provider[:2]}/{segment.writer or file.stem}"


def read_segments(path: Path) -> list[Segment]:
    """The labelled parts of a UNIPEN file, of every unit; the files it includes lie below a folder include/ above it.

    Raises BadInput like `read_inks`.
    """
    return _unipen(str(path), _content(path))[1]


def _from_unipen(name: str, data: bytes, whole: bool) -> list[Ink]:
    """A piece for each segment of the largest unit that has a text, else all of the ink as one."""
    strokes, segments = _unipen(name, data)
    for unit in UNITS:
        inks = [Ink(segment.strokes, segment.text, segment.writer) for segment in segments if segment.unit == unit]
        if inks and not whole:
            return inks
    return [Ink(strokes)] if strokes else []


def _unipen(name: str, data: bytes) -> tuple[tuple[Stroke, ...], list[Segment]]:
    text = data.decode("latin-1")
    above = () if name == "<stdin>" else tuple(Path(name).absolute().parents)
    try:
        components, writer = _components(name, text, above)
    except RecursionError as error:
        raise BadInput(f"{name}: its .INCLUDE lines run in a circle; mend them") from error
    includes = INCLUDE.findall(text)
    if includes and not components:
        raise BadInput(f"{name}: no ink in what it includes ({includes[0]}); keep data/ and include/ side by side")
    provider = next(iter(Path(includes[0]).parts), "") if includes else ""
    down = [points for pen, points in components if pen]
    counted = components if provider in COUNT_BOTH else [component for component in components if component[0]]
    segments = []
    for match in SEGMENT.finditer(text):
        unit, where, _, label = match.groups()
        strokes = tuple(stroke for pen, stroke in _numbered(f"{name}{_line(text, match)}", where, counted) if pen)
        label = re.sub(r"\\(.)", r"\1", " ".join(label.split()))
        if strokes and label:
            segments.append(Segment(unit, label, writer, provider, strokes))
    return tuple(down), segments


def _line(text: str, match: re.Match[str]) -> str:
    """Where a match begins: ", line 3"."""
    return f", line {text.count(chr(10), 0, match.start()) + 1}"


def _numbered(where: str, numbers: str, components: list[Component]) -> list[Component]:
    """The components with these numbers, "0,2-4": the first and those from the third to the fifth."""
    found: list[Component] = []
    for part in numbers.replace(",", " ").split():
        if not COMPONENTS.fullmatch(part):
            raise BadInput(f"{where}: not numbers of components, such as 0-3,5; fix or delete the .SEGMENT")
        first, _, last = part.partition("-")
        if first:
            found += components[int(first) : int(last or first) + 1]
        if len(found) > MOST_POINTS:
            raise BadInput(f"{where}: more than {MOST_POINTS:,} components; fix or delete the .SEGMENT")
    return found


def _components(name: str, text: str, above: tuple[Path, ...]) -> tuple[list[Component], str | None]:
    """The components of a file and of those it includes, y growing downwards, and its writer."""
    components: list[Component] = []
    writer = None
    for match in INCLUDE.finditer(text):
        if file := _find_included(f"{name}{_line(text, match)}", match.group(1), above):
            more, its_writer = _included(file, above, version(file))
            components += more
            writer = writer or its_writer
        if len(components) > MOST_POINTS:
            raise BadInput(f"{name}: includes more than {MOST_POINTS:,} components; give it page by page")
    order = re.search(r"^\.COORD\s+(.+)$", text, re.MULTILINE)
    names = order.group(1).split() if order else []
    for match in COMPONENT.finditer(text + "\n"):
        pen, body = match.groups()
        first_row = body.split("\n", 1)[0].split()
        width = max(len(first_row), 1)
        try:
            values = np.array(body.split(), dtype=float)
        except ValueError as error:
            line = text.count("\n", 0, match.start()) + 1
            raise BadInput(f"{name}: the component at line {line} is not numbers alone; fix it") from error
        if width < 2 or len(values) % width:
            width, values = 2, values[: len(values) // 2 * 2]
        x, y = (names.index("X"), names.index("Y")) if {"X", "Y"} <= set(names) and len(names) <= width else (0, 1)
        points = values.reshape(-1, width)[:, [x, y]] * [1, -1]  # y grows upwards in every provider
        if len(points):
            components.append((pen == "DOWN", points))
    if found := re.search(r"^\.WRITER_ID\s+(\S.*)$", text, re.MULTILINE):
        writer = found.group(1).strip()
    return components, writer


def _find_included(where: str, included: str, above: tuple[Path, ...]) -> Path | None:
    """The file, below a folder include/ beside or above the one that includes it; None where there is none.

    A file from a stranger must not read others: what leads out of include/, by its path or by a symbolic link, is
    refused.
    """
    outside = f"{where}: .INCLUDE of a file outside of the folder include/; copy it there, and name its path in it"
    if Path(included).is_absolute() or ".." in Path(included).parts:
        raise BadInput(outside)
    for folder in above:
        file = folder / "include" / included
        if os.path.isfile(file):  # False, where Path.is_file would raise, for a name that is too long
            if not file.resolve().is_relative_to(folder.resolve() / "include"):
                raise BadInput(outside)
            return file
    return None


@lru_cache(maxsize=8)  # many label files share the ink of a page
def _included(
    file: Path, above: tuple[Path, ...], version: tuple[int, int] | None
) -> tuple[list[Component], str | None]:
    return _components(str(file), _content(file).decode("latin-1"), above)


# ---- inkread's own JSON: a list of strokes, each a list of [x, y] or [x, y, t]; or {"strokes": ..., "text": ...}


def _from_json(name: str, data: bytes) -> list[Ink]:
    """One value, or one a line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{name}, line {line}: not UTF-8 text; save it as UTF-8") from error
    try:
        return [_json_ink(name, json.loads(text))]
    except ValueError as error:
        rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if not _is_json(rows[0][1]):
            line = getattr(error, "lineno", 1)
            cure = 'write {"strokes": [[[x, y], [x, y], ...], ...], "text": "..."}'
            raise BadInput(f"{name}, line {line}: not JSON ({error}); {cure}") from error
    return [_json_ink(f"{name}, line {number}", _load(f"{name}, line {number}", line)) for number, line in rows]


def to_json_line(name: str, ink: Ink) -> str:
    """Ink as one line of a dataset, its coordinates rounded to whole units; `name` becomes the line's id."""
    strokes = [np.rint(stroke).astype(int).tolist() for stroke in ink.strokes]
    facts = {"id": name, "text": ink.text, "writer": ink.writer, "split": ink.split, "strokes": strokes}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _load(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"{where}: not JSON ({error}); write one object a line") from error


def _json_ink(where: str, value: Any) -> Ink:
    facts = value if isinstance(value, dict) else {"strokes": value}
    strokes = facts.get("strokes")
    if not isinstance(strokes, list):
        raise BadInput(f'{where}: no strokes; write {{"strokes": [[[x, y], ...], ...], "text": "..."}}')
    read = [_json_stroke(f"{where}, stroke {number}", points) for number, points in enumerate(strokes, 1)]
    text, writer, split = (None if facts.get(key) is None else str(facts[key]) for key in ("text", "writer", "split"))
    return Ink(tuple(stroke for stroke in read if len(stroke)), text or "", writer, split)


def _json_stroke(where: str, points: Any) -> Stroke:
    """[[0, 0, 0.0], [5, 7, 0.01]] -> [[0, 0], [5, 7]]: the order of the points is the time that counts."""
    if points == []:
        return np.empty((0, 2))
    try:
        numbers = np.array(points)
    except ValueError as error:  # of different lengths
        raise BadInput(f"{where}: points of different kinds; write every one as [x, y] or as [x, y, t]") from error
    if numbers.ndim != 2 or numbers.shape[1] not in (2, 3) or numbers.dtype.kind not in "iuf":
        raise BadInput(f"{where}: not a list of points; write every one as [x, y] or [x, y, t], in numbers")
    numbers = numbers.astype(float)
    if not np.isfinite(numbers).all():
        raise BadInput(f"{where}: a number that is not finite; mend or delete the point")
    if numbers.shape[1] == 3 and numbers[:, 2].min() < 0:
        raise BadInput(f"{where}: a negative time, {numbers[:, 2].min():g}; count it from the first point")
    return numbers[:, :2].copy()
