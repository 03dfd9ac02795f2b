"""Lines of ink made of the words or the single letters of one writer, on a common baseline; drawn as images, too.

Lengths are in body heights: the height of an x. The baseline is y = 0, the top of an x is y = -1. Numbers without a
source were chosen by looking at drawn lines (experiments/LOG.md, 2026-11-26 and 27: "natural but for stray strokes").
"""

import string
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inkread.alphabet import CROSSED_OUT, join_crossed_out
from inkread.augment.ink import strike_out
from inkread.features.image import GreyImage
from inkread.features.ink import baseline_and_x_height
from inkread.features.render import X_HEIGHT, draw_strokes
from inkread.inputs.ink import Stroke
from inkread.synth.signs import ACCENTS, BELOW, LIGATURES, SIGNS, STROKES

WriterLetters = Mapping[str, Sequence[Sequence[Stroke]]]  # a writer's single letters and digits, several of each

TALLEST = 92  # pixels of the image of a line: more than a network sees
PEN, PEN_SPREAD, PEN_RANGE = 0.15, 0.35, (0.07, 0.3)  # width of the pen: median, deviation of the logarithm, limits
THICKEST = 0.3  # of the width of a letter: the pen
TALL = 1.75  # height of digits and capitals
T_HEIGHT = 1.5  # height of t, and of the dots of i and j
UNEVENNESS = 0.03  # deviation of each point of a drawn sign, so that no two are alike
TOUCHING = 0.1  # by which the letters of a ligature overlap
DOTS_END = -0.7  # the dot of an i lies above this
OWN_SIZE = 0.4  # exponent: how far a word keeps its own size (1) instead of the usual size of its writer (0)


@dataclass(frozen=True)
class WordInk:
    """A piece of writing and its ink in body heights: a letter, a word or a line."""

    text: str
    strokes: Sequence[Stroke]


# ---- words and letters in body heights


def scale_word(
    text: str, strokes: Sequence[Stroke], usual: float, measured: tuple[float, float] | None = None
) -> WordInk:
    """A word with its baseline at y = 0, scaled to body heights.

    `usual` is the median height of the writer's small letters. It is trusted more than the estimate on this one word,
    which is rough for a short one. `measured` is the result of `baseline_and_x_height` where it is known.
    """
    baseline, x_height = measured or baseline_and_x_height(strokes)
    scale = 1 / (usual * float(np.clip(x_height / usual, 0.7, 1.4)) ** OWN_SIZE)
    left = min(float(stroke[:, 0].min()) for stroke in strokes)
    return WordInk(text, [(stroke - [left, baseline]) * scale for stroke in strokes])


def scale_tall(text: str, strokes: Sequence[Stroke], height: float = TALL) -> WordInk:
    """A digit or capital that stands on y = 0 and is `height` tall."""
    points = np.concatenate(strokes)
    corner = [float(points[:, 0].min()), float(points[:, 1].max())]
    wide, high = np.ptp(points, axis=0).tolist()
    scale = height / max(high, 0.3 * wide, 1e-6)  # a flat stroke labelled as a digit would become as wide as the line
    return WordInk(text, [(stroke - corner) * scale for stroke in strokes])


def scale_small(text: str, strokes: Sequence[Stroke], ascender: float, descender: float) -> WordInk:
    """A small letter, scaled to reach from the baseline, or `descender` below it, up to 1, `ascender` or T_HEIGHT.

    The size of a single letter says nothing: an o may be written as large as an l.
    """
    dotted = text in "ij" and len(strokes) > 1
    above = ascender if text in "bdfhkl" else T_HEIGHT if text == "t" or dotted else 1.0
    below = descender if text in "gjpqy" else 0.0
    standing = scale_tall(text, strokes, above + below)
    return WordInk(text, [stroke + [0.0, below] for stroke in standing.strokes])


def draw_sign(text: str, rng: np.random.Generator) -> WordInk:
    """A punctuation mark of SIGNS, a little different each time."""
    size = rng.uniform(0.8, 1.25)
    return WordInk(text, [np.array(line) * size + _unevenness(len(line), rng) for line in SIGNS[text]])


def add_accent(letter: WordInk, mark: str, rng: np.random.Generator) -> WordInk:
    """A letter with a combining mark of ACCENTS: over it, in place of its dot, or under it."""
    strokes = list(letter.strokes)
    if letter.text in "ij" and len(strokes) > 1:
        strokes = [stroke for stroke in strokes if stroke[:, 1].max() > DOTS_END] or strokes
    points = np.concatenate(strokes)
    place = [float(points[:, 0].mean()), 0.0 if mark in BELOW else float(points[:, 1].min())]
    size = rng.uniform(0.7, 1.3)
    drawn = [np.array(line) * size + _unevenness(len(line), rng) + place for line in ACCENTS[mark]]
    return WordInk(unicodedata.normalize("NFC", letter.text + mark), [*strokes, *drawn])


def add_stroke(text: str, letter: WordInk, rng: np.random.Generator) -> WordInk:
    """A letter with the stroke of STROKES through it: o -> ø."""
    points = np.concatenate(letter.strokes)
    middle, size = (points.min(axis=0) + points.max(axis=0)) / 2, np.ptp(points, axis=0)
    reach = np.array([max(size[0], 0.8), size[1]])
    line = np.array(STROKES[text][1]) * reach + _unevenness(2, rng) + middle
    return WordInk(text, [*letter.strokes, line])


