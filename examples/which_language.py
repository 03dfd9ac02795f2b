#!/usr/bin/env python3
"""Many-to-one: a recurrent network reads a line character by character, and says at its end in which language it is.

It learns from lines of random words, drawn from the vocabularies of the included language models, in a few seconds.

python examples/which_language.py datasets/sample -o language.svg
"""

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import inkread
from inkread._files import write_atomic
from inkread.config import NetworkConfig
from inkread.lm.files import load_language_model
from inkread.model.rnn import DeepRNN
from inkread.plot import Axis, Curve, figure, plot_curves

LANGUAGES = ("english", "french")
BATCH, TEST_LINES, LEARNING_RATE = 32, 200, 1e-2
WORDS = (2, 8)  # words in a line, at least and less than
RNN = NetworkConfig(cell="gru", layers=1, hidden=32, bidirectional=False, dropout=0.0)


class Classifier(nn.Module):
    """p(language | the characters so far), at each step. The training only looks at the last step of a line."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 16)
        self.rnn = DeepRNN(RNN, 16)
        self.output = nn.Linear(self.rnn.outputs, len(LANGUAGES))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens (T, B), lengths (B,) -> log p (T, B, languages)."""
        states = self.rnn(self.embedding(tokens), lengths)  # (T, B, H)
        return functional.log_softmax(self.output(states), dim=2)


def make_lines(language: str, count: int, random: np.random.Generator) -> list[str]:
    """Lines of words of a language, drawn at random with the frequencies of its language model."""
    model = load_language_model(language)
    frequencies = model.word_counts / model.word_counts.sum()
    drawn = random.choice(np.array(model.words.split("\n")), (count, WORDS[1]), p=frequencies)
    return [" ".join(row[: random.integers(*WORDS)]) for row in drawn]


def encode(lines: list[str], characters: str) -> tuple[Tensor, Tensor]:
    """Lines -> tokens (T, B), 0 for an unknown character and for padding, and lengths (B,)."""
    rows = [torch.tensor([characters.find(character) + 1 for character in line]) for line in lines]
    return nn.utils.rnn.pad_sequence(rows), torch.tensor([len(row) for row in rows])


def last_step(log_p: Tensor, lengths: Tensor) -> Tensor:
    """log p (T, B, languages) -> that at the last step of each line (B, languages)."""
    return log_p[lengths - 1, torch.arange(len(lengths))]


def train(lines: list[str], languages: Tensor, characters: str, steps: int) -> Classifier:
    network = Classifier(len(characters) + 1)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for _ in range(steps):
        chosen = torch.randint(len(lines), (BATCH,))
        tokens, lengths = encode([lines[index] for index in chosen.tolist()], characters)
        loss = functional.nll_loss(last_step(network(tokens, lengths), lengths), languages[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


@click.command()
@click.argument("dataset")
@click.option("--steps", default=300, show_default=True, help="Steps of training.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The image to write, NAME.svg.")
def command(dataset: str, steps: int, out: Path) -> None:
    """Name the language of each line of a dataset, and plot how sure the network is after each character."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    count = steps * BATCH // len(LANGUAGES) + TEST_LINES
    lines = [line for language in LANGUAGES for line in make_lines(language, count, random)]
    languages = torch.arange(len(LANGUAGES)).repeat_interleave(count)
    is_test = torch.arange(len(lines)) % count < TEST_LINES
    characters = "".join(sorted(set("".join(lines))))
    training_lines = [line for line, held_out in zip(lines, is_test, strict=True) if not held_out]
    network = train(training_lines, languages[~is_test], characters, steps)

    with torch.inference_mode():
        test_lines = [line for line, held_out in zip(lines, is_test, strict=True) if held_out]
        tokens, lengths = encode(test_lines, characters)
        right = (last_step(network(tokens, lengths), lengths).argmax(1) == languages[is_test]).float().mean()
        click.echo(f"{right:.1%} of {len(test_lines)} other lines made in the same way are right")
        curves = {language: Curve(language, [], [], number) for number, language in enumerate(LANGUAGES)}
        drawn = []
        for sample in inkread.open_dataset(dataset).samples:
            p = network(*encode([sample.text], characters)).exp()[:, 0]  # (T, languages)
            best = int(p[-1].argmax())
            click.echo(f"{LANGUAGES[best]}\t{p[-1, best]:.2f}\t{sample.text}")
            drawn.append(Curve("", range(1, len(p) + 1), p[:, 1].tolist(), best))
    longest = max(len(curve.x) for curve in drawn)
    axes = Axis("characters read", low=1, high=longest), Axis("p(French | the characters read)", low=0, high=1)
    plot = plot_curves("One curve for each line", [*curves.values(), *drawn], *axes, width=760, height=300)
    write_atomic(out, figure([[plot]], "How sure the network is of the language after each character").encode())


if __name__ == "__main__":
    command()
