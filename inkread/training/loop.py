"""The training loop: prepared lines -> distorted batches -> network -> loss -> gradients -> weights.

A checkpoint is written every minute, so that a training that was killed can be resumed. All random numbers depend on
the seed and the step only, so a resumed training gives the same results as one that was never stopped.
"""

import copy
import ctypes
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import get_total_norm

from inkread._files import check_new
from inkread._locks import Locked, locked
from inkread._signals import signals_as_exceptions
from inkread.alphabet import CROSSED_OUT, Alphabet
from inkread.config import NetworkConfig, TrainingConfig
from inkread.data import Sample
from inkread.errors import BadConfig, BadDataset, CannotWrite, TrainingFailed
from inkread.evaluation.metrics import edit_distance
from inkread.features.extract import extract
from inkread.model.checkpoint import Model, save_model
from inkread.model.decoder import greedy
from inkread.model.device import prefers_bfloat16
from inkread.model.network import Network, pad
from inkread.training.batches import Lines, Preparation, prepare_lines
from inkread.training.distributed import Workers, is_first_process, start_workers
from inkread.training.loader import Batch, Members, VariedLines, load_batches, loader_processes
from inkread.training.losses import consistency_loss, ctc_loss, frames_loss, time_mask
from inkread.training.optimizer import Muon
from inkread.training.resume import (
    TrainingState,
    check_checkpoint,
    checkpoint_of,
    identity,
    load_checkpoint,
    log_of,
    save_checkpoint,
)
from inkread.training.warm_start import copy_weights

logger = logging.getLogger("inkread")

CHECKPOINT_SECONDS = 60.0
DEV_LINES = 1000  # the error rate is measured on at most so many validation lines, the same ones each time
DEV_BATCH, DEV_BATCH_GPU = 16, 128  # validation lines in a batch
SMOOTHING = 0.01  # weight of the last step in the moving averages that are shown


@dataclass(frozen=True)
class Progress:
    """What is reported after each step; `cer` only after an evaluation on the validation lines."""

    step: int
    epoch: int
    samples: int  # lines that were trained on, counted again in each epoch
    minutes: float
    share: float  # of the training that is done, 0..1
    loss: float  # nats per character, moving average
    norm: float  # of the gradient, before clipping
    clipped: float  # norm of the gradient after clipping, at most τ
    scaled: float  # share of steps whose gradient was scaled, moving average
    learning_rate: float
    lines_per_second: float
    waiting: float  # share of the time since the last evaluation in which the network waited for its next lines
    cer: float | None = None
    best: float | None = None


