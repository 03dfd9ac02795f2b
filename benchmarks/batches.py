"""Batches: their speed and memory, and what is left of them when processes are killed.

    python benchmarks/batches.py                     all of it, in a quarter of an hour
    python benchmarks/batches.py speed memory        some of it: speed, memory, skipping, killing, ray
    python benchmarks/batches.py --share 0.05        with a twentieth of the pages and rounds

Prints figures, and what they must be. Speeds are measured one after another, so the machine should have nothing else to
do; on a busy one, the CPU time says how fast it would be. Linux only.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from inkread.document.elements import Page
from inkread.features.extract import Writing
from inkread.inputs.collect import collect
from inkread.model.recognizer import Reading
from inkread.outputs import queue
from inkread.outputs.files import Outputs
from inkread.outputs.workers import Work
from inkread.pages.layout import PageLayout
from inkread.pages.reader import Reader

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
PAGES = 1000  # of which the speed is measured
SINGLE = 20  # runs with a single page
MANY, FEW = 10_000, 100  # small pages after which the memory is measured
FINISHED = 10_000  # documents to skip
KILLED, ROUNDS = 500, 20  # pages in a round, of which two of four processes are killed
RAY_PAGES = 100
WORD = 120  # pixels: the width of a word of the sample
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
STARTED_HERE = "INKREAD_BENCHMARK"  # an environment variable by which processes are found, whoever started them


def main() -> None:
    ours = (measure_speed, measure_memory, measure_skipping, measure_killing, measure_ray)
    measures: dict[str, Callable[[Path, float], None]] = {each.__name__.removeprefix("measure_"): each for each in ours}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*measures, []], help="what to measure (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help="of the pages and rounds (default: all)")
    arguments = parser.parse_args()
    os.environ[STARTED_HERE] = str(os.getpid())
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    for name in arguments.what or measures:
        with tempfile.TemporaryDirectory(prefix="inkread-batches-") as folder:
            measures[name](Path(folder), arguments.share)


# ---- pages


def page_with(lines: list[Image.Image]) -> Image.Image:
    """A page with lines of writing."""
    page = Image.new("L", (max(line.width for line in lines) + 200, 200 + sum(line.height + 60 for line in lines)), 255)
    top = 100
    for line in lines:
        page.paste(line, (100, top))
        top += line.height + 60
    return page


def sample_lines() -> list[Image.Image]:
    return [Image.open(SAMPLE / name).convert("L") for name in ("01-scan.png", "03-scan.png")]


def small_page(path: Path) -> Path:
    """A page with two lines."""
    page_with(sample_lines()).save(path)
    return path


def smallest_page(path: Path) -> Path:
    """A page with one short word."""
    line = sample_lines()[0]
    page_with([line.crop((0, 0, WORD, line.height))]).save(path)
    return path


def scans(folder: Path, page: Path, count: int) -> Path:
    """A folder with copies of a page, which are links to save space."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(count):
        os.link(page, folder / f"{number:06}.png")
    return folder


# ---- the command


def start(*arguments: object, cores: set[int] | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "inkread", "predict", *map(str, arguments), "--page"]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )


def predict(*arguments: object, cores: set[int] | None = None) -> tuple[float, float]:
    """The seconds that the command takes, and those of CPU time of it and of all processes that it starts."""
    began, used = time.perf_counter(), cpu_seconds()
    if start(*arguments, cores=cores).wait():
        raise SystemExit(f"failed: inkread predict {' '.join(map(str, arguments))}")
    seconds = time.perf_counter() - began
    wait_for_others()
    return seconds, cpu_seconds() - used


def wait_for_others() -> None:
    """Wait for processes whose parent has ended: they have become ours."""
    with suppress(ChildProcessError):  # none is left
        while True:
            os.wait()


