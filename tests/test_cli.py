"""The command line as a whole: what all commands share, terminals, and errors that no command expects."""

import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import INKS, LINE, ROOT, SAMPLE, python, refused, run
from PIL import Image

from inkread import cli
from inkread._threads import wait_passively
from inkread.cli import COMMANDS, display, exit_codes

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
        assert "no dataset in this folder" in refused(*command, tmp_path, code=3)
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


@pytest.mark.parametrize("arguments", [("check", SAMPLE), ("predict", LINE, LINE)], ids=lambda arguments: arguments[0])
def test_a_closed_pipe_behind_stdout(model: Path, arguments: tuple[object, ...]) -> None:
    end, start = os.pipe()
    os.close(end)
    result = python("-m", "inkread", *arguments, "--model", model, stdout=start)
    os.close(start)
    assert (result.returncode, result.stderr) == (4, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders, and no SIGINT")
def test_ctrl_c_ends_at_once_and_quietly(model: Path, tmp_path: Path) -> None:
    """While a command reads, here from a pipe in which nothing comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "inkread", "predict", str(pipe), "--model", str(model)]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # in the background of a shell it is ignored
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard)
    with process, open(pipe, "wb"):  # waits until the command opens it
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_the_exit_codes_are_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    rows = re.findall(r"^ {2,}(\d+) {2,}\w", cli.main.help or "", re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(codes) == [0, 1, 2, 3, 4, 130]
    reference = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", reference, re.MULTILINE)] == sorted(codes)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("predict FILE", 0),
        ("predict blank.png", 0),  # no handwriting on a page is a result
        ("predict lost.png", 1),
        ("predict bad.png FILE", 1),
        ("predict empty FILE", 1),
        ("predict empty bad.png", 1),
        ("predict empty lost.txt#3", 1),
        ("predict FILE#2", 1),
        ("predict FILE#0", 1),
        ("predict FILE --format text,alto", 2),
        ("predict empty", 3),
        ("predict empty/*.png", 3),
        ("predict @empty.txt empty", 3),
        ("predict FILE --out bad.png", 2),
        ("predict FILE --out bad.png/texts", 4),
        ("predict FILE --out full", 4),  # has the text already
        ("predict FILE lost.png --out taken --force", 4),
        ("eval few", 0),
        ("eval lost", 1),
        ("eval few:dev", 1),
        ("eval few --report", 2),
        ("eval empty", 3),
        ("eval no-text.tsv", 3),
        ("eval few --report lost/errors.html", 4),
        ("check few", 0),
        ("check lost.tsv", 1),
        ("check missing.tsv", 1),
        ("check", 2),
        ("check empty", 3),
        ("train lost --out a.safetensors", 1),
        ("train few --set layers=none --out a.safetensors", 2),
        ("train empty --out a.safetensors", 3),
        ("train few --out lost/a.safetensors", 4),
        ("lm train empty.txt --out a.arpa", 3),
        ("lm score empty.txt", 3),
        ("lm train text.txt --out lost/a.arpa", 4),
        ("render a.json -o a.png", 0),
        ("render bad.png -o a.png", 1),
        ("render a.json -o a.jpg", 2),
        ("render a.json -o lost/a.png", 4),
        ("export lost.safetensors -o a.onnx", 1),
        ("export MODEL -o lost/a.onnx", 4),
    ],
)
def test_exit_codes(
    model: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "full", "taken/01-scan.png.txt"):
        Path(folder).mkdir(parents=True)
    texts = {
        "full/01-scan.png.txt": "",
        "empty/a.docx": "",
        "empty.txt": "",
        "text.txt": "a text",
        "bad.png": "no image",
    }
    tables = {"no-text.tsv": "file\ttext\nbad.png\t\n", "missing.tsv": "file\ttext\nlost.png\ta\n"}
    for name, text in {**texts, **tables, "a.json": INKS["a.json"]}.items():
        Path(name).write_text(text)
    Image.new("L", (400, 600), 255).save("blank.png")
    shutil.copytree(few, "few")
    words = [word.replace("FILE", str(LINE)).replace("MODEL", str(model)) for word in command.split()]
    with_model = words[0] in ("predict", "eval", "check")
    result = run(*words, *(("--model", model) if with_model else ()))
    assert result.exit_code == code, result.output
    if code and words[0] != "check":  # which prints the problems of a dataset on stdout
        last = result.stderr.splitlines()[-1]
        assert last.startswith(("Error: ", "1 of 2 ", "2 of 2 ")) or last.endswith("2 of 2 failed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_behind_stdout() -> None:
    with open("/dev/full", "w") as full:
        result = python("-m", "inkread", "check", SAMPLE, stdout=full)
    assert result.stderr == "Error: <stdout>: cannot be written (No space left on device); free some space\n"
    assert result.returncode == 4
