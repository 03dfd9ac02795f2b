"""The wheel holds what it should and nothing else, and works in an environment with only its declared dependencies."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from inkread import __version__
from inkread._model_files import shipped_models
from inkread.config import DEFAULT_MODEL
from inkread.evaluation.metrics import edit_distance

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy so that the checkout stays clean, with a research model that must not get into it."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("inkread", "models", "datasets"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE", "cli.py"):
        shutil.copy(ROOT / file, source)
    (source / "models" / "made-up-research.safetensors").write_bytes(b"")
    (source / "models" / "made-up-research.md").write_text("For research only.")
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(source / "dist"), str(source))
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a virtual environment with the wheel and what it declares to need; no tools of ours."""
    environment = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    commands = environment / ("Scripts" if os.name == "nt" else "bin")
    pip("--python", str(commands / "python"), "install", "--no-deps", "--no-index", str(wheel))
    site = next(environment.rglob("site-packages"))
    (installed,) = distributions(path=[str(site)])
    for name in needed(installed.requires or []):
        for file in distribution(name).files or ():  # linked, as torch is large
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                link(site / top, Path(str(distribution(name).locate_file(top))))
    return commands


def link(path: Path, target: Path) -> None:
    """Make a link to a file or folder; on Windows, where links need a privilege, a copy."""
    try:
        path.symlink_to(target)
    except OSError:
        (shutil.copytree if target.is_dir() else shutil.copy)(target, path)


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True, env=plain_environment())


def plain_environment() -> dict[str, str]:
    """The environment without PYTHONPATH and the like: it may lead to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def needed(requirements: list[str]) -> set[str]:
    """The names of all distributions that must be there for these requirements, without extras."""
    names: set[str] = set()
    ahead = list(requirements)
    while ahead:
        requirement = Requirement(ahead.pop())
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in names:
            names.add(requirement.name)
            ahead += distribution(requirement.name).requires or []
    return names


def run(*command: str | Path) -> str:
    """What a command prints, run in another folder, where the checkout cannot be imported from."""
    folder = Path(command[0]).parent
    return subprocess.run(
        command, cwd=folder, env=plain_environment(), check=True, capture_output=True, text=True
    ).stdout


def test_it_is_one_package_with_the_models_that_may_be_shipped(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"inkread", f"inkread-{__version__}.dist-info"}
    assert "inkread/py.typed" in names
    assert not [name for name in names if "research" in name]
    shipped = {f"inkread/pretrained/{path.name}" for path in (ROOT / "models").iterdir() if "research" not in path.name}
    assert {name for name in names if name.startswith("inkread/pretrained/")} == shipped
    assert wheel.stat().st_size < 60 * MEGABYTE


def test_it_is_imported_from_where_it_is_installed(clean: Path) -> None:
    where = "import inkread, inkread.model.checkpoint; print(inkread.__file__)"
    assert Path(run(clean / "python", "-c", where)).is_relative_to(clean.parent)
    for name in ("models", "datasets", "cli", "pytest"):
        found = f"import importlib.util; print(importlib.util.find_spec('{name}'))"
        assert run(clean / "python", "-c", found) == "None\n", name


def test_it_tells_its_version(clean: Path) -> None:
    assert __version__ in run(clean / "inkread", "--version")
    assert __version__ in run(clean / "python", "-m", "inkread", "--version")


@pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="the shipped model is not in models/ yet")
def test_it_reads_with_the_model_in_it(clean: Path) -> None:
    assert DEFAULT_MODEL in run(clean / "inkread", "models")
    picture = SAMPLE / "01-scan.png"
    written = picture.with_suffix(".gt.txt").read_text("utf-8").strip()
    read = json.loads(run(clean / "inkread", "predict", "--json", picture))["text"]
    assert edit_distance(written, read) <= 0.2 * len(written)
