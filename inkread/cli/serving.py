"""What `inkread studio` and `inkread serve` share: their options, and running the server."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from inkread.cli.display import note, print_line
from inkread.config import NO_LM
from inkread.errors import BadConfig

DEFAULT_PORT = 8417  # assigned to nothing else by IANA

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where the server listens; 0 takes any that is free.",
)
host_option = click.option(
    "--host",
    metavar="ADDRESS",
    help="Listen on this address of the machine, 0.0.0.0 for all, so that other machines can connect. They need the "
    "token that is printed with the address. The connection is not encrypted. By default only this machine connects.",
)
browser_option = click.option("--browser/--no-browser", default=True, help="Whether to open the page in the browser.")


def serve_until_stopped(
    folder: Path | None,
    port: int,
    host: str | None,
    browser: bool,
    model: str | None,
    decoder: str | None,
    lm: str | None,
    words: Path | None,
    engine: str,
    device: str,
) -> None:
    """Run the server with the options of a command, and print its address.

    Raises UsageError for options that contradict each other, and BadConfig where the extra is not installed.
    """
    if decoder == "greedy" and (words or lm not in (None, NO_LM)):
        raise click.UsageError("--decoder greedy uses no language model: leave one of them out")
    try:
        from inkread.studio.app import Settings
        from inkread.studio.server import make_access, run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("inkread"):
            raise
        problem = f"this needs a package that is not installed ({error.name})"
        raise BadConfig(problem, hint="run: pip install 'inkread[studio]'") from error
    from inkread.lm.text import read_words
    from inkread.pages.reader import load_reader

    options: dict[str, Any] = {
        "model": model,
        "lm": lm,
        "words": read_words(words) if words else [],
        "decoder": decoder,
        "engine": engine,
        "device": device,
    }
    load_reader(**options)  # so that a wrong name is reported now; the workers load the model again
    with suppress(KeyboardInterrupt):
        run(Settings(folder, make_access(host), options), port, print_line, browser)
    note("stopped")
