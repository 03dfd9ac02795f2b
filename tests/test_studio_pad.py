"""The pad: what is written with the mouse becomes text, in a real browser, and is kept, corrected and saved."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SAMPLE
from test_studio_app import client
from test_studio_browser import CHROMIUM, browser, expect, served  # noqa: F401

from inkread.inputs import read_inks
from inkread.inputs.ink import Ink, Stroke
from inkread.studio import pad
from inkread.studio.app import Settings
from inkread.studio.transcript import Transcript

TEXT = "the pen tells in which order it went"
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def line(y: float) -> list[Stroke]:
    """The sample line, 600 pixels wide, from x = 30 on, and from a y position."""
    strokes = read_inks(SAMPLE / "pen.inkml")[0].strokes
    points = np.concatenate(strokes)
    scale = 600 / float(np.ptp(points[:, 0]))
    return [(stroke - points.min(axis=0)) * scale + [30, y] for stroke in strokes]


# ---- files


def test_lines_become_inkml_that_is_read_again() -> None:
    (ink,) = read_inks(pad.to_bytes([Ink((np.array([[0.0, 0], [96, 48]]),), "a < b\x00")], "inkml"))
    assert [stroke.tolist() for stroke in ink.strokes] == [[[0, 0], [200, 100]]]  # an inch has 200 pixels
    assert ink.text == r"a < b\x00"


def test_hostile_lines_are_refused(tmp_path: Path) -> None:
    with client(Settings(tmp_path)) as studio:
        for path in ("/pad/export/inkml", "/pad/documents?name=a.inkml", "/pad/strokes"):
            for body in (b"", b"[" * 100_000, b'{"strokes": 1}', b'{"strokes": [[[0, NaN]]]}'):
                assert studio.post(path, content=body).status_code == 422
            assert studio.post(path, content=b"[]", headers={"X-CSRF-Token": "x"}).status_code == 403
        assert studio.post("/pad/export/exe", content=b"[[[0, 0], [1, 1]]]").status_code == 404
        assert studio.post("/pad/documents?name=a.exe", content=b"[[[0, 0], [1, 1]]]").status_code == 422
    assert list(tmp_path.iterdir()) == []


# ---- the page


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def address(notes: Path) -> Iterator[str]:
    with served(notes, "--port", 0, "--model", "strokes") as (address, _):
        yield f"{address}#/pad"


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:  # noqa: F811
    """An empty pad. Every error in a script fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    context.set_default_timeout(30_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.extend([message.text] if message.type == "error" else []))
    page.goto(address)
    yield page
    context.close()
    assert problems == []


def write(tab: Any, strokes: list[Stroke]) -> None:
    box = tab.locator("#sheet").bounding_box()
    for stroke in strokes:
        (x, y), *rest = (stroke + [box["x"], box["y"]]).tolist()
        tab.mouse.move(x, y)
        tab.mouse.down()
        for x, y in rest:
            tab.mouse.move(x, y)
        tab.mouse.up()


def have(tab: Any, *lines: list[Stroke]) -> None:
    """Open the pad as if these lines had been written before, which is faster than to move the mouse so often."""
    strokes = [stroke.round(1).tolist() for line in lines for stroke in line]
    kept = {"strokes": [{"id": id, "width": 2.2, "points": points} for id, points in enumerate(strokes, 1)]}
    tab.evaluate("(kept) => localStorage.setItem('inkread-pad', kept)", json.dumps(kept | {"corrections": []}))
    tab.reload()


def fields(tab: Any) -> Any:
    return tab.locator("#pad-lines textarea")


def expect_texts(tab: Any, *texts: str) -> None:
    expect(fields(tab)).to_have_count(len(texts), timeout=30_000)
    for number, text in enumerate(texts):
        expect(fields(tab).nth(number)).to_have_value(text, timeout=30_000)


@needs_browser
def test_what_is_written_is_read_and_kept(tab: Any) -> None:
    have(tab, line(40))
    expect_texts(tab, TEXT)
    write(tab, line(140))
    expect_texts(tab, TEXT, TEXT)
    tab.reload()
    expect_texts(tab, TEXT, TEXT)
    assert tab.locator("#sheet path").count() == 2 * len(line(0))


