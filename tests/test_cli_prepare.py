"""`inkread prepare`, and prepared datasets and weights as arguments of other commands."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import INKS, ROOT, SAMPLE, TINY, done, refused, run

from inkread.data import open_dataset

pytestmark = pytest.mark.usefixtures("one_process")


def test_prepare_writes_a_dataset_for_all_commands(few: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "few.inkset"
    result = done("prepare", few, "-o", out)
    assert not result.stdout and re.fullmatch(r"wrote .*few\.inkset: 4 lines, 0\.\d MB\n", result.stderr)
    figures = [json.loads(done("eval", data, "--model", model, "--json").stdout) for data in (few, out)]
    assert figures[0]["cer"] == figures[1]["cer"] and figures[0]["readings"] == figures[1]["readings"]
    assert done("check", out, "--model", model).stdout.endswith("0 left out, 0 problems\n")
    assert done("check", out).stdout.endswith("0 left out, 0 problems\n")
    done("eval", out, "--model", model, "--report", tmp_path / "report.html")
    assert "data:image/png" in (tmp_path / "report.html").read_text(encoding="utf-8")
    logs = []
    for data in (few, out):
        done("train", f"{data}*2", "--dev", data, *TINY, "--epochs", 1, "--out", tmp_path / "m.safetensors", "--force")
        row = json.loads((tmp_path / "m.log.jsonl").read_text())
        logs.append((row["samples"], row["loss"], row["cer"]))
    assert logs[0] == logs[1] and logs[0][0] == 8


def test_a_dataset_that_is_named_twice_has_weight_two(few: Path, tmp_path: Path) -> None:
    result = done("train", few, few, f"{SAMPLE}*0.5", "--out", tmp_path / "m.safetensors", "--dry-run")
    assert "24 training lines, 18 in each epoch\n" in result.stdout


def test_options(few: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.inkml").write_text(
        INKS["a.inkml"].replace("<ink>", '<ink><annotation type="truth">n.</annotation>')
    )
    out = tmp_path / "a.inkset"
    done("prepare", few, "-o", out, "--height", 64, "--no-photos")
    strokes = tmp_path / "strokes.inkset"
    done("prepare", tmp_path / "lines", "-o", strokes)
    drawn = tmp_path / "drawn.inkset"
    done("prepare", tmp_path / "lines", "-o", drawn, "--images")
    train = ("train", "--out", tmp_path / "m.safetensors", "--dry-run")
    other_height = refused(*train, out)
    assert other_height == (
        f"Error: {out}: prepared as images 64 pixels high, but the model reads images 48 pixels high; "
        "prepare it again with --images --height 48"
    )
    assert "prepared without photos; prepare it again without --no-photos" in refused(*train, out, "--set", "height=64")
    done(*train, out, "--set", "height=64", "--set", "photographed=0")
    done(*train, few, "--dev", out, "--set", "height=64")  # validation lines are no photos
    assert "from pen strokes and without --images" in refused(*train, out, "--preset", "strokes")
    assert "prepared as pen strokes, but the model reads images" in refused(*train, few, strokes)
    done(*train, few, drawn)
    assert "prepared as pen strokes, but the model reads images 48" in refused("eval", strokes, "--model", "latin")
    assert "prepared as images 64" in refused("eval", out, "--model", "latin")
    assert "prepared as images 64" in refused("check", out, "--model", "latin")
    assert "prepared as images 64" in refused("prepare", out, few, "-o", tmp_path / "b.inkset")


def test_errors(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "few.inkset"
    assert "must end in .inkset" in refused("prepare", few, "-o", tmp_path / "few.tsv", code=2)
    assert "Missing option" in refused("prepare", few, code=2)
    assert "no such file or folder" in refused("prepare", tmp_path / "no", "-o", out)
    assert "there is no folder" in refused("prepare", few, "-o", tmp_path / "no" / "few.inkset", code=4)
    assert "height=50: must be a multiple of 16" in refused("prepare", few, "-o", out, "--height", 50, code=2)
    assert "the weight 0 must be more than 0" in refused("prepare", f"{few}*0", "-o", out)
    out.write_bytes(b"older")
    assert "exists; give --force" in refused("prepare", few, "-o", out, code=4)
    assert out.read_bytes() == b"older"
    assert "damaged or cut short" in refused("eval", out)
    done("prepare", few, "-o", out, "--force", "--no-photos")
    assert len(open_dataset(str(out)).samples) == 4
    for command in (
        ("eval", f"{out}*2"),
        ("check", f"{few}*2"),
        ("train", few, "--dev", f"{few}*2", "--out", "m.safetensors"),
    ):
        assert "a weight is for the lines of a training only" in refused(*command)


def test_lines_that_cannot_be_read_are_named(few: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "02-ruled.png").write_bytes(b"damaged")
    result = run("prepare", dataset, "-o", tmp_path / "a.inkset")
    assert result.exit_code == 0
    first, last = result.stderr.splitlines()
    assert first.startswith("left out: ") and "02-ruled.png" in first
    assert re.fullmatch(r"wrote .*: 3 lines, 0\.\d MB, 1 left out", last)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program can handle")
def test_a_stopped_command_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inkread", "prepare", str(SAMPLE), "-o", str(tmp_path / "a.inkset")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and not stderr
    assert not list(tmp_path.iterdir())
