"""JSON Lines: one JSON object per line of writing. inkread reads it again as a dataset.

An object for each place that may be handwriting, but was not read, has "unread": true and no text.
"""

import json
from collections.abc import Iterator
from typing import Any

from inkread.document.elements import Document, Line, Page


def write(document: Document) -> str:
    """The lines of all pages, each with the line end."""
    rows = [row for page in document.pages for row in _rows(document.name, page)]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _rows(name: str, page: Page) -> Iterator[dict[str, Any]]:
    for number, paragraph in enumerate(page.paragraphs, 1):
        for line in paragraph.lines:
            yield to_dict(name, page.number, line, None if page.is_line else number, page.rotation)
    for outline in page.unread:
        yield {"file": name, "page": page.number, "unread": True, "polygon": outline}


def to_dict(name: str, page: int, line: Line, paragraph: int | None = None, rotation: int = 0) -> dict[str, Any]:
    """A line of the file `name` as a JSON object; with the number of its paragraph, also its position on the page.

    `rotation` is that of the page; it is left out where the page is upright.
    """
    position: dict[str, Any] = {}
    if paragraph is not None:
        position = {"paragraph": paragraph, "baseline": line.baseline, "polygon": line.polygon}
        position |= {"rotation": rotation} if rotation else {}
    return {
        "file": name,
        "page": page,
        "text": line.text,
        "confidence": round(line.confidence, 4),
        **({"language": line.language} if line.language else {}),
        **position,
        **({"crossed_out": line.crossed_out} if line.crossed_out else {}),
        "characters": [
            {
                "text": character.text,
                "confidence": round(character.confidence, 4),
                "left": round(character.left, 1),
                "right": round(character.right, 1),
            }
            for character in line.characters
        ],
    }
