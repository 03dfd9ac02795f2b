"""Image files: every mode and format against grey levels worked out by hand, and damaged files."""

import io
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orientations import stored_images
from PIL import Image

from inkread.errors import BadInput
from inkread.inputs import open_images
from inkread.inputs.images import MAX_PIXELS, brands

GREY = np.array([[0, 60, 120], [180, 240, 255]], np.uint8)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decoded(image: Image.Image, format: str = "PNG", **options: object) -> np.ndarray:
    (page,) = open_images(encoded(image, format, **options))
    assert page.dtype == np.uint8
    return page


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_grey_levels_are_exact(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(decoded(Image.fromarray(GREY), format, **options), GREY)


def test_jpeg_is_close() -> None:
    flat = np.full((16, 16), 200, np.uint8)
    assert np.abs(decoded(Image.fromarray(flat), "JPEG").astype(int) - 200).max() <= 1


def test_one_bit_is_black_and_white() -> None:
    assert decoded(Image.fromarray(GREY > 100)).tolist() == [[0, 0, 255], [255, 255, 255]]


def test_colours_become_grey() -> None:
    image = Image.new("RGB", (2, 1), "red")
    image.putpixel((1, 0), (0, 0, 255))
    assert decoded(image).tolist() == [[76, 29]]  # ITU-R 601: 0.299 and 0.114 of 255
    assert decoded(image.convert("P", palette=Image.Palette.ADAPTIVE)).tolist() == [[76, 29]]


def test_transparent_parts_are_white() -> None:
    rgba = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    rgba.putpixel((1, 0), (0, 0, 0, 255))
    rgba.putpixel((2, 0), (0, 0, 0, 127))
    assert decoded(rgba).tolist() == [[255, 0, 128]]
    assert decoded(rgba.convert("LA")).tolist() == [[255, 0, 128]]
    palette = Image.new("P", (2, 1))
    palette.putpixel((1, 0), 1)
    palette.putpalette([0, 0, 0, 10, 10, 10])
    assert decoded(palette, transparency=0).tolist() == [[255, 10]]


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_scaled_not_clipped(order: str) -> None:
    levels = np.array([[0, 257, 30000, 65535]], order)
    mode = "I;16" if order == "<u2" else "I;16B"
    image = Image.frombytes(mode, (4, 1), levels.tobytes())
    assert decoded(image, "TIFF").tolist() == [[0, 1, 117, 255]]


def test_wide_integers_and_floats_are_scaled() -> None:
    assert decoded(Image.fromarray(np.array([[0, 32768, 65535]], np.int32)), "TIFF").tolist() == [[0, 128, 255]]
    assert decoded(Image.fromarray(np.array([[0, 50_000, 100_000]], np.int32)), "TIFF").tolist() == [[0, 128, 255]]
    assert decoded(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "TIFF").tolist() == [[0, 128, 255]]
    assert decoded(Image.fromarray(np.array([[-3, 7, 200]], np.float32)), "TIFF").tolist() == [[0, 7, 200]]
    assert decoded(Image.fromarray(np.array([[np.nan, 0, 9]], np.float32)), "TIFF").tolist() == [[0, 0, 9]]


def test_cmyk_ink_is_dark() -> None:
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (8, 0, 16, 16))
    for format in ("TIFF", "JPEG"):
        page = decoded(image, format)
        assert page[0, 0] > 250 and page[0, 15] < 5


