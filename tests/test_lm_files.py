"""Files of n-gram models: what is saved comes back, what is damaged is refused."""

import math
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from languages import LINES

from inkread._model_files import read_tensors, write_tensors
from inkread.errors import BadModel
from inkread.lm.files import load_language_model, save_language_model
from inkread.lm.kneser_ney import fit


def packed(data: bytes) -> torch.Tensor:
    return torch.tensor([*zlib.compress(data)], dtype=torch.uint8)


@pytest.fixture
def ngrams(tmp_path: Path) -> Path:
    path = tmp_path / "letters.lm.safetensors"
    save_language_model(path, fit(["the cat sat", "on the mat"] * 3, 4))
    return path


def test_n_grams_without_words_survive_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "numbers.lm.safetensors"
    model = fit(["12", "34"], 2)
    save_language_model(path, model)
    assert load_language_model(str(path)).score("1234") == pytest.approx(model.score("1234"), rel=0.01)


@pytest.mark.parametrize(
    "damage",
    [
        {"tokens": []},
        {"order": 7},
        {"weight": math.nan},
        {"weight": "much"},
        {"weight": 1e9},
        {"bonus": math.inf},
        {"bonus": True},
        {"facts": {"lm": 5}},
        {"children": torch.zeros(3, dtype=torch.uint8)},
        {"token": torch.zeros(70, dtype=torch.bfloat16)},
        {"log_p": torch.zeros(70, dtype=torch.float32)},
        {"log_p": [0.0]},
        {"log_p": [math.nan, 1.0]},
        {"log_p": [0.0, "wide"]},
        {"log_p": [-1e6, 1.0]},
        {"backoff": torch.ones(1)},
        {"backoff": torch.zeros(1, dtype=torch.uint8)},
        {"backoff": [math.inf, 1.0]},
        {"counts": packed(struct.pack("<4I", 1, 1, 1, 1))},
        {"counts": packed(struct.pack("<5I", 1, 1, 0, 1, 1))},
        {"counts": packed(b"123")},
        {"counts": torch.ones(5)},
        {"words": torch.full((5,), 255, dtype=torch.uint8)},
        {"words": packed(b"\xff")},
        {"words": packed(b"a\n\nb\nc\nd")},
        {"words": packed(b"cat\nmat\non\nsat\nthe")[:-6]},
        {"words": torch.tensor(5, dtype=torch.uint8)},
    ],
)
def test_a_damaged_n_gram_model_is_refused(ngrams: Path, damage: dict[str, Any]) -> None:
    description, tensors = read_tensors(ngrams)
    for name, value in damage.items():
        (tensors if isinstance(value, torch.Tensor) else description)[name] = value
    write_tensors(ngrams, tensors, description)
    with pytest.raises(BadModel, match=r"letters\.lm\.safetensors: .*(damaged|copy it again)") as caught:
        load_language_model(str(ngrams))
    assert "\n" not in str(caught.value)


def test_n_grams_are_read_without_torch(ngrams: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path;"
        "from inkread._model_files import describe_model; from inkread.lm.files import load_language_models;"
        "describe_model(Path(sys.argv[1])); load_language_models(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, ngrams], check=True)


def test_n_grams_survive_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "ngrams.lm.safetensors"
    model = fit(LINES, 4, prune=1)
    model.weight, model.bonus, model.facts = 0.7, 0.9, {"licence": "MIT"}
    save_language_model(path, model)
    back = load_language_model(str(path))
    assert (back.weight, back.bonus, back.facts) == (0.7, 0.9, {"licence": "MIT"})
    assert (back.words, back.word_counts.tolist()) == (model.words, model.word_counts.tolist())
    scores = [model.score(line) for line in LINES[:3]]
    assert [back.score(line) for line in LINES[:3]] == pytest.approx(scores, rel=0.02)
    np.testing.assert_allclose(back.log_p[2:], model.log_p[2:], atol=float(np.ptp(model.log_p[2:])) / 255)  # 8 bits
    save_language_model(path, back)  # what is rounded already stays as it is
    assert [load_language_model(str(path)).score(line) for line in LINES] == [back.score(line) for line in LINES]


def test_a_file_of_another_version_says_what_to_do(ngrams: Path) -> None:
    description, tensors = read_tensors(ngrams)
    write_tensors(ngrams, tensors, description | {"format": "inkread language model 1"})
    with pytest.raises(BadModel, match=r"language model 1; use one that this version of"):
        load_language_model(str(ngrams))
