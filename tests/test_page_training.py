"""Crops of pages and the training of the page network, on a page that is drawn here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from inkread.data.page_truth import FILE, TrueLine, TruePage, read_pages, write_pages
from inkread.errors import BadDataset
from inkread.model.page_model import STRIDE, X_HEIGHT_UNIT, load_page_model
from inkread.training.page_crops import SIZE, draw_truth, load_page, random_crop
from inkread.training.page_loop import loss_of, page_weights, train

LINES = tuple(TrueLine(((100.0, float(y)), (500.0, float(y))), 12.0) for y in range(100, 700, 60))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page with black bars on lines."""
    page = Image.new("L", (600, 800), 240)
    for line in LINES:
        (x0, y0), (x1, _) = line.baseline
        ImageDraw.Draw(page).rectangle((x0, y0 - line.x_height, x1, y0), fill=20)
    page.save(tmp_path / "page.png")
    write_pages(
        tmp_path, [TruePage("page.png", "drawn", "me", "train", LINES), TruePage("page.png", "x", "u", "dev", ())]
    )
    return tmp_path


def test_pages_are_read_as_they_were_written(folder: Path) -> None:
    (page,) = read_pages(folder, "train")
    assert page == TruePage("page.png", "drawn", "me", "train", LINES)
    assert page.grey(folder).shape == (800, 600)
    assert [page.split for page in read_pages(folder)] == ["train", "dev"]


def test_a_malformed_list_of_pages_is_named_with_its_line(folder: Path) -> None:
    with (folder / FILE).open("a") as file:
        file.write('{"image": "page.png"}\n')
    with pytest.raises(BadDataset, match="not a page") as caught:
        read_pages(folder)
    assert caught.value.line == 3
    with pytest.raises(BadDataset, match="no pages"):
        read_pages(folder / "nowhere")


def test_the_truth_of_a_line() -> None:
    line = np.array([[50.0, 100.0], [300.0, 100.0]])
    baseline, end, height = draw_truth([line], [16.0], 400, 200)
    assert baseline.shape == (50, 100)
    rows, columns = np.nonzero(baseline > 0.5)
    assert set((rows * STRIDE + 1.5).tolist()) <= {97.5, 101.5} and columns.min() == 12 and columns.max() == 74
    assert np.exp(height[rows, columns]) * X_HEIGHT_UNIT == pytest.approx(16)
    (y, x) = np.nonzero(end > 0.5)
    assert {round(place * STRIDE, -1) for place in x.tolist()} <= {40, 50, 60, 290, 300, 310} and abs(
        y * 4 - 100
    ).max() <= 8
    assert height[0, 0] == 0


def test_a_crop_and_its_truth_show_the_same_lines(folder: Path) -> None:
    page = load_page(read_pages(folder, "train")[0], folder)
    rng = np.random.default_rng(0)
    inked, paper = [], []
    for _ in range(8):
        crop, truth = random_crop(page, rng)
        assert crop.shape == (1, SIZE, SIZE) and truth.shape == (3, SIZE // STRIDE, SIZE // STRIDE)
        assert crop.min() >= 0 and crop.max() <= 1
        cells = crop[0].reshape(SIZE // STRIDE, STRIDE, -1, STRIDE).mean(axis=(1, 3))
        above = np.roll(cells, 1, axis=0)  # the bars stand on the baselines
        on_line = truth[0] > 0.6
        if on_line.any():
            inked.append(above[on_line].mean())
            paper.append(np.median(cells))
    assert len(inked) >= 5 and np.mean(np.array(inked) < np.array(paper)) > 0.6


def test_each_set_comes_up_with_its_weight() -> None:
    pages = [TruePage("", name, "", "train", ()) for name in ("a", "a", "a", "b")]
    assert page_weights(pages) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert page_weights([TruePage("", "composed", "", "train", ())]) == [3.0]


def test_the_right_answer_has_the_smallest_loss() -> None:
    truth = torch.from_numpy(draw_truth([np.array([[5.0, 60.0], [100.0, 60.0]])], [10.0], 128, 128))[None]
    right = torch.logit(truth[:, :2].clamp(0.01, 0.99))
    answer = torch.cat((right, truth[:, 2:]), dim=1)
    assert loss_of(answer, truth)[0] < loss_of(torch.roll(answer, 2, dims=2), truth)[0]
    assert loss_of(answer, truth)[0] < loss_of(torch.zeros_like(answer), truth)[0]


def test_a_training_writes_weights_and_can_be_continued(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "out.page.safetensors"
    train([folder], out, 0.001, workers=0, say=said.append)
    assert said[0] == "1 pages"
    before = load_page_model(str(out))
    train([folder], out, 0.001, str(out), seed=1, workers=0, say=said.append)
    after = load_page_model(str(out))
    changed = [float(np.abs(after[name] - weight).max()) for name, weight in before.items()]
    assert max(changed) > 0 and np.median(changed) < 0.1
