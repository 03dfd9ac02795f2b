"""`inkread check`."""

import json
import shutil
from pathlib import Path

import pytest
from commands import done, run
from PIL import Image

pytestmark = pytest.mark.usefixtures("one_process")


def test_check(few: Path, model: Path, tmp_path: Path) -> None:
    assert done("check", few, "--model", model).stdout.endswith("0 left out, 0 problems\n")
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "01-scan.png").unlink()
    Image.new("L", (20, 60), 255).save(dataset / "02-ruled.png")
    (dataset / "03-scan.gt.txt").write_text("日本", encoding="utf-8")
    result = run("check", dataset, "--model", model)
    assert result.exit_code == 1 and not result.stderr
    problems = "".join(row for row in result.stdout.splitlines(True) if row.startswith("problem: "))
    for problem in ("01-scan.png: no such file", "02-ruled: its text needs", "03-scan: the model has no '日' (U+65E5)"):
        assert problem in problems
    asked = run("check", dataset, "--model", model, "--json")
    assert asked.exit_code == 1 and len(json.loads(asked.stdout)["problems"]) == 3


def test_characters_missing_in_the_default_model_are_notes(few: Path, shelf: Path, tmp_path: Path) -> None:
    assert "note: " not in done("check", few).stdout
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "03-scan.gt.txt").write_text("日本", encoding="utf-8")
    note = (
        "the model latin has no '日' (U+65E5), '本' (U+672C), in 1 of 4 lines: it cannot read them; "
        "`inkread train --from latin` adds them"
    )
    assert f"\nnote: {note}\n0 left out, 0 problems\n" in done("check", dataset).stdout
    assert json.loads(done("check", dataset, "--json").stdout)["notes"] == [note]
    named = run("check", dataset, "--model", "latin").stdout
    assert "note: " not in named and "with this model adds them" in named and "1 problems" in named
    (shelf / "latin.safetensors").unlink()
    assert "note: " not in done("check", dataset).stdout
