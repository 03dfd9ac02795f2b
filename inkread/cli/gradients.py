"""`inkread gradients`: show how gradients vanish or explode."""

from pathlib import Path
from typing import get_args

import click

from inkread.cli.display import print_line, progress_bar
from inkread.config import CELLS, PRESETS, Activation


@click.command("gradients")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.argument("dataset")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), help="Compare new networks with every cell, instead of models."
)
@click.option(
    "--truncate",
    type=click.IntRange(min=0),
    metavar="K",
    help="Truncate backpropagation through time to K steps; by default as in the training of the model.",
)
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="IMAGE.svg",
    help="The image to write.",
)
def command(models: tuple[str, ...], dataset: str, preset: str | None, truncate: int | None, out: Path) -> None:
    """Plot the gradient of the loss of one step T with respect to the hidden states of all other steps.

    Each MODEL is an included model or a file. It is shown before and after its training, next to other models. With
    --preset, new networks are compared instead: Elman cells with each activation, GRU and LSTM.

    The curves show the norm of the gradient in the last layer, to the left of T for cells that read forwards, and to
    the right for those that read from the end. The dashed lines are bounds: with Elman cells, the norm grows in each
    step at most by the largest slope of the activation times the largest singular value of W_h (Pascanu 2013). The
    heat maps show all layers in both directions. All is relative to the norm at T, and the median over eight lines of
    the dataset. Where truncation cuts the gradient, it is 0: grey in a heat map.

    Prints for each network, separated by tabs: its name, before or after its training, after how many steps back the
    gradient is below 1 %, and the bound per step.

    \b
    Examples:
      inkread gradients --preset elman datasets/sample -o cells.svg
      inkread gradients --preset elman --truncate 20 datasets/sample -o truncated.svg
      inkread gradients tanh.safetensors relu.safetensors lstm.safetensors my-lines -o trained.svg
    """
    if bool(models) == bool(preset):
        raise click.UsageError("give models or --preset" if not models else "give models or --preset, not both")
    if out.suffix != ".svg":
        raise click.UsageError(f"--out {out}: must end in .svg")
    from inkread._files import check_writable, write_atomic
    from inkread.data import open_dataset
    from inkread.training.gradients import choose_lines, draw_flows, flows_of_model, flows_of_preset

    check_writable(out)
    lines = choose_lines(open_dataset(dataset).samples)
    with progress_bar("measuring", len(models) or len(CELLS) + len(get_args(Activation)) - 1) as tick:
        if preset:
            flows = flows_of_preset(preset, lines, truncate or 0, tick)
        else:
            flows = []
            for number, model in enumerate(models, start=1):
                flows += flows_of_model(model, lines, truncate)
                tick(number, len(models))
    write_atomic(out, draw_flows(flows).encode())
    for flow in flows:
        print_line(flow.describe())
