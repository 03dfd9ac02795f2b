"""The checkpoint of a training: what is needed to continue it as if it had never stopped."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from inkread._model_files import read_description, read_tensors, write_tensors
from inkread.config import NetworkConfig, TrainingConfig
from inkread.data import Sample
from inkread.errors import BadModel
from inkread.inputs.source import file_version

FORMAT = "inkread checkpoint 3"


@dataclass
class TrainingState:
    """The state of a training, besides the weights and the moments of the optimizer."""

    step: int = 0  # steps that are done
    samples: int = 0  # lines that were trained on, counted again in each epoch
    seconds: float = 0.0
    loss: float = 0.0  # moving average
    scaled: float = 0.0  # share of steps whose gradient was scaled, moving average
    best: float | None = None  # the lowest error rate on the validation lines
    evaluations: int = 0
    bfloat16: bool = False


def checkpoint_of(out: Path) -> Path:
    """The checkpoint of the training that writes the model `out`."""
    return out.with_suffix(".checkpoint")


def log_of(out: Path) -> Path:
    """The log of the training that writes the model `out`: a line of JSON for each evaluation."""
    return out.with_suffix(".log.jsonl")


def identity(
    config: NetworkConfig, training: TrainingConfig, alphabet: str, samples: tuple[Sample, ...], dev: tuple[Sample, ...]
) -> dict[str, Any]:
    """What must be equal for a checkpoint to belong to a training."""
    network = config.to_dict()
    del network["dropout"]  # can be changed, like any setting of the training but the two below
    return {
        "format": FORMAT,
        "network": network,
        "alphabet": alphabet,
        "lines": _fingerprint(samples),
        "validation lines": _fingerprint(dev),
        "batch": training.batch,
        "seed": training.seed,
    }


def _fingerprint(samples: tuple[Sample, ...]) -> str:
    """A hash of lines: their names, texts and writers, the sizes of their files, and their weights if they have any."""
    versions = {path: file_version(path) for path in {sample.path for sample in samples}}
    sizes = {path: version[1] if version else -1 for path, version in versions.items()}
    facts: list[object] = [(sample.id, sample.text, sample.writer, sizes[sample.path]) for sample in samples]
    if any(sample.weight != 1 for sample in samples):
        facts.append([sample.weight for sample in samples])
    return sha256(json.dumps(facts).encode()).hexdigest()


def check_checkpoint(checkpoint: Path, expected: dict[str, Any]) -> None:
    """Raise BadModel if there is no checkpoint, or one with another identity."""
    if not checkpoint.is_file():
        raise BadModel("no checkpoint to resume from", path=checkpoint, hint="start without --resume")
    description = read_description(checkpoint)
    others = [name for name, value in json.loads(json.dumps(expected)).items() if description.get(name) != value]
    if others:
        problem = f"of another training (other {', '.join(others)})"
        raise BadModel(problem, path=checkpoint, hint="resume with the command that made it")


def save_checkpoint(
    checkpoint: Path,
    identity: dict[str, Any],
    state: TrainingState,
    network: dict[str, Tensor],
    ema: dict[str, Tensor],
    optimizer: dict[int, dict[str, Tensor]],
) -> None:
    """Write a checkpoint. `optimizer` has the moments of each weight, by its number. Raises CannotWrite."""
    tensors = {f"network.{name}": value.cpu().contiguous() for name, value in network.items()}
    tensors |= {f"ema.{name}": value.cpu().contiguous() for name, value in ema.items()}
    for index, moments in optimizer.items():
        tensors |= {f"optimizer.{index}.{name}": value.cpu().contiguous() for name, value in moments.items()}
    write_tensors(checkpoint, tensors, {**identity, "standing": vars(state)})


def load_checkpoint(
    checkpoint: Path,
) -> tuple[TrainingState, dict[str, Tensor], dict[str, Tensor], dict[int, dict[str, Tensor]]]:
    """What `save_checkpoint` was given: state, network, ema, optimizer. Raises BadModel if the file is damaged."""
    description, tensors = read_tensors(checkpoint)
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "ema": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    optimizer: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimizer"].items():
        index, _, moment = name.partition(".")
        optimizer.setdefault(int(index), {})[moment] = value
    return TrainingState(**description["standing"]), parts["network"], parts["ema"], optimizer
