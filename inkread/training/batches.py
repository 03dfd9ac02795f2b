"""Prepare the lines of a dataset for training: normalised lines in files that all processes share, and batches."""

import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import BLANK, Alphabet, steps_needed
from inkread.augment.image import photograph
from inkread.augment.splice import Gap, find_gaps, splice
from inkread.config import NetworkConfig
from inkread.data import Sample
from inkread.data.samples import read_line, read_line_input
from inkread.errors import BadDataset, BadInput
from inkread.features.extract import NormalizedLine, columns_of, normalize, source_x
from inkread.training.distributed import Workers

logger = logging.getLogger("inkread")

SPLICED_WIDTH = 1.1  # a spliced line is at most so many times as wide as the line that it begins with
# Lines are sorted by width within pools of so many batches. The larger, the less padding, and the less random batches.
POOL = 50
WIDTH_NOISE = 0.05  # widths are changed at random by up to this share before sorting, so that batches differ by epoch


@dataclass(frozen=True)
class PreparedLine:
    """A normalised line in a file of columns, and its labels."""

    file: Path
    first: int  # its first column in the file
    width: int  # columns
    labels: list[int]
    frames: NDArray[np.int64] | None  # (steps,), a label for each step, if the places of the characters are known
    writer: str | None
    gaps: list[Gap]  # the spaces between words at which the line can be cut

    def to_dict(self) -> dict[str, Any]:
        """What JSON can express; `of_dict` is the reverse."""
        frames = None if self.frames is None else self.frames.tolist()
        return {**vars(self), "file": str(self.file), "frames": frames}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        frames = None if values["frames"] is None else np.array(values["frames"], np.int64)
        gaps = [Gap(*gap) for gap in values["gaps"]]
        return cls(**{**values, "file": Path(values["file"]), "frames": frames, "gaps": gaps})


@dataclass(frozen=True)
class PreparedLines:
    """Normalised lines. Each column has `rows` numbers of one type: uint8 pixels, or float32 x, y and pen state."""

    rows: int
    dtype: type[np.uint8] | type[np.float32]
    lines: list[PreparedLine]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> PreparedLine:
        return self.lines[index]

    def columns(self, index: int) -> NDArray[Any]:
        """A line as (rows, W): pixels (height, W) uint8, 255 = ink, or pen strokes (3, W) float32."""
        line = self.lines[index]
        start = line.first * self.rows * self.dtype().nbytes
        return np.memmap(line.file, self.dtype, "r", start, (line.width, self.rows)).T

    @cached_property
    def of_writer(self) -> dict[str | None, list[int]]:
        """The indices of the lines of each writer that can be cut."""
        of_writer: dict[str | None, list[int]] = defaultdict(list)
        for index, line in enumerate(self.lines):
            if line.gaps:
                of_writer[line.writer].append(index)
        return of_writer

    def spliced(self, index: int, rng: np.random.Generator) -> tuple[NDArray[Any], list[int]]:
        """The columns and labels of the beginning of a line, followed by the end of another line by the same writer.

        Lines without a writer are treated as lines by one writer. A line that cannot be cut is returned unchanged.
        """
        line = self.lines[index]
        if line.gaps:
            gap = line.gaps[rng.integers(len(line.gaps))]
            candidates = self.of_writer[line.writer]
            second_index = candidates[rng.integers(len(candidates))]
            second = self.lines[second_index]
            room = SPLICED_WIDTH * line.width - gap.start
            fitting = [other for other in second.gaps if second.width - other.start <= room]
            if fitting:
                other = fitting[rng.integers(len(fitting))]
                labels = line.labels[: gap.space] + second.labels[other.space :]
                return splice(self.columns(index), gap, self.columns(second_index), other), labels
        return self.columns(index), line.labels

    def widths(self) -> NDArray[np.int64]:
        """(lines,): the number of columns of each line."""
        return np.array([line.width for line in self.lines])


@dataclass(frozen=True)
class Preparation:
    """How lines are prepared."""

    alphabet: Alphabet
    config: NetworkConfig
    photographed: float = 0.0  # share of the line images that are made to look like photos
    spliced: bool = False  # find the gaps between words
    seed: int = 0

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        return np.float32 if self.config.features == "strokes" else np.uint8

    def normalize(self, index: int, sample: Sample) -> NormalizedLine:
        """Read a line, possibly make it look like a photo, and normalise it. Raises BadInput."""
        rng = np.random.default_rng((self.seed, index))
        if self.config.features != "strokes" and rng.random() < self.photographed:
            return normalize(photograph(read_line(sample), rng), self.config)
        writing = read_line_input(sample)
        try:
            return normalize(writing, self.config)
        except BadInput as error:
            raise BadInput(error.problem, path=sample.path, hint=error.hint) from error

    def label(self, sample: Sample) -> list[int]:
        """The labels of a text. A character that is not in the alphabet gets a label that no network predicts, so it
        counts as an error.
        """
        return [self.alphabet.label.get(character, self.alphabet.size) for character in sample.text]

    def prepare(self, sample: Sample, line: NormalizedLine, file: Path, first: int) -> PreparedLine:
        """A normalised line that is written to a file from column `first` on. Raises BadInput if it is too narrow."""
        columns, labels = columns_of(line), self.label(sample)
        width = columns.shape[1]
        if steps_needed(labels) > self.config.steps(width):
            raise BadInput(f"{sample.id}: {len(labels)} characters in a line too narrow for them")
        frames = label_steps(labels, sample.spans, line, self.config) if sample.spans else None
        gaps = find_gaps(columns, sample.text) if self.spliced else []
        return PreparedLine(file, first, width, labels, frames, sample.writer, gaps)


