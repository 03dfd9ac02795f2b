"""Every dataset format -> samples: a line's picture, its place on a page or its pen strokes, and what is written there.

One argument says it all, PATH or PATH:SPLIT; the format is found by looking. datasets/README.md shows each of them.
"""

import csv
import io
import json
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import numpy as np

from inkread._files import write_atomic
from inkread._names import printable
from inkread.alphabet import normal
from inkread.errors import BadDataset, BadInput
from inkread.features.render import draw_ink
from inkread.inputs.images import read_pictures
from inkread.inputs.ink import Ink, LineInput, Stroke, looks_like_ink, read_inks, version
from inkread.pages.regions import Points, Region, cut_line

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2")
PICTURE_FOLDERS = ("jpg", "jpeg", "png", "tif", "tiff", "img", "image", "images", "pictures", "scans")
INKS = (".inkml", ".dat")  # .dat: UNIPEN
JSON_LINES = (".jsonl", ".ndjson", ".json")
MANIFESTS = (".tsv", ".csv", ".jsonl", ".ndjson")
# What a manifest may call its columns; of several that are there, the first listed counts.
COLUMNS = {
    "path": ("file", "image", "picture", "path", "filename", "file_name", "image_path"),
    "text": ("text", "transcription", "label", "transcript", "ground_truth"),
    "writer": ("writer", "writer_id", "author"),
    "split": ("split", "split_original", "set", "subset", "partition"),
    "id": ("id", "line_id", "name"),
}


@dataclass(frozen=True)
class Sample:
    """One line: its picture, its region on a page or its pen strokes, and the text written (NFC, single spaces)."""

    id: str
    path: Path
    text: str
    writer: str | None = None
    split: str | None = None
    page: int = 0  # which page of a TIFF, counted from 0
    region: Region | None = None  # None: the picture is the line
    spans: tuple[tuple[float, float], ...] | None = None  # of each character: its left and right in the picture
    ink: int | None = None  # of pen strokes: which ink of their file, or the byte where their line of JSON begins


