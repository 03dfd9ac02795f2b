"""The lines of a training: normalised, in files that all processes share, with their labels; and batches of them."""

import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import BLANK, CROSSED_OUT, Alphabet
from inkread.augment.cross_out import cross_out_word
from inkread.augment.splice import Gap, splice
from inkread.config import NetworkConfig
from inkread.data import Sample
from inkread.data.inkset import ENDING, PHOTO, PLAIN, PreparedSet, SetWriter
from inkread.data.samples import prepared_sets
from inkread.errors import BadDataset, BadInput
from inkread.features.extract import NormalizedLine, columns_of, source_x
from inkread.training.distributed import Workers
from inkread.training.preparation import Prepared, add_line, is_photo, prepare_line

logger = logging.getLogger("inkread")

Integers = NDArray[np.int64]

SPLICED_WIDTH = 1.1  # a spliced line is at most so many times as wide as the line that it begins with
# Lines are sorted by width within pools of so many batches. The larger, the less padding, and the less random batches.
POOL = 50


@dataclass(frozen=True)
class Preparation:
    """How lines are prepared."""

    alphabet: Alphabet
    config: NetworkConfig
    photographed: float = 0.0  # share of the line images that are used as photos
    gaps: bool = False  # find the gaps between words
    weighted: bool = False  # use lines as often as their weights say, and not once each
    seed: int = 0


@dataclass(frozen=True)
class Copies:
    """How often each line is used in an epoch.

    All copies of lines are numbered: first one of each line, in their order, then the second copies, and so on. Each is
    distorted differently, and some are photos. The last copy of a line with a weight such as 2.5 is used in some epochs
    only.
    """

    line: Integers  # (N,), the index of the line of each copy
    version: NDArray[np.uint8]  # (N,), PLAIN or PHOTO
    share: NDArray[np.float64]  # (N,), of the epochs in which a copy is used; 1 for all

    @classmethod
    def of(cls, samples: Sequence[Sample], preparation: Preparation) -> "Copies":
        weights = np.array([sample.weight if preparation.weighted else 1.0 for sample in samples])
        line, share, version = [], [], []
        share_of_photos = 0.0 if preparation.config.features == "strokes" else preparation.photographed
        for copy in range(math.ceil(weights.max(initial=0))):
            lines = np.flatnonzero(weights > copy)
            line.append(lines)
            share.append(np.minimum(weights[lines] - copy, 1))
            ids = (samples[index].id for index in lines.tolist()) if share_of_photos else ()
            photos = [is_photo(preparation.seed, id, copy, share_of_photos) for id in ids]
            version.append(np.array(photos or [False] * len(lines)).astype(np.uint8) * PHOTO)
        return cls(np.concatenate(line), np.concatenate(version), np.concatenate(share))

    def of_lines(self, lines: Integers) -> "Copies":
        """The copies of some lines only, in ascending order, which are numbered anew."""
        new = np.full(int(self.line.max()) + 1, -1)
        new[lines] = np.arange(len(lines))
        kept = new[self.line] >= 0
        return Copies(new[self.line[kept]], self.version[kept], self.share[kept])

    def epoch(self, seed: int, epoch: int) -> Integers:
        """The numbers of the copies that are used in an epoch, the same number of them in each."""
        used = [np.flatnonzero(self.share == 1)]
        for share in np.unique(self.share[self.share < 1]):
            members = np.random.default_rng(seed).permutation(np.flatnonzero(self.share == share))
            count = round(share * len(members))
            used.append(members[np.arange(epoch * count, (epoch + 1) * count) % len(members)])  # one after the other
        return np.sort(np.concatenate(used))


