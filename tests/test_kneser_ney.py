"""Estimating n-gram models, compared with the published formula and with counts made by hand."""

import math
from collections import Counter

import pytest
from languages import LINES, log_p

from inkread.errors import BadConfig, BadInput
from inkread.lm.kneser_ney import fit
from inkread.lm.ngram import END, START, UNKNOWN, NgramModel


def states(model: NgramModel) -> set[int]:
    """Every state that some text leads to."""
    found, ahead = {model.start}, [model.start]
    while ahead:
        state = ahead.pop()
        after = {model.step(state, token)[1] for token in range(2, len(model.tokens))} - found
        found |= after
        ahead += after
    return found


def adjusted_counts(lines: list[str], order: int, n: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram occurs; a shorter one than `order`, and not at a line's begin, after how many tokens."""
    found: dict[tuple[str, ...], list[str | None]] = {}
    for line in ((START, *line, END) for line in lines):
        for i in range(len(line) - n + 1):
            found.setdefault(line[i : i + n], []).append(line[i - 1] if i else None)
    return Counter(
        {ngram: len(before if n == order or ngram[0] == START else set(before)) for ngram, before in found.items()}
    )


def kneser_ney(lines: list[str], order: int, context: tuple[str, ...], token: str) -> float:
    """p(token | context), interpolated and modified, as Chen and Goodman write it down."""
    n = len(context) + 1
    tokens = {token for line in lines for token in line} | {END, UNKNOWN}
    adjusted = adjusted_counts(lines, order, n)
    adjusted.pop((START,), None)
    n1, n2, n3, n4 = (sum(count == k for count in adjusted.values()) for k in (1, 2, 3, 4))
    discounts = [0, 0.5, 1, 1.5]
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        estimated = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        discounts = estimated if all(0 < estimated[k] <= k for k in (1, 2, 3)) else discounts
    counts = {other: adjusted[*context, other] for other in tokens}
    total = sum(counts.values())
    lower = kneser_ney(lines, order, context[1:], token) if context else 1 / len(tokens)
    if not total:
        return lower
    freed = sum(discounts[min(count, 3)] for count in counts.values())
    return (counts[token] - discounts[min(counts[token], 3)] + freed * lower) / total


def test_a_bigram_model_by_hand() -> None:
    """Lines "ab", "ab": the discounts are 0.5, 1, 1.5, since there are too few counts to estimate them from."""
    model = fit(["ab", "ab"], order=2)
    # Each of a, b, </s> follows one token. The freed mass, 3 * 0.5 / 3, is shared by four tokens, as <unk> is one.
    unigram = (1 - 0.5) / 3 + 0.5 / 4
    assert log_p(model, "b", "a") == pytest.approx(math.log(0.5 * unigram))  # </s> follows b twice, which frees 1 / 2
    assert log_p(model, "", "a") == pytest.approx(math.log((2 - 1) / 2 + 0.5 * unigram))
    assert log_p(model, "b", UNKNOWN) == pytest.approx(math.log(0.5 * 0.5 / 4))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_equal_the_published_formula(order: int) -> None:
    lines = ["abra", "cad", "abra", "ca", "dacabra", "bb"]
    model = fit(lines, order)
    for text in ("", "a", "ab", "abr", "ca", "xa", "dddd"):
        context = (START, *text)[-order + 1 :] if order > 1 else ()
        context = tuple(UNKNOWN if character == "x" else character for character in context)
        for token in (*"abcdr", END, UNKNOWN):
            truth = kneser_ney(lines, order, context, token)
            assert log_p(model, text, token) == pytest.approx(math.log(truth), abs=1e-5), (text, token)


@pytest.mark.parametrize("prune", [0.0, 0.5, 3.0, 1e9])
def test_probabilities_after_each_context_add_up_to_one(prune: float) -> None:
    model = fit(LINES, 5, prune)
    assert model.order == (1 if prune == 1e9 else 5)
    for state in states(model):
        assert model.distribution(state).sum() == pytest.approx(1, abs=1e-5)


def test_pruning_leaves_out_n_grams_with_a_small_loss() -> None:
    sizes, scores = zip(
        *((len(model.token), sum(map(model.score, LINES))) for model in (fit(LINES, 5, prune) for prune in (0, 4, 8))),
        strict=True,
    )
    assert sizes[0] > sizes[1] > sizes[2] and scores[0] > scores[1] > scores[2]


def test_an_order_that_is_too_high_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"order 20 .* at most 16 is possible"):
        fit(LINES[:1] * 3 + ["the cat"], 20)
    with pytest.raises(BadInput, match="no text"):
        fit([], 3)


@pytest.mark.parametrize("lines", [["a"], ["ab"], ["a", "b", ""]])
def test_a_text_shorter_than_an_n_gram_is_accepted(lines: list[str]) -> None:
    model = fit(lines, 7)
    longest = max(map(len, lines)) + 2  # with the line's begin and end
    assert model.order == longest
    for text in ("", "a"):
        context = (START, *text)[-longest + 1 :]
        for token in {*"".join(lines), END, UNKNOWN}:
            assert log_p(model, text, token) == pytest.approx(math.log(kneser_ney(lines, longest, context, token)))


def test_a_text_may_contain_the_characters_that_mark_lines() -> None:
    assert fit(["a\U0010ffffb\U0010fffe"], 3).tokens == fit(["ab"], 3).tokens


def test_prune_must_be_a_number() -> None:
    with pytest.raises(BadConfig, match="prune=nan"):
        fit(LINES, 3, math.nan)
