"""XML files are parsed safely, and each element knows its line in the file."""

import re
from collections.abc import Callable
from typing import Any, cast
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError

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


def _full(name: str) -> str:
    """A name as ElementTree has it: expat gives the namespace, "}" and the name."""
    return "{" + name if "}" in name else name


def line_of(element: Element) -> int:
    """The line, counted from 1, on which an element of a root from `parse` begins."""
    return cast(_ElementWithLine, element).line


def parse(source: Source) -> Element:
    """The root of an XML file. Raises BadInput as `each_element` does."""
    builder = TreeBuilder(element_factory=_ElementWithLine)

    def start(tag: str, attributes: dict[str, str], line: int) -> None:
        cast(_ElementWithLine, builder.start(tag, attributes)).line = line

    each_element(source, start, builder)
    return builder.close()


def each_element(
    source: Source, start: Callable[[str, dict[str, str], int], None], builder: TreeBuilder | None = None
) -> None:
    """Call `start` with the name, the attributes and the line of each element of an XML file, where it begins.

    A `builder` gets the text and the end of each element. Entities and external references are refused: they
    could fill the memory, or read other files. Raises BadInput for these, for XML that is not well-formed, and for more
    than MAX_POINTS elements.
    """
    name = source.name
    count = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_POINTS:
            problem = f"more than {MAX_POINTS:,} points or other elements"
            raise BadInput(problem, path=name, hint="give it page by page")
        if "}" in "".join(attributes):  # rarely
            attributes = {_full(key): value for key, value in attributes.items()}
        start(_full(tag), attributes, expat.CurrentLineNumber)

    parser: Any = defusedxml.ElementTree.XMLParser(target=builder)
    expat = parser.parser  # its handlers below take the place of those of XMLParser, which are slower
    expat.StartElementHandler, expat.ordered_attributes = begin, False
    expat.EndElementHandler = builder and builder.end
    try:
        expat.Parse(source.read(), True)
    except ExpatError as error:
        line, column = error.lineno, error.offset
        problem = f"not well-formed XML (column {column})"
        raise BadInput(problem, path=name, line=line, hint="export it again") from error
    except defusedxml.DefusedXmlException as error:
        problem, hint = "defines XML entities, which are unsafe", "export it without a DOCTYPE"
        raise BadInput(problem, path=name, hint=hint) from error
    except (ValueError, LookupError) as error:
        raise BadInput(f"not readable XML ({error})", path=name, hint="save it as UTF-8") from error
