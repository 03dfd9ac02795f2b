"""The IAM handwriting database as it is distributed: lines.txt, forms.txt, line images, and lists of ids as splits."""

import re
from collections.abc import Iterator
from pathlib import Path

from inkread.alphabet import CROSSED_OUT
from inkread.data._reading import read_text
from inkread.data.samples import Sample
from inkread.errors import BadDataset

NAME = "IAM's lines.txt"
LINES = ("ascii/lines.txt", "lines.txt")
ID = re.compile(r"[a-z]\d\d-\d{3}[a-z]?(-\d\d)?")  # of a form, as a01-000u, or of a line, as a01-000u-00


def recognizes(path: Path) -> bool:
    """A folder with lines.txt or ascii/lines.txt."""
    return _lines_file(path) is not None


def _lines_file(folder: Path) -> Path | None:
    return next((folder / name for name in LINES if (folder / name).is_file()), None)


def read(folder: Path) -> Iterator[Sample]:
    """lines.txt has rows `a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop`; # starts a comment."""
    lines = _lines_file(folder)
    assert lines is not None, "recognised"
    writers, splits = _read_writers(lines.with_name("forms.txt")), read_splits(folder)
    current, open_quotes = "", set[str]()
    for number, row in enumerate(read_text(lines).splitlines(), 1):
        if not row.strip() or row.startswith("#"):
            continue
        fields = row.split(" ", 8)  # the ninth is the transcription, in which a token may hold spaces
        if len(fields) < 9 or not ID.fullmatch(fields[0]):
            raise BadDataset("not a line of IAM's lines.txt", path=lines, line=number, hint="download it again")
        id = fields[0]
        form = id.rpartition("-")[0]
        if form != current:
            current, open_quotes = form, set()
        text = join_tokens(fields[8].split("|"), open_quotes)
        yield Sample(id, _find_image(folder, form, id), text, writers.get(form), splits.get(id) or splits.get(form))


def _find_image(folder: Path, form: str, id: str) -> Path:
    """The image of a line, in a tree of folders as distributed or in one folder; the first of these if none exists."""
    candidates = (f"lines/{form[:3]}/{form}/{id}.png", f"lines/{id}.png", f"png/{id}.png", f"{id}.png")
    images = [folder / candidate for candidate in candidates]
    return next((image for image in images if image.exists()), images[0])


def join_tokens(tokens: list[str], open_quotes: set[str]) -> str:
    """Tokens -> text as it is written: ["Griffiths", ",", "\\"", "prop", "up", "\\"", "."] -> 'Griffiths, "prop up".'

    IAM separates punctuation from words. A quotation may run over several lines, so `open_quotes` is kept from one
    line of a form to the next. A 0 before a letter marks an abbreviation in the LOB corpus, from which the texts were
    copied: 0M P. # stands for a word that is crossed out.
    """
    text, glued = "", True  # glued: no space before the next token
    for place, token in enumerate(tokens):
        if token in ('"', "'"):
            opens = (place == 0 and len(tokens) > 1) or (token not in open_quotes and place < len(tokens) - 1)
            (open_quotes.add if opens else open_quotes.discard)(token)
            text += token if glued or not opens else " " + token
            glued = opens
        else:
            token = CROSSED_OUT if token == "#" else token
            closes = re.fullmatch(r"[.,;:?!)]+\"?|'(s|d|m|ll|re|ve)|n't", token)
            text += ("" if glued or closes else " ") + re.sub(r"^0(?=[A-Za-z])", "", token)
            glued = token == "("
            if token.startswith('"'):
                open_quotes.add('"')
            if re.search(r"\"\W*$", token[1:]):
                open_quotes.discard('"')
    return text


def _read_writers(forms: Path) -> dict[str, str]:
    """forms.txt: `a01-000u 000 2 prt 7 5 52 36` -> {"a01-000u": "000"}; empty if there is no such file."""
    rows = [row.split() for row in read_text(forms).splitlines() if not row.startswith("#")] if forms.is_file() else []
    return {row[0]: row[1] for row in rows if len(row) > 1}


def read_splits(folder: Path) -> dict[str, str]:
    """The split of forms or lines, {id: name}: a list such as trainset.txt has nothing but ids, one per line."""
    splits: dict[str, str] = {}
    for file in sorted((*folder.glob("*.txt"), *folder.glob("*/*.txt"))):
        ids = file.read_text("utf-8", "replace").split()
        if ids and all(map(ID.fullmatch, ids)):
            splits.update(dict.fromkeys(ids, file.stem))
    return splits
