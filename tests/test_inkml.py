"""InkML: examples of the Recommendation, hand-made files, and faulty ones."""

from ink_samples import only, points, refused

from inkread.inputs import read_inks


def inkml(content: str) -> str:
    return f'<ink xmlns="http://www.w3.org/2003/InkML">{content}</ink>'


def test_the_example_trace_of_the_recommendation() -> None:
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


def test_numbers_prefixes_and_signs_of_values() -> None:
    (stroke,) = points(only(inkml("<trace> 1.5 -2e1 ,'+1'-1, * * ,!#1F !.5,?2,</trace>")))
    assert stroke == [[1.5, -20], [2.5, -21], [3.5, -22], [31, 0.5], [31, 2]]


def test_channels_in_any_order() -> None:
    channels = "".join(f'<channel name="{name}"/>' for name in ("F", "Y", "T", "X"))
    (stroke,) = points(only(inkml(f"<traceFormat>{channels}</traceFormat><trace>9 1 0 5, 9 2 1 6</trace>")))
    assert stroke == [[5, 1], [6, 2]]


def test_contexts_give_the_format_of_traces() -> None:
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


def test_pen_up_traces_are_dropped_and_continued_traces_joined() -> None:
    text = inkml("""
        <trace xml:id="a" continuation="begin">0 0,1 1</trace>
        <trace type="penUp">1 1,5 5</trace>
        <trace xml:id="b" continuation="middle" priorRef="#a">2 2</trace>
        <trace continuation="end" priorRef="#b">3 3</trace>
        <trace>9 9</trace>""")
    assert points(only(text)) == [[[0, 0], [1, 1], [2, 2], [3, 3]], [[9, 9]]]


def test_annotations_give_text_and_writer() -> None:
    whole = inkml(
        '<annotation type="truth"> to  be </annotation><annotation type="writer">anna</annotation>'
        "<trace>0 0,1 1</trace>"
    )
    assert (only(whole).text, only(whole).writer) == ("to be", "anna")
    parts = inkml("""
        <trace id="a">0 0,1 1</trace><trace id="b">2 2,3 3</trace>
        <traceGroup><annotationXML type="truth"><word>to</word></annotationXML><trace>4 4,5 5</trace></traceGroup>
        <traceView><annotation type="truth">be</annotation><traceView traceDataRef="#b"/></traceView>""")
    inks = read_inks(parts.encode())
    assert [(ink.text, points(ink)) for ink in inks] == [
        ("to", [[[4, 4], [5, 5]]]),
        ("be", [[[2, 2], [3, 3]]]),
        ("", [[[0, 0], [1, 1]]]),
    ]


def test_with_whole_a_file_is_one_ink() -> None:
    group = '<traceGroup><annotation type="truth">{}</annotation><trace>{}</trace></traceGroup>'.format
    data = inkml(group("to", "0 0,1 1") + group("be", "2 2,3 3")).encode()
    assert [ink.text for ink in read_inks(data)] == ["to", "be"]
    (ink,) = read_inks(data, whole=True)
    assert points(ink) == [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]


def test_faulty_inkml_is_refused() -> None:
    assert "no pen strokes" in refused(inkml("")).problem
    assert "no pen strokes" in refused(inkml("<trace></trace>")).problem
    assert "at one place" in refused(inkml("<trace>5 5</trace>")).problem
    error = refused(inkml("\n<trace>1 2,NaN 3</trace>"))
    assert error.line == 2 and error.problem == "'NaN 3' is not a value, after 1 points of the trace"
    assert "a point without x and y" in refused(inkml("<trace>1 2,3</trace>")).problem
    assert "'5' is not a value" in refused(inkml("<trace>1 2,3 4 5</trace>")).problem
    assert "not a finite number" in refused(inkml("<trace>1 2,1e999 4</trace>")).problem
    assert "not a finite number" in refused(inkml(f"<trace>1 2,#{'F' * 300} 3</trace>")).problem
    timed = "".join(f'<channel name="{name}"/>' for name in "XYT")
    error = refused(inkml(f"<traceFormat>{timed}</traceFormat><trace>1 2 0,3 4 -3</trace>"))
    assert "negative time, -3" in error.problem
    flat = '<traceFormat><channel name="X"/></traceFormat>'
    assert "no channels X and Y" in refused(inkml(f"{flat}<trace>1,2</trace>")).problem
