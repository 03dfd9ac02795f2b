"""TSV, CSV and JSON Lines."""

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_datasets import refusal, texts

from inkread.data import Sample, open_dataset


def test_a_tsv_with_all_columns(tmp_path: Path) -> None:
    (tmp_path / "lines.tsv").write_text(
        'id\tFile\twriter\tsplit\ttext\n1\tp/a.png\tanna\ttr\tsaid "no\n2\tb.png\t\tva\tyes\n'
    )
    dataset = open_dataset(str(tmp_path))
    assert dataset.samples == (
        Sample("1", tmp_path / "p/a.png", 'said "no', "anna", "tr"),
        Sample("2", tmp_path / "b.png", "yes", None, "va"),
    )
    assert texts(tmp_path / "lines.tsv") == texts(tmp_path) == ['said "no', "yes"]
    assert texts(f"{tmp_path}:va") == ["yes"]


@pytest.mark.parametrize("name", ["lines.tsv", "lines.txt", "lines.csv", "lines.jsonl"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_and_line_ends_do_not_matter(tmp_path: Path, name: str, mark: str, end: str) -> None:
    tab = "," if name.endswith("csv") else "\t"
    rows = [f"image{tab}label", f"a.png{tab}un été", f"b.png{tab}deux"]
    if name.endswith("jsonl"):
        rows = [json.dumps({"image": "a.png", "label": "un été"}), '{"image": "b.png", "label": "deux", "x": null}']
    (tmp_path / name).write_bytes((mark + end.join(rows) + end + end).encode())
    assert texts(tmp_path / name) == ["un été", "deux"]


def test_two_columns_need_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a.png\ttext\nb.jpg\ttwo words\n")
    assert texts(tmp_path) == ["text", "two words"]


def test_csv_is_proper_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('picture,transcription\na.png,"one, ""two""\nthree"\n')
    assert texts(tmp_path) == ['one, "two" three']
    (tmp_path / "a.csv").write_text("picture;transcription\na.png;one, two\n")
    assert texts(tmp_path) == ["one, two"]


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("a.tsv", b"file\ttext\na.png\tone\nb.png\n", "line 3: 1 columns"),
        ("a.tsv", b"file\ttext\n\tone\n", "line 2: names no image"),
        ("a.tsv", b"file\twords\na.png\tone\n", "line 1: the header names no column for the text"),
        ("a.tsv", b"", "line 1: the header names no column"),
        ("a.tsv", b"file\ttext\na.png\tone\nb.png\t\xe9t\xe9\n", "line 3: not UTF-8"),
        ("a.tsv", b"file\ttext\na.png\t \n", "no line with a text"),
        ("a.csv", b'file,text\na.png,"one\n', "not CSV"),
        ("a.csv", b'file,text\na.png,"one"two\n', "line 2: not CSV"),
        ("a.jsonl", b'{"file": "a.png", "text": "one"}\n{"file": ', "line 2: not JSON"),
        ("a.jsonl", b'\n["a.png", "one"]', "line 2: not an object with a text"),
        ("a.jsonl", b'{"file": "a.png"}', "line 1: not an object with a text"),
        ("a.jsonl", b'{"text": "one"}', "line 1: names no image"),
        ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
    ],
)
def test_a_bad_manifest_names_its_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert told in refusal(tmp_path) and str(tmp_path) in refusal(tmp_path)


CELLS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(CELLS)
def test_csv_and_json_carry_any_text(tmp_path_factory: pytest.TempPathFactory, cells: Sequence[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "text"), *((f"{i}.png", "x" + cell) for i, cell in enumerate(cells))])
    with (folder / "a.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"file": "a.png", "text": "x" + cell}) + "\n" for cell in cells)
    expected = [" ".join(unicodedata.normalize("NFC", "x" + cell).split()) for cell in cells]
    assert texts(folder / "a.csv") == texts(folder / "a.jsonl") == expected


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ('"polygon": [[1, 2], [3, NaN], [5, 6]]', "not finite"),
        ('"polygon": [[1, 2], [3, 4], [5, 6]], "baseline": [[1, Infinity], [2, 3]]', "not finite"),
        ('"polygon": [[1, 2], [3, 1e999], [5, 6]]', "not finite"),
        ('"characters": [{"text": "ab", "left": 1, "right": 2}]', "not one character"),
        ('"characters": [{"text": "a", "left": NaN, "right": 2}, {"text": "b", "left": 1, "right": 2}]', "not finite"),
    ],
)
def test_bad_places_in_json_lines_are_named(tmp_path: Path, place: str, told: str) -> None:
    (tmp_path / "lines.jsonl").write_text(f'{{"file": "x.png", "text": "ab", {place}}}\n')
    assert told in refusal(tmp_path) and "lines.jsonl, line 1: " in refusal(tmp_path)
