"""Training: it learns, continues after a kill as if nothing had happened, and two processes give the results of one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import weights_of
from PIL import Image, ImageDraw

from inkread._locks import PREFIX
from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig, TrainingConfig
from inkread.data import Dataset, Sample, open_dataset
from inkread.data.samples import read_strokes
from inkread.errors import BadConfig, BadDataset, BadInput, BadModel, CannotWrite, TrainingFailed
from inkread.evaluation.lines import evaluate
from inkread.evaluation.metrics import error_rate
from inkread.features.extract import feature_size
from inkread.model.checkpoint import Model, load_model
from inkread.model.network import Network
from inkread.model.recognizer import Recognizer
from inkread.training.batches import Preparation, prepare_lines
from inkread.training.distributed import Workers
from inkread.training.finetune import hold_out
from inkread.training.loader import VariedLines
from inkread.training.loop import Job, Progress, Trainer, run_worker, train
from inkread.training.preparation import prepare_dataset
from inkread.training.warm_start import copy_weights

TINY = NetworkConfig(channels=(8, 8, 8), layers=1, hidden=16, dropout=0.2)
# Few epochs, weights averaged over few steps, no measuring of precision: float32, so that sums can be compared.
BRIEF = TrainingConfig(epochs=2, batch=4, ema=0.5, precision="float32", evaluations=1)


@pytest.fixture(scope="module")
def strokes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two letters, drawn: "i" is one stroke down, "o" a ring; easy enough to be learned in seconds."""
    folder = tmp_path_factory.mktemp("strokes")
    rng = np.random.default_rng(0)
    for number in range(24):
        text = "".join(rng.choice(["i", "o"], 6))
        picture = Image.new("L", (40 * len(text) + 20, 60), 255)
        draw = ImageDraw.Draw(picture)
        for place, letter in enumerate(text):
            left = 20 + 40 * place
            if letter == "i":
                draw.line((left, 12, left, 48), 0, 4)
            else:
                draw.ellipse((left - 12, 16, left + 12, 44), outline=0, width=4)
        picture.save(folder / f"{number}.png")
        (folder / f"{number}.gt.txt").write_text(text)
    return folder


def learn(dataset: Path, out: Path, config: NetworkConfig = TINY, **settings: object) -> tuple[float, list[Progress]]:
    samples = open_dataset(str(dataset)).samples
    steps: list[Progress] = []
    resume = bool(settings.pop("resume", False))
    training = BRIEF.replace(settings)
    return train(samples, samples[:8], out, config, training, resume=resume, report=steps.append), steps


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")


@pytest.mark.parametrize("features", ["conv", "pixels", "geometry"])
def test_it_learns_to_read(strokes: Path, tmp_path: Path, features: str) -> None:
    config = TINY.replace({"features": features, "hidden": 32, "dropout": 0})
    settings = {"epochs": 40, "learning_rate": 3e-2, "distorted": 0, "photographed": 0, "ema": 0.9, "evaluations": 4}
    cer, steps = learn(strokes, tmp_path / "m.safetensors", config, **settings)
    assert cer < 0.1
    assert steps[-1].loss < steps[0].loss / 4
    recognizer = Recognizer.load(str(tmp_path / "m.safetensors"))
    sample = open_dataset(str(strokes)).samples[0]
    assert recognizer.read(np.asarray(Image.open(sample.path))).text == sample.text


