"""Write files completely or not at all, so that no file of the user is lost."""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inkread.errors import CannotWrite, DiskFull


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file completely or not at all: to a temporary file in the same folder, which is then renamed.

    The target of a symbolic link is replaced, not the link. A file that is replaced keeps its permissions. Data for a
    pipe or a device such as /dev/stdout is written directly. Raises CannotWrite.
    """
    try:
        if _is_stream(path):
            with open(path, "ab") as stream:  # stdout may be redirected to a file that has contents
                stream.write(data)
        else:
            with _replaced(Path(os.path.realpath(path))) as file:
                file.write(data)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def written_atomic(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which becomes `path` at the end, or is removed if there was an exception.

    For what is too large for the memory; it can be read and changed until the end. Otherwise as `write_atomic`, but not
    for a pipe. Raises CannotWrite.
    """
    if _is_stream(path):
        raise CannotWrite("a pipe or a device, but this must be a file", path=path, hint="give the name of a file")
    try:
        with _replaced(Path(os.path.realpath(path))) as file:
            yield file
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """The error that says why a file cannot be written."""
    problem = f"cannot be written ({error.strerror})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(problem, path=path, hint="free some space")
    if error.errno == errno.ENAMETOOLONG:
        return CannotWrite(problem, path=path, hint="give what is read a shorter name")
    return CannotWrite(problem, path=path, hint="check the folder and its permissions")


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file in the folder of `path`, which replaces `path` at the end."""
    # Not longer than names can be. Random, as processes on several machines may have the same number.
    temporary = path.with_name(f".{path.name[:40]}.{os.urandom(6).hex()}")
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:  # also KeyboardInterrupt
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def check_writable(path: Path) -> None:
    """Raise CannotWrite if a file cannot be written. Called before the work whose result is written to it."""
    folder = Path(os.path.realpath(path)).parent
    if _is_stream(path):
        writable = os.access(path, os.W_OK)
    elif not folder.is_dir():
        missing = folder if path.is_symlink() else path.parent
        raise CannotWrite(f"there is no folder {missing}", path=path, hint="make it first")
    else:
        writable = os.access(folder, os.W_OK)
    if not writable:
        hint = "change the permissions of the folder, or give another one"
        raise CannotWrite("no permission to write there", path=path, hint=hint)


def _is_stream(path: Path) -> bool:
    """Is the path a pipe, a device or an open file such as /dev/stdout, which cannot be replaced?"""
    if os.path.abspath(path).startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return True
    with contextlib.suppress(OSError, ValueError):
        kind = os.stat(path).st_mode
        return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
    return False


def check_new(path: Path, known: Container[str] = ()) -> None:
    """Raise CannotWrite for a file that exists, since hours of work may have gone into it.

    A file with one of the `known` contents, as `content_hash` gives them, may be replaced.
    """
    if path.exists() and not (known and path.is_file() and content_hash(path) in known):
        raise CannotWrite("exists", path=path, hint="give --force to overwrite it, or another name")


def content_hash(*paths: Path) -> str:
    """The SHA-256 of what is in files, one after another, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
