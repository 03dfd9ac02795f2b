#!/usr/bin/env python3
"""Plot several trainings next to each other, from the logs that `inkread train` writes.

python examples/trainings.py simple.log.jsonl deep.log.jsonl bidirectional.log.jsonl -o trainings.svg
"""

import json
from pathlib import Path

import click

from inkread._files import write_atomic
from inkread.plot import Axis, Curve, figure, plot_curves

PLOTS = (
    ("loss", Axis("nats per character", log=True)),
    ("norm", Axis("gradient norm, before clipping", log=True)),
)


@click.command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(logs: tuple[Path, ...], out: Path) -> None:
    """Plot the loss and the norm of the gradient at each evaluation of several trainings."""
    rows = {}
    for log in logs:
        rows[log.name.removesuffix(".log.jsonl")] = [json.loads(row) for row in log.read_text("utf-8").splitlines()]
    plots = []
    for name, axis in PLOTS:
        curves = [
            Curve(training, [row["epoch"] + 1 for row in own], [row[name] for row in own], number)
            for number, (training, own) in enumerate(rows.items())
        ]
        plots.append(plot_curves("", curves, Axis("epoch"), axis))
    write_atomic(out, figure([plots], "Loss and gradient norm of several trainings").encode())


if __name__ == "__main__":
    command()
