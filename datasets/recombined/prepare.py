"""Recombine the lines of a dataset of pen strokes: English text in the ink of each of its writers.

python datasets/recombined/prepare.py DATASET:train OUT --text FOLDER [--strokes|--other-writers]   (2 minutes)
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data import Sample, open_dataset
from inkread.data.prepare import parser_of, seeded
from inkread.data.samples import read_strokes
from inkread.features.ink import resample, straighten
from inkread.lm.text import lines_of
from inkread.model.decoder import align
from inkread.model.recognizer import Recognizer
from inkread.synth.recombine import FEWEST_GAPS, WriterPieces, cut_line, recombine
from inkread.synth.write import MadeLine, add_kinds, make_line, write_lines

BATCH = 64  # lines that the model reads at once
ENOUGH = 200  # different pieces of a writer; those who have fewer are left out
LENGTH = 15, 40  # characters of a line without its last word, at least and at most
SHORTEST = 8  # characters of a line
TRIALS = 4  # texts that are tried for each line, as many words cannot be spelt
SURE = 0.3  # probability of a character at its place; less certain ones are left out


def pieces_of(samples: tuple[Sample, ...], model: Recognizer) -> dict[str, WriterPieces]:
    """The pieces of each writer's lines, cut at the places where the model finds their characters."""
    writers: dict[str, WriterPieces] = defaultdict(WriterPieces)
    label, step = model.model.alphabet.label, model.model.config.step
    for start in range(0, len(samples), BATCH):
        batch = [sample for sample in samples[start : start + BATCH] if set(sample.text) <= label.keys()]
        inks = [straighten(read_strokes(sample))[1] for sample in batch]
        paths, places = zip(*map(resample, inks), strict=True)
        scores = model.scores([path.T.astype(np.float32) for path in paths])
        for sample, ink, place, log_probs in zip(batch, inks, places, scores, strict=True):
            try:
                read = align(log_probs, [label[character] for character in sample.text])
            except ValueError:  # more characters than steps
                continue
            middles = [min((one.first + one.last + 1) * step // 2, len(place) - 1) for one in read]
            sure = [one.confidence > SURE for one in read]
            cut_line(writers[sample.writer or ""], sample.text, ink, [float(place[middle]) for middle in middles], sure)
    return {
        writer: pieces
        for writer, pieces in writers.items()
        if len(pieces.pieces) >= ENOUGH and min(len(pieces.letter_gaps), len(pieces.word_gaps)) >= FEWEST_GAPS
    }


def make_lines(task: tuple[str, WriterPieces], texts: list[str], count: int, out: Path, kind: str) -> list[MadeLine]:
    """`count` lines by one writer; fewer if few texts can be spelt."""
    writer, pieces = task
    folder = re.sub(r"[^\w.-]+", "_", writer)
    rng = seeded(f"respelt/{writer}")  # an old name, kept so that the lines stay the same
    made: list[MadeLine] = []
    for _ in range(TRIALS * count):
        words = texts[int(rng.integers(len(texts)))].split()
        rest = " ".join(words[int(rng.integers(len(words))) :])
        line = recombine(rest, int(rng.integers(*LENGTH)), pieces, rng)
        if len(line.text) >= SHORTEST and len(made) < count:
            made.append(make_line(f"{folder}/{len(made):03}", line, writer, "train", out, kind, rng))
    return made


def main() -> None:
    parser = parser_of(__doc__, "dataset")
    parser.add_argument("--text", type=Path, required=True, help="the output of datasets/text/prepare.py")
    parser.add_argument("--model", default="strokes", help="finds the places of the characters")
    parser.add_argument("--lines", type=int, default=90, help="for each writer")
    add_kinds(parser)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    samples = open_dataset(options.dataset).samples
    writers = pieces_of(samples, Recognizer.load(options.model, "greedy", "none"))
    texts = list(lines_of((options.text / "english-train.txt").read_text("utf-8"), 10 * LENGTH[1]))
    with Pool() as pool:
        make = partial(make_lines, texts=texts, count=options.lines, out=options.out, kind=options.kind)
        made = [line for lines in pool.imap(make, writers.items(), chunksize=10) for line in lines]
    write_lines(options.out, made, options.kind)
    print(len(writers), "writers,", len(made), "lines")


if __name__ == "__main__":
    main()
