"""Lines found on pages of pen strokes, and the error rate of what is read: F1, CER, and milliseconds of processor.

    python benchmarks/ink_pages.py --iam ../shared/data/iam-ondb --unipen work/unipen-strokes
    python benchmarks/ink_pages.py --unipen work/unipen-strokes --split train --pages 40 --model none --draw seen

`--iam` is IAM-OnDB as distributed: its forms are pages as they were written. `--unipen` is the folder that
datasets/unipen/prepare.py makes with --strokes: pages are composed of its lines and words, by a fixed seed, so that the
truth is known. Each kind of page is one difficulty: columns, slanted lines, notes in the margin, several sizes,
words and dots that are added later, single words.

A line counts as found if it shares 95 % of its path with a true line. "Astray" are the strokes, dots too, in a line
that belongs mostly to another one. The first CER compares each true line with the lines found that are mostly of it,
whatever their order; the second compares the whole text of the page, in reading order. Decoding is greedy.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.data import open_dataset
from inkread.evaluation.metrics import edit_distance
from inkread.features.ink import baseline_and_x_height, rotate, slope
from inkread.inputs import read_inks
from inkread.inputs.ink import Stroke
from inkread.model.recognizer import Recognizer
from inkread.pages.ink_page import find_ink_lines

Rng = np.random.Generator
FOUND = 0.95  # of the path of a found and a true line together, that they must share
COLOURS = ("#c8102e", "#0057b7", "#00843d", "#8031a7", "#d07000")


@dataclass(frozen=True)
class Written:
    """A line or word in x-heights: it begins at x = 0, and y = 0 is its baseline."""

    text: str
    strokes: tuple[Stroke, ...]

    @property
    def width(self) -> float:
        return float(np.concatenate(self.strokes)[:, 0].max())

    def placed(self, x: float, y: float, size: float = 1.0) -> list[Stroke]:
        return [stroke * size + [x, y] for stroke in self.strokes]


@dataclass
class InkPage:
    """Strokes in the order of time, each with the number of its line, and the texts of the lines in reading order."""

    strokes: list[Stroke] = field(default_factory=list)
    line_of: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def write(self, text: str, strokes: Sequence[Stroke]) -> None:
        self.strokes += strokes
        self.line_of += [len(self.texts)] * len(strokes)
        self.texts.append(text)

    def moved(self, change: Callable[[Stroke], Stroke]) -> "InkPage":
        return InkPage([change(stroke) for stroke in self.strokes], self.line_of, self.texts)

    def in_order(self, order: Sequence[int]) -> "InkPage":
        """The same page, its strokes made in another order."""
        return InkPage([self.strokes[i] for i in order], [self.line_of[i] for i in order], self.texts)


# ---- pages


@dataclass(frozen=True)
class Hand:
    """What one writer wrote: rows of lines.jsonl."""

    lines: list[dict[str, Any]]
    words: list[dict[str, Any]]

    def line(self, rng: Rng) -> Written:
        return as_written(self.lines[rng.integers(len(self.lines))])

    def word(self, rng: Rng) -> Written:
        return as_written(self.words[rng.integers(len(self.words))])

    def short_line(self, rng: Rng, width: float) -> Written:
        """Words side by side, as many as fit into a width."""
        texts: list[str] = []
        strokes: list[Stroke] = []
        right = 0.0
        while not texts or right < 0.6 * width:
            word = self.word(rng)
            if texts and right + word.width > width:
                break
            strokes += word.placed(right, float(rng.normal(0, 0.08)))
            texts.append(word.text)
            right += word.width + rng.uniform(1.2, 2.2)
        return Written(" ".join(texts), tuple(strokes))


def notebook(hand: Hand, rng: Rng, lines: int = 20) -> InkPage:
    """Lines below one another, some indented, each with a slope of its own."""
    page, y, distance = InkPage(), 0.0, rng.uniform(2.8, 4.0)
    for _ in range(lines):
        line = hand.line(rng)
        tilt = rng.normal(0, np.radians(0.7))
        page.write(line.text, rotate(line.placed(0, 0), -tilt))
        shift = [rng.choice([0, 0, 0, 4]) + rng.normal(0, 0.5), y]
        page.strokes[-len(line.strokes) :] = [stroke + shift for stroke in page.strokes[-len(line.strokes) :]]
        y += distance * (rng.choice([1, 1, 1, 1, 1, 1, 1, 2]) + rng.normal(0, 0.05))
    return page


def columns(hand: Hand, rng: Rng) -> InkPage:
    """Two or three columns of ten lines, one written after the other, or across, as a table of words is."""
    page, distance, width = InkPage(), rng.uniform(2.8, 4.0), rng.uniform(18, 28)
    for column in range(rng.integers(2, 4)):
        left, top = column * (width + rng.uniform(4, 7)), rng.uniform(-1, 1)
        for row in range(10):
            line = hand.short_line(rng, width)
            page.write(line.text, line.placed(left + rng.normal(0, 0.4), top + row * distance + rng.normal(0, 0.1)))
    return page


def slanted(hand: Hand, rng: Rng) -> InkPage:
    """A page that is turned by up to ten degrees."""
    angle = np.radians(rng.uniform(3, 10) * rng.choice([-1, 1]))
    return notebook(hand, rng, 12).moved(lambda stroke: rotate([stroke], angle)[0])


def margin(hand: Hand, rng: Rng) -> InkPage:
    """Notes of one or two words beside the lines, smaller, when these are done."""
    page = notebook(hand, rng, 15)
    points = np.concatenate(page.strokes)
    for _ in range(4):
        note = hand.short_line(rng, 10)
        y = rng.uniform(0, points[:, 1].max())
        left = points[:, 0].max() + 4 if rng.random() < 0.5 else -4 - 0.75 * note.width
        placed = note.placed(left, y, 0.75)
        if all(abs(np.concatenate(placed)[:, 1].mean() - other) > 3 for other in _heights(page, left)):
            page.write(note.text, placed)
    return page


def _heights(page: InkPage, left: float) -> list[float]:
    """The heights of what is already in the same margin."""
    return [float(stroke[:, 1].mean()) for stroke in page.strokes if abs(stroke[0, 0] - left) < 6]


def sizes(hand: Hand, rng: Rng) -> InkPage:
    """A heading twice as large, lines, a footnote."""
    page = InkPage()
    heading = hand.short_line(rng, 15)
    page.write(heading.text, heading.placed(rng.uniform(0, 8), 0, 2.0))
    y = 6.5
    for number in range(14):
        size = 1.0 if number < 10 else 0.65
        line = hand.line(rng)
        page.write(line.text, line.placed(rng.normal(0, 0.5), y, size))
        y += 3.4 * size if number != 9 else 4.5
    return page


def later(hand: Hand, rng: Rng) -> InkPage:
    """All dots and bars of the page, and one word in five lines, are made when the page is done."""
    page = notebook(hand, rng, 15)
    late = [float(np.ptp(stroke, axis=0).max()) < 0.5 for stroke in page.strokes]
    for number in rng.choice(15, 5, replace=False):
        own = [index for index, line in enumerate(page.line_of) if line == number]
        begin = rng.integers(len(own))
        for index in own[begin : begin + 4]:
            late[index] = True
    return page.in_order([i for i, x in enumerate(late) if not x] + [i for i, x in enumerate(late) if x])


def upwards(hand: Hand, rng: Rng) -> InkPage:
    """Lines that were written in any order."""
    page = notebook(hand, rng, 12)
    order = rng.permutation(12)
    return page.in_order([index for number in order for index, line in enumerate(page.line_of) if line == number])


def few(hand: Hand, rng: Rng) -> InkPage:
    """One word, one line, or a list of up to five words."""
    page, kind = InkPage(), rng.integers(3)
    if kind == 1:
        line = hand.line(rng)
        page.write(line.text, line.placed(0, 0))
        return page
    for row in range(1 if kind == 0 else rng.integers(2, 6)):
        word = hand.word(rng)
        page.write(word.text, word.placed(rng.normal(0, 0.5), row * rng.uniform(3, 5)))
    return page


KINDS = {kind.__name__: kind for kind in (notebook, columns, slanted, margin, sizes, later, upwards, few)}


def composed(hands: Sequence[Hand], kind: Callable[[Hand, Rng], InkPage], count: int) -> Iterator[InkPage]:
    """Pages of a kind, each by another writer, in any unit."""
    for number in range(count):
        rng = np.random.default_rng(number)
        page = kind(hands[(number * 7) % len(hands)], rng)
        scale, origin = rng.uniform(1, 100), rng.uniform(-50, 50, 2)
        yield page.moved(lambda stroke, scale=scale, origin=origin: (stroke + origin) * scale)  # type: ignore[misc]


def read_hands(lines: Path, split: str) -> list[Hand]:
    """The writers of a split who wrote at least 10 lines and 20 words."""
    hands: dict[str, Hand] = defaultdict(lambda: Hand([], []))
    with (lines / "lines.jsonl").open() as file:
        for line in file:
            if f'"split":"{split}"' not in line:
                continue
            row = json.loads(line)
            kind = row["id"].split("/")[0]
            if kind == "words" and len(row["text"]) > 1:
                hands[row["writer"]].words.append(row)
            elif kind in ("text", "running") and 10 < len(row["text"]) < 60:
                hands[row["writer"]].lines.append(row)
    return [hand for _, hand in sorted(hands.items()) if len(hand.lines) >= 10 and len(hand.words) >= 20]


def as_written(row: dict[str, Any]) -> Written:
    strokes = [np.array(stroke, float) for stroke in row["strokes"]]
    level = rotate(strokes, -slope(strokes)) if len(row["text"]) > 10 else strokes
    baseline, x_height = baseline_and_x_height(level)
    left = min(float(stroke[:, 0].min()) for stroke in level)
    return Written(row["text"], tuple((stroke - [left, baseline]) / x_height for stroke in level))


def forms(iam: Path, split: str, count: int) -> Iterator[InkPage]:
    """The forms of IAM-OnDB, as they were written on a whiteboard."""
    pages: dict[str, InkPage] = defaultdict(InkPage)
    for sample in open_dataset(f"{iam}:{split}").samples:
        form = sample.id.rpartition("-")[0]
        if form in pages or len(pages) < count:
            pages[form].write(sample.text, read_inks(sample.path)[0].strokes)
    return iter(pages.values())


# ---- scores


@dataclass
class Scores:
    pages: int = 0
    true: int = 0
    found: int = 0
    matched: int = 0
    strokes: int = 0
    astray: int = 0
    characters: int = 0
    edits: int = 0
    page_edits: int = 0
    milliseconds: float = 0.0

    def __str__(self) -> str:
        f1 = 2 * self.matched / max(1, self.true + self.found)
        characters = max(1, self.characters)
        return (
            f"{self.pages} | {self.true} | {self.found} | {100 * f1:.1f} | {100 * self.astray / self.strokes:.2f} | "
            f"{100 * self.edits / characters:.1f} | {100 * self.page_edits / characters:.1f} | "
            f"{self.milliseconds / self.pages:.0f}"
        )


def score(page: InkPage, recognizer: Recognizer | None, scores: Scores) -> list[list[int]]:
    """Add a page to the scores. Returns the strokes of the lines that were found."""
    began = time.process_time()
    lines = [line for paragraph in find_ink_lines(page.strokes) for line in paragraph]
    scores.milliseconds += 1000 * (time.process_time() - began)
    number = {id(stroke): index for index, stroke in enumerate(page.strokes)}
    found = [[number[id(stroke)] for stroke in line.strokes] for line in lines]
    sizes = np.array([path_length(stroke) for stroke in page.strokes])
    line_of = np.array(page.line_of)
    owners = [int(np.bincount(line_of[line], sizes[line]).argmax()) for line in found]
    scores.pages += 1
    scores.true += len(page.texts)
    scores.found += len(found)
    scores.strokes += len(page.strokes)
    for line, owner in zip(found, owners, strict=True):
        own = line_of == owner
        inside = np.isin(np.arange(len(own)), line)
        scores.matched += bool(sizes[own & inside].sum() >= FOUND * sizes[own | inside].sum())
        scores.astray += int((~own & inside).sum())
    scores.astray += len(page.strokes) - sum(map(len, found))
    if recognizer:
        texts = [reading.text for reading in recognizer.read_many([line.strokes for line in lines])]
        scores.characters += sum(len(text) + 1 for text in page.texts)
        for index, true in enumerate(page.texts):
            read = " ".join(text for text, owner in zip(texts, owners, strict=True) if owner == index)
            scores.edits += edit_distance(true, read)
        scores.page_edits += edit_distance("\n".join(page.texts), "\n".join(texts))
    return found


def path_length(stroke: Stroke) -> float:
    return float(np.hypot(*np.diff(stroke, axis=0).T).sum())


def draw(page: InkPage, found: list[list[int]], file: Path) -> None:
    """A picture of the page, each line found in another colour."""
    points: NDArray[np.float64] = np.concatenate(page.strokes)
    scale = 1400 / float(np.ptp(points, axis=0).max())
    origin = points.min(axis=0) - 10 / scale
    width, height = (np.ptp(points, axis=0) * scale + 20).astype(int).tolist()
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    for line, colour in zip(found, cycle(COLOURS)):
        for index in line:
            path = (page.strokes[index] - origin) * scale
            pen.line([*map(tuple, path.tolist()), (path[-1, 0] + 1, path[-1, 1])], fill=colour, width=2)
    picture.save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iam", type=Path, metavar="FOLDER", help="IAM-OnDB as distributed")
    parser.add_argument("--unipen", type=Path, metavar="FOLDER", help="UNIPEN's lines by datasets/unipen/prepare.py")
    parser.add_argument("--split", choices=("train", "dev"), default="dev", help="whose lines (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=30, help="of each kind (default: %(default)s)")
    parser.add_argument("--kinds", nargs="*", choices=["forms", *KINDS], default=["forms", *KINDS], metavar="KIND")
    parser.add_argument("--model", default="strokes", help="reads the lines; none: only find them (default: strokes)")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="draw the pages on which a line was not found")
    options = parser.parse_args()
    recognizer = None if options.model == "none" else Recognizer.load(options.model, decoder="greedy")
    hands = read_hands(options.unipen, options.split) if options.unipen else []
    print("| page | pages | lines | found | F1, % | astray, % | CER of lines, % | CER of pages, % | ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in options.kinds:
        if kind == "forms" and options.iam:
            pages = forms(options.iam, "testset_v" if options.split == "dev" else "trainset", options.pages)
        elif kind != "forms" and hands:
            pages = composed(hands, KINDS[kind], options.pages)
        else:
            continue
        scores = Scores()
        for number, page in enumerate(pages):
            before = scores.true + scores.found - 2 * scores.matched
            found = score(page, recognizer, scores)
            if options.draw and scores.true + scores.found - 2 * scores.matched > before:
                options.draw.mkdir(parents=True, exist_ok=True)
                draw(page, found, options.draw / f"{kind}-{number}.png")
        print(f"| {kind} | {scores} |", flush=True)


if __name__ == "__main__":
    main()
