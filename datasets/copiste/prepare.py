"""Cut the pages of Copiste d'un jour into line images.

python datasets/copiste/prepare.py RAW OUT [--alto FOLDER]      (RAW holds jpg/ and alto.tar.xz; a minute on two cores)

With --found, lines are cut out as inkread finds them on the page, as those of users are: with other outlines and
baselines than those of the truth. Lines that it does not find, or not whole, are left out.
"""

from __future__ import annotations

import re
import sys
import tarfile
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.alphabet import CROSSED_OUT, without_crossed_out
from inkread.data.manifest import Row, write_manifest
from inkread.data.prepare import mark_crossed_out, parser_of, report, save_image, split_of
from inkread.data.samples import clean_text
from inkread.evaluation.pages import match_lines
from inkread.pages.regions import Region, cut_line
from inkread.pages.segment import find_lines

SAME = 0.95  # of the width of a line
EXPECTED = {"train": 4383, "dev": 506, "crossed": 6}  # lines
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


def as_read(text: str) -> str:
    """The text with a mark for what is crossed out, "" if that is not known: "un>e< joueur" -> "un✗ joueur"."""
    marked = clean_text(mark_crossed_out(text))
    return "" if re.search("[<>]", marked) or not without_crossed_out(marked).strip() else marked


def points(text: str | None) -> tuple[tuple[float, float], ...]:
    """ "1 2 3 4" -> ((1, 2), (3, 4))"""
    numbers = [float(number) for number in re.split(r"[ ,]+", (text or "").strip())]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def lines_of(alto: Path) -> Iterator[tuple[int, str, Region]]:
    """The number, text and place of each line of a page that can be used. What is crossed out is marked in the text."""
    for number, line in enumerate(ElementTree.parse(alto).iter(f"{ALTO}TextLine")):
        text = clean(" ".join(string.get("CONTENT", "") for string in line.iter(f"{ALTO}String")))
        outline = line.find(f"{ALTO}Shape/{ALTO}Polygon")
        if not as_read(text) or outline is None or TEXT_NUMBER.search(text):
            continue
        yield number, text, Region(points(outline.get("POINTS")), points(line.get("BASELINE")))


def as_found(grey: np.ndarray, lines: list[tuple[int, str, Region]]) -> list[tuple[int, str, Region]]:
    """The lines that inkread finds whole on a page, each with the number and text of the true line that it matches."""
    found = [region for paragraph in find_lines(grey).paragraphs for region in paragraph]
    matches = sorted(match_lines([region for _, _, region in lines], found))
    return [(*lines[i][:2], found[j]) for i, j in matches if same_ends(lines[i][2], found[j])]


def same_ends(first: Region, second: Region) -> bool:
    """Whether two outlines begin and end at nearly the same places."""
    (left, right), (other_left, other_right) = (
        (min(x for x, _ in region.polygon), max(x for x, _ in region.polygon)) for region in (first, second)
    )
    return min(right, other_right) - max(left, other_left) > SAME * (max(right, other_right) - min(left, other_left))


def cut_page(alto: Path, images: Path, out: Path, found: bool) -> list[Row]:
    """Write the line images of one page below `out`. Returns their rows for lines.tsv."""
    page, writer = alto.stem, writer_of(alto.stem)
    grey = np.asarray(Image.open(images / f"{page}.jpg").convert("L"))
    lines, rows = list(lines_of(alto)), []
    for number, text, region in as_found(grey, lines) if found else lines:
        name = f"{page}/{number:02}.png"
        save_image(out / name, cut_line(grey, region))
        split = split_of("copiste", writer)
        text = as_read(text.upper() if writer in IN_CAPITALS else text)
        if split == "dev" and CROSSED_OUT in text:
            split = "crossed"
        rows.append((name.removesuffix(".png"), name, writer, split, text))
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--alto", type=Path, help="the unpacked alto.tar.xz")
    parser.add_argument("--found", action="store_true", help="cut lines out as inkread finds them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.alto is None:
            with tarfile.open(options.raw / "alto.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        pages = sorted((options.alto or Path(folder)).rglob("*.xml"))
        with Pool() as pool:
            cut = partial(cut_page, images=options.raw / "jpg", out=options.out, found=options.found)
            rows = [row for rows in pool.imap(cut, pages) for row in rows]
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    report(
        f"{len(pages)} pages, {len({row[2] for row in rows})} writers, lines",
        counts,
        None if options.found else EXPECTED,
    )


if __name__ == "__main__":
    main()
