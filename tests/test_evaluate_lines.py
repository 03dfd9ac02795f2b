"""Scores of lines, worked out by hand, and lines that cannot be read."""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from evaluated import FakeRecognizer, dataset_of

from inkread.data import Dataset, Sample, open_dataset
from inkread.document.elements import Character
from inkread.errors import BadDataset
from inkread.evaluation import lines as line_scores
from inkread.evaluation.lines import Evaluation, evaluate, summary_lines
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading

IAM = Path(__file__).parents[2] / "shared/data/iam-lines.tar"


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """13 characters with 3 edits: an s is added to cat, the space of "a dog" is missed, and its d is read as c."""
    dataset = dataset_of(tmp_path, ("cat", "w1"), ("a dog", "w1"), ("héron", "w2"))
    return evaluate(FakeRecognizer("cats", "acog", "he\u0301ron"), dataset)


def test_error_rates_are_edits_over_written_length(evaluation: Evaluation) -> None:
    assert evaluation.cer == pytest.approx(3 / 13)
    assert evaluation.wer == pytest.approx(3 / 4)
    assert evaluation.perfect == pytest.approx(1 / 3)
    assert (evaluation.characters, evaluation.words, evaluation.writers) == (13, 4, 2)
    assert [(line.character_edits, line.word_edits) for line in evaluation.lines] == [(1, 1), (2, 2), (0, 0)]
    assert evaluation.lines_per_second == pytest.approx(3 / evaluation.seconds)


def test_confidences_are_compared_with_what_is_right(tmp_path: Path) -> None:
    """Of two words one is right, of seven characters six; one line is right, and has the higher confidence."""

    class Sure:
        def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
            for _, (text, confidence) in zip(lines, [("cat", 0.9), ("dock", 0.3)], strict=True):
                characters = tuple(Character(each, 0.8, 0, 1) for each in text)
                yield Reading(text, confidence, characters, (0.6,))

    evaluation = evaluate(Sure(), dataset_of(tmp_path, ("cat", None), ("rock", None)))
    assert evaluation.calibration_errors == pytest.approx(
        {"characters": 6 / 7 - 0.8, "words": 0.1, "lines": (0.1 + 0.3) / 2}
    )
    assert evaluation.line_roc_area == 1
    assert "AUC for a line without an error: 1.000" in summary_lines(evaluation)[1]
    of_json = json.loads(json.dumps(evaluation.to_dict()))
    assert of_json["line_roc_area"] == 1 and of_json["calibration_errors"]["words"] == pytest.approx(0.1)
    assert of_json["readings"][0]["word_confidences"] == [0.6]


def test_worst_lines_come_first_and_correct_lines_are_left_out(evaluation: Evaluation) -> None:
    assert [line.id for line in evaluation.worst(9)] == ["line 1", "line 0"]
    assert [line.id for line in evaluation.worst(1)] == ["line 1"]


def test_errors_are_counted_by_character(tmp_path: Path) -> None:
    evaluation = evaluate(
        FakeRecognizer("oo", "oat", "al"), dataset_of(tmp_path, ("aa", None), ("at", None), ("all", None))
    )
    assert evaluation.confusions(9) == [("a", "o", 2), ("", "o", 1), ("l", "", 1)]
    assert evaluation.confusions(1) == [("a", "o", 2)]
    assert list(evaluation.character_accuracy().items()) == [("a", (4, 2)), ("l", (2, 1)), ("t", (1, 1))]


def test_lines_are_grouped_by_length_and_writer(tmp_path: Path) -> None:
    texts = ["a" * 10, "a" * 11, "a" * 20, "a" * 250]
    dataset = dataset_of(tmp_path, *zip(texts, ["w1", "w2", "w2", "w1"], strict=True))
    evaluation = evaluate(FakeRecognizer("a" * 8, "a" * 11, "a" * 20, "a" * 250), dataset)
    assert [(group.name, group.lines, group.characters, group.rate) for group in evaluation.error_by_length()] == [
        ("1–10", 1, 10, 0.2),
        ("11–20", 2, 31, 0.0),
        ("over 100", 1, 250, 0.0),
    ]
    assert [(group.name, group.lines) for group in evaluation.error_by_writer()] == [("w1", 2), ("w2", 2)]


