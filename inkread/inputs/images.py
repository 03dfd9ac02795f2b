"""Image files become grey arrays, one per page."""

import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inkread._names import one_line
from inkread.errors import BadInput
from inkread.inputs._libtiff import libtiff_errors
from inkread.inputs.ink import Ink, check_inks
from inkread.inputs.source import Source

NAME = "PNG, JPEG, TIFF, BMP, WebP, AVIF, GIF, JPEG 2000, PBM, PGM, PPM"
SUFFIXES: tuple[str, ...] = tuple(
    f".{suffix}"
    for suffix in "png jpg jpeg jpe jfif tif tiff bmp webp avif gif jp2 j2k jpf jpx j2c jpc pbm pgm ppm pnm pfm".split()
)

# Each of these is what some device or program writes when it makes an image of paper, and has a decoder that is widely
# used, maintained, and tested by others and by benchmarks/fuzz.py with damaged files.
PILLOW_FORMATS = (
    "PNG",  # screenshots, scans
    "JPEG",  # photos, scans; also with a preview or a second photo behind the first (MPO), which is left out
    "TIFF",  # scanners and archives; the only format with several pages
    "BMP",  # old scanners and Windows
    "WEBP",  # browsers, messengers
    "AVIF",  # browsers, some phones
    "GIF",  # old web pages
    "JPEG2000",  # archives, libraries
    "PPM",  # the simplest format to write, with PBM, PGM and PFM: other programs
)
# Pillow reads some thirty formats more. Left out are those that run other programs or the system's code (EPS starts
# Ghostscript, which runs code from the file; WMF and EMF are drawn by Windows), those of editors, games, icons and
# instruments, which nobody has handwriting in (PSD, DDS, FLI, ICO, ICNS, FITS, SPIDER, ...), and those that have no
# signature or that nothing has written for decades (TGA, PCX, DCX, PCD, SGI, SUN, XBM, XPM, ...), whose decoders are
# rarely used and so rarely examined.

# The first bytes of these formats but AVIF, as in Pillow's own plugins.
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

# All pages of a file: 600 pages of A4 at 600 dpi, and more pages than a book has. A few kilobytes can claim any number
# of empty pages, and must not keep a batch busy for days.
MAX_FILE_PIXELS = 20_000_000_000
MAX_PAGES = 10_000

AVIF_BRANDS = frozenset((b"avif", b"avis"))  # AV1 Image File Format, section 6

log = logging.getLogger("inkread")
_WARNING_FILTERS = threading.Lock()  # they belong to the whole process, so threads take turns

# (name for messages, file, number of a frame in it, mode "L" or "RGB") -> the decoded page, an array of uint8
Decoder = Callable[[str, BinaryIO, int, str], np.ndarray]
# (name, file, number of a page) -> its pen strokes; None for a page that is an image
InkReader = Callable[[str, BinaryIO, int], Ink | None]


