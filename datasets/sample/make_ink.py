"""Write pen.inkml of this folder: a sentence in an alphabet of our own, as a pen would report it.

python datasets/sample/make_ink.py
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

TEXT = "the pen tells in which order it went"
UNITS = 100  # a body height, the height of an x
SPACING = 0.12  # body heights from one point to the next

Points = list[tuple[float, float]]

# Each letter as strokes through a few points, in body heights: the baseline is y = 0, the top of an x is y = -1.
LETTERS: dict[str, list[Points]] = {
    "c": [[(0.62, -0.82), (0.4, -1), (0.1, -0.75), (0.05, -0.3), (0.3, 0), (0.65, -0.15)]],
    "d": [[(0.65, -0.85), (0.35, -1), (0.06, -0.6), (0.1, -0.15), (0.4, 0), (0.68, -0.4), (0.75, -1.2), (0.77, -2)]
          + [(0.76, -1), (0.78, -0.2), (0.92, 0)]],
    "e": [[(0.05, -0.5), (0.4, -0.55), (0.65, -0.75), (0.45, -1), (0.15, -0.85), (0.03, -0.45), (0.2, -0.05)]
          + [(0.5, 0), (0.75, -0.2)]],
    "h": [[(0.05, -2), (0.04, -1), (0.02, 0), (0.05, -0.5), (0.3, -0.95), (0.55, -0.85), (0.6, -0.4), (0.62, 0)]],
    "i": [[(0, -1), (0, -0.5), (0.03, -0.05), (0.14, -0.02)], [(0, -1.45), (0.03, -1.41)]],
    "l": [[(0, -2), (0, -1), (0.03, -0.15), (0.18, 0)]],
    "n": [[(0, -1), (0.02, -0.5), (0.02, 0), (0.06, -0.5), (0.28, -0.95), (0.5, -0.85), (0.56, -0.4), (0.58, 0)]],
    "o": [[(0.4, -1), (0.1, -0.75), (0.03, -0.35), (0.27, 0), (0.6, -0.1), (0.72, -0.55), (0.55, -0.95), (0.35, -1)]],
    "p": [[(0, -1), (0.01, 0), (0.02, 0.9), (0.01, 0), (0.05, -0.6), (0.25, -0.97), (0.52, -0.9), (0.6, -0.5)]
          + [(0.42, -0.05), (0.06, -0.1)]],
    "r": [[(0, -1), (0.02, -0.5), (0.02, 0), (0.06, -0.55), (0.2, -0.9), (0.45, -0.95)]],
    "s": [[(0.48, -0.88), (0.25, -1), (0.06, -0.78), (0.28, -0.52), (0.48, -0.22), (0.25, 0), (0, -0.1)]],
    "t": [[(0.17, -1.6), (0.16, -0.8), (0.2, -0.1), (0.42, -0.05)], [(-0.08, -1), (0.42, -1.03)]],
    "w": [[(0, -1), (0.12, -0.15), (0.28, -0.05), (0.42, -0.75), (0.52, -0.1), (0.7, -0.05), (0.85, -1)]],
}  # fmt: skip


def smooth(points: Points) -> NDArray[np.float64]:
    """A curve through the points, (N, 2), SPACING apart along it: a Catmull-Rom spline."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, 20, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    curve = np.concatenate([*pieces, p[-1:]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    places = np.linspace(0, along[-1], max(2, round(along[-1] / SPACING) + 1))
    return np.column_stack([np.interp(places, along, axis) for axis in curve.T])


def write(text: str, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """The strokes of a line in the order of time, in body heights; no letter comes out twice alike."""
    strokes, x = [], 0.0
    for word in text.split(" "):
        late = []
        for letter in word:
            drawn = [smooth([(px, py) for px, py in points + rng.normal(0, 0.025, (len(points), 2))])
                     for points in map(np.array, LETTERS[letter])]  # fmt: skip
            placed = [stroke + [x, rng.normal(0, 0.03)] for stroke in drawn]
            strokes.append(placed[0])
            late += placed[1:]
            x = max(stroke[:, 0].max() for stroke in placed) + rng.uniform(0.2, 0.35)
        strokes += late
        x += 0.8
    return [stroke @ [[1, 0], [-0.15, 1]] for stroke in strokes]  # leaning to the right


def main() -> None:
    traces = [
        "  <trace>" + ", ".join(f"{x} {y}" for x, y in np.rint(UNITS * (stroke + [1, 3])).astype(int)) + "</trace>"
        for stroke in write(TEXT, np.random.default_rng(3))
    ]
    truth = f'  <annotation type="truth">{escape(TEXT)}</annotation>'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<ink xmlns="http://www.w3.org/2003/InkML">', truth, *traces]
    text = "\n".join([*lines, "</ink>", ""])
    (Path(__file__).parent / "pen.inkml").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
