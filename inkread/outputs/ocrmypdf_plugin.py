"""inkread as the OCR engine of OCRmyPDF: `ocrmypdf --ocr-engine inkread in.pdf out.pdf`.

OCRmyPDF finds this plugin by the entry point in pyproject.toml. It starts the engine only if it is asked for, so that
other users of OCRmyPDF on the same computer notice nothing. See the plugin interface in `ocrmypdf.pluginspec`.
"""

import functools
import logging
import math
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ocrmypdf import OcrEngine, OrientationConfidence, hookimpl
from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement
from PIL import Image

import inkread
from inkread.document._xml import bounding_box
from inkread.document.elements import Line, Page, Paragraph, Points, Word

ENGINE = "inkread"
LANGUAGE_MODELS = {  # by the codes of OCRmyPDF's option -l
    "eng": "english", "fra": "french", "deu": "german", "spa": "spanish", "ita": "italian", "nld": "dutch",
    "por": "portuguese", "pol": "polish", "ces": "czech", "swe": "swedish", "dan": "danish", "nor": "norwegian",
    "fin": "finnish",
}  # fmt: skip
DEFAULT_DPI = 300.0  # of an image that does not name its resolution; OCRmyPDF's own images do
VERY_CONFIDENT = 15.0  # in the units of OCRmyPDF, by which it turns a page from 14 on

log = logging.getLogger(__name__)
_loading = threading.Lock()  # OCRmyPDF reads pages in several threads or processes


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Add inkread to the choices of --ocr-engine, and its own options."""
    for action in parser._actions:  # OCRmyPDF 17 has no other way for a plugin to name its engine
        if action.dest == "ocr_engine" and action.choices is not None:
            action.choices = [*action.choices, ENGINE]
    group = parser.add_argument_group("inkread", "Handwriting recognition, with --ocr-engine inkread")
    group.add_argument("--inkread-model", metavar="NAME|FILE", help="An included model, or a file; by default latin.")
    group.add_argument(
        "--inkread-lm",
        metavar="NAME,...|FILE",
        help="Language models, or none. By default those of the languages of -l, or those that your own model names.",
    )


@hookimpl
def check_options(options: Any) -> None:
    """Warn about languages without a language model."""
    unknown = sorted(set(options.languages) - LANGUAGE_MODELS.keys())
    if _is_chosen(options) and unknown and not _option(options, "model") and not _option(options, "lm"):
        log.warning("inkread has no language model for %s; name one with --inkread-lm", ", ".join(unknown))


@hookimpl
def get_ocr_engine(options: Any) -> "InkreadEngine | None":
    """The engine, if it is asked for."""
    return InkreadEngine() if _is_chosen(options) else None


def _is_chosen(options: Any) -> bool:
    return options is not None and options.ocr_engine == ENGINE


class InkreadEngine(OcrEngine):
    """Reads a page for OCRmyPDF."""

    @staticmethod
    def version() -> str:
        return inkread.__version__

    @staticmethod
    def creator_tag(options: Any) -> str:
        return f"inkread {inkread.__version__}"

    def __str__(self) -> str:
        return f"inkread {inkread.__version__}"

    @staticmethod
    def languages(options: Any) -> set[str]:
        return set()  # OCRmyPDF then accepts all

    @staticmethod
    def get_orientation(input_file: Path, options: Any) -> OrientationConfidence:
        """For --rotate-pages."""
        rotation = _read(input_file, options).pages[0].rotation
        return OrientationConfidence(rotation, VERY_CONFIDENT if rotation else 0.0)

    @staticmethod
    def get_deskew(input_file: Path, options: Any) -> float:
        """By how many degrees the page must be turned counterclockwise: the median slope of its lines."""
        with Image.open(input_file) as image:
            paragraphs = inkread.find_lines(image)
        angles = [_angle(region.baseline) for paragraph in paragraphs for region in paragraph]
        return float(np.median(angles)) if angles else 0.0

    @staticmethod
    def supports_generate_ocr() -> bool:
        return True

    @staticmethod
    def generate_ocr(input_file: Path, options: Any, page_number: int = 0) -> tuple[OcrElement, str]:
        """The page as the elements that OCRmyPDF writes into the PDF, and its text."""
        with Image.open(input_file) as image:
            dpi = float(image.info.get("dpi", (DEFAULT_DPI, DEFAULT_DPI))[0])
        page = _read(input_file, options).pages[0]
        element = OcrElement(
            OcrClass.PAGE,
            bbox=BoundingBox(0, 0, page.width, page.height),
            children=[_paragraph(paragraph, page) for paragraph in page.paragraphs],
            dpi=dpi,
            page_number=page_number,
        )
        return element, page.text

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        """For `ocrmypdf.api.pdf_to_hocr`, which lets people correct the text first."""
        document = _read(input_file, options)
        output_hocr.write_text(document.to_hocr(), encoding="utf-8")
        output_text.write_text(document.to_text(), encoding="utf-8")

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        """For --pdf-renderer sandwich: a page with nothing but inkread's own layer of text."""
        import pikepdf

        from inkread.outputs.glyphless import GlyphlessFont
        from inkread.outputs.text_layer import add_text_layer

        with Image.open(input_file) as image:
            across, down = image.info.get("dpi", (DEFAULT_DPI, DEFAULT_DPI))
        document = _read(input_file, options)
        (page,) = document.pages
        with pikepdf.new() as pdf:
            pdf.add_blank_page(page_size=(72 * page.width / float(across), 72 * page.height / float(down)))
            font = GlyphlessFont(pdf)
            add_text_layer(pdf.pages[0], page, font)
            font.finish()
            pdf.save(output_pdf)
        output_text.write_text(document.to_text(), encoding="utf-8")


