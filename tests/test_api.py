"""The public API, with the included models."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handwriting import SAMPLES, SCANS, page_of
from PIL import Image

import inkread
from inkread._model_files import shipped_models
from inkread.config import DEFAULT_MODEL, STROKE_MODEL
from inkread.evaluation.metrics import edit_distance

ROOT = Path(__file__).parent.parent
LETTER = ROOT / "datasets" / "sample" / "letter.jpg"
PEN = ROOT / "datasets" / "sample" / "pen.inkml"

needs_models = pytest.mark.skipif(
    not {DEFAULT_MODEL, STROKE_MODEL} <= set(shipped_models()), reason="the included models are not in models/"
)


@pytest.fixture(scope="module")
def reader() -> inkread.Reader:
    return inkread.load(decoder="greedy")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, "inkread")
    yield caplog


def run_python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


# ---- the package


def test_importing_the_package_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, inkread; inkread.Document; print(*{'torch', 'numpy', 'PIL'} & {*sys.modules})"
    assert run_python(code).split() == []


def test_finding_lines_needs_no_torch() -> None:
    code = f"import sys, inkread; print(len(inkread.find_lines({str(LETTER)!r})) > 0, 'torch' in sys.modules)"
    assert run_python(code).split() == ["True", "False"]


def test_every_public_name_exists_and_is_listed() -> None:
    for name in inkread.__all__:
        assert getattr(inkread, name) is not None, name
        assert name in dir(inkread)
    with pytest.raises(AttributeError, match="no attribute 'recognise'"):
        inkread.recognise  # noqa: B018


def test_public_functions_and_classes_are_documented() -> None:
    for name in inkread.__all__:
        if name != "__version__":
            assert len(getattr(inkread, name).__doc__ or "") > 20, name


def test_functions_remain_callable_after_their_modules_are_imported() -> None:
    code = (
        "import inkread; from inkread.training import loop; from inkread.evaluation import lines; "
        "print(callable(inkread.train), callable(inkread.evaluate))"
    )
    assert run_python(code).split() == ["True", "True"]


# ---- reading


@needs_models
def test_a_page_is_read_with_positions(reader: inkread.Reader) -> None:
    document = reader.read(LETTER)
    assert document.name == str(LETTER) and isinstance(document, inkread.Document)
    (page,) = document.pages
    width, height = (page.width, page.height)
    with Image.open(LETTER) as image:
        assert (width, height) == image.size
    assert len(page.lines) == 9
    for line in page.lines:
        assert 0 < line.confidence <= 1 and line.text == "".join(character.text for character in line.characters)
        assert line.text.split() == [word.text for word in line.words]
        top, bottom = (edge(y for _, y in line.polygon) for edge in (min, max))
        for word in line.words:
            assert 0 < word.confidence <= 1 and len(word.polygon) == 4
            assert top - 40 < min(y for _, y in word.polygon) < max(y for _, y in word.polygon) < bottom + 40
    assert document.to_json_lines().count("\n") == 9 and document.to_alto().count("<TextLine") == 9


@needs_models
def test_lines_are_read_nearly_as_they_are_written(reader: inkread.Reader) -> None:
    for file in SCANS[:3]:
        text = file.with_suffix(".gt.txt").read_text("utf-8").strip()
        assert edit_distance(text, reader.read_line(file).text) < 0.25 * len(text)


@needs_models
def test_all_kinds_of_input_give_the_same_line(reader: inkread.Reader) -> None:
    file = SCANS[0]
    expected = reader.read_line(file)
    with Image.open(file) as image:
        grey = np.asarray(image.convert("L"))
        inputs: list[Any] = [str(file), file.read_bytes(), image, grey, np.stack([grey] * 3, axis=2), grey / 255]
        for x in inputs:
            assert reader.read_line(x) == expected, type(x)
            assert reader.read(x).pages[0].lines == (expected,)


@needs_models
def test_strokes_are_read(reader: inkread.Reader) -> None:
    document = reader.read(PEN)
    assert document.pages and all(page.is_line for page in document.pages)
    from inkread.inputs import read_inks

    strokes = [stroke.tolist() for stroke in read_inks(PEN, whole=True)[0].strokes]
    assert reader.read(strokes).text == document.text != ""


@needs_models
def test_read_is_load_and_read(reader: inkread.Reader) -> None:
    assert inkread.read(SCANS[0], decoder="greedy").text == reader.read(SCANS[0]).text


@needs_models
def test_many_files_come_page_by_page(reader: inkread.Reader) -> None:
    failures: dict[str, inkread.InkreadError] = {}
    read = list(reader.read_many([SCANS[0], "missing.png", SCANS[1]], failed=failures.__setitem__))
    assert [layout.name for layout, _ in read] == [str(SCANS[0]), str(SCANS[1])]
    assert failures["missing.png"].path == "missing.png" and failures["missing.png"].hint


def test_what_cannot_be_read_is_told_what_can_be() -> None:
    wrong: list[Any] = [None, 3.5, {}, [], np.zeros((2, 2, 7))]
    for x in wrong:
        for function in (inkread.read, inkread.find_lines, inkread.load().read, inkread.load().read_line):
            with pytest.raises(inkread.BadInput, match="give a path, the bytes of a file, a PIL image"):
                function(x)


def test_a_missing_model_is_reported_when_it_is_loaded() -> None:
    with pytest.raises(inkread.BadModel, match=r"no-such-model"):
        inkread.load("no-such-model.safetensors")


# ---- lines


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "nothing at all"])
def test_a_device_that_is_missing_is_reported(device: str) -> None:
    with pytest.raises(inkread.BadConfig, match="device"):
        inkread.load(device=device)


def test_lines_are_found_on_images_of_all_kinds() -> None:
    page = page_of(5, gap=100)
    found = inkread.find_lines(page)
    assert [len(paragraph) for paragraph in found] == [2, 3]
    assert all(isinstance(region, inkread.Region) for paragraph in found for region in paragraph)
    assert inkread.find_lines(Image.fromarray(page)) == inkread.find_lines(255 - page) == found


def test_lines_are_found_on_one_page_only(tmp_path: Path) -> None:
    image = Image.fromarray(page_of(2))
    image.save(tmp_path / "two.tif", save_all=True, append_images=[image])
    with pytest.raises(inkread.BadInput, match=r"two\.tif: 2 pages; give one page"):
        inkread.find_lines(tmp_path / "two.tif")
    with pytest.raises(inkread.BadInput, match="pen strokes"):
        inkread.find_lines([[[0, 0], [5, 5]]])


# ---- datasets, evaluation and training


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A dataset of three lines."""
    folder = tmp_path / "lines"
    folder.mkdir()
    for file in SAMPLES[:3]:
        shutil.copy(file, folder)
        shutil.copy(file.with_suffix(".gt.txt"), folder)
    return folder


