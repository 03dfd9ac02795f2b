"""Scores worked out by hand, and a report that is whole, self-contained and safe whatever was written."""

import base64
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkread.data import Dataset, Sample, open_dataset
from inkread.errors import BadDataset, CannotWrite
from inkread.evaluate import lines as evaluation_module
from inkread.evaluate.lines import Evaluation, evaluate, summary_lines, write_report
from inkread.evaluate.pages import PageScore, PageScores
from inkread.inputs.ink import LineInput

IAM = Path(__file__).parents[2] / "shared/data/iam-lines.tar"

HOSTILE = """</style><script>alert("&')</script>"""


@dataclass
class Said:
    text: str
    confidence: float = 0.9


class Fake:
    """Says what it is told to, after reading its pictures two at a time, as a real one reads them in batches."""

    def __init__(self, *texts: str) -> None:
        self.texts = iter(texts)

    def read_many(self, writings: Iterable[LineInput]) -> Iterator[Said]:
        pictures = iter(writings)
        while batch := [*islice(pictures, 2)]:
            for picture in batch:
                assert isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 2
            yield from (Said(next(self.texts)) for _ in batch)


def dataset_of(folder: Path, *lines: tuple[str, str | None], name: str = "lines:dev") -> Dataset:
    """One grey picture for each (text, writer)."""
    samples = []
    for number, (text, writer) in enumerate(lines):
        path = folder / f"{number}.png"
        Image.new("L", (300 + number, 40), 230).save(path)
        samples.append(Sample(f"line {number}", path, text, writer))
    return Dataset(name, tuple(samples))


@pytest.fixture
def three(tmp_path: Path) -> Evaluation:
    """13 characters with 3 edits: cat gains an s, "a dog" loses its space and has a c for the d, héron is right."""
    dataset = dataset_of(tmp_path, ("cat", "w1"), ("a dog", "w1"), ("héron", "w2"))
    return evaluate(Fake("cats", "acog", "he\u0301ron"), dataset)


def test_rates_are_edits_by_what_was_written(three: Evaluation) -> None:
    assert three.cer == pytest.approx(3 / 13)
    assert three.wer == pytest.approx(3 / 4)
    assert three.perfect == pytest.approx(1 / 3)
    assert (three.characters, three.words, three.writers) == (13, 4, 2)
    assert [(line.character_edits, line.word_edits) for line in three.lines] == [(1, 1), (2, 2), (0, 0)]
    assert three.lines_per_second == pytest.approx(3 / three.seconds)


def test_worst_lines_come_first_and_right_ones_not_at_all(three: Evaluation) -> None:
    assert [line.id for line in three.worst(9)] == ["line 1", "line 0"]
    assert [line.id for line in three.worst(1)] == ["line 1"]


def test_mistakes_are_counted_by_character(tmp_path: Path) -> None:
    evaluation = evaluate(Fake("oo", "oat", "al"), dataset_of(tmp_path, ("aa", None), ("at", None), ("all", None)))
    assert evaluation.confusions(9) == [("a", "o", 2), ("", "o", 1), ("l", "", 1)]
    assert evaluation.confusions(1) == [("a", "o", 2)]
    assert list(evaluation.character_accuracy().items()) == [("a", (4, 2)), ("l", (2, 1)), ("t", (1, 1))]


def test_lines_are_grouped_by_length_and_writer(tmp_path: Path) -> None:
    texts = ["a" * 10, "a" * 11, "a" * 20, "a" * 250]
    dataset = dataset_of(tmp_path, *zip(texts, ["w1", "w2", "w2", "w1"], strict=True))
    evaluation = evaluate(Fake("a" * 8, "a" * 11, "a" * 20, "a" * 250), dataset)
    assert [(group.name, group.lines, group.characters, group.rate) for group in evaluation.error_by_length()] == [
        ("1–10", 1, 10, 0.2),
        ("11–20", 2, 31, 0.0),
        ("over 100", 1, 250, 0.0),
    ]
    assert [(group.name, group.lines) for group in evaluation.error_by_writer()] == [("w1", 2), ("w2", 2)]


