"""What all model files share: a .safetensors file with a JSON description, found by name or by path.

A file contains no code and no pickle. Descriptions and numpy arrays are read without torch, whose import takes more
than a second.

The shipped models are in `inkread/pretrained/` of an installed wheel, or in `models/` of a source tree. Models that
recognise lines are called NAME.safetensors, language models NAME.lm.safetensors, models that find the lines of a page
NAME.page.safetensors, and models that write NAME.synth.safetensors. languages.detector.safetensors detects languages.

The models that `inkread studio` has fine-tuned for its user are called my/NAME, and are in `personal_folder()`.
"""

from __future__ import annotations

import json
import math
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize_arrays

from inkread._files import write_atomic
from inkread._languages import LANGUAGES
from inkread.config import DEFAULT_MODEL
from inkread.errors import BadConfig, BadModel, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

LANGUAGE_SUFFIX, PAGE_SUFFIX, SYNTHESIS_SUFFIX = ".lm.safetensors", ".page.safetensors", ".synth.safetensors"
DETECTOR = "languages.detector.safetensors"
PERSONAL = "my/"  # before the names of personal models
PERSONAL_FOLDER = "INKREAD_MODELS"  # the variable of the environment that names another folder for them
LONGEST_NAME = 40  # characters of such a name
DEVICES = re.compile("con|prn|aux|nul|(com|lpt)[0-9]")  # on Windows no file can be called so
FOLDERS = (Path(__file__).parent / "pretrained", Path(__file__).parents[1] / "models")
TEXTS = ("reads", "finds", "writes", "licence", "lm")  # the facts that must be strings
COPY_AGAIN = "copy the file again"


# ---- find


def shipped_models() -> dict[str, Path]:
    """The installed models by name, the default first."""
    found = [path for folder in FOLDERS for path in sorted(folder.glob("*.safetensors"))]
    others = (LANGUAGE_SUFFIX, PAGE_SUFFIX, SYNTHESIS_SUFFIX, DETECTOR)
    lines = {path.stem: path for path in found if not path.name.endswith(others)}
    return dict(sorted(lines.items(), key=lambda item: (item[0] != DEFAULT_MODEL, item[0])))


def personal_folder() -> Path:
    """Where the models of this user are: the folder that the system has for data of programs, or INKREAD_MODELS."""
    given = os.environ.get(PERSONAL_FOLDER)
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("inkread", appauthor=False) / "models"


def personal_models() -> dict[str, Path]:
    """The models of this user by name, "my/anna"."""
    return {PERSONAL + path.stem: path for path in sorted(personal_folder().glob("*.safetensors"))}


def new_personal_model(name: str) -> tuple[str, Path]:
    """The full name and the file of a personal model that is called so: "Anna" -> "my/anna". Raises BadConfig."""
    short = unicodedata.normalize("NFC", name.strip()).removeprefix(PERSONAL).lower()
    if not re.fullmatch(rf"[\w-]{{1,{LONGEST_NAME}}}", short) or DEVICES.fullmatch(short):
        hint = f"use letters, digits, - and _, at most {LONGEST_NAME}"
        raise BadConfig(f"{shown(name) or 'no name'}: not a name for a model", hint=hint)
    return PERSONAL + short, personal_folder() / f"{short}.safetensors"


def shipped_language_models() -> dict[str, Path]:
    """The installed language models by name."""
    return _shipped(LANGUAGE_SUFFIX)


def shipped_page_models() -> dict[str, Path]:
    """The installed models that find the lines of pages, by name."""
    return _shipped(PAGE_SUFFIX)


def shipped_synthesis_models() -> dict[str, Path]:
    """The installed models that write, by name."""
    return _shipped(SYNTHESIS_SUFFIX)


def _shipped(suffix: str) -> dict[str, Path]:
    found = [path for folder in FOLDERS for path in sorted(folder.glob(f"*{suffix}"))]
    return {path.name.removesuffix(suffix): path for path in found}


def find_model(name: str) -> Path:
    """The file of a model given by name or by path. Raises BadModel, which lists the installed models."""
    return _find(name, "model", {**shipped_models(), **(personal_models() if name.startswith(PERSONAL) else {})})


def find_language_model(name: str) -> Path:
    """The file of a language model given by name, code (de) or path. Raises BadModel, which lists the installed."""
    return _find(LANGUAGES.get(name, name), "language model", shipped_language_models())


def find_detector() -> Path | None:
    """The file that detects languages, if it is installed."""
    return next((path for folder in FOLDERS if (path := folder / DETECTOR).is_file()), None)


def find_page_model(name: str) -> Path:
    """The file of a page model given by name or by path. Raises BadModel, which lists the installed models."""
    return _find(name, "page model", shipped_page_models())


