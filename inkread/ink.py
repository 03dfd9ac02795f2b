"""What comes in: picture files and scans in PDF, every page of them, as grey numpy arrays."""

import io
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inkread.errors import BadInput

# The largest page that is decoded, A4 at 1300 dpi: a small file can claim any size, and must not fill the memory.
MOST_PIXELS = 170_000_000

# Only what inkread promises to read. Pillow would try some forty formats more, and one of them starts Ghostscript.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "JPEG2000")
READABLE = "PNG, JPEG, TIFF, BMP or WebP"

WARNINGS = threading.Lock()

PDF_DPI = 200  # A4 is then 1654 x 2339 pixels, a letter such as n some 20 of them high


@dataclass(frozen=True)
class Pictures:
    """The pages of a picture file, each a grey (H, W) uint8 array: 0 = black, upright, transparency on white paper.

    A page is decoded when it is asked for and not kept: a small file can hold many large pages. A page that is damaged
    raises BadInput then.
    """

    name: str  # of the file, for messages
    source: Path | bytes  # the file or its content
    frames: tuple[int, ...]  # the places in the file of what are pages

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, number: int) -> np.ndarray:
        return self._decoded(number, "L")

    def in_colour(self, number: int) -> np.ndarray:
        """A page to draw on, (H, W, 3); (H, W) where it has more than 8 bits a pixel and no colours."""
        return self._decoded(number, "RGB")

    def _decoded(self, number: int, mode: str) -> np.ndarray:
        with _opened(self.name, self.source) as file, _decoding(self.name):
            decode = _pdf_page if _is_pdf(file) else _image_page
            return decode(self.name, file, self.frames[number], mode)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))


def read_pictures(path: Path | str, data: bytes | None = None) -> Pictures:
    """The pages of a picture file: a TIFF or PDF gives all its pages, every other format its first frame.

    `data` is the content of the file when it has been read already, from standard input, say; then `path` only names it
    in messages, and "-" is called <stdin>. Raises BadInput in one line when the file is missing, unreadable, too large
    or not a picture; what is damaged further inside is found when the page is decoded.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    source = Path(path) if data is None else data
    if isinstance(source, Path):
        with _opened(name, source) as file:
            source = source if file.seekable() else file.read()  # a pipe can be read only once
    with _opened(name, source) as file, _decoding(name):
        _refuse_other_files(name, file.read(1024))
        frames = range(_pdf_length(name, file)) if _is_pdf(file) else _page_frames(name, file)
        return Pictures(name, source, tuple(frames))


def read_pipe(name: str) -> bytes | None:
    """The content of standard input ("-") or of a pipe, which can be read only once; None for all other files."""
    if name == "-":
        return sys.stdin.buffer.read()
    with suppress(OSError, ValueError), open(name, "rb") as file:  # whoever opens it again reports the error
        return None if file.seekable() else file.read()
    return None


@contextmanager
def _opened(name: str, source: Path | bytes) -> Iterator[BinaryIO]:
    """The file, open at its start."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        with source.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise BadInput(f"{name}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise BadInput(f"{name}: a folder, not a picture; name the files inside it") from error
    except PermissionError as error:
        raise BadInput(f"{name}: no permission to read it; change its mode or owner") from error
    except (OSError, ValueError) as error:  # a failing disk; a zero byte in the name
        raise BadInput(f"{name}: cannot be read ({error}); check the path and the disk") from error


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Whatever goes wrong in a decoder becomes BadInput."""
    try:
        yield
    except (BadInput, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, a little above ours, comes before the size
        raise BadInput(f"{name}: too large a picture ({str(error).split(',')[0]}); scale it down") from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name}: not a picture that inkread reads; give it {READABLE}") from error
    except Exception as error:  # a decoder fed with a damaged file raises whatever it trips over
        raise BadInput(f"{name}: damaged or cut short ({error}); scan, copy or download it again") from error


def _is_pdf(file: BinaryIO) -> bool:
    file.seek(0)
    start = file.read(1024)
    file.seek(0)
    return b"%PDF-" in start


def _pdf_length(name: str, file: BinaryIO) -> int:
    with _pdf(name, file) as document:
        return len(document)


def _pdf_page(name: str, file: BinaryIO, number: int, mode: str) -> np.ndarray:
    """A page of a PDF, drawn by PDFium: what is scanned, typed or drawn on it, turned as its reader shows it."""
    with _pdf(name, file) as document:
        page = document[number]
        width, height = (length * PDF_DPI / 72 for length in page.get_size())  # it measures in points
        _check_size(name, round(width), round(height))
        drawn = page.render(scale=PDF_DPI / 72, grayscale=mode == "L", rev_byteorder=True).to_numpy()
        # Copies, as PDFium's own memory goes with the document; transparent pages have a fourth channel.
        return np.array(drawn.reshape(drawn.shape[:2]) if mode == "L" else drawn[..., :3])


@contextmanager
def _pdf(name: str, file: BinaryIO) -> Iterator[Any]:
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ImportError as error:
        raise BadInput(
            f"{name}: a PDF, which takes one more library; install it: pip install 'inkread[pdf]'"
        ) from error
    try:
        with pypdfium2.PdfDocument(file) as document:
            yield document
    except pypdfium2.PdfiumError as error:
        if "password" in str(error):
            raise BadInput(f"{name}: a PDF with a password; save a copy without it") from error
        raise BadInput(f"{name}: a PDF that is damaged or cut short; scan, copy or download it again") from error


def _check_size(name: str, width: int, height: int) -> None:
    if width * height == 0:
        raise BadInput(f"{name}: the picture has no pixels ({width} x {height}); scan, copy or download it again")
    if width * height > MOST_PIXELS:
        raise BadInput(
            f"{name}: too large a picture ({width} x {height}, at most {MOST_PIXELS:,} pixels); scale it down"
        )


def _refuse_other_files(name: str, start: bytes) -> None:
    """Name the cure for what people try most often: an empty file, a phone's HEIC."""
    if not start:
        raise BadInput(f"{name}: the file is empty; scan, copy or download it again")
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"):
        raise BadInput(f"{name}: a HEIC photo; convert it to JPEG or PNG first")


