"""The engines give the same texts, and are chosen by what is installed and what is asked for."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import weights_of

from inkread._model_files import shipped_models
from inkread.alphabet import Alphabet
from inkread.config import DEFAULT_MODEL, NetworkConfig
from inkread.data import open_dataset
from inkread.data.samples import read_line_input
from inkread.errors import BadConfig
from inkread.features.extract import columns_of, extract, normalize
from inkread.model import engines
from inkread.model.checkpoint import Model, load_model
from inkread.model.engines import GPU_LINES, check_engine, make_engine
from inkread.model.network import Network

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
needs_latin = pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="the included model is missing")


def untrained(**settings: object) -> Model:
    config = NetworkConfig(features="geometry", layers=1, hidden=8).replace(dict(settings))
    return Model(config, Alphabet("abc"), weights_of(Network(config, 4)))


@needs_latin
def test_all_engines_give_the_same_probabilities() -> None:
    model = load_model(DEFAULT_MODEL)
    samples = open_dataset(str(SAMPLE)).samples[:6]
    lines = [extract(columns_of(normalize(read_line_input(s), model.config)), model.config) for s in samples]
    exact = make_engine(model, "onnx").log_probs(lines)
    for name, difference in (("int8", 0.25), ("torch", 0.25)):  # 8 bits, and bfloat16 where the CPU has it
        found = make_engine(model, name, "cpu").log_probs(lines)  # type: ignore[arg-type]
        assert [p.shape for p in found] == [p.shape for p in exact]
        same = np.concatenate([p.argmax(axis=1) == q.argmax(axis=1) for p, q in zip(found, exact, strict=True)])
        assert same.mean() > 0.99
        apart = np.concatenate([np.abs(np.exp(p) - np.exp(q)).max(axis=1) for p, q in zip(found, exact, strict=True)])
        assert np.quantile(apart, 0.99) < difference


def test_the_choice() -> None:
    assert "8 bits" in make_engine(untrained()).name
    assert "float32, CPU" in make_engine(untrained(), "onnx").name and "ONNX" in make_engine(untrained(), "onnx").name
    assert make_engine(untrained(), "torch").name.startswith("torch")
    assert make_engine(untrained(cell="elman", activation="gelu")).name.startswith("torch")  # not in ONNX


def test_a_gpu_is_used_for_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = []

    def no_gpu_after_all(model: Model, device: str) -> None:
        chosen.append(device)

    monkeypatch.setattr(engines, "_has_gpu", lambda: True)
    monkeypatch.setattr("inkread.model.torch_engine.TorchEngine", no_gpu_after_all)
    make_engine(untrained(), lines=GPU_LINES - 1)
    make_engine(untrained(), device="cpu", lines=GPU_LINES)
    assert chosen == []
    make_engine(untrained(), lines=GPU_LINES)
    assert chosen == ["auto"]


@pytest.mark.parametrize(
    ("engine", "device", "message"),
    [
        ("gpu", "auto", "engine='gpu'; give one of auto, int8, onnx, torch"),
        ("int8", "cuda", "engine=int8 computes on the CPU, not on cuda; use torch"),
        ("auto", "cuda:99", "device='cuda:99': not available"),
        ("torch", "abacus", "device='abacus': no such device"),
    ],
)
def test_what_does_not_exist_is_refused(engine: str, device: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message.replace("(", r"\(")):
        check_engine(engine, device)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"onnxruntime"}
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in missing else importlib.util.find_spec(name))
    assert make_engine(untrained()).name.startswith("torch")
    with pytest.raises(BadConfig, match="engine=int8 needs ONNX Runtime; run: pip install onnxruntime"):
        check_engine("int8", "auto")
    missing.add("torch")
    with pytest.raises(
        BadConfig, match="the package that runs this model is not installed; run: pip install onnxruntime"
    ):
        make_engine(untrained())
    with pytest.raises(BadConfig, match="device=cuda needs torch"):
        check_engine("auto", "cuda")


def test_without_instructions_for_bfloat16_float32_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert make_engine(untrained(), "torch", "cpu").name.endswith("float32, CPU")


@needs_latin
def test_the_sample_set_is_read_without_torch() -> None:
    """predict, eval, check, render, models and lm work if torch is not installed, and train says what is missing."""
    code = """
import sys
sys.modules["torch"] = None  # each import of torch fails
from click.testing import CliRunner
from inkread.cli import main

def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])

for arguments in [
    ("predict", "datasets/sample/01-scan.png", "datasets/sample/letter.jpg", "--json"),
    ("eval", "datasets/sample"),
    ("check", "datasets/sample"),
    ("models",),
    ("lm", "sample", "--length", "5"),
]:
    done = run(*arguments)
    assert done.exit_code == 0 and done.stdout, (arguments, done.output, done.exception)
done = run("train", "datasets/sample", "--out", "/tmp/never.safetensors")
assert done.exit_code == 1 and "run: pip install torch" in done.output, (done.output, done.exception)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
