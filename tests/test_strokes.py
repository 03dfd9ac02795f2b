"""Files of pen strokes: each format by hand-made examples, bad ones by the one line they get, and the real sets."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkread.errors import BadInput
from inkread.strokes import Ink, looks_like_ink, read_inks, read_segments, to_json_line

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


def points(ink: Ink) -> list[list[list[float]]]:
    return [stroke.tolist() for stroke in ink.strokes]


def refused(text: str | bytes) -> str:
    """The one line that ink with this content gets."""
    with pytest.raises(BadInput) as caught:
        read_inks("-", text if isinstance(text, bytes) else text.encode())
    message = str(caught.value)
    assert "\n" not in message and message.startswith("<stdin>")
    return message


def test_what_is_no_number_is_named_with_its_line() -> None:
    assert refused(IAM.replace("904", "NaN")).startswith("<stdin>, line 7: x='NaN' is nowhere on paper")
    assert refused(IAM.replace('x="904"', "")).startswith("<stdin>, line 7: x='' is no number")
    assert refused(IAM.replace("904", "x904")).startswith("<stdin>, line 7: x='x904' is no number")
    assert refused(IAM.replace("1.02", "-1.02")).startswith("<stdin>, line 7: a negative time, -1.02")


def test_xml_that_is_cut_short_or_hostile() -> None:
    assert "line 10: not well-formed XML" in refused(IAM[: IAM.index("</StrokeSet>")])
    bomb = '<!DOCTYPE a [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><a>&b;</a>'
    assert "defines XML entities" in refused(bomb)
    spy = '<!DOCTYPE ink [<!ENTITY x SYSTEM "file:///etc/passwd">]><ink><trace>&x;</trace></ink>'
    assert "defines XML entities" in refused(spy)
    assert "<html> is XML but not ink" in refused("<html></html>")
    assert "nested too deeply" in refused("<ink>" + "<traceGroup>" * 50_000 + "</traceGroup>" * 50_000 + "</ink>")


# ---- InkML


def inkml(content: str) -> str:
    return f'<ink xmlns="http://www.w3.org/2003/InkML">{content}</ink>'


def test_the_recommendation_s_own_trace() -> None:
    """Section 3.2.1: X and Y, first in full, then as velocities, then as accelerations; two channels come and go."""
    channels = '<channel name="X"/><channel name="Y"/>'
    optional = '<channel name="S1" type="boolean"/><channel name="S2" type="boolean"/>'
    form = f"<traceFormat>{channels}<intermittentChannels>{optional}</intermittentChannels></traceFormat>"
    trace = """1125 18432,'23'43,"7"-8,3-5,7 -3,6 2,6 8,3 6 T,2 4*T,3 6,3-6 F F"""
    (stroke,) = points(only(inkml(f"{form}<trace>{trace}</trace>")))
    assert stroke == [
        [1125, 18432],
        [1148, 18475],
        [1178, 18510],
        [1211, 18540],
        [1251, 18567],
        [1297, 18596],
        [1349, 18633],
        [1404, 18676],
        [1461, 18723],
        [1521, 18776],
        [1584, 18823],
    ]


def test_values_may_be_written_in_every_way() -> None:
    (stroke,) = points(only(inkml("<trace> 1.5 -2e1 ,'+1'-1, * * ,!#1F !.5,?2,</trace>")))
    assert stroke == [[1.5, -20], [2.5, -21], [3.5, -22], [31, 0.5], [31, 2]]


def test_a_hexadecimal_number_of_300_digits_is_nowhere_on_paper() -> None:
    assert "nowhere on paper" in refused(inkml(f"<trace>1 2,#{'F' * 300} 3</trace>"))


def test_channels_stand_in_any_order() -> None:
    channels = "".join(f'<channel name="{name}"/>' for name in ("F", "Y", "T", "X"))
    (stroke,) = points(only(inkml(f"<traceFormat>{channels}</traceFormat><trace>9 1 0 5, 9 2 1 6</trace>")))
    assert stroke == [[5, 1], [6, 2]]


def test_contexts_say_which_format_holds() -> None:
    text = inkml("""
        <definitions>
          <traceFormat xml:id="yx"><channel name="Y" orientation="-ve"/><channel name="X"/></traceFormat>
          <context xml:id="one"><inkSource><traceFormat><channel name="X"/><channel name="Y"/></traceFormat></inkSource>
          </context>
          <context xml:id="two" traceFormatRef="#yx"/>
          <context xml:id="three" contextRef="#two"/>
        </definitions>
        <trace contextRef="#one">1 2,3 4</trace>
        <trace contextRef="#three">1 2,3 4</trace>
        <traceGroup contextRef="#two"><trace>1 2,3 4</trace><trace contextRef="#one">1 2</trace></traceGroup>
        <context traceFormatRef="#yx"/>
        <trace>5 6,7 8</trace>""")
    assert points(only(text)) == [
        [[1, 2], [3, 4]],
        [[2, -1], [4, -3]],
        [[2, -1], [4, -3]],
        [[1, 2]],
        [[6, -5], [8, -7]],
    ]


def test_traces_above_the_paper_and_traces_that_go_on() -> None:
    text = inkml("""
        <trace xml:id="a" continuation="begin">0 0,1 1</trace>
        <trace type="penUp">1 1,5 5</trace>
        <trace xml:id="b" continuation="middle" priorRef="#a">2 2</trace>
        <trace continuation="end" priorRef="#b">3 3</trace>
        <trace>9 9</trace>""")
    assert points(only(text)) == [[[0, 0], [1, 1], [2, 2], [3, 3]], [[9, 9]]]


def test_what_is_written_stands_in_annotations() -> None:
    whole = inkml(
        '<annotation type="truth"> to  be </annotation><annotation type="writer">anna</annotation>'
        "<trace>0 0,1 1</trace>"
    )
    assert (only(whole).text, only(whole).writer) == ("to be", "anna")
    parts = inkml("""
        <trace id="a">0 0,1 1</trace><trace id="b">2 2,3 3</trace>
        <traceGroup><annotationXML type="truth"><word>to</word></annotationXML><trace>4 4,5 5</trace></traceGroup>
        <traceView><annotation type="truth">be</annotation><traceView traceDataRef="#b"/></traceView>""")
    inks = read_inks("-", parts.encode())
    assert [(ink.text, points(ink)) for ink in inks] == [
        ("to", [[[4, 4], [5, 5]]]),
        ("be", [[[2, 2], [3, 3]]]),
        ("", [[[0, 0], [1, 1]]]),
    ]


def test_bad_inkml() -> None:
    assert "no stroke of a pen" in refused(inkml(""))
    assert "no stroke of a pen" in refused(inkml("<trace></trace>"))
    assert "at one place" in refused(inkml("<trace>5 5</trace>"))
    assert refused(inkml("\n<trace>1 2,NaN 3</trace>")).startswith(
        "<stdin>, line 2: 'NaN 3' is no value after 1 points"
    )
    assert "a point without x and y" in refused(inkml("<trace>1 2,3</trace>"))
    assert "'5' is no value" in refused(inkml("<trace>1 2,3 4 5</trace>"))
    assert "nowhere on paper" in refused(inkml("<trace>1 2,1e999 4</trace>"))
    timed = "".join(f'<channel name="{name}"/>' for name in "XYT")
    assert "negative time, -3" in refused(inkml(f"<traceFormat>{timed}</traceFormat><trace>1 2 0,3 4 -3</trace>"))
    flat = '<traceFormat><channel name="X"/></traceFormat>'
    assert "no channels X and Y" in refused(inkml(f"{flat}<trace>1,2</trace>"))


# ---- UNIPEN


def unipen(folder: Path, provider: str, ink: str, labels: str) -> Path:
    """A label file and the ink that it includes, as they lie in the distribution."""
    file = folder / "include" / provider / "data" / "a.dat"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f".WRITER_ID ann\n.COORD X Y T\n{ink}")
    path = folder / "data" / "7" / provider / "a.dat"
    path.parent.mkdir(parents=True)
    path.write_text(f".VERSION 1.0\n.INCLUDE {provider}/data/a.dat\n{labels}")
    return path


INK = ".PEN_UP\n.PEN_DOWN\n0 0 1\n5 7 2\n.PEN_UP\n6 7 3\n.PEN_DOWN\n8 1 4\n9 2 5"


def test_unipen_counts_components_as_the_provider_does(tmp_path: Path) -> None:
    path = unipen(tmp_path, "sta", INK, '.SEGMENT WORD 2 ? "say \\"hi\\""')
    (ink,) = read_inks(path)
    assert (ink.text, ink.writer, points(ink)) == ('say "hi"', "ann", [[[8, -1], [9, -2]]])
    path = unipen(tmp_path, "kar", INK, '.SEGMENT WORD 1 ? "no"\n.SEGMENT WORD 0,1 OK "yes"\n')
    assert [(ink.text, len(ink.strokes)) for ink in read_inks(path)] == [("no", 1), ("yes", 2)]


def test_of_a_unipen_hierarchy_the_largest_unit_counts(tmp_path: Path) -> None:
    labels = '.SEGMENT WORD 0 ? "to"\n.SEGMENT TEXT 0-1 ? "to be"\n.SEGMENT CHARACTER 0 ? "t"\n'
    path = unipen(tmp_path, "kar", INK, labels)
    assert [ink.text for ink in read_inks(path)] == ["to be"]
    assert [segment.unit for segment in read_segments(path)] == ["WORD", "TEXT", "CHARACTER"]


def test_unipen_without_labels_is_one_ink() -> None:
    assert points(only(".COORD T Y X\n.PEN_DOWN\n0 1 2\n0 3 4\n")) == [[[2, -1], [4, -3]]]


def test_bad_unipen(tmp_path: Path) -> None:
    assert "line 2 is not numbers alone" in refused(".COORD X Y\n.PEN_DOWN\n1 2\n3 x\n")
    assert "nowhere on paper" in refused(".PEN_DOWN\n1 2\n3 nan\n")
    assert "no ink in what it includes (a.dat)" in refused('.INCLUDE a.dat\n.SEGMENT WORD 0 ? "a"\n')
    assert "no stroke of a pen" in refused(".VERSION 1.0\n")
    for part in ("0-1-2", "1-2,3--4", "99999999999"):
        told = refused(f'.PEN_DOWN\n1 2\n3 4\n.SEGMENT WORD {part} ? "a"\n')
        assert told.startswith("<stdin>, line 4: not numbers of components")
    assert "no ink in what it includes (.)" in refused(".INCLUDE .\n")
    assert "no ink in what it includes" in refused(f".INCLUDE {'x' * 300}\n")
    circle = unipen(tmp_path, "kar", ".INCLUDE kar/data/a.dat\n", "")
    with pytest.raises(BadInput, match="run in a circle"):
        read_inks(circle)


def test_unipen_includes_nothing_from_outside(tmp_path: Path) -> None:
    secret = tmp_path / "secret.dat"
    secret.write_text(".PEN_DOWN\npassword 1\n")
    data = tmp_path / "set"
    for link, target in (("file", secret), ("folder", tmp_path)):
        unipen(data / link, "kar", INK, "")
        (data / link / "include/kar/data/link").symlink_to(target)
    (data / "whole/data").mkdir(parents=True)
    (data / "whole/include").symlink_to(tmp_path)
    (data / "folder/include/kar/data/inside").symlink_to("a.dat")
    for place, included in [
        ("file", secret),
        ("file", "kar/data/../../../../../secret.dat"),
        ("file", "kar/data/link"),
        ("folder", "kar/data/link/secret.dat"),
        ("whole", "secret.dat"),
    ]:
        file = data / place / "data/b.dat"
        file.write_text(f".VERSION 1.0\n.INCLUDE {included}\n.PEN_DOWN\n1 2\n3 4\n")
        with pytest.raises(BadInput, match=r"b\.dat, line 2: .INCLUDE of a file outside") as caught:
            read_inks(file)
        assert "password" not in str(caught.value)
    file = data / "folder/data/b.dat"
    file.write_text(".INCLUDE kar/data/inside\n")
    assert len(read_inks(file)[0].strokes) == 2


def test_an_error_in_an_included_file_does_not_quote_it(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", ".PEN_DOWN\n1 password\n", "")
    with pytest.raises(BadInput, match=r"include/kar/data/a\.dat: the component at line 3 is not numbers") as caught:
        read_inks(path)
    assert "password" not in str(caught.value)


def test_includes_that_double_many_times_end_in_an_error(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", ".INCLUDE kar/data/0\n", "")
    for level in range(30):
        (tmp_path / f"include/kar/data/{level}").write_text(f".INCLUDE kar/data/{level + 1}\n" * 2)
    (tmp_path / "include/kar/data/30").write_text(INK)
    with pytest.raises(BadInput, match="more than 500,000 components"):
        read_inks(path)


def test_an_edited_file_that_is_included_is_read_again(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", INK, "")
    assert len(read_inks(path)[0].strokes) == 2
    unipen(tmp_path / "other", "kar", INK + "\n.PEN_DOWN\n1 2\n", "")
    (tmp_path / "other/include/kar/data/a.dat").replace(tmp_path / "include/kar/data/a.dat")
    assert len(read_inks(path)[0].strokes) == 3


# ---- JSON


def test_ink_is_written_as_it_is_read() -> None:
    ink = Ink((np.array([[0.4, 1.6], [-3, 7]]), np.array([[5.0, 5]])), 'Ça "va"?', "anna", "train")
    line = to_json_line("a/1", ink)
    assert "\n" not in line and json.loads(line)["id"] == "a/1"
    (read,) = read_inks("ink.jsonl", line.encode())
    assert (read.text, read.writer, read.split) == (ink.text, ink.writer, ink.split)
    np.testing.assert_array_equal(np.concatenate(read.strokes), [[0, 2], [-3, 7], [5, 5]])


def test_json_of_every_shape() -> None:
    assert points(only("[[[0, 0], [5, 7]], [], [[9, 9]]]")) == [[[0, 0], [5, 7]], [[9, 9]]]
    assert points(only("[[[0, 0, 0.5], [5.5, 7, 0.1]]]")) == [[[0, 0], [5.5, 7]]]
    ink = only('\ufeff{"strokes": [[[0, 0], [5, 7]]],\n "text": "be", "writer": 7, "split": "train"}')
    assert (ink.text, ink.writer, ink.split) == ("be", "7", "train")
    lines = '{"strokes": [[[0, 0], [1, 1]]], "text": "a"}\n\n{"strokes": [[[0, 0], [1, 1]]], "text": "b"}\n'
    assert [ink.text for ink in read_inks("-", lines.encode())] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no point of a pen"),
        ("[[]]", "no point of a pen"),
        ("[[[3, 4]]]", "all of its points lie at one place"),
        ("[[[0, 0], [1, NaN]]]", "stroke 1: a number that is not finite"),
        ("[[[0, 0], [1, 1e400]]]", "stroke 1: a number that is not finite"),
        ("[[[0, 0], [1e300, 1]]]", "nowhere on paper"),
        ("[[[0, 0, 0], [1, 1, -5]]]", "stroke 1: a negative time, -5"),
        ("[[[0, 0], [1, 1, 5]]]", "stroke 1: points of different kinds"),
        ('[[[0, 0], ["1", 1]]]', "stroke 1: not a list of points"),
        ("[[0, 0], [1, 1]]", "stroke 1: not a list of points"),
        ('{"text": "a"}', "no strokes"),
        ('{"strokes": {"x": [1]}}', "no strokes"),
        ("[[[0, 0], [1, 1]", "line 1: not JSON"),
        ("[1]\n[2", "line 1, stroke 1: not a list"),
        ("[[[0, 0], [1, 1]]]\n[[[0, 0], [1", "line 2: not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("hello", "not ink that inkread reads"),
        ("", "not ink that inkread reads"),
    ],
)
def test_bad_json_gets_one_line(text: str, message: str) -> None:
    assert message in refused(text)


# ---- all formats

WRITERS: dict[str, Callable[[list[list[list[float]]]], str]] = {
    "json": json.dumps,
    "inkml": lambda strokes: inkml(
        "".join(f"<trace>{','.join(f'{x!r} {y!r}' for x, y in stroke)}</trace>" for stroke in strokes)
    ),
    "unipen": lambda strokes: ".COORD X Y\n" + "".join(
        ".PEN_DOWN\n" + "".join(f"{x!r} {-y!r}\n" for x, y in stroke) + ".PEN_UP\n" for stroke in strokes
    ),
    "iam": lambda strokes: "<WhiteboardCaptureSession>" + "".join(
        "<Stroke>" + "".join(f'<Point x="{x!r}" y="{y!r}"/>' for x, y in stroke) + "</Stroke>" for stroke in strokes
    ) + "</WhiteboardCaptureSession>",
}  # fmt: skip
coordinate = st.floats(-1e9, 1e9)


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(coordinate, coordinate).map(list), min_size=1), min_size=1))
def test_what_is_written_is_read(form: str, strokes: list[list[list[float]]]) -> None:
    strokes = [*strokes, [[0.0, 0.0], [1.0, 2.0]]]
    assert points(only(WRITERS[form](strokes))) == strokes
    assert looks_like_ink(WRITERS[form](strokes).encode()[:64])


@pytest.mark.parametrize("form", WRITERS)
def test_more_points_than_a_page_has(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.strokes.MOST_POINTS", 100)
    line = [[float(x), 0.0] for x in range(60)]
    assert len(only(WRITERS[form]([line])).strokes[0]) == 60
    assert "100" in refused(WRITERS[form]([line, line]))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(WRITERS)), st.integers(0, 200), st.binary(max_size=8))
def test_damage_is_one_line_or_harmless(form: str, place: int, noise: bytes) -> None:
    data = WRITERS[form]([[[0.0, 0.0], [1.0, 2.0]], [[3.5, 4.0]]]).encode()
    try:
        read_inks("-", data[:place] + noise + data[place + len(noise) :])
    except BadInput as error:
        assert "\n" not in str(error)


def test_pictures_are_not_ink() -> None:
    assert not looks_like_ink(b"\x89PNG\r\n") and not looks_like_ink(b"\xff\xd8\xff") and not looks_like_ink(b"")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_inks(tmp_path / "a.inkml")
    with pytest.raises(BadInput, match="a folder, not ink"):
        read_inks(tmp_path)


@pytest.mark.skipif(not (DATA / "iam-ondb").is_dir(), reason="IAM-OnDB is not here")
def test_a_real_line_of_iam_ondb() -> None:
    (ink,) = read_inks(DATA / "iam-ondb/lineStrokes/d01/d01-001/d01-001z-04.xml")
    assert np.concatenate(ink.strokes).min(axis=0).tolist() == [897, 2516]  # as its WhiteboardDescription says
    assert np.concatenate(ink.strokes).max(axis=0).tolist() == [6572, 3168]
