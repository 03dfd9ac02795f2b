"""Files locked by one process, and temporary folders that are removed even if their process was killed.

The locks are those of the operating system, which releases them when the process ends for any reason.
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

PREFIX = "inkread-training-"  # the names of temporary folders begin with it
LOCK = "inkread.lock"  # a file in each temporary folder, locked while the folder is in use


class Locked(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Create and lock a file, and remove it at the end. Raises Locked if another process has it, without waiting, and
    OSError.
    """
    file = _lock(path)
    try:
        yield
    finally:
        _unlock(file, path)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a temporary folder that only this user can read, and remove it at the end. Folders that were left by killed
    processes are removed as well.
    """
    remove_stale_folders()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            file = _lock(folder / LOCK)
            break
        except (Locked, FileNotFoundError):
            continue  # another process took the new folder for a stale one, as it had no lock yet
    try:
        yield folder
    finally:
        _unlock(file, folder / LOCK)
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale_folders() -> None:
    """Remove those folders of `private_folder` that belong to this user and whose lock no process holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Locked):
            facts = folder.lstat()
            ours = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            if stat.S_ISDIR(facts.st_mode) and ours and stat.S_ISREG((folder / LOCK).lstat().st_mode):
                file = _lock(folder / LOCK, os.O_RDWR)
                if file is not None:
                    _unlock(file, folder / LOCK)
                    shutil.rmtree(folder, ignore_errors=True)


def _lock(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> int | None:
    """Open and lock a file, without waiting. None if the file system has no locks. Raises Locked and OSError."""
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
        os.close(file)  # the process that held the lock has removed this file: lock a new one


def _lock_open(file: int) -> bool:
    """Lock an open file. False if the file system has no locks. Raises Locked and OSError."""
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
    """Does the path lead to this open file?"""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _unlock(file: int | None, path: Path) -> None:
    """Remove a lock file and release its lock; in this order, so that no process can lock it in between."""
    if file is not None and sys.platform == "win32":  # cannot remove a file that is open
        os.close(file)
    with suppress(OSError):
        path.unlink()
    if file is not None and sys.platform != "win32":
        os.close(file)
