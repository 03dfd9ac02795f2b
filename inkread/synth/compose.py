"""Line pictures that nobody wrote as lines: pen strokes drawn with ink, words or single letters of one writer set on
one baseline, and text drawn with a handwriting font. All of it is black ink on white; augment.py makes it look like
paper and cameras."""

from __future__ import annotations

import hashlib
import string
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkread.features.image import GreyImage
from inkread.features.ink import baseline_and_x_height
from inkread.features.render import X_HEIGHT, draw_strokes
from inkread.inputs.ink import Stroke

TALLEST = 92  # pixels of a drawn line


@dataclass(frozen=True)
class Word:
    """A piece of writing and its ink, in body heights: the baseline is y = 0, the top of an x is y = -1."""

    text: str
    strokes: Sequence[Stroke]


# Punctuation as polylines in body heights, for writers who left us none of their own.
SIGNS: dict[str, list[list[tuple[float, float]]]] = {
    ".": [[(0.0, -0.05), (0.06, 0.0)]],
    ",": [[(0.12, -0.1), (0.13, 0.1), (0.0, 0.38)]],
    ":": [[(0.0, -0.75), (0.05, -0.72)], [(0.0, -0.06), (0.05, 0.0)]],
    ";": [[(0.1, -0.75), (0.14, -0.72)], [(0.12, -0.08), (0.13, 0.1), (0.0, 0.35)]],
    "!": [[(0.08, -1.8), (0.02, -0.5)], [(0.0, -0.06), (0.04, 0.0)]],
    "?": [
        [(0.0, -1.45), (0.15, -1.75), (0.5, -1.75), (0.62, -1.4), (0.3, -0.95), (0.25, -0.5)],
        [(0.22, -0.06), (0.27, 0.0)],
    ],
    "'": [[(0.1, -1.85), (0.04, -1.4)]],
    '"': [[(0.1, -1.85), (0.04, -1.4)], [(0.4, -1.85), (0.34, -1.4)]],
    "-": [[(0.0, -0.5), (0.3, -0.52), (0.6, -0.5)]],
    "(": [[(0.35, -1.9), (0.06, -1.3), (0.0, -0.6), (0.1, 0.0), (0.35, 0.4)]],
    ")": [[(0.0, -1.9), (0.29, -1.3), (0.35, -0.6), (0.25, 0.0), (0.0, 0.4)]],
    "„": [[(0.12, -0.1), (0.13, 0.1), (0.0, 0.38)], [(0.42, -0.1), (0.43, 0.1), (0.3, 0.38)]],
    "«": [[(0.35, -0.85), (0.0, -0.45), (0.35, -0.05)], [(0.75, -0.85), (0.4, -0.45), (0.75, -0.05)]],
    "»": [[(0.0, -0.85), (0.35, -0.45), (0.0, -0.05)], [(0.4, -0.85), (0.75, -0.45), (0.4, -0.05)]],
    "¿": [
        [(0.37, -0.75), (0.4, -0.7)],
        [(0.4, -0.4), (0.35, 0.05), (0.0, 0.3), (0.1, 0.65), (0.4, 0.7), (0.6, 0.45)],
    ],
    "¡": [[(0.04, -0.75), (0.0, -0.7)], [(0.0, -0.4), (0.06, 0.6)]],
    "/": [[(0.6, -1.9), (0.0, 0.3)]],
    "+": [[(0.0, -0.8), (0.9, -0.8)], [(0.45, -1.25), (0.45, -0.35)]],
    "=": [[(0.0, -1.0), (0.8, -1.0)], [(0.0, -0.55), (0.8, -0.58)]],
    "%": [
        [(0.9, -1.7), (0.15, 0.0)],
        [(0.25, -1.7), (0.0, -1.4), (0.25, -1.1), (0.45, -1.4), (0.25, -1.7)],
        [(0.8, -0.6), (0.6, -0.3), (0.8, 0.0), (1.05, -0.3), (0.8, -0.6)],
    ],
    "€": [
        [(1.0, -1.4), (0.75, -1.7), (0.4, -1.6), (0.2, -0.9), (0.4, -0.1), (0.75, 0.0), (1.0, -0.3)],
        [(0.0, -1.0), (0.8, -1.02)],
        [(0.0, -0.7), (0.75, -0.72)],
    ],
    "£": [
        [(1.0, -1.4), (0.8, -1.7), (0.5, -1.6), (0.4, -1.2), (0.45, -0.5), (0.1, 0.0), (0.5, -0.1), (1.0, 0.0)],
        [(0.1, -0.9), (0.8, -0.92)],
    ],
    "$": [
        [(0.9, -1.45), (0.6, -1.7), (0.2, -1.6), (0.1, -1.2), (0.75, -0.7), (0.8, -0.2), (0.45, 0.0), (0.0, -0.2)],
        [(0.48, -1.95), (0.42, 0.25)],
    ],
    "°": [[(0.2, -1.8), (0.0, -1.6), (0.18, -1.4), (0.36, -1.6), (0.2, -1.8)]],
    "@": [
        [(0.9, -0.9), (0.6, -1.05), (0.4, -0.6), (0.6, -0.25), (0.85, -0.5), (0.9, -0.95), (0.95, -0.35)],
        [(0.95, -0.35), (1.25, -0.6), (1.1, -1.3), (0.6, -1.5), (0.1, -1.1), (0.1, -0.2), (0.6, 0.15), (1.1, 0.0)],
    ],
    "_": [[(0.0, 0.12), (0.9, 0.1)]],
    "ß": [
        [(0.0, 0.3), (0.1, -1.2), (0.35, -1.75), (0.7, -1.5), (0.65, -1.1), (0.35, -0.95)],
        [(0.35, -0.95), (0.75, -0.75), (0.85, -0.3), (0.6, 0.0), (0.35, -0.05)],
    ],
}
# Letters that have no decomposition, drawn as a base letter and a stroke of STROKES through it.
STROKES: dict[str, tuple[str, list[tuple[float, float]]]] = {
    "ø": ("o", [(0.45, -0.7), (-0.45, 0.7)]),
    "Ø": ("O", [(0.5, -0.65), (-0.5, 0.65)]),
    "ł": ("l", [(0.35, -0.25), (-0.3, 0.15)]),
    "Ł": ("L", [(0.1, -0.3), (-0.6, 0.15)]),
    "đ": ("d", [(-0.1, -0.4), (0.5, -0.42)]),
    "Đ": ("D", [(-0.75, 0.0), (0.0, 0.02)]),
}
PAIRS = {"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE"}  # ligatures: both letters close together

