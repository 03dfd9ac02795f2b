"""Record what each shipped model reads, so that no change of the code changes it unnoticed.

    python tests/golden/make.py [MODEL...]

Of each model NAME this writes tests/golden/NAME.json: the texts of the sample lines, and some of the network's
log-probabilities. tests/test_golden.py compares them with what the code gives. Run this only when the models
themselves have changed, or when a change of the results is intended and measured.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import shipped_models
from inkread.config import NetworkConfig
from inkread.features.extract import columns_of, normalize
from inkread.features.ink_lines import split_lines
from inkread.inputs import open_images, read_inks
from inkread.inputs.ink import LineInput
from inkread.model.decoder import greedy
from inkread.model.recognizer import Recognizer

FOLDER = Path(__file__).parent
SAMPLE = FOLDER.parents[1] / "datasets" / "sample"
LINES = 2  # lines whose log-probabilities are recorded
STEP, LABEL = 8, 11  # of them every eighth step, and every eleventh label from the blank on


def main(names: Sequence[str]) -> None:
    for name in names or shipped_models():
        text = json.dumps(golden(name), ensure_ascii=False, indent=1)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def golden(name: str) -> dict[str, Any]:
    """The texts of the sample lines, greedy and with the model's language models, and some log-probabilities."""
    recognizer = Recognizer.load(name, engine="onnx")  # in 8 bits a few characters differ
    alphabet = recognizer.model.alphabet
    lines = [log_probabilities(recognizer, line) for line in sample_lines(recognizer.model.config)]
    return {
        "greedy": [alphabet.decode(label.label for label in greedy(log_p)) for log_p in lines],
        "with_language_models": [
            alphabet.decode(label.label for label in recognizer.decode(log_p).labels) for log_p in lines
        ],
        "log_probabilities": [excerpt(log_p) for log_p in lines[:LINES]],
    }


def sample_lines(config: NetworkConfig) -> list[LineInput]:
    """The lines of the sample set that the network reads: images, or pen strokes."""
    if config.features == "strokes":
        return [line for ink in read_inks(SAMPLE / "pen.inkml", whole=True) for line in split_lines(ink.strokes)]
    return [next(iter(open_images(path))) for path in sorted(SAMPLE.glob("*.png"))]


def log_probabilities(recognizer: Recognizer, line: LineInput) -> NDArray[np.float32]:
    """Log-probabilities (T, C) of a line."""
    return recognizer.scores([columns_of(normalize(line, recognizer.model.config))])[0]


def excerpt(log_p: NDArray[np.float32]) -> dict[str, Any]:
    """The number of steps, and for some of them a row with the log-probabilities of some labels."""
    rows = log_p[::STEP, ::LABEL].tolist()
    return {"steps": len(log_p), "values": [" ".join(f"{value:.4f}" for value in row) for row in rows]}


if __name__ == "__main__":
    main(sys.argv[1:])
