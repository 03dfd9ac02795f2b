"""One .safetensors file a model: weights, and a description of itself: config, alphabet, facts of its card.

No code and no pickle is in it. The shipped models are found by name: in `inkread/pretrained/` of an installed wheel, or
in `models/` of a checkout.
"""

import contextlib
import errno
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from inkread.alphabet import Alphabet
from inkread.config import DEFAULT_MODEL, NetworkConfig
from inkread.errors import BadConfig, BadModel, CannotWrite
from inkread.network import Network

FORMAT = "inkread line model 1"
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
    found = {path.stem: path for shelf in SHELVES for path in sorted(shelf.glob("*.safetensors"))}
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT_MODEL, item[0])))


def find_model(name: str) -> Path:
    """The file of a model given by name or by path. Raises BadModel, listing the names there are."""
    path = Path(name)
    if path.suffix == ".safetensors" or len(path.parts) > 1:
        if not path.is_file():
            raise BadModel(f"{name}: no such model file; check the path")
        return path
    shipped = shipped_models()
    if name not in shipped:
        raise BadModel(f"{name}: no such model; there is {', '.join(shipped) or 'none'}, or give a .safetensors file")
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


def write_tensors(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """A safetensors file with a JSON description, written beside its place and then moved there. Raises CannotWrite."""
    data = save(tensors, {"inkread": json.dumps(description, ensure_ascii=False)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        cure = "free some space" if error.errno == errno.ENOSPC else "check the folder and its permissions"
        raise CannotWrite(f"{path}: cannot be written ({error.strerror}); {cure}") from error


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
