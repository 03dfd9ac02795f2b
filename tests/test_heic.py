"""HEIC photos, written by the library that reads them, with orientations worked out by hand; and damaged ones."""

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orientations import stored_images
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import IMAGE_FORMATS, open_images

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")

# Blocks, as the format stores colours of two pixels together.
GREY = np.kron(np.array([[0, 60, 120], [180, 240, 255]], np.uint8), np.ones((32, 32), np.uint8))


pillow_heif.register_heif_opener()  # so that Pillow writes HEIC


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "HEIF", quality=100, **options)
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    (page,) = open_images(data)
    assert page.dtype == np.uint8
    return page


def refused(data: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        list(open_images(data, name="a.heic"))
    assert "\n" not in str(caught.value) and caught.value.path == "a.heic" and caught.value.hint
    return caught.value


def test_grey_levels_and_colours() -> None:
    data = encoded(Image.fromarray(GREY))
    assert np.abs(decoded(data).astype(int) - GREY).max() <= 1
    assert [form.NAME for form in IMAGE_FORMATS if form.recognizes(data)] == ["HEIC"]
    red = encoded(Image.new("RGB", (64, 64), "red"))
    assert abs(int(decoded(red)[32, 32]) - 76) <= 1  # ITU-R 601: 0.299 * 255
    assert np.abs(open_images(red).in_color(0)[32, 32].astype(int) - [255, 0, 0]).max() <= 3


def test_transparent_parts_are_white() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    page = decoded(encoded(image))
    assert page[32, 8] > 250 and page[32, 56] < 5


def test_more_than_eight_bits_are_scaled() -> None:
    levels = np.kron(np.array([[0, 30000, 65535]], np.uint16), np.ones((32, 32), np.uint16))
    assert np.abs(decoded(encoded(Image.fromarray(levels)))[16, [16, 48, 80]].astype(int) - [0, 117, 255]).max() <= 1


@pytest.mark.parametrize(
    "orientation, stored",
    stored_images(GREY),
)
def test_the_orientation_is_applied_once(orientation: int, stored: np.ndarray) -> None:
    """The format says it by boxes of its own, irot and imir, and the EXIF data say it again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif.tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)
    page = decoded(data)
    assert page.shape == GREY.shape and np.abs(page.astype(int) - GREY).max() <= 1


def test_the_primary_image_is_the_page() -> None:
    """Other images in the file are a series of shots, or the photo before it was edited."""
    first, *others = (Image.new("L", (64, 64), grey) for grey in (0, 100, 200))
    data = encoded(first, save_all=True, append_images=others, primary_index=1)
    assert abs(int(decoded(data)[9, 9]) - 100) <= 1


def test_avif_is_not_heic() -> None:
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "AVIF")
    assert b"mif1" in file.getvalue()[:32]  # a brand of both formats
    assert [form.NAME for form in IMAGE_FORMATS if form.recognizes(file.getvalue())] == [IMAGE_FORMATS[1].NAME]


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(GREY))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert str(refused(data)) == (
        "a.heic: a HEIC photo, which needs one more library; install it: pip install 'inkread[heic]'"
    )


def test_a_size_that_would_fill_the_memory_is_refused() -> None:
    """The size stands in the box ispe."""
    data = encoded(Image.fromarray(GREY))
    place = data.index(b"ispe") + 8
    huge = data[:place] + (30_000).to_bytes(4) * 2 + data[place + 8 :]
    assert "the image is too large (30000 x 30000" in refused(huge).problem


def test_a_message_of_the_library_is_one_line() -> None:
    error = refused(encoded(Image.fromarray(GREY))[:-200])
    assert "damaged or cut short (" in error.problem and "\\n" not in str(error)


SMALL = encoded(Image.fromarray(GREY[:64, :64]))


def test_a_file_that_is_cut_short_is_never_half_an_image() -> None:
    whole = decoded(SMALL)
    for end in range(12, len(SMALL), len(SMALL) // 40):
        try:
            pages = list(open_images(SMALL[:end]))
        except BadInput:
            continue
        assert len(pages) == 1 and (pages[0] == whole).all(), f"cut at {end} of {len(SMALL)}"


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 10**6), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_an_image_or_refused_in_one_line(place: int, damage: bytes) -> None:
    data = bytearray(SMALL)
    place %= len(data)
    data[place : place + len(damage)] = damage
    try:
        pages = list(open_images(bytes(data)))
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert all(page.dtype == np.uint8 and page.ndim == 2 for page in pages)
