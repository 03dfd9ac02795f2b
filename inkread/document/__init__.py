"""What was read, and the formats in which it is written.

A new output format is one new module with a function `write(document) -> str`, and one row in FORMATS.
"""

from collections.abc import Callable
from dataclasses import dataclass

from inkread.document import alto, hocr, json_lines, markdown, page_xml, text, tsv
from inkread.document.elements import Document


@dataclass(frozen=True)
class Format:
    """An output format. `suffix` is that of its files; no two formats have the same."""

    suffix: str
    write: Callable[[Document], str]
    for_pages: bool = False  # it says where lines and words are on a page, so it cannot be written for pen strokes
    file_per_page: bool = False  # each page of a document with several pages is a file of its own


FORMATS = {
    "text": Format(".txt", text.write),
    "md": Format(".md", markdown.write),
    "json": Format(".jsonl", json_lines.write),
    "tsv": Format(".tsv", tsv.write),
    "alto": Format(".alto.xml", alto.write, for_pages=True, file_per_page=True),
    "page": Format(".page.xml", page_xml.write, for_pages=True, file_per_page=True),
    "hocr": Format(".html", hocr.write, for_pages=True),
}
