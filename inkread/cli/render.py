"""`inkread render`: draw pen strokes as an image."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_writable
from inkread.errors import BadInput

if TYPE_CHECKING:
    pass


@click.command("render")
@click.argument("ink")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PICTURE.png",
    help="The picture to write.",
)
def command(ink: str, out: Path) -> None:
    """Draw pen strokes as a picture.

    INK is a file of pen strokes: InkML, IAM-OnDB's XML, UNIPEN or JSON, told apart by looking at it; `-` is standard
    input. The picture is black on white, small letters 22 pixels high.

    \b
    Examples:
      inkread render notes.inkml -o notes.png
      head -n 1 inks.jsonl | inkread render - -o first.png
    """
    from io import BytesIO

    from PIL import Image

    from inkread._files import write_atomic
    from inkread.features.render import draw_ink
    from inkread.inputs import read_inks

    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: must end in .png")
    check_writable(out)
    pages = read_inks(ink, whole=True)
    if len(pages) > 1:
        raise BadInput(f"{ink}: {len(pages)} inks, one a line; draw one of them: head -n 1 FILE | inkread render - ...")
    buffer = BytesIO()
    Image.fromarray(draw_ink(pages[0].strokes)).save(buffer, "PNG")
    write_atomic(out, buffer.getvalue())
