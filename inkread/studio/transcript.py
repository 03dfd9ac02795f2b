"""One page of a PAGE XML or ALTO file, of any program: its lines are read and edited, all else in it stays as it was.

The two formats are two classes with the same functions of elements, `_Page` and `_Alto`. What is done to lines is in
`Transcript`, for both of them.
"""

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Protocol

from lxml import etree  # type: ignore[import-untyped]

from inkread.alphabet import normal
from inkread.document import alto, page_xml
from inkread.document.elements import Line, Page, Paragraph, Points, Word
from inkread.errors import BadInput

Element = Any  # of lxml, which has no types
BASELINE_HEIGHT = 0.75  # of the height of a line that the user draws: descenders take the rest
MARK = "inkread {corrected:true;}"  # in the attribute `custom` of PAGE, in the notation that Transkribus uses there


@dataclass(frozen=True)
class _Token:
    """A word of a line. `element` is that of the file, if there is one, and `changed` says that its text is new."""

    text: str
    polygon: Points
    confidence: float | None = None
    element: Element = None
    hyphen: Element = None  # of ALTO: the hyphen at the end of the line is an element of its own
    changed: bool = False


class _Format(Protocol):
    """Where a format has what belongs to a line."""

    name: str
    id: str  # the attribute

    def size(self, page: Element, /) -> tuple[int, int]: ...
    def excluded(self, page: Element, /) -> list[tuple[Element, Points]]: ...
    def exclude(self, page: Element, id: str, polygon: Points, /) -> None: ...
    def regions(self, page: Element, /) -> list[Element]: ...
    def new_region(self, page: Element, /) -> Element: ...
    def tokens(self, line: Element, /) -> list[_Token]: ...
    def text(self, line: Element, /) -> str: ...
    def confidence(self, line: Element, /) -> float | None: ...
    def corrected(self, line: Element, /) -> bool: ...
    def shape(self, line: Element, /) -> tuple[Points, Points]: ...
    def set_shape(self, line: Element, polygon: Points, baseline: Points, /) -> None: ...
    def set_text(self, line: Element, text: str, tokens: list[_Token], /) -> None: ...
    def set_corrected(self, line: Element, corrected: bool, confidence: float | None, /) -> None: ...
    def update_region(self, region: Element, /) -> None: ...
    def touch(self, page: Element, /) -> None: ...


