"""Batches of lines that are varied differently in each epoch: spliced, distorted, padded to one width.

On a CPU, threads make a batch when it is needed. For a GPU, processes make batches ahead, so that it need not wait.
"""

import sys
import warnings
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inkread.alphabet import steps_needed
from inkread.augment.image import distort_image, new_widths, random_sizes
from inkread.augment.ink import distort_path
from inkread.config import NetworkConfig, TrainingConfig
from inkread.errors import InkreadError, TrainingFailed
from inkread.features.extract import extract
from inkread.model.network import pad
from inkread.training.batches import Integers, Lines, make_batches
from inkread.training.distributed import Workers

# Batches are padded to a multiple of so many columns: oneDNN needs time and memory for each new width. Without it, a
# process took 3.5 GB after 18 minutes (experiments/LOG.md).
WIDTH_MULTIPLE = 32
WIDTH_NOISE = 0.05  # widths that are not foreseen are changed by up to this share, so that batches differ by epoch
AHEAD = 2  # batches that each process makes before they are needed


class Members(NamedTuple):
    """The lines of one step."""

    epoch: int
    indices: list[int]


@dataclass(frozen=True)
class Batch:
    """The part of one worker of the lines of a step."""

    epoch: int
    lines: int  # of all workers
    characters: int  # in the texts of all workers, before splicing
    indices: list[int]  # of the lines of this worker
    labels: list[list[int]]
    x: Tensor  # (B, T0, F)
    lengths: Tensor  # (B,)

    def pin_memory(self) -> "Batch":
        """This batch in memory from which a GPU can copy at any time; DataLoader calls this."""
        return replace(self, x=self.x.pin_memory())


class Draws(NamedTuple):
    """What is drawn for all N lines at the start of an epoch, so that batches can be made of lines of similar width."""

    spliced: NDArray[np.bool_]  # (N,)
    crossed_out: NDArray[np.bool_]  # (N,); a line that is spliced, too, is only spliced
    distorted: NDArray[np.bool_]  # (N,)
    sizes: NDArray[np.float64]  # (N, 2), by which a distorted image grows in width and in height


class VariedLines(Dataset[Batch | InkreadError]):
    """The lines of a training, varied at random. The variation of a line depends on the seed and the epoch only."""

    def __init__(self, lines: Lines, config: NetworkConfig, training: TrainingConfig, workers: Workers) -> None:
        self.lines, self.config, self.training = lines, config, training
        self.rank, self.world_size = workers.rank, workers.world_size
        self.drawn: tuple[int, Draws] | None = None  # the last epoch and its draws

    def draws(self, epoch: int) -> Draws:
        """What is drawn for an epoch. Lines with a label for each step are not varied."""
        if self.drawn is None or self.drawn[0] != epoch:
            count, varied = len(self.lines.widths), self.training.loss == "ctc"
            rng = np.random.default_rng((self.training.seed, epoch, count))  # `_line` counts up to this number
            spliced, distorted = (
                rng.random(count) < varied * share for share in (self.training.spliced, self.training.distorted)
            )
            sizes = random_sizes(rng, count)
            crossed_out = rng.random(count) < varied * self.training.crossed_out * (self.config.features != "strokes")
            self.drawn = epoch, Draws(spliced, crossed_out, distorted, sizes)
        return self.drawn[1]

    def members(self, epoch: int) -> list[Members]:
        """The lines of all steps of an epoch."""
        lines = self.lines.epoch(self.training.seed, epoch)
        batches = make_batches(self.widths(lines, epoch), self.training.batch, self.training.seed, epoch)
        return [Members(epoch, lines[batch].tolist()) for batch in batches]

    def widths(self, indices: Integers, epoch: int) -> NDArray[np.float64]:
        """How wide lines are once they are varied; for pen strokes and lines that are not distorted, not exactly."""
        draws = self.draws(epoch)
        widths = self.lines.widths.astype(np.float64)
        for index in indices[draws.spliced[indices]].tolist():
            splice = self.lines.choose_splice(index, self._rng(index, epoch))
            widths[index] = splice.width if splice else widths[index]
        noise = np.random.default_rng((self.training.seed, epoch)).uniform(
            1 - WIDTH_NOISE, 1 + WIDTH_NOISE, len(widths)
        )
        foreseen = draws.distorted & (self.config.features != "strokes")
        return np.where(foreseen, new_widths(widths, draws.sizes), widths * noise)[indices]

    def _rng(self, index: int, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self.training.seed, epoch, index))

    def __getitem__(self, members: Members) -> Batch | InkreadError:
        """This worker's part of a batch, or why it cannot be made."""
        try:
            return self.batch(members, map)
        except InkreadError as error:
            return error

    def batch(self, members: Members, each: Callable[..., Iterable[Any]]) -> Batch:
        """This worker's part of a batch. `each` is `map`, or that of a pool of threads."""
        own = members.indices[self.rank :: self.world_size]
        sequences, labels = zip(*each(lambda index: self._line(index, members.epoch), own), strict=True)
        width = max(map(len, sequences))
        x, lengths = pad(sequences, -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE)  # (B, T0, F), (B,)
        characters = sum(len(self.lines.labels(index)) for index in members.indices)
        return Batch(members.epoch, len(members.indices), characters, own, list(labels), x, lengths)

    def _line(self, index: int, epoch: int) -> tuple[NDArray[np.float32], list[int]]:
        """The features (T0, F) and labels of a line, varied."""
        draws, rng = self.draws(epoch), self._rng(index, epoch)
        if draws.spliced[index]:
            columns, labels = self.lines.spliced(index, rng)
        elif draws.crossed_out[index]:
            columns, labels = self.lines.crossed_out(index, rng)
        else:
            columns, labels = self.lines.columns(index), self.lines.labels(index)
        if draws.distorted[index]:
            of_image = self.config.features != "strokes"
            distorted: NDArray[Any] = (
                distort_image(columns, rng, draws.sizes[index]) if of_image else distort_path(columns, rng)
            )
            if self.config.steps(distorted.shape[1]) >= steps_needed(labels):
                columns = distorted
        return extract(columns, self.config), labels


def loader_processes(workers: Workers) -> int:
    """How many processes make batches ahead. On Windows and macOS, which cannot copy a process, there are none: a new
    one would run the script that has called this again.
    """
    if workers.device.type == "cpu" or sys.platform != "linux":
        return 0
    return max(1, workers.threads - 1)  # this process has enough to do


def load_batches(
    varied: VariedLines, members: Iterable[Members], processes: int, pool: ThreadPoolExecutor, pinned: bool
) -> Generator[Batch]:
    """The batches of these lines, made in the threads of a pool, or ahead in so many processes.

    With `pinned`, they are in memory from which a GPU can copy at any time. Raises BadInput if a line is damaged, and
    TrainingFailed if a process ends.
    """
    if not processes:
        yield from (varied.batch(each, pool.map) for each in members)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fork beside threads, which do nothing here; of more processes than cores
        loader = iter(
            DataLoader(
                varied, None, sampler=members, num_workers=processes, collate_fn=_unchanged, prefetch_factor=AHEAD,
                pin_memory=pinned, multiprocessing_context="fork",
            )
        )  # fmt: skip
    try:
        for batch in loader:
            if isinstance(batch, InkreadError):
                raise batch
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        hint = "continue with --resume, and with fewer --threads if the memory was full"
        raise TrainingFailed("a process that prepares lines has ended", hint=hint) from error


def _unchanged(batch: Any) -> Any:
    return batch
