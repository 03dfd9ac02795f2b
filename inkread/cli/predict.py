"""`inkread predict`: read handwriting."""

import importlib
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_new, check_writable
from inkread._names import one_line
from inkread._signals import signals_as_exceptions
from inkread.cli import exit_codes
from inkread.cli.display import (
    counted,
    log_warnings_only,
    note,
    open_report,
    print_bytes,
    print_failures,
    print_line,
    progress_bar,
)
from inkread.cli.options import ReadingOptions, reading_options
from inkread.document import FORMATS
from inkread.document.elements import Document, Page
from inkread.document.uncertain import UncertainLine, least_certain, lines_of, to_report
from inkread.errors import BadConfig, BadInput, CannotWrite, InkreadError
from inkread.outputs.files import NAMES, PDF, Outputs

if TYPE_CHECKING:
    from inkread.inputs.collect import Input
    from inkread.pages.layout import PageLayout
    from inkread.pages.reader import Reader

LINES_PER_DOCUMENT = 30  # a rough guess, by which a GPU is used or not
STREAMED = ("text", "json")  # formats of which several documents can be printed one after another
OTHER_NAMES = {"txt": "text", "jsonl": "json", "markdown": "md"}  # what people also call the formats


def _parse_formats(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of output formats, separated by commas: "txt,pdf" -> ("text", "pdf")."""
    if value is None:
        return None
    names = [OTHER_NAMES.get(name.strip(), name.strip()) for name in value.split(",")]
    for name in names:
        if name not in NAMES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(NAMES)}")
    return tuple(dict.fromkeys(names))


@click.command("predict")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@reading_options
@click.option(
    "--page/--line", "page", default=None, help="Whether the images are pages or single lines; detected by default."
)
@click.option(
    "--format",
    "formats",
    callback=_parse_formats,
    metavar="NAME,...",
    help=f"Output formats, by default text: {', '.join(NAMES)}. Several need --out or --beside.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write files into this folder, for a/b.jpg FOLDER/a/b.jpg.txt, if a folder with a/b.jpg was given. The folder "
    "is made if needed.",
)
@click.option("--beside", is_flag=True, help="Write files next to what is read: for letter.jpg letter.jpg.txt.")
@click.option("--link-pages", is_flag=True, help="In Markdown files, begin each page with a link to its image.")
@click.option(
    "--overlay",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the lines and words that were read on the page. Several pages give FILE-1.png, FILE-2.png, ...",
)
@click.option(
    "--check",
    type=click.IntRange(min=1),
    metavar="N",
    help="At the end, list on stderr the N lines most likely to have an error, over all files, with the words that are "
    "uncertain.",
)
@click.option(
    "--force", is_flag=True, help="Overwrite existing files, and read again what --out or --beside finds finished."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Read with N processes, each on one core, into --out or --beside.",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Read on a Ray cluster, into --out or --beside; without an address on that of this machine.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.jsonl",
    help="Write one JSON object per document of --out or --beside: path, pages, seconds, outputs, skipped, error.",
)
def command(
    files: tuple[str, ...],
    reading: ReadingOptions,
    page: bool | None,
    formats: tuple[str, ...] | None,
    as_json: bool,
    out: Path | None,
    beside: bool,
    link_pages: bool,
    overlay: Path | None,
    check: int | None,
    force: bool,
    jobs: int | None,
    ray: str | None,
    report: Path | None,
) -> None:
    """Read handwriting: whole pages, or images of single lines.

    Each line of writing becomes a line of text; paragraphs of a page are separated by blank lines. With several files
    or pages, each line is FILE<TAB>TEXT, and FILE#2 is the second page of a TIFF or PDF. Each page is written as soon
    as it has been read, in UTF-8.

    FILE is a PNG, JPEG, HEIC, TIFF, BMP, WebP, AVIF, GIF, JPEG 2000, PPM or PDF, with dark ink on light paper or the
    reverse, or a file of pen strokes: Xournal++, reMarkable, SVG, InkML, IAM-OnDB XML, UNIPEN or JSON. `-` is
    standard input. Pen strokes are recognised from the path of the pen, or from a drawing of it if --model is a model
    of images.

    FILE may also be a folder, which is read with all folders below it; pages of a file, as scan.pdf#3, scan.pdf#3-7 or
    scan.pdf#5-; a pattern such as "scans/*.png"; or @list.txt, a file with one path per line (@- for standard input).
    In a folder, hidden files and what is not a document by the ending of its name are skipped and counted.

    A file that cannot be read is reported, the others are still read, and the exit code is 1. Without any document
    in the folders or lists, it is 3.

    With --out or --beside, each document is written into files of its own, completely or not at all, in one or several
    formats: --format text,pdf. pdf is a searchable PDF: the pages as they are, with invisible text. md is Markdown with
    headings and lists. json is JSON Lines, one object per line of writing with its text, confidence and characters,
    each with its position. tsv has one row per word with its box. alto and page (XML) and hocr give the positions of
    lines and words on pages. `inkread check` and `inkread train` read the formats json, alto and page.

    A batch that was interrupted continues when the command is repeated: a document is skipped if its files are complete
    and were written from the same file with the same models and options. The same command on several machines, with a
    folder that they share, divides the documents among them (docs/archives.md).

    In file names, a tab is written as \\t, a line end as \\n and a byte that is not UTF-8 as, for example, \\udce9.

    \b
    Examples:
      inkread predict line.png
      inkread predict letter.jpg --overlay seen.png
      inkread predict letter.jpg --format alto > letter.xml
      inkread predict notes.xopp
      inkread predict scans/*.png > texts.tsv
      inkread predict scan.pdf#3-7
      inkread predict notes > texts.tsv
      inkread predict photo.jpg --format md > photo.md
      inkread predict scans --format pdf,text --out searchable
      inkread predict notes --format md --beside
      inkread predict archive --out texts --jobs 2 --report run.jsonl
      inkread predict letter.png --words names.txt
      inkread predict notes --out texts --check 20
      cat line.png | inkread predict - --json
    """
    if as_json and formats not in (None, ("json",)):
        raise click.UsageError("--json and --format contradict each other: give one of them")
    formats = ("json",) if as_json else formats or ("text",)
    if str(reading.words) == "-" and {"-", "@-"} & {*files}:
        raise click.UsageError("FILE and --words cannot both be standard input: give one of them as a file")
    run = _Run(page, overlay, force, check or 0)
    inputs = _find_inputs(files, out, run)
    if out and beside:
        raise click.UsageError("--out and --beside contradict each other: give one of them")
    if link_pages and not (out or beside):
        raise click.UsageError("--link-pages is for files: name --out FOLDER or --beside")
    outputs = Outputs(formats, out, force, link_pages) if out or beside else None
    if not outputs and (jobs or report or ray is not None):
        raise click.UsageError("--jobs, --ray and --report are for files: name --out FOLDER or --beside")
    if (ray is not None or (jobs or 1) > 1) and any(document.path == "-" for document in inputs):
        raise click.UsageError("other processes cannot read standard input: leave --jobs and --ray out")
    if check and (ray is not None or (jobs or 1) > 1):
        raise click.UsageError("--check needs what this process reads: leave --jobs and --ray out")
    _check_options(inputs, formats, outputs, overlay)
    if report:
        _check_report(report, force)
    if overlay:
        _check_overlay(overlay, inputs[0].path, force)
    if len(inputs) > 1:
        log_warnings_only()
    from inkread.pages.reader import Reader

    expected = LINES_PER_DOCUMENT * len(inputs)
    reader = Reader(reading.recognizers(expected))
    if outputs:
        with signals_as_exceptions(), open_report(report) as log:
            _write_files(reader, inputs, outputs, run, jobs, ray, log)
    elif formats[0] in STREAMED:
        _print_pages(reader, inputs, formats[0], run)
    else:
        _print_document(reader, inputs[0], formats[0], run)
    for row in to_report(run.to_check):
        note(row)
    sys.exit(exit_codes.of_batch(run.failures.values(), anything_found=True))


@dataclass
class _Run:
    """What is done with every page, and what has become of the documents."""

    page: bool | None  # is an image a page? None: detected
    overlay: Path | None
    force: bool
    check_lines: int  # how many lines to list that are worth checking
    count: int = 0  # of documents, and of arguments that lead to none
    failures: dict[str, InkreadError] = field(default_factory=dict)  # by name
    to_check: list[UncertainLine] = field(default_factory=list)  # the least certain one first

    def failed(self, name: str, error: InkreadError) -> None:
        """Report why a document cannot be read or written."""
        self.failures[name] = error
        note(f"Error: {error}")

    def check(self, layout: "PageLayout") -> None:
        """Raise BadInput for a page that cannot be drawn on."""
        if self.overlay and layout.in_color is None:
            raise BadInput("pen strokes, not an image to draw on", path=layout.name, hint="leave --overlay out")

    def on_page(self, layout: "PageLayout", page: Page) -> None:
        """Remember what is worth checking on a page, and draw what was read on it, if the user wants it."""
        if self.check_lines:
            from inkread.pages.reader import place_of

            self.to_check = least_certain([*self.to_check, *lines_of(place_of(layout), page)], self.check_lines)
        if self.overlay:
            from inkread.outputs.batch import draw_overlay

            draw_overlay(self.overlay, layout, page, self.force)


def _find_inputs(files: tuple[str, ...], out: Path | None, run: _Run) -> list["Input"]:
    """The documents that the arguments name. Reports arguments that lead to none.

    Exits where there is nothing to read.
    """
    from inkread.inputs.collect import collect

    found = collect(files, leave_out=out)
    if skipped := str(found.skipped):
        note(skipped)
    for problem in found.problems:
        run.failed(problem.path or "", problem)
    run.count = len(found.inputs) + len(found.problems)
    if not found.inputs:
        sys.exit(exit_codes.of_batch(found.problems, anything_found=False))
    return found.inputs


def _write_files(
    reader: "Reader",
    inputs: list["Input"],
    outputs: Outputs,
    run: _Run,
    jobs: int | None,
    ray: str | None,
    log: Callable[[str], None],
) -> None:
    """Write files for each document that has none, and a summary on stderr."""
    from inkread.model.recognizer import Recognizers
    from inkread.outputs.queue import Queue
    from inkread.outputs.workers import Work, open_workers

    assert isinstance(reader.recognizer, Recognizers)
    settings = reader.recognizer.identity() | {"page": run.page, "link_pages": outputs.link_pages}
    queue = Queue(inputs, outputs, settings, again=outputs.overwrite or bool(run.overlay))
    seen = (run.check, run.on_page) if run.overlay or run.check_lines else (None, None)
    done: Counter[str] = Counter()  # not all results, so that the memory stays constant
    with (
        open_workers(Work(reader, outputs, run.page, *seen), inputs, jobs, ray) as read,
        progress_bar("reading", len(inputs), "pages") as tick,
        closing(queue.read(read)) as all_results,
    ):
        for result in all_results:
            log(result.to_json())
            if result.error:
                run.failed(result.input.path, result.error)
            done["documents"] += 1
            done["skipped"] += result.skipped
            if not result.error and not result.skipped:
                done.update(read=1, pages=result.pages, files=len(result.files))
            tick(done["documents"], len(inputs), 0 if result.skipped else result.pages)
    if run.failures and run.count == 1:
        return  # its error has said all
    if run.failures:
        print_failures(run.failures)
    note(_summary(done, len(inputs), outputs, run))


def _summary(done: Counter[str], count: int, outputs: Outputs, run: _Run) -> str:
    """What has become of `count` documents, in one line."""
    parts = [
        f"{counted(done['read'], 'document')} read ({counted(done['pages'], 'page')}), "
        f"{counted(done['files'], 'file')} written "
        + (f"to {outputs.folder}" if outputs.folder else "next to what was read"),
        *([f"{done['skipped']} finished before"] if done["skipped"] else []),
        *([f"{len(run.failures)} of {run.count} failed"] if run.failures else []),
    ]
    if left := count - done["documents"]:
        parts.append(f"{left} not read, as the disk is full: repeat the command when there is space")
    return "; ".join(parts)


def _print_pages(reader: "Reader", inputs: list["Input"], format_name: str, run: _Run) -> None:
    """Print each page as soon as it has been read."""
    finished: set[str] = set()
    shown = 0 if sys.stdout.isatty() else len(inputs)  # on a terminal, the text itself shows the progress
    with progress_bar("reading", shown) as tick:
        for layout, page in reader.read_many(inputs, page=run.page, failed=run.failed, check=run.check):
            run.on_page(layout, page)
            _print_page(layout, page, format_name, several=len(inputs) > 1)
            if layout.number == layout.numbers[-1]:
                finished.add(layout.name)
            tick(len(finished | run.failures.keys()), len(inputs))
    if run.failures and run.count > 1:
        note(f"{len(run.failures)} of {run.count} files could not be read")


def _print_page(layout: "PageLayout", page: Page, format_name: str, several: bool) -> None:
    if format_name == "text" and (several or len(layout.numbers) > 1):
        name = one_line(layout.name) + (f"#{layout.number}" if layout.count > 1 else "")
        text = "".join(f"{name}\t{line.text}\n" for line in page.lines)
    else:
        text = FORMATS[format_name].write(Document(layout.name, (page,)))
    if text:
        print_line(text.removesuffix("\n"))


def _print_document(reader: "Reader", document: "Input", format_name: str, run: _Run) -> None:
    """Print a document when all of its pages have been read."""
    from inkread.outputs.batch import check_positions, read_documents, to_bytes

    def check(layout: "PageLayout") -> None:
        run.check(layout)
        check_positions(layout, [format_name])
        if format_name == "page" and len(layout.numbers) > 1:
            problem = f"{len(layout.numbers)} pages, but a file of --format page has one"
            raise BadInput(problem, path=layout.name, hint=f"name --out FOLDER, or one page as {layout.name}#1")

    for name, read in read_documents(reader, [document], run.page, check, run.on_page):
        if isinstance(read, InkreadError):
            run.failed(name, read)
        else:
            print_bytes(to_bytes(format_name, read))


def _check_options(
    inputs: list["Input"], formats: tuple[str, ...], outputs: Outputs | None, overlay: Path | None
) -> None:
    """Raise UsageError for options that contradict each other, and CannotWrite for files that exist."""
    if overlay and len(inputs) > 1:
        raise click.UsageError("several files: --overlay takes one")
    if PDF in formats:
        _check_pdf_packages()
    if outputs:
        outputs.check(inputs)
    elif len(formats) > 1:
        raise click.UsageError("several formats: name --out FOLDER or --beside")
    elif len(inputs) > 1 and formats[0] not in STREAMED:
        raise click.UsageError("several files: name --out FOLDER or --beside")
    elif formats == (PDF,) and sys.stdout.isatty():
        raise click.UsageError("a PDF cannot be shown on a terminal: name --out FOLDER or --beside, or redirect it")


def _check_pdf_packages() -> None:
    try:
        importlib.import_module("inkread.outputs.pdf")
    except ImportError as error:
        problem = f"--format pdf needs a package that is not installed ({error.name})"
        raise BadConfig(problem, hint="run: pip install 'inkread[pdf]'") from error


def _check_report(report: Path, force: bool) -> None:
    """Raise CannotWrite for a report that cannot be written, or would overwrite a file that is none."""
    check_writable(report)
    if not force and report.is_file():
        with open(report, "rb") as file:
            if file.read(8) not in (b"", b'{"path":'):
                check_new(report)


def _check_overlay(overlay: Path, name: str, force: bool) -> None:
    """Raise CannotWrite for an overlay that cannot be written, or that would overwrite a file or the image itself."""
    check_writable(overlay)
    with suppress(OSError, ValueError):
        if overlay.samefile(name):
            raise CannotWrite("would overwrite the page itself", path=overlay, hint="name another --overlay")
    if not force:
        check_new(overlay)
        check_new(overlay.with_stem(f"{overlay.stem}-1"))
