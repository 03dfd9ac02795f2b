"""The recurrent layers, compared with their formulas as plain loops and with those of torch."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from recurrences import FORMULAS, loop
from torch import Tensor, nn

from inkread.config import Activation, NetworkConfig
from inkread.model.rnn import DeepRNN, Elman, Layer, make_activation, reverse_each, run_truncated

ACTIVATIONS = get_args(Activation)
CELLS = ("elman", "gru", "lstm")
F, H = 3, 4  # inputs, hidden


def config(cell: str = "elman", **settings: object) -> NetworkConfig:
    return NetworkConfig().replace({"cell": cell, "hidden": H, "layers": 2, "dropout": 0, **settings})


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_their_formulas(name: Activation) -> None:
    z = np.linspace(-6, 6, 49)
    np.testing.assert_allclose(
        make_activation(name).double()(torch.from_numpy(z)).detach(), FORMULAS[name](z), atol=1e-12
    )


def test_prelu_learns_its_slope() -> None:
    (slope,) = make_activation("prelu").parameters()
    assert slope.requires_grad and slope.item() == 0.25


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_elman_equals_its_recurrence(activation: Activation) -> None:
    cell = Elman(F, H, activation).double()
    nn.init.uniform_(cell.input.bias)
    x = noise(9, 2, F)
    outputs, last = cell(x)
    for sequence in range(2):
        np.testing.assert_allclose(
            outputs[:, sequence].detach(), loop(cell, x[:, sequence].numpy(), activation), atol=1e-12
        )
    assert torch.equal(last[0], outputs[-1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_elman_gradient_equals_finite_differences(activation: Activation) -> None:
    cell = Elman(2, 3, activation).double()
    names, weights = zip(*cell.named_parameters(), strict=True)

    def run(x: Tensor, state: Tensor, *weights: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(cell, dict(zip(names, weights, strict=True)), (x, state))[0]
        return outputs

    assert torch.autograd.gradcheck(run, (noise(5, 2, 2).requires_grad_(), noise(1, 2, 3).requires_grad_(), *weights))


def test_elman_starts_at_zero_or_at_a_given_state() -> None:
    cell, x = Elman(F, H).double(), noise(6, 2, F)
    whole, last = cell(x)
    assert torch.equal(cell(x, torch.zeros(1, 2, H, dtype=torch.float64))[0], whole)
    first, state = cell(x[:2])
    torch.testing.assert_close(torch.cat([first, cell(x[2:], state)[0]]), whole)
    torch.testing.assert_close(cell(x[2:], state)[1], last)


def test_elman_stays_in_float32_under_autocast() -> None:
    cell, x = Elman(F, H), noise(6, 2, F, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = cell(x)[0]
    assert torch.equal(inside, cell(x)[0])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_deep_elman_equals_the_rnn_of_torch(activation: Activation, bidirectional: bool) -> None:
    ours = DeepRNN(config(activation=activation, bidirectional=bidirectional, layers=3), F).double()
    theirs = nn.RNN(F, H, 3, nonlinearity=activation, bidirectional=bidirectional).double()
    with torch.no_grad():
        for depth, layer in enumerate(ours.layers):
            for cell, suffix in ((layer.forwards, ""), (layer.backwards, "_reverse")):
                if cell is not None:
                    getattr(theirs, f"weight_ih_l{depth}{suffix}").copy_(cell.input.weight)
                    getattr(theirs, f"weight_hh_l{depth}{suffix}").copy_(cell.recurrent.weight)
                    getattr(theirs, f"bias_ih_l{depth}{suffix}").copy_(cell.input.bias)
                    getattr(theirs, f"bias_hh_l{depth}{suffix}").zero_()
    x = noise(8, 3, F)
    torch.testing.assert_close(ours(x, torch.full((3,), 8)), theirs(x)[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)  # torch has code for each
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_reads_each_sequence_from_both_ends(cell: str, dtype: torch.dtype, tolerance: float) -> None:
    layer = Layer(config(cell), F).to(dtype)
    x, lengths = noise(7, 3, F, dtype=dtype), torch.tensor([7, 1, 4])
    outputs = layer(x, lengths).detach().double().numpy()
    assert layer.backwards is not None
    for sequence, length in enumerate(lengths.tolist()):
        own = x[:length, sequence].double().numpy()
        np.testing.assert_allclose(outputs[:length, sequence, :H], loop(layer.forwards, own), atol=tolerance)
        np.testing.assert_allclose(
            outputs[:length, sequence, H:], loop(layer.backwards, own[::-1])[::-1], atol=tolerance
        )


def test_reverse_each_by_hand() -> None:
    x = torch.tensor([[1, 5], [2, 6], [3, 7], [4, 8]]).unsqueeze(2)  # two sequences, one below the other
    reversed_x = reverse_each(x, torch.tensor([3, 4])).squeeze(2)
    assert reversed_x.tolist() == [[3, 8], [2, 7], [1, 6], [4, 5]]
    assert torch.equal(reverse_each(reversed_x.unsqueeze(2), torch.tensor([3, 4])), x)


def test_the_gradient_of_reverse_each() -> None:
    x = torch.randn(5, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: reverse_each(x, torch.tensor([5, 1, 3])), x)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_the_output_of_a_sequence_does_not_depend_on_its_batch(cell: str, bidirectional: bool) -> None:
    network = DeepRNN(config(cell, bidirectional=bidirectional), F).eval()
    x, lengths = noise(9, 4, F, dtype=torch.float32), [6, 9, 1, 8]  # the padding is noise too: it must not matter
    together = network(x, torch.tensor(lengths))
    for sequence, length in enumerate(lengths):
        alone = network(x[:length, sequence : sequence + 1], torch.tensor([length]))
        torch.testing.assert_close(together[:length, sequence], alone[:, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("truncate", [1, 2, 5, 9, 100])
def test_truncation_keeps_the_values(cell: str, truncate: int) -> None:
    network = DeepRNN(config(cell), F).double()
    x, lengths = noise(9, 2, F), torch.tensor([9, 6])
    torch.testing.assert_close(network(x, lengths, truncate), network(x, lengths), atol=1e-12, rtol=0)


def reach(run: Callable[[Tensor], Tensor], x: Tensor) -> NDArray[np.bool_]:
    """(T, T): whether any gradient goes from the output of step t to the input of step s."""
    jacobian = torch.autograd.functional.jacobian(run, x)  # (T, 1, H, T, 1, F)
    return (jacobian != 0).any(5).any(4).any(2).any(1).numpy()


@pytest.mark.parametrize("truncate", [0, 1, 2, 3, 7, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_truncation_cuts_only_the_gradient(cell: str, truncate: int) -> None:
    layer, length = Layer(config(cell), F).double(), 8
    x = noise(length, 1, F)
    ahead = reach(lambda x: layer(x, torch.tensor([length]), truncate)[:, :, :H], x)
    back = reach(lambda x: layer(x, torch.tensor([length]), truncate)[:, :, H:], x)[::-1, ::-1]  # seen from the end
    for reached in (ahead, back):
        for t in range(length):
            # Nothing from the future, nothing k or more steps old, everything since the last cut.
            begin = t - t % truncate if truncate else 0
            assert reached[t].tolist() == [begin <= s <= t for s in range(length)]
            assert not truncate or not reached[t, : max(0, t - truncate + 1)].any()


@pytest.mark.parametrize("cell", CELLS)
def test_the_truncated_gradient_equals_that_of_separate_chunks(cell: str) -> None:
    """The gradient of the weights is the sum over the chunks. Each starts in the final state of the one before."""
    recurrent, x = Layer(config(cell), F).double().forwards, noise(6, 1, F)
    parameters = list(recurrent.parameters())
    gradients = torch.autograd.grad(run_truncated(recurrent, x, 4).square().sum(), parameters)
    first, state = recurrent(x[:4])
    constant = tuple(part.detach() for part in state) if cell == "lstm" else state.detach()
    by_hand = torch.autograd.grad(first.square().sum() + recurrent(x[4:], constant)[0].square().sum(), parameters)
    whole = torch.autograd.grad(run_truncated(recurrent, x, 0).square().sum(), parameters)
    torch.testing.assert_close(gradients, by_hand)
    assert not all(torch.allclose(*pair) for pair in zip(gradients, whole, strict=True))


def test_dropout_drops_the_same_inputs_at_every_step() -> None:
    network, seen = DeepRNN(config(dropout=0.5), 50), []
    for layer in network.layers:
        layer.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    network(torch.ones(6, 3, 50), torch.tensor([6, 6, 6]))
    assert torch.equal(seen[0], seen[0][:1].expand(6, -1, -1)) and set(seen[0].unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(seen[0][0, 0], seen[0][0, 1])  # but others in every sequence
    assert torch.equal((seen[1] == 0).all(0), (seen[1] == 0).any(0))
    seen.clear()
    network.eval()(torch.ones(6, 3, 50), torch.tensor([6, 6, 6]))
    assert bool((seen[0] == 1).all())