@dataclass(frozen=True)
class Lines:
    """The lines of a training, with their labels and copies. An index is the number of a copy."""

    config: NetworkConfig
    sets: list[PreparedSet]
    set_of: Integers  # (L,), the index of the set that a line is in
    row: Integers  # (L,), its row there
    all_labels: NDArray[np.int32]  # of all lines, one after the other
    first_label: Integers  # (L + 1,), where those of a line begin
    writer: Integers  # (L,), a number for each writer; those who are not known are one
    copies: Copies
    crossed_out_label: int | None  # the label of writing that is crossed out, if the alphabet has it

    def __len__(self) -> int:
        """The number of lines in an epoch."""
        return len(self.epoch(0, 0))

    def epoch(self, seed: int, epoch: int) -> Integers:
        """The indices of the lines of an epoch."""
        return self.copies.epoch(seed, epoch)

    def _place(self, index: int) -> tuple[PreparedSet, int, int]:
        """The set, row and version of a line."""
        line = self.copies.line[index]
        return self.sets[self.set_of[line]], int(self.row[line]), int(self.copies.version[index])

    def columns(self, index: int) -> NDArray[Any]:
        """A line as (rows, W): pixels (height, W) uint8, 255 = ink, or pen strokes (3, W) float32."""
        prepared, row, version = self._place(index)
        return prepared.columns(row, version)[:, : self.config.rows].T

    def labels(self, index: int) -> list[int]:
        """The labels of the text of a line."""
        line = self.copies.line[index]
        labels: list[int] = self.all_labels[self.first_label[line] : self.first_label[line + 1]].tolist()
        return labels

    def frames(self, index: int) -> Integers | None:
        """A label for each step of a line, (steps,), if the places of the characters are known."""
        prepared, row, version = self._place(index)
        spans = prepared.spans(row) if version == PLAIN else None
        return label_steps(self.labels(index), spans, prepared.line(row), self.config) if spans else None

    @property
    def aligned(self) -> bool:
        """Whether the places of the characters are known in all lines."""
        return bool(self._of_lines(lambda prepared: prepared.has_spans).all())

    @cached_property
    def widths(self) -> Integers:
        """The number of columns of each line, by its index."""
        widths: Integers = self._of_lines(lambda prepared: prepared.widths)[self.copies.line, self.copies.version]
        return widths

    def _of_lines(self, values: Callable[[PreparedSet], NDArray[Any]]) -> NDArray[Any]:
        """A value of each line, (L, ...), from those of all lines of the sets."""
        return _chosen([values(prepared) for prepared in self.sets], self.set_of, self.row)

    @cached_property
    def _of_writer(self) -> list[Integers]:
        """The indices of the lines of each writer that can be cut."""
        counts = self._of_lines(lambda prepared: prepared.gap_counts)[self.copies.line, self.copies.version]
        writers = self.writer[self.copies.line]
        order = np.flatnonzero(counts)[np.argsort(writers[counts > 0], kind="stable")]
        return np.split(order, np.searchsorted(writers[order], np.arange(1, self.writer.max() + 1)))

    def _gaps(self, index: int) -> list[Gap]:
        prepared, row, version = self._place(index)
        return [Gap(*gap) for gap in prepared.gaps(row, version)]

    def choose_splice(self, index: int, rng: np.random.Generator) -> "Splice | None":
        """Where to end a line, and where another line by the same writer continues it; None if it cannot be cut.

        Lines without a writer are treated as lines by one writer.
        """
        if gaps := self._gaps(index):
            gap = gaps[rng.integers(len(gaps))]
            candidates = self._of_writer[self.writer[self.copies.line[index]]]
            second = int(candidates[rng.integers(len(candidates))])
            room = SPLICED_WIDTH * self.widths[index] - gap.start
            fitting = [other for other in self._gaps(second) if self.widths[second] - other.start <= room]
            if fitting:
                other = fitting[rng.integers(len(fitting))]
                end = gap.start if self.config.features == "strokes" else gap.end  # a path keeps the way there
                return Splice(gap, second, other, end + int(self.widths[second]) - other.start)
        return None

    def spliced(self, index: int, rng: np.random.Generator) -> tuple[NDArray[Any], list[int]]:
        """The columns and labels of a line that is spliced at random, or unchanged if it cannot be cut."""
        columns, labels, chosen = self.columns(index), self.labels(index), self.choose_splice(index, rng)
        if chosen is None:
            return columns, labels
        labels = labels[: chosen.gap.space] + self.labels(chosen.second)[chosen.other.space :]
        return splice(columns, chosen.gap, self.columns(chosen.second), chosen.other), labels

    def crossed_out(self, index: int, rng: np.random.Generator) -> tuple[NDArray[Any], list[int]]:
        """The columns and labels of a line image in which a word is crossed out, or unchanged if it cannot be found."""
        columns, labels = self.columns(index), self.labels(index)
        crossed = cross_out_word(columns, self._gaps(index), len(labels), rng)
        if crossed is None or self.crossed_out_label is None:
            return columns, labels
        return crossed.pixels, [*labels[: crossed.begin], self.crossed_out_label, *labels[crossed.end :]]


