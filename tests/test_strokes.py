"""Files of pen strokes: each format by hand-made examples, bad ones by the one line they get, and the real sets."""

from pathlib import Path

import numpy as np
import pytest

from inkread.errors import BadInput
from inkread.strokes import Ink, read_inks

DATA = Path(__file__).parents[2] / "data"  # the sets, unpacked; see datasets/README.md
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


def only(text: str) -> Ink:
    """The one ink in a file with this content."""
    (ink,) = read_inks("-", text.encode())
    return ink


def test_iam_ondb() -> None:
    first, dot = only(IAM).strokes
    assert first.tolist() == [[916, 3112], [904, 3119]]
    assert dot.tolist() == [[920, 3100]]


def refused(text: str | bytes) -> str:
    with pytest.raises(BadInput) as caught:
        read_inks("-", text if isinstance(text, bytes) else text.encode())
    message = str(caught.value)
    assert "\n" not in message and message.startswith("<stdin>")
    return message


def test_what_is_no_number_is_named_with_its_line() -> None:
    assert refused(IAM.replace("904", "NaN")).startswith("<stdin>, line 7: 'NaN' is not a place on paper")
    assert refused(IAM.replace('x="904"', "")).startswith("<stdin>, line 7: None is no number")
    assert refused(IAM.replace("904", "x904")).startswith("<stdin>, line 7: 'x904' is no number")


def test_xml_that_is_cut_short_or_hostile() -> None:
    assert "line 10: not well-formed XML" in refused(IAM[: IAM.index("</StrokeSet>")])
    bomb = '<!DOCTYPE a [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><a>&b;</a>'
    assert "defines XML entities" in refused(bomb)


@pytest.mark.skipif(not (DATA / "iam-ondb").is_dir(), reason="IAM-OnDB is not here")
def test_a_real_line_of_iam_ondb() -> None:
    (ink,) = read_inks(DATA / "iam-ondb/lineStrokes/d01/d01-001/d01-001z-04.xml")
    assert np.concatenate(ink.strokes).min(axis=0).tolist() == [897, 2516]  # as its WhiteboardDescription says
    assert np.concatenate(ink.strokes).max(axis=0).tolist() == [6572, 3168]