def _read(file: Path, options: Any) -> inkread.Document:
    with _loading:
        reader = _load(_option(options, "model"), _language_models(options))
    return reader.read(file, page=True)


@functools.cache
def _load(model: str | None, lm: str | None) -> inkread.Reader:
    return inkread.load(model, lm=lm)


def _option(options: Any, name: str) -> str | None:
    value: str | None = getattr(options, f"inkread_{name}", None)
    return value


def _language_models(options: Any) -> str | None:
    """Those that the user names; else those of the languages, unless a model of the user's own names them."""
    if lm := _option(options, "lm"):
        return lm
    if _option(options, "model"):
        return None
    return ",".join(LANGUAGE_MODELS[code] for code in options.languages if code in LANGUAGE_MODELS) or "none"


def _paragraph(paragraph: Paragraph, page: Page) -> OcrElement:
    lines = [_line(line, page) for line in paragraph.lines if line.words]
    return OcrElement(OcrClass.PARAGRAPH, bbox=_box([line.polygon for line in paragraph.lines], page), children=lines)


def _line(line: Line, page: Page) -> OcrElement:
    box = _box([line.polygon], page)
    words = [_word(word, page) for word in line.words]
    if page.rotation:
        return OcrElement(OcrClass.LINE, bbox=box, textangle=page.rotation, children=words)
    baseline = None
    if len(line.baseline) > 1:
        (x, y), (end_x, end_y) = line.baseline[0], line.baseline[-1]
        slope = (end_y - y) / (end_x - x) if end_x > x else 0.0
        baseline = Baseline(slope, y + slope * (box.left - x) - box.bottom)
    return OcrElement(OcrClass.LINE, bbox=box, baseline=baseline, children=words)


def _word(word: Word, page: Page) -> OcrElement:
    return OcrElement(OcrClass.WORD, bbox=_box([word.polygon], page), text=word.text, confidence=word.confidence)


def _box(polygons: Sequence[Points], page: Page) -> BoundingBox:
    return BoundingBox(*bounding_box(polygons, page))


def _angle(baseline: Points) -> float:
    """By how many degrees a line falls to the right."""
    (x, y), (end_x, end_y) = baseline[0], baseline[-1]
    return math.degrees(math.atan2(end_y - y, end_x - x))
