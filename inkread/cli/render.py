"""`inkread render`: draw pen strokes as an image."""

from pathlib import Path

import click

from inkread.errors import BadInput


@click.command("render")
@click.argument("ink")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="IMAGE.png",
    help="The image to write.",
)
@click.option("--force", is_flag=True, help="Overwrite the image if it exists.")
def command(ink: str, out: Path, force: bool) -> None:
    """Draw pen strokes as an image.

    INK is a file of pen strokes with one page: Xournal++, reMarkable, SVG, InkML, IAM-OnDB XML, UNIPEN or JSON; the
    format is detected. `-` is standard input.
    The image is black on white, with small letters 22 pixels high.

    \b
    Examples:
      inkread render notes.inkml -o notes.png
      head -n 1 inks.jsonl | inkread render - -o first.png
    """
    from io import BytesIO

    from PIL import Image

    from inkread._files import check_new, check_writable, write_atomic
    from inkread.features.render import draw_ink
    from inkread.inputs import read_inks

    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: must end in .png")
    check_writable(out)
    if not force:
        check_new(out)
    inks = read_inks(ink, whole=True)
    if len(inks) > 1:
        hint = "give a file with one; of JSON Lines: head -n 1 FILE | inkread render - ..."
        raise BadInput(f"{len(inks)} pages", path=ink, hint=hint)
    buffer = BytesIO()
    Image.fromarray(draw_ink(inks[0].strokes)).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
