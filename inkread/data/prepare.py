"""Datasets of line pictures that a prepare.py makes from raw downloads: lines.tsv and a picture for each line."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from inkread.features.image import shrink_to_height

TALLEST = 96  # pixels; more than a network sees


def save_picture(file: Path, grey: np.ndarray) -> None:
    """Write the grey picture of a line as PNG, at most TALLEST pixels high."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shrink_to_height(Image.fromarray(grey), TALLEST)).save(file)


def split_of(dataset: str, writer: str) -> str:
    """ "dev" for about a tenth of the writers of a dataset without splits of its own, else "train"; always the same."""
    return "dev" if int(sha256(f"{dataset}/{writer}".encode()).hexdigest(), 16) % 10 == 0 else "train"


def dev_writers(dataset: str, writers: Iterable[str], share: float = 0.15) -> set[str]:
    """The writers of the development lines: a share of all, at least one, the first in the order of their hashes.

    Unlike `split_of`, this gives development lines to a set of ten writers, too.
    """
    ranked = sorted(set(writers), key=lambda writer: sha256(f"{dataset}/{writer}".encode()).hexdigest())
    return set(ranked[: max(1, round(share * len(ranked)))])
