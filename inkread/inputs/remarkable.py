"""Notebooks of reMarkable tablets: a page (.rm, version 6), an export (.rmdoc), or a notebook as the tablet stores it.

A notebook is a file UUID.content, which lists the pages in their order, and a folder UUID with a file .rm for each page
on which something is written. An .rmdoc is a zip file of these. Erased strokes are marked as deleted in the file;
`rmscene` leaves them out.
"""

import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from inkread.errors import BadInput
from inkread.inputs.images import MAX_PAGES
from inkread.inputs.ink import MAX_POINTS, PAGE_DPI, Ink, Pen, Stroke, TypedText
from inkread.inputs.source import MAX_UNPACKED, Source, is_zip, members, open_source, text_start, unzipped

NAME = "reMarkable"
SUFFIXES: tuple[str, ...] = (".rm", ".rmdoc")
CONTENT = ".content"  # the ending of the list of pages, beside a folder of the same name

HEADER = b"reMarkable .lines file, version="
VERSION = b"6"  # of the software 3 and later
DPI = 226  # pixels per inch of a reMarkable 2
SCALE = PAGE_DPI / DPI
PAGE_SIZE = (1404, 1872)  # pixels of a reMarkable 2; x is counted from the middle of the page
MAX_BLOCKS = 100_000  # strokes and other parts of a page: a full one has some thousand
MAX_BYTES = 24 * MAX_POINTS  # of a page: a point takes 14 bytes, or 24 in older files

# Where typed text stands, measured by others: github.com/ricklupton/rmc, MIT. Strokes beside a paragraph are stored
# relative to it. Styles of paragraphs are numbers: 2 is a heading, 4 and 5 are items of a list.
TEXT_TOP = -88
LINE_HEIGHTS = {2: 150, 4: 35, 5: 35}
LINE_HEIGHT = 70  # of all other styles
CHARACTER_WIDTH = 0.35  # of the height of a line, roughly: the file does not say it
# Two anchors that stand for no character: the top and the bottom of the text.
SPECIAL_ANCHORS = {281474976710654: 270.0, 281474976710655: 700.0}

WIDTH_UNITS = 4  # per pixel: the width of a pen at a point
# The inks that are not black, as a screen shows them; by the names in rmscene.
COLORS = {
    "GRAY": (128, 128, 128), "WHITE": (255, 255, 255), "BLUE": (0, 98, 204), "RED": (217, 7, 7),
    "GREEN": (0, 150, 60), "GREEN_2": (0, 150, 60), "CYAN": (0, 160, 220), "MAGENTA": (200, 0, 160),
    "YELLOW": (240, 200, 0), "YELLOW_2": (240, 200, 0), "PINK": (240, 100, 160),
}  # fmt: skip
NOT_PENS = ("HIGHLIGHTER_1", "HIGHLIGHTER_2", "SHADER", "ERASER", "ERASER_AREA")

log = logging.getLogger("inkread")
logging.getLogger("rmscene").addHandler(logging.NullHandler())  # what it cannot read is counted here


def notebook_of(folder: str) -> str | None:
    """The path of the list of pages beside a folder with the pages of a notebook; None for any other folder."""
    content = folder.rstrip("/" + os.sep) + CONTENT
    return content if os.path.isfile(content) else None


def recognizes(start: bytes) -> bool:
    """Whether a file that starts with these bytes is of this format."""
    if start.startswith(HEADER):
        return True
    if is_zip(start):
        return b".content" in start or b".metadata" in start or b".rm" in start
    start = text_start(start)
    return start.startswith(b"{") and b'"fileType"' in start and b'ages"' in start  # "cPages" or "pages"


