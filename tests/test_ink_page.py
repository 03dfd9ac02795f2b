"""Pages of pen strokes are divided into lines: hand-made pages, and real ones."""

from itertools import pairwise

import numpy as np
import pytest
from ink_samples import IAM, needs_iam, writing
from numpy.typing import NDArray

from inkread.features.ink import rotate
from inkread.inputs import read_inks
from inkread.inputs.ink import Stroke, TypedText
from inkread.pages.ink_page import InkLine, find_ink_lines

LINES = [writing(seed) for seed in range(8)]  # x-height 10, 120 to 220 wide, y = 0 on the baseline


def moved(line: list[Stroke], x: float, y: float) -> list[Stroke]:
    return [stroke + [x, y] for stroke in line]


def numbers(page: list[Stroke], paragraphs: list[list[InkLine]]) -> list[list[int]]:
    """The strokes of each line that was found, by their places on the page, sorted."""
    place = {id(stroke): number for number, stroke in enumerate(page)}
    return [sorted(place[id(stroke)] for stroke in line.strokes) for paragraph in paragraphs for line in paragraph]


def expected(*lines: list[Stroke]) -> list[list[int]]:
    """The places of the strokes of each line, one line after the other."""
    ends = np.cumsum([0, *map(len, lines)]).tolist()
    return [list(range(first, last)) for first, last in pairwise(ends)]


@pytest.mark.parametrize("angle", [-10, 0, 10])
@pytest.mark.parametrize("scale", [0.01, 1, 1000])
def test_lines_below_one_another_may_be_slanted_and_of_any_size(angle: float, scale: float) -> None:
    lines = [moved(line, 0, 32 * number) for number, line in enumerate(LINES)]
    turned = [[stroke * scale for stroke in rotate(line, np.radians(angle))] for line in lines]
    page = [stroke for line in turned for stroke in line]
    assert numbers(page, find_ink_lines(page)) == expected(*turned)


def test_columns_are_read_one_after_the_other() -> None:
    lines = [moved(line, 300 * (number // 4), 32 * (number % 4)) for number, line in enumerate(LINES)]
    page = [stroke for line in lines for stroke in line]
    assert numbers(page, find_ink_lines(page)) == expected(*lines)


def test_lines_may_be_written_in_any_order() -> None:
    lines = [moved(line, 0, 32 * number) for number, line in enumerate(LINES)]
    page = [stroke for line in lines[::-1] for stroke in line]
    assert numbers(page, find_ink_lines(page)) == expected(*lines[::-1])[::-1]


def test_a_word_and_dots_that_were_added_later_take_their_place() -> None:
    first, second = LINES[0], moved(LINES[1], 0, 32)
    word, dot = first[2:4], first[7]  # the second word with its dot, and the dot of the last one
    page = [*first[:2], *first[4:7], *second, *word, dot]
    found = find_ink_lines(page)
    assert [len(line.strokes) for line in found[0]] == [8, 8]
    assert [id(stroke) for stroke in found[0][0].strokes] == [id(stroke) for stroke in first]


def test_rules_and_frames_are_not_writing() -> None:
    frame = np.array([(-20.0, -40.0), (200, -40), (200, 60), (-20, 60), (-20, -40)])
    rule = np.array([(-10.0, 8.0), (150, 9)])
    page = [frame, *LINES[0], rule, *moved(LINES[1], 0, 40)]
    assert [len(line) for line in numbers(page, find_ink_lines(page))] == [8, 8]
    assert find_ink_lines([rule, rule + 1]) == [] or len(find_ink_lines([rule])) <= 1


def test_the_region_of_a_line_lies_around_it() -> None:
    angle = np.radians(7)
    page = rotate([*LINES[0], *moved(LINES[1], 0, 40)], angle)
    (paragraph,) = find_ink_lines(page)
    for line, y in zip(paragraph, (0, 40), strict=True):
        points: NDArray[np.float64] = np.concatenate(line.strokes)
        polygon, baseline = (
            rotate([np.array(each)], -angle)[0] for each in (line.region.polygon, line.region.baseline)
        )
        level = rotate([points], -angle)[0]
        assert (polygon.min(axis=0) <= level.min(axis=0) + 2).all() and (
            polygon.max(axis=0) >= level.max(axis=0) - 2
        ).all()
        assert np.abs(baseline[:, 1] - y).max() < 4  # x-height 10


def test_typed_text_stands_among_the_lines() -> None:
    page = [*LINES[0], *moved(LINES[1], 0, 80)]
    typed = TypedText("typed", 0, 28, 60, 40)
    lines = [line for paragraph in find_ink_lines(page, [typed]) for line in paragraph]
    assert [line.typed for line in lines] == [None, "typed", None]
    assert lines[1].region.polygon == ((0, 28), (60, 28), (60, 40), (0, 40))
    assert [line.typed for (line,) in find_ink_lines([], [typed])] == ["typed"]


def test_odd_ink() -> None:
    assert find_ink_lines([]) == []
    dot = np.array([[3.0, 4.0]])
    assert [len(line.strokes) for line in find_ink_lines([dot])[0]] == [1]
    far = [stroke * scale for scale in (1e-9, 1, 1e9) for stroke in LINES[0]]
    assert sum(len(line.strokes) for paragraph in find_ink_lines(far) for line in paragraph) <= len(far)


def test_very_many_strokes_are_divided_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.pages.ink_page.MOST_STROKES", 10)
    lines = [moved(line, 0, 40 * number) for number, line in enumerate(LINES)]
    page = [stroke for line in lines for stroke in line]
    assert numbers(page, find_ink_lines(page)) == expected(*lines)


@needs_iam
@pytest.mark.parametrize("form", ["a01/a01-000/a01-000u", "f02/f02-133/f02-133z", "l10/l10-141/l10-141z"])
def test_real_pages_are_divided_as_they_were_written(form: str) -> None:
    lines = [list(read_inks(file)[0].strokes) for file in sorted(IAM.glob(f"{form}-*.xml"))]
    page = [stroke for line in lines for stroke in line]
    assert numbers(page, find_ink_lines(page)) == expected(*lines)