@dataclass(frozen=True)
class Dataset:
    """Samples in the order of their files, and a reason for each line that had to be left out."""

    name: str
    samples: tuple[Sample, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what is used but looks wrong


@dataclass(frozen=True)
class Note:
    """What a reader noticed about lines that it yields all the same."""

    text: str


def open_dataset(spec: str) -> Dataset:
    """The dataset at "PATH" or, of its samples, one split at "PATH:SPLIT"; its format is found by looking.

    Raises BadDataset, naming the file and line, when it cannot be found, told apart or parsed, or has no such split.
    Pictures are not opened here: a missing one is an error of `read_line`, and `check_dataset` names them all.
    """
    try:
        path, split = _path_and_split(spec)
        found = list(_read(path))
    except OSError as error:
        where, why = error.filename or spec, error.strerror or error
        raise BadDataset(f"{where}: cannot be read ({why}); check the path and its permissions") from error
    samples = [_cleaned(sample) for sample in found if isinstance(sample, Sample)]
    skipped = [printable(reason) for reason in found if isinstance(reason, str)]
    notes = tuple(printable(note.text) for note in found if isinstance(note, Note))
    if split is not None:
        splits = sorted({sample.split for sample in samples if sample.split})
        if split not in splits:
            raise BadDataset(f"{path}: no split {split!r}; there is {', '.join(splits) or 'none at all'}")
        samples = [sample for sample in samples if sample.split == split]
    skipped += [f"{sample.id}: no text" for sample in samples if not sample.text]
    skipped += [f"{sample.id}: its text has half characters (surrogates)" for sample in samples if _is_broken(sample)]
    samples = [sample for sample in samples if sample.text and not _is_broken(sample)]
    if not samples:
        raise BadDataset(f"{spec}: no line with a text in it; check that the transcriptions are there")
    return Dataset(printable(spec), tuple(samples), tuple(skipped), notes)


def read_line(sample: Sample) -> np.ndarray:
    """The grey picture (H, W) uint8 of a sample's line, cut out of its page and levelled where it has a region.

    Pen strokes are drawn. Raises BadInput when the file cannot be read, or has no such page or place.
    """
    if is_ink(sample):
        return draw_ink(read_strokes(sample))
    if sample.region is None:
        return _page(sample.path, sample.page)
    page = _read_page(sample.path, sample.page, version(sample.path))
    try:
        return cut_line(page, sample.region)
    except BadInput as error:
        raise BadInput(f"{sample.path}: {sample.id}: {error}; is it the right picture?") from error


def read_writing(sample: Sample) -> LineInput:
    """A sample's line as it is there: its pen strokes, or else its picture as `read_line` gives it. Raises BadInput."""
    return read_strokes(sample) if is_ink(sample) else read_line(sample)


def is_ink(sample: Sample) -> bool:
    """Has a sample pen strokes rather than a picture?"""
    if sample.ink is not None or sample.region is not None:
        return sample.ink is not None
    try:
        with open(sample.path, "rb") as file:
            return looks_like_ink(file.read(64))
    except (OSError, ValueError):  # reading it as a picture will tell why
        return False


def read_strokes(sample: Sample) -> tuple[Stroke, ...]:
    """The pen strokes of a sample's line. Raises BadInput when they cannot be read."""
    if sample.ink is None:
        return read_inks(sample.path, whole=True)[0].strokes
    if sample.path.suffix.lower() not in JSON_LINES:
        inks = _read_inks(sample.path, version(sample.path))
        if sample.ink >= len(inks):
            raise BadInput(f"{sample.path}: it has changed, and {sample.id} is no longer in it; open the dataset again")
        return inks[sample.ink].strokes
    try:
        with open(sample.path, "rb") as file:
            file.seek(sample.ink)
            return read_inks(f"{sample.path}, {sample.id}", file.readline())[0].strokes
    except OSError as error:
        raise BadInput(f"{sample.path}: cannot be read ({error.strerror}); check the path") from error


@lru_cache(maxsize=8)  # lines are read file after file
def _read_inks(path: Path, version: tuple[int, int] | None) -> list[Ink]:
    return read_inks(path)


@lru_cache(maxsize=3)  # lines are read page after page, and a page of 10 megapixels takes 10 MB
def _read_page(path: Path, number: int, version: tuple[int, int] | None) -> np.ndarray:
    return _page(path, number)


def _page(path: Path, number: int) -> np.ndarray:
    pages = read_pictures(path)
    if number >= len(pages):
        raise BadInput(f"{path}: no page {number + 1}; it has {len(pages)}, check the file")
    return pages[number]


def split_of(dataset: str, writer: str) -> str:
    """ "dev" for about a tenth of the writers of a set that has no splits of its own, else "train"; always the same."""
    return "dev" if int(sha256(f"{dataset}/{writer}".encode()).hexdigest(), 16) % 10 == 0 else "train"


def write_manifest(manifest: Path, rows: Iterable[tuple[str, str, str, str, str]]) -> None:
    """Write rows of (id, file, writer, split, text) as a TSV that `open_dataset` reads; whole or not at all."""
    lines = ["id\tfile\twriter\tsplit\ttext", *("\t".join(row) for row in rows)]
    write_atomic(manifest, ("\n".join(lines) + "\n").encode("utf-8"))


def clean_text(text: str) -> str:
    """NFC, with every run of white space one space and none at the ends: " a\\tb  c" -> "a b c"."""
    return " ".join(normal(text).split())


# ---- telling the formats apart. Readers yield samples, a string with the reason for a line they leave out, and notes.


def _cleaned(sample: Sample) -> Sample:
    """The sample with its text cleaned, and with names that can be printed; its path stays as it is."""
    writer, split = (name and printable(name) for name in (sample.writer, sample.split))
    return replace(sample, text=clean_text(sample.text), id=printable(sample.id), writer=writer, split=split)


def _is_broken(sample: Sample) -> bool:
    return re.search("[\ud800-\udfff]", sample.text) is not None


def _path_and_split(spec: str) -> tuple[Path, str | None]:
    """ "data/iam:tr" -> (data/iam, "tr"). What exists as it stands is a path, so C:\\data and a:b.tsv are safe."""
    path, _, split = spec.rpartition(":")
    if spec and Path(spec).exists():
        return Path(spec), None
    if path and split and Path(path).exists():
        return Path(path), split
    raise BadDataset(f"{spec}: no such file or folder; check the path (PATH or PATH:SPLIT)")


def _read(path: Path) -> Iterator[Sample | str | Note]:
    if path.suffix.lower() in PICTURES:
        raise BadDataset(f"{path}: a picture, not a dataset; give the folder, or the table that tells its text")
    if path.suffix.lower() in INKS:
        return _from_inks(path.parent, [path])
    if not path.is_dir():
        return _from_pages(path.parent, [path]) if path.suffix.lower() == ".xml" else _from_manifest(path)
    for lines in (path / "ascii" / "lines.txt", path / "lines.txt"):
        if lines.is_file():
            return _from_iam(path, lines)
    if (path / "lineStrokes").is_dir() and (path / "ascii").is_dir():
        return _from_iam_ondb(path)
    manifests = [file for file in sorted(path.iterdir()) if file.suffix.lower() in MANIFESTS]
    if len(manifests) > 1:
        names = ", ".join(file.name for file in manifests)
        raise BadDataset(f"{path}: {len(manifests)} manifests ({names}); name the one to use")
    if manifests:
        return _from_manifest(manifests[0])
    if transcriptions := _files_below(path, ".gt.txt"):
        return _from_transcriptions(path, transcriptions)
    if (path / "data").is_dir() and (path / "include").is_dir():
        return _from_inks(path / "data", _files_below(path / "data", ".dat"))
    if inks := _files_below(path, ".inkml"):
        return _from_inks(path, inks)
    if pages := _files_below(path, ".xml"):
        return _from_pages(path, pages)
    raise BadDataset(
        f"{path}: no dataset in this folder; looked for a manifest (.tsv, .csv, .jsonl), pictures with .gt.txt, "
        "ALTO or PAGE XML, IAM's lines.txt, InkML, IAM-OnDB's lineStrokes and ascii, UNIPEN's data and include"
    )


def _files_below(folder: Path, ending: str) -> list[Path]:
    """Files with this ending in a folder and all below, in order; linked folders too, each of them once."""
    found: list[Path] = []
    seen = {os.path.realpath(folder)}
    for here, folders, files in os.walk(folder, followlinks=True):
        places = {name: os.path.realpath(os.path.join(here, name)) for name in folders}
        folders[:] = [name for name, place in places.items() if place not in seen]
        seen.update(places.values())
        found += [Path(here, name) for name in files if name.lower().endswith(ending)]
    return sorted(found)


def _text_of(path: Path) -> str:
    """The content of a UTF-8 file, with or without a byte order mark."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDataset(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from error


# ---- pictures with NAME.gt.txt beside them (kraken); pen strokes in InkML too


def _from_transcriptions(folder: Path, transcriptions: list[Path]) -> Iterator[Sample]:
    for transcription in transcriptions:
        stem = transcription.name.removesuffix(".gt.txt")
        candidates = [transcription.with_name(stem + suffix) for suffix in (*PICTURES, ".inkml")]
        picture = next((file for file in candidates if file.exists()), candidates[0])
        yield Sample(str(picture.relative_to(folder).with_suffix("")), picture, _text_of(transcription))


# ---- manifests: TSV, CSV, JSON lines


def _from_manifest(manifest: Path) -> Iterator[Sample]:
    rows = _json_rows(manifest) if manifest.suffix.lower() in JSON_LINES else _table_rows(manifest)
    for number, row in rows:
        values = {ours: next((row[name] for name in names if name in row), "") for ours, names in COLUMNS.items()}
        begins: Any = row.get("ink")
        ink = begins if isinstance(begins, int) else None
        if not values["path"] and ink is None:
            raise BadDataset(f"{manifest}, line {number}: names no picture; give it in a column 'file'")
        where = f"{manifest}, line {number}"
        region = _region(where, row)
        yield Sample(
            id=values["id"] or values["path"] or f"line {number}",
            path=manifest if ink is not None else manifest.parent / values["path"],
            text=values["text"],
            writer=values["writer"] or None,
            split=values["split"] or None,
            page=max(0, int(row["page"]) - 1) if region and str(row.get("page")).isdecimal() else 0,
            region=region,
            # Those of a line on a page are places on the page, not in the picture of the line.
            spans=None if region else _spans(where, values["text"], row.get("characters")),
            ink=ink,
        )


def _region(where: str, row: dict[str, Any]) -> Region | None:
    """Where a line stands on its page, as `inkread predict --json` tells of the lines of a page."""
    if not isinstance(row.get("polygon"), list):
        return None
    try:
        polygon, baseline = (
            tuple((float(x), float(y)) for x, y in row.get(name) or ()) for name in ("polygon", "baseline")
        )
    except (TypeError, ValueError) as error:
        raise BadDataset(f"{where}: a polygon and a baseline are lists of [x, y]; mend the line") from error
    if len(polygon) < 3:
        raise BadDataset(f"{where}: a polygon needs three points or more; mend the line")
    if not np.isfinite([*polygon, *baseline]).all():
        raise BadDataset(f"{where}: a point of the polygon or baseline is not finite; fix or delete it")
    return Region(polygon, baseline)


def _spans(where: str, text: str, characters: Any) -> tuple[tuple[float, float], ...] | None:
    """The places of the characters as `inkread predict --json` gives them: an alignment, to learn many-to-many from."""
    if characters is None:
        return None
    try:
        # Blanks that clean_text drops, at an end or after another, lose their place too.
        befores = [" ", *(place["text"] for place in characters)]
        kept = [place for place, before in zip(characters, befores, strict=False) if place["text"] + before != "  "]
        kept = kept[:-1] if kept and kept[-1]["text"] == " " else kept
        spans = tuple((float(place["left"]), float(place["right"])) for place in kept)
        written = "".join(place["text"] for place in kept)
        single = all(len(place["text"]) == 1 for place in kept)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise BadDataset(f"{where}: characters need text, left and right, as in `inkread predict --json`") from error
    if not single:
        raise BadDataset(f"{where}: an entry of the characters has not one character; split or delete it")
    if not np.isfinite(spans).all():
        raise BadDataset(f"{where}: the left or right of a character is not finite; fix or delete it")
    if clean_text(written) != written or written != clean_text(text):
        raise BadDataset(f"{where}: the characters spell {written!r}, the text is {text!r}; make them the same")
    return spans


def _json_rows(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row); "ink" is where the line begins when it has strokes itself and names no picture."""
    begins, after = 0, manifest.read_bytes().startswith(BOM_UTF8) * len(BOM_UTF8)
    for number, line in enumerate(_text_of(manifest).split("\n"), 1):
        begins, after = after, after + len(line.encode()) + 1
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadDataset(f"{manifest}, line {number}: not JSON ({error}); write one object a line") from error
        if not isinstance(row, dict) or not any(name in row for name in COLUMNS["text"]):
            raise BadDataset(f'{manifest}, line {number}: needs an object like {{"file": "a.png", "text": "..."}}')
        strings = {name: str(value) for name, value in row.items() if isinstance(value, str | int)}
        ink = begins if "strokes" in row else None
        places = {name: row.get(name) for name in ("characters", "polygon", "baseline")}
        yield number, {**strings, **places, "ink": ink}


def _table_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a TSV or CSV; one without a header row has two columns, picture and text."""
    rows = _csv_cells(manifest) if manifest.suffix.lower() == ".csv" else _tsv_cells(manifest)
    first, cells = next(rows, (1, []))
    if len(cells) == 2 and Path(cells[0]).suffix.lower() in PICTURES:
        header = ["file", "text"]
        yield first, dict(zip(header, cells, strict=True))
    else:
        header = [cell.strip().lower() for cell in cells]
    for ours in ("path", "text"):
        if not set(COLUMNS[ours]) & set(header):
            names = ", ".join(COLUMNS[ours])
            raise BadDataset(
                f"{manifest}, line {first}: the header names no column for the {ours}; call it one of {names}"
            )
    for number, cells in rows:
        if len(cells) != len(header):
            raise BadDataset(f"{manifest}, line {number}: {len(cells)} columns instead of {len(header)}; mend the line")
        yield number, dict(zip(header, cells, strict=True))


def _tsv_cells(manifest: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells stand between tabs as they are: a quotation mark is a quotation mark."""
    for number, line in enumerate(_text_of(manifest).split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r").split("\t")


def _csv_cells(manifest: Path) -> Iterator[tuple[int, list[str]]]:
    """Proper CSV, with quoted cells; between semicolons where the first line has more of them than commas."""
    text = _text_of(manifest)
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadDataset(f"{manifest}, line {reader.line_num}: not CSV ({error}); mend the line") from error


# ---- IAM as it is distributed


def _from_iam(folder: Path, lines: Path) -> Iterator[Sample]:
    """lines.txt: `a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop`; # starts a comment."""
    writers, splits = _iam_writers(lines.with_name("forms.txt")), _iam_splits(folder)
    current, open_quotes = "", set[str]()
    for number, row in enumerate(_text_of(lines).splitlines(), 1):
        if not row.strip() or row.startswith("#"):
            continue
        fields = row.split(" ", 8)  # the ninth is the transcription, in which a token may hold spaces
        if len(fields) < 9 or not IAM_ID.fullmatch(fields[0]):
            raise BadDataset(f"{lines}, line {number}: not a line of IAM's lines.txt; download it again")
        line = fields[0]
        form = line.rpartition("-")[0]
        if form != current:
            current, open_quotes = form, set()
        candidates = (f"lines/{form[:3]}/{form}/{line}.png", f"lines/{line}.png", f"png/{line}.png", f"{line}.png")
        pictures = [folder / candidate for candidate in candidates]
        yield Sample(
            id=line,
            path=next((picture for picture in pictures if picture.exists()), pictures[0]),
            text=_iam_text(fields[8].split("|"), open_quotes),
            writer=writers.get(form),
            split=splits.get(line) or splits.get(form),
        )


IAM_ID = re.compile(r"[a-z]\d\d-\d{3}[a-z]?(-\d\d)?")


def _iam_text(tokens: list[str], open_quotes: set[str]) -> str:
    """Tokens -> text as it is written: ["Griffiths", ",", "\\"", "prop", "up", "\\"", "."] -> 'Griffiths, "prop up".'

    IAM detaches punctuation, and a quotation may run over several lines: `open_quotes` is carried through a form.
    A 0 before a letter is a mark of the LOB corpus, from which the texts were copied, for an abbreviation: 0M P.
    """
    text, glued = "", True  # glued: no space before the next token
    for place, token in enumerate(tokens):
        if token in ('"', "'"):
            opens = (place == 0 and len(tokens) > 1) or (token not in open_quotes and place < len(tokens) - 1)
            (open_quotes.add if opens else open_quotes.discard)(token)
            text += token if glued or not opens else " " + token
            glued = opens
        else:
            closes = re.fullmatch(r"[.,;:?!)]+\"?|'(s|d|m|ll|re|ve)|n't", token)
            text += ("" if glued or closes else " ") + re.sub(r"^0(?=[A-Za-z])", "", token)
            glued = token == "("
            if token.startswith('"'):
                open_quotes.add('"')
            if re.search(r"\"\W*$", token[1:]):
                open_quotes.discard('"')
    return text


def _iam_writers(forms: Path) -> dict[str, str]:
    """forms.txt: `a01-000u 000 2 prt 7 5 52 36` -> {"a01-000u": "000"}; empty when the file is not there."""
    rows = [row.split() for row in _text_of(forms).splitlines() if not row.startswith("#")] if forms.is_file() else []
    return {row[0]: row[1] for row in rows if len(row) > 1}


def _iam_splits(folder: Path) -> dict[str, str]:
    """Form or line id -> name of its list: trainset.txt and the like hold nothing but ids, one a line."""
    splits: dict[str, str] = {}
    for file in sorted((*folder.glob("*.txt"), *folder.glob("*/*.txt"))):
        ids = file.read_text("utf-8", "replace").split()
        if ids and all(map(IAM_ID.fullmatch, ids)):
            splits.update(dict.fromkeys(ids, file.stem))
    return splits


# ---- IAM-OnDB as it is distributed


def _from_iam_ondb(folder: Path) -> Iterator[Sample | str]:
    """ascii/a01/a01-000/a01-000u.txt has the lines of a form below "CSR:", lineStrokes/ an XML for each of them."""
    splits = _iam_splits(folder)
    for transcription in _files_below(folder / "ascii", ".txt"):
        form = transcription.stem
        content = transcription.read_text(encoding="latin-1")
        _, found, below = content.partition("CSR:")
        if not found:
            yield f"{transcription}: no CSR: in it"
            continue
        ink = folder / "lineStrokes" / transcription.parent.relative_to(folder / "ascii")
        open_quotes = set[str]()
        for number, line in enumerate(below.strip().splitlines(), 1):
            joined = re.sub(r" ' (?=(s|t|d|m|ll|re|ve)\b)", "'", " ".join(line.split()))
            yield Sample(
                id=f"{form}-{number:02}",
                path=ink / f"{form}-{number:02}.xml",
                text=_iam_text(joined.split(" "), open_quotes),
                split=splits.get(form),
            )


# ---- InkML and UNIPEN


def _from_inks(folder: Path, files: list[Path]) -> Iterator[Sample | str]:
    for file in files:
        try:
            inks = read_inks(file)
        except BadInput as error:
            if len(files) == 1:
                raise BadDataset(str(error)) from error
            yield str(error)
            continue
        stem = str(file.relative_to(folder).with_suffix(""))
        for place, ink in enumerate(inks):
            id = stem if len(inks) == 1 else f"{stem}/{place + 1}"
            yield Sample(id, file, ink.text, ink.writer, ink.split, ink=place)


# ---- ALTO and PAGE


def _from_pages(folder: Path, files: list[Path]) -> Iterator[Sample | str | Note]:
    _pictures_around.cache_clear()  # files may have come since
    read_from: dict[tuple[Path, int], Path] = {}
    strangers = []
    for file in files:
        root = _parse(file)
        alto = _tag(root) == "alto"
        if not alto and _tag(root) != "PcGts":
            strangers.append(f"{file}: <{_tag(root)}> is neither ALTO nor PAGE")
            continue
        for number, page in enumerate(root.iterfind(".//{*}Page")):
            named = root.findtext(".//{*}sourceImageInformation/{*}fileName") if alto else page.get("imageFilename")
            picture = _find_picture(file, named or "")
            if read_from.setdefault((picture, number), file) != file:
                yield f"{file}: its picture {picture.name} has been read from {read_from[picture, number]}"
                continue
            stem = str(file.relative_to(folder).with_suffix(""))
            doubtful = []
            for place, line in enumerate(page.iterfind(".//{*}TextLine"), 1):
                id = line.get("ID") or line.get("id") or str(place)
                try:
                    size = _page_size(page, ("WIDTH", "HEIGHT") if alto else ("imageWidth", "imageHeight"))
                    text, polygon, baseline = _alto_line(line) if alto else _page_line(line)
                    words = [] if alto else _words_of(line)
                except ValueError as error:
                    raise BadDataset(f"{file}, TextLine {id}: {error}; mend or delete the line") from error
                if words and _contradicts(words, text):
                    doubtful.append(f"{id}: {clean_text(text)!r} and {clean_text(' '.join(words))!r}")
                if len(polygon) < 3:
                    yield f"{stem}/{id}: no outline"
                else:
                    yield Sample(f"{stem}/{id}", picture, text, page=number, region=Region(polygon, baseline, size))
            if doubtful:
                yield Note(
                    f"{file}: the words of {len(doubtful)} lines say something else than the line (TextLine "
                    f"{doubtful[0]}); the text of the line is used, so delete it where the words are right"
                )
    if len(strangers) == len(files):
        raise BadDataset(strangers[0] + "; export the transcriptions as one of them")
    yield from strangers


def _parse(file: Path) -> Element:
    """The root of an XML file; entities and external references, which could fill the memory or spy, are refused."""
    try:
        return cast(Element, defusedxml.ElementTree.parse(file).getroot())
    except defusedxml.ElementTree.ParseError as error:
        line, column = error.position
        raise BadDataset(f"{file}, line {line}: not well-formed XML (column {column}); export it again") from error
    except defusedxml.DefusedXmlException as error:
        raise BadDataset(
            f"{file}: defines XML entities, which are unsafe to read; export it without a DOCTYPE"
        ) from error
    except (ValueError, LookupError) as error:
        raise BadDataset(f"{file}: not readable XML ({error}); save it as UTF-8") from error


def _tag(element: Element) -> str:
    """The name without its namespace: "{http://www.loc.gov/standards/alto/ns-v4#}alto" -> "alto"."""
    return element.tag.rpartition("}")[2]


def _find_picture(xml: Path, named: str) -> Path:
    """The picture of a page by the file name in the XML, else by its stem, else by a stem like the XML's own.

    It lies beside the XML, in a folder below, in the folder above, or there in a folder with a name like jpg or images;
    no farther, as another book may have a page of the same name. Where there is none, the path it should have had is
    given, so that the message about the missing file names it.
    """
    name = re.split(r"[/\\]", named)[-1]
    pictures = _pictures_around(xml.parent)
    for key in (name, Path(name).stem, xml.stem):
        if found := pictures.get(key.lower()):
            return found
    return xml.with_name(name) if name else xml.with_suffix(PICTURES[0])


@lru_cache(maxsize=8)
def _pictures_around(folder: Path) -> dict[str, Path]:
    """Lower-case names and stems of the pictures that may belong to the XML of a folder; the nearest come first."""
    beside = [sibling for sibling in folder.parent.glob("*") if sibling.name.lower() in PICTURE_FOLDERS]
    places = (folder.glob("*"), folder.glob("*/*"), folder.parent.glob("*"), *(place.glob("*") for place in beside))
    pictures: dict[str, Path] = {}
    for place in places:
        for file in sorted(place):
            if file.suffix.lower() in PICTURES:
                pictures.setdefault(file.name.lower(), file)
                pictures.setdefault(file.stem.lower(), file)
    return pictures


def _page_size(page: Element, names: tuple[str, str]) -> tuple[float, float] | None:
    width, height = (float(page.get(name) or 0) for name in names)
    return (width, height) if width > 0 and height > 0 else None


def _alto_line(line: Element) -> tuple[str, Points, Points]:
    """Text, polygon and baseline of an ALTO 2, 3 or 4 TextLine; ALTO 2 has no outline but a box."""
    words = [element for element in line if _tag(element) in ("String", "SP", "HYP")]
    text = "".join(
        {"String": " " + word.get("CONTENT", ""), "SP": " ", "HYP": word.get("CONTENT", "-")}[_tag(word)]
        for word in words
    )
    left, top, width, height = (float(line.get(name) or 0) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    right, bottom = left + width, top + height
    shape = line.find("{*}Shape/{*}Polygon")
    polygon = _points(shape.get("POINTS", "")) if shape is not None else ()
    if not polygon and width > 0 and height > 0:
        polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
    baseline = line.get("BASELINE", "")
    if re.fullmatch(r"\s*[-+.\d]+\s*", baseline):  # ALTO 2 and 3: one y for the whole line
        return text, polygon, ((left, float(baseline)), (right, float(baseline)))
    return text, polygon, _points(baseline)


def _page_line(line: Element) -> tuple[str, Points, Points]:
    """Text, polygon and baseline of a PAGE TextLine.

    Where the text of the line and that of its words differ, the higher level counts, as OCR-D prescribes for PAGE; the
    words count where the line has no text of its own.
    """
    text = _first_reading(line)
    coords, baseline = line.find("{*}Coords"), line.find("{*}Baseline")
    return (
        text if text.strip() else " ".join(_words_of(line)),
        _points(coords.get("points", "")) if coords is not None else (),
        _points(baseline.get("points", "")) if baseline is not None else (),
    )


def _words_of(line: Element) -> list[str]:
    return [_first_reading(word) for word in line.iterfind("{*}Word")]


def _contradicts(words: list[str], text: str) -> bool:
    """Whether all words have a text, and together another one than the line; some tools part words from commas."""
    return all(words) and clean_text("".join(words)).replace(" ", "") != clean_text(text).replace(" ", "")


def _first_reading(element: Element) -> str:
    """The text of the TextEquiv with the lowest index; the others are alternatives."""
    readings = sorted(element.iterfind("{*}TextEquiv"), key=lambda reading: int(reading.get("index") or 0))
    return readings[0].findtext("{*}Unicode") or "" if readings else ""


def _points(text: str) -> Points:
    """ "1,2 3,4" or "1 2 3 4" -> ((1, 2), (3, 4)). Raises ValueError when a number is missing or is none."""
    numbers = [float(number) for number in re.split(r"[\s,]+", text.strip()) if number]
    if len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError(f"{text!r} are not points")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
