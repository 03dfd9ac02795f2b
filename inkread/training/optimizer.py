"""Muon: an optimizer whose steps are orthogonal matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

The gradient of a matrix is strong in a few directions and weak in most, and Adam's steps mostly follow the strong ones.
Muon's steps have the same length in all directions, so rare features are learned as early as common ones: a new network
can read after two minutes instead of ten. torch's own Muon treats neither convolutions nor single gates of an LSTM as
matrices.
"""

from typing import Any

import torch
from torch import Tensor

from inkread.config import NetworkConfig, TrainingConfig
from inkread.model.network import Network
from inkread.model.shapes import GATES
from inkread.training.distributed import Workers

MOMENTUM = 0.95  # as Jordan
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.98  # Adam's β1, and a β2 as in Vaswani et al. 2017
EPSILON = 1e-8  # Adam's ε
ADAM_SIZE = 0.2  # root mean square of a step of Adam, in learning rates (Liu et al. 2025, equation 4)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices inside a network, Adam (Kingma and Ba 2015) for its outputs, normalisations and biases.

    A convolution is a matrix (outputs, inputs * kernel), and each gate of an LSTM or GRU is a matrix. Their steps are
    as large as Adam's, so both use one learning rate. Weights decay as in AdamW (Loshchilov and Hutter 2019).
    """

    def __init__(
        self, network: Network, config: NetworkConfig, training: TrainingConfig, bfloat16: bool, workers: Workers
    ) -> None:
        self.precision = torch.bfloat16 if bfloat16 else torch.float32
        self.workers = workers
        groups: dict[int, list[Tensor]] = {0: [], 1: [], GATES[config.cell]: []}
        for name, parameter in network.named_parameters():
            inside = parameter.ndim > 1 and name.startswith(("front.", "rnn."))
            groups[(GATES[config.cell] if name.startswith("rnn.") else 1) if inside else 0].append(parameter)
        super().__init__(
            [{"params": parameters, "gates": gates} for gates, parameters in groups.items() if parameters],
            {"lr": training.learning_rate, "weight_decay": training.weight_decay},
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient. Each worker computes a part of the orthogonal matrices."""
        learned = [
            (weight, group) for group in self.param_groups for weight in group["params"] if weight.grad is not None
        ]
        steps: dict[Tensor, Tensor] = {}
        count = 0  # matrices so far
        for weight, group in learned:
            if gates := group["gates"]:
                matrices = nesterov(weight.grad, self.state[weight]).reshape(gates, len(weight) // gates, -1)
                steps[weight] = self._own_steps(matrices, count).view_as(weight)
                count += gates
        self.workers.sum_all([*steps.values()])
        for weight, group in learned:
            step = steps[weight] if group["gates"] else adam_step(weight.grad, self.state[weight])
            weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])

    def _own_steps(self, matrices: Tensor, first: int) -> Tensor:
        """The steps of the matrices (gates, M, N) of a weight. The matrices are numbered from `first`, and dealt out to
        the workers by their number; those of other workers are 0.
        """
        steps = torch.zeros_like(matrices)
        own = slice((self.workers.rank - first) % self.workers.world_size, None, self.workers.world_size)
        # The root mean square of an orthogonal matrix is 1 / sqrt(longer side).
        size = ADAM_SIZE * max(matrices.shape[1:]) ** 0.5
        steps[own] = orthogonal(matrices[own].to(self.precision)).to(steps.dtype).mul_(size)
        return steps


def nesterov(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """Nesterov momentum: the gradient mixed with the moving average of all gradients, which `state` keeps."""
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    state["momentum"].lerp_(gradient, 1 - MOMENTUM)
    mixed: Tensor = gradient.lerp(state["momentum"], MOMENTUM)
    return mixed


def adam_step(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """The step of Adam, in learning rates; `state` keeps the two moments."""
    if not state:
        state.update(mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient), step=torch.zeros(()))
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - MEAN_DECAY)
    state["square"].lerp_(gradient.square(), 1 - SQUARE_DECAY)
    count = float(state["step"])
    mean: Tensor = state["mean"] / (1 - MEAN_DECAY**count)
    square: Tensor = state["square"] / (1 - SQUARE_DECAY**count)
    return mean / (square.sqrt() + EPSILON)


def orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Matrices (B, M, N) -> roughly the nearest orthogonal matrices, with all singular values between 0.6 and 1.2.

    This is the Newton-Schulz iteration x <- 3.4445 x - 4.7750 x xᵀ x + 2.0315 (x xᵀ)² x with Jordan's coefficients,
    which are fast rather than exact. A singular value below a thousandth of the matrix's norm stays smaller.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT, rounds).mT
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x
