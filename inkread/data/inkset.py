"""The file of a prepared dataset: normalised lines, their texts, and what a training needs to know about them.

It is a safetensors file, so it has numbers and text but no code, and other programs can open it. The columns of all
lines are one tensor, one line after the other. A training maps it into memory, so that it reads only what it uses, and
all processes share it. The other tensors are the index; they are small, and are read and checked when it is opened.

columns     (C, rows)   of each line, as it is and then as a photo: pixels, uint8, 255 = ink; or of pen strokes x, y,
                        the pen, and x as it was written, float32
strings     (bytes,)    JSON: a list [id, writer, split, text] for each line; writer and split may be null
weights     (L,)        how often a line is used in each epoch of a training
places      (L, 2)      of images: the scale and offset of the columns, see NormalizedImage
spans       (S, 2)      left and right of each character, of the lines where they are known
widths      (L, 2)      columns of a line, as it is and as a photo; 0 if it is not stored
checksums   (L, 2)      CRC-32 of these columns
gap_counts  (L, 2)      spaces at which the line can be cut
gaps        (G, 3)      of all lines, see Gap in inkread.augment.splice
has_spans   (L,)        1 if the places of its characters are known
"""

import json
import math
import zlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from inkread.config import NetworkConfig
from inkread.errors import BadDataset, BadInput, shown
from inkread.features import PREPROCESSING
from inkread.features.extract import NormalizedLine, kind_in_words, kind_read_by
from inkread.features.image import NormalizedImage
from inkread.features.ink import NormalizedInk
from inkread.inputs.source import file_version

ENDING = ".inkset"
FORMAT = "inkread prepared dataset 1"
HEADER = 4096  # bytes before the columns. They are written before their number is known, so room is kept for the header
STROKE_ROWS = 4  # numbers in a column of pen strokes
AGAIN = "prepare the dataset again with `inkread prepare`"
PLAIN, PHOTO = 0, 1  # the two versions of a line, as an index

# Type, and length of the second axis; a type of eight bytes before one of four, so that each tensor is aligned.
INDEX: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "weights": (np.float64, ()),
    "places": (np.float64, (2,)),
    "spans": (np.float64, (2,)),
    "widths": (np.int32, (2,)),
    "checksums": (np.uint32, (2,)),
    "gap_counts": (np.int32, (2,)),
    "gaps": (np.int32, (3,)),
    "has_spans": (np.uint8, ()),
    "strings": (np.uint8, ()),
}
# As safetensors calls them.
TYPES = {np.uint8: "U8", np.int32: "I32", np.uint32: "U32", np.float32: "F32", np.float64: "F64"}


class Version(NamedTuple):
    """A line as it is, or as a photo: normalised, and the spaces at which it can be cut, (space, end, start) each."""

    line: NormalizedLine
    gaps: Sequence[tuple[int, int, int]]


class Strings(NamedTuple):
    """What a line is called, who wrote it, in which split it is, and its text."""

    id: str
    writer: str | None
    split: str | None
    text: str


class AllStrings(NamedTuple):
    """The same of all lines, each (L,)."""

    id: Sequence[str]
    writer: Sequence[str | None]
    split: Sequence[str | None]
    text: Sequence[str]


# ---- write


class SetWriter:
    """Writes a prepared dataset into a file line by line, so that it takes little memory."""

    def __init__(self, file: BinaryIO, config: NetworkConfig, photos: bool) -> None:
        self.file = file
        self.rows = STROKE_ROWS if config.features == "strokes" else config.height
        self.type: type[np.generic] = np.float32 if config.features == "strokes" else np.uint8
        self.description = {
            "format": FORMAT,
            "preprocessing": PREPROCESSING,
            "height": None if config.features == "strokes" else config.height,  # of images, in pixels
            "photos": photos,  # whether each line is stored as a photo, too
        }
        self.lines = self.columns = 0
        self.index = {name: bytearray() for name in INDEX}
        file.write(bytes(HEADER))

    def add(
        self,
        strings: Strings,
        weight: float,
        spans: Sequence[tuple[float, float]] | None,
        versions: Sequence[Version | None],
    ) -> None:
        """Add a line: as it is and as a photo, or only one of them."""
        widths, checksums, gap_counts = [0, 0], [0, 0], [0, 0]
        place = (1.0, 0.0)
        for number, version in enumerate(versions):
            if version is None:
                continue
            line, gaps = version
            if isinstance(line, NormalizedImage):
                columns: NDArray[Any] = line.pixels.T  # (W, height)
                place = (line.scale, line.offset) if number == PLAIN else place
            else:
                columns = np.column_stack([line.path, line.source_x])  # (W, 4)
            data = np.ascontiguousarray(columns, self.type).tobytes()
            self.file.write(data)
            widths[number], checksums[number], gap_counts[number] = len(columns), zlib.crc32(data), len(gaps)
            self._append("gaps", [place for gap in gaps for place in gap])
        self.lines += 1
        self.columns += sum(widths)
        self._append("weights", [weight])
        self._append("places", place)
        self._append("spans", [edge for span in spans or () for edge in span])
        self._append("has_spans", [spans is not None])
        self._append("widths", widths)
        self._append("checksums", checksums)
        self._append("gap_counts", gap_counts)
        self.index["strings"] += b"," * (self.lines > 1) + json.dumps(strings, ensure_ascii=False).encode()

    def _append(self, name: str, numbers: Sequence[float]) -> None:
        self.index[name] += np.array(numbers, INDEX[name][0]).tobytes()

    def finish(self) -> None:
        """Write the index and the header."""
        self.index["strings"][:] = b"[" + self.index["strings"] + b"]"
        size = np.dtype(self.type).itemsize * self.columns * self.rows
        tensors: dict[str, Any] = {"columns": _tensor(self.type, (self.columns, self.rows), 0, size)}
        checksum = 0
        for name, (kind, row) in INDEX.items():
            data = self.index[name]
            count = len(data) // (np.dtype(kind).itemsize * math.prod(row))
            tensors[name] = _tensor(kind, (count, *row), size, size + len(data))
            size += len(data)
            checksum = zlib.crc32(data, checksum)
            self.file.write(data)
        description = {**self.description, "checksum": checksum}
        header = json.dumps({"__metadata__": {"inkread": json.dumps(description)}, **tensors}).encode()
        assert len(header) <= HEADER - 8, "it has no more numbers than HEADER has room for"
        self.file.seek(0)
        self.file.write((HEADER - 8).to_bytes(8, "little") + header.ljust(HEADER - 8))
        self.file.flush()


