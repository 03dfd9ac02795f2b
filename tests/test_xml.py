"""XML that is damaged or hostile, and the names of root elements."""

import pytest

from inkread.errors import BadInput
from inkread.inputs import read_inks
from inkread.inputs._xml import root_name


def refused(text: str) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_inks(text.encode(), name="a.xml")
    return caught.value


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ("<ink>", "ink"),
        ("\ufeff  <ink/>", "ink"),
        ('<?xml version="1.0"?>\n<!-- <a> -->\n<i:ink xmlns:i="http://www.w3.org/2003/InkML">', "ink"),
        ('<!DOCTYPE ink SYSTEM "ink.dtd"><ink>', "ink"),
        ('<!DOCTYPE ink [<!ENTITY x "]>"><!ELEMENT a ANY>]><ink>', "ink"),
        ("<WhiteboardCaptureSession>", "WhiteboardCaptureSession"),
        ("<!-- never closed <ink>", None),
        ("<", None),
        ("[[[0, 0]]]", None),
        ("", None),
    ],
)
def test_the_root_element_is_found_behind_the_prolog(start: str, name: str | None) -> None:
    assert root_name(start.encode()) == name


def test_xml_that_is_cut_short_is_reported_with_its_line() -> None:
    error = refused("<ink>\n<trace>0 0, 1 1</trace>\n")
    assert error.line == 3 and error.problem.startswith("not well-formed XML")
    assert "not readable XML" in refused('<?xml version="1.0" encoding="klingon"?><ink/>').problem


def test_entities_are_refused() -> None:
    bomb = '<!DOCTYPE ink [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><ink>&b;</ink>'
    assert "defines XML entities" in refused(bomb).problem
    spy = '<!DOCTYPE ink [<!ENTITY x SYSTEM "file:///etc/passwd">]><ink><trace>&x;</trace></ink>'
    assert "defines XML entities" in refused(spy).problem


def test_xml_that_is_nested_too_deeply_is_refused() -> None:
    assert (
        "nested too deeply" in refused("<ink>" + "<traceGroup>" * 50_000 + "</traceGroup>" * 50_000 + "</ink>").problem
    )
