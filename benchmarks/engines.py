"""The engines compared: time of a line alone and of many lines, and what rounding to 8 bits costs in accuracy.

    python benchmarks/engines.py DATASET [--model latin] [--lines 500]

The engines take turns on the same lines, which are in memory. "alone" is the CPU time of the network on one line after
the other, in one thread; "many" is the time of reading them all, on all cores, with normalisation and decoding.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from typing import get_args

from inkread.data import open_dataset
from inkread.data.samples import read_line_input
from inkread.evaluation.metrics import edit_distance
from inkread.features.extract import Writing, columns_of, extract, normalize
from inkread.model.engines import EngineName
from inkread.model.recognizer import Recognizer

ALONE = 64  # lines that are read one by one


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the engines: speed and accuracy.")
    parser.add_argument("dataset", help="lines to read")
    parser.add_argument("--model", default="latin", help="name or path of a model (default: latin)")
    parser.add_argument("--lm", default="none", help="language models to decode with (default: none)")
    parser.add_argument("--lines", type=int, default=500, help="at most (default: 500)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    samples = open_dataset(arguments.dataset).samples[: arguments.lines]
    lines = [read_line_input(sample) for sample in samples]
    texts = [sample.text for sample in samples]
    results = {
        name: measure(Recognizer.load(arguments.model, lm=arguments.lm, engine=name), lines, texts)
        for name in get_args(EngineName)
        if name != "auto"
    }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'':8}{'alone, CPU ms':>15}{'many, ms':>10}{'CER %':>8}   {len(lines)} lines")
    for name, found in results.items():
        print(f"{name:8}{found['alone_ms']:15.1f}{found['many_ms']:10.1f}{found['cer']:8.2f}   {found['engine']}")


def measure(recognizer: Recognizer, lines: Sequence[Writing], texts: Sequence[str]) -> dict[str, float | str]:
    config = recognizer.model.config
    features = [extract(columns_of(normalize(line, config)), config) for line in lines[:ALONE]]
    recognizer.engine.start_thread()
    recognizer.engine.log_probs(features[:1])  # unmeasured: the first line is slower
    times = []
    for of_line in features:
        began = time.process_time()
        recognizer.engine.log_probs([of_line])
        times.append(time.process_time() - began)
    began = time.perf_counter()
    read = [reading.text for reading in recognizer.read_many(lines)]
    seconds = time.perf_counter() - began
    edits = sum(edit_distance(found, written) for found, written in zip(read, texts, strict=True))
    return {
        "engine": recognizer.engine.name,
        "alone_ms": 1000 * statistics.mean(times),
        "many_ms": 1000 * seconds / len(lines),
        "cer": 100 * edits / sum(map(len, texts)),
    }


if __name__ == "__main__":
    main()
