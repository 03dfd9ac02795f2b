"""Pages that are upside down or on their side are read as if they were upright, and keep their positions."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from documents import HEIGHT, WIDTH, letter_page
from handwriting import SCANS, Echo, page_of
from numpy.typing import NDArray
from PIL import Image

import inkread
from inkread.data import open_dataset
from inkread.document.elements import Document, Page
from inkread.document.overlay import draw_overlay
from inkread.evaluation.metrics import edit_distance
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading
from inkread.pages.layout import detect_layout, turn_layout
from inkread.pages.orientation import find_rotation
from inkread.pages.reader import Reader
from inkread.pages.regions import cut_line

LETTER = Path(__file__).parent.parent / "datasets" / "sample" / "letter.jpg"
ROTATIONS = (90, 180, 270)


def as_scanned(image: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """An image that must be turned clockwise by so many degrees to look like this one."""
    return np.ascontiguousarray(np.rot90(image, rotation // 90))


# ---- positions


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_points_move_with_the_pixels_of_the_image(degrees: int) -> None:
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    page = letter_page()
    polygon = page.lines[0].polygon
    for number, (x, y) in enumerate(polygon, 1):
        image[round(y), round(x)] = number
    turned, turned_image = page.turned(degrees), np.rot90(image, -degrees // 90)
    assert turned_image.shape == (turned.height, turned.width) and turned.rotation == 360 - degrees
    assert [turned_image[round(y), round(x)] for x, y in turned.lines[0].polygon] == [1, 2, 3, 4]


def test_characters_have_positions_along_their_lines() -> None:
    page = letter_page()
    assert page.lines[0].characters[0].left == page.lines[0].baseline[0][0] == 50
    # WIDTH is 400 pixels: what was 50 from the left of the first one is now 50 from the right, the top or the bottom.
    for degrees, left in ((90, 50), (180, 349), (270, 349)):
        line = page.turned(degrees).lines[0]
        assert line.characters[0].left == left == line.baseline[0][degrees // 90 % 2]


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_a_page_turned_back_is_the_same(degrees: int) -> None:
    page = letter_page()
    assert page.turned(degrees).upright == page and page.upright is page


# ---- formats


def turned_letter(rotation: int) -> Document:
    return Document("letter.png", (letter_page().turned(360 - rotation),))


@pytest.mark.parametrize(("rotation", "orientation"), [(0, None), (90, "90"), (180, "180"), (270, "-90")])
def test_page_xml_and_alto_say_how_the_image_is_turned(rotation: int, orientation: str | None) -> None:
    document = turned_letter(rotation) if rotation else Document("letter.png", (letter_page(),))
    page = ElementTree.fromstring(document.to_page_xml()).find(".//{*}Page")
    blocks = ElementTree.fromstring(document.to_alto()).findall(".//{*}TextBlock")
    assert page is not None and page.get("orientation") == orientation
    assert {block.get("ROTATION") for block in blocks} == {str(rotation) if rotation else None}


@pytest.mark.parametrize(
    ("rotation", "box"), [(90, (20, 189, 60, 350)), (180, (189, 239, 350, 280)), (270, (239, 49, 280, 210))]
)
def test_hocr_turns_the_text_over_the_image(rotation: int, box: tuple[int, ...]) -> None:
    root = ElementTree.fromstring(turned_letter(rotation).to_hocr())
    line, word, *_ = root.findall(".//{*}span")
    assert line.get("title", "").endswith(f"; textangle {rotation}")
    assert "baseline" not in line.get("title", "")
    assert ("writing-mode" in word.get("style", "")) == (rotation != 180)
    found = [int(number) for number in line.get("title", "").split(";")[0].split()[1:]]
    assert np.abs(np.subtract(found, box)).max() <= 1


def test_json_says_how_the_image_is_turned_only_if_it_is() -> None:
    assert '"rotation": 270' in turned_letter(270).to_json_lines()
    assert "rotation" not in Document("letter.png", (letter_page(),)).to_json_lines()


def test_markdown_and_overlay_are_those_of_the_upright_page() -> None:
    upright = Document("letter.png", (letter_page(),))
    blank = np.full((HEIGHT, WIDTH), 255, np.uint8)
    expected = np.asarray(draw_overlay(blank, letter_page()))
    for rotation in ROTATIONS:
        turned = turned_letter(rotation)
        assert turned.to_markdown().splitlines()[4:] == upright.to_markdown().splitlines()[4:]
        drawn = draw_overlay(as_scanned(blank, rotation), turned.pages[0])
        np.testing.assert_array_equal(np.asarray(drawn), expected)


# ---- detection


@pytest.fixture(scope="module")
def reader() -> Reader:
    return inkread.load(decoder="greedy")


@pytest.fixture(scope="module")
def upright(reader: Reader) -> Page:
    return reader.read(LETTER).pages[0]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_turned_letter_is_read_like_the_upright_one(reader: Reader, upright: Page, rotation: int) -> None:
    with Image.open(LETTER) as file:
        image = np.asarray(file.convert("L"))
    page = reader.read(as_scanned(image, rotation)).pages[0]
    assert upright.rotation == 0 and page.rotation == rotation and page.text == upright.text
    assert (page.height, page.width) == as_scanned(image, rotation).shape
    for line, other in zip(page.upright.lines, upright.lines, strict=True):
        np.testing.assert_allclose(line.polygon, other.polygon, atol=0.1)
        np.testing.assert_allclose([c.left for c in line.characters], [c.left for c in other.characters], atol=0.1)


@pytest.mark.parametrize("suffix", ["jsonl", "xml"])
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_turned_page_is_a_dataset_of_upright_lines(
    reader: Reader, upright: Page, tmp_path: Path, rotation: int, suffix: str
) -> None:
    with Image.open(LETTER) as file:
        image = as_scanned(np.asarray(file.convert("L")), rotation)
    Image.fromarray(image).save(tmp_path / "letter.png")
    document = Document(str(tmp_path / "letter.png"), (upright.turned(360 - rotation),))
    table = tmp_path / f"letter.{suffix}"
    table.write_text(document.to_json_lines() if suffix == "jsonl" else document.to_page_xml(), encoding="utf-8")
    samples = open_dataset(str(table)).samples
    texts = [reader.read_line(cut_line(image, sample.region)).text for sample in samples if sample.region]
    true = [line.text for line in upright.lines]
    assert sum(map(edit_distance, true, texts)) < 0.03 * len("".join(true))


def test_what_is_read_with_confidence_is_not_read_again() -> None:
    layout = detect_layout("page.png", 1, 1, page_of(3))
    echoes = Echo().read_many(layout.line_inputs)
    readings = [replace(reading, text=40 * reading.text, network=0.97) for reading in echoes]
    assert find_rotation(not_called, layout, readings) == 0
    unsure = [replace(reading, network=0.9) for reading in readings]
    with pytest.raises(AssertionError, match="read again"):
        find_rotation(not_called, layout, unsure)


def not_called(lines: Iterable[Writing]) -> Iterator[Reading]:
    raise AssertionError("read again")


class Unsure(Echo):
    """Is hardly sure of what it reads."""

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        return (replace(reading, network=0.3) for reading in super().read_many(lines))


def test_what_nobody_can_read_is_no_handwriting_whatever_way_it_is_turned() -> None:
    layout = detect_layout("page.png", 1, 1, page_of(3))
    assert find_rotation(Unsure().read_many, layout, list(Unsure().read_many(layout.line_inputs))) == 0
    page = Reader(Unsure()).read(page_of(3)).pages[0]
    assert page.lines == () and (page.width, page.height) == (900, 1000)


class OneWay(Echo):
    """Is sure of lines that have one of some widths, and of no other."""

    def __init__(self, widths: set[int]) -> None:
        self.widths = widths

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        for line in lines:
            (reading,) = super().read_many([line])
            sure = isinstance(line, np.ndarray) and line.shape[1] in self.widths
            yield replace(reading, text=20 * reading.text, network=0.9 if sure else 0.2)


def test_lines_that_are_not_found_upside_down_are_found_on_the_turned_page() -> None:
    """The lines of the page that is turned back are a little wider than those that were found upside down."""
    upside_down = detect_layout("page.png", 1, 1, as_scanned(page_of(3), 180))
    widths = {line.shape[1] for line in turn_layout(upside_down, 180).line_inputs if isinstance(line, np.ndarray)}
    own = {line.shape[1] for line in upside_down.line_inputs if isinstance(line, np.ndarray)}
    reader = OneWay(widths - own)
    assert find_rotation(reader.read_many, upside_down, list(reader.read_many(upside_down.line_inputs))) == 180


def test_a_line_that_nobody_can_read_stays_as_it_is() -> None:
    """An image in which no line was found, so that all of it is read as one."""
    grey = np.asarray(Image.open(SCANS[0]).convert("L"))
    layout = replace(detect_layout("line.png", 1, 1, grey), image=grey)
    assert not layout.is_page
    assert find_rotation(Unsure().read_many, layout, list(Unsure().read_many(layout.line_inputs))) == 0


@pytest.mark.parametrize("kind", ["white", "noise", "waves"])
def test_images_of_twelve_megapixels_without_handwriting_are_empty(reader: Reader, kind: str) -> None:
    y, x = np.mgrid[:3000, :4000].astype(np.float32)
    grey = {
        "white": np.full((3000, 4000), 250.0),
        "noise": np.random.default_rng(0).normal(128, 40, (3000, 4000)),
        "waves": 128 + 60 * np.sin((y + 20 * np.sin(x / 90)) / 12),
    }[kind]
    assert reader.read(grey.clip(0, 255).astype(np.uint8)).pages[0].lines == ()
