"""inkread as the OCR engine of OCRmyPDF, with the real program."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import ROOT, SAMPLE
from documents import letter_page
from PIL import Image

pytest.importorskip("ocrmypdf", minversion="17")
pdfium = pytest.importorskip("pypdfium2")
pikepdf = pytest.importorskip("pikepdf")

from inkread._languages import LANGUAGES  # noqa: E402
from inkread.document.elements import Document  # noqa: E402
from inkread.outputs import ocrmypdf_plugin as plugin  # noqa: E402

needs_programs = pytest.mark.skipif(
    not (shutil.which("tesseract") and shutil.which("gs")), reason="OCRmyPDF needs Tesseract and Ghostscript"
)
LETTER = SAMPLE / "letter.jpg"


def options(**given: object) -> SimpleNamespace:
    return SimpleNamespace(ocr_engine="inkread", languages=["eng"], **given)


def ocrmypdf(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run OCRmyPDF; it finds the plugin by itself where inkread is installed with its entry point."""
    installed = any(point.value == plugin.__name__ for point in entry_points(group="ocrmypdf"))
    named = [] if installed else ["--plugin", plugin.__name__]
    command = [sys.executable, "-m", "ocrmypdf", *named, "--jobs", "1", *map(str, arguments)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.pdf"
    with Image.open(LETTER) as image:
        image.save(path, resolution=150)
    return path


@needs_programs
def test_a_scanned_page_becomes_searchable(tmp_path: Path) -> None:
    scan, out, text = tmp_path / "scan.pdf", tmp_path / "out.pdf", tmp_path / "out.txt"
    with Image.open(LETTER) as image:
        image.save(scan, resolution=150)
    done = ocrmypdf(
        "--ocr-engine", "inkread", "--inkread-model", "latin", "--inkread-lm", "none",
        "--output-type", "pdf", "--optimize", 0, "--sidecar", text, scan, out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with pdfium.PdfDocument(out) as document:
        page = document[0]
        found = page.get_textpage()
        content = found.get_text_range()
        words = list(re.finditer(r"\S+", content))
        (left, _, _, top), (_, bottom, _, _) = (found.get_charbox(words[at].start(), loose=True) for at in (0, -1))
        width, height = page.get_size()
    read = text.read_text("utf-8").split()
    assert len(read) >= 9 and sum(word in content for word in read) > 0.9 * len(read)
    assert left < width / 4 and top > 0.75 * height and bottom < height / 2  # upper left, and further down
    with pikepdf.open(out) as document:
        assert "inkread" in str(document.docinfo["/Creator"])


def test_the_renderer_sandwich_gets_a_page_of_text_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = tmp_path / "page.png"
    Image.new("L", (400, 300), 255).save(image, dpi=(100, 100))
    monkeypatch.setattr(plugin, "_read", lambda file, options: Document("page.png", (letter_page(),)))
    plugin.InkreadEngine.generate_pdf(image, tmp_path / "a.pdf", tmp_path / "a.txt", options())
    with pdfium.PdfDocument(tmp_path / "a.pdf") as document:
        assert document[0].get_size() == pytest.approx((288, 216), abs=0.1)
        assert document[0].get_textpage().get_text_range().split() == letter_page().text.split()
    assert (tmp_path / "a.txt").read_text("utf-8") == letter_page().text + "\n"


def test_other_engines_work_as_before() -> None:
    assert plugin.get_ocr_engine(SimpleNamespace(ocr_engine="auto")) is None
    assert plugin.get_ocr_engine(None) is None
    assert isinstance(plugin.get_ocr_engine(options()), plugin.InkreadEngine)


def test_the_elements_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_read", lambda file, options: Document("letter.jpg", (letter_page(),)))
    page, text = plugin.InkreadEngine.generate_ocr(LETTER, options(), page_number=4)
    assert text == letter_page().text and page.page_number == 4
    assert [word.text for word in page.words] == ["Dear", "<Ann>", "&", "you", "thanks", "déjà", "vu"]
    assert [word.bbox.left for word in page.lines[0].words] == [50, 100, 160, 180]
    assert [(line.bbox.top, line.bbox.bottom) for line in page.lines] == [(20, 60), (80, 120), (200, 240)]
    # The baseline starts 10 pixels above the lower edge of the line, and rises by 2 over 160 pixels.
    assert (page.lines[0].baseline.slope, page.lines[0].baseline.intercept) == (pytest.approx(-2 / 160), -10)


def test_a_page_on_its_side_can_be_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = letter_page().turned(270)
    monkeypatch.setattr(plugin, "_read", lambda file, options: Document("letter.jpg", (turned,)))
    angle, confidence = plugin.InkreadEngine.get_orientation(LETTER, options())
    assert angle == turned.rotation == 90 and confidence > 14  # the threshold of OCRmyPDF
    page, _ = plugin.InkreadEngine.generate_ocr(LETTER, options())
    assert {line.textangle for line in page.lines} == {90} and page.lines[0].baseline is None


def test_hocr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugin, "_read", lambda file, options: Document("letter.jpg", (letter_page(),)))
    plugin.InkreadEngine.generate_hocr(LETTER, tmp_path / "a.hocr", tmp_path / "a.txt", options())
    assert "ocrx_word" in (tmp_path / "a.hocr").read_text("utf-8")
    assert (tmp_path / "a.txt").read_text("utf-8") == letter_page().text + "\n"


@pytest.mark.parametrize("turned", [0, 3, -2])
def test_a_page_is_turned_by_the_slope_of_its_lines(tmp_path: Path, turned: float) -> None:
    """The lines of the letter rise by about 1.6 degrees: turning it by as much clockwise makes them level."""
    with Image.open(LETTER) as image:
        image.convert("L").rotate(turned, Image.Resampling.BICUBIC, fillcolor=230).save(tmp_path / "turned.png")
    assert plugin.InkreadEngine.get_deskew(tmp_path / "turned.png", options()) == pytest.approx(-turned - 1.6, abs=0.7)
    Image.new("L", (400, 300), 255).save(tmp_path / "empty.png")
    assert plugin.InkreadEngine.get_deskew(tmp_path / "empty.png", options()) == 0


def test_language_models_follow_the_languages(caplog: pytest.LogCaptureFixture) -> None:
    assert plugin._language_models(options()) == "english"
    both = options()
    both.languages = ["eng", "fra"]
    assert plugin._language_models(both) == "english,french"
    both.languages = ["lat"]
    assert plugin._language_models(both) == "none"
    plugin.check_options(both)
    assert "inkread has no language model for lat" in caplog.text
    assert set(plugin.LANGUAGE_MODELS.values()) == set(LANGUAGES.values())
    assert plugin._language_models(options(inkread_model="mine.safetensors")) is None
    assert plugin._language_models(options(inkread_lm="mine.arpa")) == "mine.arpa"
