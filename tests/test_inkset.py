"""Prepared datasets: what is written is read, another program can read it, and damage is found."""

import json
import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from commands import SAMPLE
from PIL import Image

from inkread.augment.splice import find_gaps
from inkread.config import NetworkConfig
from inkread.data import open_dataset
from inkread.data.inkset import INDEX, PHOTO, PreparedSet, prepared_set
from inkread.data.samples import Sample, is_ink, read_line, read_line_input, read_strokes
from inkread.errors import BadDataset, BadInput, CannotWrite
from inkread.features.extract import columns_of, normalize
from inkread.features.ink import NormalizedInk
from inkread.model.recognizer import Recognizer
from inkread.training.preparation import prepare_dataset

CONFIG = NetworkConfig()
STROKES = NetworkConfig().replace({"features": "strokes", "channels": "4,4"})
INKS = """{"strokes": [[[0, 0], [0, 40], [20, 20], [40, 40]], [[60, 40], [61, 2]]], "text": "Ni", "writer": "anna"}
{"strokes": [[[0, 0], [9, 40], [20, 0]], [[30, 40], [50, 0]]], "text": "w", "split": "dev"}
"""


@pytest.fixture(scope="module")
def prepared(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "few.inkset"
    assert prepare_dataset(open_dataset(str(few)).samples, out, CONFIG) == (4, [])
    return out


def test_lines_are_those_of_the_dataset(few: Path, prepared: Path) -> None:
    for ours, theirs in zip(open_dataset(str(prepared)).samples, open_dataset(str(few)).samples, strict=True):
        assert (ours.id, ours.text, ours.writer, ours.split) == (theirs.id, theirs.text, theirs.writer, theirs.split)
        line, expected = read_line_input(ours), normalize(read_line_input(theirs), CONFIG)
        np.testing.assert_array_equal(columns_of(normalize(line, CONFIG)), columns_of(expected))
        assert vars(line).keys() == vars(expected).keys()
        assert (line.scale, line.offset) == (expected.scale, expected.offset)
        assert ours.row is not None
        assert prepared_set(prepared).gaps(ours.row) == find_gaps(columns_of(expected), theirs.text)
        np.testing.assert_array_equal(read_line(ours), 255 - columns_of(expected))
        with pytest.raises(BadInput, match="a prepared dataset, which has no strokes"):
            read_strokes(ours)


def test_photos_are_the_same_each_time_and_other_images(few: Path, prepared: Path, tmp_path: Path) -> None:
    samples = open_dataset(str(few)).samples
    prepare_dataset(samples[::-1], tmp_path / "other.inkset", CONFIG)
    first, again = PreparedSet(prepared), PreparedSet(tmp_path / "other.inkset")
    for row in range(4):
        np.testing.assert_array_equal(first.columns(row, PHOTO), again.columns(3 - row, PHOTO))
        assert not np.array_equal(first.columns(row), first.columns(row, PHOTO))


def test_strokes_and_splits(tmp_path: Path) -> None:
    (tmp_path / "inks.jsonl").write_text(INKS)
    samples = open_dataset(str(tmp_path / "inks.jsonl")).samples
    out = tmp_path / "inks.inkset"
    assert prepare_dataset(samples, out, STROKES) == (2, [])
    first, second = open_dataset(str(out)).samples
    assert is_ink(first) and (first.writer, first.split, second.writer, second.split) == ("anna", None, None, "dev")
    for ours, theirs in ((first, samples[0]), (second, samples[1])):
        line, expected = read_line_input(ours), normalize(read_strokes(theirs), STROKES)
        assert isinstance(line, NormalizedInk) and isinstance(expected, NormalizedInk)
        np.testing.assert_array_equal(line.path, expected.path)
        np.testing.assert_array_equal(line.source_x, expected.source_x)
        assert read_line(ours).min() < 50  # drawn
    assert [sample.text for sample in open_dataset(f"{out}:dev").samples] == ["w"]
    prepare_dataset(samples, tmp_path / "drawn.inkset", CONFIG)
    assert not is_ink(open_dataset(str(tmp_path / "drawn.inkset")).samples[0])


def test_alignments_survive(few: Path, tmp_path: Path) -> None:
    sample = open_dataset(str(few)).samples[0]
    spans = tuple((float(10 * place), float(10 * place + 9)) for place in range(len(sample.text)))
    both = (sample, replace(sample, id="aligned", spans=spans))
    prepare_dataset(both, tmp_path / "a.inkset", CONFIG, photos=False)
    assert [PreparedSet(tmp_path / "a.inkset").spans(row) for row in (0, 1)] == [None, spans]


def test_other_programs_can_read_it(few: Path, prepared: Path) -> None:
    """The safetensors library reads the whole file, and finds the lines where the description of the format says."""
    tensors = safetensors.numpy.load_file(prepared)
    strings = json.loads(tensors["strings"].tobytes())
    assert [text for _, _, _, text in strings] == [sample.text for sample in open_dataset(str(few)).samples]
    widths = tensors["widths"]
    assert tensors["columns"].shape == (widths.sum(), 48)
    second = tensors["columns"][widths[0].sum() :][: widths[1, 0]]
    expected = normalize(read_line_input(open_dataset(str(few)).samples[1]), CONFIG)
    np.testing.assert_array_equal(second.T, columns_of(expected))
    assert tensors["checksums"][1, 0] == zlib.crc32(second.tobytes())


def test_a_model_reads_it_as_it_reads_the_images(few: Path, prepared: Path) -> None:
    recognizer = Recognizer.load("latin", "greedy")
    ours, theirs = (
        list(recognizer.read_many(map(read_line_input, open_dataset(str(path)).samples))) for path in (prepared, few)
    )
    assert [reading.text for reading in ours] == [reading.text for reading in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert [character.left for character in one.characters[1:-1]] == pytest.approx(
            [character.left for character in other.characters[1:-1]]
        )
    with pytest.raises(BadInput, match=r"^prepared as images 48 pixels high, but the model reads pen strokes; use"):
        Recognizer.load("strokes", "greedy").read(read_line_input(open_dataset(str(prepared)).samples[0]))


def test_only_the_path_is_pickled(prepared: Path) -> None:
    data = pickle.dumps(PreparedSet(prepared))
    assert len(data) < 500 and pickle.loads(data).path == prepared
    samples = open_dataset(str(prepared)).samples
    assert pickle.loads(pickle.dumps(samples)) == samples


def test_prepared_datasets_are_joined(few: Path, prepared: Path, tmp_path: Path) -> None:
    joined = (*open_dataset(str(prepared)).samples[:2], *open_dataset(str(few)).samples[2:])
    prepare_dataset(joined, tmp_path / "joined.inkset", CONFIG)
    assert (tmp_path / "joined.inkset").read_bytes() == prepared.read_bytes()
    with pytest.raises(BadDataset, match="prepared as images 48 pixels high, but the model reads images 64 pixels"):
        prepare_dataset(joined, tmp_path / "high.inkset", CONFIG.replace({"height": 64}))
    assert not (tmp_path / "high.inkset").exists()


def test_two_processes_write_the_same_file_as_one(few: Path, prepared: Path, tmp_path: Path) -> None:
    seen = []
    samples = open_dataset(str(few)).samples
    prepare_dataset(samples, tmp_path / "two.inkset", CONFIG, processes=2, progress=lambda *done: seen.append(done))
    assert (tmp_path / "two.inkset").read_bytes() == prepared.read_bytes()
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_lines_that_cannot_be_read_are_left_out(few: Path, tmp_path: Path) -> None:
    samples = open_dataset(str(few)).samples
    missing = replace(samples[1], path=tmp_path / "no.png")
    lines, reasons = prepare_dataset((samples[0], missing), tmp_path / "one.inkset", CONFIG)
    assert lines == 1 and len(reasons) == 1 and "no.png: no such file" in reasons[0]
    with pytest.raises(BadDataset, match=r"none of its 1 lines can be read; the first: .*no\.png: no such file"):
        prepare_dataset((missing,), tmp_path / "none.inkset", CONFIG)
    assert [file.name for file in tmp_path.iterdir()] == ["one.inkset"]


def test_it_is_written_completely_or_not_at_all(few: Path, tmp_path: Path) -> None:
    samples = open_dataset(str(few)).samples
    (tmp_path / "a.inkset").write_bytes(b"older")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(CannotWrite, match="exists"):
        prepare_dataset(samples, tmp_path / "a.inkset", CONFIG)
    with pytest.raises(KeyboardInterrupt):
        prepare_dataset(samples, tmp_path / "a.inkset", CONFIG, overwrite=True, progress=stop)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"older"]


# ---- damaged files


def refusal(path: Path) -> str:
    with pytest.raises(BadDataset) as caught:
        open_dataset(str(path))
    message = str(caught.value)
    assert caught.value.path == str(path) and caught.value.hint and "\n" not in message
    return message


def changed(prepared: Path, path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> Path:
    """A copy of the file with another description or other tensors, and the checksum that belongs to them."""
    tensors = safetensors.numpy.load_file(prepared)
    with safetensors.safe_open(prepared, "np") as file:
        description = json.loads(file.metadata()["inkread"])
    change(description, tensors)
    safetensors.numpy.save_file(tensors, path, {"inkread": json.dumps(description)})
    return path


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"\xff" * 5000, b"PK\3\4" + b"x" * 50])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.inkset").write_bytes(content)
    assert "damaged or cut short" in refusal(tmp_path / "a.inkset")


