"""Files of a dataset: the text of one, and all of one kind below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from inkread.errors import BadDataset


def read_text(path: Path) -> str:
    """The content of a UTF-8 file, with or without a byte order mark. Raises BadDataset for another encoding."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDataset("not UTF-8 text", path=path, line=line, hint="save it as UTF-8") from error


def files_below(folder: Path, ending: str) -> list[Path]:
    """Files whose names end so, in a folder and all folders below, sorted; `ending` is in lower case."""
    return sorted(_walk(folder, ending))


def any_below(folder: Path, ending: str) -> bool:
    """Whether a folder, or a folder below it, has a file whose name ends so."""
    return any(True for _ in _walk(folder, ending))


def _walk(folder: Path, ending: str) -> Iterator[Path]:
    """The same in any order. Linked folders are followed, each of them once, as links can form a circle."""
    seen = {os.path.realpath(folder)}
    for current, folders, files in os.walk(folder, followlinks=True):
        places = {name: os.path.realpath(os.path.join(current, name)) for name in folders}
        folders[:] = [name for name, place in places.items() if place not in seen]
        seen.update(places.values())
        yield from (Path(current, name) for name in files if name.lower().endswith(ending))
