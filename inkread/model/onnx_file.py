"""Writes ONNX files: the nodes and constants of a graph in the encoding of Protocol Buffers.

The package `onnx` writes them too, but importing it takes as long as reading a line. Of the format, this has what the
networks of this project need; https://github.com/onnx/onnx/blob/main/onnx/onnx.proto defines the numbers of the fields.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET = 17  # of the ONNX operators; ONNX Runtime has read it since 1.12
IR_VERSION = 8  # of the ONNX file format, the one that belongs to this opset
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators

# The numbers of TensorProto.DataType
FLOAT, INT32, INT64 = 1, 6, 7
DATA_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): 2, np.dtype(np.int8): 3}
DATA_TYPES |= {np.dtype(np.int32): INT32, np.dtype(np.int64): INT64}

Weights = Mapping[str, NDArray[Any]]
Dimension = int | str  # a size, or the name of one that is only known when the graph runs


class Graph:
    """The nodes and constants of an ONNX graph, each value with a name of its own."""

    def __init__(self, weights: Weights) -> None:
        """weights: what its constants are made from."""
        self.weights = weights
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._domains = {""}

    def input(self, name: str, data_type: int, shape: Sequence[Dimension]) -> None:
        """Declare an input of the graph."""
        self._inputs.append(_value_info(name, data_type, shape))

    def output(self, name: str, data_type: int, shape: Sequence[Dimension]) -> None:
        """Declare a value of that name as an output of the graph."""
        self._outputs.append(_value_info(name, data_type, shape))

    def floats(self, values: NDArray[Any] | float) -> str:
        """A constant of float32."""
        return self.constant(np.asarray(values, np.float32))

    def integers(self, *values: int) -> str:
        """A vector, or a scalar if there is one value."""
        return self.constant(np.array(values if len(values) > 1 else values[0], np.int64))

    def axes(self, *values: int) -> str:
        """A vector, even of one value."""
        return self.constant(np.array(values, np.int64))

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant of one of DATA_TYPES and return its name."""
        name = f"constant{len(self._constants)}"
        dimensions = b"".join(_number(1, size) for size in values.shape)
        little_endian = values.astype(values.dtype.newbyteorder("<"), order="C", copy=False)
        self._constants.append(
            dimensions + _number(2, DATA_TYPES[values.dtype]) + _text(8, name) + _bytes(9, little_endian.tobytes())
        )
        return name

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output. An input "" is one that is left out."""
        output = output or f"value{len(self._nodes)}"
        fields = [*(_text(1, name) for name in inputs), _text(2, output), _text(4, operator)]
        fields += [_bytes(5, _attribute(name, value)) for name, value in sorted(attributes.items())]
        fields += [_text(7, domain)] if domain else []
        self._nodes.append(b"".join(fields))
        self._domains.add(domain)
        return output

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """The content of a file with this graph."""
        repeated = ((1, self._nodes), (5, self._constants), (11, self._inputs), (12, self._outputs))
        graph = _text(2, "inkread") + b"".join(_bytes(field, each) for field, values in repeated for each in values)
        versions = [_text(1, name) + _number(2, OPSET if not name else 1) for name in sorted(self._domains)]
        properties = [_text(1, key) + _text(2, value) for key, value in metadata.items()]
        return b"".join(
            [
                _number(1, IR_VERSION),
                _text(2, "inkread"),
                _bytes(7, graph),
                *(_bytes(8, version) for version in versions),
                *(_bytes(14, each) for each in properties),
            ]
        )


def _value_info(name: str, data_type: int, shape: Sequence[Dimension]) -> bytes:
    """ValueInfoProto: a name and a type, which is that of a tensor."""
    sizes = [_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape]
    of_tensor = _number(1, data_type) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _text(1, name) + _bytes(2, _bytes(1, of_tensor))


def _attribute(name: str, value: Any) -> bytes:
    """AttributeProto of a whole number, a string, or a list of numbers or strings; 20 is the field of its type."""
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, 2)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, 3)
    if isinstance(value[0], float):
        return _text(1, name) + b"".join(_key(7, 5) + struct.pack("<f", each) for each in value) + _number(20, 6)
    if isinstance(value[0], int):
        return _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, 7)
    return _text(1, name) + b"".join(_text(9, each) for each in value) + _number(20, 8)


# ---- fields of Protocol Buffers: https://protobuf.dev/programming-guides/encoding/


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    """A field with bytes: a string, or a message."""
    return _key(field, 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    """A field with a whole number."""
    return _key(field, 0) + _varint(value)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    """A whole number, seven bits per byte, the lowest first; a negative one as 64 bits."""
    value &= (1 << 64) - 1
    groups: list[int] = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
