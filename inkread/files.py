"""Files written whole or not at all, so that nothing the user had is lost."""

import contextlib
import errno
import os
from pathlib import Path

from inkread.errors import CannotWrite


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside its place, and then moved there. Raises CannotWrite."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        cure = "free some space" if error.errno == errno.ENOSPC else "check the folder and its permissions"
        raise CannotWrite(f"{path}: cannot be written ({error.strerror}); {cure}") from error


def check_new(path: Path) -> None:
    """Raise CannotWrite for a file that exists, as it may be hours of work."""
    if path.exists():
        raise CannotWrite(f"{path} exists; give --force to overwrite it, or another --out")
