"""Character n-gram models with modified Kneser-Ney smoothing, a user's own words, and how both guide the beam.

Ours, since no decoder with character n-grams installs everywhere: pyctcdecode wants numpy < 2 and KenLM, which has no
wheels, flashlight-text has none for Python 3.13, and fast-ctc-decode neither a language model nor a wheel for Windows.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import Alphabet, normal
from inkread.errors import BadConfig, BadInput, BadModel, shown

START, END, UNKNOWN = (
    "<s>",
    "</s>",
    "<unk>",
)  # tokens 0, 1, 2: a line's begin and end, any other character
LINE_LENGTH = 60  # characters: about a line of handwriting
NEVER = -99 * math.log(10)  # ARPA's log-probability of what is never asked for
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # letters, and what joins them within a word
LARGEST = 700.0  # natural logarithms beyond this, of either sign, would leave the range of a float
SPACES = ("<space>", "▁", "|")  # how a space is written in an ARPA file, where spaces part the tokens
# What a hand does not tell apart, for models that have learnt only one of them.
LOOK_ALIKES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "—": "-", "–": "-", "…": "."})


def lines_of(text: str, length: int = LINE_LENGTH) -> Iterator[str]:
    """The lines of a text, in NFC and with single spaces; longer ones, as paragraphs are, cut between words.

    So the model learns how lines of handwriting begin and end: anywhere in a sentence, but not in a word. A sentence
    that ends in the second half of a line ends it, so that enough of the lines begin with a capital.

    >>> list(lines_of("To be,  or not to be\\n\\nthat is", length=10))
    ['To be, or', 'not to be', 'that is']
    """
    sentence = rf"\S.{{{length // 2},{length - 3}}}?[.!?](?= )"
    piece = re.compile(rf"{sentence}|\S(?:.{{0,{length - 2}}}\S)?(?= |$)|\S+")
    for line in text.splitlines():
        yield from piece.findall(" ".join(normal(line).split()))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or of standard input for `-`. Raises BadInput."""
    name = "standard input" if str(path) == "-" else path
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); convert it first") from error


def _code_of(character: str, codes: dict[str, int]) -> int:
    """The code of a character, of its look-alike ("—" of "-"), of its bare letter ("É" of "E"), or of UNKNOWN."""
    bare = unicodedata.normalize("NFD", character)[0]
    for form in (character, character.translate(LOOK_ALIKES), bare):
        if form in codes:
            return codes[form]
    return codes[UNKNOWN]


