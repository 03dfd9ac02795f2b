"""Recurrent layers as plain loops over their textbook formulas, in float64: the truth that tests compare with."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from inkread.model.rnn import Elman

Vector = NDArray[np.float64]


def logistic(z: Vector) -> Vector:
    return 1 / (1 + np.exp(-z))


FORMULAS: dict[str, Callable[[Vector], Vector]] = {
    "tanh": np.tanh,
    "logistic": logistic,
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))) / 2,
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "prelu": lambda z: np.where(z > 0, z, 0.25 * z),  # the slope before it has learned
}


def loop(cell: nn.Module, x: Vector, activation: str = "tanh", push: tuple[int, Vector] | None = None) -> Vector:
    """h_1..h_T (T, H) of one sequence x (T, F), step by step in float64 from the textbook formulas.

    push: a step, and what is added to its state (1, H), or (2, H) for h and c of an LSTM.
    """
    weight = {name: value.detach().double().numpy() for name, value in cell.named_parameters()}
    hidden = next(iter(weight.values())).shape[0] // {Elman: 1, nn.GRU: 3, nn.LSTM: 4}[type(cell)]
    h = c = np.zeros(hidden)
    outputs = []
    for t, x_t in enumerate(x):
        if isinstance(cell, Elman):
            z = weight["input.weight"] @ x_t + weight["input.bias"] + weight["recurrent.weight"] @ h
            h = FORMULAS[activation](z)
        else:
            below = weight["weight_ih_l0"] @ x_t + weight["bias_ih_l0"]
            before = weight["weight_hh_l0"] @ h + weight["bias_hh_l0"]
            if isinstance(cell, nn.GRU):  # Cho et al. 2014: reset, update, candidate
                (r, z, n), (r_h, z_h, n_h) = np.split(below, 3), np.split(before, 3)
                r, z = logistic(r + r_h), logistic(z + z_h)
                h = (1 - z) * np.tanh(n + r * n_h) + z * h
            else:  # Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000
                i, f, g, o = np.split(below + before, 4)
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
        if push and push[0] == t:
            h, c = h + push[1][0], c + push[1][-1]
        outputs.append(h)
    return np.stack(outputs)
