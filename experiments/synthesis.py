"""Train the model that writes, from the pen strokes of UNIPEN's training writers, on a CPU or a GPU.

    python experiments/synthesis.py prepare work/unipen-strokes:train work/synthesis.npz
    python experiments/synthesis.py train work/synthesis.npz models/english.synth.safetensors --minutes 120
    python experiments/synthesis.py finish models/english.synth.safetensors work/synthesis.npz

`make synthesis` does all three. The last one adds to the model what `--like` needs: some words each of six of the
writers, which the recogniser `strokes` reads without an error, and with the greatest confidence.
A training that was stopped goes on from its checkpoint, also on another kind of device. It
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
from inkread.config import STROKE_MODEL
from inkread.data import open_dataset
from inkread.model.recognizer import Recognizer
from inkread.synth.offsets import to_strokes
from inkread.synth.synthesizer import Primer, SynthesisConfig, load_synthesizer
from inkread.training.synthesis import (
    Progress,
    SynthesisTraining,
    load_lines,
    prepare,
    save_lines,
    train,
)

WRITERS = 6  # whose ink is in the model
PRIMER_LENGTH = (14, 26)  # characters of that ink
CANDIDATES = 400  # lines among which it is chosen


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
    finishing = commands.add_parser("finish", help="add the ink of some writers, and the facts of the model card")
    finishing.add_argument("model", type=Path)
    finishing.add_argument("lines", type=Path)
    options = parser.parse_args()
    if options.command == "prepare":
        samples = open_dataset(options.dataset).samples
        with progress_bar("preparing", len(samples)) as tick:
            lines = prepare(samples, tick)
        save_lines(options.lines, lines)
        print(f"{len(lines)} of {len(samples)} lines")
        return
    if options.command == "finish":
        finish(options.model, options.lines)
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


def finish(path: Path, prepared: Path) -> None:
    """Add primers and facts to a trained model."""
    synthesizer, recognizer = load_synthesizer(str(path)), Recognizer.load(STROKE_MODEL, lm="none")
    primers: list[tuple[float, Primer]] = []
    low, high = PRIMER_LENGTH
    lines = [line for line in load_lines(prepared) if low <= len(line.text) <= high and line.text[0].isupper()]
    lines = [line for line in lines if line.text[1:].islower() and " " in line.text][:CANDIDATES]
    for line, reading in zip(lines, recognizer.read_many(to_strokes(line.offsets) for line in lines), strict=True):
        if reading.text == line.text:
            primers.append((reading.confidence, Primer(line.text, line.offsets)))
    primers.sort(key=lambda pair: pair[0])  # of each text, the most certain one is kept, which comes last
    by_text = {primer.text: primer for _, primer in primers}
    best = list(by_text.values())[-WRITERS:]
    synthesizer.primers = {f"writer-{number}": primer for number, primer in enumerate(best, 1)}
    synthesizer.facts = {
        "writes": "lines in English, as pen strokes",
        "licence": "MIT",
        "trained_on": ["UNIPEN train_r01_v07, training writers, CC BY 4.0, UNIPEN consortium"],
        "not_for": "imitating signatures or the letters of others",
    }
    synthesizer.save(path)
    for name, primer in synthesizer.primers.items():
        print(f"{name}\t{primer.text}")


if __name__ == "__main__":
    main()