class NgramModel:
    """The probability of each character after the characters before it, by n-grams with backoff (Katz 1987).

    The n-grams are a trie, one array element a node, level after level and each level sorted: node 0 is the empty
    context, its children are the single tokens in their order, and the children of a node stand together. A state of
    the model is the node of the longest context that matters; after it comes a token with
        log p(token | state) = log_p[child] if the state has that child, else backoff[state] + log p(token | shorter).
    Raises ValueError when the arrays are no such trie.
    """

    def __init__(
        self,
        tokens: Sequence[str],  # START, END, UNKNOWN, then characters
        order: int,
        token: NDArray[np.unsignedinteger],  # (N,) the last token of each node's n-gram
        children: NDArray[np.unsignedinteger],  # (N,) how many children it has
        log_p: NDArray[np.float32],  # (N,) natural logarithms
        backoff: NDArray[np.float32],  # (N,) 0 where there are no children
        weight: float = 0.65,
        bonus: float = 2.0,
        facts: dict[str, Any] | None = None,
        words: Mapping[str, int] | None = None,  # of the text it has learnt, and how often each stands there
    ) -> None:
        check_tokens(tokens)
        _check_arrays(len(tokens), token, children, log_p, backoff)
        first = 1 + np.concatenate([[0], np.cumsum(children, dtype=np.int64)])  # (N + 1,) the first child of each node
        _check_levels(order, first)
        _check_siblings(token, children, first)
        _check_range(order, log_p, backoff)
        self.tokens, self.order = tuple(tokens), order
        self.token, self.children, self.log_p, self.backoff = token, children, log_p, backoff
        self.weight, self.bonus = weight, bonus  # with which it guides the beam, see Fusion
        self.facts = facts or {}  # what its card tells
        self.words = words or {}  # for WithWords; its own probabilities don't know them
        self.start = 1  # the node of START
        self._code = {character: code for code, character in enumerate(self.tokens)}
        # One element of a memoryview is had several times as quickly as one of an array.
        self._token, self._log_p, self._backoff = token.data, log_p.data, backoff.data
        self._first = first.data
        self._shorter: dict[int, int] = {self.start: 0}  # the state without its first token, for those met so far
        self._after: dict[int, int] = {}  # the state after the n-gram of a node, for those met so far

    def code(self, character: str) -> int:
        """The token of a character; of one that the model has not learnt, that of its look-alike or bare letter."""
        return _code_of(character, self._code)

    def step(self, state: int, token: int) -> tuple[float, int]:
        """log p(token | state), and the state after it."""
        log_p = 0.0
        while True:
            end = self._first[state + 1]
            node = bisect_left(self._token, token, self._first[state], end)
            if node < end and self._token[node] == token:
                break  # at the latest in state 0, which has them all
            log_p += self._backoff[state]
            state = self._shorter[state]
        if node not in self._after:
            shorter = self.step(self._shorter[state], token)[1] if state else 0
            matters = self._first[node] < self._first[node + 1] or self._backoff[node]
            if matters:
                self._shorter[node] = shorter
            self._after[node] = node if matters else shorter
        return log_p + self._log_p[node], self._after[node]

    def distribution(self, state: int) -> NDArray[np.float64]:
        """(V,) the probability of every token after a state; 0 for START."""
        log_p = np.array([self.step(state, token)[0] for token in range(1, len(self.tokens))])
        return np.concatenate([[0.0], np.exp(log_p)])

    def score(self, line: str) -> float:
        """log p(line), its end included: by the chain rule the sum over its characters."""
        total, state = 0.0, self.start
        for token in (*map(self.code, normal(line)), 1):
            log_p, state = self.step(state, token)
            total += log_p
        return total

    def sample(self, prompt: str, temperature: float, seed: int, length: int) -> str:
        """The prompt and what may follow, `length` characters in all, a line's end being one.

        Drawn from p ** (1 / temperature): less than 1 keeps to what is likely.
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


def check_tokens(tokens: Sequence[str]) -> None:
    """Raise ValueError for tokens that are not START, END and UNKNOWN, then single characters, each once."""
    if not isinstance(tokens, Sequence) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("its tokens are not a list of texts")
    if tuple(tokens[:3]) != (START, END, UNKNOWN):
        raise ValueError(f"its tokens do not begin with {START}, {END} and {UNKNOWN}")
    check_characters(tokens[3:])


def check_characters(characters: Sequence[str]) -> None:
    """Raise ValueError for characters that are not single ones, each once, or that no text can contain."""
    for character in characters:
        if len(character) != 1 or "\ud800" <= character <= "\udfff":
            raise ValueError(f"{character!r} is not a character")
    if len(set(characters)) < len(characters):
        raise ValueError(f"the character {Counter(characters).most_common(1)[0][0]!r} occurs twice")


def _check_arrays(
    tokens: int, token: NDArray[Any], children: NDArray[Any], log_p: NDArray[Any], backoff: NDArray[Any]
) -> None:
    """Raise ValueError for arrays of the wrong type or size, and for numbers that are out of range by themselves."""
    for name, array, kind in (
        ("token", token, np.unsignedinteger),
        ("children", children, np.unsignedinteger),
        ("log_p", log_p, np.float32),
        ("backoff", backoff, np.float32),
    ):
        if not np.issubdtype(array.dtype, kind) or array.shape != (len(token),):
            raise ValueError(f"{name} has the type {array.dtype} or the shape {array.shape} of something else")
    if len(token) <= tokens or token.max() >= tokens or children[0] != tokens or children.max() >= len(token):
        raise ValueError("its n-grams do not fit its tokens")


def _check_levels(order: int, first: NDArray[np.int64]) -> None:
    """Raise ValueError unless the children of each level are the next level, and the last level has none."""
    nodes, end, levels = len(first) - 1, 1, 0  # `end` is where a level ends
    while end < first[end] <= nodes:
        end, levels = int(first[end]), levels + 1
    if end != nodes or first[-1] != nodes or type(order) is not int or levels != order:
        raise ValueError(f"its n-grams do not form {order!r} levels")


def _check_siblings(token: NDArray[Any], children: NDArray[Any], first: NDArray[np.int64]) -> None:
    """Raise ValueError unless the children of each node are sorted by their tokens, each once."""
    rises = token[1:] > token[:-1]
    rises[first[:-1][children > 0] - 1] = True  # from the last child of one node to the first child of another
    if not rises.all():
        raise ValueError("its n-grams are not sorted")


def _check_range(order: int, log_p: NDArray[np.float32], backoff: NDArray[np.float32]) -> None:
    """Raise ValueError unless all sums of log-probabilities and backoffs are finite and have an exponential > 0."""
    least, most = float(log_p[2:].min()), float(log_p[2:].max())  # without START, which is never predicted
    lowest, highest = order * min(float(backoff.min()), 0.0), order * max(float(backoff.max()), 0.0)
    if not (least + lowest > -LARGEST and most < 1e-3 and highest < LARGEST / 7 and abs(log_p[1]) < LARGEST):
        raise ValueError("its probabilities are out of range")


def draw(p: NDArray[np.floating], temperature: float, random: np.random.Generator) -> int:
    """A token drawn from p ** (1 / temperature), p a distribution (V,); the likeliest one at temperature 0."""
    if temperature == 0:
        return int(p.argmax())
    with np.errstate(divide="ignore", over="ignore"):
        log_p = np.log(p.astype(np.float64))
        # The greatest becomes 0 first, so that a tiny temperature cannot make all of them infinite.
        sharpened = np.exp((log_p - log_p.max()) / temperature)
    return int(random.choice(len(p), p=sharpened / sharpened.sum()))


# ---- learning


@dataclass
class _Level:
    """The n-grams of one length that are kept, each packed into a number, first token first; sorted."""

    keys: NDArray[np.uint64]
    log_p: NDArray[np.float64]
    backoff: NDArray[np.float64]


def fit(lines: Iterable[str], order: int = 7, prune: float = 0.0) -> NgramModel:
    """Learn the n-grams of lines of text, with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999).

    An n-gram is left out when that takes less than `prune` nats from the log-probability of all the lines (Seymore
    and Rosenfeld 1996). All words are kept.
    Raises BadInput when there is no text, BadConfig when the order is too high for the alphabet.
    """
    if not prune >= 0:
        raise BadConfig(f"prune={prune}: must be a number that is not negative")
    stx, etx = "\U0010fffe", "\U0010ffff"  # non-characters, no text needs them
    text = "".join(f"{stx}{normal(line).replace(stx, '').replace(etx, '')}{etx}" for line in lines)
    words = Counter(WORD.findall(text))
    characters = sorted(set(text) - {stx, etx})
    if not characters:
        raise BadInput("there is no text to learn a language from")
    tokens = (START, END, UNKNOWN, *characters)
    bits = (len(tokens) - 1).bit_length()
    if order * bits > 64:
        raise BadConfig(f"order {order} is too high for {len(characters)} characters: at most {64 // bits} will do")
    code = np.zeros(0x110000, np.uint64)
    code[[ord(character) for character in (stx, etx, *characters)]] = [0, 1, *range(3, len(tokens))]
    counts = _count(code[np.frombuffer(text.encode("utf-32-le"), np.uint32)], order, bits)
    order = len(counts)

    levels: list[_Level] = []
    worth: list[NDArray[np.float64]] = []  # of each n-gram, in nats
    for n, (keys, raw) in enumerate(counts, 1):
        adjusted = raw
        if n < order:  # by how many tokens it is preceded; an n-gram that begins a line by none, so its count stays
            preceded = np.unique(counts[n][0] & _mask(n, bits), return_counts=True)[1]
            adjusted = np.concatenate([raw[: len(raw) - len(preceded)], preceded])
        if n == 1:  # all tokens, seen or not; START is never one to come
            adjusted = np.bincount(keys.astype(np.int64), adjusted, len(tokens)).astype(np.int64)
            keys, adjusted[0] = np.arange(len(tokens), dtype=np.uint64), 0
            lower = np.full(len(keys), 1 / (len(tokens) - 1))
        else:
            lower = np.exp(levels[-1].log_p[np.searchsorted(levels[-1].keys, keys & _mask(n - 1, bits))])
        discount = _discounts(adjusted)[np.minimum(adjusted, 3)]
        first, group = _groups(keys >> np.uint64(bits))
        total, freed = np.add.reduceat(adjusted, first)[group], np.add.reduceat(discount, first)[group]
        p = (adjusted - discount + freed * lower) / total
        if n == 1:
            p[0] = math.exp(NEVER)
        levels.append(_Level(keys, np.log(p), np.zeros(len(keys))))
        worth.append(raw * np.log(p * total / (freed * lower)) if n > 1 else np.full(len(keys), np.inf))

    for n in reversed(range(1, order)):  # levels[n] are the (n + 1)-grams
        level, kept = levels[n], worth[n] >= prune
        levels[n] = _Level(level.keys[kept], level.log_p[kept], level.backoff[kept])
        worth[n - 1][np.searchsorted(levels[n - 1].keys, levels[n].keys >> np.uint64(bits))] = np.inf  # their contexts
    while len(levels) > 1 and not len(levels[-1].keys):
        levels.pop()
    for n in range(1, len(levels)):
        _share_out(levels, n, bits)
    return _as_model(tokens, levels, bits, words)


def _count(stream: NDArray[np.uint64], order: int, bits: int) -> list[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """The n-grams of each length up to order, packed and sorted, and how often each occurs within a line.

    If no line is that long, those of the lengths there are.
    """
    ends = np.flatnonzero(stream == 1)
    left = np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(len(stream)) + 1  # tokens up to the line's end
    window, counts = np.zeros_like(stream), []
    for n in range(1, min(order, int(left.max())) + 1):
        window = (window[: len(stream) - n + 1] << np.uint64(bits)) | stream[n - 1 :]
        counts.append(np.unique(window[left[: len(window)] >= n], return_counts=True))
    return counts


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is taken from a count of 0, 1, 2, and 3 or more: from how many there are of 1 to 4 (Chen and Goodman)."""
    n1, n2, n3, n4 = np.bincount(counts, minlength=5)[1:5].tolist()
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        estimated = np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (estimated[1:] > 0).all() and (estimated <= [0, 1, 2, 3]).all():
            return estimated
    return np.array([0.0, 0.5, 1.0, 1.5])  # too few to estimate, or single characters, most of which are frequent


