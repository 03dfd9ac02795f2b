"""Language models in the beam search, and mixtures of several."""

import itertools
import math

import numpy as np
import pytest
from languages import FRENCH, LINES, log_p

from inkread.alphabet import Alphabet
from inkread.lm.fusion import Fusion, LanguageModel, Mixture, mixture
from inkread.lm.kneser_ney import fit
from inkread.lm.lexicon import with_user_words
from inkread.lm.ngram import UNKNOWN
from inkread.model.decoder import prefix_beam


def every(model: LanguageModel) -> range:
    """All tokens except the start of a line."""
    return range(1, len(model.tokens))


def test_a_mixture_by_hand() -> None:
    """Its first character is the mean of both; the second weighs each by what it gave the first, less MIN_SHARE."""
    models = [fit(LINES, 4), fit(FRENCH, 4)]
    both = Mixture(models[0], models[1])
    first, state = both.step(both.start, both.code("t"))
    p = [math.exp(log_p(model, "", "t")) for model in models]
    assert first == pytest.approx(sum(p) / 2)
    shares = [0.02 + 0.96 * each / sum(p) for each in p]
    second, _ = both.step(state, both.code("h"))
    q = [math.exp(log_p(model, "t", "h")) for model in models]
    assert second == pytest.approx(sum(share * each for share, each in zip(shares, q, strict=True)))
    same = Mixture(models[0], models[0])
    assert same.step(same.start, same.code("t"))[0] == pytest.approx(p[0])


def test_a_mixture_adds_up_to_one_and_recognises_the_language() -> None:
    both = Mixture(fit(LINES, 4), fit(FRENCH, 4))
    for text, low, high in (("the cat sat", 0.9, 0.98), ("là où tu", 0.02, 0.1), ("", 0.5, 0.5)):
        state = both.start
        for character in text:
            state = both.step(state, both.code(character))[1]
        assert sum(both.step(state, token)[0] for token in every(both)) == pytest.approx(1)
        assert low <= state[2] <= high  # the share of the first language
    assert both.code("é") != both.code("e") and both.code("ë") == both.code("e")


def test_a_mixture_of_several_models_begins_in_equal_parts() -> None:
    models = [fit(lines, 3) for lines in (LINES, FRENCH, ["ab", "ba"])]
    three = mixture(models)
    p = [math.exp(log_p(model, "", "t")) for model in models[:2]]
    p.append(math.exp(log_p(models[2], "", UNKNOWN)) / (len(three.tokens) - len(models[2].tokens) + 1))
    assert three.step(three.start, three.code("t"))[0] == pytest.approx(sum(p) / 3)
    assert three.weight == pytest.approx(models[0].weight) and three.bonus == pytest.approx(models[0].bonus)


def test_the_mark_of_what_is_crossed_out_is_not_rated() -> None:
    alphabet = Alphabet("✗ acehst")
    fusion = Fusion(fit(LINES, 4), alphabet)
    state = fusion.start
    for character in "the ":
        state = fusion.extend(state, alphabet.label[character])[1]
    factor, after = fusion.extend(state, alphabet.label["✗"])
    assert factor == 1
    assert fusion.extend(after, alphabet.label["c"]) == fusion.extend(state, alphabet.label["c"])


def test_a_mixture_of_very_many_models_still_adds_up_to_one() -> None:
    many = mixture([fit(LINES, 2), fit(FRENCH, 2)] * 40)
    state = many.start
    for character in "the cat là":
        p, state = many.step(state, many.code(character))
        assert 0 < p < 1
    assert sum(many.step(state, token)[0] for token in every(many)) == pytest.approx(1)


def blurred(alphabet: Alphabet, text: str, other: str, share: float) -> np.ndarray:
    """Log-probabilities of a line where each character of `text` might be that of `other`."""
    rows = []
    for right, wrong in zip(text, other, strict=True):
        row = np.full(alphabet.size, 1e-6)
        row[alphabet.label[wrong]] += share
        row[alphabet.label[right]] += 1 - share
        blank = np.full(alphabet.size, 1e-6)
        blank[0] = 1
        rows += [row / row.sum(), blank / blank.sum()]
    return np.asarray(np.log(rows))


def test_the_language_model_decides_uncertain_characters_only() -> None:
    alphabet = Alphabet.of([*LINES, "Zyxq"])
    model = fit(LINES, 5)
    scorer = Fusion(model, alphabet)

    def read(log_probs: np.ndarray, scorer: Fusion | None) -> str:
        return alphabet.decode(prefix_beam(log_probs, scorer=scorer)[0][0])

    unsure = blurred(alphabet, "the cat", "tne cot", 0.6)
    assert read(unsure, None) == "tne cot"
    assert read(unsure, scorer) == "the cat"
    assert read(blurred(alphabet, "the xqx", "the cat", 0.02), scorer) == "the xqx"
    name = blurred(alphabet, "the Zyx", "the cat", 0.4)
    assert read(name, scorer) == "the cat"
    assert read(name, Fusion(with_user_words(model, ["Zyx"]), alphabet)) == "the Zyx"


def test_the_beam_with_a_language_model_equals_brute_force() -> None:
    alphabet = Alphabet("abt")
    model = fit(["tab", "bat", "at", "tat"], 3)
    scorer = Fusion(model, alphabet)
    scores = np.random.default_rng(3).normal(scale=2, size=(6, 4))
    log_probs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    truth: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=6):
        labels = tuple(label for label, _ in itertools.groupby(path) if label)
        truth[labels] = float(np.logaddexp(truth.get(labels, -np.inf), log_probs[range(6), path].sum()))
    for labels in truth:
        truth[labels] += model.weight * model.score(alphabet.decode(labels)) + model.bonus * len(labels)
    found = prefix_beam(log_probs, 4**6, scorer, token_threshold=0, beam_threshold=0)
    assert dict(found) == pytest.approx(truth)
    assert found == prefix_beam(log_probs, 4**6, scorer, token_threshold=0, beam_threshold=0)
    assert found[0][0] == max(truth, key=lambda labels: truth[labels])
