"""New lines of text in real hands: a writer's lines cut where a model reads one letter after another, and the pieces -
letters, parts of words, whole words - set anew.

A network learns the words of its lines along with the letters, and of few lines it knows the words by heart. Set anew,
the same ink says something else every time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np

from inkread.inputs.ink import Stroke
from inkread.synth.compose import Word

OVERLAP = 0.15  # body heights that a letter may reach back over the one before where the pen was lifted between them
LONGEST = 12  # characters of a piece
WIDEST = 3.0  # body heights a character
FEWEST_GAPS = 5  # of which a hand's own are taken


@dataclass
class Hand:
    """What one writer's lines were cut into, in body heights: the ink of some characters of a word, by their text, as
    often as they were met; and the gaps left between letters and between words.
    """

    pieces: dict[str, list[list[Stroke]]] = field(default_factory=lambda: defaultdict(list))
    letter_gaps: list[float] = field(default_factory=list)
    word_gaps: list[float] = field(default_factory=list)


def cut_line(hand: Hand, text: str, strokes: Sequence[Stroke], places: Sequence[float], sure: Sequence[bool]) -> None:
    """Add to a hand what a line can be cut into.

    strokes: as they stand, see `features.ink.straighten`.
    places: for each character of the text, among the points of all strokes, where it is read.
    sure: whether it is read there without doubt; what is doubtful is left out.
    """
    letters = [index for index, character in enumerate(text) if character != " "]
    lefts = np.array([stroke[:, 0].min() for stroke in strokes])
    rights = np.array([stroke[:, 0].max() for stroke in strokes])
    # Of the ink before and behind the first point of each stroke, as far as it reaches to the other side.
    gaps = np.minimum.accumulate(lefts[::-1])[::-1][1:] - np.maximum.accumulate(rights)[:-1]
    firsts = np.cumsum([len(stroke) for stroke in strokes[:-1]])
    cuts: dict[int, int] = {0: 0, len(letters): len(strokes)}  # the strokes before a letter
    for number, (before, after) in enumerate(pairwise(letters), start=1):
        between = np.flatnonzero((firsts > places[before]) & (firsts <= places[after]))
        apart = after - before > 1  # there is a space
        if len(between) and gaps[between].max() > (0 if apart else -OVERLAP):
            widest = between[gaps[between].argmax()]
            cuts[number] = int(widest) + 1
            (hand.word_gaps if apart else hand.letter_gaps).append(float(gaps[widest]))
    for first, end in combinations(sorted(cuts), 2):
        piece = slice(letters[first], letters[end - 1] + 1)
        spelt, ink = text[piece], list(strokes[cuts[first] : cuts[end]])
        if len(spelt) > LONGEST or " " in spelt or not all(sure[piece]):
            continue
        if width_of(ink) < WIDEST * len(spelt):
            hand.pieces[spelt].append(ink)


def respell(text: str, length: int, hand: Hand, rng: np.random.Generator) -> Word:
    """A line in a hand, in body heights: the words of a text that its pieces can spell, up to `length` characters or a
    few more.
    """
    strokes: list[Stroke] = []
    words: list[str] = []
    right = 0.0
    for word in text.split():
        if len(" ".join(words)) >= length:
            break
        pieces = find_pieces(word, hand, rng)
        if pieces and words:
            right += float(rng.choice(hand.word_gaps))
        for number, piece in enumerate(pieces):
            if number:
                right += float(rng.choice(hand.letter_gaps))
            left = min(stroke[:, 0].min() for stroke in piece)
            strokes += [stroke + [right - left, 0.0] for stroke in piece]
            right += width_of(piece)
        words += [word] if pieces else []
    return Word(" ".join(words), strokes)


def width_of(strokes: Sequence[Stroke]) -> float:
    return float(np.ptp(np.concatenate(strokes)[:, 0]))


def find_pieces(word: str, hand: Hand, rng: np.random.Generator) -> list[list[Stroke]]:
    """Pieces that spell a word, mostly few; none where it can't be spelt."""
    best: list[tuple[float, int]] = [(0.0, 0)]  # the cost of spelling so far, and where the last piece begins
    for end in range(1, len(word) + 1):
        begins = [begin for begin in range(max(0, end - LONGEST), end) if word[begin:end] in hand.pieces]
        costs = [best[begin][0] + 1 + rng.exponential() for begin in begins]
        best.append(min(zip(costs, begins, strict=True), default=(np.inf, 0)))
    if not np.isfinite(best[-1][0]):
        return []
    found: list[list[Stroke]] = []
    end = len(word)
    while end:
        choice = hand.pieces[word[best[end][1] : end]]
        found.insert(0, choice[int(rng.integers(len(choice)))])
        end = best[end][1]
    return found
