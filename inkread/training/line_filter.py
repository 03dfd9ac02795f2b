"""Finds the weights by which a page model tells lines of handwriting from print, rules and flourishes.

python -m inkread.training.line_filter work/pages work/composed --model lines.page.safetensors

The trained network finds the lines of the training pages. Those that follow a true line are handwriting, the others are
not; a logistic regression on the network's features along them and their shapes tells them apart. It sees a whole line,
where the network decides for each cell.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import find_page_model, read_arrays
from inkread.data.page_truth import TrueLine, TruePage, read_pages
from inkread.features.image import dark_on_light
from inkread.model.page_model import load_page_model, save_page_model
from inkread.pages.page_maps import best_candidates
from inkread.pages.trace import TracedLine

Floats = NDArray[np.float64]

NEAR = 0.7  # x-heights from a true line, for
FOLLOWED = 0.6  # this share of the columns: then a line is handwriting
PENALTY = 1e-2  # on the squared weights of features that have the standard deviation 1
LEAST_SPREAD = 1e-3  # features that vary less say nothing
STEPS = 30  # of Newton's method, which needs about ten


def fit_filter(folders: Sequence[Path], model: Path) -> None:
    """Write the weights into the file of a page model. Raises BadModel, BadDataset or CannotWrite."""
    pages = [(page, folder) for folder in folders for page in read_pages(folder, "train")]
    features, labels = zip(*(labelled_lines(page, folder, str(model)) for page, folder in pages), strict=True)
    weight, bias = logistic_regression(np.concatenate(features), np.concatenate(labels))
    arrays = {**load_page_model(str(model)), "line.weight": weight[None], "line.bias": np.array([bias])}
    save_page_model(model, arrays, read_arrays(find_page_model(str(model)))[0]["facts"])


def labelled_lines(page: TruePage, folder: Path, model: str) -> tuple[Floats, NDArray[np.bool_]]:
    """The features (n, F) of all lines found on a page, and whether they are handwriting (n,)."""
    grey = dark_on_light(page.grey(folder))
    found = best_candidates(grey, model)
    return found.features, np.array([follows(line, page.lines) for line in found.lines], bool)


def follows(line: TracedLine, true: Iterable[TrueLine]) -> bool:
    """Whether a found line runs along a true one."""
    x, y = line.points.T
    for other in true:
        points = np.array(sorted(other.baseline))
        near = np.abs(y - np.interp(x, *points.T)) < NEAR * max(line.x_height, other.x_height)
        if (near & (x >= points[0, 0] - line.x_height) & (x <= points[-1, 0] + line.x_height)).mean() > FOLLOWED:
            return True
    return False


def logistic_regression(features: Floats, labels: NDArray[np.bool_], penalty: float = PENALTY) -> tuple[Floats, float]:
    """The weights (F,) and bias with the largest likelihood of labels (n,) given features (n, F), by Newton's steps."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < LEAST_SPREAD] = np.inf
    x = np.column_stack(((features - mean) / spread, np.ones(len(features))))  # (n, F + 1)
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 1e-9  # the bias is free
    w = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(x @ w).clip(-30, 30)))
        slope = x.T @ (p - labels) / len(x) + ridge * w
        bend = (x.T * (p * (1 - p) + 1e-9)) @ x / len(x) + np.diag(ridge)
        w -= np.linalg.solve(bend, slope)
    return w[:-1] / spread, float(w[-1] - w[:-1] @ (mean / spread))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders with pages.jsonl")
    parser.add_argument("--model", type=Path, required=True, help="a page model; its file is written again")
    options = parser.parse_args()
    fit_filter(options.folders, options.model)


if __name__ == "__main__":
    main()
