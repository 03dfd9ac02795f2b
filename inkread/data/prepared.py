"""Prepared datasets, which `inkread prepare` has written: lines that are normalised already."""

from collections.abc import Iterator
from pathlib import Path

from inkread.data.inkset import ENDING, prepared_set
from inkread.data.samples import Sample

NAME = f"a prepared dataset ({ENDING})"


def recognizes(path: Path) -> bool:
    """A file whose name ends in .inkset."""
    return path.suffix.lower() == ENDING


def read(path: Path) -> Iterator[Sample]:
    """The lines of the file, with the weights that they have in a training."""
    prepared = prepared_set(path)
    for row, (id, writer, split, text, weight) in enumerate(
        zip(*prepared.strings, prepared.weights.tolist(), strict=True)
    ):
        yield Sample(id, path, text, writer, split, row=row, weight=weight)
