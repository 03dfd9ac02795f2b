"""How long a training takes to its first step, from a dataset as it is and from the same dataset prepared.

    python benchmarks/loading.py [--data DATASET] [--prepared FILE.inkset] [--steps 1]

It prepares the dataset, unless --prepared names one that is there. With --prepared and without --data, only a training
from that is measured. Times go from the start of Python, so they contain the import of torch, the making of the network
and the choice of its precision. The CPU time is that of all processes. Their memory is the sum of their proportional
set sizes after the last step (Pss, Linux only): what they share counts once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the time to the first step of a training.")
    parser.add_argument("--data", help="the dataset (default: datasets/sample)")
    parser.add_argument("--prepared", help="the same dataset, prepared before")
    parser.add_argument("--steps", type=int, default=1, help="of each training (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--run", help=argparse.SUPPRESS)  # the training itself, in a process of its own
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(train(arguments.run, arguments.steps)))
        return

    data = arguments.data or (None if arguments.prepared else str(SAMPLE))
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="inkread-loading-") as folder:
        prepared = arguments.prepared or f"{folder}/lines.inkset"
        if not arguments.prepared:
            figures["prepare"] = measure([sys.executable, "-m", "inkread", "prepare", str(data), "-o", prepared])
        figures["prepared"] = {"megabytes": os.stat(prepared.partition(".inkset")[0] + ".inkset").st_size / 1e6}
        for name, dataset in (("training", data), ("training, prepared", prepared)):
            if dataset:
                command = [sys.executable, __file__, "--run", dataset, "--steps", str(arguments.steps)]
                figures[name] = measure(command)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, row in figures.items():
        print(f"{name:20}" + "   ".join(f"{key.replace('_', ' ')} {value:,.1f}" for key, value in row.items()))


def measure(command: list[str]) -> dict[str, Any]:
    """Run a command. Its seconds, the CPU time of all its processes, and the figures that it prints as JSON."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - began
    figures = {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    return {**figures, **json.loads(printed)} if printed else figures


class Stop(Exception):
    """The training has made its steps."""


def train(data: str, steps: int) -> dict[str, Any]:
    """Train until so many steps are made."""
    from inkread.training.finetune import train_model
    from inkread.training.loop import Progress

    figures: dict[str, Any] = {}

    def stop(progress: Progress) -> None:
        if progress.step >= steps:
            figures["lines"], figures["memory_mb"] = float(progress.samples), shared_memory()
            raise Stop

    with tempfile.TemporaryDirectory() as folder:
        try:
            train_model(data, Path(folder) / "m.safetensors", settings={"spliced": 0.3, "evaluations": 1}, report=stop)
        except Stop:
            return {} if figures["memory_mb"] is None else figures
    sys.exit("the dataset is too small")


def shared_memory() -> float | None:
    """The memory of this process and those that it started, in MB; None if the system does not tell."""
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        rows = [
            row for pid in ("self", *children) for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        ]
    except OSError:
        return None
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1000


if __name__ == "__main__":
    main()