@dataclass(frozen=True)
class Images:
    """The pages of an image file or PDF: a sequence of arrays (H, W) uint8, 0 = black.

    Pages are turned upright as the file says, and transparent parts are white. A page is decoded when it is asked for,
    and not kept, because a small file can hold many large pages. A damaged page then raises BadInput.
    """

    source: Source
    frames: tuple[int, ...]  # the numbers, in the file, of the frames that are pages
    decode: Decoder
    read_ink: InkReader | None = None  # of a format whose pages may be pen strokes

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

    def ink(self, number: int) -> Ink | None:
        """The strokes of a page on which there is nothing but strokes of a pen; None for all others."""
        if not self.read_ink:
            return None
        with self.source.open() as file, decoding(self.name):
            ink = self.read_ink(self.name, file, self.frames[number])
        if ink:
            check_inks(f"{self.name}, page {number + 1}", [ink])
        return ink

    def in_color(self, number: int) -> np.ndarray:
        """A page to draw on: (H, W, 3) uint8, or (H, W) where it has more than 8 bits per pixel and no colours."""
        return self._decoded(number, "RGB")

    def _decoded(self, number: int, mode: str) -> np.ndarray:
        frame = self.frames[number]
        with self.source.open() as file, decoding(self.name):
            return self.decode(self.name, file, frame, mode)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of one of these formats."""
    return _SIGNATURES.match(start) is not None or bool(brands(start) & AVIF_BRANDS)


def brands(start: bytes) -> frozenset[bytes]:
    """The brands of a file of boxes (ISO/IEC 14496-12, 4.3), which say by what standards it is made; or none.

    b"\\0\\0\\0\\x18ftypheic\\0\\0\\0\\0mif1heic" -> {b"heic", b"mif1"}
    """
    if start[4:8] != b"ftyp":
        return frozenset()
    box = start[: int.from_bytes(start[:4])]
    places = (8, *range(16, len(box) - 3, 4))  # at 12 is a version
    return frozenset(box[place : place + 4] for place in places)


def read(source: Source) -> Images:
    """The pages of an image file: all pages of a TIFF, the first frame of other formats.

    The other frames of GIF, WebP, AVIF and PNG are an animation of the first one, and those of JPEG its previews.

    Raises BadInput where the file is damaged at its start, its first page is too large, or all pages together. What is
    damaged further inside is found when the page is decoded.
    """
    with source.open() as file, decoding(source.name), _header(file) as image:
        check_size(source.name, *image.size)
        return Images(source, tuple(_pages(source.name, image)), _decode)


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
        problem = "an image that is damaged, cut short, or of a kind that is rarely used"
        raise BadInput(problem, path=name, hint="copy it again, or save it as PNG") from error
    except Exception as error:
        problem = f"damaged or cut short ({' '.join(str(error).split())})"
        raise BadInput(problem, path=name, hint="scan, copy or download it again") from error


def check_size(name: str, width: int, height: int) -> None:
    """Raise BadInput for a page without pixels, or with more than MAX_PIXELS."""
    if width * height == 0:
        problem = f"the image has no pixels ({width} x {height})"
        raise BadInput(problem, path=name, hint="scan, copy or download it again")
    if width * height > MAX_PIXELS:
        problem = f"the image is too large ({width} x {height}, at most {MAX_PIXELS:,} pixels)"
        raise BadInput(problem, path=name, hint="scale it down")


def check_pages(name: str, sizes: Iterable[tuple[float, float]]) -> None:
    """Raise BadInput for more than MAX_PAGES pages (width, height), or MAX_FILE_PIXELS on all of them."""
    pixels = 0.0
    for number, (width, height) in enumerate(sizes, 1):
        pixels += width * height
        if number > MAX_PAGES or pixels > MAX_FILE_PIXELS:
            limit = f"{MAX_PAGES:,} pages" if number > MAX_PAGES else f"{MAX_FILE_PIXELS:,} pixels on all pages"
            raise BadInput(f"the file is too large (more than {limit})", path=name, hint="split it into several files")


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


def _pages(name: str, image: Image.Image) -> list[int]:
    """The frames that are pages: those of a TIFF except thumbnails and masks, the first frame of other formats."""
    if image.format != "TIFF":
        return [0]
    kinds = []

    def sizes() -> Iterator[tuple[int, int]]:
        for frame in count():  # Pillow's own count of the frames has no limit
            try:
                image.seek(frame)
            except EOFError:
                return
            kinds.append(cast(dict[int, int], getattr(image, "tag_v2", {})).get(NEW_SUBFILE_TYPE, 0))
            yield image.size

    check_pages(name, sizes())
    return [frame for frame, kind in enumerate(kinds) if frame == 0 or not kind & THUMBNAIL_OR_MASK]


def _decode(name: str, file: BinaryIO, frame: int, mode: str) -> np.ndarray:
    with _header(file) as image:
        if image.format == "TIFF":
            image.seek(frame)
        if image.format == "TIFF" or "exif" in image.info:
            image.getexif()  # read now, while warnings are off
    check_size(name, *image.size)
    with libtiff_errors() as errors:
        page = to_array(image, mode)
    if errors:  # and yet it was decoded: the rows of a fax that are damaged are filled from those above
        log.warning("%s: damaged in places, which may cost words (%s)", one_line(name), ", ".join(sorted(set(errors))))
    return page


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
