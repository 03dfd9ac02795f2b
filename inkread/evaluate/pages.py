"""How well pages are read: which of their lines are found, and the text of the whole page in reading order.

The rule for lines, that of Grüning, Labahn, Diem, Kleber and Fiel (2017) made simple: a found baseline and a true one
belong together when at least three quarters of each lie within a quarter of the page's line distance of the other; each
belongs to one at most, the best first. So a line that is cut in two, or two made one, is not found.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inkread.alphabet import normal
from inkread.data import Dataset, Sample
from inkread.errors import BadInput
from inkread.evaluate.metrics import bootstrap_interval, edit_distance
from inkread.inputs import open_images
from inkread.pages.reader import Reader, Sheet, lay_out, read_sheets
from inkread.pages.regions import Points, Region

TOLERANCE = 0.25  # of the distance between lines
SHARE = 0.75  # of a baseline's length
STEPS = 200  # points along a baseline at which it is compared


@dataclass(frozen=True)
class PageScore:
    """One page: its lines, and the edits from the text written there to the text read, in reading order."""

    id: str
    writer: str | None
    true: int
    found: int
    matched: int
    characters: int  # written, the ends of lines among them
    edits: int


@dataclass(frozen=True)
class PageScores:
    """All pages of a dataset."""

    pages: tuple[PageScore, ...]

    @property
    def precision(self) -> float:
        """The share of the found lines that are true ones."""
        return sum(page.matched for page in self.pages) / max(1, sum(page.found for page in self.pages))

    @property
    def recall(self) -> float:
        """The share of the true lines that are found."""
        return sum(page.matched for page in self.pages) / max(1, sum(page.true for page in self.pages))

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * sum(page.matched for page in self.pages) / max(1, sum(page.true + page.found for page in self.pages))

    @property
    def f1_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of F1, by writer where writers are known, else by page."""
        return self._interval([2 * page.matched for page in self.pages], [p.true + p.found for p in self.pages])

    @property
    def cer(self) -> float:
        """All edits by all characters written."""
        return sum(page.edits for page in self.pages) / max(1, sum(page.characters for page in self.pages))

    @property
    def cer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the CER, by writer where writers are known, else by page."""
        return self._interval([page.edits for page in self.pages], [page.characters for page in self.pages])

    def __str__(self) -> str:
        """The result in one line of plain text."""
        if not self.pages:
            return "whole pages: none could be read"
        (f1_low, f1_high), (cer_low, cer_high) = self.f1_interval, self.cer_interval
        return (
            f"whole pages: lines found F1 {100 * self.f1:.1f} % ({100 * f1_low:.1f}-{100 * f1_high:.1f}), "
            f"precision {100 * self.precision:.1f} %, recall {100 * self.recall:.1f} %; "
            f"page CER {100 * self.cer:.2f} % ({100 * cer_low:.2f}-{100 * cer_high:.2f}); {len(self.pages)} pages"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; rates are fractions, or null when no page could be read."""
        figures = ("precision", "recall", "f1", "f1_interval", "cer", "cer_interval")
        return {
            **{name: getattr(self, name) if self.pages else None for name in figures},
            "pages": [asdict(page) for page in self.pages],
        }

    def _interval(self, parts: Sequence[int], wholes: Sequence[int]) -> tuple[float, float]:
        if not self.pages:
            return 0.0, 0.0
        writers = [page.writer for page in self.pages]
        return bootstrap_interval(parts, wholes, None if None in writers or len(set(writers)) == 1 else writers)


def pages_of(dataset: Dataset) -> dict[tuple[Path, int], list[Sample]]:
    """The lines of each page, as (file, number of the page in it from 0 on) -> samples in reading order.

    Empty when not every line of the dataset stands on a page.
    """
    pages: dict[tuple[Path, int], list[Sample]] = {}
    for sample in dataset.samples:
        if sample.region is None:
            return {}
        pages.setdefault((sample.path, sample.page), []).append(sample)
    return pages


def score_pages(
    reader: Reader,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
    failed: Callable[[str, Exception], None] | None = None,
) -> PageScores:
    """Find and read the lines of every page of the dataset; `progress` is called with the pages done and in all.

    Pages whose picture cannot be read are left out. `failed` is called with the name of a page on which something
    unexpected happens, and the error; without it the error is raised.
    """
    pages = pages_of(dataset)

    def sheets() -> Iterator[Sheet]:
        for path, number in pages:
            try:
                picture = open_images(path)[number]
            except (BadInput, IndexError):
                continue
            try:
                yield lay_out(str(path), number + 1, 1, picture, page=True)
            except Exception as error:
                if not failed:
                    raise
                failed(str(path), error)

    unread = (lambda sheet, error: failed(sheet.name, error)) if failed else None
    scores: list[PageScore] = []
    for sheet, readings in read_sheets(reader, sheets(), unread):
        samples = pages[Path(sheet.name), sheet.number - 1]
        regions = [sample.region.fitted(*sheet.size) for sample in samples if sample.region]
        written = "\n".join(normal(sample.text) for sample in samples)
        read = "\n".join(normal(reading.text) for reading in readings)
        scores.append(
            PageScore(
                id=f"{Path(sheet.name).stem}#{sheet.number}",
                writer=samples[0].writer,
                true=len(regions),
                found=len(sheet.regions),
                matched=len(match_lines(regions, sheet.regions)),
                characters=len(written),
                edits=edit_distance(written, read),
            )
        )
        if progress:
            progress(len(scores), len(pages))
    return PageScores(tuple(scores))


def match_lines(true: Sequence[Region], found: Sequence[Region]) -> list[tuple[int, int]]:
    """The pairs (index of a true line, index of a found line) that belong together by the rule above."""
    lines, others = [_along(region.baseline) for region in true], [_along(region.baseline) for region in found]
    near = TOLERANCE * _line_distance(lines)
    shares = []
    for index, line in enumerate(lines):
        for number, other in enumerate(others):
            if abs(line[:, 1].mean() - other[:, 1].mean()) > 8 * near + np.ptp(line[:, 1]) + np.ptp(other[:, 1]):
                continue
            distances = np.hypot(*(line[:, None] - other[None]).transpose(2, 0, 1))  # (steps, steps)
            share = min((distances.min(axis=1) <= near).mean(), (distances.min(axis=0) <= near).mean())
            if share >= SHARE:
                shares.append((float(share), index, number))
    pairs: list[tuple[int, int]] = []
    for _, index, number in sorted(shares, reverse=True):
        if all(index != first and number != second for first, second in pairs):
            pairs.append((index, number))
    return sorted(pairs)


def _along(baseline: Points) -> np.ndarray:
    """Points (STEPS, 2) at even columns along a baseline, from the left."""
    points = np.array(sorted(baseline))
    x = np.linspace(points[0, 0], points[-1, 0], STEPS)
    return np.column_stack((x, np.interp(x, points[:, 0], points[:, 1])))


def _line_distance(lines: Sequence[np.ndarray]) -> float:
    """The median distance of a line from the next one beside it; a tenth of its length where there is but one."""
    distances = []
    for line in lines:
        apart = []
        for other in lines:
            left, right = max(line[0, 0], other[0, 0]), min(line[-1, 0], other[-1, 0])
            if other is not line and left < right:
                middle = (left + right) / 2
                apart.append(abs(np.interp(middle, *line.T) - np.interp(middle, *other.T)))
        distances += [min(apart)] if apart else []
    return float(np.median(distances)) if distances else 0.1 * float(np.ptp(lines[0][:, 0])) if lines else 0.0
