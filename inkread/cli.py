"""The commands. What a command needs beyond click is imported when it runs, so that help is there at once."""

import gc
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click
from click.core import ParameterSource

from inkread import __version__
from inkread.config import (
    DEFAULT_MODEL,
    NO_LM,
    PRESETS,
    STROKE_MODEL,
    NetworkConfig,
    TrainingConfig,
    configure,
    read_config,
)
from inkread.display import print_line, progress_bar, tell, training_display, write_utf8
from inkread.errors import BadConfig, BadDataset, BadInput, BadModel, CannotWrite, InkreadError
from inkread.files import check_new, check_writable
from inkread.names import one_line

if TYPE_CHECKING:
    from inkread.dataset import Dataset, Sample
    from inkread.ink import Pictures
    from inkread.model_file import Model
    from inkread.reader import Sheet, WrittenPage
    from inkread.recognizer import Decoder, Reading, Recognizers
    from inkread.strokes import Writing

MINUTES = 30.0  # of training, when neither minutes nor epochs are given
FEW_LINES = 100  # a tenth of fewer tells nothing, and would be missed in training
FINE_TUNING = {"learning_rate": 2e-3, "average": 0.99}  # what `train --from` starts with instead of the preset's
# ... and with few lines: more passes bring nothing more, and the blend keeps what was read well before.
OWN_HAND = {"epochs": 30, "batch": 8, "photographed": 0.0, "crossed": 0.3, "blend": 0.7, "checks": 5}

DOCUMENTS = ("alto", "page", "hocr")  # forms that tell where the lines of a page are
SUFFIXES = {"text": ".txt", "json": ".json", "alto": ".xml", "page": ".xml", "hocr": ".html"}


def wait_without_spinning() -> None:
    """Let the threads of torch's OpenMP sleep while they wait for one another, unless the user decided on it.

    Else they keep their cores busy, and on a machine that has other work reading takes many times as long. OpenMP looks
    at this once, when torch is imported; a program that has imported torch itself is left alone.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Commands(click.Group):
    """Commands whose errors are one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InkreadError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:  # nobody's in particular: no folder for temporary files, say
            message = f"{error.filename or 'inkread'}: {error.strerror or error}"
            raise click.ClickException(one_line(message)) from error
        except (MemoryError, RuntimeError) as error:  # torch has no class of its own for it
            if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
                raise
            raise click.ClickException(
                "not enough memory; try smaller pictures, --set batch=4 or --preset small"
            ) from error
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inkread")
def main() -> None:
    """Read handwriting: pictures of lines in, text out.

    \b
    Examples:
      inkread predict line.png                read a line with the model that ships
      inkread eval my-lines                   measure the error rate on lines with known text
      inkread train my-lines --from latin --out mine.safetensors
                                              learn your own hand
    """
    wait_without_spinning()
    write_utf8()


