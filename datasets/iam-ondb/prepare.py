"""Draw the pen strokes of IAM-OnDB as line pictures.

python datasets/iam-ondb/prepare.py RAW OUT [--leave-out FORMS.txt]   (RAW holds lineStrokes/, ascii/ and splits/;
                                                                        a minute on two cores)
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from functools import partial
from hashlib import sha256
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.dataset import Sample, open_dataset, write_manifest
from inkread.strokes import Stroke, read_inks
from inkread.synthesis import Word, draw_line
from inkread.trajectory import measure_body

SPLITS = {"trainset": "train", "testset_t": "train", "testset_v": "dev"}
EXPECTED = {  # lines: as they are, and without the forms whose text also stands on IAM development or test pages
    False: {"train": 6810, "dev": 1435},
    True: {"train": 6641, "dev": 1370},
}


def in_body_heights(strokes: tuple[Stroke, ...]) -> list[Stroke]:
    """Strokes in heights of their small letters, measured along the slope of the line."""
    x, y = np.concatenate(strokes).T
    slope = np.polyfit(x, y, 1)[0] if np.ptp(x) > 4 * np.ptp(y) else 0.0
    _, body = measure_body([stroke - np.outer(stroke[:, 0], [0, slope]) for stroke in strokes])
    return [stroke / body for stroke in strokes]


def draw(out: Path, sample: Sample) -> tuple[str, str, str, str, str]:
    """Draw one line below `out` and return its row for lines.tsv."""
    rng = np.random.default_rng(int(sha256(sample.id.encode()).hexdigest()[:8], 16))
    name = f"{sample.path.parent.name}/{sample.id}.png"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    line = Word(sample.text, in_body_heights(read_inks(sample.path)[0].strokes))
    Image.fromarray(draw_line(line, rng)).save(out / name, compress_level=4)
    return sample.id, name, "", SPLITS[sample.split or ""], sample.text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", type=Path, help="a list of forms, one a line")
    options = parser.parse_args()
    left_out = set(options.leave_out.read_text().split()) if options.leave_out else set()
    samples = [
        sample
        for sample in open_dataset(str(options.raw)).samples
        if sample.split in SPLITS and "#" not in sample.text and sample.id.rpartition("-")[0] not in left_out
    ]
    with Pool() as pool:
        rows = pool.map(partial(draw, options.out), samples, chunksize=50)
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    print(len({row[1].split("/")[0] for row in rows}), "forms, lines:", dict(counts))
    expected = EXPECTED[bool(left_out)]
    if counts != expected:
        print(f"unexpected counts; expected {expected}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