def prepare_lines(
    samples: tuple[Sample, ...],
    preparation: Preparation,
    folder: Path,
    workers: Workers,
    loading: Callable[[int, int], None] | None = None,
) -> PreparedLines:
    """Prepare the lines of a dataset into files in `folder`, each process a part of them.

    The log names each line that cannot be used and tells why. `loading(done, total)` is called for each line.
    Raises BadDataset if no line can be used.
    """
    own = [
        line if isinstance(line, str) else line.to_dict()
        for line in _prepare_own(samples, preparation, folder, workers, loading)
    ]
    shares = workers.gather(own)
    prepared = [shares[index % workers.world_size][index // workers.world_size] for index in range(len(samples))]
    for reason in prepared:
        if isinstance(reason, str) and workers.is_first:
            logger.warning(f"left out: {reason}")
    lines = [PreparedLine.of_dict(line) for line in prepared if not isinstance(line, str)]
    if not lines:
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    return PreparedLines(preparation.config.rows, preparation.dtype, lines)


def _prepare_own(
    samples: tuple[Sample, ...],
    preparation: Preparation,
    folder: Path,
    workers: Workers,
    loading: Callable[[int, int], None] | None,
) -> list[PreparedLine | str]:
    """This process's part: every world_size-th line, or the reason why it cannot be used."""

    def load(index: int) -> NormalizedLine | str:
        try:
            return preparation.normalize(index, samples[index])
        except BadInput as error:
            return str(error)

    indices = range(workers.rank, len(samples), workers.world_size)
    file = folder / f"{workers.rank}.columns"
    prepared: list[PreparedLine | str] = []
    with open(file, "ab") as out, ThreadPoolExecutor(workers.threads) as pool:
        first = out.tell() // (preparation.config.rows * preparation.dtype().nbytes)
        for index, line in zip(indices, pool.map(load, indices), strict=True):
            if loading:
                loading(min(len(samples), (len(prepared) + 1) * workers.world_size), len(samples))
            if isinstance(line, str):
                prepared.append(line)
                continue
            try:
                prepared.append(ready := preparation.prepare(samples[index], line, file, first))
            except BadInput as error:
                prepared.append(str(error))
                continue
            out.write(np.ascontiguousarray(columns_of(line).T).tobytes())  # (W, rows)
            first += ready.width
    return prepared


def label_steps(
    labels: list[int],
    spans: tuple[tuple[float, float], ...],
    line: NormalizedLine,
    config: NetworkConfig,
) -> NDArray[np.int64]:
    """A label for each step, (T,), from the left and right end of each character in the image.

    A step has the label of the character in which its middle lies, or the blank outside of characters. If two equal
    characters touch, the first step of the second one is a blank; otherwise the decoder would merge them.
    """
    steps = config.steps(columns_of(line).shape[1])
    middles = source_x(line, (np.arange(steps) + 0.5) * config.step)
    frames = np.full(steps, BLANK, np.int64)
    for place, (label, (left, right)) in enumerate(zip(labels, spans, strict=True)):
        inside = np.flatnonzero((middles >= left) & (middles < right))
        if place and label == labels[place - 1] and len(inside) > 1 and inside[0] and frames[inside[0] - 1] == label:
            inside = inside[1:]
        frames[inside] = label
    return frames


def make_batches(widths: NDArray[np.int64], batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The indices of all lines in batches, in a random order. The lines of a batch are of similar width, so that there
    is little padding. The last batch is filled up with lines of the first.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(widths))
    if len(order) > batch:
        order = np.resize(order, -(-len(order) // batch) * batch)
    batches = []
    for start in range(0, len(order), POOL * batch):
        pool = order[start : start + POOL * batch]
        noise = rng.uniform(1 - WIDTH_NOISE, 1 + WIDTH_NOISE, len(pool))
        pool = pool[np.argsort(widths[pool] * noise, kind="stable")]
        batches += [pool[first : first + batch] for first in range(0, len(pool), batch)]
    return [batches[index] for index in rng.permutation(len(batches))]
