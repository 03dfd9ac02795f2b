"""Markdown: paragraphs, headings and lists, below a front matter in YAML that says where the text is from.

Each line of writing is a line of the text. A word that is broken at the end of a line is joined, so that a search finds
it: "to-" and "gether we" become "together" and "we". So a hyphen of the word itself is lost there, as in "peut-être".
"""

import datetime
import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

from inkread._names import one_line, printable
from inkread.document.elements import Document, Line, Page, Paragraph

HEADING = "## "
# A paragraph of one line is a heading if its letters are larger than those of most lines, so many times, ...
LARGER = 1.3
SHORTER = 0.75  # ... if it takes up at most this share of the longest line, and if it does not end like a sentence.
SENTENCE_END = (".", ",", ";", ":")
SHOWN = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg")  # images that viewers of Markdown show

_ITEM = re.compile(r"(?:[-–•·*]|(\d{1,3})[.)]) +(?=\S)")  # how an item of a list begins
_BROKEN = re.compile(r"(?<=[^\W\d_])[-‐]$")  # a hyphen behind a letter at the end of a line
# What would begin a heading, a quotation, a list, code or a rule, if it is at the start of a line.
_BLOCK = re.compile(r"#{1,6}(?= |$)|>|[-+*](?= |$)|\d{1,9}(?=[.)](?: |$))|```|~~~|=+$|-+$|(?=([-*_])(?: *\1){2,} *$)")
_ALWAYS_SPECIAL = r"\\(?=[!-/:-@\[-`{-~]|$)|&(?=#?\w+;)|<(?=[A-Za-z/!?])"
_SPECIAL_IN_PAIRS = {"*": r"\*(?=\S)|(?<=\S)\*", "_": r"(?<!\w)_(?=\S)|(?<=\S)_(?!\w)", "`": "`", "~": "~"}
_LINKS = re.compile(r"\][(:\[]|\[\[")  # without one of these, brackets are only brackets


def write(document: Document, link: str | None = None) -> str:
    """All pages, with a rule between them. With a `link`, each page begins with a link there, the file that was read.

    The link is a relative or absolute URL. Viewers show an image in its place, or open a PDF at the page.
    """
    pages = [page.upright for page in document.pages]  # headings are told by their height
    texts = ["\n\n".join(_blocks(page, _page_link(link, page.number) if link else "")) for page in pages]
    body = "\n\n---\n\n".join(texts)
    return f"{_front_matter(document)}\n{body}\n" if body.strip() else _front_matter(document)


def _front_matter(document: Document) -> str:
    """Source, date, model, language, mean confidence of words; texts are quoted as in JSON, which YAML includes."""
    words = [word for page in document.pages for line in page.lines for word in line.words]
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    rows = [f"source: {_quoted(Path(document.name).name)}", f"date: {now}"]
    if document.model:
        rows.append(f"model: {_quoted(document.model)}")
    if document.language:
        rows.append(f"language: {document.language}")
    if words:
        rows.append(f"confidence: {fmean(word.confidence for word in words):.3f}")
    return "\n".join(["---", *rows, "---", ""])


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)


def _page_link(link: str, number: int) -> str:
    if link.lower().endswith(SHOWN):
        return f"![page {number}]({link})"
    return f"[page {number}]({link}{f'#page={number}' if link.lower().endswith('.pdf') else ''})"


def _blocks(page: Page, link: str) -> Iterator[str]:
    """The headings, paragraphs and lists of a page."""
    if link:
        yield link
    for paragraph in page.paragraphs:
        if _is_heading(paragraph, page):
            yield HEADING + _escape([paragraph.text.strip()])[0]
        elif paragraph.written:
            yield from _paragraph(_join_words([line.text.strip() for line in paragraph.written]))


def _is_heading(paragraph: Paragraph, page: Page) -> bool:
    if len(paragraph.lines) != 1 or len(page.lines) < 3 or paragraph is page.paragraphs[-1]:
        return False
    (line,) = paragraph.lines
    usual, longest = median(map(_height, page.lines)), max(map(_length, page.lines))
    text = line.text.strip()
    return (
        any(character.isalpha() for character in text)  # not the number of the page
        and _height(line) >= LARGER * usual
        and _length(line) <= SHORTER * longest
        and not text.endswith(SENTENCE_END)
        and not _ITEM.match(text)
    )


def _length(line: Line) -> float:
    """How far the outline of a line reaches from left to right."""
    x = [x for x, _ in line.polygon]
    return max(x, default=0.0) - min(x, default=0.0)


def _height(line: Line) -> float:
    """The mean height of the outline of a line: its area over its length."""
    points = list(line.polygon)
    area = sum(x * other_y - other_x * y for (x, y), (other_x, other_y) in pairwise([*points, *points[:1]]))
    return abs(area) / 2 / max(1.0, _length(line))


def _join_words(lines: list[str]) -> list[str]:
    """Complete the words that are broken at the ends of lines: ["to-", "gether we"] -> ["together", "we"]."""
    joined: list[str] = []
    for line in lines:
        if joined and _BROKEN.search(joined[-1]) and line[:1].islower():
            rest, _, line = line.partition(" ")
            joined[-1] = joined[-1][:-1] + rest
        if line:
            joined.append(line)
    return joined


def _paragraph(lines: Sequence[str]) -> Iterator[str]:
    """A paragraph, and behind it a list where lines begin like its items; further lines belong to the item above."""
    starts = [number for number, line in enumerate(lines) if _ITEM.match(line)]
    before = lines[: starts[0]] if starts else lines
    if before:
        yield "\n".join(_escape(before))
    if starts:
        ends = [*starts[1:], len(lines)]
        yield "\n".join(_item(lines[start:end]) for start, end in zip(starts, ends, strict=True))


def _item(lines: Sequence[str]) -> str:
    """An item of a list: ["• milk and", "eggs"] -> "- milk and\n  eggs"."""
    marker = _ITEM.match(lines[0])
    assert marker
    bullet = f"{marker[1]}. " if marker[1] else "- "
    return bullet + f"\n{' ' * len(bullet)}".join(_escape([lines[0][marker.end() :], *lines[1:]]))


def _escape(lines: Sequence[str]) -> list[str]:
    """The lines of a paragraph, with a backslash before characters that would not be shown as what they are."""
    whole = "\n".join(lines)
    special = [_ALWAYS_SPECIAL]
    special += [pattern for sign, pattern in _SPECIAL_IN_PAIRS.items() if whole.count(sign) > 1]
    if _LINKS.search(whole):
        special.append(r"\[")
    pattern = re.compile("|".join(special))
    return [_escape_start(pattern.sub(r"\\\g<0>", one_line(line))) for line in lines]


def _escape_start(line: str) -> str:
    block = _BLOCK.match(line)
    if not block:
        return line
    return f"{block[0]}\\{line[block.end() :]}" if block[0].isdigit() else f"\\{line}"
