"""JSON Lines: one JSON object per line of writing. inkread reads it again as a dataset."""

import json
from typing import Any

from inkread.document.elements import Document, Line


def write(document: Document) -> str:
    """The lines of all pages, each with the line end."""
    rows = [
        to_dict(document.name, page.number, line, None if page.is_line else number, page.rotation)
        for page in document.pages
        for number, paragraph in enumerate(page.paragraphs, 1)
        for line in paragraph.lines
    ]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


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
