"""inkread recognises handwriting in images and pen strokes.

>>> import inkread
>>> reader = inkread.load()
>>> document = reader.read("letter.jpg")  # a path, bytes, a PIL image, a numpy array or pen strokes
>>> print(document.text)

Wrong arguments and unreadable files raise an InkreadError. What the command line prints as notes is logged, at level
INFO or WARNING, by `logging.getLogger("inkread")`. Importing this package is fast: numpy and torch are imported when a
function first needs them.
"""

import logging
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkread.errors import (
    BadConfig,
    BadDataset,
    BadInput,
    BadModel,
    CannotWrite,
    InkreadError,
    TrainingFailed,
)

if TYPE_CHECKING:
    from inkread.data import Dataset, Sample
    from inkread.document.elements import Character, Document, Line, Page, Paragraph, Word
    from inkread.evaluation.lines import Evaluation
    from inkread.model.engines import EngineName
    from inkread.model.recognizer import Decoder
    from inkread.pages.readable import Readable
    from inkread.pages.reader import Reader
    from inkread.pages.regions import Region
    from inkread.training.finetune import TrainingResult
    from inkread.training.loop import Progress

__version__ = "0.1.0"

logging.getLogger("inkread").addHandler(logging.NullHandler())  # Python would print warnings that nobody asked for

__all__ = [
    "BadConfig",
    "BadDataset",
    "BadInput",
    "BadModel",
    "CannotWrite",
    "Character",
    "Dataset",
    "Document",
    "Evaluation",
    "InkreadError",
    "Line",
    "Page",
    "Paragraph",
    "Reader",
    "Region",
    "Sample",
    "TrainingFailed",
    "TrainingResult",
    "Word",
    "__version__",
    "evaluate",
    "find_lines",
    "load",
    "open_dataset",
    "read",
    "train",
]

# The module of each class that is imported when it is first used (PEP 562).
_MODULES = {
    **dict.fromkeys(("Dataset", "Sample"), "inkread.data"),
    **dict.fromkeys(("Character", "Document", "Line", "Page", "Paragraph", "Word"), "inkread.document.elements"),
    "Evaluation": "inkread.evaluation.lines",
    "Reader": "inkread.pages.reader",
    "Region": "inkread.pages.regions",
    "TrainingResult": "inkread.training.finetune",
}


def load(
    model: str | None = None,
    *,
    lm: str | None = None,
    words: Sequence[str] = (),
    decoder: "Decoder | None" = None,
    engine: "EngineName" = "auto",
    device: str = "auto",
) -> "Reader":
    """Load a model, and return a reader of documents.

    model: the name of an included model or the path of a file; by default `latin` for images and `strokes` for pen
        strokes, each loaded when it is first needed.
    lm: language models to decode with, as names or paths separated by commas, "auto" or "none"; by default "auto", if
        the model names language models: those of the language that is detected in each line.
    words: your own words that may always be read, such as names.
    decoder: "greedy" (without a language model) or "beam".
    engine: "int8" or "onnx" (ONNX Runtime on the CPU, in 8 bits or in float32), or "torch"; by default the fastest one
        that is installed.
    device: "cpu", or a GPU by its name in torch, such as "cuda", "cuda:1" or "mps"; by default the CPU.

    Raises BadModel for a model that is missing or damaged, and BadConfig for other wrong arguments.
    """
    from inkread.pages.reader import load_reader

    return load_reader(model, lm=lm, words=words, decoder=decoder, engine=engine, device=device)


def read(
    x: "Readable",
    *,
    model: str | None = None,
    lm: str | None = None,
    words: Sequence[str] = (),
    decoder: "Decoder | None" = None,
    engine: "EngineName" = "auto",
    device: str = "auto",
) -> "Document":
    """Read one document: `load` with these arguments, then `Reader.read`. To read several, call `load` only once."""
    return load(model, lm=lm, words=words, decoder=decoder, engine=engine, device=device).read(x)


def find_lines(x: "Readable") -> "list[list[Region]]":
    """Find the lines on an image of a page, without reading them.

    The result has the paragraphs in reading order, each with its lines from the top. Positions are in pixels of the
    upright page. Raises BadInput for what is not an image of one page. This does not need torch.
    """
    from inkread.pages.layout import find_lines_of

    return find_lines_of(x)


def open_dataset(path: str | os.PathLike[str]) -> "Dataset":
    """Open a dataset: PATH or PATH:SPLIT, in any format of docs/formats.md.

    `samples` has the lines with their texts, `skipped` the reasons for the lines that were left out. Raises BadDataset.
    """
    from inkread.data import open_dataset

    return open_dataset(os.fspath(path))


def evaluate(
    dataset: "str | os.PathLike[str] | Dataset",
    model: str | None = None,
    *,
    lm: str | None = None,
    words: Sequence[str] = (),
    decoder: "Decoder | None" = None,
    engine: "EngineName" = "auto",
    device: str = "auto",
) -> "Evaluation":
    """Read the lines of a dataset, and compare them with their texts.

    The result has the character and word error rate, `cer` and `wer`, with their 95 % bootstrap intervals, and every
    line. The arguments are those of `open_dataset` and `load`. Raises BadDataset, BadModel and BadConfig.
    """
    from inkread.evaluation.lines import evaluate_dataset

    reader = load(model, lm=lm, words=words, decoder=decoder, engine=engine, device=device)
    return evaluate_dataset(dataset, reader.recognizer)


def train(
    datasets: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    out: str | os.PathLike[str],
    *,
    dev: str | os.PathLike[str] | None = None,
    start: str | None = None,
    preset: str | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    settings: dict[str, Any] | None = None,
    config: str | os.PathLike[str] | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    report: "Callable[[Progress], None] | None" = None,
) -> "TrainingResult":
    """Train a model on lines with known text, and write it to `out`, a file that ends in .safetensors.

    The result has the character error rate on the validation lines, `cer`.

    datasets: one or several of PATH or PATH:SPLIT, as for `open_dataset`, or with a weight: "lines.tsv:train*7".

    dev: the validation lines; by default a tenth of the lines, or all of them if they are few.
    start: an included model or a file to fine-tune; by default a new network is trained, that of `preset`.
    minutes, epochs: how long to train, at most; by default 30 minutes, or 30 epochs to fine-tune on few lines.
    settings, config: other settings, as a dictionary or as a TOML file; see docs/training.md.
    device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
    resume: continue a training that was stopped.
    overwrite: replace a model that exists.
    report: is called after every step with the progress; if it raises an exception, the training stops with a
        checkpoint.

    On a CPU with two cores or more, a second process is started to help; a script that calls this is not run again.

    Raises BadDataset, BadConfig, BadModel, CannotWrite and TrainingFailed.
    """
    names = [datasets] if isinstance(datasets, str | os.PathLike) else list(datasets)
    from inkread.training.finetune import train_model

    return train_model(
        [os.fspath(name) for name in names],
        Path(out),
        dev=None if dev is None else os.fspath(dev),
        start=start,
        preset=preset,
        minutes=minutes,
        epochs=epochs,
        settings=settings,
        config=None if config is None else Path(config),
        device=device,
        resume=resume,
        overwrite=overwrite,
        report=report,
    )


def __getattr__(name: str) -> Any:
    """Import a class of the public API."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