def find_synthesis_model(name: str) -> Path:
    """The file of a model that writes, given by name or by path. Raises BadModel, which lists the installed models."""
    return _find(name, "synthesis model", shipped_synthesis_models())


def _find(name: str, what: str, shipped: dict[str, Path]) -> Path:
    path = Path(name)
    if name not in shipped and (path.suffix in (".safetensors", ".arpa") or len(path.parts) > 1):
        if not path.is_file():
            yours = name.startswith(PERSONAL) and not path.suffix
            hint = "`inkread models` lists yours" if yours else "check the path"
            raise BadModel(f"no such {what} file", path=name, hint=hint)
        return path
    if name not in shipped:
        if name.endswith("-research"):
            raise BadModel(
                "not part of the package, as it may be used for research only",
                path=name,
                hint="it is in the folder models/ of inkread's source: give --model the path of the file there",
            )
        hint = f"installed: {', '.join(shipped) or 'none'}; or give a .safetensors file"
        raise BadModel(f"no such {what}", path=name, hint=hint)
    return shipped[name]


# ---- read


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The description in a file and its tensors. Raises BadModel."""
    description, mapped = _read(path, "pt")
    # Copied, as torch maps the file into memory, and Windows cannot replace a file that is mapped.
    return description, {name: tensor.clone() for name, tensor in mapped.items()}


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description in a file and its tensors as numpy arrays. Raises BadModel."""
    return _read(path, "np")


def read_description(path: Path) -> dict[str, Any]:
    """The description in a file; the tensors are not read. Raises BadModel."""
    return _read(path, None)[0]


def describe_model(path: Path) -> dict[str, Any]:
    """The description in a model file, with its facts checked; the weights are not read. Raises BadModel."""
    description = read_description(path)
    check_facts(path, description)
    return description


def _read(path: Path, library: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description, and the tensors as those of torch ("pt") or numpy ("np"), or none of them."""
    try:
        with safe_open(path, library or "np") as file:
            description = json.loads((file.metadata() or {}).get("inkread", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()} if library else {}  # noqa: SIM118
    except OSError as error:
        raise BadModel(f"cannot be read ({error.strerror or error})", path=path, hint="check the path") from error
    except (SafetensorError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise BadModel(f"damaged, or not a model file ({shown(error)})", path=path, hint=COPY_AGAIN) from error
    if not isinstance(description, dict):
        hint = "give one that `inkread train` has written"
        raise BadModel("a safetensors file, but not one of inkread's", path=path, hint=hint)
    return description, tensors


def reads_strokes(path: Path) -> bool:
    """Whether a model reads pen strokes; the others read images. Raises BadModel."""
    network = read_description(path).get("network")
    return isinstance(network, dict) and network.get("features") == "strokes"


def check_facts(path: Path, description: dict[str, Any]) -> None:
    """Raise BadModel unless the facts in a description have the types that are printed and used."""
    facts = description.get("facts", {})
    if not isinstance(facts, dict) or not all(isinstance(facts.get(name, ""), str) for name in TEXTS):
        raise BadModel("damaged: its facts are not strings", path=path, hint=COPY_AGAIN)
    errors = facts.get("errors", [])
    if not isinstance(errors, list) or not all(map(_is_error_rate, errors)):
        raise BadModel("damaged: its error rates are not numbers", path=path, hint=COPY_AGAIN)
    try:
        json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogateescape")  # as they are printed
    except UnicodeEncodeError as error:
        raise BadModel("damaged: its facts contain invalid characters", path=path, hint=COPY_AGAIN) from error


def _is_error_rate(row: Any) -> bool:
    """Whether this is an error rate that `inkread models` can print."""
    if not isinstance(row, dict) or not isinstance(row.get("on"), str) or type(row.get("lines")) is not int:
        return False
    interval = row.get("cer_interval")
    rates = [row.get("cer"), row.get("wer"), *(interval if isinstance(interval, list) else [])]
    return len(rates) == 4 and all(type(rate) in (int, float) and math.isfinite(rate) for rate in rates)


# ---- write


def write_tensors(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write tensors and a description, completely or not at all. Raises CannotWrite."""
    from safetensors.torch import save

    write_atomic(path, save(tensors, _metadata(description)))


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]], description: dict[str, Any]) -> None:
    """The same with numpy arrays."""
    write_atomic(path, serialize_arrays(arrays, _metadata(description)))


def _metadata(description: dict[str, Any]) -> dict[str, str]:
    """The description as JSON. Bytes of file names that are not UTF-8 are escaped, and survive reading."""
    return {"inkread": json.dumps(description, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()}
