"""Train a recurrent language model by truncated backpropagation through time."""

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from inkread.errors import BadInput, TrainingFailed
from inkread.model.rnnlm import RecurrentModel, RecurrentNetwork, RnnConfig, detach
from inkread.model.tokenizer import Tokenizer
from inkread.train.loop import learning_rate_at, scale_gradient


def train(
    lines: Sequence[str], config: RnnConfig, report: Callable[[float, float], None] = lambda share, bits: None
) -> RecurrentModel:
    """Learn lines of text, all of them one after another; report(share done, bits a token) is called at each step.

    The text is read at `batch` places at once. A state is carried over from one stretch of `truncate` tokens to the
    next, but no gradient goes back further than its stretch (Williams and Peng 1990).
    Raises BadInput when there is too little text, TrainingFailed when the loss is no number any more.
    """
    tokenizer = Tokenizer.of(lines, config.pieces)
    stream = torch.tensor([0, *(token for line in lines for token in tokenizer.encode(line))])
    rows = (len(stream) - 1) // config.batch
    if rows < 2:
        raise BadInput(f"{len(stream)} tokens are too few to learn a language from; give more text")
    before, after = (stream[shift : shift + rows * config.batch].view(config.batch, rows).t() for shift in (0, 1))

    torch.manual_seed(config.seed)
    network = RecurrentNetwork(config, len(tokenizer.tokens))
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, betas=(0.9, 0.98), fused=True)
    began, step, share, bits = time.monotonic(), 0, 0.0, math.log2(len(tokenizer.tokens))
    steps = config.epochs * -(-rows // config.truncate)
    while share < 1:
        states = None
        stretches = zip(torch.split(before, config.truncate), torch.split(after, config.truncate), strict=True)
        for inputs, targets in stretches:  # (k, B)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(share, config.training())
            log_p, states = network(inputs, states)
            states = [detach(state) for state in states]
            loss = functional.nll_loss(log_p.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm, _ = scale_gradient(list(network.parameters()), config.clip)
            if not math.isfinite(loss.item() + norm):
                less = config.learning_rate / 3
                raise TrainingFailed(f"the loss is {loss.item()}; try --set learning_rate={less:.1g}")
            optimizer.step()
            bits += 0.02 * (loss.item() / math.log(2) - bits)
            step += 1
            share = min(1.0, step / steps if steps else (time.monotonic() - began) / (60 * config.minutes))
            report(share, bits)
            if share == 1:
                break
    return RecurrentModel(config, tokenizer, network)
