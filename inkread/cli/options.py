"""The options that several commands share."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from click.core import ParameterSource

from inkread.config import DEFAULT_MODEL, NO_LM, STROKE_MODEL

if TYPE_CHECKING:
    from inkread.model.recognizer import Decoder, Recognizers

model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    help=f"A model that ships, or a file; else {DEFAULT_MODEL} for pictures and {STROKE_MODEL} for pen strokes.",
)
decoder_option = click.option(
    "--decoder",
    type=click.Choice(["greedy", "beam"]),
    help="greedy takes the likeliest letter at each step, without a language model; beam weighs all spellings.",
)
lm_option = click.option(
    "--lm",
    metavar="NAME,...|FILE",
    help="Language models to read along with: english, french, files, or none; if not given, the model's own.",
)
words_option = click.option(
    "--words",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Words of your own that may always be read, one a line; - for standard input.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


def is_given(option: str) -> bool:
    """Whether the user gave this option of the running command, even with its default value."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


def load_recognizers(model: str | None, decoder: str | None, lm: str | None, words: Path | None) -> "Recognizers":
    if decoder == "greedy" and (words or lm not in (None, NO_LM)):
        raise click.UsageError("--decoder greedy takes no language model: leave one of them out")
    if words and lm == NO_LM:
        raise click.UsageError(f"--words goes with a language model: leave --lm {NO_LM} out")
    from inkread.lm.text import read_words
    from inkread.model.recognizer import Recognizers

    gc.freeze()  # the collector need not look through all of torch with every line
    own = read_words(words) if words else ()
    return Recognizers(model or DEFAULT_MODEL, model or STROKE_MODEL, cast("Decoder | None", decoder), lm, own)


def name_and_value(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set {setting}: write NAME=VALUE")
    return name.strip(), value.strip()
