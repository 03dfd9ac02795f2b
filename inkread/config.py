"""Every setting of a network and of its training, one line each, checked when made; and the presets.

A preset is the one dial most users need. Nothing here needs torch: `inkread train --help` and a model's description
read it alone.
"""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from inkread.errors import BadConfig

Activation = Literal["tanh", "logistic", "relu", "gelu", "softplus", "elu", "leaky_relu", "prelu"]
CELLS = ("elman", "gru", "lstm")
DEFAULT_MODEL = "latin"  # the shipped model that `predict` and `eval` take by themselves for pictures,
STROKE_MODEL = "strokes"  # ... and for pen strokes
NO_LM = "none"  # in the place of a language model's name: read letter by letter


class Settings:
    """What NetworkConfig and TrainingConfig share: made from names and values, checked, the cure in the message."""

    def replace(self, values: dict[str, Any]) -> Self:
        """A copy with some settings changed; texts are read as the setting's own type.

        >>> NetworkConfig().replace({"layers": "2", "cell": "gru"}).layers
        2

        Raises BadConfig for an unknown name or a value of the wrong kind.
        """
        kinds = {field.name: field.type for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        for name in values:
            if name not in kinds:
                raise BadConfig(f"{name}: no such setting; there are {', '.join(kinds)}")
        converted = {name: _convert(name, value, kinds[name]) for name, value in values.items()}
        return dataclasses.replace(self, **converted)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """The shape of a network; stored in its model file."""

    features: Literal["conv", "pixels", "geometry", "strokes"] = "conv"  # what a column is turned into, see features.py
    height: int = 48  # rows of a normalised line
    window: int = 9  # pixels: columns in one vector
    step: int = 4  # columns from one vector to the next; strokes: points of the pen's path
    channels: tuple[int, ...] = (32, 64, 128, 128, 128)  # conv, strokes: output channels of each convolution
    cell: Literal["elman", "gru", "lstm"] = "lstm"  # the recurrent cell
    activation: Activation = "tanh"  # elman: θ
    layers: int = 3  # recurrent layers, one on the other
    hidden: int = 192  # cells in one layer and direction
    bidirectional: bool = True  # a second set of cells reads from the end
    dropout: float = 0.25  # share of inputs of each recurrent layer dropped in training

    def __post_init__(self) -> None:
        _check_values(self)
        _check(self.height >= 16 and self.height % 16 == 0, f"height={self.height}: must be a multiple of 16")
        _check(self.window >= 1 and self.step >= 1, "window and step must be at least 1")
        _check(self.layers >= 1 and self.hidden >= 1, "layers and hidden must be at least 1")
        sizes = (self.height, self.window, self.step, self.layers, len(self.channels))
        _check(max(sizes) <= 1000, "height, window, step, layers and the number of channels must be at most 1000")
        _check(0 <= self.dropout < 1, f"dropout={self.dropout}: must be from 0 up to 1")
        if self.features == "conv":
            _check(self.step == 4, f"step={self.step}: the convolutions make a step of 4 columns")
            _check(len(self.channels) >= 3 and min(self.channels) >= 1, "channels: name three or more convolutions")
        if self.features == "strokes":
            _check(self.step == 4, f"step={self.step}: the two convolutions make a step of 4 points")
            _check(len(self.channels) == 2 and min(self.channels) >= 1, "channels: strokes have two convolutions")

    @property
    def rows(self) -> int:
        """The numbers in one column of a normalised line: pixels, or x, y and pen of a path."""
        return 3 if self.features == "strokes" else self.height

    def steps(self, columns: int) -> int:
        """The number of steps T that a normalised line of so many columns gives."""
        return -(-columns // self.step)


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How a network is trained; stored beside its weights."""

    minutes: float = 0.0  # stop after so many minutes of training; 0 = by epochs
    epochs: int = 0  # stop after so many passes over the data; 0 = by minutes
    batch: int = 16  # lines a step, over all processes
    learning_rate: float = 5e-3  # peak, reached after the warm-up, then a cosine down to 0
    warmup: float = 0.03  # share of the training
    weight_decay: float = 0.01
    clip: float = 5.0  # τ: a gradient longer than this is scaled to this norm (Pascanu 2013); 0 = never
    truncate: int = 0  # k: backpropagation through time is cut to k steps; 0 = whole
    loss: Literal["ctc", "frames"] = "ctc"  # frames: cross-entropy a step, needs data with an alignment
    shortcut: float = 0.1  # conv: weight of a second CTC loss on the columns alone (Retsinas 2022); 0 = none
    agreement: float = 0.0  # weight of how alike two views of a line must be read (CR-CTC, Yao 2025); 0 = one view
    crossed: float = 0.0  # share of the lines that end as another of their writer does, see crossing.py
    distorted: float = 1.0  # share of the lines that are distorted at random, anew each time, see augment.py
    photographed: float = 0.3  # share of the lines that are made to look like photos, once
    average: float = 0.999  # decay of the moving average of weights that is kept; 0 = keep the last ones
    blend: float = 1.0  # with --from: share of what was learned in the weights that are kept; the rest is the start's
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: measured at the start
    checks: int = 20  # times the error rate on the validation lines is measured
    seed: int = 0

    def __post_init__(self) -> None:
        _check_values(self)
        _check(self.minutes >= 0, f"minutes={self.minutes}: must not be negative")
        _check(self.epochs >= 0, f"epochs={self.epochs}: must not be negative")
        _check(self.batch >= 1, f"batch={self.batch}: must be at least 1")
        _check(self.learning_rate > 0, f"learning_rate={self.learning_rate}: must be more than 0")
        _check(0 <= self.warmup < 1, f"warmup={self.warmup}: must be from 0 up to 1")
        _check(self.clip >= 0 and self.truncate >= 0, "clip and truncate must not be negative")
        _check(0 <= self.crossed <= 1, f"crossed={self.crossed}: must be from 0 to 1")
        _check(0 <= self.distorted <= 1, f"distorted={self.distorted}: must be from 0 to 1")
        _check(0 <= self.photographed <= 1, f"photographed={self.photographed}: must be from 0 to 1")
        _check(0 <= self.average < 1, f"average={self.average}: must be from 0 up to 1")
        _check(0 < self.blend <= 1, f"blend={self.blend}: must be more than 0, and at most 1")
        _check(self.weight_decay >= 0 and self.shortcut >= 0, "weight_decay and shortcut must not be negative")
        _check(self.agreement >= 0, f"agreement={self.agreement}: must not be negative")
        _check(self.checks >= 1, f"checks={self.checks}: must be at least 1")
        _check(0 <= self.seed < 2**32, f"seed={self.seed}: must be from 0 up to 2^32")


def configure(
    network: NetworkConfig, training: TrainingConfig, values: dict[str, Any]
) -> tuple[NetworkConfig, TrainingConfig]:
    """Both configs with some settings changed, each name going to the config that has it. Raises BadConfig."""
    network_names = {field.name for field in dataclasses.fields(NetworkConfig)}
    training_names = {field.name for field in dataclasses.fields(TrainingConfig)}
    for name in values:
        if name not in network_names | training_names:
            raise BadConfig(f"{name}: no such setting; there are {', '.join(sorted(network_names | training_names))}")
    return (
        network.replace({name: value for name, value in values.items() if name in network_names}),
        training.replace({name: value for name, value in values.items() if name in training_names}),
    )


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, `name = value` a line. Raises BadConfig, naming the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors write a byte order mark
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror or error}; check the path") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of 5000 digits, brackets too deep
        raise BadConfig(f"{path}: {error}; write one `name = value` a line, as TOML") from error


def _convert(name: str, value: Any, kind: Any) -> Any:
    """A text from the command line, or a value from TOML or JSON, as a setting's own type."""
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
        if kind is float:
            return _number(value)
        if kind is int:
            return _whole(value)
        if get_origin(kind) is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(_whole(part) for part in parts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        kinds = {bool: "true or false", float: "a finite number", int: "a whole number"}
        raise BadConfig(f"{name}={value}: must be {kinds.get(kind, 'a list of whole numbers')}") from error
    return value


def _number(value: Any) -> float:
    """A finite number; float() alone would make 1.0 of true."""
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError(value)
    return float(value)


def _whole(value: Any) -> int:
    """A whole number; int() alone would make 2 of 2.5 in silence."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _check_values(settings: NetworkConfig | TrainingConfig) -> None:
    """Raise BadConfig for a choice that there is not, and for a number that is none."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.type is float:
            _convert(field.name, value, float)
        if get_origin(field.type) is Literal and value not in get_args(field.type):
            raise BadConfig(f"{field.name}={value}: must be one of {', '.join(get_args(field.type))}")


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise BadConfig(message)


PRESETS: dict[str, tuple[NetworkConfig, TrainingConfig]] = {
    # The lecture's own network: plain pixel columns, Elman cells, no convolution.
    "elman": (
        NetworkConfig(features="pixels", cell="elman", activation="tanh", layers=3, hidden=256, dropout=0.1),
        TrainingConfig(clip=1.0, shortcut=0.0),
    ),
    "small": (NetworkConfig(channels=(16, 32, 64, 64), layers=2, hidden=128, dropout=0.1), TrainingConfig()),
    "base": (NetworkConfig(), TrainingConfig()),
    # Pen strokes: they tell much more than pixels do, so a small network will do.
    "strokes": (
        NetworkConfig(features="strokes", channels=(96, 160), layers=3, hidden=160, dropout=0.2),
        TrainingConfig(batch=32, learning_rate=3e-3, photographed=0.0),
    ),
}
