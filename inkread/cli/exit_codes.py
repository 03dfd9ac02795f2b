"""The exit codes of all commands: what a script learns about a run. docs/cli.md describes them."""

from collections.abc import Iterable

from inkread.errors import BadConfig, CannotWrite, DiskFull, EmptyDataset, InkreadError, NothingToRead

SUCCESS = 0
FAILED = 1
USAGE = 2  # also of click
NOTHING_TO_READ = 3
NOT_WRITABLE = 4
INTERRUPTED = 130  # of a program that Ctrl-C has stopped: 128 + SIGINT

_OF_ERRORS = {
    BadConfig: USAGE,
    NothingToRead: NOTHING_TO_READ,
    EmptyDataset: NOTHING_TO_READ,
    CannotWrite: NOT_WRITABLE,
    DiskFull: NOT_WRITABLE,
}


def of_error(error: InkreadError) -> int:
    """The exit code of a command that ends with an error."""
    return _OF_ERRORS.get(type(error), FAILED)


def of_batch(errors: Iterable[InkreadError], anything_found: bool) -> int:
    """The exit code of a command that goes on after errors.

    An output that could not be written counts most. There is nothing to read if no argument leads to any document.
    """
    codes = {of_error(error) for error in errors}
    if NOT_WRITABLE in codes:
        return NOT_WRITABLE
    if codes == {NOTHING_TO_READ} and not anything_found:
        return NOTHING_TO_READ
    return FAILED if codes else SUCCESS
