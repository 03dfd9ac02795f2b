"""`inkread serve`: recognition for other programs, over HTTP."""

import click

from inkread.cli.options import ReadingOptions, reading_options
from inkread.cli.serving import host_option, port_option, serve_until_stopped, token_option


@click.command("serve")
@port_option
@host_option
@token_option
@reading_options
def command(
    port: int,
    host: str | None,
    token: str | None,
    reading: ReadingOptions,
) -> None:
    """Read handwriting for other programs, over HTTP.

    POST /api/read with an image, a PDF or a file of pen strokes answers with the lines that --json of `inkread predict`
    prints. POST /api/strokes reads strokes that are still being written. POST /api/v4.0/iink/batch answers as the cloud
    service of MyScript does, so that rmfakecloud can convert notes of a reMarkable tablet to text. /api describes this
    for programs (OpenAPI), and /healthz says whether the server runs. `inkread studio` offers the same beside its
    pages. Ctrl-C stops the server. It needs the extra: pip install 'inkread[studio]'.

    \b
    Examples:
      inkread serve --port 9000
      curl --data-binary @letter.jpg http://127.0.0.1:9000/api/read
      curl --form file=@letter.jpg http://127.0.0.1:9000/api/read
    """
    serve_until_stopped(None, port, host, token, False, reading)
