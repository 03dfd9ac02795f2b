"""The network of the recogniser: feature vectors -> convolutions -> deep bidirectional RNN -> log-probabilities.

    (B, T0, F) --front--> (T, B, D) --DeepRNN--> (T, B, H) --linear, log softmax--> (T, B, C)

B lines, T0 feature vectors of length F, T steps, D learned features, H outputs of the RNN, C labels.
T = ceil(T0 / 4) for `conv` and `strokes` features, whose front is a few convolutions, and T = T0 otherwise.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inkread.config import NetworkConfig
from inkread.features.extract import feature_size
from inkread.model.rnn import DeepRNN
from inkread.model.shapes import front_outputs, pools


def pad(sequences: Sequence[NDArray[np.float32]], to: int = 0) -> tuple[Tensor, Tensor]:
    """Feature sequences (T0, F) -> one batch (B, longest T0 or `to`, F), padded with zeros, and their lengths (B,)."""
    lengths = [len(sequence) for sequence in sequences]
    batch = np.zeros((len(sequences), max(*lengths, to), sequences[0].shape[1]), np.float32)
    for index, sequence in enumerate(sequences):
        batch[index, : len(sequence)] = sequence
    return torch.from_numpy(batch), torch.tensor(lengths)


class NormalizeRelu(torch.autograd.Function):
    """Batch normalisation over the batch of all data-parallel ranks, ReLU, and zeros beyond the end of each line.

    y = mask * max(0, weight * (x - mean) / sqrt(variance + eps) + bias), with the mean and variance of each channel.
    The gradients are those of Ioffe and Szegedy (2015), page 4. With torch's fused kernels, this is faster than
    automatic differentiation of the formula.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mask: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x (B, C, H, W), mask (B, 1, 1, W), weight and bias (C,) -> y like x, mean and variance (C,), count ()."""
        # The kernel computes in the precision of the running statistics that it is given, and momentum 0 keeps them.
        mean, variance = torch.batch_norm_update_stats(x, torch.zeros_like(bias), torch.ones_like(bias), 0.0)
        count = mean.new_full((), x.numel() / x.shape[1])
        if dist.is_initialized():
            sums = torch.cat([mean * count, (variance + mean.square()) * count, count.view(1)])
            dist.all_reduce(sums)
            count = sums[-1]
            mean, square = (sums[:-1] / count).chunk(2)
            variance = square - mean.square()
        y = functional.batch_norm(x, mean, variance, weight, bias, eps=eps).mul_(mask).relu_()
        ctx.save_for_backward(x, y, weight, mean, (variance + eps).rsqrt(), count)
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *unused: Any) -> tuple[Tensor | None, ...]:
        x, y, weight, mean, scale, count = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)  # also 0 where the mask is
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, None, None, mean, scale, True, 0.0, [False, True, True]
        )
        sums = torch.cat([of_weight, of_bias])
        if dist.is_initialized():
            dist.all_reduce(sums)
        all_weight, all_bias = (sums / count).chunk(2)
        # weight * scale * (gradient - all_bias - all_weight * (x - mean) * scale), as (a x + b) + c gradient
        factor = weight * scale
        a = -factor * scale * all_weight
        b = -factor * all_bias - a * mean
        of_x = functional.batch_norm(x, torch.zeros_like(a), torch.ones_like(a), a, b, eps=0.0)
        of_x.addcmul_(gradient, factor.to(x.dtype)[:, None, None])
        return of_x, None, of_weight, of_bias, None


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015), ReLU, and zeros beyond the end of each line.

    In training with several ranks it uses the batch of all ranks. torch has such a layer only for GPUs.
    """

    def masked_relu(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, H, W), mask (B, 1, 1, W) of the same type -> (B, C, H, W)."""
        if not self.training or (x.device.type != "cpu" and not dist.is_initialized()):
            return functional.relu(self(x).mul_(mask), inplace=True)
        y: Tensor
        y, mean, variance, count = NormalizeRelu.apply(x, mask, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr,arg-type]
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)  # type: ignore[union-attr,arg-type]
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        return y


class Block(nn.Module):
    """Convolution, max pooling, batch normalisation and ReLU; zero beyond the end of each line."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: BatchNorm | nn.Identity = BatchNorm(outputs)
        self.pool = pool
        self.shrink = stride * pool[1]  # input columns per output column

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, H, W), mask (B, 1, 1, W // shrink) -> (B, C', H', W // shrink)."""
        x = self.convolution(x)
        if self.pool != (1, 1):  # before the normalisation, which is then faster
            x = functional.max_pool2d(x, self.pool) if self.training else maxima(x, self.pool)
        # The mask makes a line independent of its batch: the next convolution reads zeros beyond the end of the line,
        # as if the line were alone, and not the values that result from padding it to the longest line.
        mask = mask.to(x.dtype)
        if isinstance(self.norm, BatchNorm):
            return self.norm.masked_relu(x, mask)
        return functional.relu(x.mul_(mask), inplace=True)

    def fuse(self) -> None:
        """Fold the normalisation into the convolution, which makes inference faster."""
        norm = self.norm
        # Pooling comes between them. A maximum stays the same maximum only under a positive scale.
        if isinstance(norm, BatchNorm) and (self.pool == (1, 1) or bool((norm.weight > 0).all())):
            self.convolution = fuse_conv_bn_eval(self.convolution, norm)
            self.norm = nn.Identity()


def maxima(x: Tensor, pool: tuple[int, int]) -> Tensor:
    """max_pool2d for pools (2, 2) and (2, 1). Five times as fast in bfloat16, but its gradient is slow.

    x (B, C, H, W) -> (B, C, H // 2, W // pool[1])
    """
    x = torch.maximum(x[:, :, ::2], x[:, :, 1::2])  # (B, C, H // 2, W)
    return torch.maximum(x[..., ::2], x[..., 1::2]) if pool == (2, 2) else x


class ConvFront(nn.Module):
    """Convolutions over the image: 4 columns become one step, 16 rows become one; then the rows are concatenated."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.outputs = front_outputs(config)
        self.blocks = nn.ModuleList()
        inputs = 1
        for index, (outputs, pool) in enumerate(zip(config.channels, pools(config), strict=True)):
            kernel, stride = (5, 2) if index == 0 else (3, 1)
            self.blocks.append(Block(inputs, outputs, kernel, stride, pool))
            inputs = outputs

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, W, H) columns, lengths (B,) -> (T, B, outputs), steps (B,)."""
        steps = (lengths + 3) // 4
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % 4)).transpose(1, 2).unsqueeze(1)  # (B, 1, H, W)
        x = x.contiguous(memory_format=torch.channels_last)
        mask = torch.arange(x.shape[3], device=x.device) < (4 * steps).to(x.device).unsqueeze(1)  # (B, W)
        for block in self.blocks:
            mask = mask[:, :: block.shrink]
            x = block(x, mask[:, None, None])
            # (B, C, H, W), with fewer rows and columns after each block
        return x.permute(3, 0, 1, 2).flatten(2), steps  # (T, B, C * H)


