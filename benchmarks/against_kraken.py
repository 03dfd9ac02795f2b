"""inkread beside kraken: the same lines, the same minutes of training, the same cores, one after the other.

    python benchmarks/against_kraken.py --kraken /work/kraken-venv --data data/iam-lines --minutes 10

DATA is a dataset with the splits `tr` and `va1`. All lines are written as grey PNG with NAME.gt.txt beside them, which
both programs read. Each trains its default recogniser from scratch, then reads the same lines of `va1`; other lines of
`va1` are its development set. Error rates are ours for both, over the texts each wrote. README.md tells how kraken is
installed.

How kraken is treated, wherever there was a choice the better one for kraken:
- Its clock starts when it has loaded the data, as inkread's does. It has no limit in minutes, and an epoch of IAM takes
  it hours; but SIGTERM makes it save a checkpoint after the running step, and that counts its steps. It is never
  interrupted by a check on development lines, which come at an epoch's end; inkread's checks are within its minutes.
- Its options are its defaults (float32, one line a batch, a constant learning rate), but for --threads, else 1.
- It reads with `kraken ocr` (line by line: the texts) and with `ketos test -B 16` (batches, but no texts); the faster
  one counts. Its start is taken off by reading a single line as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from inkread.data import Sample, open_dataset
from inkread.data.samples import read_line
from inkread.evaluation.metrics import error_rate

CORES = os.cpu_count() or 1
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": str(CORES)}
DATA_LOADED = "Total FLOPs"  # the last line kraken prints before its first step
STEPS_OF_CHECKPOINT = "import sys, torch; print(torch.load(sys.argv[1], 'cpu', weights_only=False)['global_step'])"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare inkread with kraken: training, reading, errors.")
    parser.add_argument("--kraken", type=Path, required=True, help="the virtual environment kraken is installed in")
    parser.add_argument("--data", type=Path, required=True, help="a dataset with the splits tr and va1")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each (default: 10)")
    parser.add_argument("--lines", type=int, default=200, help="lines to read with both (default: 200)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()

    unseen = open_dataset(f"{arguments.data}:va1").samples
    chosen = unseen[:: max(1, len(unseen) // arguments.lines)][: arguments.lines]  # from all writers
    others = [sample for sample in unseen if sample not in chosen][: arguments.lines]
    with tempfile.TemporaryDirectory(prefix="inkread-against-kraken-") as folder:
        work = Path(folder)
        write_lines(open_dataset(f"{arguments.data}:tr").samples, work / "train")
        write_lines(others, work / "dev")
        write_lines(chosen, work / "read")
        results = {
            "kraken": measure_kraken(arguments.kraken / "bin", work, arguments.minutes),
            "inkread": measure_inkread(work, arguments.minutes),
        }
    print(json.dumps(results, indent=2) if arguments.json else table(results["kraken"], results["inkread"]))


def write_lines(samples: Sequence[Sample], folder: Path) -> None:
    """Write 00000.png, 00000.gt.txt, ... into a new folder, and beside it FOLDER.txt: their paths, one a line."""
    folder.mkdir()
    pictures = [folder / f"{number:05}.png" for number in range(len(samples))]
    for sample, picture in zip(samples, pictures, strict=True):
        Image.fromarray(read_line(sample)).save(picture, compress_level=1)
        picture.with_suffix(".gt.txt").write_text(sample.text, encoding="utf-8")
    folder.with_suffix(".txt").write_text("".join(f"{picture}\n" for picture in pictures))


def measure_kraken(programs: Path, work: Path, minutes: float) -> dict[str, float]:
    lines, seconds = train_kraken(programs, work, minutes)
    model = work / "kraken.safetensors"
    quiet_run([programs / "ketos", "convert", "-o", model, work / "kraken" / "checkpoint_abort.ckpt"])

    pictures = sorted((work / "read").glob("*.png"))
    ocr = [programs / "kraken", "-d", "cpu", "--threads", CORES, "--raise-on-error"]
    ocr_options = ["-o", ".txt", "ocr", "--no-segmentation", "-m", model]
    one_by_one = per_line(
        [*ocr, "-I", pictures[0], *ocr_options], [*ocr, "-I", work / "read" / "*.png", *ocr_options], len(pictures)
    )
    texts = [
        (picture.with_suffix(".gt.txt").read_text(encoding="utf-8"), picture.with_suffix(".txt").read_text("utf-8"))
        for picture in pictures
    ]

    (work / "one.txt").write_text(f"{pictures[0]}\n")
    test = [programs / "ketos", "-d", "cpu", "--threads", CORES, "test", "-f", "path", "-B", 16, "-m", model, "-e"]
    batched = per_line([*test, work / "one.txt"], [*test, work / "read.txt"], len(pictures))
    return {
        "training_lines_per_second": lines / seconds,
        "training_lines": lines,
        "reading_lines_per_second": 1 / min(one_by_one, batched),
        "reading_ms_one_by_one": 1000 * one_by_one,
        "reading_ms_in_batches": 1000 * batched,
        "cer": error_rate((written, " ".join(read.split())) for written, read in texts),
    }


def train_kraken(programs: Path, work: Path, minutes: float) -> tuple[int, float]:
    """Train for so many minutes from the first step on: (lines trained on, seconds that took)."""
    command = [programs / "ketos", "-d", "cpu", "--threads", CORES, "train", "-f", "path", "-o", work / "kraken"]
    command += ["-t", work / "train.txt", "-e", work / "dev.txt"]
    output, began = "", 0.0
    with subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    ) as ketos:
        assert ketos.stdout is not None
        for line in ketos.stdout:  # until it has stopped
            output += line
            if DATA_LOADED in line:
                began = time.monotonic()
                stop = threading.Timer(60 * minutes, ketos.terminate)
                stop.daemon = True
                stop.start()
        seconds = time.monotonic() - began
    checkpoint = work / "kraken" / "checkpoint_abort.ckpt"
    if not checkpoint.exists():
        sys.exit(f"kraken left no checkpoint:\n{output}")
    return int(quiet_run([programs / "python", "-c", STEPS_OF_CHECKPOINT, checkpoint])), seconds


def measure_inkread(work: Path, minutes: float) -> dict[str, float]:
    model, inkread = work / "inkread.safetensors", [sys.executable, "-m", "inkread"]
    quiet_run(
        [*inkread, "train", work / "train", "--dev", work / "dev", "--out", model, "--force", "--minutes", minutes]
    )
    log = json.loads(model.with_suffix(".log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    scores = json.loads(quiet_run([*inkread, "eval", work / "read", "--model", model, "--json"]))
    return {
        "training_lines_per_second": log["samples"] / (60 * log["minutes"]),
        "training_lines": log["samples"],
        "reading_lines_per_second": scores["lines_per_second"],
        "cer": scores["cer"],
    }


def per_line(one: Sequence[object], many: Sequence[object], lines: int) -> float:
    """Seconds a line: what a command on many lines takes longer than the same command on one of them."""
    times = []
    for command in (one, one, many):  # the first brings the program into the file cache
        began = time.monotonic()
        quiet_run(command)
        times.append(time.monotonic() - began)
    return (times[2] - times[1]) / (lines - 1)


def quiet_run(command: Sequence[object]) -> str:
    """What a command prints; it ends this script, with what went wrong, when it fails."""
    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=ENVIRONMENT)
    if finished.returncode:
        sys.exit(f"{command[0]} failed:\n{finished.stdout[-2000:]}{finished.stderr[-2000:]}")
    return finished.stdout


def table(kraken: dict[str, float], inkread: dict[str, float]) -> str:
    rows = [f"{'':32}{'kraken':>10}{'inkread':>10}{'ratio':>8}"]
    for name, key in (
        ("lines a second in training", "training_lines_per_second"),
        ("lines a second in reading", "reading_lines_per_second"),
        ("lines trained on", "training_lines"),
    ):
        rows.append(f"{name:32}{kraken[key]:10.2f}{inkread[key]:10.2f}{inkread[key] / kraken[key]:7.1f}x")
    rows.append(f"{'character errors, %':32}{100 * kraken['cer']:10.2f}{100 * inkread['cer']:10.2f}")
    one_by_one, batched = kraken["reading_ms_one_by_one"], kraken["reading_ms_in_batches"]
    rows.append(f"kraken reads a line in {one_by_one:.0f} ms (kraken ocr), {batched:.0f} ms (ketos test -B 16)")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
