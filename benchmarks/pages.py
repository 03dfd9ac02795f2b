"""Lines found on pages with known lines: precision, recall, F1 and milliseconds a page.

    python benchmarks/pages.py work/pages                            # by datasets/pages/prepare.py: its sets, dev pages
    python benchmarks/pages.py work/pages --set copiste --harder
    python benchmarks/pages.py work/pages --set mss19 --kraken kraken-venv
    python benchmarks/pages.py ../shared/data/copiste --split dev --model latin      # ALTO or PAGE

`--harder` turns each page by up to 5 degrees either way, lays a shadow over it and looks at it from an angle, by a
fixed seed. `--page-model` finds the lines with another page model. `--model` also reads the pages, and the lines cut by
the truth. `--kraken` names the virtual environment of kraken, whose segmenter then finds the lines of the same pages
too. With ALTO or PAGE, `--split` is for Copiste, whose writers are told from the names of its pages.
inkread/evaluation/pages.py states the rule by which lines match. `unread` counts the places reported as perhaps
handwriting, and the pages that have some.

Time is that of the processor, on one core, so that what else runs shows less: inkread's median page, without reading
the file; and kraken's mean page, from its start to the ALTO file.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.config import PAGE_MODEL
from inkread.data import Dataset, open_dataset, page_truth
from inkread.data.page_truth import FILE, read_pages
from inkread.data.prepare import split_of
from inkread.document.elements import Points
from inkread.evaluation.pages import PageScore, PageScores, match_lines, pages_of
from inkread.features.image import dark_on_light
from inkread.inputs import open_images
from inkread.pages.regions import Region
from inkread.pages.segment import find_lines


@dataclass(frozen=True)
class TruePage:
    """A page and its lines as they are."""

    id: str
    writer: str | None
    load: Callable[[], np.ndarray]  # (H, W) uint8
    lines: list[Region]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="a folder with ALTO or PAGE and its pictures")
    parser.add_argument("--split", choices=("train", "dev"), help="these writers alone (default: dev, or all of ALTO)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME", help="these sets of pages.jsonl (default: all)")
    parser.add_argument("--harder", action="store_true", help="turned, shadowed and seen at an angle")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth page (default: all)")
    parser.add_argument("--worst", type=int, default=5, metavar="N", help="pages to name (default: %(default)s)")
    parser.add_argument("--model", help="also read the pages with this model")
    parser.add_argument("--page-model", default=PAGE_MODEL, metavar="MODEL", help="finds the lines (%(default)s)")
    parser.add_argument("--kraken", type=Path, metavar="VENV", help="also find the lines with kraken")
    arguments = parser.parse_args()

    folder = Path(arguments.dataset)
    if (folder / FILE).is_file():
        listed = read_pages(folder, arguments.split or "dev")
        for name in arguments.set or sorted({page.set for page in listed}):
            measure(name, [listed_page(folder, page) for page in listed if page.set == name], arguments)
        return
    dataset = open_dataset(arguments.dataset)
    if arguments.split:
        dataset = of_split(dataset, arguments.split)
    measure(dataset.name, list(true_pages(dataset)), arguments)
    if arguments.model:
        read(dataset, arguments.model)


def measure(name: str, pages: Sequence[TruePage], arguments: argparse.Namespace) -> None:
    """Find the lines of the pages and print how well."""
    pages = [harder(page, seed) if arguments.harder else page for seed, page in enumerate(pages[:: arguments.every])]
    scores, milliseconds, unread = [], [], []
    for page in pages:
        began = time.process_time()
        found = find_lines(dark_on_light(page.load()), arguments.page_model)
        milliseconds.append(1000 * (time.process_time() - began))
        scores.append(scored(page, [region for paragraph in found.paragraphs for region in paragraph]))
        unread.append(len(found.unread))
    report(f"{name}: inkread", scores, milliseconds, arguments.worst)
    print(f"unread: {sum(unread)} places, on {sum(map(bool, unread))} pages")
    if arguments.kraken:
        lines, seconds = kraken_lines(arguments.kraken, [page.load() for page in pages])
        scores = [scored(page, found) for page, found in zip(pages, lines, strict=True)]
        report(f"{name}: kraken", scores, [1000 * seconds], arguments.worst)


def true_pages(dataset: Dataset) -> Iterator[TruePage]:
    """The pages of ALTO or PAGE."""
    for (path, number), samples in pages_of(dataset).items():
        load = partial(lambda path, number: open_images(path)[number], path, number)
        height, width = load().shape
        true = [sample.region.fitted(width, height) for sample in samples if sample.region]
        yield TruePage(path.stem, samples[0].writer, load, true)


def listed_page(folder: Path, page: page_truth.TruePage) -> TruePage:
    """A page of pages.jsonl."""
    lines = [Region((), line.baseline) for line in page.lines]
    return TruePage(page.image.removeprefix(str(folder)), page.writer, partial(page.grey, folder), lines)


def harder(page: TruePage, seed: int) -> TruePage:
    picture, lines = distorted(page.load(), page.lines, seed)
    return TruePage(page.id, page.writer, lambda: picture, lines)


def scored(page: TruePage, found: Sequence[Region]) -> PageScore:
    matched = len(match_lines(page.lines, found))
    return PageScore(page.id, page.writer, len(page.lines), len(found), matched, 1, 0)


def report(name: str, scores: Sequence[PageScore], milliseconds: Sequence[float], worst: int) -> None:
    result = PageScores(tuple(scores))
    low, high = result.f1_interval
    time = f"{np.median(milliseconds):.0f} ms (at most {max(milliseconds):.0f})"
    print(f"{name}: {len(scores)} pages, {sum(page.true for page in scores)} lines, {time}")
    print(f"F1 {result.f1:.4f} ({low:.4f}-{high:.4f})  precision {result.precision:.4f}  recall {result.recall:.4f}")
    for page in sorted(scores, key=lambda page: page.matched / max(1, page.true + page.found))[:worst]:
        print(f"  {page.id}: {page.matched} of {page.true}, {page.found} found")


def kraken_lines(venv: Path, pictures: Sequence[np.ndarray]) -> tuple[list[list[Region]], float]:
    """The lines kraken finds on each page, and the seconds of processor a page that takes it."""
    with tempfile.TemporaryDirectory(prefix="inkread-kraken-") as folder:
        files = [Path(folder, f"{number:04}.png") for number in range(len(pictures))]
        for file, picture in zip(files, pictures, strict=True):
            Image.fromarray(picture).save(file, compress_level=1)
        command = [venv / "bin" / "kraken", "-d", "cpu", "--threads", "1", "--raise-on-error", "--alto"]
        command += ["-I", f"{folder}/*.png", "-o", ".xml", "segment", "--baseline"]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        lines = [
            [kraken_line(line) for line in ElementTree.parse(file.with_suffix(".xml")).iterfind(".//{*}TextLine")]
            for file in files
        ]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return lines, (used.ru_utime + used.ru_stime) / len(pictures)


def kraken_line(line: ElementTree.Element) -> Region:
    """A baseline is all that is compared."""
    numbers = line.attrib["BASELINE"].replace(",", " ").split()
    return Region((), tuple((float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)))


def read(dataset: Dataset, model: str) -> None:
    """Print the CER of whole pages and that of the same lines cut by the truth."""
    from inkread.evaluation.lines import evaluate
    from inkread.evaluation.pages import score_pages
    from inkread.model.recognizer import Recognizer

    recognizer = Recognizer.load(model)
    print(score_pages(recognizer, dataset))
    print(f"lines cut by the truth: CER {100 * evaluate(recognizer, dataset).cer:.2f} %")


def of_split(dataset: Dataset, split: str) -> Dataset:
    """Copiste's pages by the writers of a split: pages _1 and _2 of a text are of one writer."""
    samples = []
    for sample in dataset.samples:
        stem = sample.path.stem
        writer = stem[:-2] if stem[-2:-1] == "_" else stem
        if split_of("copiste", writer) == split:
            samples.append(replace(sample, writer=writer))
    return Dataset(dataset.name, tuple(samples), dataset.skipped)


