"""Normalised images: the same writing gives the same pixels in every scan, and columns lead back to the original."""

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inkread.features.image import LONGEST, MARGIN, SPREAD, NormalizedImage, dark_on_light, normalize_image

GreyImage = NDArray[np.uint8]
HEIGHT = 48
IAM = Path(__file__).parent.parent.parent / "shared" / "data" / "iam-lines.tar"
RNG = np.random.default_rng(0)


def drawn(text: str = "Reading handwriting, Lilly!", size: int = 48, margin: int = 30) -> GreyImage:
    font = ImageFont.load_default(size)
    left, top, right, bottom = map(int, font.getbbox(text))
    picture = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 255)
    ImageDraw.Draw(picture).text((margin - left, margin - top), text, 0, font)
    return np.asarray(picture)


@pytest.fixture(scope="module")
def real() -> list[GreyImage]:
    """Lines of eight writers."""
    if not IAM.is_file():
        pytest.skip(f"{IAM}: no real lines available")
    with tarfile.open(IAM) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(f"iam-lines/{name}")
            assert file is not None
            return file.read()

        rows = csv.DictReader(io.StringIO(read("lines.tsv").decode()), delimiter="\t", quoting=csv.QUOTE_NONE)
        clean = {row["writer"]: row["file"] for row in rows if float(row["form_tight"]) >= 0.95}
        return [np.asarray(Image.open(io.BytesIO(read(file))).convert("L")) for file in sorted(clean.values())[:160:20]]


def resized(grey: GreyImage, factor: float) -> GreyImage:
    picture = Image.fromarray(grey)
    size = (round(picture.width * factor), round(picture.height * factor))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def slanted(grey: GreyImage, tangent: float) -> GreyImage:
    """Sheared so that strokes lean to the right by so much, the middle row staying where it is."""
    margin = round(abs(tangent) * len(grey))
    picture = Image.fromarray(np.pad(grey, ((0, 0), (margin, margin)), constant_values=255))
    matrix = (1, tangent, -tangent * len(grey) / 2, 0, 1, 0)
    affine, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return np.asarray(picture.transform(picture.size, affine, matrix, bilinear, fillcolor=255))


def sloped(grey: GreyImage, degrees: float) -> GreyImage:
    return np.asarray(Image.fromarray(grey).rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=255))


def shaded(grey: GreyImage) -> GreyImage:
    """As by a lamp at the right: paper of 80 to 250, and never black ink."""
    light = np.linspace(0.4, 1, grey.shape[1]) * np.linspace(1, 0.8, len(grey))[:, None]
    return ((60 + grey / 255 * 190) * light).astype(np.uint8)


def grainy(grey: GreyImage) -> GreyImage:
    return np.clip(grey * 0.6 + 60 + RNG.normal(0, 6, grey.shape), 0, 255).astype(np.uint8)


def likeness(one: NormalizedImage, other: NormalizedImage) -> float:
    """The correlation of two lines' pixels, the second brought to the first one's width, which is nearly its own."""
    height, width = one.pixels.shape
    assert other.pixels.shape[1] == pytest.approx(width, rel=0.05)
    resized = np.asarray(Image.fromarray(other.pixels).resize((width, height)))
    return float(np.corrcoef(one.pixels.ravel(), resized.ravel())[0, 1])


def rise(pixels: GreyImage) -> float:
    """The tangent of the ink's slope."""
    rows, columns = np.nonzero(pixels > 80)
    return float(np.polyfit(columns, rows, 1)[0])


SCANS: dict[str, Callable[[GreyImage], GreyImage]] = {
    "inverted": lambda grey: 255 - grey,
    "of low contrast": lambda grey: (150 + grey / 255 * 40).astype(np.uint8),
    "shaded": shaded,
    "grainy": grainy,
    "of one bit": lambda grey: np.where(grey < 128, 0, 255).astype(np.uint8),
    "with wide margins": lambda grey: np.pad(grey, ((50, 90), (130, 200)), constant_values=255),
    "twice as large": lambda grey: resized(grey, 2),
    "half as large": lambda grey: resized(grey, 0.5),
}


# Different lines correlate by 0.1, the same one moved by two columns by 0.4. What is lost below 1 is lost to the slant,
# which is measured in steps of a tenth, to sampling, and at half the size to hairlines that fade.
@pytest.mark.parametrize("name", SCANS)
def test_drawn_line_is_the_same_in_every_scan(name: str) -> None:
    least = 0.8 if name == "half as large" else 0.9
    assert likeness(normalize_image(drawn(), HEIGHT), normalize_image(SCANS[name](drawn()), HEIGHT)) > least


