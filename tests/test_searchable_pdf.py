"""Searchable PDFs, as PDFium and poppler, two libraries of viewers, find their text."""

import ctypes
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documents import HEIGHT, WIDTH, letter, letter_page, line, of_lines
from PIL import Image, features

from inkread.document.elements import Character, Document, Line, Page, Paragraph, Points, Word
from inkread.errors import BadInput
from inkread.inputs import Images, Inks, open_input
from inkread.model.recognizer import Reading
from inkread.pages.reader import Reader

pikepdf = pytest.importorskip("pikepdf")
pytest.importorskip("img2pdf")
pdfium = pytest.importorskip("pypdfium2")

from inkread.outputs import glyphless, pdf  # noqa: E402

WORDS = ["Dear", "<Ann>", "&", "you", "thanks", "déjà", "vu"]
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the page that was read


def images(path: Path) -> Images:
    opened = open_input(path)
    assert isinstance(opened, Images)
    return opened


def word_boxes(data: bytes, number: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> dict[str, Box]:
    """The words that PDFium finds on a page, and where a viewer that shows it in this size marks them."""
    with pdfium.PdfDocument(data) as document:
        page = document[number]
        text = page.get_textpage()
        found = text.get_text_range()
        return {
            match[0]: _in_pixels(page, [text.get_charbox(at) for at in range(*match.span())], size)
            for match in re.finditer(r"\S+", found)
        }


def _in_pixels(page: object, boxes: list[tuple[float, float, float, float]], size: tuple[int, int]) -> Box:
    points = []
    for left, bottom, right, top in boxes:
        for corner in ((left, bottom), (right, top)):
            x, y = ctypes.c_int(), ctypes.c_int()
            # Ten times as large, since the result is in whole pixels.
            pdfium.raw.FPDF_PageToDevice(page, 0, 0, 10 * size[0], 10 * size[1], 0, *corner, x, y)
            points.append((x.value / 10, y.value / 10))
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def expected(page: Page) -> dict[str, Points]:
    return {word.text: word.polygon for line in page.lines for word in line.words}


def assert_in_place(found: dict[str, Box], page: Page) -> None:
    """Each word is as wide as it was read, and its box is inside of that of the line."""
    assert list(found) == [word.text for line in page.lines for word in line.words]
    for text, polygon in expected(page).items():
        (left, top), (right, bottom) = polygon[0], polygon[2]
        x, y, other_x, other_y = found[text]
        assert (x, other_x) == pytest.approx((left, right), abs=1), text
        assert top - 3 < y < other_y < bottom + 3 and other_y - y > (bottom - top) / 3, text


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A page with noise, as JPEG compresses it no further."""
    path = tmp_path / "letter.jpg"
    Image.effect_noise((WIDTH, HEIGHT), 90).convert("RGB").save(path, quality=95)
    return path


def test_a_photo_is_embedded_unchanged_with_its_words_in_place(photo: Path) -> None:
    written = pdf.write(letter(), images(photo))
    assert_in_place(word_boxes(written), letter_page())
    with pikepdf.open(BytesIO(written)) as document:
        (image,) = (value for _, value in document.pages[0].obj.Resources.XObject.items())
        assert image.read_raw_bytes() == photo.read_bytes()
        assert "letter.png" in str(document.docinfo["/Title"])
    assert len(written) < photo.stat().st_size + 4000


def test_the_text_is_invisible(photo: Path) -> None:
    with_text, without = (pdf.write(document, images(photo)) for document in (letter(), of_lines()))
    shown = [pdfium.PdfDocument(data)[0].render().to_numpy() for data in (with_text, without)]
    assert (shown[0] == shown[1]).all()


def test_text_is_copied_in_lines(photo: Path) -> None:
    written = pdf.write(letter(), images(photo))
    text = pdfium.PdfDocument(written)[0].get_textpage().get_text_range()
    assert [row.strip() for row in text.splitlines()] == ["Dear <Ann> & you", "thanks", "déjà vu"]


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="poppler-utils are not installed")
def test_poppler_finds_the_words_too(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.pdf").write_bytes(pdf.write(letter(), images(photo)))
    command = ["pdftotext", "-enc", "UTF-8", "-bbox", str(tmp_path / "letter.pdf"), "-"]
    html = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    scale = WIDTH / float(re.findall(r'<page width="([\d.]+)"', html)[0])
    found = re.findall(r'<word xMin="(.*)" yMin="(.*)" xMax="(.*)" yMax="(.*)">(.*)</word>', html)
    texts = [text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for *_, text in found]
    boxes = [[scale * float(value) for value in place] for *place, _ in found]
    assert_in_place({text: (x, y, x2, y2) for text, (x, y, x2, y2) in zip(texts, boxes, strict=True)}, letter_page())


def sloping(degrees: float) -> Line:
    """Three words along a line that falls by this angle."""
    along = (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    down = (-along[1], along[0])

    def point(u: float, v: float) -> tuple[float, float]:
        return 150 + u * along[0] + v * down[0], 120 + u * along[1] + v * down[1]

    words = tuple(
        Word(text, 1.0, (point(start, -20), point(start + 50, -20), point(start + 50, 8), point(start, 8)))
        for text, start in (("one", 0), ("two", 60), ("three", 120))
    )
    return Line("one two three", 1.0, words, (), words[0].polygon, (point(0, 0), point(170, 0)))


@pytest.mark.parametrize("degrees", [-30, -4, 1, 4, 45, 90, 180, -90])
def test_lines_that_slope(photo: Path, degrees: float) -> None:
    line = sloping(degrees)
    found = word_boxes(pdf.write(of_lines(line), images(photo)))
    assert sorted(found) == ["one", "three", "two"]  # what stands upside down is read from the other end
    for word in line.words:
        x, y = ((min(values) + max(values)) / 2 for values in zip(*word.polygon, strict=True))
        left, top, right, bottom = found[word.text]
        assert (x, y) == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=6)


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("before", [0, 90])
def test_a_page_on_its_side_is_shown_upright(tmp_path: Path, rotation: int, before: int) -> None:
    """Whatever way the page was shown before, its words are then where they are on the upright page."""
    turned = letter_page().turned(360 - rotation)
    Image.new("L", (turned.width, turned.height), 255).save(tmp_path / "letter.png")
    source, document = images(tmp_path / "letter.png"), Document("letter.png", (turned,))
    if before:
        with pikepdf.open(BytesIO(pdf.write(Document("a", ()), source))) as plain:
            (width, height) = (float(side) for side in list(plain.pages[0].MediaBox)[2:])
            plain.pages[0].MediaBox = [0, 0, height, width]  # which is shown as width x height
            plain.pages[0].Rotate = before
            plain.save(tmp_path / "letter.pdf")
        source = images(tmp_path / "letter.pdf")
    written = pdf.write(document, source)
    with pikepdf.open(BytesIO(written)) as file:
        assert file.pages[0].Rotate == (before + rotation) % 360
    assert_in_place(word_boxes(written), letter_page())
    text = pdfium.PdfDocument(written)[0].get_textpage().get_text_range()
    assert [row.strip() for row in text.splitlines()] == ["Dear <Ann> & you", "thanks", "déjà vu"]


def test_a_gentle_slope_keeps_the_order_of_words(photo: Path, tmp_path: Path) -> None:
    if not shutil.which("pdftotext"):
        pytest.skip("poppler-utils are not installed")
    for degrees in (-2, 2):
        (tmp_path / "a.pdf").write_bytes(pdf.write(of_lines(sloping(degrees)), images(photo)))
        done = subprocess.run(["pdftotext", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True)
        assert done.stdout.split() == ["one", "two", "three"]


def test_letters_of_all_alphabets(photo: Path) -> None:
    text = "Ærøskøbing Ω Жизнь 漢字 𝒜𝄞 œuf"
    written = pdf.write(of_lines(line(text, 50)), images(photo))
    assert pdfium.PdfDocument(written)[0].get_textpage().get_text_range().split() == text.split()


def test_the_font_is_a_valid_truetype_font() -> None:
    tt_lib = pytest.importorskip("fontTools.ttLib")
    font = tt_lib.TTFont(BytesIO(glyphless._truetype()), checkChecksums=2, lazy=False)
    assert font["hmtx"].metrics[font.getGlyphOrder()[1]] == (500, 0)
    assert (font["hhea"].ascent, font["hhea"].descent, font["head"].unitsPerEm) == (800, -200, 1000)


# ---- images of all kinds


def page_with_exif(orientation: int, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.effect_noise((WIDTH, HEIGHT), 90).convert("RGB").save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_their_exif_data_say(tmp_path: Path, orientation: int) -> None:
    page_with_exif(orientation, tmp_path / "turned.jpg")
    opened = images(tmp_path / "turned.jpg")
    upright = opened.in_color(0)
    height, width = upright.shape[:2]
    page = replace(letter_page(), width=width, height=height)
    written = pdf.write(Document("turned.jpg", (page,)), opened)
    with pdfium.PdfDocument(written) as document:
        drawn = document[0].render(scale=width / document[0].get_width()).to_pil().convert("L").resize((width, height))
    assert abs(np.asarray(drawn, float) - np.asarray(Image.fromarray(upright).convert("L"))).mean() < 12
    assert_in_place(word_boxes(written, 0, (width, height)), page)


def kinds(folder: Path) -> dict[str, Callable[[Path], None]]:
    noise = Image.effect_noise((WIDTH, HEIGHT), 90)
    half = Image.new("L", noise.size, 128)
    return {
        "grey.png": noise.save,
        "bits.png": noise.convert("1").save,
        "palette.png": noise.convert("P").save,
        "transparent.png": Image.merge("LA", (noise, half)).save,
        "deep.png": noise.convert("I;16").save,
        "fax.tif": lambda path: noise.convert("1").save(path, compression="group4"),
        "colour.tif": lambda path: noise.convert("RGB").save(path, compression="tiff_lzw"),
        "cmyk.jpg": noise.convert("CMYK").save,
        "a.bmp": noise.save,
        "a.gif": noise.save,
        "a.webp": noise.save,
        "lossless.webp": lambda path: noise.save(path, lossless=True),
        "a.avif": noise.save,
        "a.pgm": noise.save,
        "a.jp2": noise.save,
    }


@pytest.mark.parametrize("name", list(kinds(Path())))
def test_every_kind_of_image_becomes_a_page(tmp_path: Path, name: str) -> None:
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    kinds(tmp_path)[name](tmp_path / name)
    opened = images(tmp_path / name)
    written = pdf.write(letter(name), opened)
    assert_in_place(word_boxes(written), letter_page())
    with pdfium.PdfDocument(written) as document:
        drawn = document[0].render(scale=WIDTH / document[0].get_width(), grayscale=True).to_numpy()
    read = opened[0]
    assert drawn.shape == read.shape
    assert abs(drawn.astype(float) - read).mean() < 25  # programs see CMYK differently


def test_all_pages_of_a_tiff_but_no_thumbnails(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    pages = [Image.new("L", (WIDTH, HEIGHT), 255 - 50 * number) for number in range(3)]
    thumbnail = Image.new("L", (40, 30), 9)
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(path, save_all=True, append_images=[thumbnail, *pages[1:]])
    opened = images(path)
    assert len(opened) == 3
    read = Document("pages.tif", (letter_page(3),))
    written = pdf.write(read, opened)
    with pdfium.PdfDocument(written) as document:
        shades = [page.render(grayscale=True).to_numpy().max() for page in document]
        assert shades == [255, 205, 155]
    assert not word_boxes(written, 0) and not word_boxes(written, 1)
    assert_in_place(word_boxes(written, 2), letter_page(3))


@pytest.mark.parametrize(("dpi", "width"), [(None, 842), (72, 842), (200, 144), (96, 842), (1e9, 842)])
def test_the_size_of_a_page(tmp_path: Path, dpi: float | None, width: float) -> None:
    """By the resolution of the image if it is one that a scanner has; else the longer side is that of A4."""
    resolution = int(min(dpi or 0, 65535))  # 0: unknown
    Image.new("L", (WIDTH, HEIGHT), 255).save(tmp_path / "a.jpg", dpi=(resolution, resolution))
    with pdfium.PdfDocument(pdf.write(letter(), images(tmp_path / "a.jpg"))) as document:
        assert document[0].get_size() == pytest.approx((width, width * HEIGHT / WIDTH), rel=1e-3)


# ---- PDFs


def scan(**keys: object) -> Any:
    """A PDF of three pages, of which the second has these keys; with a bookmark, an annotation and a title."""
    document = pikepdf.new()
    for _ in range(3):
        document.add_blank_page(page_size=(300, 200))
    page = document.pages[1]
    for key, value in keys.items():
        page.obj[f"/{key}"] = value
    note = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Text, Rect=[9, 9, 29, 29], Contents="a note"
    )
    page.obj.Annots = document.make_indirect(pikepdf.Array([document.make_indirect(note)]))
    with document.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("Chapter 2", 1))
    document.docinfo["/Title"] = "Letters"
    return document


def saved(document: Any, path: Path, **options: object) -> Images:
    document.save(path, **options)
    return images(path)


def page_as_shown(opened: Images, number: int) -> Page:
    height, width = opened[number - 1].shape
    return replace(letter_page(number), width=width, height=height)


def boxes() -> Iterator[dict[str, object]]:
    for rotate in (0, 90, 180, 270, -90, 450):
        yield {"Rotate": rotate}
        yield {"Rotate": rotate, "CropBox": [50, 20, 250, 170]}
        yield {"Rotate": rotate, "MediaBox": [-100, 300, 200, 700], "CropBox": [500, 320, -50, 600]}
    yield {"MediaBox": [300, 200, 0, 0]}
    yield {"CropBox": [10, 10]}
    yield {"UserUnit": 2}
    yield {"Rotate": 17}


@pytest.mark.parametrize("keys", list(boxes()), ids=str)
def test_turned_and_cropped_pages(tmp_path: Path, keys: dict[str, object]) -> None:
    opened = saved(scan(**keys), tmp_path / "scan.pdf")
    page = page_as_shown(opened, 2)
    written = pdf.write(Document("scan.pdf", (page,)), opened)
    assert_in_place(word_boxes(written, 1, (page.width, page.height)), page)
    assert not word_boxes(written, 0) and not word_boxes(written, 2)


def test_the_rest_of_a_pdf_is_kept(tmp_path: Path) -> None:
    opened = saved(scan(), tmp_path / "scan.pdf")
    written = pdf.write(Document("scan.pdf", (page_as_shown(opened, 2),)), opened)
    with pikepdf.open(BytesIO(written)) as document:
        assert document.pages[1].Annots[0].Contents == "a note"
        assert str(document.docinfo["/Title"]) == "Letters"
        assert [item.title for item in document.open_outline().root] == ["Chapter 2"]


def test_what_changes_the_coordinates_of_a_page_does_not_move_the_text(tmp_path: Path) -> None:
    """Content that does not undo its changes, resources that all pages inherit, and no resources."""
    document = scan()
    for page in document.pages:
        if "/Resources" in page.obj:
            del page.obj.Resources
    document.Root.Pages.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary())
    document.pages[1].Contents = document.make_stream(b"q 3 0 0 3 50 50 cm")
    opened = saved(document, tmp_path / "scan.pdf")
    pages = tuple(page_as_shown(opened, number) for number in (1, 2))
    written = pdf.write(Document("scan.pdf", pages), opened)
    for page in pages:
        assert_in_place(word_boxes(written, page.number - 1, (page.width, page.height)), page)
    with pikepdf.open(BytesIO(written)) as again:
        assert len(again.pages[2].obj.Resources.Font) == 0  # what other pages share is as it was


def test_a_second_run_replaces_the_text_of_the_first(tmp_path: Path) -> None:
    opened = saved(scan(), tmp_path / "scan.pdf")
    page = page_as_shown(opened, 2)
    (tmp_path / "again.pdf").write_bytes(pdf.write(Document("scan.pdf", (page,)), opened))
    other = replace(page, paragraphs=(Paragraph((line("better text", 100),)),))
    written = pdf.write(Document("again.pdf", (other,)), images(tmp_path / "again.pdf"))
    assert list(word_boxes(written, 1)) == ["better", "text"]
    empty = replace(page, paragraphs=())
    assert not word_boxes(pdf.write(Document("again.pdf", (empty,)), images(tmp_path / "again.pdf")), 1)


def test_a_protected_pdf_stays_protected(tmp_path: Path) -> None:
    """One that opens without a password. One with a password cannot be read."""
    encryption = pikepdf.Encryption(owner="secret", user="", allow=pikepdf.Permissions(extract=False))
    opened = saved(scan(), tmp_path / "scan.pdf", encryption=encryption)
    page = page_as_shown(opened, 2)
    written = pdf.write(Document("scan.pdf", (page,)), opened)
    assert_in_place(word_boxes(written, 1, (page.width, page.height)), page)
    with pikepdf.open(BytesIO(written)) as document:
        assert document.is_encrypted and not document.allow.extract


def test_a_damaged_pdf_is_named(tmp_path: Path) -> None:
    opened = saved(scan(), tmp_path / "scan.pdf")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7\n" + bytes(2000))
    with pytest.raises(BadInput, match=r"scan\.pdf: a damaged PDF, to which no text can be added"):
        pdf.write(Document("scan.pdf", (letter_page(2),)), opened)


def test_damage_that_viewers_ignore(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is no page in the tree of pages, and a page that is below no node."""
    document = scan()
    document.Root.Pages.Kids.append(5)
    document.pages[1].obj.Parent = 7
    opened = saved(document, tmp_path / "scan.pdf")
    written = pdf.write(Document("scan.pdf", (page_as_shown(opened, 2),)), opened)
    assert len(word_boxes(written, 1)) == 7 and not capfd.readouterr().err


# ---- pen strokes


XOPP = """<xournal><page width="300" height="200"><layer>
<stroke tool="pen" color="#000000ff" width="1.4">20 40 20 60 40 50 40 40 40 60</stroke>
<stroke tool="pen" color="red" width="6 5 4">60 60</stroke>
<text font="Sans" size="12" x="100" y="120" color="#000000ff">typed, déjà</text></layer></page>
<page width="300" height="200"><layer/></page></xournal>"""


class Spread:
    """Reads "ab c" over the whole length of each line of strokes."""

    def read_many(self, lines: Iterable[Any], /, *, one_page: bool = False) -> Iterator[Reading]:
        for strokes in lines:
            x = np.concatenate(list(strokes))[:, 0]
            edges = np.linspace(x.min(), x.max(), 5).tolist()
            yield Reading(
                "ab c", 1.0, tuple(Character(c, 0.5, *edge) for c, edge in zip("ab c", pairwise(edges), strict=True))
            )


def read_ink(path: Path) -> bytes:
    opened = open_input(path)
    assert isinstance(opened, Inks)
    return pdf.write(Reader(Spread()).read(path), opened)


def test_a_notebook_keeps_its_pages_strokes_and_typed_text(tmp_path: Path) -> None:
    (tmp_path / "notes.xopp").write_text(XOPP)
    written = read_ink(tmp_path / "notes.xopp")
    with pdfium.PdfDocument(written) as document:
        assert [page.get_size() for page in document] == [pytest.approx((300, 200), abs=0.1)] * 2
        assert document[0].get_textpage().get_text_range().split() == ["ab", "c", "typed,", "déjà"]
        drawn = document[0].render(scale=1, grayscale=True).to_numpy()
        color = document[0].render(scale=1, rev_byteorder=True).to_numpy()
        blank = document[1].render(scale=1, grayscale=True).to_numpy()
    assert drawn[45:58, 20].max() < 200 and drawn[45:52, 23].min() > 200  # a thin stroke
    assert color[59:61, 59:61, 0].min() > 200 and color[59:61, 59:61, 1].max() < 60  # a thick red dot
    assert drawn[120:136, 100:160].min() < 100 and drawn[150:, :].min() == 255 and blank.min() == 255
    x, y, x2, y2 = word_boxes(written, 0, (300, 200))["ab"]
    assert 15 < x < x2 < 60 and 30 < y < y2 < 65


@pytest.mark.parametrize("shift", [0, -1000, 1000])
@pytest.mark.parametrize("scale", [1, 0.001, 1000])
def test_strokes_without_a_page_get_one(tmp_path: Path, shift: float, scale: float) -> None:
    """Whatever their units and where they begin; text and strokes lie on one another."""
    strokes = [
        [[(x + shift) * scale, (y + shift) * scale] for x, y in line]
        for line in ([(0, 0), (9, 40), (20, 0), (30, 40), (300, 0)], [(0, 150), (9, 190), (20, 150), (99, 190)])
    ]
    (tmp_path / "two.json").write_text(json.dumps(strokes))
    written = read_ink(tmp_path / "two.json")
    with pdfium.PdfDocument(written) as document:
        width, height = document[0].get_size()
        found = document[0].get_textpage().get_text_range().split()
        ink = np.argwhere(document[0].render(scale=1, grayscale=True).to_numpy() < 128)
    assert found == ["ab", "c", "ab", "c"] and max(width, height) == pytest.approx(842, abs=1)
    assert ink.min() >= 8 and (ink.max(axis=0) < (height - 8, width - 8)).all()
    with pdfium.PdfDocument(written) as document:
        text = document[0].get_textpage()
        boxes = [text.get_charbox(at) for at in (0, text.get_text_range().rindex("ab"))]
    assert boxes[0][1] > height / 2 > boxes[1][3]  # the first line above, the second below