def test_intervals_are_by_writer_where_two_or_more_are_known(tmp_path: Path, three: Evaluation) -> None:
    assert three.interval_by == "writer"
    assert three.cer_interval == pytest.approx((0, 3 / 8))  # both times w2, who is read right, or both times w1
    some = evaluate(Fake("cats", "cat"), dataset_of(tmp_path, ("cat", "w1"), ("cat", None)))
    assert (some.interval_by, some.writers, some.error_by_writer()) == ("line", None, [])
    assert some.cer_interval == pytest.approx((0, 1 / 3))
    alone = evaluate(Fake("cats", "cat"), dataset_of(tmp_path, ("cat", "w1"), ("cat", "w1")))
    assert (alone.interval_by, alone.writers, alone.cer_interval) == ("line", 1, some.cer_interval)


def test_lines_without_a_picture_are_named_and_the_others_scored(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, *[(f"number {n}", None) for n in range(5)])
    dataset.samples[1].path.write_text("not a picture")
    dataset.samples[4].path.unlink()
    steps: list[tuple[int, int]] = []
    evaluation = evaluate(Fake("number 0", "number 2", "number 3"), dataset, lambda *step: steps.append(step))
    assert evaluation.cer == 0
    assert [line.index for line in evaluation.lines] == [0, 2, 3]
    assert [name for name, _ in evaluation.failures] == ["line 1", "line 4"]
    assert all(str(dataset.samples[n].path) in evaluation.failures[k][1] for k, n in enumerate([1, 4]))
    assert steps == sorted(steps) and steps[-1] == (5, 5)
    assert summary_lines(evaluation)[1] == "Lines not scored, for their pictures cannot be read: 2"
    write_report(evaluation, dataset, tmp_path / "report.html", "title")
    assert "their pictures cannot be read: 2<" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("lost", None))
    dataset.samples[0].path.unlink()
    with pytest.raises(BadDataset, match=r"lines:dev: none of its 1 pictures can be read; the first: .*0\.png"):
        evaluate(Fake(), dataset)
    with pytest.raises(BadDataset, match="no line with a text"):
        evaluate(Fake("noise"), dataset_of(tmp_path, (" ", None)))


def test_summary_holds_the_headline_figures(three: Evaluation) -> None:
    (line,) = summary_lines(three)
    assert re.fullmatch(
        r"CER 23\.08 % \(0\.00-37\.50\)   WER 75\.0 % \(0\.0-100\.0\)   "
        r"3 lines, 2 writers, \d+\.\d lines a second; interval: 95 % bootstrap by writer",
        line,
    )


def test_dictionary_is_plain_json(three: Evaluation) -> None:
    found = json.loads(json.dumps(three.to_dict(), allow_nan=False))
    assert found["cer"] == pytest.approx(3 / 13)
    assert found["cer_interval"] == [0.0, pytest.approx(3 / 8)]
    assert (found["lines"], found["characters"], found["interval_by"]) == (3, 13, "writer")
    assert found["readings"][2]["read"] == found["readings"][2]["written"] == "h\u00e9ron"
    assert found["readings"][0]["character_edits"] == 1


