"""PDF: pages drawn to scale, one at a time, and files that cannot be read."""

import io
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import open_images


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