@contextmanager
def _facts(file: BinaryIO) -> Iterator[Image.Image]:
    """An image file of which the facts are to be read, but not yet the pixels: it is left open.

    Pillow warns of odd metadata and large sizes; what matters is an error. The filters for warnings are those of the
    whole process, so threads take turns.
    """
    with WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(file, formats=FORMATS)
        if image.format == "TIFF":  # a directory cut short would lose pages silently
            warnings.filterwarnings("error", "Corrupt EXIF data|Truncated")
        yield image


def _page_frames(name: str, file: BinaryIO) -> list[int]:
    """The frames that are pages: all of a TIFF but its thumbnails and masks, the first of anything else."""
    with _facts(file) as image:
        _check_size(name, *image.size)
        if image.format != "TIFF":
            return [0]
        kinds = []
        for frame in range(cast(int, getattr(image, "n_frames", 1))):
            image.seek(frame)
            # NewSubfileType: 1 thumbnail, 4 mask
            kinds.append(cast(dict[int, int], getattr(image, "tag_v2", {})).get(254, 0))
        return [frame for frame, kind in enumerate(kinds) if frame == 0 or not kind & 5]


def _image_page(name: str, file: BinaryIO, frame: int, mode: str) -> np.ndarray:
    with _facts(file) as image:
        if image.format == "TIFF":
            image.seek(frame)
        if image.format == "TIFF" or "exif" in image.info:
            image.getexif()  # read now, so that its warnings are silent
    return _to_bytes(name, image, mode)


def _to_bytes(name: str, image: Image.Image, mode: str) -> np.ndarray:
    """One page -> (H, W) uint8 as mode L, or (H, W, 3) as RGB."""
    _check_size(name, *image.size)
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
    """16-bit, 32-bit or float levels -> uint8, scaled by the smallest usual full scale that holds them, never clipped.

    A 16-bit page is on the scale 0..65535 whatever it holds: [0, 257, 65535] -> [0, 1, 255].
    """
    levels = np.clip(np.nan_to_num(levels), 0, None)
    if levels.dtype.itemsize == 2:
        full = 65535.0
    else:
        usual = (1.0, 255.0, 65535.0) if levels.dtype.kind == "f" else (255.0, 65535.0)
        full = next((scale for scale in usual if levels.max() <= scale), float(levels.max()))
    grey: np.ndarray = np.rint(levels * (255.0 / full)).astype(np.uint8)
    return grey