model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    help=f"A model that ships, or a file; else {DEFAULT_MODEL} for pictures and {STROKE_MODEL} for pen strokes.",
)
decoder_option = click.option(
    "--decoder",
    type=click.Choice(["greedy", "beam"]),
    help="greedy takes the likeliest letter at each step, without a language model; beam weighs all spellings.",
)
lm_option = click.option(
    "--lm",
    metavar="NAME,...|FILE",
    help="Language models to read along with: english, french, files, or none; if not given, the model's own.",
)
words_option = click.option(
    "--words",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Words of your own that may always be read, one a line; - for standard input.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@main.command()
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
def predict(
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
    recognizer = _load(model, decoder, lm, words)
    sheets = _sheets(files, page, failures, form, overlay)
    from inkread.reader import read_sheets

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


@main.command("eval")
@click.argument("dataset")
@model_option
@decoder_option
@lm_option
@words_option
@json_option
@click.option(
    "--errors", type=click.IntRange(min=0), default=0, metavar="N", help="Show the N worst lines, and what is confused."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="Write a page to look through.",
)
def evaluate(
    dataset: str,
    model: str | None,
    decoder: str | None,
    lm: str | None,
    words: Path | None,
    as_json: bool,
    errors: int,
    report: Path | None,
) -> None:
    """Measure the error rate on lines with known text.

    DATASET is PATH or PATH:SPLIT. PATH is a table (.tsv, .csv) or JSON Lines (.jsonl) with a header or keys such as
    file, text, writer and split; a folder with such a table; a folder of pictures NAME.png with texts NAME.gt.txt;
    pages with ALTO or PAGE XML; pen strokes with their text as InkML, UNIPEN or JSON Lines; or IAM or IAM-OnDB as they
    are distributed. SPLIT chooses the lines of that split, for example dev.

    Gives the character and the word error rate (CER, WER) with a 95 % bootstrap interval, and the lines read a second.

    Of pages with ALTO or PAGE the lines are cut out as outlined there. Then the pages are read as `predict` does, and
    scored again: how many lines are found (precision, recall and F1 of baselines that match to a quarter of the line
    distance), and the CER of each whole page in reading order.

    \b
    Examples:
      inkread eval datasets/sample
      inkread eval iam:validationset1 --errors 20 --report errors.html
      inkread eval my-lines --model mine.safetensors --json
    """
    from inkread.dataset import open_dataset
    from inkread.evaluation import evaluate as measure
    from inkread.evaluation import summary_lines, write_report
    from inkread.page_scores import pages_of, score_pages

    if report is not None:
        check_writable(report)
    opened = open_dataset(dataset)
    recognizer = _load(model, decoder, lm, words)
    with progress_bar("reading", len(opened.samples)) as tick:
        try:
            evaluation = measure(recognizer, opened, tick)
        except BadInput as error:  # the model reads no such lines
            raise BadInput(f"{dataset}: {error}") from error
    pages = pages_of(opened)
    scores = None
    failures: dict[str, str] = {}  # by page
    if pages:
        with progress_bar("finding lines", len(pages)) as tick:
            scores = score_pages(recognizer, opened, tick, partial(_file_failed, failures))
    name = " and ".join(recognizer.loaded)
    for reason in opened.skipped:
        click.echo(f"left out: {one_line(reason)}", err=True)
    _tell_notes(opened)
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
            visible = {"": "(nothing)", " ": "␣"}
            for line in evaluation.worst(errors):
                print_line(f"\n{one_line(line.id)}  CER {100 * line.rate:.0f} %")
                print_line(f"  written  {line.written}\n  read     {line.read}")
            print_line("\nwritten → read, times")
            for written, read, times in evaluation.confusions(errors):
                print_line(f"  {visible.get(written, written)} → {visible.get(read, read)}  {times}")
    if report is not None:
        write_report(evaluation, opened, report, f"{name} on {opened.name}", scores)
        click.echo(f"wrote {one_line(str(report))}", err=True)
    if evaluation.failures or failures:
        sys.exit(1)


def _all_settings() -> str:
    """Every setting with its default value, for the help of `train`."""
    rows = []
    for settings in (NetworkConfig(), TrainingConfig()):
        for field in fields(settings):
            value = getattr(settings, field.name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
            choices = (
                [choice for choice in get_args(field.type) if choice != value] if value in get_args(field.type) else []
            )
            rows.append(f"  {field.name}={shown}" + (f"  or {', '.join(choices)}" if choices else ""))
    return "\b\nSettings and their defaults, which a preset may change:\n" + "\n".join(rows)


@main.command(epilog=_all_settings())
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--dev", metavar="DATASET", help="Validation lines, to choose the best weights by; else a tenth of DATASET."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.safetensors",
    help="The model to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the model, and delete the checkpoint of a stopped training.")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), help="The network; if not given base, or strokes for pen strokes."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for so long; 30 if not given.")
@click.option("--epochs", type=click.IntRange(min=1), help="Or for so many passes over the lines.")
@click.option("--from", "start", metavar="MODEL", help="Go on from a model that ships, or a file.")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped; give the same command.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE.toml", help="Settings from a file.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting, e.g. cell=gru; as often as needed."
)
def train(
    datasets: tuple[str, ...],
    dev: str | None,
    out: Path,
    force: bool,
    preset: str | None,
    minutes: float | None,
    epochs: int | None,
    start: str | None,
    resume: bool,
    config: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Train a model on lines with known text.

    The model that reads the validation lines best is kept in NAME.safetensors; NAME.log.jsonl tells how it went. A
    training that was stopped, however, goes on with --resume.

    \b
    Presets:
      base    convolutions and three bidirectional LSTM layers; the default
      small   a third of the size and time
      elman   the plain lecture: pixel columns, Elman cells, no convolution
      strokes reads pen strokes point by point, not pictures; 1.8 M weights

    Every setting listed below can be changed with --set or --config.

    \b
    Examples:
      inkread train iam:trainset --dev iam:validationset1 --out iam.safetensors --minutes 60
      inkread train my-lines --from latin --out mine.safetensors --minutes 10
      inkread train more-lines --from latin --set hidden=256 --out larger.safetensors --minutes 600
      inkread train lines.tsv --preset elman --set activation=relu --set truncate=50 --out elman.safetensors
      torchrun --nproc-per-node 2 -m inkread train lines.tsv --out model.safetensors
    """
    from inkread.dataset import is_ink, open_dataset
    from inkread.files import check_new
    from inkread.model_file import load_model
    from inkread.training import DEV_LINES, keep_freed_memory
    from inkread.training import train as learn

    if out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out}: must end in .safetensors")
    if start and preset:
        raise click.UsageError("--from brings its own network: leave --preset out")
    check_writable(out)
    checkpoint = out.with_suffix(".checkpoint")
    if not resume and not force:
        if checkpoint.exists():
            raise CannotWrite(
                f"{checkpoint}: of a training that was stopped; go on with --resume, or delete it by --force"
            )
        check_new(out)
    samples = tuple(sample for name in datasets for sample in _usable(open_dataset(name)))
    model = load_model(start) if start else None
    if not preset and not model and all(is_ink(sample) for sample in samples):
        preset = "strokes"
        tell("pen strokes alone: preset strokes; --preset base learns to read their drawing")
    values = read_config(config) if config else {}
    values |= dict(_name_and_value(setting) for setting in settings)
    values |= {name: value for name, value in (("minutes", minutes), ("epochs", epochs)) if value}
    network, training = _configured(model, preset or "base", values, len(samples))
    if model and not _is_grown(network, model.config):
        raise BadConfig(
            f"--from {start} brings its own network: only its dropout can be changed, and hidden and channels raised"
        )
    if dev:
        dev_samples = tuple(_usable(open_dataset(dev)))
    else:
        samples, dev_samples = _set_aside(samples)
    on_training_lines = dev_samples == samples
    facts = {
        "trained_on": [_name_of(name) for name in datasets],
        "lines": len(samples),
        "dev": _name_of(dev) if dev else "the training lines" if on_training_lines else "a tenth of them",
        "from": _name_of(start or ""),
    }
    if model and "lm" in model.facts and _characters(samples) <= set(model.alphabet.characters):
        facts["lm"] = model.facts["lm"]  # no new letters, so the languages are the same
    keep_freed_memory()
    try:
        with training_display(out) as (report, loading):
            cer = learn(
                samples, dev_samples, out, network, training, start=model, resume=resume, overwrite=force,
                facts=facts, report=report, note=tell, loading=loading,
            )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        if checkpoint.exists():
            tell("stopped; the same command with --resume goes on from the last minute")
        raise
    measured = _counted(min(len(dev_samples), DEV_LINES), "training line" if on_training_lines else "validation line")
    tell(f"wrote {out}: CER {100 * cer:.2f} % on {measured}")


def _name_of(path: str) -> str:
    """The name of a file without its folder, as a model is given to others, and with � where it is not UTF-8."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def _configured(
    start: "Model | None", preset: str, values: dict[str, Any], lines: int
) -> tuple[NetworkConfig, TrainingConfig]:
    """The network and training for so many lines: of a preset, or of the model to start from, with the user's values.

    Raises BadConfig for a value that is none, or that needs a start.
    """
    network, training = PRESETS[preset]
    if start:
        values = {**FINE_TUNING, **(OWN_HAND if lines < FEW_LINES else {}), **values}
        network = start.config
    network, training = configure(network, training, values)
    if training.blend < 1 and not start:
        raise BadConfig(f"blend={training.blend}: there is nothing to blend with; name a model with --from")
    if not training.minutes and not training.epochs:
        training = training.replace({"minutes": MINUTES})
    return network, training


