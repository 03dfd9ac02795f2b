"""Learning one's own hand: the error rate on a writer's other lines before and after learning from a few of his.

    python benchmarks/own_hand.py iam-lines:tr --lines 30 --least 45 --minutes 1

Of every writer with at least so many lines, the first ones are learned as a user would, by `inkread train LINES --from
MODEL --minutes M`, and all the others are read. Prints a table in Markdown.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from inkread.data import Dataset, Sample, open_dataset
from inkread.data.manifest import write_manifest
from inkread.data.samples import read_line
from inkread.evaluation.lines import evaluate
from inkread.model.recognizer import Recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="lines with writers, PATH or PATH:SPLIT")
    parser.add_argument("--lines", type=int, default=30, help="to learn from (default: %(default)d)")
    parser.add_argument("--least", type=int, default=45, help="lines a writer must have (default: %(default)d)")
    parser.add_argument("--minutes", type=float, default=10, help="of training a writer (default: %(default)g)")
    parser.add_argument("--model", default="latin", help="to go on from (default: %(default)s)")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="as of inkread train")
    arguments = parser.parse_args()

    writers: dict[str, list[Sample]] = defaultdict(list)
    for sample in open_dataset(arguments.dataset).samples:
        writers[sample.writer or ""].append(sample)
    before = Recognizer.load(arguments.model, "greedy")
    print("| writer | lines learned | lines read | CER before | after | change |\n|---|---|---|---|---|---|")
    rates = []
    for writer, samples in sorted(writers.items()):
        if len(samples) >= arguments.least:
            learned, others = samples[: arguments.lines], Dataset(writer, tuple(samples[arguments.lines :]))
            with tempfile.TemporaryDirectory() as folder:
                after = learn(learned, Path(folder), arguments)
                pair = [evaluate(recognizer, others).cer for recognizer in (before, after)]
            rates.append(pair)
            print(f"| {writer} | {len(learned)} | {len(others.samples)} | {row(*pair)} |", flush=True)
    table = np.array(rates)
    changes = np.array([change(*pair) for pair in rates])
    print(f"| mean of {len(table)} | | | {row(*table.mean(axis=0))} |")
    print(f"\nmean of the changes {100 * changes.mean():+.0f} %; worst {100 * np.diff(table).max():+.1f} points")


def learn(samples: list[Sample], folder: Path, arguments: argparse.Namespace) -> Recognizer:
    """The model after `inkread train` on these lines, whose pictures are put into `folder`."""
    rows = []
    for number, sample in enumerate(samples):
        Image.fromarray(read_line(sample)).save(folder / f"{number}.png")
        rows.append((str(number), f"{number}.png", sample.writer or "", "", sample.text))
    write_manifest(folder / "lines.tsv", rows)
    out = folder / "own.safetensors"
    command = [sys.executable, "-m", "inkread", "train", str(folder), "--from", arguments.model, "--out", str(out)]
    command += ["--minutes", str(arguments.minutes)]
    subprocess.run(command + [word for setting in arguments.settings for word in ("--set", setting)],
                   check=True, stderr=subprocess.DEVNULL)  # fmt: skip
    return Recognizer.load(str(out), "greedy")


def change(before: float, after: float) -> float:
    """Of the error rate, as a share of it; of a hand that was read without errors none, the worst change tells it."""
    return after / before - 1 if before else 0.0


def row(before: float, after: float) -> str:
    return f"{100 * before:.1f} % | {100 * after:.1f} % | {100 * change(before, after):+.0f} %"


if __name__ == "__main__":
    main()
