"""Searchable PDFs of Copiste: words in their place, additional time and size.

    python benchmarks/searchable_pdf.py ../shared/data/copiste
    python benchmarks/searchable_pdf.py ../shared/data/copiste --every 4 --keep pdfs

The pages are those of the writers in the split dev, as `benchmarks/pages.py --split dev` has them. Each is read and
written as a PDF. `pdftotext -bbox` of poppler-utils then lists the words of the PDF with their boxes, and those that are
read as they were written are compared with the truth. The ALTO files have the place and the text of each line: the
place of a word is the part of its baseline that its letters take up among those of the line, as high as its line.

Time is that of the processor, on one core: writing the PDF, with loading the libraries for it once, compared with
reading the page. Size is that of the PDFs compared with the files of the images.
"""

import argparse
import html
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

sys.path.insert(0, str(Path(__file__).parents[1]))
import inkread
from inkread.data import Sample, open_dataset
from inkread.evaluation.pages import pages_of
from inkread.inputs import Images, open_input
from pages import of_split

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
        counts.append(compare(true_words(samples, width, document.pages[0].height), pdf_words(file, width)))
    images_size, pdf_size = np.sum(sizes, axis=0)
    words, read_right, in_place, centred = np.sum(counts, axis=0)
    print(f"{len(pages)} pages, {words} words, of which {read_right} were read as they were written")
    print(
        f"{100 * in_place / read_right:.1f} % of these overlap the true word; the middle of {100 * centred / read_right:.1f} % is in it"
    )
    print(
        f"reading {reading / len(pages):.2f} s per page, writing {writing / len(pages):.3f} s: +{100 * writing / reading:.1f} %"
    )
    largest = max(after / before - 1 for before, after in sizes)
    print(
        f"images {images_size / 1e6:.1f} MB, PDFs {100 * (pdf_size / images_size - 1):+.1f} %; the worst page {100 * largest:+.1f} %"
    )


def true_words(samples: list[Sample], width: int, height: int) -> list[tuple[str, Box]]:
    """The words of the lines with their boxes, by the shares of their characters in the baseline."""
    words = []
    for sample in samples:
        assert sample.region is not None
        region = sample.region.fitted(width, height)
        polygon, baseline = np.array(region.polygon), np.array(region.baseline)
        (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
        along = np.linspace(left, right, len(sample.text) + 1)
        for match in re.finditer(r"\S+", sample.text):
            start, end = along[match.start()], along[match.end()]
            base = float(np.interp((start + end) / 2, baseline[:, 0], baseline[:, 1]))
            slope = float(np.ptp(baseline[:, 1]))
            words.append(
                (match[0], (start, max(top, base - (bottom - top - slope)), end, min(bottom, base + slope + 5)))
            )
    return words


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


def compare(true: list[tuple[str, Box]], found: list[tuple[str, Box]]) -> tuple[int, int, int, int]:
    """The number of true words, of those read, of those of them that overlap, and whose middle is in the true box."""
    equal = overlapping = centred = 0
    for block in Levenshtein.opcodes([text for text, _ in true], [text for text, _ in found]):
        if block.tag != "equal":
            continue
        for offset in range(block.src_end - block.src_start):
            left, top, right, bottom = true[block.src_start + offset][1]
            x, y, x2, y2 = found[block.dest_start + offset][1]
            equal += 1
            overlapping += x < right and x2 > left and y < bottom and y2 > top
            centred += left < (x + x2) / 2 < right and top < (y + y2) / 2 < bottom
    return len(true), equal, overlapping, centred


if __name__ == "__main__":
    main()
