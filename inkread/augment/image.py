"""Variations of the image of a line: another pen, other paper, another camera. One seed gives one result.

`photograph` changes an image once, when it is read. `distort_image` changes its normalised line each time that the
network learns from it; it takes a millisecond. The strengths were chosen by looking at sheets of changed lines, which
must stay legible (experiments/LOG.md, 2026-11-23: "A distortion that was too strong", "Photo-like lines in training").
A CHANCE is the probability that a line is changed in this way.
"""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

from inkread.features.image import GreyImage, shrink_to_height

Light = NDArray[np.float32]  # (H, W), 0 = black to 1 = white

WIDEST_JPEG = 65_500  # pixels; libjpeg refuses more
PHOTO_HEIGHT = 112  # rows of a photograph at most: more than normalize_image looks at

# ---- photographs

CROP_CHANCE = 0.5
NEIGHBOURS_CHANCE = 0.3
NEIGHBOUR_CHANCE = 0.6  # for the line above, and for the one below
INK_DARKNESS = 0.4, 1.0  # of its darkness in the image: faded ink
RULES_CHANCE = 0.35
SQUARED_CHANCE = 0.35  # of ruled paper
PAPER_BRIGHTNESS = 0.65, 1.0
SHADING_CHANCE = 0.6
SHADOW_CHANCE = 0.5  # of uneven light: an object's shadow, too
MOST_NOISE = 0.03  # of white: standard deviation of the camera's noise
CHALK_CHANCE = 0.04  # light writing on dark
SMALL_CHANCE, SMALLEST = 0.4, 36  # rows
BLUR_CHANCE, MOST_BLUR = 0.5, 0.02  # of the height: standard deviation
JPEG_CHANCE, JPEG_QUALITY = 0.5, (15, 80)  # of 95

# ---- distortions of a normalised line

# Standard deviations. Factors are exp(normal), so that 2 is as likely as 1/2.
STRETCH = (0.12, 0.08)  # logarithm of the factor: width and height
SLANT = 0.18  # x per height
LEAN = 3  # pixels from end to end of the line
SHORTEST_LEANING = 200  # pixels: shorter lines lean by the same angle
LIFT = 1.5  # pixels up or down
REACH = (0.15, 0.2)  # logarithm of the factor: how far ascenders and descenders reach beyond the small letters
HALF_X_HEIGHT = 8  # rows of a normalised line above and below its middle that small letters take
MOST_WARP = 2.0, 1.6  # pixels to the side and up, the standard deviation of the random field at its strongest
WARP_KNOTS = 4, 20  # knots of that field: four over the height, one every 20 columns
THICK_CHANCE, THIN_CHANCE = 0.3, 0.3
MOST_THIN = 0.7  # of the way to strokes that are two pixels thinner
SOFT_CHANCE = 0.3
GAMMA_CHANCE, GAMMA = 0.3, 0.4  # logarithm of the exponent, standard deviation
FADE_CHANCE, MOST_FADE, FADE_PERIOD = 0.2, 0.5, 60  # of the ink; columns
GRAIN_CHANCE, MOST_GRAIN = 0.3, 0.15  # of full ink, standard deviation
RULE_CHANCE, RULE_DARKNESS = 0.1, (0.1, 0.6)  # one rule, of full ink
HOLES_CHANCE, COLUMNS_PER_HOLE = 0.3, 150
HOLE_HEIGHT, HOLE_WIDTH = (4, 20), (3, 10)  # pixels


