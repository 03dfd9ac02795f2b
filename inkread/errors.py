"""The errors that inkread raises on purpose. Each is one line that says what is wrong, where, and what to do.

InkreadError            the base class: catch it to catch them all
├── BadInput            an image, pen strokes or a text that cannot be read
│   └── NothingToRead   a folder, a pattern or a list without any documents; a text without words
├── BadDataset          a dataset that cannot be found, recognised or used
│   └── EmptyDataset    a folder without a dataset, or a dataset without any line of text
├── BadModel            a model file that is missing, damaged or of another kind
├── BadConfig           settings that do not exist or contradict each other
├── CannotWrite         an output that cannot be written
│   └── DiskFull        there is no space left for it
└── TrainingFailed      a training that cannot continue, for example since the loss is not a number
"""

from functools import partial
from pathlib import Path
from typing import Any

from inkread._names import one_line


class InkreadError(Exception):
    """The base class. Its text is "PATH, line LINE: PROBLEM; HINT", without the parts that are not given.

    >>> str(BadDataset("no text", path="lines.tsv", line=3, hint="fill in the column 'text'"))
    "lines.tsv, line 3: no text; fill in the column 'text'"

    The command line prints the text on one line, and inkread/cli/exit_codes.py says with which code it exits. Programs
    use the attributes `problem`, `path` (str or None), `line` (counted from 1, or None) and `hint` (str or None).
    """

    def __init__(
        self, problem: str, *, path: Path | str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        self.problem, self.line, self.hint = problem, line, hint
        self.path = None if path is None else str(path)
        place = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(one_line(f"{place}{problem}{f'; {hint}' if hint else ''}"))

    def __reduce__(self) -> tuple[Any, ...]:
        """How an error is sent from one process to another."""
        return partial(type(self), path=self.path, line=self.line, hint=self.hint), (self.problem,)


class BadInput(InkreadError):
    """An image, pen strokes or a text that cannot be read."""


class NothingToRead(BadInput):
    """A folder, a pattern or a list without any documents; a text without words."""


class BadDataset(InkreadError):
    """A dataset that cannot be found, recognised or used."""


class EmptyDataset(BadDataset):
    """A folder without a dataset, or a dataset without any line of text."""


class BadModel(InkreadError):
    """A model file that is missing, damaged or of another kind."""


class BadConfig(InkreadError):
    """Settings that do not exist or contradict each other."""


class CannotWrite(InkreadError):
    """An output that cannot be written: no such folder, no permission, a full disk."""


class DiskFull(CannotWrite):
    """There is no space left for an output, so that writing others would fail, too."""


class TrainingFailed(InkreadError):
    """A training that cannot continue."""


def explain_failure(error: Exception, where: str) -> InkreadError:
    """What to report when a file or page, `where`, could not be read while others are: an error that names it."""
    if isinstance(error, InkreadError):
        if error.path is None or where.startswith(error.path):  # "scan.pdf, page 2" says more than "scan.pdf"
            return type(error)(error.problem, path=where, line=error.line, hint=error.hint)
        return type(error)(str(error), path=where)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # for this torch has no class of error
        return BadInput("not enough memory to read it", path=where, hint="scale it down")
    problem = f"cannot be read because of an error in inkread ({error!r})"
    return InkreadError(problem, path=where, hint="please report it with the file")


def shown(value: object) -> str:
    """What a file contains, or an error about it, on one short line without control characters, for a message."""
    text = f"{value.args[0]} is missing" if isinstance(value, KeyError) else str(value) or type(value).__name__
    return "".join(character if character.isprintable() else "?" for character in text[:200])
