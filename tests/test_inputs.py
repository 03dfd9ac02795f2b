"""Every format of pen strokes and images is recognised and read; what no format recognises is refused."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import IMAGE_FORMATS, INK_FORMATS, Images, Inks, is_ink, open_images, open_input, read_inks
from inkread.inputs.images import PILLOW_FORMATS

Strokes = list[list[list[float]]]


def as_inkml(strokes: Strokes) -> str:
    traces = (",".join(f"{x!r} {y!r}" for x, y in stroke) for stroke in strokes)
    return "<ink>" + "".join(f"<trace>{trace}</trace>" for trace in traces) + "</ink>"


def as_iam_ondb(strokes: Strokes) -> str:
    rows = ("".join(f'<Point x="{x!r}" y="{y!r}"/>' for x, y in stroke) for stroke in strokes)
    elements = "".join(f"<Stroke>{row}</Stroke>" for row in rows)
    return f"<WhiteboardCaptureSession>{elements}</WhiteboardCaptureSession>"


def as_unipen(strokes: Strokes) -> str:
    rows = ("".join(f"{x!r} {-y!r}\n" for x, y in stroke) for stroke in strokes)
    return ".COORD X Y\n" + "".join(f".PEN_DOWN\n{row}.PEN_UP\n" for row in rows)


WRITERS: dict[str, Callable[[Strokes], str]] = {
    "InkML": as_inkml,
    "IAM-OnDB's XML": as_iam_ondb,
    "UNIPEN": as_unipen,
    "JSON": json.dumps,
}
coordinate = st.floats(-1e9, 1e9)


def image(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (30, 20), 200).save(file, format)
    return file.getvalue()


# ---- pen strokes


def test_every_format_of_ink_is_tested() -> None:
    with_pages = {"Xournal++", "reMarkable", "SVG"}  # test_xopp.py and so on
    assert {form.NAME for form in INK_FORMATS} == set(WRITERS) | with_pages


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(coordinate, coordinate).map(list), min_size=1), min_size=1))
def test_strokes_are_read_as_they_were_written(form: str, strokes: Strokes) -> None:
    strokes = [*strokes, [[0.0, 0.0], [1.0, 2.0]]]
    data = WRITERS[form](strokes).encode()
    (ink,) = read_inks(data)
    assert [stroke.tolist() for stroke in ink.strokes] == strokes
    assert is_ink(data) and [known.NAME for known in INK_FORMATS if known.recognizes(data)] == [form]


@pytest.mark.parametrize("form", WRITERS)
def test_more_points_than_a_page_has_are_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.inputs.ink.MAX_POINTS", 100)
    line = [[float(x), 0.0] for x in range(60)]
    assert len(read_inks(WRITERS[form]([line]).encode())[0].strokes[0]) == 60
    with pytest.raises(BadInput, match="at most 100"):
        read_inks(WRITERS[form]([line, line]).encode())


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(WRITERS)), st.integers(0, 200), st.binary(max_size=8))
def test_damaged_ink_is_read_or_refused_in_one_line(form: str, place: int, noise: bytes) -> None:
    data = WRITERS[form]([[[0.0, 0.0], [1.0, 2.0]], [[3.5, 4.0]]]).encode()
    try:
        read_inks(data[:place] + noise + data[place + len(noise) :])
    except BadInput as error:
        assert "\n" not in str(error)


def test_an_input_of_ink_is_a_sequence_of_pages() -> None:
    two = b'{"strokes": [[[0, 0], [1, 1]]]}\n{"strokes": [[[0, 0], [2, 2]], [[3, 3]]]}\n'
    pages = open_input(two, name="two.jsonl")
    assert isinstance(pages, Inks) and pages.name == "two.jsonl"
    assert len(pages) == 2 and [len(ink.strokes) for ink in pages] == [1, 2]
    assert pages[1].strokes[0].tolist() == [[0, 0], [2, 2]]


# ---- images


@pytest.mark.parametrize("format", [*PILLOW_FORMATS, "PDF"])
def test_an_input_of_images_is_a_sequence_of_pages(format: str, tmp_path: Path) -> None:
    path = tmp_path / "page"  # the name does not matter
    path.write_bytes(image(format))
    pages = open_input(path)
    assert isinstance(pages, Images) and pages.name == str(path) and len(pages) == 1
    (page,) = pages
    assert page.dtype == np.uint8 and page.ndim == 2 and not is_ink(path)
    assert len([known for known in IMAGE_FORMATS if known.recognizes(image(format))]) == 1


# ---- everything else


def test_files_that_no_format_recognises_are_refused(tmp_path: Path) -> None:
    for content, problem in [
        (b"", "the file is empty"),
        (b"hello", "not an image, and not pen strokes"),
        (b"<html></html>", "<html> is XML but not ink"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "not an image, and not pen strokes"),
    ]:
        path = tmp_path / "file"
        path.write_bytes(content)
        for read in (open_input, open_images, read_inks):
            with pytest.raises(BadInput) as caught:
                read(path)
            assert problem in caught.value.problem and caught.value.path == str(path) and caught.value.hint


def test_ink_is_not_an_image_and_an_image_is_not_ink() -> None:
    with pytest.raises(BadInput, match="pen strokes \\(JSON\\), not an image"):
        open_images(b"[[[0, 0], [1, 1]]]")
    with pytest.raises(BadInput, match="an image, not pen strokes"):
        read_inks(image("PNG"))
    assert not is_ink(b"") and not is_ink("no such file")
