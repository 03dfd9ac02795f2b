#!/usr/bin/env python3
"""Many-to-many: plot the probability of each character at each step of a line.

python examples/steps.py latin datasets/sample/04-ruled.png -o steps.svg
"""

from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from inkread._files import write_atomic
from inkread.alphabet import BLANK
from inkread.features.extract import columns_of, extract, normalize
from inkread.model.checkpoint import load_model
from inkread.model.decoder import greedy
from inkread.model.network import pad
from inkread.plot import Axis, figure, plot_heat_map

ROWS = 24  # characters that are shown at most
PROBABILITY = Axis("probability", low=0, high=1)


@click.command()
@click.argument("model")
@click.argument("image")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(model: str, image: str, out: Path) -> None:
    """Plot what a model sees at each step of an image of a line, and print what greedy decoding makes of it."""
    loaded = load_model(model)
    line = extract(
        columns_of(normalize(np.asarray(Image.open(image).convert("L")), loaded.config)), loaded.config
    )  # (T0, F)
    with torch.inference_mode():
        log_probs, _ = loaded.network().for_reading()(*pad([line]))  # (T, 1, C)
    read = [found.label for found in greedy(log_probs[:, 0].numpy())]
    text = loaded.alphabet.decode(read)
    rows = [("(blank)", BLANK)] + [(loaded.alphabet.decode([label]), label) for label in dict.fromkeys(read)]
    p = log_probs[:, 0].exp()  # (T, C)
    values = [(name.replace(" ", "␣"), p[:, label].tolist()) for name, label in rows[:ROWS]]
    plot = plot_heat_map(f"{loaded_name(model)}: {text}", values, Axis("step t"), PROBABILITY, 1, 760, 16)
    write_atomic(out, figure([[plot]], f"Probabilities of the characters at each step: {text}").encode())
    click.echo(text)


def loaded_name(model: str) -> str:
    return Path(model).name.removesuffix(".safetensors")


if __name__ == "__main__":
    command()
