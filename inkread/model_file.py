"""One .safetensors file a model: weights, and a description of itself: config, alphabet, facts of its card.

No code and no pickle is in it. The shipped models are found by name: in `inkread/pretrained/` of an installed wheel, or
in `models/` of a checkout; models of lines in NAME.safetensors, models of languages in NAME.lm.safetensors.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from inkread.alphabet import Alphabet
from inkread.config import DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadConfig, BadModel
from inkread.files import write_whole
from inkread.language import LanguageModel, Mixture, NgramModel, read_arpa, with_its_words
from inkread.network import Network

FORMAT = "inkread line model 1"
LANGUAGE_FORMAT = "inkread language model 1"
LANGUAGE_SUFFIX = ".lm.safetensors"
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
        network = Network(self.config, self.alphabet.size)
        try:
            network.load_state_dict({name: weight.to(torch.float32) for name, weight in self.weights.items()})
        except RuntimeError as error:
            first = str(error).splitlines()[-1].strip()
            raise BadModel(f"{self.name}: its weights do not fit the network it describes: {first}") from error
        return network


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
    return read_tensors(path, with_weights=False)[0]


def load_model(name: str) -> Model:
    """The model of that name or path. Raises BadModel for a file that is missing, damaged or not ours."""
    path = find_model(name)
    description, weights = read_tensors(path)
    if description.get("format") != FORMAT:
        raise BadModel(f"{path}: not a line model of this version of inkread, but {description.get('format')}")
    try:
        config = NetworkConfig().replace(description["network"])
        return Model(config, Alphabet(description["alphabet"]), weights, description.get("facts", {}), str(path))
    except (BadConfig, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{path}: its description is damaged or newer than this inkread ({error})") from error


def save_model(path: Path, model: Model) -> None:
    """Write a model file whole or not at all; the weights as float16, which reads the same at half the size."""
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
    description, tensors = read_tensors(path)
    if description.get("format") != LANGUAGE_FORMAT or description.get("kind") != "ngram":
        raise BadModel(f"{path}: no n-gram language model, but {description.get('kind') or description.get('format')}")
    try:
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        backoff = np.zeros(len(arrays["token"]), np.float32)
        backoff[arrays["children"] > 0] = arrays["backoff"]
        kept = {name: description[name] for name in ("weight", "bonus", "facts")}
        words = arrays["words"].tobytes().decode().splitlines()
        return NgramModel(
            description["tokens"],
            description["order"],
            arrays["token"],
            arrays["children"],
            arrays["log_p"],
            backoff,
            words=dict(zip(words, arrays["counts"].tolist(), strict=True)),
            **kept,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadModel(f"{path}: damaged, or newer than this inkread ({error}); copy it again") from error


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
    write_tensors(path, {name: torch.from_numpy(array) for name, array in arrays.items()}, description)


def write_tensors(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """A safetensors file with a JSON description. Raises CannotWrite."""
    write_whole(path, save(tensors, {"inkread": json.dumps(description, ensure_ascii=False)}))


def read_tensors(path: Path, with_weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What write_tensors wrote: the description and, if asked for, the tensors. Raises BadModel."""
    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {}).get("inkread", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()} if with_weights else {}  # noqa: SIM118
    except OSError as error:
        raise BadModel(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except (SafetensorError, ValueError) as error:
        raise BadModel(f"{path}: damaged, or not a model file ({error}); copy it again") from error
    if not isinstance(description, dict):
        raise BadModel(f"{path}: a safetensors file, but not one of inkread's; name one made by `inkread train`")
    return description, tensors