class Transcript:
    """A page of a file that is edited in memory. `to_bytes` gives the file as it is then.

    Raises BadInput where it is neither PAGE nor ALTO, or has no such page. Positions are in the units of the file.
    """

    def __init__(self, data: bytes, name: str, number: int = 1) -> None:
        self.name = name
        self.root = _parse(data, name)
        kind = etree.QName(self.root).localname
        if kind not in ("PcGts", "alto"):
            raise BadInput(f"<{kind}> is neither PAGE nor ALTO", path=name, hint="move the file elsewhere")
        self.format: _Format = _Page() if kind == "PcGts" else _Alto()
        pages = list(self.root.iterfind(".//{*}Page"))
        if not pages:
            raise BadInput("no page in it", path=name, hint="export it again")
        self.page = pages[number - 1] if len(pages) > 1 and number <= len(pages) else pages[0]

    def to_bytes(self) -> bytes:
        """The content of the file."""
        self.format.touch(self.page)
        data: bytes = etree.tostring(self.root.getroottree(), encoding="UTF-8", xml_declaration=True)
        return data + b"\n"

    # ---- what is in it

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the page in its units."""
        return self.format.size(self.page)

    def lines(self) -> Iterator[tuple[int, Element]]:
        """The lines in reading order, each with the number of its region from 0."""
        for number, region in enumerate(self.format.regions(self.page)):
            for line in region.iterfind("{*}TextLine"):
                yield number, line

    def to_dict(self) -> dict[str, Any]:
        """What the browser shows."""
        width, height = self.size
        return {
            "format": self.format.name,
            "width": width,
            "height": height,
            "lines": [self._line_to_dict(number, line) for number, line in self.lines()],
            "excluded": [
                {"id": element.get(self.format.id), "polygon": polygon}
                for element, polygon in self.format.excluded(self.page)
            ],
        }

    def _line_to_dict(self, region: int, line: Element) -> dict[str, Any]:
        polygon, baseline = self.format.shape(line)
        return {
            "id": self.id_of(line),
            "region": region,
            "text": self.format.text(line),
            "confidence": self.format.confidence(line),
            "corrected": self.format.corrected(line),
            "polygon": polygon,
            "baseline": baseline,
            "words": [{"text": token.text, "confidence": token.confidence} for token in self.format.tokens(line)],
        }

    def to_page(self, number: int, width: int, height: int) -> Page:
        """The page as a document has it, in pixels of an image of that size."""
        across, down = (new / max(old, 1) for new, old in zip((width, height), self.size, strict=True))

        paragraphs: dict[int, list[Line]] = {}
        for region, line in self.lines():
            polygon, baseline = self.format.shape(line)
            polygon = polygon or _rectangle(((0, 0), self.size))  # anywhere, so that its text is not lost
            text, confidence = self.format.text(line), self.format.confidence(line)
            sure = 1.0 if confidence is None else confidence
            tokens = self.format.tokens(line) or _spread(text.split(), polygon)
            words = tuple(
                Word(
                    token.text,
                    1.0 if token.confidence is None else token.confidence,
                    _scaled(token.polygon, across, down),
                )
                for token in tokens
                if token.text.strip() and token.polygon
            )
            outline, feet = (_scaled(points, across, down) for points in (polygon, baseline))
            paragraphs.setdefault(region, []).append(Line(text, sure, words, (), outline, feet))
        found = tuple(Paragraph(tuple(lines)) for lines in paragraphs.values())
        excluded = tuple(_scaled(polygon, across, down) for _, polygon in self.format.excluded(self.page) if polygon)
        return Page(number, width, height, found, excluded=excluded)

    def id_of(self, line: Element) -> str:
        """The id of a line; one without an id in the file is called by its number."""
        return line.get(self.format.id) or f"#{[each for _, each in self.lines()].index(line)}"

    def find(self, id: str) -> Element:
        """The line with an id. Raises BadInput."""
        for _, line in self.lines():
            if self.id_of(line) == id:
                return line
        raise BadInput("this line is no longer there", path=self.name, hint="reload the page")

    # ---- edits

    def set_text(self, id: str, text: str) -> None:
        """Give a line the text that the user has typed. Words that stay keep all that the file says of them."""
        line = self.find(id)
        text = " ".join(normal(_printable(text)).split())
        if text == self.format.text(line):
            self.confirm(id, True)
        else:
            tokens = self.format.tokens(line)
            self.format.set_text(line, text, _updated(tokens, text.split()) if tokens else [])
            self.format.set_corrected(line, True, None)

    def confirm(self, id: str, corrected: bool) -> None:
        """Say that the text of a line is right as it is, or take that back."""
        line = self.find(id)
        self.format.set_corrected(line, corrected, self.format.confidence(line))

    def reread(self, id: str, read: Line) -> None:
        """Replace the text of a line by what was read there."""
        line = self.find(id)
        tokens = [_Token(word.text, word.polygon, word.confidence, changed=True) for word in read.words]
        self.format.set_text(line, read.text, tokens)
        self.format.set_corrected(line, False, read.confidence)

    def reshape(self, id: str, polygon: Points, baseline: Points = ()) -> None:
        """Give a line another outline and baseline; without a baseline, one in the lower part of the outline."""
        line = self.find(id)
        self.format.set_shape(line, polygon, baseline or _baseline_in(polygon))
        text = self.format.text(line)
        if self.format.tokens(line):
            self.format.set_text(line, text, _spread(text.split(), polygon))

    def read_again(self, page: Page) -> None:
        """Replace the lines by those of a page that was read, but keep those that are corrected.

        What was read there, or in an excluded area, is left out.
        """
        across, down = (
            new / old if new else 1.0 for new, old in zip(self.size, (page.width, page.height), strict=True)
        )
        kept = [area for _, area in self.format.excluded(self.page)]
        for line in [line for _, line in self.lines()]:
            if self.format.corrected(line):
                kept.append(self.format.shape(line)[0])
            else:
                self.delete(self.id_of(line))
        for line in page.lines:
            polygon, baseline = (_scaled(points, across, down) for points in (line.polygon, line.baseline))
            if not any(is_inside(polygon, area) or is_inside(area, polygon) for area in kept):
                self.reread(self.add(polygon, baseline), with_scaled_words(line, across, down))

    def add(self, polygon: Points, baseline: Points = ()) -> str:
        """A new line with this outline: in the region of the line above it, behind that one. Returns its id."""
        above = [line for _, line in self.lines() if _middle(self.format.shape(line)[0]) <= _middle(polygon)]
        shared = [line for line in above if _overlap(self.format.shape(line)[0], polygon) > 0]
        line = self._new_line()
        if shared:
            max(reversed(shared), key=lambda each: _middle(self.format.shape(each)[0])).addnext(line)
        else:
            regions = self.format.regions(self.page)
            region = regions[0] if regions else self.format.new_region(self.page)
            first = region.find("{*}TextLine")
            if first is None:
                region.append(line)
            else:
                first.addprevious(line)
        self.format.set_shape(line, polygon, baseline or _baseline_in(polygon))
        self.format.set_text(line, "", [])
        return self.id_of(line)

    def delete(self, id: str) -> None:
        """Remove a line."""
        line = self.find(id)
        region = line.getparent()
        region.remove(line)
        self.format.update_region(region)

    def exclude(self, polygon: Points) -> str:
        """Keep an area of the page, a stamp or a drawing, from being read: lines in it are removed. Returns its id.

        It is a region of an image in the file, in which a page has no text.
        """
        for line in [line for _, line in self.lines()]:
            if is_inside(self.format.shape(line)[0], polygon):
                self.delete(self.id_of(line))
        id = self._new_id("excluded")
        self.format.exclude(self.page, id, polygon)
        return id

    def include(self, id: str) -> None:
        """Let an area be read again; the lines in it are not back by that."""
        for element, _ in self.format.excluded(self.page):
            if element.get(self.format.id) == id:
                element.getparent().remove(element)
                return
        raise BadInput("this area is no longer excluded", path=self.name, hint="reload the page")

    def move(self, id: str, by: int) -> None:
        """Move a line among all lines of the page, up (-1) or down (1); it may enter the next region."""
        lines = [line for _, line in self.lines()]
        place = lines.index(self.find(id))
        target = place + by
        if by == 0 or not 0 <= target < len(lines):
            return
        line, other = lines[place], lines[target]
        regions = line.getparent(), other.getparent()
        if (by > 0) == (regions[0] is regions[1]):
            other.addnext(line)
        else:  # up, or down to the start of the next region
            other.addprevious(line)
        for region in regions:
            self.format.update_region(region)

    def merge(self, first: str, second: str) -> None:
        """Make one line of two: the texts one behind the other, the outline around both."""
        if first == second:
            raise BadInput("one line cannot be merged with itself", path=self.name, hint="reload the page")
        line, other = self.find(first), self.find(second)
        (polygon, baseline), (other_polygon, other_baseline) = self.format.shape(line), self.format.shape(other)
        tokens = [replace(token, element=None, changed=True) for each in (line, other) for token in self._tokens(each)]
        text = f"{self.format.text(line)} {self.format.text(other)}".strip()
        corrected = self.format.corrected(line) and self.format.corrected(other)
        confidences = [self.format.confidence(each) for each in (line, other)]
        known = [confidence for confidence in confidences if confidence is not None]
        self.delete(second)
        together = _hull([*polygon, *other_polygon])
        points = tuple(sorted({*baseline, *other_baseline}))
        self.format.set_shape(line, together, points if len(points) > 1 else _baseline_in(together))
        self.format.set_text(line, text, tokens)
        self.format.set_corrected(line, corrected, min(known, default=None))

    def split(self, id: str, at: int) -> str:
        """Divide a line in two before character `at` of its text. Returns the id of the second part."""
        line = self.find(id)
        text = self.format.text(line)
        at = min(max(at, 0), len(text))
        polygon, baseline = self.format.shape(line)
        left, right = min(x for x, _ in polygon), max(x for x, _ in polygon)
        x = left + (right - left) * _share(text, at, self._tokens(line), left, right)
        parts = _cut(polygon, x, left=True), _cut(polygon, x, left=False)
        bases = _cut_line(baseline, x, left=True), _cut_line(baseline, x, left=False)
        corrected, confidence = self.format.corrected(line), self.format.confidence(line)
        second = self._new_line()
        line.addnext(second)
        for each, part, base, words in zip((line, second), parts, bases, (text[:at], text[at:]), strict=True):
            self.format.set_shape(each, part, base or _baseline_in(part))
            self.format.set_text(each, words.strip(), _spread(words.split(), part))
            self.format.set_corrected(each, corrected, confidence)
        return self.id_of(second)

    def _tokens(self, line: Element) -> list[_Token]:
        return self.format.tokens(line) or _spread(self.format.text(line).split(), self.format.shape(line)[0])

    def _new_line(self) -> Element:
        return _make(self.page, "TextLine", {self.format.id: self._new_id("new_line")})

    def _new_id(self, start: str) -> str:
        ids = {element.get(self.format.id) for element in self.root.iter(etree.Element)}
        return next(id for id in (f"{start}{number}" for number in range(1, len(ids) + 2)) if id not in ids)


# ---- PAGE


class _Page:
    name, id = "page", "id"

    def size(self, page: Element) -> tuple[int, int]:
        return _number(page.get("imageWidth")), _number(page.get("imageHeight"))

    def regions(self, page: Element) -> list[Element]:
        """The regions with text, in the reading order of the file, those that it does not name behind them."""
        references = page.iterfind("{*}ReadingOrder//{*}RegionRefIndexed")
        order = {reference.get("regionRef"): place for place, reference in enumerate(references)}
        regions = list(page.iterfind(".//{*}TextRegion"))
        return sorted(regions, key=lambda region: order.get(region.get("id"), len(order)))

    def excluded(self, page: Element) -> list[tuple[Element, Points]]:
        """The areas that the user has excluded, not all images of another program."""
        regions = page.iterfind(".//{*}ImageRegion")
        return [
            (each, _points_of(each.find("{*}Coords")))
            for each in regions
            if page_xml.EXCLUDED in each.get("custom", "")
        ]

    def exclude(self, page: Element, id: str, polygon: Points) -> None:
        region = _make(page, "ImageRegion", {"id": id, "custom": page_xml.EXCLUDED})
        region.append(_make(page, "Coords", {"points": _page_points(polygon)}))
        page.append(region)

    def new_region(self, page: Element) -> Element:
        region = _make(page, "TextRegion", {"id": "new_region1", "type": "paragraph"})
        width, height = self.size(page)
        points = _page_points(((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)))
        region.append(_make(page, "Coords", {"points": points}))
        page.append(region)
        return region

    def tokens(self, line: Element) -> list[_Token]:
        return [
            _Token(self.text(word), _points_of(word.find("{*}Coords")), self.confidence(word), word)
            for word in line.iterfind("{*}Word")
        ]

    def text(self, line: Element) -> str:
        reading = self._reading(line)
        text = "" if reading is None else reading.findtext("{*}Unicode") or ""
        return " ".join((text or " ".join(self.text(word) for word in line.iterfind("{*}Word"))).split())

    def confidence(self, line: Element) -> float | None:
        reading = self._reading(line)
        return None if reading is None else _confidence(reading.get("conf"))

    def corrected(self, line: Element) -> bool:
        return MARK in (line.get("custom") or "")

    def shape(self, line: Element) -> tuple[Points, Points]:
        return _points_of(line.find("{*}Coords")), _points_of(line.find("{*}Baseline"))

    def set_shape(self, line: Element, polygon: Points, baseline: Points) -> None:
        coords, base = line.find("{*}Coords"), line.find("{*}Baseline")
        if coords is None:
            coords = _make(line, "Coords", {})
            line.insert(0, coords)
        if base is None:
            base = _make(line, "Baseline", {})
            coords.addnext(base)
        coords.set("points", _page_points(polygon))
        base.set("points", _page_points(baseline))

    def set_text(self, line: Element, text: str, tokens: list[_Token]) -> None:
        for word in list(line.iterfind("{*}Word")):
            if not any(token.element is word for token in tokens):
                word.getparent().remove(word)
        before = line.find("{*}Baseline") if line.find("{*}Baseline") is not None else line.find("{*}Coords")
        for number, token in enumerate(tokens, 1):
            word = token.element
            if word is None:
                word = _make(line, "Word", {"id": f"{line.get('id')}_new{number}"})
                word.append(_make(line, "Coords", {"points": _page_points(token.polygon)}))
            if token.changed or token.element is None:
                for glyph in list(word.iterfind("{*}Glyph")):
                    glyph.getparent().remove(glyph)
                self._write(word, token.text, token.confidence)
            if before is None:
                line.insert(0, word)
            else:
                before.addnext(word)
            before = word
        self._write(line, text, self.confidence(line))
        if line.getparent() is not None:
            self.update_region(line.getparent())

    def set_corrected(self, line: Element, corrected: bool, confidence: float | None) -> None:
        custom = (line.get("custom") or "").replace(MARK, "").strip()
        custom = f"{custom} {MARK}".strip() if corrected else custom
        if custom:
            line.set("custom", custom)
        else:
            line.attrib.pop("custom", None)
        self._write(line, self.text(line), confidence)

    def touch(self, page: Element) -> None:
        changed = page.getparent().find("{*}Metadata/{*}LastChange")
        if changed is not None:
            changed.text = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

    def _reading(self, element: Element) -> Element:
        """The reading with the lowest index; the others are alternatives."""
        readings = list(element.iterfind("{*}TextEquiv"))
        return min(readings, key=lambda reading: _number(reading.get("index")), default=None)

    def _write(self, element: Element, text: str, confidence: float | None) -> None:
        reading = self._reading(element)
        if reading is None:
            reading = _make(element, "TextEquiv", {})
            reading.append(_make(element, "Unicode", {}))
            names = ("Coords", "Baseline", "Word", "Glyph")  # which the schema wants before it
            behind = [each for each in element.iterfind("{*}*") if etree.QName(each).localname in names]
            if behind:
                max(behind, key=element.index).addnext(reading)
            else:
                element.append(reading)
        unicode = reading.find("{*}Unicode")
        if unicode is None:
            unicode = _make(element, "Unicode", {})
            reading.append(unicode)
        if unicode.text != text:
            unicode.text = text
            for plain in list(reading.iterfind("{*}PlainText")):
                plain.getparent().remove(plain)
        if confidence is None:
            reading.attrib.pop("conf", None)
        else:
            reading.set("conf", f"{confidence:.4f}")

    def update_region(self, region: Element) -> None:
        """Keep the text of the whole region right, where the file has one."""
        if self._reading(region) is not None:
            lines = region.iterfind("{*}TextLine")
            self._write(region, "\n".join(self.text(each) for each in lines), self.confidence(region))


# ---- ALTO


class _Alto:
    name, id = "alto", "ID"

    def size(self, page: Element) -> tuple[int, int]:
        return _number(page.get("WIDTH")), _number(page.get("HEIGHT"))

    def regions(self, page: Element) -> list[Element]:
        return list(page.iterfind(".//{*}TextBlock"))

    def excluded(self, page: Element) -> list[tuple[Element, Points]]:
        """The areas that the user has excluded, not all illustrations of another program."""
        found = page.iterfind(".//{*}Illustration")
        return [(each, self.shape(each)[0]) for each in found if each.get("TYPE") == alto.EXCLUDED]

    def exclude(self, page: Element, id: str, polygon: Points) -> None:
        place = dict(zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), map(str, _box(polygon)), strict=True))
        self._space(page).append(_make(page, "Illustration", {"ID": id, "TYPE": alto.EXCLUDED, **place}))

    def _space(self, page: Element) -> Element:
        space = page.find("{*}PrintSpace")
        if space is None:
            space = _make(page, "PrintSpace", {})
            page.append(space)
        return space

    def new_region(self, page: Element) -> Element:
        space = self._space(page)
        width, height = self.size(page)
        box = {"HPOS": "0", "VPOS": "0", "WIDTH": str(width), "HEIGHT": str(height)}
        region = _make(page, "TextBlock", {"ID": "new_block1", **box})
        space.append(region)
        return region

    def tokens(self, line: Element) -> list[_Token]:
        found: list[_Token] = []
        for element in line.iterfind("{*}*"):
            kind = etree.QName(element).localname
            if kind == "String" and element.get("CONTENT", "").strip():
                confidence = _confidence(element.get("WC"))
                found.append(_Token(element.get("CONTENT"), _box_of(element), confidence, element))
            elif kind == "HYP" and found:
                found[-1] = replace(found[-1], text=found[-1].text + element.get("CONTENT", "-"), hyphen=element)
        return found

    def text(self, line: Element) -> str:
        return " ".join(token.text for token in self.tokens(line))

    def confidence(self, line: Element) -> float | None:
        """The geometric mean of the words' confidences, weighted by their lengths."""
        known = [(len(token.text), token.confidence) for token in self.tokens(line) if token.confidence is not None]
        length = sum(count for count, _ in known)
        product = 1.0
        for count, confidence in known:
            product *= max(confidence, 1e-9) ** (count / length)
        return product if known else None

    def corrected(self, line: Element) -> bool:
        return line.get("CS") in ("true", "1")

    def shape(self, line: Element) -> tuple[Points, Points]:
        polygon = line.find("{*}Shape/{*}Polygon")
        points = _points(polygon.get("POINTS", "")) if polygon is not None else ()
        points = points or _box_of(line)
        baseline = line.get("BASELINE", "")
        if points and re.fullmatch(r"\s*[-+.\d]+\s*", baseline):  # ALTO 2 and 3: one y for the whole line
            (left, *_, right), y = sorted(x for x, _ in points), float(baseline)
            return points, ((left, y), (right, y))
        return points, _points(baseline)

    def set_shape(self, line: Element, polygon: Points, baseline: Points) -> None:
        for name, value in zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), _box(polygon), strict=True):
            line.set(name, str(value))
        shape = line.find("{*}Shape/{*}Polygon")
        if shape is None:
            element = _make(line, "Shape", {})
            shape = _make(line, "Polygon", {})
            element.append(shape)
            line.insert(0, element)
        shape.set("POINTS", _page_points(polygon, " "))
        old = re.fullmatch(r"\s*[-+.\d]+\s*", line.get("BASELINE", "")) is not None
        line.set("BASELINE", f"{baseline[0][1]:.0f}" if old else _page_points(baseline, " "))

    def set_text(self, line: Element, text: str, tokens: list[_Token]) -> None:
        tokens = tokens or _spread(text.split(), self.shape(line)[0])
        for element in list(line.iterfind("{*}*")):
            if etree.QName(element).localname in ("String", "SP", "HYP"):
                element.getparent().remove(element)
        if not tokens:  # the schema requires a String in every line
            line.append(_make(line, "String", {"CONTENT": "", **self._position(self.shape(line)[0])}))
        for number, token in enumerate(tokens):
            if number:
                line.append(_make(line, "SP", {}))
            line.append(self._string(line, token))
            if token.hyphen is not None and not token.changed:
                line.append(token.hyphen)

    def _string(self, line: Element, token: _Token) -> Element:
        string = token.element
        if string is None:
            string = _make(line, "String", self._position(token.polygon))
        if token.changed or token.element is None:
            for name in ("CC", "WC", "SUBS_TYPE", "SUBS_CONTENT"):  # of the word that was there
                string.attrib.pop(name, None)
            for child in list(string):
                string.remove(child)
            string.set("CONTENT", token.text)
            if token.confidence is not None:
                string.set("WC", f"{token.confidence:.4f}")
        return string

    def set_corrected(self, line: Element, corrected: bool, confidence: float | None) -> None:
        """ALTO has a correction status for this; the confidence is that of the words."""
        if corrected:
            line.set("CS", "true")
        else:
            line.attrib.pop("CS", None)

    def update_region(self, region: Element) -> None:
        """ALTO has no text of a whole region."""

    def touch(self, page: Element) -> None:
        """ALTO has no date of the last change."""

    def _position(self, polygon: Points) -> dict[str, str]:
        return dict(zip(("HPOS", "VPOS", "WIDTH", "HEIGHT"), map(str, _box(polygon)), strict=True))


