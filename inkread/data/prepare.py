"""What the scripts datasets/*/prepare.py share: they turn a raw download into lines.tsv and an image for each line."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from inkread.alphabet import CROSSED_OUT
from inkread.features.image import shrink_to_height

TALLEST = 96  # pixels; more than a network sees

Result = TypeVar("Result")


def parser_of(description: str | None, raw: str = "raw") -> argparse.ArgumentParser:
    """The command line `prepare.py RAW OUT`; the script adds its own options."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(raw, type=Path if raw == "raw" else str)
    parser.add_argument("out", type=Path)
    return parser


def report(facts: str, counts: Mapping[str, object], expected: Mapping[str, object] | None) -> None:
    """Print the counts, and exit with an error if they are not those of the raw data that the script expects."""
    print(f"{facts}: {dict(counts)}")
    if expected is not None and counts != expected:
        sys.exit(f"unexpected counts; expected {expected}; are the raw files the same?")


def read_label_files(pool: Pool, read: Callable[[Path], Result], files: Sequence[Path], raw: Path) -> list[Result]:
    """What `read` returns for each of UNIPEN's label files, in their order.

    Up to five of them, data/1a/app/x.dat, data/1b/app/x.dat and so on, label the same ink. They are read one after
    another, so that the ink is parsed only once.
    """
    order = sorted(range(len(files)), key=lambda index: files[index].relative_to(raw).parts[2:])
    results = pool.imap(read, [files[index] for index in order], chunksize=20)
    found = dict(zip(order, results, strict=True))
    return [found[index] for index in range(len(files))]


def save_image(file: Path, grey: np.ndarray) -> None:
    """Write the grey image of a line as PNG, at most TALLEST pixels high."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shrink_to_height(Image.fromarray(grey), TALLEST)).save(file)


def split_of(dataset: str, writer: str) -> str:
    """ "dev" for about a tenth of the writers of a dataset without splits of its own, else "train"; always the same."""
    return "dev" if int(sha256(f"{dataset}/{writer}".encode()).hexdigest(), 16) % 10 == 0 else "train"


def dev_writers(dataset: str, writers: Iterable[str], share: float = 0.15) -> set[str]:
    """The writers of the validation lines: a share of all, at least one, the first in the order of their hashes.

    Unlike `split_of`, this gives validation lines to a dataset of ten writers, too.
    """
    ranked = sorted(set(writers), key=lambda writer: sha256(f"{dataset}/{writer}".encode()).hexdigest())
    return set(ranked[: max(1, round(share * len(ranked)))])


def mark_crossed_out(text: str) -> str:
    """A transcription with CROSSED_OUT in place of what > and < enclose, which is crossed out: "a >b< c" -> "a ✗ c"."""
    return re.sub(">[^<>]*<", CROSSED_OUT, text)


def seeded(name: str) -> np.random.Generator:
    """Random numbers that depend on the name alone, and are the same on every machine."""
    return np.random.default_rng(int(sha256(name.encode()).hexdigest()[:8], 16))
