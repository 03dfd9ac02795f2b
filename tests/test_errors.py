"""Errors: one printable line, and the same facts as attributes."""

import pickle

import pytest

from inkread.errors import BadDataset, BadInput, InkreadError, explain_failure


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "no text"),
        ({"path": "a.tsv"}, "a.tsv: no text"),
        ({"path": "a.tsv", "line": 3}, "a.tsv, line 3: no text"),
        ({"path": "a.tsv", "line": 3, "hint": "add one"}, "a.tsv, line 3: no text; add one"),
        ({"hint": "add one"}, "no text; add one"),
        ({"path": "a\nb\udce9.tsv"}, "a\\nb\\udce9.tsv: no text"),
    ],
)
def test_the_text_is_made_of_the_parts(given: dict[str, object], text: str) -> None:
    error = BadDataset("no text", **given)  # type: ignore[arg-type]
    assert str(error) == text
    assert (error.problem, error.path, error.line, error.hint) == (
        "no text",
        given.get("path"),
        given.get("line"),
        given.get("hint"),
    )
    assert isinstance(error, InkreadError)


def test_an_error_survives_a_change_of_process() -> None:
    error = BadInput("damaged", path="a.png", line=1, hint="copy it again")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (BadInput("damaged"), "scan.pdf, page 2: damaged"),
        (BadInput("damaged", path="scan.pdf", hint="scan it again"), "scan.pdf, page 2: damaged; scan it again"),
        (BadInput("damaged", path="included.dat", line=3), "scan.pdf, page 2: included.dat, line 3: damaged"),
        (MemoryError(), "scan.pdf, page 2: not enough memory to read it; scale it down"),
        (
            RuntimeError("can't allocate memory: you tried"),
            "scan.pdf, page 2: not enough memory to read it; scale it down",
        ),
        (
            KeyError("x"),
            "scan.pdf, page 2: cannot be read because of an error in inkread (KeyError('x')); "
            "please report it with the file",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_names_the_file_whatever_went_wrong(error: Exception, text: str) -> None:
    explained = explain_failure(error, "scan.pdf, page 2")
    assert str(explained) == text and isinstance(explained, InkreadError)
