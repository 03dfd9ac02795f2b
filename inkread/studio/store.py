"""Where the text of each page is saved: PAGE XML next to the image, or the PAGE or ALTO file that is there already.

Every save names the version that it changes, a hash of the file's content. If the file has another version by now,
saved in a second tab or by another program, nothing is written, and `Changed` is raised. Files are replaced as a whole,
and synchronised to the disk first, so a save that has returned survives whatever happens to the server.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inkread._files import write_atomic
from inkread.document import page_xml
from inkread.document.elements import Document, Page, Points
from inkread.errors import BadInput, InkreadError
from inkread.inputs.collect import Input
from inkread.inputs.source import file_version
from inkread.outputs.files import Outputs
from inkread.studio.transcript import Transcript

LARGEST_FILE = 50_000_000  # bytes of an XML file: a newspaper page with all glyphs takes 10 MB
KEPT = 100_000_000  # bytes of former versions that are kept in memory for undo
KINDS = ("page", "alto")
FOLDERS = ("page", "alto")  # of exports by Transkribus, below the folder of the images


class Changed(InkreadError):
    """A file has another version than the one that was to be changed."""


class Store:
    """Loads and saves the files with the text of pages. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._former: OrderedDict[str, bytes] = OrderedDict()  # by version
        self._kept = 0

    def load(self, path: Path, number: int = 1) -> tuple[Transcript, str]:
        """The page in a file, and the version of the file. Raises BadInput."""
        data = _read(path)
        return Transcript(data, str(path), number), version_of(data)

    def create(self, path: Path, document: str, page: Page, confirmed: Sequence[bool] = ()) -> str:
        """Save a page that was read to a new file, and which of its lines the user has confirmed.

        Raises Changed if there is a file by now, and CannotWrite.
        """
        if not page.width:
            raise BadInput("pen strokes without a page", path=document, hint="use inkread predict")
        page = replace(page, number=1)
        data = page_xml.write(Document(document, (page,))).encode("utf-8", "backslashreplace")
        if any(confirmed):
            transcript = Transcript(data, str(path))
            for line, is_right in zip(transcript.to_dict()["lines"], confirmed, strict=True):
                transcript.confirm(line["id"], is_right)
            data = transcript.to_bytes()
        with self._lock:
            if path.exists():
                raise Changed("has been written meanwhile", path=path, hint="reload the page")
            write_atomic(path, data)
        return version_of(data)

    def edit(
        self, path: Path, number: int, version: str, change: Callable[[Transcript], None]
    ) -> tuple[Transcript, str]:
        """Change a page and save it. The result is the page as it is now, and its version.

        Raises Changed if the file has another version than `version`, CannotWrite if it cannot be saved, and BadInput
        where the change is not possible.
        """
        with self._lock:
            data = _read(path)
            _check_version(path, data, version)
            transcript = Transcript(data, str(path), number)
            change(transcript)
            new = transcript.to_bytes()
            self._keep(version, data)
            write_atomic(path, new)
        return transcript, version_of(new)

    def restore(self, path: Path, number: int, version: str, wanted: str) -> tuple[Transcript, str]:
        """Save a former version again, for undo and redo. They are in memory only. Raises what `edit` does."""
        with self._lock:
            data = _read(path)
            _check_version(path, data, version)
            former = self._former.get(wanted)
            if former is None:
                raise BadInput("too long ago to be undone", path=path, hint="correct it by hand")
            transcript = Transcript(former, str(path), number)
            self._keep(version, data)
            write_atomic(path, former)
        return transcript, wanted

    def _keep(self, version: str, data: bytes) -> None:
        self._kept += len(data) - len(self._former.pop(version, b""))
        self._former[version] = data
        while self._kept > KEPT:
            _, oldest = self._former.popitem(last=False)
            self._kept -= len(oldest)


def version_of(data: bytes) -> str:
    """The version of a file with this content."""
    return hashlib.sha256(data).hexdigest()[:32]


def find_file(document: Path, number: int, count: int) -> Path | None:
    """The file with the text of a page, if there is one: as inkread names it, or as other programs do.

    For page 1 of letter.jpg: letter.jpg.page.xml, letter.jpg.alto.xml, letter.xml, page/letter.xml, alto/letter.xml.
    """
    candidates = [_named(document, number, count, kind) for kind in KINDS]
    if count == 1:
        stem = f"{document.stem}.xml"
        candidates += [document.with_name(stem), *(document.parent / folder / stem for folder in FOLDERS)]
    return next((path for path in candidates if _is_transcript(path)), None)


def new_file(document: Path, number: int, count: int) -> Path:
    """Where the text of a page is saved if it has no file: letter.jpg.page.xml, scan.pdf-p003.page.xml."""
    return _named(document, number, count, "page")


def apply(transcript: Transcript, edits: Sequence[dict[str, Any]]) -> None:
    """Make the changes that the browser asks for. Raises BadInput for what is no edit, or names no line."""
    for edit in edits:
        try:
            _apply_one(transcript, edit)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not an edit ({error!r})", path=transcript.name, hint="reload the page") from error


def _apply_one(transcript: Transcript, edit: dict[str, Any]) -> None:
    kind, line = str(edit["kind"]), str(edit.get("line", ""))
    if kind == "text":
        transcript.set_text(line, str(edit["text"]))
    elif kind == "confirm":
        transcript.confirm(line, bool(edit["corrected"]))
    elif kind == "delete":
        transcript.delete(line)
    elif kind == "move":
        transcript.move(line, 1 if int(edit["by"]) > 0 else -1)
    elif kind == "merge":
        transcript.merge(line, str(edit["with"]))
    elif kind == "split":
        transcript.split(line, int(edit["at"]))
    elif kind == "exclude":
        transcript.exclude(to_points(edit["polygon"]))
    elif kind == "include":
        transcript.include(str(edit["area"]))
    elif kind == "shape":
        transcript.reshape(line, to_points(edit["polygon"]))
    else:
        raise ValueError(kind)


def to_points(value: Any) -> Points:
    """An outline from JSON. Raises ValueError for what is none."""
    points = tuple((float(x), float(y)) for x, y in value)
    if not 3 <= len(points) <= 1000 or not all(0 <= part < 1e6 for point in points for part in point):
        raise ValueError("an outline has 3 to 1000 points on the page")
    return points


def _named(document: Path, number: int, count: int, kind: str) -> Path:
    return Outputs((kind,), None).path(Input(str(document), Path(document.name)), kind, number if count > 1 else None)


def _is_transcript(path: Path) -> bool:
    """Whether a file is there and begins like PAGE or ALTO; another program's XML may have the same name."""
    if file_version(path) is None:
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    return b"<PcGts" in start or b":PcGts" in start or b"<alto" in start or b":alto" in start


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise Changed("has been removed", path=path, hint="reload the page") from error
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", path=path, hint="check its permissions") from error
    if len(data) > LARGEST_FILE:
        raise BadInput("the file is too large", path=path, hint="export it without glyphs")
    return data


def _check_version(path: Path, data: bytes, version: str) -> None:
    if version_of(data) != version:
        raise Changed("has been changed elsewhere", path=path, hint="reload the page")
