"""Everything that can be read: paths, bytes, images, arrays and strokes; and a clear error for everything else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handwriting import SCANS
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs.ink import Ink
from inkread.pages.readable import Readable, name_of, open_pages

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)
TWO_LINES = [[[0, 0], [20, 1]], [[30, 0], [60, 2]], [[90, 0], [120, 9]], [[0, 100], [20, 101]], [[30, 100], [60, 109]]]


def grey(readable: Any) -> np.ndarray:
    pages = open_pages(readable)
    assert pages.count == 1
    page = pages.load(0)
    assert isinstance(page, np.ndarray)
    return page


def test_a_file_its_bytes_its_image_and_its_array_are_the_same_page() -> None:
    file = SCANS[0]
    image = Image.open(file)
    expected = np.asarray(image.convert("L"))
    for readable in (file, str(file), file.read_bytes(), image, np.asarray(image)):
        np.testing.assert_array_equal(grey(readable), expected)


def test_levels_of_all_types_are_scaled_to_bytes() -> None:
    ramp = RAMP.astype(float)
    for array in (RAMP, ramp / 255, (ramp / 255).astype(np.float32), RAMP.astype(np.uint16) * 257, RAMP.astype(int)):
        np.testing.assert_array_equal(grey(array), RAMP)
    np.testing.assert_array_equal(grey(RAMP > 100), np.where(RAMP > 100, 255, 0))


def test_colours_become_grey_and_transparency_is_paper() -> None:
    assert grey(np.full((2, 3, 3), (255, 0, 0), np.uint8)).tolist() == [[76] * 3] * 2  # ITU-R 601: 0.299 * 255
    assert grey(np.full((2, 3, 4), (0, 0, 0, 0), np.uint8)).tolist() == [[255] * 3] * 2
    np.testing.assert_array_equal(grey(RAMP[:, :, None]), RAMP)


def test_an_image_can_be_had_in_color() -> None:
    red = np.full((2, 3, 3), (255, 0, 0), np.uint8)
    pages = open_pages(red)
    assert pages.in_color is not None
    np.testing.assert_array_equal(pages.in_color(0), red)


def test_a_view_of_an_array_is_read() -> None:
    np.testing.assert_array_equal(grey(RAMP[::-1, ::2]), RAMP[::-1, ::2].copy())


def strokes_of(readable: Readable) -> list[list[list[float]]]:
    """The strokes of the only page."""
    pages = open_pages(readable)
    ink = pages.load(0)
    assert pages.count == 1 and isinstance(ink, Ink)
    return [stroke.tolist() for stroke in ink.strokes]


def test_strokes_may_have_times_and_be_arrays_or_tuples() -> None:
    assert strokes_of((np.array([[0, 1, 0.5], [2, 3, 0.6]]), [(4, 5)], [])) == [[[0, 1], [2, 3]], [[4, 5]]]


def test_the_strokes_of_a_file_are_a_page(tmp_path: Path) -> None:
    file = tmp_path / "two.json"
    file.write_text(str(TWO_LINES))
    assert strokes_of(file) == strokes_of(file.read_bytes()) == strokes_of(TWO_LINES) == TWO_LINES


@pytest.mark.parametrize(
    "readable",
    [
        None,
        3,
        {"strokes": []},
        [],
        ["line.png", "other.png"],
        [[1, 2, 3]],
        [[[1, 2, 3, 4]]],
        [[[1, 2], [3]]],
        [[]],
        RAMP[0],
        np.zeros((3, 0), np.uint8),
        np.zeros((3, 3, 2), np.uint8),
        np.zeros((3, 3, 3, 3), np.uint8),
        RAMP.astype(float),
        np.full((3, 3), np.nan),
        -RAMP.astype(int),
        RAMP.astype(complex),
        np.array([["a"]]),
    ],
    ids=repr,
)
def test_a_wrong_argument_is_told_what_is_accepted(readable: Any) -> None:
    with pytest.raises(BadInput, match=r"give a path, the bytes of a file, a PIL image, a numpy array"):
        open_pages(readable)


def test_points_that_are_not_finite_are_refused() -> None:
    with pytest.raises(BadInput, match="stroke 2 has a coordinate that is not finite"):
        open_pages([[[0, 0]], [[0, float("nan")]]])


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadInput, match=r"no-such\.png: no such file"):
        open_pages("no-such.png")


def test_readables_have_names() -> None:
    readables = [Path("a.png"), "b.png", b"...", Image.new("L", (1, 1)), RAMP, TWO_LINES, None]
    named = ["a.png", "b.png", "<bytes>", "<image>", "<array>", "<strokes>", "<NoneType>"]
    assert [name_of(readable) for readable in readables] == named