def photograph(grey: GreyImage, rng: np.random.Generator) -> GreyImage:
    """The image of a line (H, W) uint8, 0 = black -> another image of it: other paper, other light, a worse camera."""
    light: Light = shrink_to_height(Image.fromarray(grey), PHOTO_HEIGHT).astype(np.float32) / np.float32(255)
    paper = float(np.median(light))
    if rng.random() < CROP_CHANCE:
        light = _crop_loosely(light, paper, rng)
    if rng.random() < NEIGHBOURS_CHANCE:
        light = _add_neighbours(light, paper, rng)
    ink = np.clip(paper - light, 0, 1) * np.float32(rng.uniform(*INK_DARKNESS))
    if rng.random() < RULES_CHANCE:
        ink = np.maximum(ink, _rules(light.shape, rng) * ink.max())
    light = np.maximum(np.float32(rng.uniform(*PAPER_BRIGHTNESS)) * _texture(light.shape, rng) - ink, np.float32(0.02))
    light = _change_perspective(light, rng)
    if rng.random() < SHADING_CHANCE:
        light = light * _shading(light.shape, rng)
    light = light + rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0, MOST_NOISE))
    pixels = np.asarray(_take(Image.fromarray((light.clip(0, 1) * 255).astype(np.uint8)), rng))
    return 255 - pixels if rng.random() < CHALK_CHANCE else pixels


def random_sizes(rng: np.random.Generator, lines: int) -> NDArray[np.float64]:
    """How much wider and higher each line becomes, (lines, 2)."""
    return np.exp(rng.normal(0, STRETCH, (lines, 2)))


