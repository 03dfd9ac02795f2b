"""Spell lines of text with the single letters of UNIPEN's writers: in small letters, in block capitals, or mixed.

python datasets/letters/prepare.py RAW OUT --text FOLDER [--strokes|--other-writers]   (RAW as for unipen; 2 minutes)
"""

from __future__ import annotations

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
from inkread.data.prepare import parser_of, read_label_files, report, seeded, split_of
from inkread.errors import BadInput
from inkread.inputs.ink import Stroke
from inkread.inputs.unipen import read_segments, writer_name
from inkread.synth.compose import WordInk, WriterLetters, spell_line
from inkread.synth.signs import ACCENTS, LIGATURES, SIGNS, STROKES
from inkread.synth.texts import Texts
from inkread.synth.write import MadeLine, add_kinds, make_line, write_lines

EXPECTED = {"train": 8520, "dev": 900}  # lines
LINES_PER_WRITER = 60
ENOUGH = 18  # of the 26 small letters and of the 26 capitals; the others are borrowed
CAPITALS = 0.4  # of the lines are in capitals
MIXED = 0.1  # of the lines have low capitals for some of the small letters
FLAT = 2.2  # times wider than high: a stray stroke, or one of the next letter, and not the letter of the label
CHARACTERS = set(string.ascii_letters + string.digits)
PARTS = (
    CHARACTERS | SIGNS.keys() | ACCENTS.keys() | STROKES.keys() | LIGATURES.keys() | {" "}
)  # of all that can be spelt, in NFD


def read_letters(path: Path) -> list[tuple[str, str, tuple[Stroke, ...]]]:
    """Writer, character and ink of the single characters of a label file; none if its ink is missing."""
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


def spelt_lines(letters: WriterLetters, texts: Texts, rng: np.random.Generator) -> Iterator[WordInk]:
    """LINES_PER_WRITER lines in the letters of one writer."""
    count = 0
    while count < LINES_PER_WRITER:
        line, mixed = texts.random_line(rng, CAPITALS), 0.35 if rng.random() < MIXED else 0.0
        if line.text and can_be_spelt("".join(line.words)):
            count += 1
            yield spell_line(" ".join(line.words), letters, mixed, rng, line.struck)


def make_writer(task: tuple[str, WriterLetters], texts: Texts, out: Path, kind: str) -> list[MadeLine]:
    """One writer's lines."""
    writer, letters = task
    folder, split = re.sub(r"[^\w.-]+", "_", writer), split_of("unipen", writer)
    rng = seeded(f"letters/{writer}")
    lines = enumerate(spelt_lines(letters, texts, rng))
    return [make_line(f"{folder}/{number:02}", line, writer, split, out, kind, rng) for number, line in lines]


def complete(writers: Mapping[str, WriterLetters]) -> dict[str, WriterLetters]:
    """The writers with ENOUGH letters. What is missing they borrow from the next writer of their split that has it."""
    whole: dict[str, WriterLetters] = {}
    for split in ("train", "dev"):
        able = [
            writer
            for writer, letters in sorted(writers.items())
            if min(sum(map(str.islower, letters)), sum(map(str.isupper, letters))) >= ENOUGH
            and split_of("unipen", writer) == split
        ]
        for number, writer in enumerate(able):
            lenders = [writers[name] for name in able[number:] + able[:number]]
            whole[writer] = {letter: ink for lender in reversed(lenders) for letter, ink in lender.items()}
    return whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--text", type=Path, required=True, help="the texts of many languages, LANGUAGE/SOURCE.txt")
    add_kinds(parser)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = Texts.read(options.text)
    writers: dict[str, dict[str, list[tuple[Stroke, ...]]]] = defaultdict(lambda: defaultdict(list))
    with Pool() as pool:
        for found in read_label_files(pool, read_letters, sorted(options.raw.glob("data/*/**/*.dat")), options.raw):
            for writer, character, strokes in found:
                writers[writer][character].append(strokes)
        tasks = list(complete(writers).items())
        # In chunks, as the texts are sent to another process with each of them.
        make = partial(make_writer, texts=texts, out=options.out, kind=options.kind)
        made = [line for lines in pool.imap(make, tasks, chunksize=10) for line in lines]
    write_lines(options.out, made, options.kind)
    counts = Counter(row[3] for row, _ in made)
    report(f"{len(tasks)} writers, lines", counts, EXPECTED)


if __name__ == "__main__":
    main()