Hand = Mapping[str, Sequence[Sequence[Stroke]]]  # the ink of a writer's single letters and digits, several of each

# Accents as combining marks, in body heights from the top of their letter and the middle of its width; the cedilla
# hangs from the baseline.
ACCENTS: dict[str, list[list[tuple[float, float]]]] = {
    "\u0300": [[(-0.2, -0.4), (0.15, -0.15)]],  # grave
    "\u0301": [[(0.2, -0.4), (-0.15, -0.15)]],  # acute
    "\u0302": [[(-0.25, -0.15), (0.0, -0.4), (0.25, -0.15)]],  # circumflex
    "\u0308": [[(-0.2, -0.2), (-0.17, -0.22)], [(0.2, -0.2), (0.23, -0.22)]],  # diaeresis
    "\u0327": [[(0.0, 0.0), (-0.02, 0.1), (0.15, 0.2), (-0.1, 0.35)]],  # cedilla
    "\u0303": [[(-0.3, -0.18), (-0.12, -0.32), (0.1, -0.2), (0.3, -0.34)]],  # tilde
    "\u030a": [[(0.0, -0.12), (-0.14, -0.24), (0.0, -0.38), (0.14, -0.24), (0.0, -0.12)]],  # ring
    "\u030c": [[(-0.25, -0.4), (0.0, -0.15), (0.25, -0.4)]],  # caron
    "\u0306": [[(-0.25, -0.38), (-0.1, -0.18), (0.1, -0.18), (0.25, -0.38)]],  # breve
    "\u0304": [[(-0.25, -0.22), (0.25, -0.25)]],  # macron
    "\u0307": [[(0.0, -0.25), (0.03, -0.22)]],  # dot
    "\u030b": [[(-0.1, -0.4), (-0.25, -0.15)], [(0.25, -0.4), (0.1, -0.15)]],  # double acute
    "\u0328": [[(0.15, 0.0), (0.02, 0.15), (0.1, 0.32), (0.25, 0.26)]],  # ogonek
    "\u0326": [[(0.03, 0.12), (0.05, 0.22), (-0.06, 0.42)]],  # comma below
}
BELOW = frozenset("\u0327\u0328\u0326")  # these hang from the baseline


