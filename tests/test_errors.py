"""Errors: one printable line, and the same facts as attributes."""

import pickle

import pytest

from inkread.errors import BadDataset, BadInput, InkreadError


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
