"""The shipped models read the sample lines as recorded in tests/golden, whatever has changed in the code."""

import json
from typing import Any

import numpy as np
import pytest
from golden.make import FOLDER, golden

from inkread._model_files import shipped_models

RECORDED = sorted(path.stem for path in FOLDER.glob("*.json"))
TOLERANCE = 1e-3  # of a log-probability: float32 differs by less between processors and versions of torch


def values(line: dict[str, Any]) -> np.ndarray:
    return np.array([[float(value) for value in row.split()] for row in line["values"]])


def test_every_shipped_model_is_recorded() -> None:
    assert set(shipped_models()) <= set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_a_shipped_model_reads_as_recorded(name: str) -> None:
    if name not in shipped_models():
        pytest.skip(f"{name} is not in this copy")
    recorded, found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")), golden(name)
    for decoder in ("greedy", "with_language_models"):
        assert found[decoder] == recorded[decoder]
    for line, expected in zip(found["log_probabilities"], recorded["log_probabilities"], strict=True):
        assert line["steps"] == expected["steps"]
        np.testing.assert_allclose(values(line), values(expected), atol=TOLERANCE, rtol=0)
