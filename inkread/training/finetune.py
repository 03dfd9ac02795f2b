"""How a training is set up: the settings and where each comes from, the lines, and the validation lines.

`plan_training` decides all of this and changes nothing; `train_model` plans and trains. `inkread train` and
`inkread.train` are this function.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from inkread._files import check_new, check_writable
from inkread.config import PRESETS, NetworkConfig, TrainingConfig, configure, format_value, read_config
from inkread.data import Dataset, Sample, open_dataset, open_weighted
from inkread.data.samples import is_ink, prepared_sets
from inkread.errors import BadConfig, BadDataset, CannotWrite
from inkread.model.checkpoint import Model, load_model
from inkread.training.loop import DEV_LINES, Progress, train
from inkread.training.resume import checkpoint_of

logger = logging.getLogger("inkread")

MINUTES = 30.0  # of training, if neither minutes nor epochs are given
FEW_LINES = 100  # with fewer lines, a tenth is too few to measure an error rate, and is missed in training
# The settings below were measured on the lines of single writers, see experiments/LOG.md.
FINE_TUNING = {"learning_rate": 2e-3, "ema": 0.99}  # instead of the preset's when a training starts from a model
FEW_LINES_SETTINGS = {  # in addition, with few lines: more epochs do not help, and interpolation prevents forgetting
    "epochs": 30,
    "batch": 8,
    "photographed": 0.0,
    "spliced": 0.3,
    "interpolation": 0.7,
    "evaluations": 5,
}


@dataclass(frozen=True)
class Plan:
    """Everything that a training needs to start."""

    samples: tuple[Sample, ...]
    dev_samples: tuple[Sample, ...]  # the validation lines; the same as `samples` if these are few
    out: Path
    network: NetworkConfig
    training: TrainingConfig
    origins: dict[str, str]  # where the value of each setting comes from
    start: Model | None
    facts: dict[str, Any]  # about the training, for the model file

    @property
    def validates_on_training_lines(self) -> bool:
        return self.samples == self.dev_samples

    def describe(self) -> list[str]:
        """One line of text for each setting, then what would be trained on what.

        The settings are written as `name=value`, a tab, and where the value comes from.
        """
        values = {**self.network.to_dict(), **self.training.to_dict()}
        rows = [f"{name}={format_value(value)}\t{self.origins[name]}" for name, value in values.items()]
        validation = "training lines" if self.validates_on_training_lines else "validation lines"
        start = f"fine-tunes {self.facts['from']}" if self.start else "starts with random weights"
        return [
            *rows,
            f"{len(self.samples)} training lines{self._epoch()}",
            f"{min(len(self.dev_samples), DEV_LINES)} {validation} to measure the error rate on",
            f"{start}, and writes {self.out}",
        ]

    def _epoch(self) -> str:
        """How many lines an epoch has, if they have weights."""
        lines = round(sum(sample.weight for sample in self.samples))
        weighted = any(sample.weight != 1 for sample in self.samples)
        return f", {lines} in each epoch" if weighted else ""


@dataclass(frozen=True)
class TrainingResult:
    """The model that was written."""

    path: Path
    cer: float  # character error rate of the saved weights, 0..1, on `dev_lines`
    dev_lines: int
    validated_on_training_lines: bool


def train_model(
    datasets: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    dev: str | Path | None = None,
    start: str | Path | None = None,
    preset: str | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    settings: dict[str, Any] | None = None,
    config: str | Path | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Progress], None] | None = None,
    loading: Callable[[int, int], None] | None = None,
) -> TrainingResult:
    """Train a model on lines with known text, and write it to `out`, a file that ends in .safetensors.

    `datasets` are one or several of PATH or PATH:SPLIT, which may end in *WEIGHT, and `dev` is one of them with
    validation lines, without a weight; without `dev`, a tenth of the lines is held out. `start` is a model to
    fine-tune, by name or file; otherwise `preset` names the network. The training takes `minutes`, or `epochs` passes
    over the lines, whichever ends first; 30 minutes if neither is given. `settings` change single settings and take
    precedence over the TOML file `config`. `device` is "auto" (a GPU if there is one), "cpu", "cuda:1" and so on.
    `resume` continues a training that was stopped, and `overwrite` permits to replace a file.
    `report` is called after every step, and `loading(done, total)` while the lines are prepared. If `report` raises an
    exception, the training stops with a checkpoint.

    On a CPU with two cores or more, a second process is started to help, so a script that calls this needs
    no `if __name__ == "__main__"`: it is not run again. SIGTERM raises SystemExit, unless the program handles it.
    Raises BadDataset, BadModel, BadConfig, CannotWrite, and TrainingFailed if the loss is not a number any more.
    """
    plan = plan_training(
        datasets, out, dev=dev, start=start, preset=preset, minutes=minutes, epochs=epochs, settings=settings,
        config=config, resume=resume, overwrite=overwrite,
    )  # fmt: skip
    return run_plan(plan, device=device, resume=resume, overwrite=overwrite, report=report, loading=loading)


def run_plan(
    plan: Plan,
    *,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Progress], None] | None = None,
    loading: Callable[[int, int], None] | None = None,
) -> TrainingResult:
    """Train as planned; the arguments are those of `train_model`."""
    cer = train(
        plan.samples, plan.dev_samples, plan.out, plan.network, plan.training, start=plan.start, resume=resume,
        overwrite=overwrite, facts=plan.facts, device=device, report=report, loading=loading,
    )  # fmt: skip
    dev_lines = min(len(plan.dev_samples), DEV_LINES)
    return TrainingResult(plan.out, cer, dev_lines, plan.validates_on_training_lines)


def plan_training(
    datasets: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    dev: str | Path | None = None,
    start: str | Path | None = None,
    preset: str | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    settings: dict[str, Any] | None = None,
    config: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Plan:
    """Decide on the settings, the lines and the validation lines, without training. The arguments and errors are those
    of `train_model`.
    """
    names = [str(name) for name in ([datasets] if isinstance(datasets, str | Path) else datasets)]
    out = Path(out)
    _check_output(out, resume, overwrite)
    if start and preset:
        raise BadConfig("a preset and a model to start from: the model has its own network", hint="give one of them")
    if preset and preset not in PRESETS:
        raise BadConfig(f"preset {preset}: must be one of {', '.join(PRESETS)}")
    samples = open_all(names)
    model = load_model(str(start)) if start else None
    if not preset and not model and all(is_ink(sample) for sample in samples):
        preset = "strokes"
        logger.info(
            "only pen strokes: training a model of pen strokes (preset strokes); "
            "with preset base it learns to read their images"
        )
    given = [
        ("config file", read_config(Path(config)) if config else {}),
        ("--set", settings or {}),
        ("--minutes", {"minutes": minutes} if minutes else {}),
        ("--epochs", {"epochs": epochs} if epochs else {}),
    ]
    network, training, origins = effective_settings(model, preset or "base", given, len(samples))
    if model and not _can_grow_into(network, model.config):
        raise BadConfig(
            f"--from {start} brings its own network: only its dropout can be changed, and hidden and channels raised"
        )
    dev_samples = _used(open_dataset(str(dev))) if dev else ()
    for prepared in prepared_sets(samples):
        prepared.check_fits(network, training.loss == "ctc" and training.photographed > 0)
    for prepared in prepared_sets(dev_samples):
        prepared.check_fits(network)
    if not dev:
        samples, dev_samples = hold_out(samples)
    few = dev_samples == samples
    facts = {
        "trained_on": [_file_name(name) for name in names],
        "lines": len(samples),
        "dev": _file_name(str(dev)) if dev else "the training lines" if few else "a tenth of them",
        "from": _file_name(str(start or "")),
    }
    if model and "lm" in model.facts and _characters(samples) <= set(model.alphabet.characters):
        facts["lm"] = model.facts["lm"]  # no new characters, so the languages are the same
    if model and "calibration" in model.facts:
        facts["calibration"] = model.facts["calibration"]  # closer than the default
    return Plan(samples, dev_samples, out, network, training, origins, model, facts)


def effective_settings(
    start: Model | None, preset: str, given: Sequence[tuple[str, dict[str, Any]]], lines: int
) -> tuple[NetworkConfig, TrainingConfig, dict[str, str]]:
    """The settings of a training on `lines` lines, and where the value of each comes from.

    They are those of the preset, or of the model to start from and its fine-tuning, changed by the `given` ones in
    their order, each with its origin. Raises BadConfig for a wrong value, or one that needs a model to start from.
    """
    network, training = PRESETS[preset]
    defaults = {**NetworkConfig().to_dict(), **TrainingConfig().to_dict()}
    of_preset = {**network.to_dict(), **training.to_dict()}
    origins = {name: "default" if of_preset[name] == defaults[name] else f"preset {preset}" for name in defaults}
    layers = list(given)
    if start:
        network = start.config
        origins |= dict.fromkeys(network.to_dict(), "the model to start from")
        few = [("fine-tuning on few lines", FEW_LINES_SETTINGS)] if lines < FEW_LINES else []
        layers = [("fine-tuning", FINE_TUNING), *few, *layers]
    values: dict[str, Any] = {}
    for origin, changes in layers:
        values |= changes
        origins |= dict.fromkeys(changes, origin)
    network, training = configure(network, training, values)
    if training.interpolation < 1 and not start:
        raise BadConfig(f"interpolation={training.interpolation}: no model to interpolate with", hint="add --from")
    if not training.minutes and not training.epochs:
        training = training.replace({"minutes": MINUTES})
        origins["minutes"] = "default"
    return network, training, origins


def hold_out(samples: tuple[Sample, ...]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Nine tenths of the lines to train on, and one tenth to validate on.

    The choice depends on the names of the lines alone. Few lines are all used for both.
    """
    if len(samples) < 2:
        raise BadDataset("one line is too few to train on", hint="give more")
    if len(samples) < FEW_LINES:
        logger.info(f"no --dev, and {len(samples)} lines are few: training and validation use all of them")
        return samples, samples
    order = sorted(samples, key=lambda sample: sha256(sample.id.encode()).digest())
    count = len(samples) // 10
    logger.info(f"no --dev: {count} of {len(samples)} lines are held out for validation")
    return tuple(order[count:]), tuple(order[:count])


