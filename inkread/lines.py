"""A dataset made ready to learn from: normalised lines in one file, shared by all processes, and batches of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import BLANK, Alphabet, steps_needed
from inkread.config import NetworkConfig
from inkread.dataset import Sample, read_line
from inkread.errors import BadDataset, BadInput
from inkread.preprocess import Line, normalise

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Lines:
    """Normalised lines, the columns of all of them one after another in one file."""

    file: Path
    height: int
    starts: NDArray[np.int64]  # (lines + 1,): line i is made of the columns starts[i] to starts[i + 1]
    labels: list[list[int]]
    frames: list[NDArray[np.int64] | None]  # for lines with an alignment: (T,), a label for each step

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, index: int) -> Pixels:
        """(height, W) uint8, 255 = ink."""
        first, end = self.starts[index : index + 2].tolist()
        return np.memmap(self.file, np.uint8, "r", first * self.height, (end - first, self.height)).T

    @property
    def widths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


def gather(
    samples: tuple[Sample, ...],
    alphabet: Alphabet,
    config: NetworkConfig,
    file: Path,
    note: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> Lines:
    """Read and normalise the lines of a dataset into `file`; `note` is told of each that can't be used.

    A character that is not in the alphabet gets a label that no network gives, and so counts as an error when lines are
    scored. Raises BadDataset if no line can be used.
    """
    starts, labels, frames = [0], [], []

    def load(sample: Sample) -> Line | str:
        try:
            return normalise(read_line(sample), config.height)
        except BadInput as error:
            return str(error)

    with open(file, "wb") as out, ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (sample, line) in enumerate(zip(samples, pool.map(load, samples), strict=True), start=1):
            if progress:
                progress(done, len(samples))
            if isinstance(line, str):
                note(f"left out: {line}")
                continue
            width = line.pixels.shape[1]
            encoded = [alphabet.label.get(character, alphabet.size) for character in sample.text]
            if steps_needed(encoded) > config.steps(width):
                note(f"left out: {sample.id}: {len(encoded)} characters in a picture too narrow for them")
                continue
            out.write(np.ascontiguousarray(line.pixels.T).tobytes())
            starts.append(starts[-1] + width)
            labels.append(encoded)
            frames.append(label_steps(encoded, sample.spans, line, config) if sample.spans else None)
    if not labels:
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    return Lines(file, config.height, np.array(starts), labels, frames)


def label_steps(
    labels: list[int], spans: tuple[tuple[float, float], ...], line: Line, config: NetworkConfig
) -> NDArray[np.int64]:
    """One label a step, (T,), from the left and right of each character in the picture: many-to-many with an alignment.

    A step belongs to the character that its middle lies in, and to the blank where there is none. Between two equal
    characters one step is made a blank, or the decoder would merge them.
    """
    steps = config.steps(line.pixels.shape[1])
    middles = (np.arange(steps) + 0.5) * config.step * line.scale + line.offset
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