def test_a_model_is_not_a_dataset(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"a": np.zeros(1)}, tmp_path / "a.inkset")
    assert "not a prepared dataset; make one with `inkread prepare`" in refusal(tmp_path / "a.inkset")


def test_a_file_that_is_cut_anywhere_is_refused(prepared: Path, tmp_path: Path) -> None:
    content = prepared.read_bytes()
    for length in (10, 4000, 4096, len(content) // 2, len(content) - 1):
        (tmp_path / "a.inkset").write_bytes(content[:length])
        assert "damaged or cut short" in refusal(tmp_path / "a.inkset")


def test_each_wrong_byte_of_the_index_is_found(prepared: Path, tmp_path: Path) -> None:
    content = prepared.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    columns = json.loads(content[8:header])["columns"]["data_offsets"][1]
    for place in np.linspace(header + columns, len(content) - 1, 25).astype(int).tolist():
        wrong = bytearray(content)
        wrong[place] ^= 1
        (tmp_path / "a.inkset").write_bytes(wrong)
        assert "damaged or cut short" in refusal(tmp_path / "a.inkset")


def test_a_wrong_byte_in_a_line_is_found_when_it_is_read(prepared: Path, tmp_path: Path) -> None:
    content = bytearray(prepared.read_bytes())
    content[8 + int.from_bytes(content[:8], "little")] ^= 1
    (tmp_path / "a.inkset").write_bytes(content)
    first, *others = open_dataset(str(tmp_path / "a.inkset")).samples
    with pytest.raises(BadInput, match=r"a\.inkset: damaged: line 1 is not as it was written; prepare"):
        read_line_input(first)
    assert all(read_line(sample).any() for sample in others)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("format", "inkread prepared dataset 2", "of another version of inkread (inkread prepared dataset 2); prepare"),
        ("format", "inkread line model 1", "not a prepared dataset"),
        ("preprocessing", 99, "prepared with version 99 of the preprocessing, but this inkread has version 1; prepare"),
        ("checksum", 1, "damaged or cut short (its checksum)"),
        ("height", 64, "damaged or cut short (its columns)"),
        ("height", "48", "damaged or cut short (its columns)"),
        ("height", None, "damaged or cut short (its columns)"),
    ],
)
def test_other_versions_and_kinds_are_refused(
    prepared: Path, tmp_path: Path, name: str, value: object, message: str
) -> None:
    def change(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        description[name] = value

    assert message in refusal(changed(prepared, tmp_path / "a.inkset", change))


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("widths", (0, 0), 10**6),
        ("widths", (0, 0), -1),
        ("gap_counts", (1, 0), 100),
        ("gaps", (0, 2), 10**6),
        ("has_spans", (0,), 1),
        ("weights", (0,), np.nan),
        ("weights", (0,), 0),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(
    prepared: Path, tmp_path: Path, name: str, place: tuple[int, ...], value: float
) -> None:
    """Even with the right checksum."""

    def change(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        tensors[name][place] = value
        description["checksum"] = 0
        for part in INDEX:
            description["checksum"] = zlib.crc32(tensors[part].tobytes(), description["checksum"])

    assert f"damaged or cut short (its {name.replace('has_', '')})" in refusal(
        changed(prepared, tmp_path / "a.inkset", change)
    )


def test_a_missing_file_or_tensor_is_named(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="no such file"):
        PreparedSet(tmp_path / "no.inkset")
    (tmp_path / "folder.inkset").mkdir()
    assert "folder.inkset: " in refusal(tmp_path / "folder.inkset")

    def change(description: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        del tensors["gaps"]

    refused = refusal(changed(prepared, tmp_path / "a.inkset", change))
    assert "damaged or cut short" in refused and "gaps" in refused


def test_a_line_is_as_wide_as_its_image_says(prepared: Path) -> None:
    """Real handwriting: what a prepared line shows is what its image shows, so most of its columns have ink."""
    for sample in open_dataset(str(prepared)).samples:
        image = read_line(sample)
        assert image.shape[0] == 48 and (image < 128).any(axis=0).mean() > 0.5


def test_samples_of_other_datasets_are_not_changed() -> None:
    sample = open_dataset(str(SAMPLE)).samples[0]
    assert (sample.row, sample.weight) == (None, 1.0) and isinstance(sample, Sample)
    assert read_line(sample).shape == np.asarray(Image.open(sample.path).convert("L")).shape
