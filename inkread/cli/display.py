"""What the commands show: texts on stdout, all else on stderr, and on a terminal how far they are."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._names import one_line
from inkread.errors import CannotWrite, InkreadError

if TYPE_CHECKING:
    from inkread.data.dataset import Dataset
    from inkread.train.loop import Progress


def write_utf8() -> None:
    """Let stdout be UTF-8 whatever the locale, when it is redirected; on a terminal what it cannot show is escaped.

    So are bytes of file names that are not UTF-8, as \\udce9, which is valid JSON and names the same file there.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def print_line(text: str) -> None:
    """A line on stdout, at once; a full disk there is an error like any other."""
    try:
        click.echo(text)
    except OSError as error:
        # What is still to be written goes nowhere, or Python complains when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as in `inkread predict ... | head`
            sys.exit(1)
        raise CannotWrite(f"<stdout>: cannot be written ({error.strerror}); free some space") from error


def note(text: str) -> None:
    """A line on stderr; of several processes that train together, only the first talks."""
    if _is_first():
        click.echo(text, err=True)


def file_failed(failures: dict[str, str], name: str, error: Exception, place: str = "") -> None:
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


def print_notes(dataset: "Dataset") -> None:
    for text in dataset.notes:
        note(f"note: {text}")


def counted(number: int, thing: str) -> str:
    """1, "line" -> "1 line"; 2, "line" -> "2 lines"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _is_first() -> bool:
    """Is this the first of the processes that train together, or the only one?"""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr once a second has passed; none when stderr is no terminal."""
    if not sys.stderr.isatty() or total < 2:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # With stdout redirected, rich would print on stderr what belongs into the user's file.
    bar = Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=total)

    def tick(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if time.monotonic() - began > 1:
            bar.start()

    try:
        yield tick
    finally:
        bar.stop()


@contextmanager
def training_display(out: Path) -> Iterator[tuple[Callable[["Progress"], None], Callable[[int, int], None]]]:
    """What `train` shows: on a terminal a bar and a table that live, else a line at each check."""
    if not (sys.stderr.isatty() and _is_first()):
        yield (
            (lambda progress: note(_as_line(progress)) if progress.cer is not None else None),
            lambda done, total: None,
        )
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    history: list[Progress] = []
    last = 0.0

    def picture(progress: "Progress") -> Group:
        left = progress.minutes * (1 / max(progress.share, 1e-3) - 1)
        head = Text.assemble(
            (f"{out.name}  ", "bold"),
            f"epoch {progress.epoch + 1}  {progress.lines_per_second:.1f} lines/s  ",
            (f"{_duration(left)} left", "cyan"),
        )
        now = Table.grid(padding=(0, 3))
        now.add_row("loss", "gradient norm", "steps scaled", "learning rate", "best CER", style="dim")
        best = "" if progress.best is None else f"{100 * progress.best:.2f} %"
        now.add_row(
            f"{progress.loss:.3f}",
            f"{progress.norm:.2f}",
            f"{progress.scaled:.0%}",
            f"{progress.learning_rate:.1e}",
            best,
        )
        checks = Table("minutes", "epoch", "loss", "CER", box=None, header_style="dim", padding=(0, 3, 0, 0))
        for row in history[-12:]:
            checks.add_row(f"{row.minutes:.1f}", str(row.epoch + 1), f"{row.loss:.3f}", f"{100 * (row.cer or 0):.2f} %")
        bar = Padding(ProgressBar(100, 100 * progress.share), 0)  # a bar alone does not end its line
        return Group(head, bar, now, checks)

    with Live(console=Console(stderr=True), auto_refresh=False) as live:

        def report(progress: "Progress") -> None:
            nonlocal last
            if progress.cer is not None:
                history.append(progress)
            if progress.cer is not None or time.monotonic() - last > 0.5:
                last = time.monotonic()
                live.update(picture(progress), refresh=True)

        def loading(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last > 0.2:
                last = time.monotonic()
                live.update(Text(f"preparing lines: {done} of {total}"), refresh=True)

        yield report, loading


def _as_line(progress: "Progress") -> str:
    return (
        f"{progress.minutes:.1f} min ({progress.share:.0%})  epoch {progress.epoch + 1}  loss {progress.loss:.3f}  "
        f"CER {100 * (progress.cer or 0):.2f} %  best {100 * (progress.best or 0):.2f} %  norm {progress.norm:.2f}  "
        f"scaled {progress.scaled:.0%}  {progress.lines_per_second:.1f} lines/s"
    )


def _duration(minutes: float) -> str:
    """90.5 -> "1 h 30 min"."""
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min" if rest else f"{round(60 * minutes)} s"
