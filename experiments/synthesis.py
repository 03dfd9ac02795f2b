"""Train the model that writes, from the pen strokes of UNIPEN's training writers, on a CPU or a GPU.

    python experiments/synthesis.py prepare work/unipen-strokes:train work/synthesis.npz
    python experiments/synthesis.py train work/synthesis.npz models/english.synth.safetensors --minutes 120

`make synthesis` does both. A training that was stopped goes on from its checkpoint, also on another kind of device. It
prints a line per evaluation: -log p per point, in nats, of the lines it is trained on and of others. Short lines first:
start with --longest 200, and give the same training more minutes and --longest 450 for its second half.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.cli.display import progress_bar
from inkread.data import open_dataset
from inkread.synth.synthesizer import SynthesisConfig
from inkread.training.synthesis import (
    Progress,
    SynthesisTraining,
    load_lines,
    prepare,
    save_lines,
    train,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the model that writes.")
    commands = parser.add_subparsers(dest="command", required=True)
    preparation = commands.add_parser("prepare", help="simplify the strokes of a dataset")
    preparation.add_argument("dataset")
    preparation.add_argument("lines", type=Path)
    training = commands.add_parser("train", help="train, or go on with a training")
    training.add_argument("lines", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--minutes", type=float, default=120)
    training.add_argument("--longest", type=int, default=450, help="points of a line; longer ones are left out")
    training.add_argument("--points", type=int, default=8000, help="points per step; several times more for a GPU")
    training.add_argument("--hidden", type=int, default=256)
    training.add_argument("--layers", type=int, default=2)
    training.add_argument("--evaluate", type=int, default=200, help="steps from one evaluation to the next")
    training.add_argument("--learning-rate", type=float, default=3e-3)
    training.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    training.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    if options.command == "prepare":
        samples = open_dataset(options.dataset).samples
        with progress_bar("preparing", len(samples)) as tick:
            lines = prepare(samples, tick)
        save_lines(options.lines, lines)
        print(f"{len(lines)} of {len(samples)} lines")
        return
    torch.set_num_threads(options.threads)
    lines = [line for line in load_lines(options.lines) if len(line.offsets) <= options.longest]
    settings = SynthesisTraining(
        minutes=options.minutes,
        points=options.points,
        evaluate=options.evaluate,
        learning_rate=options.learning_rate,
    )
    config = SynthesisConfig(layers=options.layers, hidden=options.hidden)
    began = time.monotonic()

    def report(now: Progress) -> None:
        print(
            f"{time.monotonic() - began:6.0f} s  {100 * now.share:3.0f} %  step {now.step}  "
            f"{now.loss:.3f}, others {now.held_out:.3f} nats per point, gradient {now.norm:.2f}",
            flush=True,
        )

    train(lines, config, settings, options.out, torch.device(options.device), report)


if __name__ == "__main__":
    main()
