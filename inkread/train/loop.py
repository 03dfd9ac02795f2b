"""The training loop: normalised lines -> distorted batches -> network -> loss -> gradients -> weights.

Where it stands is written to a checkpoint every minute, so that a killed training goes on from there; what is drawn at
random depends on the seed and the step alone, so that it goes on as if nothing had happened.
"""

import copy
import ctypes
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inkread._files import check_new
from inkread._locks import Locked, locked
from inkread._model_files import read_description, read_tensors, write_tensors
from inkread.alphabet import BLANK, Alphabet, steps_needed
from inkread.augment.image import distort_image
from inkread.augment.ink import distort_path
from inkread.config import NetworkConfig, TrainingConfig
from inkread.data import Sample
from inkread.errors import BadConfig, BadDataset, BadModel, CannotWrite, TrainingFailed
from inkread.evaluate.metrics import edit_distance
from inkread.features.extract import extract
from inkread.model.checkpoint import Model, save_model
from inkread.model.decoder import greedy
from inkread.model.network import Network, pad
from inkread.train.batches import Lines, gather, make_batches
from inkread.train.distributed import Workers, is_first, meet
from inkread.train.optimizer import Muon

CHECKPOINT_SECONDS = 60.0
DEV_LINES = 1000  # the error rate is measured on so many validation lines at most, the same ones each time
DEV_BATCH = 16
HIDDEN, HIDDEN_RUN = 0.1, 4  # share of the steps that a view hides, and how many in a row: about a letter


@dataclass(frozen=True)
class Progress:
    """What is told after each step; `cer` only after a check on the validation lines."""

    step: int
    epoch: int
    samples: int
    minutes: float
    share: float  # of the training that is done, 0..1
    loss: float  # nats a character, a moving average
    norm: float  # of the gradient, before scaling
    scaled: float  # share of steps whose gradient was scaled, a moving average
    learning_rate: float
    lines_per_second: float
    cer: float | None = None
    best: float | None = None


@dataclass
class Standing:
    """Where a training stands: all that a checkpoint keeps beside the weights and the optimiser's moments."""

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    scaled: float = 0.0
    best: float | None = None
    evaluations: int = 0
    bfloat16: bool = False


