"""The commands as a user meets them: what they print and where, their exit codes, and one clear line for each error.

Nearly all run in this process, with a network too small to read anything.
"""

import errno
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from inkread import cli
from inkread.cli import display, predict, train
from inkread.config import CELLS, Activation, NetworkConfig, TrainingConfig
from inkread.data.dataset import Sample, open_dataset
from inkread.inputs.images import read_pictures
from inkread.model import checkpoint
from inkread.model.checkpoint import load_model, save_model
from inkread.pages import reader

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
LINE = SAMPLE / "01-scan.png"
NETWORK = ["hidden=16", "layers=1", "channels=8,8,8"]
TINY = [flag for setting in (*NETWORK, "precision=float32", "evaluations=1") for flag in ("--set", setting)]


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], input=stdin)


def done(*arguments: object, stdin: bytes | None = None) -> Result:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object, stdin: bytes | None = None, code: int = 1) -> str:
    """What is said on stderr: one line, or below the usage for a mistake in the command; nothing on stdout."""
    result = run(*arguments, stdin=stdin)
    assert isinstance(result.exception, SystemExit) and result.exit_code == code, result.output
    assert not result.stdout
    *above, line = result.stderr.splitlines()
    assert line.startswith("Error: ") and all(row.startswith(("Usage:", "Try", "no --dev")) or not row for row in above)
    return line


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
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
    """A network that has learnt nothing in its one epoch, with an output drawn at random, so that it babbles."""
    out = tmp_path_factory.mktemp("model") / "babble.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "1")
        done("train", few, "--dev", few, *TINY, "--epochs", 1, "--out", out)
    learnt = load_model(str(out))
    torch.manual_seed(0)
    learnt.weights["output.weight"].normal_(0, 20)
    learnt.weights["output.bias"].zero_()
    save_model(out, learnt)
    return out


@pytest.fixture
def shelf(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, with the babbling one as the default."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shutil.copy(model, shelf / "latin.safetensors")
    monkeypatch.setattr(checkpoint, "SHELVES", (shelf,))
    return shelf


# ---- predict


def test_one_picture_gives_its_text_and_nothing_else(model: Path) -> None:
    result = done("predict", LINE, "--model", model)
    assert re.fullmatch(r".*\S.*\n", result.stdout) and not result.stderr
    assert done("predict", "-", "--model", model, stdin=LINE.read_bytes()).output == result.output


def test_several_pictures_give_a_table(shelf: Path) -> None:
    files = sorted(SAMPLE.glob("*.png"))[:3]
    alone = [done("predict", file).stdout for file in files]
    assert done("predict", *files).stdout == "".join(f"{file}\t{text}" for file, text in zip(files, alone, strict=True))


def test_every_page_of_a_tiff_is_read(model: Path, tmp_path: Path) -> None:
    first, second = (Image.fromarray(read_pictures(file)[0]) for file in sorted(SAMPLE.glob("*.png"))[:2])
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    file = tmp_path / "two.tif"
    rows = done("predict", file, "--model", model).stdout.splitlines()
    assert [row.partition("\t")[0] for row in rows] == [f"{file}#1", f"{file}#2"]
    rows = done("predict", file, "--json", "--model", model).stdout.splitlines()
    assert [json.loads(row)["page"] for row in rows] == [1, 2]


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_json_tells_all(model: Path, decoder: str) -> None:
    for file in sorted(SAMPLE.glob("*.png"))[:4]:
        reading = json.loads(done("predict", file, "--json", "--decoder", decoder, "--model", model).stdout)
        assert list(reading) == ["file", "page", "text", "confidence", "characters"]
        assert (reading["file"], reading["page"]) == (str(file), 1) and 0 < reading["confidence"] <= 1
        assert "".join(character["text"] for character in reading["characters"]) == reading["text"] != ""
        width = read_pictures(file)[0].shape[1]
        for character in reading["characters"]:
            assert list(character) == ["text", "confidence", "left", "right"] and 0 < character["confidence"] <= 1
            assert 0 <= character["left"] <= character["right"] <= width  # what is in a margin has no width
        lefts = [character["left"] for character in reading["characters"]]
        assert lefts == sorted(lefts)


def spoilt(folder: Path) -> dict[str, Path]:
    """What people give by mistake, by what is wrong with it."""
    contents = {
        "no such file": None,
        "empty": b"",
        "not a picture": b"Dear Margaret",
        "a PDF": b"%PDF-1.7\n%...",
        "cut short": LINE.read_bytes()[:2000],
        "too large": png_header(60_000, 60_000),
        "damaged": png_header(0, 0),
    }
    files = {wrong: folder / f"{wrong}.png" for wrong in contents}
    for wrong, content in contents.items():
        if content is not None:
            files[wrong].write_bytes(content)
    return {**files, "a folder": folder}


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size."""
    from struct import pack
    from zlib import crc32

    header = b"IHDR" + pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + header + pack(">I", crc32(header)) + end


def test_what_is_no_picture_is_named_in_one_line(model: Path, tmp_path: Path) -> None:
    for wrong, file in spoilt(tmp_path).items():
        line = refused("predict", file, "--model", model)
        assert line.startswith(f"Error: {file}: ") and wrong in line and ";" in line
    assert "<stdin>: the file is empty" in refused("predict", "-", "--model", model, stdin=b"")


def test_the_other_pictures_are_read_all_the_same(model: Path, tmp_path: Path) -> None:
    files = spoilt(tmp_path)
    result = run("predict", *files.values(), LINE, "--model", model)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"{LINE}\t{done('predict', LINE, '--model', model).stdout.strip()}"]
    *errors, summary = result.stderr.splitlines()
    assert [error.split(": ")[1] for error in errors] == [str(file) for file in files.values()]
    assert summary == f"{len(files)} of {len(files) + 1} files could not be read"


def test_documents_of_a_batch(model: Path, tmp_path: Path) -> None:
    """What is no page is named, and the pages after it are written; none takes another's place."""
    pages = [tmp_path / f"{name}.png" for name in ("a", "b")]
    for page in pages:
        shutil.copy(LINE, page)
    ink, tiff = tmp_path / "ink.json", tmp_path / "two.tif"
    ink.write_text(INKS["a.json"])
    Image.new("L", (90, 40), 255).save(tiff, save_all=True, append_images=[Image.new("L", (90, 40), 255)])
    out = tmp_path / "out"
    out.mkdir()
    common = ("--model", model, "--format", "page", "--out", out)
    result = run("predict", pages[0], ink, tiff, pages[1], *common)
    assert result.exit_code == 1
    assert sorted(path.name for path in out.iterdir()) == ["a.xml", "b.xml"], result.output
    assert f"{ink}: pen strokes, not a page" in result.stderr and f"{tiff}: 2 pages, but --format" in result.stderr
    assert "2 of 4 files could not be read" in result.stderr
    twin = tmp_path / "a.jpg"
    line = refused("predict", pages[0], twin, *common, code=2)
    assert f"{pages[0]} and {twin} would both become {out / 'a.xml'}" in line


def test_pictures_with_nothing_to_read(model: Path, tmp_path: Path) -> None:
    """One pixel, a blank page, a black one: lines all the same."""
    for width, height, grey in ((1, 1, 0), (1, 90, 255), (900, 1, 0), (400, 60, 255), (400, 60, 0)):
        Image.new("L", (width, height), grey).save(tmp_path / f"{width}-{height}-{grey}.png")
    result = done("predict", *sorted(tmp_path.glob("*.png")), "--model", model)
    assert len(result.stdout.splitlines()) == 5 and not result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("klingon", "klingon: no such model; there is latin, or give a .safetensors file"),
        ("lost.safetensors", "lost.safetensors: no such model file; check the path"),
        (LINE, "01-scan.png: damaged, or not a model file"),
    ],
)
def test_a_model_that_cannot_be_had(shelf: Path, name: object, message: str) -> None:
    for command in ("predict", "eval", "check"):
        assert message in refused(command, LINE if command == "predict" else SAMPLE, "--model", name)