def pen_lines(folder: Path) -> Path:
    """A dataset of the same two letters as a pen writes them; in any unit, and not with the same number of points."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(24):
        text = "".join(rng.choice(["i", "o"], 6))
        scale = float(rng.uniform(0.1, 50))
        strokes = []
        for place, letter in enumerate(text):
            turn = np.linspace(0, 2 * np.pi, int(rng.integers(12, 40)))
            if letter == "i":
                points = np.stack([0 * turn, np.linspace(-18, 18, len(turn))], axis=1)
            else:
                points = np.stack([-12 * np.sin(turn), -14 * np.cos(turn)], axis=1)
            strokes.append(((points + [40 * place, 0]) * scale).round(3).tolist())
        rows.append(json.dumps({"strokes": strokes, "text": text}))
    (folder / "inks.jsonl").write_text("\n".join(rows))
    return folder / "inks.jsonl"


def test_it_learns_to_read_pen_strokes(tmp_path: Path) -> None:
    inks = pen_lines(tmp_path)
    config = TINY.replace({"features": "strokes", "channels": "16,16", "hidden": 32, "dropout": 0})
    settings = {"epochs": 40, "learning_rate": 1e-2, "ema": 0.9, "evaluations": 4}
    cer, steps = learn(inks, tmp_path / "m.safetensors", config, **settings)
    assert cer < 0.1
    assert steps[-1].loss < steps[0].loss / 4
    sample = open_dataset(str(inks)).samples[0]
    reading = Recognizer.load(str(tmp_path / "m.safetensors")).read(read_strokes(sample))
    assert reading.text == sample.text
    middles = [(character.left + character.right) / 2 for character in reading.characters]
    assert middles == sorted(middles)


def test_a_network_for_pen_strokes_cannot_use_images(strokes: Path, tmp_path: Path) -> None:
    config = TINY.replace({"features": "strokes", "channels": "4,4"})
    with pytest.raises(BadDataset, match="no line of the dataset can be used"):
        learn(strokes, tmp_path / "m.safetensors", config)


def test_progress_log_and_model_agree(strokes: Path, tmp_path: Path) -> None:
    cer, steps = learn(strokes, tmp_path / "m.safetensors", evaluations=2, clip=0.5)
    rows = [json.loads(row) for row in (tmp_path / "m.log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [6, 12] and steps[-1].share == 1
    assert min(row["cer"] for row in rows) == pytest.approx(cer, abs=1e-6)
    assert all(row["clipped"] == min(row["norm"], 0.5) for row in rows) and any(row["norm"] > 0.5 for row in rows)
    model = load_model(str(tmp_path / "m.safetensors"))
    assert model.config == TINY and model.alphabet.characters == "io"
    assert model.facts["dev_cer"] == pytest.approx(cer, abs=1e-5) and model.facts["training"]["epochs"] == 2
    assert not (tmp_path / "m.checkpoint").exists()


def test_the_same_seed_gives_the_same_losses(strokes: Path, tmp_path: Path) -> None:
    first, again, other = (
        [step.loss for step in learn(strokes, tmp_path / "m.safetensors", seed=seed)[1]] for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("features", ["conv", "strokes"])
def test_a_prepared_dataset_gives_the_same_training(strokes: Path, tmp_path: Path, features: str) -> None:
    """Also a mix of prepared and other lines; with photos, spliced and distorted lines, and weights."""
    config = TINY
    samples = open_dataset(str(strokes)).samples
    samples = (
        tuple(replace(one, text=f"{one.text[:3]} {one.text[3:]}", weight=2.5) for one in samples[:12]) + samples[12:]
    )
    if features == "strokes":
        config = TINY.replace({"features": "strokes", "channels": "8,8"})
        rows = [{"strokes": [[[9 * x, 0], [9 * x + 5, 20]] for x in range(9)], "text": one.text} for one in samples]
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
        samples = tuple(
            replace(one, weight=old.weight)
            for one, old in zip(open_dataset(str(tmp_path / "a.jsonl")).samples, samples, strict=True)
        )
    training = BRIEF.replace({"photographed": 0.5, "spliced": 0.5, "seed": 3})
    prepare_dataset(samples, tmp_path / "a.inkset", config)
    prepared = open_dataset(str(tmp_path / "a.inkset")).samples
    losses = []
    for lines, dev_lines in ((samples, samples), (prepared, prepared), (samples[:5] + prepared[5:], samples)):
        steps: list[Progress] = []
        train(lines, dev_lines[:8], tmp_path / "m.safetensors", config, training, report=steps.append)
        losses.append([(step.loss, step.cer) for step in steps])
    assert len(losses[0]) == 2 * 11  # 12 * 2.5 + 12 lines in batches of 4
    assert losses[0] == losses[1] == losses[2]


def test_a_prepared_dataset_keeps_alignments(strokes: Path, tmp_path: Path) -> None:
    samples = tuple(
        replace(one, spans=tuple((40.0 * place, 40.0 * place + 39) for place in range(6)))
        for one in open_dataset(str(strokes)).samples
    )
    prepare_dataset(samples, tmp_path / "a.inkset", TINY)
    losses = []
    for lines in (samples, open_dataset(str(tmp_path / "a.inkset")).samples):
        steps: list[Progress] = []
        training = BRIEF.replace({"loss": "frames"})
        train(lines, lines[:8], tmp_path / "m.safetensors", TINY, training, report=steps.append)
        losses.append([step.loss for step in steps])
    assert losses[0] == losses[1]


@pytest.mark.skipif(sys.platform != "linux", reason="no such processes on this system")
@pytest.mark.parametrize("spliced", [0, 0.5])
def test_batches_made_ahead_by_processes_are_the_same(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spliced: float
) -> None:
    """As for a GPU: processes make the batches, and the loss of a step is looked at after the next one has begun."""
    out = tmp_path / "m.safetensors"
    expected = [step.loss for step in learn(strokes, out, spliced=spliced, epochs=3)[1]]
    weights = load_model(str(out)).weights
    monkeypatch.setattr("inkread.training.loop.loader_processes", lambda workers: 2)
    assert [step.loss for step in learn(strokes, out, spliced=spliced, epochs=3)[1]] == expected
    monkeypatch.setattr(Trainer, "delayed", True)
    steps = learn(strokes, out, spliced=spliced, epochs=3)[1]
    assert all(np.array_equal(weight, weights[name]) for name, weight in load_model(str(out)).weights.items())
    assert all(0 <= step.waiting <= 1 for step in steps)


def test_a_bad_loss_is_noticed_before_weights_are_saved(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "delayed", True)
    with pytest.raises(TrainingFailed, match="the loss is"):
        learn(strokes, tmp_path / "m.safetensors", learning_rate=1e30, warmup=0, clip=0, epochs=1)
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="no such processes on this system")
def test_a_process_that_makes_batches_and_dies(strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.training.loop.loader_processes", lambda workers: 1)
    monkeypatch.setattr(VariedLines, "_line", lambda self, index, epoch: os._exit(9))
    with pytest.raises(TrainingFailed, match="a process that prepares lines has ended; continue with --resume"):
        learn(strokes, tmp_path / "m.safetensors")
    monkeypatch.setattr(VariedLines, "_line", lambda self, index, epoch: failed())
    with pytest.raises(BadInput, match=r"^a\.inkset: damaged$"):
        learn(strokes, tmp_path / "m.safetensors")


def failed() -> None:
    raise BadInput("damaged", path="a.inkset")


def test_the_widths_of_spliced_and_distorted_lines_are_foreseen(tmp_path: Path) -> None:
    """So the lines of a batch have about the same width."""
    samples = open_dataset(str(Path(__file__).parent.parent / "datasets" / "sample")).samples[:20]
    training = TrainingConfig(batch=4, photographed=0.0, spliced=0.3)
    alphabet = Alphabet.of((sample.text for sample in samples), "")
    lines = prepare_lines(samples, Preparation(alphabet, TINY, gaps=True), tmp_path / "lines", Workers())
    varied = VariedLines(lines, TINY, training, Workers())
    for epoch in range(2):
        for members in varied.members(epoch):
            foreseen = varied.widths(np.array(members.indices), epoch)
            batch = varied.batch(members, map)
            assert batch.lengths.tolist() == foreseen.tolist()


def test_the_saved_weights_are_interpolated_with_the_initial_ones(strokes: Path, tmp_path: Path) -> None:
    learn(strokes, tmp_path / "start.safetensors")
    start = load_model(str(tmp_path / "start.safetensors"))
    samples = open_dataset(str(strokes)).samples
    weights = {}
    for blend in (0.25, 1):
        out = tmp_path / f"{blend}.safetensors"
        train(samples, samples[:8], out, TINY, BRIEF.replace({"interpolation": blend}), start=start)
        weights[blend] = load_model(str(out)).weights
    for name, learned in weights[1].items():
        if learned.dtype.kind == "f":
            expected = 0.75 * start.weights[name].astype(float) + 0.25 * learned.astype(float)
            np.testing.assert_allclose(weights[0.25][name], expected, atol=2e-3, rtol=2e-3)  # kept as float16
    assert any(not np.array_equal(weights[0.25][name], weights[1][name]) for name in weights[1])


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("values", [{"channels": "8,8,8"}, {"channels": "8,8", "features": "strokes"}])
@pytest.mark.parametrize("larger", ["channels", "hidden", "both"])
def test_a_network_that_grows_reads_as_before(
    cell: str, bidirectional: bool, values: dict[str, str], larger: str
) -> None:
    config = TINY.replace({**values, "cell": cell, "bidirectional": bidirectional, "activation": "prelu", "layers": 2})
    more = {"hidden": 24, "channels": tuple(range(12, 12 + len(config.channels)))}
    grown = config.replace(more if larger == "both" else {larger: more[larger]})
    alphabet = Alphabet("abc")
    small, large = Network(config, alphabet.size).eval(), Network(grown, Alphabet("abcd").size).eval()
    copy_weights(large, Model(config, alphabet, weights_of(small), {}))
    columns, lengths = torch.rand(2, 64, feature_size(config)), torch.tensor([64, 40])
    before, after = small(columns, lengths)[0], large(columns, lengths)[0][:, :, : alphabet.size]
    torch.testing.assert_close(after.log_softmax(2), before.log_softmax(2))


def test_one_new_character_in_ten_lines_costs_nothing(tmp_path: Path) -> None:
    """Fine-tune the shipped model on ten sample lines, one of them with an added "Ω", and read ten other lines."""
    model = load_model("latin")
    samples = open_dataset(str(Path(__file__).parent.parent / "datasets" / "sample")).samples[:20]
    learned, others = samples[:10], samples[10:]
    learned = (replace(learned[0], text=learned[0].text + "Ω"), *learned[1:])
    out = tmp_path / "own.safetensors"
    settings = TrainingConfig(
        epochs=3, batch=5, learning_rate=2e-3, ema=0.9, photographed=0.0, precision="float32", evaluations=1
    )
    train(learned, learned, out, model.config, settings, start=model)
    assert load_model(str(out)).alphabet.characters == model.alphabet.characters + "Ω"
    before, after = (
        evaluate(Recognizer.load(name, "greedy"), Dataset("sample", others)).cer for name in ("latin", str(out))
    )
    assert after < before + 0.01


class Killed(Exception):
    pass


@pytest.mark.parametrize("cell", ["lstm", "elman"])
def test_resuming_gives_the_losses_of_an_unbroken_run(
    strokes: Path, tmp_path: Path, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped without a word after step 7, with a checkpoint after every step; dropout and distortions are on."""
    monkeypatch.setattr("inkread.training.loop.CHECKPOINT_SECONDS", 0.0)
    config = TINY.replace({"cell": cell})
    unbroken = [step.loss for step in learn(strokes, tmp_path / "whole.safetensors", config)[1]]
    samples = open_dataset(str(strokes)).samples
    losses = []

    def stop(step: Progress) -> None:
        losses.append(step.loss)
        if step.step == 7:
            raise Killed

    with pytest.raises(Killed):
        train(samples, samples[:8], tmp_path / "broken.safetensors", config, BRIEF, report=stop)
    losses += [step.loss for step in learn(strokes, tmp_path / "broken.safetensors", config, resume=True)[1]]
    assert losses == unbroken
    whole, broken = (load_model(str(tmp_path / f"{name}.safetensors")).weights for name in ("whole", "broken"))
    assert all(np.array_equal(whole[name], broken[name]) for name in whole)


