"""Images with NAME.gt.txt."""

from pathlib import Path

from small_datasets import draw

from inkread.data import open_dataset
from inkread.data.samples import read_line


def test_pictures_with_transcriptions_beside_them(tmp_path: Path) -> None:
    draw(tmp_path / "p/b.jpg", width=30)
    draw(tmp_path / "a.one.png")
    (tmp_path / "p/b.gt.txt").write_text("deux\n")
    (tmp_path / "a.one.gt.txt").write_text("un\n", encoding="utf-8-sig")
    dataset = open_dataset(str(tmp_path))
    assert [(sample.id, sample.text) for sample in dataset.samples] == [("a.one", "un"), ("p/b", "deux")]
    assert read_line(dataset.samples[1]).shape == (20, 30)
