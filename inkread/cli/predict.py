"""`inkread predict`: read handwriting."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_new, check_writable
from inkread._names import one_line
from inkread.cli.display import counted, file_failed, note, print_line, progress_bar
from inkread.cli.options import decoder_option, lm_option, load_recognizers, model_option, words_option
from inkread.errors import BadInput, CannotWrite

if TYPE_CHECKING:
    from inkread.inputs import Images
    from inkread.inputs.ink import LineInput
    from inkread.model.recognizer import Reading
    from inkread.pages.reader import Sheet, WrittenPage

DOCUMENTS = ("alto", "page", "hocr")  # forms that tell where the lines of a page are
SUFFIXES = {"text": ".txt", "json": ".json", "alto": ".xml", "page": ".xml", "hocr": ".html"}


@click.command("predict")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@model_option
@decoder_option
@lm_option
@words_option
@click.option("--page/--line", "page", default=None, help="Say what the pictures are; else it is told by looking.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", *DOCUMENTS]),
    help="What to write; text if not given. alto, page (XML) and hocr tell where the lines and words of pages stand.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write a file for each FILE into this folder, which is made if it is missing: FILE.txt, .json, .xml or .html.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the lines found and the text read on the page; of several pages FILE-1.png, FILE-2.png, ...",
)
@click.option("--force", is_flag=True, help="Overwrite files that are in the folder of --out already.")
def command(
    files: tuple[str, ...],
    model: str | None,
    decoder: str | None,
    lm: str | None,
    words: Path | None,
    page: bool | None,
    form: str | None,
    as_json: bool,
    out: Path | None,
    overlay: Path | None,
    force: bool,
) -> None:
    """Read handwriting: whole pages, or pictures of single lines.

    Of a page one line of text a line, with blank lines between paragraphs; of a picture of a line its text. With
    several files or pages each line is FILE<TAB>TEXT, and FILE#2 is the second page of a TIFF or PDF; in file names a
    tab is written as \\t, a line end as \\n, and a byte that is not UTF-8 as \\udce9. Each page is written as soon as
    it has been read, in UTF-8. `-` reads a picture from stdin. Dark ink on light paper or light on dark, in PNG, JPEG,
    TIFF, BMP, WebP or PDF.

    A file that cannot be read is reported, the others are read all the same, and the exit code is 1.

    Pen strokes - InkML, IAM-OnDB's XML, UNIPEN or JSON, of one line or several - are read along the path of the pen,
    or, by a --model of pictures, as their drawing.

    --format json gives an object a line: file, page, text, confidence, and for each character its text, confidence,
    left and right in pixels of the picture, or in the units of the strokes; for a line of a page also its paragraph,
    baseline and polygon. What alto and page write, `inkread check` and `inkread train` read.

    \b
    Examples:
      inkread predict line.png
      inkread predict letter.jpg --overlay seen.png
      inkread predict letter.jpg --format alto > letter.xml
      inkread predict notes.inkml
      inkread predict scans/*.png > texts.tsv
      inkread predict scans/*.jpg --format alto --out texts
      inkread predict letter.png --words names.txt
      cat line.png | inkread predict - --json
    """
    form = "json" if as_json else form or "text"
    documents = form in DOCUMENTS
    if as_json and documents:
        raise click.UsageError("--json and --format contradict each other: give one of them")
    if page is False and (documents or overlay):
        raise click.UsageError(f"{'--overlay' if overlay else f'--format {form}'} is for pages: leave --line out")
    if (documents or overlay) and len(files) > 1 and (overlay or not out):
        raise click.UsageError("several files: --overlay takes one" if overlay else "several files: name --out FOLDER")
    if str(words) == "-" and "-" in files:
        raise click.UsageError("FILE and --words cannot both be standard input: give one of them as a file")
    if overlay:
        _check_overlay(overlay, files[0])
    if out:
        _check_out(files, out, form, force)
    if documents or overlay:
        page = True
    failures: dict[str, str] = {}  # by file
    recognizer = load_recognizers(model, decoder, lm, words)
    sheets = _sheets(files, page, failures, form, overlay)
    from inkread.pages.reader import read_sheets

    results = _Results(form, out, overlay, several=len(files) > 1)
    shown = 0 if sys.stdout.isatty() else len(files)  # texts that come are progress enough
    with progress_bar("reading", shown) as tick:
        finished: set[str] = set()
        for sheet, readings in read_sheets(recognizer, sheets, partial(_sheet_failed, failures)):
            try:
                results.add(sheet, readings)
            except Exception as error:
                if isinstance(error, CannotWrite) and not out:
                    raise
                _sheet_failed(failures, sheet, error)
            if sheet.number == sheet.count:
                finished.add(sheet.name)
            tick(len(finished | failures.keys()), len(files))
    if failures:
        if len(files) > 1:
            click.echo(f"{len(failures)} of {len(files)} files could not be read", err=True)
        sys.exit(1)


def _writings(name: str) -> "Images | list[LineInput]":
    """The pages in an image file, or the strokes of each line of its ink. Raises BadInput."""
    from inkread.features.ink_lines import split_lines
    from inkread.inputs import Images, open_input

    pages = open_input(name)
    return pages if isinstance(pages, Images) else [line for strokes in pages for line in split_lines(strokes)]


def _sheets(
    files: tuple[str, ...], page: bool | None, failures: dict[str, str], form: str, overlay: Path | None
) -> Iterator["Sheet"]:
    """Each picture or line of ink in the files, laid out; files that cannot be read are reported."""
    for name in files:
        try:
            for sheet in _sheets_of(name, page, form, overlay):
                if sheet.page:
                    which = "page" if sheet.count == 1 else f"page {sheet.number}"
                    place = f"{one_line(name)}: " if len(files) > 1 else ""
                    found = counted(len(sheet.regions), "line") if sheet.regions else "no handwriting found"
                    note(f"{place}{which}: {found}")
                yield sheet
        except Exception as error:  # whatever is wrong with one file, the others are read
            file_failed(failures, name, error)


def _sheets_of(name: str, page: bool | None, form: str, overlay: Path | None) -> Iterator["Sheet"]:
    from inkread.pages.reader import lay_out

    writings = _writings(name)
    count = len(writings)
    if count > 1 and form == "page":
        raise BadInput(f"{name}: {count} pages, but --format page takes one; take --format alto")
    for number, writing in enumerate(writings, start=1):
        if isinstance(writing, Sequence) and (form in DOCUMENTS or overlay):
            raise BadInput(f"{name}: pen strokes, not a page; leave --format and --overlay out")
        sheet = lay_out(name, number, count, writing, page)
        if overlay and not isinstance(writings, list):
            sheet = replace(sheet, picture=writings.in_color(number - 1))
        yield sheet


def _sheet_failed(failures: dict[str, str], sheet: "Sheet", error: Exception) -> None:
    file_failed(failures, sheet.name, error, f", page {sheet.number}" if sheet.count > 1 else "")


def _out_file(name: str, out: Path, form: str) -> Path:
    """The file in the folder of --out for what was read in the file of that name."""
    return out / f"{'stdin' if name == '-' else Path(name).stem}{SUFFIXES[form]}"


def _check_out(files: tuple[str, ...], out: Path, form: str, force: bool) -> None:
    """Make the folder of --out. Raises UsageError for two files that would have one name there, and CannotWrite."""
    written: dict[Path, str] = {}
    for name in files:
        path = _out_file(name, out, form)
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
        raise CannotWrite(f"{out}: the folder cannot be made ({error.strerror}); name another --out") from error
    check_writable(out / "file")


def _check_overlay(overlay: Path, name: str) -> None:
    """Raise CannotWrite for an overlay that cannot be written, or would overwrite what is read."""
    check_writable(overlay)
    with suppress(OSError, ValueError):
        if overlay.samefile(name):
            raise CannotWrite(f"{overlay}: would overwrite the page itself; name another --overlay")


class _Results:
    """Writes what was read: on stdout at once, or into a file of --out when all pages of its file have been read."""

    def __init__(self, form: str, out: Path | None, overlay: Path | None, several: bool) -> None:
        self.form, self.out, self.overlay, self.several = form, out, overlay, several
        self.pages: dict[int, WrittenPage] = {}  # of the file that is being read, by number
        self.texts: dict[int, str] = {}

    def add(self, sheet: "Sheet", readings: list["Reading"]) -> None:
        """Write a page, or keep it until the last page of its file has come."""
        from inkread.pages.reader import place_on_page

        page = place_on_page(sheet, readings) if sheet.page else None
        if self.overlay and page:
            self._draw(sheet, page)
        if sheet.number == 1:
            self.pages, self.texts = {}, {}
        if self.form in DOCUMENTS and page:
            self.pages[sheet.number] = page
        else:
            self.texts[sheet.number] = self._text(sheet, readings, page)
            if not self.out and self.texts[sheet.number]:
                print_line(self.texts[sheet.number].removesuffix("\n"))
        if len(self.pages or self.texts) == sheet.count:  # else a page is still to come, or one could not be read
            self._finish(sheet.name)

    def _text(self, sheet: "Sheet", readings: list["Reading"], page: "WrittenPage | None") -> str:
        """The lines of a page as text or JSON, each with its line end."""
        from inkread.pages.export import as_dict

        if self.form == "json":
            places = page.lines if page else [None] * len(readings)
            read = [(line.reading if line else reading, line) for reading, line in zip(readings, places, strict=True)]
            rows = [as_dict(sheet.name, sheet.number, *each) for each in read]
            return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        if not self.out and (self.several or sheet.count > 1):
            name = one_line(sheet.name) + (f"#{sheet.number}" if sheet.count > 1 else "")
            return "".join(f"{name}\t{reading.text}\n" for reading in readings)
        text = page.text if page else "\n".join(reading.text for reading in readings)
        return f"{text}\n" if readings else ""

    def _finish(self, name: str) -> None:
        """Write what waits for the last page of its file."""
        from inkread.pages.export import as_alto, as_hocr, as_page, write_text

        pages = [*self.pages.values()]
        if self.form == "page":
            text = as_page(pages[0])
        elif self.form in DOCUMENTS:
            text = as_alto(pages) if self.form == "alto" else as_hocr(pages)
        else:
            text = ("" if self.form == "json" else "\n").join(self.texts.values())
        if self.out:
            write_text(_out_file(name, self.out, self.form), text)
        elif self.form in DOCUMENTS:
            print_line(text.rstrip("\n"))

    def _draw(self, sheet: "Sheet", page: "WrittenPage") -> None:
        from inkread.pages.export import draw_overlay, write_picture

        if self.overlay and sheet.picture is not None:
            several = f"-{sheet.number}" if sheet.count > 1 else ""
            path = self.overlay.with_stem(self.overlay.stem + several)
            write_picture(path, draw_overlay(sheet.picture, page))