@dataclass(frozen=True)
class Job:
    """What is to be trained on what: all that the processes of one training must know."""

    samples: tuple[Sample, ...]
    dev_samples: tuple[Sample, ...]
    out: Path
    config: NetworkConfig
    training: TrainingConfig
    start: Model | None
    resume: bool
    facts: dict[str, Any]

    @property
    def checkpoint(self) -> Path:
        return self.out.with_suffix(".checkpoint")

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log.jsonl")

    @cached_property
    def alphabet(self) -> Alphabet:
        """The characters of the start, then those that only the lines have."""
        return Alphabet.of(
            (sample.text for sample in self.samples), self.start.alphabet.characters if self.start else ""
        )

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be of this training."""
        network = self.config.to_dict()
        del network["dropout"]  # as free to change as any setting of the training
        return {
            "format": "inkread checkpoint 3",
            "network": network,
            "alphabet": self.alphabet.characters,
            "lines": _fingerprint(self.samples),
            "validation lines": _fingerprint(self.dev_samples),
            "batch": self.training.batch,
            "seed": self.training.seed,
        }


def train(
    samples: tuple[Sample, ...],
    dev_samples: tuple[Sample, ...],
    out: Path,
    config: NetworkConfig,
    training: TrainingConfig,
    *,
    start: Model | None = None,
    resume: bool = False,
    overwrite: bool = True,
    facts: dict[str, Any] | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
    loading: Callable[[int, int], None] | None = None,
) -> float:
    """Train a network, keep the one that reads the validation lines best in `out`, and return its error rate.

    `start` is a model to go on from; characters of the new data that it lacks are added to its alphabet.
    `resume` goes on from the checkpoint of a training that was stopped. `report` is told of every step.
    Where there are two cores or more, a second process is started to help. While it trains, the number of torch's
    threads is changed, and SIGTERM raises SystemExit if the program has no handler of its own.
    Raises BadDataset, BadModel, BadConfig, CannotWrite, and TrainingFailed when the loss is no number any more.
    """
    job = Job(samples, dev_samples, out, config, training, start, resume, facts or {})
    with _signals_as_exceptions(), _alone_with(out) if is_first() else nullcontext():
        if resume:  # told before the lines are read, which takes minutes where they are many
            _check_checkpoint(job.checkpoint, job.identity)
        elif not overwrite:
            check_new(out)
        with meet(min(training.batch, len(samples)), _learn, job) as (processes, folder):
            return _learn(job, processes, folder, report, note, loading)


def _learn(
    job: Job,
    processes: Workers,
    folder: Path,
    report: Callable[[Progress], None] = lambda progress: None,
    note: Callable[[str], None] = lambda text: None,
    loading: Callable[[int, int], None] | None = None,
) -> float:
    """One process's part of a training."""
    config, training = job.config, job.training
    if training.batch < processes.world:
        raise BadConfig(f"batch={training.batch}: must be at least the number of processes, {processes.world}")
    with _torch_for(processes), ThreadPoolExecutor(processes.threads) as pool:
        try:
            photographed, spliced = (training.photographed, training.spliced) if training.loss == "ctc" else (0.0, 0.0)
            lines = gather(
                job.samples,
                job.alphabet,
                config,
                folder,
                processes,
                photographed,
                spliced,
                training.seed,
                note,
                loading,
            )
            dev_lines = gather(job.dev_samples, job.alphabet, config, folder, processes, note=note, progress=loading)
        except OSError as error:
            cure = "set TMPDIR to a folder with more room"
            raise CannotWrite(f"{folder}: cannot be written ({error.strerror}); {cure}") from error
        if len(lines) < processes.world:
            cure = "give more lines, or train in one process with WORLD_SIZE=1 in the environment"
            raise BadDataset(f"{len(lines)} usable lines are too few for {processes.world} processes; {cure}")
        if training.loss == "frames" and any(line.frames is None for line in lines.ready):
            cure = "take what `inkread predict --json` writes, with the texts corrected, or use loss=ctc"
            raise BadDataset(f"loss=frames needs an alignment for every line; {cure}")
        run = Run(job, lines, dev_lines, processes, pool)
        if job.resume:
            run.restore()
        elif processes.first:
            job.log.unlink(missing_ok=True)
            job.checkpoint.unlink(missing_ok=True)
        if job.start and not run.standing.step:
            note(f"before training: CER {100 * run.error_rate(run.learned()):.2f} %")
        run.loop(report)
    if processes.first:
        job.checkpoint.unlink(missing_ok=True)
    assert run.standing.best is not None  # the last step is always followed by a check
    return run.standing.best


