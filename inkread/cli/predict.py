"""`inkread predict`: read handwriting."""

import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_new, check_writable, write_atomic
from inkread._names import one_line
from inkread.cli import exit_codes
from inkread.cli.display import note, print_line, progress_bar
from inkread.cli.options import decoder_option, lm_option, load_recognizers, model_option, words_option
from inkread.document import FORMATS, Format
from inkread.document.elements import Document, Page
from inkread.errors import BadInput, CannotWrite, InkreadError, explain_failure

if TYPE_CHECKING:
    from inkread.inputs.collect import Input
    from inkread.pages.layout import PageLayout
    from inkread.pages.reader import Reader


@click.command("predict")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@model_option
@decoder_option
@lm_option
@words_option
@click.option(
    "--page/--line", "page", default=None, help="Whether the images are pages or single lines; detected by default."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    help="Output format, by default text. alto and page (XML) and hocr give the positions of lines and words on pages.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write one file per FILE into this folder: FILE.txt, .json, .xml or .html. The folder is created if needed.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the lines and words that were read on the page. Several pages give FILE-1.png, FILE-2.png, ...",
)
@click.option("--force", is_flag=True, help="Overwrite existing files in the folder of --out.")
def command(
    files: tuple[str, ...],
    model: str | None,
    decoder: str | None,
    lm: str | None,
    words: Path | None,
    page: bool | None,
    format_name: str | None,
    as_json: bool,
    out: Path | None,
    overlay: Path | None,
    force: bool,
) -> None:
    """Read handwriting: whole pages, or images of single lines.

    Each line of writing becomes a line of text; paragraphs of a page are separated by blank lines. With several files
    or pages, each line is FILE<TAB>TEXT, and FILE#2 is the second page of a TIFF or PDF. Each page is written as soon
    as it has been read, in UTF-8.

    FILE is a PNG, JPEG, HEIC, TIFF, BMP, WebP, AVIF, GIF, JPEG 2000, PPM or PDF, with dark ink on light paper or the
    reverse, or a file of pen strokes: InkML, IAM-OnDB XML, UNIPEN or JSON. `-` is standard input. Pen strokes are
    recognised from the path of the pen, or from a drawing of it if --model is a model of images.

    FILE may also be a folder, which is read with all folders below it; pages of a file, as scan.pdf#3, scan.pdf#3-7 or
    scan.pdf#5-; a pattern such as "scans/*.png"; or @list.txt, a file with one path per line (@- for standard input).
    In a folder, hidden files and what is not a document by the ending of its name are skipped and counted.

    A file that cannot be read is reported, the others are still read, and the exit code is 1. Without any document
    in the folders or lists, it is 3.

    --format json writes one object per line of writing: file, page, text, confidence and the characters, each with
    text, confidence, left and right, in pixels or in the units of the strokes. Lines of a page also have the number of
    their paragraph, their baseline and their polygon. `inkread check` and `inkread train` read the formats json, alto
    and page.

    In file names, a tab is written as \\t, a line end as \\n and a byte that is not UTF-8 as, for example, \\udce9.

    \b
    Examples:
      inkread predict line.png
      inkread predict letter.jpg --overlay seen.png
      inkread predict letter.jpg --format alto > letter.xml
      inkread predict notes.inkml
      inkread predict scans/*.png > texts.tsv
      inkread predict scan.pdf#3-7
      inkread predict notes > texts.tsv
      inkread predict scans/*.jpg --format alto --out texts
      inkread predict letter.png --words names.txt
      cat line.png | inkread predict - --json
    """
    if as_json and format_name and FORMATS[format_name].for_pages:
        raise click.UsageError("--json and --format contradict each other: give one of them")
    format_name = "json" if as_json else format_name or "text"
    output_format = FORMATS[format_name]
    if str(words) == "-" and {"-", "@-"} & {*files}:
        raise click.UsageError("FILE and --words cannot both be standard input: give one of them as a file")
    inputs, problems = _find_inputs(files, out)
    names = tuple(found.path for found in inputs)
    _check_options(names, page, format_name, out, overlay)
    if overlay:
        _check_overlay(overlay, names[0])
    if out:
        _check_out(names, out, output_format, force)
    from inkread.pages.reader import Reader

    reader = Reader(load_recognizers(model, decoder, lm, words))
    writer = _Writer(output_format, out, overlay, several=len(inputs) > 1)
    failures = _read_files(reader, inputs, True if output_format.for_pages or overlay else page, writer)
    failed, count = len(problems) + len(failures), len(problems) + len(inputs)
    if failed and count > 1:
        note(f"{failed} of {count} files could not be read")
    sys.exit(exit_codes.of_batch([*problems, *failures.values()], anything_found=True))


def _find_inputs(files: tuple[str, ...], out: Path | None) -> tuple[list["Input"], list[BadInput]]:
    """The documents that the arguments name, and why some arguments lead to none, which is reported.

    Exits where there is no document.
    """
    from inkread.inputs.collect import collect

    found = collect(files, leave_out=out)
    if skipped := str(found.skipped):
        note(skipped)
    for problem in found.problems:
        note(f"Error: {problem}")
    if not found.inputs:
        sys.exit(exit_codes.of_batch(found.problems, anything_found=False))
    return found.inputs, found.problems


