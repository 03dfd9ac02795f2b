#!/usr/bin/env python3
"""Plot the hidden states of a layer that reads a line in both directions, and how it forgets its initial state h_0.

python examples/states.py datasets/sample/04-ruled.png -o states.svg
"""

from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inkread._files import write_atomic
from inkread.config import NetworkConfig
from inkread.features.extract import columns_of, extract, feature_size, normalize
from inkread.model.rnn import Elman, Layer
from inkread.plot import Axis, Curve, Plot, figure, plot_curves, plot_heat_map

CELLS = 6  # that are shown
CONFIG = NetworkConfig(features="pixels", cell="elman", activation="tanh", layers=1, hidden=64, dropout=0.0)
VALUE = Axis("value of a cell", low=-1, high=1)


def features_of(image: str) -> Tensor:
    """The pixels of a line as a sequence x (T, 1, F) with one vector per step."""
    columns = columns_of(normalize(np.asarray(Image.open(image).convert("L")), CONFIG))  # (height, W)
    return torch.from_numpy(extract(columns, CONFIG)).double().unsqueeze(1)


def draw(name: str, states: Tensor) -> Plot:
    """The first cells of the states h_1..h_T (T, H)."""
    rows = [(f"cell {cell + 1}", states[:, cell].tolist()) for cell in range(CELLS)]
    return plot_heat_map(name, rows, Axis("step t"), VALUE, start=1, width=400, row_height=30)


def forgetting(cell: Elman, x: Tensor) -> list[float]:
    """|h_t - h'_t| for t = 1..T, where h begins with h_0 = 0 and h' with random numbers."""
    from_zero, _ = cell(x)
    from_noise, _ = cell(x, torch.randn(1, 1, CONFIG.hidden, dtype=x.dtype).tanh())
    return [float(norm) for norm in (from_zero - from_noise).norm(dim=(1, 2))]


@click.command()
@click.argument("image")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(image: str, out: Path) -> None:
    """Plot the hidden states of an untrained layer for an image of a line."""
    torch.manual_seed(0)
    layer = Layer(CONFIG, feature_size(CONFIG)).double()
    with torch.no_grad():
        x = features_of(image)
        states = layer(x, torch.tensor([len(x)]))[:, 0]  # (T, 2 H): h_t forwards, h_t backwards
        assert isinstance(layer.forwards, Elman) and isinstance(layer.backwards, Elman)
        curves = [
            Curve("from the start", range(1, len(x) + 1), forgetting(layer.forwards, x), 0),
            Curve("from the end", range(len(x), 0, -1), forgetting(layer.backwards, x.flip(0)), 1),
        ]
    forwards, backwards = states.chunk(2, dim=1)
    maps = [draw("h_t, read from the start", forwards), draw("h_t, read from the end", backwards)]
    step = Axis("step t", low=1, high=len(x))
    distance = plot_curves(
        "Forgetting h_0", curves, step, Axis("|h_t − h′_t|", log=True, low=1e-10, high=100), 400, 264
    )
    write_atomic(out, figure([[*maps, distance]], "Hidden states of a layer").encode())


if __name__ == "__main__":
    command()
