"""Searchable PDFs of Copiste: words in their place, additional time and size.

    python benchmarks/searchable_pdf.py ../shared/data/copiste
    python benchmarks/searchable_pdf.py ../shared/data/copiste --every 4 --keep pdfs

The pages are those of the writers in the split dev, as `benchmarks/pages.py --split dev` has them. Each is read and
written as a PDF. `pdftotext -bbox` of poppler-utils then lists the words of the PDF with their boxes, and those that
are read as they were written are compared with the truth. The ALTO files have the place and the text of each line, not
of its words: these are estimated by the widths of printed letters and the gaps in the ink, without the recogniser. A
word of two letters may then be estimated beside where it is, so the share is also given with a tolerance of 2 % of the
width of the page.

Time is that of the processor, on one core: writing the PDF, with loading the libraries for it once, compared with
reading the page. Size is that of the PDFs compared with the files of the images.
"""

import argparse
import html
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

sys.path.insert(0, str(Path(__file__).parents[1]))
from pages import of_split

import inkread
from inkread.data import Sample, open_dataset
from inkread.document.overlay import load_font
from inkread.evaluation.pages import pages_of
from inkread.inputs import Images, open_input
from inkread.pages.regions import Grey, cut_out

INK_CONTRAST = 40  # levels of grey by which ink is darker than the paper
LETTER = 100  # units per em, of letters in print
SPACE = 60  # width of a space between handwritten words beside them
LETTER_SPREAD = 0.35  # standard deviation of the width of a handwritten letter, compared with half an em
ON_INK = 8.0  # a space that is full of ink is as unlikely as a width four standard deviations from the mean: 4^2 / 2
TOLERANCE = 0.02  # of the width of the page: so far the true place may be wrong
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="the folder of Copiste")
    parser.add_argument("--model", default="latin", help="(default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth page (default: all)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the PDFs there")
    arguments = parser.parse_args()

    folder = arguments.keep or Path("/tmp/inkread-pdf")
    folder.mkdir(parents=True, exist_ok=True)
    pages = list(pages_of(of_split(open_dataset(arguments.dataset), "dev")).items())[:: arguments.every]
    reader = inkread.load(arguments.model)
    began = time.process_time()
    from inkread.outputs import pdf

    writing = time.process_time() - began
    reader.read(pages[0][0][0], page=True)  # loads the models
    reading = 0.0
    sizes, counts = [], []
    for (path, _), samples in pages:
        began = time.process_time()
        document = reader.read(path, page=True)
        read = time.process_time()
        images = open_input(path)
        assert isinstance(images, Images)
        written = pdf.write(document, images)
        reading, writing = reading + read - began, writing + time.process_time() - read
        file = folder / f"{path.stem}.pdf"
        file.write_bytes(written)
        sizes.append((path.stat().st_size, len(written)))
        width = document.pages[0].width
        counts.append(compare(true_words(samples, images[0]), pdf_words(file, width), TOLERANCE * width))
    images_size, pdf_size = np.sum(sizes, axis=0)
    larger, largest = pdf_size / images_size - 1, max(after / before - 1 for before, after in sizes)
    words, read_right, in_place, near = np.sum(counts, axis=0)
    print(f"{len(pages)} pages, {words} words, of which {read_right} were read as they were written")
    print(
        f"{100 * in_place / read_right:.1f} % of these overlap the true word, "
        f"{100 * near / read_right:.1f} % with the tolerance"
    )
    print(
        f"reading {reading / len(pages):.2f} s per page, writing {writing / len(pages):.3f} s: "
        f"{100 * writing / reading:+.1f} %"
    )
    print(f"images {images_size / 1e6:.1f} MB, PDFs {100 * larger:+.1f} %; the worst page {100 * largest:+.1f} %")


