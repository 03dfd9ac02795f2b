"""Datasets of lines made out of ink: written as strokes, or drawn as pictures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from inkread._files import write_atomic
from inkread.augment.ink import other_writer
from inkread.data.manifest import write_manifest
from inkread.features.ink import drop_repeated_points
from inkread.inputs.ink import Ink
from inkread.inputs.json_ink import to_json_line
from inkread.synth.compose import Word, draw_line

KINDS = {
    "strokes": "write the strokes, not pictures: OUT/lines.jsonl",
    "hands": "draw each line as another hand might have written it",
}

Row = tuple[str, str, str, str, str]  # id, file, writer, split, text
MadeLine = tuple[Row, str]  # and the strokes as JSON, if they are wanted


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Let a command make each of KINDS; or else pictures."""
    kind = parser.add_mutually_exclusive_group()
    for name, text in KINDS.items():
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, default="pictures", help=text)


def make_line(
    name: str, line: Word, writer: str, split: str, out: Path, kind: str, rng: np.random.Generator
) -> MadeLine:
    """A line of ink in body heights for a dataset in `out`; its picture, if that is wanted, is OUT/NAME.png."""
    row = (name, f"{name}.png", writer, split, line.text)
    if kind == "strokes":
        return row, as_json(name, line, writer, split)
    write_picture(out / row[1], line if kind == "pictures" else Word(line.text, other_writer(line.strokes, rng)), rng)
    return row, ""


def as_json(name: str, line: Word, writer: str, split: str) -> str:
    """A line of ink for a dataset of strokes, see to_json_line, in hundredths of body heights."""
    strokes = drop_repeated_points([np.round(100 * stroke) for stroke in line.strokes])
    return to_json_line(name, Ink(tuple(strokes), line.text, writer, split))


def write_picture(file: Path, line: Word, rng: np.random.Generator) -> None:
    """Draw a line of ink into a PNG, for a dataset of pictures."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_line(line, rng)).save(file, compress_level=4)


def write_lines(out: Path, lines: Sequence[MadeLine], kind: str) -> None:
    """Write the list of a dataset's lines, when all of them are made."""
    if kind == "strokes":
        write_atomic(out / "lines.jsonl", "".join(f"{line}\n" for _, line in lines).encode("utf-8"))
    else:
        write_manifest(out / "lines.tsv", [row for row, _ in lines])
