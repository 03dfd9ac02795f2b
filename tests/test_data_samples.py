"""Reading the image or pen strokes of a sample."""

import json
import os
import sys
from pathlib import Path

import pytest
from small_datasets import BOX, N, draw

from inkread.data import Sample, open_dataset
from inkread.data.check import check_dataset
from inkread.data.samples import is_ink, read_line, read_strokes
from inkread.errors import BadInput
from inkread.pages.regions import Region


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_strokes_in_json_lines(tmp_path: Path, mark: bytes, end: bytes) -> None:
    rows = [
        {"strokes": N, "text": "né", "writer": "anna", "split": "train"},
        {"strokes": [[[0, 0], [7, 7]]], "text": "/", "id": "slash"},
    ]
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    (tmp_path / "inks.jsonl").write_bytes(mark + end + lines[0] + end + lines[1])
    first, second = open_dataset(str(tmp_path)).samples
    assert (first.id, first.text, first.writer, first.split) == ("line 2", "né", "anna", "train")
    assert second.id == "slash" and is_ink(first) and is_ink(second)
    assert [stroke.tolist() for stroke in read_strokes(first)] == N
    assert read_strokes(second)[0].tolist() == [[0, 0], [7, 7]]
    assert read_line(first).min() < 50  # drawn, for a model that reads pictures


def test_bad_strokes_are_named_when_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"strokes": [[[0, 0], [1]]], "text": "a", "id": "x"}\n')
    (sample,) = open_dataset(str(tmp_path)).samples
    with pytest.raises(BadInput, match=r"a\.jsonl, x: stroke 1: points of different kinds"):
        read_strokes(sample)
    assert "points of different kinds" in check_dataset(open_dataset(str(tmp_path))).problems[0].what


def test_a_region_off_the_page_names_the_file(tmp_path: Path) -> None:
    away = Region(tuple((x + 500, y) for x, y in BOX))
    with pytest.raises(BadInput, match=r"x\.png: l: .*outside of its page of 40 x 20"):
        read_line(Sample("l", draw(tmp_path / "x.png"), "text", region=away))
    with pytest.raises(BadInput, match=r"x\.png: no page 3"):
        read_line(Sample("l", draw(tmp_path / "x.png"), "text", page=2))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_not_utf8_can_be_printed(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    draw(folder / "a.png").rename(folder / os.fsdecode(b"\xe9.png"))
    (folder / os.fsdecode(b"\xe9.gt.txt")).write_text("ab")
    dataset = open_dataset(str(folder))
    assert dataset.name == rf"{tmp_path}/caf\udce9" and dataset.samples[0].id == r"\udce9"
    assert read_line(dataset.samples[0]).shape == (20, 40)
    dataset.samples[0].path.unlink()
    report = check_dataset(dataset)
    assert r"caf\udce9/\udce9.png: no such file" in str(report)
    json.dumps(report.as_dict(), ensure_ascii=False).encode("utf-8")


def test_an_edited_file_of_ink_or_pages_is_read_again(tmp_path: Path) -> None:
    trace = "<trace>0 0,{} 9</trace>".format
    group = '<traceGroup><annotation type="truth">a</annotation>{}</traceGroup>'.format
    ink = tmp_path / "ink/a.inkml"
    ink.parent.mkdir()
    ink.write_text(f"<ink>{group(trace(5))}{group(trace(6))}</ink>")
    first, second = open_dataset(str(ink)).samples
    assert read_strokes(first)[0].tolist() == [[0, 0], [5, 9]]
    ink.write_text(f"<ink>{group(trace(777))}</ink>")
    assert read_strokes(first)[0].tolist() == [[0, 0], [777, 9]]
    with pytest.raises(BadInput, match=r"a\.inkml: it has changed"):
        read_strokes(second)
    sample = Sample("l", draw(tmp_path / "x.png", 200, 100), "text", region=Region(BOX))
    assert read_line(sample).max() == 255
    draw(tmp_path / "x.png", 200, 100, grey=9)
    assert read_line(sample).max() == 9
