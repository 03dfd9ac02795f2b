"""The imports between sub-packages go one way, and what reads without torch does not import it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# In the order of the data flow; a module imports only from its own sub-package and from those before it.
ORDER = "document inputs features lm model pages outputs data augment synth evaluation training studio cli".split()
PACKAGE = Path(__file__).parent.parent / "inkread"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imports(module: Path) -> Iterator[str]:
    """The dotted names that a module imports anywhere, in its functions too."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: import by full name"
            whole = node.module == "inkread"  # from inkread import errors
            yield from (f"inkread.{name.name}" for name in node.names) if whole else [node.module or ""]


def sub_package(dotted: str) -> str | None:
    """inkread.model.rnn -> model; None for a top-level module such as inkread.errors."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "inkread" and len(parts) > 1 and parts[1] in ORDER else None


def test_every_sub_package_has_its_place() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(ORDER)


@pytest.mark.parametrize("module", [path for path in MODULES if len(path.parts) > 1], ids=str)
def test_imports_go_one_way(module: Path) -> None:
    used = {package for name in imports(module) if (package := sub_package(name))}
    assert used <= set(ORDER[: ORDER.index(module.parts[0]) + 1])


@pytest.mark.parametrize("module", [path for path in MODULES if len(path.parts) == 1], ids=str)
def test_top_level_modules_stand_above_all(module: Path) -> None:
    if module.name not in ("__init__.py", "__main__.py"):
        assert not any(sub_package(name) for name in imports(module))


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    code = "import sys, inkread.cli; print(*{'torch', 'numpy', 'PIL', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    assert done.stdout.split() == []


def test_ngram_models_score_and_sample_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from inkread.cli import main;"
        "main(['lm', 'sample', '--length', '5'], standalone_mode=False);"
        "main(['lm', 'score', 'LICENSE'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    assert "bits per character" in done.stdout
