"""The recogniser with an untrained network: order of the readings, positions of characters, independence of batches."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import weights_of
from numpy.typing import NDArray
from PIL import Image

from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig
from inkread.errors import BadInput, BadModel
from inkread.features.extract import extract
from inkread.features.image import NormalizedImage, normalize_image
from inkread.features.render import draw_ink, drawing_scale_and_left
from inkread.inputs.ink import Stroke
from inkread.lm.automatic import AutomaticLanguages, Codes, LineLanguages
from inkread.lm.fusion import LanguageModel
from inkread.lm.kneser_ney import fit
from inkread.model import recognizer
from inkread.model.checkpoint import Model, save_model
from inkread.model.decoder import Label, read_beam
from inkread.model.engines import EngineName
from inkread.model.network import Network, pad
from inkread.model.recognizer import Decoded, Decoder, Reading, Recognizer

ROOT = Path(__file__).parent.parent
Grey = NDArray[np.uint8]
CONFIGS = {
    "conv": NetworkConfig(channels=(4, 4, 8), layers=1, hidden=8, cell="gru"),
    "pixels": NetworkConfig(features="pixels", step=3, layers=1, hidden=8, cell="elman"),
}


def untrained(config: NetworkConfig) -> Model:
    torch.manual_seed(2)
    network = Network(config, labels=6)
    with torch.no_grad():
        network.output.weight.mul_(100)  # so that it is certain, though it has learnt nothing,
        lines = pad([extract(normalize_image(picture(500), config.height).pixels, config)])
        network.output.bias.sub_(network.eval()(*lines)[0].mean((0, 1)))  # and uses all labels
    return Model(config, Alphabet("abcde"), weights_of(network))


def picture(width: int, seed: int = 0) -> Grey:
    """Random strokes on grey paper."""
    rng = np.random.default_rng(seed)
    grey = np.full((60, width), 220, np.uint8)
    for x in rng.integers(5, width - 5, max(1, width // 12)).tolist():
        top = int(rng.integers(5, 30))
        grey[top : top + int(rng.integers(5, 30)), x : x + int(rng.integers(2, 5))] = 40
    return grey


@pytest.fixture(params=[(config, engine) for config in CONFIGS for engine in ("onnx", "torch")], ids="-".join)
def reader(request: pytest.FixtureRequest) -> Recognizer:
    config, engine = request.param
    return Recognizer(untrained(CONFIGS[config]), engine=engine)


def same(one: Reading, other: Reading) -> bool:
    places = [[(c.left, c.right) for c in reading.characters] for reading in (one, other)]
    return (
        one.text == other.text
        and places[0] == places[1]
        and one.confidence == pytest.approx(other.confidence, abs=1e-4)
    )


def test_readings_come_in_the_order_of_the_lines(reader: Recognizer) -> None:
    widths = np.random.default_rng(1).permutation(np.arange(60, 900, 45)).tolist()
    pictures = [picture(width, seed=width) for width in widths]
    alone = [reader.read(grey) for grey in pictures]
    assert len({reading.text for reading in alone}) > len(widths) // 2  # most of them differ
    for chunk in (1, 5, 100):
        together = list(reader.read_many(iter(pictures), chunk))
        assert all(same(*pair) for pair in zip(alone, together, strict=True))


def test_lines_are_taken_when_they_are_needed(reader: Recognizer) -> None:
    taken = []

    def pictures() -> Iterator[Grey]:
        for seed in range(20):
            taken.append(seed)
            yield picture(100, seed)

    readings = reader.read_many(pictures(), chunk=4)
    next(readings)
    assert 4 <= len(taken) <= 8  # the chunk that is read, and the next one
    assert len(list(readings)) == 19
    assert list(reader.read_many([])) == []


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_characters_are_in_order_within_the_image(decoder: Decoder) -> None:
    for config in CONFIGS.values():
        reader = Recognizer(untrained(config), decoder)
        for width in (60, 300, 900):
            grey = picture(width)
            reading = reader.read(grey)
            assert reading.text == "".join(character.text for character in reading.characters) != ""
            confidences = [character.confidence for character in reading.characters]
            assert all(0 < confidence <= 1 for confidence in confidences)
            assert 0 < reading.confidence < 1 and all(0 < each < 1 for each in reading.words)
            assert len(reading.words) == len(reading.text.split(" ")) - reading.text.split(" ").count("")
            places = [place for character in reading.characters for place in (character.left, character.right)]
            assert places == sorted(places)  # left <= right <= the next one's left
            assert places[0] >= 0 and places[-1] <= width


def test_the_position_of_a_label_by_hand(reader: Recognizer) -> None:
    step = reader.model.config.step
    line = NormalizedImage(np.zeros((48, 100), np.uint8), scale=2.5, offset=-10.0)
    (character,) = reader._characters([Label(3, 0.5, first=2, last=4)], line, extent=(0, 200))
    assert (character.text, character.confidence) == ("c", 0.5)
    assert (character.left, character.right) == (2 * step * 2.5 - 10, 5 * step * 2.5 - 10)
    (character,) = reader._characters([Label(3, 0.5, first=0, last=40)], line, extent=(0, 200))
    assert (character.left, character.right) == (0, 200)  # the margins are not part of the image


@pytest.mark.parametrize("shape", [(60, 300), (1, 1), (1, 900), (900, 1)])
@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_an_empty_image_is_read(shape: tuple[int, int], decoder: Decoder) -> None:
    for config in CONFIGS.values():
        reading = Recognizer(untrained(config), decoder).read(np.full(shape, 255, np.uint8))
        assert isinstance(reading, Reading) and len(reading.characters) == len(reading.text)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_an_empty_reading_has_confidence_0(engine: EngineName) -> None:
    model = untrained(CONFIGS["conv"])
    model.weights["output.bias"][0] = 1e3  # only blanks
    reading = Recognizer(model, engine=engine).read(picture(100))
    assert (reading.text, reading.confidence, reading.characters) == ("", 0.0, ())


def test_the_beam_finds_a_text_at_least_as_probable_as_greedy() -> None:
    model = untrained(CONFIGS["conv"])
    greedy, beam = Recognizer(model), Recognizer(model, "beam")
    for seed in range(5):
        grey = picture(200, seed)
        (log_probs,) = beam.scores([beam._normalize(grey).pixels])

        def loss(text: str, log_probs: NDArray[np.float32] = log_probs) -> float:
            targets, lengths = torch.tensor([model.alphabet.encode(text)]), torch.tensor([len(text)])
            steps = torch.tensor([len(log_probs)])
            return float(
                torch.nn.functional.ctc_loss(torch.from_numpy(log_probs)[:, None], targets, steps, lengths, 0, "sum")
            )

        assert loss(beam.read(grey).text) <= loss(greedy.read(grey).text) + 1e-4


def test_alternatives_are_other_texts_of_the_beam() -> None:
    model = untrained(CONFIGS["conv"])
    recognizer = Recognizer(model, "beam")
    reading, words = recognizer.read_with_alternatives(picture(200))
    assert same(reading, recognizer.read(picture(200)))
    (log_probs,) = recognizer.scores([recognizer._normalize(picture(200)).pixels])
    texts = {model.alphabet.decode(labels) for labels, _ in read_beam(log_probs)[1]} - {reading.text}
    assert len(words) == 1  # the alphabet has no space
    assert len(words[0]) == 5 and set(words[0]) <= texts
    assert Recognizer(model).read_with_alternatives(picture(200))[1] == [[]]  # greedy decoding knows no others


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
@pytest.mark.parametrize(
    ("written", "text"),
    [("ab ✗b", "ab b"), ("ab ✗ b", "ab b"), ("✗b", "b"), ("a✗", "a"), ("a ✗", "a"), ("a✗ b", "a b"), ("✗", "")],
)
def test_what_is_crossed_out_is_not_in_the_text_but_has_a_place(decoder: Decoder, written: str, text: str) -> None:
    model = untrained(CONFIGS["conv"])
    reader = Recognizer(Model(model.config, Alphabet("ab ✗e"), model.weights), decoder)
    p = np.full((2 * len(written) + 1, 6), 0.01, np.float32)
    for place, character in enumerate(written):
        p[2 * place : 2 * place + 2] += np.eye(6, dtype=np.float32)[[0, reader.model.alphabet.label[character]]]
    p[-1, 0] = 1
    decoded = reader.decode(np.log(p / p.sum(axis=1, keepdims=True)))
    assert reader.model.alphabet.decode(label.label for label in decoded.labels) == text
    assert [label.first for label in decoded.crossed_out] == [2 * written.index("✗") + 1]
    if decoded.candidates:
        texts = [reader.model.alphabet.decode(labels) for labels, _ in decoded.candidates]
        assert texts[0] == text and "✗" not in "".join(texts) and len(texts) == len({*texts})


def test_what_is_crossed_out_reaches_to_the_characters_beside_it() -> None:
    model = untrained(CONFIGS["conv"])
    reader = Recognizer(Model(model.config, Alphabet("ab ✗e"), model.weights))
    line = NormalizedImage(np.zeros((48, 200), np.uint8), 1.0, 0.0)
    a, b, mark = (Label(label, 1.0, step, step) for label, step in ((1, 10), (2, 30), (4, 20)))
    for labels, crossed, expected in (
        ([a, b], [mark], ((44, 120),)),
        ([a], [mark], ((44, 200),)),
        ([b], [mark], ((0, 120),)),
        ([], [mark], ((0, 200),)),
        ([a, b], [mark, Label(4, 1.0, 22, 23)], ((44, 120),)),
        ([a, b], [], ()),
    ):
        assert reader._reading(Decoded(labels, crossed, None), line, (0, 200), "").crossed_out == expected


def test_a_saved_model_is_loaded(tmp_path: Path) -> None:
    path, model = tmp_path / "tiny.safetensors", untrained(CONFIGS["pixels"])
    rounded = {name: weight.astype(np.float16) for name, weight in model.weights.items()}  # as they are in the file
    save_model(path, model)
    reading = Recognizer(Model(model.config, model.alphabet, rounded)).read(picture(200))
    assert same(Recognizer.load(str(path)).read(picture(200)), reading)


def test_pad_by_hand() -> None:
    batch, lengths = pad([np.ones((2, 3), np.float32), np.full((1, 3), 2, np.float32)], to=4)
    assert lengths.tolist() == [2, 1]
    assert batch[:, :, 0].tolist() == [[1, 1, 0, 0], [2, 0, 0, 0]]
    assert pad([np.ones((2, 3), np.float32)])[0].shape == (1, 2, 3)


# ---- pen strokes


def strokes(seed: int = 0) -> list[Stroke]:
    """Zigzag strokes far from the origin, in large units."""
    rng = np.random.default_rng(seed)
    steps = np.stack([rng.uniform(5, 30, (4, 12)), np.resize([-90.0, 90.0], (4, 12)) + rng.normal(0, 9, (4, 12))], 2)
    return [3000 + np.array([500.0 * word, 0]) + walk.cumsum(axis=0) for word, walk in enumerate(steps)]


def test_readings_do_not_depend_on_the_units_of_strokes() -> None:
    config = NetworkConfig(features="strokes", channels=(4, 8), layers=1, hidden=8)
    model = untrained(CONFIGS["conv"])
    torch.manual_seed(1)
    network = Network(config, labels=6)
    with torch.no_grad():
        network.output.weight.mul_(100)
    reader = Recognizer(Model(config, model.alphabet, weights_of(network)))
    reading = reader.read(strokes())
    assert reading.text and len(reading.text) == len(reading.characters)
    xs = np.concatenate(strokes())[:, 0]
    assert all(xs.min() <= character.left <= character.right <= xs.max() for character in reading.characters)
    larger = reader.read([stroke * 10 - 7 for stroke in strokes()])
    assert larger.text == reading.text
    assert larger.characters[-1].right == pytest.approx(reading.characters[-1].right * 10 - 7, rel=1e-3)
    many = [strokes(seed) for seed in range(20)]
    for one, other in zip(reader.read_many(many, chunk=3), map(reader.read, many), strict=True):
        assert same(one, other)
    with pytest.raises(BadInput, match="an image, but the model reads pen strokes"):
        reader.read(picture(200))


def test_a_model_for_images_draws_strokes() -> None:
    reader = Recognizer(untrained(CONFIGS["conv"]))
    reading, drawn = reader.read(strokes()), reader.read(draw_ink(strokes()))
    assert reading.text == drawn.text != ""
    scale, left = drawing_scale_and_left(strokes())
    inner = reading.characters[len(reading.characters) // 2]
    assert inner.left == pytest.approx(drawn.characters[len(reading.characters) // 2].left / scale + left)
    xs = np.concatenate(strokes())[:, 0]
    assert all(xs.min() <= character.left <= character.right <= xs.max() for character in reading.characters)


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_weights_that_give_no_probabilities_are_refused(decoder: Decoder) -> None:
    model = untrained(CONFIGS["conv"])
    model.weights["output.weight"][:] = 3e38  # the sums are infinite
    with pytest.raises(BadModel, match="the model: damaged: its weights give no probabilities"):
        Recognizer(model, decoder).read(picture(200))


# ---- inside other programs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("line.png", "cannot read an object of type str; give a grey image"),
        (Path("line.png"), "cannot read an object of type PosixPath"),
        (Image.new("L", (200, 60)), "cannot read an object of type Image"),
        (np.zeros((60, 200, 3), np.uint8), r"cannot read an array \(60, 200, 3\) of uint8"),
        (np.zeros((60, 200)), r"cannot read an array \(60, 200\) of float64"),
        (np.zeros((0, 200), np.uint8), r"cannot read an array \(0, 200\) of uint8"),
        ([], "cannot read a list without strokes"),
        ([[(0, 0), (1, 1)]], "cannot read a list without strokes"),
        (None, "cannot read an object of type NoneType"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths have another type")
def test_what_is_neither_an_image_nor_strokes_is_refused(given: Any, message: str) -> None:
    reader = Recognizer(untrained(CONFIGS["conv"]))
    with pytest.raises(BadInput, match=message):
        reader.read(given)


def test_lines_may_come_from_a_generator_that_reads_itself() -> None:
    reader = Recognizer(untrained(CONFIGS["pixels"]))
    pictures = [picture(100, seed) for seed in range(3)]

    def again() -> Iterator[Grey]:
        for grey in pictures:
            reader.read(grey)
            yield grey

    expected = [reader.read(grey).text for grey in pictures]
    found: list[str] = []
    thread = threading.Thread(
        target=lambda: found.extend(r.text for r in reader.read_many(again(), chunk=1)), daemon=True
    )
    thread.start()
    thread.join(20)
    assert found == expected


def test_few_large_images_are_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizer, "MAX_PIXELS", 15_000)
    reader, taken = Recognizer(untrained(CONFIGS["pixels"])), []

    def pictures() -> Iterator[Grey]:
        for seed in range(9):
            taken.append(seed)
            yield picture(200, seed)  # 12,000 pixels

    readings = reader.read_many(pictures())
    next(readings)
    assert len(taken) <= 4  # two that are read, two in advance
    assert len(list(readings)) == 8


def test_the_threads_and_objects_of_the_program_are_left_alone() -> None:
    code = """
