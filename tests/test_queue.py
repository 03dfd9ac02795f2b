"""Finished documents are skipped, and several processes divide the others."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from commands import LINE, ROOT, SAMPLE, done, refused, run
from handwriting import Echo

from inkread._files import write_atomic
from inkread.errors import BadInput, CannotWrite, DiskFull
from inkread.inputs.collect import Input, collect
from inkread.outputs import batch as batch_module
from inkread.outputs import queue
from inkread.outputs.batch import Result
from inkread.outputs.files import Outputs
from inkread.outputs.queue import Claim, Queue, TakenOver
from inkread.outputs.workers import Work
from inkread.pages.reader import Reader

TEXT = Outputs(("text",), Path("out"))


@pytest.fixture(autouse=True)
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three lines in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(queue, "POLL", 0.02)
    folder = Path("scans")
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        shutil.copy(LINE, folder / name)
    return folder


def results(
    outputs: Outputs = TEXT, settings: str = "", again: bool = False, documents: list[Input] | None = None
) -> list[Result]:
    documents = collect(["scans"]).inputs if documents is None else documents
    batch = Queue(documents, outputs, {"model": settings}, again)
    return list(batch.read(Work(Reader(Echo()), outputs).read))


def read_again(outputs: Outputs = TEXT, settings: str = "", again: bool = False) -> list[str]:
    """The names of the documents that are not skipped."""
    found = results(outputs, settings, again)
    assert not any(result.error for result in found) and len(found) == len(collect(["scans"]).inputs)
    return sorted(Path(result.input.path).name for result in found if not result.skipped)


def test_a_document_is_finished_until_what_it_depends_on_changes(scans: Path) -> None:
    assert read_again() == ["a.png", "b.png", "c.png"]
    assert read_again() == [] and not list(Path("out/.inkread").glob("*.lock*"))
    os.utime(scans / "a.png", (1, 1))  # the same content
    assert read_again() == []
    shutil.copy(sorted(SAMPLE.glob("*.png"))[1], scans / "a.png")
    assert read_again() == ["a.png"]
    content = (scans / "a.png").read_bytes()
    (scans / "a.png").write_bytes(content.replace(b"IEND", b"IEND", 1)[:-1] + b"\0")  # the same size
    assert read_again() == ["a.png"]
    Path("out/b.png.txt").unlink()
    assert read_again() == ["b.png"]
    assert read_again(settings="another model") == ["a.png", "b.png", "c.png"]
    assert read_again(settings="another model", again=True) == ["a.png", "b.png", "c.png"]
    Path("out/.inkread/c.png.json").write_text('{"outputs": 1')
    Path("out/c.png.txt").unlink()
    assert read_again(settings="another model") == ["c.png"]


def test_formats_are_finished_one_by_one() -> None:
    both = Outputs(("text", "json"), Path("out"))
    assert len(read_again(TEXT)) == 3 and len(read_again(both)) == 3
    assert read_again(both) == read_again(TEXT) == read_again(Outputs(("json",), Path("out"))) == []
    (first, *_) = results(both)
    assert first.skipped and first.pages == 1 and [path.name for path in first.files] == ["a.png.txt", "a.png.jsonl"]


def test_what_was_corrected_by_hand_is_kept() -> None:
    read_again()
    Path("out/a.png.txt").write_text("corrected")
    assert read_again() == []
    first, *others = results(settings="another model")
    assert isinstance(first.error, CannotWrite) and "exists; give --force" in str(first.error)
    assert Path("out/a.png.txt").read_text() == "corrected" and not any(result.error for result in others)
    assert not list(Path("out/.inkread").glob("*.lock*"))
    read_again(Outputs(("text",), Path("out"), overwrite=True), "another model", again=True)
    assert Path("out/a.png.txt").read_text("utf-8") == "ab c\n"


def test_the_outputs_of_another_folder_are_kept(scans: Path) -> None:
    """Documents of the same name in two folders, which are read one after the other."""
    results()
    shutil.copytree(scans, "more")
    shutil.copy(sorted(SAMPLE.glob("*.png"))[1], "more/a.png")
    first, *others = results(documents=collect(["more"]).inputs)
    assert isinstance(first.error, CannotWrite) and "exists; give --force" in str(first.error)
    assert all(result.skipped for result in others)  # the same content


def test_pages_of_a_document_have_a_record_of_their_own(scans: Path) -> None:
    results(documents=[Input("scans/a.png", Path("a.png"))])
    (result,) = results(documents=[Input("scans/a.png", Path("a.png"), 1, 1)])
    assert isinstance(result.error, CannotWrite)  # it would replace the whole


def test_a_notebook_is_read_again_if_one_of_its_pages_changes(scans: Path) -> None:
    for name in ("notes.content", "notes/1.rm", "notes/2.rm"):
        (scans / name).parent.mkdir(exist_ok=True)
        (scans / name).write_text("1")
    document = Input("scans/notes.content", Path("notes.content"))
    state = queue._state_of(document)
    assert queue._is_same(document, state) and state and len(state["files"]) == 3
    (scans / "notes/2.rm").write_text("2")
    assert not queue._is_same(document, state)


# ---- crashes


def dead_process() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def taken_by(outputs: Outputs, owner: dict[str, object]) -> Claim:
    """A claim of the first document, as another process has left it."""
    other = Queue(collect(["scans"]).inputs[:1], outputs, {"model": ""}, again=False)
    (claim,) = other._claims()
    lock = claim.record.with_suffix(".lock-1")
    lock.write_text(json.dumps(json.loads(lock.read_text()) | owner))
    return claim


def test_after_a_crash_half_of_the_outputs_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Outputs(("text", "json"), Path("out"))
    claim = taken_by(both, {})

    def crash(contents: dict[str, dict[Path, bytes]]) -> None:
        Path("out/a.png.txt").write_bytes(contents["text"][Path("out/a.png.txt")])
        raise KeyboardInterrupt

    contents = {"text": {Path("out/a.png.txt"): b"half"}, "json": {Path("out/a.png.jsonl"): b"{}"}}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(queue, "write_contents", crash)
        claim.write(contents, 1, overwrite=False)
    lock = claim.record.with_suffix(".lock-1")
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"pid": dead_process()}))
    assert read_again(both) == ["a.png", "b.png", "c.png"]
    assert Path("out/a.png.txt").read_text("utf-8") == "ab c\n" and not list(Path("out/.inkread").glob("*.lock*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say whether a process has ended")
def test_a_worker_that_dies_while_it_writes_leaves_a_lock_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock file says which outputs are inkread's own, so that they are replaced once the batch has ended."""
    both = Outputs(("text", "json"), Path("out"))

    def die(claims: Iterator[Claim]) -> Iterator[Result]:
        for claim in claims:
            lock = claim._lock()
            hashes = [sha256(b"half").hexdigest()]
            lock.write_text(json.dumps(claim.owner | {"writes": hashes, "pid": dead_process()}))
            Path(f"out/{claim.document.relative.name}.txt").write_bytes(b"half")
            yield Result(claim.document, error=BadInput("the process that read it has died"))

    batch = Queue(collect(["scans"]).inputs, both, {"model": ""}, again=False)
    assert len(list(batch.read(die))) == 3  # type: ignore[arg-type]
    assert read_again(both) == ["a.png", "b.png", "c.png"] and not list(Path("out/.inkread").glob("*.lock*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say whether a process has ended")
def test_the_claim_of_a_dead_process_has_expired() -> None:
    taken_by(TEXT, {"pid": dead_process()})
    assert len(read_again()) == 3


def test_the_claim_of_another_machine_expires_without_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LEASE", 0.3)
    claim = taken_by(TEXT, {"machine": "another"})
    began = time.monotonic()
    alive = threading.Event()

    def touch() -> None:
        while not alive.wait(0.05) and time.monotonic() - began < 0.8:
            claim.touch()

    thread = threading.Thread(target=touch)
    thread.start()
    assert len(read_again()) == 3 and time.monotonic() - began > 1
    alive.set()
    thread.join()
    with pytest.raises(TakenOver):
        claim.write({"text": {Path("out/a.png.txt"): b"late"}}, 1, overwrite=False)
    assert Path("out/a.png.txt").read_text("utf-8") == "ab c\n"


def test_a_document_that_was_lost_meanwhile_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept, and another one took the document over and finished it."""
    batch = Queue(collect(["scans"]).inputs[:1], TEXT, {"model": ""}, again=False)
    monkeypatch.setattr(queue, "_is_dead", lambda owner: True)

    def sleep_and_read(claims: Iterator[Claim]) -> Iterator[Result]:
        taken = list(claims)
        if taken:
            assert len(read_again()) == 3
        yield from Work(Reader(Echo()), TEXT).read(iter(taken))

    (result,) = batch.read(sleep_and_read)  # type: ignore[arg-type]
    assert result.skipped


def test_several_queues_divide_the_documents(scans: Path) -> None:
    for number in range(30):
        shutil.copy(LINE, scans / f"{number}.png")
    found: list[Result] = []
    threads = [threading.Thread(target=lambda: found.extend(results())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = Counter(result.input.path for result in found if not result.skipped)
    assert set(read.values()) == {1} and len(read) == 33 and not any(result.error for result in found)
    assert len(found) == 4 * 33 and not list(Path("out/.inkread").glob("*.lock*"))


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes")
def test_processes_that_are_killed_leave_nothing_unread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two of four, at random moments; the benchmark has more rounds with more pages."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from batches import killing_round, smallest_page

    read = killing_round(tmp_path / "killed", smallest_page(tmp_path / "page.png"), pages=40, seed=1, method="spawn")
    assert len(read) == 40 and sum(read.values()) <= 42


# ---- what fails


def test_a_full_disk_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, data: bytes) -> None:
        raise DiskFull("cannot be written (No space left on device)", path=path, hint="free some space")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "write_atomic", fail)
        found = results()
    assert len(found) < 3 and isinstance(found[-1].error, DiskFull)
    assert not list(Path("out").rglob("*.png*"))
    assert len(read_again()) == 3


def test_a_document_whose_second_output_cannot_be_written_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Outputs(("text", "json"), Path("out"))

    def fail(path: Path, data: bytes) -> None:
        if path.name == "b.png.jsonl":
            raise CannotWrite("cannot be written (File too large)", path=path)
        write_atomic(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "write_atomic", fail)
        assert [result.error is None for result in results(both)] == [True, False, True]
    assert not Path("out/b.png.txt").exists() and not list(Path("out/.inkread").glob("*.lock*"))
    assert read_again(both) == ["b.png"]


def test_what_disappears_or_cannot_be_written_is_one_line(scans: Path) -> None:
    documents = collect(["scans"]).inputs
    (scans / "a.png").unlink()
    Path("out").mkdir()
    Path("out/.inkread").write_text("a file")
    assert ["the folder cannot be made" in str(result.error) for result in results()] == [True, True]
    Path("out/.inkread").unlink()
    first, *others = results(documents=documents)
    assert str(first.error).startswith(f"{documents[0].path}: no such file") and not any(r.error for r in others)


# ---- the command


def test_a_batch_goes_on_where_it_ended(model: Path) -> None:
    Path("scans/b.png").write_bytes(LINE.read_bytes()[:2000])
    command = ("predict", "scans", "--model", model, "--out", "out", "--report", "run.jsonl")
    result = run(*command)
    assert result.exit_code == 1
    bad = os.path.join("scans", "b.png")
    error, head, row, summary = result.stderr.splitlines()
    assert error.startswith(f"Error: {bad}: ") and summary.endswith("; 1 of 3 failed")
    assert head.split("  ")[0] == "not read or not written" and row.split() == [bad, *error.split()[2:]]
    rows = [json.loads(row) for row in Path("run.jsonl").read_text("utf-8").splitlines()]
    found = sorted((row["pages"], len(row["outputs"]), row["error"] is None, row["skipped"]) for row in rows)
    assert found == [(0, 0, False, False), (1, 1, True, False), (1, 1, True, False)]
    assert {*rows[0]} == {"path", "pages", "seconds", "outputs", "skipped", "error"} and rows[0]["seconds"] > 0
    shutil.copy(LINE, "scans/b.png")
    result = done(*command)
    assert result.stderr == "1 document read (1 page), 1 file written to out; 2 finished before\n"
    assert sum(json.loads(row)["skipped"] for row in Path("run.jsonl").read_text("utf-8").splitlines()) == 2
    assert "3 documents read" in done(*command, "--force").stderr
    Path("run.jsonl").write_text("a letter")
    assert "run.jsonl: exists" in refused(*command, code=4)


def test_options_of_batches_need_files(model: Path) -> None:
    for option in (["--jobs", "2"], ["--report", "run.jsonl"], ["--ray"]):
        assert "name --out FOLDER or --beside" in refused("predict", "scans", "--model", model, *option, code=2)
    options = ("--model", model, "--out", "out", "--jobs", 2)
    assert "other processes cannot read standard input" in refused("predict", "-", *options, code=2)


def test_what_was_written_into_the_inputs_is_not_read(model: Path) -> None:
    done("predict", "scans/a.png", "--model", model, "--overlay", "scans/seen.png")
    Path("scans/out").mkdir()
    done("predict", "scans", "--model", model, "--out", "scans/out")
    shutil.copy("scans/a.png", "scans/out/a.png.pdf")  # in place of a PDF
    names = [Path(found.path).name for found in collect(["scans"]).inputs]
    assert sorted(names) == ["a.png", "b.png", "c.png"]
    assert str(collect(["scans"]).skipped).endswith("2 files written by inkread")
