"""Handwriting synthesis with numpy alone: text in, pen strokes out (Graves 2013, section 5).

The first layer moves a window over the characters of the text. From the window, the point before and its state, each
layer computes its next state. The outputs are a probability density of the next offset, from which one is drawn.
inkread.synth.synthesis_network is the same network in torch, for its training.

Shapes: T points, U characters of a text with its end, A codes of characters, H cells, K Gaussians of the window, M
Gaussians of the density.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkread._model_files import COPY_AGAIN, check_facts, find_synthesis_model, read_arrays, write_arrays
from inkread.alphabet import normal
from inkread.config import NetworkConfig, Settings
from inkread.errors import BadConfig, BadInput, BadModel, shown
from inkread.inputs.ink import Stroke
from inkread.lm.text import LOOK_ALIKES
from inkread.model.checkpoint import check_weights
from inkread.model.shapes import Shape
from inkread.synth.offsets import ENDS, GOES_ON, LIFTS, PEN_STATES, Offsets, to_offsets, to_strokes

FORMAT = "inkread synthesis model 1"
CHARACTERS = " !\"#$%&'()+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # frequent in UNIPEN
END = 0  # the code of the place after the last character of a text

# Inputs of the network at each step: dx and dy of the point before, whether the pen is up, and its y. Without the y,
# which is the sum of all dy, lines would drift away from their baseline.
INPUTS = 4
MAX_CORRELATION = 0.99  # of dx and dy in a Gaussian: with 1 its density would not be finite
MIN_LOG_DEVIATION = -4.5  # 0.01 x-heights, the precision of the training data
MAX_POINTS = 30  # per character: UNIPEN has 9 on average; a network that is lost would never end
MAX_PRIMER = 400  # points of the ink that is to be continued: about 40 characters
PRIMER = "primer."  # begins the names of the arrays with the ink of writers

Array = NDArray[np.float32]


@dataclass(frozen=True)
class SynthesisConfig(Settings):
    """The shape of the network; stored in its file."""

    layers: int = 2  # LSTM layers
    hidden: int = 256  # cells per layer
    gaussians: int = 8  # K, of the window
    mixtures: int = 16  # M, of the density of an offset

    def __post_init__(self) -> None:
        self.network()  # checks layers and hidden
        if not (1 <= self.gaussians <= 1000 and 1 <= self.mixtures <= 1000 and self.hidden <= 10_000):
            raise BadConfig("gaussians and mixtures must be from 1 to 1000, hidden at most 10,000")

    def network(self) -> NetworkConfig:
        """The settings of the recurrent layers."""
        return NetworkConfig(cell="lstm", layers=self.layers, hidden=self.hidden, dropout=0.0, bidirectional=False)

    def weight_shapes(self, codes: int) -> dict[str, Shape]:
        """The shape of each weight by its name, for `codes` codes of characters."""
        shapes: dict[str, Shape] = {}
        for layer in range(self.layers):
            name = "first" if layer == 0 else f"later.{layer - 1}"
            inputs = INPUTS + codes + (self.hidden if layer else 0)
            shapes[f"{name}.weight_ih_l0"] = (4 * self.hidden, inputs)
            shapes[f"{name}.weight_hh_l0"] = (4 * self.hidden, self.hidden)
            shapes[f"{name}.bias_ih_l0"] = shapes[f"{name}.bias_hh_l0"] = (4 * self.hidden,)
        outputs = PEN_STATES + 6 * self.mixtures
        return shapes | {
            "window.weight": (3 * self.gaussians, self.hidden),
            "window.bias": (3 * self.gaussians,),
            "output.weight": (outputs, self.layers * self.hidden),
            "output.bias": (outputs,),
        }


@dataclass(frozen=True)
class Primer:
    """Some ink and its text, which the network continues in the same style."""

    text: str
    offsets: Offsets

    @classmethod
    def of(cls, text: str, strokes: Sequence[Stroke]) -> "Primer":
        """A primer from a line of strokes in any units. Raises BadInput if it is too long."""
        offsets = to_offsets(strokes)
        if len(offsets) > MAX_PRIMER:
            problem = f"{len(offsets)} points are too many to continue, at most {MAX_PRIMER}"
            raise BadInput(problem, hint="give a few words on one line")
        return cls(text, offsets)


@dataclass
class State:
    """What the network remembers: h and c (H,) of each layer, the window (A,) and its positions (K,)."""

    hidden: list[Array]
    cells: list[Array]
    window: Array
    positions: Array


class Synthesizer:
    """A trained network, which writes lines of text."""

    def __init__(
        self,
        config: SynthesisConfig,
        characters: str,
        weights: dict[str, Array],
        primers: dict[str, Primer] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.config, self.characters, self.weights = config, characters, weights
        self.primers, self.facts = primers or {}, facts or {}
        names = ["first", *(f"later.{layer}" for layer in range(config.layers - 1))]
        # W_ih and W_hh side by side, so that a step is one product.
        self._matrices = [
            np.concatenate([weights[f"{name}.weight_ih_l0"], weights[f"{name}.weight_hh_l0"]], axis=1) for name in names
        ]
        self._biases = [weights[f"{name}.bias_ih_l0"] + weights[f"{name}.bias_hh_l0"] for name in names]

    def write(
        self, text: str, rng: np.random.Generator, neatness: float = 0.0, primer: Primer | None = None
    ) -> list[Stroke]:
        """A line of text as strokes in x-heights, on the baseline y = 0, from x = 0 on.

        The neatness is the bias of the paper (eq. 61 and 62): 0 draws from the density as it is, and the larger it is,
        the likelier are the offsets. Raises BadInput for a text that the network cannot write.
        """
        text = self.plain(text)
        before = f"{self.plain(primer.text)} " if primer else ""
        codes = encode(before + text, self.characters)
        state, place = self.start(), np.array([0, 0, LIFTS], np.float32)
        height = 0.0
        if primer:
            for inputs in inputs_of(primer.offsets):
                self.step(inputs, codes, state)
            place = primer.offsets[-1] * [1, 1, 0] + [0, 0, LIFTS]
            height = float(primer.offsets[:, 1].sum())
        drawn = self._draw_line(codes, state, place.astype(np.float32), height, len(text), neatness, rng)
        strokes = to_strokes(drawn)
        left = min(float(stroke[:, 0].min()) for stroke in strokes)
        return [stroke + [-left, height] for stroke in strokes]

    def _draw_line(
        self, codes: Sequence[int], state: State, before: Array, height: float, characters: int, neatness: float,
        rng: np.random.Generator,
    ) -> Offsets:  # fmt: skip
        """Offsets (T, 3), drawn one after another, until the pen has written the last character."""
        offsets = []
        for _ in range(MAX_POINTS * (characters + 1)):
            inputs = np.array([before[0], before[1], before[2] != GOES_ON, height], np.float32)
            outputs = self.step(inputs, codes, state)
            before = draw(outputs, neatness, rng)
            height += float(before[1])
            reached = float(np.median(state.positions))  # where the window is, in characters from the first
            if before[2] == ENDS and reached < len(codes) - 3:
                before[2] = LIFTS  # too early: the last but one character is not yet begun
            offsets.append(before)
            if before[2] == ENDS or (before[2] == LIFTS and reached > len(codes) - 0.5):
                break
        return np.array(offsets, np.float32)

    def plain(self, text: str) -> str:
        """The text in characters that the network knows. Raises BadInput if it has others, or is empty."""
        text = " ".join(normal(text).translate(LOOK_ALIKES).split())
        if not text:
            raise BadInput("no text to write", hint="give some words")
        unknown = sorted(set(text) - set(self.characters))
        if unknown:
            problem = f"cannot write {' '.join(unknown[:20])}"
            raise BadInput(problem, hint=f"it knows {self.characters.strip()}")
        return text

    def start(self) -> State:
        """The state before the first point."""
        zeros = [np.zeros(self.config.hidden, np.float32) for _ in range(self.config.layers)]
        codes = len(self.characters) + 1
        return State(zeros, list(zeros), np.zeros(codes, np.float32), np.zeros(self.config.gaussians, np.float32))

    def step(self, inputs: Array, codes: Sequence[int], state: State) -> Array:
        """inputs (INPUTS,), the codes of the text (U,) -> outputs (3 + 6M,). Changes the state to the next one."""
        below = np.concatenate([inputs, state.window])
        for layer in range(self.config.layers):
            self._step_of_layer(layer, below, state)
            if layer == 0:
                self._move_window(codes, state)
            below = np.concatenate([inputs, state.window, state.hidden[layer]])
        outputs: Array = self.weights["output.weight"] @ np.concatenate(state.hidden) + self.weights["output.bias"]
        return outputs

    def _step_of_layer(self, layer: int, inputs: Array, state: State) -> None:
        """The next h and c of an LSTM layer (Hochreiter and Schmidhuber 1997)."""
        z = self._matrices[layer] @ np.concatenate([inputs, state.hidden[layer]]) + self._biases[layer]
        cells = self.config.hidden
        new, gates = np.tanh(z[2 * cells : 3 * cells]), logistic(z)
        let_in, kept, let_out = gates[:cells], gates[cells : 2 * cells], gates[3 * cells :]
        state.cells[layer] = kept * state.cells[layer] + let_in * new
        state.hidden[layer] = let_out * np.tanh(state.cells[layer])

    def _move_window(self, codes: Sequence[int], state: State) -> None:
        """Move the window over the text (Graves 2013, eq. 46 to 51)."""
        z = self.weights["window.weight"] @ state.hidden[0] + self.weights["window.bias"]
        weights, widths, speeds = np.exp(np.minimum(z, 50)).reshape(3, -1)  # (K,) each
        state.positions = state.positions + speeds
        distances = state.positions[:, None] - np.arange(len(codes), dtype=np.float32)  # (K, U)
        shares = weights @ np.exp(-widths[:, None] * distances**2)  # (U,)
        state.window = np.zeros_like(state.window)
        np.add.at(state.window, codes, shares)

    def save(self, path: Path) -> None:
        """Write the model, completely or not at all, with weights in float16. Raises CannotWrite."""
        description = {
            "format": FORMAT,
            "network": self.config.to_dict(),
            "characters": self.characters,
            "primers": {name: primer.text for name, primer in self.primers.items()},
            "facts": self.facts,
        }
        arrays = self.weights | {f"{PRIMER}{name}": primer.offsets for name, primer in self.primers.items()}
        write_arrays(path, {name: array.astype(np.float16) for name, array in arrays.items()}, description)


def load_synthesizer(name: str) -> Synthesizer:
    """The synthesis model of that name or path. Raises BadModel if it is missing, damaged, too new or another model."""
    path = find_synthesis_model(name)
    description, arrays = read_arrays(path)
    if description.get("format") != FORMAT:
        problem = f"not a synthesis model of this version of inkread, but {shown(description.get('format'))}"
        raise BadModel(problem, path=path)
    check_facts(path, description)
    try:
        config = SynthesisConfig().replace(description["network"])
        characters, texts = description["characters"], description.get("primers", {})
        if not isinstance(characters, str) or len(set(characters)) != len(characters) or not characters:
            raise ValueError("characters")
        shapes = config.weight_shapes(len(characters) + 1)
        # Of a primer, only the number of points is free.
        shapes |= {f"{PRIMER}{name}": (_points(arrays.get(f"{PRIMER}{name}")), 3) for name in texts}
        checked = check_weights(arrays, shapes, str(path))
        primers = {name: Primer(str(text), checked.pop(f"{PRIMER}{name}")) for name, text in texts.items()}
    except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(f"damaged, or newer than this inkread ({shown(error)})", path=path, hint=COPY_AGAIN) from error
    return Synthesizer(config, characters, checked, primers, description.get("facts"))


def _points(primer: Array | None) -> int:
    return min(max(len(primer), 1), MAX_PRIMER) if primer is not None and primer.ndim else 1


def encode(text: str, characters: str) -> list[int]:
    """The codes of the characters of a text, counted from 1, and END.

    >>> encode("ba", "ab")
    [2, 1, 0]
    """
    return [*(characters.index(character) + 1 for character in text), END]


def inputs_of(offsets: Offsets) -> Array:
    """Offsets (T, 3) -> the inputs (T, INPUTS) from which the network predicts each of them.

    At the start, the pen is up, at the beginning of the baseline.
    """
    before = np.concatenate([[[0, 0, LIFTS]], offsets[:-1]])
    return np.column_stack([before[:, :2], before[:, 2] != GOES_ON, np.cumsum(before[:, 1])]).astype(np.float32)


def draw(outputs: Array, neatness: float, rng: np.random.Generator) -> Array:
    """An offset (3,), drawn from the density that the outputs (3 + 6M,) describe (eq. 18 to 23, 61, 62)."""
    pen, (weights, x, y, deviation_x, deviation_y, correlations) = (
        outputs[:PEN_STATES],
        outputs[PEN_STATES:].reshape(6, -1),
    )
    chosen = rng.choice(len(weights), p=softmax(weights * (1 + neatness)))
    first, second = rng.normal(size=2)
    correlation = MAX_CORRELATION * np.tanh(correlations[chosen])
    across, down = np.exp(np.maximum([deviation_x[chosen], deviation_y[chosen]], MIN_LOG_DEVIATION) - neatness)
    dx = x[chosen] + across * first
    dy = y[chosen] + down * (correlation * first + np.sqrt(1 - correlation**2) * second)
    return np.array([dx, dy, rng.choice(PEN_STATES, p=softmax(pen))], np.float32)


def logistic(z: Array) -> Array:
    """1 / (1 + e^-z), without an overflow."""
    values: Array = 0.5 + 0.5 * np.tanh(0.5 * z)
    return values


def softmax(z: Array) -> NDArray[np.float64]:
    """Probabilities in float64, as rounding in float32 would not let them add up to 1."""
    shares = np.exp((z - z.max()).astype(np.float64))
    probabilities: NDArray[np.float64] = shares / shares.sum()
    return probabilities
