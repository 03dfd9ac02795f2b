"""Pages and single lines are told apart, and the lines of a page are cut out."""

from pathlib import Path

import numpy as np
import pytest
from handwriting import SAMPLES, SCANS, page_of
from PIL import Image

from inkread.pages.layout import detect_layout


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_an_image_of_a_line_is_not_a_page(file: Path) -> None:
    image = np.asarray(Image.open(file).convert("L"))
    layout = detect_layout(file.name, 1, 1, image)
    assert not layout.is_page and len(layout.line_inputs) == 1 and layout.line_inputs[0] is image


@pytest.mark.parametrize("lines", [2, 6])
def test_an_image_of_several_lines_is_a_page(lines: int) -> None:
    layout = detect_layout("page.png", 1, 1, page_of(lines))
    assert layout.is_page
    assert len(layout.line_inputs) == len(layout.regions) == len(layout.cuts) == len(layout.paragraphs) == lines


def test_paragraphs_are_numbered() -> None:
    assert detect_layout("page.png", 1, 1, page_of(5, gap=100)).paragraphs == (1, 1, 2, 2, 2)


@pytest.mark.parametrize("lines", [3, 6])
def test_white_writing_on_black_is_cut_out_as_dark_writing_is(lines: int) -> None:
    page = page_of(lines)
    layout, inverted = detect_layout("page.png", 1, 1, page), detect_layout("page.png", 1, 1, 255 - page)
    assert inverted.is_page and inverted.regions == layout.regions
    for cut, other in zip(layout.cuts, inverted.cuts, strict=True):
        np.testing.assert_array_equal(cut.image, other.image)


def test_the_kind_of_image_can_be_given() -> None:
    line = np.asarray(Image.open(SCANS[0]).convert("L"))
    assert detect_layout("line.png", 1, 1, line, is_page=True).is_page
    assert not detect_layout("page.png", 1, 1, page_of(5), is_page=False).is_page


def test_a_large_image_without_lines_is_an_empty_page() -> None:
    layout = detect_layout("photo.png", 1, 1, np.full((1200, 900), 240, np.uint8))
    assert layout.is_page and not layout.line_inputs
    assert not detect_layout("word.png", 1, 1, np.full((100, 200), 240, np.uint8)).is_page


def test_strokes_are_a_line() -> None:
    strokes = (np.array([(0.0, 0.0), (5.0, 5.0)]),)
    layout = detect_layout("ink.json", 1, 1, strokes)
    assert layout.line_inputs == (strokes,) and not layout.is_page and layout.size == (0, 0)
