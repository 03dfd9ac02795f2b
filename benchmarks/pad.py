"""How long the pad of `inkread studio` takes from the end of a stroke to the text, on the side of the server.

    python benchmarks/pad.py iam-ondb:testset_v

Starts a server, and sends it the strokes of lines as the page does, over one connection: each line alone (its last
stroke has just been written), and pages of ten lines after each of their last strokes, when nine lines are known
already. Wall time is from the request to the answer. CPU time, of the server and of the process that reads, says what
it would be on a machine that does nothing else; it is known on Linux only. The part of the server is what HTTP costs:
a WebSocket could save no more.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from inkread import open_dataset
from inkread.data.samples import read_strokes
from inkread.inputs.ink import Stroke

WIDTH = 600.0  # pixels of a line on the screen
DISTANCE = 64.0  # pixels between lines
PAGE = 10  # lines
ON_PAGE = 20  # last strokes of each page
Figures = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the pad of `inkread studio`.")
    parser.add_argument("dataset", help="lines of pen strokes, such as iam-ondb:testset_v")
    parser.add_argument("--lines", type=int, default=200, help="how many, evenly from all (default: 200)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()

    samples = open_dataset(arguments.dataset).samples
    chosen = samples[:: max(1, len(samples) // arguments.lines)][: arguments.lines]
    lines = [on_screen(read_strokes(sample), 0) for sample in chosen]
    with tempfile.TemporaryDirectory(prefix="inkread-pad-") as folder:
        command = [sys.executable, "-m", "inkread", "studio", folder, "--no-browser", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            address = server.stdout.readline().strip().removeprefix("http://").strip("/")
            pad = Pad(address, server.pid)
            begin = time.perf_counter()
            pad.send([])
            start = time.perf_counter() - begin
            figures = {
                "a line": pad.measure([[line] for line in lines]),
                f"one of {PAGE} lines": pad.measure(pages(lines), known=1),
            }
            server.terminate()
    results = {"start_s": start} | {name: summary(of) for name, of in figures.items()}
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"the model is loaded in {start:.1f} s")
    for name, of in figures.items():
        print(f"{name}, {len(of['wall'])} times:")
        for part, (median, p95) in summary(of).items():
            print(f"  {part:24} median {median:6.1f} ms   95 % {p95:6.1f} ms")


def on_screen(strokes: tuple[Stroke, ...], y: float) -> list[Stroke]:
    """A line as wide as on the pad, in tenths of a pixel, from a y position on."""
    points = np.concatenate(strokes)
    corner, width = points.min(axis=0), float(np.ptp(points[:, 0]))
    return [((stroke - corner) * WIDTH / width + [20, 20 + y]).round(1) for stroke in strokes]


def pages(lines: list[list[Stroke]]) -> list[list[list[Stroke]]]:
    """For each page its strokes, without the last ones and then after each of these."""
    found = []
    for first in range(0, len(lines) - PAGE + 1, PAGE):
        chosen = enumerate(lines[first : first + PAGE])
        page = [stroke + [0, DISTANCE * place] for place, line in chosen for stroke in line]
        found.append([page[:end] for end in range(max(1, len(page) - ON_PAGE), len(page) + 1)])
    return found


class Pad:
    """A connection to the server, as the page has one."""

    def __init__(self, address: str, server: int) -> None:
        host, _, port = address.rpartition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=120)
        self.server = server
        for _ in range(100):
            try:
                self.connection.connect()
                break
            except OSError:
                time.sleep(0.1)

    def send(self, strokes: list[Stroke]) -> None:
        """Send strokes, and wait for the answer."""
        body = json.dumps({"strokes": [stroke.tolist() for stroke in strokes]})
        self.connection.request("POST", "/api/strokes", body)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text

    def measure(self, inputs: list[list[list[Stroke]]], known: int = 0) -> Figures:
        """Milliseconds of each request, but of the first `known` ones of each page, which have its other lines read."""
        figures: Figures = {"wall": [], "CPU, server and reading": [], "CPU, server alone": []}
        for page in inputs:
            for number, strokes in enumerate(page):
                before, begin = self.cpu(), time.perf_counter()
                self.send(strokes)
                seconds = time.perf_counter() - begin
                alone, reading = (after - earlier for after, earlier in zip(self.cpu(), before, strict=True))
                if number >= known:
                    for part, of in zip(figures.values(), (seconds, alone + reading, alone), strict=True):
                        part.append(1000 * of)
        return figures

    def cpu(self) -> tuple[float, float]:
        """Seconds that the server, and all processes that it has started, have computed."""
        try:
            children = Path(f"/proc/{self.server}/task/{self.server}/children").read_text().split()
            threads = Path(f"/proc/{self.server}/task").iterdir()
            for thread in threads:
                children += [] if thread.name == str(self.server) else (thread / "children").read_text().split()
            return cpu_of(str(self.server)), sum(cpu_of(child) for child in children)
        except FileNotFoundError:
            return 0.0, 0.0


def cpu_of(process: str) -> float:
    """Seconds that the threads of a process have computed."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def summary(figures: Figures) -> dict[str, tuple[float, float]]:
    """The median and the 95th percentile of each part."""
    return {part: (float(np.median(of)), float(np.percentile(of, 95))) for part, of in figures.items()}


if __name__ == "__main__":
    main()
