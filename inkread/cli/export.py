"""`inkread export`: a model as an ONNX file."""

from pathlib import Path

import click


@click.command("export")
@click.argument("model", metavar="MODEL")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.onnx",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
def command(model: str, out: Path, force: bool) -> None:
    """Export a model as an ONNX file, which other programs run without inkread or torch.

    MODEL is the name of an included model or a file that `inkread train` has written. The inputs of the network are
    `columns`, the feature vectors (B, T0, F) of B lines, zero beyond the end of each, and `lengths`, the number of
    vectors (B,). The outputs are `log_probs` (T, B, C), the log-probabilities of the labels, label 0 being the CTC
    blank, and `steps` (B,), how many of the T steps belong to each line. The alphabet, the settings of the features and
    the version of the preprocessing are in the metadata.

    \b
    Examples:
      inkread export latin -o latin.onnx
      inkread export mine.safetensors -o mine.onnx --force
    """
    from inkread._files import check_new, check_writable, write_atomic
    from inkread.model.checkpoint import load_model
    from inkread.model.onnx_graph import export

    if out.suffix.lower() != ".onnx":
        raise click.UsageError(f"--out {out}: must end in .onnx")
    check_writable(out)
    if not force:
        check_new(out)
    write_atomic(out, export(load_model(model)))
