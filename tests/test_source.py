"""Files, standard input, pipes and bytes in memory, and files that cannot be opened."""

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from inkread.errors import BadInput
from inkread.inputs.source import START_BYTES, file_version, open_source


def refused(path: Path | str) -> str:
    with pytest.raises(BadInput) as caught:
        open_source(path)
    assert caught.value.path == str(path) and caught.value.hint
    return caught.value.problem


def test_a_file_can_be_read_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * START_BYTES + b"end")
    source = open_source(path)
    assert source.name == str(path) and source.path == path
    assert (
        source.start() == b"x" * START_BYTES and source.read().endswith(b"end") and source.read() == path.read_bytes()
    )


def test_bytes_and_standard_input_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_source(b"abc").name == "<bytes>" and open_source(b"abc", "a.png").name == "a.png"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"abc")))
    source = open_source("-")
    assert (source.name, source.path) == ("<stdin>", None) and source.read() == source.read() == b"abc"


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_kept_because_it_can_be_read_only_once() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    source = open_source(f"/dev/fd/{reader}")
    os.close(reader)
    assert source.read() == source.read() == b"abc"


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.png") == "no such file"
    assert "cannot be read" in refused("a\0b.png")


@pytest.mark.skipif(os.name == "nt", reason="Windows reports a folder as one that may not be read")
def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "a folder, not a file"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    path.write_bytes(b"abc")
    path.chmod(0)
    assert "no permission" in refused(path)


def test_the_version_of_a_file_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert file_version(path) is None and file_version(Path("a\0b")) is None
    path.write_bytes(b"a")
    before = file_version(path)
    path.write_bytes(b"ab")
    assert before != file_version(path) is not None
