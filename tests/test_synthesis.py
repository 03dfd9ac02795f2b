"""Handwriting synthesis: offsets, window, density, numpy against torch, training, files, the command."""

import json
import math
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from commands import done, refused
from PIL import Image
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from inkread._model_files import read_arrays, shipped_synthesis_models, write_arrays
from inkread.config import STROKE_MODEL, SYNTHESIS_MODEL
from inkread.data import open_dataset
from inkread.errors import BadConfig, BadInput, BadModel
from inkread.evaluation.metrics import edit_distance
from inkread.features.render import X_HEIGHT
from inkread.inputs import read_inks
from inkread.inputs.ink import Ink
from inkread.model.recognizer import Recognizer
from inkread.synth.offsets import ENDS, GOES_ON, LIFTS, curve, simplify, to_offsets, to_strokes
from inkread.synth.sheets import LINES, MARGIN, PAGE, break_lines, on_sheets, write_lines
from inkread.synth.synthesis_network import SynthesisNetwork, split_outputs
from inkread.synth.synthesizer import (
    INPUTS,
    MAX_CORRELATION,
    Primer,
    SynthesisConfig,
    Synthesizer,
    draw,
    encode,
    inputs_of,
    load_synthesizer,
)
from inkread.training import synthesis
from inkread.training.synthesis import (
    Progress,
    SynthesisTraining,
    WrittenLine,
    batches_of,
    load_lines,
    prepare,
    save_lines,
    train,
)

TINY = SynthesisConfig(layers=3, hidden=12, gaussians=3, mixtures=4)
CHARACTERS = " abn"


def network(config: SynthesisConfig = TINY, seed: int = 0) -> SynthesisNetwork:
    torch.manual_seed(seed)
    return SynthesisNetwork(config, len(CHARACTERS) + 1)


def synthesizer(primers: dict[str, Primer] | None = None) -> Synthesizer:
    weights = {name: weight.numpy() for name, weight in network().state_dict().items()}
    return Synthesizer(TINY, CHARACTERS, weights, primers)


def zigzag(count: int, width: float = 1.0) -> np.ndarray:
    return np.array([[width * step, -(step % 2)] for step in range(count)], float)


# ---- offsets


def test_offsets_lead_back_to_the_points() -> None:
    strokes = [zigzag(9), zigzag(8) + [10, 0], np.array([[20.0, -0.5]])]
    offsets = to_offsets(strokes)
    assert offsets[:, 2].tolist() == [*[GOES_ON] * 8, LIFTS, *[GOES_ON] * 7, LIFTS, ENDS]
    found = to_strokes(offsets)
    assert [len(stroke) for stroke in found] == [9, 8, 1]
    everything = np.concatenate(found)
    assert everything[:, 0].min() == pytest.approx(0)
    # Made level and upright, and scaled; the order of the points is that of the strokes.
    assert np.corrcoef(everything[:, 0], np.concatenate(strokes)[:, 0])[0, 1] > 0.99


def test_a_simplified_stroke_stays_within_the_tolerance() -> None:
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    kept = simplify(circle, 0.05)
    # The chord of an arc of angle a is 1 - cos(a / 2) away from it: a circle needs at least 10 of them for 0.05.
    assert 2 * math.pi / (2 * math.acos(1 - 0.05)) <= len(kept) - 1 <= 20
    assert kept[0].tolist() == circle[0].tolist() and kept[-1].tolist() == circle[-1].tolist()
    fine = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(kept)])
    distances = np.abs(circle[:, None] - fine[None]).max(axis=2).min(axis=1)
    assert distances.max() <= 0.06


def test_a_stroke_that_returns_to_its_start_keeps_its_farthest_point() -> None:
    assert simplify(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0]])).tolist() == [[0, 0], [3, 0], [0, 0]]


def test_a_curve_goes_through_its_points_and_is_round() -> None:
    angles = np.linspace(0, 2 * np.pi, 13)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    curved = curve(circle)
    assert np.abs(curved[::4] - circle).max() < 1e-12
    assert np.abs(np.hypot(*curved.T) - 1).max() < 0.02  # a chord is 0.034 away
    assert curve(circle[[0, 0]]).tolist() == [circle[0].tolist()]  # a dot stays one


# ---- network


