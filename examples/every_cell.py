#!/usr/bin/env python3
"""Train a small network with every cell (Elman with each activation, GRU, LSTM), and plot its gradients.

inkread predict --json datasets/sample/*.png > aligned.jsonl
python examples/every_cell.py aligned.jsonl -o every_cell.svg
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import click

import inkread
from inkread._files import write_atomic
from inkread.config import Activation
from inkread.training.gradients import choose_lines, draw_flows, flows_of_model

SETTINGS = {"layers": 1, "hidden": 64, "batch": 4, "loss": "frames", "evaluations": 1, "precision": "float32"}


@click.command()
@click.argument("dataset")
@click.option("--epochs", default=40, show_default=True, help="Passes over the lines in each training.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(dataset: str, epochs: int, out: Path) -> None:
    """Train on lines with an alignment, and print how well each network reads them then."""
    os.environ.setdefault("WORLD_SIZE", "1")  # for so few lines, starting a second process takes longer than it saves
    lines = choose_lines(inkread.open_dataset(dataset).samples)
    cells = [(name, {"cell": "elman", "activation": name}) for name in get_args(Activation)]
    cells += [(name, {"cell": name}) for name in ("gru", "lstm")]
    flows = []
    with TemporaryDirectory() as folder:
        for name, cell in cells:
            model = Path(folder) / f"{name}.safetensors"
            result = inkread.train(dataset, model, preset="elman", epochs=epochs, settings={**SETTINGS, **cell})
            own = flows_of_model(str(model), lines)
            flows += own
            click.echo(f"CER {result.cer:6.1%}\t{own[-1].describe()}")
    write_atomic(out, draw_flows(flows).encode())


if __name__ == "__main__":
    command()
