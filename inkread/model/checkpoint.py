"""Model files of the recogniser: the weights, and a description with config, alphabet and the facts of the model card.

Everything that is read from a file is checked: types, shapes, ranges and finite numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from inkread._model_files import COPY_AGAIN, check_facts, find_model, read_tensors, write_tensors
from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig
from inkread.errors import BadConfig, BadModel, shown
from inkread.features import PREPROCESSING
from inkread.lm.ngram import check_characters

if TYPE_CHECKING:
    from torch import Tensor, nn

    from inkread.model.network import Network

AnyNetwork = TypeVar("AnyNetwork", bound="nn.Module")

FORMAT = "inkread line model 1"


@dataclass(frozen=True)
class Model:
    """The content of a model file. `facts` is what the model card says: what it reads, licence, data, error rates."""

    config: NetworkConfig
    alphabet: Alphabet
    weights: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    name: str = "the model"  # its file, for messages

    def network(self) -> Network:
        """The network with these weights, in float32. Raises BadModel if they do not fit the config."""
        from inkread.model.network import Network

        return build_network(lambda: Network(self.config, self.alphabet.size), self.weights, self.name)


def load_model(name: str) -> Model:
    """The model of that name or path. Raises BadModel if it is missing, damaged, too new or no model of inkread."""
    path = find_model(name)
    description, weights = read_tensors(path)
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
        return Model(config, alphabet, weights, description.get("facts", {}), str(path))
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
    import torch

    weights = {
        name: (weight.to(torch.float16) if weight.is_floating_point() else weight).contiguous()
        for name, weight in model.weights.items()
    }
    description = {
        "format": FORMAT,
        "preprocessing": PREPROCESSING,
        "network": model.config.to_dict(),
        "alphabet": model.alphabet.characters,
        "facts": model.facts,
    }
    write_tensors(path, weights, description)


def build_network(make: Callable[[], AnyNetwork], weights: dict[str, Tensor], name: str) -> AnyNetwork:
    """The network that `make` returns, with these weights in its own precision. Raises BadModel if they do not fit.

    The network is made without memory for initial weights, so a file that describes a huge network does no harm.
    """
    import torch

    try:
        with torch.device("meta"):
            network = make()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise BadModel("the network it describes is too large", path=name, hint=COPY_AGAIN) from error
    expected = network.state_dict()
    _check_shapes(weights, expected, name)
    converted = {part: weights[part].to(own.dtype, copy=True) for part, own in expected.items()}
    for part, weight in converted.items():
        if not weight.sum().isfinite():
            problem = f"damaged: {part} has values that are infinite or not numbers"
            raise BadModel(problem, path=name, hint=COPY_AGAIN)
    network.load_state_dict(converted, assign=True)
    return network


def _check_shapes(weights: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> None:
    """Raise BadModel unless the weights have the expected names, shapes and kinds of numbers."""
    for part in (*expected, *weights):
        found, wanted = (tuple(of[part].shape) if part in of else "missing" for of in (weights, expected))
        if found != wanted:
            problem = f"its weights do not fit the network it describes: {shown(part)} is {found}, expected {wanted}"
            raise BadModel(problem, path=name, hint=COPY_AGAIN)
        if expected[part].is_floating_point() and not weights[part].is_floating_point():
            raise BadModel(f"damaged: {part} has the type {weights[part].dtype}", path=name, hint=COPY_AGAIN)
