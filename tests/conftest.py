"""What all tests share."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from commands import SAMPLE, TINY, done

from inkread import _model_files
from inkread.model.checkpoint import load_model, save_model

torch.set_num_threads(1)  # the networks here are tiny: threads would only wait for one another


@pytest.fixture
def prepare_script() -> Callable[[str], ModuleType]:
    """What gives datasets/<name>/prepare.py as a module."""

    def load(name: str) -> ModuleType:
        file = Path(__file__).parents[1] / "datasets" / name / "prepare.py"
        spec = importlib.util.spec_from_file_location(f"prepare_{name}", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def symlink() -> Callable[[Path, Path | str], None]:
    """What makes a symbolic link at a path to a target; skips the test where the user may not, as on some Windows."""

    def link(path: Path, target: Path | str) -> None:
        try:
            path.symlink_to(target)
        except OSError as error:
            pytest.skip(f"no symbolic links: {error}")

    return link


@pytest.fixture(scope="session", autouse=True)
def personal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for models of the user, in place of that of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("personal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(_model_files.PERSONAL_FOLDER, str(folder))
        yield folder


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in this process alone, which is faster for a few lines."""
    monkeypatch.setenv("WORLD_SIZE", "1")


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four of the sample's lines."""
    folder = tmp_path_factory.mktemp("few")
    for file in sorted(SAMPLE.glob("0[1-4]*")):
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="session")
def model(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt nothing in its one epoch; its output layer is random, so that it gives some text."""
    out = tmp_path_factory.mktemp("model") / "random.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "1")
        done("train", few, "--dev", few, *TINY, "--epochs", 1, "--out", out)
    learnt = load_model(str(out))
    learnt.weights["output.weight"][:] = np.random.default_rng(1).normal(0, 20, learnt.weights["output.weight"].shape)
    learnt.weights["output.bias"][:] = 0
    save_model(out, learnt)
    return out


@pytest.fixture
def shelf(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, with `model` as the default, and the one that finds the lines of pages."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shutil.copy(model, shelf / "latin.safetensors")
    shutil.copy(Path(__file__).parents[1] / "models" / "lines.page.safetensors", shelf)
    monkeypatch.setattr(_model_files, "FOLDERS", (shelf,))
    return shelf


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text to train language models on."""
    path = tmp_path_factory.mktemp("letters") / "letters.txt"
    path.write_text("Dear Anna,\nthank you for the plums.\nWe walked along the canal until it rained.\n" * 5, "utf-8")
    return path


@pytest.fixture(scope="session", params=[".lm.safetensors", ".arpa"])
def ngrams(letters: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """An n-gram language model in each of its two file formats."""
    out = tmp_path_factory.mktemp("ngrams") / f"letters{request.param}"
    result = done("lm", "train", letters, "--order", 4, "--prune", 0.5, "--out", out)
    assert result.stderr.startswith(f"wrote {out}: 0.0 MB from 380 characters") and not result.stdout
    return out
