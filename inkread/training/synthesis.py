"""Train the network that writes: it predicts each point of a line from the points before it and the text."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkread._files import write_atomic
from inkread._model_files import read_tensors, write_tensors
from inkread.config import Settings, TrainingConfig
from inkread.data import Sample
from inkread.data.samples import read_strokes
from inkread.errors import BadConfig, BadInput, BadModel, TrainingFailed
from inkread.model.device import supports_bfloat16
from inkread.synth.offsets import Offsets, to_offsets
from inkread.synth.synthesis_network import SynthesisNetwork, split_outputs
from inkread.synth.synthesizer import CHARACTERS, SynthesisConfig, Synthesizer, encode, inputs_of
from inkread.training.loop import learning_rate_at, scale_gradient

CHECKPOINT = "inkread synthesis checkpoint 1"
HELD_OUT = 100  # one line of so many is not trained on, to measure the loss
USUAL_POINTS = (4, 16)  # per character: 99 % of the lines of UNIPEN
LONGEST_LEAP = 8.0  # x-heights from one point to the next
POOL = 64  # batches whose lines are sorted by length, so that little is padded
SMOOTHING = 0.02  # weight of the last step in the moving average of the loss


@dataclass(frozen=True)
class SynthesisTraining(Settings):
    """How the network that writes is trained."""

    minutes: float = 60.0  # of training; the learning rate falls to 0 over this time
    points: int = 6400  # points per step, in all lines together, with padding
    learning_rate: float = 3e-3  # the highest rate: reached after the warm-up, then a cosine down to 0
    clip: float = 1.0  # τ: a gradient with a larger norm is scaled to this norm (Pascanu 2013)
    evaluate: int = 200  # steps from one evaluation, with a checkpoint, to the next
    seed: int = 0

    def __post_init__(self) -> None:
        self.schedule()  # checks minutes, learning_rate, clip and seed
        if self.minutes <= 0 or self.points < 1 or self.evaluate < 1:
            raise BadConfig("minutes, points and evaluate must be more than 0")

    def schedule(self) -> TrainingConfig:
        """The settings of the learning rate."""
        return TrainingConfig(minutes=self.minutes, learning_rate=self.learning_rate, clip=self.clip, seed=self.seed)


@dataclass(frozen=True)
class WrittenLine:
    """A line to learn from."""

    text: str
    offsets: Offsets


@dataclass(frozen=True)
class Progress:
    """The state of a training after some steps."""

    share: float  # of the training that is done
    step: int
    loss: float  # -log p per point, in nats: moving average
    held_out: float  # the same of the lines that are not trained on
    norm: float  # of the gradient, before clipping


class Batch:
    """Lines as tensors, padded: their points, texts and targets."""

    def __init__(self, lines: Sequence[WrittenLine], characters: str, device: torch.device) -> None:
        longest = max(len(line.offsets) for line in lines)
        texts = [encode(line.text, characters) for line in lines]
        places = max(map(len, texts))
        points = np.zeros((longest, len(lines), inputs_of(lines[0].offsets).shape[1]), np.float32)
        targets = np.zeros((longest, len(lines), 3), np.float32)
        text = np.full((len(lines), places), len(characters) + 1)
        mask = np.zeros((longest, len(lines)), np.float32)
        for number, (line, codes) in enumerate(zip(lines, texts, strict=True)):
            steps = len(line.offsets)
            points[:steps, number] = inputs_of(line.offsets)
            targets[:steps, number] = line.offsets
            text[number, : len(codes)] = codes
            mask[:steps, number] = 1
        self.points, self.targets, self.text, self.mask = (
            torch.from_numpy(array).to(device, non_blocking=True) for array in (points, targets, text, mask)
        )

    def loss(self, network: SynthesisNetwork) -> Tensor:
        """-log p per point."""
        device = self.points.device
        with torch.autocast(device.type, torch.bfloat16, enabled=supports_bfloat16(device)):
            outputs, _ = network(self.points, self.text)
        nats = split_outputs(outputs).negative_log_density(self.targets)  # (T, B)
        return (nats * self.mask).sum() / self.mask.sum()


def batches_of(lines: Sequence[WrittenLine], points: int, rng: np.random.Generator) -> Iterator[list[WrittenLine]]:
    """The lines in random order, in batches of about so many points, each of lines of about the same length."""
    order = rng.permutation(len(lines))
    average = np.mean([len(line.offsets) for line in lines])
    pool = max(int(POOL * points / average), 1)  # lines
    for start in range(0, len(order), pool):
        chosen = sorted((lines[index] for index in order[start : start + pool]), key=lambda line: len(line.offsets))
        batches: list[list[WrittenLine]] = [[]]
        for line in chosen:
            if batches[-1] and len(line.offsets) * (len(batches[-1]) + 1) > points:
                batches.append([])
            batches[-1].append(line)
        for index in rng.permutation(len(batches)):
            yield batches[index]


def prepare(samples: Sequence[Sample], tick: Callable[[int, int], None]) -> list[WrittenLine]:
    """The lines of a dataset of pen strokes that the network can learn from, in random order.

    Left out are characters that it does not know, and ink that has far too few or too many points for its text, or
    leaps across the page: its label is wrong, mostly.
    """
    known, lines = set(CHARACTERS), []
    with Pool() as pool:
        offsets = pool.imap(_offsets_of, samples, chunksize=200)
        for number, (sample, made) in enumerate(zip(samples, offsets, strict=True), 1):
            per_character = len(made) / len(sample.text)
            leap = float(np.abs(made[1:, :2]).max(initial=0))
            low, high = USUAL_POINTS
            if known.issuperset(sample.text) and low <= per_character <= high and leap <= LONGEST_LEAP:
                lines.append(WrittenLine(sample.text, made))
            tick(number, len(samples))
    order = np.random.default_rng(0).permutation(len(lines))
    return [lines[index] for index in order]


def _offsets_of(sample: Sample) -> Offsets:
    return to_offsets(read_strokes(sample))


def save_lines(path: Path, lines: Sequence[WrittenLine]) -> None:
    """Write prepared lines as an .npz file: their offsets one after another, their lengths, and their texts."""
    buffer = BytesIO()
    np.savez_compressed(
        buffer,
        offsets=np.concatenate([line.offsets for line in lines]).astype(np.float16),
        lengths=[len(line.offsets) for line in lines],
        texts=[line.text for line in lines],
    )
    write_atomic(path, buffer.getvalue())


def load_lines(path: Path) -> list[WrittenLine]:
    """The lines that `save_lines` has written. Raises BadInput."""
    try:
        with np.load(path) as file:
            parts = np.split(file["offsets"].astype(np.float32), np.cumsum(file["lengths"])[:-1])
            return [WrittenLine(str(text), part) for text, part in zip(file["texts"], parts, strict=True)]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"no prepared lines ({error})", path=path, hint="prepare them again") from error


def train(
    lines: Sequence[WrittenLine],
    config: SynthesisConfig,
    training: SynthesisTraining,
    out: Path,
    device: torch.device,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Synthesizer:
    """Train on lines; continue from the checkpoint next to `out` if there is one. The lines may have changed.

    The model is written at each evaluation, too. Raises BadInput if there are too few lines, and TrainingFailed if the
    loss is not a number any more.
    """
    characters = CHARACTERS
    held_out, trained = lines[::HELD_OUT], [line for index, line in enumerate(lines) if index % HELD_OUT]
    if not trained:
        raise BadInput(f"{len(lines)} lines are too few to train on", hint="give more lines")
    torch.manual_seed(training.seed)
    network = SynthesisNetwork(config, len(characters) + 1).to(device)
    optimizer = torch.optim.Adam(network.parameters(), training.learning_rate, betas=(0.9, 0.98))
    checkpoint = out.with_suffix(".checkpoint")
    step, seconds = _resume(checkpoint, network, optimizer, characters)
    began, loss = time.monotonic() - seconds, math.nan
    while True:
        for batch_lines in batches_of(trained, training.points, np.random.default_rng([training.seed, step])):
            share = min((time.monotonic() - began) / (60 * training.minutes), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(share, training.schedule())
            now, norm = _step(Batch(batch_lines, characters, device), network, optimizer, training)
            loss = now if math.isnan(loss) else loss + SMOOTHING * (now - loss)
            step += 1
            if step % training.evaluate == 0 or share >= 1:
                average = mean_loss(network, held_out, characters, training, device)
                _save_checkpoint(checkpoint, network, optimizer, characters, step, time.monotonic() - began)
                synthesizer = Synthesizer(config, characters, _arrays(network))
                synthesizer.save(out)
                report(Progress(share, step, loss, average, norm))
                if share >= 1:
                    return synthesizer


def _step(
    batch: Batch, network: SynthesisNetwork, optimizer: torch.optim.Optimizer, training: SynthesisTraining
) -> tuple[float, float]:
    """One step of the training: the loss, and the norm of the gradient before clipping. Raises TrainingFailed."""
    loss = batch.loss(network)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = float(scale_gradient(list(network.parameters()), training.clip))
    if not math.isfinite(loss.item() + norm):
        lower = f"try --set learning_rate={training.learning_rate / 3:.1g}"
        raise TrainingFailed(f"the loss is {loss.item()}", hint=lower)
    optimizer.step()
    return loss.item(), norm


def mean_loss(
    network: SynthesisNetwork,
    lines: Sequence[WrittenLine],
    characters: str,
    training: SynthesisTraining,
    device: torch.device,
) -> float:
    """-log p per point of lines that are not trained on."""
    total = points = 0.0
    with torch.inference_mode():
        for batch_lines in batches_of(lines, training.points, np.random.default_rng(0)):
            batch = Batch(batch_lines, characters, device)
            count = float(batch.mask.sum())
            total += count * float(batch.loss(network))
            points += count
    return total / points


# ---- checkpoints


def _arrays(network: SynthesisNetwork) -> dict[str, NDArray[np.float32]]:
    return {name: weight.cpu().numpy() for name, weight in network.state_dict().items()}


def _save_checkpoint(
    path: Path, network: SynthesisNetwork, optimizer: torch.optim.Optimizer, characters: str, step: int, seconds: float
) -> None:
    """Write the weights and the moments of the optimizer, completely or not at all."""
    tensors = dict(network.state_dict())
    for name, parameter in network.named_parameters():
        moments = optimizer.state[parameter]
        tensors |= {f"first.{name}": moments["exp_avg"], f"second.{name}": moments["exp_avg_sq"]}
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(path, tensors, {"format": CHECKPOINT, "characters": characters, "step": step, "seconds": seconds})


def _resume(
    path: Path, network: SynthesisNetwork, optimizer: torch.optim.Optimizer, characters: str
) -> tuple[int, float]:
    """Load a checkpoint, if there is one: its step, and the seconds of training so far. Raises BadModel."""
    if not path.is_file():
        return 0, 0.0
    description, tensors = read_tensors(path)
    if (description.get("format"), description.get("characters")) != (CHECKPOINT, characters):
        raise BadModel("the checkpoint of another training", path=path, hint="delete it to start again")
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    for name, parameter in network.named_parameters():
        optimizer.state[parameter] = {
            "step": torch.tensor(float(description["step"])),
            "exp_avg": tensors[f"first.{name}"].to(parameter.device),
            "exp_avg_sq": tensors[f"second.{name}"].to(parameter.device),
        }
    return description["step"], description["seconds"]
