"""Prepare the texts that the shipped language models are trained and measured on.

python datasets/text/prepare.py RAW OUT --copiste LINES.tsv      (RAW holds masc.txt, fr/common-voice.txt, ...; minutes)
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread._languages import LANGUAGES
from inkread.data.prepare import parser_of, report, split_of
from inkread.lm.text import LOOK_ALIKES, WORD
from inkread.synth.texts import CHARACTERS, ENTRIES, SHARE_ALIKE

BOOKS = {"en": ("masc", "us-speeches", "books-en"), "fr": ("books-fr",)}  # not in the folders of their languages
# Of these sources only every so-manieth paragraph is taken: Norwegian of before 1917 is spelt like Danish.
SPARSE = {"eltec-oldspelling": 3}
MOST = 3_000_000  # characters that are read of a source
RARE = 20  # a paragraph with a character beyond ASCII that occurs less often in its language is left out
SCORED = 300_000  # characters of a validation text, which is enough to measure bits per character
EXPECTED = {  # thousand characters to learn from, and to measure on
    "english": (21662, 332), "french": (9006, 337), "german": (12790, 373), "spanish": (8553, 302),
    "italian": (8772, 325), "dutch": (3944, 441), "portuguese": (6421, 361), "polish": (3610, 394),
    "czech": (2790, 322), "swedish": (3277, 349), "danish": (2575, 303), "norwegian": (618, 65), "finnish": (2952, 323),
}  # fmt: skip
# Not part of the books: notes of their transcribers, and the Dutch glossary of the French schoolbook.
NOT_TEXT = re.compile(r"Gutenberg|https?:|Transcribe|^Produced by")
DUTCH = re.compile(r"\b(het|een|zich|zijn|ik|wij|niet|van de)\b")
TYPED = LOOK_ALIKES | str.maketrans({"‚": "'", "‐": "-", "‑": "-", "\u00a0": " "})


def paragraphs_of(path: Path) -> Iterator[str]:
    """The paragraphs of a text, without marks of its transcribers; tables, addresses and formulas are left out."""
    text = path.read_text("utf-8")[:MOST].replace("…", "...").translate(TYPED)
    if path.stem in ENTRIES:
        yield from text.splitlines()
        return
    text = re.sub(r"[_=*{}|<>~^\\`´¬®¦·⁄\u00ad]", "", text)
    text = re.sub(r"(\w)- (\w)", r"\1-\2", text) if path.stem == "masc" else text  # "Winston- Salem"
    text = re.sub(r"(\d) - (\w)", r"\1-\2", text)  # "14 - year-old"
    text = re.sub(r" *-{2,} *", " - ", text)
    for line in text.splitlines():
        line = re.sub(r"\[Illustration[^]]*\]", "", line).strip()
        is_note = NOT_TEXT.search(line) or (path.stem == "books-fr" and DUTCH.search(line))
        if not is_note and sum(c.isalpha() or c == " " for c in line) > 0.85 * len(line):
            yield line


def sources_of(raw: Path, code: str) -> Iterator[Path]:
    """The files of a language that may be used without sharing the model alike."""
    yield from (raw / f"{name}.txt" for name in BOOKS.get(code, ()))
    yield from (path for path in sorted((raw / code).glob("*.txt")) if path.stem not in SHARE_ALIKE)


def split(raw: Path, code: str) -> dict[str, list[str]]:
    """The paragraphs of a language to learn from ("train") and to measure on ("dev")."""
    parts: dict[str, list[str]] = {"train": [], "dev": []}
    for path in sources_of(raw, code):
        for number, paragraph in enumerate(paragraphs_of(path)):
            if CHARACTERS.issuperset(paragraph) and number % SPARSE.get(path.stem, 1) == 0:
                parts[split_of("text", paragraph)].append(paragraph)
    return parts


def frequent_words(raw: Path, code: str, paragraphs: list[str]) -> list[str]:
    """The frequent words of a language (wordfreq), as far as they can be written with the characters of its texts.

    They are in small letters there. Those of German are taken as they are written in the texts, as its nouns have
    capitals.
    """
    known = set().union(*paragraphs)
    rows = (raw / code / "wordfreq.tsv").read_text("utf-8").splitlines()
    words = (row.split("\t")[0] for row in rows)
    words = (word for word in words if len(word) > 1 and known.issuperset(word) and WORD.fullmatch(word))
    if code != "de":
        return list(words)
    counts = Counter(word for paragraph in paragraphs for word in WORD.findall(paragraph))
    return [form for word in words if counts[form := max(word, word.capitalize(), key=counts.__getitem__)]]


def lines_of_copiste(manifest: Path) -> list[str]:
    """The training lines of Copiste. Its validation lines stay unseen."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text"].translate(TYPED) for row in rows if row["split"] == "train"]


def spread(paragraphs: list[str], most: int) -> list[str]:
    """Paragraphs of about `most` characters in all, spread evenly over the given ones."""
    step = max(1, sum(map(len, paragraphs)) // most)
    return paragraphs[::step]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--copiste", type=Path, required=True, help="the manifest made by datasets/copiste/prepare.py")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for code, language in LANGUAGES.items():
        parts = split(options.raw, code)
        if code == "fr":
            parts["train"] += lines_of_copiste(options.copiste)
        counts = Counter(character for paragraph in parts["train"] for character in paragraph)
        known = {character for character, count in counts.items() if count >= RARE or character.isascii()}
        parts = {part: list(filter(known.issuperset, paragraphs)) for part, paragraphs in parts.items()}
        parts["dev"] = spread(parts["dev"], SCORED)
        parts["words"] = frequent_words(options.raw, code, parts["train"])
        for part, paragraphs in parts.items():
            (options.out / f"{language}-{part}.txt").write_text("\n".join(paragraphs) + "\n", encoding="utf-8")
        found[language] = tuple(sum(map(len, paragraphs)) // 1000 for paragraphs in (parts["train"], parts["dev"]))
        print(language, found[language], "".join(sorted(known)), flush=True)
    report("thousand characters to learn from, and to measure on", found, EXPECTED)


if __name__ == "__main__":
    main()
