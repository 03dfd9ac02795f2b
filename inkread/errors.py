"""Everything inkread can refuse to do, as one tree.

InkreadError            one clear line for the user: what is wrong, in which file, and the cure
├── BadInput            a picture, pen strokes or text that cannot be read
├── BadDataset          a dataset that cannot be found, told apart or used
├── BadModel            a model file that is missing, damaged or not ours
├── BadConfig           settings that contradict each other or do not exist
├── CannotWrite         an output that cannot be written
└── TrainingFailed      training that cannot go on (a loss that is not a number)
"""

from inkread.names import one_line


class InkreadError(Exception):
    """The root of the tree; the command line prints it as one line and exits with 1.

    Its message can be printed whatever the file is called.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class BadInput(InkreadError):
    """A picture, pen strokes or text that cannot be read."""


class BadDataset(InkreadError):
    """A dataset that cannot be found, told apart or used."""


class BadModel(InkreadError):
    """A model file that is missing, damaged or not ours."""


class BadConfig(InkreadError):
    """Settings that contradict each other or do not exist."""


class CannotWrite(InkreadError):
    """An output that cannot be written: no such folder, no permission, a full disk."""


class TrainingFailed(InkreadError):
    """Training that cannot go on."""


def shown(value: object) -> str:
    """What a file contains, or an error about it, on one short line without control characters, for a message."""
    text = f"{value.args[0]} is missing" if isinstance(value, KeyError) else str(value) or type(value).__name__
    return "".join(character if character.isprintable() else "?" for character in text[:200])