# ---- words


def _updated(tokens: Sequence[_Token], words: list[str]) -> list[_Token]:
    """The words of a corrected line: those that stay keep their elements, others get places where the old ones were."""
    old = [token.text for token in tokens]
    result: list[_Token] = []
    for kind, start, end, first, last in SequenceMatcher(None, old, words, autojunk=False).get_opcodes():
        new = words[first:last]
        if kind == "equal":
            result += tokens[start:end]
        elif end - start == len(new):
            pairs = zip(tokens[start:end], new, strict=True)
            result += [replace(token, text=text, confidence=None, changed=True) for token, text in pairs]
        elif kind == "insert" and result:  # next to the word before, whose place they share
            neighbour = result.pop()
            result += _spread([neighbour.text, *new], neighbour.polygon)
        elif new:
            place = tokens[start : max(end, start + 1)]
            together = [token.text for token in place] if kind == "insert" else []
            corners = [point for token in place for point in token.polygon]
            shared = _spread([*new, *together], _rectangle(corners))
            result += shared[: len(new)] if kind == "insert" else shared
    return result


def _spread(words: list[str], polygon: Points) -> list[_Token]:
    """Words one beside the other within a box around the polygon, as wide as they have letters, spaces between."""
    if not polygon:
        return [_Token(word, (), changed=True) for word in words]
    (left, top), _, (right, bottom), _ = _rectangle(polygon)
    length = sum(len(word) for word in words) + len(words) - 1
    tokens, begin = [], 0
    for word in words:
        x, end = (left + (right - left) * place / length for place in (begin, begin + len(word)))
        tokens.append(_Token(word, ((x, top), (end, top), (end, bottom), (x, bottom)), changed=True))
        begin += len(word) + 1
    return tokens


