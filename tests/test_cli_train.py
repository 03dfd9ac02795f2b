"""`inkread train`."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from commands import LINE, ROOT, TINY, done, refused, run
from PIL import Image

from inkread.config import CELLS, Activation, NetworkConfig, TrainingConfig
from inkread.data import open_dataset
from inkread.model.checkpoint import load_model

pytestmark = pytest.mark.usefixtures("one_process")


def test_train_writes_a_model_and_a_log(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    result = done("train", few, "--dev", few, *TINY, "--minutes", 0.0001, "--out", out)
    assert not result.stdout and re.search(r"wrote .*: CER [\d.]+ % on 4 training lines\n$", result.stderr)
    assert "no --dev" not in result.stderr and "\r" not in result.stderr and "\x1b" not in result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.log.jsonl", "m.safetensors"]
    facts = load_model(str(out)).facts
    assert (facts["lines"], facts["training"]["minutes"], facts["training"]["epochs"]) == (4, 0.0001, 0)
    existing = refused("train", few, *TINY, "--epochs", 1, "--out", out, code=4)
    assert existing == f"Error: {out}: exists; give --force to overwrite it, or another name"
    both = done("train", few, *TINY, "--minutes", 60, "--epochs", 1, "--out", out, "--force")
    assert both.stderr.endswith("% on 4 training lines\n")
    assert "no --dev, and 4 lines are few" in both.stderr and load_model(str(out)).facts["lines"] == 4
    assert len((tmp_path / "m.log.jsonl").read_text().splitlines()) == 1  # of the new training alone


def test_the_default_is_thirty_minutes(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def no_training(*given: Any, **rest: Any) -> float:
        trained.append(given[4])
        return 0.0

    monkeypatch.setattr("inkread.training.finetune.train", no_training)
    for settings in ([], ["--set", "minutes=0"], ["--set", "epochs=3"], ["--epochs", 2, "--set", "epochs=3"]):
        done("train", few, "--out", tmp_path / "m.safetensors", *settings)
    assert [(config.minutes, config.epochs) for config in trained] == [(30, 0), (30, 0), (0, 3), (0, 2)]


def test_fine_tuning_adds_new_characters(few: Path, model: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "01-scan.gt.txt").write_text("Œ ﬁ ẞ", encoding="utf-8")
    brief = ("--epochs", 1, "--set", "evaluations=1", "--set", "precision=float32")
    done("train", dataset, "--from", model, *brief, "--out", tmp_path / "m.safetensors")
    before, after = (load_model(str(file)) for file in (model, tmp_path / "m.safetensors"))
    added = after.alphabet.characters.removeprefix(before.alphabet.characters)
    assert set("Œẞﬁ") <= set(added) and before.config == after.config
    done("predict", LINE, "--model", tmp_path / "m.safetensors")


LEARNS = [
    *([f"features={features}"] for features in ("conv", "pixels", "geometry")),
    *([f"cell={cell}"] for cell in CELLS),
    *(["cell=elman", f"activation={name}"] for name in get_args(Activation)),
    ["bidirectional=false"],
    ["truncate=20", "cell=elman"],
    ["distorted=0", "photographed=0", "ema=0"],
    ["spliced=1"],
    ["consistency=0.2"],
]


@pytest.mark.parametrize("settings", LEARNS, ids=" ".join)
def test_every_network_learns(few: Path, tmp_path: Path, settings: list[str]) -> None:
    out = tmp_path / "m.safetensors"
    done("train", few, *TINY, "--epochs", 1, "--out", out, *(flag for text in settings for flag in ("--set", text)))
    loss = json.loads((tmp_path / "m.log.jsonl").read_text().splitlines()[-1])["loss"]
    assert 0 < loss < 200


def test_many_to_many_from_an_alignment(
    few: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `predict --json` gives is a dataset with an alignment, blanks at the ends and all."""
    monkeypatch.chdir(tmp_path)
    files = sorted(few.glob("*.png"))
    Path("read.jsonl").write_text(done("predict", *files, "--json", "--model", model).stdout, encoding="utf-8")
    lines = open_dataset("read.jsonl").samples
    assert len(lines) == 4 and all(len(line.spans or ()) == len(line.text) for line in lines)
    command = ("train", *TINY, "--epochs", 2, "--out", "m.safetensors", "--force", "--set", "loss=frames")
    done(*command, "read.jsonl")
    assert "loss=frames needs an alignment" in refused(*command, few)


