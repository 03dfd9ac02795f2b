"""One .safetensors file a model: weights, and a description of itself: config, alphabet, facts of its card.

No code and no pickle is in it, and what is read from it is checked: types, shapes, ranges, finite numbers.
Descriptions and n-gram models are read without torch, whose import takes more than a second.

The shipped models are found by name: in `inkread/pretrained/` of an installed wheel, or in `models/` of a checkout;
models of lines in NAME.safetensors, models of languages in NAME.lm.safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_arrays

from inkread.alphabet import Alphabet
from inkread.config import DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadConfig, BadModel, shown
from inkread.files import write_whole
from inkread.language import LanguageModel, Mixture, NgramModel, check_characters, read_arpa, with_its_words

if TYPE_CHECKING:
    from torch import Tensor, nn

    from inkread.network import Network

AnyNetwork = TypeVar("AnyNetwork", bound="nn.Module")

FORMAT = "inkread line model 1"
LANGUAGE_FORMAT = "inkread language model 1"
LANGUAGE_SUFFIX = ".lm.safetensors"
TEXTS = ("reads", "licence", "lm")  # the facts that are texts
SHELVES = (Path(__file__).parent / "pretrained", Path(__file__).parent.parent / "models")


@dataclass(frozen=True)
class Model:
    """What a model file holds. `facts` is what its card tells: what it reads, licence, data, error rates."""

    config: NetworkConfig
    alphabet: Alphabet
    weights: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    name: str = "the model"  # its file, for messages

    def network(self) -> Network:
        """The network with these weights, in float32. Raises BadModel when they don't fit the config."""
        from inkread.network import Network

        return build_network(lambda: Network(self.config, self.alphabet.size), self.weights, self.name)


def build_network(make: Callable[[], AnyNetwork], weights: dict[str, Tensor], name: str) -> AnyNetwork:
    """The network that `make` makes, with these weights in its own precision. Raises BadModel when they do not fit it.

    It is made without memory for weights of its own, so a file that describes a huge network costs nothing.
    """
    import torch

    try:
        with torch.device("meta"):
            network = make()
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise BadModel(f"{name}: the network it describes is too large; copy the file again") from error
    _check_shapes(weights, network.state_dict(), name)
    converted = {part: weights[part].to(own.dtype, copy=True) for part, own in network.state_dict().items()}
    for part, weight in converted.items():
        if not weight.sum().isfinite():
            raise BadModel(f"{name}: damaged: {part} has values that are infinite or not numbers; copy the file again")
    network.load_state_dict(converted, assign=True)
    return network


def _check_shapes(weights: dict[str, Tensor], expected: dict[str, Tensor], name: str) -> None:
    """Raise BadModel unless the weights have the names, the shapes and the kinds of numbers that are expected."""
    for part in (*expected, *weights):
        found, wanted = (tuple(of[part].shape) if part in of else "missing" for of in (weights, expected))
        if found != wanted:
            raise BadModel(
                f"{name}: its weights do not fit the network it describes: {shown(part)} is {found}, "
                f"expected {wanted}; copy the file again"
            )
        if expected[part].is_floating_point() and not weights[part].is_floating_point():
            raise BadModel(f"{name}: damaged: {part} has the type {weights[part].dtype}; copy the file again")


def shipped_models() -> dict[str, Path]:
    """The models that are here by name, the default first."""
    found = [path for shelf in SHELVES for path in sorted(shelf.glob("*.safetensors"))]
    lines = {path.stem: path for path in found if not path.name.endswith(LANGUAGE_SUFFIX)}
    return dict(sorted(lines.items(), key=lambda item: (item[0] != DEFAULT_MODEL, item[0])))


def shipped_language_models() -> dict[str, Path]:
    """The language models that are here by name."""
    found = [path for shelf in SHELVES for path in sorted(shelf.glob(f"*{LANGUAGE_SUFFIX}"))]
    return {path.name.removesuffix(LANGUAGE_SUFFIX): path for path in found}