@needs_browser
def test_erase_undo_redo_and_clear(tab: Any) -> None:
    strokes = line(40)
    have(tab, strokes[:-1])
    write(tab, strokes[-1:])
    expect_texts(tab, TEXT)
    tab.click("#pad-eraser")
    write(tab, [np.array([strokes[-1].mean(axis=0), strokes[-1][0]])])
    paths = tab.locator("#sheet path")
    assert paths.count() < len(strokes)
    expect(fields(tab)).not_to_have_value(TEXT)
    tab.keyboard.press("Control+z")
    expect(paths).to_have_count(len(strokes))
    expect_texts(tab, TEXT)  # the strokes are again in their order
    tab.click("#pad-clear")
    expect(paths).to_have_count(0)
    expect(fields(tab)).to_have_count(0)
    assert tab.is_visible("#pad-hint")
    tab.click("#pad-undo")
    expect_texts(tab, TEXT)
    tab.click("#pad-redo")
    expect(fields(tab)).to_have_count(0)
    for _ in range(2):
        tab.click("#pad-undo")
    expect(paths).to_have_count(len(strokes) - 1)  # the last stroke was taken back, too


@needs_browser
def test_the_palm_writes_nothing_beside_the_pen(tab: Any) -> None:
    """Events as a browser sends them: the palm lies down, then the pen writes, and the palm moves on."""
    sent = """(events) => events.forEach(([type, pointerType, pointerId, x, y]) => {
        const sheet = document.getElementById("sheet"), box = sheet.getBoundingClientRect();
        sheet.setPointerCapture = () => {};
        sheet.dispatchEvent(new PointerEvent(type, { pointerType, pointerId, clientX: box.x + x, clientY: box.y + y,
            button: type === "pointermove" ? -1 : 0, isPrimary: true, pressure: 0.8, bubbles: true }));
    })"""
    finger = [
        ["pointerdown", "touch", 1, 10, 10],
        ["pointermove", "touch", 1, 60, 10],
        ["pointerup", "touch", 1, 60, 10],
    ]
    paths = tab.locator("#sheet path")
    tab.evaluate(sent, finger)
    assert paths.count() == 1  # without a pen, a finger writes
    tab.evaluate(sent, [["pointerdown", "touch", 2, 300, 300], ["pointermove", "touch", 2, 320, 300]])
    assert paths.count() == 2
    tab.evaluate(sent, [["pointerdown", "pen", 3, 100, 100], ["pointermove", "pen", 3, 160, 120]])
    tab.evaluate(sent, [["pointermove", "touch", 2, 340, 300], ["pointerup", "pen", 3, 160, 120]])
    tab.evaluate(sent, [["pointerup", "touch", 2, 340, 300], *finger])
    assert [path.get_attribute("d") for path in paths.all()][1:] == ["M100 100Q160 120 160 120"]
    assert float(paths.nth(1).get_attribute("stroke-width")) == 2.7  # of a firm pen


@needs_browser
def test_two_fingers_move_the_paper(tab: Any) -> None:
    have(tab, line(40), line(1200))
    sent = """(events) => events.forEach(([type, pointerType, pointerId, y, width]) => {
        const sheet = document.getElementById("sheet");
        sheet.setPointerCapture = () => {};
        sheet.dispatchEvent(new PointerEvent(type, { pointerType, pointerId, clientX: 90, clientY: y, width,
            button: type === "pointermove" ? -1 : 0, bubbles: true }));
    })"""
    strokes = tab.locator("#sheet path").count()
    for type, id, y in (("down", 1, 400), ("move", 1, 405), ("down", 2, 500), ("move", 1, 305), ("move", 2, 400)):
        tab.evaluate(sent, [[f"pointer{type}", "touch", id, y, 20]])
    tab.evaluate(sent, [["pointerdown", "pen", 3, 300, 1], ["pointermove", "touch", 1, 200, 20]])  # not while it writes
    tab.evaluate(sent, [["pointercancel", "pen", 3, 300, 1], ["pointerup", "touch", 1, 200, 20]])
    tab.evaluate(sent, [["pointerdown", "touch", 4, 300, 80], ["pointermove", "touch", 4, 200, 80]])  # the palm
    assert tab.evaluate("document.getElementById('paper').scrollTop") == pytest.approx(100, abs=1)
    assert tab.locator("#sheet path").count() == strokes  # what the first finger had begun is taken back