def new_widths(widths: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The widths of distorted lines (lines,), from their widths before and `random_sizes` (lines, 2)."""
    return np.maximum(8, np.rint(widths * sizes[:, 0]))


def distort_image(pixels: GreyImage, rng: np.random.Generator, size: NDArray[np.float64] | None = None) -> GreyImage:
    """A normalised line (H, W) uint8, 255 = ink -> a variation of it (H, W'), uint8. `size`: see `random_sizes`."""
    ink = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    ink = _warp(ink, random_sizes(rng, 1)[0] if size is None else size, rng)
    ink = _change_pen(ink, rng)
    ink = _change_paper(ink, rng)
    return (ink.clamp_(0, 1) * 255).byte().numpy()


def _crop_loosely(light: Light, paper: float, rng: np.random.Generator) -> Light:
    """A wider margin: up to a third of the height above and below, and up to the height at the ends."""
    height = len(light)
    above, below = rng.integers(0, height // 3 + 1, 2)
    left, right = rng.integers(0, height + 1, 2)
    return np.pad(light, ((above, below), (left, right)), constant_values=paper)


def _add_neighbours(light: Light, paper: float, rng: np.random.Generator) -> Light:
    """Descenders of a line above and ascenders of one below: 8 to 22 % of the line's own height, moved sideways."""
    height, width = light.shape
    shift = int(rng.integers(0, width))
    strip = int(height * rng.uniform(0.08, 0.22)) + 1
    blank = np.full((strip // 2, width), paper, np.float32)
    inked = np.flatnonzero((light < paper - 0.3).any(axis=1))
    first, last = (inked[0], inked[-1] + 1) if len(inked) else (0, height)
    bottoms, tops = light[max(last - strip, 0) : last], light[first : first + strip]
    above = [np.roll(bottoms, shift, axis=1), blank] if rng.random() < NEIGHBOUR_CHANCE else []
    below = [blank, np.roll(tops, -shift, axis=1)] if rng.random() < NEIGHBOUR_CHANCE else []
    return np.concatenate([*above, light, *below])


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Uneven paper: factors of its brightness around 1, up to 3 % from it (standard deviation), 8 pixels coarse."""
    coarse = rng.normal(0, 1, (max(2, shape[0] // 8), max(2, shape[1] // 8))).astype(np.float32)
    texture = np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))
    return 1 + texture * np.float32(rng.uniform(0, 0.03))


def _rules(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Ruled or squared paper: 0, and on the rules their darkness as a share of the ink. Lengths are shares of H."""
    height, width = shape
    rules = np.zeros(shape, np.float32)
    pitch = max(4, round(height * rng.uniform(0.15, 0.9)))
    thickness = max(1, round(height * rng.uniform(0.005, 0.02)))
    shade = np.float32(rng.uniform(0.1, 0.7))
    for row in range(int(rng.integers(0, pitch)), height, pitch):
        rules[row : row + thickness] = shade
    if rng.random() < SQUARED_CHANCE:
        pitch = max(4, round(height * rng.uniform(0.15, 0.5)))
        for column in range(int(rng.integers(0, pitch)), width, pitch):
            rules[:, column : column + thickness] = np.minimum(shade, 0.4)
    return rules


def _change_perspective(light: Light, rng: np.random.Generator) -> Light:
    """The view from another place: each corner moves by 5 % of the height (standard deviation), at most 10 %."""
    height, width = light.shape
    corners = rng.normal(0, 0.05 * height, (4, 2)).clip(-0.1 * height, 0.1 * height)
    (nw_x, nw_y), (sw_x, sw_y), (se_x, se_y), (ne_x, ne_y) = corners.tolist()
    quad = (nw_x, nw_y, sw_x, height + sw_y, width + se_x, height + se_y, width + ne_x, ne_y)
    margin = height // 8  # more than the corners move, so that what comes in from outside is more of the edge
    image = Image.fromarray(np.pad(light, margin, mode="edge"))
    quad = tuple(place + margin for place in quad)
    return np.asarray(image.transform((width, height), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR))


def _shading(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Light that falls off to one side by up to 25 % and 10 %, and a soft shadow of up to 50 %: factors up to 1."""
    height, width = shape
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = 1 - np.float32(rng.uniform(0, 0.25)) * (1 + np.float32(rng.uniform(-1, 1)) * x) / 2
    light = fall * (1 - np.float32(rng.uniform(0, 0.1)) * (1 + np.float32(rng.uniform(-1, 1)) * y) / 2)
    if rng.random() < SHADOW_CHANCE:
        softness = rng.uniform(0.1, 1.5) * height
        edge = x * (width / 2) - rng.uniform(-0.5, 0.5) * width + rng.normal(0, 0.5) * y * (height / 2)
        light = light * (1 - np.float32(rng.uniform(0.1, 0.5)) / (1 + np.exp(-np.clip(edge * 4 / softness, -30, 30))))
    return light.astype(np.float32)


def _take(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image as a poor camera would give it: few pixels, out of focus, compressed."""
    if rng.random() < SMALL_CHANCE:
        image = Image.fromarray(shrink_to_height(image, int(rng.integers(SMALLEST, PHOTO_HEIGHT))))
    if rng.random() < BLUR_CHANCE:
        image = image.filter(ImageFilter.GaussianBlur(image.height * rng.uniform(0, MOST_BLUR)))
    if rng.random() < JPEG_CHANCE and image.width < WIDEST_JPEG:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)))
        image = Image.open(file)
    return image


def _warp(ink: Tensor, size: NDArray[np.float64], rng: np.random.Generator) -> Tensor:
    """Change size, slant, slope, height on the line and the reach of letters, and bend every part a little.

    (H, W) -> (H, W'). For each pixel of the result, the place in the line that it shows is computed.
    """
    height, width = ink.shape
    stretch_x, stretch_y = size
    slant, lean = rng.normal(0, SLANT), rng.normal(0, LEAN / max(width, SHORTEST_LEANING))
    lift = rng.normal(0, LIFT)
    ascenders, descenders = np.exp(rng.normal(0, REACH))
    new_width = int(new_widths(np.array([width], np.float64), size[None])[0])
    v = torch.arange(height).unsqueeze(1) - (height - 1) / 2 - lift  # (H, 1)
    u = torch.arange(new_width).unsqueeze(0) - (new_width - 1) / 2  # (1, W')
    x = u / stretch_x + slant * v  # (H, W')
    y = v / stretch_y + lean * u  # (H, W')
    above, below = (y + HALF_X_HEIGHT).clamp(max=0), (y - HALF_X_HEIGHT).clamp(min=0)
    y += (1 / ascenders - 1) * above + (1 / descenders - 1) * below
    shift_x, shift_y = _random_field(height, new_width, rng)
    strength_x, strength_y = (rng.uniform(0, most) for most in MOST_WARP)
    x, y = x + strength_x * shift_x, y + strength_y * shift_y
    grid = torch.stack([x * (2 / width), y * (2 / height)], dim=-1)  # (H, W', 2), -1..1 over the line
    return functional.grid_sample(ink[None, None], grid[None], align_corners=False)[0, 0]


def _random_field(height: int, width: int, rng: np.random.Generator) -> Tensor:
    """A smooth random shift in x and y for each pixel, (2, H, W), so that no two letters come out alike."""
    rows, columns = WARP_KNOTS[0], max(2, width // WARP_KNOTS[1] + 1)
    knots = torch.from_numpy(rng.normal(0, 1, (1, 2, rows, columns)).astype(np.float32))
    wide = functional.interpolate(knots, (rows, width), mode="bicubic", align_corners=True)[0]  # (2, rows, W)
    return _heighten(rows, height) @ wide  # bicubic interpolation is separable, and this is faster


@lru_cache
def _heighten(rows: int, height: int) -> Tensor:
    """The matrix (height, rows) of bicubic interpolation from `rows` rows to `height`."""
    unit = torch.eye(rows)[None, None]
    return functional.interpolate(unit, (height, rows), mode="bicubic", align_corners=True)[0, 0]


def _change_pen(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """A thicker or thinner pen, a softer edge, darker or paler or fading ink."""
    kind, amount = rng.random(), float(rng.uniform(0, 1))
    if kind < THICK_CHANCE:
        thick = _with_neighbours(_with_neighbours(ink, torch.maximum, 0), torch.maximum, 1)
        ink = torch.lerp(ink, thick, amount)
    elif kind < THICK_CHANCE + THIN_CHANCE:
        # Thinner by a pixel on each side. The mean of two directions keeps half of a hairline.
        thin = (_with_neighbours(ink, torch.minimum, 0) + _with_neighbours(ink, torch.minimum, 1)) / 2
        ink = torch.lerp(ink, thin, MOST_THIN * amount)
    if rng.random() < SOFT_CHANCE:
        soft = _with_neighbours(_with_neighbours(ink, torch.add, 0), torch.add, 1) / 9
        ink = torch.lerp(ink, soft, float(rng.uniform(0, 1)))
    if rng.random() < GAMMA_CHANCE:
        ink = ink ** float(np.exp(rng.normal(0, GAMMA)))
    if rng.random() < FADE_CHANCE:
        ink = ink * _fading(ink.shape[1], rng)
    return ink


def _with_neighbours(ink: Tensor, combine: Callable[[Tensor, Tensor], Tensor], axis: int) -> Tensor:
    """Each pixel combined with those before and after it along an axis, (H, W); torch's pooling takes ten times as long
    for a single image.
    """
    last = ink.shape[axis] - 1
    result = ink.clone()
    for place, neighbour in ((1, 0), (0, 1)):
        part = result.narrow(axis, place, last)
        part.copy_(combine(part, ink.narrow(axis, neighbour, last)))
    return result


def _fading(width: int, rng: np.random.Generator) -> Tensor:
    """How much ink the pen gives along the line, (W,): a random curve between 1 - MOST_FADE and 1."""
    knots = rng.uniform(1 - MOST_FADE, 1, (1, 1, max(2, width // FADE_PERIOD + 1))).astype(np.float32)
    return functional.interpolate(torch.from_numpy(knots), width, mode="linear", align_corners=True)[0, 0]


def _change_paper(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """Grain, a ruled or crossing line, and holes: there the network must use what stands beside them."""
    height, width = ink.shape
    if rng.random() < GRAIN_CHANCE:
        grain = torch.from_numpy(rng.standard_normal((height, width), dtype=np.float32))
        ink = ink + float(rng.uniform(0, MOST_GRAIN)) * grain
    if rng.random() < RULE_CHANCE:
        row = int(rng.integers(0, height))
        ink[row : row + int(rng.integers(1, 3))] += float(rng.uniform(*RULE_DARKNESS))
    if rng.random() < HOLES_CHANCE:
        for _ in range(int(rng.integers(1, 1 + max(1, width // COLUMNS_PER_HOLE)))):
            left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
            ink[top : top + int(rng.integers(*HOLE_HEIGHT)), left : left + int(rng.integers(*HOLE_WIDTH))] = 0
    return ink
