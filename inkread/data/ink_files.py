"""Pen strokes with their texts: an InkML or UNIPEN file, a folder of InkML files, or UNIPEN as it is distributed."""

from collections.abc import Iterator
from pathlib import Path

from inkread.data._reading import any_below, files_below
from inkread.data.samples import Sample, Skipped
from inkread.errors import BadDataset, BadInput
from inkread.inputs import read_inks

NAME = "InkML, UNIPEN's data and include"
INKML, UNIPEN = ".inkml", ".dat"


def recognizes(path: Path) -> bool:
    """One .inkml or .dat file, a folder with data/ and include/ (UNIPEN), or one with .inkml files in it or below."""
    return path.suffix.lower() in (INKML, UNIPEN) or _is_unipen(path) or (path.is_dir() and any_below(path, INKML))


def _is_unipen(path: Path) -> bool:
    """UNIPEN's data/ has the labels, in .dat files that refer to the pen strokes in include/."""
    return (path / "data").is_dir() and (path / "include").is_dir() and any_below(path / "data", UNIPEN)


def read(path: Path) -> Iterator[Sample | Skipped]:
    """One line for each labelled part of a file. A file that cannot be read is left out, if it is not the only one."""
    if path.suffix.lower() in (INKML, UNIPEN):
        folder, files = path.parent, [path]
    elif _is_unipen(path):
        folder, files = path / "data", files_below(path / "data", UNIPEN)
    else:
        folder, files = path, files_below(path, INKML)
    for file in files:
        try:
            inks = read_inks(file)
        except BadInput as error:
            if len(files) == 1:
                raise BadDataset(error.problem, path=error.path, line=error.line, hint=error.hint) from error
            yield Skipped(str(error))
            continue
        stem = str(file.relative_to(folder).with_suffix(""))
        for place, ink in enumerate(inks):
            id = stem if len(inks) == 1 else f"{stem}/{place + 1}"
            yield Sample(id, file, ink.text, ink.writer, ink.split, ink=place)