def true_words(samples: list[Sample], page: Grey) -> list[tuple[str, Box]]:
    """The words of the lines with their boxes."""
    words = []
    height, width = page.shape
    for sample in samples:
        assert sample.region is not None
        cut = cut_out(page, sample.region.fitted(width, height))
        texts = sample.text.split()
        for text, (start, end) in zip(texts, word_columns(cut.image, texts), strict=True):
            x, y = zip(*cut.outline(start, end), strict=True)
            words.append((text, (min(x), min(y), max(x), max(y))))
    return words


def word_columns(line: Grey, texts: list[str]) -> list[tuple[float, float]]:
    """The first and last column of each word in the image of a line (h, w).

    The most likely division, if words are as wide as in print, up to a normal distribution, and spaces have little ink.
    """
    dark = (line < np.median(line) - INK_CONTRAST).sum(axis=0)  # (w,)
    ruled, usual = np.percentile(dark, (10, 75))  # ruled lines are in the spaces, too
    ink = np.clip((dark - ruled) / max(usual - ruled, 1), 0, 1)  # (w,)
    inked = np.flatnonzero(ink)
    start, end = (float(inked[0]), float(inked[-1])) if len(inked) else (0.0, float(len(ink)))
    font = load_font(LETTER)
    widths = np.array([font.getlength(text) + SPACE for text in texts])  # (n,), with a space
    scale = (end - start + 1) / (widths.sum() - SPACE)
    half = scale * SPACE / 2
    expected, spread = scale * widths, scale * LETTER_SPREAD * np.sqrt(LETTER / 2 * widths)
    places = np.arange(start - half, end + half + 1, max(1.0, half / 4))  # (places,): of the middles of spaces
    sums = np.cumsum(np.concatenate([[0.0], ink]))
    left, right = (np.clip(places + side * half, 0, len(ink)).astype(int) for side in (-1, 1))
    on_ink = ON_INK * (sums[right] - sums[left]) / np.maximum(right - left, 1)  # (places,): a cost, as the next
    distances = places[None, :] - places[:, None]  # (from, to)
    costs = np.where(np.arange(len(places)) == 0, 0.0, np.inf)
    came_from = []
    for width, deviation in zip(expected, spread, strict=True):
        all_costs = costs[:, None] + np.where(distances > 0, ((distances - width) / deviation) ** 2 / 2, np.inf)
        came_from.append(all_costs.argmin(axis=0))
        costs = all_costs.min(axis=0) + on_ink
    at = [len(places) - 1]
    for previous in reversed(came_from):
        at.append(int(previous[at[-1]]))
    middles = places[at[::-1]]
    return [(float(begin + half), float(stop - half)) for begin, stop in pairwise(middles)]


def pdf_words(file: Path, width: int) -> list[tuple[str, Box]]:
    """The words that poppler finds, in pixels of a page of this width."""
    command = ["pdftotext", "-enc", "UTF-8", "-bbox", str(file), "-"]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    scale = width / float(re.findall(r'<page width="([\d.]+)"', found)[0])
    words = re.findall(r'<word xMin="(.*)" yMin="(.*)" xMax="(.*)" yMax="(.*)">(.*)</word>', found)
    return [
        (html.unescape(text), (scale * float(x), scale * float(y), scale * float(x2), scale * float(y2)))
        for x, y, x2, y2, text in words
    ]


def compare(true: list[tuple[str, Box]], found: list[tuple[str, Box]], tolerance: float) -> tuple[int, int, int, int]:
    """The number of true words; of those read; of those of them that overlap; and that overlap with a tolerance."""
    equal = overlapping = near = 0
    for block in Levenshtein.opcodes([text for text, _ in true], [text for text, _ in found]):
        if block.tag != "equal":
            continue
        for offset in range(block.src_end - block.src_start):
            left, top, right, bottom = true[block.src_start + offset][1]
            x, y, x2, y2 = found[block.dest_start + offset][1]
            equal += 1
            distance = max(x - right, left - x2)
            overlapping += distance < 0 and y < bottom and y2 > top
            near += distance < tolerance and y < bottom and y2 > top
    return len(true), equal, overlapping, near


if __name__ == "__main__":
    main()
