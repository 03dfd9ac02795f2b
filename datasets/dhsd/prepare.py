"""Give the pictures of DHSD, German town and street names, their width again.

python datasets/dhsd/prepare.py RAW OUT      (RAW holds lines.tsv and img/; seconds)
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data import Sample, open_dataset
from inkread.data.manifest import write_manifest
from inkread.data.prepare import dev_writers, save_picture
from inkread.data.samples import read_line
from inkread.synth.compose import seeded

EXPECTED = {"train": 3994, "dev": 655}  # lines
USUAL = 12  # characters of a name that stands in the squeezed pictures as it was written


def widen(sample: Sample, out: Path) -> None:
    """Write the picture of a name, the wider the longer it is, but not always by the same amount."""
    grey = read_line(sample)
    most = max(len(sample.text) / USUAL, 1.0)
    factor = most ** seeded(sample.id).uniform(0.2, 1.2)
    picture = Image.fromarray(grey).resize((round(grey.shape[1] * factor), grey.shape[0]), Image.Resampling.BICUBIC)
    save_picture(out / f"{sample.path.stem}.png", np.asarray(picture))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    samples = open_dataset(str(options.raw)).samples
    dev = dev_writers("dhsd", (sample.writer or "" for sample in samples))
    with Pool() as pool:
        list(pool.imap_unordered(partial(widen, out=options.out), samples, chunksize=50))
    rows = []
    for sample in samples:
        name, writer = sample.path.stem, sample.writer or ""
        rows.append((name, f"{name}.png", writer, "dev" if writer in dev else "train", sample.text))
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    print(len({row[2] for row in rows}), "writers, lines:", dict(counts))
    if counts != EXPECTED:
        sys.exit(f"unexpected counts; expected {EXPECTED}; are the raw files the same?")


if __name__ == "__main__":
    main()
