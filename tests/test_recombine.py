"""Recombined lines: by calculation on paper, and from real ink."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from inkread.data import open_dataset
from inkread.evaluation.metrics import edit_distance
from inkread.model.recognizer import Recognizer
from inkread.synth.recombine import WriterPieces, cut_line, find_pieces, recombine

SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"


def bar(x: float, width: float = 0.2) -> np.ndarray:
    """A stroke of three points, a body height down, leaning to the right."""
    return np.array([[x, -1.0], [x + width / 2, -0.5], [x + width, 0.0]])


def cut(text: str, strokes: list[np.ndarray], places: list[float], sure: list[bool] | None = None) -> WriterPieces:
    writer = WriterPieces()
    cut_line(writer, text, strokes, places, sure or [True] * len(text))
    return writer


def test_a_line_by_hand() -> None:
    # a and b are 0.4 apart, b and c a space of 1.8; each letter is read at its middle point, the space between.
    writer = cut("ab c", [bar(0), bar(0.6), bar(2.6)], [1, 4, 5.5, 7])
    assert set(writer.pieces) == {"a", "b", "ab", "c"}
    assert writer.letter_gaps == pytest.approx([0.4]) and writer.word_gaps == pytest.approx([1.8])
    [both] = writer.pieces["ab"]
    np.testing.assert_allclose(both[1], bar(0.6))
    [[c]] = writer.pieces["c"]
    np.testing.assert_allclose(c, bar(2.6))


def test_letters_of_several_strokes_are_cut_in_the_widest_gap() -> None:
    strokes = [bar(0), bar(0.1), bar(0.9), bar(1.0)]
    assert {text: len(ink[0]) for text, ink in cut("ab", strokes, [1, 10]).pieces.items()} == {"a": 2, "b": 2, "ab": 4}


def test_letters_that_overlap_are_joined_or_uncertain_are_not_cut() -> None:
    assert set(cut("ab", [bar(0, width=1.0), bar(0.5)], [1, 4]).pieces) == {"ab"}
    assert set(cut("ab", [np.concatenate([bar(0), bar(0.6)])], [1, 4]).pieces) == {"ab"}
    dot = np.array([[0.02, -1.5], [0.04, -1.5]])  # set when b was written
    assert set(cut("ib", [bar(0), bar(0.6), dot], [1, 4]).pieces) == {"ib"}
    assert set(cut("ab", [bar(0), bar(0.6)], [1, 4], [True, False]).pieces) == {"a"}


def test_lines_are_of_the_words_that_can_be_spelt() -> None:
    writer = cut("ab c", [bar(0), bar(0.6), bar(2.6)], [1, 4, 5.5, 7])
    line = recombine("cab but bac abc", 11, writer, np.random.default_rng(0))
    assert line.text == "cab bac abc" and len(line.strokes) == 9
    lefts, rights = (np.array([stroke[at, 0] for stroke in line.strokes]) for at in (0, -1))
    np.testing.assert_allclose((lefts[1:] - rights[:-1]).round(6), [0.4, 0.4, 1.8, 0.4, 0.4, 1.8, 0.4, 0.4])
    assert recombine("cab but bac abc", 5, writer, np.random.default_rng(0)).text == "cab bac"


def test_every_spelling_comes_up_and_few_pieces_most_often() -> None:
    pieces = {text: [[bar(0)] * len(text)] for text in ("a", "b", "ab", "c")}
    writer, rng = WriterPieces(pieces, [0.3], [1.5]), np.random.default_rng(0)
    spellings = Counter(tuple(map(len, find_pieces("abc", writer, rng))) for _ in range(200))
    assert spellings.keys() == {(2, 1), (1, 1, 1)} and spellings[2, 1] > spellings[1, 1, 1]
    assert find_pieces("abd", writer, rng) == []


def test_recombined_real_ink_is_read_as_its_text(
    prepare_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = prepare_script("recombined")
    monkeypatch.setattr(script, "ENOUGH", 1)
    monkeypatch.setattr(script, "FEWEST_GAPS", 1)
    [sample] = open_dataset(str(SAMPLE / "pen.inkml")).samples
    model = Recognizer.load("strokes", "greedy", "none")
    [writer] = script.pieces_of((sample,), model).values()
    line = recombine("then which one went in their hotel", 100, writer, np.random.default_rng(0))
    assert len(line.text) > 15
    assert edit_distance(model.read(line.strokes).text, line.text) <= 0.2 * len(line.text)
