"""Which model of the user reads each document: a small file in the folder remembers it."""

import json
from collections.abc import Iterable
from pathlib import Path

from inkread._files import write_atomic

FILE = ".inkread-studio.json"


class Choices:
    """The chosen model of each document, by its name below the folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._models = _read(self._file)

    def get(self, name: str) -> str | None:
        """The model of a document, None if none was chosen."""
        return self._models.get(name)

    def set(self, names: Iterable[str], model: str | None) -> None:
        """Choose a model for documents, None for none. Raises CannotWrite."""
        models = self._models | dict.fromkeys(names, model or "")
        models = {name: chosen for name, chosen in models.items() if chosen}
        if models != self._models:
            content = json.dumps({"models": models}, ensure_ascii=False, indent=1)
            write_atomic(self._file, content.encode("utf-8", "backslashreplace"))
            self._models = models


def _read(file: Path) -> dict[str, str]:
    """What the file says. One that is missing or damaged says nothing: the documents are then read as at first."""
    try:
        models = json.loads(file.read_text("utf-8"))["models"]
        return {str(name): str(model) for name, model in models.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
