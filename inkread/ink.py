"""What comes in: picture files and scans in PDF, every page of them, as grey numpy arrays."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inkread.errors import BadInput

# The largest page that is decoded, A4 at 1300 dpi: a small file can claim any size, and must not fill the memory.
MOST_PIXELS = 170_000_000

# Only what inkread promises to read. Pillow would try some forty formats more, and one of them starts Ghostscript.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM", "JPEG2000")
READABLE = "PNG, JPEG, TIFF, BMP or WebP"

PDF_DPI = 200  # A4 is then 1654 x 2339 pixels, a letter such as n some 20 of them high


def read_pictures(path: Path | str, data: bytes | None = None) -> list[np.ndarray]:
    """Every page of a picture file as a grey (H, W) uint8 array: 0 = black, upright, transparency laid on white paper.

    A TIFF or PDF gives all its pages, every other format its first frame. `data` is the content of the file when it has
    been read already, from standard input, say; then `path` only names it in messages, and "-" is called <stdin>.
    Raises BadInput in one line when the file is missing, unreadable, cut short, too large or not a picture.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    if data is not None:
        return _decode(name, io.BytesIO(data))
    try:
        with Path(path).open("rb") as file:
            return _decode(name, file if file.seekable() else io.BytesIO(file.read()))
    except FileNotFoundError as error:
        raise BadInput(f"{name}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise BadInput(f"{name}: a folder, not a picture; name the files inside it") from error
    except PermissionError as error:
        raise BadInput(f"{name}: no permission to read it; change its mode or owner") from error
    except (OSError, ValueError) as error:  # a failing disk; a zero byte in the name
        raise BadInput(f"{name}: cannot be read ({error}); check the path and the disk") from error


def _decode(name: str, file: BinaryIO) -> list[np.ndarray]:
    start = file.read(1024)
    file.seek(0)
    _refuse_other_files(name, start)
    if b"%PDF-" in start:
        return _decode_pdf(name, file.read())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata and large sizes; what matters is an error
            with Image.open(file, formats=FORMATS) as image:
                return [_grey(name, page) for page in _pages(image)]
    except BadInput:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own limit, a little above ours, comes before the size
        raise BadInput(f"{name}: too large a picture ({str(error).split(',')[0]}); scale it down") from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name}: not a picture that inkread reads; give it {READABLE}") from error
    except Exception as error:  # a decoder fed with a damaged file raises whatever it trips over
        raise BadInput(f"{name}: damaged or cut short ({error}); scan, copy or download it again") from error


def _decode_pdf(name: str, data: bytes) -> list[np.ndarray]:
    """The pages of a PDF, drawn by PDFium: what is scanned, typed or drawn on them, turned as its reader shows them."""
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ImportError as error:
        raise BadInput(
            f"{name}: a PDF, which takes one more library; install it: pip install 'inkread[pdf]'"
        ) from error
    pages = []
    try:
        with pypdfium2.PdfDocument(data) as document:
            for page in document:
                width, height = (length * PDF_DPI / 72 for length in page.get_size())  # it measures in points
                _refuse_too_large(name, round(width), round(height))
                pages.append(page.render(scale=PDF_DPI / 72, grayscale=True).to_numpy().squeeze().copy())
    except pypdfium2.PdfiumError as error:
        if "password" in str(error):
            raise BadInput(f"{name}: a PDF with a password; save a copy without it") from error
        raise BadInput(f"{name}: a PDF that is damaged or cut short; scan, copy or download it again") from error
    return pages


def _refuse_too_large(name: str, width: int, height: int) -> None:
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


def _pages(image: Image.Image) -> Iterator[Image.Image]:
    """The frames that are pages: all of a TIFF but its thumbnails and masks, the first of anything else."""
    if image.format != "TIFF":
        yield image
        return
    warnings.filterwarnings("error", "Corrupt EXIF data|Truncated")  # a directory cut short would lose pages silently
    for frame in range(cast(int, getattr(image, "n_frames", 1))):
        image.seek(frame)
        kind = cast(dict[int, int], getattr(image, "tag_v2", {})).get(254, 0)  # NewSubfileType: 1 thumbnail, 4 mask
        if frame == 0 or not kind & 5:
            yield image


def _grey(name: str, image: Image.Image) -> np.ndarray:
    """One page -> (H, W) uint8."""
    width, height = image.size
    if width * height == 0:
        raise BadInput(f"{name}: the picture has no pixels ({width} x {height}); scan, copy or download it again")
    _refuse_too_large(name, width, height)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled_to_bytes(np.asarray(image))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    if image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return np.array(image.convert("L"))


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
