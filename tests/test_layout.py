"""Pages and single lines are told apart, and the lines of a page are cut out."""

from pathlib import Path

import numpy as np
import pytest
from handwriting import SAMPLES, SCANS, page_of
from ink_samples import writing
from PIL import Image

from inkread.inputs.ink import Ink
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


def test_strokes_of_one_line_are_a_line_and_of_several_a_page() -> None:
    first, second = writing(1), [stroke + [-5, 60] for stroke in writing(2)]
    layout = detect_layout("ink.json", 1, 1, Ink(tuple(first)))
    assert layout.line_inputs == (tuple(first),) and not layout.is_page and layout.size == (0, 0)
    page = detect_layout("ink.json", 1, 1, Ink((*second, *first)))
    assert page.is_page and [len(line) for line in page.line_inputs] == [len(first), len(second)]
    assert page.typed == (None, None) and len(page.strokes) == len(first) + len(second)
    points = np.concatenate(page.strokes)
    assert points.min(axis=0).tolist() == [0, 0] and (points.max(axis=0) <= page.size).all()
    assert page.in_color and page.in_color().shape == page.size[::-1]
    assert not detect_layout("ink.json", 1, 1, Ink((*second, *first)), is_page=False).is_page
    assert detect_layout("ink.json", 1, 1, Ink(tuple(first)), is_page=True).is_page


def test_a_page_of_a_notebook_is_a_page_even_if_it_is_empty() -> None:
    layout = detect_layout("a.xopp", 2, 3, Ink((), size=(1654.1, 2339)))
    assert layout.is_page and layout.size == (1655, 2339) and not layout.line_inputs and not layout.regions
