"""`inkread train`: train a model."""

from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from inkread.cli.display import counted, is_first_process, note, print_line, training_display
from inkread.cli.options import device_option, name_and_value, threads_option
from inkread.config import PRESETS, NetworkConfig, TrainingConfig, format_value

if TYPE_CHECKING:
    from inkread.training.loop import Progress


def _list_of_settings() -> str:
    """Every setting with its default, for the help."""
    rows = []
    for config in (NetworkConfig(), TrainingConfig()):
        for field in fields(config):
            value = getattr(config, field.name)
            choices = [choice for choice in get_args(field.type) if choice != value]
            among = f"  or {', '.join(choices)}" if value in get_args(field.type) else ""
            meaning = field.metadata["help"]
            rows.append(f"  {field.name}={format_value(value)}{among}\n      {meaning}")
    return "\b\nSettings and their defaults, which a preset may change:\n" + "\n".join(rows)


@click.command("train", epilog=_list_of_settings())
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--dev",
    metavar="DATASET",
    help="Validation lines, on which the best weights are chosen. By default a tenth of the lines is held out; "
    "if there are fewer than 100 lines, all are used for both.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.safetensors",
    help="The model to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the model, and delete the checkpoint of a stopped training.")
@click.option("--preset", type=click.Choice(list(PRESETS)), help="The network: base, or strokes for pen strokes.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Train for this time; 30 by default.")
@click.option("--epochs", type=click.IntRange(min=1), help="Stop after this many passes over the lines.")
@click.option("--from", "start", metavar="NAME|FILE", help="Fine-tune an included model, or a file.")
@click.option("--resume", is_flag=True, help="Continue a training that was stopped; repeat its command.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE.toml", help="Read settings from a file.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a setting, e.g. cell=gru; can be repeated."
)
@device_option
@threads_option
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="Plot loss, error rate, gradient norms, learning rate and speed, during and after the training.",
)
@click.option("--dry-run", is_flag=True, help="Print the settings and where each comes from, without training.")
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
    device: str,
    report_file: Path | None,
    dry_run: bool,
) -> None:
    """Train a model on lines with known text.

    DATASET is PATH or PATH:SPLIT, as for `eval`, or PATH:SPLIT*WEIGHT: with *7, each line is used seven times per
    epoch, and with *0.5 half of the lines. `prepare` makes a dataset from which a training starts in seconds.

    A new model is trained, or with --from an existing one is fine-tuned. NAME.safetensors contains the weights with
    the lowest error rate on the validation lines. NAME.log.jsonl contains one line per evaluation. A training that was
    stopped continues with --resume. The page of --report can be opened while the training runs, and refreshes itself.

    \b
    Presets:
      base     convolutions and three bidirectional LSTM layers; the default
      small    a third of the size and time
      elman    pixel columns and Elman cells, without convolutions
      strokes  reads pen strokes instead of images; 1.8 M weights

    Every setting listed below can be changed with --set or --config.

    \b
    Examples:
      inkread train iam:trainset --dev iam:validationset1 --out iam.safetensors --minutes 60
      inkread train my-lines --from latin --out mine.safetensors --minutes 10
      inkread train 'my-lines:train*7' more-lines --dev my-lines:dev --from latin --out mine.safetensors
      inkread train more-lines --from latin --set hidden=256 --out larger.safetensors --minutes 600
      inkread train lines.tsv --preset elman --set activation=relu --set truncate=50 --out elman.safetensors
      inkread train my-lines --from latin --out mine.safetensors --report mine.html
      inkread train my-lines --from latin --out mine.safetensors --dry-run
      torchrun --nproc-per-node 2 -m inkread train lines.tsv --out model.safetensors
    """
    if out.suffix != ".safetensors":
        raise click.UsageError(f"--out {out}: must end in .safetensors")
    if start and preset:
        raise click.UsageError("--from brings its own network: leave --preset out")
    changes = dict(name_and_value(setting) for setting in settings)

    from inkread.training.finetune import plan_training, run_plan
    from inkread.training.loop import keep_freed_memory
    from inkread.training.report import training_report
    from inkread.training.resume import checkpoint_of

    plan = plan_training(
        datasets, out, dev=dev, start=start, preset=preset, minutes=minutes, epochs=epochs, settings=changes,
        config=config, resume=resume, overwrite=force,
    )  # fmt: skip
    if dry_run:
        for row in plan.describe():
            print_line(row)
        return
    keep_freed_memory()
    try:
        with ExitStack() as stack:
            display, loading = stack.enter_context(training_display(out))
            reports = [display]
            if report_file and is_first_process():
                reports.append(stack.enter_context(training_report(report_file, plan, resume)))

            def report(progress: "Progress") -> None:
                for show in reports:
                    show(progress)

            result = run_plan(plan, device=device, resume=resume, overwrite=force, report=report, loading=loading)
    except (KeyboardInterrupt, SystemExit):
        if checkpoint_of(out).exists():
            note("stopped; repeat the command with --resume to continue from the last checkpoint")
        raise
    kind = "training line" if result.validated_on_training_lines else "validation line"
    note(f"wrote {out}: CER {100 * result.cer:.2f} % on {counted(result.dev_lines, kind)}")