def _share_out(levels: list[_Level], n: int, bits: int) -> None:
    """Set the backoff of the contexts of levels[n], so that what follows each has probability one in all."""
    level, shorter = levels[n], levels[n - 1]
    contexts = level.keys >> np.uint64(bits)
    first = _groups(contexts)[0]
    own = np.add.reduceat(np.exp(level.log_p), first)
    backed_off = np.add.reduceat(np.exp(_log_p(levels[:n], level.keys & _mask(n, bits), bits)), first)
    log_backoff = np.log(np.maximum(1 - own, 1e-12) / np.maximum(1 - backed_off, 1e-12))
    shorter.backoff[np.searchsorted(shorter.keys, contexts[first])] = log_backoff


def _log_p(levels: list[_Level], keys: NDArray[np.uint64], bits: int) -> NDArray[np.float64]:
    """log p of the last token after those before it, for packed n-grams as long as there are levels."""
    log_p = np.zeros(len(keys))
    rest = np.arange(len(keys))  # those not found so far
    for n in reversed(range(len(levels))):
        suffix = keys[rest] & _mask(n + 1, bits)
        place, found = _find(levels[n].keys, suffix)
        log_p[rest[found]] += levels[n].log_p[place[found]]
        rest, suffix = rest[~found], suffix[~found]
        if n:
            place, found = _find(levels[n - 1].keys, suffix >> np.uint64(bits))
            log_p[rest[found]] += levels[n - 1].backoff[place[found]]
    return log_p


