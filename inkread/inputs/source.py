"""Where input comes from: a file, standard input, a pipe, or bytes in memory."""

import gzip
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from inkread.errors import BadInput

# Bytes by which a format is recognised. XML may begin with long comments, and its kind is known by its root element.
START_BYTES = 65_536

# Bytes of a compressed file when it is unpacked: notes of a hundred full pages take about 100 MB. A small file can hold
# any amount, and must not fill the memory.
MAX_UNPACKED = 200_000_000
MAX_MEMBERS = 10_000  # files in a zip: a notebook has two for each page


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
        opened = Source(name or "<bytes>", source)
    elif str(source) == "-":
        opened = Source(name or "<stdin>", sys.stdin.buffer.read())
    else:
        opened = Source(name or str(source), Path(source))
    with opened.open() as file:
        if not file.seekable():
            opened = Source(opened.name, file.read())
    return _gunzipped(opened)


def _gunzipped(source: Source) -> Source:
    """The content of a gzip file, which .xopp and .svgz are; other files as they are. Raises BadInput if damaged."""
    with source.open() as file:
        if file.read(2) != b"\x1f\x8b":
            return source
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                content = unpacked.read(MAX_UNPACKED + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise BadInput("damaged or cut short", path=source.name, hint="copy or download it again") from error
    return Source(source.name, _checked(source.name, content))


def _checked(name: str, content: bytes) -> bytes:
    if len(content) > MAX_UNPACKED:
        problem = f"more than {MAX_UNPACKED // 1_000_000} MB when it is unpacked"
        raise BadInput(problem, path=name, hint="divide it into smaller files")
    return content


def is_zip(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a zip file with something in it."""
    return start.startswith(b"PK\x03\x04")


def members(source: Source) -> list[str]:
    """The names of the files in a zip file. Raises BadInput where it is damaged, or has more than MAX_MEMBERS."""
    with _opened_zip(source) as archive:
        return archive.namelist()


def unzipped(source: Source, member: str) -> bytes:
    """The content of one file in a zip file. Raises BadInput where there is none, or it is damaged or too large."""
    with _opened_zip(source) as archive:
        try:
            with archive.open(member) as file:
                return _checked(source.name, file.read(MAX_UNPACKED + 1))
        except KeyError as error:
            raise BadInput(f"without {member}", path=source.name, hint="save it again") from error


@contextmanager
def _opened_zip(source: Source) -> Iterator[zipfile.ZipFile]:
    with source.open() as file:
        try:
            with zipfile.ZipFile(file) as archive:
                if len(archive.filelist) > MAX_MEMBERS:
                    raise BadInput(f"more than {MAX_MEMBERS:,} files in it", path=source.name, hint="divide it")
                yield archive
        except BadInput:
            raise
        except Exception as error:  # zipfile raises many kinds of errors for damaged files
            raise BadInput("a damaged zip file", path=source.name, hint="copy or download it again") from error


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