def draw_line(line: Word, rng: np.random.Generator) -> GreyImage:
    """A line of ink as a grey picture at most TALLEST pixels high, drawn by a pen of some width."""
    width, height = np.ptp(np.concatenate(line.strokes), axis=0)
    pen = min(float(np.clip(rng.lognormal(np.log(0.15), 0.35), 0.07, 0.3)), 0.3 * width / len(line.text))
    scale = min(X_HEIGHT, TALLEST / (height + 2 * pen))
    return draw_strokes(line.strokes, scale, pen * scale, rng)


def seeded(name: str) -> np.random.Generator:
    """Random numbers that are another's for every name, and the same on every machine."""
    return np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))


def settle(text: str, strokes: Sequence[Stroke], usual: float) -> Word:
    """A word as it was written, its baseline found and brought to y = 0, its size to body heights.

    `usual` is the median height of the writer's small letters. It is trusted more than the estimate on this one word,
    which is rough for a short one.
    """
    baseline, body = baseline_and_x_height(strokes)
    scale = 1 / (usual * float(np.clip(body / usual, 0.7, 1.4)) ** 0.4)
    left = min(float(stroke[:, 0].min()) for stroke in strokes)
    return Word(text, [(stroke - [left, baseline]) * scale for stroke in strokes])


def settle_tall(text: str, strokes: Sequence[Stroke], height: float = 1.75) -> Word:
    """A digit or capital as it was written, brought to stand on y = 0, `height` body heights tall."""
    points = np.concatenate(strokes)
    corner = [float(points[:, 0].min()), float(points[:, 1].max())]
    wide, high = np.ptp(points, axis=0).tolist()
    scale = height / max(high, 0.3 * wide, 1e-6)  # a digit that lies flat is mislabelled; blown up, it fills the line
    return Word(text, [(stroke - corner) * scale for stroke in strokes])


def settle_small(text: str, strokes: Sequence[Stroke], ascender: float, descender: float) -> Word:
    """A small letter as it was written by itself, brought to where such a letter reaches on a line.

    That is from 1 body height above the baseline, or `ascender`, or about 1.5 to the dot of an i, down to the baseline
    or to `descender` below it. By itself a letter does not tell: an o may be as large as an l.
    """
    dotted = text in "ij" and len(strokes) > 1
    above = ascender if text in "bdfhkl" else 1.5 if text == "t" or dotted else 1.0
    below = descender if text in "gjpqy" else 0.0
    stood = settle_tall(text, strokes, above + below)
    return Word(text, [stroke + [0.0, below] for stroke in stood.strokes])


def with_accent(letter: Word, mark: str, rng: np.random.Generator) -> Word:
    """A letter with a combining mark of ACCENTS over it, in place of its dot, or under it."""
    strokes = list(letter.strokes)
    if letter.text in "ij" and len(strokes) > 1:
        strokes = [stroke for stroke in strokes if stroke[:, 1].max() > -0.7] or strokes
    points = np.concatenate(strokes)
    place = [float(points[:, 0].mean()), 0.0 if mark in BELOW else float(points[:, 1].min())]
    size = rng.uniform(0.7, 1.3)
    drawn = [np.array(line) * size + rng.normal(0, 0.03, (len(line), 2)) + place for line in ACCENTS[mark]]
    return Word(unicodedata.normalize("NFC", letter.text + mark), [*strokes, *drawn])


