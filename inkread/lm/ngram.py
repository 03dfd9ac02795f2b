"""Character n-gram models: the probability of the next character, given the characters before it.

Written for this project because no existing decoder with character n-grams can be installed on all platforms:
pyctcdecode needs numpy < 2 and KenLM, which has no wheels; flashlight-text has no wheel for Python 3.13;
fast-ctc-decode has no language model and no wheel for Windows.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import bare_letter, normal
from inkread.lm.text import LOOK_ALIKES

START, END, UNKNOWN = "<s>", "</s>", "<unk>"  # tokens 0, 1 and 2: start and end of a line, any other character
IMPOSSIBLE = -99 * math.log(
    10
)  # the log-probability of START, which is never predicted; ARPA files write log10 p = -99
# How much the language model counts in the beam search, see fusion.Fusion. These defaults, and those in the shipped
# models, were chosen by the error rate on development lines (benchmarks/language.py --grid).
DEFAULT_WEIGHT, DEFAULT_BONUS = 0.65, 2.0
CACHED = 1 << 16  # entries of a cache before it is emptied; some MB
MAX_LOG = 700.0  # nats; exp(-700) and exp(700) are still within the range of a double


class NgramModel:
    """The probability of each character after the characters before it, by n-grams with backoff (Katz 1987).

    The n-grams form a trie. Each node is one element of the arrays; the levels follow one another, and each level is
    sorted. Node 0 is the empty context. Its children are the single tokens in their order. The children of a node
    are neighbours. A state of the model is the node of the longest context that makes a difference. Then
        log p(token | state) = log_p[child] if its node has this child, else backoff[node] + log p(token | shorter),
    where `shorter` is the state without its first token. Raises ValueError if the arrays are not such a trie.
    """

    def __init__(
        self,
        tokens: Sequence[str],  # START, END, UNKNOWN, then characters
        order: int,  # tokens in the longest n-gram
        token: NDArray[np.unsignedinteger],  # (N,) the last token of each node's n-gram
        children: NDArray[np.unsignedinteger],  # (N,) the number of its children
        log_p: NDArray[np.float32],  # (N,) natural logarithms
        backoff: NDArray[np.float32],  # (N,) natural logarithms; 0 for nodes without children
        weight: float = DEFAULT_WEIGHT,
        bonus: float = DEFAULT_BONUS,
        facts: dict[str, Any] | None = None,  # what its model card says
        words: str = "",  # those of its training text, one per line, sorted; for the lexicon
        word_counts: NDArray[np.uint32] | None = None,  # how often each of them occurs
    ) -> None:
        check_tokens(tokens)
        _check_arrays(len(tokens), token, children, log_p, backoff)
        first = np.ones(len(children) + 1, np.int32)  # (N + 1,) first children
        first[1:] += np.cumsum(children, dtype=np.int32)
        _check_levels(order, first)
        _check_siblings(token, children, first)
        _check_range(order, log_p, backoff)
        self.tokens, self.order = tuple(tokens), order
        self.token, self.children, self.log_p, self.backoff = token, children, log_p, backoff
        self.weight, self.bonus = weight, bonus
        self.facts, self.words = facts or {}, words
        self.word_counts = np.zeros(0, np.uint32) if word_counts is None else word_counts
        self.start = 1  # the state at the start of a line: the node of START
        self.first_child = first
        self._code = {character: code for code, character in enumerate(self.tokens)}
        # Python reads one element of bytes or of a memoryview in a fraction of the time that one of an array takes.
        self._token = token.tobytes() if token.itemsize == 1 else token.data
        self._first, self._log_p, self._backoff = first.data, log_p.data, backoff.data
        # Filled when first needed; the system gives memory only to the parts that texts lead to: the state after the
        # n-gram of each node, 0 if it is not known yet; and the state without its first token.
        self._after, self._shorter = np.zeros(len(token), np.int32).data, np.zeros(len(token), np.int32).data
        self._sums: dict[tuple[int, frozenset[int]], float] = {}  # see any_of

    def code(self, character: str) -> int:
        """The token of a character; of an unknown one that of its look-alike or of its letter without accent."""
        return code_of(character, self._code)

    def step(self, state: int, token: int) -> tuple[float, int]:
        """p(token | state), and the next state."""
        first, log_p, context = self._first, 0.0, state
        while True:
            end = first[context + 1]
            node = bisect_left(self._token, token, first[context], end)
            if node < end and self._token[node] == token:
                break  # at the latest in state 0, whose children are all tokens
            log_p += self._backoff[context]
            context = self._shorter[context]
        return math.exp(log_p + self._log_p[node]), self._after[node] or self._find(node, context, token)

    def _find(self, node: int, context: int, token: int) -> int:
        """The state after the n-gram of a node, the child of this context with this token."""
        first, after = self._first, 0
        while context:  # until a shorter context has this child, too
            context = self._shorter[context]
            end = first[context + 1]
            child = bisect_left(self._token, token, first[context], end)
            if child < end and self._token[child] == token:
                after = self._after[child] or self._find(child, context, token)
                break
        if first[node] < first[node + 1] or self._backoff[node]:  # it makes a difference
            self._shorter[node] = after
            after = node
        self._after[node] = after
        return after

    def context(self, state: int) -> int:
        """What the probabilities of all further tokens depend on: the state."""
        return state

    def any_of(self, state: int, tokens: frozenset[int]) -> float:
        """The probability that one of these tokens follows: of those found here, and by backoff of the others."""
        known = self._sums.get((state, tokens))
        if known is not None:
            return known
        begin, end = self._first[state], self._first[state + 1]
        children = [node for node in range(begin, end) if self._token[node] in tokens]
        p = sum([math.exp(self._log_p[node]) for node in children])
        if state:
            shorter = self._shorter[state]
            backed_off = sum([self.step(shorter, self._token[node])[0] for node in children])
            p += math.exp(self._backoff[state]) * (self.any_of(shorter, tokens) - backed_off)
        if len(self._sums) > CACHED:
            self._sums.clear()
        self._sums[state, tokens] = p
        return p

    def distribution(self, state: int) -> NDArray[np.float64]:
        """(V,) the probability of every token after a state; 0 for START."""
        return np.array([0.0, *(self.step(state, token)[0] for token in range(1, len(self.tokens)))])

    def score(self, line: str) -> float:
        """log p(line) with its end: by the chain rule the sum over its characters (natural logarithm)."""
        total, state = 0.0, self.start
        for token in (*map(self.code, normal(line)), 1):
            p, state = self.step(state, token)
            total += math.log(p)
        return total

    def sample(self, prompt: str, temperature: float, seed: int, length: int) -> str:
        """The prompt and a random continuation; `length` characters in all, line ends included.

        Tokens are drawn from p ** (1 / temperature): the lower the temperature, the likelier the text.
        """
        random = np.random.default_rng(seed)
        state, text = self.start, normal(prompt)
        for character in text:
            state = self.step(state, self.code(character))[1]
        while len(text) < length:
            p = self.distribution(state)
            p[self._code[UNKNOWN]] = 0
            token = draw(p, temperature, random)
            text += "\n" if token == 1 else self.tokens[token]
            state = self.start if token == 1 else self.step(state, token)[1]
        return text


def code_of(character: str, codes: Mapping[str, int]) -> int:
    """The code of a character, or of its look-alike ("—" -> "-"), or without accent ("É" -> "E"), or of UNKNOWN."""
    for form in (character, character.translate(LOOK_ALIKES), bare_letter(character)):
        if form in codes:
            return codes[form]
    return codes[UNKNOWN]


def draw(p: NDArray[np.floating], temperature: float, random: np.random.Generator) -> int:
    """A token drawn from p ** (1 / temperature), p a distribution (V,); the likeliest one at temperature 0."""
    if temperature == 0:
        return int(p.argmax())
    with np.errstate(divide="ignore", over="ignore"):
        log_p = np.log(p.astype(np.float64))
        # Subtracting the maximum first keeps one probability above 0, however low the temperature is.
        sharpened = np.exp((log_p - log_p.max()) / temperature)
    return int(random.choice(len(p), p=sharpened / sharpened.sum()))


def smallest_type(numbers: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """The numbers in the smallest unsigned integer type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max())))