@pytest.mark.parametrize("name", SCANS)
def test_real_lines_are_the_same_in_every_scan(real: list[GreyImage], name: str) -> None:
    alike = [likeness(normalize_image(grey, HEIGHT), normalize_image(SCANS[name](grey), HEIGHT)) for grey in real]
    assert min(alike) > 0.85 and np.mean(alike) > 0.94


def test_real_lines_become_level_and_of_one_size(real: list[GreyImage]) -> None:
    for grey in real:
        pixels = normalize_image(grey, HEIGHT).pixels
        assert abs(rise(pixels)) < 0.01
        assert 0.02 < (pixels > 128).mean() < 0.25
        rows = np.arange(HEIGHT) - (HEIGHT - 1) / 2
        profile = pixels.sum(axis=1) / pixels.sum()
        assert abs(profile @ rows) < 2  # in the middle
        # The deviation aimed at, and more where there are long loops, which don't count.
        assert 0.75 * HEIGHT * SPREAD < (profile @ rows**2) ** 0.5 < 1.25 * HEIGHT * SPREAD
        assert profile[0] + profile[-1] < 0.01


def ruled(grey: GreyImage) -> GreyImage:
    """On a sheet with a rule every 40 rows, which begins long before the writing and goes on behind it."""
    page = np.pad(grey, ((40, 40), (150, 250)), constant_values=255)
    page[10::40] = page[11::40] = 60
    return page


def between_lines(grey: GreyImage) -> GreyImage:
    """The bottoms of a line above and the tops of a line below are in the image."""
    inked = np.flatnonzero((grey < 128).any(axis=1))
    strip, blank = (inked[-1] - inked[0]) // 5, np.full((12, grey.shape[1]), 255, np.uint8)
    bottoms, tops = grey[inked[-1] - strip : inked[-1]], grey[inked[0] : inked[0] + strip]
    return np.concatenate([np.roll(bottoms, 70, axis=1), blank, grey, blank, np.roll(tops, 90, axis=1)])


