"""What was read, and the formats in which it is written.

A new output format is one new module with a function `write(document) -> str`, and one row in FORMATS.
"""

from collections.abc import Callable
from dataclasses import dataclass

from inkread.document import alto, hocr, json_lines, page_xml, text
from inkread.document.elements import Document


@dataclass(frozen=True)
class Format:
    """An output format. `suffix` is that of its files."""

    suffix: str
    write: Callable[[Document], str]
    for_pages: bool = False  # it says where lines and words are on a page, so it cannot be written for pen strokes
    one_page: bool = False  # a file can hold only one page


FORMATS = {
    "text": Format(".txt", text.write),
    "json": Format(".json", json_lines.write),
    "alto": Format(".xml", alto.write, for_pages=True),
    "page": Format(".xml", page_xml.write, for_pages=True, one_page=True),
    "hocr": Format(".html", hocr.write, for_pages=True),
}