def _check_output(out: Path, resume: bool, overwrite: bool) -> None:
    """Raise CannotWrite or BadConfig now instead of after the training."""
    if out.suffix != ".safetensors":
        raise BadConfig("must end in .safetensors", path=out)
    check_writable(out)
    if not resume and not overwrite:
        checkpoint = checkpoint_of(out)
        if checkpoint.exists():
            problem = "belongs to a training that was stopped"
            raise CannotWrite(problem, path=checkpoint, hint="continue it with --resume, or delete it with --force")
        check_new(out)


def open_all(names: Iterable[str]) -> tuple[Sample, ...]:
    """The samples of datasets that may have weights, PATH:SPLIT*WEIGHT. A dataset that is named twice counts twice."""
    samples: list[Sample] = []
    for name, times in Counter(names).items():
        of_dataset = _used(open_weighted(name))
        samples += of_dataset if times == 1 else [replace(one, weight=times * one.weight) for one in of_dataset]
    return tuple(samples)


def _used(dataset: Dataset) -> tuple[Sample, ...]:
    """The samples of a dataset; the log tells which lines are left out."""
    for reason in dataset.skipped:
        logger.warning(f"left out: {reason}")
    for text in dataset.notes:
        logger.warning(f"note: {text}")
    return dataset.samples


def _can_grow_into(network: NetworkConfig, start: NetworkConfig) -> bool:
    """Does a network differ from the one to start from only in dropout, more cells and wider convolutions?"""
    sizes, least = ((config.hidden, *config.channels) for config in (network, start))
    return (
        network.replace({name: getattr(start, name) for name in ("dropout", "hidden", "channels")}) == start
        and len(sizes) == len(least)
        and all(size >= old for size, old in zip(sizes, least, strict=True))
    )


def _file_name(path: str) -> str:
    """The name of a file without its folder, which is private; � stands for what is not UTF-8."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def _characters(samples: tuple[Sample, ...]) -> set[str]:
    return set().union(*(sample.text for sample in samples))
