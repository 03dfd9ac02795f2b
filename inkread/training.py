"""The training loop: normalised lines -> distorted batches -> network -> loss -> gradients -> weights, read from top to bottom.

One process, or several of equal standing (`torchrun --nproc-per-node 2 -m inkread train ...`), each taking its share of
every batch. Where it stands is written to a checkpoint every minute, so that a killed training goes on from there; what is drawn at
random depends on the seed and the step alone, so that it goes on as if nothing had happened.
"""

import contextlib
import copy
import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inkread.alphabet import BLANK, Alphabet, steps_needed
from inkread.augment import distort
from inkread.config import NetworkConfig, TrainingConfig
from inkread.dataset import Sample, read_line
from inkread.decoder import greedy
from inkread.errors import BadDataset, BadInput, BadModel, TrainingFailed
from inkread.features import extract
from inkread.metrics import edit_distance
from inkread.model_file import Model, read_tensors, save_model, write_tensors
from inkread.network import Network, steps_at
from inkread.preprocess import normalise
from inkread.recognizer import pad

CHECKPOINT_SECONDS = 60.0
DEV_LINES = 1000  # the error rate is measured on so many development lines at most, the same ones each time

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Progress:
    """What is told after each step; `cer` only after a check on the development lines."""

    step: int
    epoch: int
    samples: int
    minutes: float
    share: float  # of the training that is done, 0..1
    loss: float  # nats a character, averaged over the last hundred steps or so
    norm: float  # of the gradient, before scaling
    scaled: float  # share of steps whose gradient was scaled
    learning_rate: float
    lines_per_second: float
    cer: float | None = None
    best: float | None = None


@dataclass
class Lines:
    """Normalised lines in one file on disk, mapped into memory, so that all processes share it: columns one after another."""

    file: Path
    height: int
    starts: NDArray[np.int64]  # (lines + 1,)
    labels: list[list[int]]

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, index: int) -> Pixels:
        """(height, W) uint8, 255 = ink."""
        first, end = self.starts[index : index + 2].tolist()
        return np.memmap(self.file, np.uint8, "r", first * self.height, (end - first, self.height)).T

    @property
    def widths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


