"""What can be read: a file, the content of a file, an image, an array or pen strokes. Each becomes pages."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import Images, Inks, open_input
from inkread.inputs.collect import Input
from inkread.inputs.images import check_size, to_array
from inkread.inputs.ink import Ink, Stroke

# What a Reader reads; strokes are a sequence of strokes, each an array or list of points.
Readable = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Sequence[ArrayLike]

ACCEPTED = (
    "give a path, the bytes of a file, a PIL image, a numpy array (height, width) or (height, width, 3 or 4) of uint8, "
    "uint16, bool or of floats from 0 to 1, or pen strokes as a list with one array or list of points [x, y] per stroke"
)
Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Pages:
    """The pages of what is read, each loaded when it is asked for."""

    name: str  # of the file, or "<image>" and so on
    count: int
    load: Callable[[int], Grey | Ink]  # the image (H, W) uint8 or the pen strokes of page 0, 1, ...
    in_color: Callable[[int], Grey] | None = None  # of an image: the same page as (H, W, 3), or (H, W) if it is grey
    wanted: range | None = None  # the numbers, from 1, of the pages that are to be read; None for all
    file: Images | Inks | None = None  # the file that was opened; None for what was in memory


def open_pages(readable: Readable | Input) -> Pages:
    """The pages of what is read.

    Raises BadInput for what is not accepted, and for a file that is missing, damaged or of another kind.
    """
    name = name_of(readable)
    if isinstance(readable, Input):
        pages = _open_file(name, readable.path)
        return replace(pages, wanted=readable.pages(pages.count))
    if isinstance(readable, str | os.PathLike):
        return _open_file(name, name)
    if isinstance(readable, bytes):
        return _open_file(name, readable)
    if isinstance(readable, Image.Image):
        return _open_image(name, readable)
    if isinstance(readable, np.ndarray):
        return _open_array(name, readable)
    return _open_strokes(name, readable)


def name_of(readable: object) -> str:
    """The path of a file as it was given; for what is in memory a name in angle brackets."""
    if isinstance(readable, Input):
        return readable.path
    if isinstance(readable, str | os.PathLike):
        return os.fsdecode(readable)
    kinds = ((bytes, "bytes"), (Image.Image, "image"), (np.ndarray, "array"), (Sequence, "strokes"))
    return next((f"<{name}>" for kind, name in kinds if isinstance(readable, kind)), f"<{type(readable).__name__}>")


def _open_file(name: str, source: str | bytes) -> Pages:
    """A file, or the content of one."""
    pages = open_input(source)
    if isinstance(pages, Images):
        return Pages(name, len(pages), lambda number: pages.ink(number) or pages[number], pages.in_color, file=pages)
    return Pages(name, len(pages), pages.__getitem__, file=pages)


def _open_image(name: str, image: Image.Image) -> Pages:
    def load(mode: str, number: int) -> Grey:
        return to_array(image, mode)

    check_size(name, *image.size)
    return Pages(name, 1, partial(load, "L"), partial(load, "RGB"))


def _open_array(name: str, array: NDArray[Any]) -> Pages:
    """An image as an array; the levels of all types are scaled to 0..255."""
    given = f"an array {array.shape} of {array.dtype}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.size == 0 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise BadInput(f"cannot read {given}", hint=ACCEPTED)
    return _open_image(name, Image.fromarray(_to_levels(array, given)))


def _to_levels(array: NDArray[Any], given: str) -> Grey:
    """The levels of an array as bytes: full scale is True, 255, 65535 or 1.0."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if kind == "b":
        full = 1.0
    elif kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise BadInput(f"cannot read {given} with values outside of 0 to 1", hint=ACCEPTED)
        full = 1.0
    elif array.dtype == np.uint16:
        full = 65535.0
    elif kind in "iu" and array.min() >= 0 and array.max() <= 255:
        full = 255.0
    else:
        raise BadInput(f"cannot read {given}", hint=ACCEPTED)
    return np.rint(array * (255.0 / full)).astype(np.uint8)


def _open_strokes(name: str, given: object) -> Pages:
    ink = Ink(tuple(_to_strokes(given)))
    return Pages(name, 1, lambda number: ink)


def _to_strokes(given: object) -> list[Stroke]:
    """A list of strokes as arrays (N, 2); times behind x and y are left out, and strokes without a point."""
    if not isinstance(given, Sequence) or not given:
        raise BadInput(f"cannot read {_named(given)}", hint=ACCEPTED)
    strokes = []
    for number, points in enumerate(given, 1):
        try:
            stroke = np.asarray(points, float)
        except (ValueError, TypeError) as error:
            raise BadInput(f"stroke {number} is {_named(points)}, not a list of points", hint=ACCEPTED) from error
        if stroke.size == 0:
            continue
        if stroke.ndim != 2 or stroke.shape[1] not in (2, 3):
            raise BadInput(f"stroke {number} has the shape {stroke.shape}, not (points, 2)", hint=ACCEPTED)
        if not np.isfinite(stroke).all():
            raise BadInput(f"stroke {number} has a coordinate that is not finite", hint="correct or delete the point")
        strokes.append(stroke[:, :2])
    if not strokes:
        raise BadInput("the strokes have no points", hint=ACCEPTED)
    return strokes


def _named(value: object) -> str:
    if isinstance(value, Sequence) and not len(value):
        return f"an empty {type(value).__name__}"
    return f"an object of type {type(value).__name__}"
