"""The report of a training: what it shows while the training runs, after its end, and when it is continued."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import TINY, done, refused

from inkread.training import report as module
from inkread.training.finetune import Plan, plan_training
from inkread.training.loop import Progress
from inkread.training.report import TrainingReport, training_report

STEP = Progress(
    step=1, epoch=0, samples=8, minutes=0.1, share=0.1, loss=4.0, norm=12.0, clipped=5.0, scaled=1.0,
    learning_rate=1e-3, lines_per_second=1.3, waiting=0.1,
)  # fmt: skip


def at(step: int, **changes: float) -> Progress:
    """The progress after a step that takes 6 seconds for 8 lines."""
    known = {"step": step, "samples": 8 * step, "minutes": 0.1 * step, "share": step / 10}
    return replace(STEP, **{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture
def plan(few: Path, tmp_path: Path) -> Plan:
    return plan_training(few, tmp_path / "<m>.safetensors", epochs=1)


def test_it_shows_the_training_while_it_runs_and_at_its_end(plan: Plan, tmp_path: Path) -> None:
    page = tmp_path / "train.html"
    with training_report(page, plan) as report:
        report(at(1))
        running = page.read_text("utf-8")
        report(at(2))
        assert page.read_text("utf-8") == running  # it is written at evaluations, and not at each step
        report(at(3, cer=0.5, best=0.25))
        evaluated = page.read_text("utf-8")
        report(at(10, cer=0.4, best=0.125))
    for text in (running, evaluated):
        assert "Running, " in text and text.count('http-equiv="refresh"') == 1
    assert "25.00 %" in evaluated and "25.00 %" not in running
    final = page.read_text("utf-8")
    assert "Finished, " in final and "refresh" not in final and "12.50 %" in final
    assert "Training of &lt;m&gt;.safetensors" in final and "clip=5.0\tdefault" in final
    titles = re.findall('class="title"[^>]*>([^<]*)<', final)
    assert titles == ["Loss", "Error rate", "Gradient norm", "Learning rate", "Throughput, with evaluations"]
    assert "threshold τ" in final and not re.search(r"(href|src)=|url\(|@import", final)
    assert [file.name for file in tmp_path.iterdir()] == ["train.html"]


def test_a_training_that_stops_says_so(plan: Plan, tmp_path: Path) -> None:
    page = tmp_path / "train.html"
    with pytest.raises(KeyboardInterrupt), training_report(page, plan) as report:
        report(at(1))
        raise KeyboardInterrupt
    assert "Stopped, " in page.read_text("utf-8") and "refresh" not in page.read_text("utf-8")


def test_a_training_that_does_not_begin_leaves_the_file_alone(plan: Plan, tmp_path: Path) -> None:
    page = tmp_path / "train.html"
    page.write_text("of another training")
    with pytest.raises(KeyboardInterrupt), training_report(page, plan):
        raise KeyboardInterrupt
    assert page.read_text() == "of another training"


def test_neighbours_are_averaged_if_there_are_many_steps(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_POINTS", 4)
    report = TrainingReport(tmp_path / "train.html", plan)
    for step in range(1, 23):
        report.add(at(step, loss=float(step)))
    # The first eight became means of two; with the next eight, four of four; then four are collected for each.
    assert [point.loss for point in report.points] == [2.5, 6.5, 10.5, 14.5, 18.5]
    assert [point.loss for point in report.steps] == [21, 22]
    assert report.points[-1].samples == 8 * 18.5


def test_a_resumed_training_shows_what_came_before(few: Path, tmp_path: Path) -> None:
    plan = plan_training(few, tmp_path / "m.safetensors", epochs=1)
    rows = [vars(at(step, cer=0.5 / step, best=0.5 / step)) for step in (1, 2)]
    old = {**rows[0], "of an older version": 1}
    (tmp_path / "m.log.jsonl").write_text(
        "\n".join([*map(json.dumps, [old, *rows]), '{"step": 3, "ep']), encoding="utf-8"
    )
    page = tmp_path / "train.html"
    with training_report(page, plan, resume=True) as report:
        report(at(3))
    assert "25.00 %" in page.read_text("utf-8")
    dots = re.findall('stroke-linecap="round" d="([^"]*)"', page.read_text("utf-8"))
    assert [path.count("M") for path in dots] == [2]


def test_the_command_writes_a_report(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    page = tmp_path / "train.html"
    done("train", few, *TINY, "--epochs", 2, "--out", tmp_path / "m.safetensors", "--report", page)
    text = page.read_text("utf-8")
    assert "Finished, " in text and "100%</strong><small>2 steps, epoch 2" in text
    page.unlink()
    monkeypatch.setattr("inkread.cli.train.is_first_process", lambda: False)  # of several processes, only the first
    done("train", few, *TINY, "--epochs", 1, "--out", tmp_path / "m.safetensors", "--force", "--report", page)
    assert not page.exists()
    monkeypatch.undo()
    lost = tmp_path / "lost" / "train.html"
    line = refused("train", few, *TINY, "--out", tmp_path / "n.safetensors", "--report", lost, code=4)
    assert f"{lost}: there is no folder" in line and not (tmp_path / "n.safetensors").exists()
