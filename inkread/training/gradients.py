"""How gradients vanish and explode: the gradient of the loss of one step with respect to all earlier hidden states.

In an Elman layer, the gradient at step t < T is that at step T times T - t matrices diag(θ'(z)) W_h. So it is at most
(|θ'| |W_h|) ** (T - t) times as large, with the largest slope |θ'| of the activation and the largest singular value
|W_h| of the matrix: it vanishes if this product is less than 1, and explodes only if it is more (Pascanu et al. 2013).

All is computed in float64, as float32 has no gradients below 1e-38.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inkread.alphabet import Alphabet, steps_needed
from inkread.config import PRESETS, Activation, NetworkConfig
from inkread.data import Sample
from inkread.data.samples import read_line_input
from inkread.errors import BadDataset, BadInput
from inkread.features.extract import Features, columns_of, extract
from inkread.model.checkpoint import Model, load_model
from inkread.model.network import Network, pad
from inkread.model.rnn import Elman, Layer, reverse_each
from inkread.plot import BOTTOM, TOP, Axis, Curve, Plot, figure, plot_curves, plot_heat_map
from inkread.training.losses import ctc_loss
from inkread.training.preparation import normalize_of

logger = logging.getLogger("inkread")

LINES = 8  # lines of the dataset that are measured; the median is shown
REACH = 50  # steps before and after T that are shown
# The largest slope of an activation if it is not 1. That of GELU, Φ(z) + z φ(z), is at z = √2; that of PReLU is learnt.
STEEPEST = {nn.Sigmoid: 0.25, nn.GELU: (1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi)}
WIDTH, HEIGHT = 330, 230  # of a plot
NORMS = Axis("|∂l_T/∂h_t|, relative", log=True, low=1e-8, high=1e4)
COLOURS = Axis("|∂l_T/∂h_t|", log=True, low=1e-6, high=1e1)
OFFSETS = Axis("t − T", low=-REACH, high=REACH)
ARROWS = ("→", "←")  # the directions of a layer

Norms = NDArray[np.float64]
State = tuple[Tensor, ...]  # (h_t,), or (h_t, c_t) of an LSTM, each (1, B, H)


@dataclass(frozen=True)
class Flow:
    """The gradients in one network.

    norms (layers, directions, 2 REACH + 1): |dl_T/dh_t| for t - T from -REACH to REACH, relative to that at T in the
        last layer, and in the same direction. NaN where no line has a step.
    bound: |θ'| |W_h| of the last layer in each direction; empty if the cells have gates.
    """

    name: str
    trained: bool
    norms: Norms
    bound: tuple[float, ...]

    def describe(self) -> str:
        """One line: how fast the gradient vanishes in the last layer, going back from step T."""
        back = self.norms[-1, 0, REACH::-1]  # t = T, T - 1, ...
        back = back[np.isfinite(back)]
        small = np.flatnonzero(back < 0.01)
        if not len(back):
            reach = "no gradient"
        else:
            reach = f"below 1 % after {small[0]} steps" if len(small) else f"{back[-1]:.2g} after {len(back) - 1} steps"
        bound = f"|θ'| |W_h| = {self.bound[0]:.3g}" if self.bound else "no such bound"
        return f"{self.name}\t{'after' if self.trained else 'before'} training\t{reach}\t{bound}"


def record_states(
    network: Network, x: Tensor, steps: Tensor, truncate: int = 0
) -> tuple[Tensor, list[list[list[State]]]]:
    """The network above its front, with every hidden state as a node of the graph.

    x (T, B, D), steps (B,) -> log-probabilities (T, B, C), and the state for each layer, direction and step. The steps
    of the second direction are counted from the end of each line. There is no dropout.
    """
    states = []
    for layer in cast("list[Layer]", network.rnn.layers):
        forward, own = _record_cell(layer.forwards, x, truncate)
        states.append([own])
        if layer.backwards is None:
            x = forward
            continue
        backward, own = _record_cell(layer.backwards, reverse_each(x, steps), truncate)
        states[-1].append(own)
        x = torch.cat([forward, reverse_each(backward, steps)], dim=2)
    return functional.log_softmax(network.output(x), dim=2), states


def _record_cell(cell: nn.Module, x: Tensor, truncate: int) -> tuple[Tensor, list[State]]:
    """The outputs (T, B, H) of a cell, and its states. Truncation cuts the graph as `run_truncated` does."""
    states: list[State] = []
    for t, x_t in enumerate(torch.split(x, 1)):  # (1, B, F)
        before = states[-1] if states else None
        if before and truncate and t % truncate == 0:
            before = tuple(part.detach() for part in before)
        state = cell(x_t, before if before is None or isinstance(cell, nn.LSTM) else before[0])[1]
        states.append(state if isinstance(state, tuple) else (state,))
    return torch.cat([state[0] for state in states]), states


def gradient_norms(
    network: Network, x: Tensor, steps: Tensor, labels: Sequence[list[int]], truncate: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """|dl_T/dh_t| (layers, directions, T, B) for lines x (T, B, D) of so many steps (B,), and the step T of each line.

    The loss of one step is its part of the CTC loss, Σ_k γ_T(k) (-log p_T(k)), where γ_T(k) is the probability that the
    alignment to the text has label k at step T. The gradients of all these parts add up to that of CTC (Graves 2006).
    For an LSTM, the norm is that of the gradient with respect to h_t and c_t together.
    """
    log_probs, states = record_states(network, x, steps, truncate)
    # What CTC passes on to the scores before the softmax: p_t - γ_t at each step.
    (errors,) = torch.autograd.grad(ctc_loss(log_probs, steps, labels), log_probs, retain_graph=True)
    chosen = _choose_steps(errors.norm(dim=2).numpy(), steps.tolist(), truncate)
    lines = np.arange(len(labels))
    of_one_step = torch.zeros_like(errors)
    of_one_step[chosen, lines] = errors[chosen, lines]
    parts = [part for layer in states for direction in layer for state in direction for part in state]
    found = iter(torch.autograd.grad(log_probs, parts, of_one_step, materialize_grads=True))
    norms = []
    for layer in states:
        of_layer = []
        for direction in layer:
            squares = [sum(next(found).square().sum((0, 2)) for _ in state) for state in direction]  # T times (B,)
            of_layer.append(torch.stack(cast("list[Tensor]", squares)).sqrt())
        if len(of_layer) == 2:  # from the order of the second direction to that of the line
            of_layer[1] = reverse_each(of_layer[1].unsqueeze(2), steps).squeeze(2)
        norms.append(torch.stack(of_layer))
    return torch.stack(norms).numpy(), chosen


def _choose_steps(errors: NDArray[np.float64], steps: list[int], truncate: int) -> NDArray[np.int64]:
    """The step T of each line: in its middle third, the one with the largest gradient in errors (T, B).

    With truncation only steps at the end of a chunk, so that the whole chunk before them is seen.
    """
    chosen = []
    for line, count in enumerate(steps):
        middle = np.arange(count // 3, max(count // 3 + 1, 2 * count // 3))
        ends = middle[middle % truncate == truncate - 1] if truncate else middle
        candidates = ends if len(ends) else middle
        chosen.append(candidates[errors[candidates, line].argmax()])
    return np.array(chosen)


def _around(norms: NDArray[np.float64], chosen: NDArray[np.int64], steps: list[int]) -> Norms:
    """Norms (layers, directions, T, B) -> their medians over the lines, around step T and relative to it."""
    layers, directions, _, lines = norms.shape
    windows = torch.full((lines, layers, directions, 2 * REACH + 1), torch.nan, dtype=torch.float64)
    for line, (step, count) in enumerate(zip(chosen.tolist(), steps, strict=True)):
        at_step = norms[-1, :, step, line]  # (directions,)
        first, last = max(0, step - REACH), min(count, step + REACH + 1)
        if at_step.all():
            relative = norms[:, :, first:last, line] / at_step[:, None]
            windows[line, :, :, first - step + REACH : last - step + REACH] = torch.from_numpy(relative)
    medians: Norms = windows.nanmedian(0).values.numpy()
    return medians


def bound_per_step(cell: Elman) -> float:
    """|θ'| |W_h|: the largest factor by which the norm of the gradient can grow in one step of an Elman cell."""
    slope = STEEPEST.get(type(cell.activation), 1.0)
    if isinstance(cell.activation, nn.PReLU):
        slope = max(1.0, float(cell.activation.weight.detach().abs()))
    return slope * float(torch.linalg.matrix_norm(cell.recurrent.weight.detach(), 2))


