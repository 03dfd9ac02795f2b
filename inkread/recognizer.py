"""The whole reading path: picture -> preprocess -> features -> network -> decoder -> text and where it stands."""

import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkread.decoder import Label, align, greedy, prefix_beam
from inkread.features import extract
from inkread.language import Fusion, LanguageModel
from inkread.model_file import Model, load_model
from inkread.preprocess import Line, normalise

Grey = NDArray[np.uint8]
Decoder = Literal["greedy", "beam"]

LOOKAHEAD = 16  # batches of pictures looked at together, so that lines of one width share a batch


@dataclass(frozen=True)
class Character:
    """One character read, and where: its left and right in pixels of the picture."""

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True)
class Reading:
    """A line read. The confidence is the geometric mean of its characters'; 0 where nothing was read."""

    text: str
    confidence: float
    characters: tuple[Character, ...]


class Recognizer:
    """Reads pictures of lines with one model; with a language model beside it, always by the beam."""

    def __init__(self, model: Model, decoder: Decoder = "greedy", language: LanguageModel | None = None) -> None:
        self.model = model
        self.decoder = "beam" if language else decoder
        self.guide = Fusion(language, model.alphabet) if language else None
        self.network = model.network().for_reading()
        self.pool = ThreadPoolExecutor(os.cpu_count())

    @classmethod
    def load(cls, name: str, decoder: Decoder = "greedy", language: LanguageModel | None = None) -> "Recognizer":
        """The recogniser with the model of that name or path. Raises BadModel."""
        return cls(load_model(name), decoder, language)

    def read(self, picture: Grey) -> Reading:
        """Read the picture of one line: (H, W) uint8, 0 = black."""
        return next(self.read_many([picture]))

    def read_many(self, pictures: Iterable[Grey], batch: int = 16) -> Iterator[Reading]:
        """Read many pictures, of lines each; the readings come in the order of the pictures."""
        pictures = iter(pictures)
        while chunk := list(islice(pictures, batch * LOOKAHEAD)):
            lines = list(self.pool.map(self._normalise, chunk))
            order = sorted(range(len(lines)), key=lambda index: lines[index].pixels.shape[1])
            readings: dict[int, Reading] = {}
            for start in range(0, len(order), batch):
                members = order[start : start + batch]
                scores = self.scores([lines[index].pixels for index in members])
                for index, log_probs in zip(members, scores, strict=True):
                    readings[index] = self._decode(log_probs, lines[index], chunk[index].shape[1])
            yield from (readings[index] for index in range(len(chunk)))

    def scores(self, lines: list[Grey]) -> list[NDArray[np.float32]]:
        """Log-probabilities (T, C) of each normalised line (height, W)."""
        columns, lengths = pad([extract(pixels, self.model.config) for pixels in lines])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16()):
            log_probs, steps = self.network(columns, lengths)  # (T, B, C), (B,)
        return [log_probs[:length, index].numpy() for index, length in enumerate(steps.tolist())]

    def _normalise(self, picture: Grey) -> Line:
        return normalise(picture, self.model.config.height)

    def _bfloat16(self) -> bool:
        """Where the CPU multiplies bfloat16 itself, an LSTM behind convolutions reads twice as fast and the same."""
        return self.model.config.cell == "lstm" and torch.cpu._is_avx512_bf16_supported()

    def _decode(self, log_probs: NDArray[np.float32], line: Line, width: int) -> Reading:
        beam = self.decoder == "beam"
        labels = align(log_probs, prefix_beam(log_probs, guide=self.guide)[0][0]) if beam else greedy(log_probs)
        characters = tuple(self._character(label, line, width) for label in labels)
        logarithms = [math.log(max(character.confidence, 1e-9)) for character in characters]
        confidence = math.exp(sum(logarithms) / len(logarithms)) if logarithms else 0.0
        return Reading("".join(character.text for character in characters), confidence, characters)

    def _character(self, label: Label, line: Line, width: int) -> Character:
        """The character at a label; a normalised line has margins outside the picture, where no character ends."""
        step = self.model.config.step
        left, right = (column * step * line.scale + line.offset for column in (label.first, label.last + 1))
        return Character(
            self.model.alphabet.decode([label.label]),
            label.confidence,
            float(np.clip(left, 0, width)),
            float(np.clip(right, 0, width)),
        )


def pad(sequences: list[NDArray[np.float32]], to: int = 0) -> tuple[Tensor, Tensor]:
    """Feature sequences (T, F) -> one batch (B, longest T or `to`, F), zero beyond each end, and their lengths (B,)."""
    lengths = [len(sequence) for sequence in sequences]
    batch = np.zeros((len(sequences), max(*lengths, to), sequences[0].shape[1]), np.float32)
    for index, sequence in enumerate(sequences):
        batch[index, : len(sequence)] = sequence
    return torch.from_numpy(batch), torch.tensor(lengths)