def join_ligature(text: str, letters: Sequence[WordInk]) -> WordInk:
    """Two letters that touch: a, e -> æ."""
    first, second = letters
    right = max(float(stroke[:, 0].max()) for stroke in first.strokes)
    left = min(float(stroke[:, 0].min()) for stroke in second.strokes)
    return WordInk(text, [*first.strokes, *(stroke + [right - left - TOUCHING, 0.0] for stroke in second.strokes)])


def _unevenness(count: int, rng: np.random.Generator) -> Stroke:
    return rng.normal(0, UNEVENNESS, (count, 2))


# ---- lines


def compose_line(words: Sequence[Sequence[WordInk]], rng: np.random.Generator) -> WordInk:
    """The words of one writer as one line of text. Its baseline slopes and drifts a little.

    Each word is a sequence of pieces that stand close together, as ["end", "."]; between words is a space.
    """
    longest = max((pieces[0] for pieces in words), key=lambda piece: len(piece.text))
    pitch = float(np.ptp(np.concatenate(longest.strokes)[:, 0])) / len(longest.text)
    space = max(pitch * rng.uniform(0.8, 1.8), 0.6)  # wide letters go with wide spaces
    slope, drift, right = rng.normal(0, 0.01), 0.0, 0.0
    strokes: list[Stroke] = []
    for number, pieces in enumerate(words):
        if number:
            right += space * rng.uniform(0.75, 1.3)
        for index, piece in enumerate(pieces):
            if index:
                right += rng.uniform(0.12, 0.35)
            drift = 0.8 * drift + rng.normal(0, 0.035)
            left = min(float(stroke[:, 0].min()) for stroke in piece.strokes)
            strokes += [stroke + [right - left, drift + slope * right] for stroke in piece.strokes]
            right = max(float(stroke[:, 0].max()) for stroke in strokes)
    texts = ("".join(piece.text for piece in pieces) for pieces in words)
    return WordInk(join_crossed_out(" ".join(texts)), strokes)


def spell_line(
    text: str, letters: WriterLetters, mixed: float, rng: np.random.Generator, struck: Collection[int] = ()
) -> WordInk:
    """A line of text made of the single letters of one writer, with signs of SIGNS and accents of ACCENTS.

    For the share `mixed` of the alphabet, a low capital stands for the small letter, as some writers do; the text keeps
    the small letter. The words whose numbers are in `struck` are crossed out; in the text they are CROSSED_OUT.

    Raises KeyError for a character that neither the writer nor the tables have.
    """
    speller = _Speller(letters, mixed, text.isupper(), rng)
    words = [[speller.spell(character) for character in word] for word in text.split()]
    return compose_line([[_struck(pieces, rng)] if n in struck else pieces for n, pieces in enumerate(words)], rng)


def _struck(pieces: Sequence[WordInk], rng: np.random.Generator) -> WordInk:
    """A word that is crossed out."""
    word = compose_line([pieces], rng)
    right = max(float(stroke[:, 0].max()) for stroke in word.strokes)
    return WordInk(CROSSED_OUT, [*word.strokes, *strike_out(right, rng)])


class _Speller:
    """The letters of one writer in the proportions of one line."""

    def __init__(self, letters: WriterLetters, mixed: float, all_capitals: bool, rng: np.random.Generator) -> None:
        self.letters, self.rng = letters, rng
        self.low_capitals = {letter for letter in string.ascii_lowercase if rng.random() < mixed}
        self.ascender, self.descender = rng.uniform(1.5, 2.0), rng.uniform(0.6, 1.0)
        self.capital = rng.uniform(1.0, 1.4) if all_capitals else self.ascender

    def spell(self, character: str) -> WordInk:
        """One character. Raises KeyError if it cannot be made."""
        if character in LIGATURES:
            return join_ligature(character, [self.spell(part) for part in LIGATURES[character]])
        if character in STROKES:
            return add_stroke(character, self.spell(STROKES[character][0]), self.rng)
        decomposed = unicodedata.normalize("NFD", character)
        base, marks = decomposed[0], decomposed[1:]
        if base in SIGNS:
            return draw_sign(base, self.rng)
        letter = self._letter(base)
        for mark in marks:
            letter = add_accent(letter, mark, self.rng)
        return letter

    def _letter(self, base: str) -> WordInk:
        shapes = self.letters[base.upper() if base in self.low_capitals else base]
        strokes = shapes[int(self.rng.integers(len(shapes)))]
        if base in self.low_capitals:
            return scale_tall(base, strokes, float(self.rng.normal(1.0, 0.05)))
        if base.islower():
            return scale_small(base, strokes, self.ascender, self.descender)
        return scale_tall(base, strokes, self.capital * float(self.rng.normal(1.0, 0.04)))


def draw_line(line: WordInk, rng: np.random.Generator) -> GreyImage:
    """The grey image (H, W) uint8 of a line of ink, at most TALLEST pixels high, drawn by a pen of random width."""
    width, height = np.ptp(np.concatenate(line.strokes), axis=0)
    pen = min(float(np.clip(rng.lognormal(np.log(PEN), PEN_SPREAD), *PEN_RANGE)), THICKEST * width / len(line.text))
    scale = min(X_HEIGHT, TALLEST / (height + 2 * pen))
    return draw_strokes(line.strokes, scale, pen * scale, rng)
