"""Seeded distortions: what another hand, pen, paper or camera would have made of the same words.

`photograph` changes a picture as it is read, once; `distort` its normalised line, 48 rows of it, anew every time it is
learned from: that costs a millisecond, so both cores stay with the network. One seed gives one result, whatever the
batch or the process.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

from inkread.features.image import shrink_to_height
from inkread.features.ink import normalize_ink, resample
from inkread.inputs.ink import Stroke

Pixels = NDArray[np.uint8]
Light = NDArray[np.float32]

WIDEST_JPEG = 65_500  # pixels; libjpeg refuses more
PHOTO_HEIGHT = 112  # rows of a photographed line at most: more than the preprocessor looks at
LETTER_GAP = 0.3  # body heights without ink, from side to side, that are within a letter or between two
HALF_BODY = 8  # rows of a normalised line, above and below its middle, that the small letters take
NEAR = 0.8  # body heights from the end of a letter to the start of another that the pen may go on to


def photograph(grey: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture of a line (H, W) uint8, 0 = black -> another picture of it: on other paper, in other light, worse."""
    light: Light = shrink_to_height(Image.fromarray(grey), PHOTO_HEIGHT).astype(np.float32) / np.float32(255)
    paper = float(np.median(light))
    if rng.random() < 0.5:
        light = _crop(light, paper, rng)
    if rng.random() < 0.3:
        light = _neighbours(light, paper, rng)
    ink = np.clip(paper - light, 0, 1) * np.float32(rng.uniform(0.4, 1))  # fresh or faded
    if rng.random() < 0.35:
        ink = np.maximum(ink, _rules(light.shape, rng) * ink.max())
    light = np.maximum(np.float32(rng.uniform(0.65, 1)) * _texture(light.shape, rng) - ink, np.float32(0.02))
    light = _bend(light, rng)
    if rng.random() < 0.6:
        light = light * _shadow(light.shape, rng)
    light = light + rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0, 0.03))
    pixels = np.asarray(_take(Image.fromarray((light.clip(0, 1) * 255).astype(np.uint8)), rng))
    return 255 - pixels if rng.random() < 0.04 else pixels  # chalk