def _share(text: str, at: int, tokens: Sequence[_Token], left: float, right: float) -> float:
    """Where between the ends of a line its character `at` is, from 0 to 1: between words as the file says."""
    before = len(text[:at].split())
    if 0 < before < len(tokens) and (text[at - 1 : at] == " " or text[at : at + 1] == " ") and right > left:
        edges = max(x for x, _ in tokens[before - 1].polygon), min(x for x, _ in tokens[before].polygon)
        return min(max((sum(edges) / 2 - left) / (right - left), 0.02), 0.98)
    return min(max(at / max(len(text), 1), 0.02), 0.98)


# ---- points


def _rectangle(points: Sequence[tuple[float, float]]) -> Points:
    """The box around points, clockwise from the upper left; none around none."""
    if not points:
        return ()
    x, y = zip(*points, strict=True)
    return ((min(x), min(y)), (max(x), min(y)), (max(x), max(y)), (min(x), max(y)))


def with_scaled_words(line: Line, across: float, down: float) -> Line:
    """The line with the places of its words in other units."""
    words = [replace(word, polygon=_scaled(word.polygon, across, down)) for word in line.words]
    return replace(line, words=tuple(words))


def _scaled(points: Points, across: float, down: float) -> Points:
    return tuple((x * across, y * down) for x, y in points)


