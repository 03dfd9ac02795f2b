"""Plots as SVG: curves, heat maps, and figures of several plots. Text in, text out, without any library.

An SVG file has its own colours for light and for dark screens. Colours are told apart by colour-blind people too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 62, 14, 44, 40  # margins around the area of a plot, for its labels
CHARACTER = 6.4  # mean width of a character in the text of a plot
COLOURS = 4  # of the curves, see STYLE; a curve beyond has the colour of the first
# Viridis by van der Walt and Smith (CC0): as bright as it is large, for all kinds of colour vision.
VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
LEVELS = 32  # colours in a heat map
SMALLEST = 1e-12  # where a log axis ends
TICKS = 6  # on an axis, about
# The first colours of Okabe and Ito (2008), a little darker on white paper. Each rule names the kind of screen.
STYLE = """
svg.plot { font: 12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
svg.plot .paper { fill: #fffefb; } svg.plot .frame { stroke: #dedbd2; fill: none; }
svg.plot text { fill: #666b76; } svg.plot .title { fill: #1f2430; font-weight: 600; font-size: 13px; }
svg.plot .curve { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
svg.plot .c0 { stroke: #0a68a8; } svg.plot .c1 { stroke: #c65100; }
svg.plot .c2 { stroke: #00805c; } svg.plot .c3 { stroke: #757a85; }
svg.plot .none { stroke: #c9c6be; }
@media (prefers-color-scheme: dark) {
  svg.plot .paper { fill: #1d2027; } svg.plot .frame { stroke: #343842; }
  svg.plot text { fill: #9aa0ac; } svg.plot .title { fill: #e6e4de; }
  svg.plot .c0 { stroke: #66b8f0; } svg.plot .c1 { stroke: #f5a15a; }
  svg.plot .c2 { stroke: #3fc79a; } svg.plot .c3 { stroke: #9aa0ac; }
  svg.plot .none { stroke: #3a3e48; }
}
"""


@dataclass(frozen=True)
class Axis:
    """An axis: what it measures, and its range, by default that of the values. A log axis ends at 10 ** -12."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """Points joined by lines. `colour` is a number from 0 to 3; `name` is shown in the legend."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False
    dots: bool = False  # mark each point


@dataclass(frozen=True)
class Plot:
    """A plot as SVG elements, in a box from (0, 0) to (width, height)."""

    width: float
    height: float
    elements: str


def _multiples(low: float, high: float, step: int, outside: bool) -> range:
    """The multiples of `step` from low to high; if `outside`, also the next ones below and above."""
    first, last = low / step + 1e-9, high / step - 1e-9
    if outside:
        return range(step * math.floor(first), step * math.ceil(last) + 1, step)
    return range(step * math.ceil(first - 2e-9), step * math.floor(last + 2e-9) + 1, step)


class Scale:
    """Values of an axis -> positions between `start` and `end`; values beyond its range lie on its ends."""

    def __init__(self, axis: Axis, values: Iterable[float], start: float, end: float) -> None:
        self.log, self.start, self.end = axis.log, start, end
        kept = [value for value in values if math.isfinite(value) and (value > 0 or not axis.log)]
        low = axis.low if axis.low is not None else min(kept, default=0.1)
        high = axis.high if axis.high is not None else max(kept, default=1.0)
        if axis.log:
            low, high = max(low, SMALLEST), max(high, SMALLEST)
        if high <= low:
            high = 2 * low if axis.log else low + 1
        self.low, self.high = low, high
        self.low = self.ticks(outside=True)[0] if axis.low is None else low
        self.high = self.ticks(outside=True)[-1] if axis.high is None else high

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        low, high, at = (math.log10(number) if self.log else number for number in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, outside: bool = False) -> list[float]:
        """Round values in the range, from low to high; if `outside`, also the next ones below and above it."""
        if self.log:
            return self._log_ticks(outside)
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        return [number * step for number in _multiples(self.low / step, self.high / step, 1, outside)]

    def _log_ticks(self, outside: bool) -> list[float]:
        """Powers of ten; over less than two of them also twice and five times each."""
        low, high = math.log10(self.low), math.log10(self.high)
        if high - low >= 2:
            step = math.ceil((high - low) / TICKS - 1e-9)
            return [10.0**power for power in _multiples(low, high, step, outside)]
        values = [
            factor * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1) for factor in (1, 2, 5)
        ]
        below = max(value for value in values if value <= self.low * 1.001)
        above = min(value for value in values if value >= self.high * 0.999)
        return [
            value
            for value in values
            if (below <= value <= above if outside else self.low * 0.999 <= value <= self.high * 1.001)
        ]

    def text(self, tick: float) -> str:
        """A tick as text: 0.05, 2,000, or 10⁻³ on a log axis."""
        if self.log and not 0.01 <= tick <= 100:
            return "10" + str(round(math.log10(tick))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{tick:,.0f}" if abs(tick) >= 1000 else f"{tick:.6g}"


def plot_curves(title: str, curves: Sequence[Curve], x: Axis, y: Axis, width: float = 380, height: float = 250) -> Plot:
    """A plot of curves with axes and a legend. A value that is not finite interrupts its curve."""
    across = Scale(x, (value for curve in curves for value in curve.x), LEFT, width - RIGHT)
    up = Scale(y, (value for curve in curves for value in curve.y), height - BOTTOM, TOP)
    parts = [_frame(title, across, up, x, y, width, height)]
    for curve in curves:
        pieces, joined = [], False
        for at, value in zip(curve.x, curve.y, strict=True):
            if math.isfinite(value):
                pieces.append(f"{'L' if joined else 'M'}{_n(across(at))} {_n(up(value))}")
            joined = math.isfinite(value)
        look = f"c{curve.colour % COLOURS}"
        dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
        parts.append(f'<path class="curve {look}"{dashes} d="{"".join(pieces)}"/>')
        if curve.dots:  # lines of no length with round ends
            dots = "".join(piece.replace("L", "M") + "h0" for piece in pieces)
            parts.append(f'<path class="{look}" stroke-width="5" stroke-linecap="round" d="{dots}"/>')
    parts.append(_legend([curve for curve in curves if curve.name], LEFT, TOP - 12))
    return Plot(width, height, "\n".join(part for part in parts if part))


def _frame(title: str, across: Scale, up: Scale, x: Axis, y: Axis, width: float, height: float) -> str:
    """Title, grid, ticks and the names of the axes."""
    bottom, right, middle = height - BOTTOM, width - RIGHT, (TOP + height - BOTTOM) / 2
    parts = [_title(title)]
    for tick in up.ticks():
        parts.append(f'<path class="frame" d="M{LEFT} {_n(up(tick))}H{_n(right)}"/>')
        parts.append(_text(LEFT - 6, up(tick) + 4, up.text(tick), "end"))
    for tick in across.ticks():
        parts.append(f'<path class="frame" d="M{_n(across(tick))} {_n(bottom)}v4"/>')
        parts.append(_text(across(tick), bottom + 17, across.text(tick), "middle"))
    parts.append(f'<path class="frame" d="M{LEFT} {TOP}V{_n(bottom)}H{_n(right)}"/>')
    parts.append(_text((LEFT + right) / 2, height - 6, x.label, "middle"))
    turned = f'transform="translate(13 {_n(middle)}) rotate(-90)" text-anchor="middle"'
    parts.append(f"<text {turned}>{escape(y.label)}</text>")
    return "\n".join(parts)


def _n(position: float) -> str:
    """A position with one decimal, if it is not a whole number: 12.34 -> "12.3", 12 -> "12"."""
    return f"{position:.1f}".removesuffix(".0")


def _title(title: str) -> str:
    return f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(curves: Sequence[Curve], x: float, y: float) -> str:
    """A piece of each curve with its name, in one row."""
    parts = []
    for curve in curves:
        dashes = ' stroke-dasharray="5 4"' if curve.dashed else ""
        parts.append(f'<path class="curve c{curve.colour % COLOURS}"{dashes} d="M{_n(x)} {_n(y - 4)}h18"/>')
        parts.append(_text(x + 23, y, curve.name))
        x += 23 + CHARACTER * len(curve.name) + 14
    return "\n".join(parts)


def plot_heat_map(
    title: str,
    rows: Sequence[tuple[str, Sequence[float]]],
    x: Axis,
    colour: Axis,
    start: float = 0,
    width: float = 380,
    row_height: float = 20,
) -> Plot:
    """A row of coloured cells for each (name, values), the first one above, and the colours' legend below.

    The first cell has the place `start` on the x axis, the next one start + 1. Cells with the value 0 are grey, and
    those whose value is not finite are left out. `colour` must be an axis with a range.
    """
    count = max(len(values) for _, values in rows)
    bottom = TOP + row_height * len(rows)
    across = Scale(Axis(x.label, low=start - 0.5, high=start + count - 0.5), (), LEFT, width - RIGHT)
    brightness = Scale(colour, (), 0, LEVELS - 1)
    cell = (width - RIGHT - LEFT) / count
    shapes: dict[str, list[str]] = {}  # thick lines, all of a colour in one path, so that the file stays small
    for number, (_, values) in enumerate(rows):
        first = 0
        looks = [_look(value, brightness) for value in values]
        for place in range(1, len(looks) + 1):
            if place == len(looks) or looks[place] != looks[first]:
                middle = TOP + row_height * (number + 0.5) - 1
                line = f"M{_n(LEFT + cell * first)} {_n(middle)}H{_n(LEFT + cell * place)}"
                shapes.setdefault(looks[first], []).append(line)
                first = place
    parts = [_title(title)]
    parts += [
        f'<path {look} stroke-width="{_n(row_height - 2)}" shape-rendering="crispEdges" d="{"".join(of_look)}"/>'
        for look, of_look in shapes.items()
        if look
    ]
    parts += [_text(LEFT - 6, TOP + row_height * (n + 0.5) + 3, name, "end") for n, (name, _) in enumerate(rows)]
    for tick in across.ticks():
        parts.append(f'<path class="frame" d="M{_n(across(tick))} {_n(bottom)}v4"/>')
        parts.append(_text(across(tick), bottom + 17, across.text(tick), "middle"))
    parts.append(_text((LEFT + width - RIGHT) / 2, bottom + 34, x.label, "middle"))
    parts.append(_colour_legend(colour, brightness, width, TOP - 20))
    return Plot(width, bottom + BOTTOM, "\n".join(parts))


def _look(value: float, brightness: Scale) -> str:
    """The attribute that colours a cell; nothing for a cell that is left out."""
    if not math.isfinite(value):
        return ""
    return 'class="none"' if value == 0 else f'stroke="{_colour(round(brightness(value)) / (LEVELS - 1))}"'


def _colour(share: float) -> str:
    """The colour at a share of the colour map, 0 dark to 1 bright."""
    index = min(int(share * (len(VIRIDIS) - 1)), len(VIRIDIS) - 2)
    rest = share * (len(VIRIDIS) - 1) - index
    return "#" + "".join(
        f"{round(low + rest * (high - low)):02x}" for low, high in zip(VIRIDIS[index], VIRIDIS[index + 1], strict=True)
    )


def _colour_legend(colour: Axis, brightness: Scale, width: float, y: float) -> str:
    """The colours with their values, above a heat map."""
    x, step = LEFT, 4.0
    parts = [
        f'<rect x="{_n(x + step * level)}" y="{y}" width="{_n(step + 0.3)}" height="9" '
        f'fill="{_colour(level / (LEVELS - 1))}"/>'
        for level in range(LEVELS)
    ]
    end = x + step * LEVELS
    low, high = (brightness.text(value) for value in (brightness.low, brightness.high))
    parts.append(_text(x - 6, y + 9, low, "end"))
    parts.append(_text(end + 6, y + 9, f"{high}  {colour.label}"))
    return "\n".join(parts)


def figure(rows: Sequence[Sequence[Plot]], description: str) -> str:
    """Plots in rows as one SVG image, which needs no other file. `description` is for people who cannot see it."""
    width = max(sum(plot.width for plot in row) for row in rows)
    height = sum(max(plot.height for plot in row) for row in rows)
    parts, y = [], 0.0
    for row in rows:
        x = 0.0
        for plot in row:
            parts.append(f'<g transform="translate({x:g} {y:g})">\n{plot.elements}\n</g>')
            x += plot.width
        y += max(plot.height for plot in row)
    body = "\n".join(parts)
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(description)}">\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="100%" height="100%" rx="6"/>\n{body}\n</svg>\n'
    )
