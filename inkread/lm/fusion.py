"""Language models in the beam search: shallow fusion, and mixtures of several languages."""

import math
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from inkread.alphabet import Alphabet
from inkread.lm.ngram import END, START, UNKNOWN, code_of


class LanguageModel(Protocol):
    """What Fusion needs of a language model: an n-gram model, a mixture, or either of them with a lexicon.

    A state stands for the tokens so far. Its type is the model's own matter.
    """

    @property
    def weight(self) -> float: ...
    @property
    def bonus(self) -> float: ...
    @property
    def tokens(self) -> Sequence[str]: ...
    @property
    def start(self) -> Any:
        """The state at the start of a line."""

    def code(self, character: str) -> int:
        """The token of a character."""

    def step(self, state: Any, token: int) -> tuple[float, Any]:
        """p(token | state), and the next state."""

    def any_of(self, state: Any, tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows."""

    def context(self, state: Any) -> Hashable:
        """What the probabilities of all further tokens depend on, apart from probabilities in the state itself.

        Prefixes with equal contexts are merged in the beam search.
        """


class Fusion:
    """Shallow fusion (Gulcehre et al. 2015): scores the prefixes of a beam search with a language model.

    The network's probability of a text is multiplied by p(text) ** weight and by exp(bonus) for each character.
    Without the bonus short texts would win, because each further character lowers p(text).
    No character is rated below FLOOR, so that the language model cannot override confident characters of the network.
    """

    FLOOR = 1e-5  # 1e-3 did not lower the error rate on development lines

    def __init__(self, model: LanguageModel, alphabet: Alphabet) -> None:
        self.model, self.start = model, model.start
        self.weight, self.gain = model.weight, math.exp(model.bonus)
        self.codes = [-1, *map(model.code, alphabet.characters)]  # label -> token; the blank has none

    def extend(self, state: Any, label: int) -> tuple[float, Any]:
        """The factor that one more label gives to the probability of a prefix, and the next state."""
        p, state = self.model.step(state, self.codes[label])
        return max(p, self.FLOOR) ** self.weight * self.gain, state

    def finish(self, state: Any) -> float:
        """The factor that the end of the line gives."""
        return math.pow(max(self.model.step(state, 1)[0], self.FLOOR), self.weight)

    def context(self, state: Any) -> Hashable:
        """What the factors of all further labels depend on, see LanguageModel."""
        return self.model.context(state)


class Mixture:
    """A mixture of language models of several languages. The characters of a line decide which of them counts most.

    A character has the probability sum_k share_k p_k(character). The share of a language grows with the probability it
    gave to the characters before (Bayes' rule). It never falls below `min_share`, as a line may contain words of
    another language. A state is (the states of the models, their shares).
    """

    MIN_SHARE = 0.02  # a probability

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self.models = models
        self.min_share = min(self.MIN_SHARE, 0.5 / len(models))  # all together leave at least half to Bayes' rule
        self.weight = float(np.mean([model.weight for model in models]))
        self.bonus = float(np.mean([model.bonus for model in models]))
        characters = sorted({name for model in models for name in model.tokens if len(name) == 1})
        self.tokens = (START, END, UNKNOWN, *characters)
        self._code = {name: code for code, name in enumerate(self.tokens)}
        self._codes = self._codes_in_models()
        self.start = (tuple(model.start for model in models), (1 / len(models),) * len(models))

    def _codes_in_models(self) -> list[list[tuple[int, float]]]:
        """For each token its code in every model, and its part of the probability of this code.

        The characters that a model does not know divide the probability of its UNKNOWN among them.
        """
        codes: list[list[tuple[int, float]]] = [[] for _ in self.tokens]
        for model in self.models:
            own = {name: code for code, name in enumerate(model.tokens)}
            unknown = sum(name not in own for name in self.tokens) + 1
            for name, of_token in zip(self.tokens, codes, strict=True):
                code = own.get(name, own[UNKNOWN])
                of_token.append((code, 1 / unknown if code == own[UNKNOWN] else 1.0))
        return codes

    def code(self, character: str) -> int:
        """The token of a character. One that no model knows gets that of its look-alike or letter without accent."""
        return code_of(character, self._code)

    def step(self, state: tuple[tuple[Any, ...], tuple[float, ...]], token: int) -> tuple[float, Any]:
        """p(token | state), and the next state."""
        inners, shares = state
        after, joint = [], []
        for model, inner, share, (code, part) in zip(self.models, inners, shares, self._codes[token], strict=True):
            p, inner = model.step(inner, code)
            after.append(inner)
            joint.append(share * part * p)
        p, least = sum(joint), self.min_share
        kept = (1 - least * len(joint)) / p
        return p, (tuple(after), tuple([kept * part + least for part in joint]))

    def any_of(self, state: tuple[tuple[Any, ...], tuple[float, ...]], tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows."""
        return sum([self.step(state, token)[0] for token in tokens])

    def context(self, state: tuple[tuple[Any, ...], tuple[float, ...]]) -> Hashable:
        """What the probabilities of all further tokens depend on; of the shares, only which of them is the largest."""
        inners, shares = state
        contexts = [model.context(inner) for model, inner in zip(self.models, inners, strict=True)]
        return shares.index(max(shares)), tuple(contexts)
