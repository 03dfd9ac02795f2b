"""The settings of a network and of its training, and the presets.

Each setting is checked when it is set. Nothing here imports torch, so `inkread train --help` appears at once.
"""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args, get_origin

from inkread.errors import BadConfig

Activation = Literal["tanh", "logistic", "relu", "gelu", "softplus", "elu", "leaky_relu", "prelu"]
CELLS = ("elman", "gru", "lstm")
DEFAULT_MODEL = "latin"  # the default model for images
STROKE_MODEL = "strokes"  # the default model for pen strokes
SYNTHESIS_MODEL = "english"  # the default model that writes
AUTO_LM = "auto"  # given instead of the names of language models: those of the detected languages
PAGE_MODEL = "lines"  # finds the lines of a page
NO_LM = "none"  # given instead of the name of a language model: decode without one
RENAMED = {  # old names of settings, and their new names
    "shortcut": "auxiliary",
    "agreement": "consistency",
    "crossed": "spliced",
    "average": "ema",
    "blend": "interpolation",
    "checks": "evaluations",
}

T = TypeVar("T")


def setting(default: T, meaning: str) -> T:
    """A setting with its default value; `inkread train --help` shows its meaning."""
    return dataclasses.field(default=default, metadata={"help": meaning})


class Settings:
    """What NetworkConfig and TrainingConfig have in common."""

    def replace(self, values: dict[str, Any]) -> Self:
        """A copy with some settings changed. Text is converted to the type of the setting.

        >>> NetworkConfig().replace({"layers": "2", "cell": "gru"}).layers
        2

        Raises BadConfig for an unknown name or a wrong value.
        """
        kinds = {field.name: field.type for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        _check_names(values, list(kinds))
        converted = {name: _convert(name, value, kinds[name]) for name, value in values.items()}
        return dataclasses.replace(self, **converted)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """The settings by name; `replace` with them gives the same settings."""
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class NetworkConfig(Settings):
    """The shape of a network; stored in its model file."""

    features: Literal["conv", "pixels", "geometry", "strokes"] = setting(
        "conv", "feature vectors: of convolutions, pixel columns, measures of the ink in a column, or pen strokes"
    )
    height: int = setting(48, "pixels; rows of a normalised line image; a multiple of 16")
    window: int = setting(9, "pixels: columns in one feature vector")
    step: int = setting(4, "columns, or points of pen strokes, from one feature vector to the next")
    channels: tuple[int, ...] = setting((32, 64, 128, 128, 128), "conv, strokes: output channels of each convolution")
    cell: Literal["elman", "gru", "lstm"] = setting("lstm", "the recurrent cell")
    activation: Activation = setting("tanh", "elman: the activation function")  # noqa: RUF009 (it is a field)
    layers: int = setting(3, "number of recurrent layers")
    hidden: int = setting(192, "cells per layer and direction")
    bidirectional: bool = setting(True, "add cells that read the line from its end")
    dropout: float = setting(0.25, "share of the inputs of each recurrent layer that are dropped in training")

    def __post_init__(self) -> None:
        _check_values(self)
        _check(self.height >= 16 and self.height % 16 == 0, f"height={self.height}: must be a multiple of 16")
        _check(self.window >= 1 and self.step >= 1, "window and step must be at least 1")
        _check(self.layers >= 1 and self.hidden >= 1, "layers and hidden must be at least 1")
        sizes = (self.height, self.window, self.step, self.layers, len(self.channels))
        _check(max(sizes) <= 1000, "height, window, step, layers and the number of channels must be at most 1000")
        _check(0 <= self.dropout < 1, f"dropout={self.dropout}: must be from 0 up to 1")
        if self.features == "conv":
            _check(self.step == 4, f"step={self.step}: must be 4 for features=conv")
            _check(
                len(self.channels) >= 3 and min(self.channels) >= 1,
                "channels: conv needs three or more numbers",
            )
        if self.features == "strokes":
            _check(self.step == 4, f"step={self.step}: must be 4 for features=strokes")
            _check(len(self.channels) == 2 and min(self.channels) >= 1, "channels: strokes needs two numbers")

    @property
    def rows(self) -> int:
        """Numbers in one column of a normalised line: pixels, or x, y and pen state of a point of pen strokes."""
        return 3 if self.features == "strokes" else self.height

    def steps(self, columns: int) -> int:
        """The number of feature vectors T of a normalised line with so many columns."""
        return -(-columns // self.step)


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """How a network is trained; stored in its model file."""

    minutes: float = setting(0.0, "stop after so many minutes of training; 0 for no limit")
    epochs: int = setting(0, "stop after so many passes over the lines; 0 for no limit")
    batch: int = setting(16, "lines per step, over all processes")
    learning_rate: float = setting(5e-3, "the highest rate: reached after the warm-up, then a cosine down to 0")
    warmup: float = setting(0.03, "share of the training during which the learning rate rises")
    weight_decay: float = setting(0.01, "AdamW: share of a weight, times the learning rate, subtracted at each step")
    clip: float = setting(5.0, "a gradient with a larger norm is scaled to this norm (Pascanu 2013); 0 for never")
    truncate: int = setting(0, "truncate backpropagation through time to so many steps; 0 for no truncation")
    loss: Literal["ctc", "frames"] = setting(
        "ctc", "CTC; or cross-entropy per step (frames), which needs lines with the place of each character"
    )
    auxiliary: float = setting(0.1, "conv, strokes: weight of a CTC loss before the recurrent layers (Retsinas 2022)")
    consistency: float = setting(
        0.0, "weight of the difference between two masked copies of a line (CR-CTC, Yao 2025); 0 for one copy"
    )
    spliced: float = setting(0.0, "share of the lines whose end is replaced by one of another line of the writer")
    crossed_out: float = setting(0.0, "share of the line images in which a word is crossed out, and is to be marked so")
    distorted: float = setting(1.0, "share of the lines that are distorted at random, differently in each epoch")
    photographed: float = setting(0.3, "share of the line images that are made to look like photos, once")
    ema: float = setting(0.999, "decay of the moving average of the weights, which is what is saved; 0 for no average")
    interpolation: float = setting(1.0, "with --from: share of the fine-tuned weights in the saved ones (WiSE-FT)")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "auto: bfloat16 where the processor computes it faster"
    )
    evaluations: int = setting(20, "how often the error rate on the validation lines is measured")
    seed: int = setting(0, "of the random numbers; the same seed gives the same training")

    def __post_init__(self) -> None:
        _check_values(self)
        _check(self.minutes >= 0, f"minutes={self.minutes}: must not be negative")
        _check(self.epochs >= 0, f"epochs={self.epochs}: must not be negative")
        _check(self.batch >= 1, f"batch={self.batch}: must be at least 1")
        _check(self.learning_rate > 0, f"learning_rate={self.learning_rate}: must be more than 0")
        _check(0 <= self.warmup < 1, f"warmup={self.warmup}: must be from 0 up to 1")
        _check(self.clip >= 0 and self.truncate >= 0, "clip and truncate must not be negative")
        for name in ("spliced", "crossed_out", "distorted", "photographed"):
            share = getattr(self, name)
            _check(0 <= share <= 1, f"{name}={share}: must be from 0 to 1")
        _check(0 <= self.ema < 1, f"ema={self.ema}: must be from 0 up to 1")
        _check(0 < self.interpolation <= 1, f"interpolation={self.interpolation}: must be more than 0, and at most 1")
        _check(self.weight_decay >= 0 and self.auxiliary >= 0, "weight_decay and auxiliary must not be negative")
        _check(self.consistency >= 0, f"consistency={self.consistency}: must not be negative")
        _check(self.evaluations >= 1, f"evaluations={self.evaluations}: must be at least 1")
        _check(0 <= self.seed < 2**32, f"seed={self.seed}: must be from 0 up to 2^32")


def configure(
    network: NetworkConfig, training: TrainingConfig, values: dict[str, Any]
) -> tuple[NetworkConfig, TrainingConfig]:
    """Both configs with some settings changed. Raises BadConfig for an unknown name or a wrong value."""
    network_names = {field.name for field in dataclasses.fields(NetworkConfig)}
    training_names = {field.name for field in dataclasses.fields(TrainingConfig)}
    _check_names(values, sorted(network_names | training_names))
    return (
        network.replace({name: value for name, value in values.items() if name in network_names}),
        training.replace({name: value for name, value in values.items() if name in training_names}),
    )


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a TOML file with lines `name = value`. Raises BadConfig, naming the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows editors write a byte order mark
    except OSError as error:
        raise BadConfig(str(error.strerror or error), path=path, hint="check the path") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of 5000 digits, brackets too deep
        raise BadConfig(str(error), path=path, hint="write lines `name = value`, as in TOML") from error


def format_value(value: object) -> str:
    """The value of a setting as --set takes it: (8, 16) -> "8,16", True -> "true"."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def _check_names(values: dict[str, Any], known: list[str]) -> None:
    """Raise BadConfig for a setting that does not exist; for an old name, tell the new one."""
    for name in values:
        if name in known:
            continue
        if name in RENAMED:
            raise BadConfig(f"{name}: this setting is now called {RENAMED[name]}")
        raise BadConfig(f"{name}: no such setting", hint=f"there are {', '.join(known)}")


def _convert(name: str, value: Any, kind: Any) -> Any:
    """A text from the command line, or a value from TOML or JSON, in the type of the setting."""
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
        if kind is float:
            return _finite_number(value)
        if kind is int:
            return _whole_number(value)
        if get_origin(kind) is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(_whole_number(part) for part in parts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        kinds = {bool: "true or false", float: "a finite number", int: "a whole number"}
        raise BadConfig(f"{name}={value}: must be {kinds.get(kind, 'a list of whole numbers')}") from error
    return value


def _finite_number(value: Any) -> float:
    """A finite number. float() alone would turn true into 1.0."""
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError(value)
    return float(value)


def _whole_number(value: Any) -> int:
    """A whole number. int() alone would turn 2.5 into 2."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _check_values(settings: NetworkConfig | TrainingConfig) -> None:
    """Raise BadConfig for an unknown choice, and for a number that is not finite."""
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
    # The simplest network: pixel columns and Elman cells, without convolutions.
    "elman": (
        NetworkConfig(features="pixels", cell="elman", activation="tanh", layers=3, hidden=256, dropout=0.1),
        TrainingConfig(clip=1.0, auxiliary=0.0),
    ),
    "small": (NetworkConfig(channels=(16, 32, 64, 64), layers=2, hidden=128, dropout=0.1), TrainingConfig()),
    "base": (NetworkConfig(), TrainingConfig()),
    # Pen strokes contain more information than pixels, so a small network is enough.
    "strokes": (
        NetworkConfig(features="strokes", channels=(96, 160), layers=3, hidden=160, dropout=0.2),
        TrainingConfig(batch=32, learning_rate=3e-3, photographed=0.0),
    ),
}
