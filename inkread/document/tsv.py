"""TSV with one row per word, and the columns of Tesseract's `tsv` output. A paragraph is a block."""

from inkread.document.elements import Document, Points

HEADER = "level page_num block_num par_num line_num word_num left top width height conf text".split()
WORD_LEVEL = 5  # Tesseract's number for a word; its rows for pages, blocks and lines (1 to 4) have no text
DECIMALS = 3  # of positions of pen strokes, whose units may be large


def write(document: Document) -> str:
    """All words in reading order, with the box of each in pixels, and its confidence from 0 to 100.

    Boxes of pen strokes are in the units of their file.
    """
    rows = [HEADER]
    for page in document.pages:
        for block, paragraph in enumerate(page.paragraphs, 1):
            for line_number, line in enumerate(paragraph.lines, 1):
                for number, word in enumerate(line.words, 1):
                    place = [WORD_LEVEL, page.number, block, 1, line_number, number]
                    box = _box(word.polygon, 0 if page.width else DECIMALS)
                    rows.append([*map(str, place), *box, f"{100 * word.confidence:.2f}", word.text])
    return "".join("\t".join(row) + "\n" for row in rows)


def _box(polygon: Points, decimals: int) -> list[str]:
    """Left, top, width and height."""
    x, y = ([round(value, decimals) for value in values] for values in zip(*polygon, strict=True))
    return [f"{value:.{decimals}f}" for value in (min(x), min(y), max(x) - min(x), max(y) - min(y))]