def half_in_shadow(grey: GreyImage) -> GreyImage:
    """The shadow of a hand, with an edge as sharp as a stroke's, on more than the paper beside the writing."""
    page = np.pad(grey, ((20, 20), (150, 150)), constant_values=255)
    light = np.where(np.arange(page.shape[1]) < page.shape[1] // 2, 1, 0.55)
    return ((40 + page / 255 * 200) * light).astype(np.uint8)


SURROUNDINGS: dict[str, Callable[[GreyImage], GreyImage]] = {
    "on ruled paper": ruled,
    "between two lines": between_lines,
    "half in shadow": half_in_shadow,
    "chalk, half in shadow": lambda grey: 255 - half_in_shadow(grey),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_do_not_change_the_size_of_the_writing(real: list[GreyImage], name: str) -> None:
    ratios = []
    for grey in [drawn(), *real]:
        alone, among = normalize_image(grey, HEIGHT), normalize_image(SURROUNDINGS[name](grey), HEIGHT)
        ratios.append(among.pixels.shape[1] / alone.pixels.shape[1])
    assert np.median(ratios) == pytest.approx(1, abs=0.08)
    assert min(ratios) > 0.7 and max(ratios) < 1.25


@pytest.mark.parametrize("degrees", [-6, -3, 2, 5])
def test_sloped_lines_become_level(degrees: float) -> None:
    line, before = normalize_image(sloped(drawn(), degrees), HEIGHT), np.tan(np.radians(degrees))
    assert abs(rise(line.pixels)) < 0.2 * abs(before)
    assert (line.pixels > 128).any(axis=0).mean() > 0.6  # and not much of them is cut off


@pytest.mark.parametrize("tangent", [-0.4, 0.3, 0.6])
def test_slanted_lines_become_upright(tangent: float) -> None:
    strokes = np.full((100, 600), 255, np.uint8)
    strokes[20:80, 40:560:20] = strokes[20:80, 41:560:20] = strokes[20:80, 42:560:20] = 0
    pixels = normalize_image(slanted(strokes, tangent), HEIGHT).pixels
    inked = pixels[pixels.any(axis=1)]
    upper, lower = inked[2], inked[-3]  # an upright stroke has the same columns at its top and its bottom
    assert np.corrcoef(upper, lower)[0, 1] > 0.9


@pytest.mark.parametrize("factor", [0.7, 1, 3])
@pytest.mark.parametrize("change", ["none", "slanted", "sloped"])
def test_columns_lead_back_to_the_image(change: str, factor: float) -> None:
    """Marks that stand alone in a line of dashes are found where they were drawn, within three pixels at most."""
    marks, width, middle = (150, 400, 640), 900, 70
    grey = np.full((140, width), 255, np.uint8)
    for x in range(30, width - 30, 10):
        if all(abs(x - mark) > 40 for mark in marks):
            grey[40:100, x : x + 3] = 0
    for mark in marks:
        grey[middle - 12 : middle + 12, mark - 2 : mark + 3] = 0
    if change == "slanted":
        grey = slanted(grey, 0.4)
    elif change == "sloped":
        grey = sloped(grey, 2)
    shift = (grey.shape[1] - width) / 2  # what slanting and sloping have added at the left
    line = normalize_image(resized(grey, factor), HEIGHT)
    inked = np.flatnonzero(line.pixels[HEIGHT // 2 - 3 : HEIGHT // 2 + 3].max(axis=0) > 100)
    groups = np.split(inked, np.flatnonzero(np.diff(inked) > 4) + 1)
    alone = [group for before, group, after in zip(groups, groups[1:], groups[2:], strict=False)
             if group[0] - before[-1] > 10 and after[0] - group[-1] > 10]  # fmt: skip
    found = [(group.mean() + 0.5) * line.scale + line.offset for group in alone]
    expected = [(mark + 0.5 + shift) * factor for mark in marks]
    np.testing.assert_allclose(found, expected, atol=3 * max(factor, 1))
    assert line.offset + line.scale * MARGIN == pytest.approx((30 + shift) * factor, abs=8 * factor)


@pytest.mark.parametrize("paper", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2), (60, 400), (3, 20_000), (3000, 4)])
def test_a_blank_image_gives_a_short_blank_line(shape: tuple[int, int], paper: int) -> None:
    line = normalize_image(np.full(shape, paper, np.uint8), HEIGHT)
    assert line.pixels.shape == (HEIGHT, 4 * MARGIN) and not line.pixels.any()
    assert line.pixels.shape[1] * line.scale + line.offset == pytest.approx(shape[1])


@pytest.mark.parametrize("factor", [1, 4])
def test_a_dash_stays_a_dash_and_a_dot_a_dot(factor: int) -> None:
    for width in (30, 3):
        grey = np.full((60 * factor, 200 * factor), 255, np.uint8)
        grey[30 * factor : 33 * factor, 80 * factor : (80 + width) * factor] = 0
        pixels = normalize_image(grey, HEIGHT).pixels > 100
        across, down = np.count_nonzero(pixels.any(axis=0)), np.count_nonzero(pixels.any(axis=1))
        assert 3 <= down <= HEIGHT / 5  # as thick as a pen
        assert (across > 3 * down) if width == 30 else (across < 2 * down)


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (2, 9000), (4000, 3), (10, 30_000), (48, 48)])
def test_odd_shapes_do_not_fail(shape: tuple[int, int]) -> None:
    check_sound(normalize_image(RNG.choice(np.array([0, 255, 255, 255], np.uint8), shape), HEIGHT))


@settings(deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 60)), elements=st.integers(0, 255)))
def test_no_image_fails(grey: GreyImage) -> None:
    check_sound(normalize_image(grey, HEIGHT))


def check_sound(line: NormalizedImage) -> None:
    assert line.pixels.dtype == np.uint8 and len(line.pixels) == HEIGHT
    assert 1 <= line.pixels.shape[1] <= LONGEST + 2 * MARGIN
    assert np.isfinite([line.scale, line.offset]).all() and line.scale > 0


@pytest.mark.parametrize("height", [16, 32, 64])
def test_the_height_is_as_given(height: int) -> None:
    assert len(normalize_image(drawn(), height).pixels) == height


# ---- bright writing on a dark page


def written_page() -> np.ndarray:
    """White paper with twenty lines of strokes."""
    page = np.full((1200, 900), 240, np.uint8)
    rng = np.random.default_rng(0)
    for line in range(100, 1100, 50):
        for column in range(100, 800, 12):
            page[line - rng.integers(10, 25) : line, column : column + 3] = 30
    return page


def test_a_page_is_inverted_when_its_writing_is_bright() -> None:
    page = written_page()
    np.testing.assert_array_equal(dark_on_light(255 - page), page)
    board = (60 + (240 - page) * 0.5).astype(np.uint8)  # chalk
    np.testing.assert_array_equal(dark_on_light(board), 255 - board)


def test_a_page_with_dark_surroundings_stays_unchanged() -> None:
    page = written_page()
    photo = page.copy()
    photo[:700] = np.random.default_rng(0).integers(0, 90, (700, 900))
    on_table = np.pad(page, 500, constant_values=25)
    blank = np.full((1200, 900), 20, np.uint8)
    for same in (page, photo, on_table, blank, blank[:5, :400], blank[:1, :1]):
        assert dark_on_light(same) is same