def test_settings_from_a_file(few: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "settings.toml", tmp_path / "m.safetensors"
    settings = ["layers = 1", "hidden = 16", "channels = [8, 8, 8]", 'cell = "gru"', "epochs = 1", "evaluations = 1"]
    config.write_text("\n".join([*settings, 'precision = "float32"']))
    done("train", few, "--config", config, "--set", "hidden=8", "--out", out)
    assert load_model(str(out)).config == NetworkConfig(layers=1, hidden=8, channels=(8, 8, 8), cell="gru")
    config.write_text("hidden = 16\nlayers 1\n")
    out.unlink()
    broken = refused("train", few, "--config", config, "--out", out, code=2)
    assert "settings.toml: " in broken and "(at line 2, column 8)" in broken
    assert "lost.toml: No such file" in refused("train", few, "--config", tmp_path / "lost.toml", "--out", out, code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--out model.pt", 2, "model.pt: must end in .safetensors"),
        ("--out .", 2, "is a directory"),
        ("--out lost/m.safetensors", 4, "lost/m.safetensors: there is no folder lost"),
        ("--minutes 0", 2, "'--minutes': 0.0 is not in the range x>0"),
        ("--minutes inf", 2, "minutes=inf: must be a finite number"),
        ("--set learning_rate=1e999", 2, "learning_rate=1e999: must be a finite number"),
        ("--set hidden", 2, "--set hidden: write NAME=VALUE"),
        ("--set hiden=3", 2, "hiden: no such setting; there are activation, auxiliary,"),
        ("--set cell=gnu", 2, "cell=gnu: must be one of elman, gru, lstm"),
        ("--from latin --preset small", 2, "leave --preset out"),
        ("--from latin --set cell=gru", 2, "--from latin brings its own network"),
        ("--from latin --set hidden=1", 2, "only its dropout can be changed, and hidden and channels raised"),
        ("--from lost", 1, "lost: no such model"),
        ("--set interpolation=0.5", 2, "interpolation=0.5: no model to interpolate with; add --from"),
        ("--set spliced=2", 2, "spliced=2.0: must be from 0 to 1"),
        ("--dev lost", 1, "lost: no such file or folder"),
        ("--resume --epochs 1 " + " ".join(TINY), 1, "m.checkpoint: no checkpoint to resume from"),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_wrong_options_of_train(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("train", few, "--out", "m.safetensors", *arguments.split(), code=code)


def test_the_device_of_a_training(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    assert "must be auto, cpu, cuda, cuda:1 or mps" in refused("train", few, "--out", out, "--device", "tpu", code=2)
    assert "device='cuda:99': not available" in refused("train", few, "--out", out, "--device", "cuda:99", code=2)
    done("train", few, "--out", out, "--device", "cpu", *TINY, "--epochs", 1)


def test_a_limit_of_threads_comes_before_torch(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    done("train", few, "--out", tmp_path / "m.safetensors", "--threads", 1, "--dry-run")
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "--threads" in refused("train", few, "--out", tmp_path / "m.safetensors", "--threads", 0, code=2)


def test_a_dry_run_prints_the_settings_and_their_origins(few: Path, model: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "settings.toml", tmp_path / "m.safetensors"
    config.write_text("batch = 5\nema = 0.5\n")
    options = ("--config", config, "--set", "ema=0.9", "--epochs", 3, "--out", out, "--dry-run")
    result = done("train", few, "--from", model, *options)
    *rows, training, validation, action = result.stdout.splitlines()
    origins = {name: (value, origin) for name, value, origin in (re.split("[=\t]", row) for row in rows)}
    assert set(origins) == {*NetworkConfig().to_dict(), *TrainingConfig().to_dict()}
    assert origins["hidden"] == ("16", "the model to start from")
    assert origins["learning_rate"] == ("0.002", "fine-tuning")
    assert origins["interpolation"] == ("0.7", "fine-tuning on few lines")
    assert origins["batch"] == ("5", "config file")
    assert origins["ema"] == ("0.9", "--set")
    assert origins["epochs"] == ("3", "--epochs")
    assert origins["clip"] == ("5.0", "default")
    assert (training, validation) == ("4 training lines", "4 training lines to measure the error rate on")
    assert action == f"fine-tunes {model.name}, and writes {out}"
    assert [file.name for file in tmp_path.iterdir()] == ["settings.toml"]
    rows = done("train", few, "--preset", "elman", "--dev", few, "--out", out, "--dry-run").stdout.splitlines()
    assert "cell=elman\tpreset elman" in rows and "minutes=30.0\tdefault" in rows
    assert rows[-1] == f"starts with random weights, and writes {out}"


def test_the_help_of_train_names_every_setting() -> None:
    text = done("train", "--help").stdout
    for settings in (NetworkConfig(), TrainingConfig()):
        assert all(f"  {name}=" in text for name in settings.to_dict())
    assert "cell=lstm  or elman, gru\n" in text and "channels=32,64,128,128,128\n" in text


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 there")
def test_file_names_that_are_not_utf_8(few: Path, model: Path, tmp_path: Path) -> None:
    dataset = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    shutil.copytree(few, dataset)
    (dataset / "01-scan.png").rename(os.fsdecode(os.fsencode(dataset) + b"/\xe9.png"))
    (dataset / "01-scan.gt.txt").rename(os.fsdecode(os.fsencode(dataset) + b"/\xe9.gt.txt"))
    out = dataset / os.fsdecode(b"m\xe9.safetensors")
    done("train", dataset, "--dev", dataset, *TINY, "--epochs", 1, "--out", out)
    shutil.move(out, tmp_path / "m.safetensors")
    facts = load_model(str(tmp_path / "m.safetensors")).facts
    assert (facts["trained_on"], facts["dev"], facts["lines"]) == (["caf\ufffd"], "caf\ufffd", 4)


def test_lines_that_cannot_be_trained_on(few: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(few, tmp_path / "lines")
    pictures = sorted(dataset.glob("*.png"))
    pictures[0].write_bytes(b"")
    command = ("train", dataset, "--dev", few, *TINY, "--epochs", 1, "--out", tmp_path / "m.safetensors", "--force")
    assert f"left out: {pictures[0]}: the file is empty" in done(*command).stderr
    for picture in pictures:
        Image.new("L", (8, 48), 255).save(picture)
    result = run(*command)
    assert result.exit_code == 1 and result.stderr.count("too narrow") == 4
    assert "\nError: no line of the dataset can be used; `inkread check` tells why" in result.stderr


def test_a_loss_that_is_not_a_number(few: Path, tmp_path: Path) -> None:
    settings = ("--set", "learning_rate=1e30", "--set", "clip=0", "--epochs", 9)
    line = refused("train", few, *TINY, *settings, "--out", tmp_path / "m.safetensors")
    assert re.search(r"the loss is (nan|inf) at step \d; try --set learning_rate=3e\+29$", line)


def test_a_full_disk(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that was there stays, and nothing half written lies about."""

    def full(*paths: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "m.safetensors"
    out.write_bytes(b"the old one")
    monkeypatch.setattr("os.replace", full)
    line = refused("train", few, *TINY, "--epochs", 1, "--out", out, "--force", code=4)
    assert line == f"Error: {out}: cannot be written (No space left on device); free some space"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"the old one"]


def test_a_stopped_training_is_not_overwritten(few: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "m.checkpoint"
    checkpoint.write_bytes(b"hours of work")
    line = refused("train", few, *TINY, "--epochs", 1, "--out", tmp_path / "m.safetensors", code=4)
    assert line.startswith(f"Error: {checkpoint}: belongs to a training that was stopped; continue it with --resume")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"hours of work"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_training_at_a_terminal(few: Path, tmp_path: Path) -> None:
    """The real thing: two processes where there are two cores, and a display that lives."""
    import pty

    screen, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | {"TERM": "xterm"}
    out = tmp_path / "m.safetensors"
    options = ("--dev", few, *TINY, "--epochs", "2", "--out", out)
    command = [sys.executable, "-m", "inkread", "train", *map(str, (few, *options))]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=terminal)
    os.close(terminal)
    shown = b""
    with open(screen, "rb", buffering=0) as file:
        try:
            while part := file.read(4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
    assert process.wait() == 0, shown.decode()
    assert b"gradient norm" in shown and b"wrote" in shown and out.is_file()
