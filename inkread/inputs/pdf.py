"""The pages of a PDF, drawn by PDFium: whatever is scanned, typed or drawn on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.images import Images, check_pages, check_size, decoding
from inkread.inputs.source import Source

NAME = "PDF"
SUFFIXES: tuple[str, ...] = (".pdf",)
DPI = 200  # pixels per inch: A4 is then 1654 x 2339 pixels, and a letter such as n about 20 pixels high
POINTS_PER_INCH = 72  # the unit of lengths in a PDF
HEADER_BYTES = 1024  # readers accept the header "%PDF-" anywhere among these first bytes (PDF 1.7, appendix H)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return b"%PDF-" in start[:HEADER_BYTES]


def read(source: Source) -> Images:
    """The pages of a PDF. Raises BadInput where it is damaged, has a password, or PDFium is not installed."""
    with source.open() as file, decoding(source.name), _document(source.name, file) as document:
        check_pages(source.name, _sizes(document))
        return Images(source, tuple(range(len(document))), _decode)


def _sizes(document: Any) -> Iterator[tuple[float, float]]:
    """The width and height of each page in pixels; (0, 0) for one that is damaged, as drawing it says why."""
    for number in range(len(document)):
        try:
            width, height = document.get_page_size(number)
        except RuntimeError:  # of which PDFium's error is one
            width, height = 0.0, 0.0
        yield width * DPI / POINTS_PER_INCH, height * DPI / POINTS_PER_INCH


def _decode(name: str, file: BinaryIO, number: int, mode: str) -> np.ndarray:
    """A page as a viewer shows it: (H, W) uint8 for mode "L", (H, W, 3) for "RGB"."""
    with _document(name, file) as document:
        page = document[number]
        width, height = (length * DPI / POINTS_PER_INCH for length in page.get_size())
        check_size(name, round(width), round(height))
        drawn = page.render(scale=DPI / POINTS_PER_INCH, grayscale=mode == "L", rev_byteorder=True).to_numpy()
        # Copies, as PDFium frees its memory with the document. Transparent pages have a fourth channel.
        return np.array(drawn.reshape(drawn.shape[:2]) if mode == "L" else drawn[..., :3])


@contextmanager
def _document(name: str, file: BinaryIO) -> Iterator[Any]:
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ImportError as error:
        raise BadInput(
            "a PDF, which needs one more library", path=name, hint="install it: pip install 'inkread[pdf]'"
        ) from error
    try:
        with pypdfium2.PdfDocument(file) as document:
            yield document
    except pypdfium2.PdfiumError as error:
        if "password" in str(error):
            raise BadInput("a PDF with a password", path=name, hint="save a copy without it") from error
        problem, hint = "a PDF that is damaged or cut short", "scan, copy or download it again"
        raise BadInput(problem, path=name, hint=hint) from error
