"""`inkread studio`: review and correct what was read, in the browser."""

from pathlib import Path

import click

from inkread.cli.options import ReadingOptions, reading_options
from inkread.cli.serving import browser_option, host_option, port_option, serve_until_stopped, token_option
from inkread.errors import NothingToRead


@click.command("studio")
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@port_option
@host_option
@token_option
@browser_option
@reading_options
def command(
    folder: Path,
    port: int,
    host: str | None,
    token: str | None,
    browser: bool,
    reading: ReadingOptions,
) -> None:
    """Review and correct in the browser what was read.

    Shows the documents of FOLDER, by default the current one, and of all folders below it. Each page is shown beside
    its text, which is corrected line by line, and saved at once as PAGE XML next to the image: letter.jpg.page.xml. If
    a file of PAGE XML or ALTO is there already, it is that one which is corrected. Corrected documents are exported in
    all formats, and corrected lines as a dataset for `inkread train`.

    The pages are served to this machine only, and load nothing from the network. Ctrl-C stops the server. It needs the
    extra: pip install 'inkread[studio]'.

    \b
    Examples:
      inkread studio my-notes
      inkread studio --no-browser --port 9000
    """
    if not folder.is_dir():
        raise NothingToRead("no such folder", path=folder, hint="check the path, or make it first")
    serve_until_stopped(folder, port, host, token, browser, reading)
