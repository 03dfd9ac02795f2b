"""Writes datasets of composed lines: pen strokes in lines.jsonl, or images and lines.tsv."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from inkread._files import write_atomic
from inkread.augment.ink import other_writer
from inkread.data.manifest import Row, write_manifest
from inkread.features.ink import drop_repeated_points
from inkread.inputs.ink import Ink
from inkread.inputs.json_ink import to_json_line
from inkread.synth.compose import WordInk, draw_line

IMAGES, STROKES, OTHER_WRITERS = "images", "strokes", "other-writers"  # what a dataset holds
HELP = {
    STROKES: "write pen strokes instead of images: OUT/lines.jsonl",
    OTHER_WRITERS: "draw each line as another writer might have written it",
}
UNITS = 100  # per body height, in lines.jsonl: coordinates are whole numbers
PNG_COMPRESSION = 4  # of 9: a third faster than Pillow's 6, files a few per cent larger

MadeLine = tuple[Row, str]  # and the strokes as JSON, for a dataset of strokes


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add the options --strokes and --other-writers, of which one may be given; their result is `kind`."""
    kind = parser.add_mutually_exclusive_group()
    for name, text in HELP.items():
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, default=IMAGES, help=text)


def make_line(
    name: str, line: WordInk, writer: str, split: str, out: Path, kind: str, rng: np.random.Generator
) -> MadeLine:
    """A line of ink, in body heights, for a dataset in `out`. Its image, if it gets one, is OUT/NAME.png."""
    row = (name, f"{name}.png", writer, split, line.text)
    if kind == STROKES:
        return row, as_json(name, line, writer, split)
    if kind == OTHER_WRITERS:
        line = WordInk(line.text, other_writer(line.strokes, rng))
    write_image(out / row[1], line, rng)
    return row, ""


def as_json(name: str, line: WordInk, writer: str, split: str) -> str:
    """A line of ink as a row of lines.jsonl, with UNITS per body height."""
    strokes = drop_repeated_points([np.round(UNITS * stroke) for stroke in line.strokes])
    return to_json_line(name, Ink(tuple(strokes), line.text, writer, split))


def write_image(file: Path, line: WordInk, rng: np.random.Generator) -> None:
    """Draw a line of ink, in body heights, as a PNG."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_line(line, rng)).save(file, compress_level=PNG_COMPRESSION)


def write_lines(out: Path, lines: Sequence[MadeLine], kind: str) -> None:
    """Write the manifest of a dataset, when all of its lines are made."""
    if kind == STROKES:
        write_atomic(out / "lines.jsonl", "".join(f"{line}\n" for _, line in lines).encode("utf-8"))
    else:
        write_manifest(out / "lines.tsv", [row for row, _ in lines])
