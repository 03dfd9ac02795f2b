"""`inkread prepare`: prepare datasets for training and evaluation."""

from pathlib import Path

import click

from inkread.cli.display import counted, note, progress_bar
from inkread.cli.options import threads_option
from inkread.config import NetworkConfig

ENDING = ".inkset"


@click.command("prepare")
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.inkset",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option(
    "--images",
    is_flag=True,
    help="Draw pen strokes, for a model of images. By default, lines that are all pen strokes are prepared for a model "
    "of pen strokes.",
)
@click.option(
    "--height",
    type=int,
    default=NetworkConfig.height,
    metavar="N",
    help=f"The height of the images, in pixels: the setting `height` of the model; {NetworkConfig.height} by default.",
)
@click.option(
    "--no-photos",
    is_flag=True,
    help="Do not store each image as a photo, too, for training with `photographed`. The file is half as large.",
)
@threads_option
def command(datasets: tuple[str, ...], out: Path, force: bool, images: bool, height: int, no_photos: bool) -> None:
    """Prepare datasets once, so that trainings start in seconds.

    Reads and normalises all lines of the datasets, on all cores, and writes them into one file. It is a dataset like
    any other for `train`, `eval` and `check`, with the same results as the datasets it was made from: NAME.inkset, or
    NAME.inkset:SPLIT for one of their splits. It can be used with all models of the same kind and height. A line takes
    about 30 kB.

    DATASET is PATH or PATH:SPLIT, as for `train`, or PATH:SPLIT*WEIGHT: the lines are stored once, and a training uses
    each of them WEIGHT times per epoch, or with a weight such as 0.5 half of them.

    Lines that cannot be read are left out, and named on stderr.

    \b
    Examples:
      inkread prepare my-lines -o lines.inkset
      inkread prepare iam:trainset 'my-lines:train*7' -o train.inkset
      inkread prepare iam:validationset1 -o dev.inkset --no-photos
      inkread train train.inkset --dev dev.inkset --out mine.safetensors
    """
    if out.suffix.lower() != ENDING:
        raise click.UsageError(f"--out {out}: must end in {ENDING}")

    from inkread._files import check_new, check_writable
    from inkread._signals import signals_as_exceptions
    from inkread._threads import available_cpus
    from inkread.data.samples import is_ink
    from inkread.training.finetune import open_all
    from inkread.training.preparation import prepare_dataset

    check_writable(out)
    if not force:
        check_new(out)
    samples = open_all(datasets)
    of_strokes = not images and all(map(is_ink, samples))
    config = NetworkConfig().replace({"features": "strokes", "channels": (1, 1)} if of_strokes else {"height": height})
    with signals_as_exceptions(), progress_bar("preparing", len(samples)) as tick:
        lines, reasons = prepare_dataset(
            samples, out, config, photos=not no_photos, overwrite=force, processes=available_cpus(), progress=tick
        )
    for reason in reasons:
        note(f"left out: {reason}")
    size = out.stat().st_size / 1e6
    note(f"wrote {out}: {counted(lines, 'line')}, {size:,.1f} MB" + f", {len(reasons)} left out" * bool(reasons))