def with_stroke(text: str, letter: Word, rng: np.random.Generator) -> Word:
    """A letter with the stroke of STROKES through it: o -> ø."""
    points = np.concatenate(letter.strokes)
    middle, size = (points.min(axis=0) + points.max(axis=0)) / 2, np.ptp(points, axis=0)
    reach = np.array([max(size[0], 0.8), size[1]])
    line = np.array(STROKES[text][1]) * reach + rng.normal(0, 0.03, (2, 2)) + middle
    return Word(text, [*letter.strokes, line])


def ligature(text: str, letters: Sequence[Word]) -> Word:
    """Two letters that touch: a, e -> æ."""
    first, second = letters
    right = max(float(stroke[:, 0].max()) for stroke in first.strokes)
    left = min(float(stroke[:, 0].min()) for stroke in second.strokes)
    return Word(text, [*first.strokes, *(stroke + [right - left - 0.1, 0.0] for stroke in second.strokes)])


def spell_line(text: str, hand: Hand, mixed: float, rng: np.random.Generator, struck: Collection[int] = ()) -> Word:
    """A line of text set from the single letters of one hand, with signs from SIGNS and accents from ACCENTS.

    For the share `mixed` of the alphabet a low capital stands for the small letter, as some hands have it; the text
    keeps the small letter. The words whose numbers are in `struck` are crossed out, and are not part of the text.

    Raises KeyError for a character that neither has.
    """
    in_capitals = {letter for letter in string.ascii_lowercase if rng.random() < mixed}
    ascender, descender = rng.uniform(1.5, 2.0), rng.uniform(0.6, 1.0)
    capital = rng.uniform(1.0, 1.4) if text.isupper() else ascender

    def piece(character: str) -> Word:
        if character in PAIRS:
            return ligature(character, [piece(part) for part in PAIRS[character]])
        if character in STROKES:
            return with_stroke(character, piece(STROKES[character][0]), rng)
        decomposed = unicodedata.normalize("NFD", character)
        base, marks = decomposed[0], decomposed[1:]
        if base in SIGNS:
            return draw_sign(base, rng)
        shapes = hand[base.upper() if base in in_capitals else base]
        strokes = shapes[int(rng.integers(len(shapes)))]
        if base in in_capitals:
            letter = settle_tall(base, strokes, float(rng.normal(1.0, 0.05)))
        elif base.islower():
            letter = settle_small(base, strokes, ascender, descender)
        else:
            letter = settle_tall(base, strokes, capital * float(rng.normal(1.0, 0.04)))
        for mark in marks:
            letter = with_accent(letter, mark, rng)
        return letter

    def crossed_out(pieces: list[Word]) -> Word:
        word = compose_line([pieces], rng)
        right = max(float(stroke[:, 0].max()) for stroke in word.strokes)
        return Word("", [*word.strokes, *strike(right, rng)])

    words = [[piece(character) for character in word] for word in text.split()]
    return compose_line(
        [[crossed_out(pieces)] if place in struck else pieces for place, pieces in enumerate(words)], rng
    )


def draw_sign(text: str, rng: np.random.Generator) -> Word:
    """A punctuation mark of SIGNS, a little different every time."""
    size = rng.uniform(0.8, 1.25)
    return Word(text, [np.array(line) * size + rng.normal(0, 0.03, (len(line), 2)) for line in SIGNS[text]])


def compose_line(words: Sequence[Sequence[Word]], rng: np.random.Generator) -> Word:
    """The words of one writer as one line of text on a common baseline, which wanders a little.

    Each word is a sequence of pieces set close together, as ["end", "."]; between words stands a space.
    """
    longest = max((pieces[0] for pieces in words), key=lambda piece: len(piece.text))
    pitch = float(np.ptp(np.concatenate(longest.strokes)[:, 0])) / len(longest.text)
    space = max(pitch * rng.uniform(0.8, 1.8), 0.6)  # who writes wide letters leaves wide spaces
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
    return Word(" ".join(filter(None, texts)), strokes)


