"""What a user waits for: the start of the program, of torch, and a first reading; and what memory that takes.

    python benchmarks/startup.py [--picture line.png] [--page letter.jpg] [--model latin] [--runs 7]

The commands take turns, so that whatever else the machine does meets all of them; medians of wall-clock seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Installed programs have byte code; a variable that keeps Python from writing it would measure the compiler.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long inkread takes to start, and its memory.")
    parser.add_argument("--picture", type=Path, default=min(SAMPLE.rglob("*.png"), default=None), help="of one line")
    parser.add_argument("--page", type=Path, default=SAMPLE / "letter.jpg", help="of several lines")
    parser.add_argument("--model", default="latin", help="name or path of a model (default: latin)")
    parser.add_argument("--runs", type=int, default=7, help="of each command (default: 7)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.picture is None:
        parser.error(f"no picture in {SAMPLE}; name one with --picture")

    predict = ["-m", "inkread", "predict", "--model", arguments.model]
    commands = {
        "inkread --help": ["-m", "inkread", "--help"],
        "import torch": ["-c", "import torch"],
        "predict, one line": [*predict, str(arguments.picture)],
        "predict, a page": [*predict, str(arguments.page)],
    }
    for options in commands.values():  # once unmeasured: byte code, file cache
        run([sys.executable, *options])
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, options in commands.items():
            measured[name].append(run([sys.executable, *options]))

    seconds = {name: statistics.median(second for second, _ in runs) for name, runs in measured.items()}
    megabytes = {name: statistics.median(megabyte for _, megabyte in runs) for name, runs in measured.items()}
    ratios = {name: second / seconds["import torch"] for name, second in seconds.items()}
    if arguments.json:
        print(json.dumps({"seconds": seconds, "peak_megabytes": megabytes, "relative_to_torch": ratios}, indent=2))
        return
    print(f"{'':20}{'seconds':>10}{'peak MB':>10}{'to import torch':>18}")
    for name in commands:
        print(f"{name:20}{seconds[name]:10.3f}{megabytes[name]:10.0f}{ratios[name]:18.2f}")


def run(command: list[str]) -> tuple[float, float]:
    """Wall-clock seconds and peak memory in megabytes of a command; ends this script when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)  # Linux counts in kilobytes


if __name__ == "__main__":
    main()