def gather(
    samples: tuple[Sample, ...],
    alphabet: Alphabet,
    config: NetworkConfig,
    folder: Path,
    note: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> Lines:
    """Read and normalise every line that can be used; `note` is told of each that can't. Raises BadDataset if none can."""
    file_name = folder / f"{hashlib.sha256(repr(samples).encode()).hexdigest()[:16]}.columns"
    starts, labels = [0], []

    def load(sample: Sample) -> Pixels | str:
        if lacking := alphabet.lacks(sample.text):
            return f"{sample.id}: the model lacks {' '.join(sorted(lacking))}"
        try:
            return normalise(read_line(sample), config.height).pixels
        except BadInput as error:
            return str(error)

    with open(file_name, "wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, (sample, result) in enumerate(zip(samples, pool.map(load, samples), strict=True)):
            if progress:
                progress(index + 1, len(samples))
            if isinstance(result, str):
                note(f"left out: {result}")
                continue
            encoded = alphabet.encode(sample.text)
            if steps_needed(encoded) > steps_at(config, result.shape[1]):
                note(f"left out: {sample.id}: {len(encoded)} characters in a picture too narrow for them")
                continue
            file.write(np.ascontiguousarray(result.T).tobytes())
            starts.append(starts[-1] + result.shape[1])
            labels.append(encoded)
    if not labels:
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    return Lines(file_name, config.height, np.array(starts), labels)


def _gather_once(
    samples: tuple[Sample, ...],
    alphabet: Alphabet,
    config: NetworkConfig,
    folder: Path,
    note: Callable[[str], None],
    progress: Callable[[int, int], None] | None,
    rank: int,
) -> Lines:
    """`gather` in the first process; the others get its lines, and map the same file."""
    if not dist.is_initialized():
        return gather(samples, alphabet, config, folder, note, progress)
    gathered: list[Any] = [None, None]
    if rank == 0:
        try:
            gathered = [gather(samples, alphabet, config, folder, note, progress), None]
        except BadDataset as error:
            gathered = [None, error]
    dist.broadcast_object_list(gathered, 0)
    if gathered[1] is not None:
        raise gathered[1]
    lines: Lines = gathered[0]
    return lines


def make_batches(widths: NDArray[np.int64], batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """All lines in a random order, in batches of lines of about one width, so that little is spent on padding."""
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(widths))
    if len(order) > batch:  # the last batch is filled up with lines of the first
        order = np.resize(order, -(-len(order) // batch) * batch)
    pools = [order[start : start + 50 * batch] for start in range(0, len(order), 50 * batch)]
    batches = []
    for pool in pools:
        pool = pool[np.argsort(widths[pool] * rng.uniform(0.95, 1.05, len(pool)), kind="stable")]
        batches += [pool[start : start + batch] for start in range(0, len(pool), batch)]
    return [batches[index] for index in rng.permutation(len(batches))]


def learning_rate_at(share: float, config: TrainingConfig) -> float:
    """A straight rise to the peak during the warm-up, then a cosine down to zero."""
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 0.01)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))


def scale_gradient(parameters: list[Tensor], limit: float) -> tuple[float, bool]:
    """Scale the gradient g to g τ / |g| where its norm |g| is more than τ (Pascanu et al. 2013); (|g|, whether scaled)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])))
    scaled = 0 < limit < norm
    if scaled:
        for gradient in gradients:
            gradient.mul_(limit / norm)
    return norm, scaled


def ctc_loss(log_probs: Tensor, steps: Tensor, labels: list[list[int]]) -> Tensor:
    """The sum over a batch of -log p(labels), by CTC (Graves et al. 2006): log_probs (T, B, C), steps (B,)."""
    targets = torch.tensor([label for line in labels for label in line])
    lengths = torch.tensor([len(line) for line in labels])
    return functional.ctc_loss(log_probs, targets, steps, lengths, BLANK, reduction="sum", zero_infinity=True)


@dataclass
class Standing:
    """Where a training stands: all that a checkpoint keeps beside weights and the optimiser's moments."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    loss: float = 0.0  # nats a character, a moving average
    scaled: float = 0.0  # share of steps whose gradient was scaled, a moving average
    best: float | None = None  # character error rate
    checks: int = 0
    bfloat16: bool = False


def train(
    samples: tuple[Sample, ...],
    dev_samples: tuple[Sample, ...],
    out: Path,
    config: NetworkConfig,
    training: TrainingConfig,
    *,
    start: Model | None = None,
    resume: bool = False,
    facts: dict[str, Any] | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
    loading: Callable[[int, int], None] | None = None,
) -> float:
    """Train a network and keep the one that reads the development lines best in `out`; returns its character error rate.

    `start` is a model to go on from; characters of the new data that it lacks are added to its alphabet.
    `resume` goes on from the checkpoint of a training that was stopped. `report` is told of every step.
    Raises BadDataset, BadModel, CannotWrite, and TrainingFailed when the loss is no number any more.
    """
    rank, world = _join()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    alphabet = Alphabet.of((sample.text for sample in samples), start.alphabet.characters if start else "")
    torch.manual_seed(training.seed)
    network = Network(config, alphabet.size)
    if start is not None:
        adopt(network, alphabet, start)
    checkpoint = out.with_suffix(".checkpoint")
    optimizer = torch.optim.AdamW(
        network.parameters(), training.learning_rate, betas=(0.9, 0.98), weight_decay=training.weight_decay, fused=True
    )
    with _shared_folder(rank, world) as folder:
        quiet = (lambda text: None) if rank else note
        lines = _gather_once(samples, alphabet, config, folder, quiet, loading, rank)
        dev_lines = _gather_once(dev_samples, alphabet, config, folder, quiet, loading, rank)
        if len(lines) < world:
            raise BadDataset(f"{len(lines)} lines are too few for {world} processes")
        standing = Standing()
        average = {name: value.clone() for name, value in network.state_dict().items()}
        if resume:
            standing = _restore(checkpoint, network, average, optimizer, config, alphabet)
        else:
            standing.bfloat16 = _agree(world, lambda: _bfloat16_pays(network, config, training))
        log = out.with_suffix(".log.jsonl")
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            _loop(
                network, average, optimizer, standing, lines, dev_lines, config, training, rank, world, pool,
                _Keeper(out, checkpoint, log, config, training, alphabet, facts or {}, rank), report,
            )  # fmt: skip
    if rank == 0:
        checkpoint.unlink(missing_ok=True)
    assert standing.best is not None  # the last step is always followed by a check
    return standing.best


def _loop(
    network: Network,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    standing: Standing,
    lines: Lines,
    dev_lines: Lines,
    config: NetworkConfig,
    training: TrainingConfig,
    rank: int,
    world: int,
    pool: ThreadPoolExecutor,
    keeper: "_Keeper",
    report: Callable[[Progress], None],
) -> None:
    parameters = list(network.parameters())
    per_epoch = -(-len(lines) // training.batch)
    batches = make_batches(lines.widths, training.batch, training.seed, standing.step // per_epoch)
    began, saved = time.monotonic() - standing.seconds, time.monotonic()
    first_step, first_second = standing.samples, standing.seconds
    while True:
        share = _share(standing, training, per_epoch)
        epoch, position = divmod(standing.step, per_epoch)
        if position == 0:
            batches = make_batches(lines.widths, training.batch, training.seed, epoch)
        members = batches[position]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(share, training)
        loss = _learn(network, lines, members, config, training, standing, epoch, rank, world, pool)
        loss, standing.seconds = _sum_over_processes(parameters, loss, time.monotonic() - began, world)
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss is {loss} at step {standing.step}; go on from the last checkpoint with --resume and "
                f"--set learning_rate={training.learning_rate / 3:g}"
            )
        norm, scaled = scale_gradient(parameters, training.clip)
        optimizer.step()
        standing.step += 1
        standing.samples += len(members)
        _follow(average, network, training.average, standing.step)
        blend = max(0.01, 1 / standing.step)
        standing.loss += blend * (loss - standing.loss)
        standing.scaled += blend * (scaled - standing.scaled)
        share = _share(standing, training, per_epoch)
        progress = Progress(
            standing.step, epoch, standing.samples, standing.seconds / 60, share, standing.loss, norm, standing.scaled,
            learning_rate_at(share, training),
            (standing.samples - first_step) / max(standing.seconds - first_second, 1e-9),
        )  # fmt: skip
        if share >= 1 or int(share * training.checks) > standing.checks:
            standing.checks = int(share * training.checks)
            kept = average if training.average else network.state_dict()
            cer = _check(kept, network, dev_lines, config, standing.bfloat16, rank, world)
            if standing.best is None or cer < standing.best:
                standing.best = cer
                keeper.keep(kept, cer, standing)
            progress = replace(progress, cer=cer, best=standing.best)
            keeper.log_line(progress)
            saved = -math.inf
        if share >= 1 or time.monotonic() - saved > CHECKPOINT_SECONDS:
            keeper.checkpoint_now(network, average, optimizer, standing)
            saved = time.monotonic()
        report(progress)
        if share >= 1:
            return


def _learn(
    network: Network,
    lines: Lines,
    members: NDArray[np.int64],
    config: NetworkConfig,
    training: TrainingConfig,
    standing: Standing,
    epoch: int,
    rank: int,
    world: int,
    pool: ThreadPoolExecutor,
) -> float:
    """One process's share of a batch, forwards and backwards; returns its share of the loss in nats a character."""
    mine = members[rank::world].tolist()

    def features(index: int) -> NDArray[np.float32]:
        pixels = lines.pixels(index)
        if training.augment:
            distorted = distort(pixels, np.random.default_rng((training.seed, epoch, index)))
            if steps_at(config, distorted.shape[1]) >= steps_needed(lines.labels[index]):
                pixels = distorted
        return extract(pixels, config)

    sequences = list(pool.map(features, mine))
    columns, lengths = pad(sequences, _widest(max(map(len, sequences)), world))
    labels = [lines.labels[index] for index in mine]
    characters = sum(len(lines.labels[index]) for index in members.tolist())  # of all processes
    torch.manual_seed((training.seed * 1_000_003 + standing.step) * world + rank)  # dropout
    network.train()
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=standing.bfloat16):
        hidden, steps = network.columns(columns, lengths)
        loss = ctc_loss(network.scores(hidden, steps, training.truncate), steps, labels)
        if network.shortcut is not None and training.shortcut:
            log_probs = functional.log_softmax(network.shortcut(hidden).float(), dim=2)
            loss = loss + training.shortcut * ctc_loss(log_probs, steps, labels)
    (loss / characters).backward()
    return float(loss.detach()) / characters


def _share(standing: Standing, training: TrainingConfig, per_epoch: int) -> float:
    """The share of the training that is done: of its epochs or of its minutes, whichever is further."""
    by_epochs = standing.step / (training.epochs * per_epoch) if training.epochs else 0.0
    by_minutes = standing.seconds / (training.minutes * 60) if training.minutes else 0.0
    return min(1.0, max(by_epochs, by_minutes))


def _follow(average: dict[str, Tensor], network: Network, decay: float, step: int) -> None:
    """Let the average of the weights follow them; quickly at first, when they have hardly been learned."""
    if not decay:
        return
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


@torch.inference_mode()
def _check(
    weights: dict[str, Tensor],
    network: Network,
    dev_lines: Lines,
    config: NetworkConfig,
    bfloat16: bool,
    rank: int,
    world: int,
) -> float:
    """The character error rate of these weights on the development lines, read greedily."""
    reader = copy.deepcopy(network)
    reader.load_state_dict(weights)
    reader.for_reading()
    chosen = np.linspace(0, len(dev_lines) - 1, min(len(dev_lines), DEV_LINES)).astype(int)
    chosen = chosen[np.argsort(dev_lines.widths[chosen], kind="stable")][rank::world]
    errors = characters = 0
    for start in range(0, len(chosen), 16):
        members = chosen[start : start + 16].tolist()
        columns, lengths = pad([extract(dev_lines.pixels(index), config) for index in members])
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            log_probs, steps = reader(columns, lengths)
        for column, index in enumerate(members):
            read = [label.label for label in greedy(log_probs[: int(steps[column]), column].numpy())]
            errors += edit_distance(read, dev_lines.labels[index])
            characters += len(dev_lines.labels[index])
    totals = torch.tensor([errors, characters])
    if world > 1:
        dist.all_reduce(totals)
    return float(totals[0]) / max(float(totals[1]), 1.0)


def _bfloat16_pays(network: Network, config: NetworkConfig, training: TrainingConfig) -> bool:
    """Whether this CPU trains this network a tenth faster or more in bfloat16: measured on blank lines, not assumed."""
    if training.precision != "auto":
        return training.precision == "bfloat16"
    columns, lengths = pad([extract(np.zeros((config.height, 640), np.uint8), config)] * 8)
    trial = copy.deepcopy(network)
    fastest = {False: math.inf, True: math.inf}
    for _ in range(3):
        for bfloat16 in fastest:
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                trial(columns, lengths)[0].sum().backward()
            fastest[bfloat16] = min(fastest[bfloat16], time.perf_counter() - began)
    return fastest[True] < 0.9 * fastest[False]


def adopt(network: Network, alphabet: Alphabet, start: Model) -> None:
    """Put a model's weights into a network whose alphabet begins with the model's; the characters beyond start afresh."""
    own = network.state_dict()
    for name, weight in start.network().state_dict().items():
        if name.startswith(("output.", "shortcut.")):
            own[name][: len(weight)] = weight
        else:
            own[name] = weight
    network.load_state_dict(own)


@dataclass
class _Keeper:
    """Writes what lasts: the best model, the checkpoint, the log; only in the first process."""

    out: Path
    checkpoint: Path
    log: Path
    config: NetworkConfig
    training: TrainingConfig
    alphabet: Alphabet
    facts: dict[str, Any]
    rank: int

    def keep(self, weights: dict[str, Tensor], cer: float, standing: Standing) -> None:
        if self.rank == 0:
            facts = {
                **self.facts,
                "dev_cer": round(cer, 5),
                "trained_minutes": round(standing.seconds / 60, 2),
                "trained_lines": standing.samples,
                "training": self.training.to_dict(),
            }
            save_model(self.out, Model(self.config, self.alphabet, weights, facts))

    def log_line(self, progress: Progress) -> None:
        if self.rank == 0:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(json.dumps({name: _round(value) for name, value in vars(progress).items()}) + "\n")

    def checkpoint_now(
        self, network: Network, average: dict[str, Tensor], optimizer: torch.optim.Optimizer, standing: Standing
    ) -> None:
        if self.rank:
            return
        tensors = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
        tensors |= {f"average.{name}": value.contiguous() for name, value in average.items()}
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in moments.items()}
        description = {
            "format": "inkread checkpoint 1",
            "network": self.config.to_dict(),
            "alphabet": self.alphabet.characters,
            "standing": vars(standing),
        }
        write_tensors(self.checkpoint, tensors, description)


