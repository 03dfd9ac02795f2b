"""Whether memory stays constant: the memory of a process after 100 pages, and after many more.

    python benchmarks/memory.py [--pages 10000]

Reads a small page of two sample lines again and again, from its file, as `inkread predict` does for many files.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from PIL import Image

import inkread

SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"
FIRST = 100  # pages after which memory is measured first
EVERY = 1000  # pages between the figures that are printed


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the memory of reading many pages.")
    parser.add_argument("--pages", type=int, default=10_000, help="to read (default: 10000)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    measured: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="inkread-memory-") as folder:
        page = small_page(Path(folder) / "page.png")
        for count, megabytes in read_again_and_again(page, arguments.pages):
            measured[count] = megabytes
            if not arguments.json:
                print(f"{count:8} pages {megabytes:8.0f} MB", flush=True)
    ratio = measured[max(measured)] / measured[FIRST]
    print(json.dumps({"megabytes": measured, "ratio": ratio}) if arguments.json else f"ratio to {FIRST}: {ratio:.3f}")


def small_page(path: Path) -> Path:
    """A page with two lines of writing."""
    lines = [Image.open(SAMPLE / name).convert("L") for name in ("01-scan.png", "03-scan.png")]
    width = max(line.width for line in lines) + 200
    page = Image.new("L", (width, 200 + sum(line.height + 60 for line in lines)), 255)
    top = 100
    for line in lines:
        page.paste(line, (100, top))
        top += line.height + 60
    page.save(path)
    return path


def read_again_and_again(page: Path, pages: int) -> Iterator[tuple[int, float]]:
    """The number of pages read so far, and the memory of this process in MB."""
    reader = inkread.load()
    for count, _ in enumerate(reader.read_many(repeat(page, pages), page=True), start=1):
        if count == FIRST or count % EVERY == 0:
            yield count, resident_megabytes()


def resident_megabytes() -> float:
    """The memory that this process holds now (Linux)."""
    for row in Path("/proc/self/status").read_text().splitlines():
        if row.startswith("VmRSS"):
            return int(row.split()[1]) / 1000
    raise SystemExit("VmRSS is missing in /proc/self/status")


if __name__ == "__main__":
    main()
