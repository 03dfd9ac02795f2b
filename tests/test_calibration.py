"""Calibration error and area under the ROC curve, compared with their definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkread.evaluation.calibration import calibration_error, reliability, right_characters, right_words, roc_area

JUDGED = st.lists(st.tuples(st.integers(0, 40).map(lambda each: each / 40), st.booleans()), max_size=60)


def test_the_calibration_error_by_hand() -> None:
    """0.9 and 0.95 share a bin, in which half is right: |0.925 - 0.5|; 0.1 is alone and wrong."""
    assert reliability([0.9, 0.95, 0.1], [True, False, False]) == [
        (1, pytest.approx(0.1), 0.0),
        (2, pytest.approx(0.925), 0.5),
    ]
    assert calibration_error([0.9, 0.95, 0.1], [True, False, False]) == pytest.approx((2 * 0.425 + 0.1) / 3)
    assert calibration_error([1.0, 1.0], [True, True]) == 0 == calibration_error([], [])


@given(JUDGED)
def test_the_calibration_error_is_the_mean_distance_over_the_bins(judged: list[tuple[float, bool]]) -> None:
    total = 0.0
    for place in range(10):
        inside = [each for each in judged if place == min(9, int(each[0] * 10))]
        total += abs(sum(confidence - right for confidence, right in inside))
    found = calibration_error([each for each, _ in judged], [right for _, right in judged])
    assert found == pytest.approx(total / max(1, len(judged)))


@given(JUDGED)
def test_the_roc_area_counts_pairs(judged: list[tuple[float, bool]]) -> None:
    right = [confidence for confidence, is_right in judged if is_right]
    wrong = [confidence for confidence, is_right in judged if not is_right]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in right for b in wrong]
    found = roc_area([each for each, _ in judged], [is_right for _, is_right in judged])
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_which_characters_and_words_are_right() -> None:
    assert right_characters("cart", "chat") == [True, False, True, True]
    assert right_characters("a", "") == [] and right_characters("", "a") == [False]
    assert right_words("to be or not", "to bee not") == [True, False, True]