@dataclass(frozen=True)
class Job:
    """What is trained on what: all that the workers of a training need to know."""

    samples: tuple[Sample, ...]
    dev_samples: tuple[Sample, ...]
    out: Path
    config: NetworkConfig
    training: TrainingConfig
    start: Model | None
    resume: bool
    facts: dict[str, Any]
    device: str = "auto"

    @property
    def checkpoint(self) -> Path:
        return checkpoint_of(self.out)

    @property
    def log(self) -> Path:
        return log_of(self.out)

    @cached_property
    def alphabet(self) -> Alphabet:
        """The characters of the model to start from, then those that only the lines have."""
        known = self.start.alphabet.characters if self.start else ""
        drawn = [CROSSED_OUT] if self.training.crossed_out else []
        return Alphabet.of(chain((sample.text for sample in self.samples), drawn), known)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to belong to this training."""
        return identity(self.config, self.training, self.alphabet.characters, self.samples, self.dev_samples)


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
    device: str = "auto",
    report: Callable[[Progress], None] | None = None,
    loading: Callable[[int, int], None] | None = None,
) -> float:
    """Train a network, save the weights with the lowest error rate on the validation lines in `out`, and return this
    error rate.

    `start` is a model to fine-tune; new characters are added to its alphabet. `resume` continues from the checkpoint
    of a training that was stopped. `report` is called after every step, `loading(done, total)` for each prepared line.
    If `report` raises an exception, the training stops with a checkpoint.
    `device` is "cpu", a GPU by its name in torch, or "auto": a GPU if there is one. On a CPU with two cores or more, a
    second process is started to help. During the training, the number of torch's threads is changed, and SIGTERM raises
    SystemExit if the program has no handler of its own.
    Raises BadDataset, BadModel, BadConfig, CannotWrite, and TrainingFailed if the loss is not a number any more.
    """
    job = Job(samples, dev_samples, out, config, training, start, resume, facts or {}, device)
    with signals_as_exceptions(), _locked_output(out) if is_first_process() else nullcontext():
        if resume:  # before the lines are prepared, which can take minutes
            check_checkpoint(job.checkpoint, job.identity)
        elif not overwrite:
            check_new(out)
        with start_workers(min(training.batch, len(samples)), device, run_worker, job) as (workers, folder):
            return run_worker(job, workers, folder, report, loading)


def run_worker(
    job: Job,
    workers: Workers,
    folder: Path,
    report: Callable[[Progress], None] | None = None,
    loading: Callable[[int, int], None] | None = None,
) -> float:
    """The part of one process in a training; returns the lowest error rate."""
    if job.training.batch < workers.world_size:
        raise BadConfig(f"batch={job.training.batch}: must be at least the number of processes, {workers.world_size}")
    with _torch_settings(workers), ThreadPoolExecutor(workers.threads) as pool:
        lines, dev_lines = _prepare(job, workers, folder, loading)
        trainer = Trainer(job, lines, dev_lines, workers, pool)
        if job.resume:
            trainer.restore()
        elif workers.is_first:
            job.log.unlink(missing_ok=True)
            job.checkpoint.unlink(missing_ok=True)
        if job.start and not trainer.state.step:
            cer = trainer.error_rate(trainer.weights_to_save())
            if workers.is_first:
                logger.info(f"before training: CER {100 * cer:.2f} %")
        trainer.run(report or (lambda progress: None))
    if workers.is_first:
        job.checkpoint.unlink(missing_ok=True)
    assert trainer.state.best is not None  # the last step is always followed by an evaluation
    return trainer.state.best


def _prepare(
    job: Job, workers: Workers, folder: Path, loading: Callable[[int, int], None] | None
) -> tuple[Lines, Lines]:
    """The training lines and the validation lines. Raises BadDataset if they cannot be used, and CannotWrite."""
    training = job.training
    for_dev = Preparation(job.alphabet, job.config)
    for_training = for_dev
    if training.loss == "ctc":  # otherwise the places of the characters would change
        gaps = training.spliced > 0 or training.crossed_out > 0
        for_training = replace(for_dev, photographed=training.photographed, gaps=gaps)
    for_training = replace(for_training, weighted=True, seed=training.seed)
    try:
        lines = prepare_lines(job.samples, for_training, folder / "training", workers, loading)
        dev_lines = prepare_lines(job.dev_samples, for_dev, folder / "validation", workers, loading)
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise CannotWrite(problem, path=folder, hint="set TMPDIR to a folder with more room") from error
    if len(lines) < workers.world_size:
        raise BadDataset(
            f"{len(lines)} usable lines are too few for {workers.world_size} processes",
            hint="give more lines, or train in one process with WORLD_SIZE=1 in the environment",
        )
    if training.loss == "frames" and not lines.aligned:
        raise BadDataset(
            "loss=frames needs an alignment for every line",
            hint="take what `inkread predict --json` writes, with the texts corrected, or use loss=ctc",
        )
    return lines, dev_lines


class Trainer:
    """The network, the optimizer and the state of a training, and the training loop."""

    def __init__(self, job: Job, lines: Lines, dev_lines: Lines, workers: Workers, pool: ThreadPoolExecutor) -> None:
        self.job, self.lines, self.dev_lines = job, lines, dev_lines
        self.config, self.training = job.config, job.training
        self.workers, self.pool, self.device = workers, pool, workers.device
        self.varied = VariedLines(lines, job.config, job.training, workers)
        self.steps_per_epoch = -(-len(lines) // self.training.batch)
        torch.manual_seed(self.training.seed)
        self.network = Network(self.config, job.alphabet.size)
        if job.start is not None:
            copy_weights(self.network, job.start)
        self.network.to(self.device)
        self.initial = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.ema = {name: value.clone() for name, value in self.initial.items()}
        self.state = TrainingState(bfloat16=self._choose_bfloat16())
        self.optimizer = Muon(self.network, self.config, self.training, self.state.bfloat16, workers)
        # The numbers of the last step that a GPU has not computed yet, and a function that waits for them.
        self.pending: tuple[Tensor, Callable[[], None]] | None = None

    def run(self, report: Callable[[Progress], None]) -> None:
        """Train until all epochs are done, or the time is over."""
        batches = load_batches(
            self.varied, self.members(), loader_processes(self.workers), self.pool, self.device.type == "cuda"
        )
        with closing(batches):  # ends their processes
            self._train_on(batches, report)

    def _train_on(self, batches: Iterator[Batch], report: Callable[[Progress], None]) -> None:
        """Train on batches, and evaluate and save from time to time."""
        state, training = self.state, self.training
        began, saved = time.monotonic() - state.seconds, time.monotonic()
        first_sample, first_second = state.samples, state.seconds
        waited, evaluated = 0.0, time.monotonic()
        while True:
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            learning_rate, loss, norm = self._step(batch, began)
            scaled = 0 < training.clip < norm
            weight = max(SMOOTHING, 1 / state.step)
            state.loss += weight * (loss - state.loss)
            state.scaled += weight * (scaled - state.scaled)
            share = self.share()
            speed = (state.samples - first_sample) / max(state.seconds - first_second, 1e-9)
            waiting = waited / max(time.monotonic() - evaluated, 1e-9)
            progress = Progress(
                state.step, batch.epoch, state.samples, state.seconds / 60, share, state.loss,
                norm, training.clip if scaled else norm, state.scaled, learning_rate, speed, waiting,
            )  # fmt: skip

            evaluate = share >= 1 or int(share * training.evaluations) > state.evaluations
            if evaluate:
                self._wait_for_step()
                state.evaluations = int(share * training.evaluations)
                progress = replace(progress, cer=self.evaluate(), best=state.best)
                self._write_log(progress)
                waited, evaluated = 0.0, time.monotonic()
            if evaluate or time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
            try:
                report(progress)
            except BaseException:  # the program, or the user, stops the training here, between two steps
                self.save()
                raise
            if share >= 1:
                return

    def _step(self, batch: Batch, began: float) -> tuple[float, float, float]:
        """One step: forward, backward, sum the gradients of all workers, scale, update.

        Returns the learning rate, the loss, and the norm of the gradient.
        """
        state = self.state
        learning_rate = learning_rate_at(self.share(), self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        loss = self.forward_backward(batch)
        numbers = self._sum_gradients(loss, time.monotonic() - began)
        norm = scale_gradient(list(self.network.parameters()), self.training.clip)
        numbers = torch.cat([numbers, norm.view(1)])
        if not self.delayed:  # before a bad gradient reaches the weights
            measured = self._check(numbers.tolist())
        self.optimizer.step()
        state.step += 1
        state.samples += batch.lines
        self._update_ema()
        if self.delayed:
            measured = self._of_step_before(numbers)
        step_loss, state.seconds, step_norm = measured
        return learning_rate, step_loss, step_norm

    @property
    def delayed(self) -> bool:
        """Are the loss and the norm of a step looked at only while the next one is computed?"""
        return self.device.type == "cuda"

    def members(self) -> Iterator[Members]:
        """The lines of each step, without end, from the current step on."""
        epoch, first = divmod(self.state.step, self.steps_per_epoch)
        while True:
            yield from self.varied.members(epoch)[first:]
            epoch, first = epoch + 1, 0

    def _check(self, numbers: list[float]) -> list[float]:
        """The loss, the seconds and the norm of a step. Raises TrainingFailed if they are not finite."""
        loss, _, norm = numbers
        if not math.isfinite(loss + norm):
            lower = f"try --set learning_rate={self.training.learning_rate / 3:.1g}"
            raise TrainingFailed(f"the loss is {loss} at step {self.state.step}", hint=lower)
        return numbers

    def _of_step_before(self, numbers: Tensor) -> list[float]:
        """The loss, the seconds and the norm of the step before; after the first step, and an evaluation, of this step.

        So a GPU already computes the next step while this process waits for the last one.
        """
        before, self.pending = self.pending, _copy_to_cpu(numbers)
        ready, wait = before or self.pending
        wait()
        return self._check(ready.tolist())

    def _wait_for_step(self) -> None:
        """Wait for the last step of a GPU. Raises TrainingFailed if its numbers are not finite."""
        if self.pending:
            ready, wait = self.pending
            self.pending = None
            wait()
            self._check(ready.tolist())

    def share(self) -> float:
        """The share of the training that is done: of its epochs or of its minutes, whichever is larger."""
        epochs, minutes = self.training.epochs, self.training.minutes
        by_epochs = self.state.step / (epochs * self.steps_per_epoch) if epochs else 0.0
        by_minutes = self.state.seconds / (minutes * 60) if minutes else 0.0
        return min(1.0, max(by_epochs, by_minutes))

    def forward_backward(self, batch: Batch) -> Tensor:
        """Compute the gradients for this worker's part of a batch. Returns its part of the loss, in nats per character
        of the batch.
        """
        training, network, workers = self.training, self.network, self.workers
        x = batch.x.to(self.device, non_blocking=True)  # (B, T0, F)
        # Batch normalisation counts the padding, so it must not depend on how the lines are distributed.
        x = functional.pad(x, (0, 0, 0, workers.max(x.shape[1]) - x.shape[1]))
        # 1,000,003 is prime and larger than the number of steps, so no two seeds share a step's random numbers.
        torch.manual_seed((training.seed * 1_000_003 + self.state.step) * workers.world_size + workers.rank)
        network.train()
        network.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.state.bfloat16):
            loss = self._loss(x, batch.lengths, batch.labels, batch.indices) / batch.characters
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _loss(self, x: Tensor, lengths: Tensor, labels: list[list[int]], indices: list[int]) -> Tensor:
        """The sum of the losses of lines with features x (B, T0, F). Their lengths (B,) are on the CPU."""
        training, network = self.training, self.network
        columns, steps = network.columns(x, lengths)  # (T, B, D), (B,)
        copies = 2 if training.consistency else 1
        inputs = torch.cat([time_mask(columns), time_mask(columns)], dim=1) if copies == 2 else columns  # (T, 2 B, D)
        log_probs = network.scores(inputs, steps.repeat(copies), training.truncate)  # (T, copies * B, C)
        if training.loss == "frames":
            loss = frames_loss(log_probs, [self.lines.frames(index) for index in indices] * copies) / copies
        else:
            loss = ctc_loss(log_probs, steps.repeat(copies), labels * copies) / copies
        if training.consistency:
            loss = loss + training.consistency * consistency_loss(log_probs, steps)
        if network.auxiliary is not None and training.auxiliary:
            log_probs = functional.log_softmax(network.auxiliary(columns).float(), dim=2)  # (T, B, C)
            loss = loss + training.auxiliary * ctc_loss(log_probs, steps, labels)
        return loss

    def _sum_gradients(self, loss: Tensor, seconds: float) -> Tensor:
        """Sum the gradients and the loss over all workers, in one message. Returns the loss, and the mean time."""
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        numbers = torch.stack([loss, loss.new_full((), seconds / self.workers.world_size)])
        self.workers.sum_all([*gradients, numbers])
        return numbers

    def _update_ema(self) -> None:
        """Update the moving average of the weights. At first it moves faster, as the first weights are random:
        the decay after step n is at most (1 + n) / (10 + n), as in TensorFlow's ExponentialMovingAverage.
        """
        step = self.state.step
        decay = min(self.training.ema, (1 + step) / (10 + step))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.ema[name].lerp_(value, 1 - decay)
            else:
                self.ema[name].copy_(value)

    def weights_to_save(self) -> dict[str, Tensor]:
        """The moving average of the weights, interpolated with the initial weights.

        Interpolated weights are as good on the lines that were trained on, and better on others (WiSE-FT: Wortsman et
        al. 2022, "Robust fine-tuning of zero-shot models").
        """
        share = self.training.interpolation
        return {
            name: torch.lerp(self.initial[name], value, share) if value.is_floating_point() else value
            for name, value in self.ema.items()
        }

    def evaluate(self) -> float:
        """The error rate on the validation lines. If it is the lowest so far, the weights are saved."""
        weights = self.weights_to_save()
        cer = self.error_rate(weights)
        if self.state.best is None or cer <= self.state.best:  # of equal ones the last, which was trained longest
            self.state.best = cer
            self._save_model(weights, cer)
        return cer

    @torch.inference_mode()
    def error_rate(self, weights: dict[str, Tensor]) -> float:
        """The character error rate of weights on the validation lines, with the greedy decoder."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(weights)
        network.for_reading()
        lines, rank, world_size = self.dev_lines, self.workers.rank, self.workers.world_size
        chosen = np.linspace(0, len(lines) - 1, min(len(lines), DEV_LINES)).astype(int)
        chosen = chosen[np.argsort(lines.widths[chosen], kind="stable")][rank::world_size]
        errors = characters = 0
        size = DEV_BATCH if self.device.type == "cpu" else DEV_BATCH_GPU
        for start in range(0, len(chosen), size):
            members = chosen[start : start + size].tolist()
            x, lengths = pad([extract(lines.columns(index), self.config) for index in members])  # (B, T0, F), (B,)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.state.bfloat16):
                log_probs, steps = network(x.to(self.device), lengths)  # (T, B, C), (B,)
            log_probs = log_probs.cpu()
            for column, index in enumerate(members):
                read = [label.label for label in greedy(log_probs[: int(steps[column]), column].numpy())]
                errors += edit_distance(read, lines.labels(index))
                characters += len(lines.labels(index))
        errors, characters = self.workers.sum(torch.tensor([errors, characters])).tolist()
        return float(errors / max(characters, 1))

    def _save_model(self, weights: dict[str, Tensor], cer: float) -> None:
        if self.workers.is_first:
            facts = {
                **self.job.facts,
                "dev_cer": round(cer, 5),
                "trained_minutes": round(self.state.seconds / 60, 2),
                "trained_lines": self.state.samples,
                "training": self.training.to_dict(),
            }
            arrays = {name: weight.cpu().numpy() for name, weight in weights.items()}
            save_model(self.job.out, Model(self.config, self.job.alphabet, arrays, facts))

    def _write_log(self, progress: Progress) -> None:
        if not self.workers.is_first:
            return
        row = {
            name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in vars(progress).items()
        }
        try:
            with open(self.job.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
            raise CannotWrite(problem, path=self.job.log, hint="free some space") from error

    def save(self) -> None:
        """Write the checkpoint."""
        self._wait_for_step()
        if self.workers.is_first:
            moments = self.optimizer.state_dict()["state"]
            network = self.network.state_dict()
            save_checkpoint(self.job.checkpoint, self.job.identity, self.state, network, self.ema, moments)

    def restore(self) -> None:
        """Continue from the checkpoint. Raises BadModel if it is damaged."""
        self.state, network, ema, moments = load_checkpoint(self.job.checkpoint)
        self.state.bfloat16 = self._choose_bfloat16()  # it may continue on another device
        self.ema = {name: value.to(self.device) for name, value in ema.items()}
        self.network.load_state_dict(network)
        self.optimizer = Muon(self.network, self.config, self.training, self.state.bfloat16, self.workers)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})

    def _choose_bfloat16(self) -> bool:
        """Compute in bfloat16? All workers must agree, so the first one decides."""
        precision = self.training.precision
        preferred = precision == "auto" and prefers_bfloat16(self.device, self.config)
        return bool(self.workers.gather(precision == "bfloat16" or preferred)[0])


