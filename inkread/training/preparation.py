"""Lines are prepared for training: normalised, possibly as photos, with the spaces at which they can be cut.

`prepare_dataset` does this once and for all, in a file. A training prepares what is not in such a file by itself.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from inkread._files import check_new, check_writable, written_atomic
from inkread._signals import signals_held_back
from inkread.augment.image import photograph
from inkread.augment.splice import find_gaps
from inkread.config import NetworkConfig
from inkread.data.inkset import PHOTO, PLAIN, SetWriter, Strings, Version, prepared_set
from inkread.data.samples import Sample, prepared_sets, read_line_input
from inkread.errors import BadDataset, BadInput, CannotWrite
from inkread.features.extract import NormalizedLine, Writing, columns_of, image_of, normalize

logger = logging.getLogger("inkread")

CHUNK = 32  # lines that a process prepares at once: 1 to 2 MB
AHEAD = 3  # chunks for each process that are prepared before they are written


def is_photo(seed: int, id: str, copy: int, share: float) -> bool:
    """Whether a line, or a further copy of it in an epoch, is used as a photo: true for a share of all lines.

    This depends on the names of lines, not on their order, so it is the same for a prepared and an ordinary dataset.
    """
    digest = sha256(f"{seed} {copy} {id}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def prepare_line(
    sample: Sample, config: NetworkConfig, wanted: Sequence[int], gaps: bool = True
) -> list[Version | None]:
    """The versions of a line, as it is and as a photo, if they are wanted: PLAIN, PHOTO or both.

    The photo of a line is always the same. With `gaps`, the spaces are found at which it can be cut. Raises BadInput.
    """
    lines = _normalized(sample, config, wanted) if sample.row is None else _from_set(sample, sample.row, wanted)
    return [
        Version(line, find_gaps(columns_of(line), sample.text) if gaps else ()) if line is not None else None
        for line in lines
    ]


def _from_set(sample: Sample, row: int, wanted: Sequence[int]) -> list[NormalizedLine | None]:
    prepared = prepared_set(sample.path)
    return [prepared.line(row, version) if version in wanted else None for version in (PLAIN, PHOTO)]


def _normalized(sample: Sample, config: NetworkConfig, wanted: Sequence[int]) -> list[NormalizedLine | None]:
    writing = read_line_input(sample)
    plain = normalize_of(sample, writing, config) if PLAIN in wanted else None
    photo = None
    if PHOTO in wanted:
        rng = np.random.default_rng(np.frombuffer(sha256(sample.id.encode()).digest(), np.uint32))
        photo = normalize_of(sample, photograph(image_of(writing), rng), config)
    return [plain, photo]


def normalize_of(sample: Sample, writing: Writing, config: NetworkConfig) -> NormalizedLine:
    """What was read of a sample, normalised. Raises BadInput that names its file."""
    try:
        return normalize(writing, config)
    except BadInput as error:
        raise BadInput(error.problem, path=sample.path, hint=error.hint) from error


def add_line(writer: SetWriter, sample: Sample, versions: Sequence[Version | None]) -> None:
    """Add a line to a prepared dataset."""
    spans = sample.spans
    if sample.row is not None:
        spans = prepared_set(sample.path).spans(sample.row)
    writer.add(Strings(sample.id, sample.writer, sample.split, sample.text), sample.weight, spans, versions)


def prepare_dataset(
    samples: Sequence[Sample],
    out: Path,
    config: NetworkConfig,
    *,
    photos: bool = True,
    overwrite: bool = False,
    processes: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, list[str]]:
    """Prepare lines for networks that read what the config says, and write them into one file.

    It is written completely or not at all. With `photos`, each line image is stored as a photo, too. Returns the number
    of lines that were written, and the reasons for those that were left out. `progress(done, total)` is called after
    each line. Raises BadDataset if no line can be used, and CannotWrite. With several processes, a script that calls
    this needs the usual `if __name__ == "__main__"`.
    """
    check_writable(out)
    if not overwrite:
        check_new(out)
    photos = photos and config.features != "strokes"
    for prepared in prepared_sets(samples):
        prepared.check_fits(config, photos)
    reasons: list[str] = []
    with written_atomic(out) as file:
        writer = SetWriter(file, config, photos)
        prepare = partial(_prepare_chunk, config, (PLAIN, PHOTO) if photos else (PLAIN,))
        for done, (sample, versions) in enumerate(zip(samples, _in_order(prepare, samples, processes), strict=True), 1):
            if isinstance(versions, str):
                reasons.append(versions)
            else:
                add_line(writer, sample, versions)
            if progress:
                progress(done, len(samples))
        if not writer.lines:
            raise BadDataset(f"none of its {len(samples)} lines can be read; the first: {reasons[0]}", path=out)
        writer.finish()
    return writer.lines, reasons


Prepared = list[Version | None] | str  # or the reason why a line cannot be used


def _prepare_chunk(config: NetworkConfig, wanted: Sequence[int], samples: Sequence[Sample]) -> list[Prepared]:
    prepared: list[Prepared] = []
    for sample in samples:
        try:
            prepared.append(prepare_line(sample, config, wanted))
        except BadInput as error:
            prepared.append(str(error))
    return prepared


def _in_order(
    prepare: Callable[[Sequence[Sample]], list[Prepared]], samples: Sequence[Sample], processes: int
) -> Iterator[Prepared]:
    """The lines, prepared by so many processes, in their order. Only some chunks are in memory at once."""
    chunks = (samples[first : first + CHUNK] for first in range(0, len(samples), CHUNK))
    if processes == 1:
        for chunk in chunks:
            yield from prepare(chunk)
        return
    # Not forked: libraries such as torch may have threads, which a forked process has not.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start_process) as pool:
        waiting: deque[Future[list[Prepared]]] = deque()
        try:
            for chunk in chunks:
                with signals_held_back():  # or a process that is being started would fail with a traceback
                    waiting.append(pool.submit(prepare, chunk))
                if len(waiting) > AHEAD * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            problem = "a process was killed, perhaps as the memory is full"
            raise CannotWrite(problem, hint="use fewer processes with --threads") from error
        finally:
            # A process that is still starting needs what this one holds for it, so its end is waited for.
            pool.shutdown(cancel_futures=True)


def _start_process() -> None:
    """Ignore Ctrl-C, which reaches all processes, and end with the first process, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: "multiprocessing.process.BaseProcess") -> None:
    parent.join()
    os._exit(1)
