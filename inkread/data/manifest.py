"""Manifests: a table with one row per line, as TSV, CSV or JSON Lines. Also writes such a table."""

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inkread._files import write_atomic
from inkread.data._reading import read_text
from inkread.data.samples import IMAGE_SUFFIXES, JSON_SUFFIXES, Sample, clean_text
from inkread.document.elements import Points
from inkread.errors import BadDataset
from inkread.pages.regions import Region

NAME = "a manifest (.tsv, .csv, .jsonl)"
FILE_SUFFIXES = (".tsv", ".csv", ".txt", *JSON_SUFFIXES)
FOLDER_SUFFIXES = (".tsv", ".csv", ".jsonl", ".ndjson")  # .txt and .json in a folder may be something else
# Other names of the columns. If a table has several of them, the first one counts.
COLUMNS = {
    "path": ("file", "image", "picture", "path", "filename", "file_name", "image_path"),
    "text": ("text", "transcription", "label", "transcript", "ground_truth"),
    "writer": ("writer", "writer_id", "author"),
    "split": ("split", "split_original", "set", "subset", "partition"),
    "id": ("id", "line_id", "name"),
}

Row = tuple[str, str, str, str, str]  # id, file, writer, split, text


def recognizes(path: Path) -> bool:
    """A table, or a folder that contains one."""
    return bool(_manifests_in(path)) if path.is_dir() else path.suffix.lower() in FILE_SUFFIXES


def read(path: Path) -> Iterator[Sample]:
    """One line for each row. Raises BadDataset if a folder has several tables, or for a malformed row."""
    manifest = _the_one_in(path) if path.is_dir() else path
    rows = _json_rows(manifest) if manifest.suffix.lower() in JSON_SUFFIXES else _table_rows(manifest)
    for number, row in rows:
        try:
            yield _sample(manifest, number, row)
        except BadRow as error:
            raise BadDataset(error.problem, path=manifest, line=number, hint=error.hint) from error


def write_manifest(manifest: Path, rows: Iterable[Row]) -> None:
    """Write rows as a TSV that `open_dataset` reads, completely or not at all. Raises CannotWrite."""
    write_atomic(manifest, to_table(rows).encode("utf-8"))


