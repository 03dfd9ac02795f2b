"""Measure a model on some datasets, and write the figures into its file for `inkread models` to tell.

    python benchmarks/describe.py models/latin.safetensors --reads "English and French, modern hands" --licence MIT \\
        --on "IAM va1=iam-lines:va1" --on "Copiste, unseen writers=copiste:dev"

Prints the rows of the table on the model's card; greedy, whatever the language model.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from inkread.data import open_dataset
from inkread.evaluation.lines import evaluate
from inkread.model.checkpoint import Model, load_model, save_model
from inkread.model.recognizer import Recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--reads", required=True, help="what it reads, in a few words")
    parser.add_argument("--licence", required=True)
    parser.add_argument("--lm", help="the language models it reads along with unless told otherwise")
    parser.add_argument("--on", action="append", default=[], metavar="NAME=DATASET", help="a dataset to measure it on")
    arguments = parser.parse_args()

    model = load_model(str(arguments.model))
    recognizer = Recognizer(model)
    errors = []
    for name, _, spec in (item.rpartition("=") for item in arguments.on):
        evaluation = evaluate(recognizer, open_dataset(spec))
        low, high = evaluation.cer_interval
        errors.append(
            {
                "on": name,
                "lines": len(evaluation.lines),
                "writers": evaluation.writers,
                "cer": round(evaluation.cer, 6),
                "cer_interval": [round(low, 6), round(high, 6)],
                "wer": round(evaluation.wer, 6),
            }
        )
        print(
            f"| {name} | {len(evaluation.lines)} | {evaluation.writers or ''} | {100 * evaluation.cer:.1f} % "
            f"({100 * low:.1f}-{100 * high:.1f}) | {100 * evaluation.wer:.1f} % |"
        )
        print(f"{evaluation.lines_per_second:.1f} lines a second", file=sys.stderr)
    along = {"lm": arguments.lm} if arguments.lm else {}
    facts = {**model.facts, **along, "reads": arguments.reads, "licence": arguments.licence, "errors": errors}
    save_model(arguments.model, Model(model.config, model.alphabet, model.weights, facts))
    print(f"sha256 {hashlib.sha256(arguments.model.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
