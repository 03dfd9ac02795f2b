"""The gradients with respect to hidden states, compared with plain loops in float64."""

import itertools
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from commands import TINY, done, refused
from defusedxml.ElementTree import fromstring
from PIL import Image
from recurrences import FORMULAS, Vector, loop
from torch import Tensor

from inkread.alphabet import BLANK
from inkread.config import PRESETS, NetworkConfig, TrainingConfig
from inkread.data import open_dataset
from inkread.model.checkpoint import load_model
from inkread.model.network import Network
from inkread.model.rnn import Elman, Layer
from inkread.training import gradients
from inkread.training.gradients import (
    REACH,
    Flow,
    bound_per_step,
    draw_flows,
    flows_of_model,
    gradient_norms,
    measure_flow,
    new_network,
    record_states,
)
from inkread.training.losses import ctc_loss

CELLS = ("elman", "gru", "lstm")
C = 4  # labels


def make(cell: str = "elman", *, steps: int = 6, lines: int = 1, **settings: object) -> tuple[Network, Tensor]:
    """A network without a front, and random inputs (T, B, D)."""
    values = {"features": "pixels", "height": 16, "window": 1, "cell": cell, "hidden": 3, "layers": 2, **settings}
    torch.manual_seed(0)
    network = Network(NetworkConfig().replace(values), C).double().eval()
    return network, torch.randn(steps, lines, 16, dtype=torch.float64)


def plain_scores(network: Network, x: Vector, push: tuple[int, int, int, Vector] | None = None) -> Vector:
    """The log-probabilities (T, C) of one line x (T, D), by plain loops.

    push: a layer, a direction, a step and what is added to the state there.
    """
    for number, layer in enumerate(cast("list[Layer]", network.rnn.layers)):
        outputs = []
        for direction, cell in enumerate((layer.forwards, layer.backwards)):
            if cell is None:
                continue
            order = slice(None, None, -1 if direction else 1)
            own = None
            if push and push[:2] == (number, direction):
                own = (len(x) - 1 - push[2] if direction else push[2], push[3])
            outputs.append(loop(cell, x[order], push=own)[order])
        x = np.concatenate(outputs, axis=1)
    z = x @ network.output.weight.detach().numpy().T + network.output.bias.detach().numpy()
    return z - np.log(np.exp(z).sum(1, keepdims=True))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_norms_equal_finite_differences(cell: str, bidirectional: bool) -> None:
    network, x = make(cell, bidirectional=bidirectional)
    steps, labels = torch.tensor([len(x)]), [[1, 2]]
    norms, (chosen,) = gradient_norms(network, x, steps, labels)
    log_probs, _ = record_states(network, x, steps)
    np.testing.assert_allclose(log_probs[:, 0].detach(), plain_scores(network, x[:, 0].numpy()), atol=1e-12)
    (errors,) = torch.autograd.grad(ctc_loss(log_probs, steps, labels), log_probs)
    error = errors[chosen, 0].numpy()
    small, parts = 1e-6, 2 if cell == "lstm" else 1
    assert norms.shape == (2, 1 + bidirectional, len(x), 1)
    for layer, direction, t in itertools.product(range(2), range(1 + bidirectional), range(len(x))):
        slopes = []
        for place in range(parts * 3):
            push = np.zeros(parts * 3)
            push[place] = small
            above, below = (
                error
                @ plain_scores(network, x[:, 0].numpy(), (layer, direction, t, sign * push.reshape(parts, 3)))[chosen]
                for sign in (1, -1)
            )
            slopes.append((above - below) / (2 * small))
        assert norms[layer, direction, t, 0] == pytest.approx(np.linalg.norm(slopes), rel=1e-6, abs=1e-9)


def test_the_loss_of_a_step_is_its_part_of_ctc() -> None:
    """What CTC passes back at each step is p - γ, with γ by going through all alignments."""
    network, x = make(steps=5)
    steps, labels = torch.tensor([5]), [[1, 2]]
    log_probs, _ = record_states(network, x, steps)
    (errors,) = torch.autograd.grad(ctc_loss(log_probs, steps, labels), log_probs)
    p = log_probs[:, 0].detach().exp().numpy()
    gamma, total = np.zeros_like(p), 0.0
    for path in itertools.product(range(C), repeat=5):
        if [label for label, _ in itertools.groupby(path) if label != BLANK] == labels[0]:
            weight = math.prod(p[t, label] for t, label in enumerate(path))
            total += weight
            gamma[range(5), path] += weight
    np.testing.assert_allclose(errors[:, 0], p - gamma / total, atol=1e-12)


