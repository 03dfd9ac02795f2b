#!/usr/bin/env python3
"""Writes docs/cli.md, the reference of all commands, from the help texts in the program: `python docs/make_cli.py`.

tests/test_docs.py fails when the file is out of date.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from inkread.cli import main

FILE = Path(__file__).with_name("cli.md")
HEAD = """\
# Commands

This page is made from the help texts of the program by `docs/make_cli.py`. `inkread COMMAND --help` shows the same.

## Exit codes

Every command ends with one of these codes. They are part of the interface, and stay the same from version to version.

| code | meaning | examples |
|---|---|---|
| 0 | success | everything was read, also if there is no handwriting on a page |
| 1 | an error, or some of the inputs failed | a damaged image; no such file; no such model; `check` found a problem |
| 2 | wrong usage | an option, a setting or a combination of them that does not exist |
| 3 | nothing to read | no documents in a folder, no file that matches a pattern, no lines in a dataset |
| 4 | an output cannot be written | no permission, a full disk, a closed pipe; a file that exists, without `--force` |
| 130 | interrupted | Ctrl-C |

With several inputs, each failure is one line on standard error, and the others are read. The code is then 1, or 4 if an
output could not be written. It is 3 only if there was nothing to read at all.
"""


def commands(command: click.Command, words: str = "inkread") -> Iterator[tuple[str, click.Command]]:
    """A command and all its subcommands, each with the words that call it: "inkread lm train"."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, f"{words} {name}")


def markdown(text: str) -> str:
    r"""A help text as Markdown. In paragraphs after a line with \b the lines stay as they are, as code below the first.

    >>> markdown("Read a\nline.\n\n\b\nExamples:\n  inkread predict a.png")
    'Read a line.\n\nExamples:\n\n    inkread predict a.png'
    """
    blocks = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            title, code = paragraph.removeprefix("\b\n").split("\n", 1)
            blocks += [title, textwrap.indent(textwrap.dedent(code), "    ")]
        else:
            blocks.append(escaped(paragraph))
    return "\n\n".join(blocks)


def escaped(text: str) -> str:
    """Text on one line. Placeholders such as <TAB> would be taken for HTML, and | for the end of a cell."""
    return re.sub(r"[|<]", r"\\\g<0>", " ".join(text.split()))


def table(command: click.Command, context: click.Context) -> Iterator[str]:
    """A table of the options, if there are any: how each is written and what it does."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    rows = []
    for record in filter(None, (option.get_help_record(context) for option in options)):
        names, text = map(escaped, record)
        rows.append(f"| `{names}` | {text} |")
    if rows:
        yield "\n".join(["| option | what it does |", "|---|---|", *rows])


def document() -> str:
    """The whole file."""
    sections = [HEAD]
    for words, command in commands(main):
        context = click.Context(command, info_name=words)
        usage = " ".join([words, *command.collect_usage_pieces(context)])
        sections += [f"## {words}", f"    {usage}", markdown(command.help or ""), *table(command, context)]
        if command.epilog:
            sections.append(markdown(command.epilog))
    return "\n\n".join(section.rstrip() for section in sections) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
