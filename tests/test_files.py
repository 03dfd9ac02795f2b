"""Files are written completely or not at all, and what stands at their place stays what it is."""

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from inkread.errors import CannotWrite
from inkread.files import check_writable, write_whole
from inkread.names import one_line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes, links and pipes of this kind")


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(b"old")
    old.chmod(0o640)
    write_whole(old, b"changed")
    assert old.read_bytes() == b"changed" and stat.S_IMODE(old.stat().st_mode) == 0o640
    write_whole(new, b"new")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(Path("folder") / "target")
    check_writable(link)
    write_whole(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert [file.name for file in target.parent.iterdir()] == ["target"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    check_writable(pipe)
    write_whole(pipe, b"through the pipe")
    reader.join()
    assert got == [b"through the pipe"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_devices_are_written_into(capfd: pytest.CaptureFixture[str]) -> None:
    check_writable(Path("/dev/stdout"))
    write_whole(Path("/dev/stdout"), b"on stdout")
    write_whole(Path("/dev/null"), b"nowhere")
    assert capfd.readouterr().out == "on stdout" and not Path("/dev/null").is_file()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "nowhere" / "file"):
        with pytest.raises(CannotWrite, match=f"{path}: cannot be written"):
            write_whole(path, b"data")
    with pytest.raises(CannotWrite, match="there is no folder"):
        check_writable(tmp_path / "nowhere" / "file")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    name = "é" * 127  # 254 bytes; most file systems allow 255
    write_whole(tmp_path / name, b"data")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("déjà vu œ 日本.png", "déjà vu œ 日本.png"),
        ("a\tb\nc\rd\x1b\x00", r"a\tb\nc\rd\x1b\x00"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\udce9.png"),
        ("\u2028\ud800\uffff", r"\u2028\ud800\uffff"),
    ],
)
def test_names_are_one_line_of_valid_text(name: str, shown: str) -> None:
    assert one_line(name) == shown
    assert shown.encode("utf-8")
