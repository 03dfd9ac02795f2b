"""What all tests share."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

torch.set_num_threads(1)  # the networks here are tiny: threads would only wait for one another


@pytest.fixture
def prepare_script() -> Callable[[str], ModuleType]:
    """What gives datasets/<name>/prepare.py as a module."""

    def load(name: str) -> ModuleType:
        file = Path(__file__).parents[1] / "datasets" / name / "prepare.py"
        spec = importlib.util.spec_from_file_location(f"prepare_{name}", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