def test_a_wrong_checkpoint_is_refused_before_the_lines_are_prepared(strokes: Path, tmp_path: Path) -> None:
    out, samples = tmp_path / "m.safetensors", open_dataset(str(strokes)).samples

    def stop(step: Progress) -> None:
        if step.cer is not None:  # a check, which writes a checkpoint
            raise Killed

    def no_line(done: int, count: int) -> None:
        raise AssertionError("lines are read")

    with pytest.raises(Killed):
        train(samples, samples[:8], out, TINY, BRIEF.replace({"evaluations": 2}), report=stop)
    another_text = (replace(samples[0], text="ioioio"), *samples[1:])
    another_name = (replace(samples[0], id="25"), *samples[1:])
    another_picture = (replace(samples[0], path=samples[1].path), *samples[1:])
    assert samples[0].path.stat().st_size != samples[1].path.stat().st_size
    others = [
        (TINY.replace({"hidden": 8}), samples, samples[:8], "other network"),
        (TINY, samples[1:], samples[:8], "other lines"),
        (TINY, another_text, samples[:8], "other lines"),
        (TINY, another_name, samples[:8], "other lines"),
        (TINY, another_picture, samples[:8], "other lines"),
        (TINY, samples, samples[1:9], "other validation lines"),
    ]
    for config, lines, dev_lines, what in others:
        with pytest.raises(BadModel, match=rf"m\.checkpoint: of another training \({what}\)"):
            train(lines, dev_lines, out, config, BRIEF, resume=True, loading=no_line)
    learn(strokes, out, TINY.replace({"dropout": 0.5}), resume=True)  # not the network's shape


