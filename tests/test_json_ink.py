"""Ink as JSON: values of every shape, and faulty ones."""

import json

import numpy as np
import pytest
from ink_samples import only, points, refused

from inkread.inputs import read_inks
from inkread.inputs.ink import Ink
from inkread.inputs.json_ink import to_json_line


def test_a_line_that_is_written_is_read_again() -> None:
    ink = Ink((np.array([[0.4, 1.6], [-3, 7]]), np.array([[5.0, 5]])), 'Ça "va"?', "anna", "train")
    line = to_json_line("a/1", ink)
    assert "\n" not in line and json.loads(line)["id"] == "a/1"
    (read,) = read_inks(line.encode())
    assert (read.text, read.writer, read.split) == (ink.text, ink.writer, ink.split)
    np.testing.assert_array_equal(np.concatenate(read.strokes), [[0, 2], [-3, 7], [5, 5]])


def test_values_of_every_shape() -> None:
    assert points(only("[[[0, 0], [5, 7]], [], [[9, 9]]]")) == [[[0, 0], [5, 7]], [[9, 9]]]
    assert points(only("[[[0, 0, 0.5], [5.5, 7, 0.1]]]")) == [[[0, 0], [5.5, 7]]]
    ink = only('\ufeff{"strokes": [[[0, 0], [5, 7]]],\n "text": "be", "writer": 7, "split": "train"}')
    assert (ink.text, ink.writer, ink.split) == ("be", "7", "train")
    lines = '{"strokes": [[[0, 0], [1, 1]]], "text": "a"}\n\n{"strokes": [[[0, 0], [1, 1]]], "text": "b"}\n'
    assert [ink.text for ink in read_inks(lines.encode())] == ["a", "b"]


def test_the_second_line_that_is_faulty_is_named() -> None:
    error = refused("[[[0, 0], [1, 1]]]\n[[[0, 0], [1")
    assert error.line == 2
    assert refused("[[[0, 0], [1, 1]]]\n\n7").line == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no points of a pen"),
        ("[[]]", "no points of a pen"),
        ("[[[3, 4]]]", "all of its points lie at one place"),
        ("[[[0, 0], [1, NaN]]]", "stroke 1: a number that is not finite"),
        ("[[[0, 0], [1, 1e400]]]", "stroke 1: a number that is not finite"),
        ("[[[0, 0], [1e300, 1]]]", "larger than 1e+12"),
        ("[[[0, 0, 0], [1, 1, -5]]]", "stroke 1: a negative time, -5"),
        ("[[[0, 0], [1, 1, 5]]]", "stroke 1: points of different kinds"),
        ('[[[0, 0], ["1", 1]]]', "stroke 1: not a list of points"),
        ("[[0, 0], [1, 1]]", "stroke 1: not a list of points"),
        ('{"text": "a"}', "no strokes"),
        ('{"strokes": {"x": [1]}}', "no strokes"),
        ("[[[0, 0], [1, 1]", "line 1: not JSON"),
        ("[1]\n[2", "line 1: stroke 1: not a list"),
        ("[[[0, 0], [1, 1]]]\n[[[0, 0], [1", "line 2: not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_faulty_json_is_refused(text: str, message: str) -> None:
    assert message in str(refused(text))
