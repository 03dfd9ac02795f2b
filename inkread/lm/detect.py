"""Detect the language of lines that were read without a language model, by how likely their letters are in each."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import COPY_AGAIN, read_arrays, write_arrays
from inkread.alphabet import bare_letter, normal
from inkread.errors import BadModel, shown

DETECTOR_FORMAT = "inkread language detector 1"
LETTERS = re.compile(r"[^\W\d_]+")
OUTSIDE = 0  # the class of what is between words; those of letters begin with 1
STRENGTH = 8.0  # of the shorter n-gram, in counts; see fit_detector
# Log-likelihoods are multiplied by this before they become probabilities, as characters are not independent and
# misread ones mislead. Chosen on held-out text with errors, as the next one (experiments/LOG.md).
SHARPNESS = 0.45
OTHER = 0.02  # the probability that a text is in none of the languages, before it is read
OTHER_COST = 0.2  # nats per letter by which another language has to be likelier, as misread letters look like one
KEPT = 12_000  # trigrams
ROUNDS = 5  # of the estimate of the shares of a page
MISREAD, MISSING, UNACCENTED = 0.06, 0.02, 0.3  # shares of the letters of the second copy, see with_errors


@dataclass(frozen=True)
class Detector:
    """Probabilities of letters after the two before them, in several languages.

    A trigram is a key, a number; those that are not kept are replaced by their last two letters, or by the last one.
    """

    languages: tuple[str, ...]  # L codes
    prior: NDArray[np.float64]  # (L,) their probabilities before a text is read
    letters: str  # those that are told apart, small ones
    keys: NDArray[np.uint32]  # (N,) sorted
    log_p: NDArray[np.float32]  # (N, L)

    @cached_property
    def _classes(self) -> dict[str, int]:
        return {letter: number for number, letter in enumerate(self.letters, OUTSIDE + 1)}

    @cached_property
    def _log_priors(self) -> NDArray[np.float64]:
        """(L + 1,) the last one is that of any other language."""
        return np.log([*((1 - OTHER) * self.prior), OTHER])

    @cached_property
    def _rows(self) -> NDArray[np.float32]:
        """(N, L + 1) the last column is the mean of the languages, which stands for any other language."""
        of_others = np.log(np.exp(self.log_p).mean(axis=1, keepdims=True))
        return np.concatenate([self.log_p, of_others], axis=1)

    def log_likelihoods(self, text: str) -> NDArray[np.float64]:
        """(L + 1,) log p(the letters of a text | language), and the same for any other language."""
        classes = as_classes(text, self._classes)
        trigrams, bigrams, single = _keys(classes, len(self.letters) + 1)
        index, found = _find(self.keys, trigrams)
        for shorter in (bigrams, single):
            other, there = _find(self.keys, shorter)
            index[~found & there] = other[~found & there]
            found |= there
        total: NDArray[np.float64] = self._rows[index[found]].sum(axis=0, dtype=np.float64)
        total[-1] -= OTHER_COST * (len(classes) - 1)
        return total

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(n, L + 1) of each line of a page, the probability of each language, and of any other.

        Most lines of a page are in the same languages. So their shares of the page are estimated, too (expectation
        maximisation), with what is known before any line is read as if it were one more line.
        """
        scores = SHARPNESS * np.stack([self.log_likelihoods(text) for text in texts])
        prior = np.exp(self._log_priors)
        log_shares = self._log_priors
        for _ in range(ROUNDS):
            found = scores + log_shares
            found = np.exp(found - found.max(axis=1, keepdims=True))
            found /= found.sum(axis=1, keepdims=True)
            log_shares = np.log((prior + found.sum(axis=0)) / (1 + len(texts)))
        return found

    def save(self, path: Path) -> None:
        """Write the detector, its probabilities rounded to a byte each. Raises CannotWrite."""
        lowest = float(self.log_p.min())
        description = {
            "format": DETECTOR_FORMAT,
            "languages": self.languages,
            "prior": self.prior.tolist(),
            "letters": self.letters,
            "lowest": lowest,
            "facts": {},
        }
        rounded = np.rint(self.log_p * (255 / lowest)).astype(np.uint8)
        write_arrays(path, {"keys": self.keys, "log_p": rounded}, description)


