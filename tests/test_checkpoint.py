"""Model files of the recogniser: what is saved comes back, what is damaged is refused in one line."""

import errno
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import weights_of

from inkread import _model_files
from inkread._model_files import (
    PERSONAL_FOLDER,
    describe_model,
    find_model,
    new_personal_model,
    personal_folder,
    personal_models,
    read_arrays,
    reads_strokes,
    shipped_models,
    write_arrays,
)
from inkread.alphabet import Alphabet
from inkread.config import DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadConfig, BadModel, CannotWrite
from inkread.features import PREPROCESSING
from inkread.model.checkpoint import Model, load_model, save_model
from inkread.model.network import Network

CONFIG = NetworkConfig(channels=(2, 3, 4), cell="gru", layers=1, hidden=5)


ALPHABET = Alphabet('zaé"\\\n😀')


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    network = Network(CONFIG, ALPHABET.size)
    return Model(CONFIG, ALPHABET, weights_of(network), {"licence": "MIT", "dev_cer": 0.05})


@pytest.fixture
def path(tmp_path: Path, model: Model) -> Path:
    path = tmp_path / "my model.safetensors"
    save_model(path, model)
    return path


def refusal(path: Path | str) -> str:
    """The one line in which a file is refused; it names the file."""
    with pytest.raises(BadModel) as caught:
        load_model(str(path)).network()
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_a_model_survives_writing_and_reading(path: Path, model: Model) -> None:
    loaded = load_model(str(path))
    assert (loaded.config, loaded.alphabet.characters) == (CONFIG, ALPHABET.characters)
    assert loaded.facts == model.facts
    weights = weights_of(loaded.network())
    assert weights.keys() == model.weights.keys()
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, model.weights[name], atol=1e-6, rtol=1e-3)  # float16 keeps three digits


def test_float16_halves_the_size_and_keeps_the_results(path: Path, model: Model) -> None:
    columns, lengths = torch.rand(2, 60, 48), torch.tensor([60, 33])
    with torch.no_grad():
        before = model.network().eval()(columns, lengths)[0]
        after = load_model(str(path)).network().eval()(columns, lengths)[0]
    torch.testing.assert_close(after, before, atol=5e-3, rtol=0)
    assert path.stat().st_size < 2 * sum(weight.size for weight in model.weights.values()) + 5000


def test_a_description_is_read_without_the_weights(path: Path) -> None:
    description = describe_model(path)
    assert NetworkConfig().replace(description["network"]) == CONFIG
    assert description["alphabet"] == ALPHABET.characters and description["facts"]["licence"] == "MIT"


def test_a_truncated_file_is_refused_wherever_it_ends(path: Path) -> None:
    data = path.read_bytes()
    for length in [*range(12), *np.linspace(12, len(data) - 1, 25).astype(int)]:
        path.write_bytes(data[:length])
        assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "inkread line model 2"},
        {"format": "inkread checkpoint 1"},
        {"network": {"hiden": 3}},
        {"network": {"cell": "transformer"}},
        {"network": []},
        {"network": "base"},
        {"alphabet": 5},
        {"alphabet": None},
        {"alphabet": "aa"},
        {"alphabet": ["a", "bc"]},
        {"alphabet": "a\ud800"},
    ],
)
def test_an_unknown_description_is_refused(path: Path, change: dict[str, object]) -> None:
    description, weights = read_arrays(path)
    write_arrays(path, weights, {**description, **change})
    refusal(path)
    write_arrays(path, weights, {name: value for name, value in description.items() if name not in change})
    refusal(path)


def test_the_preprocessing_version_is_checked(path: Path) -> None:
    description, weights = read_arrays(path)
    assert description["preprocessing"] == PREPROCESSING
    del description["preprocessing"]  # as in files of the first release
    write_arrays(path, weights, description)
    load_model(str(path))
    write_arrays(path, weights, {**description, "preprocessing": PREPROCESSING + 1})
    with pytest.raises(BadModel) as caught:
        load_model(str(path))
    assert caught.value.path == str(path) and caught.value.hint == "install a newer inkread"
    assert f"needs version {PREPROCESSING + 1} of the preprocessing" in str(caught.value)
    for damage in (0, -1, "1", 1.0, True, None):
        write_arrays(path, weights, {**description, "preprocessing": damage})
        assert "damaged: its preprocessing version" in refusal(path)


@pytest.mark.parametrize("damage", ["shape", "missing", "added", "alphabet"])
def test_weights_that_do_not_fit_are_refused(path: Path, damage: str) -> None:
    description, weights = read_arrays(path)
    if damage == "shape":
        weights["output.bias"] = np.zeros(99, np.float32)
    elif damage == "missing":
        del weights["output.bias"]
    elif damage == "added":
        weights["other.bias"] = np.zeros(1, np.float32)
    else:
        description["alphabet"] += "x"
    write_arrays(path, weights, description)
    assert "fit" in refusal(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "name", ["output.bias", "rnn.layers.0.forwards.weight_hh_l0", "front.blocks.0.norm.running_var"]
)
def test_weights_that_are_not_finite_are_refused(path: Path, value: float, name: str) -> None:
    description, weights = read_arrays(path)
    weights[name].flat[0] = value
    write_arrays(path, weights, description)
    assert f"damaged: {name} has values that are infinite" in refusal(path)


def test_negative_variances_are_refused(path: Path) -> None:
    description, weights = read_arrays(path)
    weights["front.blocks.1.norm.running_var"][2] = -1  # its root is not a number
    write_arrays(path, weights, description)
    assert "damaged: front.blocks.1.norm.running_var has negative variances" in refusal(path)


