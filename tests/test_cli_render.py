"""`inkread render`."""

import json
from pathlib import Path

import pytest
from commands import LINE, done, refused

from inkread.inputs import open_images

pytestmark = pytest.mark.usefixtures("one_process")


def test_ink_is_drawn(tmp_path: Path) -> None:
    strokes = [[[0, 0], [0, 40], [20, 20], [40, 40], [40, 0]], [[60, 40]]]
    (tmp_path / "m.json").write_text(json.dumps(strokes))
    out = tmp_path / "m.png"
    assert not done("render", tmp_path / "m.json", "-o", out).output
    picture = open_images(out)[0]
    assert picture.min() < 50 and picture[0].min() == 255
    assert picture.shape[1] > picture.shape[0] > 22
    inkml = "".join(f"<trace>{','.join(f'{x} {y}' for x, y in stroke)}</trace>" for stroke in strokes)
    done("render", "-", "-o", tmp_path / "again.png", stdin=f"<ink>{inkml}</ink>".encode())
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.png", "m.json", "m.png"]


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    (tmp_path / "two.jsonl").write_text("[[[0, 0], [1, 1]]]\n[[[0, 0], [1, 1]]]\n")
    out = tmp_path / "a.png"
    assert "2 pages; give a file with one" in refused("render", tmp_path / "two.jsonl", "-o", out)
    assert "an image, not pen strokes" in refused("render", LINE, "-o", out)
    assert "no such file" in refused("render", tmp_path / "none.inkml", "-o", out)
    assert "there is no folder" in refused("render", tmp_path / "two.jsonl", "-o", tmp_path / "no" / "a.png", code=4)
    assert "must end in .png" in refused("render", tmp_path / "two.jsonl", "-o", tmp_path / "a.jpg", code=2)
    assert not out.exists()
