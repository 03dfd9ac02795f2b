"""What the commands print: results on stdout, everything else on stderr, and on a terminal the progress."""

import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from inkread._files import cannot_write
from inkread._names import one_line
from inkread.cli.exit_codes import NOT_WRITABLE
from inkread.errors import CannotWrite, InkreadError, explain_failure

if TYPE_CHECKING:
    from rich.console import Group

    from inkread.data import Dataset
    from inkread.training.loop import Progress

UPDATE_SECONDS = 0.5  # a training at a terminal is shown anew so often
MAX_WIDTH = 10_000  # characters of a line in a table that goes into a file
SPEED_SECONDS = 600.0  # over which the remaining time is estimated: some documents take minutes
SHOWN_EVALUATIONS = 12  # the last ones, so that they fit on a screen


def write_utf8() -> None:
    """Write UTF-8 to stdout when it is redirected, whatever the locale. On a terminal, escape what it cannot show.

    Bytes of file names that are not UTF-8 are escaped too, for example as \\udce9. This is valid JSON, where it names
    the same file.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def print_line(text: str) -> None:
    """Print a line on stdout at once. Raises CannotWrite, for example if the disk is full."""
    with _writing_to_stdout():
        click.echo(text)


def print_bytes(data: bytes) -> None:
    """Write bytes to stdout at once, as they are. Raises CannotWrite as `print_line` does."""
    with _writing_to_stdout():
        click.echo(data, nl=False)


@contextmanager
def _writing_to_stdout() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Discard what is still buffered, or Python reports a second error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the other end was closed, as in `inkread predict ... | head`
            sys.exit(NOT_WRITABLE)
        raise CannotWrite(f"cannot be written ({error.strerror})", path="<stdout>", hint="free some space") from error


def note(text: str) -> None:
    """Print a line on stderr. If several processes train together, only the first one prints."""
    if is_first_process():
        click.echo(one_line(text), err=True)


def is_first_process() -> bool:
    """Is this the first of the processes that torchrun started, or the only process?"""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Print what the library logs, from level INFO upwards, as lines on stderr."""
    logger = logging.getLogger("inkread")
    handler, level = _NoteHandler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def log_warnings_only() -> None:
    """From now on, leave out what is usual, such as the number of lines on a page, unless the user wants --verbose."""
    logger = logging.getLogger("inkread")
    if logger.level == logging.INFO:
        logger.setLevel(logging.WARNING)


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


def file_failed(failures: dict[str, str], name: str, error: Exception, place: str = "") -> None:
    """Report in one line on stderr why a file, or a page of it, cannot be read, and keep the message in `failures`."""
    failures[name] = str(explain_failure(error, f"{'<stdin>' if name == '-' else name}{place}"))
    click.echo(f"Error: {failures[name]}", err=True)


