"""Picture files: every mode and format against greys worked out by hand, and every way a file can be bad."""

import io
import os
import struct
import sys
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inkread.errors import BadInput
from inkread.ink import MOST_PIXELS, read_pictures
from inkread.names import one_line

GREY = np.array([[0, 60, 120], [180, 240, 255]], np.uint8)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decoded(image: Image.Image, format: str = "PNG", **options: object) -> np.ndarray:
    (page,) = read_pictures("-", encoded(image, format, **options))
    assert page.dtype == np.uint8
    return page


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_grey_comes_back_as_it_was(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(decoded(Image.fromarray(GREY), format, **options), GREY)


def test_jpeg_is_close() -> None:
    flat = np.full((16, 16), 200, np.uint8)
    assert np.abs(decoded(Image.fromarray(flat), "JPEG").astype(int) - 200).max() <= 1


def test_one_bit_is_black_and_white() -> None:
    assert decoded(Image.fromarray(GREY > 100)).tolist() == [[0, 0, 255], [255, 255, 255]]


def test_colours_become_luma() -> None:
    image = Image.new("RGB", (2, 1), "red")
    image.putpixel((1, 0), (0, 0, 255))
    assert decoded(image).tolist() == [[76, 29]]  # ITU-R 601: 0.299 and 0.114 of 255
    assert decoded(image.convert("P", palette=Image.Palette.ADAPTIVE)).tolist() == [[76, 29]]


def test_transparent_is_white_paper() -> None:
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


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    "orientation, stored",
    [  # EXIF 2.3: which stored picture shows GREY when the tag is obeyed
        (1, GREY),
        (2, GREY[:, ::-1]),
        (3, GREY[::-1, ::-1]),
        (4, GREY[::-1]),
        (5, GREY.T),
        (6, np.rot90(GREY, 1)),
        (7, GREY[::-1, ::-1].T),
        (8, np.rot90(GREY, -1)),
    ],
)
def test_orientation_is_obeyed(orientation: int, stored: np.ndarray, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    image = Image.fromarray(np.ascontiguousarray(stored))
    np.testing.assert_array_equal(decoded(image, format, exif=exif, **options), GREY)


def test_a_photo_with_broken_exif_is_read() -> None:
    image = Image.new("L", (8, 8), 255)
    assert decoded(image, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01").shape == (8, 8)


def test_a_tiff_gives_every_page_but_no_thumbnail() -> None:
    pages = [Image.new("L", (4, 3 + number), 10 * number) for number in range(3)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert [(page.shape, page[0, 0]) for page in read_pictures("-", data)] == [((3, 4), 0), ((4, 4), 10), ((5, 4), 20)]
    thumbnail = Image.new("L", (2, 2))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(pages[0], "TIFF", save_all=True, append_images=[thumbnail, pages[1]])
    assert [page.shape for page in read_pictures("-", data)] == [(3, 4), (4, 4)]


def test_other_formats_give_their_first_frame() -> None:
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]
    for format in ("WEBP", "GIF", "PNG"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert [page.mean() for page in read_pictures("-", data)] == [0]


def test_a_pdf_gives_every_page() -> None:
    pages = [Image.new("L", (300, 400), 255), Image.new("L", (400, 300), 255)]
    pages[1].paste(40, (100, 60, 200, 90))
    first, second = read_pictures("-", encoded(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=100))
    assert first.dtype == np.uint8 and first.shape == (800, 600) and first.min() == 255  # 3 x 4 inches at 200 dpi
    assert second.shape == (600, 800)
    dark = np.argwhere(second < 150)
    np.testing.assert_allclose([dark.min(axis=0), dark.max(axis=0) + 1], [(120, 200), (180, 400)], atol=2)
    assert second[150, 300] == pytest.approx(40, abs=3)


def test_a_pdf_without_its_library_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    assert "pip install 'inkread[pdf]'" in message("-", encoded(Image.fromarray(GREY), "PDF"))


def test_a_pdf_that_cannot_be_read_is_told() -> None:
    whole = encoded(Image.new("L", (30, 30)), "PDF")
    assert "damaged" in message("-", whole[:200])
    assert "too large" in message("-", encoded(Image.new("1", (5000, 5000)), "PDF", resolution=50))


# ---- bad files


def message(path: Path | str, data: bytes | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        list(read_pictures(path, data))
    text = str(caught.value)
    assert "\n" not in text and ";" in text, "one line that names a cure"
    assert text.startswith("<stdin>" if str(path) == "-" else one_line(str(path)))
    return text


def test_paths_that_are_no_pictures(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "missing.png")
    assert "a folder" in message(tmp_path)
    assert "cannot be read" in message("a\0b.png")
    for name, content, told in [
        ("empty.png", b"", "empty"),
        ("letter.pdf", b"%PDF-1.7\n...", "PDF"),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        ("notes.txt", b"these are words, no picture", "not a picture"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert told in message(tmp_path / name)
        assert told in message("-", content) or not content


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    file = tmp_path / "locked.png"
    file.write_bytes(encoded(Image.fromarray(GREY), "PNG"))
    file.chmod(0)
    assert "permission" in message(file)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, encoded(Image.fromarray(GREY), "PNG"))
    os.close(writer)
    if not Path(f"/dev/fd/{reader}").exists():
        pytest.skip("no /dev/fd here")
    np.testing.assert_array_equal(read_pictures(f"/dev/fd/{reader}")[0], GREY)
    os.close(reader)


def test_a_small_pdf_of_many_large_pages_takes_the_memory_of_one() -> None:
    large = [Image.new("1", (2000, 2000), 1)] * 8  # 8 megapixels each at 200 dpi
    pages = read_pictures("-", encoded(large[0], "PDF", save_all=True, append_images=large[1:], resolution=141.4))
    assert len(pages) == 8
    tracemalloc.start()
    sizes = [page.size for page in pages]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert min(sizes) > 7_900_000 and peak < 4 * max(sizes)


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    exif = encoded(Image.new("L", (8, 8), 255), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: list(read_pictures("-", exif)), range(40)))
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


def test_giant_pictures_are_refused_before_they_are_decoded() -> None:
    assert "13100 x 13100" in message("-", png_claiming(13_100, 13_100)) and MOST_PIXELS < 13_100**2
    assert "3600000000 pixels" in message("-", png_claiming(60_000, 60_000))
    # Pillow would warn at 95 megapixels; here it is just a file cut short, without a warning (which would be an error).
    assert "cut short" in message("-", png_claiming(10_000, 9_500))


def test_a_picture_without_pixels() -> None:
    message("-", png_claiming(0, 5))
    message("-", b"P5 0 0 255\n")


STRIPES = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))


@pytest.mark.parametrize(
    "format, options",
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("BMP", {}),
        ("WEBP", {}),
        ("TIFF", {"save_all": True, "append_images": [STRIPES]}),
        ("TIFF", {"save_all": True, "append_images": [STRIPES], "compression": "tiff_lzw"}),
    ],
)
def test_a_file_cut_short_is_an_error_and_never_half_a_picture(format: str, options: dict[str, object]) -> None:
    data = encoded(STRIPES, format, **options)
    whole = read_pictures("-", data)
    for end in {*range(0, len(data), len(data) // 60), *range(len(data) - 20, len(data))}:
        try:
            pages = list(read_pictures("-", data[:end]))
        except BadInput:
            continue
        assert len(pages) == len(whole), f"cut at {end} of {len(data)}"  # only the trailer is missing
        for page, expected in zip(pages, whole, strict=True):
            np.testing.assert_array_equal(page, expected, f"cut at {end} of {len(data)}")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=8)
)
def test_damage_is_a_clear_error_or_a_picture(format: str, place: int, damage: bytes) -> None:
    data = bytearray(encoded(STRIPES, format))
    place %= len(data)
    data[place : place + len(damage)] = damage
    try:
        pages = list(read_pictures("-", bytes(data)))
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert all(page.dtype == np.uint8 and page.ndim == 2 for page in pages)
