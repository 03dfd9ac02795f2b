"""Muon: gradients -> steps, made orthogonal (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).

The gradient of a matrix is strong in a few directions and weak in most; Adam's steps follow the few. Muon's steps are
equally long in all, so that what is rare is learnt as early as what is common: a network from scratch reads after two
minutes instead of ten. Ours, as torch's own takes neither convolutions nor the gates of an LSTM apart.
"""

from typing import Any

import torch
from torch import Tensor

from inkread.config import NetworkConfig, TrainingConfig
from inkread.model.network import Network
from inkread.model.rnn import GATES
from inkread.train.distributed import Workers

MOMENTUM = 0.95
MEAN, SQUARE = 0.9, 0.98  # Adam's decays
ADAM_SIZE = 0.2  # root of the mean square of a step of Adam, in learning rates (Liu et al. 2025, equation 4)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices inside a network, Adam (Kingma and Ba 2015) for its output, norms and biases.

    A convolution is the matrix (outputs, inputs * kernel), a gate of an LSTM or GRU one of its own. Their steps are as
    large as Adam's, so that both have one learning rate. Weights decay as in AdamW.
    """

    def __init__(
        self, network: Network, config: NetworkConfig, training: TrainingConfig, bfloat16: bool, processes: Workers
    ) -> None:
        self.precision = torch.bfloat16 if bfloat16 else torch.float32
        self.processes = processes
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
        """Change every weight that has a gradient."""
        learned = [
            (weight, group) for group in self.param_groups for weight in group["params"] if weight.grad is not None
        ]
        steps: dict[Tensor, Tensor] = {}
        turn = 0
        for weight, group in learned:
            if gates := group["gates"]:
                matrices = nesterov(weight.grad, self.state[weight]).reshape(gates, len(weight) // gates, -1)
                steps[weight] = self._own_steps(matrices, turn).view_as(weight)
                turn += gates
        self.processes.sum_all([*steps.values()])
        for weight, group in learned:
            step = steps[weight] if group["gates"] else adam_step(weight.grad, self.state[weight])
            weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step, alpha=group["lr"])

    def _own_steps(self, matrices: Tensor, turn: int) -> Tensor:
        """The steps of a weight's matrices (gates, M, N), counted from `turn`; 0 where it is another process's turn."""
        steps = torch.zeros_like(matrices)
        own = slice((self.processes.rank - turn) % self.processes.world, None, self.processes.world)
        size = ADAM_SIZE * max(matrices.shape[1:]) ** 0.5  # an orthogonal matrix has 1 / sqrt(longer side)
        steps[own] = orthogonal(matrices[own].to(self.precision)).to(steps.dtype).mul_(size)
        return steps


def nesterov(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """The gradient, carried on by the moving average of those before it; `state` keeps the average."""
    if not state:
        state["momentum"] = torch.zeros_like(gradient)
    state["momentum"].lerp_(gradient, 1 - MOMENTUM)
    ahead: Tensor = gradient.lerp(state["momentum"], MOMENTUM)
    return ahead


def adam_step(gradient: Tensor, state: dict[str, Any]) -> Tensor:
    """The step of Adam in learning rates; `state` keeps the moments."""
    if not state:
        state.update(mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient), step=torch.zeros(()))
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - MEAN)
    state["square"].lerp_(gradient.square(), 1 - SQUARE)
    count = float(state["step"])
    mean: Tensor = state["mean"] / (1 - MEAN**count)
    square: Tensor = state["square"] / (1 - SQUARE**count)
    return mean / (square.sqrt() + 1e-8)


def orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Matrices (B, M, N) -> about the orthogonal ones nearest to them: all singular values between 0.6 and 1.2.

    The iteration of Newton and Schulz, with Jordan's coefficients, which are quick rather than exact; a singular value
    less than a thousandth of the root of the sum of their squares stays smaller.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT, rounds).mT
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x