def _is_grown(network: NetworkConfig, start: NetworkConfig) -> bool:
    """Is a network the one it starts from, but for dropout, more cells and wider convolutions?"""
    sizes, least = ((config.hidden, *config.channels) for config in (network, start))
    return (
        network.replace({name: getattr(start, name) for name in ("dropout", "hidden", "channels")}) == start
        and len(sizes) == len(least)
        and all(size >= old for size, old in zip(sizes, least, strict=True))
    )


@main.command()
@json_option
def models(as_json: bool) -> None:
    """List the models that are here.

    Of each it tells what it reads, its licence, its size and its error rates on writers it has not seen.

    \b
    Examples:
      inkread models
      inkread models --json
    """
    from inkread.model_file import describe_model, shipped_language_models, shipped_models

    rows, damaged = [], False
    for kind, shipped in (("lines", shipped_models()), ("language", shipped_language_models())):
        for name, path in shipped.items():
            try:
                facts = describe_model(path).get("facts", {})
            except BadModel as error:
                damaged = True
                click.echo(f"Error: {error}", err=True)
                continue
            size = round(path.stat().st_size / 1e6, 1)
            own = {"name": name, "kind": kind, "file": str(path), "megabytes": size}
            rows.append({**own, **facts, **own})  # the facts come last, but replace nothing
    if not rows and not damaged and not as_json:
        raise BadInput("no model is here; train one with `inkread train`, and give its file with --model")
    for row in rows:
        if as_json:
            print_line(json.dumps(row, ensure_ascii=False))
        else:
            _print_model(row)
    if damaged:
        sys.exit(1)


