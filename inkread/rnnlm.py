"""Recurrent language models: text -> tokens -> embedding -> forward recurrent layers -> what token comes next.

The network of a recogniser without its picture: the same cells, trained by truncated backpropagation through time. It
scores and samples text; the beam is guided by the n-grams of language.py, which answer a thousand times as quickly.
"""

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inkread.alphabet import normal
from inkread.config import Activation, NetworkConfig, Settings, TrainingConfig
from inkread.errors import BadConfig, BadInput, BadModel, TrainingFailed, shown
from inkread.language import END, LARGEST, UNKNOWN, NgramModel, check_characters, draw
from inkread.model_file import (
    LANGUAGE_FORMAT,
    build_network,
    describe_model,
    find_language_model,
    load_language_model,
    read_tensors,
    write_tensors,
)
from inkread.rnn import DeepRNN
from inkread.training import learning_rate_at, scale_gradient

WORD = re.compile(r" ?[^ ]+| ")  # with the space before it; no piece goes beyond a word


@dataclass(frozen=True)
class RnnConfig(Settings):
    """The shape of a recurrent language model and how it is trained; stored in its file."""

    pieces: int = 0  # byte-pair pieces in the vocabulary beside the characters
    embedding: int = 64  # numbers that stand for a token
    cell: Literal["elman", "gru", "lstm"] = "gru"  # the recurrent cell
    activation: Activation = "tanh"  # elman: θ
    layers: int = 2  # recurrent layers, one on the other
    hidden: int = 256  # cells in one layer
    dropout: float = 0.1  # share of inputs of each recurrent layer dropped in training
    minutes: float = 10.0  # stop after so many
    epochs: int = 0  # or after so many passes over the text, however long they take; 0 = by minutes
    batch: int = 32  # places of the text read at once
    truncate: int = 64  # k: tokens that the gradient goes back; the state goes on from one stretch to the next
    learning_rate: float = 2e-3  # peak, reached after the warm-up, then a cosine down to 0
    clip: float = 1.0  # τ: a gradient longer than this is scaled to this norm (Pascanu 2013)
    seed: int = 0

    def __post_init__(self) -> None:
        self.network(), self.training()  # they check what they share with this
        if self.epochs < 0 or self.pieces < 0 or self.embedding < 1 or self.truncate < 1 or self.minutes <= 0:
            raise BadConfig(
                "epochs and pieces must not be negative, embedding and truncate at least 1, minutes more than 0"
            )

    def network(self) -> NetworkConfig:
        return NetworkConfig(
            cell=self.cell, activation=self.activation, layers=self.layers, hidden=self.hidden,
            dropout=self.dropout, bidirectional=False,
        )  # fmt: skip

    def training(self) -> TrainingConfig:
        return TrainingConfig(
            minutes=self.minutes, batch=self.batch, learning_rate=self.learning_rate, clip=self.clip, seed=self.seed
        )


# ---- text <-> tokens


