"""Handwritten lines are put on sheets of paper, and written to files: SVG, PNG, InkML, JSON Lines."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import numpy as np
from PIL import Image

from inkread.features.render import PEN_WIDTH, X_HEIGHT, draw_strokes
from inkread.inputs import inkml
from inkread.inputs.ink import PAGE_DPI, Ink, Stroke
from inkread.inputs.inkml import points_as_text
from inkread.inputs.json_ink import to_json_line
from inkread.synth.offsets import curve
from inkread.synth.synthesizer import MAX_PRIMER, Primer, Synthesizer

PAGE = (round(8.27 * PAGE_DPI), round(11.69 * PAGE_DPI))  # A4
MARGIN = 150  # pixels, 19 mm
LINE_DISTANCE = 4 * X_HEIGHT  # pixels, 11 mm: that of paper with wide ruling
LINES = (PAGE[1] - 2 * MARGIN) // LINE_DISTANCE  # on a page
TRIAL = 22  # characters that are enough to show a hand
BORDER = 20  # pixels around a line that has no page
JSON_UNITS = 10  # per pixel, as coordinates are whole numbers there
INK_COLOUR = "#16264c"


@dataclass(frozen=True)
class Sheet:
    """Lines on a page, or a line alone, in pixels."""

    lines: tuple[Ink, ...]
    size: tuple[float, float]  # width and height

    @property
    def strokes(self) -> list[Stroke]:
        """The strokes of all lines."""
        return [stroke for line in self.lines for stroke in line.strokes]


def break_lines(text: str, width: int) -> list[str]:
    """The lines of a text, at most `width` characters long; paragraphs begin new lines, and empty lines stay.

    >>> break_lines("one two\\n\\nthree", 5)
    ['one', 'two', '', 'three']
    """
    return [line for row in text.strip().split("\n") for line in textwrap.wrap(row, width) or [""]]


def pages_of(lines: Sequence[str]) -> int:
    """The number of sheets that the lines take."""
    return -(-len(lines) // LINES)


def write_lines(
    lines: Sequence[str],
    synthesizer: Synthesizer,
    seed: int,
    neatness: float = 0.0,
    primer: Primer | None = None,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[Ink]:
    """Write lines in one hand: that of the primer, or else that in which the first words are written as a trial.

    The ink is in pixels, on the baseline y = 0; that of an empty line is empty. Raises BadInput for what cannot be
    written.
    """
    for line in lines:
        if line:
            synthesizer.plain(line)  # so that the last line does not fail after all others are written
    if primer is None and len(lines) > 1:
        primer = _trial(next(filter(None, lines)), synthesizer, seed, neatness)
    inks = []
    for number, line in enumerate(lines):
        rng = np.random.default_rng([seed, number])
        strokes = synthesizer.write(line, rng, neatness, primer) if line else []
        inks.append(Ink(tuple(X_HEIGHT * curve(stroke) for stroke in strokes), line))
        tick(number + 1, len(lines))
    return inks


def _trial(line: str, synthesizer: Synthesizer, seed: int, neatness: float) -> Primer | None:
    """The first words of a line, written once; None if the network got lost."""
    text = textwrap.wrap(line, TRIAL)[0]
    strokes = synthesizer.write(text, np.random.default_rng([seed]), neatness)
    return Primer.of(text, strokes) if sum(map(len, strokes)) <= MAX_PRIMER else None


def on_sheets(inks: Sequence[Ink]) -> list[Sheet]:
    """Put lines on as many sheets as they need, all smaller if one is too wide; one alone gets a sheet of its size."""
    if len(inks) == 1:
        return [_alone(inks[0])]
    widest = max(float(stroke[:, 0].max()) for ink in inks for stroke in ink.strokes)
    scale = min((PAGE[0] - 2 * MARGIN) / max(widest, 1.0), 1.0)
    inks = [Ink(tuple(scale * stroke for stroke in ink.strokes), ink.text) for ink in inks]
    return [_page(inks[start : start + LINES]) for start in range(0, len(inks), LINES)]


def _alone(line: Ink) -> Sheet:
    points = np.concatenate(line.strokes)
    corner = points.min(axis=0) - BORDER
    width, height = np.ptp(points, axis=0) + 2 * BORDER
    return Sheet((_moved(line, -corner),), (float(width), float(height)))


def _page(lines: Sequence[Ink]) -> Sheet:
    """Lines at equal distances; the baseline of the first is so deep that its ascenders are below the margin."""
    baselines = MARGIN + LINE_DISTANCE * (0.75 + np.arange(len(lines)))
    moved = [_moved(line, np.array([MARGIN, y])) for line, y in zip(lines, baselines, strict=True) if line.strokes]
    return Sheet(tuple(moved), PAGE)


def _moved(line: Ink, by: Stroke) -> Ink:
    return Ink(tuple(stroke + by for stroke in line.strokes), line.text)


# ---- formats


def to_svg(sheet: Sheet) -> bytes:
    """A sheet as SVG, with a path for each stroke."""
    width, height = sheet.size
    groups = []
    for line in sheet.lines:
        paths = "".join(f'<path d="M{points_as_text(stroke, " ")}"/>\n' for stroke in line.strokes)
        groups.append(f"<g>\n<title>{escape(line.text)}</title>\n{paths}</g>\n")
    inches = f'width="{width / PAGE_DPI:.3f}in" height="{height / PAGE_DPI:.3f}in"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {inches} viewBox="0 0 {width:.1f} {height:.1f}">\n'
        f'<g fill="none" stroke="{INK_COLOUR}" stroke-width="{PEN_WIDTH}" stroke-linecap="round" '
        f'stroke-linejoin="round">\n{"".join(groups)}</g>\n</svg>\n'
    ).encode()


def to_inkml(sheet: Sheet) -> bytes:
    """A sheet as InkML, with a group of traces for each line, and its text."""
    return inkml.to_inkml(sheet.lines)


def to_png(sheet: Sheet) -> bytes:
    """A sheet as an image, black on white."""
    width, height = (int(np.ceil(length)) for length in sheet.size)
    canvas = Image.new("L", (width, height), 255)
    if sheet.lines:
        drawn = draw_strokes(sheet.strokes, 1.0, PEN_WIDTH, np.random.default_rng(0))
        middle = (np.max(np.concatenate(sheet.strokes), axis=0) + np.min(np.concatenate(sheet.strokes), axis=0)) / 2
        corner = middle - np.array(drawn.shape[::-1]) / 2
        canvas.paste(Image.fromarray(drawn), (round(corner[0]), round(corner[1])))
    buffer = BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def to_jsonl(sheets: Sequence[Sheet]) -> bytes:
    """All sheets as JSON Lines, one line of writing in each: a dataset that `inkread train` reads."""
    rows = []
    for number, sheet in enumerate(sheets, 1):
        for place, line in enumerate(sheet.lines, 1):
            ink = Ink(tuple(JSON_UNITS * stroke for stroke in line.strokes), line.text)
            rows.append(to_json_line(f"{number}-{place}", ink) + "\n")
    return "".join(rows).encode()
