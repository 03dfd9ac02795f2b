"""The weights that tell handwriting from other lines: logistic regression, and what counts as handwriting."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inkread.data.page_truth import TrueLine, TruePage, write_pages
from inkread.model.page_model import load_page_model
from inkread.pages.trace import TracedLine
from inkread.training.line_filter import fit_filter, follows, logistic_regression
from inkread.training.page_loop import train


def test_the_regression_has_the_slope_zero() -> None:
    """Of the log-likelihood with its penalty, computed anew by finite differences."""
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, (60, 2))
    labels = x @ (0.5, -0.3) + rng.normal(0, 1, 60) > 0.5
    weight, bias = logistic_regression(x, labels, penalty=0.01)

    def loss(w0: float, w1: float, b: float) -> float:
        score = x @ (w0, w1) + b
        fit = np.logaddexp(0, np.where(labels, -score, score)).mean()
        return float(fit + 0.005 * ((np.array((w0, w1)) * x.std(axis=0)) ** 2).sum())

    best = np.array((*weight, bias))
    for step in np.eye(3) * 1e-4:
        assert loss(*(best + step)) - loss(*(best - step)) == pytest.approx(0, abs=1e-9)


def test_what_does_not_vary_has_no_weight() -> None:
    x = np.column_stack((np.arange(20.0), np.full(20, 3.0)))
    weight, bias = logistic_regression(x, np.arange(20) > 9)
    assert weight[1] == 0 and weight[0] > 0 and -bias / weight[0] == pytest.approx(9.5)


@pytest.mark.parametrize(
    ("y", "left", "right", "expected"),
    [(104, 100, 400, True), (104, 350, 600, False), (112, 100, 400, False), (100, 200, 250, True)],
)
def test_a_line_that_runs_along_a_true_one_is_handwriting(y: float, left: float, right: float, expected: bool) -> None:
    x = np.linspace(left, right, 50)
    found = TracedLine(np.column_stack((x, np.full(50, y))), 10.0, 0.8)
    assert follows(found, [TrueLine(((100.0, 100.0), (400.0, 100.0)), 10.0)]) == expected


def test_the_weights_are_written_into_the_model(tmp_path: Path) -> None:
    page = Image.new("L", (600, 800), 240)
    ImageDraw.Draw(page).rectangle((100, 88, 500, 100), fill=20)
    page.save(tmp_path / "page.png")
    lines = (TrueLine(((100.0, 100.0), (500.0, 100.0)), 12.0),)
    write_pages(tmp_path, [TruePage("page.png", "drawn", "me", "train", lines)])
    model = tmp_path / "lines.page.safetensors"
    train([tmp_path], model, 0.001, workers=0, say=lambda text: None)
    before = load_page_model(str(model))
    fit_filter([tmp_path], model)
    after = load_page_model(str(model))
    assert {name for name in before if not np.array_equal(before[name], after[name])} <= {"line.weight", "line.bias"}