def cpu_seconds() -> float:
    """The CPU time of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def started_here() -> Iterator[Path]:
    """The folders in /proc of the processes that were started by this one, or by those."""
    wanted = f"{STARTED_HERE}={os.environ[STARTED_HERE]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and folder.name != str(os.getpid()):
                yield folder


def show(what: str, value: float, must: str) -> None:
    print(f"{what}: {value:.4g} (must be {must})", flush=True)


# ---- speed and memory


def measure_speed(folder: Path, share: float) -> None:
    """Pages per second of single runs, of one process on one core, and of two processes."""
    count = max(10, round(PAGES * share))
    page = small_page(folder / "page.png")
    some = scans(folder / "speed", page, count)
    cores = sorted(os.sched_getaffinity(0))
    alone = SINGLE / sum(predict(page, "--out", folder / f"alone{number}")[0] for number in range(SINGLE))
    one, cpu_of_one = predict(some, "--out", folder / "one", "--jobs", 1, cores={cores[0]})
    two, cpu_of_two = predict(some, "--out", folder / "two", "--jobs", 2)
    print(f"pages per second: {alone:.2f} alone, {count / one:.2f} on one core, {count / two:.2f} with --jobs 2")
    print(f"CPU seconds per page: {cpu_of_one / count:.4f} on one core, {cpu_of_two / count:.4f} with --jobs 2,")
    print(f"which on two idle cores makes --jobs 2 at most {2 * cpu_of_one / cpu_of_two:.2f} times as fast")
    show(f"--jobs 2 compared with runs of single pages ({count} and {SINGLE} pages)", count / two / alone, "at least 4")
    show(f"--jobs 2 compared with --jobs 1 on one core ({count} pages)", one / two, "at least 1.8")


def measure_memory(folder: Path, share: float) -> None:
    """The memory of all processes of --jobs 2 after few pages and after many."""
    count, report = max(2 * FEW, round(MANY * share)), folder / "run.jsonl"
    some, used = scans(folder / "pages", smallest_page(folder / "page.png"), count), cpu_seconds()
    process = start(some, "--out", folder / "out", "--jobs", 2, "--report", report)
    steps = [FEW, *range(count // 5, count, count // 5), count - 10]  # a little before the processes end
    measured = []
    for step in steps:
        while not report.exists() or report.read_bytes().count(b"\n") < step:
            if process.poll() is not None:
                raise SystemExit("the command has ended too early")
            time.sleep(0.05)
        measured.append(sum(map(megabytes, started_here())))
        print(f"{step:8} pages {measured[-1]:8.1f} MB", flush=True)
    process.wait()
    wait_for_others()
    print(f"CPU seconds per page: {(cpu_seconds() - used) / count:.4f}")
    show(f"memory after {steps[-1]} pages compared with after {FEW}", measured[-1] / measured[0], "at most 1.05")


def megabytes(process: Path) -> float:
    """The memory of a process, with its part of what it shares."""
    for row in (process / "smaps_rollup").read_text().splitlines():
        if row.startswith("Pss:"):
            return int(row.split()[1]) / 1000
    return 0.0


# ---- what is done is not done again


def measure_skipping(folder: Path, share: float) -> None:
    """The seconds in which finished documents are skipped. Their records are copies of one."""
    count, out = max(10, round(FINISHED * share)), folder / "skipped"
    some = scans(folder / "finished", smallest_page(folder / "page.png"), count)
    predict(some / "000000.png", "--out", out)
    text, record = out / "000000.png.txt", out / ".inkread" / "000000.png.json"
    facts = json.loads(record.read_text())
    for path in some.iterdir():
        shutil.copy(text, out / f"{path.name}.txt") if path.name != "000000.png" else None
        facts["outputs"] = {"text": {f"{path.name}.txt": facts["outputs"]["text"].popitem()[1]}}
        record.with_name(f"{path.name}.json").write_text(json.dumps(facts, indent=1))
    seconds, _ = predict(some, "--out", out)
    show(f"seconds to skip {count} finished documents", seconds, "at most 10")


def measure_killing(folder: Path, share: float) -> None:
    """Four processes, two of which are killed at random moments."""
    rounds = max(1, round(ROUNDS * share))
    page = smallest_page(folder / "page.png")
    for elsewhere in (False, True):
        began, again = time.perf_counter(), 0
        for number in range(rounds):
            read = killing_round(folder / "killed", page, KILLED, number, elsewhere)
            again += sum(read.values()) - KILLED
        where = "on machines of their own" if elsewhere else "on one machine"
        what = f"share of pages read again, {rounds} rounds of {KILLED} pages, {where}"
        show(what, again / (KILLED * rounds), "below 0.02")
        print(f"every page was read, and none is torn; {time.perf_counter() - began:.0f} s", flush=True)


class Waiter:
    """Stands for a recognizer of lines: it waits rather than computes."""

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        for _ in lines:
            time.sleep(0.005)
            yield Reading("read", 0.5, ())


def read_slowly(some: Path, out: Path, log: Path, elsewhere: bool) -> None:
    """What a process that may be killed runs. It notes each page that it has read, even if it dies before it writes."""
    queue.LEASE, queue.POLL, queue.HEARTBEAT = 3.0, 0.1, 0.3
    if elsewhere:  # as if each process ran on a machine of its own
        queue._is_dead = lambda owner: False
    documents, outputs = collect([str(some)]).inputs, Outputs(("text", "json"), out)
    with open(log, "w") as file:

        def note(layout: PageLayout, page: Page) -> None:
            print(layout.name, file=file, flush=True)

        work = Work(Reader(Waiter()), outputs, page=False, on_page=note)
        for result in queue.Queue(documents, outputs, {}, False).read(work.read):
            assert not result.error, result.error


def killing_round(
    folder: Path, page: Path, pages: int, seed: int, elsewhere: bool = False, method: str = "fork"
) -> Counter[str]:
    """How often each page was read and written. Stops with an error if one was not, or was only half written.

    `method` is how multiprocessing starts the processes; "fork" takes no time, but this process must have no threads.
    """
    some, out = scans(folder, page, pages), folder / "out"
    logs = [folder / f"{number}.log" for number in range(4)]
    context: Any = multiprocessing.get_context(method)
    processes = [context.Process(target=read_slowly, args=(some, out, log, elsewhere)) for log in logs]
    for process in processes:
        process.start()
    chance = random.Random(seed)
    while not all(log.exists() for log in logs) and all(process.is_alive() for process in processes):
        time.sleep(0.01)  # until each has started
    for process in chance.sample(processes, 2):
        time.sleep(chance.uniform(0, 0.001 * pages))
        process.kill()
    for process in processes:
        process.join()
    if sum(process.exitcode == 0 for process in processes) < 2:
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


def measure_ray(folder: Path, share: float) -> None:
    """Whether two workers of Ray, one of which is killed, write the same bytes as a local run."""
    some = scans(folder / "ray", small_page(folder / "page.png"), max(20, round(RAY_PAGES * share)))
    local, cluster = folder / "local", folder / "cluster"
    predict(some, "--out", local)
    process = start(some, "--out", cluster, "--jobs", 2, "--ray", "local")
    while process.poll() is None and len(list(cluster.glob("*.txt"))) < 5:
        time.sleep(0.05)
    workers = [each for each in started_here() if b"ray::_Actor" in (each / "cmdline").read_bytes()]
    os.kill(int(workers[0].name), signal.SIGKILL)
    if process.wait():
        raise SystemExit("inkread predict --ray has failed")
    same = [path.read_bytes() == (cluster / path.name).read_bytes() for path in local.glob("*.txt")]
    show("share of files of Ray that are those of a local run, one of two workers killed", sum(same) / len(same), "1")


if __name__ == "__main__":
    main()
