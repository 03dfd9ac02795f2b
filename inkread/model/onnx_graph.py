"""The network of a recogniser as an ONNX model: the same numbers as `network.Network`, run by ONNX Runtime.

    columns (B, T0, F) float32, lengths (B,) int64  ->  log_probs (T, B, C) float32, steps (B,) int64

ONNX Runtime starts in a fraction of the time that torch takes, and needs neither torch nor a GPU.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inkread.config import NetworkConfig
from inkread.errors import BadModel
from inkread.features import PREPROCESSING
from inkread.features.extract import feature_size
from inkread.model.checkpoint import Model

Weights = Mapping[str, NDArray[Any]]

OPSET = 17  # of the ONNX operators; ONNX Runtime has read it since 1.12
IR_VERSION = 8  # of the ONNX file format, the one that belongs to this opset
EPSILON = 1e-5  # torch's constant in a batch normalisation

# The gates of a cell in the order of torch, and where ONNX wants them.
GATE_ORDER = {"elman": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}  # torch: r z n -> z r n; i f g o -> i o f g
OPERATORS = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}
# θ of an Elman cell, and its parameter where it has one: torch's LeakyReLU has the slope 0.01.
ACTIVATIONS = {
    "tanh": ("Tanh", None), "logistic": ("Sigmoid", None), "relu": ("Relu", None), "softplus": ("Softplus", None),
    "elu": ("Elu", 1.0), "leaky_relu": ("LeakyRelu", 0.01), "prelu": ("LeakyRelu", None),
}  # fmt: skip


def export(model: Model) -> bytes:
    """The content of an ONNX file; its metadata holds the alphabet, the network's settings and the facts as JSON.

    Raises BadModel if the weights do not fit, or ONNX has no such recurrent cell.
    """
    state = model.network().state_dict()
    metadata = {
        "alphabet": model.alphabet.characters,
        "network": json.dumps(model.config.to_dict()),
        "preprocessing": str(PREPROCESSING),
        "facts": json.dumps(model.facts, ensure_ascii=False),
    }
    weights = {name: value.numpy() for name, value in state.items()}
    converted = convert(model.config, weights, model.alphabet.size, metadata)
    content: bytes = converted.SerializeToString()
    return content


def can_be_converted(config: NetworkConfig) -> bool:
    """Whether ONNX has all operators of such a network: it has no recurrent cell with GELU."""
    return config.cell != "elman" or config.activation in ACTIVATIONS


def convert(
    config: NetworkConfig, weights: Weights, labels: int, metadata: Mapping[str, str] | None = None
) -> ModelProto:
    """The network with these weights, by their names in the model file, and `labels` labels.

    Raises BadModel if a weight is missing or ONNX lacks an operator.
    """
    if not can_be_converted(config):
        raise BadModel(f"ONNX has no recurrent cell with {config.activation}", hint="use --engine torch")
    graph = _Graph(weights)
    steps = "lengths"
    x = "columns"
    if config.features in ("conv", "strokes"):
        steps = graph.add("Div", graph.add("Add", "lengths", graph.integers(3)), graph.integers(4))
        x = _convolutions(graph, config, steps) if config.features == "conv" else _path_convolutions(graph, steps)
    else:
        x = graph.add("Transpose", x, perm=[1, 0, 2])  # (T, B, F)
    for layer in range(config.layers):
        x = _recurrent_layer(graph, config, layer, x, steps)
    x = graph.add("MatMul", x, graph.floats(graph.weight("output.weight").T))
    x = graph.add("Add", x, graph.floats(graph.weight("output.bias")))  # (T, B, C)
    graph.add("LogSoftmax", x, axis=2, output="log_probs")
    graph.add("Identity", steps, output="steps")
    return graph.model(feature_size(config), labels, metadata or {})


class _Graph:
    """The nodes and constants of an ONNX graph, each value with a name of its own."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def weight(self, name: str) -> NDArray[np.float32]:
        if name not in self.weights:
            raise BadModel(f"the weight {name} is missing", hint="copy the file again")
        return np.asarray(self.weights[name], np.float32)

    def floats(self, values: NDArray[Any]) -> str:
        return self._constant(np.ascontiguousarray(values, np.float32))

    def integers(self, *values: int) -> str:
        """A vector, or a scalar if there is one value."""
        return self._constant(np.array(values if len(values) > 1 else values[0], np.int64))

    def axes(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def model(self, features: int, labels: int, metadata: Mapping[str, str]) -> ModelProto:
        inputs = [
            helper.make_tensor_value_info("columns", TensorProto.FLOAT, ["B", "T0", features]),
            helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"]),
        ]
        outputs = [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["T", "B", labels]),
            helper.make_tensor_value_info("steps", TensorProto.INT64, ["B"]),
        ]
        graph = helper.make_graph(self.nodes, "inkread", inputs, outputs, self.constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="inkread")
        helper.set_model_props(model, dict(metadata))
        return model


