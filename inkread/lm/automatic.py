"""Choose the language models for what was read without one."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inkread._languages import LANGUAGES
from inkread._model_files import find_detector, shipped_language_models
from inkread.errors import BadModel
from inkread.lm.detect import load_detector
from inkread.lm.files import load_language_models
from inkread.lm.fusion import LanguageModel, mixture
from inkread.lm.lexicon import with_user_words

Codes = tuple[str, ...]  # of languages

# The probability from which the second language of a line is used. Otherwise it is the one that is likeliest before a
# line is read: two models make fewer errors than one even if all of the text is in one language.
WORTH = 0.02
SURE = 0.8  # the probability from which a language is stated


class LineLanguages(NamedTuple):
    """The languages whose models decode a line, none if it is in another one; and its language, or "" if not sure."""

    models: Codes = ()
    stated: str = ""


class AutomaticLanguages:
    """The shipped language models, each loaded when a line in its language is met for the first time.

    words: words of the user that may always be read. Raises BadModel if there is no detector, or no language model.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        path, shipped = find_detector(), shipped_language_models()
        if not path:
            raise BadModel("is not installed", path="the detector of languages", hint="name a language model with --lm")
        self.detector = load_detector(path)
        self.words = words
        self.installed = np.array([LANGUAGES.get(code) in shipped for code in self.detector.languages])
        self._models: dict[Codes, LanguageModel] = {}
        self._loading = Lock()  # lines are read in several threads

    def choose(self, texts: Sequence[str]) -> list[LineLanguages]:
        """The languages of each line of a page, from its text as it was read without a language model."""
        return [self._choose(each) for each in self.detector.probabilities(texts)]

    def _choose(self, probabilities: NDArray[np.float64]) -> LineLanguages:
        """From the probability of each language, and of any other."""
        codes = self.detector.languages
        best = int(probabilities.argmax())
        if best == len(codes):
            return LineLanguages()
        stated = codes[best] if probabilities[best] >= SURE else ""
        if not self.installed[best]:
            return LineLanguages((), stated)
        others = self.installed.copy()
        others[best] = False
        if not others.any():
            return LineLanguages((codes[best],), stated)
        second = int(np.where(others, probabilities[:-1], -1).argmax())
        if probabilities[second] < WORTH:
            second = int(np.where(others, self.detector.prior, -1).argmax())
        return LineLanguages((codes[best], codes[second]), stated)

    def model(self, codes: Codes) -> LanguageModel:
        """The model of one language, or a mixture of several. Raises BadModel."""
        key = tuple(sorted(codes))  # the shares of a mixture begin equal
        with self._loading:
            for code in key:
                if (code,) not in self._models:
                    model = load_language_models(LANGUAGES[code])
                    self._models[code,] = with_user_words(model, self.words) if self.words else model
            if key not in self._models:
                self._models[key] = mixture([self._models[code,] for code in key])
            return self._models[key]
