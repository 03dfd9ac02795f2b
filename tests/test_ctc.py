"""What the training loop computes: the CTC loss against every path, the scaled gradient, the rate, the batches."""

import math
from collections import Counter
from itertools import groupby, product

import numpy as np
import pytest
import torch
from torch.nn import functional

from inkread.config import TrainingConfig
from inkread.training.batches import make_batches
from inkread.training.loop import learning_rate_at, scale_gradient
from inkread.training.losses import MASKED, MASKED_RUN, consistency_loss, ctc_loss, time_mask

CASES = [(4, 3, [1, 2]), (4, 3, [1, 1]), (3, 4, [3]), (3, 3, []), (5, 3, [2, 1, 2]), (5, 3, [1, 1, 1]), (1, 2, [1])]


def random_log_probs(steps: int, batch: int, classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(steps + classes)
    return torch.randn(steps, batch, classes, dtype=torch.float64, generator=generator).log_softmax(2)


def probability_by_all_paths(log_probs: np.ndarray, labels: list[int]) -> float:
    """The definition: paths (T labels) that give `labels` when repeats are merged, then blanks (0) dropped."""
    steps, classes = log_probs.shape
    paths = product(range(classes), repeat=steps)
    spelling = (path for path in paths if [label for label, _ in groupby(path) if label] == labels)
    return sum(math.exp(sum(log_probs[step, label] for step, label in enumerate(path))) for path in spelling)


@pytest.mark.parametrize(("steps", "classes", "labels"), CASES)
def test_ctc_is_the_sum_over_all_paths(steps: int, classes: int, labels: list[int]) -> None:
    log_probs = random_log_probs(steps, 1, classes)
    expected = -math.log(probability_by_all_paths(log_probs[:, 0].numpy(), labels))
    assert ctc_loss(log_probs, torch.tensor([steps]), [labels]).item() == pytest.approx(expected, rel=1e-10)


def test_ctc_of_a_batch_is_the_sum_of_its_lines_without_padding() -> None:
    log_probs, steps = random_log_probs(6, 3, 4), torch.tensor([6, 3, 5])
    labels = [[1, 2, 3], [1], [2, 2]]
    alone = [ctc_loss(log_probs[:n, i : i + 1], torch.tensor([n]), [labels[i]]) for i, n in enumerate(steps.tolist())]
    assert ctc_loss(log_probs, steps, labels).item() == pytest.approx(sum(loss.item() for loss in alone), rel=1e-12)
    theirs = functional.ctc_loss(
        log_probs, torch.tensor([[1, 2, 3], [1, 0, 0], [2, 2, 0]]), steps, torch.tensor([3, 1, 2]), reduction="none"
    )
    torch.testing.assert_close(torch.stack(alone), theirs)


def test_ctc_gradient_is_that_of_finite_differences() -> None:
    scores = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda scores: ctc_loss(scores.log_softmax(2), torch.tensor([5, 4]), [[1, 1], [2]]), (scores,)
    )


def test_ctc_of_a_text_too_long_for_its_steps_is_zero() -> None:
    log_probs = random_log_probs(2, 1, 3).requires_grad_()
    loss = ctc_loss(log_probs, torch.tensor([2]), [[1, 1]])  # needs a blank between: 3 steps
    loss.backward()
    assert loss.item() == 0 and log_probs.grad is not None and not log_probs.grad.any()


def test_consistency_loss_is_the_mean_of_both_divergences() -> None:
    first, second = random_log_probs(5, 2, 4), random_log_probs(5, 3, 4)[:, 1:]
    expected = 0.0
    for line, end in enumerate((5, 3)):
        for p, q in zip(first[:end, line].exp().tolist(), second[:end, line].exp().tolist(), strict=True):
            expected += sum((a - b) * math.log(a / b) / 2 for a, b in zip(p, q, strict=True))  # KL(p|q) + KL(q|p)
    both, steps = torch.cat([first, second], dim=1), torch.tensor([5, 3])
    assert consistency_loss(both, steps).item() == pytest.approx(expected, rel=1e-10)
    assert consistency_loss(torch.cat([first, first], dim=1), steps).item() == pytest.approx(0, abs=1e-12)