def measure_flow(
    network: Network, name: str, trained: bool, features: Sequence[Features], labels: Sequence[list[int]], truncate: int
) -> Flow:
    """The gradients in a network for some lines."""
    # The normalisations of a new network have no statistics yet, so they use those of the batch, as in training.
    network = network.double().train(not trained)
    x, lengths = pad(features)  # (B, T0, F), (B,)
    with torch.no_grad():
        columns, steps = network.columns(x.double(), lengths)  # (T, B, D), (B,)
    norms, chosen = gradient_norms(network, columns, steps, labels, truncate)
    last = cast("Layer", network.rnn.layers[-1])
    cells = [cell for cell in (last.forwards, last.backwards) if isinstance(cell, Elman)]
    return Flow(name, trained, _around(norms, chosen, steps.tolist()), tuple(map(bound_per_step, cells)))


def flows_of_model(name: str, samples: Sequence[Sample], truncate: int | None = None) -> list[Flow]:
    """The gradients in a network before its training and after it.

    truncate: steps of backpropagation through time; by default as in its training. Raises BadModel and BadDataset.
    """
    model = load_model(name)
    features, labels = _read_lines(samples, model.config, model.alphabet)
    if truncate is None:
        truncate = _trained_with(model, "truncate")
    new = new_network(model.config, model.alphabet.size, _trained_with(model, "seed"))
    networks = ((new, False), (model.network(), True))
    title = Path(name).stem
    return [measure_flow(network, title, trained, features, labels, truncate) for network, trained in networks]