class Tokenizer:
    """Characters, and pieces of words made by joining the commonest pairs again and again (Sennrich et al. 2016).

    A token is its text; the merges are in the order in which they were learnt and are applied.
    Raises ValueError for characters or merges that are none.

    >>> tokenizer = Tokenizer.of(["the hat", "the bat"], pieces=2)
    >>> [tokenizer.tokens[token] for token in tokenizer.encode("the at")]
    ['t', 'h', 'e', ' ', 'at', '</s>']
    """

    def __init__(self, characters: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        check_characters(characters)
        self.characters, self.merges = list(characters), [(left, right) for left, right in merges]
        for left, right in self.merges:
            check_characters(sorted(set(left + right)))
        self.tokens = [END, UNKNOWN, *self.characters, *(left + right for left, right in self.merges)]
        self.code = {token: code for code, token in enumerate(self.tokens)}
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._known: dict[str, list[int]] = {}  # words cut before

    @classmethod
    def of(cls, lines: Iterable[str], pieces: int) -> "Tokenizer":
        """Learnt from lines; a character seen only once stands for all that are unknown."""
        words = Counter(word for line in lines for word in WORD.findall(line))
        seen: Counter[str] = Counter()
        for word, times in words.items():
            for character in word:
                seen[character] += times
        return cls(sorted(character for character, times in seen.items() if times > 1), learn_merges(words, pieces))

    def encode(self, line: str) -> list[int]:
        """The tokens of a line, its end included."""
        found = []
        for word in WORD.findall(normal(line)):
            if word not in self._known:
                self._known[word] = [self.code.get(piece, 1) for piece in self._cut(word)]
            found += self._known[word]
        return [*found, 0]

    def _cut(self, word: str) -> list[str]:
        parts = list(word)
        while len(parts) > 1:
            first = min(pairwise(parts), key=lambda pair: self._rank.get(pair, math.inf))
            if first not in self._rank:
                break
            parts = merge(parts, first)
        return parts


def merge(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """['a', 'b', 'a', 'b'], ('a', 'b') -> ['ab', 'ab']"""
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def learn_merges(words: Counter[str], count: int) -> list[tuple[str, str]]:
    """The `count` merges that each join the commonest pair there is; only words that hold the pair are counted anew."""
    parts = {word: list(word) for word in words}
    times: Counter[tuple[str, str]] = Counter()
    holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def tally(word: str, sign: int) -> None:
        for pair in pairwise(parts[word]):
            times[pair] += sign * words[word]
            holders[pair].add(word)

    for word in words:
        tally(word, 1)
    merges: list[tuple[str, str]] = []
    while len(merges) < count and times:
        pair = max(times, key=lambda pair: (times[pair], pair))
        if times[pair] < 2:
            break
        merges.append(pair)
        for word in holders.pop(pair):
            tally(word, -1)
            parts[word] = merge(parts[word], pair)
            tally(word, 1)
        times = +times  # without those that are gone
    return merges


# ---- the network


class RecurrentNetwork(nn.Module):
    """p(next token | all tokens before): a learned embedding, a forward DeepRNN, a softmax over the vocabulary."""

    def __init__(self, config: RnnConfig, vocabulary: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.rnn = DeepRNN(config.network(), config.embedding)
        self.output = nn.Linear(self.rnn.outputs, vocabulary)

    def forward(self, tokens: Tensor, states: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """tokens (T, B), each layer's state or None -> log-probabilities of the next token (T, B, V), the states."""
        x = self.embedding(tokens)  # (T, B, E)
        after = []
        for layer, state in zip(self.rnn.layers, states or [None] * len(self.rnn.layers), strict=True):
            x = functional.dropout(x, self.dropout, self.training)
            x, state = layer.get_submodule("forwards")(x, state)  # (T, B, H)
            after.append(state)
        return functional.log_softmax(self.output(x), dim=2), after


def detach(state: Any) -> Any:
    """A state cut from its past: an LSTM's is a pair."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


class RecurrentModel:
    """A recurrent language model ready to score and to sample."""

    def __init__(
        self,
        config: RnnConfig,
        tokenizer: Tokenizer,
        network: RecurrentNetwork,
        facts: dict[str, Any] | None = None,
        name: str = "the model",  # its file, for messages
    ) -> None:
        self.config, self.tokenizer, self.network = config, tokenizer, network.eval()
        self.facts, self.name = facts or {}, name

    def score(self, line: str) -> float:
        """log p(line), its end included, as cut into tokens: by the chain rule the sum over these."""
        tokens = self.tokenizer.encode(line)
        log_p = self._predict([0, *tokens[:-1]], None)[0]  # (T, V)
        return float(log_p[range(len(tokens)), tokens].sum())

    def sample(self, prompt: str, temperature: float, seed: int, length: int) -> str:
        """The prompt and what may follow, `length` characters in all; see NgramModel."""
        random = np.random.default_rng(seed)
        text, tokens = normal(prompt), [0, *self.tokenizer.encode(prompt)[:-1]]
        states = None
        while len(text) < length:
            log_p, states = self._predict(tokens, states)
            p: NDArray[np.float32] = log_p[-1].exp().numpy()
            p[1] = 0  # unknown
            token = draw(p, temperature, random)
            text += "\n" if token == 0 else self.tokenizer.tokens[token]
            tokens = [token]
        return text[:length]

    def _predict(self, tokens: Sequence[int], states: list[Any] | None) -> tuple[Tensor, list[Any]]:
        """Tokens (T,), each layer's state -> log-probabilities of the next token (T, V), the states.

        Raises BadModel when they are no probabilities.
        """
        with torch.inference_mode():
            log_p, states = self.network(torch.tensor(tokens).unsqueeze(1), states)
        if not bool((log_p > -LARGEST).all()):  # nor is a NaN greater
            raise BadModel(f"{self.name}: damaged: its weights give no probabilities; copy the file again")
        return log_p[:, 0], states

    def save(self, path: Path) -> None:
        """Write the model whole or not at all; the weights as float16. Raises CannotWrite."""
        description = {
            "format": LANGUAGE_FORMAT,
            "kind": "rnn",
            "config": self.config.to_dict(),
            "characters": "".join(self.tokenizer.characters),
            "merges": self.tokenizer.merges,
            "facts": self.facts,
        }
        weights = {name: weight.to(torch.float16) for name, weight in self.network.state_dict().items()}
        write_tensors(path, weights, description)


def load(name: str) -> NgramModel | RecurrentModel:
    """The language model of that name or path, of either kind. Raises BadModel."""
    path = find_language_model(name)
    if path.suffix == ".arpa":
        return load_language_model(name)
    if describe_model(path).get("kind") != "rnn":
        return load_language_model(name)
    description, weights = read_tensors(path)
    try:
        config = RnnConfig().replace(description["config"])
        tokenizer = Tokenizer(description["characters"], description["merges"])
    except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(f"{path}: damaged, or newer than this inkread ({shown(error)}); copy it again") from error
    network = build_network(lambda: RecurrentNetwork(config, len(tokenizer.tokens)), weights, str(path))
    return RecurrentModel(config, tokenizer, network, description.get("facts"), str(path))


# ---- training


def train(
    lines: Sequence[str], config: RnnConfig, report: Callable[[float, float], None] = lambda share, bits: None
) -> RecurrentModel:
    """Learn lines of text, all of them one after another; report(share done, bits a token) is called at each step.

    The text is read at `batch` places at once. A state is carried over from one stretch of `truncate` tokens to the
    next, but no gradient goes back further than its stretch (Williams and Peng 1990).
    Raises BadInput when there is too little text, TrainingFailed when the loss is no number any more.
    """
    tokenizer = Tokenizer.of(lines, config.pieces)
    stream = torch.tensor([0, *(token for line in lines for token in tokenizer.encode(line))])
    rows = (len(stream) - 1) // config.batch
    if rows < 2:
        raise BadInput(f"{len(stream)} tokens are too few to learn a language from; give more text")
    before, after = (stream[shift : shift + rows * config.batch].view(config.batch, rows).t() for shift in (0, 1))

    torch.manual_seed(config.seed)
    network = RecurrentNetwork(config, len(tokenizer.tokens))
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, betas=(0.9, 0.98), fused=True)
    began, step, share, bits = time.monotonic(), 0, 0.0, math.log2(len(tokenizer.tokens))
    steps = config.epochs * -(-rows // config.truncate)
    while share < 1:
        states = None
        stretches = zip(torch.split(before, config.truncate), torch.split(after, config.truncate), strict=True)
        for inputs, targets in stretches:  # (k, B)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(share, config.training())
            log_p, states = network(inputs, states)
            states = [detach(state) for state in states]
            loss = functional.nll_loss(log_p.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm, _ = scale_gradient(list(network.parameters()), config.clip)
            if not math.isfinite(loss.item() + norm):
                less = config.learning_rate / 3
                raise TrainingFailed(f"the loss is {loss.item()}; try --set learning_rate={less:.1g}")
            optimizer.step()
            bits += 0.02 * (loss.item() / math.log(2) - bits)
            step += 1
            share = min(1.0, step / steps if steps else (time.monotonic() - began) / (60 * config.minutes))
            report(share, bits)
            if share == 1:
                break
    return RecurrentModel(config, tokenizer, network)