class Splice(NamedTuple):
    """The beginning of a line up to a gap, followed by the end of another line after a gap there."""

    gap: Gap
    second: int  # the index of the other line
    other: Gap
    width: int  # columns of the result


def prepare_lines(
    samples: tuple[Sample, ...],
    preparation: Preparation,
    folder: Path,
    workers: Workers,
    loading: Callable[[int, int], None] | None = None,
) -> Lines:
    """Prepare the lines of datasets, except for those that are prepared already.

    Each process prepares a part of them, into a file in `folder`, which is made. The log names each line that cannot be
    used and tells why. `loading(done, total)` is called for each line. Raises BadDataset if no line can be used, or if
    a prepared dataset is of another kind.
    """
    for prepared in prepared_sets(samples):
        prepared.check_fits(preparation.config, preparation.photographed > 0)
    copies = Copies.of(samples, preparation)
    sets, set_of, row, reasons = _places(samples, copies, preparation, folder, workers, loading)
    reasons |= _too_narrow(samples, copies, preparation, sets, set_of, row)
    if workers.is_first:
        for index in sorted(reasons):
            logger.warning(f"left out: {reasons[index]}")
    kept = np.setdiff1d(np.arange(len(samples)), np.array(list(reasons), np.int64))
    if not len(kept):
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    used = [samples[index] for index in kept.tolist()]
    all_labels, first_label = labels_of(used, preparation.alphabet)
    numbers = {writer: number for number, writer in enumerate(dict.fromkeys(sample.writer for sample in used))}
    writer = np.array([numbers[sample.writer] for sample in used])
    copies = copies.of_lines(kept)
    crossed_out_label = preparation.alphabet.label.get(CROSSED_OUT)
    return Lines(
        preparation.config, sets, set_of[kept], row[kept], all_labels, first_label, writer, copies, crossed_out_label
    )


def _places(
    samples: tuple[Sample, ...],
    copies: Copies,
    preparation: Preparation,
    folder: Path,
    workers: Workers,
    loading: Callable[[int, int], None] | None,
) -> tuple[list[PreparedSet], Integers, Integers, dict[int, str]]:
    """Where the lines are: sets, and for each line the index of its set and the row there, (L,) each.

    A line that cannot be read has the index -1. The last part of the result tells why, by the index of the line.
    """
    sets = prepared_sets(samples)
    number = {prepared.path: index for index, prepared in enumerate(sets)}
    set_of = np.array([-1 if sample.row is None else number[sample.path] for sample in samples])
    row = np.array([sample.row or 0 for sample in samples])
    others = np.flatnonzero(set_of < 0)
    reasons: dict[int, str] = {}
    if not len(others):
        return sets, set_of, row, reasons
    folder.mkdir(exist_ok=True)
    own = others[workers.rank :: workers.world_size]
    unreadable_own = _prepare_own(samples, copies, own, preparation, folder, workers, loading)
    for rank, unreadable in enumerate(map(dict, workers.gather(unreadable_own))):  # now all files are complete
        reasons |= unreadable
        lines = np.setdiff1d(others[rank :: workers.world_size], np.array(list(unreadable), np.int64))
        if len(lines):
            set_of[lines], row[lines] = len(sets), np.arange(len(lines))
            sets.append(PreparedSet(folder / f"{rank}{ENDING}"))
    return sets, set_of, row, reasons


