"""A dataset and a recogniser for the tests of evaluation."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from inkread.data import Dataset, Sample
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading


class FakeRecognizer:
    """Returns the given texts. It takes its images two at a time, as a real one reads them in batches."""

    def __init__(self, *texts: str) -> None:
        self.texts = iter(texts)

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        images = iter(lines)
        while batch := [*islice(images, 2)]:
            for image in batch:
                assert isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2
            yield from (Reading(next(self.texts), 0.9, ()) for _ in batch)


def dataset_of(folder: Path, *lines: tuple[str, str | None], name: str = "lines:dev") -> Dataset:
    """One grey image of a line for each (text, writer)."""
    samples = []
    for number, (text, writer) in enumerate(lines):
        path = folder / f"{number}.png"
        Image.new("L", (300 + number, 40), 230).save(path)
        samples.append(Sample(f"line {number}", path, text, writer))
    return Dataset(name, tuple(samples))