def test_density_is_that_of_torch_distributions() -> None:
    torch.manual_seed(1)
    outputs = torch.randn(5, 3 + 6 * 4, dtype=torch.float32)
    mixture = split_outputs(outputs)
    offsets = torch.cat([torch.randn(5, 2), torch.tensor([[0.0], [1], [2], [0], [1]])], dim=1)
    s, r = mixture.log_deviations.exp(), mixture.correlations
    off = r * s[..., 0] * s[..., 1]
    covariance = torch.stack([torch.stack([s[..., 0] ** 2, off], -1), torch.stack([off, s[..., 1] ** 2], -1)], -2)
    truth = MixtureSameFamily(Categorical(logits=mixture.log_weights), MultivariateNormal(mixture.means, covariance))
    pen = torch.log_softmax(outputs[:, :3], dim=1)[torch.arange(5), offsets[:, 2].long()]
    expected = -truth.log_prob(offsets[:, :2]) - pen
    assert torch.allclose(mixture.negative_log_density(offsets), expected, atol=1e-4)


def test_density_integrates_to_one() -> None:
    torch.manual_seed(2)
    mixture = split_outputs(torch.randn(3 + 6 * 4) * 0.5)
    axis = torch.linspace(-12, 12, 601)
    grid = torch.cartesian_prod(axis, axis)
    total = 0.0
    for pen in range(3):
        offsets = torch.cat([grid, torch.full((len(grid), 1), float(pen))], dim=1)
        total += float(torch.exp(-mixture.negative_log_density(offsets)).sum()) * float(axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1, abs=1e-3)


def test_the_window_by_hand() -> None:
    config = SynthesisConfig(layers=1, hidden=2, gaussians=1, mixtures=1)
    net = SynthesisNetwork(config, 3)
    with torch.no_grad():
        net.window.weight.zero_()
        net.window.bias.copy_(torch.tensor([math.log(2), math.log(0.5), math.log(0.75)]))
    text = torch.tensor([[1, 2, 0, 3]])  # "ab", its end, and padding
    window, position = net.read(torch.zeros(1, 2), text, torch.tensor([[0.25]]), torch.arange(4.0))
    assert position.item() == pytest.approx(1)  # 0.25 + 0.75
    # 2 exp(-0.5 (1 - u)^2) for the places u = 0, 1, 2, whose codes are 1, 2 and 0
    expected = [2 * math.exp(-0.5), 2 * math.exp(-0.5), 2.0]
    assert window[0].tolist() == pytest.approx(expected)


def test_numpy_computes_what_torch_computes() -> None:
    offsets = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    offsets[:, 2] = np.arange(40) % 7 == 6
    codes = encode("ban a nab", CHARACTERS)
    points = torch.from_numpy(inputs_of(offsets)).unsqueeze(1)
    with torch.no_grad():
        expected, _ = network()(points, torch.tensor([codes]))
    writer = synthesizer()
    state = writer.start()
    found = np.stack([writer.step(inputs, codes, state) for inputs in inputs_of(offsets)])
    assert np.abs(found - expected[:, 0].numpy()).max() < 1e-4


def test_torch_goes_on_from_a_state_and_ignores_padding() -> None:
    torch.manual_seed(0)
    net, points = network(), torch.randn(9, 2, INPUTS)
    text = torch.tensor([[1, 2, 0, 5], [3, 1, 2, 0]])
    with torch.no_grad():
        whole, _ = net(points, text)
        first, state = net(points[:4], text)
        second, _ = net(points[4:], text, state)
        alone, _ = net(points[:, :1], text[:1, :3])
    assert torch.allclose(torch.cat([first, second]), whole, atol=1e-6)
    assert torch.allclose(alone[:, 0], whole[:, 0], atol=1e-6)


def test_inputs_are_the_point_before_and_its_height() -> None:
    offsets = np.array([[0, -1, 0], [1, 0.5, 1], [2, 0.25, 2]], np.float32)
    assert inputs_of(offsets).tolist() == [[0, 0, 1, 0], [0, -1, 0, -1], [1, 0.5, 1, -0.5]]


def test_drawn_offsets_have_the_moments_of_the_density() -> None:
    outputs = np.array([50, 0, 0, 0, 0.5, -1, math.log(2), math.log(0.5), np.arctanh(0.6)], np.float32)
    rng = np.random.default_rng(0)
    drawn = np.array([draw(outputs, 0.0, rng) for _ in range(4000)])
    assert (drawn[:, 2] == 0).all()
    assert drawn[:, :2].mean(axis=0) == pytest.approx([0.5, -1], abs=0.1)
    assert drawn[:, :2].std(axis=0) == pytest.approx([2, 0.5], rel=0.05)
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] == pytest.approx(0.6 * MAX_CORRELATION, abs=0.03)
    neat = np.array([draw(outputs, 2.0, rng) for _ in range(4000)])
    assert neat[:, :2].std(axis=0) == pytest.approx([2 * math.exp(-2), 0.5 * math.exp(-2)], rel=0.05)


