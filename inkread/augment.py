"""Seeded distortions of normalised lines: what another hand, pen, paper or camera would have made of the same words.

They act on the normalised line, 48 rows of it, instead of on the picture: that costs a millisecond, so both cores stay
with the network. One seed gives one result, whatever the batch or the process.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Pixels = NDArray[np.uint8]


def distort(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A normalised line (H, W) uint8, 255 = ink -> another rendering of it (H, W'), uint8."""
    ink = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    ink = _warp(ink, rng)
    ink = _pen(ink, rng)
    ink = _paper(ink, rng)
    return (ink.clamp_(0, 1) * 255).byte().numpy()


def _warp(ink: Tensor, rng: np.random.Generator) -> Tensor:
    """Stretch, slant, lift, lean, and let every part wander a little: (H, W) -> (H, W')."""
    height, width = ink.shape
    stretch_x, stretch_y = np.exp(rng.normal(0, (0.12, 0.08)))
    slant, lean = rng.normal(0, 0.18), rng.normal(0, 3 / max(width, 200))
    lift = rng.normal(0, 1.5)
    new_width = max(8, round(width * stretch_x))
    v = torch.arange(height).unsqueeze(1) - (height - 1) / 2 - lift  # (H, 1)
    u = torch.arange(new_width).unsqueeze(0) - (new_width - 1) / 2  # (1, W')
    x = u / stretch_x + slant * v
    y = v / stretch_y + lean * u
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
