"""InkML: W3C Recommendation 20 September 2011, https://www.w3.org/TR/InkML."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from xml.etree.ElementTree import Element

import numpy as np

from inkread._names import one_line
from inkread.errors import BadInput
from inkread.inputs._xml import line_of, parse, root_name, tag
from inkread.inputs.ink import MAX_POINTS, Ink, Stroke
from inkread.inputs.source import Source

NAME = "InkML"
SUFFIXES: tuple[str, ...] = (".inkml",)

# The types of annotations that hold a transcription. The Recommendation defines none, so each tool has its own.
_TEXT_TYPES = ("truth", "transcription", "label", "text")
_WRITER_TYPES = ("writer",)
# References lead to other references. Real files have one or two; without a limit they could run in circles.
_MAX_REFERENCES = 10

# A value of a channel (section 3.2.1): a prefix (!, ' or "), then a hexadecimal number after #, a decimal number, a
# boolean (T or F), or one of the signs * and ?, which repeat the value before.
_VALUE = re.compile(
    r"""\s*(?P<prefix>[!'"]?)\s*
    (?:\#(?P<hexadecimal>[\dA-Fa-f]+) | (?P<decimal>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?) | (?P<sign>[TF*?]))""",
    re.VERBOSE,
)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return root_name(start) == "ink"


def read(source: Source, whole: bool) -> list[Ink]:
    """One ink for each part that an annotation labels with its text, then one for all other strokes.

    With `whole`, or where the text of the whole file is given, it is one ink. Raises BadInput for invalid traces.
    """
    document = _Document(source.name, parse(source))
    root, strokes = document.root, document.strokes()
    text, writer = _annotation(root, _TEXT_TYPES), _annotation(root, _WRITER_TYPES) or None
    if strokes and (whole or text):
        return [Ink(tuple(strokes.values()), text, writer)]
    inks = []
    for part in _labelled_parts(root):
        traces = list(islice(document.traces(part), MAX_POINTS))
        own = tuple(strokes.pop(trace) for trace in traces if trace in strokes)
        if own:
            inks.append(Ink(own, _annotation(part, _TEXT_TYPES), _annotation(part, _WRITER_TYPES) or writer))
    return inks + ([Ink(tuple(strokes.values()), "", writer)] if strokes else [])


def to_inkml(lines: Sequence[Ink]) -> bytes:
    """Lines as InkML, with a group of traces for each, and its text."""
    groups = []
    for line in lines:
        traces = "".join(f"<trace>{points_as_text(stroke, ', ')}</trace>\n" for stroke in line.strokes)
        truth = f'<annotation type="truth">{escape(one_line(line.text))}</annotation>'
        groups.append(f"<traceGroup>\n{truth}\n{traces}</traceGroup>\n")
    return f'<ink xmlns="http://www.w3.org/2003/InkML">\n{"".join(groups)}</ink>\n'.encode()


def points_as_text(stroke: Stroke, between: str) -> str:
    """The points of a stroke in tenths of a unit. A dot gets a second point, or programs would not draw it."""
    rounded = np.round(stroke if len(stroke) > 1 else np.concatenate([stroke, stroke + [0.1, 0.0]]), 1)
    return between.join(f"{x:.10g} {y:.10g}" for x, y in rounded.tolist())


def _labelled_parts(element: Element) -> Iterator[Element]:
    """The outermost groups and views with a text of their own."""
    for child in element:
        if tag(child) in ("traceGroup", "traceView"):
            if _annotation(child, _TEXT_TYPES):
                yield child
            else:
                yield from _labelled_parts(child)


def _annotation(element: Element, types: tuple[str, ...]) -> str:
    """The text, in single spaces, of an element's own annotation of one of these types; "" where there is none."""
    for child in element:
        if tag(child) in ("annotation", "annotationXML") and (child.get("type") or "").lower() in types:
            return " ".join("".join(child.itertext()).split())
    return ""


class _Document:
    """An InkML file: its elements refer to one another by identifiers."""

    def __init__(self, name: str, root: Element) -> None:
        self.name = name
        self.root = root
        self._ids = {value: element for element in root.iter() for key, value in element.items() if key.endswith("id")}

    def referred(self, element: Element, attribute: str) -> Element | None:
        """The element that an attribute such as contextRef="#c1" refers to; None where there is none."""
        return self._ids.get(element.get(attribute, "").removeprefix("#"))

    def traces(self, element: Element) -> Iterator[Element]:
        """The traces inside a group, or those that a view refers to."""
        if tag(element) == "trace":
            yield element
        elif tag(element) in ("ink", "traceGroup", "traceView"):
            shown = self.referred(element, "traceDataRef")
            if shown is not None and tag(shown) in ("trace", "traceGroup"):  # not a view: views could run in circles
                yield from self.traces(shown)
            for child in element:
                if tag(element) != "ink" or tag(child) != "traceView":
                    yield from self.traces(child)

    def strokes(self) -> dict[Element, Stroke]:
        """Each trace of the pen on paper, with its points. A trace that continues another is added to that one."""
        self._pass_contexts_to_traces()
        strokes: dict[Element, Stroke] = {}
        firsts: dict[Element, Element] = {}  # a trace that continues another -> the first one of the chain
        for trace, current in self._traces_with_context():
            if trace.get("type") in ("penUp", "indeterminate") or trace in strokes or trace in firsts:
                continue
            context = self.referred(trace, "contextRef")
            points = self._points(trace, current if context is None else context)
            prior = self.referred(trace, "priorRef")
            first = trace if prior is None else firsts.get(prior, prior)
            if first is not trace and first in strokes:
                firsts[trace] = first
                strokes[first] = np.concatenate([strokes[first], points])
            elif len(points):
                strokes[trace] = points
        return strokes

    def _pass_contexts_to_traces(self) -> None:
        """Traces without a contextRef take that of their innermost group that has one."""
        for group in reversed(list(self.root.iter())):  # inner groups come before outer ones
            if tag(group) == "traceGroup" and (reference := group.get("contextRef")):
                for trace in self.traces(group):
                    trace.attrib.setdefault("contextRef", reference)

    def _traces_with_context(self) -> Iterator[tuple[Element, Element | None]]:
        """All traces, each with the context or traceFormat that holds where it stands, for those that name none."""
        formats = [element for element in self.root.iter() if tag(element) == "traceFormat"]
        current = formats[0] if len(formats) == 1 else None
        for top in self.root:
            if tag(top) in ("context", "traceFormat"):
                current = top
            for trace in self.traces(top):
                yield trace, current

    def _points(self, trace: Element, context: Element | None) -> Stroke:
        """The points of a trace. Raises BadInput with the line of the trace in the file."""
        try:
            return _trace_points("".join(trace.itertext()), self._channels(context))
        except ValueError as error:
            hint = "fix the trace, or export it again"
            raise BadInput(str(error), path=self.name, line=line_of(trace), hint=hint) from error

    def _channels(self, context: Element | None) -> "list[_Channel]":
        """The channels of a context or traceFormat in their order; X and Y by default."""
        for _ in range(_MAX_REFERENCES):
            if context is None:
                break
            formats = [element for element in context.iter() if tag(element) == "traceFormat"]
            if formats:
                found = [element for element in formats[0].iter() if tag(element) == "channel"]
                return [_Channel(each.get("name", ""), -1 if each.get("orientation") == "-ve" else 1) for each in found]
            attributes = ("traceFormatRef", "inkSourceRef", "contextRef")
            references = [(element, name) for element in context.iter() for name in attributes if element.get(name)]
            context = self.referred(*references[0]) if references else None
        return [_Channel("X"), _Channel("Y")]


@dataclass
class _Channel:
    """A channel of a trace, such as X, and its state after the values that have been read."""

    name: str
    direction: int = 1  # -1 where values grow to the left or upwards
    prefix: str = field(default="!", init=False)  # the last one that was written: it holds until the next
    value: float = field(default=0.0, init=False)
    change: float = field(default=0.0, init=False)  # of the value, from the point before

    def read(self, written: re.Match[str]) -> None:
        """Take one more value: `!` gives the value itself, `'` its change, and `"` the change of its change."""
        self.prefix = written["prefix"] or self.prefix
        repeated = written["sign"] in ("*", "?")
        if self.prefix == "!":
            before = self.value
            self.value = before if repeated else _number(written)
            self.change = self.value - before
            return
        if not repeated:
            number = _number(written)
            self.change = number if self.prefix == "'" else self.change + number
        self.value += self.change


def _number(written: re.Match[str]) -> float:
    if written["hexadecimal"]:
        try:
            return float(int(written["hexadecimal"], 16))
        except OverflowError:
            return np.inf
    if written["decimal"]:
        return float(written["decimal"])
    return float(written["sign"] == "T")


def _trace_points(text: str, channels: Sequence[_Channel]) -> Stroke:
    """The points of a trace, "1125 18432,'23'43,"7"-8" -> [[1125, 18432], [1148, 18475], [1178, 18510]].

    Raises ValueError for a trace without X and Y, with something else than values, or with points that no pen makes.
    """
    by_name = {channel.name: channel for channel in reversed(channels)}
    if "X" not in by_name or "Y" not in by_name:
        raise ValueError(f"its traceFormat has no channels X and Y, but {', '.join(each.name for each in channels)}")
    x, y, time = by_name["X"], by_name["Y"], by_name.get("T")
    needed = 1 + max(channels.index(x), channels.index(y))  # intermittent channels at the end may be left out
    points: list[tuple[float, float]] = []
    for written in text.split(","):
        count, rest = _read_point(written, channels)
        if rest:
            raise ValueError(f"{rest[:20]!r} is not a value, after {len(points)} points of the trace")
        if 0 < count < needed:
            raise ValueError(f"a point without x and y, after {len(points)} points of the trace")
        if time and time.value < 0:
            raise ValueError(f"a negative time, {time.value:g}, after {len(points)} points of the trace")
        if count:
            points.append((x.value * x.direction, y.value * y.direction))
    stroke = np.array(points, dtype=float).reshape(-1, 2)  # (points, 2), also without points
    if not np.isfinite(stroke).all():
        raise ValueError("a coordinate that is not a finite number")
    return stroke


def _read_point(written: str, channels: Sequence[_Channel]) -> tuple[int, str]:
    """Take the values of one point. Returns how many there are, and what is left that is not a value."""
    position = count = 0
    while count < len(channels) and (value := _VALUE.match(written, position)):
        channels[count].read(value)
        position, count = value.end(), count + 1
    return count, written[position:].strip()
