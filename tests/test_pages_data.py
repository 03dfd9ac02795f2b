"""Pages with known lines: prepared from ALTO, and composed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_prepare import write_page

from inkread.data.manifest import write_manifest
from inkread.data.page_truth import read_pages

ROOT = Path(__file__).parents[1]
SAMPLES = sorted((ROOT / "datasets" / "sample").glob("*-scan.png"))
FONTS = Path("/usr/share/fonts")


def compose(lines: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "datasets" / "pages" / "compose.py"
    command = [sys.executable, str(script), str(out), "--lines", str(lines), "--processes", "1", *options]
    return subprocess.run(command, capture_output=True, text=True)


def test_pages_of_alto_have_the_split_and_the_heights_of_their_lines(tmp_path: Path) -> None:
    raw = tmp_path / "mss19"
    for writer in ("a", "b"):
        write_page(raw / writer, "page", [("one of the lines", "T2"), ("printed", "T1"), ("~", "T2")])
    script = ROOT / "datasets" / "pages" / "prepare.py"
    command = [sys.executable, str(script), str(tmp_path / "out"), "--htr-united", str(raw)]
    subprocess.run(command, check=True, capture_output=True)
    first, second = read_pages(tmp_path / "out")
    assert {first.split, second.split} == {"train", "dev"} and {first.writer, second.writer} == {"a", "b"}
    # The printed line is left out, the one without usable text is not; coordinates are those of the picture.
    assert [line.baseline for line in first.lines] == [((20, y), (380, y)) for y in (30, 90)]
    assert [line.x_height for line in first.lines] == pytest.approx(
        [15, 15], abs=1
    )  # from the baseline to the top of the bar


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    folder = tmp_path / "lines"
    folder.mkdir()
    write_manifest(
        folder / "lines.tsv",
        [(file.stem, str(file), "me", split, "text") for file in SAMPLES for split in ("train", "dev")],
    )
    return folder


@pytest.mark.skipif(not any(FONTS.rglob("*.ttf")), reason="no fonts for print in /usr/share/fonts")
def test_pages_depend_on_the_seed_and_have_ink_on_their_lines(lines: Path, tmp_path: Path) -> None:
    done = compose(lines, tmp_path / "a", "--count", "5")
    assert done.returncode == 0, done.stderr
    compose(lines, tmp_path / "b", "--count", "5")
    pages = read_pages(tmp_path / "a", "train")
    assert len(pages) == 5 and pages == read_pages(tmp_path / "b", "train")
    darker = []
    for page in pages:
        grey = page.grey(tmp_path / "a").astype(float)
        assert (grey == page.grey(tmp_path / "b")).all()
        for line in page.lines:
            x, y = np.rint(line.baseline).astype(int).T
            x, y = x.clip(0, grey.shape[1] - 1), y.clip(0, grey.shape[0] - 1)
            body = grey[max(0, y[0] - round(line.x_height)) : y[0], x[0] : x[1]]
            around = grey[max(0, y[0] - 40) : y[0] + 40, max(0, x[0] - 40) : x[1] + 40]
            darker += [body.mean() < around.mean()] if body.size else []
    assert len(darker) > 10 and np.mean(darker) > 0.8


def test_fonts_for_print_are_asked_for(lines: Path, tmp_path: Path) -> None:
    done = compose(lines, tmp_path / "out", "--print-fonts", str(lines))
    assert done.returncode == 2 and "--print-fonts" in done.stderr
