"""Pages made of the sample lines, and a recognizer that reads the same text everywhere."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkread.document.elements import Character
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading

SAMPLES = sorted((Path(__file__).parent.parent / "datasets" / "sample").glob("*.png"))
SCANS = [file for file in SAMPLES if "scan" in file.name]


class Echo:
    """Reads "ab c" in characters ten pixels wide from the left of each line."""

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        for _ in lines:
            characters = tuple(Character(c, 0.5, 10.0 * i, 10.0 * i + 10) for i, c in enumerate("ab c"))
            yield Reading("ab c", 0.4, characters, (0.6, 0.7), network=0.5)


def page_of(lines: int, gap: int = 0) -> NDArray[np.uint8]:
    """Sample lines 64 pixels high and 85 apart, from y = 100 on; after two of them a gap."""
    page = Image.new("L", (900, 1000), 245)
    for number in range(lines):
        with Image.open(SCANS[number]) as file:
            image = file.resize((round(file.width * 64 / file.height), 64))
        top = 100 + 85 * number + (gap if number > 1 else 0)
        page.paste(image, (150, top), image.point(lambda grey: 255 * (grey < 170)))
    return np.asarray(page)
