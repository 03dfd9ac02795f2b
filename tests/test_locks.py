"""Locks that end with their process, and temporary folders that do not outlive theirs."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from inkread.locks import LOCK, PREFIX, Locked, locked, private_folder


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_lock_is_held_once_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    for _ in range(2):
        with locked(file), pytest.raises(Locked), locked(file):
            raise AssertionError("two hold the lock")
        assert not file.exists()


def test_a_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; from inkread.locks import locked, private_folder\n"
        "with locked(Path(sys.argv[1])), private_folder() as folder: print(folder, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code, file], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        theirs = Path(said.readline().strip())
    assert theirs.parent == tmp_path
    with pytest.raises(Locked), locked(file):
        pass
    with private_folder():
        assert theirs.is_dir()
    process.kill()
    process.wait()
    assert file.exists() and theirs.is_dir()
    with locked(file), private_folder() as ours:
        assert not theirs.exists() and ours.is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes on Windows")
def test_a_private_folder_is_of_its_user_alone() -> None:
    with private_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_not_a_stale_folder_stays(tmp_path: Path) -> None:
    """A folder without the lock file, as it may be another program's, and a link to a folder elsewhere."""
    (tmp_path / f"{PREFIX}without").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    if sys.platform != "win32":
        (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}stale").mkdir()
    (tmp_path / f"{PREFIX}stale" / LOCK).touch()
    before = {path.name for path in tmp_path.iterdir()}
    with private_folder():
        pass
    assert before - {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}stale"}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files")
def test_a_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{PREFIX}theirs").mkdir()
    (tmp_path / f"{PREFIX}theirs" / LOCK).touch()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with private_folder():
        pass
    assert (tmp_path / f"{PREFIX}theirs").is_dir()
