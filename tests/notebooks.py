"""Small notebooks of other programs, for the commands in the documentation."""

import gzip
import io
import json
import uuid
import zipfile
from collections.abc import Sequence

import numpy as np

from inkread.inputs.ink import Stroke


def xopp(strokes: Sequence[Stroke]) -> bytes:
    """A page of Xournal++ with these strokes, in points."""
    items = "".join(
        f'<stroke tool="pen" color="#000000ff" width="1.41">{" ".join(f"{n:.2f}" for n in stroke.ravel())}</stroke>'
        for stroke in _on_page(strokes, 72, 450)
    )
    page = f'<page width="595" height="842"><background type="solid" style="lined"/><layer>{items}</layer></page>'
    return gzip.compress(f'<?xml version="1.0"?><xournal creator="x" fileversion="4">{page}</xournal>'.encode())


def rmdoc(strokes: Sequence[Stroke]) -> bytes:
    """A notebook of a reMarkable tablet with one page. Needs rmscene."""
    import rmscene
    from rmscene import scene_items
    from rmscene.crdt_sequence import CrdtSequenceItem
    from rmscene.tagged_block_common import CrdtId

    blocks = list(rmscene.simple_text_document("", uuid.UUID(int=1)))
    for number, stroke in enumerate(_on_page(strokes, -550, 1100), start=20):
        points = [scene_items.Point(x, y, 0, 0, 8, 100) for x, y in stroke.tolist()]
        pen = scene_items.Line(scene_items.PenColor.BLACK, scene_items.Pen.BALLPOINT_2, points, 1.0, 0.0)
        item = CrdtSequenceItem(CrdtId(1, number), CrdtId(0, 0), CrdtId(0, 0), 0, pen)
        blocks.append(rmscene.SceneLineItemBlock(CrdtId(0, 11), item))
    page, archive = io.BytesIO(), io.BytesIO()
    rmscene.write_blocks(page, blocks)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("n.content", json.dumps({"fileType": "notebook", "pages": ["a"]}))
        file.writestr("n.metadata", "{}")
        file.writestr("n/a.rm", page.getvalue())
    return archive.getvalue()


def _on_page(strokes: Sequence[Stroke], left: float, width: float) -> list[Stroke]:
    """The strokes moved and scaled to a place on a page."""
    points = np.concatenate(strokes)
    corner = points.min(axis=0)
    scale = width / float(np.ptp(points[:, 0]))
    return [(stroke - corner) * scale + [left, 150] for stroke in strokes]