class Page(HTMLParser):
    """Every tag, whether they close in order, and the pairs of texts that stand over each other."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.compared: dict[str, list[str]] = {"b": [], "s": []}
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-3:-1] == ["p", "span"] and "article" in self.open:
            self.compared[self.open[-1]].append(data)


def test_report_shows_what_was_read_over_what_was_written(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("the  quick brown fox", "w"), ("right", "w"))
    evaluation = evaluate(Fake("thee qick brovvnfox", "right"), dataset)
    write_report(evaluation, dataset, tmp_path / "report.html", "Title")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "".join(page.compared["b"]).replace("␣", " ") == "thee qick brovvnfox"
    assert "".join(page.compared["s"]).replace("␣", " ") == "the  quick brown fox"
    kinds = {attributes.get("class") for tag, attributes in page.tags if tag == "span"}
    assert {"swapped", "lost", "added"} <= kinds
    (picture,) = [attributes["src"] for tag, attributes in page.tags if tag == "img"]  # the line read right has none
    assert picture is not None
    with Image.open(io.BytesIO(base64.b64decode(picture.removeprefix("data:image/png;base64,")))) as image:
        assert image.size == (300, 40)
        assert image.convert("L").getpixel((9, 9)) == 230


def test_report_is_safe_and_self_contained_whatever_was_written(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, (HOSTILE + "$style \ud800", HOSTILE), ("gone", HOSTILE), name=HOSTILE)
    hostile = [Sample(HOSTILE, sample.path, sample.text, HOSTILE) for sample in dataset.samples]
    dataset = Dataset(HOSTILE, tuple(hostile))
    hostile[1].path.unlink()
    evaluation = evaluate(Fake("' onload='x' \x00\u202e" + HOSTILE[::-1]), dataset)
    write_report(evaluation, dataset, tmp_path / "report.html", HOSTILE + "${title}")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert {name for _, attributes in page.tags for name in attributes if name.startswith("on")} == set()
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in text and "@import" not in text


def test_report_shows_fifty_lines_at_most(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, *[("word", None)] * 60)
    write_report(evaluate(Fake(*["ward"] * 60), dataset), dataset, tmp_path / "report.html", "Title")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<article>") == 50


def test_report_shows_whole_pages_and_writers_where_there_are_any(tmp_path: Path) -> None:
    known, unknown = dataset_of(tmp_path, ("word", "w1"), ("word", "w2")), dataset_of(tmp_path, ("word", None))
    page = PageScore("a#1", None, true=4, found=5, matched=3, characters=200, edits=25)
    write_report(evaluate(Fake("word"), unknown), unknown, tmp_path / "a.html", "Title", PageScores((page,)))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    for name, figure in (("F1", "66.7 %"), ("Precision", "60.0 %"), ("Recall", "75.0 %"), ("of pages", "12.50 %")):
        assert re.search(f"<dt>[^<]*{name}[^<]*</dt><dd><strong>{figure}</strong>", text), name
    assert "Error rate by writer" not in text and 'href="#writers"' not in text and text.count("<section") == 4
    write_report(evaluate(Fake("word", "word"), known), known, tmp_path / "b.html", "Title")
    text = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert text.count("<section") == 5 and 'href="#writers"' in text and "Precision" not in text


def test_an_unexpected_error_in_one_line_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(tmp_path, ("cat", None), ("dog", None))
    read = evaluation_module.read_line_input  # type: ignore[attr-defined]

    def broken(sample: Sample) -> object:
        if sample == dataset.samples[0]:
            raise ZeroDivisionError("oh")
        return read(sample)

    monkeypatch.setattr(evaluation_module, "read_line_input", broken)
    evaluation = evaluate(Fake("dog"), dataset)
    assert [line.written for line in evaluation.lines] == ["dog"]
    assert "an error in inkread (ZeroDivisionError('oh'))" in evaluation.failures[0][1]


def test_report_of_a_perfect_reader(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("word", None))
    write_report(evaluate(Fake("word"), dataset), dataset, tmp_path / "report.html", "Title")
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_report_is_written_whole_or_not_at_all(tmp_path: Path, three: Evaluation) -> None:
    dataset = dataset_of(tmp_path, ("cat", "w1"), ("a dog", "w1"), ("héron", "w2"))
    there = sorted(tmp_path.iterdir())
    with pytest.raises(CannotWrite, match=r"missing/report\.html: cannot be written \(No such file"):
        write_report(three, dataset, tmp_path / "missing" / "report.html", "Title")
    with pytest.raises(CannotWrite, match="Not a directory"):
        write_report(three, dataset, there[0] / "report.html", "Title")
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(CannotWrite, match=r"folder\.html"):
        write_report(three, dataset, folder, "Title")
    assert sorted(tmp_path.iterdir()) == sorted([*there, folder])


@pytest.mark.skipif(not IAM.exists(), reason="needs the IAM lines in ../shared/data")
def test_real_lines(tmp_path: Path) -> None:
    with tarfile.open(IAM) as archive:
        pictures = [member for member in archive if member.name.endswith(".png")][:40]
        archive.extractall(tmp_path, [*pictures, archive.getmember("iam-lines/lines.tsv")], filter="data")
    there = [sample for sample in open_dataset(f"{tmp_path}/iam-lines").samples if sample.path.exists()]
    assert len(there) == 40
    dataset = Dataset("IAM", tuple(there))
    evaluation = evaluate(Fake(*[sample.text.replace("e", "c") for sample in there]), dataset)
    lost = sum(sample.text.count("e") for sample in there)
    assert evaluation.confusions(5) == [("e", "c", lost)]
    assert evaluation.cer == pytest.approx(lost / evaluation.characters)
    assert evaluation.interval_by == "writer"
    write_report(evaluation, dataset, tmp_path / "report.html", "IAM")
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
