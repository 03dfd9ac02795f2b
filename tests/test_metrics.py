"""Edit distance, error rates and intervals against hand-worked values, a recursion and repeated experiments."""

import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkread.alphabet import normal
from inkread.errors import BadDataset
from inkread.evaluation.metrics import alignment, bootstrap_interval, edit_distance, error_rate, words

SHORT = st.text("abé", max_size=6)


def distance_by_recursion(a: str, b: str) -> int:
    """The definition of Levenshtein, word for word."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        swap = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(swap, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(a), len(b))


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("kitten", "sitting", 3), ("flaw", "lawn", 2), ("", "abc", 3), ("abc", "", 3), ("as", "as", 0), ("ab", "ba", 2)],
)
def test_edit_distance_by_hand(a: str, b: str, edits: int) -> None:
    assert edit_distance(a, b) == edits


def test_edit_distance_counts_whole_words() -> None:
    assert edit_distance(["the", "cat", "sat"], ["the", "hat", "sat", "down"]) == 2


@given(SHORT, SHORT)
def test_edit_distance_is_what_the_recursion_says(a: str, b: str) -> None:
    assert edit_distance(a, b) == distance_by_recursion(a, b) == edit_distance(b, a)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_edit_distance_keeps_the_triangle_inequality(a: str, b: str, c: str) -> None:
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert (edit_distance(a, b) == 0) == (a == b)


def test_alignment_by_hand() -> None:
    assert alignment("cat", "cut") == [("c", "c"), ("a", "u"), ("t", "t")]
    assert alignment("cart", "cat") == [("c", "c"), ("a", "a"), ("r", ""), ("t", "t")]
    assert alignment("cat", "chat") == [("c", "c"), ("", "h"), ("a", "a"), ("t", "t")]
    assert alignment("", "ab") == [("", "a"), ("", "b")]
    assert alignment("", "") == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_alignment_spells_both_texts_with_the_fewest_edits(written: str, read: str) -> None:
    pairs = alignment(written, read)
    assert "".join(a for a, _ in pairs) == normal(written)
    assert "".join(b for _, b in pairs) == normal(read)
    assert sum(a != b for a, b in pairs) == edit_distance(normal(written), normal(read))
    assert ("", "") not in pairs


def test_error_rate_weighs_lines_by_their_length() -> None:
    pairs = [("abcd", "abed"), ("ef", "ef")]
    assert error_rate(pairs) == pytest.approx(1 / 6)
    assert error_rate([("a", "xyz")]) == 3.0
    assert error_rate([("", "x"), ("ab", "ab")]) == pytest.approx(1 / 2)


def test_word_error_rate_takes_any_white_space() -> None:
    assert error_rate([("the  quick\tfox", " the quick box ")], words) == pytest.approx(1 / 3)


def test_composed_and_combining_accents_are_the_same_character() -> None:
    assert error_rate([("caf\u00e9", "cafe\u0301")]) == 0.0
    assert error_rate([("caf\u00e9", "cafe")]) == pytest.approx(1 / 4)
    assert alignment("e\u0301", "\u00e9") == [("\u00e9", "\u00e9")]


def test_no_reference_text_is_no_rate() -> None:
    with pytest.raises(BadDataset, match="every reference text is empty"):
        error_rate([("", "noise")])


def test_interval_is_the_same_every_time_and_holds_the_rate() -> None:
    numbers = random.Random(0)
    lengths = [numbers.randint(20, 60) for _ in range(200)]
    errors = [numbers.randint(0, length // 4) for length in lengths]
    low, high = bootstrap_interval(errors, lengths)
    assert (low, high) == bootstrap_interval(errors, lengths)
    assert low < sum(errors) / sum(lengths) < high
    assert bootstrap_interval(errors, lengths, seed=1) != (low, high)


def test_interval_is_the_normal_approximation_for_many_equal_lines() -> None:
    """1,000 lines of 10 characters, each with 0 or 2 errors: the rate is 0.1, its standard error 0.1 / sqrt(1000)."""
    low, high = bootstrap_interval([0, 2] * 500, [10] * 1000, rounds=4000)
    assert (low, high) == pytest.approx((0.1 - 1.96 * 0.1 / 1000**0.5, 0.1 + 1.96 * 0.1 / 1000**0.5), abs=5e-4)


def test_interval_by_writer_is_wider_when_writers_differ() -> None:
    errors = [2] * 50 + [8] * 50 + [1] * 50 + [9] * 50
    writers = [f"w{line // 50}" for line in range(200)]
    by_line = bootstrap_interval(errors, [40] * 200)
    by_writer = bootstrap_interval(errors, [40] * 200, writers)
    assert by_writer[0] < by_line[0] < by_line[1] < by_writer[1]


def test_interval_of_lines_each_by_its_own_writer_is_the_interval_by_line() -> None:
    errors, lengths = [1, 5, 2, 0], [10, 20, 30, 40]
    assert bootstrap_interval(errors, lengths, "abcd") == bootstrap_interval(errors, lengths)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """60 experiments of 40 writers with a rate of their own each: near 95 % of the intervals hold the true rate."""
    world = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        rates = world.beta(2, 18, size=40)  # mean 0.1
        lengths = np.full(40 * 5, 40)
        errors = world.binomial(lengths, np.repeat(rates, 5))
        low, high = bootstrap_interval(errors, lengths, np.repeat(np.arange(40), 5).tolist(), rounds=500)
        covered += low <= 0.1 <= high
    assert 52 <= covered <= 60


def test_interval_of_one_writer_is_the_rate() -> None:
    assert bootstrap_interval([1, 3], [10, 30], ["w", "w"]) == pytest.approx((0.1, 0.1))
