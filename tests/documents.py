"""A document as a Reader gives it, for the tests of output formats."""

from dataclasses import replace

from inkread.document.elements import Character, Document, Line, Page, Paragraph, Points, Word

WIDTH, HEIGHT = 400, 300


def box(left: float, top: float, right: float) -> Points:
    """A rectangle 40 pixels high."""
    return ((left, top), (right, top), (right, top + 40), (left, top + 40))


def line(text: str, top: float) -> Line:
    """Characters 10 pixels wide from x = 50 on, the baseline 30 pixels below the top and rising by 2."""
    characters = tuple(
        Character(character, 0.5 if character == "x" else 1.0, 50 + 10 * place, 60 + 10 * place)
        for place, character in enumerate(text)
    )
    words, left = [], 50.0
    for word in text.split():
        right = left + 10 * len(word)
        words.append(Word(word, 0.9, box(left, top, right)))
        left = right + 10
    end = 50.0 + 10 * len(text)
    return Line(text, 0.8, tuple(words), characters, box(50.0, top, end), ((50.0, top + 30), (end, top + 28)))


def letter_page(number: int = 1) -> Page:
    first = Paragraph((line("Dear <Ann> & you", 20), line("thanks", 80)))
    return Page(number, WIDTH, HEIGHT, (first, Paragraph((line("déjà vu", 200),))))


def letter(name: str = "letter.png", pages: int = 1) -> Document:
    return Document(name, tuple(letter_page(number) for number in range(1, pages + 1)))


def of_lines(*lines: Line) -> Document:
    """A document with one page, which has these lines in one paragraph."""
    return Document("letter.png", (Page(1, WIDTH, HEIGHT, (Paragraph(lines),) if lines else ()),))


def with_excluded(document: Document) -> Document:
    """The document with two areas on each page that are not to be read; one reaches over the edge."""
    areas = (((300.0, 10.0), (380.0, 15.4), (340.0, 60.0)), box(-5.0, HEIGHT - 20.0, 50.0))
    return replace(document, pages=tuple(replace(page, excluded=areas) for page in document.pages))


def pen_line(name: str = "notes.inkml") -> Document:
    """A line of pen strokes, whose positions are in the units of the file."""
    strokes = Line("hello", 0.9, (), (), ((-3.5, 0.0), (2.0, 0.0), (2.0, 1.0), (-3.5, 1.0)))
    return Document(name, (Page(1, 0, 0, (Paragraph((strokes,)),), is_line=True),))
