"""Tokens of the recurrent language model: characters, and pieces of words found by byte-pair encoding."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from inkread.alphabet import normal
from inkread.lm.ngram import END, UNKNOWN, check_characters

WORD = re.compile(r" ?[^ ]+| ")  # a word with the space before it; a piece never contains parts of two words


class Tokenizer:
    """Splits text into characters and pieces of words (byte-pair encoding, Sennrich et al. 2016).

    A piece results from merging two tokens that are neighbours. The merges are applied in the order in which they were
    learnt: the most frequent pair first. Token 0 is the end of a line, token 1 any unknown character.
    Raises ValueError for invalid characters or merges.

    >>> tokenizer = Tokenizer.of(["the hat", "the bat"], pieces=2)
    >>> [tokenizer.tokens[token] for token in tokenizer.encode("the at")]
    ['the', ' ', 'a', 't', '</s>']
    """

    def __init__(self, characters: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        check_characters(characters)
        self.characters, self.merges = list(characters), [(left, right) for left, right in merges]
        for left, right in self.merges:
            check_characters(sorted(set(left + right)))
        self.tokens = [END, UNKNOWN, *self.characters, *(left + right for left, right in self.merges)]
        self.code = {token: code for code, token in enumerate(self.tokens)}
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, list[int]] = {}  # the tokens of words encoded before

    @classmethod
    def of(cls, lines: Iterable[str], pieces: int) -> "Tokenizer":
        """A tokenizer learnt from lines. Characters that occur only once become unknown ones."""
        words = Counter(word for line in lines for word in WORD.findall(line))
        seen: Counter[str] = Counter()
        for word, times in words.items():
            for character in word:
                seen[character] += times
        return cls(sorted(character for character, times in seen.items() if times > 1), learn_merges(words, pieces))

    def encode(self, line: str) -> list[int]:
        """The tokens of a line, with its end."""
        found = []
        for word in WORD.findall(normal(line)):
            if word not in self._known:
                self._known[word] = [self.code.get(piece, 1) for piece in self._split(word)]
            found += self._known[word]
        return [*found, 0]

    def _split(self, word: str) -> list[str]:
        """The pieces of a word."""
        parts = list(word)
        while len(parts) > 1:
            first = min(pairwise(parts), key=lambda pair: self._rank.get(pair, math.inf))
            if first not in self._rank:
                break
            parts = merge(parts, first)
        return parts


def merge(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """Merge each occurrence of a pair: ['a', 'b', 'a', 'b'], ('a', 'b') -> ['ab', 'ab']."""
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def learn_merges(words: Counter[str], count: int) -> list[tuple[str, str]]:
    """At most `count` merges of the most frequent pair each time. Pairs that occur once are not merged.

    words: the words of the text and how often each occurs. After a merge only the words with this pair are recounted.
    """
    parts = {word: list(word) for word in words}
    times: Counter[tuple[str, str]] = Counter()
    containing: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def tally(word: str, sign: int) -> None:
        for pair in pairwise(parts[word]):
            times[pair] += sign * words[word]
            containing[pair].add(word)

    for word in words:
        tally(word, 1)
    merges: list[tuple[str, str]] = []
    while len(merges) < count and times:
        pair = max(times, key=lambda pair: (times[pair], pair))
        if times[pair] < 2:
            break
        merges.append(pair)
        for word in containing.pop(pair):
            tally(word, -1)
            parts[word] = merge(parts[word], pair)
            tally(word, 1)
        times = +times  # without pairs whose count is now 0
    return merges
