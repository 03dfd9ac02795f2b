"""The weights of a network by name and shape, and what inference costs, without building it: nothing here needs torch.

The names are those of `network.Network`, which has the same weights.
"""

from collections.abc import Iterator

from inkread.config import NetworkConfig
from inkread.features.extract import feature_size

Shape = tuple[int, ...]

GATES = {"elman": 1, "gru": 3, "lstm": 4}  # matrices of the same shape that are stacked in the weights of a cell
NORM = ("weight", "bias", "running_mean", "running_var")  # of a batch normalisation, for each channel
COUNTER = "num_batches_tracked"  # of a batch normalisation; the only weight that is a whole number


def weight_shapes(config: NetworkConfig, labels: int) -> dict[str, Shape]:
    """The shape of each weight of a network with `labels` labels, by its name in the model file."""
    shapes = dict(_front_shapes(config))
    inputs = front_outputs(config)
    if config.features in ("conv", "strokes"):
        shapes |= {"auxiliary.weight": (labels, inputs), "auxiliary.bias": (labels,)}
    for layer in range(config.layers):
        for direction in ("forwards", "backwards")[: 1 + config.bidirectional]:
            for name, shape in _cell_shapes(config, inputs):
                shapes[f"rnn.layers.{layer}.{direction}.{name}"] = shape
        inputs = rnn_outputs(config)
    return shapes | {"output.weight": (labels, inputs), "output.bias": (labels,)}


def front_outputs(config: NetworkConfig) -> int:
    """The length of the vectors that the recurrent layers read."""
    if config.features == "conv":  # pooling makes one row of 16, or of 8 with three convolutions
        return config.channels[-1] * (config.height // (16 if len(config.channels) > 3 else 8))
    return config.channels[-1] if config.features == "strokes" else feature_size(config)


def rnn_outputs(config: NetworkConfig) -> int:
    """The length of the vectors that a recurrent layer gives."""
    return config.hidden * (2 if config.bidirectional else 1)


def _front_shapes(config: NetworkConfig) -> Iterator[tuple[str, Shape]]:
    if config.features == "conv":
        inputs = 1
        for index, outputs in enumerate(config.channels):
            size = 5 if index == 0 else 3
            block = f"front.blocks.{index}"
            yield f"{block}.convolution.weight", (outputs, inputs, size, size)
            yield from ((f"{block}.norm.{name}", (outputs,)) for name in NORM)
            yield f"{block}.norm.{COUNTER}", ()
            inputs = outputs
    elif config.features == "strokes":
        inputs = feature_size(config)
        for name, outputs in zip(("first", "second"), config.channels, strict=True):
            yield f"front.{name}.weight", (outputs, inputs, 5)
            yield f"front.{name}.bias", (outputs,)
            inputs = outputs


def _cell_shapes(config: NetworkConfig, inputs: int) -> Iterator[tuple[str, Shape]]:
    """The weights of one recurrent layer in one direction."""
    cells = config.hidden
    if config.cell == "elman":
        yield from (("input.weight", (cells, inputs)), ("input.bias", (cells,)), ("recurrent.weight", (cells, cells)))
        if config.activation == "prelu":  # its slope is learnt
            yield "activation.weight", (1,)
        return
    rows = GATES[config.cell] * cells
    for name, columns in (("ih", inputs), ("hh", cells)):
        yield f"weight_{name}_l0", (rows, columns)
        yield f"bias_{name}_l0", (rows,)


def pools(config: NetworkConfig) -> list[tuple[int, int]]:
    """The (rows, columns) of the maximum pooling after each convolution of the features conv; (1, 1) for none."""
    last = len(config.channels) - 1
    return [
        (2, 2) if index == 1 else (2, 1) if index == 2 or index == last > 2 else (1, 1) for index in range(last + 1)
    ]


def multiply_adds(config: NetworkConfig, labels: int, columns: int) -> int:
    """The multiply-adds of inference on one line of so many columns. Training takes three times as many."""
    steps = config.steps(columns)
    recurrent, inputs = 0, front_outputs(config)
    for _ in range(config.layers):
        directions = 2 if config.bidirectional else 1
        recurrent += steps * directions * GATES[config.cell] * config.hidden * (inputs + config.hidden)
        inputs = rnn_outputs(config)
    return _front_multiply_adds(config, columns) + recurrent + steps * inputs * labels


def _front_multiply_adds(config: NetworkConfig, columns: int) -> int:
    if config.features == "strokes":
        first, second = config.channels
        return 5 * (columns // 2 * feature_size(config) * first + columns // 4 * first * second)
    total = 0
    if config.features == "conv":
        rows, width, inputs = config.height // 2, columns // 2, 1  # the first convolution skips every other pixel
        for index, (outputs, (down, across)) in enumerate(zip(config.channels, pools(config), strict=True)):
            total += rows * width * outputs * inputs * (5 * 5 if index == 0 else 3 * 3)
            rows, width, inputs = rows // down, width // across, outputs
    return total
