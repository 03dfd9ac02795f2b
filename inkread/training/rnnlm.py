"""Train a recurrent language model by truncated backpropagation through time."""

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from inkread.errors import BadInput, TrainingFailed
from inkread.model.rnnlm import RecurrentModel, RecurrentNetwork, RnnConfig, detach
from inkread.model.tokenizer import Tokenizer
from inkread.training.loop import learning_rate_at, scale_gradient

SMOOTHING = 0.02  # weight of the last step in the moving average that is reported


def train(
    lines: Sequence[str], config: RnnConfig, report: Callable[[float, float], None] = lambda share, bits: None
) -> RecurrentModel:
    """Train on lines of text, one after another; report(share done, bits per token) is called at each step.

    The text is divided into `batch` rows, which are read in parallel in segments of `truncate` tokens. The state is
    passed from one segment to the next, but the gradient is not (Williams and Peng 1990).
    Raises BadInput if there is too little text, and TrainingFailed if the loss is not a number any more.
    """
    tokenizer = Tokenizer.of(lines, config.pieces)
    stream = torch.tensor([0, *(token for line in lines for token in tokenizer.encode(line))])
    rows = (len(stream) - 1) // config.batch
    if rows < 2:
        raise BadInput(f"{len(stream)} tokens are too few to train on", hint="give more text")
    # Inputs and targets, which are one token further on: (rows, B).
    before, after = (stream[shift : shift + rows * config.batch].view(config.batch, rows).t() for shift in (0, 1))

    torch.manual_seed(config.seed)
    network = RecurrentNetwork(config, len(tokenizer.tokens))
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, betas=(0.9, 0.98), fused=True)
    began, step, share, bits = time.monotonic(), 0, 0.0, math.log2(len(tokenizer.tokens))
    steps = config.epochs * -(-rows // config.truncate)
    while share < 1:
        states = None
        segments = zip(torch.split(before, config.truncate), torch.split(after, config.truncate), strict=True)
        for inputs, targets in segments:  # (k, B)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(share, config.training())
            log_p, states = network(inputs, states)
            states = [detach(state) for state in states]
            loss = functional.nll_loss(log_p.flatten(0, 1), targets.flatten())  # (k B, C), (k B,)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = scale_gradient(list(network.parameters()), config.clip)
            if not math.isfinite(loss.item() + norm.item()):
                lower = f"try --set learning_rate={config.learning_rate / 3:.1g}"
                raise TrainingFailed(f"the loss is {loss.item()}", hint=lower)
            optimizer.step()
            bits += SMOOTHING * (loss.item() / math.log(2) - bits)
            step += 1
            share = min(1.0, step / steps if steps else (time.monotonic() - began) / (60 * config.minutes))
            report(share, bits)
            if share == 1:
                break
    return RecurrentModel(config, tokenizer, network)
