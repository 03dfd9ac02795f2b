"""The picture of what was read."""

from dataclasses import replace

import numpy as np
import pytest
from documents import HEIGHT, WIDTH, box, letter_page, of_lines

from inkread._model_files import shipped_models
from inkread.alphabet import CROSSED_OUT
from inkread.document.elements import Line, Page, Paragraph
from inkread.document.overlay import draw_overlay, load_font
from inkread.model.checkpoint import load_model


@pytest.mark.parametrize("colours", [(), (3,)])
def test_lines_and_texts_are_drawn(colours: tuple[int, ...]) -> None:
    page = np.full((HEIGHT, WIDTH, *colours), 255, np.uint8)
    drawn = np.asarray(draw_overlay(page, letter_page()))
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert (drawn[110] != 255).any() and (drawn[150] == 255).all()


def test_what_was_not_read_has_a_thick_outline() -> None:
    page = replace(letter_page(), unread=(box(300, 250, 390),))
    drawn = np.asarray(draw_overlay(np.full((HEIGHT, WIDTH), 255, np.uint8), page))
    assert (drawn[249:252, 350] == (255, 140, 0)).all()


def test_what_is_crossed_out_has_a_thin_outline() -> None:
    page = of_lines(Line("", 0.0, (), (), box(20, 200, 390), crossed_out=(box(300, 245, 350),))).pages[0]
    drawn = np.asarray(draw_overlay(np.full((HEIGHT, WIDTH), 255, np.uint8), page))
    assert (drawn[245, 310:340] == (255, 140, 0)).all() and (drawn[247, 310:340] == 255).all()


def test_the_page_keeps_its_colours_and_shows_through_the_labels() -> None:
    page = np.full((HEIGHT, WIDTH, 3), (200, 220, 255), np.uint8)
    page[:, 140:143] = 0  # ink, also where labels are
    drawn = np.asarray(draw_overlay(page, letter_page()))
    assert (drawn[-1, 0] == (200, 220, 255)).all()
    label = drawn[5:19, 141].astype(int)  # above the first line, from y = 20 on
    assert (label.sum(axis=1) < 3 * 200).all()


def test_strokes_are_wider_on_larger_pages() -> None:
    def width(scale: int) -> int:
        polygon = ((50, 20), (300, 20), (300, 250), (50, 250))
        line = Line("", 0, (), (), polygon, ((50, 200), (300, 200)))
        page = Page(1, 400 * scale, 300 * scale, (Paragraph((line,)),))
        drawn = np.asarray(draw_overlay(np.full((page.height, page.width), 255, np.uint8), page))
        return int((drawn[100, :150] != 255).any(axis=1).sum())

    assert (width(1), width(10)) == (1, 4)


def test_an_empty_page_stays_as_it_is() -> None:
    page = np.full((HEIGHT, WIDTH), 255, np.uint8)
    assert (np.asarray(draw_overlay(page, of_lines().pages[0])) == 255).all()


def test_a_single_line_without_a_baseline_is_drawn() -> None:
    line = letter_page().lines[0]
    single = Line(line.text, line.confidence, line.words, line.characters, line.polygon)
    page = Page(1, WIDTH, HEIGHT, (Paragraph((single,)),), is_line=True)
    assert (np.asarray(draw_overlay(np.full((HEIGHT, WIDTH), 255, np.uint8), page)) != 255).any()


def test_the_font_has_the_letters_of_the_models() -> None:
    def drawn(character: str) -> tuple[bytes, tuple[int, int]]:
        mask = load_font(20).getmask(character)
        return bytes(mask), mask.size

    shown = {character for name in shipped_models() for character in load_model(name).alphabet.characters}
    for character in {*shown, *"éœŒæßłőčșğıÅøñ“”«»€§ΩЖ"} - {CROSSED_OUT}:  # which is never in a text
        assert drawn(character) != drawn("\U000fffff"), character
