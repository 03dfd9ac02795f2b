"""SVG: the paths that a pen has drawn, as many programs for notes export them.

Paths, lines and polylines with a stroke are read along the path, and filled outlines of the strokes of a pen along
their middle. Rectangles and ellipses are not paths of a pen. Nothing that an SVG refers to, such as pictures and fonts,
is opened.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadInput
from inkread.inputs._outline import center_line, width_of
from inkread.inputs._xml import line_of, parse, root_name, tag
from inkread.inputs.ink import HIGHLIGHTER_OPACITY, MAX_POINTS, PAGE_DPI, Ink, Stroke, TypedText, join_touching
from inkread.inputs.source import Source

NAME = "SVG"
SUFFIXES: tuple[str, ...] = (".svg", ".svgz")

SCALE = PAGE_DPI / 96  # pixels of a page per user unit, of which CSS has 96 per inch
# User units (px) per unit of a length: CSS Values and Units 3, section 6.2.
UNITS = {"": 1.0, "px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "pt": 96 / 72, "pc": 16.0}
LARGEST_PAGE = 100_000.0  # user units: 26 metres
MAX_CHARACTERS = 20 * MAX_POINTS  # of all paths: a point takes 10 to 20
CURVE_STEP, MOST_STEPS = 2.0, 64  # user units between points on a curve, and points at most
WIDEST = 5.0  # times the usual width of the filled outlines in a file: wider ones are shapes, not strokes
FONT_SIZE, CHARACTER_WIDTH = 16.0, 0.5  # that of browsers; and of most fonts, in their size

_NOT_DRAWN = {"defs", "symbol", "clipPath", "mask", "pattern", "marker", "style", "script", "title", "desc", "metadata"}
_INHERITED = ("stroke", "fill", "stroke-opacity", "fill-opacity", "visibility", "font-size")
_NO_PEN = ("none", "transparent", "white", "#fff", "#ffffff")  # colours of a filled shape that is paper, or nothing
_LENGTH = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-z]*)\s*")
_CLASS_RULE = re.compile(r"\.([\w-]{1,100})\s{0,100}\{([^{}]{0,10000})\}")

log = logging.getLogger("inkread")
Matrix = NDArray[np.float64]  # (3, 3)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return root_name(start) == "svg"


def read(source: Source, whole: bool) -> list[Ink]:
    """The one ink of a file. Raises BadInput for invalid paths, and for a file without any stroke or text."""
    try:
        import svgelements  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        hint = "install it: pip install 'inkread[svg]'"
        raise BadInput("an SVG, which needs one more library", path=source.name, hint=hint) from error
    root = parse(source)
    drawing = _Drawing(source.name, _classes(root))
    with np.errstate(over="ignore", invalid="ignore"):  # coordinates that are not finite are refused later
        size, matrix = _page(root)
        drawing.add(root, {}, matrix, 1.0)
    drawing.leave_out_shapes()
    if not drawing.strokes and not drawing.typed:
        problem = "no pen strokes in it, only filled shapes" if drawing.shapes else "no pen strokes in it"
        raise BadInput(problem, path=source.name, hint="export it as PNG or PDF instead")
    if drawing.shapes:
        log.warning("%s: %d filled shape%s not read", source.name, drawing.shapes, "s" * (drawing.shapes != 1))
    return [Ink(tuple(join_touching(drawing.strokes)), size=size, typed=tuple(drawing.typed))]


def _page(root: Element) -> tuple[tuple[float, float] | None, Matrix]:
    """The size of the page in pixels, if there is one, and the matrix from user units to it."""
    box = [float(each) for each in re.findall(_NUMBER, root.get("viewBox", ""))[:4]]
    width, height = (_length(root.get(key, "")) for key in ("width", "height"))
    if len(box) != 4 or not (0 < box[2] <= LARGEST_PAGE and 0 < box[3] <= LARGEST_PAGE):
        box = []
    if box and not (width and height):
        width, height = box[2:]
    if not (width and height and width <= LARGEST_PAGE and height <= LARGEST_PAGE):
        return None, np.diag([SCALE, SCALE, 1.0])
    left, top, across, down = box or (0.0, 0.0, width, height)
    fit = min(width / across, height / down)  # preserveAspectRatio is xMidYMid unless a file says else
    shift = [(width - fit * across) / 2 - fit * left, (height - fit * down) / 2 - fit * top]
    matrix = np.array([[fit, 0, shift[0]], [0, fit, shift[1]], [0, 0, 1 / SCALE]]) * SCALE
    return (width * SCALE, height * SCALE), matrix


_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?"


def _length(text: str) -> float | None:
    """The user units of a length such as "210mm"; None for none, and for shares such as "100%"."""
    match = _LENGTH.fullmatch(text)
    return float(match[1]) * UNITS[match[2]] if match and match[2] in UNITS else None


def _classes(root: Element) -> dict[str, dict[str, str]]:
    """The properties of each class in the style sheets of a file: ".a{fill:none}" -> {"a": {"fill": "none"}}."""
    classes: dict[str, dict[str, str]] = {}
    for sheet in root.iter():
        if tag(sheet) == "style":
            for name, rules in _CLASS_RULE.findall(sheet.text or ""):
                classes.setdefault(name, {}).update(_declarations(rules))
    return classes


def _declarations(text: str) -> dict[str, str]:
    pairs = (rule.split(":", 1) for rule in text.split(";") if ":" in rule)
    return {name.strip(): value.strip() for name, value in pairs}


@dataclass
class _Drawing:
    """The strokes and texts of an SVG that have been found."""

    name: str
    classes: dict[str, dict[str, str]]
    strokes: list[Stroke] = field(default_factory=list)
    typed: list[TypedText] = field(default_factory=list)
    widths: dict[int, float] = field(default_factory=dict)  # of the strokes that were filled outlines, by their number
    shapes: int = 0  # filled shapes that are not strokes
    characters: int = 0  # of all paths

    def add(self, element: Element, inherited: dict[str, str], matrix: Matrix, opacity: float) -> None:
        """Add an element, and all that is in it, of which the parent has these properties and opacity."""
        kind = tag(element) if isinstance(element.tag, str) else ""
        own = {key: value for key, value in element.items() if key in _INHERITED or key in ("display", "opacity")}
        for name in element.get("class", "").split():
            own |= self.classes.get(name, {})
        own |= _declarations(element.get("style", ""))
        style = {**inherited, **{key: own[key] for key in _INHERITED if key in own}}
        opacity *= _share(own.get("opacity", "1"))
        if kind in _NOT_DRAWN or own.get("display") == "none":
            return
        try:
            matrix = matrix @ _matrix(element.get("transform", ""))
            if kind in ("path", "line", "polyline"):
                self.add_path(element, kind, style, matrix, opacity)
            elif kind in ("rect", "circle", "ellipse", "polygon"):
                pass  # shapes, or paper
            elif kind == "text":
                self.add_text(element, style, matrix)
            else:
                for child in element:
                    self.add(child, style, matrix, opacity)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            problem = f"an invalid <{kind}>"
            raise BadInput(problem, path=self.name, line=line_of(element), hint="export it again") from error

    def add_path(self, element: Element, kind: str, style: dict[str, str], matrix: Matrix, opacity: float) -> None:
        if style.get("visibility") in ("hidden", "collapse"):
            return
        filled = style.get("stroke", "none") in ("none", "transparent")
        if filled and (kind != "path" or style.get("fill", "black").lower() in _NO_PEN):
            return
        if opacity * _share(style.get("fill-opacity" if filled else "stroke-opacity", "1")) <= HIGHLIGHTER_OPACITY:
            return
        data = element.get("d") or element.get("points") or ""
        self.characters += len(data)
        if self.characters > MAX_CHARACTERS:
            raise BadInput(f"more than {MAX_POINTS:,} points", path=self.name, hint="export it page by page")
        if kind == "path":
            paths = list(_paths(data))
        elif kind == "polyline":
            numbers = [float(each) for each in re.findall(_NUMBER, data)]
            paths = [np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)]
        else:
            paths = [np.array([[_length(element.get(f"{axis}{end}", "0")) or 0.0 for axis in "xy"] for end in "12"])]
        placed = [path @ matrix[:2, :2].T + matrix[:2, 2] for path in paths if len(path)]
        if not filled:
            self.strokes += placed
        elif len(placed) == 1 and np.isfinite(placed[0]).all():
            self.widths[len(self.strokes)] = width_of(placed[0])
            self.strokes.append(center_line(placed[0]))
        else:  # letters of a font, which have holes
            self.shapes += bool(placed)

    def leave_out_shapes(self) -> None:
        """Remove filled outlines that are too wide for strokes of a pen."""
        widest = WIDEST * float(np.median(list(self.widths.values()))) if self.widths else 0.0
        wide = {number for number, width in self.widths.items() if width > widest}
        self.strokes = [stroke for number, stroke in enumerate(self.strokes) if number not in wide]
        self.shapes += len(wide)

    def add_text(self, element: Element, style: dict[str, str], matrix: Matrix) -> None:
        """A text at its place: the parts of one <text> are one line."""
        text = " ".join("".join(element.itertext()).split())
        size = _length(style.get("font-size", "")) or FONT_SIZE
        x, y = (_length(element.get(key, "0").split()[0] if element.get(key) else "0") or 0.0 for key in "xy")
        corners = np.array([[x, y - size], [x + CHARACTER_WIDTH * size * len(text), y + size / 4]])
        (left, top), (right, bottom) = np.sort(corners @ matrix[:2, :2].T + matrix[:2, 2], axis=0).tolist()
        if text and np.isfinite([left, top, right, bottom]).all():
            self.typed.append(TypedText(text, left, top, right, bottom))


def _share(text: str) -> float:
    """An opacity: "0.5" and "50%" -> 0.5; 1 for anything else."""
    match = re.fullmatch(rf"\s*({_NUMBER})\s*(%?)\s*", text)
    return float(match[1]) / (100 if match[2] else 1) if match else 1.0


def _matrix(transform: str) -> Matrix:
    """The matrix of a transform such as "translate(3 4) scale(2)"."""
    import svgelements

    if not transform:
        return np.eye(3)
    m: Any = svgelements.Matrix(transform[:10_000])
    return np.array([[m.a, m.c, m.e], [m.b, m.d, m.f], [0, 0, 1]], dtype=float)


def _paths(data: str) -> Iterator[Stroke]:
    """The parts of a path between moves of the pen, curves as points: "M0 0L3 4M9 9" -> [[0, 0], [3, 4]], [[9, 9]]."""
    import svgelements

    points: list[NDArray[np.float64]] = []
    for part in svgelements.Path(data):
        if isinstance(part, svgelements.Move):
            if points:
                yield np.concatenate(points)
            points = [_as_array([part.end])]
        elif isinstance(part, svgelements.Line | svgelements.Close):
            points += [_as_array([part.end])] if part.end is not None else []
        else:  # a curve or an arc
            points.append(_curve(part))
    if points:
        yield np.concatenate(points)


def _curve(part: Any) -> NDArray[np.float64]:
    """Points along a curve, without its first one."""
    corners = _as_array([point for point in (part.start, *_controls(part), part.end) if point is not None])
    length = float(np.hypot(*np.diff(corners, axis=0).T).sum())
    steps = int(np.clip(np.nan_to_num(length / CURVE_STEP), 2, MOST_STEPS))
    return np.array(part.npoint(np.linspace(0, 1, steps + 1)[1:]), dtype=float).reshape(-1, 2)


def _controls(part: Any) -> Sequence[Any]:
    """The points that a curve goes towards; of an arc its middle."""
    if hasattr(part, "control1"):
        return (part.control1, part.control2)
    return (part.control,) if hasattr(part, "control") else (part.point(0.5),)


def _as_array(points: Sequence[Any]) -> NDArray[np.float64]:
    return np.array([(point.x, point.y) for point in points], dtype=float)