def _padded(graph: _Graph, x: str) -> str:
    """x (B, F, T0) -> (B, F, T1), blank columns added at the end until T1 is a multiple of 4."""
    width = graph.add("Gather", graph.add("Shape", x), graph.integers(2))
    missing = graph.add("Mod", graph.add("Neg", width), graph.integers(4))
    pads = graph.add("Concat", graph.axes(0, 0, 0, 0, 0), graph.add("Unsqueeze", missing, graph.axes(0)), axis=0)
    return graph.add("Pad", x, pads)


def _mask(graph: _Graph, x: str, axis: int, lengths: str) -> str:
    """(B, W): 1 in the first lengths[b] columns, 0 beyond; W is the size of x along the axis."""
    width = graph.add("Gather", graph.add("Shape", x), graph.integers(axis))
    columns = graph.add("Range", graph.integers(0), width, graph.integers(1))
    inside = graph.add("Less", columns, graph.add("Unsqueeze", lengths, graph.axes(1)))
    return graph.add("Cast", inside, to=TensorProto.FLOAT)


def _convolutions(graph: _Graph, config: NetworkConfig, steps: str) -> str:
    """columns (B, T0, H) -> (T, B, channels * rows), as `network.ConvFront`."""
    x = graph.add("Transpose", "columns", perm=[0, 2, 1])
    x = graph.add("Unsqueeze", _padded(graph, x), graph.axes(1))  # (B, 1, H, T1)
    count = len(config.channels)
    masks: dict[int, str] = {}
    for index in range(count):
        pool = (2, 2) if index == 1 else (2, 1) if index == 2 or index == count - 1 > 2 else (1, 1)
        x = _block(graph, f"front.blocks.{index}", x, stride=2 if index == 0 else 1, pool=pool)
        columns = 2 if index == 0 else 1  # for each step
        if columns not in masks:
            lengths = graph.add("Mul", steps, graph.integers(columns))
            masks[columns] = graph.add("Unsqueeze", _mask(graph, x, 3, lengths), graph.axes(1, 2))
        x = graph.add("Mul", x, masks[columns])
    x = graph.add("Transpose", x, perm=[3, 0, 1, 2])  # (T, B, C, H)
    return graph.add("Reshape", x, graph.axes(0, 0, -1))  # (T, B, C * H)


