"""What decoding with language models costs: CPU milliseconds per line, and the share of the whole reading.

    python benchmarks/decoding.py iam-lines:va1 [--model latin] [--lm english,french] [--lines 300]

One process reads the lines three times over: greedily, by the beam search alone, and with the language models. The
network reads each line once, in batches; the rest of a reading are the file, the normalisation and the features.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread.data import open_dataset
from inkread.data.samples import read_line_input
from inkread.features.extract import columns_of, normalize
from inkread.model.decoder import greedy, prefix_beam, read_beam
from inkread.model.recognizer import Recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the CPU time of decoding, and its share of the reading.")
    parser.add_argument("dataset", help="PATH or PATH:SPLIT")
    parser.add_argument("--model", default="latin", help="name or path of the model that reads (default: latin)")
    parser.add_argument("--lm", help="language models, separated by commas (default: those of the model)")
    parser.add_argument("--lines", type=int, default=300, help="only so many, spread over the dataset (default: 300)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()

    recognizer = Recognizer.load(arguments.model, "beam", arguments.lm)
    if not (recognizer.scorer or recognizer.languages):
        parser.error(f"{arguments.model} names no language model; name one with --lm")
    samples = open_dataset(arguments.dataset).samples
    chosen = np.linspace(0, len(samples) - 1, min(arguments.lines, len(samples))).round().astype(int)
    began = time.process_time()
    columns = [
        columns_of(normalize(read_line_input(samples[index]), recognizer.model.config)) for index in chosen.tolist()
    ]
    normalized = time.process_time()
    scores = network(recognizer, sorted(columns, key=lambda line: line.shape[1]))
    rest = {"file and normalisation": normalized - began, "features and network": time.process_time() - normalized}
    milliseconds = {name: 1000 * seconds / len(scores) for name, seconds in rest.items()}
    decoders: dict[str, Callable[[NDArray[np.float32]], Any]] = {
        "greedy": greedy,
        "beam search": read_beam,
        "with language models": recognizer.decode,
        "list of the best 16": lambda log_probs: prefix_beam(log_probs, scorer=recognizer.scorer_of(log_probs)),
    }
    for log_probs in scores:
        recognizer.scorer_of(log_probs)  # loads the language models
    for name, decoder in decoders.items():
        began = time.process_time()
        for log_probs in scores:
            decoder(log_probs)
        milliseconds[name] = 1000 * (time.process_time() - began) / len(scores)
    reading = sum(milliseconds[name] for name in (*rest, "with language models"))
    share = milliseconds["with language models"] / reading
    if arguments.json:
        print(json.dumps({"lines": len(scores), "milliseconds_per_line": milliseconds, "share": share}, indent=2))
        return
    for name, value in milliseconds.items():
        print(f"{name:24}{value:8.2f} ms")
    print(f"decoding with language models is {100 * share:.0f} % of a reading of {reading:.1f} ms; {len(scores)} lines")


def network(recognizer: Recognizer, lines: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """The log-probabilities (T, C) of each line, read in batches."""
    scores: list[NDArray[np.float32]] = []
    batch = recognizer.engine.batch
    for start in range(0, len(lines), batch):
        scores += recognizer.scores(lines[start : start + batch])
    return scores


if __name__ == "__main__":
    main()
