"""The rule by which lines match, worked out by hand, and scores of pages that a fake recogniser reads."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inkread.data import Dataset, Sample
from inkread.evaluation import pages as page_scores
from inkread.evaluation.pages import PageScore, PageScores, match_lines, pages_of, score_pages
from inkread.features.extract import Writing
from inkread.model.recognizer import Reading
from inkread.pages.layout import PageLayout
from inkread.pages.regions import Region

SAMPLES = Path(__file__).parent.parent / "datasets" / "sample"


def line(left: float, right: float, y: float, rise: float = 0) -> Region:
    """A baseline from left to right, in an outline of 40 pixels."""
    polygon = ((left, y - 30), (right, y - 30 - rise), (right, y + 10 - rise), (left, y + 10))
    return Region(polygon, ((left, y), (right, y - rise)))


PAGE = [line(0, 1000, 100), line(0, 1000, 200), line(0, 1000, 300), line(0, 200, 400)]


def test_lines_match_within_a_quarter_of_the_line_distance() -> None:
    assert match_lines(PAGE, PAGE) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert match_lines(PAGE, [line(0, 1000, 124)]) == [(0, 0)]
    assert match_lines(PAGE, [line(0, 1000, 126)]) == []


def test_three_quarters_of_both_lines_must_be_near_the_other() -> None:
    assert match_lines(PAGE, [line(0, 780, 100)]) == [(0, 0)]
    assert match_lines(PAGE, [line(0, 700, 100)]) == []  # a line cut in two
    assert match_lines(PAGE, [line(0, 400, 400)]) == []  # one that goes on over its end
    assert match_lines(PAGE, [line(0, 1000, 100, rise=200)]) == []  # one that leaves its line


def test_each_line_matches_at_most_one_other_the_best_first() -> None:
    assert match_lines(PAGE, [line(0, 800, 100), line(0, 1000, 110)]) == [(0, 1)]
    assert match_lines([], PAGE) == match_lines(PAGE, []) == []


def test_the_line_distance_of_a_single_line_is_a_tenth_of_its_length() -> None:
    assert match_lines([line(0, 1000, 100)], [line(0, 1000, 124)]) == [(0, 0)]
    assert match_lines([line(0, 1000, 100)], [line(0, 1000, 126)]) == []


def test_scores_add_up_over_pages() -> None:
    scores = PageScores((PageScore("a", None, 4, 5, 3, 100, 10), PageScore("b", None, 6, 5, 5, 300, 10)))
    assert (scores.precision, scores.recall, scores.f1, scores.cer) == (0.8, 0.8, 0.8, 0.05)
    assert "F1 80.0 %" in str(scores) and "2 pages" in str(scores)
    low, high = scores.f1_interval
    assert low <= 0.8 <= high


class LineEverywhere:
    """A recogniser that reads "line" in every line."""

    def read_many(self, lines: Iterable[Writing], /, *, one_page: bool = False) -> Iterator[Reading]:
        for _ in lines:
            yield Reading("line", 1.0, ())


def test_pages_are_found_read_and_scored(tmp_path: Path) -> None:
    page = Image.new("L", (900, 700), 245)
    samples = []
    for number, file in enumerate(sorted(SAMPLES.glob("*-scan.png"))[:6]):
        picture: Image.Image = Image.open(file)
        picture = picture.resize((round(picture.width * 64 / picture.height), 64))
        page.paste(picture, (100, 80 + 90 * number), picture.point(lambda grey: 255 if grey < 170 else 0))
        region = line(100, 100 + picture.width, 80 + 90 * number + 42)
        samples.append(Sample(f"{number}", tmp_path / "page.png", "line" if number else "lane", region=region))
    page.save(tmp_path / "page.png")
    dataset = Dataset("pages", tuple(samples))
    assert [len(lines) for lines in pages_of(dataset).values()] == [6]
    (score,) = score_pages(LineEverywhere(), dataset).pages
    assert (score.true, score.found, score.matched) == (6, 6, 6)
    assert (score.characters, score.edits) == (6 * 4 + 5, 1)


def test_a_dataset_of_line_pictures_has_no_pages() -> None:
    assert pages_of(Dataset("lines", (Sample("a", Path("a.png"), "text"),))) == {}


def test_pages_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    np.save(tmp_path / "no.npy", np.zeros(3))
    dataset = Dataset("pages", (Sample("a", tmp_path / "no.npy", "text", region=line(0, 10, 5)),))
    assert score_pages(LineEverywhere(), dataset).pages == ()


def test_an_unexpected_error_on_one_page_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect_layout = page_scores.detect_layout  # type: ignore[attr-defined]
    samples = []
    for name in ("a.png", "b.png"):
        Image.new("L", (300, 300), 255).save(tmp_path / name)
        samples.append(Sample(name, tmp_path / name, "text", region=line(10, 200, 50)))

    def broken(name: str, *rest: Any, **more: Any) -> PageLayout:
        if "a.png" in name:
            raise IndexError("oh")
        return detect_layout(name, *rest, **more)

    monkeypatch.setattr(page_scores, "detect_layout", broken)
    failed: list[str] = []
    scores = score_pages(
        LineEverywhere(), Dataset("pages", tuple(samples)), failed=lambda name, error: failed.append(name)
    )
    assert [page.id for page in scores.pages] == ["b#1"] and failed == [str(tmp_path / "a.png")]
    with pytest.raises(IndexError):
        score_pages(LineEverywhere(), Dataset("pages", tuple(samples)))


@pytest.mark.parametrize("points", [((5.0, 1.0), (0.0, 1.0)), ((0.0, 1.0), (5.0, 1.0))])
def test_a_baseline_may_be_listed_from_either_end(points: tuple[tuple[float, float], ...]) -> None:
    region = Region(((0, 0), (5, 0), (5, 2), (0, 2)), points)
    assert match_lines([region], [region]) == [(0, 0)]


def test_no_pages_have_no_scores() -> None:
    scores = PageScores(())
    assert str(scores) == "whole pages: none could be read"
    assert scores.to_dict() == dict.fromkeys(("precision", "recall", "f1", "f1_interval", "cer", "cer_interval")) | {
        "pages": []
    }
    assert (scores.recall, scores.f1, scores.cer, scores.cer_interval) == (0, 0, 0, (0, 0))


def test_a_page_without_text_does_not_divide_by_zero() -> None:
    scores = PageScores((PageScore("a", None, 0, 0, 0, 0, 0),))
    assert (scores.recall, scores.f1, scores.cer) == (0, 0, 0)
    assert "F1 0.0 %" in str(scores)