def load_detector(path: Path) -> Detector:
    """Raises BadModel."""
    description, arrays = read_arrays(path)
    try:
        if description["format"] != DETECTOR_FORMAT:
            raise ValueError(description["format"])
        return _checked(description, arrays["keys"], arrays["log_p"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadModel(f"damaged, or newer than this inkread ({shown(error)})", path=path, hint=COPY_AGAIN) from error


def _checked(description: dict[str, Any], keys: NDArray[Any], rounded: NDArray[Any]) -> Detector:
    languages, letters, lowest = description["languages"], description["letters"], description["lowest"]
    prior = np.array(description["prior"], np.float64)
    if not (isinstance(letters, str) and all(isinstance(name, str) for name in languages)):
        raise ValueError("its languages or letters are not strings")
    if not (-1000 < lowest < 0 and prior.shape == (len(languages),) and prior.min() > 0 and 0.99 < prior.sum() < 1.01):
        raise ValueError("its probabilities are not between 0 and 1")
    if keys.dtype != np.uint32 or rounded.dtype != np.uint8 or rounded.shape != (len(keys), len(languages)):
        raise ValueError("its arrays do not fit its languages")
    if not len(keys) or (keys[1:] <= keys[:-1]).any():
        raise ValueError("its keys are not sorted")
    return Detector(tuple(languages), prior, letters, keys, rounded * np.float32(lowest / 255))


def as_classes(text: str, classes: Mapping[str, int]) -> NDArray[np.int64]:
    """The classes of the letters of a text, with OUTSIDE between words and at both ends, or one OUTSIDE."""
    words = "".join(f" {word}" for word in LETTERS.findall(normal(text).lower()))
    found = [classes.get(letter) or classes.get(bare_letter(letter), OUTSIDE) for letter in f"{words} "]
    return np.array(found, np.int64)


def _keys(classes: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The keys of the trigrams that end with each class but the first, of their last two classes, and of the last.

    The first trigram has what is outside twice. The keys of shorter n-grams follow those of trigrams.
    """
    before, last = classes[:-1], classes[1:]
    bigrams = before * count + last
    trigrams = np.concatenate([[OUTSIDE], classes[:-2]]) * count**2 + bigrams
    return trigrams, bigrams + count**3, last + count**3 + count**2


def _find(keys: NDArray[np.uint32], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The index of each wanted key, and whether it is there."""
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return index, keys[index] == wanted


# ---- estimate


def fit_detector(texts: Mapping[str, Iterable[str]], prior: Mapping[str, float], kept: int = KEPT) -> Detector:
    """Estimate a detector from lines of text in each language, by their codes, which should be about equally long.

    It learns from the lines as they are, and once more with errors as a recogniser makes them. Shorter n-grams count
    as STRENGTH observations: p(c | a b) = (n(a b c) + STRENGTH p(c | b)) / (n(a b) + STRENGTH).
    """
    of_language = {code: [normal(line) for line in lines] for code, lines in texts.items()}
    letters = _letters(of_language.values())
    classes = {letter: number for number, letter in enumerate(letters, OUTSIDE + 1)}
    count = len(letters) + 1
    counts = np.stack([_count(lines, classes, count) for lines in of_language.values()])  # (L, count, count, count)
    n2 = counts.sum(axis=3)  # (L, a, b)
    of_last = counts.sum(axis=(1, 2))  # (L, c)
    p1 = (of_last + 1) / (of_last + 1).sum(axis=1, keepdims=True)  # (L, c)
    pairs = counts.sum(axis=1)  # (L, b, c)
    p2 = (pairs + STRENGTH * p1[:, None]) / (pairs.sum(axis=2, keepdims=True) + STRENGTH)
    most = np.sort(np.argsort(counts.sum(axis=0), axis=None)[-kept:])  # the keys of the most frequent trigrams
    a, b, c = np.unravel_index(most, counts.shape[1:])
    p3 = (counts[:, a, b, c] + STRENGTH * p2[:, b, c]) / (n2[:, a, b] + STRENGTH)  # (L, kept)
    rows = np.concatenate([p3, p2.reshape(len(p2), -1), p1], axis=1).T
    keys = np.concatenate([most, count**3 + np.arange(count**2 + count)])
    shares = np.array([prior[code] for code in of_language])
    log_p = np.ascontiguousarray(np.log(rows), np.float32)  # files have rows one after another
    return Detector(tuple(of_language), shares / shares.sum(), letters, keys.astype(np.uint32), log_p)


def _letters(texts: Iterable[Sequence[str]]) -> str:
    """The letters that make up at least a thousandth of a language's letters, and a to z."""
    found = {*"abcdefghijklmnopqrstuvwxyz"}
    for lines in texts:
        text = "".join(LETTERS.findall(" ".join(lines).lower()))
        found |= {letter for letter in set(text) if 1000 * text.count(letter) >= len(text)}
    return "".join(sorted(found))


def _count(lines: Sequence[str], classes: Mapping[str, int], count: int) -> NDArray[np.float64]:
    """(count, count, count) how often each trigram occurs, in the lines as they are and with errors."""
    clean = as_classes(" ".join(lines), classes)
    bare = {number: classes.get(bare_letter(letter), OUTSIDE) for letter, number in classes.items()}
    total = np.zeros(count**3)
    for text in (clean, with_errors(clean, bare)):
        total += np.bincount(_keys(text, count)[0], minlength=count**3)
    return total.reshape(count, count, count)


def with_errors(classes: NDArray[np.int64], bare: Mapping[int, int], seed: int = 0) -> NDArray[np.int64]:
    """A text with errors: letters that are misread, missing, or without their accents."""
    rng = np.random.default_rng(seed)
    without = np.array([bare.get(number, OUTSIDE) for number in range(int(classes.max()) + 1)])
    text = np.where(rng.random(len(classes)) < UNACCENTED, without[classes], classes)
    text = np.where(rng.random(len(classes)) < MISREAD, rng.permutation(text), text)
    return text[rng.random(len(text)) >= MISSING]
