"""Paths, splits and texts of datasets in any format."""

import unicodedata
from pathlib import Path

from small_datasets import draw, refusal, texts

from inkread.data import open_dataset


def test_texts_are_composed_and_their_spaces_single(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "été")
    (tmp_path / "a.tsv").write_text(f"a.png\t  {decomposed}   là\u00a0bas \nb.png\t   \n")
    dataset = open_dataset(str(tmp_path))
    assert [sample.text for sample in dataset.samples] == ["été là bas"]
    assert dataset.skipped == ("b.png: no text",)


def test_what_exists_is_a_path_and_the_rest_a_split(tmp_path: Path) -> None:
    (tmp_path / "a:b.tsv").write_text("file\ttext\tsplit\na.png\tone\tx:y\nb.png\ttwo\ttest\n")
    assert texts(tmp_path / "a:b.tsv") == ["one", "two"]
    assert texts(f"{tmp_path}/a:b.tsv:test") == ["two"]
    assert "no split 'tset'; it has test, x:y" in refusal(f"{tmp_path}/a:b.tsv:tset")
    assert "no such file" in refusal(tmp_path / "missing")
    assert "no such file" in refusal("C:\\data\\lines.tsv")
    assert "no such file" in refusal("")
    assert "cannot be read" in refusal("x" * 5000)


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    assert "no dataset in this folder" in refusal(tmp_path)
    (tmp_path / "a.tsv").write_text("a.png\tone")
    (tmp_path / "b.csv").write_text("a.png,one")
    assert "2 manifests (a.tsv, b.csv)" in refusal(tmp_path)


def test_half_characters_in_a_text_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"file": "a.png", "text": "\\ud800"}\n{"file": "b.png", "text": "b"}')
    dataset = open_dataset(str(tmp_path))
    assert [sample.text for sample in dataset.samples] == ["b"] and "half characters" in dataset.skipped[0]