def _read_files(
    reader: "Reader", inputs: list["Input"], page: bool | None, writer: "_Writer"
) -> dict[str, InkreadError]:
    """Read and write all files, and report those that cannot be read; return their names with the last error."""
    from inkread.pages.reader import place_of

    failures: dict[str, InkreadError] = {}  # by the names of files
    finished: set[str] = set()

    def failed(name: str, error: InkreadError) -> None:
        failures[name] = error
        note(f"Error: {error}")

    shown = 0 if sys.stdout.isatty() else len(inputs)  # on a terminal, the text itself shows the progress
    with progress_bar("reading", shown) as tick:
        for layout, read in reader.read_many(inputs, page=page, failed=failed, check=writer.check):
            try:
                writer.add(layout, read)
            except Exception as error:
                if isinstance(error, CannotWrite) and not writer.out:
                    raise  # nothing else could be written either
                failed(layout.name, explain_failure(error, place_of(layout)))
            if layout.number == layout.numbers[-1]:
                finished.add(layout.name)
            tick(len(finished | failures.keys()), len(inputs))
    return failures


def _check_options(
    files: tuple[str, ...],
    page: bool | None,
    format_name: str,
    out: Path | None,
    overlay: Path | None,
) -> None:
    """Raise UsageError for options that contradict each other."""
    positions = FORMATS[format_name].for_pages or overlay
    if page is False and positions:
        raise click.UsageError(
            f"{'--overlay' if overlay else f'--format {format_name}'} is for pages: leave --line out"
        )
    if positions and len(files) > 1 and (overlay or not out):
        raise click.UsageError("several files: --overlay takes one" if overlay else "several files: name --out FOLDER")


def _out_file(name: str, out: Path, output_format: Format) -> Path:
    """The file in the folder of --out for the text of the file `name`."""
    return out / f"{'stdin' if name == '-' else Path(name).stem}{output_format.suffix}"


def _check_out(files: tuple[str, ...], out: Path, output_format: Format, force: bool) -> None:
    """Create the folder of --out. Raises UsageError if two files would get one name there, and CannotWrite."""
    written: dict[Path, str] = {}
    for name in files:
        path = _out_file(name, out, output_format)
        if path in written:
            message = f"{written[path]} and {name} would both become {path}: read them apart"
            raise click.UsageError(one_line(message))
        written[path] = name
    for path in written:
        if not force:
            check_new(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made ({error.strerror})"
        raise CannotWrite(problem, path=out, hint="name another --out") from error
    check_writable(out / "file")


def _check_overlay(overlay: Path, name: str) -> None:
    """Raise CannotWrite for an overlay that cannot be written, or that would overwrite the image itself."""
    check_writable(overlay)
    with suppress(OSError, ValueError):
        if overlay.samefile(name):
            raise CannotWrite("would overwrite the page itself", path=overlay, hint="name another --overlay")


class _Writer:
    """Writes what was read: to stdout at once, or to a file when all pages of a document have been read."""

    def __init__(self, output_format: Format, out: Path | None, overlay: Path | None, several: bool) -> None:
        self.format, self.out, self.overlay, self.several = output_format, out, overlay, several
        self.streams = not out and not output_format.for_pages
        self.pages: list[Page] = []  # that have been read of the current document

    def check(self, layout: "PageLayout") -> None:
        """Raise BadInput for a page that cannot be written in this format."""
        if len(layout.numbers) > 1 and self.format.one_page:
            problem = f"{len(layout.numbers)} pages, but --format page takes one"
            raise BadInput(problem, path=layout.name, hint=f"take --format alto, or one page as {layout.name}#1")
        if not layout.is_page and (self.format.for_pages or self.overlay):
            problem, hint = "pen strokes, not a page", "leave --format and --overlay out"
            raise BadInput(problem, path=layout.name, hint=hint)

    def add(self, layout: "PageLayout", page: Page) -> None:
        """Write a page, or keep it until the last page of its document has been read."""
        if self.overlay:
            self._draw(layout, page)
        if self.streams:
            self._print(layout, page)
            return
        if layout.number == layout.numbers[0]:
            self.pages = []
        self.pages.append(page)
        if len(self.pages) == len(layout.numbers):  # else a page is still to come, or one could not be read
            self._write(Document(layout.name, tuple(self.pages)))

    def _write(self, document: Document) -> None:
        text = self.format.write(document)
        if self.out:
            path = _out_file(document.name, self.out, self.format)
            write_atomic(path, text.encode("utf-8", "backslashreplace"))  # file names may have bytes that are not UTF-8
        else:
            print_line(text.rstrip("\n"))

    def _print(self, layout: "PageLayout", page: Page) -> None:
        if self.format is FORMATS["text"] and (self.several or len(layout.numbers) > 1):
            name = one_line(layout.name) + (f"#{layout.number}" if layout.count > 1 else "")
            text = "".join(f"{name}\t{line.text}\n" for line in page.lines)
        else:
            text = self.format.write(Document(layout.name, (page,)))
        if text:
            print_line(text.removesuffix("\n"))

    def _draw(self, layout: "PageLayout", page: Page) -> None:
        from inkread.document.overlay import draw_overlay

        if self.overlay and layout.in_color:
            suffix = f"-{layout.number}" if len(layout.numbers) > 1 else ""
            buffer = BytesIO()
            draw_overlay(layout.in_color(), page).save(buffer, "PNG")
            write_atomic(self.overlay.with_stem(self.overlay.stem + suffix), buffer.getvalue())
