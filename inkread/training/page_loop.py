"""Trains the page network on pages with known lines; `datasets/pages` prepares them.

python -m inkread.training.page_loop work/pages work/composed --out lines.page.safetensors --minutes 60
python -m inkread.training.page_loop work/pages work/composed --out new.page.safetensors --from lines --minutes 40
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from inkread._threads import available_cpus
from inkread.data.page_truth import TruePage, read_pages
from inkread.model.device import supports_bfloat16
from inkread.model.page_model import load_page_model, save_page_model
from inkread.training.page_crops import StoredPage, load_page, random_crop
from inkread.training.page_network import PageNetwork

BATCH = 4
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-3
WARM_UP = 50  # steps
EMA = 0.998
END_WEIGHT, HEIGHT_WEIGHT = 0.5, 0.5  # in the loss; the baseline has 1
POSITIVE, END_POSITIVE = 3.0, 10.0  # weights of cells on a baseline and on an end; of 200 cells one is on an end
FACTS = {"finds": "the lines of a page", "licence": "MIT", "data": "see models/lines.page.md"}
SAVED_EVERY = 200  # steps
# How often the pages of each set come up, relative to one another; 1 for a set that is not named.
SHARES = {
    "copiste": 1.0,
    "poilus": 1.2,
    "peraire": 0.4,
    "tabdec": 0.3,
    "lectaurep": 0.3,
    "composed": 3.0,
    "texture": 0.4,
}


class Crops(IterableDataset[tuple[np.ndarray, np.ndarray]]):
    """Endless random crops; each set of pages comes up with its weight."""

    def __init__(self, pages: Sequence[StoredPage], weights: Sequence[float], seed: int) -> None:
        self.pages, self.seed = pages, seed
        self.shares = np.array(weights) / sum(weights)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield random_crop(self.pages[rng.choice(len(self.pages), p=self.shares)], rng)


def page_weights(pages: Sequence[TruePage]) -> list[float]:
    """How often a page comes up: each set has its share, divided among its pages."""
    counts = {name: sum(page.set == name for page in pages) for name in {page.set for page in pages}}
    return [SHARES.get(page.set, 1.0) / counts[page.set] for page in pages]


def loss_of(output: Tensor, truth: Tensor) -> tuple[Tensor, list[float]]:
    """The loss of (B, 3, h, w) logits, and its parts for the log."""
    output = output.float()
    base, ends, heights = truth.unbind(1)  # (B, h, w)
    weight = 1 + (POSITIVE - 1) * base
    base_loss = nn.functional.binary_cross_entropy_with_logits(output[:, 0], base, weight)
    share = torch.sigmoid(output[:, 0])
    dice = 1 - (2 * (share * base).sum() + 1) / (share.square().sum() + base.square().sum() + 1)
    end_loss = nn.functional.binary_cross_entropy_with_logits(output[:, 1], ends, 1 + (END_POSITIVE - 1) * ends)
    on_line = base > 0.5
    height_loss = ((output[:, 2] - heights).abs() * on_line).sum() / (on_line.sum() + 1)
    loss = base_loss + 0.2 * dice + END_WEIGHT * end_loss + HEIGHT_WEIGHT * height_loss
    return loss, [float(part.detach()) for part in (base_loss, dice, end_loss, height_loss)]


def train(
    folders: Sequence[Path],
    out: Path,
    minutes: float,
    start: str | None = None,
    seed: int = 0,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Train for some minutes on the training pages of the folders, from the page model `start` if there is one.

    The averaged weights are written to `out` from time to time, and at the end.
    """
    torch.manual_seed(seed)
    listed = [(page, folder) for folder in folders for page in read_pages(folder, "train")]
    crops = Crops([load_page(*pair) for pair in listed], page_weights([page for page, _ in listed]), seed)
    say(f"{len(listed)} pages")
    network = PageNetwork()
    if start:
        weights = {name: torch.from_numpy(weight) for name, weight in load_page_model(start).items()}
        network.load_state_dict(weights, strict=False)  # a file has no counters of batches
    bfloat16 = supports_bfloat16(torch.device("cpu"))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = torch.optim.swa_utils.get_ema_multi_avg_fn(EMA)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=averaged, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    loader = DataLoader(crops, BATCH, num_workers=workers, prefetch_factor=4 if workers else None)
    began, means = time.monotonic(), np.zeros(4)
    for step, (pictures, truth) in enumerate(loader, 1):
        done = (time.monotonic() - began) / (60 * minutes)
        rate = LEARNING_RATE * min(1.0, step / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output = network(pictures.to(memory_format=torch.channels_last))
        loss, parts = loss_of(output, truth)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step > WARM_UP or start:
            average.update_parameters(network)
        else:
            average.module.load_state_dict(network.state_dict())
        means += (np.array(parts) - means) / min(step, 100)
        if step % 100 == 0:
            say(f"{step} steps, {100 * done:.0f} %: " + " ".join(f"{mean:.4f}" for mean in means))
        if step % SAVED_EVERY == 0 or done >= 1:
            save_page_model(out, {name: value.numpy() for name, value in average.module.state_dict().items()}, FACTS)
        if done >= 1:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders with pages.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--from", dest="start", metavar="MODEL", help="a page model to continue")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(available_cpus())
    train(options.folders, options.out, options.minutes, options.start, options.seed)


if __name__ == "__main__":
    main()
