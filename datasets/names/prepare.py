"""Cut the print off the images of names on French forms.

python datasets/names/prepare.py RAW OUT      (RAW holds lines.tsv and img/; seconds)
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data import open_dataset
from inkread.data.manifest import write_manifest
from inkread.data.prepare import dev_writers, parser_of, report, save_image
from inkread.data.samples import read_line

EXPECTED = {"train": 669, "dev": 118}  # words
# Height and width of the images of one form -> where the print above and left of the name ends (top, left).
FORMS = {(44, 324): (0, 0), (31, 284): (6, 0), (36, 388): (10, 80)}
DARK = 128  # of 255: darker pixels are ink


def main() -> None:
    parser = parser_of(__doc__)
    options = parser.parse_args()
    rows = []
    for sample in open_dataset(str(options.raw)).samples:
        grey, name = read_line(sample), sample.path.stem
        if grey.shape not in FORMS or sample.text != sample.text.upper() or sample.text == "EMPTY":
            continue
        top, left = FORMS[grey.shape]
        word = grey[top:, left:]
        if min(word[0].min(), word[-1].min()) < DARK:
            continue  # more print, or half of the name
        save_image(options.out / f"{name}.png", word)
        rows.append((name, f"{name}.png", name, "", sample.text))
    dev = dev_writers("names", (row[2] for row in rows))
    rows = [(id, file, writer, "dev" if writer in dev else "train", text) for id, file, writer, _, text in rows]
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    report("words", counts, EXPECTED)


if __name__ == "__main__":
    main()
