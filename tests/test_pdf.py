"""PDF: pages drawn to scale, one at a time, and files that cannot be read."""

import io
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import Images, open_images, open_input
from inkread.inputs.ink import Ink
from inkread.pages.readable import open_pages


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def refused(data: bytes) -> str:
    """The error for a file with this content, in one line."""
    with pytest.raises(BadInput) as caught:
        list(open_images(data, name="a.pdf"))
    assert "\n" not in str(caught.value) and caught.value.path == "a.pdf" and caught.value.hint
    return str(caught.value)


def test_every_page_is_drawn() -> None:
    pages = [Image.new("L", (300, 400), 255), Image.new("L", (400, 300), 255)]
    pages[1].paste(40, (100, 60, 200, 90))
    first, second = open_images(encoded(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=100))
    assert first.dtype == np.uint8 and first.shape == (800, 600) and first.min() == 255  # 3 x 4 inches at 200 dpi
    assert second.shape == (600, 800)
    dark = np.argwhere(second < 150)
    np.testing.assert_allclose([dark.min(axis=0), dark.max(axis=0) + 1], [(120, 200), (180, 400)], atol=2)
    assert second[150, 300] == pytest.approx(40, abs=3)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    assert "pip install 'inkread[pdf]'" in refused(encoded(Image.new("L", (30, 30)), "PDF"))


def test_damaged_and_huge_pages_are_refused() -> None:
    whole = encoded(Image.new("L", (30, 30)), "PDF")
    assert "damaged" in refused(whole[:200])
    assert "too large" in refused(encoded(Image.new("1", (5000, 5000)), "PDF", resolution=50))


def test_many_large_pages_take_the_memory_of_one() -> None:
    large = [Image.new("1", (2000, 2000), 1)] * 8  # 8 megapixels each at 200 dpi
    pages = open_images(encoded(large[0], "PDF", save_all=True, append_images=large[1:], resolution=141.4))
    assert len(pages) == 8
    tracemalloc.start()
    sizes = [page.size for page in pages]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert min(sizes) > 7_900_000 and peak < 4 * max(sizes)


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [("MAX_PAGES", 2, "more than 2 pages"), ("MAX_FILE_PIXELS", 20_000, "more than 20,000 pixels on all pages")],
)
def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, problem: str) -> None:
    """Each page is 30 x 30 points, that is 83.3 x 83.3 pixels, and 6,944 pixels."""
    page = Image.new("L", (30, 30))
    data = encoded(page, "PDF", save_all=True, append_images=[page, page])
    assert len(open_images(data)) == 3
    monkeypatch.setattr(f"inkread.inputs.images.{limit}", value)
    assert refused(data) == f"a.pdf: the file is too large ({problem}); split it into several files"


def test_a_page_whose_size_cannot_be_read_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    import pypdfium2  # type: ignore[import-untyped]

    def fail(document: object, number: int) -> tuple[float, float]:
        raise pypdfium2.PdfiumError("Failed to get page size by index.")

    monkeypatch.setattr(pypdfium2.PdfDocument, "get_page_size", fail)
    assert len(open_images(encoded(Image.new("L", (30, 30)), "PDF"))) == 1


# ---- pen strokes

PAPER = "1 1 1 rg 0 0 360 180 re f 0.8 0.9 1 rg 0 0 360 180 re f "
INK = "<</Type/Annot/Subtype/Ink/Rect[0 0 360 180]/InkList[[36 72 72 108][0 0 18 180 36 0]]{}>>"


def written(*pages: tuple[str, list[str]], box: str = "0 0 360 180") -> bytes:
    """A PDF of pages of 5 x 2.5 inches, each with these drawing operators and annotations."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for content, annotations in pages:
        first = len(objects) + 1
        objects += [f"<</Length {len(content)}>>stream\n{content}\nendstream", *annotations]
        listed = " ".join(f"{first + number} 0 R" for number in range(1, len(annotations) + 1))
        fonts = "/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]{fonts}/Contents {first} 0 R/Annots[{listed}]>>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>"
    file, places = "%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(file)}\n%%EOF"
    return f"{file}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def ink_of(content: str, *annotations: str, box: str = "0 0 360 180") -> Ink | None:
    pages = open_input(written((content, list(annotations)), box=box), name="a.pdf")
    assert isinstance(pages, Images)
    return pages.ink(0)


def strokes(content: str, *annotations: str) -> list[list[list[float]]]:
    ink = ink_of(content, *annotations)
    assert ink is not None and ink.size == (1000, 500)
    return [stroke.round(3).tolist() for stroke in ink.strokes]


def test_annotations_and_paths_on_blank_paper_are_ink() -> None:
    both = [[[100, 300], [200, 200]], [[0, 500], [50, 0], [100, 500]]]
    assert strokes(PAPER, INK.format("")) == both
    assert strokes(PAPER + "2 w 36 72 m 72 108 l S 0 0 m 18 180 l 36 0 l S") == both
    assert strokes("q .5 0 0 .5 0 36 cm 72 72 m 144 144 l S Q") == [both[0]]
    (curve,) = strokes("0 0 m 0 96 144 96 144 0 c S")
    assert curve[-1] == [400, 500] and min(y for _, y in curve) == pytest.approx(500 - 200, abs=1)
    assert strokes("0 0 m 36 0 l S 36 0 m 36 36 l S 100 100 m 90 90 l S") == [
        [[0, 500], [100, 500], [100, 400]],
        [[277.778, 222.222], [250, 250]],
    ]


def test_highlighters_and_hidden_annotations_are_left_out() -> None:
    assert len(strokes(PAPER, INK.format("/CA 0.4"), INK.format("/F 2"), INK.format(""))) == 2


@pytest.mark.parametrize(
    ("content", "annotations"),
    [
        ("BT /F1 20 Tf 20 50 Td (typed) Tj ET", [INK.format("")]),
        ("0 0 0 rg 10 10 20 20 re f", [INK.format("")]),
        (PAPER, []),
        (PAPER, [INK.format("/CA 0.4")]),
        (PAPER, [INK.format(""), "<</Type/Annot/Subtype/Square/Rect[0 0 99 99]>>"]),
    ],
)
def test_pages_with_anything_else_are_images(content: str, annotations: list[str]) -> None:
    assert ink_of(content, *annotations) is None


def test_a_page_with_a_shifted_box_is_an_image() -> None:
    assert ink_of("0 0 m 18 180 l S", box="10 10 370 190") is None


def test_an_image_with_annotations_shows_them() -> None:
    (page,) = open_images(written(("BT /F1 20 Tf 200 50 Td (typed) Tj ET", [INK.format("/C[0 0 0]/BS<</W 3>>")])))
    assert page[:, 400:].min() < 100  # the text; whether ink without an appearance is drawn is PDFium's choice


def test_pages_of_both_kinds_in_one_file() -> None:
    pages = open_pages(written((PAPER, [INK.format("")]), ("BT /F1 20 Tf 20 50 Td (typed) Tj ET", [])))
    first, second = pages.load(0), pages.load(1)
    assert pages.count == 2 and isinstance(first, Ink) and isinstance(second, np.ndarray)
    assert pages.in_color and pages.in_color(0).shape == (500, 1000, 3)
