"""Recurrent layers: Elman with any activation, GRU and LSTM; deep and bidirectional; truncated backpropagation.

One layer in one direction is  h_t = θ(W x_t + b + W_h h_{t-1}),  h_0 = 0  (Elman 1990). A bidirectional layer has a
second set of weights that reads from the end of each sequence (Schuster and Paliwal 1997). The outputs of both are
concatenated, so that the layer above computes W_f h_t^f + W_b h_t^b with one matrix. Sequences of varying length are
padded at their ends. The outputs of a sequence depend neither on its padding nor on the other sequences in the batch.

Shapes: T steps, B sequences, F inputs per step, H cells.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from inkread.config import Activation, NetworkConfig


def make_activation(name: Activation) -> nn.Module:
    """The activation θ of that name. PReLU has a slope that is learnt."""
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
    """The recurrence h_t = θ(W x_t + b + W_h h_{t-1}) in one direction, with the interface of nn.LSTM and nn.GRU."""

    def __init__(self, inputs: int, hidden: int, activation: Activation = "tanh") -> None:
        super().__init__()
        self.input = nn.Linear(inputs, hidden)  # W, b
        self.recurrent = nn.Linear(hidden, hidden, bias=False)  # W_h
        self.activation = make_activation(activation)  # θ
        nn.init.uniform_(self.input.weight, -math.sqrt(3 / inputs), math.sqrt(3 / inputs))
        nn.init.zeros_(self.input.bias)
        # An orthogonal matrix keeps the norm of the state, so at first gradients do not explode or vanish (Saxe 2014).
        nn.init.orthogonal_(self.recurrent.weight)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (T, B, F), h_0 (1, B, H) or None for 0 -> h_1..h_T (T, B, H), h_T (1, B, H)."""
        # Always in float32: bfloat16 makes these many small products slower.
        with torch.autocast(x.device.type, enabled=False):
            driven = self.input(x.to(self.input.weight.dtype))  # (T, B, H), W x_t + b for all t at once
            h = driven.new_zeros(driven.shape[1:]) if state is None else state[0]  # (B, H)
            transposed = self.recurrent.weight.t()
            outputs = []
            for driven_t in driven.unbind(0):
                h = self.activation(torch.addmm(driven_t, h, transposed))  # (B, H)
                outputs.append(h)
        return torch.stack(outputs), h.unsqueeze(0)


def make_cell(config: NetworkConfig, inputs: int) -> nn.Module:
    """One layer in one direction: (x (T, B, F), state | None) -> (outputs (T, B, H), state)."""
    if config.cell == "elman":
        return Elman(inputs, config.hidden, config.activation)
    cell: nn.Module = (nn.GRU if config.cell == "gru" else nn.LSTM)(inputs, config.hidden)
    return cell


def run_truncated(cell: nn.Module, x: Tensor, truncate: int) -> Tensor:
    """The outputs (T, B, H) of a cell for x (T, B, F), with truncated backpropagation through time.

    The sequence is cut into chunks of `truncate` steps; 0 = no truncation (Williams and Peng 1990). The values are
    those of the whole sequence, but no gradient goes further back than to the start of its chunk.
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


class ReverseEach(torch.autograd.Function):
    """x (T, B, F) with the first lengths[b] steps of each sequence b in reverse order; the padding stays in place.

    The gradient is reversed in the same way: its own derivative of indexing would add up, which is slower.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, lengths: Tensor) -> Tensor:
        steps = torch.arange(len(x), device=x.device).unsqueeze(1)  # (T, 1)
        index = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, B)
        ctx.save_for_backward(index)
        return x[index, torch.arange(x.shape[1], device=x.device)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return gradient[index, torch.arange(gradient.shape[1], device=gradient.device)], None


def reverse_each(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, F), lengths (B,) -> (T, B, F), each sequence in reverse order."""
    reverse: Tensor = ReverseEach.apply(x, lengths)  # type: ignore[no-untyped-call]
    return reverse


class Layer(nn.Module):
    """One recurrent layer, in one direction or in both."""

    def __init__(self, config: NetworkConfig, inputs: int) -> None:
        super().__init__()
        self.forwards = make_cell(config, inputs)
        self.backwards = make_cell(config, inputs) if config.bidirectional else None

    def forward(self, x: Tensor, lengths: Tensor, truncate: int = 0) -> Tensor:
        """x (T, B, F), lengths (B,) -> (T, B, H), or (T, B, 2H) in both directions."""
        forward = run_truncated(self.forwards, x, truncate)  # (T, B, H)
        if self.backwards is None:
            return forward
        backward = run_truncated(self.backwards, reverse_each(x, lengths), truncate)  # (T, B, H), from the end
        return torch.cat([forward, reverse_each(backward, lengths)], dim=2)


class DeepRNN(nn.Module):
    """A stack of recurrent layers. Before each, dropout of the same inputs at every step (Gal and Ghahramani 2016)."""

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
        lengths = lengths.to(x.device)
        for layer in self.layers:
            if self.training and self.dropout:
                x = x * functional.dropout(x.new_ones(1, *x.shape[1:]), self.dropout)
            x = layer(x, lengths, truncate)
        return x