@pytest.mark.parametrize("kind", [np.int32, np.bool_, np.complex64])
def test_weights_of_another_type_are_refused(path: Path, kind: type) -> None:
    description, weights = read_arrays(path)
    write_arrays(path, {**weights, "output.bias": weights["output.bias"].astype(kind)}, description)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": 10**6},
        {"hidden": 10**12},
        {"hidden": 10**30},
        {"layers": 10**9},
        {"channels": [3] * 10**5},
        {"channels": [10**6] * 3},
        {"height": 16 * 10**8},
        {"features": "geometry", "height": 16 * 10**8},
        {"features": "pixels", "window": 10**9},
        {"features": "pixels", "step": 10**9},
    ],
)
def test_a_huge_network_is_refused_without_allocating_it(path: Path, change: dict[str, object]) -> None:
    description, weights = read_arrays(path)
    write_arrays(path, weights, {**description, "network": {**description["network"], **change}})
    before = peak_memory()
    refusal(path)
    assert peak_memory() - before < 100


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_loaded_model_does_not_keep_its_file_open(path: Path) -> None:
    """So that Windows can replace the file while the model is in use."""
    loaded = load_model(str(path))
    assert str(path) not in Path("/proc/self/maps").read_text() and loaded.weights


def peak_memory() -> float:
    """The most memory this process has had so far, in MB."""
    resource = pytest.importorskip("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@pytest.mark.parametrize(
    "facts",
    [
        None,
        [],
        "MIT",
        {"lm": 5},
        {"reads": ["lines"]},
        {"licence": None},
        {"reads": "\ud800"},
        {"errors": "none"},
        {"errors": [5]},
        {"errors": [{"on": "lines", "lines": 3, "cer": 0.1, "wer": 0.2}]},
        {"errors": [{"on": "lines", "lines": 3, "cer": 0.1, "wer": 0.2, "cer_interval": [0.1]}]},
        {"errors": [{"on": "lines", "lines": 3, "cer": "low", "wer": 0.2, "cer_interval": [0.1, 0.2]}]},
        {"errors": [{"on": "lines", "lines": 3, "cer": math.nan, "wer": 0.2, "cer_interval": [0.1, 0.2]}]},
    ],
)
def test_facts_of_the_wrong_types_are_refused(path: Path, facts: object) -> None:
    description, weights = read_arrays(path)
    write_arrays(path, weights, {**description, "facts": facts})
    assert "damaged" in refusal(path)
    with pytest.raises(BadModel, match="damaged"):
        describe_model(path)


def test_facts_may_contain_a_file_name_that_is_not_utf8(path: Path) -> None:
    description, weights = read_arrays(path)
    facts = {"trained_on": ["caf\udce9.txt"]}
    write_arrays(path, weights, {**description, "facts": facts})
    assert load_model(str(path)).facts == facts == describe_model(path)["facts"]


def test_a_missing_file_a_folder_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    assert "no such model file" in refusal(tmp_path / "missing.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    refusal(tmp_path / "folder.safetensors")
    refusal(tmp_path)
    assert "no such model" in refusal("latni")


def test_shipped_models_are_found_by_name(
    tmp_path: Path, model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("a", DEFAULT_MODEL):
        save_model(shelf / f"{name}.safetensors", model)
    monkeypatch.setattr(_model_files, "FOLDERS", (tmp_path / "no such folder", shelf))
    assert list(shipped_models()) == [DEFAULT_MODEL, "a"]
    assert find_model("a") == shelf / "a.safetensors"
    assert find_model(str(path)) == path
    assert f"installed: {DEFAULT_MODEL}, a" in refusal("b")


def test_models_of_the_user_are_found_by_name(
    tmp_path: Path, model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PERSONAL_FOLDER, str(tmp_path / "mine"))
    assert personal_models() == {} and "`inkread models` lists yours" in refusal("my/anna")
    name, file = new_personal_model(" my/Zoë-2 ")
    assert (name, file) == ("my/zoë-2", tmp_path / "mine" / "zoë-2.safetensors")
    file.parent.mkdir()
    save_model(file, model)
    assert personal_models() == {name: file} and find_model(name) == file
    assert not reads_strokes(file)


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", "a.b", "x" * 41, "NUL", "com1", "a\nb"])
def test_names_that_are_no_good_for_files_are_refused(name: str) -> None:
    with pytest.raises(BadConfig, match="not a name for a model"):
        new_personal_model(name)


def test_the_models_of_the_user_are_where_the_system_keeps_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PERSONAL_FOLDER)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    if sys.platform == "linux":
        assert personal_folder() == Path("/data/inkread/models")
    else:
        assert personal_folder().parts[-2:] == ("inkread", "models")


def failing(code: int) -> Any:
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(("code", "cure"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "permissions")])
def test_a_failed_write_leaves_the_old_file(
    path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, call: str, code: int, cure: str
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(os, call, failing(code))
    with pytest.raises(CannotWrite, match=cure) as caught:
        save_model(path, Model(CONFIG, ALPHABET, model.weights, {"facts": "others"}))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]  # no incomplete file is left


@pytest.mark.parametrize("place", ["no such folder/x", "a file/x", "folder"])
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, model: Model, place: str) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotWrite) as caught:
        save_model(tmp_path / place, model)
    assert str(tmp_path / place) in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["a file", "folder"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(path: Path, model: Model) -> None:
    path.parent.chmod(0o500)
    with pytest.raises(CannotWrite, match="permissions"):
        save_model(path, model)
    path.parent.chmod(0o700)