def _round(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _restore(
    checkpoint: Path,
    network: Network,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    config: NetworkConfig,
    alphabet: Alphabet,
) -> Standing:
    """Put everything back as the checkpoint has it. Raises BadModel when there is none, or of another training."""
    if not checkpoint.is_file():
        raise BadModel(f"{checkpoint}: no checkpoint to resume from; start without --resume")
    description, tensors = read_tensors(checkpoint)
    if description.get("alphabet") != alphabet.characters or NetworkConfig().replace(description["network"]) != config:
        raise BadModel(f"{checkpoint}: of another network or other data; resume with the command that made it")
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    network.load_state_dict(parts["network"])
    average.update(parts["average"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimizer"].items():
        index, _, moment = name.partition(".")
        state.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return Standing(**description["standing"])


# ---- several processes of equal standing (torchrun sets RANK and WORLD_SIZE); with one, nothing below does anything


def _join() -> tuple[int, int]:
    """(rank, number of processes)."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), world


def _sum_over_processes(parameters: list[torch.nn.Parameter], loss: float, seconds: float, world: int) -> tuple[float, float]:
    """Sum the gradients and the loss over all processes, in one message; and let them agree on the time that passed."""
    if world == 1:
        return loss, seconds
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    message = torch.cat([gradient.flatten() for gradient in gradients] + [torch.tensor([loss, seconds / world])])
    dist.all_reduce(message)
    *parts, last = message.split([gradient.numel() for gradient in gradients] + [2])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return float(last[0]), float(last[1])


def _widest(width: int, world: int) -> int:
    """The longest of all processes' sequences: each pads to it, as one process would with the whole batch."""
    if world == 1:
        return width
    widest = torch.tensor(width)
    dist.all_reduce(widest, dist.ReduceOp.MAX)
    return int(widest)


def _agree(world: int, decide: Callable[[], bool]) -> bool:
    """What the first process decides; all of them decide, since each may need the others for it."""
    decision = torch.tensor(decide())
    if world > 1:
        dist.broadcast(decision, 0)
    return bool(decision)


@contextlib.contextmanager
def _shared_folder(rank: int, world: int) -> Iterator[Path]:
    """A temporary folder that all processes of this training know."""
    names = [tempfile.mkdtemp(prefix="inkread-") if rank == 0 else None]
    if world > 1:
        dist.broadcast_object_list(names, 0)
    folder = Path(str(names[0]))
    try:
        yield folder
    finally:
        if rank == 0:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
