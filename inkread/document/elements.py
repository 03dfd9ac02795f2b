"""What was read: a document has pages, a page has paragraphs, a paragraph has lines, a line has words and characters.

All positions are in pixels of the image, after it was turned as its EXIF data say, x to the right and y down. Those of
pen strokes are in the units of their file, or in pixels at 200 dpi where its pages have a size. If the writing on an
image is upside down or on its side, so are the lines: see `Page.rotation`. A confidence is between 0 and 1: the
probability that a character, a whole word or a whole line was read without an error; 0 where nothing was read. Typed
text has the confidence 1.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

Points = tuple[tuple[float, float], ...]  # (x, y) of each point


@dataclass(frozen=True)
class Character:
    """One character that was read. `left` and `right` are where it begins and ends along the line, as x positions.

    They are y positions where the lines of the page run up or down, and `left` is the larger one where they run up or
    to the left. They say where the character is, but not exactly how wide it is: the network marks only its most
    typical part.
    """

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True)
class Word:
    """A word. `polygon` has its four corners, clockwise from the one that is at the upper left for a reader.

    It reaches from the space before the word to the space after it.
    """

    text: str
    confidence: float
    polygon: Points
    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of writing. `characters` has all characters, spaces included; `words` has none of the spaces.

    `polygon` is the outline around the ink. `baseline` runs along the feet of the letters in the direction of
    reading; it is empty for a single line. `language` is the code of its language, such as "de", if it was detected.
    `crossed_out` has the outlines of what is crossed out, which is not in the text.
    """

    text: str
    confidence: float
    words: tuple[Word, ...]
    characters: tuple[Character, ...]
    polygon: Points = ()
    baseline: Points = ()
    language: str = ""
    crossed_out: tuple[Points, ...] = ()

    @property
    def is_crossed_out(self) -> bool:
        """Whether all that is written in the line is crossed out."""
        return bool(self.crossed_out) and not self.text.strip()


def most_written(lines: Iterable[Line]) -> str:
    """The language of most characters, or "" if that of most lines is not known."""
    characters: Counter[str] = Counter()
    for line in lines:
        characters[line.language] += len(line.text)
    return max(characters, key=characters.__getitem__, default="")


@dataclass(frozen=True)
class Paragraph:
    """Lines that follow one another, from the top."""

    lines: tuple[Line, ...]

    @property
    def written(self) -> tuple[Line, ...]:
        """The lines that are not crossed out."""
        return tuple(line for line in self.lines if not line.is_crossed_out)

    @property
    def text(self) -> str:
        """The text of each line that is not crossed out on a line of its own."""
        return "\n".join(line.text for line in self.written)