def print_failures(failures: dict[str, InkreadError]) -> None:
    """Print a table on stderr: which documents could not be read or written, and why."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("not read or not written", "reason", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, error in failures.items():
        elsewhere = f"{error.path}: " if error.path and not error.path.startswith(name) else ""  # an output
        reason = f"{elsewhere}{error.problem}{f'; {error.hint}' if error.hint else ''}"
        table.add_row(Text(one_line(name)), Text(one_line(reason)))
    width = None if sys.stderr.isatty() else MAX_WIDTH
    Console(stderr=True, width=width).print(table)


@contextmanager
def open_report(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a line into a file at once, so that it is there if the command is killed.

    Without a path, it does nothing. Raises CannotWrite.
    """
    if path is None:
        yield lambda line: None
        return
    try:
        file = open(path, "wb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise cannot_write(path, error) from error

    def write(line: str) -> None:
        try:
            file.write(f"{line}\n".encode())
        except OSError as error:
            raise cannot_write(path, error) from error

    with file:
        yield write


def print_notes(dataset: "Dataset") -> None:
    """Print what looks wrong in a dataset, on stderr."""
    for text in dataset.notes:
        note(f"note: {text}")


def counted(number: int, thing: str) -> str:
    """1, "line" -> "1 line"; 2, "line" -> "2 lines"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


class Tick(Protocol):
    """Shows that so many of all things are done, and that there were some of what the speed is measured in."""

    def __call__(self, done: int, total: int, units: int = 0) -> None: ...


@contextmanager
def progress_bar(what: str, total: int, unit: str = "") -> Iterator[Tick]:
    """Yield a function: a progress bar on stderr, after one second and only on a terminal.

    With a `unit` such as "pages", it also shows how many of them there are per minute.
    """
    if not sys.stderr.isatty() or total < 2:
        yield lambda done, total, units=0: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # By default rich would print on stderr what belongs to stdout.
    console = Console(stderr=True)
    bar = Bar(*columns, console=console, transient=True, redirect_stdout=False, speed_estimate_period=SPEED_SECONDS)
    task = bar.add_task(what, total=total)
    number = 0

    def tick(done: int, total: int, units: int = 0) -> None:
        nonlocal number
        number += units
        speed = f", {60 * number / (time.monotonic() - began):.0f} {unit} per minute" if number else ""
        bar.update(task, description=what + speed, completed=done, total=total)
        if time.monotonic() - began > 1:
            bar.start()

    try:
        yield tick
    finally:
        bar.stop()


@contextmanager
def training_display(out: Path) -> Iterator[tuple[Callable[["Progress"], None], Callable[[int, int], None]]]:
    """Yield what shows a training: `report(progress)` and, while lines are prepared, `loading(done, total)`.

    On a terminal this is a table that is updated in place; otherwise a line for each evaluation.
    """
    if not (sys.stderr.isatty() and is_first_process()):
        yield _print_evaluation, lambda done, total: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    evaluated: list[Progress] = []
    last = 0.0  # time of the last update, in seconds

    with Live(console=Console(stderr=True), auto_refresh=False) as live:

        def report(progress: "Progress") -> None:
            nonlocal last
            if progress.cer is not None:
                evaluated.append(progress)
            if progress.cer is not None or time.monotonic() - last > UPDATE_SECONDS:
                last = time.monotonic()
                live.update(_training_table(out.name, progress, evaluated), refresh=True)

        def loading(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last > UPDATE_SECONDS:
                last = time.monotonic()
                live.update(Text(f"preparing lines: {done} of {total}"), refresh=True)

        yield report, loading


def _training_table(name: str, progress: "Progress", evaluated: list["Progress"]) -> "Group":
    """The state of a training, and its last evaluations."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left = progress.minutes * (1 / max(progress.share, 1e-3) - 1)
    head = Text.assemble(
        (f"{name}  ", "bold"),
        f"epoch {progress.epoch + 1}  {progress.lines_per_second:.1f} lines/s  ",
        (f"{_duration(left)} left", "cyan"),
    )
    now = Table.grid(padding=(0, 3))
    now.add_row("loss", "gradient norm", "steps scaled", "learning rate", "best CER", style="dim")
    now.add_row(
        f"{progress.loss:.3f}",
        f"{progress.norm:.2f}",
        f"{progress.scaled:.0%}",
        f"{progress.learning_rate:.1e}",
        "" if progress.best is None else f"{100 * progress.best:.2f} %",
    )
    evaluations = Table("minutes", "epoch", "loss", "CER", box=None, header_style="dim", padding=(0, 3, 0, 0))
    for row in evaluated[-SHOWN_EVALUATIONS:]:
        evaluations.add_row(
            f"{row.minutes:.1f}", str(row.epoch + 1), f"{row.loss:.3f}", f"{100 * (row.cer or 0):.2f} %"
        )
    bar = Padding(ProgressBar(100, 100 * progress.share), 0)  # a bar alone does not end its line
    return Group(head, bar, now, evaluations)


def _print_evaluation(progress: "Progress") -> None:
    if progress.cer is not None:
        note(_as_line(progress))


def _as_line(progress: "Progress") -> str:
    """The result of an evaluation on one line."""
    return (
        f"{progress.minutes:.1f} min ({progress.share:.0%})  epoch {progress.epoch + 1}  loss {progress.loss:.3f}  "
        f"CER {100 * (progress.cer or 0):.2f} %  best {100 * (progress.best or 0):.2f} %  "
        f"gradient norm {progress.norm:.2f}, clipped {progress.clipped:.2f} ({progress.scaled:.0%} of steps)  "
        f"{progress.lines_per_second:.1f} lines/s, {progress.waiting:.0%} waiting for lines"
    )


def _duration(minutes: float) -> str:
    """90.5 -> "1 h 30 min"."""
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min" if rest else f"{round(60 * minutes)} s"
