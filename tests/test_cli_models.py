"""`inkread models`."""

import json
from pathlib import Path

import pytest
from commands import LINE, done, refused, run

from inkread.model.checkpoint import load_model, save_model

pytestmark = pytest.mark.usefixtures("one_process")


def test_models(shelf: Path) -> None:
    first, page = done("models").stdout.split("lines\n")
    head, *facts = first.splitlines()
    assert head == "latin (default)" and [fact.split()[0] for fact in facts] == ["reads", "licence", "size"]
    assert page.splitlines()[0] == "  finds     the lines of a page"
    row, page_row = map(json.loads, done("models", "--json").stdout.splitlines())
    assert row["name"] == "latin" and row["file"] == str(shelf / "latin.safetensors")
    assert (page_row["name"], page_row["kind"], page_row["licence"]) == ("lines", "page", "MIT")
    (shelf / "latin.safetensors").unlink()
    assert "no model is installed; train one with `inkread train`" in refused("models")
    assert "latin: no such model; installed: none" in refused("predict", LINE)
    (shelf / "lines.page.safetensors").unlink()
    assert not done("models", "--json").output


def test_models_of_the_user_are_listed_and_read(shelf: Path, personal: Path) -> None:
    save_model(personal / "anna.safetensors", load_model("latin"))
    try:
        assert "my/anna" in done("models").stdout.splitlines()
        read = done("predict", LINE, "--model", "my/anna")
        assert read.stdout == done("predict", LINE, "--model", personal / "anna.safetensors").stdout
    finally:
        (personal / "anna.safetensors").unlink()


def test_a_damaged_model_does_not_hide_the_others(shelf: Path) -> None:
    whole = (shelf / "latin.safetensors").read_bytes()
    (shelf / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    model = load_model("latin")
    model.facts["errors"] = [{"on": "lines"}]
    save_model(shelf / "strange.safetensors", model)
    for form in ((), ("--json",)):
        result = run("models", *form)
        assert result.exit_code == 1 and "latin" in result.stdout.splitlines()[0]
        first, second = result.stderr.splitlines()
        assert first.startswith(f"Error: {shelf / 'half.safetensors'}: damaged")
        assert second.startswith(f"Error: {shelf / 'strange.safetensors'}: damaged")


def test_models_tells_of_language_models(shelf: Path, letters: Path) -> None:
    done("lm", "train", letters, "--order", 3, "--out", shelf / "letters.lm.safetensors")
    rows = list(map(json.loads, done("models", "--json").stdout.splitlines()))
    kinds = [("latin", "lines"), ("letters", "language"), ("lines", "page")]
    assert [(row["name"], row["kind"]) for row in rows] == kinds
    assert "letters (--lm letters)" in done("models").stdout
    (shelf / "letters.lm.safetensors").rename(shelf / "german.lm.safetensors")
    latin = load_model("latin")
    for named, shown in (("german", "of the detected languages"), ("german,own", "german, own")):
        latin.facts["lm"] = named
        save_model(shelf / "latin.safetensors", latin)
        shown_models = done("models").stdout
        assert f"the language models {shown}, unless" in shown_models and "german (--lm german or de)" in shown_models
    (shelf / "german.lm.safetensors").rename(shelf / "letters.lm.safetensors")
    assert " bits per character" in done("lm", "score", letters, "--lm", "letters").stdout
