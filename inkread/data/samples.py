"""A sample is one line of a dataset: where its image or pen strokes are, and the text that is written there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from inkread._names import printable
from inkread.alphabet import join_crossed_out, normal
from inkread.data.inkset import PreparedSet, prepared_set
from inkread.errors import BadInput
from inkread.features.extract import Writing, image_of
from inkread.inputs import is_ink as file_is_ink
from inkread.inputs import open_images, read_inks
from inkread.inputs.ink import Ink, Stroke
from inkread.inputs.source import file_version
from inkread.pages.regions import Region, cut_line

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".avif", ".heic")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: its image, its region on a page or its pen strokes, and the text written (NFC, single spaces)."""

    id: str
    path: Path
    text: str
    writer: str | None = None
    split: str | None = None
    page: int = 0  # of a file with several pages, counted from 0
    region: Region | None = None  # None: the image is the line
    spans: tuple[tuple[float, float], ...] | None = None  # left and right of each character, in pixels of the image
    ink: int | None = None  # of pen strokes: their number in the file; in JSON Lines the byte where their line begins
    row: int | None = None  # of a prepared dataset: the number of the line in it
    weight: float = 1.0  # how often the line is used in each epoch of a training; 0.5: in every other epoch

    def __reduce__(self) -> tuple[type["Sample"], tuple[object, ...]]:
        """Pickled as the arguments of its class: six times as fast, which matters for 100,000 lines."""
        return Sample, (
            self.id, self.path, self.text, self.writer, self.split, self.page, self.region, self.spans, self.ink,
            self.row, self.weight,
        )  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """Samples in the order of their files."""

    name: str
    samples: tuple[Sample, ...]
    skipped: tuple[str, ...] = ()  # a reason for each line that is left out
    notes: tuple[str, ...] = ()  # what is used although it looks wrong


@dataclass(frozen=True)
class Skipped:
    """Why a line or file of a dataset is left out."""

    reason: str


@dataclass(frozen=True)
class Note:
    """Something that looks wrong in lines that are used all the same."""

    text: str


Entry = Sample | Skipped | Note  # what the module of a dataset format yields


def clean_text(text: str) -> str:
    """The text in NFC, each run of white space as one space, none at the ends: " a\\tb  c" -> "a b c".

    The marks of what is crossed out are joined to the words beside them, as `join_crossed_out` does.
    """
    return join_crossed_out(" ".join(normal(text).split()))


def clean_sample(sample: Sample) -> Sample:
    """The sample with its text cleaned, and with names that can be printed. Its path stays as it is."""
    text, id = clean_text(sample.text), printable(sample.id)
    writer, split = (name and printable(name) for name in (sample.writer, sample.split))
    if (text, id, writer, split) == (sample.text, sample.id, sample.writer, sample.split):
        return sample  # nearly always, and a copy takes longer than all the rest
    return replace(sample, text=text, id=id, writer=writer, split=split)


def unusable(sample: Sample) -> str | None:
    """Why a sample cannot be used: it has no text, or its text cannot be encoded. None if it can."""
    if not sample.text:
        return "no text"
    if not sample.text.isascii() and re.search("[\ud800-\udfff]", sample.text):
        return "its text has half characters (surrogates)"
    return None


def prepared_sets(samples: Iterable[Sample]) -> list[PreparedSet]:
    """The prepared datasets that lines come from."""
    return [prepared_set(path) for path in dict.fromkeys(sample.path for sample in samples if sample.row is not None)]


def is_ink(sample: Sample) -> bool:
    """Whether a sample has pen strokes instead of an image."""
    if sample.row is not None:
        return prepared_set(sample.path).of_strokes
    if sample.ink is not None or sample.region is not None:
        return sample.ink is not None
    return file_is_ink(sample.path)


def read_line_input(sample: Sample) -> Writing:
    """The line in its own form: its pen strokes, its image as `read_line` gives it, or as it was normalised.

    Raises BadInput.
    """
    if sample.row is not None:
        return prepared_set(sample.path).line(sample.row)
    return read_strokes(sample) if is_ink(sample) else _read_image(sample)


def read_line(sample: Sample) -> np.ndarray:
    """The grey image (H, W) uint8 of a line. A line with a region is cut out of its page and straightened.

    Pen strokes are drawn. Raises BadInput if the file cannot be read, or has no such page or region.
    """
    return image_of(read_line_input(sample))


def _read_image(sample: Sample) -> np.ndarray:
    if sample.region is None:
        return _read_page(sample.path, sample.page)
    page = _cached_page(sample.path, sample.page, file_version(sample.path))
    try:
        return cut_line(page, sample.region)
    except BadInput as error:
        problem = f"{sample.id}: {error.problem}"
        hints = filter(None, (error.hint, "check that this is the right image"))
        raise BadInput(problem, path=sample.path, hint="; ".join(hints)) from error


def read_strokes(sample: Sample) -> tuple[Stroke, ...]:
    """The pen strokes of a line. Raises BadInput if they cannot be read."""
    if sample.row is not None:
        problem = "a prepared dataset, which has no strokes as they were written"
        raise BadInput(problem, path=sample.path, hint="use the dataset that it was prepared from")
    if sample.ink is None:
        return read_inks(sample.path, whole=True)[0].strokes
    if sample.path.suffix.lower() in JSON_SUFFIXES:
        return _read_json_strokes(sample, sample.ink)
    inks = _cached_inks(sample.path, file_version(sample.path))
    if sample.ink >= len(inks):
        problem = f"it has changed: {sample.id} is no longer in it"
        raise BadInput(problem, path=sample.path, hint="open the dataset again")
    return inks[sample.ink].strokes


def _read_json_strokes(sample: Sample, start: int) -> tuple[Stroke, ...]:
    """The strokes in the line of JSON Lines that begins at byte `start`."""
    try:
        with open(sample.path, "rb") as file:
            file.seek(start)
            return read_inks(file.readline(), name=f"{sample.path}, {sample.id}")[0].strokes
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise BadInput(problem, path=sample.path, hint="check the path and its permissions") from error


def _read_page(path: Path, number: int) -> np.ndarray:
    pages = open_images(path)
    if number >= len(pages):
        problem = f"no page {number + 1}, it has {len(pages)}"
        raise BadInput(problem, path=path, hint="check the number of the page")
    return pages[number]


# `version` changes when a file is edited, so that an old copy is not used. A page of 10 megapixels takes 10 MB.


@lru_cache(maxsize=8)  # lines are read file by file; the pages of a dataset may be in use by several workers
def _cached_inks(path: Path, version: tuple[int, int] | None) -> list[Ink]:
    return read_inks(path)


@lru_cache(maxsize=3)
def _cached_page(path: Path, number: int, version: tuple[int, int] | None) -> np.ndarray:
    return _read_page(path, number)
