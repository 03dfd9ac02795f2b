"""Batches: how fast they are with several processes, and what is left of them when processes are killed.

    python benchmarks/batches.py [--pages 1000] [--finished 10000] [--killed 500] [--rounds 20] [--ray]

Prints ratios, and what they must be. Speeds are measured one after another, so the machine should have nothing else to
do. The pages are small: two sample lines each. `benchmarks/memory.py` measures the memory of one process.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from memory import small_page

# What a process in `killed` runs: the command with a reader that reads nothing, so that it waits rather than computes.
SLOW_READER = """
import sys, time
from handwriting import Echo
from inkread.inputs.collect import collect
from inkread.outputs import queue
from inkread.outputs.files import Outputs
from inkread.outputs.workers import Work
from inkread.pages.reader import Reader
from pathlib import Path
queue.LEASE, queue.POLL, queue.HEARTBEAT = 3.0, 0.1, 0.3
if "elsewhere" in sys.argv:  # as if each process ran on a machine of its own
    queue._is_dead = lambda owner: False
class Slow(Echo):
    def read_many(self, lines):
        time.sleep(0.02)
        return super().read_many(lines)
documents, outputs = collect([sys.argv[1]]).inputs, Outputs(("text", "json"), Path(sys.argv[2]))
with open(sys.argv[3], "w") as log:
    def note(layout, page):  # also what is read in vain, as the process is killed before it writes
        print(layout.name, file=log, flush=True)
    work = Work(Reader(Slow()), outputs, page=True, on_page=note)
    for result in queue.Queue(documents, outputs, {}, False).read(work.read):
        assert not result.error, result.error
"""
ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure batches.")
    parser.add_argument("--pages", type=int, default=1000, help="whose speed is measured (default: 1000)")
    parser.add_argument("--single", type=int, default=20, help="runs with a single page (default: 20)")
    parser.add_argument("--finished", type=int, default=10_000, help="documents to skip (default: 10000)")
    parser.add_argument("--killed", type=int, default=500, help="pages of a round in which processes are killed")
    parser.add_argument("--rounds", type=int, default=20, help="rounds in which two of four processes are killed")
    parser.add_argument("--ray", action="store_true", help="compare Ray with a local run, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inkread-batches-") as name:
        folder = Path(name)
        page = small_page(folder / "page.png")
        measure_speed(folder, page, arguments.pages, arguments.single)
        measure_skipping(folder, page, arguments.finished)
        measure_killing(folder, page, arguments.killed, arguments.rounds)
        if arguments.ray:
            compare_ray(folder, page)


def scans(folder: Path, page: Path, count: int) -> Path:
    """A folder with copies of a page, which are links to save space."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(count):
        os.link(page, folder / f"{number:06}.png")
    return folder


def predict(*arguments: object, cores: set[int] | None = None) -> float:
    """The seconds that the command takes."""
    command = [sys.executable, "-m", "inkread", "predict", *map(str, arguments)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=_on(cores))
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began


def _on(cores: set[int] | None):  # type: ignore[no-untyped-def]
    return (lambda: os.sched_setaffinity(0, cores)) if cores else None


def measure_speed(folder: Path, page: Path, pages: int, single: int) -> None:
    """Pages per second of single runs, of one process on one core, and of two processes."""
    some = scans(folder / "speed", page, pages)
    cores = sorted(os.sched_getaffinity(0))
    alone = single / sum(predict(page, "--page", "--out", folder / f"alone{number}") for number in range(single))
    one = pages / predict(some, "--page", "--out", folder / "one", "--jobs", 1, cores={cores[0]})
    two = pages / predict(some, "--page", "--out", folder / "two", "--jobs", 2)
    print(f"pages per second: {alone:.2f} alone, {one:.2f} with one core, {two:.2f} with --jobs 2", flush=True)
    show(f"--jobs 2 compared with runs of single pages ({pages} and {single} pages)", two / alone, "at least 4")
    show(f"--jobs 2 compared with --jobs 1 on one core ({pages} pages)", two / one, "at least 1.8")


