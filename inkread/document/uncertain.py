"""Which lines are most worth checking: those that are most likely to have an error."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inkread.document.elements import Line, Page

WORDS = 3  # that are named as the reason, at most
CERTAIN = 0.9  # a word of this confidence is no reason


@dataclass(frozen=True)
class UncertainLine:
    """A line, and where it is, as "scan.pdf, page 2, line 5"."""

    place: str
    line: Line

    @property
    def reason(self) -> str:
        """What is uncertain: at most three words, the least certain first; or that there is no text to read."""
        if self.line.is_crossed_out:
            return "crossed out"
        if not self.line.text.strip():
            return "nothing was read"
        words = [word for word in self.line.words if word.confidence < CERTAIN]
        named = heapq.nsmallest(WORDS, words, key=lambda word: word.confidence)
        listed = ", ".join(f"{word.text} {_percent(word.confidence)}" for word in named)
        return f"uncertain: {listed}" if named else "no single word is uncertain"


def lines_of(place: str, page: Page) -> Iterator[UncertainLine]:
    """The lines of a page. Typed text, which has the confidence 1, is not among them."""
    for number, line in enumerate(page.lines, 1):
        if line.confidence < 1:
            yield UncertainLine(place if page.is_line else f"{place}, line {number}", line)


def least_certain(lines: Iterable[UncertainLine], count: int) -> list[UncertainLine]:
    """The `count` lines with the lowest confidence, that is, the highest probability of an error; the lowest first.

    Of lines that are equally certain, those that come first are taken.
    """
    return heapq.nsmallest(count, lines, key=lambda each: each.line.confidence)


def to_report(lines: Sequence[UncertainLine]) -> Iterator[str]:
    """One row of text for each line, below a row that says what they are; nothing for no lines."""
    if lines:
        yield "most worth checking, with the probability that a line has no error:"
    for each in lines:
        text = f"  {each.line.text}" if each.line.text.strip() else ""
        yield f"{_percent(each.line.confidence):>5}  {each.place}:{text}  ({each.reason})"


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.0f} %"
