"""`inkread eval`: measure error rates."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_new, check_writable
from inkread._names import one_line
from inkread.cli.display import file_failed, print_line, print_notes, progress_bar
from inkread.cli.options import ReadingOptions, json_option, reading_options
from inkread.errors import BadInput

if TYPE_CHECKING:
    from inkread.evaluation.lines import Evaluation

VISIBLE = {"": "(nothing)", " ": "␣"}  # how the table of confusions shows what cannot be seen


@click.command("eval")
@click.argument("dataset")
@reading_options
@json_option
@click.option(
    "--errors",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Print the N worst lines, and the most frequent errors.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="Write a report with the error rates, the most frequent errors and the worst lines with their images.",
)
@click.option("--force", is_flag=True, help="Overwrite the report if it exists.")
def command(
    dataset: str,
    reading: ReadingOptions,
    as_json: bool,
    errors: int,
    report: Path | None,
    force: bool,
) -> None:
    """Measure the error rate on lines with known text.

    DATASET is PATH or PATH:SPLIT. PATH is a table (.tsv, .csv) or JSON Lines (.jsonl) with a header or keys such as
    file, text, writer and split; a folder with such a table; a folder of images NAME.png with texts NAME.gt.txt;
    pages with ALTO or PAGE XML; pen strokes with their text as InkML, UNIPEN or JSON Lines; IAM or IAM-OnDB as they
    are distributed; or what `inkread prepare` wrote (.inkset). SPLIT selects the lines of that split, for example dev.

    Prints the character and the word error rate (CER, WER) with a 95 % bootstrap interval, and the speed in lines per
    second.

    For pages with ALTO or PAGE XML, the lines are cut out along the outlines given there. Then the whole pages are
    read as by `predict` and scored: precision, recall and F1 of the lines found, whose baselines must match to a
    quarter of the line distance; and the CER of each page in reading order.

    \b
    Examples:
      inkread eval datasets/sample
      inkread eval iam:validationset1 --errors 20 --report errors.html
      inkread eval my-lines --model mine.safetensors --json
    """
    from inkread.data import open_dataset
    from inkread.evaluation.lines import evaluate as measure
    from inkread.evaluation.lines import summary_lines
    from inkread.evaluation.pages import pages_of, score_pages
    from inkread.evaluation.report import write_report

    if report is not None:
        check_writable(report)
        if not force:
            check_new(report)
    opened = open_dataset(dataset)
    recognizer = reading.recognizers(len(opened.samples))
    with progress_bar("reading", len(opened.samples)) as tick:
        try:
            evaluation = measure(recognizer, opened, tick)
        except BadInput as error:  # images for a model of pen strokes
            raise BadInput(error.problem, path=dataset, hint=error.hint) from error
    pages = pages_of(opened)
    scores = None
    failures: dict[str, str] = {}  # by page
    if pages:
        with progress_bar("finding lines", len(pages)) as tick:
            scores = score_pages(recognizer, opened, tick, partial(file_failed, failures))
    name = " and ".join(recognizer.loaded)
    for reason in opened.skipped:
        click.echo(f"left out: {one_line(reason)}", err=True)
    print_notes(opened)
    for _, message in evaluation.failures:
        click.echo(f"Error: {one_line(message)}", err=True)
    if as_json:
        figures = {"dataset": opened.name, "model": name, **evaluation.to_dict()}
        if scores:
            figures["whole_pages"] = scores.to_dict()
        print_line(json.dumps(figures, ensure_ascii=False))
    else:
        for row in summary_lines(evaluation):
            print_line(row)
        if scores:
            print_line(str(scores))
        if errors:
            _print_errors(evaluation, errors)
    if report is not None:
        write_report(evaluation, opened, report, f"{name} on {opened.name}", scores)
        click.echo(f"wrote {one_line(str(report))}", err=True)
    if evaluation.failures or failures:
        sys.exit(1)


def _print_errors(evaluation: "Evaluation", count: int) -> None:
    """Print the worst lines, and the most frequent errors."""
    for line in evaluation.worst(count):
        print_line(f"\n{one_line(line.id)}  CER {100 * line.rate:.0f} %")
        print_line(f"  written  {line.written}\n  read     {line.read}")
    print_line("\nwritten → read, times")
    for written, read, times in evaluation.confusions(count):
        print_line(f"  {VISIBLE.get(written, written)} → {VISIBLE.get(read, read)}  {times}")
