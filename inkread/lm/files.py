"""Load and save n-gram language models: NAME.lm.safetensors, or an ARPA file. All of it works without torch."""

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
from inkread.lm.fusion import LanguageModel, Mixture
from inkread.lm.lexicon import with_learned_words
from inkread.lm.ngram import NgramModel

LANGUAGE_FORMAT = "inkread language model 1"
MAX_WEIGHT = 5  # of the weight and the absolute bonus in a file; see Fusion


def kind_of_language_model(name: str) -> Literal["ngram", "rnn"]:
    """The kind of the language model of that name or path: n-grams or a recurrent network. Raises BadModel."""
    path = find_language_model(name)
    return "rnn" if path.suffix != ".arpa" and describe_model(path).get("kind") == "rnn" else "ngram"


def load_language_models(names: str) -> LanguageModel:
    """The n-gram model of that name or path with its lexicon, or a mixture of several, separated by commas.

    Raises BadModel.
    """
    models = [with_learned_words(load_language_model(name)) for name in names.split(",")]
    return models[0] if len(models) == 1 else Mixture(models)


def load_language_model(name: str) -> NgramModel:
    """The n-gram model of that name or path. An ARPA file may come from another program. Raises BadModel."""
    path = find_language_model(name)
    if path.suffix == ".arpa":
        return read_arpa(path)
    description, arrays = read_arrays(path)
    found = (description.get("format"), description.get("kind"))
    if found != (LANGUAGE_FORMAT, "ngram"):
        what = shown(found[1] if found[0] == LANGUAGE_FORMAT else found[0])
        hint = "use one that `inkread lm train` has written"
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
    return NgramModel(
        description["tokens"],
        description["order"],
        arrays["token"],
        arrays["children"],
        arrays["log_p"],
        _all_backoffs(arrays["children"], arrays["backoff"]),
        weight,
        bonus,
        description["facts"],
        _word_counts(arrays["words"], arrays["counts"]),
    )


def _all_backoffs(children: NDArray[Any], backoff: NDArray[Any]) -> NDArray[Any]:
    """The backoff of every node from those of the nodes with children; 0 for the others."""
    contexts = children > 0
    if backoff.shape != (np.count_nonzero(contexts),):
        raise ValueError(f"backoff has the wrong shape {backoff.shape}")
    of_all = np.zeros(len(children), np.float32)
    of_all[contexts] = backoff
    return of_all


def _word_counts(words: NDArray[Any], counts: NDArray[Any]) -> dict[str, int]:
    """The words of the training text, stored one per line in UTF-8, and how often each occurs."""
    if words.dtype != np.uint8 or not np.issubdtype(counts.dtype, np.unsignedinteger) or not counts.all():
        raise ValueError("its words or their counts are of the wrong type")
    known = dict(zip(words.tobytes().decode().splitlines(), counts.tolist(), strict=True))
    if "" in known:
        raise ValueError("a word is empty")
    return known


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
    arrays = {"token": model.token, "children": model.children, "log_p": model.log_p}
    arrays["backoff"] = model.backoff[model.children > 0]  # the others are 0
    arrays["words"] = np.frombuffer("\n".join(model.words).encode(), np.uint8).copy()
    arrays["counts"] = np.array([*model.words.values()], np.uint32)
    write_arrays(path, arrays, description)