def _find(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted key stands among sorted keys, and whether it does."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted


def _groups(contexts: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each run of one context starts, and the run that each n-gram belongs to."""
    new = np.concatenate([[True], contexts[1:] != contexts[:-1]])
    return np.flatnonzero(new), np.cumsum(new) - 1


def _mask(n: int, bits: int) -> np.uint64:
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
        _small(np.concatenate([[0], *(level.keys & _mask(1, bits) for level in levels)])),
        _small(np.concatenate(children)),
        np.concatenate([[0.0], *(level.log_p for level in levels)]).astype(np.float32),
        np.concatenate([[0.0], *(level.backoff for level in levels)]).astype(np.float32),
        words=words,
    )


def _small(numbers: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """The numbers in the smallest type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max())))


# ---- ARPA, the text format of KenLM, SRILM and others


Ngram = tuple[str, ...]
Level = dict[Ngram, tuple[float, float]]  # the n-grams of one length, each with log p and backoff


def read_arpa(path: Path) -> NgramModel:
    """A model of characters from an ARPA file. Raises BadModel, naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadModel(f"{path}: cannot be read as an ARPA file ({error}); check the path") from error
    levels = _parse_arpa(path, text)
    if not any(name not in (START, END, UNKNOWN) for (name,) in levels[0]):
        raise BadModel(f"{path}: an empty language model; inkread needs one of single characters")
    try:
        return _from_arpa(levels)
    except ValueError as error:
        raise BadModel(f"{path}: damaged: {shown(error)}; copy it again") from error


def _parse_arpa(path: Path, text: str) -> list[Level]:
    """The n-grams of an ARPA file, the unigrams first. Raises BadModel.

    \\data\\          how many n-grams there are of each length: "ngram 1=5"
    \\1-grams:        then a section for each length, of lines with
    -0.6 a -0.3      log10 p, the tokens and, unless it is 0, log10 of the backoff
    \\end\\
    """
    announced: dict[int, int] = {}
    levels: list[Level] = []
    for number, line in enumerate(text.split("\n"), 1):
        row = line.strip(" \t\r")
        try:
            if row == "\\end\\":
                return _complete(levels, announced)
            if section := re.fullmatch(r"\\(\d{1,9})-grams:", row):
                _begin_level(levels, int(section[1]))
            elif levels and row:
                _add_ngram(levels, re.split(r"[ \t]+", row))  # not split(): other kinds of spaces may be tokens
            elif size := re.fullmatch(r"ngram (\d{1,9}) *= *(\d{1,18})", row):
                announced[int(size[1])] = int(size[2])
        except ValueError as error:
            raise BadModel(f"{path}, line {number}: {shown(error)}; correct it or copy the file again") from error
    raise BadModel(f"{path}: not a whole ARPA file: it has no \\end\\; copy it again")


def _begin_level(levels: list[Level], n: int) -> None:
    if n != len(levels) + 1:
        raise ValueError(f"{n}-grams where {len(levels) + 1}-grams should be")
    levels.append({})


def _add_ngram(levels: list[Level], fields: list[str]) -> None:
    """Add one n-gram to the last level. Raises ValueError for one that does not fit those before."""
    n = len(levels)
    if not n < len(fields) <= n + 2:
        raise ValueError(f"not a {n}-gram: a log-probability, {n} tokens and perhaps a backoff")
    ngram = tuple(fields[1 : n + 1])
    if n == 1 and len(normal(ngram[0])) != 1 and ngram[0] not in (START, END, UNKNOWN, SPACES[0]):
        raise ValueError(f"a language model of words ({ngram[0]}, ...), but inkread needs one of single characters")
    if ngram in levels[-1]:
        raise ValueError(f"the {n}-gram {' '.join(ngram)} occurs twice")
    if n > 1 and ngram[:-1] not in levels[-2]:
        raise ValueError(f"a {n}-gram whose context {' '.join(ngram[:-1])} is not among the {n - 1}-grams")
    if n > 1 and ngram[-1:] not in levels[0]:
        raise ValueError(f"a {n}-gram whose last token {ngram[-1]} is not among the 1-grams")
    levels[-1][ngram] = (_natural_log(fields[0], 0.0), _natural_log(fields[n + 1], 99.0) if fields[n + 1 :] else 0.0)


def _natural_log(field: str, most: float) -> float:
    """The natural logarithm of a number that a file gives as its log10; ARPA's log10 of 0 is -99."""
    try:
        value = float(field)
    except ValueError:
        raise ValueError(f"{field} is not a number") from None
    if not value <= most:
        raise ValueError(f"{field} is not the log10 of {'a backoff' if most else 'a probability'}")
    return max(value, -99.0) * math.log(10)


