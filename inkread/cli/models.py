"""`inkread models`: list the models."""

import json
import sys
from typing import Any

import click

from inkread._languages import CODES
from inkread.cli.display import print_line
from inkread.cli.options import json_option
from inkread.config import DEFAULT_MODEL
from inkread.errors import BadInput, BadModel

DOES = {"lines": "reads", "language": "reads", "page": "finds", "synthesis": "writes"}  # kinds of models, and the facts


@click.command("models")
@json_option
def command(as_json: bool) -> None:
    """List the installed models, and your own.

    For each model this shows what it reads, finds or writes, its licence, its size, and its error rates on writers that
    it was not trained on. Models called my/NAME have learnt your handwriting in `inkread studio`; their error rates are
    those of corrected lines that they were not trained on.

    \b
    Examples:
      inkread models
      inkread models --json
    """
    from inkread import _model_files as files

    rows, damaged = [], False
    kinds = {
        "lines": {**files.shipped_models(), **files.personal_models()},
        "language": files.shipped_language_models(),
        "page": files.shipped_page_models(),
        "synthesis": files.shipped_synthesis_models(),
    }
    for kind, shipped in kinds.items():
        for name, path in shipped.items():
            try:
                facts = files.describe_model(path).get("facts", {})
            except BadModel as error:
                damaged = True
                click.echo(f"Error: {error}", err=True)
                continue
            size = round(path.stat().st_size / 1e6, 1)
            own = {"name": name, "kind": kind, "file": str(path), "megabytes": size}
            rows.append({**own, **facts, **own})  # own comes first, and no fact replaces it
    if not kinds["lines"] and not damaged and not as_json:
        hint = "train one with `inkread train`, and give its file with --model"
        raise BadInput("no model is installed", hint=hint)
    for row in rows:
        if as_json:
            print_line(json.dumps(row, ensure_ascii=False))
        else:
            _print_model(row)
    if damaged:
        sys.exit(1)


def _print_model(row: dict[str, Any]) -> None:
    """Print what `inkread models` shows of one model."""
    note = " (default)" if row["name"] == DEFAULT_MODEL else ""
    if row["kind"] == "language":
        code = CODES.get(row["name"])
        note = f" (--lm {row['name']}{f' or {code}' if code else ''})"
    print_line(f"{row['name']}{note}")
    does = DOES[row["kind"]]
    print_line(f"  {does:9} {row.get(does, 'not stated')}")
    if "lm" in row:
        detected = CODES.keys() >= {*row["lm"].split(",")}
        named = "of the detected languages" if detected else row["lm"].replace(",", ", ")
        print_line(f"  with      the language models {named}, unless --lm says otherwise")
    print_line(f"  licence   {row.get('licence', 'not stated')}")
    print_line(f"  size      {row['megabytes']} MB, {row['file']}")
    for measured in row.get("errors", []):
        low, high = measured["cer_interval"]
        print_line(
            f"  CER       {100 * measured['cer']:.1f} % ({100 * low:.1f}-{100 * high:.1f}) on {measured['on']}, "
            f"{measured['lines']} lines; WER {100 * measured['wer']:.1f} %"
        )