def _tensor(kind: type[np.generic], shape: tuple[int, ...], begin: int, end: int) -> dict[str, Any]:
    """The entry of a tensor in the header."""
    return {"dtype": TYPES[kind], "shape": shape, "data_offsets": [begin, end]}


# ---- read


def prepared_set(path: Path) -> "PreparedSet":
    """The prepared dataset in a file, which is opened once. Raises BadDataset."""
    return _opened_set(path, file_version(path))


@lru_cache(maxsize=64)
def _opened_set(path: Path, version: tuple[int, int] | None) -> "PreparedSet":
    return PreparedSet(path)


class PreparedSet:
    """A prepared dataset. Its index is in memory, and its columns are mapped into memory.

    Raises BadDataset if the file is missing, damaged, not a prepared dataset, or one of another version of inkread.
    A pickle of it has the path only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            file = safe_open(path, "np")
            description = json.loads((file.metadata() or {}).get("inkread", "null"))  # type: ignore[no-untyped-call]
            if not isinstance(description, dict) or not str(description.get("format")).startswith(FORMAT[:-1]):
                raise BadDataset("not a prepared dataset", path=path, hint="make one with `inkread prepare`")
            _check_versions(path, description)
            self.height, self.photos = description["height"], bool(description["photos"])
            self._columns = file.get_slice("columns")  # type: ignore[no-untyped-call]
            self.shape, type_name = tuple(self._columns.get_shape()), self._columns.get_dtype()
            index = {name: file.get_tensor(name) for name in INDEX}  # type: ignore[no-untyped-call]
            _check_index(index, description.get("checksum"))
            self.strings = _read_strings(index.pop("strings").tobytes())
            self.weights, self.places, self.has_spans = index["weights"], index["places"], index["has_spans"] > 0
            self.widths, self.checksums = index["widths"], index["checksums"]  # (L, 2) each
            self.gap_counts, self._gaps, self._spans = index["gap_counts"], index["gaps"], index["spans"]
            self._check(type_name)
        except FileNotFoundError as error:
            raise BadDataset("no such file", path=path, hint="check the path") from error
        except OSError as error:
            raise BadDataset(f"cannot be read ({error.strerror or error})", path=path, hint="check the path") from error
        except (SafetensorError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise BadDataset(f"damaged or cut short ({shown(error)})", path=path, hint=AGAIN) from error

    def __reduce__(self) -> tuple[type["PreparedSet"], tuple[Path]]:
        return PreparedSet, (self.path,)

    def __len__(self) -> int:
        return len(self.strings.text)

    @property
    def of_strokes(self) -> bool:
        """Whether the lines are pen strokes."""
        return self.height is None

    @cached_property
    def _first_columns(self) -> NDArray[np.int64]:
        return _starts(self.widths)  # (L, 2)

    @cached_property
    def _first_gaps(self) -> NDArray[np.int64]:
        return _starts(self.gap_counts)  # (L, 2)

    @cached_property
    def _first_spans(self) -> NDArray[np.int64]:
        return _starts(self._span_counts())  # (L,)

    def _span_counts(self) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = self.has_spans * np.array(list(map(len, self.strings.text)), np.int64)
        return counts

    def columns(self, row: int, version: int = PLAIN) -> NDArray[Any]:
        """A line as (W, rows). Raises BadInput if it is damaged."""
        first, width = int(self._first_columns[row, version]), int(self.widths[row, version])
        columns: NDArray[Any] = self._columns[first : first + width]
        if zlib.crc32(columns.data) != self.checksums[row, version]:
            raise BadInput(f"damaged: line {row + 1} is not as it was written", path=self.path, hint=AGAIN)
        return columns

    def line(self, row: int, version: int = PLAIN) -> NormalizedLine:
        """A line as it was prepared. Raises BadInput if it is damaged."""
        columns = self.columns(row, version)
        if self.of_strokes:
            return NormalizedInk(columns[:, :3], columns[:, 3])
        scale, offset = self.places[row].tolist()
        return NormalizedImage(columns.T, scale, offset)

    def gaps(self, row: int, version: int = PLAIN) -> list[tuple[int, int, int]]:
        """The spaces at which a line can be cut: (space, end, start) each."""
        first = int(self._first_gaps[row, version])
        gaps = self._gaps[first : first + int(self.gap_counts[row, version])]
        return [(space, end, start) for space, end, start in gaps.tolist()]

    def spans(self, row: int) -> tuple[tuple[float, float], ...] | None:
        """The left and right of each character, or None if they are not known."""
        if not self.has_spans[row]:
            return None
        first = int(self._first_spans[row])
        spans = self._spans[first : first + len(self.strings.text[row])]
        return tuple((left, right) for left, right in spans.tolist())

    def check_fits(self, config: NetworkConfig, photos: bool = False) -> None:
        """Raise BadDataset unless a network can read the lines, and, with `photos`, they are stored as photos, too."""
        kind = kind_in_words(self.height)
        if kind != kind_read_by(config):
            problem = f"prepared as {kind}, but the model reads {kind_read_by(config)}"
            how = f"with --images --height {config.height}"
            if config.features == "strokes":
                how = "from pen strokes and without --images"
            raise BadDataset(problem, path=self.path, hint=f"prepare it again {how}")
        if photos and not self.photos and not self.of_strokes:
            hint = "prepare it again without --no-photos, or train with --set photographed=0"
            raise BadDataset("prepared without photos", path=self.path, hint=hint)

    def _check(self, type_name: str) -> None:
        """Raise ValueError unless the parts of the index fit together."""
        rows, expected = (STROKE_ROWS, "F32") if self.of_strokes else (self.height, "U8")
        _require(self.shape[1:] == (rows,) and type_name == expected, "columns")
        lines = len(self)
        names = ("weights", "places", "widths", "checksums", "gap_counts", "has_spans")
        _require(all(len(getattr(self, name)) == lines for name in names), "the number of lines")
        _require(bool(np.isfinite(self.weights).all() and (self.weights > 0).all()), "weights")
        _require(_adds_up(self.widths, self.shape[0]) and bool(self.widths.any(axis=1).all()), "widths")
        _require(_adds_up(self.gap_counts, len(self._gaps)), "gap_counts")
        _require(_adds_up(self._span_counts(), len(self._spans)), "spans")
        space, end, start = self._gaps.T.astype(np.int64)
        width = np.repeat(self.widths.ravel(), self.gap_counts.ravel())
        _require(bool(((space >= 0) & (end > 0) & (end <= start) & (start < width)).all()), "gaps")


def _check_versions(path: Path, description: dict[str, Any]) -> None:
    """Raise BadDataset for a file of another version of inkread."""
    if description["format"] != FORMAT:
        what = shown(description["format"])
        raise BadDataset(f"of another version of inkread ({what})", path=path, hint=AGAIN)
    if description["preprocessing"] != PREPROCESSING:
        version = shown(description["preprocessing"])
        problem = f"prepared with version {version} of the preprocessing, but this inkread has version {PREPROCESSING}"
        raise BadDataset(problem, path=path, hint=AGAIN)


def _check_index(index: dict[str, NDArray[Any]], expected: object) -> None:
    """Raise ValueError if the index is not as it was written."""
    checksum = 0
    for name, (kind, row) in INDEX.items():
        _require(index[name].dtype == kind and index[name].shape[1:] == row, name)
        checksum = zlib.crc32(index[name].data, checksum)
    _require(checksum == expected, "checksum")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"its {what}" if not what.startswith("the ") else what)


def _read_strings(data: bytes) -> AllStrings:
    """The strings of all lines. Raises ValueError if they are not strings."""
    strings = AllStrings(*zip(*json.loads(data), strict=True))
    _require({*map(type, strings.id), *map(type, strings.text)} == {str}, "strings")
    _require({*map(type, strings.writer), *map(type, strings.split)} <= {str, type(None)}, "strings")
    return strings


def _adds_up(counts: NDArray[Any], total: int) -> bool:
    return bool((counts >= 0).all()) and int(counts.sum(dtype=np.int64)) == total


def _starts(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Where each part begins if they follow one another: [2, 3, 1] -> [0, 2, 5]; of any shape."""
    flat = counts.ravel().astype(np.int64)
    starts: NDArray[np.int64] = (np.cumsum(flat) - flat).reshape(counts.shape)
    return starts