# ---- writing


def test_the_same_seed_writes_the_same() -> None:
    writer = synthesizer()
    first, again, other = (writer.write("ban a nab", np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert sum(map(len, first)) != sum(map(len, other)) or not np.allclose(first[0][:2], other[0][:2])


def test_a_primer_changes_what_is_written() -> None:
    primer = Primer.of("nan", [zigzag(9), zigzag(5) + [10, 0]])
    writer = synthesizer()
    plain, primed = (writer.write("ban", np.random.default_rng(1), 0.0, each) for each in (None, primer))
    assert min(float(stroke[:, 0].min()) for stroke in primed) == 0
    assert not np.allclose(plain[0][0], primed[0][0])
    with pytest.raises(BadInput, match="too many to continue"):
        Primer.of("nan", [zigzag(1000)])


def test_text_is_checked() -> None:
    writer = synthesizer()
    assert writer.plain(" ban\t a ") == "ban a"
    with pytest.raises(BadInput, match="cannot write x é"):
        writer.plain("bax é")
    with pytest.raises(BadInput, match="no text"):
        writer.plain(" ")


# ---- training


def test_training_lowers_the_loss_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    # A clock that counts how often it is asked, so that the steps do not depend on how busy the machine is.
    monkeypatch.setattr(synthesis, "time", SimpleNamespace(monotonic=lambda: 0.05 * next(ticks)))
    lines = [WrittenLine("nab", to_offsets([zigzag(9 + number % 3)])) for number in range(120)]
    out = tmp_path / "m.synth.safetensors"
    reports: list[Progress] = []
    brief = SynthesisTraining(minutes=0.05, points=200, evaluate=5, learning_rate=0.02)
    train(lines, TINY, brief, out, torch.device("cpu"), reports.append)
    assert reports[-1].held_out < reports[0].held_out - 1 and reports[-1].share == 1
    steps = reports[-1].step
    train(lines, TINY, brief.replace({"minutes": 0.06}), out, torch.device("cpu"), reports.append)
    assert reports[-1].step > steps and reports[-1].held_out < reports[0].held_out - 1
    assert load_synthesizer(str(out)).write("nab", np.random.default_rng(0))


def test_batches_are_of_the_wanted_size_and_lose_no_line() -> None:
    lines = [WrittenLine(str(number), np.zeros((5 + number % 9, 3), np.float32)) for number in range(500)]
    batches = list(batches_of(lines, 100, np.random.default_rng(0)))
    assert sorted(line.text for batch in batches for line in batch) == sorted(line.text for line in lines)
    assert max(len(batch) * max(len(line.offsets) for line in batch) for batch in batches) <= 100


def test_lines_are_prepared_once(tmp_path: Path) -> None:
    rows = [
        {"text": "nab", "strokes": [(20 * zigzag(20)).tolist()]},
        {"text": "nab", "strokes": [(20 * zigzag(4)).tolist()]},  # too few points
        {"text": "näb", "strokes": [(20 * zigzag(20)).tolist()]},  # an unknown character
        {"text": "nab", "strokes": [(20 * zigzag(20)).tolist(), [[4000, 0], [4020, 5]]]},  # a leap
    ]
    dataset = tmp_path / "lines.jsonl"
    dataset.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = prepare(open_dataset(str(dataset)).samples, lambda done, total: None)
    assert [line.text for line in lines] == ["nab"] and len(lines[0].offsets) == 20
    save_lines(tmp_path / "lines.npz", lines)
    (again,) = load_lines(tmp_path / "lines.npz")
    assert again.text == "nab" and np.abs(again.offsets - lines[0].offsets).max() < 1e-3
    (tmp_path / "lines.npz").write_bytes(b"damaged")
    with pytest.raises(BadInput, match="prepare them again"):
        load_lines(tmp_path / "lines.npz")


@pytest.mark.parametrize("settings", [{"minutes": 0}, {"points": 0}, {"learning_rate": -1.0}, {"evaluate": 0}])
def test_settings_of_the_training_are_checked(settings: dict[str, float]) -> None:
    with pytest.raises(BadConfig):
        SynthesisTraining().replace(settings)


def test_settings_of_the_network_are_checked() -> None:
    for settings in ({"hidden": 0}, {"gaussians": 0}, {"mixtures": 2000}, {"hidden": 20_000}):
        with pytest.raises(BadConfig):
            SynthesisConfig().replace(settings)


def test_weights_of_the_config_are_those_of_torch() -> None:
    shapes = {name: tuple(weight.shape) for name, weight in network().state_dict().items()}
    assert TINY.weight_shapes(len(CHARACTERS) + 1) == shapes


# ---- model files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.synth.safetensors"
    synthesizer({"one": Primer.of("nan", [zigzag(9)])}).save(path)
    return path


def test_a_model_file_gives_the_same_network(model: Path) -> None:
    loaded = load_synthesizer(str(model))
    assert loaded.primers["one"].text == "nan"
    assert np.abs(loaded.primers["one"].offsets - Primer.of("nan", [zigzag(9)]).offsets).max() < 1e-3
    for name, weight in synthesizer().weights.items():
        assert np.abs(loaded.weights[name] - weight).max() < 1e-3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": "inkread line model 1"}, "not a synthesis model"),
        ({"network": {"hidden": 13}}, "do not fit"),
        ({"network": {"layers": "many"}}, "damaged"),
        ({"network": {"wings": 2}}, "damaged"),
        ({"network": None}, "damaged"),
        ({"characters": "aab"}, "damaged"),
        ({"characters": 7}, "damaged"),
        ({"characters": "ab"}, "do not fit"),
        ({"primers": {"two": "nan"}}, "do not fit"),
        ({"primers": 3}, "damaged"),
        ({"facts": 3}, "damaged"),
    ],
)
def test_damaged_descriptions_are_refused(model: Path, change: dict[str, object], problem: str) -> None:
    description, arrays = read_arrays(model)
    if isinstance(network := change.get("network"), dict):
        change = {"network": {**description["network"], **network}}
    write_arrays(model, arrays, {**description, **change})
    with pytest.raises(BadModel, match=problem) as caught:
        load_synthesizer(str(model))
    assert str(model) in str(caught.value)


