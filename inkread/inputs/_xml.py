"""XML files are parsed safely, and each element knows its line in the file."""

import re
from typing import Any, cast
from xml.etree.ElementTree import Element, TreeBuilder

import defusedxml.ElementTree

from inkread.errors import BadInput
from inkread.inputs.ink import MAX_POINTS
from inkread.inputs.source import Source, text_start

# What may come before the root element: declarations, comments, and a document type, whose internal part in brackets
# may have brackets in comments and quotation marks. Possessive quantifiers (*+) keep the time linear.
_PROLOG = re.compile(
    rb"""(?: \s+ | <\?.*?\?> | <!--.*?-->
      | <!DOCTYPE [^\[>]*+ (?: \[ (?: <!--.*?--> | "[^"]*+" | '[^']*+' | [^\]"'] )*+ \] \s*+ )? > )*+""",
    re.DOTALL | re.VERBOSE,
)
_NAME = re.compile(rb"<(?:[^\s<>/:!?]+:)?([^\s<>/:!?]+)")


class _ElementWithLine(Element):
    line = 0


def root_name(start: bytes) -> str | None:
    """The name of the root element of an XML file that starts with these bytes; None where there is none.

    b'<?xml version="1.0"?><ink xmlns="...">' -> "ink"
    """
    start = text_start(start)
    name = _NAME.match(start, cast(re.Match[bytes], _PROLOG.match(start)).end())
    return name.group(1).decode("utf-8", "replace") if name else None


def tag(element: Element) -> str:
    """The name of an element without its namespace: "{http://www.w3.org/2003/InkML}trace" -> "trace"."""
    return element.tag.rpartition("}")[2]


def line_of(element: Element) -> int:
    """The line, counted from 1, on which an element of a root from `parse` begins."""
    return cast(_ElementWithLine, element).line


def parse(source: Source) -> Element:
    """The root of an XML file.

    Entities and external references are refused: they could fill the memory, or read other files. Raises BadInput for
    these, for XML that is not well-formed, and for more than MAX_POINTS elements.
    """
    name = source.name
    count = 0

    def make(tag: str, attributes: dict[str, str]) -> _ElementWithLine:
        nonlocal count
        count += 1
        if count > MAX_POINTS:
            problem = f"more than {MAX_POINTS:,} points or other elements"
            raise BadInput(problem, path=name, hint="give it page by page")
        element = _ElementWithLine(tag, attributes)
        element.line = parser.parser.CurrentLineNumber
        return element

    parser: Any = defusedxml.ElementTree.XMLParser(target=TreeBuilder(element_factory=make))
    try:
        parser.feed(source.read())
        return cast(Element, parser.close())
    except defusedxml.ElementTree.ParseError as error:
        line, column = error.position
        problem = f"not well-formed XML (column {column})"
        raise BadInput(problem, path=name, line=line, hint="export it again") from error
    except defusedxml.DefusedXmlException as error:
        problem, hint = "defines XML entities, which are unsafe", "export it without a DOCTYPE"
        raise BadInput(problem, path=name, hint=hint) from error
    except (ValueError, LookupError) as error:
        raise BadInput(f"not readable XML ({error})", path=name, hint="save it as UTF-8") from error
