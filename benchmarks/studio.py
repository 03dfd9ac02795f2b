"""Measure the studio: reading a page, saving an edit, many requests at once, a large library, learning a handwriting.

    python benchmarks/studio.py
    python benchmarks/studio.py --only learn --lines iam-lines:tr --writer 000

Pages are composed of the lines in datasets/sample. Learning takes the first lines of --writer in the dataset --lines,
by default the sample, which is drawn with fonts. Prints a table in Markdown, with the CPU time of all processes, which
says more than the time that has passed if other programs are running.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inkread import _model_files
from inkread.data import Sample, open_dataset
from inkread.data.samples import read_line
from inkread.document import page_xml
from inkread.document.elements import Document, Line, Page, Paragraph, Points
from inkread.studio import adapt
from inkread.studio.learning import Order
from inkread.studio.transcript import Transcript

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "datasets" / "sample"
LINES = 30  # of a page, and to learn from
PAGES = 1000  # of a large library
REQUESTS, MEGABYTES = 50, 8  # at once, and of each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="by default all")
    parser.add_argument("--lines", default=str(SAMPLE), help="dataset to learn from, PATH or PATH:SPLIT")
    parser.add_argument("--writer", help="whose lines of the dataset")
    arguments = parser.parse_args()
    print("| what | time | CPU time | |\n|---|---|---|---|")
    for name in arguments.only or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            MEASUREMENTS[name](Path(folder), arguments)


def write_page(path: Path, samples: Sequence[Sample], corrected: bool) -> None:
    """A page with these lines one below the other, and its PAGE file if they are corrected."""
    images = [read_line(sample) for sample in samples]
    shape = sum(len(image) + 30 for image in images), max(image.shape[1] for image in images)
    page, top, lines = np.full(shape, 255, np.uint8), 0, []
    for sample, image in zip(samples, images, strict=True):
        bottom, right = top + image.shape[0], image.shape[1]
        page[top:bottom, :right] = np.minimum(image + (255.0 - np.median(image)), 255)  # the same paper for all
        outline: Points = ((0, top), (right, top), (right, bottom), (0, bottom))
        base = top + 0.75 * (bottom - top)
        lines.append(Line(sample.text, 0.5, (), (), outline, ((0, base), (right, base))))
        top = bottom + 30
    Image.fromarray(page).save(path)
    if corrected:
        document = Document(path.name, (Page(1, shape[1], shape[0], (Paragraph(tuple(lines)),)),))
        transcript = Transcript(page_xml.write(document).encode(), path.name)
        for line in transcript.to_dict()["lines"]:
            transcript.confirm(line["id"], True)
        path.with_name(f"{path.name}.page.xml").write_bytes(transcript.to_bytes())


def sample_lines(count: int) -> list[Sample]:
    """Lines on even paper, which go together as a page."""
    found = [sample for sample in open_dataset(str(SAMPLE)).samples if "scan" in sample.path.name]
    return [found[number % len(found)] for number in range(count)]


@contextmanager
def served(*command: object) -> Iterator[str]:
    """The address of a server."""
    arguments = [sys.executable, "-m", "inkread", *map(str, command), "--port", "0"]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def ask(address: str, data: bytes | None = None, method: str | None = None, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, data, named, method=method)
    with urllib.request.urlopen(request, timeout=600) as answer:
        found: bytes = answer.read()
    return found


def print_row(what: str, seconds: float, cpu: float | None, remark: str) -> None:
    used = "" if cpu is None else f"{cpu:.2f} s"
    shown = f"{seconds:.2f} s" if seconds >= 0.2 else f"{1000 * seconds:.0f} ms"
    print(f"| {what} | {shown} | {used} | {remark} |", flush=True)


def cpu_of_children() -> float:
    """Seconds that processes have computed which have ended, with theirs."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def measure_read(folder: Path, arguments: argparse.Namespace) -> None:
    """From upload to text: the second page and later ones, as the first one waits for the model to be loaded."""
    write_page(folder / "page.png", sample_lines(LINES), corrected=False)
    data = (folder / "page.png").read_bytes()
    times, used = [], []
    for repeats in (1, 6):  # the difference in CPU time is that of five pages
        began = cpu_of_children()
        with served("serve") as address:
            for _ in range(repeats):
                asked = time.perf_counter()
                read = ask(f"{address}api/read", data).decode().splitlines()
                times.append(time.perf_counter() - asked)
        used.append(cpu_of_children() - began)
    print_row(
        "a page of 30 lines, upload to text",
        statistics.median(times[2:]),
        (used[1] - used[0]) / 5,
        f"{len(read)} lines",
    )