def test_damaged_weights_are_refused(model: Path) -> None:
    description, arrays = read_arrays(model)
    for name, wrong in {
        "output.bias": np.full(27, np.nan),
        "primer.one": np.zeros((9, 2)),
        "window.bias": np.zeros(2),
    }.items():
        write_arrays(model, {**arrays, name: wrong.astype(np.float16)}, description)
        with pytest.raises(BadModel):
            load_synthesizer(str(model))


# ---- sheets and the command


def test_text_is_broken_into_lines() -> None:
    assert break_lines("a bb ccc\n\ndddd eeeee", 5) == ["a bb", "ccc", "", "dddd", "eeeee"]


def test_long_text_gets_pages() -> None:
    sheets = on_sheets(write_lines(["ban", "", *["nab"] * LINES], synthesizer(), seed=0))
    assert [len(sheet.lines) for sheet in sheets] == [LINES - 1, 2] and all(sheet.size == PAGE for sheet in sheets)
    starts = [min(float(stroke[:, 0].min()) for stroke in line.strokes) for line in sheets[0].lines]
    assert max(starts) - min(starts) < 1e-6


def test_lines_that_are_too_wide_for_the_page_make_all_smaller() -> None:
    narrow, wide = (Ink((np.array([[0.0, -20], [width, 10]]),), "a") for width in (100, 2 * PAGE[0]))
    (sheet,) = on_sheets([narrow, wide])
    ends = [line.strokes[0].max(axis=0) for line in sheet.lines]
    assert ends[1][0] == pytest.approx(PAGE[0] - MARGIN)
    assert ends[0][0] - MARGIN == pytest.approx(100 * (PAGE[0] - 2 * MARGIN) / (2 * PAGE[0]))
    (sheet,) = on_sheets([narrow, narrow])
    assert sheet.lines[0].strokes[0][:, 0].tolist() == [MARGIN, MARGIN + 100]


def test_all_lines_are_in_the_hand_of_the_first_words() -> None:
    writer = synthesizer()
    trial = Primer.of("ban a", writer.write("ban a", np.random.default_rng([3]), 1.0))
    inks = write_lines(["", "ban a", "nab"], writer, 3, 1.0)
    for number, ink in enumerate(inks):
        same = writer.write(ink.text, np.random.default_rng([3, number]), 1.0, trial) if ink.text else []
        assert [stroke.tolist() for stroke in ink.strokes] == [(X_HEIGHT * curve(stroke)).tolist() for stroke in same]


def test_inkml_and_json_lines_can_be_read_again(model: Path, tmp_path: Path) -> None:
    for name in ("out.inkml", "out.json", "out.jsonl"):
        done("write", "ban a\nnab", "-o", tmp_path / name, "--model", model)
        inks = read_inks(tmp_path / name)
        assert [ink.text for ink in inks] == ["ban a", "nab"]
        assert all(len(ink.strokes) for ink in inks)
    samples = open_dataset(str(tmp_path / "out.jsonl")).samples
    assert [sample.text for sample in samples] == ["ban a", "nab"]


