"""The network of a recogniser as an ONNX model: the same numbers as `network.Network`, run by ONNX Runtime.

    columns (B, T0, F) float32, lengths (B,) int64  ->  log_probs (T, B, C) float32, steps (B,) int64

ONNX Runtime starts in a fraction of the time that torch takes, and needs neither torch nor a GPU.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.config import NetworkConfig
from inkread.errors import BadModel
from inkread.features import PREPROCESSING
from inkread.features.extract import feature_size
from inkread.model.checkpoint import Model
from inkread.model.onnx_file import FLOAT, INT32, INT64, MICROSOFT, Graph, Weights
from inkread.model.shapes import NORM, pools

EPSILON = np.float32(1e-5)  # torch's constant in a batch normalisation

# Weights have 7 bits: products with 8 bits would overflow the 16-bit sums of processors with AVX2 alone.
LARGEST = 63
DEVIATIONS = 8  # standard deviations above the mean at which an activation is cut off
TINY = np.float32(1e-9)  # no scale is smaller

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
    metadata = {
        "alphabet": model.alphabet.characters,
        "network": json.dumps(model.config.to_dict()),
        "preprocessing": str(PREPROCESSING),
        "facts": json.dumps(model.facts, ensure_ascii=False),
    }
    return convert(model, metadata)


def convert(
    model: Model, metadata: Mapping[str, str] | None = None, *, one_line: bool = False, quantized: bool = False
) -> bytes:
    """The network of a model as the content of an ONNX file.

    one_line: the graph takes one line at a time, `columns` (1, T0, F), and gives only `log_probs` (T, 1, C). It needs
    neither lengths nor masks, which makes it faster. quantized: the convolutions and LSTMs of such a graph compute in
    8 bits; other layers stay in float32. Raises BadModel if the weights do not fit or ONNX lacks an operator.
    """
    config = model.config
    if config.cell == "elman" and config.activation not in ACTIVATIONS:
        problem = f"ONNX has no recurrent cell with {config.activation}"
        raise BadModel(problem, path=model.name, hint="use torch")
    graph = Graph(model.checked_weights())
    x, steps = _front(graph, config, "" if one_line else "lengths", quantized)
    for layer in range(config.layers):
        x = _recurrent_layer(graph, config, layer, x, steps, quantized)
    x = graph.add("MatMul", x, graph.floats(graph.weights["output.weight"].T))
    x = graph.add("Add", x, graph.floats(graph.weights["output.bias"]))  # (T, B, C)
    graph.add("LogSoftmax", x, axis=2, output="log_probs")
    lines = 1 if one_line else "B"
    graph.input("columns", FLOAT, [lines, "T0", feature_size(config)])
    graph.output("log_probs", FLOAT, ["T", lines, model.alphabet.size])
    if not one_line:
        graph.add("Identity", steps, output="steps")
        graph.input("lengths", INT64, ["B"])
        graph.output("steps", INT64, ["B"])
    return graph.to_bytes(metadata or {})


def scale_and_shift(weights: Weights, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The batch normalisation of that name as y = scale * x + shift, for each channel."""
    gain, bias, mean, variance = (weights[f"{norm}.{part}"] for part in NORM)
    scale = np.asarray(gain / np.sqrt(variance + EPSILON), np.float32)
    return scale, bias - mean * scale


# ---- the front: learned features of each step


