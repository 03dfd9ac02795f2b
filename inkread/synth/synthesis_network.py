"""The network that writes, in torch, for its training: Graves, "Generating sequences with recurrent neural networks"
(2013), section 5. Its inference without torch is in inkread.synth.synthesizer.

Shapes: T points, B lines, U characters with the end of the text, A characters in the alphabet, K Gaussians of the
window, M Gaussians of the mixture, H cells.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from inkread.model.rnn import make_cell
from inkread.synth.offsets import PEN_STATES
from inkread.synth.synthesizer import INPUTS, MAX_CORRELATION, MIN_LOG_DEVIATION, SynthesisConfig

POINTS_PER_CHARACTER = 9.0  # in UNIPEN: the window starts with the average speed, or it would have to find the text


@dataclass
class Mixture:
    """The prediction of the next offset: (..., M) each, and the log-probabilities of the pen's states (..., 3)."""

    log_weights: Tensor
    means: Tensor  # (..., M, 2)
    log_deviations: Tensor  # (..., M, 2)
    correlations: Tensor
    log_pen: Tensor

    def negative_log_density(self, offsets: Tensor) -> Tensor:
        """Offsets (..., 3) -> -log p (...): of a mixture of Gaussians and of the pen's state (Graves 2013, eq. 26)."""
        z = (offsets[..., None, :2] - self.means) * torch.exp(-self.log_deviations)  # (..., M, 2)
        rest = 1 - self.correlations**2
        distance = (z.square().sum(-1) - 2 * self.correlations * z.prod(-1)) / rest
        log_normal = -math.log(2 * math.pi) - self.log_deviations.sum(-1) - 0.5 * (rest.log() + distance)
        log_density = torch.logsumexp(self.log_weights + log_normal, dim=-1)
        log_pen = self.log_pen.expand(*offsets.shape[:-1], PEN_STATES)
        pen = log_pen.gather(-1, offsets[..., 2:].long())[..., 0]
        return -log_density - pen


def split_outputs(outputs: Tensor) -> Mixture:
    """The outputs of the network (..., 3 + 6M) as a mixture (Graves 2013, eq. 18 to 22)."""
    outputs = outputs.float()
    pen, rest = outputs[..., :PEN_STATES], outputs[..., PEN_STATES:]
    weights, x, y, deviation_x, deviation_y, correlations = rest.chunk(6, dim=-1)  # (..., M) each
    return Mixture(
        functional.log_softmax(weights, dim=-1),
        torch.stack([x, y], dim=-1),
        torch.stack([deviation_x, deviation_y], dim=-1).clamp(min=MIN_LOG_DEVIATION),
        MAX_CORRELATION * torch.tanh(correlations),
        functional.log_softmax(pen, dim=-1),
    )


class SynthesisNetwork(nn.Module):
    """Points before, and the text -> the mixture for the next point.

    The first layer moves a window over the text, which is an input to all layers; each layer also has the point, and
    the layer below it.
    """

    def __init__(self, config: SynthesisConfig, characters: int) -> None:
        super().__init__()
        cells = config.network()
        self.characters = characters
        self.first = make_cell(cells, INPUTS + characters)
        self.window = nn.Linear(config.hidden, 3 * config.gaussians)
        self.later = nn.ModuleList(
            make_cell(cells, INPUTS + characters + config.hidden) for _ in range(config.layers - 1)
        )
        self.output = nn.Linear(config.layers * config.hidden, PEN_STATES + 6 * config.mixtures)
        with torch.no_grad():
            weight, width, speed = self.window.bias.view(3, config.gaussians)
            weight.fill_(-math.log(config.gaussians))
            width.zero_()
            speed.fill_(-math.log(POINTS_PER_CHARACTER))

    def forward(self, points: Tensor, text: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """points (T, B, INPUTS), text (B, U) -> outputs (T, B, O), the next state.

        The text is the codes of the characters, and A, the number of characters, in all places after its end.
        """
        batch, places = points.shape[1], torch.arange(text.shape[1], device=text.device, dtype=torch.float32)
        if state is None:
            size = self.window.out_features // 3
            window = points.new_zeros(batch, self.characters)
            state = (None, window, points.new_zeros(batch, size), [None] * len(self.later))
        cell, window, position, later = state
        lowest, windows = [], []
        for point in points.unbind(0):
            hidden, cell = self.first(torch.cat([point, window], dim=1).unsqueeze(0), cell)
            window, position = self.read(hidden[0], text, position, places)
            lowest.append(hidden[0])
            windows.append(window)
        read = torch.cat([points, torch.stack(windows)], dim=2)  # (T, B, INPUTS + A)
        levels, after = [torch.stack(lowest)], []
        for layer, layer_state in zip(self.later, later, strict=True):
            hidden, layer_state = layer(torch.cat([read, levels[-1]], dim=2), layer_state)  # (T, B, H)
            levels.append(hidden)
            after.append(layer_state)
        return self.output(torch.cat(levels, dim=2)), (cell, window, position, after)

    def read(self, hidden: Tensor, text: Tensor, position: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """The window over the text (B, A) and its next position (B, K), from the first layer (B, H) (eq. 46 to 51)."""
        weight, width, speed = self.window(hidden).float().exp().chunk(3, dim=1)  # (B, K) each
        position = position + speed
        distance = position.unsqueeze(2) - places  # (B, K, U)
        share = (weight.unsqueeze(2) * torch.exp(-width.unsqueeze(2) * distance**2)).sum(1)  # (B, U)
        # The sum of the one-hot vectors of all places, each times its share. The last column is for the padding.
        window = share.new_zeros(len(text), self.characters + 1).scatter_add(1, text, share)
        return window[:, :-1], position
