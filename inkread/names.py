"""Names of files as text. On Unix a name is any bytes, and Python holds those that are not UTF-8 as half characters."""

import unicodedata


def printable(text: str) -> str:
    """The text with each half character (a surrogate) as its escape: "caf\\udce9.png" -> r"caf\\udce9.png".

    It can then be written in UTF-8. In JSON the escape means the same character, so that the name stays exact.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    """The same with line ends, tabs and other control characters as their escapes, too: "a\\tb" -> r"a\\tb"."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in "\ufffe\uffff":
        return character.encode("unicode_escape").decode("ascii")
    return character
