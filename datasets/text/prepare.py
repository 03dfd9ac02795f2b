"""Prepare the texts that the shipped language models are trained and measured on.

python datasets/text/prepare.py RAW OUT --copiste LINES.tsv      (RAW holds masc.txt and the others; seconds)
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.prepare import parser_of, report, split_of
from inkread.lm.text import LOOK_ALIKES

LANGUAGES = {"english": ("masc", "us-speeches", "books-en"), "french": ("books-fr",)}
EXPECTED = {"english": (6774, 828), "french": (244, 6)}  # thousand characters to learn from, and to measure on
# Not part of the books: notes of their transcribers, and the Dutch glossary of the French schoolbook.
NOT_TEXT = re.compile(r"Gutenberg|https?:|Transcribe|^Produced by|\b(het|een|zich|zijn|ik|wij|niet|van de)\b")


def paragraphs_of(path: Path) -> list[str]:
    """The paragraphs of a text, without marks of its transcribers; tables, addresses and formulas are left out."""
    text = path.read_text("utf-8").replace("…", "...").translate(LOOK_ALIKES)
    text = re.sub(r"[_=*{}|<>~^\\`´¬®¦ª·⁄\u00ad]", "", text)
    text = re.sub(r"(\w)- (\w)", r"\1-\2", text)  # masc: "Winston- Salem"
    text = re.sub(r"(\d) - (\w)", r"\1-\2", text)  # "14 - year-old"
    text = re.sub(r" *-{2,} *", " - ", text)
    lines = (re.sub(r"\[Illustration[^]]*\]", "", line).strip() for line in text.splitlines())
    texts = (line for line in lines if not NOT_TEXT.search(line))
    return [line for line in texts if sum(c.isalpha() or c == " " for c in line) > 0.85 * len(line)]


def lines_of_copiste(manifest: Path) -> list[str]:
    """The training lines of Copiste. Its validation lines stay unseen."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text"] for row in rows if row["split"] == "train"]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--copiste", type=Path, required=True, help="the manifest made by datasets/copiste/prepare.py")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for language, names in LANGUAGES.items():
        parts: dict[str, list[str]] = {"train": [], "dev": []}
        for paragraph in (paragraph for name in names for paragraph in paragraphs_of(options.raw / f"{name}.txt")):
            parts[split_of("text", paragraph)].append(paragraph)
        if language == "french":
            parts["train"] += lines_of_copiste(options.copiste)
        for part, paragraphs in parts.items():
            (options.out / f"{language}-{part}.txt").write_text("\n".join(paragraphs) + "\n", encoding="utf-8")
        found[language] = tuple(sum(map(len, paragraphs)) // 1000 for paragraphs in parts.values())
    report("thousand characters to learn from, and to measure on", found, EXPECTED)


if __name__ == "__main__":
    main()