def _front(graph: Graph, config: NetworkConfig, lengths: str, quantized: bool) -> tuple[str, str]:
    """columns (B, T0, F), lengths (B,) or "" -> features (T, B, D), steps (B,) or "", as `Network.columns`."""
    if config.features not in ("conv", "strokes"):
        return graph.add("Transpose", "columns", perm=[1, 0, 2]), lengths  # (T, B, F)
    steps = lengths and graph.add("Div", graph.add("Add", lengths, graph.integers(3)), graph.integers(4))
    if config.features == "strokes":
        return _path_convolutions(graph, steps), steps
    x = graph.add("Transpose", "columns", perm=[0, 2, 1])
    x = graph.add("Unsqueeze", _padded(graph, x), graph.axes(1))  # (B, 1, H, T1)
    blocks = [_folded(graph, index, pool) for index, pool in enumerate(pools(config))]
    if quantized and all(block.gain is None for block in blocks):
        x = _quantized_convolutions(graph, blocks, x)
    else:
        x = _convolutions(graph, blocks, x, steps)
    x = graph.add("Transpose", x, perm=[3, 0, 1, 2])  # (T, B, C, H)
    return graph.add("Reshape", x, graph.axes(0, 0, -1)), steps  # (T, B, C * H)


def _padded(graph: Graph, x: str) -> str:
    """x (B, F, T0) -> (B, F, T1), blank columns added at the end until T1 is a multiple of 4."""
    width = graph.add("Gather", graph.add("Shape", x), graph.integers(2))
    missing = graph.add("Mod", graph.add("Neg", width), graph.integers(4))
    pads = graph.add("Concat", graph.axes(0, 0, 0, 0, 0), graph.add("Unsqueeze", missing, graph.axes(0)), axis=0)
    return graph.add("Pad", x, pads)


def _mask(graph: Graph, x: str, axis: int, lengths: str) -> str:
    """(B, W): 1 in the first lengths[b] columns, 0 beyond; W is the size of x along the axis."""
    width = graph.add("Gather", graph.add("Shape", x), graph.integers(axis))
    columns = graph.add("Range", graph.integers(0), width, graph.integers(1))
    inside = graph.add("Less", columns, graph.add("Unsqueeze", lengths, graph.axes(1)))
    return graph.add("Cast", inside, to=FLOAT)


