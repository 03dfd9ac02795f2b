"""The ink of a page: level, and without rules."""

import numpy as np
import pytest
from handwriting import page_of
from PIL import Image, ImageDraw

from inkread.pages.ink_mask import level_ink, sample_ink


def test_ink_is_sampled_at_the_nearest_row_and_is_none_outside() -> None:
    ink = np.arange(6, dtype=np.float32).reshape(3, 2)
    rows, columns = np.array([[-0.6, 0.4], [1.6, 2.6]]), np.array([0, 1])
    assert sample_ink(ink, rows, columns).tolist() == [[0, 1], [4, 0]]


def test_paper_has_no_ink_and_ink_is_dark_whatever_the_light() -> None:
    page = page_of(4)
    for light in (1.0, 0.5):
        ink, _ = level_ink((page * light).astype(np.uint8), 1.0, 0.0)
        assert (ink[:80] == 0).all() and ink.max() == 1
        assert 0.01 < (ink > 0.2).mean() < 0.1


@pytest.mark.parametrize("degrees", [-12, 0, 7])
def test_writing_is_turned_level_and_the_way_back_leads_to_it(degrees: float) -> None:
    turned = Image.fromarray(page_of(8)).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=245)
    ink, to_page = level_ink(np.asarray(turned), 1.5, np.tan(np.radians(degrees)))
    tangent = to_page[1, 0] / to_page[0, 0]
    assert np.degrees(np.arctan(tangent)) == pytest.approx(degrees, abs=1)
    y, x = np.nonzero(ink > 0.5)
    back = np.column_stack((x, y, np.ones(len(x)))) @ to_page.T
    grey = np.asarray(turned)[back[:, 1].astype(int), back[:, 0].astype(int)]
    assert (grey < 200).mean() > 0.65 > 5 * (np.asarray(turned) < 200).mean()


def test_rules_are_removed_and_letters_on_them_are_kept() -> None:
    page = Image.new("L", (800, 400), 245)
    draw = ImageDraw.Draw(page)
    for x in range(100, 700, 40):
        draw.rectangle((x, 188, x + 4, 212), fill=30)  # upright strokes across the rule
    without, _ = level_ink(np.asarray(page), 1.0, 0.0)
    draw.line([(0, 200), (800, 200)], fill=90, width=2)
    ink, _ = level_ink(np.asarray(page), 1.0, 0.0)
    assert ink.shape == without.shape and (ink[198:204, 110:135] == 0).all()
    assert (ink > 0.2).sum() == pytest.approx((without > 0.2).sum(), rel=0.1)
