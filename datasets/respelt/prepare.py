"""Set lines of English text with the pieces of a dataset of pen strokes, each line in the hand of one of its writers.

python datasets/respelt/prepare.py DATASET:train OUT --text FOLDER [--strokes|--hands]   (2 minutes)
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data import Sample, open_dataset
from inkread.data.samples import read_strokes
from inkread.features.ink import resample, straighten
from inkread.lm.text import lines_of
from inkread.model.decoder import align
from inkread.model.recognizer import Recognizer
from inkread.synth.compose import seeded
from inkread.synth.recombine import FEWEST_GAPS, Hand, cut_line, respell
from inkread.synth.write import MadeLine, add_kinds, make_line, write_lines

BATCH = 64
ENOUGH = 200  # pieces of a hand
LENGTH = 15, 40  # characters of a line, but for the last word
SHORTEST = 8
TRIALS = 4  # texts for each line
SURE = 0.3  # probability of a character where it stands in its line


def hands_of(samples: tuple[Sample, ...], model: Recognizer) -> dict[str, Hand]:
    """The pieces of each writer's lines, cut where the model reads their characters."""
    hands: dict[str, Hand] = defaultdict(Hand)
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
            cut_line(hands[sample.writer or ""], sample.text, ink, [float(place[middle]) for middle in middles], sure)
    return {
        writer: hand
        for writer, hand in hands.items()
        if len(hand.pieces) >= ENOUGH and min(len(hand.letter_gaps), len(hand.word_gaps)) >= FEWEST_GAPS
    }


def make_lines(task: tuple[str, Hand], texts: list[str], count: int, out: Path, kind: str) -> list[MadeLine]:
    """So many lines in one hand; fewer where it can spell but little."""
    writer, hand = task
    folder = re.sub(r"[^\w.-]+", "_", writer)
    rng = seeded(f"respelt/{writer}")
    made: list[MadeLine] = []
    for _ in range(TRIALS * count):
        words = texts[int(rng.integers(len(texts)))].split()
        rest = " ".join(words[int(rng.integers(len(words))) :])
        line = respell(rest, int(rng.integers(*LENGTH)), hand, rng)
        if len(line.text) >= SHORTEST and len(made) < count:
            made.append(make_line(f"{folder}/{len(made):03}", line, writer, "train", out, kind, rng))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", type=Path, required=True, help="what datasets/text/prepare.py made")
    parser.add_argument("--model", default="strokes", help="reads where the characters stand")
    parser.add_argument("--lines", type=int, default=90, help="for each writer")
    add_kinds(parser)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    samples = open_dataset(options.dataset).samples
    hands = hands_of(samples, Recognizer.load(options.model, "greedy", "none"))
    texts = list(lines_of((options.text / "english-train.txt").read_text("utf-8"), 10 * LENGTH[1]))
    with Pool() as pool:
        make = partial(make_lines, texts=texts, count=options.lines, out=options.out, kind=options.kind)
        made = [line for lines in pool.imap(make, hands.items(), chunksize=10) for line in lines]
    write_lines(options.out, made, options.kind)
    print(len(hands), "writers,", len(made), "lines")


if __name__ == "__main__":
    main()
