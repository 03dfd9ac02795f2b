"""The page network: ONNX Runtime compared with torch, and model files that are damaged."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from numpy.typing import NDArray

from inkread._model_files import write_arrays
from inkread.errors import BadModel
from inkread.model.page_model import FORMAT, load_page_model, save_page_model, to_onnx, weight_shapes
from inkread.training.page_network import PageNetwork


@pytest.fixture(scope="module")
def network() -> PageNetwork:
    """A network whose normalisations do something."""
    torch.manual_seed(0)
    network = PageNetwork()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
            assert layer.running_mean is not None and layer.running_var is not None
            torch.nn.init.normal_(layer.running_mean)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval()


def weights_of(network: PageNetwork) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in network.state_dict().items() if name in weight_shapes()}


def test_onnx_runtime_computes_what_torch_does(network: PageNetwork) -> None:
    page = np.random.default_rng(0).random((1, 1, 96, 160), np.float32)
    session = onnxruntime.InferenceSession(to_onnx(weights_of(network)))
    maps, features = session.run(["maps", "features"], {"page": page})
    seen: list[torch.Tensor] = []
    network.merge[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        expected = network(torch.from_numpy(page)).numpy()
    assert maps.shape == (1, 3, 24, 40) and features.shape == (1, 48, 12, 20)
    np.testing.assert_allclose(maps, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(features, seen[0].numpy(), atol=1e-4 * float(seen[0].max()))


def test_a_file_keeps_the_weights(network: PageNetwork, tmp_path: Path) -> None:
    path = tmp_path / "x.page.safetensors"
    save_page_model(path, weights_of(network), {"licence": "MIT"})
    loaded = load_page_model(str(path))
    assert loaded.keys() == weight_shapes().keys()
    for name, weight in weights_of(network).items():
        np.testing.assert_allclose(loaded[name], weight, rtol=1e-3, atol=1e-6)


def test_the_network_in_torch_has_the_weights_of_the_file(network: PageNetwork) -> None:
    assert {name: value.shape for name, value in weights_of(network).items()} == weight_shapes()


def test_damaged_files_are_refused(network: PageNetwork, tmp_path: Path) -> None:
    path = tmp_path / "x.page.safetensors"
    good = {name: value.astype(np.float16) for name, value in weights_of(network).items()}
    nan = np.full((3,), np.nan, np.float16)
    cases: list[tuple[dict[str, NDArray[Any]], str, str]] = [
        ({**good, "head.bias": nan}, FORMAT, "head.bias has values that are infinite or not numbers"),
        ({**good, "head.bias": np.zeros(3, np.int32)}, FORMAT, "head.bias has the type int32"),
        ({**good, "head.bias": np.zeros(4, np.float16)}, FORMAT, r"head.bias is \(4,\), expected \(3,\)"),
        ({**good, "more": nan}, FORMAT, "more is"),
        ({name: value for name, value in good.items() if name != "head.bias"}, FORMAT, "head.bias is missing"),
        (good, "inkread line model 1", "not a page model"),
    ]
    for arrays, kind, problem in cases:
        write_arrays(path, arrays, {"format": kind})
        with pytest.raises(BadModel, match=problem):
            load_page_model(str(path))
    path.write_bytes(b"\0" * 100)
    with pytest.raises(BadModel, match="damaged"):
        load_page_model(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadModel, match="no such page model"):
        load_page_model("nowhere.page.safetensors")
