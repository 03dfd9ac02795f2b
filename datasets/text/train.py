"""Train the shipped language models on the texts that prepare.py has prepared.

python datasets/text/train.py OUT models [LANGUAGE ...]      (OUT as for prepare.py; a minute of one core per language)
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread._languages import LANGUAGES
from inkread._model_files import DETECTOR, LANGUAGE_SUFFIX
from inkread.lm.detect import Detector, fit_detector
from inkread.lm.files import load_language_model, save_language_model
from inkread.lm.kneser_ney import fit
from inkread.lm.text import lines_of, read_text, read_words
from inkread.synth.texts import LANGUAGES as SHARES

ORDER = 7  # characters in the longest n-gram
# Leave out n-grams that lower the log-probability of the text by fewer nats: the more text, the more, so that a model
# has about 600,000 n-grams, and that of English twice as many.
PRUNE = {
    "en": 10.0, "fr": 7.0, "de": 9.0, "es": 7.0, "it": 7.0, "nl": 4.0, "pt": 5.5,
    "pl": 5.0, "cs": 4.5, "sv": 3.0, "da": 2.0, "nb": 0.7, "fi": 3.0,
}  # fmt: skip
DETECTED = 1_500_000  # characters of each language that the detector learns from
LICENCE = "MIT; the list of words is partly that of wordfreq (CC BY-SA 4.0)"


def train_detector(texts: Path) -> Detector:
    """A detector of all languages, from an equal part of their texts."""
    parts = {code: lines_of(read_text(texts / f"{language}-train.txt")) for code, language in LANGUAGES.items()}
    return fit_detector({code: spread(list(lines)) for code, lines in parts.items()}, SHARES)


def spread(lines: list[str]) -> list[str]:
    """Lines of DETECTED characters in all, or of all text if it is shorter, spread evenly."""
    return lines[:: max(1, sum(map(len, lines)) // DETECTED)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("languages", nargs="*", help="names such as german, and detector (default: all)")
    options = parser.parse_args()
    if "detector" in (options.languages or ["detector"]):
        train_detector(options.texts).save(options.models / DETECTOR)
    for code, language in LANGUAGES.items():
        if language not in (options.languages or LANGUAGES.values()):
            continue
        lines = list(lines_of(read_text(options.texts / f"{language}-train.txt")))
        model = fit(lines, ORDER, PRUNE[code], read_words(options.texts / f"{language}-words.txt"))
        held_out = list(lines_of(read_text(options.texts / f"{language}-dev.txt")))
        path = options.models / f"{language}{LANGUAGE_SUFFIX}"
        model.facts = {"reads": language.capitalize(), "licence": LICENCE, "characters": sum(map(len, lines))}
        save_language_model(path, model)
        saved = load_language_model(str(path))  # as it is rounded
        bits = -sum(map(saved.score, held_out)) / math.log(2) / sum(len(line) + 1 for line in held_out)
        saved.facts["bits_per_character"] = round(bits, 3)
        save_language_model(path, saved)
        size = path.stat().st_size / 1e6
        print(
            f"{language}: {saved.facts['characters'] / 1e6:.1f} million characters, {len(saved.token):,} n-grams, "
            f"{len(saved.words):,} words, {size:.2f} MB, {bits:.3f} bits per character",
            flush=True,
        )


if __name__ == "__main__":
    main()