def _complete(levels: list[Level], announced: dict[int, int]) -> list[Level]:
    """The levels with all special tokens, without empty ones at the end. Raises ValueError if n-grams are missing."""
    for n, count in announced.items():
        found = len(levels[n - 1]) if 1 <= n <= len(levels) else 0
        if found != count:
            raise ValueError(f"the file has {found} {n}-grams, but announces {count}")
    while levels and not levels[-1]:
        levels.pop()
    levels = levels or [{}]
    for special in (START, END, UNKNOWN):
        levels[0].setdefault((special,), (NEVER, 0.0))
    return levels


def _from_arpa(levels: list[Level]) -> NgramModel:
    """The trie of the n-grams of an ARPA file."""
    space = next((form for form in SPACES if (form,) in levels[0]), None)
    characters = [name for (name,) in levels[0] if name not in (START, END, UNKNOWN)]
    characters.sort(key=lambda name: " " if name == space else name)
    code = {name: code for code, name in enumerate((START, END, UNKNOWN, *characters))}

    children, token, log_p, backoff = [len(code)], [0], [0.0], [0.0]  # the root
    for level, longer in zip(levels, [*levels[1:], {}], strict=True):
        followers = Counter(ngram[:-1] for ngram in longer)
        for ngram in sorted(level, key=lambda ngram: [code[name] for name in ngram]):
            children.append(followers[ngram])
            token.append(code[ngram[-1]])
            log_p.append(level[ngram][0])
            backoff.append(level[ngram][1])
    return NgramModel(
        [START, END, UNKNOWN, *(" " if name == space else normal(name) for name in characters)],
        len(levels),
        _small(np.array(token)),
        _small(np.array(children)),
        np.array(log_p, np.float32),
        np.array(backoff, np.float32),
    )


