"""Random crops of pages and what the page network shall answer: turned, scaled, shadowed, blurred, faded, inverted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from inkread.data.page_truth import TruePage
from inkread.model.page_model import STRIDE, X_HEIGHT_UNIT

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

SIZE = 512  # pixels of a crop, in width and height
PAGE_PIXELS = 1_150_000  # of a whole page as the network sees it
STORED_PIXELS = 2_300_000  # of a page in memory: enough to enlarge its letters by 1.4
LINE_WIDTH = 6  # pixels: how thick baselines are drawn
X_HEIGHTS = (4.0, 26.0)  # pixels in a crop


@dataclass(frozen=True)
class StoredPage:
    """A page in memory."""

    grey: Grey  # (H, W)
    baselines: tuple[NDArray[np.float64], ...]  # each (N, 2)
    x_heights: tuple[float, ...]
    scale: float  # to the size at which the network sees the whole page


def load_page(page: TruePage, folder: Path) -> StoredPage:
    """The page, reduced if it is large."""
    with Image.open(folder / page.image) as file:
        file.draft("L", file.size)
        image = file.convert("L")
    whole = image.width * image.height
    factor = min(1.0, math.sqrt(STORED_PIXELS / whole))
    size = (round(image.width * factor), round(image.height * factor))
    grey = np.asarray(image.resize(size, Image.Resampling.BOX) if factor < 1 else image)
    return StoredPage(
        grey,
        tuple(np.array(line.baseline) * factor for line in page.lines),
        tuple(line.x_height * factor for line in page.lines),
        math.sqrt(PAGE_PIXELS / grey.size),
    )


def random_crop(page: StoredPage, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A crop (1, SIZE, SIZE), 0 to 1, and its truth (3, SIZE / STRIDE, SIZE / STRIDE), see `draw_truth`."""
    matrix = _random_matrix(page, rng)  # (2, 3), from the page to the crop
    forth = np.vstack((matrix, (0, 0, 1)))
    back = np.linalg.inv(forth)[:2]
    zoom = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    image = Image.fromarray(page.grey)
    if zoom < 0.6:
        image = image.reduce(2)
        back = np.array([[0.5], [0.5]]) * back
    fill = int(rng.choice([0, 30, 90, 160, 255]))
    crop = image.transform(
        (SIZE, SIZE), Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BILINEAR, fillcolor=fill
    )
    lines = [points @ matrix[:, :2].T + matrix[:, 2] for points in page.baselines]
    truth = draw_truth(lines, [height * zoom for height in page.x_heights], SIZE, SIZE)
    return vary_light(crop, rng)[None], truth


def _random_matrix(page: StoredPage, rng: np.random.Generator) -> NDArray[np.float64]:
    zoom = page.scale * math.exp(rng.normal(0, 0.3))
    if page.x_heights:
        usual = float(np.median(page.x_heights))
        zoom = float(np.clip(zoom, X_HEIGHTS[0] / usual, X_HEIGHTS[1] / usual))
    angle = math.radians(rng.uniform(-20, 20) if rng.random() < 0.2 else rng.normal(0, 2.5))
    stretch, shear = math.exp(rng.normal(0, 0.08)), rng.normal(0, 0.06)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = zoom * turn @ np.array([[stretch, shear], [0, 1 / stretch]])
    height, width = page.grey.shape
    if page.baselines and rng.random() < 0.6:
        line = page.baselines[rng.integers(len(page.baselines))]
        centre = line[rng.integers(len(line))] + rng.normal(0, 0.2 * SIZE / zoom, 2)
    else:
        centre = rng.uniform((0, 0), (width, height))
    middle = np.array((SIZE / 2, SIZE / 2))
    return np.column_stack((linear, middle - linear @ centre))


