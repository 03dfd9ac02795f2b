"""The command line as a whole: what all commands share, terminals, and errors that no command expects."""

import errno
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import LINE, SAMPLE, python, refused, run

from inkread._threads import wait_passively
from inkread.cli import COMMANDS, display

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("klingon", "klingon: no such model; installed: latin; or give a .safetensors file"),
        ("lost.safetensors", "lost.safetensors: no such model file; check the path"),
        (LINE, "01-scan.png: damaged, or not a model file"),
    ],
)
def test_models_that_cannot_be_loaded(shelf: Path, name: object, message: str) -> None:
    for command in ("predict", "eval", "check"):
        assert message in refused(command, LINE if command == "predict" else SAMPLE, "--model", name)


def test_usage_errors() -> None:
    for command in ("predict", "eval", "train", "check"):
        assert "Missing argument" in refused(command, code=2)
    assert "Missing option '--out'" in refused("train", SAMPLE, code=2)
    assert "No such option" in refused("predict", LINE, "--modle", "latin", code=2)
    assert "is not one of 'greedy', 'beam'" in refused("predict", LINE, "--decoder", "magic", code=2)


def test_threads_wait_passively_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_passively()  # torch is imported
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    code = """
import os, sys
import inkread.cli
assert "OMP_WAIT_POLICY" not in os.environ
inkread.cli.main(["models"], standalone_mode=False)
assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
"""
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert python("-c", code).returncode == 0


def test_datasets_without_lines(model: Path, tmp_path: Path) -> None:
    for command in (("eval", "--model", model), ("check",), ("train", "--out", tmp_path / "m.safetensors")):
        assert "no dataset in this folder" in refused(*command, tmp_path)
        assert "01-scan.png: an image, not a dataset" in refused(*command, LINE)
        assert "no such file or folder" in refused(*command, tmp_path / "lost")
        assert "no split 'dev'; it has no splits" in refused(*command, f"{SAMPLE}:dev")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), 1, "Error: not enough memory; use smaller images"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "Error: not enough memory"),
        (OSError(errno.EIO, "Input/output error", "/tmp/x"), 1, "Error: /tmp/x: Input/output error"),
        (KeyboardInterrupt(), 130, "stopped; repeat the command with --resume to continue from the last checkpoint"),
    ],
)
def test_unexpected_errors(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail(*given: object, **rest: object) -> None:
        (tmp_path / "m.checkpoint").touch()
        raise error

    monkeypatch.setattr("inkread.training.finetune.train", fail)
    result = run("train", few, "--dev", few, "--out", tmp_path / "m.safetensors")
    assert result.exit_code == code and result.stderr.startswith(message) and result.stderr.count("\n") == 1


def test_a_progress_bar_does_not_write_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=itertools.count(step=2).__next__))  # seconds
    with display.progress_bar("reading", 5) as tick:
        tick(1, 5)
        display.print_line("a text")
    out, err = capsys.readouterr()
    assert out == "a text\n" and "reading" in err


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_does_not_import_the_heavy_packages(command: list[str]) -> None:
    code = f"""
import sys
from inkread.cli import main
main({[*command, "--help"]}, standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""
    imported = python("-c", code, stdout=subprocess.DEVNULL).stderr.split()
    assert "inkread.cli" in imported and not {"torch", "numpy", "rich", "PIL", "importlib.metadata"} & set(imported)


def test_a_closed_pipe_behind_stdout() -> None:
    end, start = os.pipe()
    os.close(end)
    result = python("-m", "inkread", "check", SAMPLE, stdout=start)
    os.close(start)
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_behind_stdout() -> None:
    with open("/dev/full", "w") as full:
        result = python("-m", "inkread", "check", SAMPLE, stdout=full)
    assert result.stderr == "Error: <stdout>: cannot be written (No space left on device); free some space\n"
    assert result.returncode == 1
