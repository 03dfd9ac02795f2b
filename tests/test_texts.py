"""Texts to draw."""

from pathlib import Path

import numpy as np
import pytest

from inkread.alphabet import bare_letter
from inkread.synth.texts import CHARACTERS, LANGUAGES, LONGEST, LineText, Texts, with_rare_letters


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    """Few texts of every language."""
    for language in LANGUAGES:
        (tmp_path / language).mkdir()
        for source, text in (
            ("common-voice", f"Elle a dit : « {language} – c’est tout »…\nAn _odd_ line\nЖ cannot be drawn\n"),
            ("books", "Longer words than anybody would write on one line of a sheet of paper, and then some more\n"),
            ("forms", f"12,50 €\nanna_b@mail.{language}\n"),
            ("ntrex", "share alike\n"),
        ):
            (tmp_path / language / f"{source}.txt").write_text(text, encoding="utf-8")
    return Texts.read(tmp_path)


def test_lines_are_short_drawable_and_of_the_sources(texts: Texts) -> None:
    rng = np.random.default_rng(0)
    lines = [texts.random_text(rng) for _ in range(600)]
    assert all(0 < len(line) <= LONGEST and CHARACTERS.issuperset(line) for line in lines)
    assert len(set(lines)) > 100
    written = "\n".join(lines)
    assert "An odd line" in lines and "anna_b@mail.fr" in written and "12,50 €" in written
    assert "c'est tout »..." in written and "alike" not in written


def test_shares_of_the_languages_are_all_there_is() -> None:
    assert sum(LANGUAGES.values()) == pytest.approx(1)


def test_crossed_out_words_become_a_mark(texts: Texts) -> None:
    assert LineText(("to", "be", "bee"), struck=(2,)).text == "to be✗"
    rng = np.random.default_rng(0)
    lines = [texts.random_line(rng, capitals=0.5) for _ in range(400)]
    struck = [line for line in lines if line.struck]
    assert 4 < len(struck) < 40
    assert all(line.text.count("✗") == 1 and len(line.text.split()) == len(line.words) - 1 for line in struck)
    assert 120 < sum(line.text.isupper() for line in lines) < 280


def test_rare_letters_replace_letters_of_their_shape() -> None:
    assert [bare_letter(letter) for letter in "őŁøßÆtž5,"] == [*"oLosAtz5,"]
    text = "Nine quick foxes jumped; 12 tired dogs slept."
    changed = [with_rare_letters(text, np.random.default_rng(seed)) for seed in range(400)]
    plain = [line for line in changed if len(line) == len(text)]  # without an added sign
    assert 200 < len(plain) < 350
    for line in plain:
        assert "".join(map(bare_letter, line)) == text
    assert {*"őșțěłøßđůñ"} <= set("".join(changed)) <= CHARACTERS


def test_the_characters_of_european_languages_are_covered() -> None:
    for letters in ("ßäöü", "éèêëçœ", "ñ¿¡", "ãõ", "ąćęłńóśźż", "čďěňřšťůž", "åæø", "őű", "șț", "€£§°½", "«»„"):
        assert CHARACTERS.issuperset(letters + letters.replace("ß", "").upper())