def find_model(name: str) -> Path:
    """The file of a model given by name or by path. Raises BadModel, listing the names there are."""
    return _find(name, "model", shipped_models())


def find_language_model(name: str) -> Path:
    """The file of a language model given by name or by path. Raises BadModel, listing the names there are."""
    return _find(name, "language model", shipped_language_models())


def _find(name: str, what: str, shipped: dict[str, Path]) -> Path:
    path = Path(name)
    if path.suffix in (".safetensors", ".arpa") or len(path.parts) > 1:
        if not path.is_file():
            raise BadModel(f"{name}: no such {what} file; check the path")
        return path
    if name not in shipped:
        if name.endswith("-research"):
            raise BadModel(
                f"{name}: not part of the package, as it may be used for research only; it is in the folder models/ of "
                "inkread's source: give --model the path of the file there"
            )
        raise BadModel(f"{name}: no such {what}; there is {', '.join(shipped) or 'none'}, or give a .safetensors file")
    return shipped[name]


def describe_model(path: Path) -> dict[str, Any]:
    """A model's description, without its weights. Raises BadModel."""
    return _checked(path, read_tensors(path, with_weights=False)[0])


def load_model(name: str) -> Model:
    """The model of that name or path. Raises BadModel for a file that is missing, damaged or not ours."""
    path = find_model(name)
    description, weights = read_tensors(path)
    if description.get("format") != FORMAT:
        what = shown(description.get("format"))
        raise BadModel(f"{path}: not a line model of this version of inkread, but {what}; use one of `inkread train`")
    _checked(path, description)
    try:
        config = NetworkConfig().replace(description["network"])
        check_characters(description["alphabet"])
        alphabet = Alphabet(description["alphabet"])
        return Model(config, alphabet, weights, description.get("facts", {}), str(path))
    except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(
            f"{path}: its description is damaged or newer than this inkread ({shown(error)}); copy it again"
        ) from error


def _checked(path: Path, description: dict[str, Any]) -> dict[str, Any]:
    """The description if its facts are of the types that are shown and used. Raises BadModel."""
    facts = description.get("facts", {})
    if not isinstance(facts, dict) or not all(isinstance(facts.get(name, ""), str) for name in TEXTS):
        raise BadModel(f"{path}: damaged: its facts are not texts; copy it again")
    errors = facts.get("errors", [])
    if not isinstance(errors, list) or not all(map(_is_measurement, errors)):
        raise BadModel(f"{path}: damaged: its error rates are not numbers; copy it again")
    try:
        json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogateescape")  # as it is printed
    except UnicodeEncodeError as error:
        raise BadModel(f"{path}: damaged: its facts have characters that do not exist; copy it again") from error
    return description


def _is_measurement(row: Any) -> bool:
    """Whether this is an error rate as `inkread models` prints it."""
    if not isinstance(row, dict) or not isinstance(row.get("on"), str) or type(row.get("lines")) is not int:
        return False
    interval = row.get("cer_interval")
    rates = [row.get("cer"), row.get("wer"), *(interval if isinstance(interval, list) else [])]
    return len(rates) == 4 and all(type(rate) in (int, float) and math.isfinite(rate) for rate in rates)


def save_model(path: Path, model: Model) -> None:
    """Write a model file whole or not at all; the weights as float16, which reads the same at half the size."""
    import torch

    weights = {
        name: (weight.to(torch.float16) if weight.is_floating_point() else weight).contiguous()
        for name, weight in model.weights.items()
    }
    description = {
        "format": FORMAT,
        "network": model.config.to_dict(),
        "alphabet": model.alphabet.characters,
        "facts": model.facts,
    }
    write_tensors(path, weights, description)


