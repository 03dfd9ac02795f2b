"""`inkread eval`."""

import json
import re
import shutil
from pathlib import Path

import pytest
from commands import done, refused, run

pytestmark = pytest.mark.usefixtures("one_process")


def test_eval_in_words_and_in_json(few: Path, model: Path, tmp_path: Path) -> None:
    report = tmp_path / "errors.html"
    result = done("eval", few, "--model", model, "--errors", 2, "--report", report)
    assert re.match(r"CER \d+\.\d\d % \(.*\)   WER .*4 lines, .*interval: 95 % bootstrap by line\n", result.stdout)
    assert result.stdout.count("  written  ") == result.stdout.count("  read     ") == 2 and "→" in result.stdout
    assert result.stderr == f"wrote {report}\n" and report.read_text("utf-8").startswith("<!doctype html>")
    figures = json.loads(done("eval", few, "--model", model, "--json").stdout)
    assert f"CER {100 * figures['cer']:.2f} %" in result.stdout and figures["lines"] == 4


def test_eval_scores_what_can_be_read(few: Path, model: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(few, tmp_path / "lines")
    (dataset / "01-scan.png").write_bytes(b"")
    result = run("eval", dataset, "--model", model)
    assert result.exit_code == 1 and "3 lines" in result.stdout and "cannot be read: 1" in result.stdout
    assert result.stderr.startswith(f"Error: {dataset / '01-scan.png'}: ") and result.stderr.count("\n") == 1
    assert len(json.loads(run("eval", dataset, "--model", model, "--json").stdout)["failures"]) == 1


def test_a_report_that_cannot_be_written_is_told_before_the_work(few: Path, tmp_path: Path) -> None:
    """No model is looked for yet."""
    lost = tmp_path / "lost" / "report.html"
    assert f"{lost}: there is no folder" in refused("eval", few, "--report", lost, "--model", "none", code=4)
    assert "is a directory" in refused("eval", few, "--report", tmp_path, "--model", "none", code=2)
