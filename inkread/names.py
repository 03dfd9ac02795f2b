"""Names of files as text. On Unix a name is any bytes, and Python keeps those that are not UTF-8 as surrogates."""

import json
import unicodedata
from typing import Any


def printable(text: str) -> str:
    """A file name, or a message with file names, as one line of valid text.

    Line ends and other control characters become \\n, \\t, \\x1b; bytes that are not UTF-8 become \\xe9.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in "\ufffe\uffff":
        return character.encode("unicode_escape").decode("ascii")
    return character


def to_json(value: Any) -> str:
    """JSON in one line of valid UTF-8; a byte of a name that is not UTF-8 is an escape, so the name stays exact."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