def _crop(light: Light, paper: float, rng: np.random.Generator) -> Light:
    """Cut out more loosely, by up to a third of the height above and below and a whole one at the ends."""
    height = len(light)
    above, below = rng.integers(0, height // 3 + 1, 2)
    left, right = rng.integers(0, height + 1, 2)
    return np.pad(light, ((above, below), (left, right)), constant_values=paper)


def _neighbours(light: Light, paper: float, rng: np.random.Generator) -> Light:
    """The feet of a line above, the heads of one below, reaching into the picture: the line's own, moved sideways."""
    height, width = light.shape
    shift = int(rng.integers(0, width))
    strip = int(height * rng.uniform(0.08, 0.22)) + 1
    blank = np.full((strip // 2, width), paper, np.float32)
    inked = np.flatnonzero((light < paper - 0.3).any(axis=1))
    first, last = (inked[0], inked[-1] + 1) if len(inked) else (0, height)
    feet, heads = light[max(last - strip, 0) : last], light[first : first + strip]
    above = [np.roll(feet, shift, axis=1), blank] if rng.random() < 0.6 else []
    below = [blank, np.roll(heads, -shift, axis=1)] if rng.random() < 0.6 else []
    return np.concatenate([*above, light, *below])


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Paper, unevenly bright: about 1."""
    coarse = rng.normal(0, 1, (max(2, shape[0] // 8), max(2, shape[1] // 8))).astype(np.float32)
    texture = np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))
    return 1 + texture * np.float32(rng.uniform(0, 0.03))


def _rules(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Ruled or squared paper: 0, and on the rules how dark they are, as a share of the ink."""
    height, width = shape
    rules = np.zeros(shape, np.float32)
    space = max(4, round(height * rng.uniform(0.15, 0.9)))
    thickness = max(1, round(height * rng.uniform(0.005, 0.02)))
    shade = np.float32(rng.uniform(0.1, 0.7))
    for row in range(int(rng.integers(0, space)), height, space):
        rules[row : row + thickness] = shade
    if rng.random() < 0.35:
        space = max(4, round(height * rng.uniform(0.15, 0.5)))
        for column in range(int(rng.integers(0, space)), width, space):
            rules[:, column : column + thickness] = np.minimum(shade, 0.4)
    return rules


def _bend(light: Light, rng: np.random.Generator) -> Light:
    """Seen from another place: each corner moves a little. Nothing leaves the picture but at its edges."""
    height, width = light.shape
    corners = rng.normal(0, 0.05 * height, (4, 2)).clip(-0.1 * height, 0.1 * height)
    (nw_x, nw_y), (sw_x, sw_y), (se_x, se_y), (ne_x, ne_y) = corners.tolist()
    quad = (nw_x, nw_y, sw_x, height + sw_y, width + se_x, height + se_y, width + ne_x, ne_y)
    margin = height // 8  # what comes in from outside is more of the edge
    picture = Image.fromarray(np.pad(light, margin, mode="edge"))
    quad = tuple(place + margin for place in quad)
    return np.asarray(picture.transform((width, height), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR))


def _shadow(shape: tuple[int, int], rng: np.random.Generator) -> Light:
    """Light that falls off to one side, and the shadow of a hand or a phone with a soft edge: 1 or less."""
    height, width = shape
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = 1 - np.float32(rng.uniform(0, 0.25)) * (1 + np.float32(rng.uniform(-1, 1)) * x) / 2
    light = fall * (1 - np.float32(rng.uniform(0, 0.1)) * (1 + np.float32(rng.uniform(-1, 1)) * y) / 2)
    if rng.random() < 0.5:
        softness = rng.uniform(0.1, 1.5) * height
        edge = x * (width / 2) - rng.uniform(-0.5, 0.5) * width + rng.normal(0, 0.5) * y * (height / 2)
        light = light * (1 - np.float32(rng.uniform(0.1, 0.5)) / (1 + np.exp(-np.clip(edge * 4 / softness, -30, 30))))
    return light.astype(np.float32)


def _take(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A picture as a poor camera would give it: few pixels, out of focus, compressed."""
    if rng.random() < 0.4:
        picture = Image.fromarray(shrink_to_height(picture, int(rng.integers(36, PHOTO_HEIGHT))))
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(picture.height * rng.uniform(0, 0.02)))
    if rng.random() < 0.5 and picture.width < WIDEST_JPEG:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(15, 80)))
        picture = Image.open(file)
    return picture


def distort_path(columns: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A pen's path (3, T) in body heights -> another hand's (3, T'), walked anew in even steps.

    What differs: slant, size, how far letters reach above and below the small ones, the space between them, whether
    the pen leaves the paper between them, haste, drift, tremor. A hasty hand cuts the corners of its loops, a slow one
    draws them out. Points that are lost straighten the path, as a fast hand does on a slow tablet.
    """
    chances = rng.random(len(columns[0]))
    chances[0] = 1  # one point at least is kept
    path = columns[:, chances >= rng.uniform(0, 0.08)] if len(chances) > 8 else columns
    points, pen = path[:2].astype(np.float64), path[2] > 0.5
    count = points.shape[1]
    ascenders, descenders = np.exp(rng.normal(0, (0.15, 0.2)))
    points[1] += (ascenders - 1) * np.minimum(points[1] + 1, 0) + (descenders - 1) * np.maximum(points[1], 0)
    points[0] = _space(points[0], pen, np.exp(rng.normal(0, 0.3)))
    width, height = np.exp(rng.normal(0, (0.16, 0.1)))
    slant, slope, lift = rng.normal(0, (0.22, 0.02, 0.1))
    points = np.array([[width, -slant], [slope, height]]) @ points
    points[1] += lift - slope * points[0].mean()
    haste, reach = rng.normal(0, 0.5), rng.uniform(0.5, 2)
    points += haste * (_smooth(points, reach) - points)
    places = np.arange(count) / 25  # the drift turns about once a character
    knots = rng.normal(0, rng.uniform(0, 0.15), (2, int(places[-1]) + 2))
    points += [np.interp(places, np.arange(knots.shape[1]), axis) for axis in knots]
    points += rng.normal(0, rng.uniform(0, 0.03), points.shape)
    return resample(_joined(points, pen, rng))[0].T.astype(np.float32)


def other_hand(strokes: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    """A line of ink as another hand might have written it, see distort_path; in body heights, and smooth, for drawing.

    What was walked in even steps has corners; they are cut twice (Chaikin 1974).
    """
    path = distort_path(normalize_ink(strokes).path.T, rng)
    return [_cut_corners(_cut_corners(stroke)) for stroke in _on_paper(path[:2].astype(np.float64), path[2] > 0.5)]


def _cut_corners(stroke: Stroke) -> Stroke:
    """Two points for each piece between two, a quarter of it from its ends; first and last stay."""
    before, after = stroke[:-1], stroke[1:]
    cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
    return np.concatenate([stroke[:1], cut, stroke[-1:]])


def _space(x: NDArray[np.float64], pen: NDArray[np.bool_], factor: float) -> NDArray[np.float64]:
    """The x of points, with the places where nothing is written so much wider or narrower: x (T,), pen (T,) -> (T,)."""
    inked = np.sort(x[pen])
    gaps = np.diff(inked)
    moved = np.where(gaps > LETTER_GAP, (factor - 1) * (gaps - LETTER_GAP), 0).cumsum()
    spread: NDArray[np.float64] = x + np.interp(x, inked, np.concatenate([[0.0], moved]))
    return spread


def _on_paper(points: NDArray[np.float64], pen: NDArray[np.bool_]) -> list[Stroke]:
    """A path (2, T) as the strokes that its pen (T,) makes on the paper."""
    edges = np.flatnonzero(np.diff(pen, prepend=False, append=False)).reshape(-1, 2)
    return [points[:, first:last].T for first, last in edges.tolist()]


def _joined(points: NDArray[np.float64], pen: NDArray[np.bool_], rng: np.random.Generator) -> list[Stroke]:
    """A path as strokes, some of them run together: a pen that stays on the paper from one letter to the next."""
    strokes = _on_paper(points, pen)
    share = max(rng.uniform(-0.5, 0.5), 0)
    joined = strokes[:1]
    for stroke in strokes[1:]:
        right, down = stroke[0] - joined[-1][-1]
        if 0 < right < NEAR and abs(down) < NEAR and rng.random() < share:
            joined[-1] = np.concatenate([joined[-1], stroke])
        else:
            joined.append(stroke)
    return joined


def _smooth(points: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """A path's coordinates (2, T), each point the mean of its neighbours, weighed by a Gaussian of `reach` points."""
    window = np.exp(-0.5 * (np.arange(-5, 6) / reach) ** 2)
    padded = np.pad(points, ((0, 0), (5, 5)), mode="edge")
    return np.stack([np.convolve(axis, window / window.sum(), mode="valid") for axis in padded])


def distort(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A normalised line (H, W) uint8, 255 = ink -> another rendering of it (H, W'), uint8."""
    ink = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    ink = _warp(ink, rng)
    ink = _pen(ink, rng)
    ink = _paper(ink, rng)
    return (ink.clamp_(0, 1) * 255).byte().numpy()


def _warp(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """Stretch, slant, lift, lean, let ascenders and descenders reach farther or less far, and every part wander a
    little: (H, W) -> (H, W').
    """
    height, width = ink.shape
    stretch_x, stretch_y = np.exp(rng.normal(0, (0.12, 0.08)))
    slant, lean = rng.normal(0, 0.18), rng.normal(0, 3 / max(width, 200))
    lift = rng.normal(0, 1.5)
    ascenders, descenders = np.exp(rng.normal(0, (0.15, 0.2)))
    new_width = max(8, round(width * stretch_x))
    v = torch.arange(height).unsqueeze(1) - (height - 1) / 2 - lift  # (H, 1)
    u = torch.arange(new_width).unsqueeze(0) - (new_width - 1) / 2  # (1, W')
    x = u / stretch_x + slant * v
    y = v / stretch_y + lean * u
    above, below = (y + HALF_BODY).clamp(max=0), (y - HALF_BODY).clamp(min=0)
    y += (1 / ascenders - 1) * above + (1 / descenders - 1) * below
    # A smooth random field, a knot every 20 columns and every third of the height: no two letters come out alike.
    knots = torch.from_numpy(rng.normal(0, 1, (1, 2, 4, max(2, new_width // 20 + 1))).astype(np.float32))
    field = functional.interpolate(knots, (height, new_width), mode="bicubic", align_corners=True)[0]
    strength_x, strength_y = rng.uniform(0, 2.0), rng.uniform(0, 1.6)
    grid = torch.stack(
        [(x + strength_x * field[0]) * (2 / width), (y + strength_y * field[1]) * (2 / height)], dim=-1
    )  # (H, W', 2), -1..1 over the line
    return functional.grid_sample(ink[None, None], grid[None], align_corners=False)[0, 0]


def _pen(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """A thicker or thinner pen, a softer edge, ink that fades."""
    kind, amount = rng.random(), float(rng.uniform(0, 1))
    batch = ink[None, None]
    if kind < 0.3:
        batch = torch.lerp(batch, functional.max_pool2d(batch, 3, 1, 1), amount)
    elif kind < 0.6:
        batch = torch.lerp(batch, _thin(batch), 0.7 * amount)
    if rng.random() < 0.3:
        batch = torch.lerp(batch, functional.avg_pool2d(batch, 3, 1, 1), float(rng.uniform(0, 1)))
    ink = batch[0, 0]
    if rng.random() < 0.3:
        ink = ink ** float(np.exp(rng.normal(0, 0.4)))
    if rng.random() < 0.2:
        ink = ink * _wave(ink.shape[1], rng, 0.5)
    return ink


def _thin(batch: Tensor) -> Tensor:
    """Strokes a pixel thinner: the least of each cross of five, so that hairlines fade but stay."""
    across = -functional.max_pool2d(-batch, (1, 3), 1, (0, 1))
    down = -functional.max_pool2d(-batch, (3, 1), 1, (1, 0))
    return (across + down) / 2


def _paper(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """Grain, ruled lines, shadows' remains, and places the pen skipped."""
    height, width = ink.shape
    if rng.random() < 0.3:
        grain = torch.from_numpy(rng.standard_normal((height, width), dtype=np.float32))
        ink = ink + float(rng.uniform(0, 0.15)) * grain
    if rng.random() < 0.1:  # a ruled line, or a line struck through the writing's foot
        row = int(rng.integers(0, height))
        ink[row : row + int(rng.integers(1, 3))] += float(rng.uniform(0.1, 0.6))
    if rng.random() < 0.3:  # places hidden: the neighbours must tell what stood there
        for _ in range(int(rng.integers(1, 1 + max(1, width // 150)))):
            left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
            ink[top : top + int(rng.integers(4, 20)), left : left + int(rng.integers(3, 10))] = 0
    return ink


def _wave(width: int, rng: np.random.Generator, depth: float) -> Tensor:
    """(W,): a smooth random curve between 1 - depth and 1."""
    knots = torch.from_numpy(rng.uniform(1 - depth, 1, (1, 1, max(2, width // 60 + 1))).astype(np.float32))
    return functional.interpolate(knots, width, mode="linear", align_corners=True)[0, 0]
