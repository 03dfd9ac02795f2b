"""Files written completely or not at all, so that nothing the user had is lost."""

import contextlib
import errno
import os
import stat
from pathlib import Path

from inkread.errors import CannotWrite


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all: beside its place, and then moved there. Raises CannotWrite.

    A symbolic link stays, and what it points to is written; a file that was there keeps its permissions; into a pipe
    or a device such as /dev/stdout the data is written directly.
    """
    try:
        if _is_stream(path):
            with open(path, "ab") as stream:  # what stdout was redirected to may hold something
                stream.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        cure = "free some space" if error.errno == errno.ENOSPC else "check the folder and its permissions"
        raise CannotWrite(f"{path}: cannot be written ({error.strerror}); {cure}") from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}")  # short: the name may be as long as names can be
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C, too
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def check_writable(path: Path) -> None:
    """Raise CannotWrite now instead of after an hour of work."""
    folder = Path(os.path.realpath(path)).parent
    if _is_stream(path):
        writable = os.access(path, os.W_OK)
    elif not folder.is_dir():
        raise CannotWrite(f"{path}: there is no folder {folder if path.is_symlink() else path.parent}; make it first")
    else:
        writable = os.access(folder, os.W_OK)
    if not writable:
        raise CannotWrite(f"{path}: no permission to write there; change the folder's mode, or name another one")


def _is_stream(path: Path) -> bool:
    """Whether the path is a pipe or device, or leads to an open file as /dev/stdout does: it cannot be replaced."""
    if os.path.abspath(path).startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return True
    with contextlib.suppress(OSError, ValueError):
        kind = os.stat(path).st_mode
        return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
    return False


def check_new(path: Path) -> None:
    """Raise CannotWrite for a file that exists, as it may be hours of work."""
    if path.exists():
        raise CannotWrite(f"{path} exists; give --force to overwrite it, or another --out")
