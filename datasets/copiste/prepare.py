"""Cut the pages of Copiste d'un jour into line images.

python datasets/copiste/prepare.py RAW OUT [--alto FOLDER]      (RAW holds jpg/ and alto.tar.xz; a minute on two cores)
"""

from __future__ import annotations

import re
import sys
import tarfile
import tempfile
import unicodedata
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.manifest import Row, write_manifest
from inkread.data.prepare import parser_of, report, save_image, split_of
from inkread.pages.regions import Region, cut_line

EXPECTED = {"train": 4275, "dev": 506}  # lines
ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"
# These write in block capitals. The transcription has the small letters of the text that they copied, so their lines
# are labelled in capitals: the case as it is written.
IN_CAPITALS = {"imp_wikitexte_0160", "wikitexte_0210"}
# The number of the text, which most writers copied at the top of their page.
TEXT_NUMBER = re.compile(r"wiki\W?_?texte?[\W_]*\d|^#\d+$", re.IGNORECASE)


def writer_of(page: str) -> str:
    """Pages _1, _2 and _3 of one text are one writer: wikitexte_0054_1 -> wikitexte_0054."""
    return re.sub(r"_\d$", "", page)


def clean(text: str) -> str:
    """NFC, single spaces, typewritten apostrophes: 81 of 1,234 are typographic, which look the same by hand."""
    return unicodedata.normalize("NFC", " ".join(text.split())).translate({0x2018: "'", 0x2019: "'"})


def points(text: str | None) -> tuple[tuple[float, float], ...]:
    """ "1 2 3 4" -> ((1, 2), (3, 4))"""
    numbers = [float(number) for number in re.split(r"[ ,]+", (text or "").strip())]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def cut_page(alto: Path, images: Path, out: Path) -> list[Row]:
    """Write the line images of one page below `out`. Returns their rows for lines.tsv."""
    page = alto.stem
    grey = np.asarray(Image.open(images / f"{page}.jpg").convert("L"))
    rows = []
    for number, line in enumerate(ElementTree.parse(alto).iter(f"{ALTO}TextLine")):
        text = clean(" ".join(string.get("CONTENT", "") for string in line.iter(f"{ALTO}String")))
        outline = line.find(f"{ALTO}Shape/{ALTO}Polygon")
        if not text or outline is None or TEXT_NUMBER.search(text) or re.search("[<>]", text):
            continue  # > ... < is crossed out
        cut = cut_line(grey, Region(points(outline.get("POINTS")), points(line.get("BASELINE"))))
        name, writer = f"{page}/{number:02}.png", writer_of(page)
        save_image(out / name, cut)
        text = text.upper() if writer in IN_CAPITALS else text
        rows.append((name.removesuffix(".png"), name, writer, split_of("copiste", writer), text))
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--alto", type=Path, help="the unpacked alto.tar.xz")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.alto is None:
            with tarfile.open(options.raw / "alto.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        pages = sorted((options.alto or Path(folder)).rglob("*.xml"))
        with Pool() as pool:
            cut = partial(cut_page, images=options.raw / "jpg", out=options.out)
            rows = [row for rows in pool.imap(cut, pages) for row in rows]
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    report(f"{len(pages)} pages, {len({row[2] for row in rows})} writers, lines", counts, EXPECTED)


if __name__ == "__main__":
    main()
