"""`inkread check` finds what would stop or spoil a training."""

import json
from pathlib import Path

from small_datasets import ALTO, ALTO_LINE, draw

from inkread.data import open_dataset
from inkread.data.check import check_dataset


def test_check_names_every_problem(tmp_path: Path) -> None:
    draw(tmp_path / "good.png", 40)
    draw(tmp_path / "narrow.png", 16)
    cut = draw(tmp_path / "cut.png", 300, 200).read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    rows = ["good.png\tab ab\tanna", "narrow.png\tabba\tanna", "cut.png\tab\tbert", "gone.png\té\t", "good.png\t\tanna"]
    (tmp_path / "lines.tsv").write_text("file\ttext\twriter\n" + "\n".join(rows))
    seen: list[tuple[int, int]] = []
    report = check_dataset(
        open_dataset(str(tmp_path)), set("ab "), lambda picture: picture.shape[1] // 4, lambda *done: seen.append(done)
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    found = {problem.where: problem.what for problem in report.problems}
    assert [problem.where for problem in report.problems] == ["narrow.png", "gone.png", "cut.png", "gone.png"]
    assert "needs 5 steps" in found["narrow.png"] and "give 4" in found["narrow.png"], "b-b needs a blank between"
    assert "cut short" in found["cut.png"]
    assert "no 'é' (U+00E9)" in report.problems[1].what and "no such file" in report.problems[3].what
    assert (report.lines, report.characters, report.writers) == (4, 12, 2)
    assert report.alphabet == {" ": 1, "a": 5, "b": 5, "é": 1}
    assert report.widths == (16, 16, 16, 40, 40) or report.widths == (16, 16, 40, 40, 40)
    assert report.skipped == ("good.png: no text",)
    assert json.loads(json.dumps(report.as_dict()))["problems"][0]["where"] == "narrow.png"
    text = str(report)
    assert "problem: cut.png: " in text and text.endswith("1 left out, 4 problems")


def test_check_names_a_missing_page_once(tmp_path: Path) -> None:
    lines = "".join(ALTO_LINE.format("", "10 20 110 20 110 50") for _ in range(3))
    (tmp_path / "x.xml").write_text(ALTO.format(picture="x.png", lines=lines))
    (problem,) = check_dataset(open_dataset(str(tmp_path))).problems
    assert problem.where == "x/l and 2 more" and "no such file" in problem.what


def test_a_good_dataset_has_no_problems(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("ab")
    report = check_dataset(open_dataset(str(tmp_path)), set("ab"), lambda picture: 2)
    assert report.problems == () and report.heights == (20,) * 5