def test_lab_is_as_light_as_it_says() -> None:
    """L* of 100, 50 and 0 are white, middle grey and black in sRGB: 119 is 255 * f(0.184), f the sRGB curve."""
    image = Image.new("LAB", (3, 1), (0, 128, 128))
    for x, lightness in enumerate((255, 128, 0)):
        image.putpixel((x, 0), (lightness, 128, 128))
    assert np.abs(decoded(image, "TIFF").astype(int) - [255, 119, 0]).max() <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_per_colour_are_scaled(order: str) -> None:
    """A scan with 48 bits per pixel, one row of red, green, blue and white, in a TIFF made by hand."""
    full = 65535
    pixels = struct.pack(f"{order}12H", full, 0, 0, 0, full, 0, 0, 0, full, full, full, full)
    data_at, bits_at = 8, 8 + len(pixels)
    tags = [  # tag, type (3: 16 bits, 4: 32 bits), count, value
        (256, 3, 1, 4), (257, 3, 1, 1), (258, 3, 3, bits_at), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, data_at), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, number, value in tags:
        form = "Hxx" if kind == 3 and number == 1 else "I"  # a short number stands at the left
        directory += struct.pack(f"{order}HHI{form}", tag, kind, number, value)
    bits = struct.pack(f"{order}3H", 16, 16, 16)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, bits_at + len(bits))
    (page,) = open_images(head + pixels + bits + directory + bytes(4))
    assert page.tolist() == [[76, 150, 29, 255]]  # ITU-R 601: 0.299, 0.587 and 0.114 of 255


def test_a_palette_may_have_a_transparent_colour() -> None:
    """Which is white, whatever it would be; here in a GIF."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 60, 60, 60])
    image.paste(0, (0, 0, 4, 2))
    assert decoded(image, "GIF", transparency=0)[:, 0].tolist() == [255, 255, 60, 60]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    "orientation, stored",
    stored_images(GREY),
)
def test_the_orientation_is_applied(orientation: int, stored: np.ndarray, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True} if format == "WEBP" else {"quality": 100}
    image = Image.fromarray(np.ascontiguousarray(stored))
    np.testing.assert_array_equal(decoded(image, format, exif=exif, **options), GREY)


def test_a_photo_with_broken_exif_is_read() -> None:
    image = Image.new("L", (8, 8), 255)
    assert decoded(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01").shape == (8, 8)


def test_a_tiff_has_pages_but_thumbnails_are_left_out() -> None:
    pages = [Image.new("L", (4, 3 + number), 10 * number) for number in range(3)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert [(page.shape, page[0, 0]) for page in open_images(data)] == [((3, 4), 0), ((4, 4), 10), ((5, 4), 20)]
    thumbnail = Image.new("L", (2, 2))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(pages[0], "TIFF", save_all=True, append_images=[thumbnail, pages[1]])
    assert [page.shape for page in open_images(data)] == [(3, 4), (4, 4)]


def test_other_formats_give_their_first_frame() -> None:
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]
    for format in ("WEBP", "GIF", "PNG", "AVIF", "MPO"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert [page.mean() for page in open_images(data)] == [0]


def test_formats_that_are_not_allowed_are_refused() -> None:
    """Pillow would read them; the first starts Ghostscript."""
    for format in ("EPS", "ICO", "PCX", "TGA", "DDS", "SGI"):
        data = encoded(Image.new("RGB", (16, 16)), format)
        assert refused(data) == "not an image, and not pen strokes that inkread reads", format
    assert refused(b"\xd7\xcd\xc6\x9a" + bytes(60)).startswith("not an image")  # WMF


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic....", {b"heic", b"mif1"}),
        (b"\0\0\0\x10ftypavif\0\0\0\0junk", {b"avif"}),
        (b"\0\0\0\0ftyp", {b""}),
        (b"\xff\xff\xff\xffftypmif1\0\0\0\0avi", {b"mif1"}),
        (b"RIFF....WEBP", set()),
        (b"", set()),
    ],
)
def test_brands_of_a_file(start: bytes, expected: set[bytes]) -> None:
    assert brands(start) == expected


# ---- damaged files


def refused(data: bytes) -> str:
    """The error for a file with this content, in one line."""
    with pytest.raises(BadInput) as caught:
        list(open_images(data, name="a.png"))
    assert "\n" not in str(caught.value) and caught.value.path == "a.png" and caught.value.hint
    return caught.value.problem


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    exif = encoded(Image.new("L", (8, 8), 255), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: list(open_images(exif)), range(40)))
    assert warnings.filters == before


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size, as a decompression bomb does."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_huge_images_are_refused_before_they_are_decoded() -> None:
    assert "13100 x 13100" in refused(png_claiming(13_100, 13_100)) and MAX_PIXELS < 13_100**2
    assert "3600000000 pixels" in refused(png_claiming(60_000, 60_000))
    # Pillow would warn at 95 megapixels; here it is just a file cut short, without a warning (which would be an error).
    assert "cut short" in refused(png_claiming(10_000, 9_500))


def test_an_image_without_pixels_is_refused() -> None:
    refused(png_claiming(0, 5))
    refused(b"P5 0 0 255\n")


STRIPES = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))


@pytest.mark.parametrize(
    "format, options",
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("BMP", {}),
        ("WEBP", {}),
        ("AVIF", {}),
        ("TIFF", {"save_all": True, "append_images": [STRIPES]}),
        ("TIFF", {"save_all": True, "append_images": [STRIPES], "compression": "tiff_lzw"}),
    ],
)
def test_a_file_that_is_cut_short_is_never_half_an_image(format: str, options: dict[str, object]) -> None:
    data = encoded(STRIPES, format, **options)
    whole = open_images(data)
    for end in {*range(0, len(data), len(data) // 60), *range(len(data) - 20, len(data))}:
        try:
            pages = list(open_images(data[:end]))
        except BadInput:
            continue
        assert len(pages) == len(whole), f"cut at {end} of {len(data)}"  # only the trailer is missing
        for page, expected in zip(pages, whole, strict=True):
            np.testing.assert_array_equal(page, expected, f"cut at {end} of {len(data)}")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000"]),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=8),
)
def test_a_damaged_file_is_an_image_or_refused_in_one_line(format: str, place: int, damage: bytes) -> None:
    data = bytearray(encoded(STRIPES, format))
    place %= len(data)
    data[place : place + len(damage)] = damage
    try:
        pages = list(open_images(bytes(data)))
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert all(page.dtype == np.uint8 and page.ndim == 2 for page in pages)


# ---- many pages


def empty_tiff(sizes: list[tuple[int, int]]) -> bytes:
    """A TIFF with pages of these sizes, which have no pixels: they are found to be damaged only when decoded."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number, (width, height) in enumerate(sizes, 1):
        tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
        directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        after = len(data) + len(directory) + 4
        data += directory + struct.pack("<I", after if number < len(sizes) else 0)
    return bytes(data)


