"""HEIC and other HEIF photos, as many phones and cameras take them: ISO/IEC 23008-12."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.images import AVIF_BRANDS, Images, brands, check_size, decoding, to_array
from inkread.inputs.source import Source

NAME = "HEIC"
SUFFIXES: tuple[str, ...] = (".heic", ".heif", ".hif")
_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"))


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    found = brands(start)
    return bool(found & _BRANDS) and not found & AVIF_BRANDS


def read(source: Source) -> Images:
    """The primary image, as viewers show it. Raises BadInput where it is damaged, or pillow-heif is not installed."""
    with source.open() as file, decoding(source.name), _primary_image(source.name, file) as photo:
        check_size(source.name, *photo.size)
        return Images(source, (0,), _decode)


def _decode(name: str, file: BinaryIO, _frame: int, mode: str) -> np.ndarray:
    with _primary_image(name, file) as photo:
        check_size(name, *photo.size)
        # The library turns it upright by the boxes of the format, and says so in the EXIF data.
        return to_array(photo.to_pillow(), mode)


@contextmanager
def _primary_image(name: str, file: BinaryIO) -> Iterator[Any]:
    """An image of which the header has been read, but not the pixels."""
    try:
        import pillow_heif
    except ImportError as error:
        problem, hint = "a HEIC photo, which needs one more library", "install it: pip install 'inkread[heic]'"
        raise BadInput(problem, path=name, hint=hint) from error
    photos = pillow_heif.open_heif(file)
    yield photos[photos.primary_index]
