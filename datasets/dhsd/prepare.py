"""Undo the squeezing of the images of DHSD, German town and street names.

python datasets/dhsd/prepare.py RAW OUT      (RAW holds lines.tsv and img/; seconds)
"""

from __future__ import annotations

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
from inkread.data.prepare import dev_writers, parser_of, report, save_image, seeded
from inkread.data.samples import read_line

EXPECTED = {"train": 3994, "dev": 655}  # lines
USUAL = 12  # characters: longer names were squeezed into images of 256 pixels


def widen(sample: Sample, out: Path) -> None:
    """Write the image of a name, the wider the longer it is, by a random exponent as the original width is unknown."""
    grey = read_line(sample)
    most = max(len(sample.text) / USUAL, 1.0)
    factor = most ** seeded(sample.id).uniform(0.2, 1.2)
    image = Image.fromarray(grey).resize((round(grey.shape[1] * factor), grey.shape[0]), Image.Resampling.BICUBIC)
    save_image(out / f"{sample.path.stem}.png", np.asarray(image))


def main() -> None:
    parser = parser_of(__doc__)
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
    report(f"{len({row[2] for row in rows})} writers, lines", counts, EXPECTED)


if __name__ == "__main__":
    main()