@dataclass(frozen=True)
class Page:
    """A page with its paragraphs in reading order, or a single line.

    `number` counts the pages of a file from 1. `width` and `height` are in pixels or in the units of pen strokes, and
    0 for a single line of pen strokes. `is_line` is true for a single line: then there is one paragraph with one line.
    `rotation` says by how many degrees, 0, 90, 180 or 270, the image must be turned clockwise so that it can be read.
    `unread` has the outlines of what may be handwriting, but was not read, and `excluded` those of what the user does
    not want to be read.
    """

    number: int
    width: int
    height: int
    paragraphs: tuple[Paragraph, ...]
    is_line: bool = False
    rotation: int = 0
    unread: tuple[Points, ...] = ()
    excluded: tuple[Points, ...] = ()

    @property
    def upright(self) -> "Page":
        """The page as its image shows it after it was turned by `rotation`."""
        return self.turned(self.rotation)

    def turned(self, degrees: int) -> "Page":
        """The page as its image shows it after it was turned clockwise by 0, 90, 180 or 270 degrees."""
        if not degrees:
            return self
        turn = _Turn(degrees, self.width, self.height, self.rotation)
        width, height = (self.height, self.width) if degrees % 180 else (self.width, self.height)
        paragraphs = tuple(Paragraph(tuple(map(turn.line, paragraph.lines))) for paragraph in self.paragraphs)
        unread, excluded = (tuple(map(turn.points, outlines)) for outlines in (self.unread, self.excluded))
        return Page(self.number, width, height, paragraphs, self.is_line, turn.rotation, unread, excluded)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all paragraphs in reading order."""
        return tuple(line for paragraph in self.paragraphs for line in paragraph.lines)

    @property
    def language(self) -> str:
        """The code of the language in which most was read, or "" if none was detected."""
        return most_written(self.lines)

    @property
    def text(self) -> str:
        """The text of each line on a line of its own, with a blank line between paragraphs."""
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs if paragraph.written)


@dataclass(frozen=True)
class Document:
    """A file that was read, or an image or pen strokes from memory. `name` is that of the file.

    `model` names the model that has read it, if known.
    """

    name: str
    pages: tuple[Page, ...]
    model: str = ""

    @property
    def language(self) -> str:
        """The code of the language in which most was read, or "" if none was detected."""
        return most_written(line for page in self.pages for line in page.lines)

    @property
    def text(self) -> str:
        """The text of all pages, with a blank line between pages and between paragraphs."""
        return "\n\n".join(page.text for page in self.pages)

    def to_text(self) -> str:
        """A text file: like `text`, with a line end after the last line."""
        from inkread.document.text import write

        return write(self)

    def to_markdown(self) -> str:
        """Markdown with headings, paragraphs and lists, and with a head that names the file, the model and the date."""
        from inkread.document.markdown import write

        return write(self)

    def to_tsv(self) -> str:
        """A table with one row per word, with its box and confidence, in the columns of Tesseract."""
        from inkread.document.tsv import write

        return write(self)

    def to_json_lines(self) -> str:
        """JSON Lines: one object per line of writing with its text, confidence, position and characters."""
        from inkread.document.json_lines import write

        return write(self)

    def to_alto(self) -> str:
        """ALTO 4 XML. Raises BadInput for a single line of pen strokes, which has no page."""
        from inkread.document.alto import write

        return write(self)

    def to_page_xml(self) -> str:
        """PAGE XML 2019. Raises BadInput for a line of strokes, and for several pages: a file has one."""
        from inkread.document.page_xml import write

        return write(self)

    def to_hocr(self) -> str:
        """hOCR 1.2, which a browser shows as the image with the text over it. Raises BadInput for a line of strokes."""
        from inkread.document.hocr import write

        return write(self)


@dataclass(frozen=True)
class _Turn:
    """How positions change when the image of a page is turned clockwise by 90, 180 or 270 degrees."""

    degrees: int
    width: int  # of the page before
    height: int
    rotation_before: int

    @property
    def rotation(self) -> int:
        """Of the page afterwards."""
        return (self.rotation_before - self.degrees) % 360

    def point(self, x: float, y: float) -> tuple[float, float]:
        """To a tenth of a pixel. A page of w x h pixels has its last one at (w - 1, h - 1)."""
        right, bottom = self.width - 1 - x, self.height - 1 - y
        x, y = {90: (bottom, x), 180: (right, bottom), 270: (y, right)}[self.degrees]
        return round(x, 1), round(y, 1)

    def along(self, place: float) -> float:
        """A position along the lines, which is one of y if they run up or down."""
        return self.point(place, place)[self.rotation // 90 % 2]

    def points(self, points: Points) -> Points:
        return tuple(self.point(x, y) for x, y in points)

    def characters(self, characters: tuple[Character, ...]) -> tuple[Character, ...]:
        return tuple(replace(each, left=self.along(each.left), right=self.along(each.right)) for each in characters)

    def word(self, word: Word) -> Word:
        return replace(word, polygon=self.points(word.polygon), characters=self.characters(word.characters))

    def line(self, line: Line) -> Line:
        words, characters = tuple(map(self.word, line.words)), self.characters(line.characters)
        polygon, baseline = self.points(line.polygon), self.points(line.baseline)
        turned = replace(line, words=words, characters=characters, polygon=polygon, baseline=baseline)
        return replace(turned, crossed_out=tuple(map(self.points, line.crossed_out)))
