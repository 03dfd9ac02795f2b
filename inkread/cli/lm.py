"""`inkread lm`: train language models, score text and sample text."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inkread._files import check_writable
from inkread.cli.display import note, print_line, progress_bar
from inkread.cli.options import is_given, json_option, name_and_value
from inkread.errors import NothingToRead

if TYPE_CHECKING:
    from inkread.lm.ngram import NgramModel
    from inkread.model.rnnlm import RecurrentModel

RNN_PROGRESS_STEPS = 1000  # of the progress bar


@click.group("lm")
def command() -> None:
    """Language models: train one on text, score text, sample text.

    `predict` and `eval` decode with the n-gram models that the recogniser's file names, or with those of --lm.
    """


lm_argument = click.option(
    "--lm", default="english", show_default=True, metavar="NAME|FILE", help="An installed language model, or a file."
)


@command.command("train")
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TEXT...")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.lm.safetensors",
    help="The model to write. NAME.arpa writes an n-gram model that KenLM can read.",
)
@click.option(
    "--kind",
    type=click.Choice(["ngram", "rnn"]),
    default="ngram",
    show_default=True,
    help="n-grams, or a recurrent network, which can only score and sample text.",
)
@click.option("--order", type=click.IntRange(1), default=7, show_default=True, help="Characters in the longest n-gram.")
@click.option(
    "--prune",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="NATS",
    help="Leave out n-grams if this lowers the log-probability of the whole text by less.",
)
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="More words of the language, one per line; for n-grams.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the network, e.g. cell=lstm."
)
def lm_train(
    texts: tuple[Path, ...],
    out: Path,
    kind: str,
    order: int,
    prune: float,
    words: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Train a language model on text files.

    Each line of text should be as long as a line of handwriting. Longer lines, such as paragraphs, are cut between
    words. An n-gram model also stores the 60,000 most frequent words of the text, and those of --words: when decoding,
    a word is one of them with probability 0.7. NAME.arpa does not store them.

    The settings of a recurrent network are pieces (byte-pair pieces besides the characters), embedding, cell (gru,
    lstm, elman), activation, layers, hidden, dropout, minutes, epochs, batch, truncate, learning_rate, clip and seed.

    \b
    Examples:
      inkread lm train letters.txt --out letters.lm.safetensors
      inkread lm train books/*.txt --order 8 --prune 4 --out books.arpa
      inkread lm train brev.txt --words ord.txt --out brev.lm.safetensors
      inkread lm train letters.txt --kind rnn --set pieces=500 --set minutes=30 --out letters-rnn.lm.safetensors
    """
    from inkread.lm.text import lines_of, read_text, read_words

    _check_options(out, kind, settings)
    check_writable(out)
    lines = [line for path in texts for line in lines_of(read_text(path))]
    if not lines:
        names = ", ".join(map(str, texts))
        raise NothingToRead("no text to learn from", path=names, hint="give files with lines of text")
    facts = {"trained_on": [path.name for path in texts], "characters": sum(map(len, lines))}
    if kind == "rnn":
        from inkread.model.rnnlm import RnnConfig
        from inkread.training.rnnlm import train

        config = RnnConfig().replace(dict(name_and_value(setting) for setting in settings))
        with progress_bar("training", RNN_PROGRESS_STEPS) as tick:
            recurrent = train(
                lines, config, lambda share, bits: tick(int(RNN_PROGRESS_STEPS * share), RNN_PROGRESS_STEPS)
            )
        recurrent.facts = facts
        recurrent.save(out)
    else:
        from inkread.lm.files import save_language_model
        from inkread.lm.kneser_ney import fit

        ngrams = fit(lines, order, prune, read_words(words) if words else ())
        ngrams.facts = facts
        save_language_model(out, ngrams)
    note(f"wrote {out}: {out.stat().st_size / 1e6:.1f} MB from {facts['characters']:,} characters")


def _check_options(out: Path, kind: str, settings: tuple[str, ...]) -> None:
    """Raise click's UsageError for options of `lm train` that contradict each other."""
    from inkread._model_files import LANGUAGE_SUFFIX

    if not out.name.endswith(LANGUAGE_SUFFIX) and not (kind == "ngram" and out.suffix == ".arpa"):
        raise click.UsageError(f"--out {out}: must end in {LANGUAGE_SUFFIX}{' or .arpa' * (kind == 'ngram')}")
    if settings and kind == "ngram":
        raise click.UsageError("--set is for a recurrent network: add --kind rnn")
    if kind == "rnn" and (given := [f"--{name}" for name in ("order", "prune", "words") if is_given(name)]):
        raise click.UsageError(f"{' and '.join(given)}: only for n-grams; leave out, or leave --kind rnn out")


@command.command("score")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@lm_argument
@json_option
def lm_score(file: Path, lm: str, as_json: bool) -> None:
    """Measure how well a language model predicts a text.

    FILE may be - for standard input. This prints the log-probability (natural logarithm) of each line, then the bits
    per character and the perplexity, which is 2 to the power of the bits. A perplexity of 4 means that the model is as
    uncertain as between four equally likely characters. The end of a line counts as a character.

    \b
    Examples:
      inkread lm score letter.txt
      inkread lm score lettre.txt --lm french --json
    """
    from inkread.lm.text import lines_of, read_text

    lines = list(lines_of(read_text(file)))
    if not lines:
        raise NothingToRead("has no text to score", path=file, hint="give lines of text")
    model = _load(lm)
    scores = [model.score(line) for line in lines]
    bits = -sum(scores) / math.log(2) / sum(len(line) + 1 for line in lines)
    if as_json:
        rows = [{"text": line, "log_probability": round(score, 4)} for line, score in zip(lines, scores, strict=True)]
        figures = {"bits_per_character": round(bits, 4), "perplexity": round(2**bits, 4), "lines": rows}
        print_line(json.dumps({"file": str(file), "lm": lm, **figures}, ensure_ascii=False))
        return
    for line, score in zip(lines, scores, strict=True):
        print_line(f"{score:.2f}\t{line}")
    print_line(f"{bits:.3f} bits per character, perplexity {2**bits:.2f}, {len(lines)} lines")


@command.command("sample")
@lm_argument
@click.option("--prompt", default="", help="The beginning of the text.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=0.8,
    show_default=True,
    help="The lower, the likelier the text; 0 always takes the likeliest character, 1 samples from the model as it is.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--length", type=click.IntRange(min=1), default=200, show_default=True, help="Characters, prompt included."
)
def lm_sample(lm: str, prompt: str, temperature: float, seed: int, length: int) -> None:
    """Sample random text from a language model.

    \b
    Examples:
      inkread lm sample
      inkread lm sample --lm french --prompt "Il était une" --temperature 0.5 --seed 3
    """
    if not math.isfinite(temperature):
        raise click.UsageError(f"--temperature {temperature}: must be a finite number")
    print_line(_load(lm).sample(prompt, temperature, seed, length))


def _load(name: str) -> "NgramModel | RecurrentModel":
    """The language model of either kind. torch, which takes more than a second, is imported for recurrent ones only."""
    from inkread.lm.files import kind_of_language_model, load_language_model

    if kind_of_language_model(name) == "rnn":
        from inkread.model.rnnlm import load_recurrent_model

        return load_recurrent_model(name)
    return load_language_model(name)