def test_two_trainings_do_not_write_one_model(strokes: Path, tmp_path: Path) -> None:
    """The second is refused while the first is under way, and afterwards unless it may overwrite the model."""
    out = tmp_path / "m.safetensors"
    samples = open_dataset(str(strokes)).samples
    refusals = []

    def another(step: Progress) -> None:
        with pytest.raises(CannotWrite, match=r"m\.safetensors: another training is writing it") as caught:
            train(samples, samples, out, TINY, BRIEF)
        refusals.append(caught.value)

    train(samples, samples, out, TINY, BRIEF.replace({"epochs": 1}), report=another, overwrite=False)
    assert len(refusals) == 6
    with pytest.raises(CannotWrite, match=r"m\.safetensors: exists; give --force to overwrite it, or another name"):
        train(samples, samples, out, TINY, BRIEF, overwrite=False)
    assert {file.name for file in tmp_path.iterdir()} == {"m.safetensors", "m.log.jsonl"}


def test_the_error_rate_before_training_is_that_of_the_start(
    strokes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    learn(strokes, tmp_path / "start.safetensors", epochs=8, learning_rate=3e-2)
    start = load_model(str(tmp_path / "start.safetensors"))
    samples = open_dataset(str(strokes)).samples
    caplog.set_level("INFO", "inkread")
    training = BRIEF.replace({"epochs": 1})
    train(samples[8:], samples[:8], tmp_path / "m.safetensors", TINY, training, start=start)
    reader = Recognizer(start)
    read = [(sample.text, reader.read(np.asarray(Image.open(sample.path))).text) for sample in samples[:8]]
    assert caplog.messages == [f"before training: CER {100 * error_rate(read):.2f} %"]


def test_a_batch_of_one_line_is_for_one_process(strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr("inkread.training.distributed.available_cpus", lambda world=1: 2 // world)
    monkeypatch.setattr(sys, "executable", "no second process")
    learn(strokes, tmp_path / "m.safetensors", batch=1, epochs=1)
    samples = open_dataset(str(strokes)).samples
    job = Job(samples, samples, tmp_path / "m.safetensors", TINY, BRIEF.replace({"batch": 1}), None, False, {})
    with pytest.raises(BadConfig, match=r"^batch=1: must be at least the number of processes, 2$"):
        run_worker(job, Workers(1, 2), tmp_path)


def test_training_restores_the_state_of_the_program(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second process, which must not run the program once more."""
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr("inkread.training.distributed.available_cpus", lambda world=1: 2 // world)
    monkeypatch.setattr(sys, "argv", ["program", "train", "--help"])
    torch.manual_seed(7)

    def state() -> list[Any]:
        signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        return [torch.get_num_threads(), torch.get_rng_state().tolist(), signals, dict(os.environ)]

    before = state()
    together, _ = learn(strokes, tmp_path / "two.safetensors", TINY.replace({"dropout": 0}))
    after = state()
    after[3].pop("TORCHINDUCTOR_CACHE_DIR", None)  # torch sets it when it is imported
    before[3].pop("TORCHINDUCTOR_CACHE_DIR", None)
    assert after == before
    monkeypatch.setenv("WORLD_SIZE", "1")
    alone, _ = learn(strokes, tmp_path / "one.safetensors", TINY.replace({"dropout": 0}))
    assert alone == pytest.approx(together, abs=0.02)


def command(*arguments: object) -> list[str]:
    settings = ["channels=8,8,8", "layers=1", "hidden=16", "precision=float32", "batch=4", "evaluations=2"]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return [sys.executable, "-m", "inkread", "train", *flags, *map(str, arguments)]  # the last of equals counts


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is not of Windows")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_a_killed_training_can_be_resumed(
    strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """A real process, ended in mid-training: what it left is whole, it goes on from there, and no folders stay."""
    out, temporary = tmp_path / "m.safetensors", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    environment = {**os.environ, "WORLD_SIZE": "1", "RANK": "0", "TMPDIR": str(temporary)}
    arguments = command(strokes, "--out", out, "--epochs", "400", "--set", "evaluations=200")
    process = subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out.exists() and (tmp_path / "m.checkpoint").exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(getattr(signal, number))
    _, said = process.communicate()
    assert len(list(temporary.glob(f"{PREFIX}*"))) == (number == "SIGKILL")
    if number == "SIGTERM":
        assert process.returncode == 128 + signal.SIGTERM and not list(tmp_path.glob(".*"))
        assert said.endswith("stopped; repeat the command with --resume to continue from the last checkpoint\n")
    load_model(str(out))
    done = json.loads((tmp_path / "m.log.jsonl").read_text().splitlines()[0])
    cer, steps = learn_again(strokes, out, done["step"])
    assert 0 <= cer <= 1 and steps[0].step > 1
    assert not list(temporary.glob(f"{PREFIX}*"))


def learn_again(dataset: Path, out: Path, at_least: int) -> tuple[float, list[Progress]]:
    """Go on from the checkpoint of `command`, to its end, in this process."""
    samples: tuple[Sample, ...] = open_dataset(str(dataset)).samples
    train_samples, dev_samples = hold_out(samples)
    config = NetworkConfig(channels=(8, 8, 8), layers=1, hidden=16)
    training = TrainingConfig(epochs=at_least // 6 + 2, batch=4, precision="float32", evaluations=2)
    steps: list[Progress] = []
    cer = train(train_samples, dev_samples, out, config, training, resume=True, report=steps.append)
    assert steps[0].step > at_least
    return cer, steps


def test_two_processes_learn_what_one_learns(strokes: Path, tmp_path: Path) -> None:
    """torchrun with two processes, each with half of every batch, against one with the whole."""
    settings = ["--epochs", "2", "--set", "dropout=0"]  # dropout draws for the lines of a process together
    alone = {**os.environ, "WORLD_SIZE": "1", "RANK": "0"}
    subprocess.run(command(strokes, "--out", tmp_path / "one.safetensors", *settings), env=alone, check=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    together = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")}
    arguments = command(strokes, "--out", tmp_path / "two.safetensors", *settings)[1:]
    subprocess.run([*torchrun, *arguments], env=together, check=True, capture_output=True)
    one, two = (
        [json.loads(row)["loss"] for row in (tmp_path / f"{name}.log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert one == pytest.approx(two, rel=1e-4)
    first, second = (load_model(str(tmp_path / f"{name}.safetensors")).weights for name in ("one", "two"))
    for name, weight in first.items():
        np.testing.assert_allclose(weight, second[name], rtol=2e-3, atol=2e-3, err_msg=name)
