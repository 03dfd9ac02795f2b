"""Pages turned by 0, 90, 180 and 270 degrees: the share that is turned upright again.

    python benchmarks/orientation.py work/pages                       # by datasets/pages/prepare.py: dev pages
    python benchmarks/orientation.py work/pages --set copiste poilus --every 2 --model latin

The interval is the 95 % bootstrap interval by writer. A page without known lines is left out. The time is that of the
processor for what is done to find the orientation, beside finding and reading the lines as the page is.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.data.page_truth import TruePage, read_pages
from inkread.evaluation.metrics import bootstrap_interval
from inkread.model.recognizer import Decoder, Recognizer
from inkread.pages.layout import detect_layout
from inkread.pages.orientation import find_rotation

ROTATIONS = (0, 90, 180, 270)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="a folder with pages.jsonl")
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME", help="these sets (default: all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth page of a set (default: all)")
    parser.add_argument("--rotations", type=int, nargs="+", choices=ROTATIONS, default=ROTATIONS, metavar="DEGREES")
    parser.add_argument("--model", default="latin")
    parser.add_argument("--decoder", choices=("greedy", "beam"), help="(default: that of inkread predict)")
    arguments = parser.parse_args()
    pages = [page for page in read_pages(arguments.pages, arguments.split) if page.lines]
    names = arguments.set or sorted({page.set for page in pages})
    chosen = [page for name in names for page in [page for page in pages if page.set == name][:: arguments.every]]
    measure(arguments.pages, chosen, arguments.rotations, arguments.model, arguments.decoder)


def measure(
    folder: Path, pages: list[TruePage], rotations: tuple[int, ...], model: str, decoder: Decoder | None
) -> None:
    """Print which pages are not turned upright, and the share of those that are."""
    recognizer = Recognizer.load(model, decoder=decoder)
    right, milliseconds = [], {rotation: list[float]() for rotation in rotations}
    for page, rotation, image in turned(folder, pages, rotations):
        layout = detect_layout(page.image, 1, 1, image)
        readings = list(recognizer.read_many(layout.line_inputs))
        began = time.process_time()
        found = find_rotation(recognizer.read_many, layout, readings)
        milliseconds[rotation].append(1000 * (time.process_time() - began))
        right.append((page.set, rotation, page.writer, found == rotation))
        if found != rotation:
            print(f"  {page.image}: turned by {rotation}, found {found}, {len(layout.regions)} lines", flush=True)
    for key, index in (("set", 0), ("turned by", 1)):
        counts, good = Counter(row[index] for row in right), Counter(row[index] for row in right if row[3])
        print(", ".join(f"{key} {name}: {good[name]} of {count}" for name, count in counts.items()))
    low, high = bootstrap_interval([int(row[3]) for row in right], [1] * len(right), [row[2] for row in right])
    share = sum(row[3] for row in right) / len(right)
    print(
        f"upright: {100 * share:.1f} % ({100 * low:.1f}-{100 * high:.1f}) of {len(right)} images of {len(pages)} pages"
    )
    print(", ".join(f"turned by {name}: {np.mean(each):.0f} ms a page" for name, each in milliseconds.items()))


def turned(
    folder: Path, pages: list[TruePage], rotations: tuple[int, ...]
) -> Iterator[tuple[TruePage, int, np.ndarray]]:
    """Each page, as it must be turned clockwise by each rotation to be upright."""
    for page in pages:
        grey = page.grey(folder)
        for rotation in rotations:
            yield page, rotation, np.ascontiguousarray(np.rot90(grey, rotation // 90))


if __name__ == "__main__":
    main()
