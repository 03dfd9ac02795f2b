"""What `inkread studio` and `inkread serve` share: their options, and running the server."""

from contextlib import suppress
from pathlib import Path

import click

from inkread.cli.display import note, print_line
from inkread.cli.options import ReadingOptions
from inkread.errors import BadConfig

DEFAULT_PORT = 8417  # assigned to nothing else by IANA
SHORTEST_TOKEN = 16  # characters: nobody guesses so many

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
token_option = click.option(
    "--token",
    envvar="INKREAD_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="What others must know to connect, at least 16 characters, so that it is the same each time. By default a new "
    "one with --host, and none without. Other users of the machine can see options, but not environment variables.",
)
browser_option = click.option("--browser/--no-browser", default=True, help="Whether to open the page in the browser.")


def serve_until_stopped(
    folder: Path | None,
    port: int,
    host: str | None,
    token: str | None,
    browser: bool,
    reading: ReadingOptions,
) -> None:
    """Run the server with the options of a command, and print its address.

    Raises UsageError for options that contradict each other, and BadConfig where the extra is not installed.
    """
    if token and len(token) < SHORTEST_TOKEN:
        raise click.UsageError(f"--token: {len(token)} characters, but it needs {SHORTEST_TOKEN} or more")
    settings = reading.settings()
    try:
        from inkread.studio.app import Settings
        from inkread.studio.server import make_access, run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("inkread"):
            raise
        problem = f"this needs a package that is not installed ({error.name})"
        raise BadConfig(problem, hint="run: pip install 'inkread[studio]'") from error
    from inkread.pages.reader import load_reader

    load_reader(**settings)  # so that a wrong name is reported now; the workers load the model again
    with suppress(KeyboardInterrupt):
        run(Settings(folder, make_access(host, token or None), settings), port, print_line, browser)
    note("stopped")