class PathFront(nn.Module):
    """Two convolutions along the path of the pen. Each halves the number of points, so four points become one step."""

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
        x = functional.relu(self.first(x))  # (B, first, 2T)
        mask = torch.arange(x.shape[2], device=x.device) < (2 * steps).to(x.device).unsqueeze(1)  # (B, 2T), see Block
        x = x * mask.unsqueeze(1).to(x.dtype)
        return functional.relu(self.second(x)).permute(2, 0, 1), steps  # (T, B, second)


class Network(nn.Module):
    """Feature vectors -> log-probabilities of `labels` labels per step. Label 0 is the CTC blank."""

    def __init__(self, config: NetworkConfig, labels: int) -> None:
        super().__init__()
        self.front: ConvFront | PathFront | None = None
        if config.features in ("conv", "strokes"):
            self.front = ConvFront(config) if config.features == "conv" else PathFront(config)
        inputs = self.front.outputs if self.front is not None else feature_size(config)
        self.rnn = DeepRNN(config, inputs)
        self.output = nn.Linear(self.rnn.outputs, labels)
        # The auxiliary CTC head reads the output of the front alone. It is used in training only, where it gives the
        # convolutions a direct gradient (Retsinas 2022).
        self.auxiliary = nn.Linear(inputs, labels) if self.front is not None else None

    def columns(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T0, F), lengths (B,) -> learned features (T, B, D), steps (B,). The lengths, and so the steps, may stay
        on the CPU, where CTC needs them.
        """
        return self.front(x, lengths) if self.front is not None else (x.transpose(0, 1), lengths)

    def scores(self, columns: Tensor, steps: Tensor, truncate: int = 0) -> Tensor:
        """Learned features (T, B, D), steps (B,) -> log-probabilities (T, B, C) in float32."""
        hidden = self.rnn(columns, steps, truncate)  # (T, B, H)
        return functional.log_softmax(self.output(hidden).float(), dim=2)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T0, F), lengths (B,) -> log-probabilities (T, B, C), steps (B,). Only the first steps[b] are valid."""
        columns, steps = self.columns(x, lengths)
        return self.scores(columns, steps), steps

    def for_reading(self) -> "Network":
        """This network prepared for inference: no dropout, normalisations folded. It cannot be trained any more."""
        self.eval()
        for module in self.modules():
            if isinstance(module, Block):
                module.fuse()
        return self
