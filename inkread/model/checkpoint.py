"""Model files of the recogniser: the weights, and a description with config, alphabet and the facts of the model card.

Everything that is read from a file is checked: types, shapes, ranges and finite numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import COPY_AGAIN, check_facts, find_model, read_arrays, write_arrays
from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig
from inkread.errors import BadConfig, BadModel, shown
from inkread.features import PREPROCESSING
from inkread.lm.ngram import check_characters
from inkread.model.confidence import DEFAULTS, Calibration
from inkread.model.shapes import COUNTER, Shape, weight_shapes

if TYPE_CHECKING:
    from inkread.model.network import Network

Weights = dict[str, NDArray[Any]]  # by their names in inkread.model.shapes

FORMAT = "inkread line model 1"


@dataclass(frozen=True)
class Model:
    """The content of a model file. `facts` is what the model card says: what it reads, licence, data, error rates."""

    config: NetworkConfig
    alphabet: Alphabet
    weights: Weights  # as they are in the file
    facts: dict[str, Any] = field(default_factory=dict)
    name: str = "the model"  # its file, for messages

    def checked_weights(self) -> Weights:
        """The weights in float32. Raises BadModel if they do not fit the config, or are not finite."""
        return check_weights(self.weights, weight_shapes(self.config, self.alphabet.size), self.name)

    def network(self) -> Network:
        """The network with these weights, in float32. Raises BadModel if they do not fit the config."""
        import torch

        from inkread.model.network import Network

        weights = {part: torch.from_numpy(weight) for part, weight in self.checked_weights().items()}
        with torch.device("meta"):  # without memory for the initial weights
            network = Network(self.config, self.alphabet.size)
        network.load_state_dict(weights, assign=True)
        return network


def load_model(name: str) -> Model:
    """The model of that name or path. Raises BadModel if it is missing, damaged, too new or no model of inkread."""
    path = find_model(name)
    description, weights = read_arrays(path)
    if description.get("format") != FORMAT:
        what = shown(description.get("format"))
        hint = "use one that `inkread train` has written"
        raise BadModel(f"not a line model of this version of inkread, but {what}", path=path, hint=hint)
    check_facts(path, description)
    _check_preprocessing(path, description.get("preprocessing", 1))
    try:
        config = NetworkConfig().replace(description["network"])
        check_characters(description["alphabet"])
        alphabet = Alphabet(description["alphabet"])
        # The auxiliary CTC head was called "shortcut" in the first models.
        weights = {re.sub("^shortcut\\.", "auxiliary.", part): weight for part, weight in weights.items()}
        facts = description.get("facts", {})
        for decoder in DEFAULTS:
            Calibration.of_model(facts, decoder)  # checks it
        return Model(config, alphabet, weights, facts, str(path))
    except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"its description is damaged or newer than this inkread ({shown(error)})"
        raise BadModel(problem, path=path, hint=COPY_AGAIN) from error


def _check_preprocessing(path: Path, version: Any) -> None:
    """Raise BadModel unless the model was trained with the features that this version of inkread computes."""
    if type(version) is not int or version < 1:
        raise BadModel(f"damaged: its preprocessing version is {shown(version)}", path=path, hint=COPY_AGAIN)
    if version > PREPROCESSING:
        problem = f"needs version {version} of the preprocessing, but this inkread has version {PREPROCESSING}"
        raise BadModel(problem, path=path, hint="install a newer inkread")


def save_model(path: Path, model: Model) -> None:
    """Write a model file, completely or not at all. Raises CannotWrite.

    The weights are stored as float16: half the size, and the error rates are the same.
    """
    weights = {
        name: weight.astype(np.float16) if weight.dtype.kind == "f" else weight
        for name, weight in model.weights.items()
    }
    description = {
        "format": FORMAT,
        "preprocessing": PREPROCESSING,
        "network": model.config.to_dict(),
        "alphabet": model.alphabet.characters,
        "facts": model.facts,
    }
    write_arrays(path, weights, description)


def check_weights(weights: Weights, shapes: Mapping[str, Shape], name: str) -> Weights:
    """Weights in float32, with the names and shapes that are expected. `name` is their file.

    Raises BadModel if they do not fit, or are not finite.
    """
    for part in (*shapes, *weights):
        found = weights[part].shape if part in weights else "missing"
        expected = shapes.get(part, "missing")
        if found != expected:
            problem = f"its weights do not fit the network it describes: {shown(part)} is {found}, expected {expected}"
            raise BadModel(problem, path=name, hint=COPY_AGAIN)
    return {part: _check_numbers(part, weights[part], name) for part in shapes}


def _check_numbers(part: str, weight: NDArray[Any], name: str) -> NDArray[Any]:
    """A weight in float32, or a counter as it is. Raises BadModel if it has another type, or is not finite."""
    if part.endswith(COUNTER):
        kind, checked = "i", weight
    else:
        kind, checked = "f", weight.astype(np.float32) if weight.dtype.kind == "f" else weight
    if checked.dtype.kind != kind:
        raise BadModel(f"damaged: {part} has the type {weight.dtype}", path=name, hint=COPY_AGAIN)
    if not np.isfinite(checked).all():
        problem = f"damaged: {part} has values that are infinite or not numbers"
        raise BadModel(problem, path=name, hint=COPY_AGAIN)
    if part.endswith("running_var") and (checked < 0).any():
        raise BadModel(f"damaged: {part} has negative variances", path=name, hint=COPY_AGAIN)
    return checked
