"""The options that several commands share."""

import gc
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from inkread._threads import limit_threads
from inkread.config import DEFAULT_MODEL, NO_LM, STROKE_MODEL

if TYPE_CHECKING:
    from inkread.model.recognizer import Recognizers

_model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    help="An included model, one of your own from `inkread studio` (my/NAME), or a file. By default "
    f"{DEFAULT_MODEL} for images and {STROKE_MODEL} for pen strokes.",
)
_decoder_option = click.option(
    "--decoder",
    type=click.Choice(["greedy", "beam"]),
    help="greedy takes the most likely character at each step, without a language model; beam compares whole texts. "
    "By default beam with a language model, and greedy without one.",
)
_lm_option = click.option(
    "--lm",
    metavar="NAME,...|FILE",
    help="Language models for decoding: names or codes such as german,fr, files, auto or none. By default auto: the "
    "language of each line is detected.",
)
_words_option = click.option(
    "--words",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file of additional words that are likely, one per line; - for standard input.",
)


def _check_device(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name):
        raise click.BadParameter(f"{name}: must be auto, cpu, cuda, cuda:1 or mps")
    return name


_engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "int8", "onnx", "torch"]),
    default="auto",
    help="What computes the network: ONNX Runtime in 8 bits (int8) or in float32 (onnx), or torch. auto, the default, "
    "is int8 on a CPU and torch on a GPU.",
)
device_option = click.option(
    "--device",
    default="auto",
    callback=_check_device,
    metavar="auto|cpu|cuda|cuda:N|mps",
    help="Where the network is computed: on the CPU, or on a GPU (mps on a Mac). auto, the default, uses a GPU if "
    "there is one and the work is large enough.",
)


def _limit_threads(context: click.Context, parameter: click.Parameter, count: int | None) -> None:
    if count is not None:
        limit_threads(count)


# The limit applies before the command imports numpy and torch; the command itself gets no argument.
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    expose_value=False,
    callback=_limit_threads,
    help="Use at most N CPU cores. By default all that this process may use: its CPU affinity, the limit of its "
    "container and OMP_NUM_THREADS are respected.",
)


def _set_verbose(context: click.Context, parameter: click.Parameter, verbose: bool) -> None:
    if verbose:
        logging.getLogger("inkread").setLevel(logging.DEBUG)


_verbose_option = click.option(
    "--verbose", is_flag=True, expose_value=False, callback=_set_verbose, help="Report which engine is used."
)
READING_OPTIONS = (
    _model_option,
    _decoder_option,
    _lm_option,
    _words_option,
    _engine_option,
    device_option,
    threads_option,
    _verbose_option,
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def is_given(option: str) -> bool:
    """Did the user give this option of the running command, even with its default value?"""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


@dataclass(frozen=True)
class ReadingOptions:
    """What the options of `reading_options` say: the models that read, and what computes them."""

    model: str | None
    decoder: str | None
    lm: str | None
    words: Path | None
    engine: str
    device: str

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `inkread.load`. Raises UsageError if the options contradict each other."""
        if self.decoder == "greedy" and (self.words or self.lm not in (None, NO_LM)):
            raise click.UsageError("--decoder greedy uses no language model: leave one of them out")
        if self.words and self.lm == NO_LM:
            raise click.UsageError(f"--words needs a language model: leave --lm {NO_LM} out")
        from inkread.lm.text import read_words

        return {**vars(self), "words": read_words(self.words) if self.words else ()}

    def recognizers(self, lines: int = 0) -> "Recognizers":
        """What reads; `lines` is the number of lines to expect, if it is known. Raises UsageError as `settings`."""
        settings = self.settings()
        from inkread.model.recognizer import Recognizers

        gc.freeze()  # or each collection of garbage would go through all objects of the imported packages
        model = settings.pop("model")
        return Recognizers(model or DEFAULT_MODEL, model or STROKE_MODEL, **settings, lines=lines)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all commands that read. The command gets them as one argument `reading`."""
    names = [field.name for field in fields(ReadingOptions)]

    @wraps(command)
    def with_reading(*arguments: Any, **others: Any) -> None:
        reading = ReadingOptions(**{name: others.pop(name) for name in names})
        command(*arguments, reading=reading, **others)

    for option in reversed(READING_OPTIONS):
        with_reading = option(with_reading)
    return with_reading


def name_and_value(setting: str) -> tuple[str, str]:
    """The two parts of an argument of --set: "cell=gru" -> ("cell", "gru")."""
    name, equals, value = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set {setting}: write NAME=VALUE")
    return name.strip(), value.strip()