def to_arpa(model: NgramModel) -> str:
    """A model as an ARPA file, which KenLM and others read; a space is written <space>."""
    names = [SPACES[0] if token == " " else token for token in model.tokens]
    level, sections, sizes = [(0, "")], [], []
    for n in range(1, model.order + 1):
        rows, longer = [f"\\{n}-grams:"], []
        for node, ngram in level:
            for child in range(model._first[node], model._first[node + 1]):
                spelt = f"{ngram} {names[model.token[child]]}" if ngram else names[model.token[child]]
                longer.append((child, spelt))
                log_p, backoff = model.log_p[child] / math.log(10), model.backoff[child] / math.log(10)
                rows.append(f"{log_p:.7g}\t{spelt}" + (f"\t{backoff:.7g}" if n < model.order else ""))
        level = longer
        sizes.append(f"ngram {n}={len(level)}")
        sections.append("\n".join(rows))
    return "\n".join(["\\data\\", *sizes, "", "\n\n".join(sections), "", "\\end\\", ""])


# ---- reading along


class LanguageModel(Protocol):
    """What Fusion reads along with: n-grams, several languages beside one another, or either with whole words."""

    @property
    def weight(self) -> float: ...
    @property
    def bonus(self) -> float: ...
    @property
    def tokens(self) -> Sequence[str]: ...
    @property
    def start(self) -> Any: ...
    def code(self, character: str) -> int: ...
    def step(self, state: Any, token: int) -> tuple[float, Any]: ...