def read(source: Source, whole: bool) -> list[Ink]:
    """An ink for each page. Raises BadInput for older versions, for damaged files, and without rmscene."""
    start = source.start()
    if start.startswith(HEADER):
        return [_page(source.name, source.read())]
    if is_zip(start):
        return _zipped(source)
    if source.path is None:
        problem, hint = "the list of pages of a notebook, without the notebook", "give its path, beside its folder"
        raise BadInput(problem, path=source.name, hint=hint)
    folder = source.path.with_suffix("")

    def page_file(page: str) -> bytes | None:
        file = folder / f"{page}.rm"
        return open_source(file).read() if file.is_file() else None

    return _notebook(source.name, source.read(), page_file)


def _zipped(source: Source) -> list[Ink]:
    names = members(source)
    contents = [name for name in names if name.endswith(CONTENT)]
    if len(contents) != 1:
        problem = "not a notebook of a reMarkable" if not contents else f"{len(contents)} notebooks in it"
        raise BadInput(problem, path=source.name, hint="unpack it and give the files in it")
    folder = contents[0].removesuffix(CONTENT)

    def page_file(page: str) -> bytes | None:
        name = f"{folder}/{page}.rm"
        return unzipped(source, name) if name in names else None

    return _notebook(source.name, unzipped(source, contents[0]), page_file)


def _notebook(name: str, content: bytes, page_file: Callable[[str], bytes | None]) -> list[Ink]:
    """The pages that a .content lists; those without a file are empty."""
    inks: list[Ink] = []
    size = 0
    for page in _page_names(name, content):
        data = page_file(page)
        size += len(data or b"")
        if size > MAX_UNPACKED:
            problem = f"more than {MAX_UNPACKED // 1_000_000} MB of strokes"
            raise BadInput(problem, path=name, hint="divide the notebook")
        empty = Ink((), size=(PAGE_SIZE[0] * SCALE, PAGE_SIZE[1] * SCALE))
        inks.append(empty if data is None else _page(f"{name}, page {len(inks) + 1}", data))
    return inks


