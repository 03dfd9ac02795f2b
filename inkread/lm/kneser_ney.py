"""Estimate an n-gram model from text: interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999).

An n-gram is packed into one integer with `bits` bits per token, the first token in the highest bits. So sorting the
integers sorts the n-grams, a shift gives the context and a mask gives the suffix.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import normal
from inkread.errors import BadConfig, BadInput
from inkread.lm.ngram import END, IMPOSSIBLE, START, UNKNOWN, NgramModel, smallest_type
from inkread.lm.text import WORD

Keys = NDArray[np.uint64]  # packed n-grams
Counts = tuple[Keys, NDArray[np.int64]]  # the n-grams of one length, sorted, and how often each occurs

# How the start and the end of a line are marked while counting: non-characters of Unicode, which no text contains.
LINE_START, LINE_END = "\U0010fffe", "\U0010ffff"
KEY_BITS = 64
MOST_WORDS = 60_000  # of the text that are kept; each start of the program has to sort them
# Discounts of a count of 0, 1, 2, and 3 or more, where the text is too short to estimate them.
DEFAULT_DISCOUNTS = (0.0, 0.5, 1.0, 1.5)


@dataclass
class _Level:
    """The n-grams of one length, sorted."""

    keys: Keys
    log_p: NDArray[np.float64]
    backoff: NDArray[np.float64]
    loss: NDArray[np.float64]  # nats by which log p of the whole text falls if the n-gram is left out


def fit(lines: Iterable[str], order: int = 7, prune: float = 0.0, words: Iterable[str] = ()) -> NgramModel:
    """Estimate a model from lines of text.

    order: characters in the longest n-gram; fewer if all lines are shorter. prune: leave out an n-gram if this lowers
    the log-probability of the whole text by less than so many nats (Seymore and Rosenfeld 1996). words: words of the
    language that the text may lack. The MOST_WORDS most frequent words of the text are kept with their counts.
    Raises BadInput if there is no text, BadConfig if the order is too high for the alphabet.
    """
    if not prune >= 0:
        raise BadConfig(f"prune={prune}: must be a number that is not negative")
    text = "".join(f"{LINE_START}{_without_marks(normal(line))}{LINE_END}" for line in lines)
    characters = sorted(set(text) - {LINE_START, LINE_END})
    if not characters:
        raise BadInput("there is no text to learn a language from", hint="give files with lines of text")
    tokens = (START, END, UNKNOWN, *characters)
    bits = (len(tokens) - 1).bit_length()
    if order * bits > KEY_BITS:
        problem = f"order {order} is too high for {len(characters)} characters"
        raise BadConfig(f"{problem}: at most {KEY_BITS // bits} is possible")
    counts = _count(_encode(text, characters), order, bits)
    levels: list[_Level] = []
    for n in range(1, len(counts) + 1):
        levels.append(_estimate(n, counts, levels[-1] if levels else None, len(tokens), bits))
    _prune(levels, prune, bits)
    for n in range(1, len(levels)):
        _set_backoffs(levels, n, bits)
    return _as_model(tokens, levels, bits, _lexicon(text, words))


def _lexicon(text: str, others: Iterable[str]) -> dict[str, int]:
    """The most frequent words of a text, sorted, with their counts, and other words as if each occurred once."""
    found = dict(Counter(WORD.findall(text)).most_common(MOST_WORDS))
    small = {word.lower() for word in found}  # "oslo" is not added where the text has "Oslo"
    found |= {word: 1 for word in map(normal, others) if word.lower() not in small}
    return dict(sorted(found.items()))


def _without_marks(line: str) -> str:
    return line.replace(LINE_START, "").replace(LINE_END, "")


def _encode(text: str, characters: Sequence[str]) -> Keys:
    """The token of each character: 0 and 1 for the start and end of a line, from 3 on for the characters."""
    code = np.zeros(0x110000, np.uint64)  # by code point
    code[[ord(character) for character in (LINE_START, LINE_END, *characters)]] = [0, 1, *range(3, len(characters) + 3)]
    return code[np.frombuffer(text.encode("utf-32-le"), np.uint32)]


def _count(stream: Keys, order: int, bits: int) -> list[Counts]:
    """Count the n-grams of each length up to `order`, or up to the longest line, that lie within one line."""
    ends = np.flatnonzero(stream == 1)
    left = np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(len(stream)) + 1  # tokens up to the end of the line
    window, counts = np.zeros_like(stream), []
    for n in range(1, min(order, int(left.max())) + 1):
        window = (window[: len(stream) - n + 1] << np.uint64(bits)) | stream[n - 1 :]
        counts.append(np.unique(window[left[: len(window)] >= n], return_counts=True))
    return counts


def _estimate(n: int, counts: list[Counts], shorter: _Level | None, vocabulary: int, bits: int) -> _Level:
    """Estimate the probabilities of the n-grams of length n (Chen and Goodman 1999):

    p(token | context) = (count - discount(count) + freed * p(token | shorter context)) / total,
    total = the sum of the counts in this context, freed = the sum of the discounts.
    """
    keys, raw = counts[n - 1]
    adjusted = _adjusted_counts(n, counts, bits)
    if shorter is None:  # all tokens, whether they occur or not; START is never predicted
        adjusted = np.bincount(keys.astype(np.int64), adjusted, vocabulary).astype(np.int64)
        keys, adjusted[0] = np.arange(vocabulary, dtype=np.uint64), 0
        lower = np.full(vocabulary, 1 / (vocabulary - 1))
    else:
        lower = np.exp(shorter.log_p[np.searchsorted(shorter.keys, keys & _mask(n - 1, bits))])
    discount = _discounts(adjusted)[np.minimum(adjusted, 3)]
    first, group = _groups(keys >> np.uint64(bits))
    total, freed = np.add.reduceat(adjusted, first)[group], np.add.reduceat(discount, first)[group]
    p = (adjusted - discount + freed * lower) / total
    if shorter is None:
        p[0] = math.exp(IMPOSSIBLE)
        loss = np.full(vocabulary, np.inf)  # single tokens are always kept
    else:
        loss = raw * np.log(p * total / (freed * lower))
    return _Level(keys, np.log(p), np.zeros(len(keys)), loss)


def _adjusted_counts(n: int, counts: list[Counts], bits: int) -> NDArray[np.int64]:
    """Kneser-Ney's counts: how many different tokens precede each n-gram; the longest n-grams keep their counts.

    Nothing precedes an n-gram at the start of a line, so it keeps its count. These n-grams come first, as START is 0.
    """
    raw = counts[n - 1][1]
    if n == len(counts):
        return raw
    preceding = np.unique(counts[n][0] & _mask(n, bits), return_counts=True)[1]
    return np.concatenate([raw[: len(raw) - len(preceding)], preceding])


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What to subtract from a count of 0, 1, 2, and 3 or more (Chen and Goodman 1999, modified Kneser-Ney)."""
    n1, n2, n3, n4 = np.bincount(counts, minlength=5)[1:5].tolist()  # how many counts are 1, 2, 3, 4
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        estimated = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (estimated[1:] > 0).all() and (estimated <= [0, 1, 2, 3]).all():
            return estimated
    return np.array(DEFAULT_DISCOUNTS)  # the text is short, or these are single characters, most of them frequent


