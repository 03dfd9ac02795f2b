"""ONNX files, compared with those that the package `onnx` writes."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inkread._model_files import shipped_models
from inkread.config import DEFAULT_MODEL
from inkread.model.checkpoint import load_model
from inkread.model.onnx_file import DATA_TYPES, FLOAT, INT64, MICROSOFT, OPSET, Graph
from inkread.model.onnx_graph import export


def test_numbers_are_encoded_by_hand() -> None:
    """The example of https://protobuf.dev/programming-guides/encoding/: 150 is 96 01; -1 has ten bytes."""
    graph = Graph({})
    graph.add("A", axis=150, output="y")
    graph.add("A", axis=-1, output="z")
    content = graph.to_bytes({})
    assert b"\x0a\x04axis\x18\x96\x01\xa0\x01\x02" in content
    assert b"\x0a\x04axis\x18" + b"\xff" * 9 + b"\x01\xa0\x01\x02" in content


def test_the_package_onnx_writes_the_same_graph() -> None:
    arrays: list[NDArray[Any]] = [np.full((), 0.5, np.float32), np.arange(300), np.zeros((0, 2), np.int64)]
    arrays += [np.array([[0, 1], [2, 3], [4, 5]]).astype(str(kind)) for kind in DATA_TYPES]
    attributes: dict[str, Any] = {"axis": -1, "to": 300, "mode": "nearest"}
    attributes |= {"pads": [0, -1, 1000], "alpha": [0.01, -2.5], "names": ["é"]}
    graph = Graph({})
    graph.input("x", FLOAT, [1, "T"])
    graph.output("y", INT64, ["T", 70_000])
    names = [graph.constant(array) for array in arrays]
    value = graph.add("First", "x", "", names[0], **attributes)
    graph.add("Second", value, domain=MICROSOFT, output="y")
    written = onnx.load_from_string(graph.to_bytes({"alphabet": "aé\n", "empty": ""}))

    nodes = [
        helper.make_node("First", ["x", "", "constant0"], ["value0"], **attributes),
        helper.make_node("Second", ["value0"], ["y"], domain=MICROSOFT),
    ]
    expected = helper.make_model(
        helper.make_graph(
            nodes,
            "inkread",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "T"])],
            [helper.make_tensor_value_info("y", TensorProto.INT64, ["T", 70_000])],
            [numpy_helper.from_array(array, name) for array, name in zip(arrays, names, strict=True)],
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=8,
        producer_name="inkread",
    )
    helper.set_model_props(expected, {"alphabet": "aé\n", "empty": ""})
    for tensor, array in zip(written.graph.initializer, arrays, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), array, strict=True)
    assert str(written) == str(expected)


@pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="the included model is missing")
def test_the_checker_of_onnx_accepts_a_model() -> None:
    onnx.checker.check_model(onnx.load_from_string(export(load_model(DEFAULT_MODEL))), full_check=True)
