"""Markdown, as another program understands it."""

import datetime
import html
import json
import re
from dataclasses import replace

import pytest
from documents import HEIGHT, WIDTH, letter, line, of_lines, pen_line
from hypothesis import given, settings
from hypothesis import strategies as st

from inkread.document import markdown
from inkread.document.elements import Document, Line, Page, Paragraph

MarkdownIt = pytest.importorskip("markdown_it").MarkdownIt

TO_HTML = MarkdownIt("commonmark").enable("strikethrough").enable("table")


def body(document: Document) -> str:
    """Without the front matter."""
    return re.sub(r"\A---\n.*?\n---\n\n?", "", document.to_markdown(), flags=re.DOTALL)


def written(*texts: str) -> str:
    """The Markdown of a page with these lines in one paragraph."""
    return body(of_lines(*(line(text, 50.0 * number) for number, text in enumerate(texts)))).rstrip("\n")


def test_a_page_with_paragraphs() -> None:
    assert body(letter()) == "Dear \\<Ann> & you\nthanks\n\ndéjà vu\n"
    assert body(letter(pages=2)) == f"{body(letter())}\n---\n\n{body(letter())}"


def test_the_front_matter_names_source_date_model_and_confidence() -> None:
    head = replace(letter('scans/my "first" letter.png'), model="latin").to_markdown().split("---\n")[1]
    values = dict(row.split(": ", 1) for row in head.splitlines())
    assert json.loads(values["source"]) == 'my "first" letter.png'
    assert (json.loads(values["model"]), values["confidence"]) == ("latin", "0.900")
    read = datetime.datetime.fromisoformat(values["date"])
    assert abs(datetime.datetime.now(datetime.UTC) - read) < datetime.timedelta(minutes=1)


def test_nothing_to_read_and_pen_strokes() -> None:
    assert of_lines().to_markdown().endswith("---\n") and "confidence" not in of_lines().to_markdown()
    assert body(pen_line()) == "hello\n"


def larger(text: str, height: float, width: float = 100) -> Line:
    polygon = ((50.0, 10.0), (50.0 + width, 10.0), (50.0 + width, 10.0 + height), (50.0, 10.0 + height))
    return replace(line(text, 10), polygon=polygon)


@pytest.mark.parametrize(
    ("title", "is_heading"),
    [
        (larger("Monday", 60), True),
        (larger("Monday", 45), False),  # not much larger than the others, which are 40 pixels high
        (larger("It rained.", 60), False),  # a sentence
        (larger("Monday and Tuesday", 60, 190), False),  # as long as the other lines
        (larger("1. Monday", 60), False),
        (larger("17", 60), False),  # the number of the page
    ],
)
def test_a_heading_is_large_and_short(title: Line, is_heading: bool) -> None:
    text = Paragraph((line("we walked along the", 100), line("canal", 150)))
    page = Page(1, WIDTH, HEIGHT, (Paragraph((title,)), text))
    assert body(Document("a.png", (page,))).startswith(f"## {title.text}\n\nwe walked") == is_heading
    below = replace(page, paragraphs=page.paragraphs[::-1])
    assert "##" not in body(Document("a.png", (below,)))  # nothing follows


def test_words_that_are_broken_at_the_end_of_a_line_are_joined() -> None:
    assert written("we walked to-", "gether along") == "we walked together\nalong"
    assert written("one anoth-", "er-", "wise") == "one anotherwise"
    assert written("from 1914-", "1918") == "from 1914-\n1918"
    assert written("my dear Anne-", "Marie") == "my dear Anne-\nMarie"


def test_lists() -> None:
    assert written("- milk", "- eggs", "- a loaf of", "bread") == "- milk\n- eggs\n- a loaf of\n  bread"
    assert written("to buy:", "• milk", "• eggs") == "to buy:\n\n- milk\n- eggs"
    assert written("1. milk", "2) eggs", "12. bread") == "1. milk\n2. eggs\n12. bread"
    assert written("1917 was cold", "-5 degrees") == "1917 was cold\n-5 degrees"


SIGNS = "ab1*_`[]()<>#&;:-+=~!|\\.\"'"
texts = st.lists(st.text(SIGNS, min_size=1, max_size=6), min_size=1, max_size=4).map(" ".join)


def without_marker(text: str) -> str:
    marker = markdown._ITEM.match(text)
    return text[marker.end() :] if marker else text


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3))
def test_every_text_is_shown_as_it_is(lines: list[str]) -> None:
    """Whatever signs it has; only the markers of lists become those of Markdown."""
    shown = TO_HTML.render("\n\n".join(markdown._paragraph(lines)))
    plain = html.unescape(re.sub(r'<(?:/?(?:p|ul|ol|li)|ol start="\d+")>', " ", shown))
    assert plain.split() == " ".join(map(without_marker, lines)).split()


@pytest.mark.parametrize(
    "text",
    [
        "5 * 3 = 15", "see note*", "a_b_c and snake_case", "Tom & Jerry", "a < b > c", "[sic]", "C:\\new", "#1 of 3",
        "~ 5", "a | b", "it's 3-4 - or 5", "1.5 kg", "a`b",
    ],
)  # fmt: skip
def test_nothing_is_escaped_that_need_not_be(text: str) -> None:
    assert written(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# 1", "\\# 1"), ("*so* it is", "\\*so\\* it is"), ("_so_", "\\_so\\_"), ("<b>", "\\<b>"),
        ("&amp;", "\\&amp;"), ("[a](b)", "\\[a](b)"), ("> 5", "\\> 5"), ("---", "\\---"), ("+ 5", "\\+ 5"),
        ("`a`", "\\`a\\`"),
    ],
)  # fmt: skip
def test_what_would_change_the_meaning_is_escaped(text: str, shown: str) -> None:
    assert written(text) == shown


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("../scans/letter.jpg", "![page 2](../scans/letter.jpg)"),
        ("scan.pdf", "[page 2](scan.pdf#page=2)"),
        ("scan.tif", "[page 2](scan.tif)"),
    ],
)
def test_pages_link_to_their_images(link: str, shown: str) -> None:
    text = markdown.write(Document("a", (replace(letter().pages[0], number=2),)), link)
    assert f"---\n\n{shown}\n\nDear" in text
