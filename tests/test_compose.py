"""Strokes and fonts drawn as line pictures."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import ImageFont

from inkread.data import open_dataset
from inkread.data.prepare import split_of
from inkread.data.samples import read_line, read_strokes
from inkread.features.render import draw_strokes
from inkread.synth.compose import (
    WordInk,
    add_accent,
    compose_line,
    draw_sign,
    scale_small,
    scale_tall,
    scale_word,
    spell_line,
)
from inkread.synth.fonts import draw_text
from inkread.synth.signs import SIGNS
from inkread.synth.write import make_line, write_lines

ROOT = Path(__file__).parents[1]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def zigzag(bottoms: list[float], top: float = -10.0) -> np.ndarray:
    """A stroke that goes down to each of `bottoms` and back up to `top`."""
    ys = [top, *[y for bottom in bottoms for y in (bottom, top)]]
    return np.array([[float(x), y] for x, y in enumerate(ys)])


def test_scaled_words_stand_on_zero_and_are_one_high() -> None:
    word = scale_word("nnn", [zigzag([0, 0, 0]) + [100, 500]], usual=10)
    ys = word.strokes[0][:, 1]
    assert ys.max() == pytest.approx(0) and ys.min() == pytest.approx(-1)
    assert word.strokes[0][:, 0].min() == 0


def test_digits_are_taller_than_small_letters() -> None:
    digit = scale_tall("1", [np.array([[5.0, 90], [5.0, 30]])], height=1.75)
    assert np.ptp(digit.strokes[0][:, 1]) == pytest.approx(1.75)
    flat = scale_tall("1", [np.array([[0.0, 90], [60.0, 90]])], height=1.75)  # as one of UNIPEN is labelled
    assert np.ptp(flat.strokes[0][:, 0]) < 6


def test_a_level_stroke_is_drawn_where_and_as_thick_as_said() -> None:
    picture = draw_strokes([np.stack([np.arange(51.0), np.zeros(51)], axis=1)], scale=2, pen=4, rng=rng())
    ink = 1 - picture / 255.0
    assert picture.dtype == np.uint8 and picture.shape[1] == pytest.approx(100 + 12, abs=1)
    across = ink[:, 20:90].sum(axis=0)  # the thickness of the stroke in each column
    assert across.mean() == pytest.approx(4, rel=0.2)
    assert across.std() > 0.05  # the hand presses unevenly
    assert picture[0].min() == 255 and picture[:, 0].min() == 255  # nothing is cut off
    assert ((picture > 0) & (picture < 255)).any()  # smooth edges


def test_a_dot_is_a_round_blot() -> None:
    ink = 1 - draw_strokes([np.array([[3.0, 3]])], scale=1, pen=6, rng=rng()) / 255.0
    assert 8 < ink.sum() < 60


def test_the_same_seed_draws_the_same_picture() -> None:
    stroke = [np.repeat(zigzag([0, 0, 0]), 4, axis=0).cumsum(axis=0)]
    assert np.array_equal(draw_strokes(stroke, 3, 2, rng(4)), draw_strokes(stroke, 3, 2, rng(4)))
    assert not np.array_equal(draw_strokes(stroke, 3, 2, rng(4)), draw_strokes(stroke, 3, 2, rng(5)))


def test_words_have_spaces_between_and_signs_stand_close() -> None:
    word = WordInk("nn", [zigzag([0, 0], top=-1)])
    line = compose_line([[word, draw_sign(",", rng())], [word]], rng())
    assert line.text == "nn, nn"
    first, comma, second = line.strokes
    assert 0 < comma[:, 0].min() - first[:, 0].max() < second[:, 0].min() - comma[:, 0].max()
    assert abs(first[:, 1].max() - second[:, 1].max()) < 0.5  # a common baseline


@pytest.mark.parametrize(
    ("letter", "reach"),
    {
        "o": (-1, 0),
        "d": (-1.8, 0),
        "t": (-1.5, 0),
        "g": (-1, 0.7),
        "j": (-1, 0.7),
        "p": (-1, 0.7),
        "f": (-1.8, 0),
    }.items(),
)
def test_small_letters_reach_where_their_kind_does(letter: str, reach: tuple[float, float]) -> None:
    ys = scale_small(letter, [zigzag([90, 80], top=30)], ascender=1.8, descender=0.7).strokes[0][:, 1]
    assert (ys.min(), ys.max()) == (pytest.approx(reach[0]), pytest.approx(reach[1]))


def test_a_letter_without_its_dot_is_no_taller_than_others() -> None:
    stem, dot = np.array([[0.0, -6], [0, 0]]), np.array([[0.0, -9], [0.5, -9]])
    assert min(s[:, 1].min() for s in scale_small("i", [stem, dot], 1.8, 0.7).strokes) == pytest.approx(-1.5)
    assert scale_small("i", [stem], 1.8, 0.7).strokes[0][:, 1].min() == pytest.approx(-1)


def test_accents_are_above_their_letters_and_cedillas_below() -> None:
    acute = add_accent(WordInk("e", [zigzag([0, 0], top=-1)]), "\u0301", rng())
    assert acute.text == "é" and acute.strokes[-1][:, 1].max() < -1
    cedilla = add_accent(WordInk("C", [zigzag([0, 0], top=-1.7)]), "\u0327", rng())
    assert cedilla.text == "Ç" and cedilla.strokes[-1][:, 1].max() > 0.1
    dotted = WordInk("i", [np.array([[0.0, -1], [0, 0]]), np.array([[0.0, -1.5], [0.1, -1.5]])])
    assert len(add_accent(dotted, "\u0308", rng()).strokes) == 3  # two dots for the one


@pytest.mark.parametrize("mixed", [0.0, 1.0])
def test_lines_are_spelt_with_the_letters_of_a_writer(mixed: float) -> None:
    """Small letters are written with one stroke here, capitals with two."""
    one = zigzag([0, 0], top=-1)
    hand = {**{c: [[one]] for c in "aet"}, **{c: [[one, one + 1]] for c in "AET"}}
    line = spell_line("Ta tête", hand, mixed, rng())
    assert line.text == "Ta tête"
    assert len(line.strokes) == (2 * 6 if mixed else 2 + 5) + 1  # and the circumflex
    with pytest.raises(KeyError):
        spell_line("Ta b", hand, mixed, rng())


def test_letters_with_a_stroke_and_ligatures() -> None:
    one = zigzag([0, 0], top=-1)
    hand = {c: [[one]] for c in "aoel"}
    for text, strokes in (("ø", 2), ("ł", 2), ("œ", 2), ("ǫ", 2), ("ä", 3), ("ß", len(SIGNS["ß"]))):
        line = spell_line(text, hand, 0.0, rng())
        assert (line.text, len(line.strokes)) == (text, strokes)
    ogonek = spell_line("ą", hand, 0.0, rng()).strokes[-1]
    assert ogonek[:, 1].max() > 0.1  # below the baseline


def test_crossed_out_words_have_ink_and_a_mark() -> None:
    hand = {c: [[zigzag([0, 0], top=-1)]] for c in "abc"}
    line, plain = (spell_line("a bb c", hand, 0.0, rng(), struck) for struck in ((1,), ()))
    assert line.text == "a ✗c" and plain.text == "a bb c"
    assert len(line.strokes) > len(plain.strokes)
    font = ImageFont.load_default(size=32)
    assert isinstance(font, ImageFont.FreeTypeFont)
    struck, whole = (
        sum(float((255.0 - draw_text("How vexingly quick", font, rng(seed), places)).sum()) for seed in range(8))
        for places in ((1,), ())
    )
    assert struck > 1.05 * whole


@pytest.mark.parametrize("text", SIGNS)
def test_signs_have_ink_near_the_line(text: str) -> None:
    ys = np.concatenate(draw_sign(text, rng()).strokes)[:, 1]
    assert ys.min() > -3 and ys.max() < 1


def test_text_in_a_font_is_dark_on_white_and_seeded() -> None:
    font = ImageFont.load_default(size=32)
    assert isinstance(font, ImageFont.FreeTypeFont)
    picture = draw_text("How vexingly quick", font, rng(1))
    assert picture.dtype == np.uint8
    assert picture.min() < 40 and picture[0].min() == 255 and picture[:, -1].min() == 255
    assert 200 < picture.shape[1] < 800 and 20 < picture.shape[0] < 120
    assert np.array_equal(picture, draw_text("How vexingly quick", font, rng(1)))
    longer = draw_text("How vexingly quick daft zebras jump", font, rng(1))
    assert longer.shape[1] > 1.3 * picture.shape[1]


def test_unipen_words_of_one_line_are_joined(prepare_script: Callable[[str], ModuleType]) -> None:
    unipen = prepare_script("unipen")

    def segment(text: str, x: float, y: float) -> object:
        return unipen.Segment("WORD", text, "w", "kar", "f", [zigzag([0, 0, 0]) + [x, y]])

    segments = [segment("one", 0, 0), segment("two", 15, 1), segment("new", 0, 40), segment("line", 20, 40)]
    lines = unipen.running_lines([(each, None) for each in segments], body=10)
    assert [line.text for line in lines] == ["one two", "new line"]


def test_letters_are_borrowed_within_a_split_only(prepare_script: Callable[[str], ModuleType]) -> None:
    letters = prepare_script("letters")
    small, large = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def hand(mark: int, lacking: str = "") -> dict[str, list[int]]:
        return {letter: [mark] for letter in small + large if letter not in lacking}

    names = [f"kar/{number}" for number in range(40)]
    train = [name for name in names if split_of("unipen", name) == "train"][:2]
    dev = next(name for name in names if split_of("unipen", name) == "dev")
    hands = {train[0]: hand(0, lacking="qZ"), train[1]: hand(1, lacking="x"), dev: hand(2), "kar/few": {"a": [3]}}
    whole = letters.complete(hands)
    assert set(whole) == {*train, dev}
    assert whole[train[0]]["q"] == [1] and whole[train[0]]["Z"] == [1] and whole[train[0]]["a"] == [0]
    assert whole[train[1]]["x"] == [0] and whole[dev] == hand(2)
    assert letters.can_be_spelt("Où vas-tu, François ?") and not letters.can_be_spelt("5 ₽")


def test_the_sample_pictures_have_their_texts() -> None:
    pictures = sorted((ROOT / "datasets" / "sample").glob("*.png"))
    assert len(pictures) == 20
    assert all(picture.with_suffix(".gt.txt").read_text("utf-8").strip() for picture in pictures)
    assert sum(picture.stat().st_size for picture in pictures) < 400_000


@pytest.mark.parametrize("kind", ["strokes", "images", "other-writers"])
def test_written_lines_are_a_dataset(kind: str, tmp_path: Path) -> None:
    ink = [np.array([[0.0, -1.0], [0.25, -0.5], [0.25, 0.0]]), np.array([[0.6, -1.0], [0.6, 0.0]])]
    line = make_line("w/00", WordInk("il", ink), "anna", "train", tmp_path, kind, rng())
    write_lines(tmp_path, [line], kind)
    [sample] = open_dataset(f"{tmp_path}:train").samples
    assert (sample.id, sample.text, sample.writer) == ("w/00", "il", "anna")
    if kind == "strokes":
        for stroke, hundredths in zip(ink, read_strokes(sample), strict=True):
            np.testing.assert_allclose(hundredths, 100 * stroke)
    else:
        picture = read_line(sample)
        assert picture.min() < 40 and picture.shape[0] < 92