def test_mistakes_in_the_command() -> None:
    for command in ("predict", "eval", "train", "check"):
        assert "Missing argument" in refused(command, code=2)
    assert "Missing option '--out'" in refused("train", SAMPLE, code=2)
    assert "No such option" in refused("predict", LINE, "--modle", "latin", code=2)
    assert "is not one of 'greedy', 'beam'" in refused("predict", LINE, "--decoder", "magic", code=2)


# ---- predict: batches, files and names


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A TIFF of three pages, each with a line of writing."""
    path = tmp_path / "pages.tif"
    first, *others = (Image.fromarray(read_pictures(file)[0]) for file in sorted(SAMPLE.glob("*.png"))[:3])
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.parametrize("form", ["alto", "page", "hocr"])
def test_a_line_on_which_nothing_is_read(model: Path, tmp_path: Path, form: str) -> None:
    silent = load_model(str(model))
    silent.weights["output.weight"].zero_()
    silent.weights["output.bias"].zero_()[0] = 9  # blanks alone
    save_model(tmp_path / "silent.safetensors", silent)
    common = ("--page", "--model", tmp_path / "silent.safetensors")
    assert "xml" in done("predict", LINE, *common, "--format", form).stdout
    done("predict", LINE, *common, "--overlay", tmp_path / "seen.png")
    assert done("predict", LINE, *common).stdout == "\n"


def test_an_unexpected_error_in_one_file_does_not_stop_the_others(
    model: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages before it are written, so are the files after it."""
    lay_out = reader.lay_out

    def broken(name: str, number: int, *rest: Any) -> reader.Sheet:
        if number == 3:
            raise ZeroDivisionError("two\nlines")
        return lay_out(name, number, *rest)

    monkeypatch.setattr(reader, "lay_out", broken)
    result = run("predict", pages, LINE, "--model", model)
    assert result.exit_code == 1
    assert [row.partition("\t")[0] for row in result.stdout.splitlines()] == [f"{pages}#1", f"{pages}#2", str(LINE)]
    error, summary = result.stderr.splitlines()
    assert error.startswith(f"Error: {pages}: cannot be read because of an error in inkread (ZeroDivisionError(")
    assert summary == "1 of 2 files could not be read"
    result = run("predict", pages, "--model", model, "--format", "alto")
    assert result.exit_code == 1 and not result.stdout  # a document is written completely or not at all


