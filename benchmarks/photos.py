"""Read lines that look like photos beside the same lines clean: how many times the error rate?

    python benchmarks/photos.py iam-lines:va1 photos --model latin

Every line is put on ruled paper, seen at an angle, with a shadow over it, a little out of focus, grainy, as JPEG; all
of it drawn from the line's name, so that everyone gets the same pictures. Nothing here is used in training, whose
distortions (inkread/augment.py) are code of their own.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inkread.data import open_dataset
from inkread.data.manifest import write_manifest
from inkread.data.samples import read_line
from inkread.evaluation.lines import evaluate
from inkread.model.recognizer import Recognizer

Grey = NDArray[np.uint8]


def photo_like(grey: Grey, rng: np.random.Generator) -> Image.Image:
    """(H, W) uint8, 0 = black -> a photo of the line as somebody holding a phone over a notebook takes it."""
    height = len(grey)
    margin = height // 3
    ink = np.pad(255 - grey.astype(np.float64), margin) / 255 * rng.uniform(0.55, 0.85)
    sheet = np.full(ink.shape, rng.uniform(0.75, 0.95))
    space = int(height * rng.uniform(0.45, 0.9))
    for row in range(int(rng.integers(space)), len(sheet), space):
        sheet[row : row + max(1, height // 80)] *= rng.uniform(0.7, 0.85)
    page = Image.fromarray((np.minimum(sheet, 1 - ink) * 255).astype(np.uint8))

    width, height = page.size
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)]) + rng.uniform(-0.12, 0.12, (4, 2)) * height
    page = page.transform((width, height), Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC)
    seen = np.asarray(page, np.float64)
    outside = np.asarray(
        Image.new("L", (width, height), 255).transform(page.size, Image.Transform.QUAD, corners.ravel().tolist())
    )
    seen = np.where(outside > 0, seen, np.median(seen))

    x, y = np.meshgrid(np.linspace(0, width / height, width), np.linspace(0, 1, height))  # in heights
    edge = (x - rng.uniform(0.1, 0.9) * width / height) * rng.choice([-1, 1]) + rng.normal(0, 1) * y
    shadow = rng.uniform(0.3, 0.55) / (1 + np.exp(-edge / rng.uniform(0.05, 0.6)))
    seen = seen * (1 - shadow) + rng.normal(0, 3, seen.shape)
    photo = Image.fromarray(seen.clip(0, 255).astype(np.uint8))
    return photo.filter(ImageFilter.GaussianBlur(height * rng.uniform(0.004, 0.014)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="PATH or PATH:SPLIT")
    parser.add_argument("out", type=Path, help="a folder for the photos")
    parser.add_argument("--model", default="latin")
    arguments = parser.parse_args()

    clean = open_dataset(arguments.dataset)
    rows = []
    for sample in clean.samples:
        seed = int(hashlib.sha256(sample.id.encode()).hexdigest()[:16], 16)
        name = f"{sample.id}.jpg"
        (arguments.out / name).parent.mkdir(parents=True, exist_ok=True)
        photo_like(read_line(sample), np.random.default_rng(seed)).save(arguments.out / name, quality=60)
        rows.append((sample.id, name, sample.writer or "", "photo", sample.text))
    write_manifest(arguments.out / "lines.tsv", rows)

    recognizer = Recognizer.load(arguments.model, "greedy")
    rates = []
    for name, dataset in (("clean", clean), ("photos", open_dataset(str(arguments.out)))):
        evaluation = evaluate(recognizer, dataset)
        rates.append(evaluation.cer)
        low, high = evaluation.cer_interval
        print(f"{name:7} {len(evaluation.lines)} lines  CER {100 * rates[-1]:.2f} % ({100 * low:.1f}-{100 * high:.1f})")
    print(f"ratio   {rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
