"""The ONNX model computes what torch computes, for every kind of network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from inkread._model_files import shipped_models
from inkread.cli import main
from inkread.config import CELLS, DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadModel
from inkread.features.extract import feature_size
from inkread.features.image import normalize_image
from inkread.model.network import Network
from inkread.model.recognizer import Recognizer

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from inkread.model.onnx_graph import ACTIVATIONS, can_be_converted, convert  # noqa: E402

ROOT = Path(__file__).parent.parent

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


@pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="the included model is missing")
def test_a_line_is_read_with_onnx_runtime_alone(tmp_path: Path) -> None:
    """The exported file, its metadata and numpy give the text that the recogniser gives."""
    out = tmp_path / "latin.onnx"
    assert CliRunner().invoke(main, ["export", DEFAULT_MODEL, "-o", str(out)]).exit_code == 0
    recognizer = Recognizer.load(DEFAULT_MODEL, "greedy")
    with Image.open(ROOT / "datasets" / "sample" / "04-ruled.png") as image:
        grey = np.asarray(image.convert("L"))
    pixels = normalize_image(grey, 48).pixels

    session = onnxruntime.InferenceSession(out)
    alphabet = session.get_modelmeta().custom_metadata_map["alphabet"]
    columns = (pixels.T / np.float32(255))[None]  # (1, T0, 48)
    log_probs, _ = session.run(None, {"columns": columns, "lengths": np.array([columns.shape[1]])})
    path = log_probs[:, 0].argmax(axis=1)
    text = "".join(
        alphabet[label - 1] for label, before in zip(path, [0, *path], strict=False) if label not in (0, before)
    )

    assert text == recognizer.read(grey).text
    network = recognizer.model.network().eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(columns), torch.tensor([columns.shape[1]]))[0]
    np.testing.assert_allclose(log_probs, expected.numpy(), atol=1e-4)


def test_export_refuses_to_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "x.onnx"
    out.write_bytes(b"")
    done = CliRunner().invoke(main, ["export", DEFAULT_MODEL, "-o", str(out)])
    assert done.exit_code == 4 and "--force" in done.output


def test_what_onnx_lacks_is_refused() -> None:
    config = NetworkConfig(cell="elman", activation="gelu")
    assert not can_be_converted(config)
    with pytest.raises(BadModel, match="gelu"):
        convert(config, {}, LABELS)


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(BadModel, match=r"front\.blocks\.0\.convolution\.weight is missing"):
        convert(NetworkConfig(), {}, LABELS)