@needs_browser
def test_another_tab_shows_the_same(tab: Any) -> None:
    have(tab, line(40))
    expect_texts(tab, TEXT)
    other = tab.context.new_page()
    other.goto(tab.url)
    expect_texts(other, TEXT)
    other.click("#pad-clear")
    expect(fields(tab)).to_have_count(0)
    assert tab.is_visible("#pad-hint") and tab.is_disabled("#pad-undo")


@needs_browser
def test_a_line_is_corrected_saved_and_added_to_the_library(tab: Any, notes: Path) -> None:
    have(tab, line(40), line(140))
    expect_texts(tab, TEXT, TEXT)
    fields(tab).nth(0).focus()
    expect(tab.locator("#sheet .marked")).to_have_count(len(line(0)))
    tab.keyboard.press("Home")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")  # into "pen"
    tab.click("#pad-lines .current .others button >> nth=0")
    chosen = fields(tab).nth(0).input_value()
    assert chosen != TEXT and chosen.split()[:1] + chosen.split()[2:] == TEXT.split()[:1] + TEXT.split()[2:]
    tab.keyboard.press("Escape")
    expect_texts(tab, TEXT, TEXT)
    fields(tab).nth(0).fill("The pen tells")
    expect(tab.locator("#pad-progress")).to_have_text("2 lines, 1 confirmed")
    tab.reload()
    expect_texts(tab, "The pen tells", TEXT)

    saved = []
    for id in ("#pad-inkml", "#pad-json"):
        tab.click("#pad-save summary")
        with tab.expect_download() as download:
            tab.click(id)
        saved.append(Path(download.value.path()).read_bytes())
    assert [ink.text for ink in read_inks(saved[0])] == ["The pen tells", TEXT]
    assert [json.loads(row)["text"] for row in saved[1].decode().splitlines()] == ["The pen tells", TEXT]

    tab.click("#pad-save summary")
    tab.click("#pad-add")
    expect(tab.locator(".toast")).to_contain_text("was added to the library. Its 1 confirmed line can be learnt there.")
    (file,) = notes.glob("pad *.inkml.page.xml")
    page = Transcript(file.read_bytes(), "").to_dict()
    assert [each["text"] for each in page["lines"]] == ["The pen tells", TEXT]
    assert [each["corrected"] for each in page["lines"]] == [True, False]
    tab.click("a[href='#/'] >> visible=true")
    tab.click(".card a")
    expect(tab.locator("#lines textarea").first).to_have_value("The pen tells")


@needs_browser
def test_words_stay_corrected_when_the_line_goes_on(tab: Any) -> None:
    strokes = line(40)
    have(tab, strokes[:-7])
    expect(fields(tab)).to_have_count(1, timeout=30_000)
    before = fields(tab).input_value()
    assert before.startswith("the pen tells in")
    fields(tab).fill(before.replace("the pen", "The Pen"))
    write(tab, strokes[-7:])
    expect_texts(tab, TEXT.replace("the pen", "The Pen"))
    expect(tab.locator("#pad-progress")).to_have_text("1 line, 0 confirmed")
    tab.reload()
    expect_texts(tab, TEXT.replace("the pen", "The Pen"))


@needs_browser
def test_strokes_are_read_when_the_server_is_back(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    with served(tmp_path, "--port", 0, "--model", "strokes") as (address, server):
        tab.goto(f"{address}#/pad")
        expect(tab.locator("#pad-progress")).to_contain_text("appears here")
        server.kill()
        server.wait()
        write(tab, line(40)[:7])
        expect(tab.locator("#pad-state")).to_contain_text("Not read: The server does not answer")
    with served(tmp_path, "--port", address.rpartition(":")[2].strip("/"), "--model", "strokes"):
        expect_texts(tab, "the pen")
        expect(tab.locator("#pad-state")).to_have_text("")
    tab.close()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pad_is_accessible_and_fits_on_a_phone(browser: Any, address: str, scheme: str) -> None:  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")
    context = browser.new_context(color_scheme=scheme, bypass_csp=True, viewport={"width": 380, "height": 700})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(address)
    write(page, [stroke * [0.5, 1] for stroke in line(40)[:7]])
    expect(fields(page)).to_have_count(1, timeout=30_000)
    fields(page).focus()
    page.click("#pad-save summary")
    page.evaluate(script)
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    page.keyboard.press("Escape")
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"pad-undo", "paper", "pad-pen", "pad-eraser", "pad-clear"} <= reached
    context.close()
