"""Language models with words of the user or of their training text."""

import itertools
import math

import numpy as np
import pytest
from languages import LINES, log_p

from inkread.lm.kneser_ney import fit
from inkread.lm.lexicon import NO_WORD, WithWords, with_learned_words, with_user_words
from inkread.lm.ngram import END, NgramModel


def chain(model: WithWords, text: str) -> list[float]:
    found, state = [], model.start
    for character in text:
        p, state = model.step(state, model.code(character))
        found.append(p)
    return found


def log_after(model: NgramModel, text: str) -> float:
    return log_p(model, text, END)


def test_with_words_probabilities_still_add_up_to_one() -> None:
    model = with_user_words(fit(LINES, 4), ["Zoë", "hat", "hatter", "O'Neil", "New York", "H2O"])
    ahead = [model.start]
    for _ in range(4):
        following = []
        for state in ahead:
            steps = [model.step(state, token) for token in range(1, len(model.tokens))]
            assert sum(p for p, _ in steps) == pytest.approx(1, abs=1e-5)
            following += [after for _, after in steps]
        ahead = following[::7]


def test_the_probability_of_a_user_word_by_hand() -> None:
    plain = fit([*LINES, "xyz"], 4)
    model = WithWords(plain, "the\nzyx", np.ones(2), share=0.1)
    assert math.prod(chain(model, "zyx")) == pytest.approx(0.1 / 2, rel=0.01)  # the model alone gives almost nothing
    inner = 0.1 / 2 + 0.9 * math.exp(plain.score("the") - log_after(plain, "the"))
    assert math.prod(chain(model, "the")) == pytest.approx(inner, rel=1e-4)  # the sum of both possibilities


def test_the_words_of_the_training_text_by_hand() -> None:
    """ "cat", "can" and "car-park" begin with "ca": each weighs the root of its count, 2, 1 and 1."""
    model = fit(["cat cat cat cat", "can", "car-park", "42"], 3)
    assert (model.words, model.word_counts.tolist()) == ("can\ncar-park\ncat", [1, 1, 4])
    reader = with_learned_words(model)
    ca = reader.step(reader.step(reader.start, reader.code("c"))[1], reader.code("a"))[1]
    assert ca[2] > 0.5  # both characters fit a word
    p_t = math.exp(log_p(model, "ca", "t"))
    assert reader.step(ca, reader.code("t"))[0] == pytest.approx(ca[2] * 2 / 4 + (1 - ca[2]) * p_t)
    cat = reader.step(ca, reader.code("t"))[1]
    between = sum(math.exp(log_p(model, "cat", token)) for token in (END, " ", "-"))
    p_space = math.exp(log_p(model, "cat", " "))
    over = cat[2] * p_space / between + (1 - cat[2]) * p_space  # no other word continues like this
    assert reader.step(cat, reader.code(" "))[0] == pytest.approx(over)
    assert reader.step(cat, reader.code(" "))[1][1:] == reader.start[1:]  # another word begins
    assert reader.step(cat, reader.code("4"))[1][1] == NO_WORD
    assert isinstance(with_learned_words(fit(["12", "34"], 2)), NgramModel)  # without words it is the model itself


@pytest.mark.parametrize("seed", range(5))
def test_words_of_any_spelling_continue_in_proportion_to_their_weights(seed: int) -> None:
    """Of words with random letters, two of which have one token, as the model knows no "é"."""
    random = np.random.default_rng(seed)
    drawn = {"".join(random.choice(list("aeét"), length)) for length in random.integers(1, 6, 40)}
    weights = {word: float(random.integers(1, 9)) for word in sorted(drawn)}
    model = WithWords(fit(LINES, 3), "\n".join(weights), np.array(list(weights.values())), share=0.3)

    def mass(beginning: str) -> float:
        return sum(weight for word, weight in weights.items() if word.replace("é", "e").startswith(beginning))

    for length in range(1, 6):
        for letters in itertools.product("aet", repeat=length):
            text = "".join(letters)
            state = model.start
            for character in text[:-1]:
                state = model.step(state, model.code(character))[1]
            inner, _, share = state
            p, after = model.step(state, model.code(text[-1]))
            part = mass(text) / mass(text[:-1]) if mass(text[:-1]) else 0.0
            alone = model.model.step(inner, model.code(text[-1]))[0]
            if mass(text[:-1]):
                assert p == pytest.approx(share * part + (1 - share) * alone)
            assert (after[1] == NO_WORD) == (mass(text) == 0)