def load_language_model(name: str) -> NgramModel:
    """The n-gram model of that name or path; NAME.arpa may come from KenLM. Raises BadModel."""
    path = find_language_model(name)
    if path.suffix == ".arpa":
        return read_arpa(path)
    description, arrays = _read(path, "np")
    found = (description.get("format"), description.get("kind"))
    if found != (LANGUAGE_FORMAT, "ngram"):
        what = shown(found[1] if found[0] == LANGUAGE_FORMAT else found[0])
        raise BadModel(f"{path}: no n-gram language model, but {what}; use one of `inkread lm train`")
    _checked(path, description)
    try:
        weight, bonus = description["weight"], description["bonus"]
        if type(weight) not in (int, float) or type(bonus) not in (int, float) or not 0 <= weight <= 5 >= abs(bonus):
            raise ValueError(f"weight={weight} and bonus={bonus} are not numbers up to 5")
        return NgramModel(
            description["tokens"],
            description["order"],
            arrays["token"],
            arrays["children"],
            arrays["log_p"],
            _backoff_of_all(arrays["children"], arrays["backoff"]),
            weight,
            bonus,
            description["facts"],
            _counted_words(arrays["words"], arrays["counts"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadModel(f"{path}: damaged, or newer than this inkread ({shown(error)}); copy it again") from error


def _backoff_of_all(children: NDArray[Any], backoff: NDArray[Any]) -> NDArray[Any]:
    """The backoff of every node, 0 where there are no children, from that of the nodes with children."""
    contexts = children > 0
    if backoff.shape != (np.count_nonzero(contexts),):
        raise ValueError(f"backoff has the shape {backoff.shape} of something else")
    of_all = np.zeros(len(children), np.float32)
    of_all[contexts] = backoff
    return of_all


def _counted_words(words: NDArray[Any], counts: NDArray[Any]) -> dict[str, int]:
    """The words of the text it has learnt, which are stored one a line, and how often each stands there."""
    if words.dtype != np.uint8 or not np.issubdtype(counts.dtype, np.unsignedinteger) or not counts.all():
        raise ValueError("its words are not counted")
    known = dict(zip(words.tobytes().decode().splitlines(), counts.tolist(), strict=True))
    if "" in known:
        raise ValueError("a word is empty")
    return known


def load_language_models(names: str) -> LanguageModel:
    """What to read along with: the n-gram model of that name or path with the words it knows, or a mixture of several
    with commas between. Raises BadModel.
    """
    models = [with_its_words(load_language_model(name)) for name in names.split(",")]
    return models[0] if len(models) == 1 else Mixture(models)


def save_language_model(path: Path, model: NgramModel) -> None:
    """Write an n-gram model whole or not at all. Only contexts have a backoff, so only theirs are kept."""
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
    arrays["backoff"] = model.backoff[model.children > 0]
    arrays["words"] = np.frombuffer("\n".join(model.words).encode(), np.uint8).copy()
    arrays["counts"] = np.array([*model.words.values()], np.uint32)
    write_whole(path, save_arrays(arrays, _metadata(description)))


def write_tensors(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """A safetensors file with a JSON description. Raises CannotWrite."""
    from safetensors.torch import save

    write_whole(path, save(tensors, _metadata(description)))


def _metadata(description: dict[str, Any]) -> dict[str, str]:
    """The description as JSON. Bytes of file names that are not in UTF-8 are escaped in it, and come back."""
    return {"inkread": json.dumps(description, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()}


def read_tensors(path: Path, with_weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What write_tensors wrote: the description and, if asked for, the tensors. Raises BadModel."""
    return _read(path, "pt" if with_weights else None)


def _read(path: Path, library: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description in a safetensors file, and the tensors as torch's ("pt"), numpy's ("np") or not at all."""
    try:
        with safe_open(path, library or "np") as file:
            description = json.loads((file.metadata() or {}).get("inkread", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()} if library else {}  # noqa: SIM118
    except OSError as error:
        raise BadModel(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (SafetensorError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise BadModel(f"{path}: damaged, or not a model file ({shown(error)}); copy it again") from error
    if not isinstance(description, dict):
        raise BadModel(f"{path}: a safetensors file, but not one of inkread's; name one made by `inkread train`")
    return description, tensors