import gc, os, sys, threading, warnings
import torch
torch.set_num_threads(3)
from inkread.model.recognizer import Recognizers
sys.path.insert(0, "tests")
from test_recognizer import CONFIGS, Recognizer, picture, untrained
torch.set_num_threads(3)  # the tests set it for themselves
before = dict(os.environ), list(warnings.filters), gc.get_freeze_count()
recognizers = Recognizers("own")
recognizers.load = lambda name: Recognizer(untrained(CONFIGS["conv"]), engine="torch")
assert len(list(recognizers.read_many(picture(100, seed) for seed in range(99)))) == 99
numbers = [torch.get_num_threads()]
thread = threading.Thread(target=lambda: numbers.append(torch.get_num_threads()))
thread.start()
thread.join()
assert numbers == [3, 3], numbers
assert (dict(os.environ), list(warnings.filters), gc.get_freeze_count()) == before
workers = {*recognizers.loaded["own"].pool.map(lambda _: torch.get_num_threads(), range(9))}
assert workers == {1}, workers
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Chosen(AutomaticLanguages):
    """Detects a language that the test says, and remembers what is detected together."""

    def __init__(self, choice: LineLanguages) -> None:
        self.choice, self.asked = choice, list[int]()

    def choose(self, texts: Sequence[str]) -> list[LineLanguages]:
        self.asked.append(len(texts))
        return [self.choice] * len(texts)

    def model(self, codes: Codes) -> LanguageModel:
        return fit(["abcde", "ace", "bd"] if codes == ("en",) else ["dead", "bead"], 2)


def test_detected_languages_choose_the_language_model() -> None:
    model, pictures = untrained(CONFIGS["conv"]), [picture(width, width) for width in (300, 200, 500)]
    texts: dict[Codes, list[str]] = {codes: [] for codes in (("en",), ("fr",), ())}
    for codes in texts:
        languages = Chosen(LineLanguages(codes, "xx"))
        reader = Recognizer(model, language=languages)
        alone, together = list(reader.read_many(pictures)), list(reader.read_many(pictures, one_page=True))
        assert all(same(*pair) for pair in zip(alone, together, strict=True))
        assert languages.asked == [1, 1, 1, 3]  # each line for itself; then those of a page together
        assert {reading.language for reading in (*alone, *together)} == {"xx"}
        texts[codes] = [reading.text for reading in alone]
        if codes:
            fixed = Recognizer(model, language=languages.model(codes))
            assert texts[codes] == [reading.text for reading in fixed.read_many(pictures)]
            assert fixed.read(pictures[0]).language == ""
    assert texts[()] == [Recognizer(model, "greedy").read(grey).text for grey in pictures]  # no language is known
    assert texts[("en",)] != texts[("fr",)]
