#!/usr/bin/env python3
"""One-to-many: a recurrent language model writes a line, one token after the other, and we look at its choices.

inkread lm train datasets/sample/*.gt.txt --kind rnn --set minutes=0.5 --out letters.lm.safetensors
python examples/sampling.py letters.lm.safetensors -o sampling.svg
"""

from pathlib import Path

import click
import numpy as np
import torch

from inkread._files import write_atomic
from inkread.lm.ngram import draw
from inkread.model.rnnlm import load_recurrent_model
from inkread.plot import Axis, figure, plot_heat_map

ROWS = 20  # tokens that are shown: those with the highest probability over all steps
PROBABILITY = Axis("probability", low=0, high=1)


@click.command()
@click.argument("model")
@click.option("--temperature", default=0.5, show_default=True, help="The lower, the likelier the text.")
@click.option("--length", default=60, show_default=True, help="Tokens to write at most.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(model: str, temperature: float, length: int, out: Path) -> None:
    """Sample a line from a recurrent language model; print it, and plot the probability of each next token."""
    loaded = load_recurrent_model(model)
    random, tokens = np.random.default_rng(0), loaded.tokenizer.tokens
    written: list[str] = []
    probabilities, states, token = [], None, 0  # token 0 is the end of a line, so also the start
    while len(written) < length:
        with torch.inference_mode():
            log_p, states = loaded.network(torch.tensor([[token]]), states)  # (1, 1, V)
        p = log_p[0, 0].exp().numpy()
        p[1] = 0  # an unknown character cannot be written
        probabilities.append(p)
        token = draw(p, temperature, random)
        if token == 0:
            break
        written.append(tokens[token])
    line, table = "".join(written), np.array(probabilities)  # (T, V)
    best = sorted(np.argsort(-table.sum(0))[:ROWS].tolist(), key=lambda token: tokens[token])
    rows = [(tokens[token].replace(" ", "␣").replace("</s>", "end"), table[:, token].tolist()) for token in best]
    plot = plot_heat_map(f"p(next token): {line}", rows, Axis("step t"), PROBABILITY, 1, 760, 16)
    write_atomic(out, figure([[plot]], f"Probabilities of the next token while writing: {line}").encode())
    click.echo(line)


if __name__ == "__main__":
    command()
