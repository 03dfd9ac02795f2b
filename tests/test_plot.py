"""Plots as SVG: positions and ticks worked by hand, and that what is written is XML."""

import math
import re
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from inkread.plot import BOTTOM, LEFT, RIGHT, TOP, Axis, Curve, Plot, Scale, figure, plot_curves, plot_heat_map

SVG = "{http://www.w3.org/2000/svg}"
ZERO_TO_TEN = Axis("x", low=0, high=10)


def parse(plot: Plot) -> Element:
    return fromstring(figure([[plot]], "a test"))


def curves(plot: Plot) -> list[str]:
    """The paths of the curves, without those of the legend."""
    return [path.get("d", "") for path in parse(plot).iter(f"{SVG}path") if "curve" in path.get("class", "")]


def texts(plot: Plot) -> list[str]:
    return [element.text or "" for element in parse(plot).iter(f"{SVG}text")]


def test_a_curve_goes_through_its_points() -> None:
    plot = plot_curves("", [Curve("", [0, 10, 5], [0, 10, 2.5])], ZERO_TO_TEN, ZERO_TO_TEN, width=276, height=284)
    assert (LEFT, RIGHT, TOP, BOTTOM) == (62, 14, 44, 40)  # so the area is 200 x 200, from (62, 244) to (262, 44)
    assert curves(plot) == ["M62 244L262 44L162 194"]


def test_a_log_axis_and_values_beyond_it() -> None:
    y = Axis("y", log=True, low=1e-2, high=1e2)
    plot = plot_curves("", [Curve("", [0, 5, 10], [1, 0, 1e9])], ZERO_TO_TEN, y, width=276, height=284)
    assert curves(plot) == ["M62 144L162 244L262 44"]  # 0 lies on the lower end


def test_a_value_that_is_missing_interrupts_the_curve() -> None:
    values = [0, math.nan, 10, math.inf, 0]
    plot = plot_curves("", [Curve("", range(5), values)], Axis("", low=0, high=4), ZERO_TO_TEN, 276, 284)
    assert curves(plot) == ["M62 244M162 44M262 244"]


@pytest.mark.parametrize(
    ("axis", "values", "ticks"),
    [
        (Axis(""), [0.3, 9.1], "0 2 4 6 8 10"),
        (Axis("", low=0), [0.005], "0 0.001 0.002 0.003 0.004 0.005"),
        (Axis("", low=0, high=42.2), [], "0 10 20 30 40"),
        (Axis(""), [-1, 1], "-1 -0.5 0 0.5 1"),
        (Axis("", low=0), [12345], "0 5,000 10,000 15,000"),
        (Axis(""), [7, 7], "7 7.2 7.4 7.6 7.8 8"),
        (Axis("", low=0), [], "0 0.2 0.4 0.6 0.8 1"),
        (Axis("", log=True), [4.7, 12], "2 5 10 20"),
        (Axis("", log=True), [3e-5, 8e4], "10⁻⁶ 10⁻⁴ 0.01 1 100 10⁴ 10⁶"),
        (Axis("", log=True), [0, 1e-30, 300], "10⁻¹² 10⁻⁹ 10⁻⁶ 10⁻³ 1 10³"),
        (Axis("", log=True), [], "0.1 0.2 0.5 1"),
    ],
)
def test_ticks(axis: Axis, values: list[float], ticks: str) -> None:
    scale = Scale(axis, values, 0, 1)
    assert " ".join(map(scale.text, scale.ticks())) == ticks
    assert all(0 <= scale(tick) <= 1 for tick in scale.ticks())


def test_a_heat_map_joins_cells_of_a_colour() -> None:
    colour = Axis("size", log=True, low=1e-4, high=1)
    rows = [("up", [1, 1, 1e-4, 0]), ("down", [0, 0, 0, math.nan])]
    plot = plot_heat_map("", rows, Axis("t"), colour, start=-2, width=276, row_height=20)
    shapes = {
        path.get("stroke") or path.get("class"): path.get("d")
        for path in parse(plot).iter(f"{SVG}path")
        if path.get("shape-rendering")
    }
    assert shapes == {
        "#fde725": "M62 53H162",  # the brightest: two cells of 50
        "#440154": "M162 53H212",  # the darkest
        "none": "M212 53H262M62 73H212",
    }
    assert {"up", "down", "t", "-2", "1", "10⁻⁴", "1  size"} <= set(texts(plot))


def test_a_figure_is_one_image_without_others() -> None:
    plot = plot_curves(
        "a < b & c", [Curve('"<x>"', [0, 1], [0, 1], number) for number in range(3)], Axis("x"), Axis("y")
    )
    image = figure([[plot, plot], [plot]], "two & one")
    root = fromstring(image)
    assert root.get("aria-label") == "two & one" and root.get("viewBox") == "0 0 760 500"
    moves = [group.get("transform") for group in root.findall(f"{SVG}g")]
    assert moves == ["translate(0 0)", "translate(380 0)", "translate(0 250)"]
    assert texts(plot).count('"<x>"') == 3 and "a < b & c" in texts(plot)
    assert not re.search(r"(href|src)=|url\(", image)