@pytest.mark.parametrize("truncate", [0, 7])
def test_a_long_elman_layer_equals_its_plain_backpropagation(truncate: int) -> None:
    network, x = make(steps=90, layers=1, hidden=8, bidirectional=False)
    norms, (chosen,) = gradient_norms(network, x, torch.tensor([90]), [[1, 2, 3]], truncate)
    cell = cast("Layer", network.rnn.layers[0]).forwards
    assert isinstance(cell, Elman)
    h, w = loop(cell, x[:, 0].numpy()), cell.recurrent.weight.detach().numpy()
    start = chosen - chosen % truncate if truncate else 0
    assert not truncate or chosen - start == truncate - 1  # the whole chunk is seen
    log_probs, _ = record_states(network, x, torch.tensor([90]))
    (errors,) = torch.autograd.grad(ctc_loss(log_probs, torch.tensor([90]), [[1, 2, 3]]), log_probs)
    delta = network.output.weight.detach().numpy().T @ errors[chosen, 0].numpy()  # dl_T/dh_T
    bound = bound_per_step(cell)
    assert bound == pytest.approx(1)  # tanh, and an orthogonal matrix
    for t in range(chosen, -1, -1):
        expected = np.linalg.norm(delta) if t >= start else 0.0
        assert norms[0, 0, t, 0] == pytest.approx(expected, rel=1e-9, abs=0)
        assert norms[0, 0, t, 0] <= norms[0, 0, chosen, 0] * bound ** (chosen - t) * (1 + 1e-12)
        delta = w.T @ ((1 - h[t] ** 2) * delta)
    assert not norms[0, 0, chosen + 1 :].any()
    assert truncate or norms[0, 0, 0, 0] > 0