# ---- checks of the parts of a model, which may come from a damaged file


def check_tokens(tokens: Sequence[str]) -> None:
    """Raise ValueError unless the tokens are START, END and UNKNOWN, then single characters without repetition."""
    if not isinstance(tokens, Sequence) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("its tokens are not a list of strings")
    if tuple(tokens[:3]) != (START, END, UNKNOWN):
        raise ValueError(f"its tokens do not begin with {START}, {END} and {UNKNOWN}")
    check_characters(tokens[3:])


def check_characters(characters: Sequence[str]) -> None:
    """Raise ValueError unless these are single characters without repetition, none of them a surrogate."""
    for character in characters:
        if len(character) != 1 or "\ud800" <= character <= "\udfff":
            raise ValueError(f"{character!r} is not a character")
    if len(set(characters)) < len(characters):
        raise ValueError(f"the character {Counter(characters).most_common(1)[0][0]!r} occurs twice")


def _check_arrays(
    tokens: int, token: NDArray[Any], children: NDArray[Any], log_p: NDArray[Any], backoff: NDArray[Any]
) -> None:
    """Raise ValueError for an array of the wrong type or size, or with a number that is too large."""
    for name, array, kind in (
        ("token", token, np.unsignedinteger),
        ("children", children, np.unsignedinteger),
        ("log_p", log_p, np.float32),
        ("backoff", backoff, np.float32),
    ):
        if not np.issubdtype(array.dtype, kind) or array.shape != (len(token),):
            raise ValueError(f"{name} has the wrong type or shape: {array.dtype}, {array.shape}")
    if len(token) <= tokens or token.max() >= tokens or children[0] != tokens or children.max() >= len(token):
        raise ValueError("its n-grams do not fit its tokens")