def _trained_with(model: Model, name: str) -> int:
    """A whole number among the settings that a model was trained with, or 0 if it is not known."""
    settings = model.facts.get("training")
    value = settings.get(name) if isinstance(settings, dict) else 0
    return value if type(value) is int and 0 <= value < 2**32 else 0


def new_network(config: NetworkConfig, labels: int, seed: int) -> Network:
    """The network with which a training with this seed starts. torch's random numbers are as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config, labels)


def flows_of_preset(
    preset: str,
    samples: Sequence[Sample],
    truncate: int = 0,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[Flow]:
    """The gradients in the untrained networks of a preset, with every cell: Elman with each activation, GRU and LSTM.

    `tick(done, total)` is called after each network. Raises BadDataset.
    """
    config = PRESETS[preset][0]
    alphabet = Alphabet.of(sample.text for sample in samples)
    features, labels = _read_lines(samples, config, alphabet)
    choices = [("elman", name) for name in get_args(Activation)] + [("gru", "tanh"), ("lstm", "tanh")]
    flows = []
    for cell, activation in choices:
        network = new_network(config.replace({"cell": cell, "activation": activation}), alphabet.size, seed=0)
        name = f"elman, {activation}" if cell == "elman" else cell
        flows.append(measure_flow(network, name, False, features, labels, truncate))
        tick(len(flows), len(choices))
    return flows


def choose_lines(samples: Sequence[Sample]) -> list[Sample]:
    """Up to LINES lines, evenly spread over a dataset."""
    return [samples[index] for index in np.linspace(0, len(samples) - 1, min(len(samples), LINES)).astype(int)]


def _read_lines(
    samples: Sequence[Sample], config: NetworkConfig, alphabet: Alphabet
) -> tuple[list[Features], list[list[int]]]:
    """The feature vectors and labels of lines; characters that are not in the alphabet are left out.

    The log tells which lines cannot be read. Raises BadDataset if none can.
    """
    features, labels = [], []
    for sample in samples:
        try:
            columns = columns_of(normalize_of(sample, read_line_input(sample), config))
        except BadInput as error:
            logger.warning(f"left out: {error}")
            continue
        text = [alphabet.label[character] for character in sample.text if character in alphabet.label]
        if text and steps_needed(text) <= config.steps(columns.shape[1]):
            features.append(extract(columns, config))
            labels.append(text)
    if not features:
        raise BadDataset("no line of the dataset can be used; `inkread check` tells why")
    return features, labels


def draw_flows(flows: Sequence[Flow]) -> str:
    """The gradients of networks as one SVG image: curves of the last layer with the bound, and heat maps of all layers.

    Each row has a trained network before and after its training, or two new ones.
    """
    by_name: dict[str, list[Flow]] = {}
    for flow in flows:
        by_name.setdefault(flow.name, []).append(flow)
    plots = [[_plot_curves(name, own), *map(_plot_heat_map, own)] for name, own in by_name.items()]
    if not any(flow.trained for flow in flows):
        plots = [[plot for own in plots[first : first + 2] for plot in own] for first in range(0, len(plots), 2)]
    return figure(plots, "The norm of the gradient of one step's loss with respect to all hidden states")


def _plot_curves(name: str, flows: Sequence[Flow]) -> Plot:
    """The last layer: to the left of T the direction that reads forwards, to the right the other one."""
    offsets = np.arange(-REACH, REACH + 1)
    curves = []
    for flow in flows:
        norms = flow.norms[-1, 0]
        if flow.norms.shape[1] == 2:
            norms = np.where(offsets < 0, norms, flow.norms[-1, 1])
        else:
            norms = np.where(offsets <= 0, norms, np.nan)
        colour, title = (0, "after") if flow.trained else (1, "before training")
        if flow.bound:
            factors = np.where(offsets < 0, flow.bound[0], flow.bound[-1]) ** np.abs(offsets).astype(float)
            bound = np.where(np.isfinite(norms), factors, np.nan)
            curves.append(Curve("", offsets.tolist(), bound.tolist(), colour, dashed=True))
        curves.append(Curve(title, offsets.tolist(), norms.tolist(), colour))
    if flows[0].bound:
        curves.append(Curve("bound", [], [], 3, dashed=True))
    return plot_curves(f"{name}, last layer", curves, OFFSETS, NORMS, WIDTH, HEIGHT)


def _plot_heat_map(flow: Flow) -> Plot:
    """All layers, the last one above, each direction in a row of its own."""
    layers, directions, _ = flow.norms.shape
    rows = [
        (f"{layer + 1} {ARROWS[direction]}", flow.norms[layer, direction].tolist())
        for layer in reversed(range(layers))
        for direction in range(directions)
    ]
    title = f"{flow.name}, {'after' if flow.trained else 'before'} training"
    row_height = (HEIGHT - TOP - BOTTOM) / len(rows)
    return plot_heat_map(title, rows, OFFSETS, COLOURS, -REACH, WIDTH, row_height)
