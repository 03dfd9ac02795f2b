"""Paths of a pen in SVG: curves, transforms, styles and pages; what is no path of a pen is left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inkread.errors import BadInput
from inkread.inputs import Inks, open_input
from inkread.inputs.ink import Ink

pytest.importorskip("svgelements")
SCALE = 200 / 96  # pixels per user unit


def svg(content: str, attributes: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{content}</svg>'


def ink_of(text: str) -> Ink:
    pages = open_input(text.encode(), name="a.svg")
    assert isinstance(pages, Inks) and len(pages) == 1
    return pages[0]


def strokes(content: str, attributes: str = "") -> list[list[list[float]]]:
    """In user units."""
    return [(stroke / SCALE).round(3).tolist() for stroke in ink_of(svg(content, attributes)).strokes]


def refused(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        open_input(text.encode(), name="a.svg")
    assert "\n" not in str(caught.value) and caught.value.hint
    return str(caught.value)


def test_lines_polylines_and_paths() -> None:
    content = (
        '<g fill="none" stroke="black"><line x1="1" y1="2" x2="3" y2="4"/><polyline points="5,6 7,8 9,10"/>'
        '<path d="M1 1l2 3h4V0zM20,20L30-5"/></g>'
    )
    assert strokes(content) == [
        [[1, 2], [3, 4]],
        [[5, 6], [7, 8], [9, 10]],
        [[1, 1], [3, 4], [7, 4], [7, 0], [1, 1]],
        [[20, 20], [30, -5]],
    ]


def test_curves_become_points_on_them() -> None:
    (cubic,), (quadratic,), (arc,) = (
        strokes(f'<path stroke="red" d="{d}"/>')
        for d in ("M0 0C0 40 60 40 60 0", "M0 0Q30 40 60 0", "M0 0A30 30 0 0 1 60 0")
    )
    assert cubic[-1] == quadratic[-1] == arc[-1] == [60, 0]
    assert max(y for _, y in cubic) == pytest.approx(30, abs=0.1)  # at t = 1/2: 3/4 of 40
    assert max(y for _, y in quadratic) == pytest.approx(20, abs=0.1)
    assert np.allclose(np.hypot(np.array(arc)[:, 0] - 30, np.array(arc)[:, 1]), 30, atol=0.01)


def test_transforms_of_nested_groups() -> None:
    line = '<line stroke="black" x1="1" y1="0" x2="2" y2="0"/>'
    nested = f'<g transform="translate(10 20)"><g transform="rotate(90) scale(3)">{line}</g></g>'
    assert strokes(nested) == [[[10, 23], [10, 26]]]


def test_a_page_has_the_size_and_the_view_box_of_its_file() -> None:
    line = '<line stroke="black" x1="100" y1="50" x2="200" y2="50"/>'
    ink = ink_of(svg(line, 'width="4in" height="2in" viewBox="100 50 400 200"'))
    assert ink.size == pytest.approx((800, 400))
    assert ink.strokes[0].round(3).tolist() == [[0, 0], [200, 0]]
    assert ink_of(svg(line, 'viewBox="0 0 96 192"')).size == pytest.approx((200, 400))
    assert ink_of(svg(line, 'width="100%"')).size is None


def test_styles_are_inherited_and_may_be_classes() -> None:
    path = '<path {} d="M0 0L9 9"/>'
    sheet = "<style>.pen{stroke:black;fill:none} .no { display:none }</style>"
    shown = [path.format('class="pen"'), path.format('style="stroke:#123"'), f'<g stroke="red">{path.format("")}</g>']
    hidden = [
        path.format('fill="none"'),
        path.format('class="pen no"'),
        path.format('stroke="red" stroke-opacity="0.5"'),  # a highlighter
        '<g opacity="50%">' + path.format('class="pen"') + "</g>",
        path.format('stroke="red" visibility="hidden"'),
        "<defs>" + path.format('class="pen"') + "</defs>",
        '<rect stroke="red" width="9" height="9"/><circle stroke="red" r="4"/>',
        '<image href="http://127.0.0.1/x.png"/><use href="other.svg#a"/>',
    ]
    assert len(strokes(sheet + "".join(shown) + '<path stroke="red" d="M50 50L60 60"/>' + "".join(hidden))) == 4


def test_short_paths_of_one_stroke_are_joined() -> None:
    parts = "".join(f'<path stroke="black" stroke-width="{x}" d="M{x} 0L{x + 1} 0"/>' for x in range(1, 5))
    assert strokes(parts + '<path stroke="black" d="M9 9L8 8"/>') == [
        [[1, 0], [2, 0], [3, 0], [4, 0], [5, 0]],
        [[9, 9], [8, 8]],
    ]


def test_text_is_kept() -> None:
    text = '<text x="10" y="20" font-size="8">a <tspan>b\nc</tspan></text>'
    (typed,) = ink_of(svg(text)).typed
    assert (
        typed.text == "a b c" and typed.left == pytest.approx(10 * SCALE) and typed.bottom == pytest.approx(22 * SCALE)
    )


def outline(stroke: NDArray[np.float64], widths: NDArray[np.float64]) -> str:
    """The path along both sides of a stroke (N, 2) of these widths (N,), as programs export a pen of varying width."""
    along = np.gradient(stroke, axis=0)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / np.hypot(*along.T)[:, None] * widths[:, None] / 2
    points = np.concatenate([stroke + across, (stroke - across)[::-1]])
    return f'<path fill="#1e1e1e" stroke="none" d="M{"L".join(f"{x:.2f} {y:.2f}" for x, y in points)}Z"/>'


def test_filled_outlines_are_read_along_their_middle() -> None:
    """A line of loops, such as "eee", which cross themselves; a dot; and shapes that no pen has drawn."""
    t = np.linspace(0, 6 * np.pi, 400)
    loops = np.column_stack([50 + 5 * t + 12 * np.sin(t), 80 - 15 * np.cos(t)])
    widths = 2 + np.sin(t / 2)
    dot = np.column_stack([200 + np.cos(t[:130]), 40 + np.sin(t[:130])])
    circle = f'<path d="M{"L".join(f"{x:.2f} {y:.2f}" for x, y in dot)}Z"/>'
    letter = '<path d="M0 0L9 0L9 9L0 9zM3 3L6 3L6 6L3 6z"/>'  # of a font, with a hole
    paper = '<path fill="#FFFFFF" d="M0 0L500 0L500 500L0 500z"/>'
    blob = '<path d="M300 300L340 300L340 340L300 340z"/>'
    first, second = ink_of(svg(paper + outline(loops, widths) + circle + letter + blob)).strokes
    distances = np.hypot(*(first[:, None] / SCALE - loops).T)  # (points of the stroke, points found)
    assert distances.min(axis=0).max() < 0.7 and distances.min(axis=1).max() < 1.2  # the pen is 1 to 3 wide
    assert distances[0, 0] < 0.5 and distances[-1, -1] < 0.5  # in the direction of the pen
    assert np.abs(second / SCALE - [200, 40]).max() < 0.1 and len(second) == 1


def test_what_is_no_stroke_is_refused_or_counted(caplog: pytest.LogCaptureFixture) -> None:
    letter = '<path d="M0 0L9 0L9 9L0 9zM3 3L6 3L6 6L3 6z"/>'
    assert "no pen strokes in it, only filled shapes" in refused(svg(letter))
    assert "no pen strokes" in refused(svg("<rect/>"))
    with caplog.at_level("INFO", "inkread"):
        assert len(strokes(letter + '<path stroke="red" d="M0 0L9 9"/>')) == 1
    assert "1 filled shape not read" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        '<g stroke="red" transform="translate(a)"><path d="M0 0L1 1"/></g>',
        '<path stroke="red" d="M0 0C1"/>',
        '<path stroke="red" d="M0 0L1e999 1"/>',
    ],
)
def test_invalid_elements_are_named(content: str) -> None:
    text = svg(content)
    try:
        ink_of(text)
    except BadInput as error:
        assert str(error).startswith("a.svg")


def test_entities_and_endless_nesting_are_refused() -> None:
    assert "entities" in refused('<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("<g/>"))
    assert "nested too deeply" in refused(svg("<g>" * 5000 + "</g>" * 5000))
