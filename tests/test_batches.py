"""The lines of a training: how often each is used, as a photo or as it is, and their labels."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from inkread.alphabet import Alphabet, steps_needed
from inkread.config import NetworkConfig
from inkread.data import Sample, open_dataset, open_weighted
from inkread.data.inkset import PLAIN
from inkread.errors import BadDataset
from inkread.training.batches import Copies, Preparation, fewest_steps, labels_of, prepare_lines
from inkread.training.distributed import Workers
from inkread.training.preparation import prepare_dataset

CONFIG = NetworkConfig()


def copies(weights: list[float], photographed: float = 0.0, seed: int = 0) -> Copies:
    samples = [Sample(str(number), Path("a.png"), "a", weight=weight) for number, weight in enumerate(weights)]
    return Copies.of(samples, Preparation(Alphabet("a"), CONFIG, photographed, weighted=True, seed=seed))


def used(of: Copies, epoch: int) -> list[int]:
    return of.line[of.epoch(3, epoch)].tolist()


def test_lines_without_weights_are_used_once() -> None:
    of = copies([1.0] * 5)
    assert used(of, 0) == used(of, 7) == [0, 1, 2, 3, 4] and of.epoch(3, 0).tolist() == [0, 1, 2, 3, 4]


def test_a_whole_weight_repeats_the_line() -> None:
    of = copies([1, 3, 1])
    assert used(of, 0) == [0, 1, 2, 1, 1] and of.epoch(3, 0).tolist() == [0, 1, 2, 3, 4]


def test_half_of_the_lines_is_used_in_one_epoch_and_the_other_half_in_the_next() -> None:
    of = copies([0.5] * 10 + [1])
    first, second, third = (used(of, epoch) for epoch in range(3))
    assert len(first) == len(second) == 6 and sorted(first + second) == [*range(10), 10, 10]
    assert first == third


def test_each_line_is_used_equally_often() -> None:
    of = copies([1 / 3] * 7 + [2.25] * 8)
    counts = np.bincount(np.concatenate([of.line[of.epoch(0, epoch)] for epoch in range(84)]))
    assert {len(of.epoch(0, epoch)) for epoch in range(84)} == {2 + 2 * 8 + 2}
    assert counts[:7].tolist() == [84 * 2 / 7] * 7 and counts[7:].tolist() == [2.25 * 84] * 8


def test_photos_are_a_share_of_the_copies_that_depends_on_the_names_alone() -> None:
    of = copies([2.0] * 2000, 0.3)
    assert of.version.mean() == pytest.approx(0.3, abs=0.03)
    first, second = of.version[:2000], of.version[2000:]
    assert np.mean(first & second) == pytest.approx(0.09, abs=0.02)  # independent
    assert not np.array_equal(copies([2.0] * 2000, 0.3, seed=1).version, of.version)
    kept = of.of_lines(np.arange(5, 2000, 2))
    assert kept.version.tolist() == [*first[5::2], *second[5::2]] and kept.line.tolist() == [*range(998), *range(998)]
    assert not copies([1.0] * 50, 0.0).version.any() and copies([1.0] * 50, 1.0).version.all()


def test_labels_and_steps_are_those_of_each_text() -> None:
    alphabet = Alphabet("abé ")
    texts = ["abba", "a", "bb", "xx é", "b", "aab", "a", "a"]
    samples = [Sample("", Path(), text) for text in texts]
    all_labels, first = labels_of(samples, alphabet)
    labels = [all_labels[begin:end].tolist() for begin, end in pairwise(first)]
    assert labels == [[alphabet.label.get(character, 5) for character in text] for text in texts]
    assert fewest_steps(all_labels, first).tolist() == [steps_needed(of_text) for of_text in labels]


def test_weights_are_written_after_a_star(few: Path, tmp_path: Path) -> None:
    assert [sample.weight for sample in open_weighted(f"{few}*7").samples] == [7.0] * 4
    assert open_weighted(f"{few}*0.5").samples == tuple(
        replace(sample, weight=0.5) for sample in open_dataset(str(few)).samples
    )
    assert open_weighted(f"{few}*.5").samples[0].weight == 0.5 and open_weighted(str(few)) == open_dataset(str(few))
    for weight in ("0", "0.0", "1001"):
        with pytest.raises(BadDataset, match=rf"the weight {weight} must be more than 0, and at most 1000"):
            open_weighted(f"{few}*{weight}")
    with pytest.raises(BadDataset, match="a weight is for the lines of a training only; leave out"):
        open_dataset(f"{few}*7")
    with pytest.raises(BadDataset, match="no such file or folder"):
        open_weighted(f"{few}*x")
    prepare_dataset(open_weighted(f"{few}*3").samples, tmp_path / "a.inkset", CONFIG, photos=False)
    assert [sample.weight for sample in open_weighted(f"{tmp_path}/a.inkset*0.5").samples] == [1.5] * 4


def test_lines_of_all_kinds_of_datasets_are_used_together(few: Path, tmp_path: Path) -> None:
    """Two prepared datasets and one that is not; a line that is missing, and one that is too narrow for its text."""
    samples = open_dataset(str(few)).samples
    prepare_dataset(samples[:1], tmp_path / "a.inkset", CONFIG)
    prepare_dataset(samples[1:2], tmp_path / "b.inkset", CONFIG)
    mixed = (
        samples[2],
        *open_dataset(str(tmp_path / "b.inkset")).samples,
        replace(samples[3], path=tmp_path / "no.png"),
        *open_dataset(str(tmp_path / "a.inkset")).samples,
        replace(samples[3], text="i" * 400),
        samples[3],
    )
    texts = [sample.text for sample in (samples[2], samples[1], samples[0], samples[3])]
    alphabet = Alphabet.of(texts)
    for photographed in (0.0, 1.0):
        preparation = Preparation(alphabet, CONFIG, photographed, gaps=True)
        ours = prepare_lines(mixed, preparation, tmp_path / f"mixed {photographed}", Workers())
        plain = (samples[2], samples[1], samples[0], samples[3])
        expected = prepare_lines(plain, preparation, tmp_path / f"plain {photographed}", Workers())
        assert len(ours) == 4 and ours.widths.tolist() == expected.widths.tolist()
        for index, text in enumerate(texts):
            assert alphabet.decode(ours.labels(index)) == text
            np.testing.assert_array_equal(ours.columns(index), expected.columns(index))


def test_a_prepared_dataset_of_another_kind_is_refused(few: Path, tmp_path: Path) -> None:
    prepare_dataset(open_dataset(str(few)).samples, tmp_path / "a.inkset", CONFIG, photos=False)
    samples = open_dataset(str(tmp_path / "a.inkset")).samples
    preparation = Preparation(Alphabet("a"), CONFIG.replace({"height": 64}))
    with pytest.raises(BadDataset, match=r"the model reads images 64 .* prepare it again with --images --height 64"):
        prepare_lines(samples, preparation, tmp_path / "x", Workers())
    with pytest.raises(BadDataset, match=r"prepared without photos; prepare it again without --no-photos, or"):
        prepare_lines(samples, Preparation(Alphabet("a"), CONFIG, 0.3), tmp_path / "x", Workers())
    lines = prepare_lines(samples, Preparation(Alphabet("a"), CONFIG), tmp_path / "x", Workers())
    assert not lines.copies.version.any() and lines.copies.version[0] == PLAIN and not lines.aligned
