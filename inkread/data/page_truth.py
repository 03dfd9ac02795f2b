"""Pages with known lines, for training and measuring the page network: a folder with images and a file pages.jsonl."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inkread.document.elements import Points
from inkread.errors import BadDataset

FILE = "pages.jsonl"


@dataclass(frozen=True)
class TrueLine:
    """A line of handwriting, in pixels of the image: its baseline, and the height of letters such as `n` above it."""

    baseline: Points
    x_height: float


@dataclass(frozen=True)
class TruePage:
    """An image of a page and all its lines of handwriting. Print is not among them."""

    image: str  # the path of the image; a relative one is below the folder of pages.jsonl
    set: str  # the dataset it comes from
    writer: str
    split: str  # "train" or "dev"
    lines: tuple[TrueLine, ...]

    def grey(self, folder: Path) -> NDArray[np.uint8]:
        """The page (H, W)."""
        return np.asarray(Image.open(folder / self.image).convert("L"))


def write_pages(folder: Path, pages: Iterable[TruePage]) -> None:
    """Write pages.jsonl: one page per line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text("".join(json.dumps(asdict(page)) + "\n" for page in pages), encoding="utf-8")


def read_pages(folder: Path, split: str | None = None) -> list[TruePage]:
    """The pages of a folder, or of one split. Raises BadDataset if there is no pages.jsonl or a line is malformed."""
    pages = []
    try:
        rows = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadDataset("no pages.jsonl", path=folder, hint="run datasets/pages/prepare.py") from error
    for number, row in enumerate(rows, 1):
        try:
            page = json.loads(row)
            lines = tuple(
                TrueLine(tuple((float(x), float(y)) for x, y in line["baseline"]), float(line["x_height"]))
                for line in page["lines"]
            )
            pages.append(TruePage(page["image"], page["set"], page["writer"], page["split"], lines))
        except (ValueError, KeyError, TypeError) as error:
            raise BadDataset(f"not a page ({error!r})", path=folder / FILE, line=number) from error
    return [page for page in pages if split in (None, page.split)]
