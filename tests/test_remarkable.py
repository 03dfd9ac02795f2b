"""Pages and notebooks of reMarkable tablets, written with rmscene and real ones."""

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest

from inkread.errors import BadInput
from inkread.inputs import Inks, open_input
from inkread.inputs.ink import Ink

rmscene = pytest.importorskip("rmscene")
from rmscene import scene_items  # noqa: E402
from rmscene.crdt_sequence import CrdtSequenceItem  # noqa: E402
from rmscene.tagged_block_common import CrdtId, LwwValue  # noqa: E402

REAL = Path(__file__).parents[2] / "shared" / "data" / "pen-files"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/pen-files is not there")
SCALE = 200 / 226
LAYER = CrdtId(0, 11)


def line(number: int, points: list[tuple[float, float]], tool: str = "BALLPOINT_2", deleted: bool = False) -> Any:
    value = scene_items.Line(
        color=scene_items.PenColor.BLACK,
        tool=scene_items.Pen[tool],
        points=[scene_items.Point(x, y, 0, 0, 8, 100) for x, y in points],
        thickness_scale=1.0,
        starting_length=0.0,
    )
    item = CrdtSequenceItem(CrdtId(1, number), CrdtId(0, 0), CrdtId(0, 0), int(deleted), None if deleted else value)
    return rmscene.SceneLineItemBlock(LAYER, item)


def page(*lines: Any, text: str = "typed") -> bytes:
    """A page with one layer."""
    file = io.BytesIO()
    blocks = list(rmscene.simple_text_document(text, uuid.UUID(int=1)))
    rmscene.write_blocks(file, [*blocks, *lines])
    return file.getvalue()


def inks(data: bytes | Path) -> tuple[Ink, ...]:
    pages = open_input(data) if isinstance(data, Path) else open_input(data, name="a.rm")
    assert isinstance(pages, Inks)
    return pages.inks


def refused(data: bytes | Path) -> str:
    with pytest.raises(BadInput) as caught:
        inks(data)
    assert "\n" not in str(caught.value) and caught.value.hint
    return str(caught.value)


PEN = line(20, [(0, 1000), (10, 1226)])
RUBBED = [line(21, [], deleted=True), line(22, [(0, 0), (5, 5)], "HIGHLIGHTER_2"), line(23, [(0, 0)], "ERASER")]


def test_a_page_has_the_strokes_of_pens_and_typed_text() -> None:
    (ink,) = inks(page(PEN, *RUBBED, text="one\ntwo words"))
    (stroke,) = ink.strokes
    assert (stroke / SCALE).round(6).tolist() == [[702, 1000], [712, 1226]]
    assert ink.size == pytest.approx((1404 * SCALE, 1872 * SCALE))
    assert [typed.text for typed in ink.typed] == ["one", "two words"]
    assert ink.typed[0].bottom <= ink.typed[1].top + 1


def test_pages_scroll_and_hidden_layers_are_left_out() -> None:
    (ink,) = inks(page(line(20, [(0, 0), (10, 4000)])))
    assert ink.size == pytest.approx((1404 * SCALE, 4000 * SCALE))
    group = scene_items.Group(LAYER, label=LwwValue(CrdtId(0, 0), "a"), visible=LwwValue(CrdtId(0, 1), False))
    (ink,) = inks(page(PEN, rmscene.TreeNodeBlock(group)))
    assert not ink.strokes


def notebook(folder: Path, content: dict[str, Any], **pages: bytes) -> Path:
    (folder / "n").mkdir()
    for name, data in pages.items():
        (folder / "n" / f"{name}.rm").write_bytes(data)
    (folder / "n.content").write_text(json.dumps(content))
    (folder / "n.metadata").write_text("{}")
    return folder / "n.content"


NEW = {
    "fileType": "notebook",
    "cPages": {
        "pages": [
            {"id": "b", "idx": {"value": "bb"}},
            {"id": "a", "idx": {"value": "ba"}},
            {"id": "gone", "idx": {"value": "bc"}, "deleted": {"value": 1}},
            {"id": "empty", "idx": {"value": "bd"}},
        ]
    },
}


def test_a_notebook_has_its_pages_in_their_order(tmp_path: Path) -> None:
    first, second = page(PEN, text="first"), page(text="second")
    content = notebook(tmp_path, NEW, a=first, b=second, gone=page())
    assert [[typed.text for typed in ink.typed] for ink in inks(content)] == [["first"], ["second"], []]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(tmp_path.rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path).as_posix())
    assert [len(ink.strokes) for ink in inks(file.getvalue())] == [1, 0, 0]
    content.write_text(json.dumps({"fileType": "notebook", "pages": ["b", "a"]}))
    assert [[typed.text for typed in ink.typed] for ink in inks(content)] == [["second"], ["first"]]


def test_what_is_refused(tmp_path: Path) -> None:
    assert "version 5" in refused(b"reMarkable .lines file, version=5          \0\0\0\0")
    assert "damaged" in refused(page(PEN)[:70])
    assert "without the notebook" in refused(json.dumps(NEW).encode())
    evil = {"fileType": "notebook", "pages": ["../../secret"]}
    assert "not a list of pages" in refused(notebook(tmp_path, evil))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.metadata", "{}")
    assert "not a notebook" in refused(file.getvalue())
    content = tmp_path / "many.content"
    content.write_text(json.dumps({"fileType": "notebook", "pages": ["a"] * 10_001}))
    assert "10,001 pages, at most 10,000" in refused(content)


def test_a_page_of_countless_empty_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkread.inputs.remarkable.MAX_BLOCKS", 50)
    assert "more than 50 strokes and other parts" in refused(page(PEN)[:43] + b"\0" * 1000)


@needs_real
def test_real_files() -> None:
    counts = {
        file.name: [(len(ink.strokes), len(ink.typed)) for ink in inks(file)] for file in sorted(REAL.glob("*.rm"))
    }
    assert counts == {
        "rmc-abcd.strokes.rm": [(4, 0)],
        "rmc-erasers.rm": [(288, 0)],  # of 297, of which 9 are erased
        "rmc-layers.stroke.rm": [(21, 0)],
        "rmc-writing_tools_with_text.rm": [(100, 1)],  # 16 more are highlighters
        "rmscene-Lines_v2.rm": [(10, 0)],
        "rmscene-More_color_highlight_shader_v3.15.4.2.rm": [(9, 0)],
        "rmscene-Normal_A_stroke_2_layers_v3.3.2.rm": [(9, 7)],
    }
