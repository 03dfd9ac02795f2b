"""What a language model does to the reading: error rates and milliseconds a line, greedy, by beam, and with the model.

    python benchmarks/language.py iam-lines:va1 --model latin --lm english --text english-train.txt [--grid]

--grid tries weights of the model and bonuses a character; --store writes them into the model. Words that are not
in --text are told apart: how many of them, and of the numbers, are read right. The network reads each line once;
--scores keeps what it said for another time.
"""

import argparse
import atexit
import itertools
import json
import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import find_language_model
from inkread.alphabet import Alphabet, normal, without_crossed_out
from inkread.config import AUTO_LM
from inkread.data import open_dataset
from inkread.data.samples import read_line_input
from inkread.evaluation.metrics import edit_distance, words
from inkread.features.extract import columns_of, normalize
from inkread.lm.automatic import AutomaticLanguages, Codes
from inkread.lm.files import load_language_model, load_language_models, save_language_model
from inkread.lm.fusion import Fusion
from inkread.lm.lexicon import with_user_words
from inkread.lm.text import read_text, read_words
from inkread.model.checkpoint import load_model
from inkread.model.decoder import LanguageScorer, greedy, read_beam
from inkread.model.recognizer import Recognizer

WEIGHTS = (0.4, 0.6, 0.8, 1.0)
BONUSES = (0.5, 1.0, 1.5, 2.0, 2.5)

Scores = list[NDArray[np.float32]]
ScorerOf = Callable[[NDArray[np.float32]], LanguageScorer | None]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure, and tune, what a language model does to the reading.")
    parser.add_argument("dataset", nargs="?", help="PATH or PATH:SPLIT")
    parser.add_argument("--model", default="latin", help="the recogniser (default: %(default)s)")
    parser.add_argument("--lm", required=True, help="the language model, several with commas between, or auto")
    parser.add_argument("--text", type=Path, help="what the language model has learnt from")
    parser.add_argument("--words", type=Path, help="words of one's own")
    parser.add_argument("--scores", type=Path, help="keep what the network said here, or take it from here")
    parser.add_argument("--lines", type=int, help="only so many lines, spread over the dataset")
    parser.add_argument("--grid", action="store_true", help="try weights and bonuses")
    parser.add_argument("--store", nargs=2, type=float, metavar=("WEIGHT", "BONUS"), help="write them into the model,")
    parser.add_argument("--facts", type=json.loads, default={}, help="and these facts, a JSON object")
    arguments = parser.parse_args()

    if arguments.store:
        ngrams = load_language_model(arguments.lm)
        ngrams.weight, ngrams.bonus = arguments.store
        ngrams.facts |= arguments.facts
        save_language_model(find_language_model(arguments.lm), ngrams)
        return
    texts, scores = read(arguments.dataset, arguments.model, arguments.lines, arguments.scores)
    alphabet = load_model(arguments.model).alphabet
    known = {bare(word) for word in words(read_text(arguments.text))} if arguments.text else None
    measure(texts, scores, alphabet, None, known, "greedy", beam=False)
    measure(texts, scores, alphabet, None, known, "beam")
    own = read_words(arguments.words) if arguments.words else []
    if arguments.lm == AUTO_LM:
        measure(texts, scores, alphabet, automatic_scorer(alphabet, own), known, AUTO_LM)
        return
    language = load_language_models(arguments.lm)
    reader = with_user_words(language, own) if own else language
    scorer = Fusion(reader, alphabet)
    grid = itertools.product(WEIGHTS, BONUSES) if arguments.grid else [(reader.weight, reader.bonus)]
    for scorer.weight, bonus in grid:
        scorer.gain = math.exp(bonus)
        name = f"{Path(arguments.lm).name}, weight {scorer.weight:.2f}, bonus {bonus:.2f}"
        measure(texts, scores, alphabet, scorer, known, name)


def read(dataset: str, model: str, count: int | None, kept: Path | None) -> tuple[list[str], Scores]:
    """The texts of a dataset's lines, or of so many of them, and the log-probabilities (T, C) of each."""
    if kept and kept.exists():
        with np.load(kept) as file:
            return file["texts"].tolist(), np.split(file["scores"].astype(np.float32), file["ends"][:-1])
    samples = open_dataset(dataset).samples
    if count:
        chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
        samples = tuple(samples[index] for index in chosen)
    recognizer = Recognizer.load(model, "greedy")
    scores: Scores = []
    for start in range(0, len(samples), 16):
        lines = [normalize(read_line_input(sample), recognizer.model.config) for sample in samples[start : start + 16]]
        scores += recognizer.scores([columns_of(line) for line in lines])
        print(f"\r{len(scores)} of {len(samples)} lines", end="", file=sys.stderr)
    print(file=sys.stderr)
    texts = [normal(sample.text) for sample in samples]
    if kept:
        ends = np.cumsum([len(each) for each in scores])
        np.savez(kept, texts=np.array(texts), scores=np.concatenate(scores).astype(np.float16), ends=ends)
    return texts, scores


def automatic_scorer(alphabet: Alphabet, own: list[str]) -> ScorerOf:
    """What detects the language of each line by itself, and prints how many lines are in which at the end."""
    languages = AutomaticLanguages(own)
    scorers: dict[Codes, Fusion] = {}
    found: Counter[Codes] = Counter()
    atexit.register(lambda: print(dict(found.most_common())))

    def scorer_of(log_probs: NDArray[np.float32]) -> Fusion | None:
        (codes, _), *_ = languages.choose([alphabet.decode(label.label for label in greedy(log_probs))])
        found[codes] += 1
        if codes and codes not in scorers:
            scorers[codes] = Fusion(languages.model(codes), alphabet)
        return scorers.get(codes)

    return scorer_of


def measure(
    texts: list[str],
    scores: Scores,
    alphabet: Alphabet,
    scorer: LanguageScorer | ScorerOf | None,
    known: set[str] | None,
    name: str,
    beam: bool = True,
) -> None:
    """Print CER, WER, the milliseconds that decoding takes a line, places included, and what is read of rare words."""
    edits: Any = np.zeros(4)
    right: Any = np.zeros(2)
    rare: Any = np.zeros(2)
    seconds = []
    for text, log_probs in zip(texts, scores, strict=True):
        began = time.process_time()
        of_line = scorer(log_probs) if callable(scorer) else scorer
        unknown = of_line is None and scorer is not None
        labels = read_beam(log_probs, of_line)[0] if beam and not unknown else greedy(log_probs)
        seconds.append(time.process_time() - began)
        read = without_crossed_out(alphabet.decode(label.label for label in labels))
        edits += edit_distance(text, read), len(text), edit_distance(words(text), words(read)), len(words(text))
        if known is not None:
            there = Counter(words(read))
            for word in words(text):
                kind = int(bool(re.search(r"\d", word)))  # 0 a word, 1 a number
                if kind or bare(word) not in known:
                    rare[kind] += 1
                    right[kind] += there[word] > 0
    cer, wer = 100 * edits[0] / edits[1], 100 * edits[2] / edits[3]
    line = f"{name:40} CER {cer:5.2f} %  WER {wer:5.2f} %  {1000 * np.mean(seconds):5.2f} ms a line"
    for what, share, count in zip(("rare words", "numbers"), right / np.maximum(rare, 1), rare, strict=True):
        line += f"  {what} {100 * share:.1f} % of {count:.0f}" if count else ""
    print(line, flush=True)


def bare(word: str) -> str:
    return word.strip(".,;:!?\"'()«»-").lower()


if __name__ == "__main__":
    main()