def test_intervals_are_by_writer_where_two_or_more_are_known(tmp_path: Path, evaluation: Evaluation) -> None:
    assert evaluation.interval_by == "writer"
    assert evaluation.cer_interval == pytest.approx((0, 3 / 8))  # both draws are w2, without errors, or w1
    some = evaluate(FakeRecognizer("cats", "cat"), dataset_of(tmp_path, ("cat", "w1"), ("cat", None)))
    assert (some.interval_by, some.writers, some.error_by_writer()) == ("line", None, [])
    assert some.cer_interval == pytest.approx((0, 1 / 3))
    alone = evaluate(FakeRecognizer("cats", "cat"), dataset_of(tmp_path, ("cat", "w1"), ("cat", "w1")))
    assert (alone.interval_by, alone.writers, alone.cer_interval) == ("line", 1, some.cer_interval)


def test_lines_that_cannot_be_read_are_named_and_the_others_scored(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, *[(f"number {n}", None) for n in range(5)])
    dataset.samples[1].path.write_text("not a picture")
    dataset.samples[4].path.unlink()
    steps: list[tuple[int, int]] = []
    evaluation = evaluate(FakeRecognizer("number 0", "number 2", "number 3"), dataset, lambda *step: steps.append(step))
    assert evaluation.cer == 0
    assert [line.index for line in evaluation.lines] == [0, 2, 3]
    assert [name for name, _ in evaluation.failures] == ["line 1", "line 4"]
    assert all(str(dataset.samples[n].path) in evaluation.failures[k][1] for k, n in enumerate([1, 4]))
    assert steps == sorted(steps) and steps[-1] == (5, 5)
    assert summary_lines(evaluation)[2] == "Lines not scored because they cannot be read: 2"


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("lost", None))
    dataset.samples[0].path.unlink()
    with pytest.raises(BadDataset, match=r"lines:dev: none of its 1 lines can be read; the first: .*0\.png"):
        evaluate(FakeRecognizer(), dataset)
    with pytest.raises(BadDataset, match="no line with a text"):
        evaluate(FakeRecognizer("noise"), dataset_of(tmp_path, (" ", None)))


def test_summary_holds_the_headline_figures(evaluation: Evaluation) -> None:
    line, sure = summary_lines(evaluation)
    assert re.fullmatch(
        r"CER 23\.08 % \(0\.00-37\.50\)   WER 75\.0 % \(0\.0-100\.0\)   "
        r"3 lines, 2 writers, \d+\.\d lines per second; interval: 95 % bootstrap by writer",
        line,
    )
    # 0.9 is the confidence of three lines, of which one is right
    assert sure.endswith("56.7 for lines   AUC for a line without an error: 0.500")


def test_dictionary_is_plain_json(evaluation: Evaluation) -> None:
    found = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert found["cer"] == pytest.approx(3 / 13)
    assert found["cer_interval"] == [0.0, pytest.approx(3 / 8)]
    assert (found["lines"], found["characters"], found["interval_by"]) == (3, 13, "writer")
    assert found["readings"][2]["read"] == found["readings"][2]["written"] == "h\u00e9ron"
    assert found["readings"][0]["character_edits"] == 1


def test_an_unexpected_error_in_one_line_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(tmp_path, ("cat", None), ("dog", None))
    read = line_scores.read_line_input  # type: ignore[attr-defined]

    def broken(sample: Sample) -> object:
        if sample == dataset.samples[0]:
            raise ZeroDivisionError("oh")
        return read(sample)

    monkeypatch.setattr(line_scores, "read_line_input", broken)
    evaluation = evaluate(FakeRecognizer("dog"), dataset)
    assert [line.written for line in evaluation.lines] == ["dog"]
    assert "an error in inkread (ZeroDivisionError('oh'))" in evaluation.failures[0][1]


@pytest.mark.skipif(not IAM.exists(), reason="needs the IAM lines in ../shared/data")
def test_real_lines(tmp_path: Path) -> None:
    with tarfile.open(IAM) as archive:
        pictures = [member for member in archive if member.name.endswith(".png")][:40]
        archive.extractall(tmp_path, [*pictures, archive.getmember("iam-lines/lines.tsv")], filter="data")
    there = [sample for sample in open_dataset(f"{tmp_path}/iam-lines").samples if sample.path.exists()]
    assert len(there) == 40
    dataset = Dataset("IAM", tuple(there))
    evaluation = evaluate(FakeRecognizer(*[sample.text.replace("e", "c") for sample in there]), dataset)
    lost = sum(sample.text.count("e") for sample in there)
    assert evaluation.confusions(5) == [("e", "c", lost)]
    assert evaluation.cer == pytest.approx(lost / evaluation.characters)
    assert evaluation.interval_by == "writer"
