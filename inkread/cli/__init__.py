"""The command line: one module per command, which is imported when the command is used.

A command parses its options, calls the library, and prints. It imports what it needs beyond click when it runs, so that
its help appears at once.
"""

from importlib import import_module
from typing import Any

import click

from inkread import __version__
from inkread._names import one_line
from inkread._threads import wait_passively
from inkread.cli import exit_codes
from inkread.cli.display import log_to_stderr, write_utf8
from inkread.errors import InkreadError

COMMANDS = (
    "predict",
    "studio",
    "serve",
    "eval",
    "train",
    "prepare",
    "models",
    "check",
    "render",
    "write",
    "lm",
    "gradients",
    "export",
)  # each is `command` in the module of its name


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used. Their errors are one line on stderr, and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"inkread.cli.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with log_to_stderr():
                return super().invoke(ctx)
        except InkreadError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(exit_codes.of_error(error))
        except BrokenPipeError:
            raise  # of stderr: click exits quietly
        except OSError as error:  # one that no function expects, for example no folder for temporary files
            message = f"{error.filename or 'inkread'}: {error.strerror or error}"
            raise click.ClickException(one_line(message)) from error
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise click.ClickException("this needs torch, which is not installed; run: pip install torch") from error
        except (MemoryError, RuntimeError) as error:
            # torch has no class of its own for this error.
            if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
                raise
            raise click.ClickException(
                "not enough memory; use smaller images, or for training --set batch=4 or --preset small"
            ) from error
        except KeyboardInterrupt:
            ctx.exit(exit_codes.INTERRUPTED)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inkread")
def main() -> None:
    """Recognise handwriting in images and pen strokes.

    \b
    Examples:
      inkread predict line.png                read an image with the included model
      inkread eval my-lines                   measure the error rate on lines with known text
      inkread studio my-notes                 review and correct in the browser
      inkread train my-lines --from latin --out mine.safetensors
                                              adapt the model to your own handwriting

    \b
    Exit codes:
      0    success
      1    an error, or some of the inputs failed
      2    wrong usage: an option or setting that does not exist or contradicts another
      3    nothing to read: no document, line or text was found
      4    an output cannot be written, or exists
      130  interrupted with Ctrl-C

    \b
    Shell completion: add the line of your shell to its start-up file.
      bash  eval "$(_INKREAD_COMPLETE=bash_source inkread)"
      zsh   eval "$(_INKREAD_COMPLETE=zsh_source inkread)"
      fish  _INKREAD_COMPLETE=fish_source inkread | source
    """
    wait_passively()
    write_utf8()