def _print_model(row: dict[str, Any]) -> None:
    """Print what `inkread models` tells of a model."""
    note = " (default)" if row["name"] == DEFAULT_MODEL else f" (--lm {row['name']})" * (row["kind"] == "language")
    print_line(f"{row['name']}{note}")
    print_line(f"  reads     {row.get('reads', 'not told')}")
    if "lm" in row:
        print_line(f"  along with {row['lm'].replace(',', ', ')}, unless --lm says otherwise")
    print_line(f"  licence   {row.get('licence', 'not told')}")
    print_line(f"  size      {row['megabytes']} MB, {row['file']}")
    for measured in row.get("errors", []):
        low, high = measured["cer_interval"]
        print_line(
            f"  CER       {100 * measured['cer']:.1f} % ({100 * low:.1f}-{100 * high:.1f}) on {measured['on']}, "
            f"{measured['lines']} lines; WER {100 * measured['wer']:.1f} %"
        )


@main.command()
@click.argument("dataset")
@click.option("--model", metavar="NAME|FILE", help="Check that this model can read the lines and learn from them.")
@json_option
def check(dataset: str, model: str | None, as_json: bool) -> None:
    """Check a dataset before an hour of training is spent on it.

    Counts lines, writers and characters, and names every file that is missing or unreadable, every text with a
    character that --model lacks, and every text too long for CTC at its picture's width. Exit code 1 if there is
    any such problem.

    Without --model, characters that the default model lacks are listed as notes, which do not change the exit code:
    `inkread train --from` adds them to the model's alphabet.

    \b
    Examples:
      inkread check my-lines
      inkread check iam:trainset --model latin
    """
    from inkread.check import check_dataset
    from inkread.dataset import is_ink, open_dataset
    from inkread.features import columns_of, ready
    from inkread.model_file import describe_model, load_model, shipped_models

    loaded = load_model(model) if model else None
    opened = open_dataset(dataset)
    defaults = {}
    if not loaded:
        shipped = shipped_models()
        used = {STROKE_MODEL if is_ink(sample) else DEFAULT_MODEL for sample in opened.samples}
        defaults = {name: set(describe_model(shipped[name])["alphabet"]) for name in sorted(used & shipped.keys())}

    def count_steps(writing: "Writing") -> int:
        config = loaded.config if loaded else PRESETS["strokes" if isinstance(writing, Sequence) else "base"][0]
        return config.steps(columns_of(ready(writing, config)).shape[1])

    _tell_notes(opened)
    with progress_bar("checking", len(opened.samples)) as tick:
        report = check_dataset(opened, set(loaded.alphabet.characters) if loaded else None, count_steps, tick, defaults)
    print_line(json.dumps(report.as_dict(), ensure_ascii=False) if as_json else str(report))
    if report.problems:
        sys.exit(1)


