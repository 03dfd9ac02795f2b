"""Scores of whole pages: which lines are found, and the error rate of the text in reading order.

Found and true lines are matched by their baselines, with a simple form of the rule of Grüning, Labahn, Diem, Kleber and
Fiel (2018), "READ-BAD: a new dataset and evaluation scheme for baseline detection". A found and a true baseline match
if at least three quarters of each are within a quarter of the line distance of the other. A line matches at most one
other, and the best matches are taken first. So a line that is cut in two, or two lines joined into one, do not match.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inkread.alphabet import normal, without_crossed_out
from inkread.data import Dataset, Sample
from inkread.document.elements import Points
from inkread.errors import BadInput
from inkread.evaluation.metrics import bootstrap_interval, edit_distance
from inkread.inputs import open_images
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.reader import LineRecognizer, read_layouts
from inkread.pages.regions import Region

TOLERANCE = 0.25  # of the line distance: how far apart matching baselines may be, as in READ-BAD
MIN_SHARE = 0.75  # of each baseline that must be within the tolerance of the other
STEPS = 200  # points of a baseline that are compared: one every 5 to 10 pixels of a usual scan
# Line distances by which the mean heights of two baselines may differ, on top of their own rise, to be compared at all.
# This only saves time: baselines farther apart have no points within the tolerance.
MAX_DISTANCE = 2.0
SINGLE_LINE_DISTANCE = 0.1  # of its length: the line distance of a page with a single line

Failed = Callable[[str, Exception], None]  # takes the name of a page, and the error


@dataclass(frozen=True)
class PageScore:
    """The score of one page: the numbers of lines, and the edits from the written to the read text in reading order."""

    id: str
    writer: str | None
    true: int  # lines on the page
    found: int  # lines found
    matched: int  # found lines that match true ones
    characters: int  # written, with one for each end of a line
    edits: int


@dataclass(frozen=True)
class PageScores:
    """The scores of all pages of a dataset."""

    pages: tuple[PageScore, ...]

    @property
    def precision(self) -> float:
        """The share of the found lines that match true lines."""
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
        """The 95 % bootstrap interval of F1, by writer if writers are known, else by page."""
        return self._interval([2 * page.matched for page in self.pages], [p.true + p.found for p in self.pages])

    @property
    def cer(self) -> float:
        """The character error rate: all edits over all written characters."""
        return sum(page.edits for page in self.pages) / max(1, sum(page.characters for page in self.pages))

    @property
    def cer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the CER, by writer if writers are known, else by page."""
        return self._interval([page.edits for page in self.pages], [page.characters for page in self.pages])

    def __str__(self) -> str:
        """The result as one line of plain text."""
        if not self.pages:
            return "whole pages: none could be read"
        (f1_low, f1_high), (cer_low, cer_high) = self.f1_interval, self.cer_interval
        return (
            f"whole pages: lines found F1 {100 * self.f1:.1f} % ({100 * f1_low:.1f}-{100 * f1_high:.1f}), "
            f"precision {100 * self.precision:.1f} %, recall {100 * self.recall:.1f} %; "
            f"page CER {100 * self.cer:.2f} % ({100 * cer_low:.2f}-{100 * cer_high:.2f}); {len(self.pages)} pages"
        )

    def to_dict(self) -> dict[str, Any]:
        """All results as plain values for JSON. Rates are fractions, or null if no page could be read."""
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
    """The samples of each page in reading order, by file and number of the page in it, counted from 0.

    Empty if some lines of the dataset are not on a page.
    """
    pages: dict[tuple[Path, int], list[Sample]] = {}
    for sample in dataset.samples:
        if sample.region is None:
            return {}
        pages.setdefault((sample.path, sample.page), []).append(sample)
    return pages


def score_pages(
    recognizer: LineRecognizer,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
    failed: Failed | None = None,
) -> PageScores:
    """Find and read the lines of every page of the dataset.

    `progress` is called with the number of pages done and the number of all pages. Pages whose image cannot be read are
    left out. `failed` is called with the name of a page and an unexpected error; without it the error is raised.
    """
    pages = pages_of(dataset)
    layout_failed = (lambda layout, error: failed(layout.name, error)) if failed else None
    scores: list[PageScore] = []
    for layout, readings in read_layouts(recognizer, _layouts(pages, failed), layout_failed):
        samples = pages[Path(layout.name), layout.number - 1]
        scores.append(_score(layout, samples, [reading.text for reading in readings]))
        if progress:
            progress(len(scores), len(pages))
    return PageScores(tuple(scores))


