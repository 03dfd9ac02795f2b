"""Compose pages with known lines: handwriting on drawn paper, with print, tables, pictures, stains and tables around.

python datasets/pages/compose.py OUT --lines LINES... --count 900 --split train --seed 0      (half a second a page)

LINES are folders with lines.tsv, made by prepare.py of the other datasets; only lines of the split are taken. Print is
drawn in the fonts of this machine (`--print-fonts`). The pages depend on the seed, the lines and these fonts alone.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.page_truth import TrueLine, TruePage, write_pages

Rng = np.random.Generator
Grey = np.ndarray  # (H, W) float32; paper and light from 0 to 1, ink from 0 = none to 1
LONG_SIDE = 1500  # pixels
LOWEST_X_HEIGHT = 0.22  # share of the ink's height: a lower x-height was measured wrongly
MOST_ENLARGED = 2.0  # times that ink is enlarged
WORDS = "the of and to in a is that for it as was with be by on not he his but at are this have from or one had word "
WORDS += "date name total number street city form page note amount signature received under account no. paid copy per"


# ---- handwriting


@dataclass(frozen=True)
class Ink:
    """A line of handwriting: (h, w) ink; the row of its baseline, and the height of its small letters."""

    ink: Grey
    baseline: float
    x_height: float


def load_ink(file: Path) -> Ink | None:
    """The ink of a line image, or None if there is next to none."""
    grey = np.asarray(Image.open(file).convert("L"), np.float32)
    dark = np.percentile(grey, 85, axis=0) - grey - 12
    full = max(30.0, float(np.percentile(dark, 98)))
    ink = np.clip(dark / full, 0, 1)
    columns = np.flatnonzero(ink.max(axis=0) > 0.4)
    if len(columns) < 12:
        return None
    rows = np.flatnonzero(ink.max(axis=1) > 0.4)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    profile = np.convolve(ink.mean(axis=1), np.ones(3) / 3, mode="same")
    fullest = int(profile.argmax())
    low = profile <= 0.45 * profile[fullest]
    above, below = np.flatnonzero(low[:fullest]), np.flatnonzero(low[fullest:])
    top = above[-1] if len(above) else 0
    bottom = fullest + below[0] if len(below) else len(profile)
    x_height = float(bottom - top - 1)
    return Ink(ink, float(bottom), x_height) if x_height >= max(6, LOWEST_X_HEIGHT * len(ink)) else None


class Handwriting:
    """Lines of many writers; those of one writer at a time."""

    def __init__(self, folders: Sequence[Path], split: str) -> None:
        self.sets: list[list[list[Path]]] = []
        for folder in folders:
            writers: dict[str, list[Path]] = defaultdict(list)
            with (folder / "lines.tsv").open(encoding="utf-8") as table:
                for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
                    if row["split"] == split:
                        writers[row["writer"]].append(folder / row["file"])
            self.sets.append([files for _, files in sorted(writers.items())])

    def writer(self, rng: Rng) -> Callable[[], Ink]:
        """A function that returns a line by the same writer at each call."""
        writers = self.sets[rng.integers(len(self.sets))]
        files = writers[rng.integers(len(writers))]

        def line() -> Ink:
            for _ in range(20):
                ink = load_ink(files[rng.integers(len(files))])
                if ink:
                    return ink
            return Ink(np.ones((12, 40), np.float32), 12, 12)

        return line


def scaled(ink: Ink, x_height: float) -> Ink:
    factor = min(x_height / ink.x_height, MOST_ENLARGED)
    height, width = ink.ink.shape
    size = (max(4, round(width * factor)), max(4, round(height * factor)))
    image = Image.fromarray(ink.ink).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Ink(
        np.clip(np.asarray(image) * min(1.4, max(1, 1 / factor) ** 0.5), 0, 1),
        ink.baseline * factor,
        ink.x_height * factor,
    )


def gaps_of(ink: Ink) -> list[int]:
    """The middle columns of spaces between words."""
    empty = ink.ink.max(axis=0) < 0.15
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.astype(int), [0]))))
    return [int(a + b) // 2 for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 0.55 * ink.x_height]


def widened(ink: Ink, rng: Rng, widest: float) -> Ink:
    """The line with wider spaces, at most so many pixels more."""
    gaps = [0, *gaps_of(ink), ink.ink.shape[1]]
    parts = []
    for left, right in pairwise(gaps):
        parts += [ink.ink[:, left:right], np.zeros((len(ink.ink), round(rng.uniform(0, widest))), np.float32)]
    return Ink(np.concatenate(parts[:-1], axis=1), ink.baseline, ink.x_height)


def cut_to(ink: Ink, width: float) -> Ink:
    """The line without the words that do not fit in a width."""
    if ink.ink.shape[1] <= width:
        return ink
    fitting = [gap for gap in gaps_of(ink) if gap <= width]
    end = fitting[-1] if fitting else int(width)
    inked = np.flatnonzero(ink.ink[:, :end].max(axis=0) > 0.3)
    end = int(inked[-1]) + 1 if len(inked) else end
    return Ink(ink.ink[:, :end], ink.baseline, ink.x_height)


# ---- the sheet


@dataclass
class Sheet:
    """A sheet of paper in the making: what its pixels reflect, and the lines on it."""

    paper: Grey
    rng: Rng
    lines: list[TrueLine] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)  # boxes: left, top, right, bottom

    @property
    def size(self) -> tuple[int, int]:
        return self.paper.shape[1], self.paper.shape[0]

    def is_free(self, box: tuple[float, float, float, float]) -> bool:
        return not any(box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0 for x0, y0, x1, y1 in self.taken)

    def darken(self, ink: Grey, left: int, top: int, dark: float) -> None:
        """Lay ink (h, w) on the paper; what is outside is cut off."""
        height, width = self.paper.shape
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(width, left + ink.shape[1]), min(height, top + ink.shape[0])
        if x0 < x1 and y0 < y1:
            part = self.paper[y0:y1, x0:x1]
            part *= 1 - dark * ink[y0 - top : y1 - top, x0 - left : x1 - left]

    def draw(self, dark: float, paint: Callable[[ImageDraw.ImageDraw], None], blur: float = 0.4) -> None:
        """Paint white on black; it becomes ink."""
        canvas = Image.new("L", self.size)
        paint(ImageDraw.Draw(canvas))
        box = canvas.getbbox()
        if box:
            image = canvas.crop(box).filter(ImageFilter.GaussianBlur(blur))
            self.darken(np.asarray(image, np.float32) / 255, box[0], box[1], dark)

    def write(self, ink: Ink, left: float, baseline: float, dark: float, slope: float = 0.0) -> None:
        """Write a line whose baseline starts there, and remember it."""
        rng = self.rng
        height, width = ink.ink.shape
        bend = rng.normal(0, 0.15) * ink.x_height
        x = np.arange(width)
        y = slope * x + bend * np.sin(np.linspace(0, math.pi * rng.uniform(0.5, 2), width))
        low, high = math.floor(y.min()), math.ceil(y.max())
        moved = np.zeros((height + high - low + 1, width), np.float32)
        shift = np.rint(y - low).astype(int)
        rows = np.arange(height)[:, None] + shift
        moved[rows, x] = ink.ink
        top = round(baseline - ink.baseline) + low
        self.darken(moved, round(left), top, dark)
        step = max(1, width // 8)
        points = [(left + float(i), baseline + float(y[i])) for i in [*range(0, width - 1, step), width - 1]]
        self.lines.append(TrueLine(tuple(points), ink.x_height))


def smooth_noise(width: int, height: int, cells: float, rng: Rng, stretch: float = 1.0) -> Grey:
    """Noise around 0 with a deviation of about 1, whose blotches are `cells` to a side."""
    across, down = max(2, round(cells)), max(2, round(cells * stretch * height / width))
    coarse = Image.fromarray(rng.normal(0, 1, (down + 1, across + 1)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def blank_paper(width: int, height: int, rng: Rng) -> Grey:
    tone = rng.uniform(0.55, 0.98) if rng.random() < 0.6 else rng.uniform(0.88, 1.0)
    paper = np.full((height, width), tone, np.float32)
    paper += rng.uniform(0, 0.03) * smooth_noise(width, height, rng.uniform(2, 8), rng)
    paper += rng.uniform(0, 0.015) * smooth_noise(width, height, rng.uniform(60, 300), rng)
    return paper


def rule_paper(sheet: Sheet) -> float:
    """Ruled, squared, dotted or plain paper, or rules of dots; the distance of its rules, 0 without any."""
    rng, (width, height) = sheet.rng, sheet.size
    kinds = ["plain", "ruled", "squared", "seyes", "dotted", "leaders"]
    kind = rng.choice(kinds, p=[0.36, 0.26, 0.17, 0.08, 0.07, 0.06])
    if kind == "plain":
        return 0.0
    pitch = float(rng.uniform(38, 75) if kind in ("ruled", "leaders") else rng.uniform(16, 45))
    radius, leader_pitch = float(rng.uniform(0.7, 2.5)), float(rng.uniform(6, 14))
    dark, thick = rng.uniform(0.08, 0.5), int(rng.integers(1, 3))
    top = rng.uniform(0, 0.12) * height

    def paint(brush: ImageDraw.ImageDraw) -> None:
        downs = np.arange(top, height, pitch).tolist()
        acrosses = np.arange(rng.uniform(0, pitch), width, pitch).tolist()
        if kind in ("dotted", "leaders"):
            across = acrosses if kind == "dotted" else np.arange(0.05 * width, 0.95 * width, leader_pitch).tolist()
            for y in downs:
                for x in across:
                    brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
            return
        for number, y in enumerate(downs):
            strong = kind != "seyes" or number % 4 == 0
            brush.line((0, y, width, y), fill=255 if strong else 110, width=thick)
        if kind == "squared" or kind == "seyes":
            for x in acrosses if kind == "squared" else acrosses[::4]:
                brush.line((x, 0, x, height), fill=255 if kind == "squared" else 160, width=thick)
        if rng.random() < 0.4:
            x = rng.uniform(0.08, 0.2) * width
            brush.line((x, 0, x, height), fill=255, width=thick + 1)

    sheet.draw(dark, paint)
    return pitch * (4 if kind == "seyes" else 1 if pitch > 30 else 2)


def write_block(sheet: Sheet, writing: Handwriting, box: tuple[float, float, float, float], x_height: float) -> None:
    """Fill a box with lines by one writer."""
    rng, (left, top, right, bottom) = sheet.rng, box
    line = writing.writer(rng)
    dark = float(rng.uniform(0.12, 0.3) if rng.random() < 0.15 else rng.uniform(0.35, 0.95))
    pitch = x_height * rng.uniform(2.0, 4.2)
    slope = rng.normal(0, 0.012)
    widest = x_height * rng.uniform(2, 12) if rng.random() < 0.2 else 0.0
    ragged = rng.uniform(0, 0.25)
    y = top + 2 * x_height
    sheet.taken.append((left, top, right, bottom))
    while y < bottom - 0.5 * x_height:
        if rng.random() < 0.06:
            y += pitch * rng.uniform(0.5, 2)  # a new paragraph
            continue
        indent = rng.uniform(0, 0.04) * (right - left) if rng.random() < 0.8 else rng.uniform(0, 0.5) * (right - left)
        width = (right - left - indent) * (1 - rng.uniform(0, ragged))
        size = x_height * rng.uniform(0.92, 1.08)
        ink = scaled(line(), size)
        for _ in range(6):  # words and short lines are joined
            if ink.ink.shape[1] > 0.7 * width or rng.random() < 0.08:
                break
            ink = joined(ink, scaled(line(), size), rng)
        ink = cut_to(widened(ink, rng, widest) if widest else ink, width)
        if ink.ink.shape[1] > 1.2 * x_height:
            sheet.write(ink, left + indent, y + rng.normal(0, 0.06) * x_height, dark, slope)
            if rng.random() < 0.05:
                cross_out(sheet, ink, left + indent, y, dark, slope)
            if rng.random() < 0.04 and pitch > 3 * x_height:
                insert_above(sheet, line, ink, left + indent, y, dark)
        y += pitch * rng.uniform(0.93, 1.07)


def joined(first: Ink, second: Ink, rng: Rng) -> Ink:
    """Two lines of the same scale side by side on one baseline."""
    above = max(first.baseline, second.baseline)
    below = max(len(first.ink) - first.baseline, len(second.ink) - second.baseline)
    height = math.ceil(above + below) + 1
    gap = round(first.x_height * rng.uniform(0.7, 2.0))
    ink = np.zeros((height, first.ink.shape[1] + gap + second.ink.shape[1]), np.float32)
    for part, left in ((first, 0), (second, first.ink.shape[1] + gap)):
        top = round(above - part.baseline)
        fitting = part.ink[: height - top]
        ink[top : top + len(fitting), left : left + part.ink.shape[1]] = fitting
    return Ink(ink, above, first.x_height)


def cross_out(sheet: Sheet, ink: Ink, left: float, baseline: float, dark: float, slope: float) -> None:
    """Strike a part of a line out; it is still a line."""
    rng, width = sheet.rng, ink.ink.shape[1]
    begin = rng.uniform(0, 0.8) * width
    end = min(width, begin + rng.uniform(2, 10) * ink.x_height)
    middle = baseline + slope * begin - 0.5 * ink.x_height

    def paint(brush: ImageDraw.ImageDraw) -> None:
        for _ in range(int(rng.integers(1, 4))):
            x = np.linspace(left + begin, left + end, 9)
            y = middle + rng.normal(0, 0.2) * ink.x_height + rng.normal(0, 0.12 * ink.x_height, 9)
            brush.line(np.column_stack((x, y)).ravel().tolist(), fill=255, width=max(1, round(0.12 * ink.x_height)))

    sheet.draw(dark, paint)


def insert_above(sheet: Sheet, line: Callable[[], Ink], ink: Ink, left: float, baseline: float, dark: float) -> None:
    """A word between the lines: a line of its own."""
    rng = sheet.rng
    word = cut_to(scaled(line(), 0.7 * ink.x_height), rng.uniform(3, 9) * ink.x_height)
    if word.ink.shape[1] > 1.5 * ink.x_height:
        x = left + rng.uniform(0, 0.7) * ink.ink.shape[1]
        sheet.write(word, x, baseline - rng.uniform(1.7, 2.0) * ink.x_height, dark)


# ---- what is not handwriting


def print_text(sheet: Sheet, fonts: Sequence[Path], box: tuple[float, float, float, float], size: int) -> None:
    """Printed lines in a box."""
    rng, (left, top, right, bottom) = sheet.rng, box
    font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), size)
    words = WORDS.split()
    capitals, dark = rng.random() < 0.2, rng.uniform(0.4, 0.95)
    pitch = size * rng.uniform(1.1, 1.8)
    sheet.taken.append(box)

    def paint(brush: ImageDraw.ImageDraw) -> None:
        y = top
        while y + size < bottom:
            text = ""
            goal = (right - left) * (rng.uniform(0.3, 1) if rng.random() < 0.3 else 1)
            while font.getlength(text) < goal - 4 * size:
                word = words[rng.integers(len(words))] if rng.random() < 0.9 else str(rng.integers(1, 10000))
                text += (word.capitalize() if rng.random() < 0.15 else word) + " "
            brush.text((left, y), text.upper() if capitals else text, font=font, fill=255)
            y += pitch

    sheet.draw(dark, paint)


def draw_picture(sheet: Sheet, box: tuple[float, float, float, float]) -> None:
    """A photo, an engraving or a drawing."""
    rng = sheet.rng
    left, top, right, bottom = (round(side) for side in box)
    width, height = max(8, right - left), max(8, bottom - top)
    sheet.taken.append(box)
    kind = rng.integers(3)
    if kind == 0:  # a photo
        tone = 0.5 + 0.25 * smooth_noise(width, height, rng.uniform(2, 6), rng)
        tone += 0.1 * smooth_noise(width, height, rng.uniform(15, 60), rng)
        sheet.paper[top : top + height, left : left + width] *= np.clip(tone, 0.05, 1)[
            : sheet.paper.shape[0] - top, : sheet.paper.shape[1] - left
        ]
    else:  # curves, circles and hatching

        def paint(brush: ImageDraw.ImageDraw) -> None:
            for _ in range(int(rng.integers(4, 40))):
                x, y = rng.uniform(left, right), rng.uniform(top, bottom)
                size = rng.uniform(0.05, 0.5) * min(width, height)
                thick = int(rng.integers(1, 4))
                if rng.random() < 0.3:
                    brush.ellipse(
                        (x - size, y - size, x + size, y + size * rng.uniform(0.3, 1)), outline=255, width=thick
                    )
                elif rng.random() < 0.3:
                    for step in range(int(rng.integers(3, 12))):
                        brush.line((x + 5 * step, y, x + 5 * step + size / 2, y + size), fill=255, width=1)
                else:
                    path = np.cumsum(rng.normal(0, size / 3, (int(rng.integers(3, 12)), 2)), axis=0) + (x, y)
                    path = path.clip((left, top), (right, bottom))
                    brush.line(path.ravel().tolist(), fill=255, width=thick, joint="curve")

        sheet.draw(rng.uniform(0.3, 0.9), paint)
    if rng.random() < 0.4:
        sheet.draw(0.7, lambda brush: brush.rectangle((left, top, left + width, top + height), outline=255, width=2))


def draw_table(
    sheet: Sheet, writing: Handwriting, fonts: Sequence[Path], box: tuple[float, float, float, float]
) -> None:
    """Cells with rules or without, written in or not: each cell is a line."""
    rng, (left, top, right, bottom) = sheet.rng, box
    sheet.taken.append(box)
    x_height = rng.uniform(9, 18)
    pitch = x_height * rng.uniform(2.4, 4.5)
    rows = max(2, int((bottom - top) / pitch))
    cuts = np.sort(rng.uniform(0.08, 0.92, int(rng.integers(1, 6))))
    columns = left + (right - left) * np.concatenate(([0], cuts[np.diff(cuts, prepend=-1) > 0.07], [1]))
    dark = rng.uniform(0.15, 0.9)
    if rng.random() < 0.75:

        def paint(brush: ImageDraw.ImageDraw) -> None:
            for x in columns.tolist():
                brush.line((x, top, x, top + rows * pitch), fill=255, width=2)
            if rng.random() < 0.6:
                for row in range(rows + 1):
                    brush.line((left, top + row * pitch, right, top + row * pitch), fill=255, width=1)

        sheet.draw(dark, paint)
    line, pen = writing.writer(rng), rng.uniform(0.4, 0.95)
    printed_head = rng.random() < 0.5
    for row in range(rows):
        for x0, x1 in pairwise(columns):
            room = x1 - x0 - 12
            if row == 0 and printed_head:
                print_text(sheet, fonts, (x0 + 5, top + 4, x1 - 5, top + pitch - 2), max(9, round(0.35 * pitch)))
            elif rng.random() < 0.8:
                ink = scaled(line(), x_height * rng.uniform(0.9, 1.1))
                ink = cut_to(ink, room * rng.uniform(0.4, 1))
                if ink.ink.shape[1] > 1.3 * x_height:
                    slack = max(0.0, room - ink.ink.shape[1])
                    x = x0 + 6 + slack * (rng.uniform(0, 0.2) if rng.random() < 0.7 else 1)
                    sheet.write(ink, x, top + (row + rng.uniform(0.7, 0.85)) * pitch, pen)


def draw_stamp(sheet: Sheet, fonts: Sequence[Path]) -> None:
    rng, (width, height) = sheet.rng, sheet.size
    radius = rng.uniform(30, 90)
    x, y = rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)
    font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), max(9, round(radius / 3.5)))

    def paint(brush: ImageDraw.ImageDraw) -> None:
        flat = rng.uniform(0.5, 1)
        for inner in (0, 6):
            r = radius - inner
            brush.ellipse((x - r, y - r * flat, x + r, y + r * flat), outline=255, width=int(rng.integers(1, 4)))
        words = WORDS.upper().split()
        for row in range(int(rng.integers(1, 4))):
            text = words[rng.integers(len(words))] + " " + str(rng.integers(1, 99))
            brush.text((x, y - radius / 3 + row * radius / 3), text, font=font, fill=255, anchor="mm")

    sheet.draw(rng.uniform(0.2, 0.7), paint)


def draw_dirt(sheet: Sheet) -> None:
    """Folds, stains, holes, flourishes, strings, the edge of a sheet, and what shows through."""
    rng, (width, height) = sheet.rng, sheet.size
    for _ in range(int(rng.integers(0, 4))):  # folds
        y, x = np.mgrid[:height, :width].astype(np.float32)
        across = y - rng.uniform(0, height) if rng.random() < 0.6 else x - rng.uniform(0, width)
        across = across + rng.normal(0, 0.02) * (x if rng.random() < 0.5 else y)
        sheet.paper *= 1 + rng.uniform(-0.3, 0.15) * np.exp(-np.abs(across) / rng.uniform(1, 6))
    for _ in range(int(rng.poisson(0.8))):  # stains
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 90)
        sheet.draw(
            rng.uniform(0.05, 0.5),
            lambda b, a=(cx, cy, r): b.ellipse((a[0] - a[2], a[1] - a[2], a[0] + a[2], a[1] + a[2] * 0.8), fill=255),
            rng.uniform(0.5, 6),
        )
    for _ in range(int(rng.poisson(0.7))):  # flourishes and underlines

        def flourish(brush: ImageDraw.ImageDraw) -> None:
            x0, y0 = rng.uniform(0, width), rng.uniform(0, height)
            span = rng.uniform(40, 350)
            t = np.linspace(0, 1, 40)
            turns = rng.uniform(0, 3)
            path = np.column_stack(
                (
                    x0 + span * t + 0.2 * span * np.sin(2 * math.pi * turns * t),
                    y0 + 0.15 * span * np.cos(2 * math.pi * turns * t) * t + rng.normal(0, 0.05) * span * t,
                )
            )
            brush.line(path.ravel().tolist(), fill=255, width=int(rng.integers(1, 5)), joint="curve")

        sheet.draw(rng.uniform(0.3, 0.95), flourish)
    if rng.random() < 0.15:  # punched holes
        x = rng.uniform(0.01, 0.06) * width
        for y in (0.3 * height, 0.7 * height):
            sheet.draw(0.9, lambda b, a=(x, y): b.ellipse((a[0] - 12, a[1] - 12, a[0] + 12, a[1] + 12), fill=255))


def show_through(sheet: Sheet, writing: Handwriting) -> None:
    """The other side of the sheet, faint and mirrored: not to be read."""
    rng, (width, height) = sheet.rng, sheet.size
    other = Sheet(np.ones_like(sheet.paper), rng)
    write_block(other, writing, (0.1 * width, 0.05 * height, 0.9 * width, 0.95 * height), rng.uniform(12, 24))
    mirrored = Image.fromarray((255 * (1 - other.paper[:, ::-1])).astype(np.uint8))
    mirrored = mirrored.filter(ImageFilter.GaussianBlur(rng.uniform(1, 2.5)))
    sheet.paper *= 1 - rng.uniform(0.1, 0.3) / 255 * np.asarray(mirrored, np.float32)


# ---- pages


def free_box(
    sheet: Sheet, width: tuple[float, float], height: tuple[float, float]
) -> tuple[float, float, float, float] | None:
    """A box with random sides, in shares of the sheet, where nothing is yet."""
    rng, (full_width, full_height) = sheet.rng, sheet.size
    for _ in range(25):
        w, h = rng.uniform(*width) * full_width, rng.uniform(*height) * full_height
        left, top = rng.uniform(0.02, 0.98) * full_width, rng.uniform(0.02, 0.98) * full_height
        box = (left, top, left + w, top + h)
        if box[2] < 0.99 * full_width and box[3] < 0.99 * full_height and sheet.is_free(box):
            return box
    return None


def make_sheet(width: int, height: int, writing: Handwriting, fonts: Sequence[Path], rng: Rng) -> Sheet:
    """A sheet with handwriting and other things."""
    sheet = Sheet(blank_paper(width, height, rng), rng)
    if rng.random() < 0.25:
        show_through(sheet, writing)
    rule_paper(sheet)
    x_height = float(np.exp(rng.uniform(math.log(8), math.log(30))))
    kinds = ["page", "columns", "table", "sparse", "empty", "form", "print"]
    kind = rng.choice(kinds, p=[0.33, 0.13, 0.16, 0.14, 0.05, 0.11, 0.08])
    margin = rng.uniform(0.03, 0.15)
    top, bottom = rng.uniform(0.02, 0.15) * height, rng.uniform(0.7, 0.98) * height
    if rng.random() < 0.3:  # a letterhead
        head = (margin * width, 0.02 * height, rng.uniform(0.4, 0.9) * width, rng.uniform(0.07, 0.16) * height)
        print_text(sheet, fonts, head, int(rng.integers(14, 50)))
        top = head[3] + 10
    left = margin * width
    if rng.random() < 0.15:  # notes in the margin
        left = rng.uniform(0.2, 0.3) * width
        for _ in range(int(rng.integers(1, 4))):
            y = rng.uniform(0.1, 0.8) * height
            box = (0.02 * width, y, left - 0.03 * width, y + rng.uniform(0.04, 0.2) * height)
            if sheet.is_free(box):
                write_block(sheet, writing, box, max(8.0, 0.75 * min(x_height, 16)))
    if kind == "page":
        write_block(sheet, writing, (left, top, (1 - rng.uniform(0.02, 0.15)) * width, bottom), x_height)
    elif kind == "columns":
        count = int(rng.integers(2, 4))
        sides = np.linspace(left, 0.97 * width, count + 1)
        for a, b in pairwise(sides):
            write_block(sheet, writing, (a, top, b - 0.03 * width, bottom * rng.uniform(0.7, 1)), min(x_height, 18))
    elif kind == "table":
        draw_table(sheet, writing, fonts, (left, top, 0.96 * width, bottom * rng.uniform(0.5, 1)))
    elif kind == "print":
        sides = np.linspace(left, 0.97 * width, int(rng.integers(1, 4)) + 1)
        size = int(rng.integers(12, 40))
        for a, b in pairwise(sides):
            print_text(sheet, fonts, (a, top, b - 0.03 * width, bottom * rng.uniform(0.6, 1)), size)
    elif kind == "form":
        y = top
        size = int(rng.integers(12, 24))
        while y < bottom:
            label = rng.uniform(0.1, 0.3) * width
            print_text(sheet, fonts, (left, y, left + label, y + 1.3 * size), size)
            if rng.random() < 0.6:
                sheet.draw(
                    0.5,
                    lambda b, a=(left + label, y + size): b.line((a[0], a[1], 0.95 * width, a[1]), fill=255, width=1),
                )
            if rng.random() < 0.8:
                ink = cut_to(scaled(writing.writer(rng)(), min(x_height, 18)), 0.93 * width - left - label)
                sheet.write(ink, left + label + 8, y + size + rng.normal(0, 2), rng.uniform(0.4, 0.9))
            y += size * rng.uniform(2, 4)
    for _ in range(int(rng.integers(1, 6)) if kind == "sparse" else int(rng.poisson(0.5)) * (kind != "empty")):
        box = free_box(sheet, (0.06, 0.6), (0.03, 0.12))
        if box:
            write_block(sheet, writing, box, float(np.exp(rng.uniform(math.log(9), math.log(45)))))
    for _ in range(int(rng.poisson(0.5))):
        box = free_box(sheet, (0.1, 0.5), (0.03, 0.3))
        if box:
            print_text(sheet, fonts, box, int(rng.integers(9, 34)))
    for _ in range(int(rng.poisson(0.4))):
        box = free_box(sheet, (0.1, 0.5), (0.08, 0.35))
        if box:
            draw_picture(sheet, box)
    for _ in range(int(rng.poisson(0.3))):
        draw_stamp(sheet, fonts)
    draw_dirt(sheet)
    return sheet


def texture(width: int, height: int, rng: Rng) -> Grey:
    """What lies around a sheet, or is photographed without one: wood, cloth, carpet, grass, clouds, stone, dark."""
    kind = rng.choice(["wood", "cloth", "stripes", "carpet", "grass", "clouds", "plain", "waves", "noise", "rings"])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    base, contrast = rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.4)
    angle = rng.uniform(0, math.pi)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    pitch = rng.uniform(8, 80)
    if kind == "wood":
        bend = 30 * smooth_noise(width, height, 3, rng)
        level = rng.random() < 0.5
        grain = np.sin((y if level else v) / rng.uniform(2, 12) + bend / 5)
        grain = grain + 0.7 * smooth_noise(width, height, 6, rng, 20)
        pattern = grain * (1 + 0.5 * smooth_noise(width, height, 8, rng))
        planks = np.sin(2 * math.pi * v / rng.uniform(120, 400)) > 0.99
        pattern = pattern - 3 * planks
    elif kind == "cloth":
        pattern = np.sign(np.sin(2 * math.pi * u / pitch)) + np.sign(np.sin(2 * math.pi * v / pitch))
    elif kind == "stripes":
        pattern = np.sin(2 * math.pi * u / pitch) * (1 + np.sin(2 * math.pi * u / (3 * pitch)))
    elif kind == "rings":
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        pattern = np.sin(((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(100, 3000))
    elif kind == "noise":  # its amplitude falls with a power of the frequency
        waves = np.fft.rfft2(rng.standard_normal((height, width)))
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        frequency[0, 0] = 1
        pattern = np.fft.irfft2(waves / frequency ** rng.uniform(0, 2), s=(height, width))
        pattern = pattern / pattern.std()
    elif kind == "waves":
        pattern = np.sin(2 * math.pi * (u + 8 * np.sin(v / rng.uniform(10, 50))) / pitch)
    elif kind == "carpet":
        tile = rng.normal(0, 1, (24, 24)).astype(np.float32)
        size = int(rng.integers(2, 8))
        big = np.kron(tile, np.ones((size, size), np.float32))
        pattern = np.tile(big, (height // len(big) + 1, width // len(big) + 1))[:height, :width]
    elif kind == "grass":
        canvas = Image.new("L", (width, height), 128)
        brush = ImageDraw.Draw(canvas)
        for cx, cy, dx, dy, tone in zip(
            rng.uniform(0, width, 6000), rng.uniform(0, height, 6000), rng.normal(0, 14, 6000), rng.normal(0, 22, 6000),
            rng.integers(0, 255, 6000), strict=True,
        ):  # fmt: skip
            brush.line((cx, cy, cx + dx, cy + dy), fill=int(tone), width=2)
        pattern = np.asarray(canvas, np.float32) / 64 - 2
    else:
        pattern = smooth_noise(width, height, 4, rng) + 0.4 * smooth_noise(width, height, 17, rng)
        pattern = pattern * (0.1 if kind == "plain" else 1)
    noise = rng.uniform(0, 0.05) * rng.normal(0, 1, (height, width))
    return np.clip(base + contrast * pattern / 2 + noise, 0.02, 1).astype(np.float32)


def photographed(sheet: Sheet, rng: Rng) -> Sheet:
    """The sheet on a table, seen at an angle."""
    width, height = sheet.size
    table = texture(width, height, rng)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    inset = rng.uniform(0.0, 0.16)
    seen = corners * (1 - 2 * inset) + inset * np.array((width, height))
    seen = seen + rng.normal(0, 0.02, (4, 2)) * (width, height)
    forth, back = homography(corners, seen), homography(seen, corners)
    data = (back / back[2, 2]).ravel()[:8].tolist()
    how = {"method": Image.Transform.PERSPECTIVE, "data": data, "resample": Image.Resampling.BICUBIC}
    paper = np.asarray(Image.fromarray(sheet.paper).transform((width, height), **how))
    inside = np.asarray(Image.new("L", (width, height), 255).transform((width, height), **how), np.float32) / 255
    soft = Image.fromarray((inside * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(2, 12)))
    shade = np.roll(np.asarray(soft, np.float32) / 255, rng.integers(-8, 9, 2).tolist(), (0, 1))
    around = table * (1 - rng.uniform(0, 0.6) * shade)
    picture = np.where(inside > 0.5, paper, around).astype(np.float32)
    moved = []
    for line in sheet.lines:
        points = np.column_stack((line.baseline, np.ones(len(line.baseline)))) @ forth.T
        points = points[:, :2] / points[:, 2:]
        moved.append(TrueLine(tuple(map(tuple, points.tolist())), line.x_height * (1 - 2 * inset)))
    return Sheet(picture, rng, moved)


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The (3, 3) matrix that maps four points (4, 2) to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    return np.append(np.linalg.solve(np.array(rows), target.ravel()), 1).reshape(3, 3)


def opened_book(left: Sheet, right: Sheet, rng: Rng) -> Sheet:
    """Two pages side by side, dark towards the fold."""
    width = left.size[0]
    paper = np.concatenate((left.paper, right.paper), axis=1)
    x = np.arange(paper.shape[1], dtype=np.float32) - width
    paper = paper * (1 - rng.uniform(0.2, 0.8) * np.exp(-np.abs(x) / rng.uniform(8, 60)))
    moved = [TrueLine(tuple((x + width, y) for x, y in line.baseline), line.x_height) for line in right.lines]
    return Sheet(paper.astype(np.float32), rng, [*left.lines, *moved])


def lit(picture: Grey, rng: Rng) -> Grey:
    """Uneven light, a shadow, noise."""
    height, width = picture.shape
    light = 1 + 0.12 * rng.random() * smooth_noise(width, height, 3, rng)
    if rng.random() < 0.25:
        y, x = np.mgrid[:height, :width].astype(np.float32)
        angle = rng.uniform(0, 2 * math.pi)
        across = (x - rng.uniform(0, width)) * math.cos(angle) + (y - rng.uniform(0, height)) * math.sin(angle)
        light = light * (1 - rng.uniform(0.1, 0.5) / (1 + np.exp(-np.clip(across / rng.uniform(5, 60), -30, 30))))
    return np.clip(picture * light + rng.normal(0, rng.uniform(0, 0.02), picture.shape), 0, 1)


def compose(number: int, out: Path, seed: int, split: str, writing: Handwriting, fonts: Sequence[Path]) -> TruePage:
    """Page `number`, and its image."""
    rng = np.random.default_rng((seed, number))
    aspect = float(rng.choice([0.71, 0.77, 0.6, 1.0, 1.4], p=[0.5, 0.2, 0.1, 0.1, 0.1]))
    height = LONG_SIDE if aspect <= 1 else round(LONG_SIDE / aspect)
    width = round(height * aspect)
    kind = rng.choice(["scan", "photo", "book", "texture"], p=[0.45, 0.33, 0.14, 0.08])
    if kind == "texture":
        sheet = Sheet(texture(width, height, rng), rng)
    elif kind == "book":
        half = (round(1050 * 0.72), 1050)
        sheet = opened_book(*(make_sheet(*half, writing, fonts, rng) for _ in range(2)), rng)
        sheet = photographed(sheet, rng) if rng.random() < 0.5 else sheet
    else:
        sheet = make_sheet(width, height, writing, fonts, rng)
        sheet = photographed(sheet, rng) if kind == "photo" else sheet
    name = f"{split}-{seed}-{number:04}.jpg"
    image = Image.fromarray((255 * lit(sheet.paper, rng)).astype(np.uint8))
    image.save(out / name, quality=int(rng.integers(60, 95)))
    set_name = "texture" if kind == "texture" else "composed"
    return TruePage(name, set_name, f"{split}-{number}", split, tuple(sheet.lines))


def print_fonts(folders: Sequence[Path]) -> list[Path]:
    """The text fonts in the folders, without those of symbols."""
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in (".ttf", ".otf", ".pfb")]
    return sorted(file for file in files if not any(word in file.name for word in ("Math", "D0500", "Symbols", "Z003")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--print-fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")], metavar="FOLDER")
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("train", "dev"), default="train")
    parser.add_argument("--processes", type=int)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    fonts = print_fonts(options.print_fonts)
    if not fonts:
        parser.error("no fonts for print found; name a folder with --print-fonts")
    writing = Handwriting(options.lines, options.split)
    make = partial(compose, out=options.out, seed=options.seed, split=options.split, writing=writing, fonts=fonts)
    with Pool(options.processes) as pool:
        pages = list(pool.imap(make, range(options.count), chunksize=4))
    write_pages(options.out, pages)
    print(f"{len(pages)} pages, {sum(len(page.lines) for page in pages)} lines")


if __name__ == "__main__":
    main()