class Fusion:
    """Shallow fusion: the beam's probabilities times p(text) ** weight times e ** bonus for each character.

    The bonus makes up for what each further character costs. No character costs more than FLOOR allows, so that what
    is written clearly stands, however odd.
    """

    FLOOR = math.log(1e-5)

    def __init__(self, model: LanguageModel, alphabet: Alphabet) -> None:
        self.model, self.start = model, model.start
        self.weight, self.bonus = model.weight, model.bonus
        self.codes = [-1, *map(model.code, alphabet.characters)]  # of each label; the blank has none

    def extend(self, state: Any, label: int) -> tuple[float, Any]:
        log_p, state = self.model.step(state, self.codes[label])
        return math.exp(self.weight * max(log_p, self.FLOOR) + self.bonus), state

    def finish(self, state: Any) -> float:
        return math.exp(self.weight * max(self.model.step(state, 1)[0], self.FLOOR))


class Mixture:
    """Several languages beside one another: which of them a line is in, its characters tell.

    A character has the probability sum_k share_k p_k(character), where a language's share grows with what it gave to
    the characters before (Bayes), but never falls below `least`: a line may hold words of another. A state is (the
    models' states, their shares).
    """

    def __init__(self, models: Sequence[LanguageModel]) -> None:
        self.models = models
        self.least = min(0.02, 0.5 / len(models))
        self.weight = float(np.mean([model.weight for model in models]))
        self.bonus = float(np.mean([model.bonus for model in models]))
        characters = sorted({name for model in models for name in model.tokens if len(name) == 1})
        self.tokens = (START, END, UNKNOWN, *characters)
        self._code = {name: code for code, name in enumerate(self.tokens)}
        # Of each token its code in every model, and the share of that it has: those unknown to a model share one.
        self._codes: list[list[tuple[int, float]]] = [[] for _ in self.tokens]
        for model in models:
            own = {name: code for code, name in enumerate(model.tokens)}
            unknown = sum(name not in own for name in self.tokens) + 1
            for name, codes in zip(self.tokens, self._codes, strict=True):
                codes.append((code := own.get(name, own[UNKNOWN]), 1 / unknown if code == own[UNKNOWN] else 1.0))
        self.start = (tuple(model.start for model in models), (1 / len(models),) * len(models))

    def code(self, character: str) -> int:
        """The token of a character; of one that no model has learnt, of its look-alike or bare letter."""
        return _code_of(character, self._code)

    def step(self, state: tuple[tuple[Any, ...], tuple[float, ...]], token: int) -> tuple[float, Any]:
        """log p(token | state), and the state after it."""
        joint, after = [], []
        for model, inner, share, (code, part) in zip(self.models, *state, self._codes[token], strict=True):
            log_p, inner = model.step(inner, code)
            joint.append(share * part * math.exp(log_p))
            after.append(inner)
        mixed = sum(joint)
        kept = 1 - self.least * len(joint)
        return math.log(mixed), (tuple(after), tuple(kept * part / mixed + self.least for part in joint))


