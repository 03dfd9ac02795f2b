"""`inkread check`: check a dataset."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from inkread.cli.display import print_line, print_notes, progress_bar
from inkread.cli.options import json_option
from inkread.config import DEFAULT_MODEL, PRESETS, STROKE_MODEL

if TYPE_CHECKING:
    from inkread.features.extract import Writing


@click.command("check")
@click.argument("dataset")
@click.option("--model", metavar="NAME|FILE", help="Check that this model can read and learn the lines.")
@json_option
def command(dataset: str, model: str | None, as_json: bool) -> None:
    """Check a dataset before training on it.

    Counts lines, writers and characters, and lists problems: each file that is missing or unreadable, each text with
    a character that is not in the alphabet of --model, and each text that is too long for the width of its image
    (CTC). The exit code is 1 if there is a problem.

    Without --model, characters that the default model does not know are notes, which do not change the exit code:
    `inkread train --from` adds them to the alphabet.

    \b
    Examples:
      inkread check my-lines
      inkread check iam:trainset --model latin
    """
    from inkread._model_files import describe_model, shipped_models
    from inkread.data import open_dataset
    from inkread.data.check import check_dataset
    from inkread.data.samples import is_ink, prepared_sets
    from inkread.features.extract import columns_of, normalize
    from inkread.features.image import NormalizedImage
    from inkread.features.ink import NormalizedInk
    from inkread.model.checkpoint import load_model

    loaded = load_model(model) if model else None
    opened = open_dataset(dataset)
    defaults = {}
    if loaded:
        for prepared in prepared_sets(opened.samples):
            prepared.check_fits(loaded.config)
    else:
        shipped = shipped_models()
        used = {STROKE_MODEL if is_ink(sample) else DEFAULT_MODEL for sample in opened.samples}
        defaults = {name: set(describe_model(shipped[name])["alphabet"]) for name in sorted(used & shipped.keys())}

    def count_steps(writing: "Writing") -> int:
        """The steps that the network has for a line: they limit the length of its text."""
        of_strokes = isinstance(writing, Sequence | NormalizedInk)
        config = loaded.config if loaded else PRESETS["strokes" if of_strokes else "base"][0]
        if isinstance(writing, NormalizedImage):
            config = config.replace({"height": len(writing.pixels)})
        return config.steps(columns_of(normalize(writing, config)).shape[1])

    print_notes(opened)
    with progress_bar("checking", len(opened.samples)) as tick:
        report = check_dataset(opened, set(loaded.alphabet.characters) if loaded else None, count_steps, tick, defaults)
    print_line(json.dumps(report.as_dict(), ensure_ascii=False) if as_json else str(report))
    if report.problems:
        sys.exit(1)