def _layouts(pages: Iterable[tuple[Path, int]], failed: Failed | None) -> Iterator[PageLayout]:
    """The layout of each page, given by its file and its number in it, without the pages that cannot be read."""
    for path, number in pages:
        try:
            image = open_images(path)[number]
        except (BadInput, IndexError):
            continue
        try:
            yield detect_layout(str(path), number + 1, 1, image, is_page=True)
        except Exception as error:
            if not failed:
                raise
            failed(str(path), error)


def _score(layout: PageLayout, samples: Sequence[Sample], texts: Sequence[str]) -> PageScore:
    """The score of a page: its layout and the texts read, compared with the samples, in reading order."""
    regions = [sample.region.fitted(*layout.size) for sample in samples if sample.region]
    written = "\n".join(normal(without_crossed_out(sample.text)) for sample in samples)
    read = "\n".join(map(normal, texts))
    return PageScore(
        id=f"{Path(layout.name).stem}#{layout.number}",
        writer=samples[0].writer,
        true=len(regions),
        found=len(layout.regions),
        matched=len(match_lines(regions, layout.regions)),
        characters=len(written),
        edits=edit_distance(written, read),
    )


def match_lines(true: Sequence[Region], found: Sequence[Region]) -> list[tuple[int, int]]:
    """The pairs (index of a true line, index of a found line) that match, by the rule at the top of this file."""
    true_lines, found_lines = ([_evenly_spaced(region.baseline) for region in regions] for regions in (true, found))
    tolerance = TOLERANCE * _line_distance(true_lines)
    shares = []
    for index, line in enumerate(true_lines):
        for number, other in enumerate(found_lines):
            share = _share_in_common(line, other, tolerance)
            if share >= MIN_SHARE:
                shares.append((share, index, number))
    pairs: list[tuple[int, int]] = []
    for _, index, number in sorted(shares, reverse=True):
        if all(index != first and number != second for first, second in pairs):
            pairs.append((index, number))
    return sorted(pairs)


def _evenly_spaced(baseline: Points) -> np.ndarray:
    """Points (STEPS, 2) of a baseline at evenly spaced x, from the left."""
    points = np.array(sorted(baseline))
    x = np.linspace(points[0, 0], points[-1, 0], STEPS)
    return np.column_stack((x, np.interp(x, points[:, 0], points[:, 1])))


def _share_in_common(line: np.ndarray, other: np.ndarray, tolerance: float) -> float:
    """The share of the points (STEPS, 2) of a baseline that are near the other one; the smaller one of both shares."""
    max_distance = MAX_DISTANCE / TOLERANCE * tolerance + np.ptp(line[:, 1]) + np.ptp(other[:, 1])
    if abs(line[:, 1].mean() - other[:, 1].mean()) > max_distance:
        return 0.0
    distances = np.hypot(*(line[:, None] - other[None]).transpose(2, 0, 1))  # (STEPS, STEPS)
    return float(min((distances.min(axis=1) <= tolerance).mean(), (distances.min(axis=0) <= tolerance).mean()))


def _line_distance(lines: Sequence[np.ndarray]) -> float:
    """The median distance of a line from the nearest one above or below it.

    A tenth of its length for a single line, and 0 without lines.
    """
    if not lines:
        return 0.0
    nearest = []
    for line in lines:
        distances = []
        for other in lines:
            left, right = max(line[0, 0], other[0, 0]), min(line[-1, 0], other[-1, 0])
            if other is not line and left < right:
                middle = (left + right) / 2
                distances.append(abs(np.interp(middle, *line.T) - np.interp(middle, *other.T)))
        nearest += [min(distances)] if distances else []
    return float(np.median(nearest)) if nearest else SINGLE_LINE_DISTANCE * float(np.ptp(lines[0][:, 0]))
