"""Lexicons: a language model combined with whole words, from its training text or given by the user."""

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import normal
from inkread.lm.fusion import LanguageModel, Mixture
from inkread.lm.ngram import NgramModel, smallest_type

LEARNED_SHARE = 0.7  # the probability that a word is one of the training text; chosen on development lines
USER_SHARE = 0.1  # the probability that a word is one of the user's
MAX_SHARE = 0.999  # the probability that a word of the lexicon is not part of a longer word, such as its plural

SEPARATOR = "\n"  # between words
BETWEEN = 0  # the same where the characters are tokens: the start of a line, which is in no word
NO_WORD = -1  # in place of a node of the trie


class WithWords:
    """A language model combined with a lexicon.

    The characters of a model show what looks like a word, the lexicon shows what is one. Where a word may begin, a word
    of the lexicon begins with probability `share`, each in proportion to its weight. Each character then changes the
    probability that it is still such a word (Bayes' rule). So the probabilities of all continuations add up to one.

    The words form a trie. Each node is one element of the arrays and stands for the words that begin with the same
    tokens. The levels follow one another. Node 0 stands for all words. The children of a node are neighbours, sorted by
    their last token.

    A state is (the model's state, the node of this beginning of a word or NO_WORD, the probability that it is one of
    its words).
    """

    def __init__(self, model: LanguageModel, words: str, weights: NDArray[np.float64], share: float) -> None:
        """words: one per line, sorted; weights: (words,)."""
        self.model, self.weight, self.bonus, self.tokens = model, model.weight, model.bonus, model.tokens
        # of each node: its last token, its first child, the share of its parent's words, and that of the complete word
        self._token, self._first, self._part, self._complete = _trie(words, weights, model)
        self.share = share
        self.start = (model.start, 0, share)
        between = [code for code, name in enumerate(model.tokens) if len(name) == 1 and not name.isalnum()]
        self.between = frozenset({1, *between})  # the tokens that separate words; 1 is the end of the line

    def code(self, character: str) -> int:
        """The token of a character."""
        return self.model.code(character)

    def any_of(self, state: Any, tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows."""
        return sum([self.step(state, token)[0] for token in tokens])

    def step(self, state: tuple[Any, int, float], token: int) -> tuple[float, Any]:
        """p(token | state), and the next state."""
        inner, node, share = state
        p, after = self.model.step(inner, token)
        separates, longer = token in self.between, NO_WORD
        if node != NO_WORD:
            end = self._first[node + 1]
            child = bisect_left(self._token, token, self._first[node], end)
            from_words = 0.0
            if child < end and self._token[child] == token:
                from_words, longer = self._part[child], child
            if separates and self._complete[node]:  # the word is complete: the model says what follows it
                from_words += self._complete[node] * p / self.model.any_of(inner, self.between)
            from_words *= share
            p = from_words + (1 - share) * p
            share = from_words / p
            if share > MAX_SHARE:
                share = MAX_SHARE
        if separates and longer == NO_WORD:
            longer, share = 0, self.share
        return p, (after, longer, share)

    def context(self, state: tuple[Any, int, float]) -> Hashable:
        """What the probabilities of all further tokens depend on; of the share, only whether it is above one half."""
        inner, node, share = state
        return self.model.context(inner), node, share > 0.5


def _trie(words: str, weights: NDArray[np.float64], model: LanguageModel) -> tuple[Any, Any, Any, Any]:
    """The trie of sorted words, see WithWords: (N,), (N + 1,), (N,), (N,), in a form that Python reads fast.

    It has hundreds of thousands of nodes, and each start of the program waits for it, so all are made at once.
    """
    spelt, weights = _spelt(words, weights, model)
    node, depth, ending = _nodes(spelt)
    order = np.argsort(smallest_type(depth), kind="stable").astype(np.int32)  # by level, and in each as before
    count = len(order)
    place = np.empty(count, np.int32)  # of each node in this order
    place[order] = np.arange(count)
    parents = np.flatnonzero(depth[1:] > depth[:-1])  # the first child of a node follows it
    first = np.full(count + 1, count, np.int32)
    first[place[parents]] = place[parents + 1]
    first = np.minimum.accumulate(first[::-1])[::-1]  # a node without children has none between these ends

    complete = np.bincount(ending, weights, count)
    end = order + 1  # of the nodes that begin like each one, in the order before
    levels = np.cumsum(np.bincount(depth)).tolist()
    for begin, stop in reversed([*pairwise([0, *levels])]):
        last = first[begin + 1 : stop + 1] - 1
        end[begin:stop] = np.where(last < first[begin:stop], end[begin:stop], end[last])
    below = np.append(0.0, np.cumsum(complete))
    mass = below[end] - below[order]
    of_parent = np.append(mass[:1], np.repeat(mass, np.diff(first)))
    part, whole = (mass / of_parent).astype(np.float32), (complete[order] / mass).astype(np.float32)
    return spelt[node[order]].data, first.data, part.data, whole.data


def _nodes(spelt: NDArray[np.unsignedinteger]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.intp]]:
    """The nodes of the words as they come: where each has its last token, its level; and the node of each whole word.

    The first is that of all words. Each word adds nodes for what it does not share with the word before.
    """
    at = np.arange(len(spelt), dtype=np.int32)
    ends = at[spelt == BETWEEN]
    starts = np.append(np.int32(0), ends[:-1] + 1)
    before = np.append(np.int32(0), starts[:-1])
    there = at - np.repeat(starts - before, ends + 1 - starts)  # the same place in the word before
    differs = np.minimum.reduceat(np.where(spelt == spelt[there], at[-1], at), starts)
    differs[0] = 0
    fresh = np.maximum(0, ends - differs)  # nodes of each word
    node = np.append(at[-1], at[(at >= np.repeat(differs, ends + 1 - starts)) & (spelt != BETWEEN)])
    depth = np.append(np.int32(0), node[1:] - np.repeat(starts, fresh) + 1)
    return node, depth, np.cumsum(fresh)


def _spelt(
    words: str, weights: NDArray[np.float64], model: LanguageModel
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float64]]:
    """The tokens of words, one per line, sorted, with BETWEEN after each word; and their weights."""
    characters = np.frombuffer(f"{words}{SEPARATOR}".encode("utf-32-le"), np.uint32)
    token = np.bincount(characters)  # of each character; at first, how often it occurs
    used = np.flatnonzero(token)
    token[used] = [
        BETWEEN if chr(character) == SEPARATOR else model.code(chr(character)) for character in used.tolist()
    ]
    spelt = smallest_type(token)[characters]
    if (np.diff(token[used]) > 0).all():  # so they still are sorted
        return spelt, weights
    text = spelt.astype(np.uint32).tobytes().decode("utf-32-le").split(chr(BETWEEN))[:-1]
    order = sorted(range(len(text)), key=text.__getitem__)
    again = "".join(f"{text[index]}{chr(BETWEEN)}" for index in order)
    return np.frombuffer(again.encode("utf-32-le"), np.uint32), weights[order]


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
        return Mixture(with_user_words(model.first, words), with_user_words(model.second, words), model.share)
    own = sorted({*map(normal, words)} - {""})
    return WithWords(model, SEPARATOR.join(own), np.ones(len(own)), USER_SHARE) if own else model
