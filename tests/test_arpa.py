"""ARPA files: those of other programs, and our own."""

import math
from pathlib import Path

import pytest
from languages import LINES

from inkread.errors import BadModel
from inkread.lm.arpa import read_arpa, to_arpa
from inkread.lm.kneser_ney import fit

BY_HAND = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99 <s> -0.30103
-0.60206 </s>
-0.60206 a -0.30103
-0.60206 <space>
-0.60206 <unk>

\\2-grams:
-0.1 <s> a
-0.2 a <space>
-0.3 a </s>

\\end\\
"""


def test_an_arpa_file_of_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(BY_HAND, encoding="utf-8")
    model = read_arpa(path)
    assert model.score("a") == pytest.approx(math.log(10) * (-0.1 - 0.3))
    # <s> a, a <space>; then no bigram: the unigram alone after a space, which has no backoff; a </s>
    assert model.score("a a") == pytest.approx(math.log(10) * (-0.1 - 0.2 - 0.60206 - 0.3), rel=1e-6)
    assert model.score("x") == pytest.approx(math.log(10) * (-0.30103 - 0.60206 - 0.60206), rel=1e-6)


def test_a_model_survives_writing_and_reading(tmp_path: Path) -> None:
    model = fit(LINES, 4, prune=0.5)
    (tmp_path / "lm.arpa").write_text(to_arpa(model), encoding="utf-8")
    back = read_arpa(tmp_path / "lm.arpa")
    assert back.tokens == model.tokens and back.order == model.order
    for line in ("the cat", "on a mat?", ""):
        assert back.score(line) == pytest.approx(model.score(line), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-0.2 a <space>", "-0.2 b <space>"), "line 14: a 2-gram whose context b is not among the 1-grams"),
        (("-0.2 a <space>", "-0.2 a b"), "line 14: a 2-gram whose last token b is not among the 1-grams"),
        (("-0.2 a <space>", "-0.2 <s> a"), "line 14: the 2-gram <s> a occurs twice"),
        (("-0.2 a <space>", "often a <space>"), "line 14: often is not a number"),
        (("-0.2 a <space>", "1e309 a <space>"), "line 14: 1e309 is not the log10 of a probability"),
        (("-0.2 a <space>", "nan a <space>"), "line 14: nan is not the log10 of a probability"),
        (("-0.2 a <space>", "0.2 a <space>"), "line 14: 0.2 is not the log10 of a probability"),
        (("-0.2 a <space>", "-0.2 a"), "line 14: not a 2-gram"),
        (("-0.2 a <space>", "-0.2 a <space> -1 -1"), "line 14: not a 2-gram"),
        (("-99 <s> -0.30103", "-99 <s> 1e309"), "line 6: 1e309 is not the log10 of a backoff"),
        (("-99 <s> -0.30103", "-99 <s> nan"), "line 6: nan is not the log10 of a backoff"),
        (("-99 <s> -0.30103", "-99 <s> 99"), "probabilities are out of range"),
        (("-0.2 a <space>\n", ""), "line 16: the file has 2 2-grams, but announces 3"),
        (("ngram 2=3", "ngram 2=3\nngram 3=1"), "line 18: the file has 0 3-grams, but announces 1"),
        (("\\2-grams:", "\\3-grams:"), "line 12: 3-grams where 2-grams are expected"),
        (("\\end\\", ""), "not a complete ARPA file"),
        (("-0.60206 a ", "-0.60206 and "), r"line 8: a language model of words \(and, ...\)"),
        (("<space>", "and"), r"line 9: a language model of words \(and, ...\)"),
        ((BY_HAND, "\\end\\"), "empty"),
    ],
)
def test_a_bad_arpa_file_is_refused_in_one_line(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.arpa"
    path.write_text(BY_HAND.replace(*change), encoding="utf-8")
    with pytest.raises(BadModel, match=message) as caught:
        read_arpa(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(BadModel, match=r"nowhere\.arpa"):
        read_arpa(tmp_path / "nowhere.arpa")


def test_a_truncated_arpa_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "half.arpa"
    for length in range(len(BY_HAND.rstrip()) - 1):
        path.write_text(BY_HAND[:length], encoding="utf-8")
        with pytest.raises(BadModel, match=r"half\.arpa"):
            read_arpa(path)


def test_an_arpa_file_may_have_a_byte_order_mark_and_unusual_spaces_as_tokens(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    text = BY_HAND.replace(" a", " \u00a0").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_arpa(path).score("\u00a0") == pytest.approx(math.log(10) * (-0.1 - 0.3))
