"""Variations of pen strokes: what another writer would have made of the same line. One seed gives one result.

The strengths below were chosen by looking at sheets of distorted lines, which must all stay legible, and kept where
trained models improved (experiments/LOG.md, 2026-11-26: "Pen paths distorted as hands differ").
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inkread.features.ink import normalize_ink, resample
from inkread.inputs.ink import Stroke

Path = NDArray[np.float32]  # (3, T): x and y in body heights, the baseline at y = 0, and the pen: 1 on paper, 0 above
Points = NDArray[np.float64]  # (2, T): x and y in body heights
OnPaper = NDArray[np.bool_]  # (T,)

# Standard deviations, drawn once per line. Factors are exp(normal), so that 2 is as likely as 1/2.
REACH = (0.15, 0.2)  # logarithm of the factor: how far ascenders and descenders reach beyond the small letters
SPACING = 0.3  # logarithm of the factor: the width of spaces
SIZE = (0.16, 0.1)  # logarithm of the factor: width and height of the letters
SLANT = 0.22  # x per height
SLOPE = 0.02  # y per width: the baseline rises or falls
LIFT = 0.1  # body heights by which the whole line moves up or down
SPEED = 0.5  # share of the way from a point to the mean of its neighbours, or away from it
# Uniform, up to so much, drawn once per line.
MOST_LOST = 0.08  # share of the points that are lost
MOST_DRIFT = 0.15  # body heights by which letters drift from their places, standard deviation
MOST_TREMOR = 0.03  # body heights by which single points move, standard deviation
MOST_JOINED = 0.5  # share of the gaps between letters that the pen no longer leaves open; in half of all lines none is

SMOOTHING = (0.5, 2.0)  # points: the standard deviation of the Gaussian that weighs the neighbours
NEIGHBOURS = 5  # points on each side that the Gaussian takes in
DRIFT_PERIOD = 25  # points, about a character: so often the drift changes its direction
LETTER_GAP = 0.3  # body heights without ink: what is wider is a space between letters or words
NEAR = 0.8  # body heights: at most so far the pen moves on paper from the end of a letter to the start of the next
FEWEST = 8  # points: shorter paths lose none


def distort_path(path: Path, rng: np.random.Generator) -> Path:
    """The path of a pen (3, T) -> the path of another writer's pen (3, T'), resampled in even steps.

    Eight things vary, in this order: points get lost, how far letters reach up and down, the width of spaces, size and
    slant, speed, drift, tremor, and whether the pen leaves the paper between letters.
    """
    points, on_paper = _lose_points(path, rng)
    points = _vary_reach(points, rng)
    points[0] = _widen_spaces(points[0], on_paper, np.exp(rng.normal(0, SPACING)))
    points = _vary_shape(points, rng)
    points = _vary_speed(points, rng)
    points = points + _drift(points.shape[1], rng)
    points = points + rng.normal(0, rng.uniform(0, MOST_TREMOR), points.shape)
    return resample(_join_letters(points, on_paper, rng))[0].T.astype(np.float32)


def other_writer(strokes: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    """A line of ink as another writer might have written it, in body heights, to be drawn; see `distort_path`.

    Resampled strokes have corners, so each corner is cut twice (Chaikin 1974).
    """
    path = distort_path(normalize_ink(strokes).path.T, rng)
    return [_cut_corners(_cut_corners(stroke)) for stroke in _strokes_of(path[:2].astype(np.float64), path[2] > 0.5)]


def _lose_points(path: Path, rng: np.random.Generator) -> tuple[Points, OnPaper]:
    """A path without some of its points, but with the first: a fast pen on a slow tablet makes straight pieces."""
    chances = rng.random(path.shape[1:])
    chances[0] = 1
    if len(chances) > FEWEST:
        path = path[:, chances >= rng.uniform(0, MOST_LOST)]
    return path[:2].astype(np.float64), path[2] > 0.5


def _vary_reach(points: Points, rng: np.random.Generator) -> Points:
    """Ascenders, above y = -1, and descenders, below y = 0, become longer or shorter."""
    ascenders, descenders = np.exp(rng.normal(0, REACH))
    x, y = points
    return np.stack([x, y + ((ascenders - 1) * np.minimum(y + 1, 0) + (descenders - 1) * np.maximum(y, 0))])


def _widen_spaces(x: NDArray[np.float64], on_paper: OnPaper, factor: float) -> NDArray[np.float64]:
    """The x of points (T,) after each gap without ink is widened by the factor, except for its first LETTER_GAP."""
    inked = np.sort(x[on_paper])
    gaps = np.diff(inked)
    moved = np.where(gaps > LETTER_GAP, (factor - 1) * (gaps - LETTER_GAP), 0).cumsum()
    widened: NDArray[np.float64] = x + np.interp(x, inked, np.concatenate([[0.0], moved]))
    return widened


def _vary_shape(points: Points, rng: np.random.Generator) -> Points:
    """Width, height, slant, and where the line runs: one linear map for all points."""
    width, height = np.exp(rng.normal(0, SIZE))
    slant, slope, lift = rng.normal(0, (SLANT, SLOPE, LIFT))
    points = np.array([[width, -slant], [slope, height]]) @ points
    points[1] += lift - slope * points[0].mean()
    return points


def _vary_speed(points: Points, rng: np.random.Generator) -> Points:
    """A fast writer cuts the corners of loops, so points move to the mean of their neighbours; a slow one, away."""
    speed, reach = rng.normal(0, SPEED), rng.uniform(*SMOOTHING)
    return points + speed * (_smooth(points, reach) - points)


def _drift(count: int, rng: np.random.Generator) -> Points:
    """How far each point moves, (2, count): at random each DRIFT_PERIOD, and between linearly."""
    places = np.arange(count) / DRIFT_PERIOD
    knots = rng.normal(0, rng.uniform(0, MOST_DRIFT), (2, int(places[-1]) + 2))
    return np.stack([np.interp(places, np.arange(knots.shape[1]), axis) for axis in knots])


def _join_letters(points: Points, on_paper: OnPaper, rng: np.random.Generator) -> list[Stroke]:
    """The strokes of a path, some of them joined: the pen stays on the paper from one letter to the next."""
    strokes = _strokes_of(points, on_paper)
    share = max(rng.uniform(-MOST_JOINED, MOST_JOINED), 0)
    joined = strokes[:1]
    for stroke in strokes[1:]:
        right, down = stroke[0] - joined[-1][-1]
        if 0 < right < NEAR and abs(down) < NEAR and rng.random() < share:
            joined[-1] = np.concatenate([joined[-1], stroke])
        else:
            joined.append(stroke)
    return joined


def _strokes_of(points: Points, on_paper: OnPaper) -> list[Stroke]:
    """The pieces of a path that are on the paper, each (N, 2)."""
    edges = np.flatnonzero(np.diff(on_paper, prepend=False, append=False)).reshape(-1, 2)
    return [points[:, first:last].T for first, last in edges.tolist()]


def _smooth(points: Points, reach: float) -> Points:
    """Each point as the mean of its neighbours, weighed by a Gaussian of `reach` points."""
    window = np.exp(-0.5 * (np.arange(-NEIGHBOURS, NEIGHBOURS + 1) / reach) ** 2)
    padded = np.pad(points, ((0, 0), (NEIGHBOURS, NEIGHBOURS)), mode="edge")
    return np.stack([np.convolve(axis, window / window.sum(), mode="valid") for axis in padded])


def _cut_corners(stroke: Stroke) -> Stroke:
    """Two points for each piece between two points, a quarter of it from its ends. The first and last point stay."""
    before, after = stroke[:-1], stroke[1:]
    cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
    return np.concatenate([stroke[:1], cut, stroke[-1:]])


def strike_out(width: float, rng: np.random.Generator) -> list[Stroke]:
    """Strokes that cross out a word so many body heights wide: one to five lines, a zigzag, or a coil.

    In body heights; the word begins at x = 0, and its baseline is y = 0.
    """
    kind = rng.choice(["lines", "zigzag", "coil"], p=[0.55, 0.25, 0.2])
    if kind == "zigzag":
        count = max(4, int(width / rng.uniform(0.07, 0.5)))
        y = np.where(np.arange(count) % 2, -1.1, 0.0)
        return [np.column_stack([np.linspace(0, width, count), y]) + rng.normal(0, 0.12, (count, 2))]
    if kind == "coil":
        turns = max(2, round(width / rng.uniform(0.15, 0.6)))
        angle = np.linspace(0, 2 * math.pi * turns, 12 * turns)
        across, up = rng.uniform(0.1, 0.4), rng.uniform(0.35, 0.7)
        x = np.linspace(0, width, len(angle)) + across * np.cos(angle)
        return [np.column_stack([x, up * np.sin(angle) - 0.5]) + rng.normal(0, 0.04, (len(angle), 2))]
    x = np.linspace(-0.2, width + 0.2, 6)
    levels = -rng.uniform(0.2, 0.8, int(rng.choice(5, p=[0.45, 0.25, 0.15, 0.1, 0.05])) + 1)
    return [
        np.column_stack([x, level + rng.normal(0, 0.1) * (x / width - 0.5) + rng.normal(0, 0.05, 6)])
        for level in levels
    ]