def _block(graph: _Graph, name: str, x: str, stride: int, pool: tuple[int, int]) -> str:
    """Convolution, maximum pooling, batch normalisation and ReLU; the normalisation folded into the convolution.

    Folding is exact without pooling; with it, scaling and maximum may only be exchanged where the scale is positive.
    """
    kernel = graph.weight(f"{name}.convolution.weight")  # (outputs, inputs, rows, columns)
    gain, bias, mean, variance = (
        graph.weight(f"{name}.norm.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + EPSILON)
    shift = bias - mean * scale
    size = kernel.shape[-1]
    shape: dict[str, Any] = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [size // 2] * 4}
    folded = pool == (1, 1) or bool((scale > 0).all())
    if folded:
        kernel = kernel * scale[:, None, None, None]
        x = graph.add("Conv", x, graph.floats(kernel), graph.floats(shift), **shape)
    else:
        x = graph.add("Conv", x, graph.floats(kernel), **shape)
    if pool != (1, 1):
        x = graph.add("MaxPool", x, kernel_shape=list(pool), strides=list(pool))
    if not folded:
        x = graph.add("Mul", x, graph.floats(scale[:, None, None]))
        x = graph.add("Add", x, graph.floats(shift[:, None, None]))
    return graph.add("Relu", x)


def _path_convolutions(graph: _Graph, steps: str) -> str:
    """columns (B, T0, F) -> (T, B, channels), as `network.PathFront`."""
    x = _padded(graph, graph.add("Transpose", "columns", perm=[0, 2, 1]))  # (B, F, T1)
    for name in ("first", "second"):
        kernel, bias = graph.weight(f"front.{name}.weight"), graph.weight(f"front.{name}.bias")
        shape: dict[str, Any] = {
            "kernel_shape": [kernel.shape[-1]],
            "strides": [2],
            "pads": [kernel.shape[-1] // 2] * 2,
        }
        x = graph.add("Relu", graph.add("Conv", x, graph.floats(kernel), graph.floats(bias), **shape))
        if name == "first":
            mask = _mask(graph, x, 2, graph.add("Mul", steps, graph.integers(2)))
            x = graph.add("Mul", x, graph.add("Unsqueeze", mask, graph.axes(1)))
    return graph.add("Transpose", x, perm=[2, 0, 1])  # (T, B, C)


def _recurrent_layer(graph: _Graph, config: NetworkConfig, layer: int, x: str, steps: str) -> str:
    """x (T, B, F) -> (T, B, H), or (T, B, 2H) in both directions, as `rnn.Layer`."""
    directions = ["forwards", "backwards"] if config.bidirectional else ["forwards"]
    parts = [_cell(graph, config, f"rnn.layers.{layer}.{direction}") for direction in directions]
    inputs, recurrent, bias = (graph.floats(np.stack(arrays)) for arrays in zip(*parts, strict=True))
    attributes: dict[str, Any] = {"hidden_size": config.hidden}
    attributes["direction"] = "bidirectional" if config.bidirectional else "forward"
    if config.cell == "gru":
        attributes["linear_before_reset"] = 1  # as torch has it
    if config.cell == "elman":
        attributes |= _activations(graph, config, [f"rnn.layers.{layer}.{direction}" for direction in directions])
    lengths = graph.add("Cast", steps, to=TensorProto.INT32)
    x = graph.add(OPERATORS[config.cell], x, inputs, recurrent, bias, lengths, **attributes)  # (T, directions, B, H)
    x = graph.add("Transpose", x, perm=[0, 2, 1, 3])
    return graph.add("Reshape", x, graph.axes(0, 0, -1))  # (T, B, directions * H)


def _cell(graph: _Graph, config: NetworkConfig, name: str) -> tuple[NDArray[np.float32], ...]:
    """The matrices of a cell, (gates * H, F) and (gates * H, H), and its biases (2 * gates * H,), in ONNX's order."""
    if config.cell == "elman":
        bias = graph.weight(f"{name}.input.bias")
        both = np.concatenate([bias, np.zeros_like(bias)])
        return graph.weight(f"{name}.input.weight"), graph.weight(f"{name}.recurrent.weight"), both
    order = GATE_ORDER[config.cell]

    def gates(part: str) -> NDArray[np.float32]:
        split = np.split(graph.weight(f"{name}.{part}"), len(order))
        return np.concatenate([split[gate] for gate in order])

    return gates("weight_ih_l0"), gates("weight_hh_l0"), np.concatenate([gates("bias_ih_l0"), gates("bias_hh_l0")])


def _activations(graph: _Graph, config: NetworkConfig, cells: list[str]) -> dict[str, Any]:
    """The attributes for θ, of each direction."""
    name, alpha = ACTIVATIONS[config.activation]
    attributes: dict[str, Any] = {"activations": [name] * len(cells)}
    if config.activation == "prelu":  # its slope is learnt
        attributes["activation_alpha"] = [float(graph.weight(f"{cell}.activation.weight")[0]) for cell in cells]
    elif alpha is not None:
        attributes["activation_alpha"] = [alpha] * len(cells)
    return attributes
