"""A file locked by one process, and temporary folders that are removed even if their process was killed.

The operating system holds the lock, and releases it when the process ends, however that happens.
"""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PREFIX, LOCK = "inkread-training-", "inkread.lock"  # of temporary folders: how their names begin, and a file in each


class Locked(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which is made, and removed at the end. Raises Locked at once, and OSError."""
    file = _lock(path)
    try:
        yield
    finally:
        _let_go(file, path)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder for this user alone, removed at the end. Folders of processes that were killed are removed."""
    remove_stale_folders()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            file = _lock(folder / LOCK)
            break
        except (Locked, FileNotFoundError):  # another process has just taken it for a stale one
            continue
    try:
        yield folder
    finally:
        _let_go(file, folder / LOCK)
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale_folders() -> None:
    """Remove the folders of `private_folder` whose process is gone: this user's own, with a lock that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Locked):
            facts = folder.lstat()
            ours = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            if stat.S_ISDIR(facts.st_mode) and ours and stat.S_ISREG((folder / LOCK).lstat().st_mode):
                file = _lock(folder / LOCK, os.O_RDWR)
                if file is not None:
                    _let_go(file, folder / LOCK)
                    shutil.rmtree(folder, ignore_errors=True)


def _lock(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int | None:
    """Open and lock a file, without waiting; None where the drive has no locks. Raises Locked, and OSError."""
    while True:
        file = os.open(path, flags, 0o666)
        try:
            if not _lock_open(file):
                os.close(file)
                return None
            if sys.platform == "win32" or _is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # who held the lock has removed this file: lock the new one


def _lock_open(file: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
            raise Locked from error
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            return False
        raise
    return True


def _is_at(file: int, path: Path) -> bool:
    """Is this open file the one that the path names?"""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _let_go(file: int | None, path: Path) -> None:
    """Remove a lock file and release the lock, in this order where the system can, so that no one locks it between."""
    if file is not None and sys.platform == "win32":  # cannot remove an open file
        os.close(file)
    with suppress(OSError):
        path.unlink()
    if file is not None and sys.platform != "win32":
        os.close(file)
