"""Datasets: every format becomes samples. docs/formats.md shows each format.

A new format is one new module with a NAME and the functions `recognizes` and `read`, and one row in FORMATS.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from inkread._names import printable
from inkread.data import iam, iam_ondb, ink_files, manifest, page_xml, prepared, transcriptions
from inkread.data.samples import IMAGE_SUFFIXES, Dataset, Entry, Note, Sample, Skipped, clean_sample, unusable
from inkread.errors import BadDataset, EmptyDataset

__all__ = ["FORMATS", "Dataset", "Format", "Sample", "open_dataset", "open_weighted"]


class Format(Protocol):
    """A module that reads a dataset format."""

    NAME: str  # for the message about a folder in which no format is recognised

    def recognizes(self, path: Path, /) -> bool: ...
    def read(self, path: Path, /) -> Iterator[Entry]: ...


MAX_WEIGHT = 1000  # a larger one is a mistake: it would take the place of all other lines
# The first format that recognises a path reads it.
FORMATS: tuple[Format, ...] = (prepared, iam, iam_ondb, manifest, transcriptions, ink_files, page_xml)


def open_dataset(spec: str) -> Dataset:
    """The dataset at "PATH", or one split of it at "PATH:SPLIT". Its format is detected automatically.

    Raises BadDataset, with the file and line, if it is not found, in no known format or malformed, or if it has no such
    split. Images are not opened here: a missing one is an error of `read_line`, and `check_dataset` lists them all.
    """
    try:
        path, split = _path_and_split(spec)
        entries = list(_format_of(path).read(path))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise BadDataset(problem, path=error.filename or spec, hint="check the path and its permissions") from error
    samples = [clean_sample(entry) for entry in entries if isinstance(entry, Sample)]
    if split is not None:
        samples = _of_split(path, samples, split)
    skipped = [printable(entry.reason) for entry in entries if isinstance(entry, Skipped)]
    skipped += [f"{sample.id}: {reason}" for sample in samples if (reason := unusable(sample))]
    used = tuple(sample for sample in samples if not unusable(sample))
    if not used:
        raise EmptyDataset("no line with a text in it", path=spec, hint="check that the transcriptions are there")
    notes = tuple(printable(entry.text) for entry in entries if isinstance(entry, Note))
    return Dataset(printable(spec), used, tuple(skipped), notes)


def open_weighted(spec: str) -> Dataset:
    """The dataset at "PATH*WEIGHT" or "PATH:SPLIT*WEIGHT": its lines are used WEIGHT times in each epoch of a training.

    A weight of 0.5 means half of the lines in each epoch. Without *WEIGHT it is `open_dataset`. Raises BadDataset.
    """
    parts = re.fullmatch(r"(.+)\*(\d*\.?\d+)", spec)
    if not parts or Path(spec).exists():
        return open_dataset(spec)
    weight = float(parts[2])
    if not 0 < weight <= MAX_WEIGHT:
        problem = f"the weight {parts[2]} must be more than 0, and at most {MAX_WEIGHT}"
        raise BadDataset(problem, path=spec, hint="*2 uses each line twice per epoch, *0.5 half of the lines")
    dataset = open_dataset(parts[1])
    samples = tuple(replace(sample, weight=weight * sample.weight) for sample in dataset.samples)
    return replace(dataset, name=printable(spec), samples=samples)


def _path_and_split(spec: str) -> tuple[Path, str | None]:
    """ "data/iam:tr" -> (data/iam, "tr"). What exists as it stands is a path, so C:\\data and a:b.tsv are safe."""
    path, _, split = spec.rpartition(":")
    if spec and Path(spec).exists():
        return Path(spec), None
    if path and split and Path(path).exists():
        return Path(path), split
    if re.fullmatch(r".+\*[\d.]+", spec):
        raise BadDataset("a weight is for the lines of a training only", path=spec, hint="leave out * and the number")
    raise BadDataset("no such file or folder", path=spec, hint="check the path (PATH or PATH:SPLIT)")


def _format_of(path: Path) -> Format:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise BadDataset("an image, not a dataset", path=path, hint="give its folder, or the table with its text")
    for candidate in FORMATS:
        if candidate.recognizes(path):
            return candidate
    if path.is_dir():
        names = ", ".join(row.NAME for row in FORMATS)
        raise EmptyDataset("no dataset in this folder", path=path, hint=f"inkread looked for {names}")
    return manifest  # a table, whatever its name ends with


def _of_split(path: Path, samples: list[Sample], split: str) -> list[Sample]:
    splits = sorted({sample.split for sample in samples if sample.split})
    if split not in splits:
        raise BadDataset(f"no split {split!r}", path=path, hint=f"it has {', '.join(splits) or 'no splits'}")
    return [sample for sample in samples if sample.split == split]
