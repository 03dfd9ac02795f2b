"""Lexicons: a language model combined with whole words, from its training text or given by the user."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable
from itertools import islice
from operator import lt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import normal
from inkread.lm.fusion import LanguageModel, Mixture
from inkread.lm.ngram import CACHED, NgramModel

LEARNED_SHARE = 0.7  # the probability that a word is one of the training text; chosen on development lines
USER_SHARE = 0.1  # the probability that a word is one of the user's
MAX_SHARE = 0.999  # the probability that a word of the lexicon is not part of a longer word, such as its plural

SEPARATOR, BETWEEN = "\n", "\U0010ffff"  # between words; the same where the characters are tokens

# The sorted words from first to last + 1, which all begin with this text; and the share of the word that is this text.
WordRange = tuple[int, int, str, float]


class WithWords:
    """A language model combined with a lexicon.

    The characters of a model show what looks like a word, the lexicon shows what is one. Where a word may begin, a word
    of the lexicon begins with probability `share`, each in proportion to its weight. Each character then changes the
    probability that it is still such a word (Bayes' rule). So the probabilities of all continuations add up to one.

    A state is (the model's state, the words that begin like this one or None, the probability that it is one of them).
    """

    def __init__(self, model: LanguageModel, words: str, weights: NDArray[np.float64], share: float) -> None:
        """words: one per line; weights: (words,)."""
        self.model, self.weight, self.bonus, self.tokens = model, model.weight, model.bonus, model.tokens
        # sorted: those with a common beginning are neighbours
        self.words, weights = _by_spelling(words, weights, model)
        # The sum of the weights of all words before each word. A memoryview takes a quarter of a list's memory.
        self.below = np.concatenate([[0.0], np.cumsum(weights)]).data
        self.share = share
        self.all: WordRange = (0, len(self.words), "", 0.0)
        self._longer: dict[str, tuple[float, WordRange | None]] = {}  # see _continue; filled when first needed
        self.start = (model.start, self.all, share)
        between = [code for code, name in enumerate(model.tokens) if len(name) == 1 and not name.isalnum()]
        self.between = frozenset({1, *between})  # the tokens that separate words; 1 is the end of the line

    def code(self, character: str) -> int:
        """The token of a character."""
        return self.model.code(character)

    def any_of(self, state: Any, tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows."""
        return sum([self.step(state, token)[0] for token in tokens])

    def step(self, state: tuple[Any, WordRange | None, float], token: int) -> tuple[float, Any]:
        """p(token | state), and the next state."""
        inner, candidates, share = state
        p, after = self.model.step(inner, token)
        longer = None
        if candidates is not None:
            _, _, begun, complete = candidates
            spelling = begun + chr(token)
            from_words, longer = self._longer.get(spelling) or self._continue(candidates, spelling)
            if complete and token in self.between:  # the word is complete: the model says what follows it
                from_words += complete * p / self.model.any_of(inner, self.between)
            from_words *= share
            p = from_words + (1 - share) * p
            share = from_words / p
            if share > MAX_SHARE:
                share = MAX_SHARE
        if longer is None and token in self.between:
            longer, share = self.all, self.share
        return p, (after, longer, share)

    def context(self, state: tuple[Any, WordRange | None, float]) -> Hashable:
        """What the probabilities of all further tokens depend on; of the share, only whether it is above one half."""
        inner, candidates, share = state
        return self.model.context(inner), candidates and candidates[2], share > 0.5

    def _continue(self, candidates: WordRange, spelling: str) -> tuple[float, WordRange | None]:
        """The share of the candidates that begin like this, one token longer; and these words."""
        words, below = self.words, self.below
        first, last, begun, _ = candidates
        begin = bisect_left(words, spelling, first, last)
        end = bisect_left(words, begun + chr(ord(spelling[-1]) + 1), begin, last)
        found: tuple[float, WordRange | None] = 0.0, None
        if begin < end:
            mass = below[end] - below[begin]
            complete = (below[begin + 1] - below[begin]) / mass if words[begin] == spelling else 0.0
            found = mass / (below[last] - below[first]), (begin, end, spelling, complete)
        if len(self._longer) > CACHED:
            self._longer.clear()
        self._longer[spelling] = found
        return found


def _by_spelling(
    words: str, weights: NDArray[np.float64], model: LanguageModel
) -> tuple[list[str], NDArray[np.float64]]:
    """The words as they are written with the model's tokens, as chr(token), sorted, and their weights.

    The weights of words with the same spelling add up. All words are translated at once, as there are tens of thousands
    of them, and each start of the program waits. Those of a model file are sorted already.
    """
    characters = np.frombuffer(words.encode("utf-32-le"), np.uint32)
    tokens = np.bincount(characters).astype(np.uint32)  # of each character; at first, how often it occurs
    for character in np.flatnonzero(tokens).tolist():
        tokens[character] = ord(BETWEEN) if chr(character) == SEPARATOR else model.code(chr(character))
    spelt = tokens[characters].tobytes().decode("utf-32-le").split(BETWEEN)
    if all(map(lt, spelt, islice(spelt, 1, None))):
        return spelt, weights
    total: defaultdict[str, float] = defaultdict(float)
    for word, weight in zip(spelt, weights, strict=True):
        total[word] += weight
    return sorted(total), np.array([total[word] for word in sorted(total)])


def with_learned_words(model: NgramModel) -> LanguageModel:
    """A model combined with the words of its training text.

    The weight of a word is the square root of its count. This favours rare words; the n-grams already know frequent
    ones well. Chosen on development lines.
    """
    if not model.words:
        return model
    return WithWords(model, model.words, np.sqrt(model.word_counts), LEARNED_SHARE)


def with_user_words(model: LanguageModel, words: Iterable[str]) -> LanguageModel:
    """A model combined with words of the user, all with the same weight. Of a mixture, each model is combined."""
    if isinstance(model, Mixture):
        return Mixture([with_user_words(each, words) for each in model.models])
    own = list(dict.fromkeys(map(normal, words)))
    return WithWords(model, SEPARATOR.join(own), np.ones(len(own)), USER_SHARE)