def _page_names(name: str, content: bytes) -> list[str]:
    """The names of the pages in their order, without deleted ones.

    {"pages": ["a", "b"]} -> ["a", "b"]; newer files have {"cPages": {"pages": [{"id": "a", "idx": {"value": "ba"}}]}}.
    """
    bad = BadInput("not a list of pages of a reMarkable", path=name, hint="copy the notebook again")
    try:
        facts: Any = json.loads(content)
        pages = facts["cPages"]["pages"] if "cPages" in facts else facts["pages"] or []
        if "cPages" in facts:
            pages = [page for page in pages if not page.get("deleted", {}).get("value")]
            pages = [page["id"] for page in sorted(pages, key=lambda page: str(page.get("idx", {}).get("value", "")))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad from error
    # A name is a UUID: it must not lead out of the folder.
    if not pages or not all(isinstance(page, str) and page.replace("-", "").isalnum() for page in pages):
        raise bad
    if len(pages) > MAX_PAGES:
        raise BadInput(f"{len(pages):,} pages, at most {MAX_PAGES:,}", path=name, hint="divide the notebook")
    return list(pages)


def _page(name: str, data: bytes) -> Ink:
    """The visible strokes of a page, and its typed text."""
    version = data[len(HEADER) : len(HEADER) + 1]
    if not data.startswith(HEADER) or version != VERSION:
        problem = f"a page of version {version.decode('ascii', 'replace')} of reMarkable's format, not of version 6"
        hint = "write something on it with a tablet with software 3 or newer, or export it as PDF"
        raise BadInput(problem, path=name, hint=hint)
    if len(data) > MAX_BYTES:
        raise BadInput(f"more than {MAX_POINTS:,} points on a page", path=name, hint="divide the page")
    try:
        import rmscene
        from rmscene.scene_tree import SceneTree
    except ImportError as error:
        hint = "install it: pip install 'inkread[remarkable]'"
        raise BadInput("a page of a reMarkable, which needs one more library", path=name, hint=hint) from error
    try:
        blocks = list(islice(rmscene.read_blocks(io.BytesIO(data)), MAX_BLOCKS + 1))
        tree: Any = SceneTree()  # type: ignore[no-untyped-call]
        rmscene.build_tree(tree, blocks[:MAX_BLOCKS])
        anchors, typed = _text(tree.root_text)
        drawn = list(_strokes(tree.root, 0.0, 0.0, anchors))
    except RecursionError:
        raise
    except Exception as error:  # rmscene raises many kinds of errors for damaged files
        hint = "copy or export it again"
        raise BadInput("damaged, or of a newer version than is known", path=name, hint=hint) from error
    if len(blocks) > MAX_BLOCKS:
        raise BadInput(f"more than {MAX_BLOCKS:,} strokes and other parts on a page", path=name, hint="divide the page")
    unknown = sum(isinstance(block, rmscene.UnreadableBlock) for block in blocks)
    if unknown:
        log.warning("%s: %d part%s of unknown kinds left out", name, unknown, "s" * (unknown != 1))
    width, height = (tree.scene_info and tree.scene_info.paper_size) or PAGE_SIZE
    return replace(
        _on_page(tuple(stroke for stroke, _ in drawn), typed, float(width), float(height)),
        pens=tuple(pen for _, pen in drawn),
    )


def _on_page(strokes: tuple[Stroke, ...], typed: list[TypedText], width: float, height: float) -> Ink:
    """Strokes and text with the origin at the upper left. The page is longer where something is written below it."""
    ys = [float(stroke[:, 1].max()) for stroke in strokes] + [text.bottom for text in typed]
    tops = [float(stroke[:, 1].min()) for stroke in strokes] + [text.top for text in typed]
    top = min([0.0, *(y for y in tops if np.isfinite(y))])  # with typed text, strokes may be above the page
    height = max([height, *(y for y in ys if np.isfinite(y))]) - top
    moved = tuple((stroke + [width / 2, -top]) * SCALE for stroke in strokes)
    placed = tuple(
        TypedText(
            text.text,
            *(
                SCALE * edge
                for edge in (text.left + width / 2, text.top - top, text.right + width / 2, text.bottom - top)
            ),
        )
        for text in typed
    )
    return Ink(moved, size=(width * SCALE, height * SCALE), typed=placed)


def _strokes(group: Any, x: float, y: float, anchors: dict[Any, float]) -> Iterator[tuple[Stroke, Pen]]:
    """The strokes, with their pens, in the visible layers and groups below a group, which stands at x and y."""
    if not group.visible.value:
        return
    for item in group.children.values():
        if hasattr(item, "children"):
            anchor = item.anchor_id and item.anchor_id.value
            right = item.anchor_origin_x.value if item.anchor_origin_x else 0.0
            yield from _strokes(item, x + (right if anchor else 0.0), y + anchors.get(anchor, 0.0), anchors)
        elif hasattr(item, "points") and item.points and item.tool.name not in NOT_PENS:
            width = SCALE * float(np.median([point.width for point in item.points])) / WIDTH_UNITS
            pen = Pen(width, COLORS.get(item.color.name, (0, 0, 0)))
            yield np.array([(point.x, point.y) for point in item.points]) + [x, y], pen


def _text(text: Any) -> tuple[dict[Any, float], list[TypedText]]:
    """The heights of the anchors in the text, and the lines of the text."""
    from rmscene.tagged_block_common import CrdtId
    from rmscene.text import TextDocument

    anchors = {CrdtId(0, number): y for number, y in SPECIAL_ANCHORS.items()}
    typed: list[TypedText] = []
    if text is None:
        return anchors, typed
    y = text.pos_y + TEXT_TOP
    for paragraph in TextDocument.from_scene_item(text).contents:
        anchors[paragraph.start_id] = y
        anchors |= {character: y for part in paragraph.contents for character in part.i}
        height = LINE_HEIGHTS.get(int(paragraph.style.value), LINE_HEIGHT)
        if line := " ".join(str(paragraph).split()):
            width = min(text.width, CHARACTER_WIDTH * height * len(line))
            typed.append(TypedText(line, text.pos_x, y - height / 2, text.pos_x + width, y + height / 2))
        y += height
    return anchors, typed
