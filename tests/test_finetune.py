"""The training policy as a library: held-out lines, effective settings, and `train_model`."""

from pathlib import Path

import pytest

from inkread.config import TrainingConfig
from inkread.data import Sample
from inkread.errors import BadConfig, BadDataset, CannotWrite
from inkread.model.checkpoint import load_model
from inkread.training.finetune import FEW_LINES, effective_settings, hold_out, plan_training, train_model
from inkread.training.loop import Progress

SMALL = {"hidden": 8, "layers": 1, "channels": (8, 8, 8), "precision": "float32", "evaluations": 1, "photographed": 0}


@pytest.fixture(autouse=True)
def _alone(one_process: None) -> None:
    """These trainings are too small for a second process."""


def samples(count: int) -> tuple[Sample, ...]:
    return tuple(Sample(str(number), Path("line.png"), "a") for number in range(count))


def test_a_tenth_of_many_lines_is_held_out() -> None:
    training, validation = hold_out(samples(250))
    assert len(validation) == 25 and {*training, *validation} == {*samples(250)} and len(training) == 225
    assert hold_out(samples(250)[::-1]) == (training, validation)  # whatever their order


def test_few_lines_are_used_for_both() -> None:
    few = samples(FEW_LINES - 1)
    assert hold_out(few) == (few, few)
    with pytest.raises(BadDataset, match="one line is too few"):
        hold_out(few[:1])


def test_later_settings_take_precedence() -> None:
    given: list[tuple[str, dict[str, object]]] = [("first", {"batch": 4, "seed": 1}), ("second", {"batch": "8"})]
    _, training, origins = effective_settings(None, "base", given, 1000)
    assert training == TrainingConfig(batch=8, seed=1, minutes=30)
    assert (origins["batch"], origins["seed"], origins["minutes"]) == ("second", "first", "default")
    with pytest.raises(BadConfig, match="no model to interpolate with") as caught:
        effective_settings(None, "base", [("first", {"interpolation": 0.5})], 1000)
    assert caught.value.hint == "add --from"


def test_train_model_writes_a_model_and_logs(few: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "inkread")
    out, steps = tmp_path / "m.safetensors", list[Progress]()
    result = train_model(few, out, epochs=2, settings=SMALL, report=steps.append)
    assert result.path == out and result.cer == steps[-1].best and result.dev_lines == 4
    assert result.validated_on_training_lines and len(steps) == 2
    assert caplog.messages == ["no --dev, and 4 lines are few: training and validation use all of them"]
    facts = load_model(str(out)).facts
    assert (facts["trained_on"], facts["lines"], facts["dev"]) == ([few.name], 4, "the training lines")
    with pytest.raises(CannotWrite, match="exists"):
        train_model([few], out, epochs=1, settings=SMALL)
    train_model([str(few)], out, dev=few, start=out, epochs=1, overwrite=True)
    assert load_model(str(out)).facts["from"] == "m.safetensors"


def test_a_plan_refuses_what_cannot_be_trained(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    with pytest.raises(BadConfig, match=r"m\.pt: must end in \.safetensors"):
        plan_training(few, tmp_path / "m.pt")
    with pytest.raises(BadConfig, match="preset tiny: must be one of elman, small"):
        plan_training(few, out, preset="tiny")
    with pytest.raises(BadConfig, match="give one of them"):
        plan_training(few, out, preset="base", start="latin")
    (tmp_path / "m.checkpoint").touch()
    with pytest.raises(CannotWrite, match=r"m\.checkpoint: belongs to a training that was stopped"):
        plan_training(few, out)
