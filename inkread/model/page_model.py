"""The page network: its model file, and the network as an ONNX graph, which ONNX Runtime runs without torch.

    page (1, 1, H, W) float32, 0 to 1; H and W multiples of 32  ->  maps (1, 3, H / 4, W / 4) and
                                                                    features (1, 48, H / 8, W / 8)

The maps are the logits of "on a baseline" and "at the end of a line", and the logarithm of the x-height in
X_HEIGHT_UNIT. The features are what the network knows of each place: their mean along a line that was traced, and the
shape of the line, tell handwriting from print, rules and flourishes, by the weights `line.weight` and `line.bias`.
`inkread/training/page_network.py` has the same network in torch.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import COPY_AGAIN, check_facts, find_page_model, read_arrays, write_arrays
from inkread.errors import BadModel, shown
from inkread.model.checkpoint import check_weights
from inkread.model.onnx_file import FLOAT, Graph, Weights
from inkread.model.onnx_graph import scale_and_shift
from inkread.model.shapes import NORM

Floats = NDArray[np.float32]

FORMAT = "inkread page model 1"
CHANNELS = (16, 32, 48, 80, 128)  # of the copies of the page reduced by 2, 4, 8, 16 and 32
KERNELS = (5, 3, 3, 3, 3)  # of the convolutions that make them
DEPTHS = (0, 0, 2, 2, 3)  # further convolutions of each, whose result is added to it
STRIDE = 4  # pixels per cell of the maps
MULTIPLE = 32  # pixels: the width and height of a page are multiples of it
OUTPUTS = 3  # maps
FEATURES, FEATURE_STRIDE = CHANNELS[2], 8  # number of features, and pixels per cell of them
SHAPE_FEATURES = 6  # further ones of a traced line; see `pages/page_maps.py`
X_HEIGHT_UNIT = 8.0  # pixels: the third map is the logarithm of the x-height in this unit


def blocks() -> dict[str, tuple[int, int, int]]:
    """The blocks of convolution, normalisation and ReLU by name: outputs, inputs and size of the kernel."""
    inputs = (1, *CHANNELS)
    named = {}
    for level, (channels, kernel, depth) in enumerate(zip(CHANNELS, KERNELS, DEPTHS, strict=True)):
        named[f"down.{level}"] = channels, inputs[level], kernel
        named.update({f"same.{level}.{index}": (channels, channels, 3) for index in range(depth)})
    for step, level in enumerate((3, 2, 1)):
        named[f"narrow.{step}"] = CHANNELS[level], CHANNELS[level + 1], 1
        named[f"merge.{step}"] = CHANNELS[level], CHANNELS[level], 3
    return named


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """The shape of each weight of the network."""
    shapes: dict[str, tuple[int, ...]] = {
        "head.weight": (OUTPUTS, CHANNELS[1], 1, 1),
        "head.bias": (OUTPUTS,),
        "line.weight": (1, FEATURES + SHAPE_FEATURES),
        "line.bias": (1,),
    }
    for name, (outputs, inputs, size) in blocks().items():
        shapes[f"{name}.0.weight"] = outputs, inputs, size, size
        for part in NORM:
            shapes[f"{name}.1.{part}"] = (outputs,)
    return shapes


def load_page_model(name: str) -> Weights:
    """The weights of a page model, by name or path. Raises BadModel if it is missing, damaged or another kind."""
    path = find_page_model(name)
    description, arrays = read_arrays(path)
    if description.get("format") != FORMAT:
        what = shown(description.get("format"))
        raise BadModel(f"not a page model of this version of inkread, but {what}", path=path, hint=COPY_AGAIN)
    check_facts(path, description)
    return check_weights(arrays, weight_shapes(), str(path))


def save_page_model(path: Path, weights: Weights, facts: dict[str, Any]) -> None:
    """Write a page model, completely or not at all, with its weights as float16. Raises CannotWrite."""
    arrays = {name: np.ascontiguousarray(weights[name], np.float16) for name in weight_shapes()}
    write_arrays(path, arrays, {"format": FORMAT, "facts": facts})


def to_onnx(weights: Weights) -> bytes:
    """The content of an ONNX file; batch normalisation is folded into the convolutions."""
    graph = Graph(weights)
    x = graph.add("Sub", "page", graph.floats(0.5))
    levels = []
    for level, depth in enumerate(DEPTHS):
        x = _block(graph, x, f"down.{level}", 2)
        before = x
        for index in range(depth):
            x = _block(graph, x, f"same.{level}.{index}")
        x = graph.add("Add", before, x) if depth else x
        levels.append(x)
    twice = graph.floats(np.array([1, 1, 2, 2]))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for step, level in enumerate((3, 2, 1)):
        larger = graph.add("Resize", _block(graph, x, f"narrow.{step}"), "", twice, **how)
        x = _block(graph, graph.add("Add", larger, levels[level]), f"merge.{step}")
        if CHANNELS[level] == FEATURES:
            graph.add("Identity", x, output="features")
    maps = _convolution(graph, x, weights["head.weight"], weights["head.bias"])
    graph.add("Identity", maps, output="maps")

    graph.input("page", FLOAT, [1, 1, "H", "W"])
    graph.output("maps", FLOAT, [1, OUTPUTS, "h", "w"])
    graph.output("features", FLOAT, [1, FEATURES, "h2", "w2"])
    return graph.to_bytes({})


def _convolution(graph: Graph, x: str, kernel: Floats, bias: Floats, stride: int = 1) -> str:
    size = kernel.shape[-1]
    shape: dict[str, Any] = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [size // 2] * 4}
    return graph.add("Conv", x, graph.floats(kernel), graph.floats(bias), **shape)


def _block(graph: Graph, x: str, name: str, stride: int = 1) -> str:
    scale, shift = scale_and_shift(graph.weights, f"{name}.1")
    kernel = graph.weights[f"{name}.0.weight"] * scale[:, None, None, None]
    return graph.add("Relu", _convolution(graph, x, kernel, shift, stride))
