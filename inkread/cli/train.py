"""`inkread train`: train a model."""

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from inkread._files import check_new, check_writable
from inkread.cli.display import counted, note, print_notes, training_display
from inkread.cli.options import name_and_value
from inkread.config import (
    PRESETS,
    NetworkConfig,
    TrainingConfig,
    configure,
    read_config,
)
from inkread.errors import BadConfig, BadDataset, CannotWrite

if TYPE_CHECKING:
    from inkread.data import Dataset, Sample
    from inkread.model.checkpoint import Model

MINUTES = 30.0  # of training, when neither minutes nor epochs are given
FEW_LINES = 100  # a tenth of fewer tells nothing, and would be missed in training
FINE_TUNING = {"learning_rate": 2e-3, "ema": 0.99}  # what `train --from` starts with instead of the preset's
# ... and with few lines: more passes bring nothing more, and the blend keeps what was read well before.
OWN_HAND = {"epochs": 30, "batch": 8, "photographed": 0.0, "spliced": 0.3, "interpolation": 0.7, "evaluations": 5}


def _all_settings() -> str:
    """Every setting with its default value, for the help of `train`."""
    rows = []
    for settings in (NetworkConfig(), TrainingConfig()):
        for field in fields(settings):
            value = getattr(settings, field.name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
            choices = (
                [choice for choice in get_args(field.type) if choice != value] if value in get_args(field.type) else []
            )
            rows.append(f"  {field.name}={shown}" + (f"  or {', '.join(choices)}" if choices else ""))
    return "\b\nSettings and their defaults, which a preset may change:\n" + "\n".join(rows)


@click.command("train", epilog=_all_settings())
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--dev", metavar="DATASET", help="Validation lines, to choose the best weights by; else a tenth of DATASET."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.safetensors",
    help="The model to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the model, and delete the checkpoint of a stopped training.")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), help="The network; if not given base, or strokes for pen strokes."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for so long; 30 if not given.")