def test_svg_is_well_formed_and_has_the_strokes(model: Path, tmp_path: Path) -> None:
    done("write", "ban", "-o", tmp_path / "a.svg", "--model", model, "--seed", 3)
    done("write", "ban", "-o", tmp_path / "a.inkml", "--model", model, "--seed", 3)
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    paths = [path.get("d", "")[1:].split() for path in root.iter(f"{space}path")]
    strokes = read_inks(tmp_path / "a.inkml")[0].strokes
    assert [len(path) // 2 for path in paths] == [len(stroke) for stroke in strokes]
    assert np.allclose(np.array(paths[0], float), strokes[0].ravel())
    left, top, width, height = map(float, (root.get("viewBox") or "").split())
    points = np.concatenate(strokes)
    assert left == top == 0 and (points > 0).all() and (points < [width, height]).all()
    assert root.find(f".//{space}title").text == "ban"


def test_png_shows_the_strokes_at_their_place(model: Path, tmp_path: Path) -> None:
    done("write", "ban\nnab", "-o", tmp_path / "a.png", "--model", model)
    done("write", "ban\nnab", "-o", tmp_path / "a.inkml", "--model", model)
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == PAGE[::-1]
    points = np.concatenate([stroke for ink in read_inks(tmp_path / "a.inkml") for stroke in ink.strokes])
    inside = points[(points >= 1).all(axis=1) & (points < np.array(PAGE) - 2).all(axis=1)].round().astype(int)
    dark = np.array([pixels[y - 1 : y + 2, x - 1 : x + 2].min() < 128 for x, y in inside])
    assert dark.mean() > 0.99


def test_pages_are_files_of_their_own(model: Path, tmp_path: Path) -> None:
    text = "\n".join(["ban"] * (LINES + 1))
    done("write", "-", "-o", tmp_path / "a.svg", "--model", model, stdin=text.encode())
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == ["a-1.svg", "a-2.svg"]
    assert "exists" in refused("write", text, "-o", tmp_path / "a.svg", "--model", model, code=4)
    done("write", text, "-o", tmp_path / "a.svg", "--model", model, "--force")


def test_ink_is_continued(model: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.json"
    notes.write_text(json.dumps({"text": "nan", "strokes": zigzag(9, 20).tolist() and [(20 * zigzag(9)).tolist()]}))
    for like in ("one", notes):
        done("write", "ban", "-o", tmp_path / f"{Path(like).stem}.jsonl", "--model", model, "--like", like)
    first, second = ((tmp_path / f"{name}.jsonl").read_text("utf-8") for name in ("one", "notes"))
    assert first and second
    notes.write_text(json.dumps({"text": "zoo", "strokes": [zigzag(9).tolist()]}))
    error = refused("write", "ban", "-o", tmp_path / "x.svg", "--model", model, "--like", notes)
    assert "notes.json" in error and "cannot write o z" in error
    error = refused("write", "ban", "-o", tmp_path / "x.svg", "--model", model, "--like", "nobody")
    assert "writers in this model: one" in error


def test_wrong_use_is_explained(model: Path, tmp_path: Path) -> None:
    assert "must end in" in refused("write", "ban", "-o", tmp_path / "a.pdf", "--model", model, code=2)
    assert "no text" in refused("write", " \n", "-o", tmp_path / "a.svg", "--model", model, code=3)
    assert "cannot write x" in refused("write", "ban\nxx", "-o", tmp_path / "a.svg", "--model", model)
    assert "no such synthesis model" in refused("write", "ban", "-o", tmp_path / "a.svg", "--model", "none")
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.skipif(SYNTHESIS_MODEL not in shipped_synthesis_models(), reason="the shipped model is not in models/")
def test_what_the_shipped_model_writes_can_be_read(tmp_path: Path) -> None:
    """Errors in about 5 % of the characters are usual, in 15 % a damaged model."""
    text = "The garden is in bloom,\nand it rained all night.\nGive my love to the children."
    done("write", text, "-o", tmp_path / "lines.jsonl", "--neatness", 2)
    read = [reading.text for reading in Recognizer.load(STROKE_MODEL).read_many(
        ink.strokes for ink in read_inks(tmp_path / "lines.jsonl")
    )]  # fmt: skip
    errors = sum(edit_distance(a, b) for a, b in zip(read, text.split("\n"), strict=True))
    assert errors <= 0.15 * len(text), read
