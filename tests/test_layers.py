"""The one-way order of the modules: a file imports only files above it, and nothing above rnn.py needs torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ORDER = """
    errors files cpus locks config alphabet ink strokes preprocess trajectory synthesis respelling features rnn network
    decoder
    language metrics model_file recognizer page layout dataset check processes augment made_lines crossing lines
    optimizer training rnnlm reader evaluation page_scores formats display cli
""".split()
PACKAGE = Path(__file__).parent.parent / "inkread"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))


def imports(module: str) -> Iterator[str]:
    """The dotted names that a module imports anywhere, in its functions too."""
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}.py, line {node.lineno}: import by full name"
            whole = node.module == "inkread"  # from inkread import rnn
            yield from (f"inkread.{name.name}" for name in node.names) if whole else [node.module or ""]


def test_every_module_has_its_place() -> None:
    assert set(MODULES) <= set(ORDER)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_up(module: str) -> None:
    ours = {name.split(".")[1] for name in imports(module) if name.startswith("inkread.")} & set(ORDER)
    assert ours <= set(ORDER[: ORDER.index(module)])
    if ORDER.index(module) < ORDER.index("rnn"):
        assert not any(name.split(".")[0] == "torch" for name in imports(module))


@pytest.mark.skipif("cli" not in MODULES, reason="the command line is not written yet")
def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    code = "import sys, inkread.cli; print(*{'torch', 'numpy', 'PIL', 'safetensors'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    assert done.stdout.split() == []
