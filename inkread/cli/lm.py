"""`inkread lm`: train, evaluate and sample language models."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_writable
from inkread.cli.display import note, print_line, progress_bar
from inkread.cli.options import is_given, json_option, name_and_value
from inkread.errors import BadInput

if TYPE_CHECKING:
    pass


@click.group("lm")
def command() -> None:
    """Language models: learn one from text, score text, sample text.

    `predict` and `eval` read along with those of n-grams that their model names, or --lm.
    """


@command.command("train")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TEXT...")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.lm.safetensors",
    help="The model to write; NAME.arpa for one of n-grams that KenLM reads.",
)
@click.option(
    "--kind",
    type=click.Choice(["ngram", "rnn"]),
    default="ngram",
    show_default=True,
    help="n-grams, or a recurrent network, which scores and samples only.",
)
@click.option("--order", type=click.IntRange(1), default=7, show_default=True, help="Characters in the longest n-gram.")
@click.option(
    "--prune",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="NATS",
    help="Leave out n-grams that are worth less than this over the whole text.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the network, e.g. cell=lstm."
)
def lm_train(
    texts: tuple[Path, ...], out: Path, kind: str, order: int, prune: float, settings: tuple[str, ...]
) -> None:
    """Learn a language from texts.

    A line of text is a line of writing; longer ones, as paragraphs are, are cut between words. Beside n-grams the words
    of the texts are kept, but in NAME.arpa: a word that is read is one of them with probability 0.7.

    The settings of a recurrent network are pieces (byte-pair pieces beside the characters), embedding, cell (gru,
    lstm, elman), activation, layers, hidden, dropout, minutes, epochs, batch, truncate, learning_rate, clip and seed.

    \b
    Examples:
      inkread lm train letters.txt --out letters.lm.safetensors
      inkread lm train books/*.txt --order 8 --prune 4 --out books.arpa
      inkread lm train letters.txt --kind rnn --set pieces=500 --set minutes=30 --out letters-rnn.lm.safetensors
    """
    from inkread._files import write_atomic
    from inkread.lm.ngram import fit, lines_of, read_text, to_arpa
    from inkread.model.checkpoint import LANGUAGE_SUFFIX, save_language_model

    if not out.name.endswith(LANGUAGE_SUFFIX) and not (kind == "ngram" and out.suffix == ".arpa"):
        raise click.UsageError(f"--out {out}: must end in {LANGUAGE_SUFFIX}{' or .arpa' * (kind == 'ngram')}")
    if settings and kind == "ngram":
        raise click.UsageError("--set is for a recurrent network: add --kind rnn")
    if kind == "rnn" and (given := [f"--{name}" for name in ("order", "prune") if is_given(name)]):
        raise click.UsageError(f"{' and '.join(given)}: only for n-grams; leave out, or leave --kind rnn out")
    check_writable(out)
    lines = [line for path in texts for line in lines_of(read_text(path))]
    if not lines:
        raise BadInput(f"{', '.join(map(str, texts))}: no text to learn from; give files with lines of text")
    facts = {"trained_on": [path.name for path in texts], "characters": sum(map(len, lines))}
    if kind == "rnn":
        from inkread.model.rnnlm import RnnConfig
        from inkread.train.rnnlm import train

        config = RnnConfig().replace(dict(name_and_value(setting) for setting in settings))
        with progress_bar("learning", 1000) as tick:
            recurrent = train(lines, config, lambda share, bits: tick(int(1000 * share), 1000))
        recurrent.facts = facts
        recurrent.save(out)
    else:
        ngrams = fit(lines, order, prune)
        ngrams.facts = facts
        if out.suffix == ".arpa":
            write_atomic(out, to_arpa(ngrams).encode("utf-8"))
        else:
            save_language_model(out, ngrams)
    note(f"wrote {out}: {out.stat().st_size / 1e6:.1f} MB from {facts['characters']:,} characters")


lm_argument = click.option(
    "--lm", default="english", show_default=True, metavar="NAME|FILE", help="A language model that ships, or a file."
)


@command.command("score")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@lm_argument
@json_option
def lm_score(file: Path, lm: str, as_json: bool) -> None:
    """Tell how well a language model foresees a text.

    FILE may be - for standard input. Gives the log-probability (natural logarithm) of each line, then bits a character
    and the perplexity, which is 2 to their power: the model is as unsure as if each character were one of so many. Ends
    of lines count as characters.

    \b
    Examples:
      inkread lm score letter.txt
      inkread lm score lettre.txt --lm french --json
    """
    from inkread.lm.ngram import lines_of, read_text
    from inkread.model.rnnlm import load

    lines = list(lines_of(read_text(file)))
    if not lines:
        raise BadInput(f"{file}: has no text to score")
    model = load(lm)
    scores = [model.score(line) for line in lines]
    bits = -sum(scores) / math.log(2) / sum(len(line) + 1 for line in lines)
    if as_json:
        rows = [{"text": line, "log_probability": round(score, 4)} for line, score in zip(lines, scores, strict=True)]
        figures = {"bits_per_character": round(bits, 4), "perplexity": round(2**bits, 4), "lines": rows}
        print_line(json.dumps({"file": str(file), "lm": lm, **figures}, ensure_ascii=False))
        return
    for line, score in zip(lines, scores, strict=True):
        print_line(f"{score:.2f}\t{line}")
    print_line(f"{bits:.3f} bits a character, perplexity {2**bits:.2f}, {len(lines)} lines")


@command.command("sample")
@lm_argument
@click.option("--prompt", default="", help="How the text begins.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.8,
    show_default=True,
    help="Less keeps to what is likely, 0 to the likeliest; 1 is the model as it is.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random draws.")
@click.option("--length", type=click.IntRange(min=1), default=200, show_default=True, help="Characters in all.")
def lm_sample(lm: str, prompt: str, temperature: float, seed: int, length: int) -> None:
    """Write lines as a language model would.

    \b
    Examples:
      inkread lm sample
      inkread lm sample --lm french --prompt "Il était une" --temperature 0.5 --seed 3
    """
    from inkread.model.rnnlm import load

    if not math.isfinite(temperature):
        raise click.UsageError(f"--temperature {temperature}: must be a finite number")
    print_line(load(lm).sample(prompt, temperature, seed, length))