def test_a_file_may_have_many_large_pages_but_not_any_number_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (13_000, 13_000)  # 169 million pixels, just below MAX_PIXELS
    assert len(open_images(empty_tiff([page] * 118))) == 118
    assert refused(empty_tiff([page] * 119)) == "the file is too large (more than 20,000,000,000 pixels on all pages)"
    monkeypatch.setattr("inkread.inputs.images.MAX_PAGES", 100)
    assert len(open_images(empty_tiff([(9, 9)] * 100))) == 100
    assert refused(empty_tiff([(9, 9)] * 101)) == "the file is too large (more than 100 pages)"


def test_a_file_without_its_end_is_called_damaged() -> None:
    """The directory of a TIFF may be at its end, so nothing but the first bytes says what it is."""
    assert "cut short" in refused(encoded(STRIPES, "TIFF", compression="tiff_lzw")[:100])
    assert "cut short" in refused(encoded(STRIPES, "AVIF")[:100])


# ---- what libtiff prints


def test_libtiff_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(STRIPES, "TIFF", compression="tiff_lzw"))
    data[8:40] = bytes(32)
    assert "damaged or cut short" in refused(bytes(data))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there Pillow's libtiff cannot be asked")
def test_a_fax_that_is_damaged_in_places_is_read_and_noted(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "inkread")
    data = bytearray(encoded(STRIPES.convert("1"), "TIFF", compression="group4"))
    whole = open_images(bytes(data))[0]
    data[150:160] = b"0123456789"
    (page,) = open_images(bytes(data), name="fax.tif")
    assert page.shape == whole.shape and (page != whole).any() and (page[:8] == whole[:8]).all()
    assert caplog.messages == ["fax.tif: damaged in places, which may cost words (Fax4Decode)"]
    assert capfd.readouterr() == ("", "")
