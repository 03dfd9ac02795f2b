"""The scripts that prepare line pictures from raw downloads."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from inkread.data import open_dataset
from inkread.data.prepare import TALLEST, dev_writers, save_image
from inkread.data.samples import read_line
from inkread.pages.regions import Region
from inkread.pages.segment import find_lines

SAMPLE = Path(__file__).parents[1] / "datasets" / "sample"
SHARED = Path(__file__).parents[2] / "shared" / "data"
ALTO = """<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><sourceImageInformation>
<fileName>{page}.png</fileName></sourceImageInformation></Description>
<Tags><OtherTag ID="T1" LABEL="printed"/><OtherTag ID="T2" LABEL="DefaultLine"/></Tags>
<Layout><Page WIDTH="800" HEIGHT="400"><PrintSpace><TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout></alto>"""
LINE = """<TextLine ID="l{number}" TAGREFS="{tag}" BASELINE="40 {foot} 760 {foot}"><Shape><Polygon
POINTS="40 {top} 760 {top} 760 {bottom} 40 {bottom}"/></Shape><String CONTENT="{text}"/></TextLine>"""


def write_page(folder: Path, page: str, texts: list[tuple[str, str]]) -> None:
    """An ALTO page of 800 x 400 with lines of (text, tag), and its picture at half that size, a black bar per line."""
    grey = np.full((200, 400), 255, np.uint8)
    lines = ""
    for number, (text, tag) in enumerate(texts):
        top = 20 + 60 * number
        lines += LINE.format(number=number, tag=tag, foot=top + 40, top=top, bottom=top + 50, text=text)
        grey[top // 2 + 5 : top // 2 + 15, 100:300] = 0
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{page}.xml").write_text(ALTO.format(page=page, lines=lines), encoding="utf-8")
    Image.fromarray(grey).save(folder / f"{page}.png")


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["prepare.py", *map(str, arguments)])
    script.main()


def test_lines_are_cut_as_they_are_found(prepare_script: Callable[[str], ModuleType]) -> None:
    page = np.asarray(Image.open(SAMPLE / "letter.jpg").convert("L"))
    found = [region for paragraph in find_lines(page).paragraphs for region in paragraph]
    half = tuple((min(x, 300.0), y) for x, y in found[1].polygon)  # the true line ends much earlier
    true = [(number, str(number), region) for number, region in enumerate(found)]
    true[1] = (1, "1", Region(half, found[1].baseline))
    assert prepare_script("copiste").as_found(page, true) == [true[0], *true[2:]]


@pytest.mark.parametrize(
    ("transcribed", "expected"),
    [
        ("un>e< joueur de >po< hockey", "un✗ joueur de ✗hockey"),
        (">5< cinq reprises,", "✗cinq reprises,"),
        (">tout<", ""),
        ("un > sans fin", ""),
    ],
)
def test_crossed_out_words_become_a_mark(
    transcribed: str, expected: str, prepare_script: Callable[[str], ModuleType]
) -> None:
    assert prepare_script("copiste").as_read(transcribed) == expected


@pytest.mark.parametrize(
    ("transcribed", "expected"),
    [
        ("80^ème Régiment n^o 7", "80ème Régiment n° 7"),
        ("1^o ma montre, M^r Nanté", "1° ma montre, Mr Nanté"),
        ("d’Arc — “Jeanne”", 'd\'Arc - "Jeanne"'),
        ("laiſser  Don &amp; legs", "laisser Don & legs"),
        ("C'est le cas de >vous< le dire", "C'est le cas de ✗le dire"),
        ("avoir[[]] prêts", ""),
        ("une réalité ⋎ plus", ""),
        ("22|50", ""),
        ("de copie de GeXXX", ""),
        ('"', ""),
    ],
)
def test_marks_of_the_guidelines(prepare_script: Callable[[str], ModuleType], transcribed: str, expected: str) -> None:
    assert prepare_script("htr-united").transcription(transcribed) == expected


def test_pages_become_line_pictures(
    prepare_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = prepare_script("htr-united")
    raw, out = tmp_path / "raw", tmp_path / "wills"
    texts = [
        ("Ceci est mon testament", "T2"),
        ("NOMS DES PARTIES", "T1"),
        ("avoir[[]] prêts", "T2"),
        ("far too long" * 20, "T2"),
    ]
    for number in range(10):
        write_page(raw, f"will_{number}-1", texts[:2])
    write_page(raw, "will_0-2", texts)
    run(script, monkeypatch, raw, out)
    samples = open_dataset(str(out)).samples
    assert {sample.text for sample in samples} == {"Ceci est mon testament"}
    assert len(samples) == 11 and len({sample.writer for sample in samples}) == 10
    dev = {sample.writer for sample in samples if sample.split == "dev"}
    assert len(dev) == 2 and dev == dev_writers("wills", [f"will_{number}" for number in range(10)])
    picture = read_line(samples[0])
    # At the scale of the picture, half that of the XML, with a margin of a tenth of the line's height.
    assert picture.shape == pytest.approx((30, 366), abs=4)
    assert 180 < (picture.min(axis=0) < 128).sum() < 210


def test_pages_in_folders_and_pages_of_one_writer(
    prepare_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = prepare_script("htr-united")
    for folder, page in (("anna", "p-1"), ("anna", "p-2"), ("ben", "q-1"), ("ben", "q-2")):
        write_page(tmp_path / "raw" / folder, page, [("Ceci est mon testament", "T2")])
    run(script, monkeypatch, tmp_path / "raw", tmp_path / "letters")
    samples = open_dataset(str(tmp_path / "letters")).samples
    assert [sample.writer for sample in samples] == ["anna", "anna", "ben", "ben"]
    assert {sample.split for sample in samples if sample.writer == "anna"} in ({"dev"}, {"train"})
    run(script, monkeypatch, tmp_path / "raw", tmp_path / "diary", "--one-writer")
    samples = open_dataset(str(tmp_path / "diary")).samples
    assert {sample.writer for sample in samples} == {"diary"}
    assert sorted(sample.split or "" for sample in samples) == ["dev", "train", "train", "train"]


def test_squeezed_names_are_widened(
    prepare_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = prepare_script("dhsd")
    (tmp_path / "raw").mkdir()
    names = ["Köln", "Friedrich-Adolf-Richter-Straße"]
    for number, _ in enumerate(names):
        Image.new("L", (256, 64), 255).save(tmp_path / "raw" / f"{number}.png")
    rows = [f"{number}.png\t{name}\t{number}\n" for number, name in enumerate(names)]
    (tmp_path / "raw" / "lines.tsv").write_text("file\ttext\twriter\n" + "".join(rows), encoding="utf-8")
    monkeypatch.setattr(script, "EXPECTED", {"train": 1, "dev": 1})
    run(script, monkeypatch, tmp_path / "raw", tmp_path / "out")
    widths = {sample.text: read_line(sample).shape[1] for sample in open_dataset(str(tmp_path / "out")).samples}
    assert widths["Köln"] == 256 and 256 < widths[names[1]] < 3 * 256


def test_print_is_cut_off_names(
    prepare_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = prepare_script("names")
    (tmp_path / "raw").mkdir()
    grey = np.full((36, 388), 255, np.uint8)
    grey[18:26, 120:200] = 0  # the name
    grey[18:26, 10:70] = 0  # NOM:
    cut = grey.copy()
    cut[30:, 120:200] = 0  # more print below
    for name, pixels in (("whole", grey), ("cut", cut), ("other", grey[:30])):
        Image.fromarray(pixels).save(tmp_path / "raw" / f"{name}.png")
    (tmp_path / "raw" / "lines.tsv").write_text(
        "file\ttext\nwhole.png\tANNE\ncut.png\tJEAN\nother.png\tLEA\n", encoding="utf-8"
    )
    monkeypatch.setattr(script, "EXPECTED", {"dev": 1})
    run(script, monkeypatch, tmp_path / "raw", tmp_path / "out")
    [sample] = open_dataset(str(tmp_path / "out")).samples
    columns = np.flatnonzero((read_line(sample) < 128).any(axis=0))
    assert sample.text == "ANNE" and (columns[0], columns[-1]) == (40, 119)


def test_dev_writers_do_not_depend_on_the_order() -> None:
    writers = [f"w{number}" for number in range(40)]
    chosen = dev_writers("set", writers)
    assert (
        len(chosen) == 6 and chosen == dev_writers("set", reversed(writers)) and chosen != dev_writers("other", writers)
    )
    assert len(dev_writers("set", ["a", "b"])) == 1


def test_pictures_are_saved_no_taller_than_needed(tmp_path: Path) -> None:
    save_image(tmp_path / "page" / "a.png", np.zeros((200, 400), np.uint8))
    with Image.open(tmp_path / "page" / "a.png") as picture:
        assert picture.size == (192, TALLEST)


@pytest.mark.skipif(not (SHARED / "mss19.tar.xz").is_file(), reason="mss19.tar.xz is not in ../shared/data")
def test_real_pages(
    prepare_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(SHARED / "mss19.tar.xz") as archive:
        pages = [member for member in archive if "/lettres-cecile" in member.name or "/manuscrit-sand" in member.name]
        archive.extractall(tmp_path, pages, filter="data")
    run(prepare_script("htr-united"), monkeypatch, tmp_path / "mss19", tmp_path / "out")
    samples = open_dataset(str(tmp_path / "out")).samples
    assert len(samples) == 265 and {sample.writer for sample in samples} == {
        "lettres-cecile-t-chasse",
        "manuscrit-sand-fadette",
    }
    assert not any(set("<>[]^") & set(sample.text) for sample in samples)
    assert {sample.split for sample in samples if "✗" in sample.text} == {"crossed"}  # both are development writers
    assert all(read_line(sample).max() - int(read_line(sample).min()) > 50 for sample in samples[:10])
