"""Other processes, and Ray, read the same as this process, and one that dies takes one document with it."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import LINE, SAMPLE, done
from PIL import Image

from inkread.errors import BadConfig, BadModel
from inkread.inputs.collect import Input, collect
from inkread.model.recognizer import Recognizers
from inkread.outputs.batch import Result
from inkread.outputs.files import Outputs
from inkread.outputs.queue import Queue, Read
from inkread.outputs.workers import PAGE_SECONDS, Work, open_workers, read_in_processes, read_on_ray
from inkread.pages.layout import PageLayout
from inkread.pages.reader import Reader

Opened = Callable[[Work, list[Input]], AbstractContextManager[Read]]


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("scans")
    folder.mkdir()
    for file in sorted(SAMPLE.glob("*.png"))[:6]:
        shutil.copy(file, folder)
    return folder


def results(
    model: Path,
    out: str,
    opened: Opened,
    check: Callable[[PageLayout], None] | None = None,
    page_seconds: float = PAGE_SECONDS,
) -> list[Result]:
    documents = collect(["scans"]).inputs
    outputs = Outputs(("text", "json"), Path(out))
    work = Work(Reader(Recognizers(str(model), str(model))), outputs, check=check, page_seconds=page_seconds)
    with opened(work, documents) as read:
        return list(Queue(documents, outputs, {}, again=False).read(read))


def contents(out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(out).glob("[!.]*")}


def two_processes(work: Work, documents: list[Input]) -> AbstractContextManager[Read]:
    return read_in_processes(work, 2, documents)


def die(layout: PageLayout) -> None:
    """A file that kills the process that reads it."""
    if layout.name.endswith("hostile.png"):
        os.kill(os.getpid(), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def hang(layout: PageLayout) -> None:
    """A file with which the process that reads it never ends, in C code that lets no other thread run."""
    if layout.name.endswith("hostile.png"):
        re.fullmatch("(a*)*b", "a" * 100)


def die_once(layout: PageLayout) -> None:
    """A machine that is lost, whatever it reads."""
    if not os.path.exists("died"):
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def test_processes_write_the_same_and_a_dead_one_is_replaced(model: Path, scans: Path) -> None:
    results(model, "one", lambda work, documents: open_workers(work, documents, 1, None))
    shutil.copy(LINE, scans / "hostile.png")
    found = results(model, "two", two_processes, die)
    failed = [result for result in found if result.error]
    assert [result.input.relative.name for result in failed] == ["hostile.png"] and len(found) == 7
    assert "the process that read it has died" in str(failed[0].error)
    assert contents("one") == contents("two") and len(contents("one")) == 12
    assert not list(Path("two/.inkread").glob("*.lock*"))


def test_a_process_that_hangs_is_replaced(model: Path, scans: Path) -> None:
    shutil.copy(LINE, scans / "hostile.png")
    found = results(model, "out", two_processes, hang, page_seconds=5.0)
    failed = [result for result in found if result.error]
    assert [result.input.relative.name for result in failed] == ["hostile.png"] and len(found) == 7
    assert "reading a page took longer than 5 s" in str(failed[0].error) and len(contents("out")) == 12
    assert not list(Path("out/.inkread").glob("*.lock*"))


@pytest.mark.usefixtures("scans")
def test_a_model_that_is_missing_ends_the_batch() -> None:
    with pytest.raises(BadModel, match="no such model"):
        results(Path("missing.safetensors"), "out", two_processes)
    assert not list(Path("out").rglob("*.lock*"))


def test_the_command_with_two_processes(model: Path, scans: Path) -> None:
    Path("names.txt").write_text("\n".join(f"Name{number}" for number in range(30_000)), "utf-8")
    options = ("--model", model, "--out", "out", "--lm", "english", "--words", "names.txt")
    assert "6 documents read (6 pages), 6 files" in done("predict", "scans", *options, "--jobs", 2).stderr
    assert "6 finished before" in done("predict", scans, *options, "--jobs", 2).stderr


def test_what_may_need_a_look_is_reported_by_one_process_and_by_several(model: Path, scans: Path) -> None:
    """Pages where all is as usual are not listed, unless there is one document."""
    Image.new("L", (900, 1200), 240).save(scans / "blank.png")
    text = '<text font="Sans" size="12" x="9" y="9" color="black">typed</text>'
    notes = f'<xournal><page width="300" height="200"><layer>{text}</layer></page></xournal>'
    (scans / "typed.xopp").write_text(notes, "utf-8")
    for processes in (1, 2):
        command = ("predict", scans, "--model", model, "--out", f"out{processes}", "--jobs", processes)
        summary = f"8 documents read (8 pages), 8 files written to out{processes}"
        assert done(*command).stderr.splitlines() == ["scans/blank.png: no handwriting found", summary]
        alone = done("predict", scans / "typed.xopp", *command[2:], "--force").stderr
        assert alone.startswith("scans/typed.xopp: 1 line found\n")


@pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_writes_the_same_though_a_worker_dies(
    model: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("L", (900, 1200), 240).save(scans / "blank.png")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # the tests, too, for `die_once`
    results(model, "one", lambda work, documents: open_workers(work, documents, 1, None))
    found = results(model, "ray", lambda work, documents: read_on_ray(work, 2, "local"), die_once)
    assert not any(result.error for result in found) and Path("died").exists()
    assert contents("one") == contents("ray") and len(contents("one")) == 14
    assert caplog.messages == ["scans/blank.png: no handwriting found"] * 2


def test_ray_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    work = Work(Reader(Recognizers()), Outputs(("text",), Path("out")))
    with pytest.raises(BadConfig, match=r"run: pip install 'inkread\[ray\]'"), open_workers(work, [], None, ""):
        pass