def measure_skipping(folder: Path, page: Path, count: int) -> None:
    """The seconds in which finished documents are skipped. Their records are copies of one."""
    some, out = scans(folder / "finished", page, count), folder / "skipped"
    predict(some / "000000.png", "--page", "--out", out)
    text, record = out / "000000.png.txt", out / ".inkread" / "000000.png.json"
    facts = json.loads(record.read_text())
    for path in some.iterdir():
        shutil.copy(text, out / f"{path.name}.txt") if path.name != "000000.png" else None
        facts["outputs"] = {"text": {f"{path.name}.txt": facts["outputs"]["text"].popitem()[1]}}
        record.with_name(f"{path.name}.json").write_text(json.dumps(facts, indent=1))
    seconds = predict(some, "--page", "--out", out)
    show(f"seconds to skip {count} finished documents", seconds, "at most 10")


def measure_killing(folder: Path, page: Path, pages: int, rounds: int) -> None:
    """Four processes, two of which are killed at random moments."""
    for elsewhere in (False, True):
        again = 0
        for number in range(rounds):
            read = killing_round(folder / "killed", page, pages, number, elsewhere)
            again += sum(read.values()) - pages
        where = "on machines of their own" if elsewhere else "on one machine"
        show(f"share of pages read again, {rounds} rounds, {where}", again / (pages * rounds), "below 0.02")


def killing_round(folder: Path, page: Path, pages: int, seed: int, elsewhere: bool = False) -> Counter[str]:
    """How often each page was read and written. Stops with an error if one was not, or was only half written."""
    some, out = scans(folder, page, pages), folder / "out"
    arguments = [str(some), str(out)]
    paths = [os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])]
    environment = os.environ | {"PYTHONPATH": paths[0], "OMP_NUM_THREADS": "1"}
    logs = [folder / f"{number}.log" for number in range(4)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW_READER, *arguments, str(log), *["elsewhere"] * elsewhere], env=environment
        )
        for log in logs
    ]
    chance = random.Random(seed)
    while not all(log.exists() for log in logs) and all(process.poll() is None for process in processes):
        time.sleep(0.05)  # until each has started
    for process in chance.sample(processes, 2):
        time.sleep(chance.uniform(0, 0.002 * pages))
        process.kill()
    for process in processes:
        process.wait()
    if sum(process.returncode == 0 for process in processes) < 2:
        raise SystemExit("a process has failed that was not killed")
    check_outputs(some, out)
    read = Counter(path for log in logs for path in log.read_text().splitlines())
    if len(read) != pages:
        raise SystemExit(f"{pages - len(read)} pages were not read")
    return read


def check_outputs(some: Path, out: Path) -> None:
    """Stop with an error unless each page has its two whole outputs and its record, and nothing else is left."""
    expected = {f"{path.name}{suffix}" for path in some.glob("*.png") for suffix in (".txt", ".jsonl")}
    found = {path.name for path in out.glob("[!.]*")}
    if found != expected:
        raise SystemExit(f"missing: {sorted(expected - found)}, too many: {sorted(found - expected)}")
    for suffix in (".txt", ".jsonl"):
        sizes = {len(path.read_bytes()) for path in out.glob(f"*{suffix}")}
        if len(sizes) != 1 or 0 in sizes:  # all pages are the same
            raise SystemExit(f"half written: files {suffix} of {sorted(sizes)} bytes")
    if locks := list((out / ".inkread").glob("[!.]*.lock*")):
        raise SystemExit(f"left: {locks}")


def compare_ray(folder: Path, page: Path) -> None:
    """Whether Ray writes the same bytes. tests/test_workers.py also kills one of its workers."""
    some = scans(folder / "ray", page, 20)
    predict(some, "--page", "--out", folder / "local")
    predict(some, "--page", "--out", folder / "cluster", "--jobs", 2, "--ray")
    same = [path.read_bytes() == (folder / "cluster" / path.name).read_bytes() for path in texts(folder / "local")]
    show("share of files of Ray that are the same as those of a local run", sum(same) / len(same), "1")


def texts(folder: Path) -> Iterator[Path]:
    return folder.glob("*.txt")


def show(what: str, value: float, must: str) -> None:
    print(f"{what}: {value:.4g} (must be {must})", flush=True)


if __name__ == "__main__":
    main()
