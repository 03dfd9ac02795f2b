"""The ONNX model computes what torch computes, for every kind of network."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from click.testing import CliRunner
from networks import weights_of
from PIL import Image

from inkread._model_files import shipped_models
from inkread.alphabet import Alphabet
from inkread.cli import main
from inkread.config import CELLS, DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadModel
from inkread.features.extract import feature_size
from inkread.features.image import normalize_image
from inkread.model.checkpoint import Model
from inkread.model.network import Network
from inkread.model.onnx_graph import ACTIVATIONS, convert, quantize
from inkread.model.recognizer import Recognizer

ROOT = Path(__file__).parent.parent

LABELS = 7
LENGTHS = [61, 40, 5, 64]


def random_model(config: NetworkConfig) -> Model:
    """A network with random weights and running statistics, some of its scales negative."""
    torch.manual_seed(0)
    network = Network(config, LABELS)
    for name, value in network.state_dict().items():
        if "norm.running_var" in name:
            value.uniform_(0.5, 2)
        elif "norm" in name and value.is_floating_point():
            value.normal_(0.3, 1)
    return Model(config, Alphabet("abcdef"), weights_of(network))


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
    model = random_model(config)
    columns = np.random.default_rng(0).random((len(LENGTHS), max(LENGTHS), feature_size(config)), np.float32)
    for index, length in enumerate(LENGTHS):
        columns[index, length:] = 0
    with torch.inference_mode():
        expected, expected_steps = model.network().eval()(torch.from_numpy(columns), torch.tensor(LENGTHS))

    session = onnxruntime.InferenceSession(convert(model))
    log_probs, steps = session.run(None, {"columns": columns, "lengths": np.array(LENGTHS)})

    assert steps.tolist() == expected_steps.tolist()
    assert log_probs.shape == tuple(expected.shape)
    for index, count in enumerate(steps.tolist()):
        np.testing.assert_allclose(log_probs[:count, index], expected[:count, index].numpy(), atol=1e-4)

    alone = onnxruntime.InferenceSession(convert(model, one_line=True))
    for index, (length, count) in enumerate(zip(LENGTHS, steps.tolist(), strict=True)):
        (of_line,) = alone.run(None, {"columns": columns[index : index + 1, :length]})
        np.testing.assert_allclose(of_line[:, 0], expected[:count, index].numpy(), atol=1e-4)


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
    model = random_model(NetworkConfig(features="geometry", hidden=4, cell="elman", activation="gelu"))
    with pytest.raises(BadModel, match="ONNX has no recurrent cell with gelu"):
        convert(model)


def test_weights_are_rounded_to_seven_bits_by_hand() -> None:
    weights = np.array([[[0.63, -0.125]], [[0.0, 0.0]], [[-6.3, 3.0]]], np.float32)
    whole, scale = quantize(weights, axes=(1, 2))
    assert whole.tolist() == [[[63, -12]], [[0, 0]], [[-63, 30]]] and whole.dtype == np.int8
    assert scale[[0, 2]].tolist() == pytest.approx([0.01, 0.1])


@pytest.mark.parametrize("settings", [{}, {"features": "strokes", "channels": "20,30"}], ids=["conv", "strokes"])
def test_eight_bits_give_nearly_the_same_probabilities(settings: dict[str, str]) -> None:
    config = NetworkConfig().replace({"channels": "8,16,24,24", "layers": 2, "hidden": 40, **settings})
    torch.manual_seed(0)
    network = Network(config, LABELS)
    columns = np.random.default_rng(0).random((1, 400, feature_size(config)), np.float32)
    model = Model(config, Alphabet("abcdef"), weights_of(network))
    exact, rounded = (
        onnxruntime.InferenceSession(convert(model, one_line=True, quantized=quantized)).run(
            None, {"columns": columns}
        )[0]
        for quantized in (False, True)
    )
    assert 1e-6 < np.abs(rounded - exact).max() < 0.02


def operators_of(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def test_the_eight_bit_graph_uses_integers() -> None:
    model = random_model(NetworkConfig(channels=(4, 6, 8), layers=1, hidden=9))
    for block in range(3):
        gain = model.weights[f"front.blocks.{block}.norm.weight"]
        np.abs(gain, out=gain)
    operators = operators_of(convert(model, one_line=True, quantized=True))
    assert operators.count("QLinearConv") == 3 and operators.count("DynamicQuantizeLSTM") == 1
    assert not {"Conv", "LSTM"} & {*operators}
    model.weights["front.blocks.1.norm.weight"][2] = -1.0  # the maximum comes first, so it cannot be folded
    operators = operators_of(convert(model, one_line=True, quantized=True))
    assert operators.count("Conv") == 3 and "QLinearConv" not in operators
