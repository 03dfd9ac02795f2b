"""Documents are read, and what was read is written: each document completely or not at all, whatever the others are.

`write_documents` is the whole way of a document. It reads ahead while it writes, and takes the next input only then, so
that several processes can share the inputs.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from inkread._files import check_new, write_atomic
from inkread._names import printable
from inkread.document import FORMATS, markdown
from inkread.document.elements import Document, Page
from inkread.errors import BadInput, InkreadError, explain_failure
from inkread.inputs import Images, Inks
from inkread.inputs.collect import OVERLAY, RECORDS, Input
from inkread.outputs.files import PDF, Outputs, make_folder
from inkread.pages.layout import PageLayout
from inkread.pages.reader import Check, Reader, place_of

OnPage = Callable[[PageLayout, Page], None]
Contents = dict[str, dict[Path, bytes]]  # what is to be written: for each format, the contents of its files


@dataclass(frozen=True)
class ReadDocument:
    """A document that was read, and the file that it was read from."""

    document: Document
    file: Images | Inks
    count: int  # pages of the file; fewer may have been read


@dataclass(frozen=True)
class Result:
    """What has become of an input: the files that were written, or the error because of which there are none."""

    input: Input
    files: tuple[Path, ...] = ()
    pages: int = 0
    error: InkreadError | None = None
    seconds: float = 0.0  # since the result before it
    skipped: bool = False  # the files had been written before
    notes: tuple[tuple[int, str], ...] = ()  # what another process has logged: levels of `logging`, and messages

    def to_json(self) -> str:
        """A row of a report, without a line end."""
        row = {
            "path": self.input.path,
            "pages": self.pages,
            "seconds": round(self.seconds, 3),
            "outputs": [str(path) for path in self.files],
            "skipped": self.skipped,
            "error": str(self.error) if self.error else None,
        }
        return printable(json.dumps(row, ensure_ascii=False))


Write = Callable[[ReadDocument, Input, Outputs], tuple[Path, ...]]


def write_documents(
    reader: Reader,
    inputs: Iterable[Input],
    outputs: Outputs,
    page: bool | None = None,
    check: Check | None = None,
    on_page: OnPage | None = None,
    write: Write | None = None,
) -> Iterator[Result]:
    """Read inputs, and write all outputs of each as soon as all of its pages have been read.

    The paths of the inputs must differ. An input that cannot be read or written is a result with an error; only a model
    that cannot be used raises one. `write` is by default `write_outputs`, and the other arguments are those of
    `read_documents`.
    """
    write = write or write_outputs
    began = time.monotonic()
    taken: dict[str, Input] = {}

    def take() -> Iterator[Input]:
        for document in inputs:
            taken[document.path] = document
            yield document

    def check_all(layout: PageLayout) -> None:
        check_positions(layout, outputs.formats)
        if check:
            check(layout)

    for name, read in read_documents(reader, take(), page, check_all, on_page):
        document = taken.pop(name)
        if isinstance(read, InkreadError):
            result = Result(document, error=read)
        else:
            try:
                result = Result(document, write(read, document, outputs), len(read.document.pages))
            except Exception as error:
                result = Result(document, error=explain_failure(error, name))
        now = time.monotonic()
        yield replace(result, seconds=now - began)
        began = now


def read_documents(
    reader: Reader,
    inputs: Iterable[Input],
    page: bool | None = None,
    check: Check | None = None,
    on_page: OnPage | None = None,
) -> Iterator[tuple[str, ReadDocument | InkreadError]]:
    """The path of each input with its document as soon as all pages have been read, or with the error of one of them.

    `page` and `check` are those of Reader.read_many. `on_page` is called with each page that has been read; an error
    that it raises counts as one of the document.
    """
    failures: list[tuple[str, InkreadError]] = []  # not yet returned
    failed: set[str] = set()

    def note_failure(name: str, error: InkreadError) -> None:
        if name not in failed:  # of several pages that cannot be read, the first
            failures.append((name, error))
        failed.add(name)

    pages: list[Page] = []  # of the document that is being read
    for layout, read in reader.read_many(inputs, page=page, failed=note_failure, check=check):
        while failures:
            yield failures.pop(0)
        if layout.number == layout.numbers[0]:
            pages = []
        pages.append(read)
        try:
            if on_page:
                on_page(layout, read)
        except Exception as error:
            note_failure(layout.name, explain_failure(error, place_of(layout)))
        if len(pages) == len(layout.numbers) and layout.name not in failed:
            assert layout.file is not None
            document = Document(layout.name, tuple(pages), reader.model_of(layout))
            yield layout.name, ReadDocument(document, layout.file, layout.count)
    yield from failures


def check_positions(layout: PageLayout, formats: Iterable[str]) -> None:
    """Raise BadInput for pen strokes if one of the formats says where on a page the text is."""
    names = [name for name in formats if name != PDF and FORMATS[name].for_pages]
    if names and layout.size == (0, 0):
        problem = f"pen strokes without a page, which {' and '.join(names)} cannot describe"
        raise BadInput(problem, path=layout.name, hint="choose another --format")


def write_outputs(read: ReadDocument, document: Input, outputs: Outputs) -> tuple[Path, ...]:
    """Write all outputs of a document, and return their paths. Raises CannotWrite, and BadInput from the formats.

    Nothing is written before all of them have been made.
    """
    contents = make_outputs(read, document, outputs)
    if not outputs.overwrite:
        for path in paths_of(contents):
            check_new(path)
    return write_contents(contents)


def make_outputs(read: ReadDocument, document: Input, outputs: Outputs) -> Contents:
    """The files of a document. Raises BadInput from the formats."""
    return {name: dict(_contents(name, read, document, outputs)) for name in outputs.formats}


def paths_of(contents: Contents) -> tuple[Path, ...]:
    """The paths of all files."""
    return tuple(path for files in contents.values() for path in files)


def write_contents(contents: Contents) -> tuple[Path, ...]:
    """Write all files, or none, and return their paths. Raises CannotWrite."""
    written: list[Path] = []
    try:
        for files in contents.values():
            for path, data in files.items():
                make_folder(path.parent)
                write_atomic(path, data)
                written.append(path)
    except BaseException:  # also KeyboardInterrupt
        for path in written:
            with suppress(OSError):
                path.unlink()
        raise
    return tuple(written)


def _contents(name: str, read: ReadDocument, source: Input, outputs: Outputs) -> Iterator[tuple[Path, bytes]]:
    """The files of one format."""
    document = read.document
    if name != PDF and FORMATS[name].file_per_page and read.count > 1:
        for page in document.pages:
            one = Document(document.name, (page,), document.model)
            yield outputs.path(source, name, page.number), to_bytes(name, ReadDocument(one, read.file, read.count))
    else:
        yield outputs.path(source, name), to_bytes(name, read, outputs.link(source))


def to_bytes(name: str, read: ReadDocument, link: str | None = None) -> bytes:
    """A document in one format, as the content of a file. `link` is that of Markdown."""
    if name == PDF:
        from inkread.outputs import pdf

        return pdf.write(read.document, read.file)
    text = markdown.write(read.document, link) if name == "md" else FORMATS[name].write(read.document)
    return text.encode("utf-8", "backslashreplace")  # file names may have bytes that are not UTF-8


def draw_overlay(path: Path, layout: PageLayout, page: Page, overwrite: bool) -> None:
    """Write an image of a page with what was read to `path`; of several pages, to NAME-1.png and so on."""
    from inkread.document.overlay import draw_overlay

    assert layout.in_color is not None
    if len(layout.numbers) > 1:
        path = path.with_stem(f"{path.stem}-{layout.number}")
    if not overwrite:
        check_new(path)
    buffer = BytesIO()
    draw_overlay(layout.in_color(), page).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())
    _note_overlay(path)


def _note_overlay(path: Path) -> None:
    """Note that a file is an overlay, so that it is no document when its folder is read."""
    with suppress(OSError):
        if path.is_file():  # no pipe
            folder = path.parent / RECORDS
            folder.mkdir(exist_ok=True)
            (folder / f"{path.name}{OVERLAY}").touch()
