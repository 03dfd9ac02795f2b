"""The network: shapes and multiply-adds for any width, batch normalisation, independence of the batch."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from inkread.config import PRESETS, NetworkConfig
from inkread.features.extract import extract
from inkread.model.network import BatchNorm, Network, maxima, pad
from inkread.model.shapes import multiply_adds, weight_shapes

LABELS = 7
SMALL: dict[str, dict[str, object]] = {
    "conv": {"channels": (4, 6, 8, 8, 10), "cell": "lstm"},
    "conv of four": {"channels": (4, 6, 8, 8), "cell": "elman"},
    "conv of three": {"channels": (4, 6, 8), "cell": "gru", "height": 32},
    "pixels": {"features": "pixels", "cell": "elman", "window": 5, "step": 3},
    "geometry": {"features": "geometry", "cell": "gru", "bidirectional": False},
    "strokes": {"features": "strokes", "channels": (6, 8), "cell": "lstm"},
}


@pytest.fixture(params=SMALL)
def config(request: pytest.FixtureRequest) -> NetworkConfig:
    return NetworkConfig().replace({"layers": 2, "hidden": 8, **SMALL[request.param]})


def lines(config: NetworkConfig, *widths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    if config.features == "strokes":
        return [extract(rng.normal(0, 0.2, (3, width)).astype(np.float32).cumsum(axis=1), config) for width in widths]
    return [extract(rng.integers(0, 256, (config.height, width), np.uint8), config) for width in widths]


def lived_in(network: Network) -> Network:
    """The network for inference, with batch normalisations as after a training; some scales are negative."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value, low, high in (
                (module.running_mean, -1, 1),
                (module.running_var, 0.1, 2),
                (module.weight, -0.5, 1),
                (module.bias, -0.5, 0.5),
            ):
                assert value is not None
                nn.init.uniform_(value, low, high)
    return network.eval()


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def test_four_columns_become_one_step() -> None:
    config = NetworkConfig(channels=(2, 2, 2, 2), hidden=4, layers=1)
    network, widths = Network(config, LABELS).eval(), range(1, 71)
    steps = network(*pad(lines(config, *widths)))[1]
    assert steps.tolist() == [math.ceil(width / 4) for width in widths] == [config.steps(width) for width in widths]
    for width in (1, 2, 3, 4, 5, 67, 68):
        log_probs, steps = network(*pad(lines(config, width)))
        assert log_probs.shape == (steps.item(), 1, LABELS) == (math.ceil(width / 4), 1, LABELS)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_give_log_probabilities(preset: str) -> None:
    config = PRESETS[preset][0]
    log_probs, steps = Network(config, LABELS).eval()(*pad(lines(config, 40, 61)))
    assert log_probs.shape == (16, 2, LABELS) and steps.tolist() == [10, 16]
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(16, 2))


@pytest.mark.parametrize("folded", [False, True])
def test_the_output_of_a_line_does_not_depend_on_its_batch(config: NetworkConfig, folded: bool) -> None:
    network = lived_in(Network(config, LABELS))
    if folded:
        network.for_reading()
    sequences = lines(config, 50, 7, 131, 90, 1)
    together, steps = network(*pad(sequences, to=200))
    for index, sequence in enumerate(sequences):
        alone, (length,) = network(*pad([sequence]))
        assert length == steps[index] == len(alone)
        torch.testing.assert_close(together[:length, index], alone[:, 0], atol=2e-6, rtol=0)


def test_folding_the_normalisation_keeps_the_output(config: NetworkConfig) -> None:
    network, batch = lived_in(Network(config, LABELS)), pad(lines(config, 50, 7, 131))
    before = network(*batch)[0]
    kept = [module for module in network.for_reading().modules() if isinstance(module, BatchNorm)]
    torch.testing.assert_close(network(*batch)[0], before, atol=1e-4, rtol=0)
    assert all(bool((norm.weight <= 0).any()) for norm in kept)  # only these must not be folded


def test_truncation_keeps_the_output(config: NetworkConfig) -> None:
    network = Network(config, LABELS).eval()
    columns, steps = network.columns(*pad(lines(config, 50, 131)))
    torch.testing.assert_close(network.scores(columns, steps, 5), network.scores(columns, steps))


@pytest.mark.parametrize("activation", ["tanh", "prelu"])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_the_shapes_of_the_weights_are_those_of_torch(config: NetworkConfig, cell: str, activation: str) -> None:
    config = config.replace({"cell": cell, "activation": activation})
    expected = {name: tuple(weight.shape) for name, weight in Network(config, LABELS).state_dict().items()}
    assert weight_shapes(config, LABELS) == expected


@pytest.mark.parametrize("columns", [4, 128])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_multiply_adds_equal_those_counted_by_torch(config: NetworkConfig, cell: str, columns: int) -> None:
    config = config.replace({"cell": cell})
    network = Network(config, LABELS).double()  # in float64 each cell is made of products that torch's counter sees
    sequences, lengths = pad(lines(config, columns))
    with FlopCounterMode(display=False) as counter:
        network(sequences.double(), lengths)
    assert multiply_adds(config, LABELS, columns) == counter.get_total_flops() // 2


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def normalised(norm: nn.BatchNorm2d, x: Tensor, mask: Tensor) -> list[Tensor]:
    """Output and gradients of two training steps, then the running statistics and the output in inference."""

    def forward(batch: Tensor) -> Tensor:
        if isinstance(norm, BatchNorm):
            return norm.masked_relu(batch, mask)
        return nn.functional.relu(norm(batch)) * mask

    results = []
    with torch.enable_grad():
        for batch in (x, 3 * x + 1):
            batch = batch.clone().requires_grad_()
            norm.train()
            output = forward(batch)
            results += [output, *torch.autograd.grad((output**3).sum(), [batch, norm.weight, norm.bias])]
    norm.eval()
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    return [*results, norm.running_mean, norm.running_var, norm.num_batches_tracked, forward(x)]


def check_norm() -> None:
    ours, theirs = BatchNorm(5), nn.BatchNorm2d(5)
    for norm in (ours, theirs):
        nn.init.uniform_(norm.weight, generator=torch.Generator().manual_seed(1))
        nn.init.uniform_(norm.bias, generator=torch.Generator().manual_seed(2))
    x, mask = torch.randn(4, 5, 6, 7), (torch.arange(7) < torch.tensor([[7], [3], [5], [1]])).float()[:, None, None]
    for memory in (torch.contiguous_format, torch.channels_last):
        own = normalised(ours, x.contiguous(memory_format=memory), mask)
        torch.testing.assert_close(own, normalised(theirs, x, mask), atol=1e-4, rtol=1e-4)


def test_batch_norm_of_one_rank_equals_that_of_torch() -> None:
    check_norm()


def test_batch_norm_over_ranks_has_the_same_formula(process_group: None) -> None:
    check_norm()


def test_batch_norm_in_bfloat16_is_near_that_in_float32() -> None:
    x, mask = torch.randn(4, 5, 6, 7).bfloat16(), torch.ones(4, 1, 1, 7)
    low, high = normalised(BatchNorm(5), x, mask.bfloat16()), normalised(BatchNorm(5), x.float(), mask)
    for part, exact in zip(low, high, strict=True):
        assert (part.float() - exact).norm() <= 0.02 * exact.float().norm()


@pytest.mark.parametrize("pool", [(2, 1), (2, 2)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_maxima_equal_max_pool2d(pool: tuple[int, int], kind: torch.dtype) -> None:
    x = torch.randn(2, 3, 6, 8).to(kind)
    assert torch.equal(maxima(x, pool), nn.functional.max_pool2d(x, pool))
