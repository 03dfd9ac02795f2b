"""The report is complete, needs no other files, and is safe whatever was written."""

import base64
import io
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluated import FakeRecognizer, dataset_of
from PIL import Image

from inkread.data import Dataset, Sample
from inkread.errors import CannotWrite
from inkread.evaluation.lines import evaluate
from inkread.evaluation.pages import PageScore, PageScores
from inkread.evaluation.report import write_report

IAM = Path(__file__).parents[2] / "shared/data/iam-lines.tar"
HOSTILE = """</style><script>alert("&')</script>"""


class Page(HTMLParser):
    """Every tag, whether they close in order, and the pairs of texts, one above the other."""

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


def test_the_text_read_is_above_the_text_written(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("the  quick brown fox", "w"), ("right", "w"))
    evaluation = evaluate(FakeRecognizer("thee qick brovvnfox", "right"), dataset)
    write_report(evaluation, dataset, tmp_path / "report.html", "Title")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "".join(page.compared["b"]).replace("␣", " ") == "thee qick brovvnfox"
    assert "".join(page.compared["s"]).replace("␣", " ") == "the  quick brown fox"
    kinds = {attributes.get("class") for tag, attributes in page.tags if tag == "span"}
    assert {"replaced", "missed", "added"} <= kinds
    (picture,) = [attributes["src"] for tag, attributes in page.tags if tag == "img"]  # a line without errors has none
    assert picture is not None
    with Image.open(io.BytesIO(base64.b64decode(picture.removeprefix("data:image/png;base64,")))) as image:
        assert image.size == (300, 40)
        assert image.convert("L").getpixel((9, 9)) == 230


def test_hostile_texts_stay_texts_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, (HOSTILE + "$style \ud800", HOSTILE), ("gone", HOSTILE), name=HOSTILE)
    hostile = [Sample(HOSTILE, sample.path, sample.text, HOSTILE) for sample in dataset.samples]
    dataset = Dataset(HOSTILE, tuple(hostile))
    hostile[1].path.unlink()
    evaluation = evaluate(FakeRecognizer("' onload='x' \x00\u202e" + HOSTILE[::-1]), dataset)
    write_report(evaluation, dataset, tmp_path / "report.html", HOSTILE + "${title}")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert {name for _, attributes in page.tags for name in attributes if name.startswith("on")} == set()
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in text and "@import" not in text


def test_at_most_fifty_lines_are_shown(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, *[("word", None)] * 60)
    write_report(evaluate(FakeRecognizer(*["ward"] * 60), dataset), dataset, tmp_path / "report.html", "Title")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<article>") == 50


def test_whole_pages_and_writers_are_shown_if_known(tmp_path: Path) -> None:
    known, unknown = dataset_of(tmp_path, ("word", "w1"), ("word", "w2")), dataset_of(tmp_path, ("word", None))
    page = PageScore("a#1", None, true=4, found=5, matched=3, characters=200, edits=25)
    write_report(evaluate(FakeRecognizer("word"), unknown), unknown, tmp_path / "a.html", "Title", PageScores((page,)))
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    for name, figure in (("F1", "66.7 %"), ("Precision", "60.0 %"), ("Recall", "75.0 %"), ("of pages", "12.50 %")):
        assert re.search(f"<dt>[^<]*{name}[^<]*</dt><dd><strong>{figure}</strong>", text), name
    assert "Error rate by writer" not in text and 'href="#writers"' not in text and text.count("<section") == 5
    write_report(evaluate(FakeRecognizer("word", "word"), known), known, tmp_path / "b.html", "Title")
    text = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert text.count("<section") == 6 and 'href="#writers"' in text and "Precision" not in text


def test_a_report_without_errors(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("word", None))
    write_report(evaluate(FakeRecognizer("word"), dataset), dataset, tmp_path / "report.html", "Title")
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_the_report_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("cat", "w1"), ("a dog", "w1"), ("héron", "w2"))
    evaluation = evaluate(FakeRecognizer("cats", "acog", "héron"), dataset)
    there = sorted(tmp_path.iterdir())
    with pytest.raises(CannotWrite, match=r"missing/report\.html: cannot be written \(No such file"):
        write_report(evaluation, dataset, tmp_path / "missing" / "report.html", "Title")
    with pytest.raises(CannotWrite, match="Not a directory"):
        write_report(evaluation, dataset, there[0] / "report.html", "Title")
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(CannotWrite, match=r"folder\.html"):
        write_report(evaluation, dataset, folder, "Title")
    assert sorted(tmp_path.iterdir()) == sorted([*there, folder])


def test_lines_that_cannot_be_read_are_listed(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("word", None), ("lost", None))
    dataset.samples[1].path.unlink()
    write_report(evaluate(FakeRecognizer("word"), dataset), dataset, tmp_path / "report.html", "Title")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "they cannot be read: 1<" in text and "<code>line 1</code>" in text


@pytest.mark.skipif(not IAM.exists(), reason="needs the IAM lines in ../shared/data")
def test_a_report_of_real_lines_is_small(tmp_path: Path) -> None:
    with tarfile.open(IAM) as archive:
        images = [member for member in archive if member.name.endswith(".png")][:40]
        archive.extractall(tmp_path, images, filter="data")
    samples = [Sample(member.name, tmp_path / member.name, "some words") for member in images]
    dataset = Dataset("IAM", tuple(samples))
    write_report(evaluate(FakeRecognizer(*["other words"] * 40), dataset), dataset, tmp_path / "report.html", "IAM")
    assert 100_000 < (tmp_path / "report.html").stat().st_size < 1_000_000


def test_the_reliability_diagram_shows_the_bins(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, ("a cat", "w"), ("a hat", "w"))
    write_report(evaluate(FakeRecognizer("a cat", "a bat"), dataset), dataset, tmp_path / "report.html", "Title")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "lines 40.0 points. Area under the ROC curve for a line without an error: 0.500." in text  # 0.9, half right
    assert "Reliability diagram" in text and Page(text)
