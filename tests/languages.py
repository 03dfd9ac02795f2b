"""Texts that the tests of language models share."""

import math

from inkread.lm.ngram import NgramModel

LINES = ["the cat sat on the mat", "that is the one", "a hat, a cat", "on that", "the end"] * 3


FRENCH = ["le chat était là", "là où tu étais", "une tête à côté", "le thé est là"] * 3


def log_p(model: NgramModel, text: str, token: str) -> float:
    """log p of a token after a text that begins a line."""
    state = model.start
    for character in text:
        state = model.step(state, model.code(character))[1]
    return math.log(model.step(state, model.tokens.index(token))[0])
