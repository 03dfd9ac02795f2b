"""`inkread write`: write text by hand, with a recurrent network."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread.cli.display import note, progress_bar
from inkread.config import STROKE_MODEL, SYNTHESIS_MODEL
from inkread.errors import BadInput, NothingToRead

if TYPE_CHECKING:
    from inkread.synth.synthesizer import Primer, Synthesizer

JSON_FORMATS = (".json", ".jsonl")
FORMATS = (".svg", ".png", ".inkml", *JSON_FORMATS)


@click.command("write")
@click.argument("text")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write: .svg, .png, .inkml, .json or .jsonl (one line of writing in each line).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--neatness",
    type=click.FloatRange(0, 10),
    default=1.0,
    show_default=True,
    help="0 writes as people do, good and bad; the larger, the more regular. More than 3 changes little.",
)
@click.option(
    "--like",
    metavar="INK|WRITER",
    help="Continue the style of some words in a file of pen strokes, or of a writer in the model.",
)
@click.option(
    "--width",
    type=click.IntRange(5, 60),
    default=40,
    show_default=True,
    help="Characters per line, at most; longer text gets several lines, and pages.",
)
@click.option(
    "--model", default=SYNTHESIS_MODEL, show_default=True, metavar="NAME|FILE", help="An installed model, or a file."
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    text: str, out: Path, seed: int, neatness: float, like: str | None, width: int, model: str, force: bool
) -> None:
    """Write TEXT by hand, as pen strokes or as an image.

    TEXT is in English, or `-` for standard input. A recurrent network draws one point of the pen after another (Graves
    2013). All lines are in one hand, and the same seed gives the same strokes. One line gets a small image; several
    lines are put on pages of A4, and all pages but those of JSON into files of their own: letter-1.svg, letter-2.svg
    and so on.

    With --like, the network first reads some words, and then goes on in their style. If the file does not say what they
    are, the recogniser reads them. Do not imitate the signature or the letters of others.

    \b
    Examples:
      inkread write "Dear Ruth, the garden is in bloom." -o line.svg
      inkread write "Dear Ruth," -o line.png --neatness 2 --seed 7
      cat letter.txt | inkread write - -o letter.svg
      inkread write "in the style of my notes" --like notes.inkml -o line.inkml
    """
    if out.suffix.lower() not in FORMATS:
        raise click.UsageError(f"--out {out}: must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    from inkread._files import check_new, check_writable, write_atomic
    from inkread.synth.sheets import break_lines, on_sheets, pages_of, to_inkml, to_jsonl, to_png, to_svg, write_lines
    from inkread.synth.synthesizer import load_synthesizer

    lines = break_lines(_text(text), width)
    if not any(lines):
        raise NothingToRead("no text to write", hint="give some words")
    files = _files(out, pages_of(lines))
    for file in files:
        check_writable(file)
        if not force:
            check_new(file)
    synthesizer = load_synthesizer(model)
    primer = _primer(like, synthesizer) if like else None
    with progress_bar("writing", len(lines)) as tick:
        sheets = on_sheets(write_lines(lines, synthesizer, seed, neatness, primer, tick))
    if out.suffix.lower() in JSON_FORMATS:
        write_atomic(out, to_jsonl(sheets))
        return
    encode = {".svg": to_svg, ".png": to_png, ".inkml": to_inkml}[out.suffix.lower()]
    for file, sheet in zip(files, sheets, strict=True):
        write_atomic(file, encode(sheet))


def _text(text: str) -> str:
    """The text to write, or that of standard input."""
    if text != "-":
        return text
    from inkread.lm.text import read_text

    return read_text(Path("-"))


def _files(out: Path, pages: int) -> list[Path]:
    """The file of each page."""
    if pages == 1 or out.suffix.lower() in JSON_FORMATS:
        return [out]
    return [out.with_name(f"{out.stem}-{page}{out.suffix}") for page in range(1, pages + 1)]


def _primer(like: str, synthesizer: "Synthesizer") -> "Primer":
    """The ink to continue: that of a writer in the model, or of a file. Raises BadInput."""
    if like in synthesizer.primers:
        return synthesizer.primers[like]
    if not Path(like).exists():
        known = ", ".join(synthesizer.primers) or "none"
        raise BadInput("no such file or writer", path=like, hint=f"writers in this model: {known}")
    from inkread.features.ink_lines import split_lines
    from inkread.inputs import read_inks
    from inkread.model.recognizer import Recognizer
    from inkread.synth.synthesizer import Primer

    ink = read_inks(like)[0]
    text, strokes = ink.text, ink.strokes
    if not text:
        strokes = tuple(split_lines(strokes)[0])
        text = Recognizer.load(STROKE_MODEL).read(strokes).text
        note(f"{like}: read as {text!r}")
    try:
        return Primer.of(synthesizer.plain(text), strokes)
    except BadInput as error:
        raise BadInput(error.problem, path=like, hint=error.hint) from error