def distorted(picture: np.ndarray, true: Sequence[Region], seed: int) -> tuple[np.ndarray, list[Region]]:
    """The page turned by up to 5 degrees, seen at an angle, in a shadow, on a dark table; and its lines there."""
    random = np.random.default_rng(seed)
    height, width = picture.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    turn = np.radians(random.uniform(-5, 5))
    middle = np.array((width, height)) / 2
    turned = (corners - middle) @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))]) + middle
    moved = turned + random.uniform(-0.04, 0.04, (4, 2)) * (width, height)
    moved -= moved.min(axis=0) - 20
    size = tuple(np.ceil(moved.max(axis=0) + 20).astype(int).tolist())
    back = homography(moved, corners)
    seen = Image.fromarray(picture).transform(
        size,
        Image.Transform.PERSPECTIVE,
        (back / back[2, 2]).ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=70,
    )
    angle, edge = random.uniform(0, 2 * np.pi), random.uniform(0.3, 0.7)
    y, x = np.mgrid[: size[1], : size[0]]
    across = (x / size[0] - 0.5) * np.cos(angle) + (y / size[1] - 0.5) * np.sin(angle) + 0.5
    light = 1 - 0.45 / (1 + np.exp(-(across - edge) / 0.03)) - 0.2 * np.abs(across)
    forth = homography(corners, moved)

    def there(points: Points) -> Points:
        mapped = np.column_stack((points, np.ones(len(points)))) @ forth.T
        return tuple((float(x / w), float(y / w)) for x, y, w in mapped)

    return (np.asarray(seen) * light).astype(np.uint8), [
        Region(there(r.polygon) if r.polygon else (), there(r.baseline)) for r in true
    ]


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The (3, 3) matrix that maps four points (4, 2) to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    return np.append(np.linalg.solve(np.array(rows), target.ravel()), 1).reshape(3, 3)


if __name__ == "__main__":
    main()
