"""`inkread lm`."""

import json
import math
import os
from pathlib import Path

import pytest
from commands import LINE, SAMPLE, done, refused

pytestmark = pytest.mark.usefixtures("one_process")


def test_lm_score_tells_each_line_and_bits(ngrams: Path, letters: Path) -> None:
    *rows, total = done("lm", "score", letters, "--lm", ngrams).stdout.splitlines()
    assert len(rows) == 15 and rows[0].endswith("\tDear Anna,")
    found = json.loads(done("lm", "score", letters, "--lm", ngrams, "--json").stdout)
    assert [f"{line['log_probability']:.2f}\t{line['text']}" for line in found["lines"]] == rows
    nats = -sum(line["log_probability"] for line in found["lines"])
    characters = sum(len(line["text"]) + 1 for line in found["lines"])
    assert found["bits_per_character"] == pytest.approx(nats / characters / math.log(2), abs=1e-3)
    assert total.startswith(f"{found['bits_per_character']:.3f} bits per character, perplexity ")


def test_a_text_may_come_from_standard_input(ngrams: Path, letters: Path, model: Path, tmp_path: Path) -> None:
    text = letters.read_bytes()
    assert (
        done("lm", "score", "-", "--lm", ngrams, stdin=text).output
        == done("lm", "score", letters, "--lm", ngrams).output
    )
    assert "standard input: not UTF-8" in refused("lm", "score", "-", "--lm", ngrams, stdin=b"\xff")
    words = tmp_path / "words.txt"
    words.write_text("Margaret\n", "utf-8")
    reading = ("predict", LINE, "--model", model, "--lm", ngrams, "--words")
    assert done(*reading, "-", stdin=words.read_bytes()).stdout == done(*reading, words).stdout
    done("lm", "train", "-", "--out", tmp_path / "short.lm.safetensors", stdin=b"ab\n")
    assert (
        " bits per character" in done("lm", "score", "-", "--lm", tmp_path / "short.lm.safetensors", stdin=b"ab").stdout
    )


def test_lm_sample_goes_on_from_the_prompt(ngrams: Path) -> None:
    sample = done("lm", "sample", "--lm", ngrams, "--prompt", "We wal", "--seed", 3, "--length", 30).stdout
    assert sample.startswith("We wal") and len(sample) == 31
    assert sample == done("lm", "sample", "--lm", ngrams, "--prompt", "We wal", "--seed", 3, "--length", 30).stdout


def test_a_recurrent_model_scores_and_samples_only(letters: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "rnn.lm.safetensors"
    tiny = ("epochs=2", "batch=2", "hidden=16", "layers=1", "embedding=8", "pieces=5", "truncate=16")
    done("lm", "train", letters, "--kind", "rnn", "--out", out, *(part for one in tiny for part in ("--set", one)))
    assert " bits per character" in done("lm", "score", letters, "--lm", out).stdout
    assert done("lm", "sample", "--lm", out, "--prompt", "We").stdout.startswith("We")
    assert "not an n-gram language model, but rnn" in refused("predict", LINE, "--model", model, "--lm", out)


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["predict", LINE, "--words", "names.txt", "--lm", "none"], "--words needs a language model", 2),
        (["predict", LINE, "--words", "names.txt", "--decoder", "greedy"], "uses no language model", 2),
        (["predict", LINE, "--lm", "english", "--decoder", "greedy"], "uses no language model", 2),
        (["eval", SAMPLE, "--lm", "klingon"], "klingon: no such language model; installed:", 1),
        (["predict", LINE, "--lm", "nowhere.arpa"], "nowhere.arpa: no such language model file", 1),
        (["lm", "train", "nowhere.txt", "--out", "a.lm.safetensors"], "nowhere.txt: cannot be read", 1),
        (["lm", "train", LINE, "--out", "a.lm.safetensors"], "not UTF-8", 1),
        (["lm", "train", LINE, "--out", "a.safetensors"], "must end in .lm.safetensors or .arpa", 2),
        (["lm", "train", LINE, "--kind", "rnn", "--out", "a.arpa"], "must end in .lm.safetensors", 2),
        (["lm", "train", LINE, "--set", "cell=gru", "--out", "a.arpa"], "add --kind rnn", 2),
        (["lm", "train", LINE, "--out", "nowhere/a.arpa"], "there is no folder nowhere", 4),
        (["lm", "train", LINE, "--kind", "rnn", "--order", 7, "--out", "a.lm.safetensors"], "--order: only for n-g", 2),
        (["lm", "train", LINE, "--kind", "rnn", "--prune", 1, "--out", "a.lm.safetensors"], "--prune: only for n-g", 2),
        (["lm", "train", os.devnull, "--out", "a.arpa"], f"{os.devnull}: no text to learn from", 3),
        (["lm", "sample", "--temperature", "nan"], "must be a finite number", 2),
        (["predict", "-", "--words", "-"], "cannot both be standard input", 2),
        (["lm", "score", "nowhere.txt"], "nowhere.txt: cannot be read", 1),
        (["lm", "score", SAMPLE / "01-scan.gt.txt", "--lm", LINE], "not a model file", 1),
    ],
)
def test_mistakes_with_language_models(arguments: list[object], message: str, code: int) -> None:
    assert message in refused(*arguments, code=code)
