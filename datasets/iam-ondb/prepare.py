"""Draw the pen strokes of IAM-OnDB as line images, or collect them in one file.

python datasets/iam-ondb/prepare.py RAW OUT [--strokes] [--leave-out FORMS.txt]
                                    (RAW holds lineStrokes/, ascii/ and splits/; a minute on two cores)
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread._files import write_atomic
from inkread.data import Sample, open_dataset
from inkread.data.manifest import write_manifest
from inkread.data.prepare import parser_of, report, seeded
from inkread.features.ink import baseline_and_x_height
from inkread.inputs import read_inks
from inkread.inputs.ink import Ink, Stroke
from inkread.inputs.json_ink import to_json_line
from inkread.synth.compose import WordInk
from inkread.synth.write import write_image

SPLITS = {"trainset": "train", "testset_t": "train", "testset_v": "dev"}
EXPECTED = {  # lines: as they are, and without the forms whose text also stands on IAM development or test pages
    False: {"train": 6810, "dev": 1435},
    True: {"train": 6641, "dev": 1370},
}


CLOCK = re.compile(rb'(?:start_time|end_time)="([\d.]+)"')
JUST_SET = 1e6  # seconds: an earlier time means that the clock had just been set
LONGEST_PAUSE = 600  # seconds between two forms of one writer

Times = tuple[float, float]


def form_of(sample: Sample) -> str:
    """The form that a line stands on, which one writer filled in."""
    return sample.id.rpartition("-")[0]


def read_clock(sample: Sample) -> Times:
    """When the first stroke of a line began and when the last ended, in seconds."""
    times = [float(time) for time in CLOCK.findall(sample.path.read_bytes())]
    return min(times), max(times)


def writers_of(forms: Mapping[str, Times]) -> dict[str, str]:
    """The writer of each form, named after their first form; `forms` are the times when they were begun and finished.

    The files do not name the writers. Most of them filled in eight forms one after another, with texts in alphabetical
    order, before the next writer came. A form whose clock had just been set counts as a writer of its own.
    """
    writers: dict[str, str] = {}
    before, done = "", 0.0
    for form, (begun, _) in sorted(forms.items(), key=lambda item: item[1]):
        goes_on = begun > JUST_SET and begun - done < LONGEST_PAUSE and form[0] >= before[:1]
        writers[form] = writers[before] if goes_on else form
        before, done = form, forms[form][1]
    return writers


def in_body_heights(strokes: tuple[Stroke, ...]) -> list[Stroke]:
    """Strokes in body heights, measured along the slope of the line."""
    x, y = np.concatenate(strokes).T
    slope = np.polyfit(x, y, 1)[0] if np.ptp(x) > 4 * np.ptp(y) else 0.0
    _, body = baseline_and_x_height([stroke - np.outer(stroke[:, 0], [0, slope]) for stroke in strokes])
    return [stroke / body for stroke in strokes]


def as_json(sample: Sample) -> str:
    """A line with its strokes, in the units of the whiteboard, as a row of lines.jsonl."""
    strokes = read_inks(sample.path)[0].strokes
    return to_json_line(sample.id, Ink(strokes, sample.text, sample.writer, sample.split))


def draw(out: Path, sample: Sample) -> tuple[str, str, str, str, str]:
    """Draw one line below `out`. Returns its row for lines.tsv."""
    name = f"{sample.path.parent.name}/{sample.id}.png"
    line = WordInk(sample.text, in_body_heights(read_inks(sample.path)[0].strokes))
    write_image(out / name, line, seeded(sample.id))
    return sample.id, name, sample.writer or "", sample.split or "", sample.text


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--strokes", action="store_true", help="write pen strokes instead of images: OUT/lines.jsonl")
    parser.add_argument("--leave-out", type=Path, help="a list of forms, one per line")
    options = parser.parse_args()
    left_out = set(options.leave_out.read_text().split()) if options.leave_out else set()
    everything = open_dataset(str(options.raw)).samples
    forms: dict[str, Times] = {}
    with Pool() as pool:
        for sample, (begun, done) in zip(everything, pool.map(read_clock, everything, chunksize=50), strict=True):
            first, last = forms.get(form_of(sample), (begun, done))
            forms[form_of(sample)] = min(first, begun), max(last, done)
    writers = writers_of(forms)
    samples = [
        replace(sample, writer=writers[form_of(sample)], split=SPLITS[sample.split])
        for sample in everything
        if sample.split in SPLITS and "#" not in sample.text and form_of(sample) not in left_out
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    with Pool() as pool:
        if options.strokes:
            lines = pool.map(as_json, samples, chunksize=50)
            write_atomic(options.out / "lines.jsonl", "".join(f"{line}\n" for line in lines).encode("utf-8"))
        else:
            write_manifest(options.out / "lines.tsv", pool.map(partial(draw, options.out), samples, chunksize=50))
    counts = Counter(sample.split for sample in samples)
    report(f"{len({sample.writer for sample in samples})} writers, lines", counts, EXPECTED[bool(left_out)])


if __name__ == "__main__":
    main()
