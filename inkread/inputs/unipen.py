"""UNIPEN: "UNIPEN 1.0 format definition" (1994), http://unipen.org.

A file of labels includes files of ink. The ink is a sequence of components: the path of the pen while it was down
(.PEN_DOWN) or up (.PEN_UP). A .SEGMENT labels some of these components, by their numbers, with a text.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.ink import MAX_POINTS, Ink, Stroke
from inkread.inputs.source import Source, file_version, open_source, text_start

NAME = "UNIPEN"
SUFFIXES: tuple[str, ...] = ()  # .dat may be anything
UNITS = ("TEXT", "LINE", "WORD", "CHARACTER")  # what a .SEGMENT may be, the largest first

# Providers (the first folder of the ink) that number .PEN_DOWN and .PEN_UP components together. All others number
# .PEN_DOWN only. Components without points are never counted.
_NUMBER_BOTH = {"abm", "cea", "ceb", "cec", "hpp", "lex", "nic", "pri", "sta", "ugi"}

# .SEGMENT WORD 3-5,7 GOOD "text". Possessive quantifiers (++) keep the time linear, whatever the file holds.
_SEGMENT = re.compile(
    r'^\.SEGMENT\s++([A-Z]++)\s++([\d,\-]++(?:[ \t]++[\d,\-]++)*?)\s++(\S++)\s++"(.*)"\s*$', re.MULTILINE
)
_NUMBERS = re.compile(r"\d{1,9}(-\d{0,9})?|-\d{0,9}")  # 3 or 3-5; "3-" counts as 3, and "-5" as nothing
_INCLUDE = re.compile(r"^\.INCLUDE\s+(\S+)", re.MULTILINE)
_COORD = re.compile(r"^\.COORD\s+(.+)$", re.MULTILINE)
_WRITER = re.compile(r"^\.WRITER_ID\s+(\S.*)$", re.MULTILINE)
_COMPONENT = re.compile(r"^\.PEN_(DOWN|UP)\b[^\n]*\n((?:[ \t]*(?:[-+\d][^\n]*)?\r?\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class UnipenSegment:
    """A labelled part of a UNIPEN file."""

    unit: str  # one of UNITS
    text: str
    writer: str | None
    provider: str  # who gave the data: the first folder of the included ink, such as "abm"
    strokes: tuple[Stroke, ...]


@dataclass(frozen=True)
class _Component:
    """The path of the pen while it was down, or up."""

    down: bool
    points: Stroke


@dataclass(frozen=True)
class _File:
    """What a file and all files that it includes contain."""

    components: tuple[_Component, ...]
    segments: tuple[UnipenSegment, ...]

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        return tuple(component.points for component in self.components if component.down)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return text_start(start).startswith(b".")


def read(source: Source, whole: bool) -> list[Ink]:
    """One ink for each segment of the largest unit that has a text; without such segments, or with `whole`, one in all.

    Raises BadInput for invalid numbers, and for included files that are missing or not below a folder include/.
    """
    file = _read_file(source)
    for unit in UNITS:
        inks = [Ink(segment.strokes, segment.text, segment.writer) for segment in file.segments if segment.unit == unit]
        if inks and not whole:
            return inks
    return [Ink(file.strokes)] if file.strokes else []


def read_segments(path: Path) -> list[UnipenSegment]:
    """The labelled parts of a UNIPEN file, of every unit. Raises BadInput like `read`."""
    return list(_read_file(open_source(path)).segments)


def writer_name(segment: UnipenSegment, file: Path) -> str:
    """Who wrote a segment, such as "ap/Bill_Cleveland"; the name of the file stands for an unnamed writer.

    The same people wrote for several sets of one provider, such as apb and apd, or cee and ced. The first two letters
    of a set name its provider.
    """
    return f"{segment.provider[:2]}/{segment.writer or file.stem}"


def _read_file(source: Source) -> _File:
    name, text = source.name, source.read().decode("latin-1")
    folders = tuple(source.path.absolute().parents) if source.path else ()
    try:
        components, writer = _components(name, text, folders)
    except RecursionError as error:
        raise BadInput("its .INCLUDE lines run in a circle", path=name, hint="fix them") from error
    includes = _INCLUDE.findall(text)
    if includes and not components:
        problem, hint = f"no ink in what it includes ({includes[0]})", "keep data/ and include/ side by side"
        raise BadInput(problem, path=name, hint=hint)
    provider = next(iter(Path(includes[0]).parts), "") if includes else ""
    counted = components if provider in _NUMBER_BOTH else [component for component in components if component.down]
    segments = []
    for match in _SEGMENT.finditer(text):
        unit, numbers, _, label = match.groups()
        labelled = _numbered(name, _line(text, match), numbers, counted)
        strokes = tuple(component.points for component in labelled if component.down)
        label = re.sub(r"\\(.)", r"\1", " ".join(label.split()))
        if strokes and label:
            segments.append(UnipenSegment(unit, label, writer, provider, strokes))
    return _File(tuple(components), tuple(segments))


def _line(text: str, match: re.Match[str]) -> int:
    """The line, counted from 1, on which a match begins."""
    return text.count("\n", 0, match.start()) + 1


def _numbered(name: str, line: int, numbers: str, components: list[_Component]) -> list[_Component]:
    """The components with these numbers: "0,2-4" are the first one, and the third to the fifth."""
    found: list[_Component] = []
    for part in numbers.replace(",", " ").split():
        if not _NUMBERS.fullmatch(part):
            problem = "not numbers of components, such as 0-3,5"
            raise BadInput(problem, path=name, line=line, hint="fix or delete the .SEGMENT")
        first, _, last = part.partition("-")
        if first:
            found += components[int(first) : int(last or first) + 1]
        if len(found) > MAX_POINTS:
            problem = f"more than {MAX_POINTS:,} components"
            raise BadInput(problem, path=name, line=line, hint="fix or delete the .SEGMENT")
    return found


def _components(name: str, text: str, folders: tuple[Path, ...]) -> tuple[list[_Component], str | None]:
    """The components of a file and of those it includes, y growing downwards, and its writer."""
    components: list[_Component] = []
    writer = None
    for match in _INCLUDE.finditer(text):
        if file := _find_included(name, _line(text, match), match.group(1), folders):
            included, its_writer = _included(file, folders, file_version(file))
            components += included
            writer = writer or its_writer
        if len(components) > MAX_POINTS:
            problem = f"includes more than {MAX_POINTS:,} components"
            raise BadInput(problem, path=name, hint="give it page by page")
    order = _COORD.search(text)
    channels = order.group(1).split() if order else []
    for match in _COMPONENT.finditer(text + "\n"):
        pen, rows = match.groups()
        try:
            points = _points(rows, channels)
        except ValueError as error:
            problem = f"the component at line {_line(text, match)} contains something else than numbers"
            raise BadInput(problem, path=name, hint="fix it") from error
        if len(points):
            components.append(_Component(pen == "DOWN", points))
    if found := _WRITER.search(text):
        writer = found.group(1).strip()
    return components, writer


def _points(rows: str, channels: list[str]) -> Stroke:
    """The points of a component, one per row: channels ["X", "Y", "T"], "3 4 0\\n5 6 1\\n" -> [[3, -4], [5, -6]].

    Where the rows have different lengths they are taken as pairs. Raises ValueError for what is not a number.
    """
    width = max(len(rows.split("\n", 1)[0].split()), 1)
    values = np.array(list(map(float, rows.split())))  # twice as fast as np.array(..., dtype=float)
    if width < 2 or len(values) % width:
        width, values = 2, values[: len(values) // 2 * 2]
    usable = {"X", "Y"} <= set(channels) and len(channels) <= width
    x, y = (channels.index("X"), channels.index("Y")) if usable else (0, 1)
    points: Stroke = values.reshape(-1, width)[:, [x, y]] * [1, -1]  # y grows upwards in the files of all providers
    return points


def _find_included(name: str, line: int, included: str, folders: tuple[Path, ...]) -> Path | None:
    """The included file, below a folder include/ in one of these folders; None where there is none.

    A file from a stranger must not read others. Whatever leads out of include/, by its path or by a symbolic link, is
    refused.
    """
    problem, hint = ".INCLUDE of a file outside of the folder include/", "copy it there, and name its path in it"
    outside = BadInput(problem, path=name, line=line, hint=hint)
    if Path(included).is_absolute() or ".." in Path(included).parts:
        raise outside
    for folder in folders:
        file = folder / "include" / included
        if os.path.isfile(file):  # False, where Path.is_file would raise, for a name that is too long
            if not file.resolve().is_relative_to(folder.resolve() / "include"):
                raise outside
            return file
    return None


@lru_cache(maxsize=8)  # many label files share the ink of a page
def _included(
    file: Path, folders: tuple[Path, ...], version: tuple[int, int] | None
) -> tuple[list[_Component], str | None]:
    """The components of an included file; its version makes the cache notice changes."""
    source = open_source(file)
    return _components(source.name, source.read().decode("latin-1"), folders)
