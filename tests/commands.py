"""Runs commands in this process, and compares what they print. Nearly all tests use a network too small to read."""

import subprocess
import sys
from pathlib import Path
from typing import TextIO

from click.testing import CliRunner, Result

from inkread import cli

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
LINE = SAMPLE / "01-scan.png"
NETWORK = ["hidden=16", "layers=1", "channels=8,8,8"]
TINY = [flag for setting in (*NETWORK, "precision=float32", "evaluations=1") for flag in ("--set", setting)]


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], input=stdin)


def done(*arguments: object, stdin: bytes | None = None) -> Result:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: object, stdin: bytes | None = None, code: int = 1) -> str:
    """What is said on stderr: one line, or below the usage for a mistake in the command; nothing on stdout."""
    result = run(*arguments, stdin=stdin)
    assert isinstance(result.exception, SystemExit) and result.exit_code == code, result.output
    assert not result.stdout
    *above, line = result.stderr.splitlines()
    assert line.startswith("Error: ") and all(row.startswith(("Usage:", "Try", "no --dev")) or not row for row in above)
    return line


def python(*arguments: object, stdout: int | TextIO | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, stdout=stdout, stderr=subprocess.PIPE)


INKS = {
    "a.json": "[[[0, 0], [0, 40], [20, 20], [40, 40], [40, 0]], [[60, 40]]]",
    "two lines.json": "[[[0, 0], [9, 40], [20, 0], [30, 40], [300, 0]], [[0, 150], [9, 190], [20, 150], [99, 190]]]",
    "a.inkml": "<ink><trace>0 0,0 40,20 20,40 40,40 0</trace></ink>",
    "a.dat": ".COORD X Y\n.PEN_DOWN\n0 40\n0 0\n20 20\n40 0\n40 40\n",
}
