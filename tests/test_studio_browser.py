"""The pages of the studio in a real browser: Debian's headless Chromium, driven by Playwright."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT
from PIL import Image
from test_studio_app import write_page
from test_studio_learning import write_pages

from inkread.studio.choices import Choices
from inkread.studio.transcript import Transcript

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
expect.set_options(timeout=20_000)  # nothing takes a second, but on a busy machine
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    Image.new("L", (1000, 500), 255).save(folder / "a.png")
    write_page(folder)
    shutil.copy(ROOT / "datasets" / "sample" / "letter.jpg", folder)
    return folder


@contextmanager
def served(folder: Path, *options: object) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of a server, and its process."""
    command = [sys.executable, "-m", "inkread", "studio", folder, "--no-browser", *options]
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip(), server
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def address(folder: Path, model: Path) -> Iterator[str]:
    with served(folder, "--port", 0, "--model", model) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    """The library in a tab. Every error in a script fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(20_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.extend([message.text] if message.type == "error" else []))
    page.goto(address)
    page.wait_for_selector(".card")
    yield page
    context.close()
    assert [problem for problem in problems if "412" not in problem] == []  # which the script expects


def texts(folder: Path, name: str) -> list[str]:
    file = folder / f"{name}.page.xml"
    return [line["text"] for line in Transcript(file.read_bytes(), "").to_dict()["lines"]]


def saved(tab: Any) -> None:
    expect(tab.locator("#saved")).to_contain_text("Saved in")


def test_a_page_is_read_and_three_lines_are_corrected(tab: Any, folder: Path) -> None:
    tab.click("text=letter.jpg")
    fields = tab.locator(".line textarea")
    fields.first.wait_for()
    for text in ("Dear Margaret,", "thank you for the plums.", "They arrived on"):
        tab.keyboard.press("Control+A")
        tab.keyboard.type(text)
        tab.keyboard.press("Enter")
    saved(tab)
    expect(tab.locator(".line.done")).to_have_count(3)
    tab.reload()
    fields.first.wait_for()
    shown = [fields.nth(number).input_value() for number in range(3)]
    assert shown == texts(folder, "letter.jpg")[:3] == ["Dear Margaret,", "thank you for the plums.", "They arrived on"]
    assert len(texts(folder, "letter.jpg")) == fields.count() > 3


def test_keys_undo_and_lines(tab: Any, folder: Path) -> None:
    write_page(folder)
    tab.click("text=a.png")
    field = tab.locator(".line textarea").first
    field.wait_for()
    saved(tab)
    field.focus()
    tab.keyboard.press("End")
    tab.keyboard.type(" more")
    expect(tab.locator(".line.done")).to_have_count(1)
    saved(tab)
    assert texts(folder, "a.png")[0] == "one two more"
    tab.keyboard.press("Escape")  # takes back what was saved since the caret came here
    expect(tab.locator(".line.done")).to_have_count(0)
    assert texts(folder, "a.png")[0] == "one two" == field.input_value()
    tab.keyboard.press("ArrowRight")
    tab.click(".line.current button[aria-label='Merge with the next line']")
    expect(tab.locator(".line")).to_have_count(2)
    assert texts(folder, "a.png") == ["one two three Élan", "five"]
    tab.keyboard.press("Control+Z")
    expect(tab.locator(".line")).to_have_count(3)
    tab.keyboard.press("Control+Shift+Z")
    expect(tab.locator(".line")).to_have_count(2)
    box = tab.locator("#canvas").bounding_box()
    tab.click("#draw")
    tab.mouse.move(box["x"] + 60, box["y"] + 0.5 * box["height"] + 60)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 300, box["y"] + 0.5 * box["height"] + 100, steps=3)
    tab.mouse.up()
    expect(tab.locator(".line")).to_have_count(3)
    saved(tab)
    assert len(texts(folder, "a.png")) == 3


def test_tab_goes_through_uncertain_words_and_then_on(tab: Any, folder: Path) -> None:
    write_page(folder)
    file = folder / "a.png.page.xml"
    file.write_text(file.read_text("utf-8").replace('conf="0.8000"', 'conf="0.4000"', 2), "utf-8")
    tab.click("text=a.png")
    tab.wait_for_selector(".uncertain")
    selected = "(field => field.value.slice(field.selectionStart, field.selectionEnd))(document.activeElement)"
    tab.keyboard.press("Tab")
    assert tab.evaluate(selected) == "one"
    tab.keyboard.press("Tab")
    assert tab.evaluate(selected) == "two"
    tab.keyboard.press("Shift+Tab")
    assert tab.evaluate(selected) == "one"
    for _ in range(2):
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "BUTTON"  # nobody is held in the text


def test_what_else_a_word_may_be_is_chosen_with_the_keyboard(tab: Any, folder: Path) -> None:
    write_page(folder)
    tab.route("**/alternatives?*", lambda route: route.fulfill(json={"alternatives": ["won", "oné", "ore"]}))
    tab.click("text=a.png")
    field = tab.locator(".line textarea").first
    field.wait_for()
    saved(tab)
    field.focus()
    options = tab.locator("[role=option]")
    tab.keyboard.press("Alt+Enter")
    expect(options).to_have_count(3)
    tab.keyboard.press("Escape")
    expect(options).to_have_count(0)
    assert field.input_value() == "one two" and tab.evaluate("document.activeElement.value") == "one two"
    tab.keyboard.press("Alt+Enter")
    expect(options.first).to_have_attribute("aria-selected", "true")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    assert field.input_value() == "oné two"
    expect(tab.locator(".line.done")).to_have_count(1)
    saved(tab)
    assert texts(folder, "a.png")[0] == "oné two"
    tab.keyboard.press("End")
    tab.keyboard.press("Alt+Enter")
    options.nth(2).click()
    assert field.input_value() == "oné ore"


def test_a_stamp_is_excluded_and_included_again(tab: Any, folder: Path) -> None:
    write_page(folder)
    tab.click("text=a.png")
    tab.wait_for_selector(".line")
    saved(tab)
    second = tab.locator("polygon.outline").nth(1).bounding_box()
    tab.click("#exclude")
    tab.mouse.move(second["x"] - 3, second["y"] - 3)
    tab.mouse.down()
    tab.mouse.move(second["x"] + second["width"] + 3, second["y"] + second["height"] + 3, steps=3)
    tab.mouse.up()
    expect(tab.locator(".line")).to_have_count(2)
    expect(tab.locator("polygon.area")).to_have_count(1)
    saved(tab)
    assert texts(folder, "a.png") == ["one two", "five"]
    assert "ImageRegion" in (folder / "a.png.page.xml").read_text("utf-8")
    tab.click("text=All other lines are right")
    expect(tab.locator(".line.done")).to_have_count(2)
    tab.click("#read-again")  # nothing is on the white page
    tab.locator("#page:not(.reading)").wait_for()
    expect(tab.locator(".line")).to_have_count(2)
    tab.click("text=Include again")
    expect(tab.locator("polygon.area")).to_have_count(0)


def test_a_handwriting_is_learnt_and_the_errors_decrease(browser: Any, tmp_path: Path, model: Path) -> None:
    write_pages(tmp_path)
    tab = browser.new_page()
    tab.set_default_timeout(240_000)  # a few seconds, but not on a machine that has more to do
    with served(tmp_path, "--port", 0, "--model", model) as (address, _):
        tab.goto(address)
        tab.click("#learn")
        tab.fill("#learn-name", "Anna")
        expect(tab.locator("#learn-facts")).to_have_text("14 lines; with thirty it helps more.")
        tab.click("#learn-start")
        tab.locator("#learning-stop", has_text="Stop").wait_for()
        tab.locator("#learning-stop", has_text="Close").wait_for()
        words = tab.locator("#learning-text").inner_text()
        after, before = map(float, re.findall(r"([\d.]+) %", words))
        assert words.startswith("my/anna reads better") and "14 corrected lines" in words and after < before
        tab.click("#learning-stop")
        tab.locator(".card", has_text="3.png").locator("text=my/anna").wait_for()
        tab.click('.cover:has-text("3.png")')
        expect(tab.locator("#model")).to_have_value("my/anna")
        tab.select_option("#model", "")
        tab.locator(".toast").wait_for()
    tab.close()
    assert Choices(tmp_path).get("3.png") is None and Choices(tmp_path).get("1.png") == "my/anna"


def test_a_change_elsewhere_is_shown_and_a_conflict_is_decided(tab: Any, folder: Path) -> None:
    write_page(folder)
    tab.click("text=a.png")
    field = tab.locator(".line textarea").nth(1)
    field.wait_for()
    saved(tab)
    file = folder / "a.png.page.xml"
    file.write_text(file.read_text("utf-8").replace(">three Élan<", ">three elks<"), "utf-8")
    field.fill("three elves")
    tab.click("text=Keep mine")
    saved(tab)
    assert texts(folder, "a.png") == ["one two", "three elves", "five"]


def test_text_is_searched_on_a_narrow_dark_screen(browser: Any, address: str, folder: Path) -> None:
    write_page(folder)
    context = browser.new_context(viewport={"width": 380, "height": 700}, color_scheme="dark")
    page = context.new_page()
    page.goto(address)
    page.fill("#query", "FÏVE")
    page.click(".hits a")
    page.wait_for_selector(".line.current")
    assert page.evaluate("document.activeElement.value") == "five"
    assert page.evaluate("document.documentElement.scrollWidth") == 380
    context.close()


def test_what_is_typed_while_the_server_is_down_is_saved_when_it_is_back(browser: Any, tmp_path: Path) -> None:
    Image.new("L", (1000, 500), 255).save(tmp_path / "a.png")
    write_page(tmp_path)
    tab = browser.new_page()
    with served(tmp_path, "--port", 0) as (address, server):
        tab.goto(address)
        tab.click("text=a.png")
        field = tab.locator(".line textarea").first
        field.wait_for()
        server.kill()
        server.wait()
        field.fill("typed meanwhile")
        expect(tab.locator("#saved")).to_contain_text("Not saved: The server does not answer")
    assert texts(tmp_path, "a.png")[0] == "one two"
    with served(tmp_path, "--port", address.rpartition(":")[2].strip("/")):
        expect(tab.locator("#saved")).to_contain_text("Saved in", timeout=30_000)
        assert texts(tmp_path, "a.png")[0] == "typed meanwhile"
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(browser: Any, address: str, folder: Path, scheme: str) -> None:
    """axe-core finds no violation: labels, roles, contrast, order of the focus."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")
    write_page(folder)
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # or axe may not run
    page = context.new_page()
    page.goto(address)
    file = folder / "a.png.page.xml"
    confirmed = Transcript(file.read_bytes(), "")
    confirmed.exclude(((0, 200), (50, 200), (50, 240), (0, 240)))
    confirmed.confirm(confirmed.to_dict()["lines"][0]["id"], True)
    file.write_bytes(confirmed.to_bytes())
    steps = (
        (".card", "#learn"),
        ("#learn-dialog[open]", "#learn-cancel"),
        (".card", "text=a.png"),
        (".line.current", ".line.current button[aria-label^='Other readings']"),
        ("[role=listbox]", "#help"),
        ("#keys[open]", None),
    )
    page.route("**/alternatives?*", lambda route: route.fulfill(json={"alternatives": ["won", "ore"]}))
    for wanted, link in steps:
        page.wait_for_selector(wanted)
        page.evaluate(script)
        found = page.evaluate("axe.run()")["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        if link:
            page.click(link)
    context.close()
