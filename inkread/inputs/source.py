"""Where input comes from: a file, standard input, a pipe, or bytes in memory."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inkread.errors import BadInput

# Bytes by which a format is recognised. XML may begin with long comments, and its kind is known by its root element.
START_BYTES = 65_536


@dataclass(frozen=True)
class Source:
    """Bytes that can be read again and again."""

    name: str  # for messages
    content: Path | bytes

    @property
    def path(self) -> Path | None:
        """The file; None for bytes in memory."""
        return self.content if isinstance(self.content, Path) else None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The content, open at its start. Raises BadInput where it cannot be read."""
        if isinstance(self.content, bytes):
            yield io.BytesIO(self.content)
            return
        try:
            with self.content.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            raise BadInput("no such file", path=self.name, hint="check the path") from error
        except IsADirectoryError as error:
            raise BadInput("a folder, not a file", path=self.name, hint="name the files inside it") from error
        except PermissionError as error:
            raise BadInput("no permission to read it", path=self.name, hint="change its mode or owner") from error
        except (OSError, ValueError) as error:  # a failing disk; a zero byte in the name
            raise BadInput(f"cannot be read ({error})", path=self.name, hint="check the path and the disk") from error

    def start(self) -> bytes:
        """The first START_BYTES bytes."""
        with self.open() as file:
            return file.read(START_BYTES)

    def read(self) -> bytes:
        """All bytes."""
        with self.open() as file:
            return file.read()


def open_source(source: Path | str | bytes, name: str | None = None) -> Source:
    """The source behind a path, "-" (standard input) or bytes. Raises BadInput where it cannot be opened.

    `name` is what messages call it; by default the path, <stdin> or <bytes>. Standard input and pipes can be read only
    once, so their content is kept.
    """
    if isinstance(source, bytes):
        return Source(name or "<bytes>", source)
    if str(source) == "-":
        return Source(name or "<stdin>", sys.stdin.buffer.read())
    opened = Source(name or str(source), Path(source))
    with opened.open() as file:
        return opened if file.seekable() else Source(opened.name, file.read())


def text_start(start: bytes) -> bytes:
    """The first bytes of a text, without a byte order mark and white space before it."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()


def file_version(path: Path) -> tuple[int, int] | None:
    """A file's time of change in ns and its size in bytes, as a cache key; None where there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size