def test_pictures_for_a_model_of_strokes_do_not_stop_the_others(tmp_path: Path, few: Path) -> None:
    (tmp_path / "a.json").write_text(INKS["a.json"])
    (tmp_path / "inks.jsonl").write_text('{"strokes": [[[0, 0], [0, 40], [20, 20], [40, 44]]], "text": "a"}\n' * 2)
    sizes = [flag for flag in ("hidden=4", "layers=1", "channels=4,4", "evaluations=1") for flag in ("--set", flag)]
    strokes = tmp_path / "strokes.safetensors"
    done("train", tmp_path / "inks.jsonl", "--dev", tmp_path / "inks.jsonl", *sizes, "--epochs", 1, "--out", strokes)
    result = run("predict", LINE, tmp_path / "a.json", "--model", strokes)
    assert result.exit_code == 1 and result.stdout.startswith(f"{tmp_path / 'a.json'}\t")
    assert f"Error: {LINE}: a picture, but the model reads pen strokes" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_page_is_written_when_it_is_read(model: Path, tmp_path: Path) -> None:
    """While the next file is still to come."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "inkread", "predict", LINE, pipe, "--page", "--model", model]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(f"{LINE}\t".encode())
        pipe.write_bytes(LINE.read_bytes())
        assert process.stdout.read().startswith(f"{pipe}\t".encode())
    assert process.returncode == 0


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("json", "json"), ("alto", "xml"), ("hocr", "html")])
def test_every_format_can_go_into_a_folder(model: Path, pages: Path, tmp_path: Path, form: str, suffix: str) -> None:
    out = tmp_path / "new" / "folder"
    command = ("predict", LINE, pages, "--model", model, "--format", form, "--out", out)
    assert not done(*command).stdout
    files = [out / f"01-scan.{suffix}", out / f"pages.{suffix}"]
    assert sorted(out.iterdir()) == files
    if form == "text":
        assert files[0].read_text("utf-8") == done("predict", LINE, "--model", model).stdout
        rows = done("predict", pages, "--model", model).stdout.splitlines()
        assert files[1].read_text("utf-8") == "\n\n".join(row.partition("\t")[2] for row in rows) + "\n"
    if form == "json":
        read = done("predict", LINE, pages, "--model", model, "--json").stdout
        assert files[0].read_text("utf-8") + files[1].read_text("utf-8") == read
    files[0].write_text("corrected by hand")
    assert refused(*command) == f"Error: {files[0]} exists; give --force to overwrite it, or another --out"
    assert files[0].read_text() == "corrected by hand"
    done(*command, "--force")
    assert files[0].read_text() != "corrected by hand"


def test_a_file_that_cannot_be_written_does_not_stop_the_others(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        shutil.copy(LINE, name)
    Path("out/a.txt").mkdir(parents=True)
    result = run("predict", "a.png", "b.png", "--model", model, "--out", "out", "--force")
    assert result.exit_code == 1 and Path("out/b.txt").is_file()
    assert "Error: a.png: out/a.txt: cannot be written" in result.stderr
    Path("file").touch()
    assert "file/out: the folder cannot be made" in refused("predict", "a.png", "--model", model, "--out", "file/out")


def test_an_overlay_of_every_page(model: Path, pages: Path, tmp_path: Path) -> None:
    done("predict", pages, "--model", model, "--overlay", tmp_path / "seen.png")
    drawn = [read_pictures(tmp_path / f"seen-{number}.png")[0] for number in (1, 2, 3)]
    assert [page.shape for page in drawn] == [page.shape for page in read_pictures(pages)]
    assert not (tmp_path / "seen.png").exists()
    shutil.copy(LINE, tmp_path / "own.png")
    own = tmp_path / "own.png"
    assert f"{own}: would overwrite the page itself" in refused("predict", own, "--model", model, "--overlay", own)


def test_an_overlay_is_as_colourful_as_the_page(model: Path, tmp_path: Path) -> None:
    page = Image.new("RGB", (300, 200), (120, 200, 250))
    page.save(tmp_path / "page.png")
    done(
        "predict", "-", "--model", model, "--overlay", tmp_path / "seen.png", stdin=(tmp_path / "page.png").read_bytes()
    )
    assert read_pictures(tmp_path / "seen.png").in_colour(0)[9, 9].tolist() == [120, 200, 250]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
@pytest.mark.parametrize("form", ["text", "json", "alto", "page", "hocr"])
def test_odd_file_names(model: Path, tmp_path: Path, form: str) -> None:
    names = ["œ 'é'.png", os.fsdecode(b"caf\xe9.png"), 'tab\tline\n"quote".png']
    shown = ["œ 'é'.png", r"caf\udce9.png", r'tab\tline\n"quote".png']
    files = [tmp_path / name for name in names]
    for file in files:
        shutil.copy(LINE, file)
    if form == "text":
        rows = done("predict", *files, "--model", model).stdout.splitlines()
        assert [row.split("\t")[0] for row in rows] == [f"{tmp_path}/{name}" for name in shown]
    elif form == "json":
        rows = done("predict", *files, "--model", model, "--json").stdout.splitlines()
        assert [json.loads(row)["file"] for row in rows] == [str(file) for file in files]
        Path(tmp_path / "read.jsonl").write_text("\n".join(rows), "utf-8")
        assert [sample.path for sample in open_dataset(str(tmp_path / "read.jsonl")).samples] == files
    result = run(
        "predict", *files, tmp_path / os.fsdecode(b"\n\xff"), "--model", model, "--format", form, "--out", tmp_path
    )
    assert rf"Error: {tmp_path}/\n\udcff: no such file" in result.stderr and result.exit_code == 1
    for file in files:
        assert file.with_suffix(predict.SUFFIXES[form]).read_text("utf-8")


def test_stdout_is_utf8_when_it_is_redirected(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / "é.png", tmp_path / "œ.png"]
    for file in files:
        shutil.copy(LINE, file)
    for encoding in ("latin-1", "cp1252", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-m", "inkread", "predict", *files, "--model", model]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
        assert [row.partition("\t")[0] for row in result.stdout.decode("utf-8").splitlines()] == [*map(str, files)]


def test_threads_wait_without_keeping_the_cores_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the user or the program around it decided on it."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    cli.wait_without_spinning()  # torch is imported
    assert "OMP_WAIT_POLICY" not in os.environ
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli.wait_without_spinning()
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


@pytest.mark.parametrize("name", ["latin-research", "strokes-research"])
def test_models_that_are_not_in_the_package(shelf: Path, name: str) -> None:
    line = refused("predict", LINE, "--model", name)
    assert f"{name}: not part of the package, as it may be used for research only" in line


# ---- eval


def test_eval_in_words_and_in_json(few: Path, model: Path, tmp_path: Path) -> None:
    report = tmp_path / "errors.html"
    result = done("eval", few, "--model", model, "--errors", 2, "--report", report)
    assert re.match(r"CER \d+\.\d\d % \(.*\)   WER .*4 lines, .*interval: 95 % bootstrap by line\n", result.stdout)
    assert result.stdout.count("  written  ") == result.stdout.count("  read     ") == 2 and "→" in result.stdout
    assert result.stderr == f"wrote {report}\n" and report.read_text("utf-8").startswith("<!doctype html>")
    figures = json.loads(done("eval", few, "--model", model, "--json").stdout)
    assert f"CER {100 * figures['cer']:.2f} %" in result.stdout and figures["lines"] == 4


def test_eval_scores_what_can_be_read(few: Path, model: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "01-scan.png").write_bytes(b"")
    result = run("eval", dataset, "--model", model)
    assert result.exit_code == 1 and "3 lines" in result.stdout and "cannot be read: 1" in result.stdout
    assert result.stderr.startswith(f"Error: {dataset / '01-scan.png'}: ") and result.stderr.count("\n") == 1
    assert len(json.loads(run("eval", dataset, "--model", model, "--json").stdout)["failures"]) == 1


def test_a_report_that_cannot_be_written_is_told_before_the_work(few: Path, tmp_path: Path) -> None:
    """No model is looked for yet."""
    lost = tmp_path / "lost" / "report.html"
    assert f"{lost}: there is no folder" in refused("eval", few, "--report", lost, "--model", "none")
    assert "is a directory" in refused("eval", few, "--report", tmp_path, "--model", "none", code=2)


def test_datasets_without_a_line(model: Path, tmp_path: Path) -> None:
    for command in (("eval", "--model", model), ("check",), ("train", "--out", tmp_path / "m.safetensors")):
        assert "no dataset in this folder" in refused(*command, tmp_path)
        assert "01-scan.png: a picture, not a dataset" in refused(*command, LINE)
        assert "no such file or folder" in refused(*command, tmp_path / "lost")
        assert "no split 'dev'; there is none at all" in refused(*command, f"{SAMPLE}:dev")


# ---- train


def test_train_writes_a_model_and_a_log(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    result = done("train", few, "--dev", few, *TINY, "--minutes", 0.0001, "--out", out)
    assert not result.stdout and re.search(r"wrote .*: CER [\d.]+ % on 4 training lines\n$", result.stderr)
    assert "no --dev" not in result.stderr and "\r" not in result.stderr and "\x1b" not in result.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.log.jsonl", "m.safetensors"]
    facts = load_model(str(out)).facts
    assert (facts["lines"], facts["training"]["minutes"], facts["training"]["epochs"]) == (4, 0.0001, 0)
    existing = refused("train", few, *TINY, "--epochs", 1, "--out", out)
    assert existing == f"Error: {out} exists; give --force to overwrite it, or another --out"
    both = done("train", few, *TINY, "--minutes", 60, "--epochs", 1, "--out", out, "--force")
    assert both.stderr.endswith("% on 4 training lines\n")
    assert "no --dev, and 4 lines are few" in both.stderr and load_model(str(out)).facts["lines"] == 4
    assert len((tmp_path / "m.log.jsonl").read_text().splitlines()) == 1  # of the new training alone


def test_a_tenth_of_many_lines_is_set_aside() -> None:
    samples = tuple(Sample(str(number), Path("line.png"), "a") for number in range(250))
    ours, aside = train._set_aside(samples)
    assert len(aside) == 25 and {*ours, *aside} == {*samples} and len(ours) == 225
    assert train._set_aside(samples[::-1]) == (ours, aside)
    assert train._set_aside(samples[:99]) == (samples[:99], samples[:99])


def test_thirty_minutes_if_nothing_is_said(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    monkeypatch.setattr("inkread.train.loop.train", lambda *given, **rest: trained.append(given[4]) or 0.0)
    for settings in ([], ["--set", "minutes=0"], ["--set", "epochs=3"], ["--epochs", 2, "--set", "epochs=3"]):
        done("train", few, "--out", tmp_path / "m.safetensors", *settings)
    assert [(config.minutes, config.epochs) for config in trained] == [(30, 0), (30, 0), (0, 3), (0, 2)]


def test_training_on_from_a_model_adds_its_characters(few: Path, model: Path, tmp_path: Path) -> None:
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
    *(["cell=elman", f"activation={name}"] for name in Activation.__args__),
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
    broken = refused("train", few, "--config", config, "--out", out)
    assert "settings.toml: " in broken and "(at line 2, column 8)" in broken
    assert "lost.toml: No such file" in refused("train", few, "--config", tmp_path / "lost.toml", "--out", out)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--out model.pt", 2, "model.pt: must end in .safetensors"),
        ("--out .", 2, "is a directory"),
        ("--out lost/m.safetensors", 1, "lost/m.safetensors: there is no folder lost"),
        ("--minutes 0", 2, "'--minutes': 0.0 is not in the range x>0"),
        ("--minutes inf", 1, "minutes=inf: must be a finite number"),
        ("--set learning_rate=1e999", 1, "learning_rate=1e999: must be a finite number"),
        ("--set hidden", 2, "--set hidden: write NAME=VALUE"),
        ("--set hiden=3", 1, "hiden: no such setting; there are activation, consistency,"),
        ("--set cell=gnu", 1, "cell=gnu: must be one of elman, gru, lstm"),
        ("--from latin --preset small", 2, "leave --preset out"),
        ("--from latin --set cell=gru", 1, "--from latin brings its own network"),
        ("--from latin --set hidden=1", 1, "only its dropout can be changed, and hidden and channels raised"),
        ("--from lost", 1, "lost: no such model"),
        ("--set interpolation=0.5", 1, "interpolation=0.5: no model to interpolate with; add --from"),
        ("--set spliced=2", 1, "spliced=2.0: must be from 0 to 1"),
        ("--dev lost", 1, "lost: no such file or folder"),
        ("--resume --epochs 1 " + " ".join(TINY), 1, "m.checkpoint: no checkpoint to resume from"),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_what_training_refuses(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("train", few, "--out", "m.safetensors", *arguments.split(), code=code)


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


def test_lines_that_cannot_be_learnt_from(few: Path, tmp_path: Path) -> None:
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


def test_a_loss_that_is_no_number(few: Path, tmp_path: Path) -> None:
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
    line = refused("train", few, *TINY, "--epochs", 1, "--out", out, "--force")
    assert line == f"Error: {out}: cannot be written (No space left on device); free some space"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"the old one"]


def test_a_stopped_training_is_not_written_over(few: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "m.checkpoint"
    checkpoint.write_bytes(b"hours of work")
    line = refused("train", few, *TINY, "--epochs", 1, "--out", tmp_path / "m.safetensors")
    assert line == f"Error: {checkpoint}: of a training that was stopped; go on with --resume, or delete it by --force"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"hours of work"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), 1, "Error: not enough memory; try smaller pictures, --set batch=4 or --preset small"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "Error: not enough memory"),
        (OSError(errno.EIO, "Input/output error", "/tmp/x"), 1, "Error: /tmp/x: Input/output error"),
        (KeyboardInterrupt(), 130, "stopped; the same command with --resume goes on from the last minute"),
    ],
)
def test_what_nobody_foresaw(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail(*given: object, **rest: object) -> None:
        (tmp_path / "m.checkpoint").touch()
        raise error

    monkeypatch.setattr("inkread.train.loop.train", fail)
    result = run("train", few, "--dev", few, "--out", tmp_path / "m.safetensors")
    assert result.exit_code == code and result.stderr.startswith(message) and result.stderr.count("\n") == 1


# ---- models and check


def test_models(shelf: Path) -> None:
    head, *facts = done("models").stdout.splitlines()
    assert head == "latin (default)" and [fact.split()[0] for fact in facts] == ["reads", "licence", "size"]
    (row,) = map(json.loads, done("models", "--json").stdout.splitlines())
    assert row["name"] == "latin" and row["file"] == str(shelf / "latin.safetensors")
    (shelf / "latin.safetensors").unlink()
    assert "no model is here; train one with `inkread train`" in refused("models")
    assert "latin: no such model; there is none" in refused("predict", LINE)
    assert not done("models", "--json").output


def test_a_damaged_model_does_not_hide_the_others(shelf: Path) -> None:
    whole = (shelf / "latin.safetensors").read_bytes()
    (shelf / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    model = load_model("latin")
    model.facts["errors"] = [{"on": "lines"}]
    save_model(shelf / "strange.safetensors", model)
    for form in ((), ("--json",)):
        result = run("models", *form)
        assert result.exit_code == 1 and "latin" in result.stdout.splitlines()[0]
        first, second = result.stderr.splitlines()
        assert first.startswith(f"Error: {shelf / 'half.safetensors'}: damaged")
        assert second.startswith(f"Error: {shelf / 'strange.safetensors'}: damaged")


def test_check(few: Path, model: Path, tmp_path: Path) -> None:
    assert done("check", few, "--model", model).stdout.endswith("0 left out, 0 problems\n")
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "01-scan.png").unlink()
    Image.new("L", (20, 60), 255).save(dataset / "02-ruled.png")
    (dataset / "03-scan.gt.txt").write_text("日本", encoding="utf-8")
    result = run("check", dataset, "--model", model)
    assert result.exit_code == 1 and not result.stderr
    problems = "".join(row for row in result.stdout.splitlines(True) if row.startswith("problem: "))
    for problem in ("01-scan.png: no such file", "02-ruled: its text needs", "03-scan: the model has no '日' (U+65E5)"):
        assert problem in problems
    asked = run("check", dataset, "--model", model, "--json")
    assert asked.exit_code == 1 and len(json.loads(asked.stdout)["problems"]) == 3


def test_characters_that_the_default_model_lacks_are_notes(few: Path, shelf: Path, tmp_path: Path) -> None:
    assert "note: " not in done("check", few).stdout
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "03-scan.gt.txt").write_text("日本", encoding="utf-8")
    note = (
        "the model latin has no '日' (U+65E5), '本' (U+672C), in 1 of 4 lines: it cannot read them; "
        "`inkread train --from latin` adds them"
    )
    assert f"\nnote: {note}\n0 left out, 0 problems\n" in done("check", dataset).stdout
    assert json.loads(done("check", dataset, "--json").stdout)["notes"] == [note]
    named = run("check", dataset, "--model", "latin").stdout
    assert "note: " not in named and "with this model adds them" in named and "1 problems" in named
    (shelf / "latin.safetensors").unlink()
    assert "note: " not in done("check", dataset).stdout


# ---- terminals and real processes


def test_a_progress_bar_leaves_stdout_alone(
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


def python(*arguments: object, stdout: int | TextIO | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, stdout=stdout, stderr=subprocess.PIPE)


def test_help_is_there_at_once() -> None:
    """The heavy packages are not imported for it."""
    imported = re.findall(r"\| +([\w.]+)$", python("-X", "importtime", "-c", "import inkread.cli").stderr, re.MULTILINE)
    assert "inkread.cli" in imported and not {"torch", "numpy", "rich", "PIL"} & set(imported)


def test_a_reader_that_has_seen_enough() -> None:
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_training_at_a_terminal(few: Path, tmp_path: Path) -> None:
    """The real thing: two processes where there are two cores, and a display that lives."""
    import pty

    screen, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"} | {"TERM": "xterm"}
    out = tmp_path / "m.safetensors"
    command = [sys.executable, "-m", "inkread", "train", few, "--dev", few, *TINY, "--epochs", "2", "--out", out]
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


# ---- pen strokes


INKS = {
    "a.json": "[[[0, 0], [0, 40], [20, 20], [40, 40], [40, 0]], [[60, 40]]]",
    "two lines.json": "[[[0, 0], [9, 40], [20, 0], [30, 40], [300, 0]], [[0, 150], [9, 190], [20, 150], [99, 190]]]",
    "a.inkml": "<ink><trace>0 0,0 40,20 20,40 40,40 0</trace></ink>",
    "a.dat": ".COORD X Y\n.PEN_DOWN\n0 40\n0 0\n20 20\n40 0\n40 40\n",
}


def test_ink_is_read_where_pictures_are(model: Path, tmp_path: Path) -> None:
    for name, content in INKS.items():
        (tmp_path / name).write_text(content)
        rows = done("predict", tmp_path / name, "--model", model, "--json").stdout.splitlines()
        assert [json.loads(row)["page"] for row in rows] == list(range(1, 1 + name.startswith("two") + 1)), name
        if name.startswith("a."):
            by_pipe = done("predict", "-", "--model", model, stdin=content.encode()).stdout
            assert by_pipe == done("predict", tmp_path / name, "--model", model).stdout
    (tmp_path / "a.jsonl").write_text('{"strokes": [[[0, 0], [0, 40], [20, 20]]], "text": "a"}\n')
    assert "CER" in done("eval", tmp_path / "a.jsonl", "--model", model).stdout
    assert "1 lines" not in done("check", tmp_path / "a.jsonl").stdout
    (tmp_path / "bad.json").write_text("[[[0, 0], [1, NaN]]]")
    assert "bad.json, stroke 1: a number that is not finite" in refused(
        "predict", tmp_path / "bad.json", "--model", model
    )


def test_strokes_have_a_model_of_their_own(shelf: Path, tmp_path: Path) -> None:
    """Chosen by itself for ink and by the dataset in training; a model that is named reads both."""
    rows = [{"strokes": [[[0, 0], [0, 40], [20, 20], [40, 40 + n]]], "text": "a"} for n in range(4)]
    inks = tmp_path / "inks.jsonl"
    inks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = [flag for flag in ("hidden=4", "layers=1", "channels=4,4", "evaluations=1") for flag in ("--set", flag)]
    trained = done("train", inks, "--dev", inks, *sizes, "--epochs", 1, "--out", shelf / "strokes.safetensors")
    assert "preset strokes" in trained.stderr
    assert load_model("strokes").config.features == "strokes"
    (tmp_path / "a.json").write_text(INKS["a.json"])
    assert (
        done("predict", tmp_path / "a.json").stdout == done("predict", tmp_path / "a.json", "--model", "strokes").stdout
    )
    both = done("predict", LINE, tmp_path / "a.json", LINE, "--json").stdout.splitlines()
    texts = [json.loads(row)["text"] for row in both]
    assert texts[0] == texts[2] == done("predict", LINE, "--model", "latin").stdout.strip("\n") != texts[1]
    assert json.loads(done("eval", inks, "--json").stdout)["model"] == "strokes"
    assert json.loads(done("eval", inks, "--json", "--model", "latin").stdout)["model"] == "latin"
    assert "a picture, but the model reads pen strokes" in refused("predict", LINE, "--model", "strokes")


# ---- render


def test_ink_is_drawn(tmp_path: Path) -> None:
    strokes = [[[0, 0], [0, 40], [20, 20], [40, 40], [40, 0]], [[60, 40]]]
    (tmp_path / "m.json").write_text(json.dumps(strokes))
    out = tmp_path / "m.png"
    assert not done("render", tmp_path / "m.json", "-o", out).output
    picture = read_pictures(out)[0]
    assert picture.min() < 50 and picture[0].min() == 255
    assert picture.shape[1] > picture.shape[0] > 22
    inkml = "".join(f"<trace>{','.join(f'{x} {y}' for x, y in stroke)}</trace>" for stroke in strokes)
    done("render", "-", "-o", tmp_path / "again.png", stdin=f"<ink>{inkml}</ink>".encode())
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.png", "m.json", "m.png"]


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    (tmp_path / "two.jsonl").write_text("[[[0, 0], [1, 1]]]\n[[[0, 0], [1, 1]]]\n")
    out = tmp_path / "a.png"
    assert "2 inks, one a line" in refused("render", tmp_path / "two.jsonl", "-o", out)
    assert "not ink that inkread reads" in refused("render", LINE, "-o", out)
    assert "no such file" in refused("render", tmp_path / "none.inkml", "-o", out)
    assert "there is no folder" in refused("render", tmp_path / "two.jsonl", "-o", tmp_path / "no" / "a.png")
    assert "must end in .png" in refused("render", tmp_path / "two.jsonl", "-o", tmp_path / "a.jpg", code=2)
    assert not out.exists()


# ---- language models


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("letters") / "letters.txt"
    path.write_text("Dear Anna,\nthank you for the plums.\nWe walked along the canal until it rained.\n" * 5, "utf-8")
    return path


@pytest.fixture(scope="session", params=[".lm.safetensors", ".arpa"])
def ngrams(letters: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    out = tmp_path_factory.mktemp("ngrams") / f"letters{request.param}"
    result = done("lm", "train", letters, "--order", 4, "--prune", 0.5, "--out", out)
    assert result.stderr.startswith(f"wrote {out}: 0.0 MB from 380 characters") and not result.stdout
    return out


def test_lm_score_tells_each_line_and_bits(ngrams: Path, letters: Path) -> None:
    *rows, total = done("lm", "score", letters, "--lm", ngrams).stdout.splitlines()
    assert len(rows) == 15 and rows[0].endswith("\tDear Anna,")
    found = json.loads(done("lm", "score", letters, "--lm", ngrams, "--json").stdout)
    assert [f"{line['log_probability']:.2f}\t{line['text']}" for line in found["lines"]] == rows
    nats = -sum(line["log_probability"] for line in found["lines"])
    characters = sum(len(line["text"]) + 1 for line in found["lines"])
    assert found["bits_per_character"] == pytest.approx(nats / characters / math.log(2), abs=1e-3)
    assert total.startswith(f"{found['bits_per_character']:.3f} bits a character, perplexity ")


def test_a_text_may_come_from_standard_input(ngrams: Path, letters: Path, model: Path, tmp_path: Path) -> None:
    text = letters.read_bytes()
    assert (
        done("lm", "score", "-", "--lm", ngrams, stdin=text).output
        == done("lm", "score", letters, "--lm", ngrams).output
    )
    assert "standard input: not UTF-8" in refused("lm", "score", "-", "--lm", ngrams, stdin=b"\xff")
    words = tmp_path / "words.txt"
    words.write_text("Margaret\n", "utf-8")
    reading = ("predict", LINE, "--model", model, "--lm", ngrams, "--words")
    assert done(*reading, "-", stdin=words.read_bytes()).stdout == done(*reading, words).stdout
    done("lm", "train", "-", "--out", tmp_path / "short.lm.safetensors", stdin=b"ab\n")
    assert (
        " bits a character" in done("lm", "score", "-", "--lm", tmp_path / "short.lm.safetensors", stdin=b"ab").stdout
    )


def test_lm_sample_goes_on_from_the_prompt(ngrams: Path) -> None:
    sample = done("lm", "sample", "--lm", ngrams, "--prompt", "We wal", "--seed", 3, "--length", 30).stdout
    assert sample.startswith("We wal") and len(sample) == 31
    assert sample == done("lm", "sample", "--lm", ngrams, "--prompt", "We wal", "--seed", 3, "--length", 30).stdout


def test_a_recurrent_model_scores_and_samples_only(letters: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "rnn.lm.safetensors"
    tiny = ("epochs=2", "batch=2", "hidden=16", "layers=1", "embedding=8", "pieces=5", "truncate=16")
    done("lm", "train", letters, "--kind", "rnn", "--out", out, *(part for one in tiny for part in ("--set", one)))
    assert " bits a character" in done("lm", "score", letters, "--lm", out).stdout
    assert done("lm", "sample", "--lm", out, "--prompt", "We").stdout.startswith("We")
    assert "no n-gram language model, but rnn" in refused("predict", LINE, "--model", model, "--lm", out)


def test_reading_along(model: Path, ngrams: Path, few: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Margaret\n", "utf-8")
    read = done("predict", LINE, "--model", model, "--lm", ngrams).stdout
    assert read == done("predict", LINE, "--model", model, "--lm", ngrams, "--decoder", "beam").stdout
    assert done("predict", LINE, "--model", model, "--lm", ngrams, "--words", words).stdout.endswith("\n")
    assert "CER" in done("eval", few, "--model", model, "--lm", ngrams, "--words", words).stdout
    assert "names no language model" in refused("predict", LINE, "--model", model, "--words", words)


def test_a_model_names_the_language_it_reads_along_with(
    shelf: Path, ngrams: Path, few: Path, tmp_path: Path, letters: Path
) -> None:
    """Taken by itself, left out on demand, and handed down to what is trained from it, unless that has new letters."""
    plain = done("predict", LINE).stdout
    along = done("predict", LINE, "--lm", ngrams).stdout
    latin = load_model("latin")
    latin.facts["lm"] = f"{ngrams},{ngrams}"
    save_model(shelf / "latin.safetensors", latin)
    assert along != plain
    assert done("predict", LINE).stdout == along
    for letter_by_letter in (("--lm", "none"), ("--decoder", "greedy")):
        assert done("predict", LINE, *letter_by_letter).stdout == plain
    own = tmp_path / "own.safetensors"
    done("train", few, "--dev", few, "--from", "latin", "--epochs", 1, "--set", "evaluations=1", "--out", own)
    assert load_model(str(own)).facts["lm"] == latin.facts["lm"]
    lines = shutil.copytree(few, tmp_path / "lines")
    next(lines.glob("*.gt.txt")).write_text("Złoty", "utf-8")
    done(
        "train",
        lines,
        "--dev",
        few,
        "--from",
        "latin",
        "--epochs",
        1,
        "--set",
        "evaluations=1",
        "--out",
        own,
        "--force",
    )
    assert "lm" not in load_model(str(own)).facts


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["predict", LINE, "--words", "names.txt", "--lm", "none"], "--words goes with a language model", 2),
        (["predict", LINE, "--words", "names.txt", "--decoder", "greedy"], "takes no language model", 2),
        (["predict", LINE, "--lm", "english", "--decoder", "greedy"], "takes no language model", 2),
        (["eval", SAMPLE, "--lm", "klingon"], "klingon: no such language model; there is", 1),
        (["predict", LINE, "--lm", "nowhere.arpa"], "nowhere.arpa: no such language model file", 1),
        (["lm", "train", "nowhere.txt", "--out", "a.lm.safetensors"], "nowhere.txt: cannot be read", 1),
        (["lm", "train", LINE, "--out", "a.lm.safetensors"], "not UTF-8", 1),
        (["lm", "train", LINE, "--out", "a.safetensors"], "must end in .lm.safetensors or .arpa", 2),
        (["lm", "train", LINE, "--kind", "rnn", "--out", "a.arpa"], "must end in .lm.safetensors", 2),
        (["lm", "train", LINE, "--set", "cell=gru", "--out", "a.arpa"], "add --kind rnn", 2),
        (["lm", "train", LINE, "--out", "nowhere/a.arpa"], "there is no folder nowhere", 1),
        (["lm", "train", LINE, "--kind", "rnn", "--order", 7, "--out", "a.lm.safetensors"], "--order: only for n-g", 2),
        (["lm", "train", LINE, "--kind", "rnn", "--prune", 1, "--out", "a.lm.safetensors"], "--prune: only for n-g", 2),
        (["lm", "train", os.devnull, "--out", "a.arpa"], f"{os.devnull}: no text to learn from", 1),
        (["lm", "sample", "--temperature", "nan"], "must be a finite number", 2),
        (["predict", "-", "--words", "-"], "cannot both be standard input", 2),
        (["lm", "score", "nowhere.txt"], "nowhere.txt: cannot be read", 1),
        (["lm", "score", SAMPLE / "01-scan.gt.txt", "--lm", LINE], "not a model file", 1),
    ],
)
def test_mistakes_with_language_models(arguments: list[object], message: str, code: int) -> None:
    assert message in refused(*arguments, code=code)


def test_models_tells_of_language_models(shelf: Path, letters: Path) -> None:
    done("lm", "train", letters, "--order", 3, "--out", shelf / "letters.lm.safetensors")
    rows = list(map(json.loads, done("models", "--json").stdout.splitlines()))
    assert [(row["name"], row["kind"]) for row in rows] == [("latin", "lines"), ("letters", "language")]
    assert "letters (--lm letters)" in done("models").stdout
    assert " bits a character" in done("lm", "score", letters, "--lm", "letters").stdout
