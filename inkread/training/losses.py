"""The losses of a training, and the time mask of its inputs."""

from collections.abc import Sequence

import torch
from numpy import int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inkread.alphabet import BLANK

# Both were chosen without a search; training with them is described in experiments/LOG.md ("lines shown twice").
MASKED = 0.1  # share of the steps that are masked
MASKED_RUN = 4  # steps that are masked together, about as many as a character has


def ctc_loss(log_probs: Tensor, steps: Tensor, labels: Sequence[list[int]]) -> Tensor:
    """The sum over a batch of -log p(labels), by CTC (Graves et al. 2006).

    log_probs (T, B, C); steps (B,), the valid steps of each line, on the CPU, or a GPU would have to wait for them;
    labels, those of each line.
    """
    targets = torch.tensor([label for line in labels for label in line])
    lengths = torch.tensor([len(line) for line in labels])
    if log_probs.device.type == "mps":  # has no CTC
        log_probs = log_probs.cpu()
    targets = targets.to(log_probs.device, non_blocking=True)
    return functional.ctc_loss(log_probs, targets, steps, lengths, BLANK, reduction="sum", zero_infinity=True)


def frames_loss(log_probs: Tensor, frames: Sequence[NDArray[int64] | None]) -> Tensor:
    """The sum over a batch of the cross-entropy at every step, for lines with a label for each step.

    log_probs (T, B, C); frames, the labels (steps,) of each line.
    """
    loss = log_probs.new_zeros(())
    for column, labels in enumerate(frames):
        if labels is not None:
            own = log_probs[: len(labels), column]  # (steps, C)
            targets = torch.from_numpy(labels).to(own.device)
            loss = loss + functional.nll_loss(own, targets, reduction="sum")
    return loss


def consistency_loss(log_probs: Tensor, steps: Tensor) -> Tensor:
    """How much the outputs for two copies of each line differ (Yao et al. 2025, "CR-CTC: Consistency regularization
    on CTC"), summed over steps and lines.

    log_probs (T, 2 B, C), first all lines, then their copies; steps (B,). At each step it is
    (D(p' || p) + D(p || p')) / 2 with the Kullback-Leibler divergence D, whose first argument has no gradient.
    """
    first, second = log_probs.chunk(2, dim=1)  # (T, B, C) each
    valid = torch.arange(len(first), device=first.device).unsqueeze(1) < steps.to(first.device)  # (T, B)
    divergence = functional.kl_div(first, second.detach(), reduction="none", log_target=True)
    divergence = divergence + functional.kl_div(second, first.detach(), reduction="none", log_target=True)
    return (divergence.sum(dim=2) * valid).sum() / 2


def time_mask(x: Tensor) -> Tensor:
    """x (T, B, D) with a share MASKED of the steps of each line set to 0, in runs of MASKED_RUN steps
    (SpecAugment: Park et al. 2019).
    """
    kept = torch.rand(len(x) // MASKED_RUN + 2, x.shape[1], 1, device=x.device) >= MASKED  # (runs, B, 1)
    start = int(torch.randint(MASKED_RUN, ()))  # runs begin at any step
    kept = kept.repeat_interleave(MASKED_RUN, 0)[start : start + len(x)]  # (T, B, 1)
    return x * kept.to(x.dtype)
