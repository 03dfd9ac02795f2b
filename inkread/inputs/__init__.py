"""Files of any kind become images or pen strokes, page by page.

The formats are detected by the first bytes of a file. Only in folders (`collect`), the endings of names decide what is
read. A new format is one new module with NAME, SUFFIXES, a function `recognizes` and a function `read`, and one row in
a table below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inkread.errors import BadInput
from inkread.inputs import heic, iam_ondb, images, inkml, json_ink, pdf, remarkable, svg, unipen, xopp
from inkread.inputs._xml import root_name
from inkread.inputs.images import Images
from inkread.inputs.ink import Ink, check_inks
from inkread.inputs.source import Source, open_source

__all__ = ["Images", "Inks", "Source", "is_ink", "open_images", "open_input", "open_source", "read_inks"]


class InkFormat(Protocol):
    """A module that reads a format of pen strokes.

    SUFFIXES are the endings of names, in lower case, by which files of the format are recognised in a folder. There are
    none for a format whose ending has other uses as well, such as .json: its files must be named themselves.
    """

    NAME: str
    SUFFIXES: tuple[str, ...]

    def recognizes(self, start: bytes, /) -> bool: ...
    def read(self, source: Source, whole: bool, /) -> list[Ink]: ...


class ImageFormat(Protocol):
    """A module that reads a format of images; SUFFIXES as for pen strokes."""

    NAME: str
    SUFFIXES: tuple[str, ...]

    def recognizes(self, start: bytes, /) -> bool: ...
    def read(self, source: Source, /) -> Images: ...


INK_FORMATS: tuple[InkFormat, ...] = (inkml, iam_ondb, unipen, xopp, remarkable, svg, json_ink)
IMAGE_FORMATS: tuple[ImageFormat, ...] = (pdf, images, heic)
INK_SUFFIXES = frozenset(suffix for form in INK_FORMATS for suffix in form.SUFFIXES)
IMAGE_SUFFIXES = frozenset(suffix for form in IMAGE_FORMATS for suffix in form.SUFFIXES)


@dataclass(frozen=True)
class Inks:
    """The pages of a file of pen strokes, a sequence. Most formats have one page."""

    name: str  # what messages call the file
    inks: tuple[Ink, ...]

    def __len__(self) -> int:
        return len(self.inks)

    def __getitem__(self, number: int) -> Ink:
        return self.inks[number]

    def __iter__(self) -> Iterator[Ink]:
        return iter(self.inks)


def open_input(source: Path | str | bytes, name: str | None = None) -> Images | Inks:
    """The pages of a file: grey images (H, W) uint8, decoded one by one, or the strokes of each page.

    `source` is a path, "-" for standard input, or the content of a file. `name` is what messages call it, if not the
    path, <stdin> or <bytes>. Raises BadInput, which names the file and what to do, where it cannot be read.
    """
    opened = open_source(source, name)
    start = opened.start()
    if ink_format := _ink_format(start):
        return Inks(opened.name, tuple(_read_inks(ink_format, opened, whole=True)))
    return _open_images(opened, start)


def open_images(source: Path | str | bytes, name: str | None = None) -> Images:
    """The pages of an image file or PDF. Raises BadInput as `open_input` does, and for pen strokes."""
    opened = open_source(source, name)
    start = opened.start()
    if ink_format := _ink_format(start):
        raise BadInput(f"pen strokes ({ink_format.NAME}), not an image", path=opened.name, hint="give an image")
    return _open_images(opened, start)


def read_inks(source: Path | str | bytes, whole: bool = False, name: str | None = None) -> list[Ink]:
    """The inks of a file of pen strokes: one for each part that has a text of its own, one for all that has none.

    With `whole`, each page is one ink, whatever its labels. Pages without strokes are left out. Raises BadInput as
    `open_input` does, and for images.
    """
    opened = open_source(source, name)
    start = opened.start()
    if ink_format := _ink_format(start):
        inks = [ink for ink in _read_inks(ink_format, opened, whole) if ink.strokes]
        if not inks:
            raise BadInput("no pen strokes in it", path=opened.name, hint="give another file")
        return inks
    if any(form.recognizes(start) for form in IMAGE_FORMATS):
        raise BadInput("an image, not pen strokes", path=opened.name, hint=f"give {_names(INK_FORMATS)}")
    raise _unknown(opened, start)


def is_ink(source: Path | str | bytes) -> bool:
    """Whether a file holds pen strokes; False too where it cannot be read, as reading it as an image says why."""
    try:
        return _ink_format(open_source(source).start()) is not None
    except BadInput:
        return False


def _ink_format(start: bytes) -> InkFormat | None:
    return next((form for form in INK_FORMATS if form.recognizes(start)), None)


def _read_inks(form: InkFormat, source: Source, whole: bool) -> list[Ink]:
    try:
        inks = form.read(source, whole)
    except RecursionError as error:
        raise BadInput("nested too deeply for ink", path=source.name, hint="export it again") from error
    check_inks(source.name, inks)
    return inks


def _open_images(source: Source, start: bytes) -> Images:
    for form in IMAGE_FORMATS:
        if form.recognizes(start):
            return form.read(source)
    raise _unknown(source, start)


def _unknown(source: Source, start: bytes) -> BadInput:
    """The error for a file that no format recognises. It names the remedy for what people try most often."""
    if not start:
        return BadInput("the file is empty", path=source.name, hint="scan, copy or download it again")
    if root := root_name(start):
        return BadInput(f"<{root}> is XML but not ink", path=source.name, hint=f"give {_names(INK_FORMATS)}")
    problem = "not an image, and not pen strokes that inkread reads"
    return BadInput(problem, path=source.name, hint=f"give {_names(IMAGE_FORMATS)}, {_names(INK_FORMATS)}")


def _names(formats: tuple[InkFormat, ...] | tuple[ImageFormat, ...]) -> str:
    return ", ".join(form.NAME for form in formats)
