"""Language models in the beam search: shallow fusion, and mixtures of several languages."""

import math
from collections.abc import Hashable, Sequence
from typing import Any, Protocol

from inkread.alphabet import BLANK, CROSSED_OUT, Alphabet
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
    The mark of what is crossed out is no part of the text, so it is not rated.
    """

    FLOOR = 1e-5  # 1e-3 did not lower the error rate on development lines

    def __init__(self, model: LanguageModel, alphabet: Alphabet) -> None:
        self.model, self.start = model, model.start
        self.weight, self.gain = model.weight, math.exp(model.bonus)
        self.codes = [-1, *map(model.code, alphabet.characters)]  # label -> token; the blank has none
        self.unrated = alphabet.label.get(CROSSED_OUT, BLANK)

    def extend(self, state: Any, label: int) -> tuple[float, Any]:
        """The factor that one more label gives to the probability of a prefix, and the next state."""
        if label == self.unrated:
            return 1.0, state
        p, state = self.model.step(state, self.codes[label])
        return (p if p > self.FLOOR else self.FLOOR) ** self.weight * self.gain, state

    def finish(self, state: Any) -> float:
        """The factor that the end of the line gives."""
        return math.pow(max(self.model.step(state, 1)[0], self.FLOOR), self.weight)

    def context(self, state: Any) -> Hashable:
        """What the factors of all further labels depend on, see LanguageModel."""
        return self.model.context(state)


class Mixture:
    """A mixture of two language models. The characters of a line decide which of them counts more.

    A character has the probability share p_first(character) + (1 - share) p_second(character). The share grows with the
    probability that the first model gave to the characters before (Bayes' rule). Neither model's share ever falls below
    MIN_SHARE, as a line may contain words of another language. A state is (the states of both models, the share).
    """

    MIN_SHARE = 0.02  # a probability

    def __init__(self, first: LanguageModel, second: LanguageModel, share: float = 0.5) -> None:
        """share: that of the first model at the start of a line, and in weight and bonus."""
        self.first, self.second, self.share = first, second, share
        self.weight = share * first.weight + (1 - share) * second.weight
        self.bonus = share * first.bonus + (1 - share) * second.bonus
        characters = sorted({name for model in (first, second) for name in model.tokens if len(name) == 1})
        self.tokens = (START, END, UNKNOWN, *characters)
        self._code = {name: code for code, name in enumerate(self.tokens)}
        # for each token its code in the first model and its part of the probability of this code; those in the second
        self._codes = [(*one, *other) for one, other in zip(self._codes_in(first), self._codes_in(second), strict=True)]
        self.start = (first.start, second.start, share)

    def _codes_in(self, model: LanguageModel) -> list[tuple[int, float]]:
        """For each token its code in a model, and its part of the probability of this code.

        The characters that a model does not know divide the probability of its UNKNOWN among them.
        """
        own = {name: code for code, name in enumerate(model.tokens)}
        part = 1 / (sum(name not in own for name in self.tokens) + 1)
        codes = [own.get(name, own[UNKNOWN]) for name in self.tokens]
        return [(code, part if code == own[UNKNOWN] else 1.0) for code in codes]

    def code(self, character: str) -> int:
        """The token of a character. One that no model knows gets that of its look-alike or letter without accent."""
        return code_of(character, self._code)

    def step(self, state: tuple[Any, Any, float], token: int) -> tuple[float, Any]:
        """p(token | state), and the next state."""
        first, second, share = state
        code, part, other_code, other_part = self._codes[token]
        p, first = self.first.step(first, code)
        other, second = self.second.step(second, other_code)
        joint = share * part * p
        p = joint + (1 - share) * other_part * other
        return p, (first, second, self.MIN_SHARE + (1 - 2 * self.MIN_SHARE) * joint / p)

    def any_of(self, state: tuple[Any, Any, float], tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows."""
        return sum([self.step(state, token)[0] for token in tokens])

    def context(self, state: tuple[Any, Any, float]) -> Hashable:
        """What the probabilities of all further tokens depend on; of the share, only whether it is above one half."""
        first, second, share = state
        return self.first.context(first), self.second.context(second), share > 0.5


def mixture(models: Sequence[LanguageModel]) -> LanguageModel:
    """A mixture of all these models, at the start of a line in equal parts; a single model as it is."""
    mixed = models[0]
    for count, model in enumerate(models[1:], 1):
        mixed = Mixture(mixed, model, count / (count + 1))
    return mixed
