"""Datasets: every format becomes samples. docs/formats.md shows each format.

A new format is one new module with two functions, and one row in FORMATS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from inkread._names import printable
from inkread.data import iam, iam_ondb, ink_files, manifest, page_xml, transcriptions
from inkread.data.samples import IMAGE_SUFFIXES, Dataset, Entry, Note, Sample, Skipped, clean_sample, unusable
from inkread.errors import BadDataset

__all__ = ["FORMATS", "Dataset", "Format", "Sample", "open_dataset"]


@dataclass(frozen=True)
class Format:
    """A dataset format. `read` yields samples, reasons for lines that are left out, and notes."""

    name: str  # for the message about a folder in which no format is recognised
    recognises: Callable[[Path], bool]  # a file or folder that exists
    read: Callable[[Path], Iterable[Entry]]


# The first format that recognises a path reads it.
FORMATS = (
    Format("IAM's lines.txt", iam.recognises, iam.read),
    Format("IAM-OnDB's lineStrokes and ascii", iam_ondb.recognises, iam_ondb.read),
    Format("a manifest (.tsv, .csv, .jsonl)", manifest.recognises, manifest.read),
    Format("images with .gt.txt", transcriptions.recognises, transcriptions.read),
    Format("InkML, UNIPEN's data and include", ink_files.recognises, ink_files.read),
    Format("ALTO or PAGE XML", page_xml.recognises, page_xml.read),
)


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
        raise BadDataset("no line with a text in it", path=spec, hint="check that the transcriptions are there")
    notes = tuple(printable(entry.text) for entry in entries if isinstance(entry, Note))
    return Dataset(printable(spec), used, tuple(skipped), notes)


def _path_and_split(spec: str) -> tuple[Path, str | None]:
    """ "data/iam:tr" -> (data/iam, "tr"). What exists as it stands is a path, so C:\\data and a:b.tsv are safe."""
    path, _, split = spec.rpartition(":")
    if spec and Path(spec).exists():
        return Path(spec), None
    if path and split and Path(path).exists():
        return Path(path), split
    raise BadDataset("no such file or folder", path=spec, hint="check the path (PATH or PATH:SPLIT)")


def _format_of(path: Path) -> Format:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise BadDataset("an image, not a dataset", path=path, hint="give its folder, or the table with its text")
    for candidate in FORMATS:
        if candidate.recognises(path):
            return candidate
    if path.is_dir():
        names = ", ".join(row.name for row in FORMATS)
        raise BadDataset("no dataset in this folder", path=path, hint=f"inkread looked for {names}")
    return Format("a table", manifest.recognises, manifest.read)  # whatever its name ends with


def _of_split(path: Path, samples: list[Sample], split: str) -> list[Sample]:
    splits = sorted({sample.split for sample in samples if sample.split})
    if split not in splits:
        raise BadDataset(f"no split {split!r}", path=path, hint=f"it has {', '.join(splits) or 'no splits'}")
    return [sample for sample in samples if sample.split == split]
