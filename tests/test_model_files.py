"""What all model files share: finding them, reading and writing them, and refusing what is not one."""

import ast
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inkread import _model_files
from inkread._model_files import read_description, read_tensors, write_tensors
from inkread.errors import BadModel
from inkread.training import distributed


def refusal(path: Path) -> str:
    """The one line in which a file is refused; it names the file."""
    with pytest.raises(BadModel) as caught:
        read_description(path)
    message = str(caught.value)
    assert caught.value.path == str(path) and caught.value.hint and "\n" not in message
    return message


def test_tensors_survive_writing_and_reading_exactly(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 2), "b": torch.tensor(7), "c": torch.randn(2, dtype=torch.float64)}
    write_tensors(tmp_path / "x", tensors, {"step": 3})
    description, read = read_tensors(tmp_path / "x")
    assert description == {"step": 3} and read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in tensors.items())


class Trap:
    """What a pickle could do to those who open it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.abort, ()


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100, b"PK\3\4" + b"x" * 50, pickle.dumps(Trap())])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    assert "not a model file" in refusal(path)


def test_a_pickle_of_torch_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    assert "not a model file" in refusal(tmp_path / "foreign.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"inkread": "[]"}])
def test_safetensors_of_other_programs_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata)
    assert "not one of inkread's" in refusal(path)


def test_a_description_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    save_file({"weight": torch.zeros(2)}, path, {"inkread": "[" * 10**6})
    assert "damaged" in refusal(path)


def test_nothing_in_the_package_can_open_a_pickle() -> None:
    """Except the second process of a training: its work comes from the first one, through a private folder."""
    training = Path(str(distributed.__file__))
    assert training.read_text(encoding="utf-8").count("pickle.load") == 1
    for file in set(Path(_model_files.__file__).parent.rglob("*.py")) - {training}:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {name.name for name in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "shelve", "marshal", "joblib", "dill"}, file.name
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, file.name
