"""Which documents of a batch are finished, and which process reads which of the others.

Several processes, on one machine or on several that share a folder, divide a batch among themselves without a server.
Each folder of outputs has a folder .inkread with up to two small files per document:

    letter.jpg.json      its record, written after all of its outputs: it is finished
    letter.jpg.lock-1    the claim of the process that reads it; removed after the record was written

A document is finished if its record names the same input, models and settings, and the outputs are there. What is in
the input is compared only if its size or its time of change differ, so a large batch is skipped fast. Outputs that were
changed since, for example corrected by hand, are never replaced without --force.

A process claims a document by creating its lock file. It then changes the time of this file every HEARTBEAT seconds.
Another process takes the document over if that time stays the same for LEASE seconds, or if it sees that the owner, on
its own machine, is dead: it creates lock-2, then lock-3 and so on. Nothing that another process owns is renamed or
removed, so the one atomic step is the creation of a file that does not exist (O_EXCL), which one process alone can do.

What this needs of a file system: O_EXCL and rename are atomic, and opening a file shows its latest time and content
("close-to-open"). Local disks, NFS from version 3 on and SMB give this. The clocks of the machines may differ.
"""

import json
import os
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from inkread import __version__
from inkread._files import cannot_write, check_new, content_hash, write_atomic
from inkread.errors import CannotWrite, DiskFull, InkreadError
from inkread.inputs.collect import RECORDS, Input
from inkread.inputs.remarkable import CONTENT
from inkread.outputs.batch import Contents, Result, paths_of, write_contents
from inkread.outputs.files import Outputs, make_folder

LEASE = 90.0  # seconds without a sign of life after which a document is taken over; a busy file server may need 60
HEARTBEAT = LEASE / 6  # seconds between signs of life
POLL = 2.0  # seconds before looking again at documents that other processes read

Read = Callable[[Iterator["Claim"]], Generator[Result, None, None]]  # reads the documents of claims


class TakenOver(InkreadError):
    """Another process has taken a document over, since this one gave no sign of life for too long."""


@dataclass(frozen=True)
class Claim:
    """The right of this process to read a document and to write its outputs. Other processes may be sent it."""

    document: Input
    record: Path
    number: int  # of the lock file: higher than 1 if earlier owners are dead
    owner: dict[str, Any]  # what is in the lock file
    facts: dict[str, Any]  # of the input and the settings, for the record
    known: frozenset[str]  # hashes of outputs that may be replaced

    def write(self, contents: Contents, pages: int, overwrite: bool) -> tuple[Path, ...]:
        """Write the outputs and the record, and return the paths of the outputs. Raises CannotWrite, and TakenOver.

        The lock file first names the contents, so that after a crash half of the outputs are known as inkread's own.
        """
        if not self.is_held():
            raise TakenOver("another process reads it now", path=self.document.path)
        known = self.known | {*_read_json(self._lock()).get("writes", ())}  # an attempt before this one may have died
        for path in () if overwrite else paths_of(contents):
            check_new(path, known)
        hashes = {
            name: {path.name: sha256(data).hexdigest() for path, data in files.items()}
            for name, files in contents.items()
        }
        writes = [digest for files in hashes.values() for digest in files.values()]
        write_atomic(self._lock(), json.dumps(self.owner | {"writes": writes}).encode())
        try:
            written = write_contents(contents)
        except CannotWrite:
            with suppress(CannotWrite):
                write_atomic(self._lock(), json.dumps(self.owner).encode())
            raise
        if "input" in self.facts:
            earlier = _read_json(self.record)
            same = all(earlier.get(name) == value for name, value in self.facts.items())
            outputs = (earlier.get("outputs", {}) if same else {}) | hashes  # of other formats, too
            place = os.path.abspath(self.document.path)
            record = self.facts | {"path": place, "pages": pages, "outputs": outputs}
            write_atomic(self.record, json.dumps(record, indent=1).encode())
        return written

    def is_held(self) -> bool:
        """Has no other process taken the document over?"""
        mine = _read_json(self._lock()).get("token") == self.owner["token"]
        return mine and not _lock_path(self.record, self.number + 1).exists()

    def touch(self) -> None:
        """Show that the owner is alive."""
        with suppress(OSError):
            os.utime(self._lock())

    def release(self, finished: bool = False) -> None:
        """Let others claim the document. The lowest lock file goes first, as others look for them from there.

        If it is not finished, but a process may have written half of the outputs before it died, the lock file stays:
        it tells the next owner which files are inkread's own.
        """
        half_written = not finished and "writes" in _read_json(self._lock())
        if self.is_held() and not half_written:
            for number in range(1, self.number + 1):
                with suppress(OSError):
                    _lock_path(self.record, number).unlink()

    def _lock(self) -> Path:
        return _lock_path(self.record, self.number)