def _middle(polygon: Points) -> float:
    y = [y for _, y in polygon] or [0.0]
    return (min(y) + max(y)) / 2


def _overlap(polygon: Points, other: Points) -> float:
    """How much of the width two outlines share."""
    if not polygon or not other:
        return 0.0
    (left, _), (right, _), *_ = _rectangle(polygon)
    (other_left, _), (other_right, _), *_ = _rectangle(other)
    return min(right, other_right) - max(left, other_left)


def is_inside(polygon: Points, area: Points) -> bool:
    """Whether the middle of the box around a line lies in the box around an area."""
    if not polygon or not area:
        return False
    (left, top), _, (right, bottom), _ = _rectangle(polygon)
    (area_left, area_top), _, (area_right, area_bottom), _ = _rectangle(area)
    x, y = (left + right) / 2, (top + bottom) / 2
    return area_left <= x <= area_right and area_top <= y <= area_bottom


def _baseline_in(polygon: Points) -> Points:
    (left, top), _, (right, bottom), _ = _rectangle(polygon)
    y = top + BASELINE_HEIGHT * (bottom - top)
    return ((left, y), (right, y))


def _cut(polygon: Points, x: float, left: bool) -> Points:
    """The part of a polygon on one side of a vertical line (Sutherland and Hodgman 1974)."""
    result: list[tuple[float, float]] = []
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        inside, next_inside = ((each <= x) == left for each in (x1, x2))
        if inside:
            result.append((x1, y1))
        if inside != next_inside:
            result.append((x, y1 + (y2 - y1) * (x - x1) / (x2 - x1)))
    return tuple(result)


