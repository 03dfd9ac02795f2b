"""N-gram models: scores, samples, and checks of their arrays."""

import itertools
import math

import numpy as np
import pytest
from languages import LINES, log_p

from inkread.lm.kneser_ney import fit
from inkread.lm.ngram import END, UNKNOWN, NgramModel, draw


def test_a_score_is_the_chain_rule_and_all_lines_add_up_to_one() -> None:
    model = fit(["ab", "ba", "aab"], 3)
    by_hand = sum(log_p(model, "ab"[:place], token) for place, token in enumerate(("a", "b", END)))
    assert model.score("ab") == pytest.approx(by_hand)
    total = sum(math.exp(model.score("".join(line))) for n in range(9) for line in itertools.product("abx", repeat=n))
    assert 0.98 < total < 1  # the rest are longer lines


def test_the_probability_of_any_of_several_tokens_is_their_sum() -> None:
    model = fit(LINES, 4, prune=0.5)
    tokens = frozenset({1, model.code(" "), model.code("a"), model.code(",")})
    for text in ("", "t", "the ca", "the cat", "xqx"):
        state = model.start
        for character in text:
            state = model.step(state, model.code(character))[1]
        assert model.any_of(state, tokens) == pytest.approx(sum(model.step(state, token)[0] for token in tokens))


def test_unknown_characters_get_the_token_of_their_look_alike() -> None:
    model = fit(['don\'t be "late" - go'], 3)
    assert (
        model.code("’") == model.code("'") and model.code("—") == model.code("-") and model.code("é") == model.code("e")
    )
    assert model.tokens[model.code("%")] == UNKNOWN and model.code("d") == model.tokens.index("d")


def test_samples_follow_the_model() -> None:
    model = fit(["ab", "ab", "ab", "b"], 3)
    assert model.sample("a", 0, 0, 8) == "ab\nab\nab"  # the likeliest
    assert model.sample("a", 1.0, 7, 30) == model.sample("a", 1.0, 7, 30)
    drawn = [model.sample("", 1.0, seed, 1) for seed in range(400)]
    assert drawn.count("a") / len(drawn) == pytest.approx(math.exp(log_p(model, "", "a")), abs=0.08)


def test_a_tiny_temperature_takes_the_likeliest_token() -> None:
    p = np.array([0.2, 0.5, 0.3])
    assert draw(p, 1e-310, np.random.default_rng(0)) == 1


def damaged(model: NgramModel, **changes: object) -> None:
    """Make the model anew with some of its parts changed."""
    parts = {name: getattr(model, name) for name in ("tokens", "order", "token", "children", "log_p", "backoff")}
    NgramModel(**{**parts, **changes})


def changed(array: np.ndarray, place: int, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


def test_contradictory_arrays_are_refused() -> None:
    model = fit(LINES, 4)
    damaged(model)
    tokens, token, children, log_p, backoff = model.tokens, model.token, model.children, model.log_p, model.backoff
    context = int(np.flatnonzero(children[1:])[0]) + 1
    for changes in (
        {"tokens": "<s>"},
        {"tokens": None},
        {"tokens": [*tokens[:-1], 5]},
        {"tokens": [*tokens[:-1], "ab"]},
        {"tokens": [*tokens[:-1], "\ud800"]},
        {"tokens": [*tokens[:-1], tokens[-2]]},
        {"tokens": tokens[::-1]},
        {"tokens": tokens[:-1]},
        {"order": 3},
        {"order": 5},
        {"order": 4.0},
        {"order": 10**30},
        {"token": token[:-1]},
        {"token": token.astype(np.float32)},
        {"token": token.reshape(1, -1)},
        {"token": changed(token, 7, 200)},
        {"token": changed(token, 7, 3)},  # not sorted
        {"children": changed(children, 0, 3)},
        {"children": changed(children, context, children[context] + 1)},
        {"children": changed(children, -1, 1)},
        {"children": np.zeros_like(children)},
        {"children": np.concatenate([children[:1], children[:0:-1]])},  # not by levels
        {"log_p": log_p.astype(np.float16)},
        {"log_p": changed(log_p, 9, math.nan)},
        {"log_p": changed(log_p, 9, math.inf)},
        {"log_p": changed(log_p, 9, 1.0)},
        {"log_p": changed(log_p, 9, -1e30)},
        {"backoff": changed(backoff, context, math.nan)},
        {"backoff": changed(backoff, context, math.inf)},
        {"backoff": changed(backoff, context, 1e30)},
        {"backoff": changed(backoff, context, -1e30)},
    ):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            damaged(model, **changes)
