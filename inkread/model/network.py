"""Feature vectors -> learned column features -> a deep (bidirectional) RNN -> label scores a step.

    (B, T0, F) --front--> (B, T, D) --DeepRNN--> (B, T, H) --linear--> (B, T, C)

T = ceil(T0 / 4) for `conv` and `strokes` features, whose front is a few convolutions, and T = T0 otherwise.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inkread.config import NetworkConfig
from inkread.features.extract import feature_size
from inkread.model.rnn import GATES, DeepRNN


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs. torch's own is deprecated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return SumOverProcesses.forward(ctx, gradient)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) whose batch, in training, is that of all processes together.

    torch has the like for GPUs only; in one process this is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, C, H, W), every channel with mean 0 and variance 1, then scaled and shifted."""
        if not (self.training and dist.is_initialized()):
            return super().forward(x)
        wide = x.float()
        count = wide.new_full((1,), x.numel() / x.shape[1])
        own = torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), count])
        sums: Tensor = SumOverProcesses.apply(own)  # type: ignore[no-untyped-call]
        total = sums[-1]
        mean, square = (sums[:-1] / total).chunk(2)
        variance = square - mean.square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr,arg-type]
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)  # type: ignore[union-attr,arg-type]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(shift.to(x.dtype)[:, None, None], x, scale.to(x.dtype)[:, None, None])


class Block(nn.Module):
    """Convolution, maximum of neighbours, normalisation, ReLU; blank beyond each line's end, whatever the batch."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, pool: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: BatchNorm | nn.Identity = BatchNorm(outputs)
        self.pool = pool
        self.shrink = stride * pool[1]  # input columns an output column

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, H, W), mask (B, 1, 1, W // shrink) -> (B, C', H', W // shrink)."""
        x = self.convolution(x)
        if self.pool != (1, 1):  # before the normalisation, which then has less to do
            x = functional.max_pool2d(x, self.pool) if self.training else maxima(x, self.pool)
        # Without the mask the next convolution would read, beyond a line's end, what its longer neighbours left there.
        return functional.relu(self.norm(x).mul_(mask.to(x.dtype)), inplace=True)

    def fuse(self) -> None:
        """Fold the normalisation into the convolution, for reading."""
        norm = self.norm
        if isinstance(norm, BatchNorm) and (self.pool == (1, 1) or bool((norm.weight > 0).all())):  # else no maximum
            self.convolution = fuse_conv_bn_eval(self.convolution, norm)
            self.norm = nn.Identity()


def maxima(x: Tensor, pool: tuple[int, int]) -> Tensor:
    """max_pool2d of two rows, and two columns or one; five times as fast in bfloat16, but slow to learn through."""
    x = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(x[..., ::2], x[..., 1::2]) if pool == (2, 2) else x


class ConvFront(nn.Module):
    """Convolutions over the picture: 4 columns become one step, 16 rows one row, and the rows are laid end to end."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second, third, *rest = config.channels
        blocks = [
            Block(1, first, kernel=5, stride=2),
            Block(first, second, pool=(2, 2)),
            Block(second, third, pool=(2, 1)),
        ]
        inputs = third
        for index, outputs in enumerate(rest, start=1):
            blocks.append(Block(inputs, outputs, pool=(2, 1) if index == len(rest) else (1, 1)))
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.outputs = inputs * config.height // (16 if rest else 8)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, W, H) columns, lengths (B,) -> (T, B, outputs), steps (B,)."""
        steps = (lengths + 3) // 4
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % 4)).transpose(1, 2).unsqueeze(1)  # (B, 1, H, W)
        x = x.contiguous(memory_format=torch.channels_last)
        mask = torch.arange(x.shape[3]) < (4 * steps).unsqueeze(1)  # (B, W)
        for block in self.blocks:
            mask = mask[:, :: block.shrink]
            x = block(x, mask[:, None, None])
        return x.permute(3, 0, 1, 2).flatten(2), steps  # (T, B, C * H)


class PathFront(nn.Module):
    """Two convolutions along a pen's path, each from two points to one: four points become one step."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        first, second = config.channels
        self.first = nn.Conv1d(feature_size(config), first, 5, stride=2, padding=2)
        self.second = nn.Conv1d(first, second, 5, stride=2, padding=2)
        self.outputs = second

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T0, F) points, zero beyond each end, lengths (B,) -> (T, B, outputs), steps (B,)."""
        steps = (lengths + 3) // 4
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % 4)).transpose(1, 2)  # (B, F, T0)
        x = functional.relu(self.first(x))
        x = x * (torch.arange(x.shape[2]) < (2 * steps).unsqueeze(1)).unsqueeze(1).to(x.dtype)  # see Block
        return functional.relu(self.second(x)).permute(2, 0, 1), steps


class Network(nn.Module):
    """The recogniser: column features to the scores of `labels` labels (label 0 is the CTC blank) a step."""

    def __init__(self, config: NetworkConfig, labels: int) -> None:
        super().__init__()
        self.front: ConvFront | PathFront | None = None
        if config.features in ("conv", "strokes"):
            self.front = ConvFront(config) if config.features == "conv" else PathFront(config)
        inputs = self.front.outputs if self.front is not None else feature_size(config)
        self.rnn = DeepRNN(config, inputs)
        self.output = nn.Linear(self.rnn.outputs, labels)
        # A second reader of the columns alone, for training only: it tells the convolutions early what letters are
        # (Retsinas 2022).
        self.auxiliary = nn.Linear(inputs, labels) if self.front is not None else None

    def columns(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T0, F), lengths (B,) -> column features (T, B, D), steps (B,)."""
        return self.front(x, lengths) if self.front is not None else (x.transpose(0, 1), lengths)

    def scores(self, columns: Tensor, steps: Tensor, truncate: int = 0) -> Tensor:
        """Column features (T, B, D) -> log-probabilities (T, B, C) in float32."""
        hidden = self.rnn(columns, steps, truncate)
        return functional.log_softmax(self.output(hidden).float(), dim=2)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T0, F), lengths (B,) -> log-probabilities (T, B, C), steps (B,); beyond steps[b] they mean nothing."""
        columns, steps = self.columns(x, lengths)
        return self.scores(columns, steps), steps

    def for_reading(self) -> "Network":
        """This network made ready to read: no dropout, normalisations folded away. It can't be trained any more."""
        self.eval()
        for module in self.modules():
            if isinstance(module, Block):
                module.fuse()
        return self


def multiply_adds(config: NetworkConfig, labels: int, columns: int) -> int:
    """Multiply-adds of reading one line of so many columns, from the shapes alone; learning takes three times that."""
    steps = config.steps(columns)
    total, inputs = 0, feature_size(config)
    if config.features == "conv":
        rows, width, before = config.height // 2, columns // 2, 1
        for index, channels in enumerate(config.channels):
            total += rows * width * channels * before * (25 if index == 0 else 9)
            if index in (1, 2) or index == len(config.channels) - 1 > 2:
                rows //= 2
            if index == 1:
                width //= 2
            before = channels
        inputs = rows * before
    if config.features == "strokes":
        first, second = config.channels
        total, inputs = 5 * (columns // 2 * inputs * first + columns // 4 * first * second), second
    gates = GATES[config.cell]
    directions = 2 if config.bidirectional else 1
    for _ in range(config.layers):
        total += steps * directions * gates * config.hidden * (inputs + config.hidden)
        inputs = directions * config.hidden
    return total + steps * inputs * labels
