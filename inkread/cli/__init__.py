"""The command line: one module per command, which is imported when the command is used.

What a command needs beyond click is imported when it runs, so that its help is shown at once.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

from inkread import __version__
from inkread._names import one_line
from inkread.cli.display import write_utf8
from inkread.errors import InkreadError

COMMANDS = ("predict", "eval", "train", "models", "check", "render", "lm")  # each in the module of its name


def wait_without_spinning() -> None:
    """Let the threads of torch's OpenMP sleep while they wait for one another, unless the user decided on it.

    Else they keep their cores busy, and on a machine that has other work reading takes many times as long. OpenMP looks
    at this once, when torch is imported; a program that has imported torch itself is left alone.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class Commands(click.Group):
    """Commands whose errors are one line on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"inkread.cli.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InkreadError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:  # nobody's in particular: no folder for temporary files, say
            message = f"{error.filename or 'inkread'}: {error.strerror or error}"
            raise click.ClickException(one_line(message)) from error
        except (MemoryError, RuntimeError) as error:  # torch has no class of its own for it
            if isinstance(error, RuntimeError) and "can't allocate memory" not in str(error):
                raise
            raise click.ClickException(
                "not enough memory; try smaller pictures, --set batch=4 or --preset small"
            ) from error
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="inkread")
def main() -> None:
    """Read handwriting: pictures of lines in, text out.

    \b
    Examples:
      inkread predict line.png                read a line with the model that ships
      inkread eval my-lines                   measure the error rate on lines with known text
      inkread train my-lines --from latin --out mine.safetensors
                                              learn your own hand
    """
    wait_without_spinning()
    write_utf8()


if __name__ == "__main__":
    main()
