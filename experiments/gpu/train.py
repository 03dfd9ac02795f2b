"""Train on a GPU what pack.py has packed, within a time limit: python train.py --minutes 9 --out results

It needs the folder it is in, Python 3.11 and torch, but no network. The limit is in minutes of wall-clock time and
includes unpacking and the start. By default the training takes all of it. A longer training, --training-minutes, stops
at the limit with a checkpoint, and continues when this is run again with --resume and the same --out.

results/ gets model.safetensors, the best weights so far; model.log.jsonl, a line for each evaluation; and a checkpoint.
With --split-megabytes 15 the checkpoint is divided into files of that size, from which --resume puts it together.
"""

import argparse
import json
import lzma
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from inkread import TrainingResult
    from inkread.training.loop import Progress

BEGAN = time.monotonic()
HERE = Path(__file__).resolve().parent
START_SECONDS = 15.0  # for what is not yet done when the training is planned: to open prepared datasets, to start CUDA
END_SECONDS = 15.0  # to evaluate once more, and to write the last files
PRINT_SECONDS = 20.0


class TimeIsOver(Exception):
    """The limit is reached before the end of the training."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on a GPU what pack.py has packed, within a time limit.")
    parser.add_argument("--minutes", type=float, required=True, help="of wall-clock time, with everything")
    parser.add_argument("--training-minutes", type=float, help="of the whole training (default: until the limit)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--work", type=Path, help="folder to unpack into (default: unpacked, beside this file)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument("--split-megabytes", type=float, default=0, help="divide the checkpoint at the end")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    work = arguments.work or HERE / "unpacked"
    unpack(HERE, work)
    say(f"unpacked into {work}")
    checkpoint = arguments.out / "model.checkpoint"
    join(checkpoint)
    sys.path.insert(0, str(work / "code"))
    deadline = BEGAN + 60 * arguments.minutes - END_SECONDS
    try:
        result = train(work, arguments, deadline)
        say(f"finished: CER {100 * result.cer:.2f} % on {result.dev_lines} validation lines")
    except TimeIsOver:
        say("the time is over; continue with --resume")
    if checkpoint.exists() and arguments.split_megabytes:
        split(checkpoint, int(arguments.split_megabytes * 1_000_000))


def train(work: Path, arguments: argparse.Namespace, deadline: float) -> "TrainingResult":
    """Train as planned by pack.py, until the deadline at most. Raises TimeIsOver."""
    import torch

    import inkread

    job = json.loads((work / "job.json").read_text())
    cuda = torch.cuda.is_available()
    say(f"torch {torch.__version__} on {torch.cuda.get_device_name() if cuda else 'the CPU'}, {os.cpu_count()} cores")
    left = (deadline - time.monotonic() - START_SECONDS) / 60
    printed = 0.0

    def report(progress: "Progress") -> None:
        nonlocal printed
        now = time.monotonic()
        if progress.cer is not None or now - printed > PRINT_SECONDS:
            printed = now
            rates = [100 * rate for rate in (progress.cer, progress.best) if rate is not None]
            cer = f"CER {rates[0]:.2f} %, best {rates[1]:.2f} %  " if rates else ""
            say(
                f"{progress.share:.0%}  step {progress.step}  epoch {progress.epoch + 1}  loss {progress.loss:.3f}  "
                f"{cer}{progress.lines_per_second:.0f} lines/s, {progress.waiting:.0%} waiting for lines"
            )
        if now > deadline and progress.share < 1:
            raise TimeIsOver

    result = inkread.train(
        [str(work / name) for name in job["datasets"]],
        arguments.out / "model.safetensors",
        dev=job["dev"] and work / job["dev"],
        start=job["start"] and str(work / job["start"]),
        preset=job["preset"],
        minutes=arguments.training_minutes or max(left, 0.01),
        settings={**job["settings"], **dict(setting.split("=", 1) for setting in arguments.settings)},
        device=arguments.device,
        resume=arguments.resume,
        overwrite=not arguments.resume,
        report=report,
    )
    if cuda:
        say(f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB of GPU memory at most")
    return result


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def unpack(folder: Path, work: Path) -> None:
    """Unpack all parts, several at once, unless this was done before."""
    done = work / "unpacked"
    if done.exists():
        return
    parts = sorted(folder.glob("part-*.xz"))
    if not parts or [path.stem for path in parts] != [f"part-{number:03}" for number in range(len(parts))]:
        fail(f"{folder}: a part is missing; copy the whole folder that pack.py has made")
    work.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # lzma lets other threads run
        list(pool.map(lambda part: unpack_part(part, work), parts))
    if not (work / "job.json").exists():
        fail(f"{folder}: the last part is missing; copy the whole folder that pack.py has made")
    done.touch()


def unpack_part(part: Path, work: Path) -> None:
    with lzma.open(part) as file:
        for name, offset, length in json.loads(file.readline()):
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            with open(path, "r+b") as out:
                out.seek(offset)
                out.write(file.read(length))


def split(path: Path, size: int) -> None:
    """Divide a file into NAME.000, NAME.001 and so on."""
    content = path.read_bytes()
    for number, start in enumerate(range(0, len(content), size)):
        path.with_name(f"{path.name}.{number:03}").write_bytes(content[start : start + size])
    path.unlink()


def join(path: Path) -> None:
    """Undo `split`, if it was done."""
    parts = sorted(path.parent.glob(f"{path.name}.[0-9][0-9][0-9]"))
    if parts:
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        for part in parts:
            part.unlink()


def fail(message: str) -> NoReturn:
    sys.exit(f"Error: {message}")


if __name__ == "__main__":
    main()