def to_table(rows: Iterable[Row]) -> str:
    """The content of such a TSV."""
    lines = ["id\tfile\twriter\tsplit\ttext", *("\t".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


class BadRow(Exception):
    """What is wrong with a row, and the remedy; `read` adds the file and the line number."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


def _manifests_in(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if file.suffix.lower() in FOLDER_SUFFIXES]


def _the_one_in(folder: Path) -> Path:
    manifests = _manifests_in(folder)
    if len(manifests) > 1:
        names = ", ".join(file.name for file in manifests)
        raise BadDataset(f"{len(manifests)} manifests ({names})", path=folder, hint="name the one to use")
    return manifests[0]


# ---- a row -> a sample


def _sample(manifest: Path, number: int, row: dict[str, Any]) -> Sample:
    values = {ours: next((row[name] for name in names if name in row), "") for ours, names in COLUMNS.items()}
    start = row.get("ink")
    ink = start if isinstance(start, int) else None  # a column "ink" of a TSV is a string
    if not values["path"] and ink is None:
        raise BadRow("names no image", "give it in a column 'file'")
    region = _region(row)
    return Sample(
        id=values["id"] or values["path"] or f"line {number}",
        path=manifest if ink is not None else manifest.parent / values["path"],
        text=values["text"],
        writer=values["writer"] or None,
        split=values["split"] or None,
        page=max(0, int(row["page"]) - 1) if region and str(row.get("page")).isdecimal() else 0,
        region=region,
        # The characters of a line on a page have their places on the page, not in the image of the line.
        spans=None if region else _spans(values["text"], row.get("characters")),
        ink=ink,
    )


def _region(row: dict[str, Any]) -> Region | None:
    """The region of a line on its page, as `inkread predict --json` gives it for the lines of a page."""
    if not isinstance(row.get("polygon"), list):
        return None
    try:
        polygon, baseline = _points(row, "polygon"), _points(row, "baseline")
    except (TypeError, ValueError) as error:
        raise BadRow("a polygon and a baseline are lists of [x, y]", "fix the line") from error
    if len(polygon) < 3:
        raise BadRow("a polygon needs three points or more", "fix the line")
    if not np.isfinite([*polygon, *baseline]).all():
        raise BadRow("a point of the polygon or baseline is not finite", "fix or delete it")
    return Region(polygon, baseline)


def _points(row: dict[str, Any], name: str) -> Points:
    return tuple((float(x), float(y)) for x, y in row.get(name) or ())


def _spans(text: str, characters: Any) -> tuple[tuple[float, float], ...] | None:
    """Left and right of each character, as `inkread predict --json` gives them: an alignment of image and text."""
    if characters is None:
        return None
    try:
        # Spaces that clean_text removes, at an end or after another, are removed from the alignment too.
        befores = [" ", *(place["text"] for place in characters)]
        kept = [place for place, before in zip(characters, befores, strict=False) if place["text"] + before != "  "]
        kept = kept[:-1] if kept and kept[-1]["text"] == " " else kept
        spans = tuple((float(place["left"]), float(place["right"])) for place in kept)
        written = "".join(place["text"] for place in kept)
        single = all(len(place["text"]) == 1 for place in kept)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise BadRow("its characters have no text, left or right", "write them as `inkread predict --json`") from error
    if not single:
        raise BadRow("an entry of its characters is not one character", "split or delete it")
    if not np.isfinite(spans).all():
        raise BadRow("the left or right of a character is not finite", "fix or delete it")
    if clean_text(written) != written or written != clean_text(text):
        raise BadRow(f"its characters spell {written!r}, but its text is {text!r}", "make them the same")
    return spans


# ---- a file -> rows


def _json_rows(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row) of JSON Lines. If a row has strokes, its "ink" is the byte where its line begins."""
    start, end = 0, manifest.read_bytes().startswith(BOM_UTF8) * len(BOM_UTF8)
    for number, line in enumerate(read_text(manifest).split("\n"), 1):
        start, end = end, end + len(line.encode()) + 1
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = f"not JSON ({error})"
            raise BadDataset(problem, path=manifest, line=number, hint="write one object per line") from error
        if isinstance(row, dict) and row.get("unread") is True:  # a place that `inkread predict --json` left out
            continue
        if not isinstance(row, dict) or not any(name in row for name in COLUMNS["text"]):
            problem = "not an object with a text"
            raise BadDataset(problem, path=manifest, line=number, hint='write {"file": "a.png", "text": "..."}')
        strings = {name: str(value) for name, value in row.items() if isinstance(value, str | int)}
        places = {name: row.get(name) for name in ("characters", "polygon", "baseline")}
        yield number, {**strings, **places, "ink": start if "strokes" in row else None}


def _table_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a TSV or CSV. Without a header row it has two columns, image and text."""
    rows = _csv_cells(manifest) if manifest.suffix.lower() == ".csv" else _tsv_cells(manifest)
    first, cells = next(rows, (1, []))
    if len(cells) == 2 and Path(cells[0]).suffix.lower() in IMAGE_SUFFIXES:
        header = ["file", "text"]
        yield first, dict(zip(header, cells, strict=True))
    else:
        header = [cell.strip().lower() for cell in cells]
    _check_header(manifest, first, header)
    for number, cells in rows:
        if len(cells) != len(header):
            problem = f"{len(cells)} columns instead of {len(header)}"
            raise BadDataset(problem, path=manifest, line=number, hint="fix the line")
        yield number, dict(zip(header, cells, strict=True))


def _check_header(manifest: Path, line: int, header: list[str]) -> None:
    for ours, name in (("path", "image"), ("text", "text")):
        if not set(COLUMNS[ours]) & set(header):
            problem = f"the header names no column for the {name}"
            raise BadDataset(problem, path=manifest, line=line, hint=f"call it one of {', '.join(COLUMNS[ours])}")


def _tsv_cells(manifest: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells are what is between the tabs: a quotation mark is a quotation mark."""
    for number, line in enumerate(read_text(manifest).split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r").split("\t")


def _csv_cells(manifest: Path) -> Iterator[tuple[int, list[str]]]:
    """CSV with quoted cells. The delimiter is a semicolon if the first line has more of them than commas."""
    text = read_text(manifest)
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        problem = f"not CSV ({error})"
        raise BadDataset(problem, path=manifest, line=reader.line_num, hint="fix the line") from error