@main.command()
@click.argument("ink")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PICTURE.png",
    help="The picture to write.",
)
def render(ink: str, out: Path) -> None:
    """Draw pen strokes as a picture.

    INK is a file of pen strokes: InkML, IAM-OnDB's XML, UNIPEN or JSON, told apart by looking at it; `-` is standard
    input. The picture is black on white, small letters 22 pixels high.

    \b
    Examples:
      inkread render notes.inkml -o notes.png
      head -n 1 inks.jsonl | inkread render - -o first.png
    """
    from io import BytesIO

    from PIL import Image

    from inkread.files import write_whole
    from inkread.strokes import read_inks
    from inkread.synthesis import draw_page

    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: must end in .png")
    check_writable(out)
    pages = read_inks(ink, sys.stdin.buffer.read() if ink == "-" else None, whole=True)
    if len(pages) > 1:
        raise BadInput(f"{ink}: {len(pages)} inks, one a line; draw one of them: head -n 1 FILE | inkread render - ...")
    buffer = BytesIO()
    Image.fromarray(draw_page(pages[0].strokes)).save(buffer, "PNG")
    write_whole(out, buffer.getvalue())


@main.group()
def lm() -> None:
    """Language models: learn one from text, score text, sample text.

    `predict` and `eval` read along with those of n-grams that their model names, or --lm.
    """


@lm.command("train")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TEXT...")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.lm.safetensors",
    help="The model to write; NAME.arpa for one of n-grams that KenLM reads.",
)
@click.option(
    "--kind",
    type=click.Choice(["ngram", "rnn"]),
    default="ngram",
    show_default=True,
    help="n-grams, or a recurrent network, which scores and samples only.",
)
@click.option("--order", type=click.IntRange(1), default=7, show_default=True, help="Characters in the longest n-gram.")
@click.option(
    "--prune",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="NATS",
    help="Leave out n-grams that are worth less than this over the whole text.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the network, e.g. cell=lstm."
)
def lm_train(
    texts: tuple[Path, ...], out: Path, kind: str, order: int, prune: float, settings: tuple[str, ...]
) -> None:
    """Learn a language from texts.

    A line of text is a line of writing; longer ones, as paragraphs are, are cut between words. Beside n-grams the words
    of the texts are kept, but in NAME.arpa: a word that is read is one of them with probability 0.7.

    The settings of a recurrent network are pieces (byte-pair pieces beside the characters), embedding, cell (gru,
    lstm, elman), activation, layers, hidden, dropout, minutes, epochs, batch, truncate, learning_rate, clip and seed.

    \b
    Examples:
      inkread lm train letters.txt --out letters.lm.safetensors
      inkread lm train books/*.txt --order 8 --prune 4 --out books.arpa
      inkread lm train letters.txt --kind rnn --set pieces=500 --set minutes=30 --out letters-rnn.lm.safetensors
    """
    from inkread.files import write_whole
    from inkread.language import fit, lines_of, read_text, to_arpa
    from inkread.model_file import LANGUAGE_SUFFIX, save_language_model

    if not out.name.endswith(LANGUAGE_SUFFIX) and not (kind == "ngram" and out.suffix == ".arpa"):
        raise click.UsageError(f"--out {out}: must end in {LANGUAGE_SUFFIX}{' or .arpa' * (kind == 'ngram')}")
    if settings and kind == "ngram":
        raise click.UsageError("--set is for a recurrent network: add --kind rnn")
    if kind == "rnn" and (given := [f"--{name}" for name in ("order", "prune") if _is_given(name)]):
        raise click.UsageError(f"{' and '.join(given)}: only for n-grams; leave out, or leave --kind rnn out")
    check_writable(out)
    lines = [line for path in texts for line in lines_of(read_text(path))]
    if not lines:
        raise BadInput(f"{', '.join(map(str, texts))}: no text to learn from; give files with lines of text")
    facts = {"trained_on": [path.name for path in texts], "characters": sum(map(len, lines))}
    if kind == "rnn":
        from inkread.rnnlm import RnnConfig, train

        config = RnnConfig().replace(dict(_name_and_value(setting) for setting in settings))
        with progress_bar("learning", 1000) as tick:
            recurrent = train(lines, config, lambda share, bits: tick(int(1000 * share), 1000))
        recurrent.facts = facts
        recurrent.save(out)
    else:
        ngrams = fit(lines, order, prune)
        ngrams.facts = facts
        if out.suffix == ".arpa":
            write_whole(out, to_arpa(ngrams).encode("utf-8"))
        else:
            save_language_model(out, ngrams)
    tell(f"wrote {out}: {out.stat().st_size / 1e6:.1f} MB from {facts['characters']:,} characters")


