"""A searchable PDF: the pages as they are, with invisible text at the place of each word.

A PDF stays what it is, with a layer of text on the pages that were read: its other pages, bookmarks, annotations and
metadata are kept. Images become the pages of a new PDF, which the data of a JPEG or PNG file enters unchanged. Pen
strokes become lines.
"""

import logging
from io import BytesIO

import img2pdf  # type: ignore[import-untyped]
import pikepdf
from pikepdf import ObjectStreamMode, Pdf
from PIL import Image

from inkread import __version__
from inkread._names import one_line
from inkread.document.elements import Document
from inkread.errors import BadInput
from inkread.inputs import Inks
from inkread.inputs import pdf as pdf_input
from inkread.inputs.images import Images
from inkread.outputs.glyphless import GlyphlessFont
from inkread.outputs.ink_pdf import add_ink, origin_of, without_shown
from inkread.outputs.text_layer import add_text_layer

POINTS_PER_INCH = 72  # the unit of lengths in a PDF
# The resolution that a file claims, in pixels per inch, is believed between these: below are the 72 and 96 that
# programs write where they know none, above is no scanner.
LOWEST_RESOLUTION, HIGHEST_RESOLUTION = 100, 4800
A4_HEIGHT = 842  # points: the longer side of a page whose resolution is unknown
LONGEST_SIDE = 14_400  # points: a limit of Acrobat, ISO 32000-1, annex C
JPEG_QUALITY = 92  # of lossy images in formats that a PDF cannot hold, such as HEIC

logging.getLogger("img2pdf").setLevel(logging.ERROR)  # it warns about transparency, which viewers show on white
logging.getLogger("pikepdf").setLevel(logging.CRITICAL)  # it logs damage that it has repaired


def write(document: Document, source: Images | Inks) -> bytes:
    """The PDF of a document and the file that it was read from. Raises BadInput for a PDF that is damaged."""
    if isinstance(source, Inks):
        return _write_ink(document, source)
    if pdf_input.recognizes(source.source.start()):
        return _write_pdf(document, source)
    with _images_to_pdf(source, document.name) as pdf:
        font = GlyphlessFont(pdf)
        for page in document.pages:
            add_text_layer(pdf.pages[page.number - 1], page, font)
        return _finish(pdf, font, ObjectStreamMode.generate)


def _write_pdf(document: Document, source: Images) -> bytes:
    """A PDF with text on the pages that were read."""
    try:
        with Pdf.open(BytesIO(source.source.read())) as pdf:
            font = GlyphlessFont(pdf)
            for page in document.pages:
                add_text_layer(pdf.pages[source.frames[page.number - 1]], page, font)
            return _finish(pdf, font, ObjectStreamMode.preserve)
    except (pikepdf.PdfError, RuntimeError, IndexError) as error:  # PDFium may read what qpdf does not
        problem, hint = f"a damaged PDF, to which no text can be added ({error})", "print it to a new PDF first"
        raise BadInput(problem, path=source.name, hint=hint) from error


def _write_ink(document: Document, inks: Inks) -> bytes:
    """All pages of a file of pen strokes, with the text of those that were read."""
    with Pdf.new() as pdf:
        font = GlyphlessFont(pdf)
        sheets = [add_ink(pdf, ink) for ink in inks]
        for page in document.pages:
            ink = inks[page.number - 1]
            placement = sheets[page.number - 1].placement(origin_of(ink, page))
            add_text_layer(pdf.pages[page.number - 1], without_shown(page, ink), font, placement)
        pdf.docinfo["/Title"], pdf.docinfo["/Producer"] = one_line(document.name), f"inkread {__version__}"
        return _finish(pdf, font, ObjectStreamMode.generate)


def _finish(pdf: Pdf, font: GlyphlessFont, streams: ObjectStreamMode) -> bytes:
    """The content of the file. A PDF that is protected, but opens without a password, stays protected."""
    font.finish()
    file = BytesIO()
    pdf.save(file, object_stream_mode=streams, encryption=pdf.is_encrypted)
    return file.getvalue()


def _images_to_pdf(images: Images, title: str) -> Pdf:
    """A PDF with the pages of an image file."""
    data = images.source.read()
    try:
        if _is_lossy(data):
            raise ValueError("a PDF cannot hold it")
        pdf = _convert([data], title, first_frame_only=not any(images.frames))
    except Exception:  # img2pdf has many classes of errors, for example for mirrored photos or 16-bit colours
        return _convert([_encode(images, number, _is_lossy(data)) for number in range(len(images))], title)
    for index in reversed(range(len(pdf.pages))):  # frames that are no pages, such as thumbnails
        if index not in images.frames:
            del pdf.pages[index]
    return pdf


def _convert(files: list[bytes], title: str, first_frame_only: bool = False) -> Pdf:
    written = img2pdf.convert(
        files,
        layout_fun=_sizes,
        first_frame_only=first_frame_only,
        title=one_line(title),
        producer=f"inkread {__version__}",
    )
    return Pdf.open(BytesIO(written))


def _sizes(width: int, height: int, resolution: tuple[float, float]) -> tuple[float, float, float, float]:
    """The width and height in points of a page and, the same, of its image with a size and resolution in pixels."""
    across, down = (pixels * POINTS_PER_INCH / dpi for pixels, dpi in zip((width, height), resolution, strict=True))
    believed = all(LOWEST_RESOLUTION <= dpi <= HIGHEST_RESOLUTION for dpi in resolution)
    if not believed or max(across, down) > LONGEST_SIDE:
        across, down = (pixels * A4_HEIGHT / max(width, height) for pixels in (width, height))
    return across, down, across, down


def _is_lossy(data: bytes) -> bool:
    """Whether an image is of a format that loses detail, and that a PDF cannot hold: HEIC, AVIF or WebP."""
    return data[4:8] == b"ftyp" or (data[8:12] == b"WEBP" and data[12:16] != b"VP8L")


def _encode(images: Images, number: int, lossy: bool) -> bytes:
    """A page as a file that a PDF can hold."""
    image, file = Image.fromarray(images.in_color(number)), BytesIO()
    if lossy:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
    else:
        image.save(file, "PNG")
    return file.getvalue()