def draw_truth(lines: Sequence[NDArray[np.float64]], x_heights: Sequence[float], width: int, height: int) -> Floats:
    """The truth (3, height / STRIDE, width / STRIDE) of baselines (N, 2) in pixels.

    The share of each cell that is on a baseline; on a line's end; and the logarithm of the x-height, 0 off the lines.
    """
    base, ends = Image.new("L", (width, height)), Image.new("L", (width, height))
    heights = Image.new("F", (width, height))
    draw_base, draw_ends, draw_heights = map(ImageDraw.Draw, (base, ends, heights))
    for points, x_height in zip(lines, x_heights, strict=True):
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        if right < -20 or bottom < -20 or left > width + 20 or top > height + 20:
            continue
        path = [(float(x), float(y)) for x, y in points]
        draw_base.line(path, fill=255, width=LINE_WIDTH)
        draw_heights.line(path, fill=math.log(max(x_height, 1.0) / X_HEIGHT_UNIT), width=LINE_WIDTH + 2 * STRIDE)
        radius = end_radius(x_height)
        for x, y in (path[0], path[-1]):
            draw_ends.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    base, ends = base.reduce(STRIDE), ends.reduce(STRIDE)
    cells = np.asarray(heights)[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    return np.stack((np.asarray(base, np.float32) / 255, np.asarray(ends, np.float32) / 255, cells)).astype(np.float32)


def end_radius(x_height: float) -> float:
    """How large the end of a line is drawn, in pixels."""
    return max(5.0, 0.5 * x_height)


# ---- light, paper and pen


def vary_light(crop: Image.Image, rng: np.random.Generator) -> Floats:
    """The crop (SIZE, SIZE), 0 to 1, as another camera, pen and light would show it."""
    if rng.random() < 0.15:
        crop = crop.filter(ImageFilter.MinFilter(3) if rng.random() < 0.5 else ImageFilter.MaxFilter(3))
    if rng.random() < 0.4:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    grey = _levels(crop)
    if rng.random() < 0.35:  # thin pencil: what differs from its surroundings fades
        paper = _levels(crop.reduce(16).resize(crop.size, Image.Resampling.BILINEAR))
        grey = paper + (grey - paper) * np.float32(rng.uniform(0.25, 1.0))
    if rng.random() < 0.12:
        grey = grey * _rules(rng)
    if rng.random() < 0.3:
        grey = grey ** np.float32(rng.uniform(0.5, 1.8))
    if rng.random() < 0.4:
        grey = grey * _shadow(rng)
    low, high = rng.uniform(0, 0.25), rng.uniform(0.7, 1.0)
    grey = np.float32(low) + np.float32(high - low) * grey
    if rng.random() < 0.5:
        grey = grey + rng.standard_normal(grey.shape, np.float32) * np.float32(rng.uniform(0.005, 0.06))
    return np.clip(1 - grey if rng.random() < 0.06 else grey, 0, 1)


def _levels(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32) / np.float32(255)


def _shadow(rng: np.random.Generator) -> Floats:
    """Light (SIZE, SIZE) from 0.3 to 1: uneven, and at times with the edge of a shadow."""
    coarse = Image.fromarray(rng.uniform(0.6, 1.0, (4, 4)).astype(np.float32))
    light = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64)
    if rng.random() < 0.5:
        angle, width = rng.uniform(0, 2 * math.pi), rng.uniform(3, 60)
        y, x = np.mgrid[:SIZE, :SIZE]
        across = x * math.cos(angle) + y * math.sin(angle)
        edge = rng.uniform(across.min(), across.max())
        light = light * (1 - rng.uniform(0.1, 0.55) / (1 + np.exp(-np.clip((across - edge) / width, -30, 30))))
    return light.astype(np.float32)


def _rules(rng: np.random.Generator) -> Floats:
    """Ruled or squared paper (SIZE, SIZE)."""
    rules = Image.new("L", (SIZE, SIZE), 255)
    brush = ImageDraw.Draw(rules)
    pitch, dark, width = rng.uniform(10, 60), int(rng.uniform(90, 230)), int(rng.integers(1, 3))
    slope = rng.normal(0, 0.02)
    for place in np.arange(rng.uniform(0, pitch), SIZE, pitch).tolist():
        brush.line((0, place, SIZE, place + slope * SIZE), fill=dark, width=width)
        if rng.random() < 0.5:
            brush.line((place, 0, place - slope * SIZE, SIZE), fill=dark, width=width)
    return _levels(rules)