lm_argument = click.option(
    "--lm", default="english", show_default=True, metavar="NAME|FILE", help="A language model that ships, or a file."
)


@lm.command("score")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@lm_argument
@json_option
def lm_score(file: Path, lm: str, as_json: bool) -> None:
    """Tell how well a language model foresees a text.

    FILE may be - for standard input. Gives the log-probability (natural logarithm) of each line, then bits a character
    and the perplexity, which is 2 to their power: the model is as unsure as if each character were one of so many. Ends
    of lines count as characters.

    \b
    Examples:
      inkread lm score letter.txt
      inkread lm score lettre.txt --lm french --json
    """
    from inkread.language import lines_of, read_text
    from inkread.rnnlm import load

    lines = list(lines_of(read_text(file)))
    if not lines:
        raise BadInput(f"{file}: has no text to score")
    model = load(lm)
    scores = [model.score(line) for line in lines]
    bits = -sum(scores) / math.log(2) / sum(len(line) + 1 for line in lines)
    if as_json:
        rows = [{"text": line, "log_probability": round(score, 4)} for line, score in zip(lines, scores, strict=True)]
        figures = {"bits_per_character": round(bits, 4), "perplexity": round(2**bits, 4), "lines": rows}
        print_line(json.dumps({"file": str(file), "lm": lm, **figures}, ensure_ascii=False))
        return
    for line, score in zip(lines, scores, strict=True):
        print_line(f"{score:.2f}\t{line}")
    print_line(f"{bits:.3f} bits a character, perplexity {2**bits:.2f}, {len(lines)} lines")


@lm.command("sample")
@lm_argument
@click.option("--prompt", default="", help="How the text begins.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.8,
    show_default=True,
    help="Less keeps to what is likely, 0 to the likeliest; 1 is the model as it is.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random draws.")
@click.option("--length", type=click.IntRange(min=1), default=200, show_default=True, help="Characters in all.")
def lm_sample(lm: str, prompt: str, temperature: float, seed: int, length: int) -> None:
    """Write lines as a language model would.

    \b
    Examples:
      inkread lm sample
      inkread lm sample --lm french --prompt "Il était une" --temperature 0.5 --seed 3
    """
    from inkread.rnnlm import load

    if not math.isfinite(temperature):
        raise click.UsageError(f"--temperature {temperature}: must be a finite number")
    print_line(load(lm).sample(prompt, temperature, seed, length))


# ---- what the commands share


