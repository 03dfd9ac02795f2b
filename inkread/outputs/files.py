"""Which files are written for a document, and where."""

import os
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from inkread._files import check_new
from inkread.document import FORMATS
from inkread.errors import BadConfig, CannotWrite

if TYPE_CHECKING:
    from inkread.inputs.collect import Input

PDF = "pdf"
PDF_SUFFIX = ".pdf"
NAMES = (*FORMATS, PDF)  # of the output formats


@dataclass(frozen=True)
class Outputs:
    """The formats and the place of what is written for each document.

    A file has the whole name of its document and a suffix, as in letter.jpg.txt, so that letter.jpg and letter.png do
    not get the same file whatever else is read. ALTO and PAGE have a file for each page of a document with several
    pages: scan.pdf-p003.alto.xml.
    """

    formats: tuple[str, ...]  # of NAMES
    folder: Path | None  # where the tree of the inputs is repeated; None: next to each document
    overwrite: bool = False
    link_pages: bool = False  # in Markdown, each page begins with a link to the document

    def path(self, document: "Input", format_name: str, page: int | None = None) -> Path:
        """The file for a document, or for one page of it if `page` is given."""
        suffix = PDF_SUFFIX if format_name == PDF else FORMATS[format_name].suffix
        name = document.relative.name + ("" if page is None else f"-p{page:03}") + suffix
        if self.folder is None:
            return Path(document.path).with_name(name)
        return self.folder / document.relative.with_name(name)

    def link(self, document: "Input") -> str | None:
        """The URL of a document in a Markdown file: a path from there, if the two are on one disk."""
        if not self.link_pages or document.path == "-":
            return None
        folder = os.path.abspath(self.path(document, "md").parent)
        try:
            path = os.path.relpath(document.path, folder)
        except ValueError:  # on Windows, another drive
            path = os.path.abspath(document.path)
        return quote(os.fsencode(path.replace(os.sep, "/")))

    def check(self, documents: Sequence["Input"]) -> None:
        """Called before anything is read. Makes the folder.

        Raises BadConfig if two documents would get the same file, or one would get that of another one, and CannotWrite
        if the folder cannot be made. Whether a file exists is checked for each document when it is read.
        """
        if self.folder is None and any(document.path == "-" for document in documents):
            raise BadConfig("standard input has no folder to write to", hint="name one")
        self._check_collisions(documents)
        if self.folder is not None:
            make_folder(self.folder)
            if not os.access(self.folder, os.W_OK):
                hint = "change its permissions, or name another folder with --out"
                raise CannotWrite("no permission to write into this folder", path=self.folder, hint=hint)

    def _check_collisions(self, documents: Sequence["Input"]) -> None:
        inputs = {os.path.abspath(document.path) for document in documents}
        taken: dict[str, Input] = {}
        for document in documents:
            for format_name in self.formats:
                path = self.path(document, format_name)
                key = os.path.abspath(path)
                if key in taken:
                    names = [first.path for first in (taken[key], document)]
                    problem = f"{names[0]} and {names[1]} would both become {path}"
                    raise BadConfig(problem, hint="read them into different folders")
                if key in inputs:
                    raise BadConfig(
                        f"{document.path} would overwrite {path}, which is read too", hint="read them apart"
                    )
                taken[key] = document

    def check_new(self, document: "Input", known: Container[str]) -> None:
        """Raise CannotWrite if a file of a document exists and may not be replaced; `known` as in _files.check_new."""
        for format_name in () if self.overwrite else self.formats:
            check_new(self.path(document, format_name), known)
            if format_name != PDF and FORMATS[format_name].file_per_page:
                check_new(self.path(document, format_name, document.first), known)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises CannotWrite."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made ({error.strerror})"
        raise CannotWrite(problem, path=folder, hint="name another folder with --out") from error
