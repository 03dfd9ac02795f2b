"""Recombined lines: new text in the ink of a writer, whose lines are cut into letters, parts of words and words.

A network learns the words of its training lines along with the letters, and overfits to few lines. Recombined, the
same ink has other texts.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np

from inkread.inputs.ink import Stroke
from inkread.synth.compose import WordInk

OVERLAP = 0.15  # body heights by which a letter may reach back over the one before, where the pen was lifted between
LONGEST = 12  # characters of a piece
WIDEST = 3.0  # body heights per character: a wider piece was cut in the wrong place
FEWEST_GAPS = 5  # between letters, and between words: writers with fewer have no spacing of their own


@dataclass
class WriterPieces:
    """The pieces that the lines of one writer were cut into, in body heights."""

    # A text of at most LONGEST characters -> each ink of it that was found.
    pieces: dict[str, list[list[Stroke]]] = field(default_factory=lambda: defaultdict(list))
    letter_gaps: list[float] = field(default_factory=list)  # widths of the gaps between letters
    word_gaps: list[float] = field(default_factory=list)  # and between words


def cut_line(
    writer: WriterPieces, text: str, strokes: Sequence[Stroke], places: Sequence[float], sure: Sequence[bool]
) -> None:
    """Add all pieces of a line to those of its writer.

    strokes: straightened and in body heights, see `features.ink.straighten`.
    places: where each character of the text is read, as a position among the points of all strokes.
    sure: whether each character is read there with certainty; pieces with others are left out.
    """
    letters = [index for index, character in enumerate(text) if character != " "]
    cuts = _find_cuts(writer, letters, strokes, places)
    for first, end in combinations(sorted(cuts), 2):
        piece = slice(letters[first], letters[end - 1] + 1)
        spelt, ink = text[piece], list(strokes[cuts[first] : cuts[end]])
        if len(spelt) > LONGEST or " " in spelt or not all(sure[piece]):
            continue
        if width_of(ink) < WIDEST * len(spelt):
            writer.pieces[spelt].append(ink)


def _find_cuts(
    writer: WriterPieces, letters: Sequence[int], strokes: Sequence[Stroke], places: Sequence[float]
) -> dict[int, int]:
    """Where the line can be cut: {the number of letters before it: the number of strokes before it}.

    It is cut between two letters in the widest gap between strokes. The widths of these gaps are added to `writer`.
    """
    lefts = np.array([stroke[:, 0].min() for stroke in strokes])
    rights = np.array([stroke[:, 0].max() for stroke in strokes])
    # Gap i is before stroke i + 1, between all ink that was written earlier and all that was written later.
    gaps = np.minimum.accumulate(lefts[::-1])[::-1][1:] - np.maximum.accumulate(rights)[:-1]
    firsts = np.cumsum([len(stroke) for stroke in strokes[:-1]])
    cuts = {0: 0, len(letters): len(strokes)}
    for number, (before, after) in enumerate(pairwise(letters), start=1):
        between = np.flatnonzero((firsts > places[before]) & (firsts <= places[after]))
        is_space = after - before > 1
        if len(between) and gaps[between].max() > (0 if is_space else -OVERLAP):
            widest = between[gaps[between].argmax()]
            cuts[number] = int(widest) + 1
            (writer.word_gaps if is_space else writer.letter_gaps).append(float(gaps[widest]))
    return cuts


def recombine(text: str, length: int, writer: WriterPieces, rng: np.random.Generator) -> WordInk:
    """A line of the words of a text that the writer's pieces can spell, in body heights.

    It ends with the word that makes it `length` characters long or longer.
    """
    strokes: list[Stroke] = []
    words: list[str] = []
    right = 0.0
    for word in text.split():
        if len(" ".join(words)) >= length:
            break
        pieces = find_pieces(word, writer, rng)
        if pieces and words:
            right += float(rng.choice(writer.word_gaps))
        for number, piece in enumerate(pieces):
            if number:
                right += float(rng.choice(writer.letter_gaps))
            left = min(stroke[:, 0].min() for stroke in piece)
            strokes += [stroke + [right - left, 0.0] for stroke in piece]
            right += width_of(piece)
        words += [word] if pieces else []
    return WordInk(" ".join(words), strokes)


def width_of(strokes: Sequence[Stroke]) -> float:
    """The width of some ink, in its own units."""
    return float(np.ptp(np.concatenate(strokes)[:, 0]))


def find_pieces(word: str, writer: WriterPieces, rng: np.random.Generator) -> list[list[Stroke]]:
    """Pieces that spell a word, as a rule few and long ones; none if it cannot be spelt.

    The cheapest spelling is found by dynamic programming. A piece costs 1 and a random amount, so that each spelling
    comes up.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]  # for each number of characters: cost, begin of the last piece
    for end in range(1, len(word) + 1):
        begins = [begin for begin in range(max(0, end - LONGEST), end) if word[begin:end] in writer.pieces]
        costs = [best[begin][0] + 1 + rng.exponential() for begin in begins]
        best.append(min(zip(costs, begins, strict=True), default=(np.inf, 0)))
    if not np.isfinite(best[-1][0]):
        return []
    found: list[list[Stroke]] = []
    end = len(word)
    while end:
        choice = writer.pieces[word[best[end][1] : end]]
        found.insert(0, choice[int(rng.integers(len(choice)))])
        end = best[end][1]
    return found