@needs_models
def test_a_dataset_is_evaluated(lines: Path) -> None:
    dataset = inkread.open_dataset(lines)
    assert isinstance(dataset, inkread.Dataset) and len(dataset.samples) == 3
    evaluation = inkread.evaluate(dataset, decoder="greedy")
    assert isinstance(evaluation, inkread.Evaluation) and len(evaluation.lines) == 3
    edits = sum(edit_distance(line.written, line.read) for line in evaluation.lines)
    assert evaluation.cer == edits / sum(len(line.written) for line in evaluation.lines)
    assert inkread.evaluate(lines, decoder="greedy").cer == evaluation.cer  # also after its sub-package was imported


@needs_models
def test_lines_that_are_left_out_are_logged(lines: Path, log: pytest.LogCaptureFixture) -> None:
    (lines / SAMPLES[0].with_suffix(".gt.txt").name).write_text("")
    inkread.evaluate(lines, decoder="greedy")
    assert [message for message in log.messages if message.startswith("left out: ") and "no text" in message]


def test_a_missing_dataset_is_reported() -> None:
    for function in (inkread.open_dataset, inkread.evaluate):
        with pytest.raises(inkread.BadDataset, match="no-such-folder") as raised:
            function("no-such-folder")
        assert raised.value.path == "no-such-folder" and raised.value.hint


@pytest.mark.usefixtures("one_process")
def test_a_model_is_trained_and_used(lines: Path, tmp_path: Path) -> None:
    settings = {"hidden": 16, "layers": 1, "channels": (8, 8, 8), "evaluations": 1}
    out = tmp_path / "tiny.safetensors"
    result = inkread.train(lines, out, dev=lines, epochs=1, settings=settings)
    assert result.path == out and 0 <= result.cer <= 2 and result.dev_lines == 3
    assert isinstance(inkread.load(str(out)).read_line(SCANS[0]), inkread.Line)
    with pytest.raises(inkread.CannotWrite, match="exists"):
        inkread.train([lines], out, epochs=1)
