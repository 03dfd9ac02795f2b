"""How fast lines are read and learnt from, and how near that is to what the machine's cores can do at all.

    python benchmarks/speed.py [--data DATASET] [--model latin] [--preset base] [--minutes 1]
    python benchmarks/speed.py --data iam-ondb:testset_v --model strokes --preset strokes

The floor is the time a line's multiply-adds (counted from the shapes of the network; learning takes three times as
many as reading) would take at the speed of large matrix products on the same cores, measured in the same run. The share
is floor / measured; normalisation, distortions, decoding and all that is not a multiply-add is in the measured time.
The memory is that of the larger of the processes that train together.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import torch

from inkread.config import PRESETS, NetworkConfig
from inkread.data import open_dataset
from inkread.data.samples import read_line_input
from inkread.features.extract import Writing, columns_of, normalize
from inkread.model.checkpoint import load_model
from inkread.model.device import supports_bfloat16
from inkread.model.recognizer import Recognizer
from inkread.model.shapes import multiply_adds

SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"
SIZE = 2048  # of the matrices: large enough for the highest speed
ALONE = 64  # lines that are read one by one


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure reading, training and their share of the machine's speed.")
    parser.add_argument("--data", default=str(SAMPLE), help="lines to read and to train on (default: datasets/sample)")
    parser.add_argument("--model", default="latin", help="name or path of the model that reads (default: latin)")
    parser.add_argument("--preset", default="base", choices=PRESETS, help="the network that is trained (default: base)")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training (default: 1)")
    parser.add_argument("--lines", type=int, default=512, help="to read, repeated if there are fewer (default: 512)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()

    torch.set_num_threads(os.cpu_count() or 1)
    speeds = {"float32": matmul_speed(torch.float32)}
    if supports_bfloat16(torch.device("cpu")):  # elsewhere one product takes half a minute
        speeds["bfloat16"] = matmul_speed(torch.bfloat16)
    reading = measure_reading(arguments.data, arguments.model, arguments.lines)
    training = measure_training(arguments.data, arguments.preset, arguments.minutes)
    for figures in (reading, training):
        for precision, speed in speeds.items():
            figures[f"floor_ms_{precision}"] = 1000 * figures["multiply_adds_per_line"] / speed
            figures[f"share_of_{precision}"] = figures[f"floor_ms_{precision}"] / figures["ms_per_line"]
    if arguments.json:
        print(json.dumps({"multiply_adds_per_second": speeds, "reading": reading, "training": training}, indent=2))
        return
    for precision, speed in speeds.items():
        print(f"the machine: {speed / 1e9:.0f} thousand million multiply-adds a second in {precision}")
    print(f"\n{'':32}{'reading':>10}{'training':>10}")
    for name, key, scale in (
        ("lines a second", "lines_per_second", 1),
        ("ms a line", "ms_per_line", 1),
        ("million multiply-adds a line", "multiply_adds_per_line", 1e-6),
        *((f"floor in {precision}, ms a line", f"floor_ms_{precision}", 1) for precision in speeds),
        *((f"share of the {precision} floor, %", f"share_of_{precision}", 100) for precision in speeds),
    ):
        print(f"{name:32}{scale * reading[key]:10.2f}{scale * training[key]:10.2f}")
    print(f"{'a line alone, ms':32}{reading['ms_alone']:10.2f}")
    print(f"{'peak memory, MB a process':32}{'':10}{training['peak_megabytes']:10.0f}")


def matmul_speed(precision: torch.dtype) -> float:
    """Multiply-adds a second of large matrix products: the best of ten."""
    a, b = (torch.rand(SIZE, SIZE).to(precision) for _ in range(2))
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    return SIZE**3 / min(seconds)


def mean_multiply_adds(writings: list[Writing], config: NetworkConfig, labels: int) -> float:
    columns = [columns_of(normalize(writing, config)).shape[1] for writing in writings]
    return sum(multiply_adds(config, labels, width) for width in columns) / len(columns)


def measure_reading(data: str, model: str, lines: int) -> dict[str, float]:
    """Read in batches, then some lines one by one; they are in memory."""
    recognizer = Recognizer.load(model, "greedy")
    config, labels = recognizer.model.config, recognizer.model.alphabet.size
    samples = open_dataset(data).samples[:lines]
    writings = list(islice(cycle([read_line_input(sample) for sample in samples]), lines))
    for _ in recognizer.read_many(writings[:32]):  # unmeasured: the first batches are slower
        pass
    began = time.perf_counter()
    for _ in recognizer.read_many(writings):
        pass
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    for writing in writings[:ALONE]:
        recognizer.read(writing)
    return {
        "lines_per_second": lines / seconds,
        "ms_per_line": 1000 * seconds / lines,
        "ms_alone": 1000 * (time.perf_counter() - began) / min(lines, ALONE),
        "multiply_adds_per_line": mean_multiply_adds(writings, config, labels),
    }


def measure_training(data: str, preset: str, minutes: float) -> dict[str, float]:
    """Train by the command line, with one check on development lines, after the last step."""
    samples = open_dataset(data).samples
    with tempfile.TemporaryDirectory(prefix="inkread-speed-") as folder:
        model = Path(folder) / "speed.safetensors"
        command = ["train", data, "--dev", data, "--out", str(model), "--preset", preset, "--minutes", str(minutes)]
        process = subprocess.Popen(
            [sys.executable, "-m", "inkread", *command, "--set", "evaluations=1"], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit("the training failed")
        log = json.loads(model.with_suffix(".log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        trained = load_model(str(model))
    writings = [read_line_input(sample) for sample in samples[:512]]
    return {
        "lines_per_second": log["lines_per_second"],
        "ms_per_line": 1000 / log["lines_per_second"],
        "multiply_adds_per_line": 3 * mean_multiply_adds(writings, trained.config, trained.alphabet.size),
        "peak_megabytes": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),  # Linux counts in kilobytes
    }


if __name__ == "__main__":
    main()
