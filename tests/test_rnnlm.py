"""Recurrent language models: the chain rule, the state that is carried over, training, files."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inkread._model_files import read_arrays, write_arrays
from inkread.config import CELLS
from inkread.errors import BadConfig, BadInput, BadModel
from inkread.lm.files import kind_of_language_model, load_language_model, save_language_model
from inkread.lm.kneser_ney import fit
from inkread.model.rnnlm import RecurrentModel, RecurrentNetwork, RnnConfig, load_recurrent_model
from inkread.model.tokenizer import Tokenizer
from inkread.training.rnnlm import train

LINES = ["the cat sat on the mat", "that is the hat", "a cat, a hat"] * 20


TINY = RnnConfig(embedding=8, layers=1, hidden=24, batch=4, truncate=16, dropout=0.0, epochs=25, learning_rate=0.02)


@pytest.fixture(scope="module")
def learnt() -> RecurrentModel:
    return train(LINES, TINY.replace({"pieces": 5}))


def untrained(cell: str = "gru") -> RecurrentModel:
    config = TINY.replace({"cell": cell, "layers": 2})
    tokenizer = Tokenizer.of(LINES, 5)
    torch.manual_seed(0)
    return RecurrentModel(config, tokenizer, RecurrentNetwork(config, len(tokenizer.tokens)))


@pytest.mark.parametrize("cell", CELLS)
def test_a_score_is_the_chain_rule_token_by_token(cell: str) -> None:
    model = untrained(cell)
    total, states, before = 0.0, None, 0
    with torch.inference_mode():
        for token in model.tokenizer.encode("the mat"):
            log_p, states = model.network(torch.tensor([[before]]), states)
            assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
            total += float(log_p[0, 0, token])
            before = token
    assert model.score("the mat") == pytest.approx(total, abs=1e-4)


def test_training_lowers_the_perplexity(learnt: RecurrentModel) -> None:
    tokens = sum(len(learnt.tokenizer.encode(line)) for line in LINES[:3])
    nats = -sum(map(learnt.score, LINES[:3])) / tokens
    assert nats < 0.7 * math.log(len(learnt.tokenizer.tokens))
    assert learnt.score("the cat") > learnt.score("tac eht")


def test_samples_depend_only_on_the_seed_and_temperature(learnt: RecurrentModel) -> None:
    assert learnt.sample("the ", 1.0, 3, 40) == learnt.sample("the ", 1.0, 3, 40)
    assert len({learnt.sample("", 1.5, seed, 40) for seed in range(5)}) > 1
    assert learnt.sample("the ", 0, 1, 30) == learnt.sample("the ", 0, 2, 30)
    assert learnt.sample("the ", 0.5, 0, 30).startswith("the ") and len(learnt.sample("the ", 0.5, 0, 30)) == 30


def test_the_state_is_carried_over_but_not_the_gradient() -> None:
    """A text in two parts gives the same output as the whole text; only the gradient stops between them."""
    network = untrained("lstm").network
    tokens = torch.arange(12).remainder(7).unsqueeze(1)
    whole = network(tokens)[0]
    first, states = network(tokens[:5])
    second = network(tokens[5:], states)[0]
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_a_model_survives_writing_and_reading(learnt: RecurrentModel, tmp_path: Path) -> None:
    path = tmp_path / "tiny.lm.safetensors"
    learnt.facts = {"trained_on": ["lines.txt"]}
    learnt.save(path)
    back = load_recurrent_model(str(path))
    assert isinstance(back, RecurrentModel) and back.config == learnt.config and back.facts == learnt.facts
    assert back.score("the hat") == pytest.approx(learnt.score("the hat"), abs=0.02)  # float16
    assert kind_of_language_model(str(path)) == "rnn"
    with pytest.raises(BadModel, match=r"tiny\.lm\.safetensors: not an n-gram language model, but rnn"):
        load_language_model(str(path))
    save_language_model(path, fit(LINES, 2))
    assert kind_of_language_model(str(path)) == "ngram"
    with pytest.raises(BadModel, match=r"tiny\.lm\.safetensors: not a recurrent language model, but ngram"):
        load_recurrent_model(str(path))


def test_bad_settings_and_texts_are_refused() -> None:
    with pytest.raises(BadConfig, match="cell=rnn"):
        RnnConfig().replace({"cell": "rnn"})
    with pytest.raises(BadConfig, match="pieces"):
        RnnConfig(pieces=-1)
    with pytest.raises(BadInput, match="too few"):
        train(["ab"], TINY)
    with pytest.raises(BadModel, match="no such language model"):
        load_recurrent_model("klingon")


@pytest.mark.parametrize(
    "change",
    [
        {"characters": 5},
        {"characters": None},
        {"characters": "aa"},
        {"characters": "a\ud800"},
        {"merges": "x"},
        {"merges": [["a"]]},
        {"merges": [["a", 5]]},
        {"merges": None},
        {"config": {"hidden": 10**9}},
        {"config": {"layers": 10**9}},
        {"config": {"embedding": 10**30}},
        {"config": []},
        {"facts": 5},
        {"embedding.weight": np.zeros(2, np.float32)},
        {"output.bias": math.nan},
        {"output.bias": 1e38},  # finite, but its softmax gives no probabilities
    ],
)
def test_a_damaged_file_is_refused(learnt: RecurrentModel, tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "tiny.lm.safetensors"
    learnt.facts = {}
    learnt.save(path)
    description, weights = read_arrays(path)
    weights = {name: weight.astype(np.float32) for name, weight in weights.items()}
    for name, value in change.items():
        if isinstance(value, float):
            weights[name][3] = value
        else:
            (weights if name in weights else description)[name] = value
    write_arrays(path, weights, description)
    with pytest.raises(BadModel, match=r"tiny\.lm\.safetensors: .*copy") as caught:
        load_recurrent_model(str(path)).score("the")
    assert "\n" not in str(caught.value)