def _cut_line(points: Points, x: float, left: bool) -> Points:
    kept = [point for point in points if (point[0] <= x) == left]
    crossing = [
        (x, y1 + (y2 - y1) * (x - x1) / (x2 - x1)) for (x1, y1), (x2, y2) in pairwise(points) if (x1 <= x) != (x2 <= x)
    ][:1]
    together = [*kept, *crossing] if left else [*crossing, *kept]
    return tuple(together) if len(together) > 1 else ()


def _hull(points: Sequence[tuple[float, float]]) -> Points:
    """The convex hull, by Andrew's monotone chain (1979)."""

    def half(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in ordered:
            while len(chain) > 1 and (
                (chain[-1][0] - chain[-2][0]) * (y - chain[-2][1]) <= (chain[-1][1] - chain[-2][1]) * (x - chain[-2][0])
            ):
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    ordered = sorted(set(points))
    return tuple(half(ordered) + half(ordered[::-1])) if len(ordered) > 2 else tuple(ordered)


def _points(text: str) -> Points:
    """ "1,2 3,4" or "1 2 3 4" -> ((1, 2), (3, 4)); () where they are no points."""
    try:
        numbers = [float(number) for number in re.split(r"[\s,]+", text.strip()) if number]
    except ValueError:
        return ()
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))


