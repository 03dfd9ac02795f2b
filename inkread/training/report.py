"""The report of a training: one HTML file, made from report.html, that shows the training while it runs."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Self

from inkread import __version__
from inkread._files import check_writable, write_atomic
from inkread.plot import Axis, Curve, Plot, figure, plot_curves
from inkread.training.finetune import Plan
from inkread.training.loop import Progress
from inkread.training.resume import log_of

MAX_POINTS = 400  # of a curve: as many as can be told apart; beyond, neighbours are averaged
WRITE_SECONDS = 60.0  # the file is written so often, and at each evaluation
REFRESH_SECONDS = 10  # a browser loads the file again so often, while the training runs


@dataclass(frozen=True)
class Point:
    """The state of a training after a step, or the mean of several states."""

    minutes: float
    samples: float
    loss: float
    norm: float
    clipped: float
    learning_rate: float

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls(
            progress.minutes, progress.samples, progress.loss, progress.norm, progress.clipped, progress.learning_rate
        )

    @classmethod
    def mean(cls, points: Sequence[Self]) -> Self:
        return cls(*(sum(values) / len(points) for values in zip(*map(astuple, points), strict=True)))


@contextmanager
def training_report(path: Path, plan: Plan, resume: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Yield a function to be called with the progress after each step; it keeps the report in the file up to date.

    With `resume`, the report begins with what the log of the training has recorded. A training that fails before its
    first step does not touch the file, as it may be the report of another one. Raises CannotWrite.
    """
    check_writable(path)
    report = TrainingReport(path, plan)
    if resume:
        report.read_log()
    try:
        yield report.add
    finally:
        if report.last:
            report.write(report.last, running=False)


class TrainingReport:
    """What has been recorded of a training, and the file that shows it."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self.points: list[Point] = []
        self.steps: list[Point] = []  # the last steps, which are not yet in `points`
        self.steps_per_point = 1
        self.evaluations: list[Progress] = []
        self.last: Progress | None = None  # since the program was started
        self.written = -math.inf  # when the file was last written, by time.monotonic

    def read_log(self) -> None:
        """Take over the evaluations of a log. Lines that are damaged, or by an older version, are left out."""
        log = log_of(self.plan.out)
        for row in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
            with suppress(ValueError, TypeError):  # not JSON, or other fields
                self.evaluations.append(Progress(**json.loads(row)))
                self.points.append(Point.of(self.evaluations[-1]))

    def add(self, progress: Progress) -> None:
        """Record a step, and write the file if it is time."""
        self.last = progress
        self.steps.append(Point.of(progress))
        if len(self.steps) >= self.steps_per_point:
            self.points.append(Point.mean(self.steps))
            self.steps = []
        if len(self.points) >= 2 * MAX_POINTS:
            pairs = (self.points[first : first + 2] for first in range(0, len(self.points), 2))
            self.points = [Point.mean(pair) for pair in pairs]
            self.steps_per_point *= 2
        if progress.cer is not None:
            self.evaluations.append(progress)
        if progress.cer is not None or time.monotonic() - self.written > WRITE_SECONDS:
            self.write(progress, running=True)

    def write(self, last: Progress, running: bool) -> None:
        """Write the file with the progress of the last step, completely or not at all. Raises CannotWrite."""
        template = Template(files("inkread.training").joinpath("report.html").read_text(encoding="utf-8"))
        state = "Running" if running else "Finished" if last.share >= 1 else "Stopped"
        page = template.substitute(
            title=escape(f"Training of {self.plan.out.name}"),
            refresh=f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if running else "",
            state=f"{state}, {time.strftime('%Y-%m-%d %H:%M:%S')}",
            figures=self._figures(last),
            plots="\n".join(f"<section>{figure([[plot]], name)}</section>" for name, plot in self._plots().items()),
            settings=escape("\n".join(self.plan.describe())),
            version=escape(__version__),
        )
        write_atomic(self.path, page.encode("utf-8", "replace"))  # names of files that are not UTF-8 have surrogates
        self.written = time.monotonic()

    def _figures(self, last: Progress) -> str:
        """The most important numbers, one tile for each."""
        best = f"{100 * (self.evaluations[-1].best or 0):.2f} %" if self.evaluations else "–"
        kind = "training" if self.plan.validates_on_training_lines else "validation"
        limit = f"to the norm τ = {self.plan.training.clip:g}" if self.plan.training.clip else "clipping is off"
        return "\n".join(
            (
                _tile("Lowest error rate (CER)", best, f"of the {kind} lines, without a language model"),
                _tile("Loss", f"{last.loss:.3f}", "nats per character, moving average"),
                _tile("Done", f"{last.share:.0%}", f"{last.step:,} steps, epoch {last.epoch + 1}, {_time(last)}"),
                _tile("Gradients clipped", f"{last.scaled:.0%}", f"of the last steps, {limit}"),
                _tile("Lines per second", f"{last.lines_per_second:.1f}", f"{last.samples:,} lines in all"),
            )
        )

    def _plots(self) -> dict[str, Plot]:
        """The plots by their descriptions."""
        points = [*self.points, *([Point.mean(self.steps)] if self.steps else [])]
        unit, factor = _unit(points[-1].minutes)
        x = [factor * point.minutes for point in points]
        time_axis = Axis(unit, low=0, high=x[-1])
        evaluated = [factor * row.minutes for row in self.evaluations]
        cer = Curve("", evaluated, [100 * (row.cer or 0) for row in self.evaluations], 0, dots=True)
        norms = [
            Curve("before clipping", x, [point.norm for point in points], 1),
            Curve("after", x, [point.clipped for point in points], 0),
        ]
        if self.plan.training.clip:
            norms.append(Curve("threshold τ", [0, x[-1]], [self.plan.training.clip] * 2, 3, dashed=True))
        rate = Curve("", x, [point.learning_rate for point in points], 2)
        seconds = [60 * (after.minutes - before.minutes) for before, after in pairwise(points)]
        lines = [after.samples - before.samples for before, after in pairwise(points)]
        speed = [count / duration if duration > 0 else math.nan for count, duration in zip(lines, seconds, strict=True)]
        loss = Curve("", x, [point.loss for point in points], 0)
        return {
            "Loss over time": plot_curves("Loss", [loss], time_axis, Axis("nats per character", log=True)),
            "Error rate over time": plot_curves("Error rate", [cer], time_axis, Axis("CER in %", low=0)),
            "Gradient norm over time": plot_curves("Gradient norm", norms, time_axis, Axis("norm", log=True)),
            "Learning rate over time": plot_curves("Learning rate", [rate], time_axis, Axis("learning rate", low=0)),
            "Throughput over time": plot_curves(
                "Throughput, with evaluations", [Curve("", x[1:], speed, 2)], time_axis, Axis("lines per second", low=0)
            ),
        }


def _tile(name: str, value: str, note: str) -> str:
    return f'<div class="tile"><dt>{name}</dt><dd><strong>{value}</strong><small>{note}</small></dd></div>'


def _unit(minutes: float) -> tuple[str, float]:
    """The unit of time that suits a duration, and how many of it are a minute."""
    if minutes < 3:
        return "seconds", 60.0
    return ("minutes", 1.0) if minutes < 180 else ("hours", 1 / 60)


def _time(progress: Progress) -> str:
    unit, factor = _unit(progress.minutes)
    return f"{factor * progress.minutes:.1f} {unit}"
