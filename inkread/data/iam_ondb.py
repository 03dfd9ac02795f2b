"""IAM-OnDB as it is distributed: texts below ascii/, pen strokes below lineStrokes/, and lists of ids as splits."""

import re
from collections.abc import Iterator
from pathlib import Path

from inkread.data._reading import files_below
from inkread.data.iam import join_tokens, read_splits
from inkread.data.samples import Sample, Skipped

NAME = "IAM-OnDB's lineStrokes and ascii"


def recognizes(path: Path) -> bool:
    """A folder with lineStrokes/ and ascii/."""
    return (path / "lineStrokes").is_dir() and (path / "ascii").is_dir()


def read(folder: Path) -> Iterator[Sample | Skipped]:
    """ascii/a01/a01-000/a01-000u.txt has the lines of a form below "CSR:"; lineStrokes/ has one XML file per line."""
    splits = read_splits(folder)
    for transcription in files_below(folder / "ascii", ".txt"):
        form = transcription.stem
        _, found, below = transcription.read_text(encoding="latin-1").partition("CSR:")
        if not found:
            yield Skipped(f"{transcription}: no CSR: in it")
            continue
        strokes = folder / "lineStrokes" / transcription.parent.relative_to(folder / "ascii")
        open_quotes = set[str]()
        for number, line in enumerate(below.strip().splitlines(), 1):
            id = f"{form}-{number:02}"
            text = join_tokens(_join_apostrophes(line).split(" "), open_quotes)
            yield Sample(id, strokes / f"{id}.xml", text, split=splits.get(form))


def _join_apostrophes(line: str) -> str:
    """ "Foot ' s line" -> "Foot's line", with single spaces."""
    return re.sub(r" ' (?=(s|t|d|m|ll|re|ve)\b)", "'", " ".join(line.split()))