def _copy_to_cpu(values: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """Start to copy from a GPU. Returns the copy, and a function that waits until it is complete."""
    if values.device.type != "cuda":
        return values.clone(), lambda: None
    copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return copy, event.synchronize


def learning_rate_at(share: float, config: TrainingConfig) -> float:
    """The learning rate when a share of the training is done: a linear rise during the warm-up, then a cosine to 0."""
    if share < config.warmup:
        return config.learning_rate * max(share / config.warmup, 0.01)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))


def scale_gradient(parameters: list[Tensor], limit: float) -> Tensor:
    """Scale the gradient g to g τ / |g| if |g| > τ, the limit (Pascanu et al. 2013). Returns |g|, (). A limit of 0
    means none.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm(gradients)
    # Whether it is larger is known on a GPU only later.
    if limit and (norm.device.type != "cpu" or norm > limit):
        factor = (limit / norm).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(factor)
    return norm


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of returning it: every step needs as much again, and fresh pages cost a
    tenth of the time.

    This cannot be undone, so it is for a process that does nothing but train.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # constants of <malloc.h>
        ctypes.CDLL(None).mallopt(mmap_max, 0)
        ctypes.CDLL(None).mallopt(trim_threshold, 2**31 - 1)


@contextmanager
def _torch_settings(workers: Workers) -> Iterator[None]:
    """Let torch use the threads of this worker; restore their number and the random numbers at the end."""
    threads = torch.get_num_threads()
    torch.set_num_threads(workers.threads)
    try:
        with torch.random.fork_rng(devices=[workers.device] if workers.device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _locked_output(out: Path) -> Iterator[None]:
    """Keep other trainings from writing the same files. Raises CannotWrite if one does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out.with_name(f".{out.name}.lock")))
        except Locked as error:
            hint = "wait for its end, or give another --out"
            raise CannotWrite("another training is writing it", path=out, hint=hint) from error
        except OSError as error:
            hint = "check the folder and its permissions"
            raise CannotWrite(f"cannot be written ({error.strerror})", path=out, hint=hint) from error
        yield