def strike(width: float, rng: np.random.Generator) -> list[Stroke]:
    """Strokes that cross out a word of that width, in body heights: one to three lines, or a zigzag."""
    if rng.random() < 0.3:
        count = max(4, int(width / rng.uniform(0.2, 0.5)))
        y = np.where(np.arange(count) % 2, -1.1, 0.0)
        return [np.column_stack([np.linspace(0, width, count), y]) + rng.normal(0, 0.12, (count, 2))]
    x = np.linspace(-0.2, width + 0.2, 6)
    levels = -rng.uniform(0.2, 0.8, int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])))
    return [
        np.column_stack([x, level + rng.normal(0, 0.1) * (x / width - 0.5) + rng.normal(0, 0.05, 6)])
        for level in levels
    ]


def draw_text(
    text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator, struck: Collection[int] = ()
) -> GreyImage:
    """A line of text in a handwriting font, made less regular: spaces, widths, slant and baseline vary.

    The font's size gives the size of the picture; it is drawn twice as large and brought down. The words whose numbers
    are in `struck` are crossed out.
    """
    size = int(font.size)
    large = font.font_variant(size=2 * size)
    words = text.split(" ")
    space = max(large.getlength(" "), 0.2 * size) * rng.uniform(0.8, 1.8)
    spaces = space * rng.uniform(0.8, 1.25, len(words))
    starts = np.cumsum([0.0, *[large.getlength(word) + gap for word, gap in zip(words, spaces, strict=True)]])
    border = 2 * size
    canvas = Image.new("L", (round(starts[-1]) + 2 * border, 5 * size), 255)
    brush = ImageDraw.Draw(canvas)
    for word, x in zip(words, starts.tolist(), strict=False):
        brush.text((border + x, 3 * size + rng.normal(0, 0.03) * size), word, fill=0, font=large, anchor="ls")
    body = 0.8 * size  # in the large picture
    for place in struck:
        for stroke in strike(large.getlength(words[place]) / body, rng):
            path = stroke * body + [border + starts[place], 3 * size]
            brush.line(path.ravel().tolist(), fill=0, width=max(2, round(0.1 * size)), joint="curve")
    picture = _crop(warp(canvas, 2 * size, rng))
    return np.asarray(picture.reduce(2))


def warp(picture: Image.Image, unit: int, rng: np.random.Generator) -> Image.Image:
    """Distort a line picture smoothly: slant it, let its baseline wander and its letters grow wider and narrower.

    `unit` is the size of the writing in pixels; what wanders does so over a few of them.
    """
    width, height = picture.size
    columns = np.arange(0, width + unit, max(unit // 2, 1), dtype=float)
    slant = rng.normal(0, 0.15)
    stretch = np.exp(_wander(len(columns), 3, rng) * 0.1)
    source = np.concatenate([[0.0], np.cumsum(stretch * (columns[1] - columns[0]))])[: len(columns)]
    target_width = int(columns[np.searchsorted(source, width).clip(max=len(columns) - 1)])
    lift = _wander(len(columns), 8, rng) * 0.04 * unit
    mesh = []
    for i in range(len(columns) - 1):
        x0, x1 = int(columns[i]), int(columns[i + 1])
        top, bottom = slant * height / 2, -slant * height / 2
        quad = (
            *(source[i] + top, lift[i]),
            *(source[i] + bottom, height + lift[i]),
            *(source[i + 1] + bottom, height + lift[i + 1]),
            *(source[i + 1] + top, lift[i + 1]),
        )
        mesh.append(((x0, 0, x1, height), quad))
    size = (max(target_width, 1), height)
    # The mesh reads nothing outside of the picture, so the ink is inverted: what lies outside becomes paper, not black.
    turned = ImageOps.invert(picture).transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return ImageOps.invert(turned)


def _wander(count: int, steps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`count` values of a smooth random curve of deviation about 1 that changes over about `steps` of them."""
    knots = rng.normal(0, 1, count // steps + 2)
    return np.interp(np.arange(count) / steps, np.arange(len(knots)), knots)


def _crop(picture: Image.Image, margin: int = 6) -> Image.Image:
    """The picture cut to its ink, with a margin."""
    box = ImageOps.invert(picture).getbbox()
    if box is None:
        return picture
    return ImageOps.expand(picture.crop(box), margin, 255)
