"""Calibrate the confidence of a model, and write the coefficients into its file.

    python benchmarks/calibrate.py models/latin.safetensors --fit iam-lines:tr/5 --fit copiste:dev --fit unipen:dev/4 \\
        --check iam-lines:va1 --check copiste:dev --check unipen:dev/4

The model must not have been trained on any of these lines. DATASET/5 takes every fifth line. A dataset that is given
for both is divided by writer, or by form where writers are unknown: one half to fit, the other one to check.

Prints, for greedy decoding and for the language models that the model names: the calibration error of characters, words
and lines on the lines to check, in points, and what it would be by chance alone if the confidence were perfect; and the
area under the ROC curve for "no error". The last row is for all sets together.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from inkread.alphabet import normal, without_crossed_out
from inkread.data import Sample, open_dataset
from inkread.data.samples import read_line_input
from inkread.evaluation.calibration import calibration_error, right_characters, right_words, roc_area
from inkread.features.extract import columns_of, normalize
from inkread.model.checkpoint import Model, load_model, save_model
from inkread.model.confidence import Calibration, Unit, evidence, word_spans
from inkread.model.recognizer import Decoder, Recognizer

DECODERS = get_args(Decoder)
RIDGE = 1e-3  # keeps the coefficients finite if errors and correct readings can be separated
ROUNDS = 25  # of Newton's method, which converges in less than ten
DRAWS = 100  # for the error by chance

Judged = dict[Unit, tuple[NDArray[np.float64], NDArray[np.float64]]]  # evidence (N, 1 or 2); right or not (N,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--fit", action="append", required=True, metavar="DATASET[/N]")
    parser.add_argument("--check", action="append", default=[], metavar="DATASET[/N]")
    parser.add_argument("--dry-run", action="store_true", help="leave the file as it is")
    arguments = parser.parse_args()

    model = load_model(str(arguments.model))
    recognizers = {name: Recognizer.load(str(arguments.model), decoder=name) for name in DECODERS}
    samples = _divide(arguments.fit, arguments.check)
    fit = _judge_all(recognizers, [sample for spec in arguments.fit for sample in samples["fit", spec]])
    checks = {spec: _judge_all(recognizers, samples["check", spec]) for spec in arguments.check}
    coefficients = {decoder: {unit: _fit(*fit[decoder][unit]) for unit in get_args(Unit)} for decoder in DECODERS}
    for decoder in DECODERS:
        print(f"{decoder}: {coefficients[decoder]}")
        for spec in arguments.check:
            _report(f"{spec}, {len(samples['check', spec])} lines", [checks[spec][decoder]], coefficients[decoder])
        _report("all", [checks[spec][decoder] for spec in arguments.check], coefficients[decoder])
    if not arguments.dry_run:
        facts = {**model.facts, "calibration": coefficients}
        save_model(arguments.model, Model(model.config, model.alphabet, model.weights, facts))


def _divide(fit: Sequence[str], check: Sequence[str]) -> dict[tuple[str, str], list[Sample]]:
    """The samples of each dataset, by what they are for."""
    found = {}
    for spec in dict.fromkeys([*fit, *check]):
        name, _, every = spec.rpartition("/") if spec.rpartition("/")[2].isdigit() else (spec, "", "1")
        samples = list(open_dataset(name).samples)[:: int(every)]
        if spec not in fit or spec not in check:
            found["fit" if spec in fit else "check", spec] = samples
            continue
        groups = sorted({_group(sample) for sample in samples})
        # Forms in the order of their names may share a writer with the next one, so they are cut once in the middle.
        chosen = set(groups[::2] if samples[0].writer else groups[: len(groups) // 2])
        found["fit", spec] = [sample for sample in samples if _group(sample) in chosen]
        found["check", spec] = [sample for sample in samples if _group(sample) not in chosen]
    return found


def _group(sample: Sample) -> str:
    return sample.writer or sample.id.rpartition("-")[0]


def _judge_all(recognizers: dict[str, Recognizer], samples: Sequence[Sample]) -> dict[str, Judged]:
    """The evidence of each character, word and line, and whether it is right, with each decoder."""
    rows: dict[str, dict[Unit, list[tuple[tuple[float, ...], bool]]]] = {
        name: {unit: [] for unit in get_args(Unit)} for name in recognizers
    }
    first = next(iter(recognizers.values()))
    for sample in samples:
        line = normalize(read_line_input(sample), first.model.config)
        (log_probs,) = first.scores([columns_of(line)])
        written = normal(without_crossed_out(sample.text))
        for name, recognizer in recognizers.items():
            labels, _, candidates = recognizer.decode(log_probs)
            text = recognizer.model.alphabet.decode([label.label for label in labels])
            if not labels or (candidates is None and recognizer.decoder == "beam"):  # a language without a model
                continue
            right = {
                "character": right_characters(written, text),
                "word": right_words(written, text),
                "line": [written == text],
            }
            for unit, each in evidence(labels, word_spans(text), candidates).items():
                rows[name][unit] += zip(each, right[unit], strict=True)
    return {name: {unit: _arrays(each) for unit, each in of_unit.items()} for name, of_unit in rows.items()}


def _arrays(rows: Sequence[tuple[tuple[float, ...], bool]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, right = zip(*rows, strict=True)
    return np.array(values), np.array(right, dtype=np.float64)


def _fit(values: NDArray[np.float64], right: NDArray[np.float64]) -> list[float]:
    """The coefficients of a logistic regression, by Newton's method: a constant, and a factor for each evidence."""
    x = np.column_stack([np.ones(len(values)), values])  # (N, 2 or 3)
    found = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (p - right) + RIDGE * found
        curvature = (x.T * (p * (1 - p))) @ x + RIDGE * np.eye(len(found))
        found -= np.linalg.solve(curvature, slope)
    return [round(float(number), 4) for number in found]


def _report(name: str, sets: Sequence[Judged], coefficients: dict[Unit, list[float]]) -> None:
    random = np.random.default_rng(0)
    calibration, columns = Calibration(coefficients), []
    for unit in get_args(Unit):
        values = [tuple(row) for judged in sets for row in judged[unit][0].tolist()]
        right = np.concatenate([judged[unit][1] for judged in sets]) > 0.5
        p = np.array([calibration.probability(unit, each) for each in values])
        chance = np.mean([calibration_error(p, random.random(len(p)) < p) for _ in range(DRAWS)])
        error = calibration_error(p, right)
        columns.append(f"{unit} {100 * error:.1f} (by chance {100 * chance:.1f}), AUC {roc_area(p, right):.3f}")
    print(f"  {name}: " + "; ".join(columns), flush=True)


if __name__ == "__main__":
    main()
