"""Cut the pages of an HTR-United repository (ALTO or PAGE, with their images) into line images.

python datasets/htr-united/prepare.py RAW OUT [--one-writer]      (seconds to a minute on two cores)
"""

from __future__ import annotations

import html
import re
import sys
from collections import Counter
from functools import partial
from itertools import groupby
from multiprocessing import Pool
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.alphabet import CROSSED_OUT
from inkread.data import Sample, open_dataset
from inkread.data.manifest import Row, write_manifest
from inkread.data.prepare import dev_writers, mark_crossed_out, parser_of, report, save_image
from inkread.data.samples import clean_text, read_line

# Lines of the repositories this was measured with.
EXPECTED = {
    "poilus": {"train": 1978, "dev": 284, "crossed": 1},
    "mss19": {"train": 1228, "dev": 514, "crossed": 30},
    "peraire": {"train": 662, "dev": 146},
    "tabdec": {"train": 1338, "dev": 197},
    "lectaurep": {"train": 1342, "dev": 205},
}

# Marks for what is illegible, inserted, anonymised or no writing: the text of the line is then not known.
# | is a printed rule of a table.
UNUSABLE = re.compile(r"[<>\[\]{}⋎|~#¥→]|XXX| v |^\W+$")
LOOK_ALIKES = str.maketrans("’‘“”„—–_ſ", '\'\'"""---s')
NUMERO = re.compile(r"(?<=[nN\d])\^[oO0](?!\w)")  # n^o, 1^o
PRINTED = re.compile(r"printed|header|Artefact|Stamp")  # labels of regions and lines

NARROWEST, WIDEST = 0.13, 1.5  # line heights per character; beyond, the text is not that of the outline


def page_of(sample: Sample) -> str:
    return sample.id.rpartition("/")[0]


def writer_of(sample: Sample) -> str:
    """The folder of a page if it has one, else its file name without the page number: will_0252-1 -> will_0252."""
    page = page_of(sample)
    return page.partition("/")[0] if "/" in page else re.sub(r"-\d+$", "", page)


def transcription(text: str) -> str:
    """What is written, or "" if that is not known: "80^ème Régiment n^o 7 >de<" -> "80ème Régiment n° 7✗"."""
    text = mark_crossed_out(html.unescape(text).translate(LOOK_ALIKES))
    if UNUSABLE.search(text):
        return ""
    return clean_text(NUMERO.sub("°", text).replace("^", ""))


def fits(sample: Sample, text: str) -> bool:
    """Whether the text is about as long as the outline of its line."""
    assert sample.region is not None
    width, height = np.ptp(sample.region.polygon, axis=0)
    return bool(NARROWEST < width / height / len(text) < WIDEST)


def printed_lines(raw: Path) -> set[str]:
    """The ids of the lines that are tagged as print in ALTO, or lie in regions that are."""
    found = set()
    for file in raw.rglob("*.xml"):
        root = ElementTree.parse(file).getroot()
        tags = {tag.get("ID") for tag in root.iterfind(".//{*}OtherTag") if PRINTED.search(tag.get("LABEL", ""))}
        for block in root.iterfind(".//{*}TextBlock"):
            for line in block.iterfind("{*}TextLine"):
                if tags.intersection(f"{block.get('TAGREFS')} {line.get('TAGREFS')}".split()):
                    found.add(f"{file.relative_to(raw).with_suffix('')}/{line.get('ID')}")
    return found


def cut_page(samples: list[Sample], out: Path) -> None:
    """Write the line images of one page."""
    for sample in samples:
        save_image(out / f"{sample.id}.png", read_line(sample))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--one-writer", action="store_true", help="all pages are by one writer; split them by page")
    options = parser.parse_args()
    name, printed = options.out.name, printed_lines(options.raw)
    found = [sample for sample in open_dataset(str(options.raw)).samples if sample.id not in printed]
    texts = {sample.id: text for sample in found if (text := transcription(sample.text))}
    samples = [sample for sample in found if sample.id in texts and fits(sample, texts[sample.id])]
    dev = dev_writers(name, map(page_of if options.one_writer else writer_of, samples))
    with Pool() as pool:
        pages = [list(page) for _, page in groupby(samples, page_of)]
        list(pool.imap_unordered(partial(cut_page, out=options.out), pages))
    rows: list[Row] = []
    for sample in samples:
        writer = name if options.one_writer else writer_of(sample)
        split = "dev" if dev & {writer, page_of(sample)} else "train"
        if split == "dev" and CROSSED_OUT in texts[sample.id]:
            split = "crossed"
        rows.append((sample.id, f"{sample.id}.png", writer, split, texts[sample.id]))
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    report(f"{len(pages)} pages, {len({row[2] for row in rows})} writers, lines", counts, EXPECTED.get(name))


if __name__ == "__main__":
    main()