def _is_given(option: str) -> bool:
    """Whether the user gave this option of the running command, even with its default value."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


def _load(model: str | None, decoder: str | None, lm: str | None, words: Path | None) -> "Recognizers":
    if decoder == "greedy" and (words or lm not in (None, NO_LM)):
        raise click.UsageError("--decoder greedy takes no language model: leave one of them out")
    if words and lm == NO_LM:
        raise click.UsageError(f"--words goes with a language model: leave --lm {NO_LM} out")
    from inkread.language import read_words
    from inkread.recognizer import Recognizers

    gc.freeze()  # the collector need not look through all of torch with every line
    own = read_words(words) if words else ()
    return Recognizers(model or DEFAULT_MODEL, model or STROKE_MODEL, cast("Decoder | None", decoder), lm, own)


def _writings(name: str, data: bytes | None) -> "Pictures | list[Writing]":
    """The pages in a picture file, or the strokes of each line of its ink. Raises BadInput."""
    from inkread.ink import read_pictures
    from inkread.strokes import looks_like_ink, read_inks
    from inkread.trajectory import split_lines

    start = data
    if start is None:
        with suppress(OSError, ValueError), open(name, "rb") as file:  # reading it as a picture tells what is wrong
            start = file.read(1024)
    if not looks_like_ink(start or b""):
        return read_pictures(name, data)
    return [line for ink in read_inks(name, data, whole=True) for line in split_lines(ink.strokes)]


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
                    tell(f"{place}{which}: {_counted(len(sheet.regions), 'line')}")
                yield sheet
        except Exception as error:  # whatever is wrong with one file, the others are read
            _file_failed(failures, name, error)


def _sheets_of(name: str, page: bool | None, form: str, overlay: Path | None) -> Iterator["Sheet"]:
    from inkread.ink import read_pipe
    from inkread.reader import lay_out

    writings = _writings(name, read_pipe(name))
    count = len(writings)
    if count > 1 and form == "page":
        raise BadInput(f"{name}: {count} pages, but --format page takes one; take --format alto")
    for number, writing in enumerate(writings, start=1):
        if isinstance(writing, Sequence) and (form in DOCUMENTS or overlay):
            raise BadInput(f"{name}: pen strokes, not a page; leave --format and --overlay out")
        sheet = lay_out(name, number, count, writing, page)
        if overlay and not isinstance(writings, list):
            sheet = replace(sheet, picture=writings.in_colour(number - 1))
        yield sheet


def _sheet_failed(failures: dict[str, str], sheet: "Sheet", error: Exception) -> None:
    _file_failed(failures, sheet.name, error, f", page {sheet.number}" if sheet.count > 1 else "")


def _file_failed(failures: dict[str, str], name: str, error: Exception, place: str = "") -> None:
    """Report in one line that a file, or a page of it, cannot be read, and why."""
    where = one_line(f"{'<stdin>' if name == '-' else name}{place}")
    if isinstance(error, InkreadError):
        message = str(error) if str(error).startswith(where) else f"{where}: {error}"
    elif isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        message = f"{where}: not enough memory to read it; scale it down"
    else:
        message = f"{where}: cannot be read because of an error in inkread ({error!r}); please report it with the file"
    failures[name] = message
    click.echo(f"Error: {one_line(message)}", err=True)


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
        from inkread.reader import place_on_page

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
        from inkread.formats import as_dict

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
        from inkread.formats import as_alto, as_hocr, as_page, write_text

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
        from inkread.formats import draw_overlay, write_picture

        if self.overlay and sheet.picture is not None:
            several = f"-{sheet.number}" if sheet.count > 1 else ""
            path = self.overlay.with_stem(self.overlay.stem + several)
            write_picture(path, draw_overlay(sheet.picture, page))


def _counted(number: int, thing: str) -> str:
    """1, "line" -> "1 line"; 2, "line" -> "2 lines"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _name_and_value(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set {setting}: write NAME=VALUE")
    return name.strip(), value.strip()


def _usable(dataset: "Dataset") -> tuple["Sample", ...]:
    for reason in dataset.skipped:
        tell(f"left out: {reason}")
    _tell_notes(dataset)
    return dataset.samples


def _tell_notes(dataset: "Dataset") -> None:
    for note in dataset.notes:
        tell(f"note: {note}")


def _set_aside(samples: tuple["Sample", ...]) -> tuple[tuple["Sample", ...], tuple["Sample", ...]]:
    """(nine tenths, one tenth) of the lines; which, depends on their names alone. Of few lines, twice all of them."""
    from hashlib import sha256

    if len(samples) < 2:
        raise BadDataset("one line is too few to learn from; give more")
    if len(samples) < FEW_LINES:
        tell(f"no --dev, and {len(samples)} lines are few: all are learned, and the error rate is measured on them")
        return samples, samples
    order = sorted(samples, key=lambda sample: sha256(sample.id.encode()).digest())
    count = len(samples) // 10
    tell(f"no --dev: {count} of {len(samples)} lines are set aside for validation")
    return tuple(order[count:]), tuple(order[:count])


def _characters(samples: tuple["Sample", ...]) -> set[str]:
    return set().union(*(sample.text for sample in samples))


if __name__ == "__main__":
    main()
