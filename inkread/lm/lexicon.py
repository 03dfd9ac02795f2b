"""Lexicons: a language model combined with whole words, from its training text or given by the user."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from inkread.alphabet import normal
from inkread.lm.fusion import LanguageModel
from inkread.lm.ngram import NgramModel

LEARNED_SHARE = 0.7  # the probability that a word is one of the training text; chosen on development lines
USER_SHARE = 0.1  # the probability that a word is one of the user's
MAX_SHARE = 0.999  # the probability that a word of the lexicon is not part of a longer word, such as its plural

WordRange = tuple[int, int, str]  # the sorted words from first to last + 1, which all begin with this text


class WithWords:
    """A language model combined with a lexicon.

    The characters of a model show what looks like a word, the lexicon shows what is one. Where a word may begin, a word
    of the lexicon begins with probability `share`, each in proportion to its weight. Each character then changes the
    probability that it is still such a word (Bayes' rule). So the probabilities of all continuations add up to one.

    A state is (the model's state, the words that begin like this one or None, the probability that it is one of them).
    """

    def __init__(self, model: LanguageModel, words: Mapping[str, float], share: float) -> None:
        self.model, self.weight, self.bonus, self.tokens = model, model.weight, model.bonus, model.tokens
        spelling = {ord(character): model.code(character) for character in set().union(*words)}
        weights: dict[str, float] = defaultdict(float)  # of words written with the model's tokens, as chr(token)
        for word, weight in words.items():
            weights[word.translate(spelling)] += weight
        self.words = sorted(weights)  # so that words with a common beginning are neighbours
        # the sum of the weights of all words before each word
        self.below = [0.0, *np.cumsum([weights[word] for word in self.words]).tolist()]
        self.share = share
        self.all: WordRange = (0, len(self.words), "")
        self.start = (model.start, self.all, share)
        between = [code for code, name in enumerate(model.tokens) if len(name) == 1 and not name.isalnum()]
        self.between = {1, *between}  # the tokens that separate words; 1 is the end of the line
        self._between_p: dict[Any, float] = {}  # state -> the probability that one of them follows

    def code(self, character: str) -> int:
        """The token of a character."""
        return self.model.code(character)

    def step(self, state: tuple[Any, WordRange | None, float], token: int) -> tuple[float, Any]:
        """log p(token | state), and the next state."""
        inner, candidates, share = state
        log_p, after = self.model.step(inner, token)
        longer = None
        if candidates is not None:
            p = math.exp(log_p)
            from_words, longer = self._from_words(inner, candidates, token, p)
            mixed = share * from_words + (1 - share) * p
            log_p, share = math.log(mixed), min(share * from_words / mixed, MAX_SHARE)
        if longer is None and token in self.between:
            longer, share = self.all, self.share
        return log_p, (after, longer, share)

    def _from_words(self, inner: Any, candidates: WordRange, token: int, p: float) -> tuple[float, WordRange | None]:
        """p(token | it is one of the candidates), and the candidates that go on with this token.

        p is the model's own probability of the token.
        """
        words, below = self.words, self.below
        first, last, begun = candidates
        longer, mass = None, 0.0
        if token in self.between and words[first] == begun:  # the word is complete: the model says what follows it
            mass = (below[first + 1] - below[first]) * p / self._any_between(inner)
        spelling = begun + chr(token)
        begin = bisect_left(words, spelling, first, last)
        if begin < last and words[begin].startswith(spelling):
            end = bisect_left(words, begun + chr(token + 1), begin, last)
            mass += below[end] - below[begin]
            longer = (begin, end, spelling)
        return mass / (below[last] - below[first]), longer

    def _any_between(self, inner: Any) -> float:
        """The model's probability that the next token separates words."""
        if inner not in self._between_p:
            self._between_p[inner] = sum(math.exp(self.model.step(inner, token)[0]) for token in self.between)
        return self._between_p[inner]


def with_learned_words(model: NgramModel) -> LanguageModel:
    """A model combined with the words of its training text.

    The weight of a word is the square root of its count. This favours rare words; the n-grams already know frequent
    ones well. Chosen on development lines.
    """
    words = {word: math.sqrt(count) for word, count in model.words.items()}
    return WithWords(model, words, LEARNED_SHARE) if words else model


def with_user_words(model: LanguageModel, words: Iterable[str]) -> LanguageModel:
    """A model combined with words of the user, all with the same weight."""
    return WithWords(model, dict.fromkeys(map(normal, words), 1.0), USER_SHARE)
