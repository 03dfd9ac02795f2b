"""List pages with known lines for the page network: baselines, heights of letters, and the split by writer.

python datasets/pages/prepare.py OUT --copiste RAW --htr-united RAW/poilus RAW/mss19 ...      (a minute on two cores)

RAW of Copiste holds jpg/ and alto.tar.xz. The images stay where they are.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from itertools import groupby
from multiprocessing import Pool
from pathlib import Path
from types import ModuleType

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data import Sample, open_dataset
from inkread.data.page_truth import TrueLine, TruePage, write_pages
from inkread.data.prepare import dev_writers, split_of
from inkread.inputs import open_images
from inkread.pages.regions import Region, cut_out

ONE_WRITER = {"peraire"}  # split by page
HIGHEST, LOWEST = 0.15, 0.5  # share of an outline's height: heights of letters that are believed


def script(name: str) -> ModuleType:
    """prepare.py of another dataset."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / name / "prepare.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


htr_united, copiste = script("htr-united"), script("copiste")


def x_height(page: np.ndarray, region: Region) -> float:
    """The rows above the baseline with at least half as much ink as the fullest one, in the straightened line."""
    cut = cut_out(page, region)
    dark = 255.0 - cut.image
    ink = np.clip(dark - np.percentile(dark, 60, axis=0) - 15, 0, 60)  # (h, w)
    profile = ink.mean(axis=1)
    above = profile[: max(2, cut.baseline_row + 1)][::-1]  # from the baseline upwards
    height = len(profile)
    fullest = above[: max(2, round(LOWEST * height))].max()
    low = np.flatnonzero((above <= 0.5 * fullest) & (np.arange(len(above)) > above.argmax()))
    rows = float(low[0]) if len(low) else LOWEST * height
    return float(np.clip(rows, HIGHEST * height, LOWEST * height))


def true_page(samples: list[Sample], name: str, writer: str, split: str) -> TruePage:
    """A page, with its lines' heights kept near the median of the page: they are hard to measure in a short line."""
    page = open_images(samples[0].path)[samples[0].page]
    regions = [sample.region.fitted(page.shape[1], page.shape[0]) for sample in samples if sample.region]
    regions = [region for region in regions if np.ptp(region.baseline, axis=0).max() > 1]
    heights = [x_height(page, region) for region in regions]
    median = float(np.median(heights)) if heights else 0.0
    lines = tuple(
        TrueLine(region.baseline, float(np.clip(height, median / 1.5, median * 1.5)))
        for region, height in zip(regions, heights, strict=True)
    )
    return TruePage(str(samples[0].path.absolute()), name, writer, split, lines)


def jobs_of_htr_united(raw: Path) -> list[tuple[list[Sample], str, str, str]]:
    """The pages of a repository; the split is that of its lines."""
    name, printed = raw.name, htr_united.printed_lines(raw)
    found = [sample for sample in open_dataset(str(raw)).samples if sample.id not in printed]
    usable = [
        sample for sample in found if (text := htr_united.transcription(sample.text)) and htr_united.fits(sample, text)
    ]
    key = htr_united.page_of if name in ONE_WRITER else htr_united.writer_of
    dev = dev_writers(name, map(key, usable))
    pages = [list(page) for _, page in groupby(found, htr_united.page_of)]
    return [
        (page, name, name if name in ONE_WRITER else key(page[0]), "dev" if key(page[0]) in dev else "train")
        for page in pages
    ]


def jobs_of_copiste(alto: Path, raw: Path) -> list[tuple[list[Sample], str, str, str]]:
    """The pages of Copiste."""
    jobs = []
    for _, group in groupby(open_dataset(str(alto)).samples, htr_united.page_of):
        page = list(group)
        writer = copiste.writer_of(page[0].path.stem)
        image = raw / "jpg" / f"{page[0].path.stem}.jpg"
        samples = [Sample(s.id, image, s.text, page=0, region=s.region) for s in page]
        jobs.append((samples, "copiste", writer, split_of("copiste", writer)))
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--copiste", type=Path, metavar="RAW")
    parser.add_argument("--htr-united", type=Path, nargs="*", default=[], metavar="RAW")
    options = parser.parse_args()
    jobs = [job for raw in options.htr_united for job in jobs_of_htr_united(raw)]
    with tempfile.TemporaryDirectory() as folder, Pool() as pool:
        if options.copiste:
            with tarfile.open(options.copiste / "alto.tar.xz") as tar:
                tar.extractall(folder, filter="data")
            jobs += jobs_of_copiste(Path(folder), options.copiste)
        pages = pool.starmap(true_page, jobs, chunksize=4)
    write_pages(options.out, pages)
    counts = Counter((page.set, page.split) for page in pages)
    lines = Counter({key: sum(len(p.lines) for p in pages if (p.set, p.split) == key) for key in counts})
    for key in sorted(counts):
        print(*key, f"{counts[key]} pages, {lines[key]} lines")


if __name__ == "__main__":
    main()