def _prune(levels: list[_Level], prune: float, bits: int) -> None:
    """Leave out n-grams whose loss is below `prune`, unless a longer n-gram that is kept needs them as its context."""
    for n in reversed(range(1, len(levels))):
        level, kept = levels[n], levels[n].loss >= prune
        levels[n] = _Level(level.keys[kept], level.log_p[kept], level.backoff[kept], level.loss[kept])
        contexts = np.searchsorted(levels[n - 1].keys, levels[n].keys >> np.uint64(bits))
        levels[n - 1].loss[contexts] = np.inf
    while len(levels) > 1 and not len(levels[-1].keys):
        levels.pop()


def _set_backoffs(levels: list[_Level], n: int, bits: int) -> None:
    """Set the backoff of the contexts of levels[n], so that the probabilities after each context add up to one."""
    level, shorter = levels[n], levels[n - 1]
    contexts = level.keys >> np.uint64(bits)
    first = _groups(contexts)[0]
    own = np.add.reduceat(np.exp(level.log_p), first)
    backed_off = np.add.reduceat(np.exp(_log_p(levels[:n], level.keys & _mask(n, bits), bits)), first)
    # 1e-12: the rest may be zero, or even negative, by rounding
    log_backoff = np.log(np.maximum(1 - own, 1e-12) / np.maximum(1 - backed_off, 1e-12))
    shorter.backoff[np.searchsorted(shorter.keys, contexts[first])] = log_backoff


def _log_p(levels: list[_Level], keys: Keys, bits: int) -> NDArray[np.float64]:
    """log p(last token | tokens before it) of n-grams of the length len(levels), by backoff."""
    log_p = np.zeros(len(keys))
    rest = np.arange(len(keys))  # those not found so far
    for n in reversed(range(len(levels))):
        suffix = keys[rest] & _mask(n + 1, bits)
        index, found = _find(levels[n].keys, suffix)
        log_p[rest[found]] += levels[n].log_p[index[found]]
        rest, suffix = rest[~found], suffix[~found]
        if n:
            index, found = _find(levels[n - 1].keys, suffix >> np.uint64(bits))
            log_p[rest[found]] += levels[n - 1].backoff[index[found]]
    return log_p


def _find(keys: Keys, wanted: Keys) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The index of each wanted key among sorted keys, and whether it is there."""
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return index, keys[index] == wanted


def _groups(contexts: Keys) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each run of equal contexts starts, and the number of the run that each n-gram belongs to."""
    new = np.concatenate([[True], contexts[1:] != contexts[:-1]])
    return np.flatnonzero(new), np.cumsum(new) - 1


def _mask(n: int, bits: int) -> np.uint64:
    """The bits of the last n tokens."""
    return np.uint64((1 << n * bits) - 1)


def _as_model(tokens: Sequence[str], levels: list[_Level], bits: int, words: Mapping[str, int]) -> NgramModel:
    """The trie of packed n-grams."""
    children = [np.array([len(tokens)])]
    for shorter, longer in pairwise(levels):
        contexts = longer.keys >> np.uint64(bits)
        children.append(np.diff(np.searchsorted(contexts, np.append(shorter.keys, shorter.keys[-1] + np.uint64(1)))))
    children.append(np.zeros(len(levels[-1].keys), np.int64))
    return NgramModel(
        tokens,
        len(levels),
        smallest_type(np.concatenate([[0], *(level.keys & _mask(1, bits) for level in levels)])),
        smallest_type(np.concatenate(children)),
        np.concatenate([[0.0], *(level.log_p for level in levels)]).astype(np.float32),
        np.concatenate([[0.0], *(level.backoff for level in levels)]).astype(np.float32),
        words="\n".join(words),
        word_counts=np.array([*words.values()], np.uint32),
    )
