"""The ONNX model computes what torch computes, for every kind of network."""

import numpy as np
import onnxruntime
import pytest
import torch

from inkread.config import CELLS, NetworkConfig
from inkread.errors import BadModel
from inkread.features.extract import feature_size
from inkread.model.network import Network
from inkread.model.onnx_graph import ACTIVATIONS, can_be_converted, convert

LABELS = 7
LENGTHS = [61, 40, 5, 64]


def random_network(config: NetworkConfig) -> Network:
    """A network with random weights and running statistics, some of its scales negative."""
    torch.manual_seed(0)
    network = Network(config, LABELS)
    state = network.state_dict()
    for name, value in state.items():
        if "norm.running_var" in name:
            value.uniform_(0.5, 2)
        elif "norm" in name and value.is_floating_point():
            value.normal_(0.3, 1)
    return network.eval()


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        *({"channels": "4,6,8", "cell": cell} for cell in CELLS),
        {"channels": "4,6,8,8"},
        {"channels": "4,6,8,8,10"},
        *({"features": "strokes", "channels": "5,6", "cell": cell} for cell in CELLS),
        {"features": "geometry"},
        *({"features": "pixels", "cell": "elman", "activation": activation} for activation in ACTIVATIONS),
    ],
    ids=lambda settings: ",".join(settings.values()),
)
def test_it_gives_the_numbers_of_torch(settings: dict[str, str], bidirectional: bool) -> None:
    config = NetworkConfig().replace({"layers": 2, "hidden": 9, "bidirectional": bidirectional, **settings})
    network = random_network(config)
    columns = np.random.default_rng(0).random((len(LENGTHS), max(LENGTHS), feature_size(config)), np.float32)
    for index, length in enumerate(LENGTHS):
        columns[index, length:] = 0
    with torch.inference_mode():
        expected, expected_steps = network(torch.from_numpy(columns), torch.tensor(LENGTHS))

    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    session = onnxruntime.InferenceSession(convert(config, weights, LABELS).SerializeToString())
    log_probs, steps = session.run(None, {"columns": columns, "lengths": np.array(LENGTHS)})

    assert steps.tolist() == expected_steps.tolist()
    assert log_probs.shape == tuple(expected.shape)
    for index, count in enumerate(steps.tolist()):
        np.testing.assert_allclose(log_probs[:count, index], expected[:count, index].numpy(), atol=1e-4)


def test_what_onnx_lacks_is_refused() -> None:
    config = NetworkConfig(cell="elman", activation="gelu")
    assert not can_be_converted(config)
    with pytest.raises(BadModel, match="gelu"):
        convert(config, {}, LABELS)


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(BadModel, match=r"front\.blocks\.0\.convolution\.weight is missing"):
        convert(NetworkConfig(), {}, LABELS)