def measure_edit(folder: Path, arguments: argparse.Namespace) -> None:
    write_page(folder / "page.png", sample_lines(LINES), corrected=True)
    with served("studio", folder, "--no-browser") as address:
        csrf = ask(address).decode().partition('csrf-token" content="')[2].partition('"')[0]
        (id,) = json.loads(ask(f"{address}library?since=0"))["ids"]
        page = f"{address}library/documents/{id}/pages/1"
        shown: dict[str, Any] = json.loads(ask(page))
        times = []
        for number in range(50):
            body = json.dumps([{"kind": "text", "line": shown["lines"][0]["id"], "text": f"edit {number}"}]).encode()
            began = time.perf_counter()
            shown = json.loads(ask(page, body, "PATCH", If_Match=shown["version"], X_CSRF_Token=csrf))
            times.append(time.perf_counter() - began)
    print_row("an edit, from request to disk", statistics.median(times), None, f"at most {max(times):.2f} s of 50")


def measure_requests(folder: Path, arguments: argparse.Namespace) -> None:
    noise = np.random.default_rng(0).integers(200, 256, (2000, MEGABYTES * 500), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png", compress_level=0)
    data, statuses, peak = (folder / "noise.png").read_bytes(), [], [0]

    def send(address: str) -> None:
        try:
            ask(f"{address}api/read", data)
            statuses.append(200)
        except urllib.error.HTTPError as error:
            statuses.append(error.code)

    began = time.perf_counter()
    with served("serve") as address:
        threads = [threading.Thread(target=send, args=(address,)) for _ in range(REQUESTS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak[0] = max(peak[0], _memory_of_children())
            time.sleep(0.05)
    counts = ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses)))
    remark = f"{counts}; at most {peak[0] / 1e9:.2f} GB in all processes"
    print_row(f"{REQUESTS} requests of {len(data) / 1e6:.0f} MB at once", time.perf_counter() - began, None, remark)


def _memory_of_children() -> int:
    """Bytes of the processes below this one; 0 where there is no /proc."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(row.split(":\t", 1) for row in status.read_text().splitlines() if ":\t" in row)
        except OSError:
            continue
        parents[int(facts["Pid"])] = int(facts["PPid"])
        sizes[int(facts["Pid"])] = 1024 * int(facts.get("RssAnon", "0 kB").split()[0])

    def is_below(pid: int) -> bool:
        return pid in parents and (parents[pid] == own or is_below(parents[pid]))

    own = next(pid for pid in parents if pid == int(Path("/proc/self").resolve().name))
    return sum(size for pid, size in sizes.items() if is_below(pid))


def measure_library(folder: Path, arguments: argparse.Namespace) -> None:
    """The first view is the first answer to /library; all texts are looked through afterwards, for the search."""
    write_page(folder / "0.png", sample_lines(LINES), corrected=True)
    for number in range(1, PAGES):
        shutil.copy(folder / "0.png", folder / f"{number}.png")
        shutil.copy(folder / "0.png.page.xml", folder / f"{number}.png.page.xml")
    with served("studio", folder, "--no-browser") as address:
        began = time.perf_counter()
        ask(address)
        first = json.loads(ask(f"{address}library?since=0"))
        seconds = time.perf_counter() - began
        while json.loads(ask(f"{address}library?since=0"))["indexing"]:
            time.sleep(0.1)
        remark = f"{len(first['ids'])} documents; all texts can be searched after {time.perf_counter() - began:.1f} s"
    print_row(f"a library of {PAGES} pages, first view", seconds, None, remark)


def measure_learn(folder: Path, arguments: argparse.Namespace) -> None:
    samples = open_dataset(arguments.lines).samples
    own = [sample for sample in samples if arguments.writer in (None, sample.writer)][:LINES]
    write_page(folder / "page.png", own, corrected=True)
    os.environ[_model_files.PERSONAL_FOLDER] = str(folder / "models")
    page = str(folder / "page.png")
    order = Order("my/bench", [(page, "page.png", {1: f"{page}.page.xml"})], "latin", {})
    began, used = time.perf_counter(), cpu_of_children() + time.process_time()
    result = adapt.adapt(order, lambda stage, share: None)
    cpu = cpu_of_children() + time.process_time() - used
    rates = f"CER {100 * result['before']:.1f} -> {100 * result['after']:.1f} %"
    remark = f"{rates} by cross-validation, {result['lines']} lines"
    print_row("learning a handwriting", time.perf_counter() - began, cpu, remark)


MEASUREMENTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "read": measure_read,
    "edit": measure_edit,
    "requests": measure_requests,
    "library": measure_library,
    "learn": measure_learn,
}

if __name__ == "__main__":
    main()