@dataclass(frozen=True)
class _Block:
    """A convolution with its batch normalisation folded into `kernel` (outputs, inputs, rows, columns) and `shift`.

    Where a maximum is taken between the two, the order only matters for a negative scale: then the normalisation stays
    apart, `gain` is its scale, and `shift` is added after it. `spread` is the standard deviation of each output, and
    `mean` its mean before the ReLU, over the lines that the network was trained on.
    """

    kernel: NDArray[np.float32]
    shift: NDArray[np.float32]
    gain: NDArray[np.float32] | None
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    pool: tuple[int, int]
    stride: int

    @property
    def shape(self) -> dict[str, Any]:
        """The attributes of the convolution."""
        size = self.kernel.shape[-1]
        return {"kernel_shape": [size, size], "strides": [self.stride, self.stride], "pads": [size // 2] * 4}


def _folded(graph: Graph, index: int, pool: tuple[int, int]) -> _Block:
    name = f"front.blocks.{index}"
    kernel = graph.weights[f"{name}.convolution.weight"]
    scale, shift = scale_and_shift(graph.weights, f"{name}.norm")
    folds = pool == (1, 1) or bool((scale > 0).all())
    if folds:
        kernel = kernel * scale[:, None, None, None]
    stride = 2 if index == 0 else 1
    mean, spread = graph.weights[f"{name}.norm.bias"], np.abs(graph.weights[f"{name}.norm.weight"])
    return _Block(kernel, shift, None if folds else scale, mean, spread, pool, stride)


def _convolutions(graph: Graph, blocks: Sequence[_Block], x: str, steps: str) -> str:
    """x (B, 1, H, T1) -> (B, channels, rows, T), as `network.ConvFront`."""
    masks: dict[int, str] = {}
    for index, block in enumerate(blocks):
        kernel = graph.floats(block.kernel)
        if block.gain is None:
            x = graph.add("Conv", x, kernel, graph.floats(block.shift), **block.shape)
        else:
            x = graph.add("Conv", x, kernel, **block.shape)
        if block.pool != (1, 1):
            x = graph.add("MaxPool", x, kernel_shape=list(block.pool), strides=list(block.pool))
        if block.gain is not None:
            x = graph.add("Mul", x, graph.floats(block.gain[:, None, None]))
            x = graph.add("Add", x, graph.floats(block.shift[:, None, None]))
        x = graph.add("Relu", x)
        if steps:
            columns = 2 if index == 0 else 1  # for each step
            if columns not in masks:
                lengths = graph.add("Mul", steps, graph.integers(columns))
                masks[columns] = graph.add("Unsqueeze", _mask(graph, x, 3, lengths), graph.axes(1, 2))
            x = graph.add("Mul", x, masks[columns])
    return x


def _path_convolutions(graph: Graph, steps: str) -> str:
    """columns (B, T0, F) -> (T, B, channels), as `network.PathFront`."""
    x = _padded(graph, graph.add("Transpose", "columns", perm=[0, 2, 1]))  # (B, F, T1)
    for name in ("first", "second"):
        kernel, bias = graph.weights[f"front.{name}.weight"], graph.weights[f"front.{name}.bias"]
        shape: dict[str, Any] = {
            "kernel_shape": [kernel.shape[-1]],
            "strides": [2],
            "pads": [kernel.shape[-1] // 2] * 2,
        }
        x = graph.add("Relu", graph.add("Conv", x, graph.floats(kernel), graph.floats(bias), **shape))
        if name == "first" and steps:
            mask = _mask(graph, x, 2, graph.add("Mul", steps, graph.integers(2)))
            x = graph.add("Mul", x, graph.add("Unsqueeze", mask, graph.axes(1)))
    return graph.add("Transpose", x, perm=[2, 0, 1])  # (T, B, C)


# ---- recurrent layers


def _recurrent_layer(graph: Graph, config: NetworkConfig, layer: int, x: str, steps: str, quantized: bool) -> str:
    """x (T, B, F) -> (T, B, H), or (T, B, 2H) in both directions, as `rnn.Layer`."""
    directions = ["forwards", "backwards"] if config.bidirectional else ["forwards"]
    parts = [_cell(graph, config, f"rnn.layers.{layer}.{direction}") for direction in directions]
    inputs, recurrent, bias = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    attributes: dict[str, Any] = {"hidden_size": config.hidden}
    attributes["direction"] = "bidirectional" if config.bidirectional else "forward"
    if config.cell == "gru":
        attributes["linear_before_reset"] = 1  # as torch has it
    if config.cell == "elman":
        attributes |= _activations(graph, config, [f"rnn.layers.{layer}.{direction}" for direction in directions])
    lengths = steps and graph.add("Cast", steps, to=INT32)
    if quantized and config.cell == "lstm":
        x = _quantized_lstm(graph, x, inputs, recurrent, bias, lengths, attributes)
    else:
        arrays = [graph.floats(array) for array in (inputs, recurrent, bias)]
        x = graph.add(OPERATORS[config.cell], x, *arrays, lengths, **attributes)  # (T, directions, B, H)
    x = graph.add("Transpose", x, perm=[0, 2, 1, 3])
    return graph.add("Reshape", x, graph.axes(0, 0, -1))  # (T, B, directions * H)


def _cell(graph: Graph, config: NetworkConfig, name: str) -> tuple[NDArray[np.float32], ...]:
    """The matrices of a cell, (gates * H, F) and (gates * H, H), and its biases (2 * gates * H,), in ONNX's order."""
    if config.cell == "elman":
        bias = graph.weights[f"{name}.input.bias"]
        both = np.concatenate([bias, np.zeros_like(bias)])
        return graph.weights[f"{name}.input.weight"], graph.weights[f"{name}.recurrent.weight"], both
    order = GATE_ORDER[config.cell]

    def gates(part: str) -> NDArray[np.float32]:
        split = np.split(graph.weights[f"{name}.{part}"], len(order))
        return np.concatenate([split[gate] for gate in order])

    return gates("weight_ih_l0"), gates("weight_hh_l0"), np.concatenate([gates("bias_ih_l0"), gates("bias_hh_l0")])


def _activations(graph: Graph, config: NetworkConfig, cells: list[str]) -> dict[str, Any]:
    """The attributes for θ, of each direction."""
    name, alpha = ACTIVATIONS[config.activation]
    attributes: dict[str, Any] = {"activations": [name] * len(cells)}
    if config.activation == "prelu":  # its slope is learnt
        attributes["activation_alpha"] = [float(graph.weights[f"{cell}.activation.weight"][0]) for cell in cells]
    elif alpha is not None:
        attributes["activation_alpha"] = [alpha] * len(cells)
    return attributes


# ---- 8-bit layers


def _quantized_convolutions(graph: Graph, blocks: Sequence[_Block], x: str) -> str:
    """x (1, 1, H, T1) -> (1, channels, rows, T), computed with 8-bit integers.

    A weight is a whole number times a scale of its output channel, an activation a whole number from 0 to 255 times a
    scale of its channel. The scale of an activation is known without any lines: the batch normalisation tells its mean
    and standard deviation (Nagel et al. 2019, "Data-free quantization"). It is multiplied into the weights of the next
    convolution, so ONNX sees activations with the scale 1. The ReLU is free, as the integers end at 0.
    """
    scale = np.full(1, 1 / 255, np.float32)  # of the input: a pixel is a whole number already
    one, zero = graph.floats(1.0), graph.constant(np.zeros((), np.uint8))
    x = graph.add("QuantizeLinear", x, graph.floats(scale[0]), zero)
    for block in blocks:
        kernel, steps = quantize(block.kernel * scale[:, None, None], axes=(1, 2, 3))
        scale = np.maximum((block.mean + DEVIATIONS * block.spread) / np.float32(255), TINY)
        weights = [graph.constant(kernel), graph.floats(steps / scale), graph.constant(np.zeros(len(steps), np.int8))]
        bias = graph.constant(np.rint(block.shift / steps).astype(np.int32))
        x = graph.add("QLinearConv", x, one, zero, *weights, one, zero, bias, **block.shape)
        if block.pool != (1, 1):
            x = graph.add("MaxPool", x, kernel_shape=list(block.pool), strides=list(block.pool))
    return graph.add("Mul", graph.add("Cast", x, to=FLOAT), graph.floats(scale[:, None, None]))


def _quantized_lstm(
    graph: Graph,
    x: str,
    inputs: NDArray[np.float32],
    recurrent: NDArray[np.float32],
    bias: NDArray[np.float32],
    lengths: str,
    attributes: dict[str, Any],
) -> str:
    """An LSTM layer whose products are of 8-bit integers; inputs (directions, 4H, F) and so on, as for ONNX's LSTM.

    ONNX Runtime rounds x, and the state at each step, with a scale that it measures on the line.
    """
    quantized = [quantize(weights, axes=(2,)) for weights in (inputs, recurrent)]
    matrices = [graph.constant(np.ascontiguousarray(weights.transpose(0, 2, 1))) for weights, _ in quantized]
    scales = [
        name for _, steps in quantized for name in (graph.floats(steps), graph.constant(np.zeros(steps.shape, np.int8)))
    ]
    states = ["", "", ""]  # h_0 and c_0 are 0, and there are no peepholes
    operands = [x, *matrices, graph.floats(bias), lengths, *states, *scales]
    return graph.add("DynamicQuantizeLSTM", *operands, domain=MICROSOFT, **attributes)


def quantize(weights: NDArray[np.float32], axes: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as whole numbers from -LARGEST to LARGEST, and the scales by which they are multiplied.

    The weights that differ only in their indexes on `axes` have one scale.
    """
    steps = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), TINY) / np.float32(LARGEST)
    return np.rint(weights / steps).astype(np.int8), steps.squeeze(axes)
