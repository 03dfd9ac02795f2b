"""Names of files as printable text.

On Unix a name is any sequence of bytes. Python represents bytes that are not UTF-8 as surrogates, which cannot be
printed.
"""

import unicodedata


def printable(text: str) -> str:
    """Replace each surrogate by its escape: "caf\\udce9.png" -> r"caf\\udce9.png".

    The result can be written in UTF-8. In JSON the escape means the same surrogate, so the name is preserved.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def one_line(text: str) -> str:
    """Also replace line ends, tabs and other control characters by their escapes: "a\\tb" -> r"a\\tb"."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in "\ufffe\uffff":
        return character.encode("unicode_escape").decode("ascii")
    return character