class Run:
    """One training: what it works with, and where it stands."""

    def __init__(self, job: Job, lines: Lines, dev_lines: Lines, processes: Workers, pool: ThreadPoolExecutor) -> None:
        self.job, self.lines, self.dev_lines = job, lines, dev_lines
        self.config, self.training = job.config, job.training
        self.processes, self.pool = processes, pool
        self.steps_per_epoch = -(-len(lines) // self.training.batch)
        torch.manual_seed(self.training.seed)
        self.network = Network(self.config, job.alphabet.size)
        if job.start is not None:
            adopt(self.network, job.start)
        self.origin = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.ema = {name: value.clone() for name, value in self.origin.items()}
        self.standing = Standing(bfloat16=self._agree_on_precision())
        self.optimizer = Muon(self.network, self.config, self.training, self.standing.bfloat16, processes)

    def loop(self, report: Callable[[Progress], None]) -> None:
        """Learn, batch after batch, until the share of the training that is done is 1."""
        standing, training = self.standing, self.training
        began, saved = time.monotonic() - standing.seconds, time.monotonic()
        first_sample, first_second = standing.samples, standing.seconds
        batches_of = -1
        while True:
            epoch, place = divmod(standing.step, self.steps_per_epoch)
            if epoch != batches_of:
                batches, batches_of = make_batches(self.lines.widths(), training.batch, training.seed, epoch), epoch
            rate = learning_rate_at(self.share(), training)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self.learn(batches[place], epoch)
            loss, standing.seconds = self._sum_gradients(loss, time.monotonic() - began)
            norm, scaled = scale_gradient(list(self.network.parameters()), training.clip)
            if not math.isfinite(loss + norm):  # before it reaches the weights
                less = training.learning_rate / 3
                raise TrainingFailed(f"the loss is {loss} at step {standing.step}; try --set learning_rate={less:.1g}")
            self.optimizer.step()
            standing.step += 1
            standing.samples += len(batches[place])
            self._follow()
            blend = max(0.01, 1 / standing.step)
            standing.loss += blend * (loss - standing.loss)
            standing.scaled += blend * (scaled - standing.scaled)
            share = self.share()
            speed = (standing.samples - first_sample) / max(standing.seconds - first_second, 1e-9)
            progress = Progress(
                standing.step, epoch, standing.samples, standing.seconds / 60, share,
                standing.loss, norm, standing.scaled, rate, speed,
            )  # fmt: skip
            checked = share >= 1 or int(share * training.evaluations) > standing.evaluations
            if checked:
                standing.evaluations = int(share * training.evaluations)
                progress = replace(progress, cer=self.check(), best=standing.best)
                self._write_log(progress)
            if checked or time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save_checkpoint()
                saved = time.monotonic()
            report(progress)
            if share >= 1:
                return

    def share(self) -> float:
        """The share of the training that is done: of its epochs or of its minutes, whichever is further."""
        epochs, minutes = self.training.epochs, self.training.minutes
        by_epochs = self.standing.step / (epochs * self.steps_per_epoch) if epochs else 0.0
        by_minutes = self.standing.seconds / (minutes * 60) if minutes else 0.0
        return min(1.0, max(by_epochs, by_minutes))

    def learn(self, members: NDArray[np.int64], epoch: int) -> float:
        """This process's share of a batch, forwards and backwards: its share of the loss in nats a character."""
        training, network, world = self.training, self.network, self.processes.world
        mine = members[self.processes.rank :: world].tolist()
        sequences, labels = zip(*self.pool.map(lambda index: self._draw(index, epoch), mine), strict=True)
        # Widths in steps of 32: a new shape costs oneDNN time, and memory that it keeps.
        columns, lengths = pad(sequences, -(-self.processes.most(max(map(len, sequences))) // 32) * 32)
        characters = sum(len(self.lines[index].labels) for index in members.tolist())  # of all processes, uncrossed
        torch.manual_seed((training.seed * 1_000_003 + self.standing.step) * world + self.processes.rank)  # dropout
        network.train()
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.standing.bfloat16):
            columns, steps = network.columns(columns, lengths)
            views = 2 if training.consistency else 1
            seen = torch.cat([hide(columns), hide(columns)], dim=1) if training.consistency else columns
            log_probs = network.scores(seen, steps.repeat(views), training.truncate)
            if training.loss == "frames":
                loss = frames_loss(log_probs, [self.lines[index].frames for index in mine] * views) / views
            else:
                loss = ctc_loss(log_probs, steps.repeat(views), labels * views) / views
            if training.consistency:
                loss = loss + training.consistency * consistency_loss(log_probs, steps)
            if network.auxiliary is not None and training.auxiliary:
                log_probs = functional.log_softmax(network.auxiliary(columns).float(), dim=2)
                loss = loss + training.auxiliary * ctc_loss(log_probs, steps, labels)
        (loss / characters).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()) / characters

    def _draw(self, index: int, epoch: int) -> tuple[NDArray[np.float32], list[int]]:
        """The features and labels of a line, spliced and distorted anew in every epoch.

        Where each step has its label already it stays as it is.
        """
        rng = np.random.default_rng((self.training.seed, epoch, index))
        if self.training.loss == "ctc" and rng.random() < self.training.spliced:
            columns, labels = self.lines.spliced(index, rng)
        else:
            columns, labels = self.lines.columns(index), self.lines[index].labels
        if self.training.loss == "ctc" and rng.random() < self.training.distorted:
            change = distort_path if self.config.features == "strokes" else distort_image
            distorted = change(columns, rng)
            if self.config.steps(distorted.shape[1]) >= steps_needed(labels):
                columns = distorted
        return extract(columns, self.config), labels

    def _sum_gradients(self, loss: float, seconds: float) -> tuple[float, float]:
        """Sum the gradients and the loss over all processes, in one message, and agree on the time that has passed."""
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        last = torch.tensor([loss, seconds / self.processes.world])
        self.processes.sum_all([*gradients, last])
        return float(last[0]), float(last[1])

    def _follow(self) -> None:
        """Let the average of the weights follow them; quickly at first, when they have hardly been learned."""
        step = self.standing.step
        decay = min(self.training.ema, (1 + step) / (10 + step))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)

    def learned(self) -> dict[str, Tensor]:
        """The weights to keep: the average, blended with what it started from.

        The mean of a model and what it has become by a few lines more reads those as well as the latter, and others
        better (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        """
        blend = self.training.interpolation
        return {
            name: torch.lerp(self.origin[name], value, blend) if value.is_floating_point() else value
            for name, value in self.ema.items()
        }

    def check(self) -> float:
        """The error rate of the weights to keep on the validation lines; the best are kept."""
        weights = self.learned()
        cer = self.error_rate(weights)
        if self.standing.best is None or cer <= self.standing.best:  # of equals the last, which has learned longest
            self.standing.best = cer
            self._keep(weights, cer)
        return cer

    @torch.inference_mode()
    def error_rate(self, weights: dict[str, Tensor]) -> float:
        """The character error rate of weights on the validation lines, with the greedy decoder."""
        reader = copy.deepcopy(self.network)
        reader.load_state_dict(weights)
        reader.for_reading()
        lines, (rank, world) = self.dev_lines, (self.processes.rank, self.processes.world)
        chosen = np.linspace(0, len(lines) - 1, min(len(lines), DEV_LINES)).astype(int)
        chosen = chosen[np.argsort(lines.widths()[chosen], kind="stable")][rank::world]
        errors = characters = 0
        for start in range(0, len(chosen), DEV_BATCH):
            members = chosen[start : start + DEV_BATCH].tolist()
            columns, lengths = pad([extract(lines.columns(index), self.config) for index in members])
            with torch.autocast("cpu", torch.bfloat16, enabled=self.standing.bfloat16):
                log_probs, steps = reader(columns, lengths)
            for column, index in enumerate(members):
                read = [label.label for label in greedy(log_probs[: int(steps[column]), column].numpy())]
                errors += edit_distance(read, lines[index].labels)
                characters += len(lines[index].labels)
        errors, characters = self.processes.sum(torch.tensor([errors, characters])).tolist()
        return float(errors / max(characters, 1))

    def _keep(self, weights: dict[str, Tensor], cer: float) -> None:
        if self.processes.first:
            facts = {
                **self.job.facts,
                "dev_cer": round(cer, 5),
                "trained_minutes": round(self.standing.seconds / 60, 2),
                "trained_lines": self.standing.samples,
                "training": self.training.to_dict(),
            }
            save_model(self.job.out, Model(self.config, self.job.alphabet, weights, facts))

    def _write_log(self, progress: Progress) -> None:
        if self.processes.first:
            row = {
                name: float(f"{value:.6g}") if isinstance(value, float) else value
                for name, value in vars(progress).items()
            }
            try:
                with open(self.job.log, "a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            except OSError as error:
                raise CannotWrite(f"{self.job.log}: cannot be written ({error.strerror}); free some space") from error

    def save_checkpoint(self) -> None:
        """Write all that going on from here needs."""
        if not self.processes.first:
            return
        tensors = {f"network.{name}": value.contiguous() for name, value in self.network.state_dict().items()}
        tensors |= {f"ema.{name}": value.contiguous() for name, value in self.ema.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in moments.items()}
        write_tensors(self.job.checkpoint, tensors, {**self.job.identity, "standing": vars(self.standing)})

    def restore(self) -> None:
        """Put everything back as the checkpoint has it. Raises BadModel when it is damaged."""
        description, tensors = read_tensors(self.job.checkpoint)
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "ema": {}, "optimizer": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.standing = Standing(**description["standing"])
        self.network.load_state_dict(parts["network"])
        self.ema = parts["ema"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            index, _, moment = name.partition(".")
            state.setdefault(int(index), {})[moment] = value
        self.optimizer = Muon(self.network, self.config, self.training, self.standing.bfloat16, self.processes)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def _agree_on_precision(self) -> bool:
        """Whether to train in bfloat16: measured on blank lines, not assumed; it must be a tenth faster.

        On as many of them as a process has in a batch: of fewer than sixteen an LSTM gains little.
        """
        if self.training.precision != "auto":
            return self.training.precision == "bfloat16"
        blank = extract(np.zeros((self.lines.rows, 640), self.lines.kind), self.config)
        views = 2 if self.training.consistency else 1
        columns, lengths = pad(
            [blank] * (views * -(-min(self.training.batch, len(self.lines)) // self.processes.world))
        )
        trial = copy.deepcopy(self.network)
        fastest = {False: math.inf, True: math.inf}
        for _ in range(3):
            for bfloat16 in fastest:
                began = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    trial(columns, lengths)[0].sum().backward()
                fastest[bfloat16] = min(fastest[bfloat16], time.perf_counter() - began)
        return bool(self.processes.all(fastest[True] < 0.9 * fastest[False])[0])


def _fingerprint(samples: tuple[Sample, ...]) -> str:
    """A hash of lines: their names, their texts, and the sizes of their files, as two writers may copy one text."""
    sizes = {path: path.stat().st_size if path.is_file() else -1 for path in {sample.path for sample in samples}}
    facts = [(sample.id, sample.text, sample.writer, sizes[sample.path]) for sample in samples]
    return sha256(json.dumps(facts).encode()).hexdigest()


def _check_checkpoint(checkpoint: Path, identity: dict[str, Any]) -> None:
    """Raises BadModel when there is no checkpoint to go on from, or one of another training."""
    if not checkpoint.is_file():
        raise BadModel(f"{checkpoint}: no checkpoint to resume from; start without --resume")
    description = read_description(checkpoint)
    others = [name for name, value in json.loads(json.dumps(identity)).items() if description.get(name) != value]
    if others:
        what = ", ".join(others)
        raise BadModel(f"{checkpoint}: of another training (other {what}); resume with the command that made it")


def learning_rate_at(share: float, config: TrainingConfig) -> float:
    """A straight rise to the peak during the warm-up, then a cosine down to zero."""
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 0.01)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))


def scale_gradient(parameters: list[Tensor], limit: float) -> tuple[float, bool]:
    """Scale the gradient g to g τ / |g| where |g| is more than τ (Pascanu et al. 2013): (|g|, whether scaled)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])))
    scaled = 0 < limit < norm
    if scaled:
        for gradient in gradients:
            gradient.mul_(limit / norm)
    return norm, scaled


def ctc_loss(log_probs: Tensor, steps: Tensor, labels: Sequence[list[int]]) -> Tensor:
    """The sum over a batch of -log p(labels), by CTC (Graves et al. 2006): log_probs (T, B, C), steps (B,)."""
    targets = torch.tensor([label for line in labels for label in line])
    lengths = torch.tensor([len(line) for line in labels])
    return functional.ctc_loss(log_probs, targets, steps, lengths, BLANK, reduction="sum", zero_infinity=True)


def hide(x: Tensor) -> Tensor:
    """x (T, B, D) with a share HIDDEN of each line's steps set to 0, in runs of HIDDEN_RUN (Park et al. 2019)."""
    runs = torch.rand(len(x) // HIDDEN_RUN + 2, x.shape[1], 1) >= HIDDEN
    start = int(torch.randint(HIDDEN_RUN, ()))
    return x * runs.repeat_interleave(HIDDEN_RUN, 0)[start : start + len(x)].to(x.dtype)


def consistency_loss(log_probs: Tensor, steps: Tensor) -> Tensor:
    """How far two views of lines are from each other: log_probs (T, 2 B, C), first views before second, steps (B,).

    At each step the mean of both Kullback-Leibler divergences, each view learning from the other as it stands; summed
    over steps and lines (Yao et al. 2025, "CR-CTC: Consistency regularization on CTC").
    """
    first, second = log_probs.chunk(2, dim=1)
    here = torch.arange(len(first)).unsqueeze(1) < steps  # (T, B)
    both = functional.kl_div(first, second.detach(), reduction="none", log_target=True)
    both = both + functional.kl_div(second, first.detach(), reduction="none", log_target=True)
    return (both.sum(dim=2) * here).sum() / 2


def frames_loss(log_probs: Tensor, frames: list[NDArray[np.int64] | None]) -> Tensor:
    """The sum over a batch of the cross-entropy of every step, where each step has its label: log_probs (T, B, C)."""
    loss = log_probs.new_zeros(())
    for column, labels in enumerate(frames):
        if labels is not None:
            loss = loss + functional.nll_loss(
                log_probs[: len(labels), column], torch.from_numpy(labels), reduction="sum"
            )
    return loss


def adopt(network: Network, start: Model) -> None:
    """Put a model's weights into a network of its kind whose alphabet begins with the model's.

    New cells and channels start at random, but nothing old depends on them yet; new characters start with the mean
    weights of the known characters. So the network reads as the model did (Chen et al. 2016, "Net2Net").
    """
    own = network.state_dict()
    fewer, more = start.config.hidden, network.rnn.cells
    for name, weight in start.network().state_dict().items():
        if weight.shape == own[name].shape:
            own[name] = weight
            continue
        rows = torch.arange(len(weight))
        if name.startswith("rnn."):
            rows = _spread(rows, fewer, more)
        if weight.ndim == 1:
            own[name][rows] = weight
            continue
        columns = torch.arange(weight.shape[1])
        if not name.startswith(("front.", "auxiliary.", "rnn.layers.0.")):  # these read channels, the others cells
            columns = _spread(columns, fewer, more)
        own[name][rows] = 0
        own[name][rows.unsqueeze(1), columns] = weight
    known = start.alphabet.size
    for name in ("output.weight", "output.bias", "auxiliary.weight", "auxiliary.bias"):
        if name in own and len(own[name]) > known > BLANK + 1:
            own[name][known:] = own[name][BLANK + 1 : known].mean(dim=0)
    network.load_state_dict(own)


def _spread(places: Tensor, fewer: int, more: int) -> Tensor:
    """Where cells go when each gate or direction grows: 0, 1, 2, 3 -> 0, 1, 3, 4 from 2 to 3 cells."""
    return places // fewer * more + places % fewer


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed: each step takes as much again, and fresh pages cost a tenth of the time.

    It cannot be undone, so it is for a process that does nothing but train.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # <malloc.h>
        ctypes.CDLL(None).mallopt(mmap_max, 0)
        ctypes.CDLL(None).mallopt(trim_threshold, 2**31 - 1)


@contextmanager
def _torch_for(processes: Workers) -> Iterator[None]:
    """Have torch use this process's share of the cores, and put its threads and its random numbers back at the end."""
    threads = torch.get_num_threads()
    torch.set_num_threads(processes.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _alone_with(out: Path) -> Iterator[None]:
    """Keep other trainings from writing the same files. Raises CannotWrite when one does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out.with_name(f".{out.name}.lock")))
        except Locked as error:
            cure = "wait for its end, or give another --out"
            raise CannotWrite(f"{out}: another training is writing it; {cure}") from error
        except OSError as error:
            cure = "check the folder and its permissions"
            raise CannotWrite(f"{out}: cannot be written ({error.strerror}); {cure}") from error
        yield


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """End by SystemExit on SIGTERM and SIGHUP, so that files are tidied up; not where the program does so itself."""

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)

    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    changed = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
