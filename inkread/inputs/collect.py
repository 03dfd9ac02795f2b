"""What the user names becomes a list of documents: files, folders, patterns, lists of files, ranges of pages.

    scan.pdf        a file
    scan.pdf#3-7    some pages of a file; also #3, or #5- to the last page
    notes/          the documents in a folder and in all folders below it, page2 before page10; a folder NAME beside a
                    file NAME.content has the pages of one notebook of a reMarkable
    "notes/*.jpg"   a pattern that the shell has not expanded, as on Windows; ** stands for any folders
    @list.txt       the paths in a file, one per line; @- reads them from standard input
    -               standard input

What exists is read whatever its name looks like: "a#1.png", "@home.png". In folders, documents are recognised by the
ending of their name and never opened, so that large folders are listed fast.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from inkread.errors import BadInput, NothingToRead
from inkread.inputs import IMAGE_SUFFIXES, INK_SUFFIXES
from inkread.inputs.remarkable import CONTENT, notebook_of
from inkread.inputs.source import open_source

_PAGES = re.compile(r"(?P<path>.+)#(?P<first>\d{1,9})(?P<to>-(?P<last>\d{1,9})?)?", re.ASCII | re.DOTALL)
_WILDCARD = re.compile(r"[*?[]")
RECORDS = ".inkread"  # a folder in which inkread notes what it has written into the folder above
OVERLAY = ".overlay"  # the ending of an empty file there, which has the name of an image that --overlay has drawn
_KINDS_SHOWN = 6  # endings that a message names


@dataclass(frozen=True)
class Input:
    """A document to read, or some of its pages."""

    path: str  # as it was given, or below the folder that was given; "-" is standard input
    relative: Path  # the path below the folder, or the fixed part of the pattern; else the name of the file
    first: int = 1  # the first page to read, counted from 1
    last: int | None = None  # the last page to read; None for all that follow

    def pages(self, count: int) -> range:
        """The numbers of the pages to read of a document with `count` pages. Raises BadInput where it has too few."""
        last = count if self.last is None else self.last
        if max(self.first, last) > count:
            problem = f"{count} page{'s' * (count != 1)}, but page {max(self.first, last)} is wanted"
            raise BadInput(problem, path=self.path, hint="name pages that it has")
        return range(self.first, last + 1)


@dataclass
class Skipped:
    """What was left out in folders."""

    endings: Counter[str] = field(default_factory=Counter)  # of files that are not documents; "" for none
    hidden: int = 0  # files and folders whose names begin with a dot
    written: int = 0  # PDFs and overlays that inkread has written
    links: int = 0  # symbolic links to folders, which could lead in a circle, and to nothing

    def __str__(self) -> str:
        """For example "skipped 12 files that are not documents (.mp3 9, .docx 3), 1 hidden"; "" for nothing."""
        parts = []
        if count := self.endings.total():
            shown = [(ending or "no ending", number) for ending, number in self.endings.most_common(_KINDS_SHOWN)]
            if rest := count - sum(number for _, number in shown):
                shown.append(("others", rest))
            kinds = ", ".join(f"{ending} {number}" for ending, number in shown)
            files = "file that is not a document" if count == 1 else "files that are not documents"
            parts.append(f"{count} {files} ({kinds})")
        if self.hidden:
            parts.append(f"{self.hidden} hidden")
        if self.written:
            parts.append(f"{self.written} file{'s' * (self.written != 1)} written by inkread")
        if self.links:
            parts.append(f"{self.links} symbolic link{'s' * (self.links != 1)} to folders or to nothing")
        return "skipped " + ", ".join(parts) if parts else ""


@dataclass
class Collection:
    """The documents that were found, in the order in which they were named."""

    inputs: list[Input] = field(default_factory=list)
    problems: list[BadInput] = field(default_factory=list)  # why an argument, or a folder, leads to no document
    skipped: Skipped = field(default_factory=Skipped)


def collect(arguments: Iterable[str], leave_out: Path | None = None) -> Collection:
    """The documents that the arguments name, in their order; those of a folder in natural order.

    Whether a file that is named itself exists and can be read is found when it is opened. `leave_out` is a folder that
    is not looked into, for results that are written among the documents.
    """
    collector = _Collector(leave_out)
    for argument in arguments:
        collector.add(argument)
    return collector.found


def is_document(name: str) -> bool:
    """Whether a file in a folder is taken for a document, by the ending of its name."""
    return _ending(name) in IMAGE_SUFFIXES | INK_SUFFIXES


class _Collector:
    """Adds to `found` the documents that arguments name."""

    def __init__(self, leave_out: Path | None) -> None:
        self.found = Collection()
        self.leave_out = os.path.realpath(leave_out) if leave_out else None
        self.written: set[Path] = set()  # what inkread has written into the folder that is being added

    def add(self, argument: str) -> None:
        """Add the documents of an argument of any kind, or else a problem."""
        inputs, problems = self.found.inputs, self.found.problems
        before = len(inputs) + len(problems)
        if os.path.exists(argument) or not argument.startswith("@"):
            self.add_path(argument)
        else:
            self.add_list(argument)
        if len(inputs) + len(problems) == before:
            problems.append(_nothing_in(argument))

    def add_list(self, argument: str) -> None:
        """Add what the lines of a list name, in UTF-8 or as the names of files are: "@list.txt"."""
        try:
            source = open_source(argument.removeprefix("@"))
            data = source.read()
        except BadInput as error:
            self.found.problems.append(error)
            return
        if b"\0" in data:
            hint = "give a text with one path per line"
            self.found.problems.append(BadInput("not a list of paths", path=source.name, hint=hint))
            return
        for line in data.removeprefix(b"\xef\xbb\xbf").splitlines():
            if path := os.fsdecode(line.strip()):
                self.add_path(path, listed=True)

    def add_path(self, path: str, listed: bool = False) -> None:
        """Add a file, some pages of one, the documents of a folder, or what matches a pattern.

        The paths of a list are no patterns, as programs write lists, and they keep their folders in the output.
        """
        pages = _PAGES.fullmatch(path)
        if os.path.isdir(path) and (notebook := notebook_of(path)):
            self.found.inputs.append(Input(notebook, _place_of(notebook, listed)))
        elif os.path.isdir(path):
            self.add_folder(path, _kept_folders(path) if listed else Path())
        elif pages and not os.path.exists(path) and os.path.isfile(pages["path"]):
            self.add_pages(pages, listed)
        elif _WILDCARD.search(path) and not os.path.exists(path) and not listed:
            self.add_pattern(path)
        else:  # standard input too, and a file that is missing, which is reported when it is opened
            self.found.inputs.append(Input(path, _place_of(path, listed)))

    def add_pages(self, match: re.Match[str], listed: bool) -> None:
        """Add the pages that "scan.pdf#3-7" names."""
        first = int(match["first"])
        last = int(match["last"]) if match["last"] else None if match["to"] else first
        if first < 1 or (last is not None and last < first):
            problem, hint = "not a range of pages", "write for example #3, #3-7 or #5-"
            self.found.problems.append(BadInput(problem, path=match[0], hint=hint))
        else:
            self.found.inputs.append(Input(match["path"], _place_of(match["path"], listed), first, last))

    def add_pattern(self, pattern: str) -> None:
        """Add the files that match a pattern, and the documents of folders that match one without **.

        As for a shell, hidden files do not match, and ** does not follow symbolic links.
        """
        parts = Path(pattern).parts
        fixed = next(number for number, part in enumerate(parts) if _WILDCARD.search(part))
        root, wild = Path(*parts[:fixed]), "/".join(parts[fixed:])
        if wild == "**":  # all files below
            self.add_folder(str(root))
            return
        if wild.endswith("/**"):  # before Python 3.13, this would be folders only
            wild += "/*"
        try:
            matches = [path.relative_to(root) for path in root.glob(wild)]
        except (OSError, ValueError, NotImplementedError) as error:
            hint = "write for example scans/*.png"
            self.found.problems.append(BadInput(f"not a pattern ({error})", path=pattern, hint=hint))
            return
        for path in sorted(matches, key=_natural):
            if any(part.startswith(".") for part in path.parts):
                continue
            if not os.path.isdir(root / path):
                self.found.inputs.append(Input(str(root / path), path))
            elif "**" not in wild:  # which has found what is in the folder
                self.add_folder(str(root / path), path)

    def add_folder(self, folder: str, relative: Path = Path()) -> None:
        """Add the documents in a folder and in the folders below it, in natural order."""
        documents: list[Path] = []  # relative to the folder, as the next
        pending = [Path()]
        self.written = set()
        while pending:
            below = pending.pop()
            path = os.path.join(folder, below) if below.parts else folder
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        self.sort_entry(entry, below / entry.name, documents, pending)
            except OSError as error:
                problem, hint = f"the folder cannot be read ({error.strerror})", "check its permissions"
                self.found.problems.append(BadInput(problem, path=path, hint=hint))
        names = set(documents)
        written = {file for file in names if file.suffix == ".pdf" and file.with_suffix("") in names}  # a.png.pdf
        written |= names & self.written
        self.found.skipped.written += len(written)
        files = sorted(names - written, key=_natural)
        self.found.inputs += (Input(os.path.join(folder, file), relative / file) for file in files)

    def sort_entry(self, entry: "os.DirEntry[str]", below: Path, documents: list[Path], folders: list[Path]) -> None:
        """Add what a folder contains to the documents, to the folders to look into, or to what is skipped."""
        skipped = self.found.skipped
        if entry.name == RECORDS:
            self.note_written(entry.path, below.parent)
        elif entry.name.startswith("."):
            skipped.hidden += 1
        elif entry.is_dir(follow_symlinks=False) and notebook_of(entry.path):
            documents.append(below.with_name(below.name + CONTENT))
        elif entry.is_dir(follow_symlinks=False):
            if not self.leave_out or os.path.realpath(entry.path) != self.leave_out:
                folders.append(below)
        elif entry.is_symlink() and not os.path.isfile(entry.path):
            skipped.links += 1
        elif entry.name.endswith(CONTENT) and os.path.isdir(entry.path.removesuffix(CONTENT)):
            pass  # added with its folder
        elif is_document(entry.name) and entry.is_file():  # not a pipe or a device
            documents.append(below)
        else:
            skipped.endings[_ending(entry.name)] += 1

    def note_written(self, records: str, below: Path) -> None:
        """Note the PDFs and overlays in a folder that its records name: a.png.pdf and seen.png."""
        with suppress(OSError):
            for name in os.listdir(records):
                stem, ending = os.path.splitext(name)
                if ending in (".json", OVERLAY):
                    self.written.add(below / (stem if ending == OVERLAY else f"{stem}.pdf"))


def _place_of(path: str, listed: bool) -> Path:
    """Where a file belongs among the results: its name, and below its folders if it comes from a list."""
    name = "stdin" if path == "-" else os.path.basename(path)
    return _kept_folders(os.path.dirname(path)) / name if listed else Path(name)


def _kept_folders(path: str) -> Path:
    """The folders of a relative path of a list, so that a/1.png is not b/1.png; none if it leads out of this folder."""
    folder = Path(os.path.normpath(path))
    return Path() if folder.is_absolute() or folder.parts[:1] == ("..",) else folder


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _natural(path: Path) -> tuple[list[list[tuple[str, int]]], tuple[str, ...]]:
    """A key that sorts numbers in names by their value, and ignores upper and lower case: page2, Page10."""
    parts = [re.findall(r"([^0-9]*)([0-9]*)", part.casefold()) for part in path.parts]
    return [[(text, int(number or -1)) for text, number in part] for part in parts], path.parts


def _nothing_in(argument: str) -> NothingToRead:
    """The error for an argument that leads to no document."""
    if os.path.isdir(argument):
        problem, hint = "no documents in this folder", "give images, PDFs or files of pen strokes"
    elif argument.startswith("@"):
        problem, hint = "an empty list", "write one path per line"
    else:
        problem, hint = "no file matches this pattern", "check it"
    return NothingToRead(problem, path=argument, hint=hint)
