"""The pages of a PDF, drawn by PDFium: whatever is scanned, typed or drawn on them. Pages of strokes alone are ink."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.images import Images, check_pages, check_size, decoding
from inkread.inputs.ink import HIGHLIGHTER_OPACITY, MAX_POINTS, Ink, Stroke, join_touching
from inkread.inputs.source import Source

NAME = "PDF"
SUFFIXES: tuple[str, ...] = (".pdf",)
DPI = 200  # pixels per inch: A4 is then 1654 x 2339 pixels, and a letter such as n about 20 pixels high
POINTS_PER_INCH = 72  # the unit of lengths in a PDF
PAPER_SHARE = 0.9  # of the page: a filled rectangle that is larger is paper
CURVE_POINTS = 8  # on a curve, which in exported notes is a small part of a letter
Point = tuple[float, float]
HEADER_BYTES = 1024  # readers accept the header "%PDF-" anywhere among these first bytes (PDF 1.7, appendix H)


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    return b"%PDF-" in start[:HEADER_BYTES]


def read(source: Source) -> Images:
    """The pages of a PDF. Raises BadInput where it is damaged, has a password, or PDFium is not installed."""
    with source.open() as file, decoding(source.name), _document(source.name, file) as document:
        check_pages(source.name, _sizes(document))
        return Images(source, tuple(range(len(document))), _decode, _ink)


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


# ---- pen strokes


def _ink(name: str, file: BinaryIO, number: int) -> Ink | None:
    """The pen strokes of a page, if nothing else is on it; None for a page that is to be read as an image.

    Strokes are ink annotations, and paths that are drawn with a pen and not filled. Behind them may be paper: white
    shapes, and a rectangle as large as the page. Scans, pictures, typed text, filled shapes and other annotations make
    the page an image, which shows its ink annotations too. So a page is never read in part.
    """
    import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

    with _document(name, file) as document:
        page = document[number]
        if page.get_rotation() or page.get_cropbox() != page.get_mediabox() or page.get_mediabox()[:2] != (0, 0):
            return None  # rare, and PDFium draws it right
        width, height = page.get_size()
        found: list[Stroke] = []
        try:
            for item in range(pdfium.FPDFPage_CountObjects(page)):
                found += _drawn(pdfium, pdfium.FPDFPage_GetObject(page, item), width * height)
                _check_count(found)
            for place in range(pdfium.FPDFPage_GetAnnotCount(page)):
                found += _annotated(pdfium, page, place)
                _check_count(found)
        except _IsImage:
            return None
        size = (width * DPI / POINTS_PER_INCH, height * DPI / POINTS_PER_INCH)
    strokes = join_touching([(stroke * [1, -1] + [0, height]) * (DPI / POINTS_PER_INCH) for stroke in found])
    return Ink(tuple(strokes), size=size) if strokes and np.isfinite(np.concatenate(strokes)).all() else None


class _IsImage(Exception):
    """A page has something on it that is not a pen stroke."""


def _check_count(strokes: list[Stroke]) -> None:
    if len(strokes) > MAX_POINTS or (strokes and len(strokes[-1]) > MAX_POINTS):
        raise _IsImage


def _drawn(pdfium: Any, drawn: Any, area: float) -> list[Stroke]:
    """The strokes of an object on a page of that area; none for paper and highlighters. Raises _IsImage."""
    if pdfium.FPDFPageObj_GetType(drawn) != pdfium.FPDF_PAGEOBJ_PATH:
        raise _IsImage
    fill, stroked = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(drawn, fill, stroked)
    if fill.value:
        if stroked.value or not _is_paper(pdfium, drawn, area):
            raise _IsImage
        return []
    *_, alpha = _colour(pdfium.FPDFPageObj_GetStrokeColor, drawn)
    return _path(pdfium, drawn) if stroked.value and alpha > HIGHLIGHTER_OPACITY * 255 else []


def _is_paper(pdfium: Any, drawn: Any, area: float) -> bool:
    """Whether a filled shape is white, or a rectangle that covers most of the page."""
    if _colour(pdfium.FPDFPageObj_GetFillColor, drawn)[:3] == (255, 255, 255):
        return True
    edges = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(drawn, *edges)
    left, bottom, right, top = (edge.value for edge in edges)
    return pdfium.FPDFPath_CountSegments(drawn) <= 5 and (right - left) * (top - bottom) > PAPER_SHARE * area


def _colour(get: Any, drawn: Any) -> tuple[int, ...]:
    """Red, green, blue and opacity, 0 to 255, of an object; black where the file does not say it."""
    parts = [ctypes.c_uint(each) for each in (0, 0, 0, 255)]
    get(drawn, *parts)
    return tuple(part.value for part in parts)


def _path(pdfium: Any, drawn: Any) -> list[Stroke]:
    """The parts of a path between moves of the pen, on the page, curves as points. Raises _IsImage for too many."""
    count = pdfium.FPDFPath_CountSegments(drawn)
    if count > MAX_POINTS:
        raise _IsImage
    m = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(drawn, m)
    x, y = ctypes.c_float(), ctypes.c_float()
    parts: list[list[tuple[float, float]]] = []
    controls: list[tuple[float, float]] = []
    for number in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(drawn, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (m.a * x.value + m.c * y.value + m.e, m.b * x.value + m.d * y.value + m.f)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO or not parts:
            parts.append([point])
        elif kind == pdfium.FPDF_SEGMENT_BEZIERTO and len(controls) < 2:
            controls.append(point)
        else:
            parts[-1] += _curve(parts[-1][-1], controls[0], controls[1], point) if len(controls) == 2 else [point]
            controls = []
        if pdfium.FPDFPathSegment_GetClose(segment):
            parts[-1].append(parts[-1][0])
    return [np.array(part) for part in parts]


def _curve(start: Point, first: Point, second: Point, end: Point) -> list[Point]:
    """Points along a cubic Bézier curve, without its start."""
    t = np.linspace(0, 1, CURVE_POINTS + 1)[1:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return [(float(x), float(y)) for x, y in weights @ np.array([start, first, second, end])]


def _annotated(pdfium: Any, page: Any, place: int) -> list[Stroke]:
    """The strokes of an annotation; none for links, hidden ones and highlighters. Raises _IsImage for others."""
    annotation = pdfium.FPDFPage_GetAnnot(page, place)
    try:
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        hidden = pdfium.FPDFAnnot_GetFlags(annotation) & (pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW)
        if hidden or kind in (pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP):
            return []
        if kind != pdfium.FPDF_ANNOT_INK:
            raise _IsImage
        opacity = ctypes.c_float(1)
        pdfium.FPDFAnnot_GetNumberValue(annotation, b"CA", opacity)
        if opacity.value <= HIGHLIGHTER_OPACITY:
            return []
        strokes = []
        for number in range(pdfium.FPDFAnnot_GetInkListCount(annotation)):
            count = pdfium.FPDFAnnot_GetInkListPath(annotation, number, None, 0)
            if count > MAX_POINTS:
                raise _IsImage
            points = (pdfium.FS_POINTF * count)()
            pdfium.FPDFAnnot_GetInkListPath(annotation, number, points, count)
            strokes += [np.array([(point.x, point.y) for point in points])] if count else []
        return strokes
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)
