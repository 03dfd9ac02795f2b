"""Draw lines of text in handwriting fonts.

python datasets/fonts/prepare.py RAW OUT --text FOLDER      (RAW holds *.woff2; 5 minutes on two cores; needs fonttools)
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from PIL import Image, ImageFont

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.dataset import split_of, write_manifest
from inkread.features.image import at_most
from inkread.synth.compose import draw_text, seeded

EXPECTED = {"train": 24480, "dev": 1360}  # lines
LINES_A_FONT = 340
TALLEST = 92  # pixels
# Type rather than handwriting, and two that came without their licence.
LEFT_OUT = {"comic-neue", "comic-relief", "itim", "condiment", "nova-script"}
CAPITALS_ONLY = {"amatic-sc", "permanent-marker", "rock-salt"}
SHARES = {"masc": 0.3, "us-speeches": 0.12, "books-en": 0.16, "books-fr": 0.27, "made": 0.15}
# What a hand does not tell apart is written in one way.
PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "—": "-", "–": "-", "…": "...", "\u00a0": " "})

# Each a choice of words.
FIRST = "Anna|Ben|Claire|David|Élise|François|Grace|Hélène|Ian|Jules|Karen|Léa|Mark|Noël|Olga|Peter|Rose|Søren|Théo|Zoë"
LAST = "Adams|Bernard|Côté|Dupré|Evans|Fischer|Gagné|Hughes|Ivory|Jäger|Kelly|Lefèvre|Muñoz|Nguyen|O'Brien|Parker|Roy"
STREETS = "Main Street|Oak Avenue|High Road|rue de l'Église|boulevard Saint-Michel|Queen's Drive|place d'Armes"
TOWNS = "Boston, MA|Leeds|Montréal (Québec)|Genève|Bath|Saint-Étienne|Dublin|Austin, TX|Nîmes"
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
MOIS = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
ITEMS = "bread|milk|coffee|stamps|paper|café|œufs|beurre|pommes|thé|crème|ciseaux"


def make_text(rng: np.random.Generator) -> str:
    """A date, amount, address, name, list or formula, of the kind that running text has little of."""

    def pick(words: str) -> str:
        choice = words.split("|")
        return choice[int(rng.integers(len(choice)))]

    n, m = (int(rng.integers(low, high)) for low, high in ((1, 32), (0, 60)))
    big, year = int(rng.integers(100, 99999)), int(rng.integers(1750, 2031))
    name = f"{pick(FIRST)} {pick(LAST)}"
    kinds = [
        f"{pick(MONTHS)} {n}, {year}",
        f"le {n} {pick(MOIS)} {year}",
        f"{pick(DAYS)} {n} {pick(MOIS)}, {n % 24} h {m:02}",
        f"{n:02}/{n % 12 + 1:02}/{year % 100:02}",
        f"{year}-{n % 12 + 1:02}-{n:02}",
        f"{n % 12 + 1}:{m:02} {pick('a.m.|p.m.|PM|AM')}",
        f"{pick('$|£|€')}{big:,}.{m:02}",
        f"{n},{m:02} €",
        f"Total: {big} {pick('$|€|kg|km|%')}",
        f"{n} x {m} = {n * m}",
        f"{n} + {m} = {n + m}",
        f"{m}% of {big:,}",
        f"{n * 7} {pick(STREETS)}, {pick(TOWNS)} {big:05}",
        f"({n + 200}) {m + 300}-{big % 10000:04}",
        f"0{n % 9 + 1} {m:02} {n:02} {big % 100:02} {year % 100:02}",
        f"Dear {name},",
        f"Cher {pick(FIRST)}, chère {pick(FIRST)},",
        f"Mr. {name} & Mrs. {pick(LAST)}",
        f"{pick(FIRST).lower()}.{pick(LAST).lower()}@mail.com",
        f"{pick(ITEMS)}, {pick(ITEMS)} ({n}), {pick(ITEMS)}; {pick(ITEMS)}",
        f"{n}. {pick(ITEMS).capitalize()} - {m}",
        f"« {pick(ITEMS).capitalize()} ! » dit {pick(FIRST)}.",
        f'"{pick(ITEMS).capitalize()}?" asked {name}.',
        f"No. {big}/{n}-{chr(65 + m % 26)}",
        f"{chr(65 + m % 26)}. {pick(LAST)} [{year}], p. {m}",
    ]
    return kinds[int(rng.integers(len(kinds)))]


def read_words(path: Path) -> list[str]:
    """The words of a text, freed of the marks of its transcribers."""
    text = path.read_text("utf-8").translate(PLAIN)
    text = re.sub(r"[_=*{}|<>~^\\`´¬®¦ª·⁄\u00ad]", "", text)
    text = re.sub(r"(\w)- (\w)", r"\1-\2", text)  # masc: "Winston- Salem"
    return re.sub(r"\s*-{2,}\s*", " - ", text).split()


def pick_text(words: dict[str, list[str]], rng: np.random.Generator) -> str:
    """A line of 1 to 75 characters from one of the texts, cut between words."""
    source = rng.choice(list(SHARES), p=list(SHARES.values()))
    if source == "made":
        return make_text(rng)
    target = int(75 * rng.beta(1.6, 1.0)) + 1
    start = int(rng.integers(len(words[source]) - 40))
    text = words[source][start]
    for word in words[source][start + 1 :]:
        if len(text) + 1 + len(word) > target:
            break
        text += f" {word}"
    return text[:75].strip()


def draw_font(path: Path, words: dict[str, list[str]], out: Path) -> list[tuple[str, str, str, str, str]]:
    """Draw LINES_A_FONT lines below `out`, of characters the font has, and return their rows for lines.tsv."""
    name = path.stem
    rng = seeded(name)
    covered = {chr(code) for code in TTFont(path).getBestCmap()} | {" "}
    fonts = {size: ImageFont.truetype(str(path), size) for size in range(30, 54, 4)}
    (out / name).mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str, str, str]] = []
    while len(rows) < LINES_A_FONT:
        text = pick_text(words, rng)
        if name in CAPITALS_ONLY:
            text = text.upper()
        if not text or not set(text) <= covered:
            continue
        picture = Image.fromarray(draw_text(text, fonts[int(rng.choice(list(fonts)))], rng))
        file = f"{name}/{len(rows):03}.png"
        Image.fromarray(at_most(picture, TALLEST)).save(out / file)
        rows.append((file.removesuffix(".png"), file, name, split_of("fonts", name), text))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--text", type=Path, required=True, help="holds masc.txt, us-speeches.txt, books-en.txt, books-fr.txt"
    )
    options = parser.parse_args()
    words = {name: read_words(options.text / f"{name}.txt") for name in SHARES if name != "made"}
    fonts = [path for path in sorted(options.raw.glob("*.woff2")) if path.stem not in LEFT_OUT]
    with Pool() as pool:
        drawn = pool.imap(partial(draw_font, words=words, out=options.out), fonts)
        rows = [row for rows in drawn for row in rows]
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    print(len(fonts), "fonts, lines:", dict(counts))
    if counts != EXPECTED:
        sys.exit(f"unexpected counts; expected {EXPECTED}; are the raw files the same?")


if __name__ == "__main__":
    main()
