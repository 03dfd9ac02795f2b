"""Load and save n-gram language models: NAME.lm.safetensors, or an ARPA file. All of it works without torch."""

import math
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inkread._files import write_atomic
from inkread._model_files import (
    COPY_AGAIN,
    check_facts,
    describe_model,
    find_language_model,
    read_arrays,
    write_arrays,
)
from inkread.errors import BadModel, shown
from inkread.lm.arpa import read_arpa, to_arpa
from inkread.lm.fusion import LanguageModel, mixture
from inkread.lm.lexicon import with_learned_words
from inkread.lm.ngram import IMPOSSIBLE, NgramModel

LANGUAGE_FORMAT = "inkread language model 2"
MAX_WORDS = 50_000_000  # bytes of the words of a model, decompressed
MAX_WEIGHT = 5  # of the weight and the absolute bonus in a file; see Fusion


def kind_of_language_model(name: str) -> Literal["ngram", "rnn"]:
    """The kind of the language model of that name or path: n-grams or a recurrent network. Raises BadModel."""
    path = find_language_model(name)
    return "rnn" if path.suffix != ".arpa" and describe_model(path).get("kind") == "rnn" else "ngram"


def load_language_models(names: str) -> LanguageModel:
    """The n-gram model of that name or path with its lexicon, or a mixture of several, separated by commas.

    Raises BadModel.
    """
    return mixture([with_learned_words(load_language_model(name)) for name in names.split(",")])


def load_language_model(name: str) -> NgramModel:
    """The n-gram model of that name or path. An ARPA file may come from another program. Raises BadModel."""
    path = find_language_model(name)
    if path.suffix == ".arpa":
        return read_arpa(path)
    description, arrays = read_arrays(path)
    found = (description.get("format"), description.get("kind"))
    if found != (LANGUAGE_FORMAT, "ngram"):
        what = shown(found[1] if found[0] == LANGUAGE_FORMAT else found[0])
        hint = "use one that this version of `inkread lm train` has written"
        raise BadModel(f"not an n-gram language model, but {what}", path=path, hint=hint)
    check_facts(path, description)
    try:
        return _as_model(description, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadModel(f"damaged, or newer than this inkread ({shown(error)})", path=path, hint=COPY_AGAIN) from error


def _as_model(description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NgramModel:
    weight, bonus = description["weight"], description["bonus"]
    numbers = type(weight) in (int, float) and type(bonus) in (int, float)
    if not numbers or not 0 <= weight <= MAX_WEIGHT >= abs(bonus):
        raise ValueError(f"weight={weight} and bonus={bonus} are not numbers up to {MAX_WEIGHT}")
    children = arrays["children"]
    log_p = _from_bytes(arrays["log_p"], description["log_p"])
    log_p[1:2] = IMPOSSIBLE  # START
    return NgramModel(
        description["tokens"],
        description["order"],
        arrays["token"],
        children,
        log_p,
        _all_backoffs(children, _from_bytes(arrays["backoff"], description["backoff"])),
        weight,
        bonus,
        description["facts"],
        *_word_counts(arrays["words"], arrays["counts"]),
    )


def _to_bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Numbers as one byte each, on a grid of 256 equal steps: the bytes, and the lowest number and the step."""
    lowest = float(values.min(initial=0.0))
    step = (float(values.max(initial=0.0)) - lowest) / 255 or 1.0
    return np.rint((values - lowest) / step).astype(np.uint8), (lowest, step)


def _from_bytes(codes: NDArray[Any], grid: Any) -> NDArray[np.float32]:
    """The numbers that `_to_bytes` has rounded. Raises ValueError for a grid that is not two finite numbers."""
    lowest, step = map(float, grid)
    if codes.dtype != np.uint8 or not (math.isfinite(lowest) and math.isfinite(step)):
        raise ValueError("its probabilities are not bytes on a grid")
    found: NDArray[np.float32] = (lowest + step * np.arange(256)).astype(np.float32).take(codes)
    return found


def _all_backoffs(children: NDArray[Any], backoff: NDArray[Any]) -> NDArray[Any]:
    """The backoff of every node from those of the nodes with children; 0 for the others."""
    contexts = np.flatnonzero(children)
    if backoff.shape != contexts.shape:
        raise ValueError(f"backoff has the wrong shape {backoff.shape}")
    of_all = np.zeros(len(children), np.float32)
    of_all[contexts] = backoff
    return of_all


def _word_counts(words: NDArray[Any], counts: NDArray[Any]) -> tuple[str, NDArray[np.uint32]]:
    """The words of the training text, one per line, and how often each occurs; both are compressed."""
    if words.dtype != np.uint8 or counts.dtype != np.uint8:
        raise ValueError("its words or their counts are of the wrong type")
    found, numbers = _decompress(words).decode(), np.frombuffer(_decompress(counts), "<u4")
    count = found.count("\n") + 1 if found else 0
    if len(numbers) != count or (found and "\n\n" in f"\n{found}\n") or not numbers.all():
        raise ValueError("a word is empty, or has no count")
    return found, numbers


def _compress(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(zlib.compress(data, 9), np.uint8).copy()


def _decompress(data: NDArray[np.uint8]) -> bytes:
    """Raises ValueError for what is not compressed, or larger than MAX_WORDS."""
    decompress = zlib.decompressobj()
    try:
        found = decompress.decompress(data.tobytes(), MAX_WORDS)
    except zlib.error as error:
        raise ValueError(f"its words are damaged: {error}") from error
    if not decompress.eof:
        raise ValueError("its words are incomplete or too many")
    return found


def save_language_model(path: Path, model: NgramModel) -> None:
    """Write an n-gram model, completely or not at all: NAME.arpa as an ARPA file. Raises CannotWrite."""
    if path.suffix == ".arpa":
        write_atomic(path, to_arpa(model).encode("utf-8"))
        return
    description = {
        "format": LANGUAGE_FORMAT,
        "kind": "ngram",
        "tokens": model.tokens,
        "order": model.order,
        "weight": model.weight,
        "bonus": model.bonus,
        "facts": model.facts,
    }
    arrays = {"token": model.token, "children": model.children}
    log_p = model.log_p.copy()
    log_p[:2] = 0  # of the root and of START, which is never predicted: they would make the steps of the grid larger
    arrays["log_p"], description["log_p"] = _to_bytes(log_p)
    arrays["backoff"], description["backoff"] = _to_bytes(model.backoff[model.children > 0])  # the others are 0
    arrays["words"] = _compress(model.words.encode())
    arrays["counts"] = _compress(model.word_counts.astype("<u4").tobytes())
    write_arrays(path, arrays, description)
