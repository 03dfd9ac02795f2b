#!/usr/bin/env python3
"""Plot the eight activations θ and their slopes θ', which decide whether gradients vanish.

python examples/activations.py -o activations.svg
"""

from pathlib import Path
from typing import get_args

import click
import torch

from inkread._files import write_atomic
from inkread.config import Activation
from inkread.model.rnn import make_activation
from inkread.plot import Axis, Curve, Plot, figure, plot_curves

HIGHEST = 2  # value that is shown
X, Y = Axis("z", low=-4, high=4), Axis("", low=-1, high=HIGHEST)


def plot(name: Activation) -> Plot:
    """θ(z), and θ'(z) by automatic differentiation."""
    z = torch.linspace(-4, 4, 129, dtype=torch.float64, requires_grad=True)
    theta = make_activation(name).double()(z)
    (slope,) = torch.autograd.grad(theta.sum(), z)
    shown = theta.where(theta <= HIGHEST, torch.nan)
    curves = [Curve("θ", z.tolist(), shown.tolist(), 0), Curve("θ'", z.tolist(), slope.tolist(), 1, dashed=True)]
    return plot_curves(name, curves, X, Y, width=250, height=200)


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(out: Path) -> None:
    """Plot the eight activations and their slopes."""
    plots = [plot(name) for name in get_args(Activation)]
    write_atomic(out, figure([plots[:4], plots[4:]], "Eight activations and their slopes").encode())


if __name__ == "__main__":
    command()