def _points_of(element: Element) -> Points:
    return () if element is None else _points(element.get("points", ""))


def _page_points(points: Points, separator: str = ",") -> str:
    return " ".join(f"{max(0, round(x))}{separator}{max(0, round(y))}" for x, y in points)


def _box(polygon: Points) -> tuple[int, int, int, int]:
    """Left, top, width and height in whole units, at least one wide and high."""
    if not polygon:
        return 0, 0, 1, 1
    (left, top), _, (right, bottom), _ = _rectangle(polygon)
    return max(0, round(left)), max(0, round(top)), max(1, round(right - left)), max(1, round(bottom - top))


def _box_of(element: Element) -> Points:
    try:
        left, top, width, height = (float(element.get(name) or 0) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    except ValueError:
        return ()
    return _rectangle(((left, top), (left + width, top + height))) if width > 0 and height > 0 else ()


# ---- XML


def _parse(data: bytes, name: str) -> Element:
    """The root of a file. Entities are refused: they could fill the memory or read other files. Raises BadInput."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise BadInput("not well-formed XML", path=name, line=error.lineno, hint="export it again") from error
    if root.getroottree().docinfo.doctype:
        raise BadInput("has a DOCTYPE, which is unsafe to read", path=name, hint="export it without one")
    return root


def _make(like: Element, tag: str, attributes: dict[str, str]) -> Element:
    """A new element in the namespace of another one."""
    namespace = etree.QName(like).namespace
    return etree.Element(f"{{{namespace}}}{tag}" if namespace else tag, attributes)


def _number(text: str | None) -> int:
    """A whole number, 0 for anything else."""
    match = re.match(r"\s*(\d+)", text or "")
    return int(match[1]) if match else 0


def _confidence(text: str | None) -> float | None:
    """A confidence from 0 to 1; None where the file has none."""
    try:
        return None if text is None else min(max(float(text), 0.0), 1.0)
    except ValueError:
        return None


def _printable(text: str) -> str:
    """Without characters that XML cannot hold."""
    return re.sub("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