class Queue:
    """The documents of a batch, which other processes may read, too.

    `settings` is all that decides what is read and written, as JSON. With `again`, documents are read even if they were
    finished before this process started.
    """

    def __init__(self, documents: Sequence[Input], outputs: Outputs, settings: dict[str, Any], again: bool) -> None:
        self.waiting = list(documents)
        self.outputs = outputs
        self.facts = {"inkread": __version__, "settings": settings}
        self.finished_since = time.time_ns() if again else 0
        self.held: dict[Input, Claim] = {}
        self.busy: list[Input] = []  # read by other processes at the moment
        self.results: deque[Result] = deque()  # of documents that need not or cannot be read
        self.seen: dict[Path, tuple[int, float]] = {}  # when the time of another's lock file was seen to have changed

    def read(self, read: Read) -> Generator[Result, None, None]:
        """The result of each document; `read` reads those that are not finished. Stops after DiskFull.

        At the end, waits for documents that others read, and reads those that they leave.
        """
        with self._signs_of_life():
            while self.waiting:
                self.busy, idle = [], True
                with closing(read(self._claims())) as results:
                    for result in results:
                        idle = False
                        yield from self._noted()
                        self.held.pop(result.input).release(finished=not result.error)
                        if isinstance(result.error, TakenOver):
                            self.busy.append(result.input)
                        else:
                            yield result
                        if isinstance(result.error, DiskFull):
                            return
                yield from self._noted()
                self.waiting = self.busy
                if self.waiting and idle:
                    time.sleep(POLL)

    def _noted(self) -> Iterator[Result]:
        while self.results:
            yield self.results.popleft()

    def _claims(self) -> Iterator[Claim]:
        """Claims of the documents that nobody reads or has read. The reader may take them in another thread."""
        for document in self.waiting:
            try:
                claim = self._claim(document)
            except InkreadError as error:
                self.results.append(Result(document, error=error))
                if isinstance(error, DiskFull):
                    self.busy = []  # nothing else can be written
                    return
            else:
                if claim:
                    yield claim

    def _claim(self, document: Input) -> Claim | None:
        """The claim of a document. Without one, its result is noted if it is finished, or else it is busy."""
        folder = self.outputs.path(document, self.outputs.formats[0]).parent / RECORDS
        record = folder / f"{_name(document)}.json"
        if self._is_finished(document, record):
            return None
        make_folder(folder)
        owner = {"machine": MACHINE, "pid": os.getpid(), "token": os.urandom(8).hex()}
        number, known = self._create_lock(record, owner)
        if not number:
            self.busy.append(document)
            return None
        facts = self.facts | ({"input": state} if (state := _state_of(document)) else {})
        earlier = _read_json(record)
        if earlier.get("path") == os.path.abspath(document.path):  # else a document of the same name in another folder
            known |= {digest for files in earlier.get("outputs", {}).values() for digest in files.values()}
        claim = Claim(document, record, number, owner, facts, frozenset(known))
        self.held[document] = claim
        try:
            if self._is_finished(document, record):  # by the owner before
                claim.release()
                del self.held[document]
                return None
            self.outputs.check_new(document, known)
        except InkreadError:
            self.held.pop(document).release()
            raise
        return claim

    def _create_lock(self, record: Path, owner: dict[str, Any]) -> tuple[int, set[str]]:
        """Create the lock file of a record: its number, or 0 if it is another's; and what dead owners have written.

        Raises CannotWrite.
        """
        known: set[str] = set()
        for number in count(1):
            path = _lock_path(record, number)
            try:
                with open(path, "x") as file:
                    json.dump(owner, file)
                return number, known
            except FileExistsError:
                content = self._expired(path)
                if content is None:
                    return 0, known
                known |= {*content.get("writes", ())}
            except OSError as error:
                with suppress(OSError):
                    path.unlink()  # created, but not written
                raise cannot_write(path, error) from error
        raise AssertionError

    def _expired(self, path: Path) -> dict[str, Any] | None:
        """What is in a lock file, if its owner is dead or gives no sign of life."""
        try:
            with open(path, "rb") as file:  # opening shows the time that it has on the server
                changed = os.fstat(file.fileno()).st_mtime_ns
        except OSError:  # released meanwhile
            return None
        content = _read_json(path)
        if _is_dead(content):
            return content
        known, since = self.seen.get(path, (0, 0.0))
        if known != changed:
            self.seen[path] = changed, time.monotonic()
            return None
        return content if time.monotonic() - since > LEASE else None

    def _is_finished(self, document: Input, record: Path) -> bool:
        """Is a document finished? Then its result is noted."""
        try:
            if self.finished_since and record.stat().st_mtime_ns < self.finished_since:
                return False
        except OSError:
            return False
        found = _read_json(record)
        outputs, pages = found.get("outputs"), found.get("pages")
        if any(found.get(name) != value for name, value in self.facts.items()) or not isinstance(outputs, dict):
            return False
        names = [name for each in self.outputs.formats for name in outputs.get(each, ())]
        paths = [record.parent.parent / name for name in names]
        if not all(outputs.get(each) for each in self.outputs.formats) or not all(map(os.path.exists, paths)):
            return False
        if not _is_same(document, found.get("input")):
            return False
        self.results.append(Result(document, tuple(paths), int(pages or 0), skipped=True))
        return True

    @contextmanager
    def _signs_of_life(self) -> Iterator[None]:
        """Touch the lock files from time to time, and remove them at the end."""
        ended = threading.Event()

        def touch_all() -> None:
            while not ended.wait(HEARTBEAT):
                for claim in list(self.held.values()):
                    claim.touch()

        thread = threading.Thread(target=touch_all, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            for claim in self.held.values():
                claim.release()


# ---- files


def _name(document: Input) -> str:
    """The name of a record: that of the document, with the pages if only some are read."""
    last = "" if document.last is None else document.last
    whole = document.first == 1 and document.last is None
    return document.relative.name + ("" if whole else f"#{document.first}-{last}")


def _lock_path(record: Path, number: int) -> Path:
    return record.with_suffix(f".lock-{number}")


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one if there is none or it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


# ---- the state of an input


def _files_of(document: Input) -> list[Path]:
    """The file of a document, and those in the folder of a reMarkable's notebook. Raises OSError."""
    path = Path(document.path)
    pages = Path(document.path.removesuffix(CONTENT)) if document.path.endswith(CONTENT) else None
    return [path, *(sorted(pages.iterdir()) if pages and pages.is_dir() else ())]


def _stamps(files: list[Path]) -> list[list[int]]:
    """The size in bytes and the time of change in ns of each file. Raises OSError."""
    return [[(found := path.stat()).st_size, found.st_mtime_ns] for path in files]


def _state_of(document: Input) -> dict[str, Any] | None:
    """What identifies the content of a document; None for standard input, a pipe, and what cannot be read."""
    with suppress(OSError, ValueError):
        files = _files_of(document)
        if document.path != "-" and all(path.is_file() for path in files):  # a pipe can be read only once
            return {"files": _stamps(files), "sha256": content_hash(*files)}
    return None


def _is_same(document: Input, state: Any) -> bool:
    """Has a document the content that a record describes?"""
    try:
        files = _files_of(document)
        stamps = _stamps(files)
        if stamps == state["files"]:
            return True
        same_sizes = [size for size, _ in stamps] == [size for size, _ in state["files"]]
        return same_sizes and content_hash(*files) == state["sha256"]
    except (OSError, TypeError, KeyError, ValueError):
        return False


# ---- the owner of a claim


def _machine() -> str:
    """A name of this machine since it was started, and of this container, which has process numbers of its own."""
    name = platform.node()
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        name += f" {boot} {os.stat('/proc/self/ns/pid').st_ino}"
    return name


MACHINE = _machine()


def _is_dead(owner: dict[str, Any]) -> bool:
    """Is the owner of a claim a process of this machine that has ended? On Windows, this is not known."""
    pid = owner.get("pid")
    if sys.platform == "win32" or owner.get("machine") != MACHINE or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # of another user
        return False
    return False