def test_the_consistency_loss_brings_copies_closer() -> None:
    scores = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    steps = torch.tensor([5])
    before = consistency_loss(scores.log_softmax(2), steps)
    before.backward()
    assert scores.grad is not None and not torch.equal(scores.grad[:, 0], scores.grad[:, 1])
    with torch.no_grad():
        assert consistency_loss((scores - 0.1 * scores.grad).log_softmax(2), steps) < before


def test_the_time_mask_covers_a_share_of_each_line_in_runs() -> None:
    torch.manual_seed(0)
    seen = time_mask(torch.ones(1003, 50, 2))
    assert seen.shape == (1003, 50, 2) and torch.equal(seen[..., 0], seen[..., 1])
    hidden = seen[..., 0] == 0
    assert hidden.float().mean().item() == pytest.approx(MASKED, abs=0.01)
    runs = [len(list(run)) for of, run in groupby(hidden[8:-8, 0].tolist()) if of]
    assert runs[1:-1] and all(run % MASKED_RUN == 0 for run in runs[1:-1])


@pytest.mark.parametrize(("limit", "expected"), [(5, 5), (13, 13), (20, 13), (0, 13)])
def test_gradient_is_scaled_to_the_limit(limit: float, expected: float) -> None:
    parameters = [
        torch.nn.Parameter(torch.zeros(2)),
        torch.nn.Parameter(torch.zeros(1)),
        torch.nn.Parameter(torch.zeros(3)),
    ]
    parameters[0].grad, parameters[1].grad = (
        torch.tensor([3.0, -4.0]),
        torch.tensor([12.0]),
    )  # |g| = 13; the last has none
    assert scale_gradient([*parameters], limit).item() == pytest.approx(13)
    torch.testing.assert_close(parameters[0].grad, torch.tensor([3.0, -4.0]) * expected / 13)
    torch.testing.assert_close(parameters[1].grad, torch.tensor([12.0]) * expected / 13)


def test_learning_rate_rises_then_falls_as_a_cosine() -> None:
    config = TrainingConfig(learning_rate=0.8, warmup=0.2)
    assert learning_rate_at(0.1, config) == pytest.approx(0.4)
    assert learning_rate_at(0.2, config) == pytest.approx(0.8)
    assert learning_rate_at(0.6, config) == pytest.approx(0.4)  # half way down
    assert learning_rate_at(1.0, config) == pytest.approx(0.0)
    assert 0 < learning_rate_at(0.0, config) < 0.1  # the first step learns something
    falling = [learning_rate_at(share, config) for share in np.linspace(0.2, 1, 20)]
    assert falling == sorted(falling, reverse=True)
    assert learning_rate_at(0.0, TrainingConfig(learning_rate=0.8, warmup=0.0)) == pytest.approx(0.8)


@pytest.mark.parametrize(("lines", "batch"), [(1, 16), (7, 16), (16, 16), (17, 16), (1000, 16), (1003, 7), (5, 1)])
def test_batches_hold_every_line_of_an_epoch(lines: int, batch: int) -> None:
    widths = np.random.default_rng(0).integers(50, 2000, lines)
    batches = make_batches(widths, batch, seed=1, epoch=3)
    count = Counter(index for members in batches for index in members.tolist())
    assert set(count) == set(range(lines)) and len(batches) == -(-lines // batch)
    assert all(len(members) == min(batch, lines) for members in batches)
    assert sum(count.values()) - lines < batch and max(count.values()) <= 2  # only the last batch is filled up


def test_batches_depend_on_seed_and_epoch_alone_and_hold_lines_of_one_width() -> None:
    widths = np.random.default_rng(0).integers(50, 2000, 3000)

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        return [members.tolist() for members in make_batches(widths, 10, seed, epoch)]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1) and drawn(0, 0) != drawn(1, 0)
    padding = 1 - widths.sum() / sum(len(members) * widths[members].max() for members in drawn(0, 0))
    assert padding < 0.1