def _too_narrow(
    samples: tuple[Sample, ...],
    copies: Copies,
    preparation: Preparation,
    sets: list[PreparedSet],
    set_of: Integers,
    row: Integers,
) -> dict[int, str]:
    """The lines that are too narrow for their texts, by their index, and how long these are."""
    readable = np.flatnonzero(set_of >= 0)
    if not len(readable):
        return {}
    copies = copies.of_lines(readable)
    widths = _chosen([prepared.widths for prepared in sets], set_of[readable], row[readable])  # (L, 2)
    used = np.zeros(widths.shape, bool)
    used[copies.line, copies.version] = True
    narrowest = np.where(used, widths, widths.max()).min(axis=1)
    all_labels, first_label = labels_of([samples[index] for index in readable.tolist()], preparation.alphabet)
    narrow = readable[fewest_steps(all_labels, first_label) > -(-narrowest // preparation.config.step)]
    return {
        index: f"{samples[index].id}: {len(samples[index].text)} characters in a line too narrow for them"
        for index in narrow.tolist()
    }


def _prepare_own(
    samples: tuple[Sample, ...],
    copies: Copies,
    indices: Integers,
    preparation: Preparation,
    folder: Path,
    workers: Workers,
    loading: Callable[[int, int], None] | None,
) -> list[tuple[int, str]]:
    """Prepare this process's part of the lines into a file. Returns those that cannot be read, and the reasons."""
    wanted: list[set[int]] = [set() for _ in samples]
    for line, version in zip(copies.line.tolist(), copies.version.tolist(), strict=True):
        wanted[line].add(version)

    def prepare(index: int) -> Prepared:
        try:
            return prepare_line(samples[index], preparation.config, list(wanted[index]), preparation.gaps)
        except BadInput as error:
            return str(error)

    reasons = []
    own = indices.tolist()
    with open(folder / f"{workers.rank}{ENDING}", "wb") as file:
        writer = SetWriter(file, preparation.config, preparation.photographed > 0)
        for done, (index, versions) in enumerate(zip(own, _in_threads(prepare, own, workers.threads), strict=True), 1):
            if loading:
                loading(min(len(samples), done * workers.world_size), len(samples))
            if isinstance(versions, str):
                reasons.append((index, versions))
            else:
                add_line(writer, samples[index], versions)
        writer.finish()
    return reasons


def _in_threads(prepare: Callable[[int], Prepared], indices: list[int], threads: int) -> Iterator[Prepared]:
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(prepare, indices)


def _chosen(values: list[NDArray[Any]], set_of: Integers, row: Integers) -> NDArray[Any]:
    """From values of each row of each set, (rows, ...), those of lines in these sets and rows: (L, ...)."""
    chosen = np.zeros((len(row), *values[0].shape[1:]), values[0].dtype)
    for index, of_set in enumerate(values):
        here = set_of == index
        chosen[here] = of_set[row[here]]
    return chosen


def labels_of(samples: Sequence[Sample], alphabet: Alphabet) -> tuple[NDArray[np.int32], Integers]:
    """The labels of all texts, one after the other, and where those of each text begin, (L + 1,).

    A character that is not in the alphabet gets a label that no network predicts, so it counts as an error.
    """
    label = np.full(sys.maxunicode + 1, alphabet.size, np.int32)  # by the code of a character
    label[list(map(ord, alphabet.characters))] = list(alphabet.label.values())
    codes = np.frombuffer("".join(sample.text for sample in samples).encode("utf-32-le"), np.uint32)
    ends = np.cumsum([len(sample.text) for sample in samples])
    return label[codes], np.concatenate([[0], ends])


def fewest_steps(all_labels: NDArray[np.int32], first_label: Integers) -> Integers:
    """The fewest steps in which CTC can write each text, (L,), as `steps_needed` counts them.

    The arguments are what `labels_of` returns.
    """
    repeats = np.flatnonzero(all_labels[1:] == all_labels[:-1]) + 1  # labels that are like the one before them
    repeats = np.setdiff1d(repeats, first_label)
    lines = np.searchsorted(first_label, repeats, side="right") - 1
    return np.diff(first_label) + np.bincount(lines, minlength=len(first_label) - 1)


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


def make_batches(widths: NDArray[Any], batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
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
        pool = pool[np.argsort(widths[pool], kind="stable")]
        batches += [pool[first : first + batch] for first in range(0, len(pool), batch)]
    return [batches[index] for index in rng.permutation(len(batches))]