def test_lines_of_a_batch_do_not_change_each_other() -> None:
    network, x = make("lstm", steps=12, lines=2)
    lengths, labels = [12, 7], [[1, 2], [3]]
    together, chosen = gradient_norms(network, x, torch.tensor(lengths), labels)
    for line, length in enumerate(lengths):
        alone, step = gradient_norms(network, x[:length, line : line + 1], torch.tensor([length]), [labels[line]])
        assert step[0] == chosen[line] and length // 3 <= step[0] < 2 * length // 3
        np.testing.assert_allclose(together[:, :, :length, line], alone[..., 0], rtol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_bound_is_the_steepest_slope_times_the_largest_singular_value(name: str) -> None:
    torch.manual_seed(0)
    cell = Elman(2, 5, name).double()  # type: ignore[arg-type]
    torch.nn.init.normal_(cell.recurrent.weight)
    z = np.linspace(-40, 40, 200_001)
    slope = np.abs(np.diff(FORMULAS[name](z)) / np.diff(z)).max()
    singular = np.linalg.svd(cell.recurrent.weight.detach().numpy(), compute_uv=False).max()
    assert bound_per_step(cell) == pytest.approx(slope * singular, rel=1e-6)


def test_a_flow_is_relative_to_step_t_and_the_median_of_the_lines() -> None:
    network = make(steps=1, layers=2)[0].float()
    lines = [torch.randn(steps, 16).numpy() for steps in (9, 30, 30)]
    flow = measure_flow(network, "test", True, lines, [[1], [1, 2], [3]], 0)
    assert flow.norms.shape == (2, 2, 2 * REACH + 1) and len(flow.bound) == 2
    assert flow.norms[-1, :, REACH].tolist() == [1, 1]
    assert (flow.norms[-1, 0, REACH + 1 : REACH + 4] == 0).all() and (flow.norms[-1, 1, REACH - 3 : REACH] == 0).all()
    assert np.isnan(flow.norms[..., 0]).all()  # no line has so many steps
    padded, lengths = torch.zeros(30, 3, 16, dtype=torch.float64), torch.tensor([9, 30, 30])
    for number, line in enumerate(lines):
        padded[: len(line), number] = torch.from_numpy(line)
    norms, chosen = gradient_norms(network, padded, lengths, [[1], [1, 2], [3]])
    two_back = [norms[0, 1, step - 2, line] / norms[1, 1, step, line] for line, step in enumerate(chosen)]
    assert flow.norms[0, 1, REACH - 2] == pytest.approx(np.median(two_back))


def test_a_flow_in_words() -> None:
    norms = np.full((1, 1, 2 * REACH + 1), np.nan)
    assert Flow("m", False, norms, ()).describe() == "m\tbefore training\tno gradient\tno such bound"
    norms[0, 0, REACH - 2 : REACH + 1] = [0.011, 0.5, 1]
    assert Flow("m", True, norms, (0.25, 1)).describe() == "m\tafter training\t0.011 after 2 steps\t|θ'| |W_h| = 0.25"
    norms[0, 0, REACH - 2] = 0.009
    assert Flow("m", True, norms, ()).describe() == "m\tafter training\tbelow 1 % after 2 steps\tno such bound"


def test_a_network_that_passes_no_gradient_back() -> None:
    network = make(steps=1)[0]
    torch.nn.init.zeros_(network.output.weight)
    flow = measure_flow(network, "test", True, [torch.randn(9, 16).numpy()], [[1]], 0)
    assert np.isnan(flow.norms).all() and "no gradient" in flow.describe()
    fromstring(draw_flows([flow]))


def test_before_training_is_the_network_that_the_training_began_with(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    settings = [*TINY, "--epochs", 1, "--set", "seed=5", "--set", "learning_rate=1e-12", "--set", "truncate=3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "1")
        done("train", few, *settings, "--out", out)
    model = load_model(str(out))
    before = new_network(model.config, model.alphabet.size, seed=5).state_dict()
    for name, weight in model.weights.items():
        if name.startswith(("rnn", "output")):
            np.testing.assert_allclose(weight, before[name], atol=1e-3, rtol=0)
    flows = flows_of_model(str(out), open_dataset(str(few)).samples)
    assert [flow.trained for flow in flows] == [False, True] and flows[0].bound == ()
    np.testing.assert_allclose(
        flows[0].norms[0, 0, REACH - 2 : REACH], flows[1].norms[0, 0, REACH - 2 : REACH], rtol=0.5
    )
    assert (flows[1].norms[0, 0, : REACH - 2] == 0).sum() > 0  # truncated as in the training


def test_the_command_compares_models(few: Path, model: Path, tmp_path: Path) -> None:
    image = tmp_path / "flow.svg"
    result = done("gradients", model, model, few, "-o", image)
    rows = [row.split("\t") for row in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == 2 * [["random", "before training"], ["random", "after training"]]
    assert {row[3] for row in rows} == {"no such bound"}
    fromstring(image.read_text("utf-8"))


def test_the_command_compares_the_cells_of_a_preset(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = PRESETS["elman"][0].replace({"hidden": 4, "layers": 1})
    monkeypatch.setitem(PRESETS, "elman", (tiny, TrainingConfig()))
    monkeypatch.setattr(gradients, "LINES", 1)
    image = tmp_path / "cells.svg"
    rows = done("gradients", "--preset", "elman", "--truncate", 5, few, "-o", image).stdout.splitlines()
    assert [row.split("\t")[0] for row in rows] == [*(f"elman, {name}" for name in FORMULAS), "gru", "lstm"]
    assert all("\tbefore training\tbelow 1 % after " in row for row in rows)
    assert rows[0].endswith("|θ'| |W_h| = 1") and rows[1].endswith("|θ'| |W_h| = 0.25")
    root = fromstring(image.read_text("utf-8"))
    titles = [element.text for element in root.iter() if element.get("class") == "title"]
    assert titles[:4] == [
        "elman, tanh, last layer", "elman, tanh, before training",
        "elman, logistic, last layer", "elman, logistic, before training",
    ]  # fmt: skip
    assert len(titles) == 20


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("DATA -o flow.svg", 2, "give models or --preset"),
        ("latin --preset elman DATA -o flow.svg", 2, "give models or --preset, not both"),
        ("latin DATA -o flow.png", 2, "flow.png: must end in .svg"),
        ("lost DATA -o flow.svg", 1, "lost: no such model"),
        ("latin lost -o flow.svg", 1, "lost: no such file or folder"),
        ("latin DATA -o lost/flow.svg", 4, "there is no folder lost"),
        ("latin BLANK -o flow.svg", 1, "no line of the dataset can be used"),
    ],
)
@pytest.mark.usefixtures("shelf")
def test_wrong_options(few: Path, arguments: str, code: int, message: str, tmp_path: Path) -> None:
    bare = (tmp_path / "lost" / "flow.svg", tmp_path / "flow.svg", tmp_path / "flow.png")
    places = {path.relative_to(tmp_path).as_posix(): path for path in bare}
    (tmp_path / "blank").mkdir()
    Image.new("L", (99, 48), 255).save(tmp_path / "blank" / "line.png")
    (tmp_path / "blank" / "line.gt.txt").write_text("nothing")
    places |= {"DATA": few, "BLANK": tmp_path / "blank"}
    line = refused("gradients", *(places.get(word, word) for word in arguments.split()), code=code)
    assert message in line.replace(f"{tmp_path}/", "") and not any(path.exists() for path in bare)
