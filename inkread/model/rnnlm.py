"""Recurrent language models: tokens -> embedding -> forward recurrent layers -> probabilities of the next token.

The cells are those of the recogniser. The model scores and samples text. The beam search uses the n-gram models of
inkread.lm instead, which are a thousand times as fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inkread._model_files import COPY_AGAIN, check_facts, find_language_model, read_arrays, write_arrays
from inkread.alphabet import normal
from inkread.config import Activation, NetworkConfig, Settings, TrainingConfig
from inkread.errors import BadConfig, BadModel, shown
from inkread.lm.files import LANGUAGE_FORMAT
from inkread.lm.ngram import MAX_LOG, draw
from inkread.model.checkpoint import check_weights
from inkread.model.rnn import DeepRNN
from inkread.model.tokenizer import Tokenizer


@dataclass(frozen=True)
class RnnConfig(Settings):
    """The shape of a recurrent language model, and how it is trained. Stored in its file."""

    pieces: int = 0  # byte-pair pieces in the vocabulary, besides the characters
    embedding: int = 64  # length of the vector that represents a token
    cell: Literal["elman", "gru", "lstm"] = "gru"  # the recurrent cell
    activation: Activation = "tanh"  # elman: θ
    layers: int = 2  # recurrent layers
    hidden: int = 256  # cells per layer
    dropout: float = 0.1  # share of the inputs of each recurrent layer that is dropped in training
    minutes: float = 10.0  # training time
    epochs: int = 0  # passes over the text, however long they take; 0 = stop by minutes
    batch: int = 32  # positions of the text that are read in parallel
    truncate: int = 64  # k: tokens that a gradient goes back; the state is carried over
    learning_rate: float = 2e-3  # the maximum, reached after the warm-up; then it falls to 0 along a cosine
    clip: float = 1.0  # τ: a gradient with a larger norm is scaled to this norm (Pascanu 2013)
    seed: int = 0

    def __post_init__(self) -> None:
        self.network(), self.training()  # these check the settings that they share with this class
        if self.epochs < 0 or self.pieces < 0 or self.embedding < 1 or self.truncate < 1 or self.minutes <= 0:
            raise BadConfig(
                "epochs and pieces must not be negative, embedding and truncate at least 1, minutes more than 0"
            )

    def network(self) -> NetworkConfig:
        """The settings of the recurrent layers."""
        return NetworkConfig(
            cell=self.cell, activation=self.activation, layers=self.layers, hidden=self.hidden,
            dropout=self.dropout, bidirectional=False,
        )  # fmt: skip

    def training(self) -> TrainingConfig:
        """The settings of the training, for the schedule of the learning rate."""
        return TrainingConfig(
            minutes=self.minutes, batch=self.batch, learning_rate=self.learning_rate, clip=self.clip, seed=self.seed
        )


class RecurrentNetwork(nn.Module):
    """p(next token | all tokens before): a learned embedding, a forward DeepRNN, a softmax over the vocabulary."""

    def __init__(self, config: RnnConfig, vocabulary: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.rnn = DeepRNN(config.network(), config.embedding)
        self.output = nn.Linear(self.rnn.outputs, vocabulary)

    def forward(self, tokens: Tensor, states: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """tokens (T, B), the states of the layers or None -> log p of the next token (T, B, V), the next states."""
        x = self.embedding(tokens)  # (T, B, E)
        after = []
        for layer, state in zip(self.rnn.layers, states or [None] * len(self.rnn.layers), strict=True):
            x = functional.dropout(x, self.dropout, self.training)
            x, state = layer.get_submodule("forwards")(x, state)  # (T, B, H)
            after.append(state)
        return functional.log_softmax(self.output(x), dim=2), after


def detach(state: Any) -> Any:
    """A state without its history, so that no gradient goes further back. The state of an LSTM is a pair."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


class RecurrentModel:
    """A trained recurrent language model, which scores and samples text."""

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
        """log p(line) with its end, in the tokens it is split into: by the chain rule the sum over the tokens."""
        tokens = self.tokenizer.encode(line)
        log_p = self._predict([0, *tokens[:-1]], None)[0]  # (T, V)
        return float(log_p[range(len(tokens)), tokens].sum())

    def sample(self, prompt: str, temperature: float, seed: int, length: int) -> str:
        """The prompt and a random continuation; `length` characters in all. See NgramModel.sample."""
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
        """Tokens (T,), the state of each layer -> log-probabilities of the next token (T, V), the states.

        Raises BadModel if these are not probabilities.
        """
        with torch.inference_mode():
            log_p, states = self.network(torch.tensor(tokens).unsqueeze(1), states)  # (T, 1, V)
        if not bool((log_p > -MAX_LOG).all()):  # false for a NaN, too
            raise BadModel("damaged: its weights give no probabilities", path=self.name, hint=COPY_AGAIN)
        return log_p[:, 0], states

    def save(self, path: Path) -> None:
        """Write the model, completely or not at all, with weights in float16. Raises CannotWrite."""
        description = {
            "format": LANGUAGE_FORMAT,
            "kind": "rnn",
            "config": self.config.to_dict(),
            "characters": "".join(self.tokenizer.characters),
            "merges": self.tokenizer.merges,
            "facts": self.facts,
        }
        weights = {name: weight.numpy().astype(np.float16) for name, weight in self.network.state_dict().items()}
        write_arrays(path, weights, description)


def load_recurrent_model(name: str) -> RecurrentModel:
    """The recurrent language model of that name or path. Raises BadModel."""
    path = find_language_model(name)
    description, weights = read_arrays(path)
    found = (description.get("format"), description.get("kind"))
    if found != (LANGUAGE_FORMAT, "rnn"):
        raise BadModel(f"not a recurrent language model, but {shown(found[1] or found[0])}", path=path)
    check_facts(path, description)
    try:
        config = RnnConfig().replace(description["config"])
        tokenizer = Tokenizer(description["characters"], description["merges"])
    except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(f"damaged, or newer than this inkread ({shown(error)})", path=path, hint=COPY_AGAIN) from error
    try:
        with torch.device("meta"):  # without memory for the initial weights, so that a huge network does no harm
            network = RecurrentNetwork(config, len(tokenizer.tokens))
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise BadModel("the network it describes is too large", path=path, hint=COPY_AGAIN) from error
    shapes = {part: tuple(weight.shape) for part, weight in network.state_dict().items()}
    checked = check_weights(weights, shapes, str(path))
    network.load_state_dict({part: torch.from_numpy(weight) for part, weight in checked.items()}, assign=True)
    return RecurrentModel(config, tokenizer, network, description.get("facts"), str(path))
