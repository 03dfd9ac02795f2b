"""Spell lines of text with the single letters that UNIPEN's writers left: printed, in block capitals, or in both.

python datasets/letters/prepare.py RAW OUT --text FOLDER [--strokes|--hands]   (RAW as for unipen; 2 minutes)
"""

from __future__ import annotations

import argparse
import re
import string
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.prepare import split_of
from inkread.errors import BadInput
from inkread.inputs.ink import Stroke
from inkread.inputs.unipen import read_segments, writer_name
from inkread.synth.compose import ACCENTS, PAIRS, SIGNS, STROKES, Hand, Word, seeded, spell_line
from inkread.synth.texts import Texts
from inkread.synth.write import MadeLine, add_kinds, make_line, write_lines

EXPECTED = {"train": 8520, "dev": 900}  # lines
LINES_A_WRITER = 60
ENOUGH = 18  # of the 26 letters, small or capital; the others are borrowed
CAPITALS = 0.4  # of the lines are in capitals
MIXED = 0.1  # of the lines have low capitals for some of the small letters
FLAT = 2.2  # times wider than high: a stray or a neighbour's stroke, not the letter of the label
CHARACTERS = set(string.ascii_letters + string.digits)
PARTS = (
    CHARACTERS | SIGNS.keys() | ACCENTS.keys() | STROKES.keys() | PAIRS.keys() | {" "}
)  # of what can be spelt, in NFD


def read_letters(path: Path) -> list[tuple[str, str, tuple[Stroke, ...]]]:
    """Writer, character and ink of the single characters of a label file; none of the few whose ink is missing."""
    try:
        segments = read_segments(path)
    except BadInput:
        return []
    return [
        (writer_name(segment, path), segment.text, segment.strokes)
        for segment in segments
        if segment.unit == "CHARACTER" and segment.text in CHARACTERS and not is_flat(segment.strokes)
    ]


def is_flat(strokes: tuple[Stroke, ...]) -> bool:
    wide, high = np.ptp(np.concatenate(strokes), axis=0)
    return bool(wide > FLAT * high)


def can_be_spelt(text: str) -> bool:
    return PARTS.issuperset(unicodedata.normalize("NFD", text))


def spelt_lines(hand: Hand, texts: Texts, rng: np.random.Generator) -> Iterator[Word]:
    """LINES_A_WRITER lines in one hand."""
    count = 0
    while count < LINES_A_WRITER:
        writing, mixed = texts.writing(rng, CAPITALS), 0.35 if rng.random() < MIXED else 0.0
        if writing.text and can_be_spelt("".join(writing.words)):
            count += 1
            yield spell_line(" ".join(writing.words), hand, mixed, rng, writing.struck)


def make_writer(task: tuple[str, Hand], texts: Texts, out: Path, kind: str) -> list[MadeLine]:
    """One writer's lines."""
    writer, hand = task
    folder, split = re.sub(r"[^\w.-]+", "_", writer), split_of("unipen", writer)
    rng = seeded(f"letters/{writer}")
    lines = enumerate(spelt_lines(hand, texts, rng))
    return [make_line(f"{folder}/{number:02}", line, writer, split, out, kind, rng) for number, line in lines]


def complete(hands: Mapping[str, Hand]) -> dict[str, Hand]:
    """The hands that have ENOUGH letters, each lent what it lacks by the next of its split that has it."""
    whole: dict[str, Hand] = {}
    for split in ("train", "dev"):
        able = [
            writer
            for writer, hand in sorted(hands.items())
            if min(sum(map(str.islower, hand)), sum(map(str.isupper, hand))) >= ENOUGH
            and split_of("unipen", writer) == split
        ]
        for number, writer in enumerate(able):
            lenders = [hands[name] for name in able[number:] + able[:number]]
            whole[writer] = {letter: ink for lender in reversed(lenders) for letter, ink in lender.items()}
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", type=Path, required=True, help="the texts of many languages, LANGUAGE/SOURCE.txt")
    add_kinds(parser)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = Texts.read(options.text)
    hands: dict[str, dict[str, list[tuple[Stroke, ...]]]] = defaultdict(lambda: defaultdict(list))
    with Pool() as pool:
        for letters in pool.imap(read_letters, sorted(options.raw.glob("data/*/**/*.dat")), chunksize=20):
            for writer, character, strokes in letters:
                hands[writer][character].append(strokes)
        tasks = list(complete(hands).items())
        # By tens, for the texts are sent to another process with every chunk.
        make = partial(make_writer, texts=texts, out=options.out, kind=options.kind)
        made = [line for lines in pool.imap(make, tasks, chunksize=10) for line in lines]
    write_lines(options.out, made, options.kind)
    counts = Counter(row[3] for row, _ in made)
    print(len(tasks), "writers, lines:", dict(counts))
    if counts != EXPECTED:
        sys.exit(f"unexpected counts; expected {EXPECTED}; are the raw files the same?")


if __name__ == "__main__":
    main()
