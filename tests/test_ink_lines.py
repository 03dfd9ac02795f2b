"""The strokes of pages are divided into lines: a hand-made page, and real ones."""

import numpy as np
import pytest
from ink_samples import IAM, needs_iam, writing

from inkread.features.ink_lines import split_lines, typical_x_height
from inkread.inputs import read_inks


def test_a_line_begins_where_the_pen_goes_back_and_down() -> None:
    first, second = writing(1), [stroke + [0, 60] for stroke in writing(2)]
    late = np.array([[30.0, -17.0]])  # a dot of the first line, added when the second is done
    lines = split_lines([*first, *second, late])
    assert [len(line) for line in lines] == [len(first) + 1, len(second)]
    assert lines[0][-1] is late
    assert typical_x_height([*first, *second]) == pytest.approx(10, rel=0.1)
    assert len(split_lines([np.array([[0.0, 0.0]])])) == 1 and typical_x_height([np.array([[0.0, 0.0]])]) == 1


@needs_iam
@pytest.mark.parametrize("form", ["a01/a01-000/a01-000u", "f02/f02-133/f02-133z", "l10/l10-141/l10-141z"])
def test_real_pages_are_divided_as_they_were_written(form: str) -> None:
    lines = [read_inks(file)[0].strokes for file in sorted(IAM.glob(f"{form}-*.xml"))]
    found = split_lines([stroke for line in lines for stroke in line])
    assert [[id(stroke) for stroke in line] for line in found] == [[id(stroke) for stroke in line] for line in lines]
