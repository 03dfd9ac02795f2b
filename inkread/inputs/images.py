"""Image files become grey arrays, one per page."""

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inkread.errors import BadInput
from inkread.inputs.source import Source

NAME = "PNG, JPEG, TIFF, BMP, WebP, GIF, JPEG 2000, PBM, PGM, PPM"
SUFFIXES: tuple[str, ...] = tuple(
    ".png .jpg .jpeg .jpe .jfif .tif .tiff .bmp .webp .gif .jp2 .j2k .jpf .jpx .j2c .jpc .pbm .pgm .ppm .pnm".split()
)

# Pillow reads some forty formats more. They are left out because one of them starts Ghostscript, a large program that
# runs code from the file, and the others are not tested.
PILLOW_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "JPEG2000")
# The first bytes of these formats, as in Pillow's own plugins.
_SIGNATURES = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|MM\0[*+]|II[*+]\0|MM\*\0|II\0\*|BM|RIFF....WEBP|GIF8[79]a|P[0-6fy]"
    rb"|\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
    re.DOTALL,
)

# Pixels of the largest page that is decoded: A4 at 1300 dpi. A small file can claim any size and must not fill the
# memory. It is a little below Pillow's own limit, so that the message is ours.
MAX_PIXELS = 170_000_000

NEW_SUBFILE_TYPE = 254  # a tag of TIFF 6.0, section 8: what a frame is
THUMBNAIL_OR_MASK = 1 | 4  # bits of that tag

_WARNING_FILTERS = threading.Lock()  # they belong to the whole process, so threads take turns

# (name for messages, file, number of a frame in it, mode "L" or "RGB") -> the decoded page, an array of uint8
Decoder = Callable[[str, BinaryIO, int, str], np.ndarray]


@dataclass(frozen=True)
class Images:
    """The pages of an image file or PDF: a sequence of arrays (H, W) uint8, 0 = black.

    Pages are turned upright as the file says, and transparent parts are white. A page is decoded when it is asked for,
    and not kept, because a small file can hold many large pages. A damaged page then raises BadInput.
    """

    source: Source
    frames: tuple[int, ...]  # the numbers, in the file, of the frames that are pages
    decode: Decoder

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.source.name

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> np.ndarray:
        return self._decoded(number, "L")

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))

    def in_color(self, number: int) -> np.ndarray:
        """A page to draw on: (H, W, 3) uint8, or (H, W) where it has more than 8 bits per pixel and no colours."""
        return self._decoded(number, "RGB")

    def _decoded(self, number: int, mode: str) -> np.ndarray:
        frame = self.frames[number]
        with self.source.open() as file, decoding(self.name):
            return self.decode(self.name, file, frame, mode)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of one of these formats."""
    return _SIGNATURES.match(start) is not None


def read(source: Source) -> Images:
    """The pages of an image file: all pages of a TIFF, the first frame of other formats.

    Raises BadInput where the file is damaged at its start, or its first page is too large. What is damaged further
    inside is found when the page is decoded.
    """
    with source.open() as file, decoding(source.name), _header(file) as image:
        check_size(source.name, *image.size)
        return Images(source, tuple(_pages(image)), _decode)


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Any error in a decoder becomes BadInput: decoders raise all kinds of errors for damaged files."""
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # Pillow checks the size first when it opens a file
        problem = f"the image is too large ({str(error).split(',')[0]})"
        raise BadInput(problem, path=name, hint="scale it down") from error
    except UnidentifiedImageError as error:
        raise BadInput("not an image that inkread reads", path=name, hint=f"give {NAME}") from error
    except Exception as error:
        problem = f"damaged or cut short ({error})"
        raise BadInput(problem, path=name, hint="scan, copy or download it again") from error


def check_size(name: str, width: int, height: int) -> None:
    """Raise BadInput for a page without pixels, or with more than MAX_PIXELS."""
    if width * height == 0:
        problem = f"the image has no pixels ({width} x {height})"
        raise BadInput(problem, path=name, hint="scan, copy or download it again")
    if width * height > MAX_PIXELS:
        problem = f"the image is too large ({width} x {height}, at most {MAX_PIXELS:,} pixels)"
        raise BadInput(problem, path=name, hint="scale it down")


@contextmanager
def _header(file: BinaryIO) -> Iterator[Image.Image]:
    """An image of which the header has been read, but not the pixels. It stays open.

    Pillow warns about odd metadata and large sizes. Only one warning matters, that of a TIFF directory that is cut
    short, because pages would be missing: it becomes an error.
    """
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(file, formats=PILLOW_FORMATS)
        if image.format == "TIFF":
            warnings.filterwarnings("error", "Corrupt EXIF data|Truncated")
        yield image


def _pages(image: Image.Image) -> list[int]:
    """The frames that are pages: those of a TIFF except thumbnails and masks, the first frame of other formats."""
    if image.format != "TIFF":
        return [0]
    kinds = []
    for frame in range(cast(int, getattr(image, "n_frames", 1))):
        image.seek(frame)
        kinds.append(cast(dict[int, int], getattr(image, "tag_v2", {})).get(NEW_SUBFILE_TYPE, 0))
    return [frame for frame, kind in enumerate(kinds) if frame == 0 or not kind & THUMBNAIL_OR_MASK]


def _decode(name: str, file: BinaryIO, frame: int, mode: str) -> np.ndarray:
    with _header(file) as image:
        if image.format == "TIFF":
            image.seek(frame)
        if image.format == "TIFF" or "exif" in image.info:
            image.getexif()  # read now, while warnings are off
    check_size(name, *image.size)
    return to_array(image, mode)


def to_array(image: Image.Image, mode: str) -> np.ndarray:
    """A page as (H, W) uint8 for mode "L", or (H, W, 3) for "RGB"."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled_to_bytes(np.asarray(image))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    if image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return np.array(image.convert(mode))


def _scaled_to_bytes(levels: np.ndarray) -> np.ndarray:
    """Levels of 16 or 32 bits, or floats, as uint8: divided by the smallest usual maximum that holds them all.

    A 16-bit page always has the maximum 65535, whatever it holds: [0, 257, 65535] -> [0, 1, 255].
    """
    levels = np.clip(np.nan_to_num(levels), 0, None)
    if levels.dtype.itemsize == 2:
        maximum = 65535.0
    else:
        usual = (1.0, 255.0, 65535.0) if levels.dtype.kind == "f" else (255.0, 65535.0)
        maximum = next((scale for scale in usual if levels.max() <= scale), float(levels.max()))
    grey: np.ndarray = np.rint(levels * (255.0 / maximum)).astype(np.uint8)
    return grey
