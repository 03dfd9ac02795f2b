"""Recurrent layers: Elman with any activation, GRU and LSTM; deep, bidirectional; whole or truncated backpropagation.

One layer in one direction is  h_t = θ(W x_t + b + W_h h_{t-1}),  h_0 = 0  (Elman 1990). A bidirectional layer runs a
second set of weights from each sequence's own end (Schuster and Paliwal 1997); the two are laid side by side, so that
the layer above computes W_f h_t^f + W_b h_t^b with one matrix. Sequences of varying length are padded at their ends;
what a sequence gives does not depend on its padding, nor on its neighbours in the batch.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from inkread.config import Activation, NetworkConfig

GATES = {"elman": 1, "gru": 3, "lstm": 4}  # of each cell: matrices of one shape, laid one on the other in its weights


def make_activation(name: Activation) -> nn.Module:
    """θ by its name; PReLU brings the slope it learns."""
    return {
        "tanh": nn.Tanh,
        "logistic": nn.Sigmoid,
        "relu": nn.ReLU,
        "gelu": nn.GELU,
        "softplus": nn.Softplus,
        "elu": nn.ELU,
        "leaky_relu": nn.LeakyReLU,
        "prelu": nn.PReLU,
    }[name]()


class Elman(nn.Module):
    """The recurrence h_t = θ(W x_t + b + W_h h_{t-1}) in one direction; called as nn.LSTM and nn.GRU are."""

    def __init__(self, inputs: int, hidden: int, activation: Activation = "tanh") -> None:
        super().__init__()
        self.input = nn.Linear(inputs, hidden)  # W, b
        self.recurrent = nn.Linear(hidden, hidden, bias=False)  # W_h
        self.activation = make_activation(activation)  # θ
        nn.init.uniform_(self.input.weight, -math.sqrt(3 / inputs), math.sqrt(3 / inputs))
        nn.init.zeros_(self.input.bias)
        # Orthogonal: from step to step the state keeps its length, neither exploding nor dying at first (Saxe 2014).
        nn.init.orthogonal_(self.recurrent.weight)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (T, B, F), h_0 (1, B, H) or None for 0 -> h_1..h_T (T, B, H), h_T (1, B, H)."""
        # In float32 always: bfloat16 made the many small products slower, not faster.
        with torch.autocast("cpu", enabled=False):
            driven = self.input(x.to(self.input.weight.dtype))  # W x_t + b for all t at once: (T, B, H)
            h = driven.new_zeros(driven.shape[1:]) if state is None else state[0]
            transposed = self.recurrent.weight.t()
            outputs = []
            for driven_t in driven.unbind(0):
                h = self.activation(torch.addmm(driven_t, h, transposed))
                outputs.append(h)
        return torch.stack(outputs), h.unsqueeze(0)


def make_cell(config: NetworkConfig, inputs: int) -> nn.Module:
    """One layer in one direction: (x (T, B, F), state | None) -> (outputs (T, B, H), state)."""
    if config.cell == "elman":
        return Elman(inputs, config.hidden, config.activation)
    cell: nn.Module = (nn.GRU if config.cell == "gru" else nn.LSTM)(inputs, config.hidden)
    return cell


def run_truncated(cell: nn.Module, x: Tensor, truncate: int) -> Tensor:
    """A cell's outputs (T, B, H), the state cut from its past every `truncate` steps (0 = never).

    Truncated backpropagation through time (Williams and Peng 1990): the values are those of the whole sequence, but no
    gradient goes further back than to the start of its chunk, hence never `truncate` steps or more.
    """
    if not truncate:
        outputs: Tensor = cell(x)[0]
        return outputs
    chunks = []
    state = None
    for chunk in torch.split(x, truncate):
        output, state = cell(chunk, state)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        chunks.append(output)
    return torch.cat(chunks)


def reverse_each(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, F) with the first lengths[b] steps of every sequence b in reverse order, its padding left in place."""
    steps = torch.arange(len(x)).unsqueeze(1)  # (T, 1)
    index = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, B)
    return x[index, torch.arange(x.shape[1])]


class Layer(nn.Module):
    """One recurrent layer, in one direction or in both."""

    def __init__(self, config: NetworkConfig, inputs: int) -> None:
        super().__init__()
        self.forwards = make_cell(config, inputs)
        self.backwards = make_cell(config, inputs) if config.bidirectional else None

    def forward(self, x: Tensor, lengths: Tensor, truncate: int = 0) -> Tensor:
        """x (T, B, F), lengths (B,) -> (T, B, H), or (T, B, 2H) in both directions."""
        ahead = run_truncated(self.forwards, x, truncate)
        if self.backwards is None:
            return ahead
        back = run_truncated(self.backwards, reverse_each(x, lengths), truncate)
        return torch.cat([ahead, reverse_each(back, lengths)], dim=2)


class DeepRNN(nn.Module):
    """Layers one on the other; before each, dropout of the same inputs at every step (Gal and Ghahramani 2016)."""

    def __init__(self, config: NetworkConfig, inputs: int) -> None:
        super().__init__()
        self.cells = config.hidden
        self.outputs = config.hidden * (2 if config.bidirectional else 1)
        self.dropout = config.dropout
        self.layers = nn.ModuleList(
            Layer(config, inputs if index == 0 else self.outputs) for index in range(config.layers)
        )

    def forward(self, x: Tensor, lengths: Tensor, truncate: int = 0) -> Tensor:
        """x (T, B, F), lengths (B,) -> (T, B, outputs)."""
        for layer in self.layers:
            if self.training and self.dropout:
                x = x * functional.dropout(x.new_ones(1, *x.shape[1:]), self.dropout)
            x = layer(x, lengths, truncate)
        return x
