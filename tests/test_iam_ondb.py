"""IAM-OnDB's XML: a hand-made file, faulty points, and a real line."""

from pathlib import Path

import numpy as np
import pytest
from ink_samples import only, refused

from inkread.inputs import read_inks

DATA = Path(__file__).parents[2] / "data"  # the data sets, unpacked; see datasets/README.md
IAM = """<?xml version="1.0" encoding="ISO-8859-1"?>
<WhiteboardCaptureSession>
  <WhiteboardDescription><SensorLocation corner="top_left"/></WhiteboardDescription>
  <StrokeSet>
    <Stroke colour="black" start_time="1.00" end_time="1.02">
      <Point x="916" y="3112" time="1.00"/>
      <Point x="904" y="3119" time="1.02"/>
    </Stroke>
    <Stroke colour="black" start_time="1.50" end_time="1.50"><Point x="920" y="3100" time="1.50"/></Stroke>
  </StrokeSet>
</WhiteboardCaptureSession>
"""


def test_strokes_and_points_are_read() -> None:
    first, dot = only(IAM).strokes
    assert first.tolist() == [[916, 3112], [904, 3119]]
    assert dot.tolist() == [[920, 3100]]


def test_faulty_points_are_reported_with_their_line() -> None:
    for before, after, problem in [
        ("904", "NaN", "x='NaN' is not a finite number"),
        ('x="904"', "", "x='' is not a finite number"),
        ("904", "x904", "x='x904' is not a finite number"),
        ("1.02", "-1.02", "a negative time, -1.02"),
    ]:
        error = refused(IAM.replace(before, after))
        assert (error.problem, error.line) == (problem, 7)


@pytest.mark.skipif(not (DATA / "iam-ondb").is_dir(), reason="IAM-OnDB is not available")
def test_a_real_line_of_iam_ondb() -> None:
    (ink,) = read_inks(DATA / "iam-ondb/lineStrokes/d01/d01-001/d01-001z-04.xml")
    assert np.concatenate(ink.strokes).min(axis=0).tolist() == [897, 2516]  # as its WhiteboardDescription says
    assert np.concatenate(ink.strokes).max(axis=0).tolist() == [6572, 3168]
