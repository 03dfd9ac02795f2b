"""Line pictures that nobody wrote as lines: pen strokes drawn with ink, words or single letters of one writer set on
one baseline, and text drawn with a handwriting font. All of it is black ink on white; augment.py makes it look like
paper and cameras."""

from __future__ import annotations

import hashlib
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from inkread.inputs.ink import Stroke
from inkread.features.ink import measure_body, usual_body

Picture = NDArray[np.uint8]  # (H, W) grey, 0 = black

BODY = 22  # pixels of the height of small letters in a drawn line
TALLEST = 92  # pixels of a drawn line
PEN = 3.0  # pixels: a usual pen at that size
BORDER = 2.0  # pixels around the ink
SUPERSAMPLING = 4  # strokes are drawn this many times larger, then averaged down: smooth edges


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
}

Hand = Mapping[str, Sequence[Sequence[Stroke]]]  # the ink of a writer's single letters and digits, several of each

# Accents as combining marks, in body heights from the top of their letter and the middle of its width; the cedilla
# hangs from the baseline.
ACCENTS: dict[str, list[list[tuple[float, float]]]] = {
    "\u0300": [[(-0.2, -0.4), (0.15, -0.15)]],  # grave
    "\u0301": [[(0.2, -0.4), (-0.15, -0.15)]],  # acute
    "\u0302": [[(-0.25, -0.15), (0.0, -0.4), (0.25, -0.15)]],  # circumflex
    "\u0308": [[(-0.2, -0.2), (-0.17, -0.22)], [(0.2, -0.2), (0.23, -0.22)]],  # diaeresis
    "\u0327": [[(0.0, 0.0), (-0.02, 0.1), (0.15, 0.2), (-0.1, 0.35)]],  # cedilla
}


def draw_page(strokes: Sequence[Stroke]) -> Picture:
    """Ink as it lies on its page, small letters BODY pixels high, as a grey picture; the same every time."""
    return draw_strokes(strokes, BODY / usual_body(strokes), PEN, np.random.default_rng(0))


def scale_and_left(strokes: Sequence[Stroke]) -> tuple[float, float]:
    """Where `draw_page` draws ink: the pixels a unit of it, and its x at the left edge of the picture."""
    scale = BODY / usual_body(strokes)
    return scale, min(float(stroke[:, 0].min()) for stroke in strokes) - (BORDER + PEN) / scale


def draw_line(line: Word, rng: np.random.Generator) -> Picture:
    """A line of ink as a grey picture at most TALLEST pixels high, drawn by a pen of some width."""
    width, height = np.ptp(np.concatenate(line.strokes), axis=0)
    pen = min(float(np.clip(rng.lognormal(np.log(0.15), 0.35), 0.07, 0.3)), 0.3 * width / len(line.text))
    scale = min(BODY, TALLEST / (height + 2 * pen))
    return draw_strokes(line.strokes, scale, pen * scale, rng)


def seeded(name: str) -> np.random.Generator:
    """Random numbers that are another's for every name, and the same on every machine."""
    return np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))


def draw_strokes(strokes: Sequence[Stroke], scale: float, pen: float, rng: np.random.Generator) -> Picture:
    """Pen strokes as a grey picture, just large enough: `scale` pixels a unit, a line of about `pen` pixels width.

    The width wanders smoothly by some 15 %, as the pressure of a hand does.
    """
    margin = BORDER + pen
    points = np.concatenate(strokes)
    origin = points.min(axis=0) - margin / scale
    width, height = np.ceil(np.ptp(points, axis=0) * scale + 2 * margin).astype(int)
    canvas = Image.new("L", (int(width) * SUPERSAMPLING, int(height) * SUPERSAMPLING), 255)
    brush = ImageDraw.Draw(canvas)
    for stroke in strokes:
        path = thin_out((stroke - origin) * scale * SUPERSAMPLING, 0.35 * pen * SUPERSAMPLING)
        width_now = pen * SUPERSAMPLING
        dots = sharp_corners(path)  # the brush is round: at ends and corners it leaves a dot
        for start in range(0, max(len(path) - 1, 1), 6):
            piece = path[start : start + 7]
            width_now = 0.6 * width_now + 0.4 * pen * SUPERSAMPLING * float(np.clip(rng.normal(1.0, 0.25), 0.6, 1.5))
            brush.line(piece.ravel().tolist(), fill=0, width=max(round(width_now), 1))
            radius = width_now / 2
            for x, y in piece[dots[start : start + 7]].tolist():
                brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def thin_out(path: Stroke, step: float) -> Stroke:
    """The points of a path that are at least `step` apart along it, with both its ends."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    keep = np.diff((along / step).astype(int), prepend=-1) > 0
    keep[-1] = True
    return path[keep]


def sharp_corners(path: Stroke) -> NDArray[np.bool_]:
    """Which points of a path are its ends, or places where it turns by more than 25 degrees."""
    sharp = np.ones(len(path), dtype=bool)
    if len(path) > 2:
        steps = np.diff(path, axis=0)
        angles = np.diff(np.arctan2(steps[:, 1], steps[:, 0]))
        sharp[1:-1] = np.cos(angles) < np.cos(np.radians(25))
    return sharp


def settle(text: str, strokes: Sequence[Stroke], usual: float) -> Word:
    """A word as it was written, its baseline found and brought to y = 0, its size to body heights.

    `usual` is the median height of the writer's small letters. It is trusted more than the estimate on this one word,
    which is rough for a short one.
    """
    baseline, body = measure_body(strokes)
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
    place = [float(points[:, 0].mean()), 0.0 if mark == "\u0327" else float(points[:, 1].min())]
    size = rng.uniform(0.7, 1.3)
    drawn = [np.array(line) * size + rng.normal(0, 0.03, (len(line), 2)) + place for line in ACCENTS[mark]]
    return Word(unicodedata.normalize("NFC", letter.text + mark), [*strokes, *drawn])


def spell_line(text: str, hand: Hand, manner: str, rng: np.random.Generator) -> Word:
    """A line of text set from the single letters of one hand, with signs from SIGNS and accents from ACCENTS.

    In the `manner` "small" small letters stand for themselves, in "capitals" a lower capital stands for each of them,
    and in "mixed" for about a third of the alphabet. The text keeps its small letters: who copies a text in block
    capitals, and who writes it down again, mostly means it so.

    Raises KeyError for a character that neither has.
    """
    share = {"small": 0.0, "capitals": 1.0, "mixed": 0.35}[manner]
    in_capitals = {letter for letter in string.ascii_lowercase if rng.random() < share}
    ascender, descender = rng.uniform(1.5, 2.0), rng.uniform(0.6, 1.0)
    capital = rng.uniform(1.0, 1.4) if manner == "capitals" else ascender

    def piece(character: str) -> Word:
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

    return compose_line([[piece(character) for character in word] for word in text.split()], rng)


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
    return Word(" ".join("".join(piece.text for piece in pieces) for pieces in words), strokes)


def draw_text(text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Picture:
    """A line of text in a handwriting font, made less regular: spaces, widths, slant and baseline vary.

    The font's size gives the size of the picture; it is drawn twice as large and brought down.
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
