"""Every dataset format -> samples: a line picture, or a line on a page, and what is written there."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inkread.errors import BadDataset
from inkread.ink import read_pictures
from inkread.page import Region

# What a manifest may call its columns; the first name that is there counts.
COLUMNS = {
    "path": ("file", "image", "picture", "path", "filename", "file_name", "image_path"),
    "text": ("text", "transcription", "label", "transcript", "ground_truth"),
    "writer": ("writer", "writer_id", "author"),
    "split": ("split", "split_original", "set", "subset", "partition"),
    "id": ("id", "line_id", "name"),
}
MANIFESTS = (".tsv", ".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Sample:
    """One line: its picture, or its region on a page, and the text written there (NFC, single spaces)."""

    id: str
    path: Path
    text: str
    writer: str | None = None
    split: str | None = None
    page: int = 0
    region: Region | None = None


@dataclass(frozen=True)
class Dataset:
    """Samples in the order of their file, and one line for each that had to be left out."""

    name: str
    samples: tuple[Sample, ...]
    skipped: tuple[str, ...] = ()


def open_dataset(spec: str) -> Dataset:
    """The dataset at "PATH" or, of its samples, one split at "PATH:SPLIT"; its format is found by looking.

    Raises BadDataset, naming the file and line, when it cannot be found, told apart or parsed, or has no such split.
    Pictures are not opened here: a missing one is an error of `read_line`, and `check_dataset` names them all.
    """
    path, split = _split_of(spec)
    found = [replace(sample, text=clean_text(sample.text)) for sample in _samples(path)]
    skipped = tuple(f"{sample.id}: no text" for sample in found if not sample.text)
    samples = tuple(sample for sample in found if sample.text)
    if split is not None:
        there = sorted({sample.split for sample in samples if sample.split})
        if split not in there:
            raise BadDataset(f"{path} has no split {split!r}; it has " + (", ".join(there) if there else "none"))
        samples = tuple(sample for sample in samples if sample.split == split)
    if not samples:
        raise BadDataset(f"{path} holds no line with a text")
    return Dataset(spec, samples, skipped)


def read_line(sample: Sample) -> np.ndarray:
    """The grey picture (H, W) uint8 of a sample's line. Raises BadInput when its file cannot be read."""
    return read_pictures(sample.path)[sample.page]


def clean_text(text: str) -> str:
    """NFC, with every run of white space one space and none at the ends: " a\\tb  c" -> "a b c"."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _split_of(spec: str) -> tuple[Path, str | None]:
    """ "data/iam:tr" -> (data/iam, "tr"). A path that exists as it stands wins, so C:\\data and a:b.tsv are safe."""
    path, colon, split = spec.rpartition(":")
    if Path(spec).exists():
        return Path(spec), None
    if colon and split and Path(path).exists():
        return Path(path), split
    raise BadDataset(f"{spec}: no such file or folder; check the path (PATH or PATH:SPLIT)")


def _samples(path: Path) -> Iterator[Sample]:
    if path.is_file():
        return _from_manifest(path)
    manifests = sorted(file for file in path.iterdir() if file.suffix.lower() in MANIFESTS)
    if len(manifests) == 1:
        return _from_manifest(manifests[0])
    raise BadDataset(f"{path}: not a dataset that inkread knows")


def _from_manifest(manifest: Path) -> Iterator[Sample]:
    for number, row in _rows(manifest):
        if not row.get("path"):
            raise BadDataset(f"{manifest}, line {number}: names no picture")
        yield Sample(
            id=row.get("id") or row["path"],
            path=manifest.parent / row["path"],
            text=row.get("text", ""),
            writer=row.get("writer") or None,
            split=row.get("split") or None,
        )


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line numbers and rows under our own column names, whatever the manifest calls them."""
    text = manifest.read_text(encoding="utf-8-sig")
    lines = [(number, line.rstrip("\r").split("\t")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    header = [cell.strip().lower() for cell in lines[0][1]]
    columns = {
        ours: next((header.index(name) for name in names if name in header), None) for ours, names in COLUMNS.items()
    }
    if columns["path"] is None or columns["text"] is None:
        raise BadDataset(f"{manifest}, line 1: needs a column for the picture and one for the text")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise BadDataset(f"{manifest}, line {number}: {len(cells)} columns, but the header has {len(header)}")
        yield number, {ours: cells[column] for ours, column in columns.items() if column is not None}