@click.option("--epochs", type=click.IntRange(min=1), help="Or for so many passes over the lines.")
@click.option("--from", "start", metavar="MODEL", help="Go on from a model that ships, or a file.")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped; give the same command.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE.toml", help="Settings from a file.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting, e.g. cell=gru; as often as needed."
)
def command(
    datasets: tuple[str, ...],
    dev: str | None,
    out: Path,
    force: bool,
    preset: str | None,
    minutes: float | None,
    epochs: int | None,
    start: str | None,
    resume: bool,
    config: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Train a model on lines with known text.

    The model that reads the validation lines best is kept in NAME.safetensors; NAME.log.jsonl tells how it went. A
    training that was stopped, however, goes on with --resume.

    \b
    Presets:
      base    convolutions and three bidirectional LSTM layers; the default
      small   a third of the size and time
      elman   the plain lecture: pixel columns, Elman cells, no convolution
      strokes reads pen strokes point by point, not pictures; 1.8 M weights

    Every setting listed below can be changed with --set or --config.

    \b
    Examples:
      inkread train iam:trainset --dev iam:validationset1 --out iam.safetensors --minutes 60
      inkread train my-lines --from latin --out mine.safetensors --minutes 10
      inkread train more-lines --from latin --set hidden=256 --out larger.safetensors --minutes 600
      inkread train lines.tsv --preset elman --set activation=relu --set truncate=50 --out elman.safetensors
      torchrun --nproc-per-node 2 -m inkread train lines.tsv --out model.safetensors
    """
    from inkread.data import open_dataset
    from inkread.data.samples import is_ink
    from inkread.model.checkpoint import load_model
    from inkread.train.loop import DEV_LINES, keep_freed_memory
    from inkread.train.loop import train as learn

    if out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out}: must end in .safetensors")
    if start and preset:
        raise click.UsageError("--from brings its own network: leave --preset out")
    check_writable(out)
    checkpoint = out.with_suffix(".checkpoint")
    if not resume and not force:
        if checkpoint.exists():
            raise CannotWrite(
                f"{checkpoint}: of a training that was stopped; go on with --resume, or delete it by --force"
            )
        check_new(out)
    samples = tuple(sample for name in datasets for sample in _usable(open_dataset(name)))
    model = load_model(start) if start else None
    if not preset and not model and all(is_ink(sample) for sample in samples):
        preset = "strokes"
        note("pen strokes alone: preset strokes; --preset base learns to read their drawing")
    values = read_config(config) if config else {}
    values |= dict(name_and_value(setting) for setting in settings)
    values |= {name: value for name, value in (("minutes", minutes), ("epochs", epochs)) if value}
    network, training = _configured(model, preset or "base", values, len(samples))
    if model and not _is_grown(network, model.config):
        raise BadConfig(
            f"--from {start} brings its own network: only its dropout can be changed, and hidden and channels raised"
        )
    if dev:
        dev_samples = tuple(_usable(open_dataset(dev)))
    else:
        samples, dev_samples = _set_aside(samples)
    on_training_lines = dev_samples == samples
    facts = {
        "trained_on": [_name_of(name) for name in datasets],
        "lines": len(samples),
        "dev": _name_of(dev) if dev else "the training lines" if on_training_lines else "a tenth of them",
        "from": _name_of(start or ""),
    }
    if model and "lm" in model.facts and _characters(samples) <= set(model.alphabet.characters):
        facts["lm"] = model.facts["lm"]  # no new letters, so the languages are the same
    keep_freed_memory()
    try:
        with training_display(out) as (report, loading):
            cer = learn(
                samples, dev_samples, out, network, training, start=model, resume=resume, overwrite=force,
                facts=facts, report=report, note=note, loading=loading,
            )  # fmt: skip
    except (KeyboardInterrupt, SystemExit):
        if checkpoint.exists():
            note("stopped; the same command with --resume goes on from the last minute")
        raise
    measured = counted(min(len(dev_samples), DEV_LINES), "training line" if on_training_lines else "validation line")
    note(f"wrote {out}: CER {100 * cer:.2f} % on {measured}")


def _name_of(path: str) -> str:
    """The name of a file without its folder, as a model is given to others, and with � where it is not UTF-8."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def _configured(
    start: "Model | None", preset: str, values: dict[str, Any], lines: int
) -> tuple[NetworkConfig, TrainingConfig]:
    """The network and training for so many lines: of a preset, or of the model to start from, with the user's values.

    Raises BadConfig for a value that is none, or that needs a start.
    """
    network, training = PRESETS[preset]
    if start:
        values = {**FINE_TUNING, **(OWN_HAND if lines < FEW_LINES else {}), **values}
        network = start.config
    network, training = configure(network, training, values)
    if training.interpolation < 1 and not start:
        raise BadConfig(f"interpolation={training.interpolation}: no model to interpolate with; add --from")
    if not training.minutes and not training.epochs:
        training = training.replace({"minutes": MINUTES})
    return network, training


def _is_grown(network: NetworkConfig, start: NetworkConfig) -> bool:
    """Is a network the one it starts from, but for dropout, more cells and wider convolutions?"""
    sizes, least = ((config.hidden, *config.channels) for config in (network, start))
    return (
        network.replace({name: getattr(start, name) for name in ("dropout", "hidden", "channels")}) == start
        and len(sizes) == len(least)
        and all(size >= old for size, old in zip(sizes, least, strict=True))
    )


def _usable(dataset: "Dataset") -> tuple["Sample", ...]:
    for reason in dataset.skipped:
        note(f"left out: {reason}")
    print_notes(dataset)
    return dataset.samples


def _set_aside(samples: tuple["Sample", ...]) -> tuple[tuple["Sample", ...], tuple["Sample", ...]]:
    """(nine tenths, one tenth) of the lines; which, depends on their names alone. Of few lines, twice all of them."""
    from hashlib import sha256

    if len(samples) < 2:
        raise BadDataset("one line is too few to learn from; give more")
    if len(samples) < FEW_LINES:
        note(f"no --dev, and {len(samples)} lines are few: all are learned, and the error rate is measured on them")
        return samples, samples
    order = sorted(samples, key=lambda sample: sha256(sample.id.encode()).digest())
    count = len(samples) // 10
    note(f"no --dev: {count} of {len(samples)} lines are set aside for validation")
    return tuple(order[count:]), tuple(order[:count])


def _characters(samples: tuple["Sample", ...]) -> set[str]:
    return set().union(*(sample.text for sample in samples))
