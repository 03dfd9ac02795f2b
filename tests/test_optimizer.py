"""Muon against singular values and torch's own Adam."""

from typing import cast

import pytest
import torch

from inkread.config import CELLS, NetworkConfig, TrainingConfig
from inkread.model.network import Network
from inkread.model.shapes import GATES
from inkread.training.distributed import Workers
from inkread.training.optimizer import ADAM_SIZE, Muon, adam_step, orthogonal


@pytest.mark.parametrize("shape", [(1, 8, 8), (4, 6, 20), (3, 20, 6)])
def test_orthogonal_keeps_the_directions_and_equalises_singular_values(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    strengths = torch.logspace(0, -2, left.shape[2]).expand(shape[0], -1)  # from 1 down to 0.01
    made = orthogonal(left * strengths[:, None] @ right)
    seen = left.mT @ made @ right.mT  # (B, K, K): diagonal where the directions are kept
    evened = seen.diagonal(dim1=1, dim2=2)
    assert evened.min() > 0.5 and evened.max() < 1.3
    assert (seen - torch.diag_embed(evened)).abs().max() < 1e-4


def test_orthogonal_of_zeros_is_zero() -> None:
    assert not orthogonal(torch.zeros(2, 3, 5)).any()


def test_adam_agrees_with_torch() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5, 3))
    other = weight.detach().clone()
    state: dict[str, torch.Tensor] = {}
    optimizer = torch.optim.Adam([weight], lr=0.01, betas=(0.9, 0.98))
    for _ in range(4):
        weight.grad = torch.randn(5, 3)
        optimizer.step()
        other -= 0.01 * adam_step(weight.grad, state)
    assert torch.allclose(weight, other, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_every_gate_and_convolution_takes_a_step_of_the_same_size(cell: str) -> None:
    """Each direction of each gate moves by the learning rate times ADAM_SIZE sqrt(longer side), about."""
    torch.manual_seed(0)
    config = NetworkConfig(channels=(8, 8, 8), hidden=12, layers=1, cell=cell)  # type: ignore[arg-type]
    network = Network(config, labels=5)
    optimizer = Muon(network, config, TrainingConfig(learning_rate=0.01, weight_decay=0.0), False, Workers())
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    for name, weight in network.named_parameters():
        moved = (before[name] - weight.detach()) / 0.01
        if weight.ndim == 1 or name.startswith(("output", "auxiliary")):
            assert torch.allclose(moved.abs(), torch.ones(()), atol=1e-3), name  # the first step of Adam
            continue
        gates = GATES[cell] if name.startswith("rnn") else 1
        matrices = moved.reshape(gates, weight.shape[0] // gates, -1)
        strengths = torch.linalg.svdvals(matrices) / (ADAM_SIZE * max(matrices.shape[1:]) ** 0.5)
        assert strengths.median() > 0.6 and strengths.max() < 1.3, name


def test_weights_decay_and_those_without_a_gradient_stay() -> None:
    config = NetworkConfig(features="pixels", cell="elman", layers=1, hidden=4)
    network = Network(config, labels=3)
    optimizer = Muon(network, config, TrainingConfig(learning_rate=0.1, weight_decay=0.5), False, Workers())
    inner = cast(torch.Tensor, network.rnn.layers[0].forwards.input.weight)
    output, before = network.output.weight, inner.detach().clone()
    had = output.detach().clone()
    output.grad = torch.zeros_like(output)
    optimizer.step()
    assert torch.allclose(output, 0.95 * had)
    assert torch.equal(inner, before)


def test_two_processes_make_half_of_the_matrices_each() -> None:
    """Without a second process the sum is what this one made: added up by hand they are what one process makes."""
    config = NetworkConfig(channels=(8, 8, 8), hidden=12, layers=1)

    class Half(Workers):
        def sum_all(self, tensors: list[torch.Tensor]) -> None:
            pass

    moved = []
    for processes in (Workers(), Half(0, 2), Half(1, 2)):
        torch.manual_seed(0)
        network = Network(config, labels=5)
        before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
        for weight in network.parameters():
            weight.grad = torch.randn_like(weight)
        Muon(network, config, TrainingConfig(weight_decay=0.0), False, processes).step()
        moved.append({name: weight.detach() - before[name] for name, weight in network.named_parameters()})
    whole, first, second = moved
    inside = [name for name in whole if whole[name].ndim > 1 and name.startswith(("front", "rnn"))]
    for name in inside:
        assert torch.allclose(whole[name], first[name] + second[name], atol=1e-6), name
    busy = [sum(int(half[name].count_nonzero()) for name in inside) for half in (first, second)]
    assert 0.4 < busy[0] / sum(busy) < 0.6
