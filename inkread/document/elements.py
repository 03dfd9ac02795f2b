"""What was read: a document has pages, a page has paragraphs, a paragraph has lines, a line has words and characters.

All positions are in pixels of the upright page, x to the right and y down; those of pen strokes are in the units of
their file, or in pixels at 200 dpi where its pages have a size. A confidence is between 0 and 1: the probability that a
character, a whole word or a whole line was read without an error; 0 where nothing was read. Typed text has the
confidence 1.
"""

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]  # (x, y) of each point


@dataclass(frozen=True)
class Character:
    """One character that was read. `left` and `right` are where it begins and ends along the line, as x positions.

    They say where the character is, but not exactly how wide it is: the network marks only its most typical part.
    """

    text: str
    confidence: float
    left: float
    right: float


@dataclass(frozen=True)
class Word:
    """A word. `polygon` has its four corners, clockwise from the upper left.

    It reaches from the space before the word to the space after it.
    """

    text: str
    confidence: float
    polygon: Points
    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of writing. `characters` has all characters, spaces included; `words` has none of the spaces.

    `polygon` is the outline around the ink. `baseline` runs along the feet of the letters from left to right; it is
    empty for a single line.
    """

    text: str
    confidence: float
    words: tuple[Word, ...]
    characters: tuple[Character, ...]
    polygon: Points = ()
    baseline: Points = ()


@dataclass(frozen=True)
class Paragraph:
    """Lines that follow one another, from the top."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The text of each line on a line of its own."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class Page:
    """A page with its paragraphs in reading order, or a single line.

    `number` counts the pages of a file from 1. `width` and `height` are in pixels or in the units of pen strokes, and
    0 for a single line of pen strokes. `is_line` is true for a single line: then there is one paragraph with one line.
    """

    number: int
    width: int
    height: int
    paragraphs: tuple[Paragraph, ...]
    is_line: bool = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all paragraphs in reading order."""
        return tuple(line for paragraph in self.paragraphs for line in paragraph.lines)

    @property
    def text(self) -> str:
        """The text of each line on a line of its own, with a blank line between paragraphs."""
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs)


@dataclass(frozen=True)
class Document:
    """A file that was read, or an image or pen strokes from memory. `name` is that of the file.

    `model` names the model that has read it, if known.
    """

    name: str
    pages: tuple[Page, ...]
    model: str = ""

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
