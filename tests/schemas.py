"""What the schemas of ALTO and PAGE allow, for the elements that inkread writes."""

import re
from xml.etree import ElementTree


def check(text: str, children: dict[str, str], required: dict[str, set[str]]) -> None:
    """Compare every element of an XML file with a schema.

    `children`: for an element's name a regular expression for the names of its children, each followed by a space;
    elements that are missing there have no children. `required`: the attributes that an element must have.
    """
    for element in ElementTree.fromstring(text).iter():
        name = element.tag.partition("}")[2]
        found = "".join(child.tag.partition("}")[2] + " " for child in element)
        assert re.fullmatch(children.get(name, ""), found), (name, found)
        assert required.get(name, set()) <= set(element.attrib), name
        assert re.fullmatch(r"\d+,\d+( \d+,\d+)+", element.get("points", "0,0 1,1"))
        assert 0 <= float(element.get("WC", element.get("conf", "0"))) <= 1
