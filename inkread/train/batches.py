"""A dataset made ready to learn from: normalised lines on disk, shared by all processes, and batches of them."""

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
from inkread.train.distributed import Workers


@dataclass(frozen=True)
class ReadyLine:
    """A normalised line, somewhere in a file of columns."""

    file: Path
    first: int  # column
    width: int
    labels: list[int]
    frames: NDArray[np.int64] | None  # with an alignment: (T,), a label for each step
    writer: str | None
    gaps: list[Gap]  # where it can be cut

    def as_dict(self) -> dict[str, Any]:
        """As JSON can express it; `of_dict` undoes it."""
        frames = None if self.frames is None else self.frames.tolist()
        return {**vars(self), "file": str(self.file), "frames": frames}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> Self:
        frames = None if values["frames"] is None else np.array(values["frames"], np.int64)
        gaps = [Gap(*gap) for gap in values["gaps"]]
        return cls(**{**values, "file": Path(values["file"]), "frames": frames, "gaps": gaps})


@dataclass(frozen=True)
class Lines:
    """Normalised lines that all have so many numbers of one kind in a column: pixels, or places of a pen."""

    rows: int
    kind: type[np.uint8] | type[np.float32]
    ready: list[ReadyLine]

    def __len__(self) -> int:
        return len(self.ready)

    def __getitem__(self, index: int) -> ReadyLine:
        return self.ready[index]

    def columns(self, index: int) -> NDArray[Any]:
        """(rows, W): pixels (height, W) uint8, 255 = ink, or a pen's path (3, W) float32."""
        line = self.ready[index]
        start = line.first * self.rows * self.kind().nbytes
        return np.memmap(line.file, self.kind, "r", start, (line.width, self.rows)).T

    @cached_property
    def of_writer(self) -> dict[str | None, list[int]]:
        """The lines of each writer that can be cut."""
        of_writer: dict[str | None, list[int]] = defaultdict(list)
        for index, line in enumerate(self.ready):
            if line.gaps:
                of_writer[line.writer].append(index)
        return of_writer

    def spliced(self, index: int, rng: np.random.Generator) -> tuple[NDArray[Any], list[int]]:
        """The columns and labels of the beginning of this line and the end of another of its writer, about as wide.

        Lines whose writer is not told are taken to be one writer's. What can't be cut is given as it is.
        """
        line = self.ready[index]
        if line.gaps:
            gap = line.gaps[rng.integers(len(line.gaps))]
            mates = self.of_writer[line.writer]
            mate = mates[rng.integers(len(mates))]
            second = self.ready[mate]
            others = [other for other in second.gaps if second.width - other.start <= 1.1 * line.width - gap.start]
            if others:
                other = others[rng.integers(len(others))]
                labels = line.labels[: gap.space] + second.labels[other.space :]
                return splice(self.columns(index), gap, self.columns(mate), other), labels
        return self.columns(index), line.labels

    def widths(self) -> NDArray[np.int64]:
        """(lines,): columns of each."""
        return np.array([line.width for line in self.ready])


def gather(
    samples: tuple[Sample, ...],
    alphabet: Alphabet,
    config: NetworkConfig,
    folder: Path,
    processes: Workers,
    photographed: float = 0.0,
    spliced: float = 0.0,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] | None = None,
) -> Lines:
    """Read and normalise the lines of a dataset into files in `folder`, each process its share of them.

    So large a share of them as `photographed`, drawn at random, is photographed first (see augment.py), so that the
    network also meets what shadows and rules leave on a normalised line. If any are to be `spliced`, the gaps between
    their words are found.
    `note` is told of each line that can't be used. A character that is not in the alphabet gets a label that no network
    gives, and so counts as an error when lines are scored. Raises BadDataset if no line can be used.
    """

    kind = np.float32 if config.features == "strokes" else np.uint8

    def load(place: int, sample: Sample) -> NormalizedLine | str:
        rng = np.random.default_rng((seed, place))
        try:
            if config.features != "strokes" and rng.random() < photographed:
                return normalize(photograph(read_line(sample), rng), config)
            writing = read_line_input(sample)
        except BadInput as error:
            return str(error)
        try:
            return normalize(writing, config)
        except BadInput as error:
            return f"{sample.path}: {error}"

    file = folder / f"{processes.rank}.columns"
    mine: list[dict[str, Any] | str] = []  # lines, and reasons why others cannot be used
    places = range(processes.rank, len(samples), processes.world)
    share = [samples[place] for place in places]
    with open(file, "ab") as out, ThreadPoolExecutor(processes.threads) as pool:
        first = out.tell() // (config.rows * kind().nbytes)
        for sample, line in zip(share, pool.map(load, places, share), strict=True):
            if progress:
                progress(min(len(samples), (len(mine) + 1) * processes.world), len(samples))
            if isinstance(line, str):
                mine.append(f"left out: {line}")
                continue
            columns = columns_of(line)
            width = columns.shape[1]
            labels = [alphabet.label.get(character, alphabet.size) for character in sample.text]
            if steps_needed(labels) > config.steps(width):
                mine.append(f"left out: {sample.id}: {len(labels)} characters in a line too narrow for them")
                continue
            out.write(np.ascontiguousarray(columns.T).tobytes())
            frames = label_steps(labels, sample.spans, line, config) if sample.spans else None
            gaps = find_gaps(columns, sample.text) if spliced else []
            mine.append(ReadyLine(file, first, width, labels, frames, sample.writer, gaps).as_dict())
            first += width
    shares = processes.all(mine)
    everything = [shares[index % processes.world][index // processes.world] for index in range(len(samples))]
    for text in everything:
        if isinstance(text, str):
            note(text)
    lines = [ReadyLine.of_dict(line) for line in everything if not isinstance(line, str)]
    if not lines:
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    return Lines(config.rows, kind, lines)


def label_steps(
    labels: list[int],
    spans: tuple[tuple[float, float], ...],
    line: NormalizedLine,
    config: NetworkConfig,
) -> NDArray[np.int64]:
    """One label a step, (T,), from the left and right of each character in the picture: many-to-many with an alignment.

    A step belongs to the character that its middle lies in, and to the blank where there is none. Between two equal
    characters one step is made a blank, or the decoder would merge them.
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
    """All lines in a random order, in batches of lines of about one width, so that little is spent on padding."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(widths))
    if len(order) > batch:  # the last batch is filled up with lines of the first
        order = np.resize(order, -(-len(order) // batch) * batch)
    pools = [order[start : start + 50 * batch] for start in range(0, len(order), 50 * batch)]
    batches = []
    for pool in pools:
        pool = pool[np.argsort(widths[pool] * rng.uniform(0.95, 1.05, len(pool)), kind="stable")]
        batches += [pool[start : start + batch] for start in range(0, len(pool), batch)]
    return [batches[index] for index in rng.permutation(len(batches))]