def _check_levels(order: int, first: NDArray[np.int32]) -> None:
    """Raise ValueError unless the children of each level are the next level, and the last level has none."""
    nodes, end, levels = len(first) - 1, 1, 0  # `end` is the end of a level
    while end < first[end] <= nodes:
        end, levels = int(first[end]), levels + 1
    if end != nodes or first[-1] != nodes or type(order) is not int or levels != order:
        raise ValueError(f"its n-grams do not form {order!r} levels")


def _check_siblings(token: NDArray[Any], children: NDArray[Any], first: NDArray[np.int32]) -> None:
    """Raise ValueError unless the children of each node are sorted by their tokens, without repetition."""
    rises = token[1:] > token[:-1]
    rises[first[np.flatnonzero(children)] - 1] = True  # from the last child of one node to the first child of the next
    if not rises.all():
        raise ValueError("its n-grams are not sorted")


def _check_range(order: int, log_p: NDArray[np.float32], backoff: NDArray[np.float32]) -> None:
    """Raise ValueError unless every sum of a log-probability and its backoffs has a finite exponential above 0."""
    lowest, highest = float(log_p[2:].min()), float(log_p[2:].max())  # without START, which is never predicted
    lowest_sum, highest_sum = order * min(float(backoff.min()), 0.0), order * max(float(backoff.max()), 0.0)
    # log p may exceed 0 by a rounding error. A seventh leaves room for Fusion's weight of up to 5 and its bonus.
    in_range = lowest + lowest_sum > -MAX_LOG and highest < 1e-3 and highest_sum < MAX_LOG / 7
    if not (in_range and abs(log_p[1]) < MAX_LOG):
        raise ValueError("its probabilities are out of range")