class WithWords:
    """A model beside which whole words have a share: those of the language, or names and jargon of the user's own.

    Characters tell what looks like a word, words tell what is one. Where a word may begin, one of them is being
    written with probability `share`, each as likely as its weight; each character then tells how likely that still is
    (Bayes). So all continuations have probability one in all.
    A state is (the model's state, the words that begin so or None, the probability that one of them is being written).
    """

    def __init__(self, model: LanguageModel, words: Mapping[str, float], share: float) -> None:
        self.model, self.weight, self.bonus, self.tokens = model, model.weight, model.bonus, model.tokens
        spelt = {ord(character): model.code(character) for character in set().union(*words)}
        weights: dict[str, float] = defaultdict(float)  # of words spelt with the model's tokens instead of characters
        for word, weight in words.items():
            weights[word.translate(spelt)] += weight
        self.words = sorted(weights)  # so that those with one beginning stand together
        self.below = [0.0, *np.cumsum([weights[word] for word in self.words]).tolist()]  # the weight before each
        self.share = share
        self.all = (0, len(self.words), "")  # first, last + 1, what they begin with
        self.start = (model.start, self.all, share)
        between = [code for code, name in enumerate(model.tokens) if len(name) == 1 and not name.isalnum()]
        self.between = {1, *between}  # the tokens that part words
        self._between_p: dict[Any, float] = {}  # the probability that one of them comes, for the states met so far

    def code(self, character: str) -> int:
        return self.model.code(character)

    def step(self, state: tuple[Any, tuple[int, int, str] | None, float], token: int) -> tuple[float, Any]:
        """log p(token | state), and the state after it."""
        inner, alike, share = state
        log_p, after = self.model.step(inner, token)
        longer = None
        if alike is not None:
            words, below = self.words, self.below
            first, last, begun = alike
            spelt = begun + chr(token)
            own, p = 0.0, math.exp(log_p)
            if token in self.between and words[first] == begun:  # over, and the model says what comes between words
                own = (below[first + 1] - below[first]) * p / self._any_between(inner)
            begin = bisect_left(words, spelt, first, last)
            if begin < last and words[begin].startswith(spelt):
                end = bisect_left(words, begun + chr(token + 1), begin, last)
                own += below[end] - below[begin]
                longer = (begin, end, spelt)
            own /= below[last] - below[first]
            mixed = share * own + (1 - share) * p
            log_p, share = math.log(mixed), min(share * own / mixed, 0.999)  # a name may go on, as in a plural
        if longer is None and token in self.between:
            longer, share = self.all, self.share
        return log_p, (after, longer, share)

    def _any_between(self, inner: Any) -> float:
        if inner not in self._between_p:
            self._between_p[inner] = sum(math.exp(self.model.step(inner, token)[0]) for token in self.between)
        return self._between_p[inner]


def with_its_words(model: NgramModel) -> LanguageModel:
    """A model with the words of the text it has learnt: a word is one of them with probability 0.7.

    A word's weight is the root of its count, so that rare ones have more than their share; the frequent ones the
    n-grams know well enough. Both were chosen on development lines.
    """
    words = {word: math.sqrt(count) for word, count in model.words.items()}
    return WithWords(model, words, share=0.7) if words else model


def with_own_words(model: LanguageModel, words: Iterable[str]) -> LanguageModel:
    """A model with words of the user's own: a word is one of them with probability 1/10."""
    return WithWords(model, dict.fromkeys(map(normal, words), 1.0), share=0.1)


def read_words(path: Path) -> list[str]:
    """The user's words, one a line; it may be several words that belong together. Raises BadInput."""
    words = {" ".join(normal(line).split()) for line in read_text(path).splitlines()} - {""}
    if not words:
        raise BadInput(f"{path}: has no words; write one a line")
    return sorted(words)
