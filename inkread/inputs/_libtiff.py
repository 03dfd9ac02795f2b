"""What libtiff, the C library by which Pillow decodes TIFF files, says about damage. By itself it prints to stderr."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from PIL import Image

_here = threading.local()  # a thread decodes one page at a time


@contextmanager
def libtiff_errors() -> Iterator[list[str]]:
    """A list to which libtiff adds, within the context, the part of it that finds an error, such as "Fax4Decode".

    Where Pillow does not load libtiff as a library of its own, as on Windows, the list stays empty and libtiff prints.
    """
    _collect_errors()
    _here.errors = []
    try:
        yield _here.errors
    finally:
        _here.errors = None


def _note_error(module: bytes | None, _format: bytes | None, _arguments: int | None) -> None:
    errors = getattr(_here, "errors", None)
    if errors is not None:
        errors.append((module or b"").decode("ascii", "replace"))


# void handler(const char *module, const char *format, va_list arguments); it is kept, as libtiff calls it at any time
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)(_note_error)


@cache  # once is enough
def _collect_errors() -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(_HANDLER)  # type: ignore[attr-defined]
