"""Text that language models learn from: read from files and cut into lines."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from inkread.alphabet import normal
from inkread.errors import BadInput

LINE_LENGTH = 60  # characters; about one line of handwriting
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")  # letters, and apostrophes and hyphens between them
# Characters that look alike in handwriting -> the one to use if a model has learnt only that one.
LOOK_ALIKES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "—": "-", "–": "-", "…": "."})


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, or of standard input for `-`. Raises BadInput."""
    name = "standard input" if str(path) == "-" else path
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", path=name, hint="check the path") from error
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 ({error.reason} at byte {error.start})"
        raise BadInput(problem, path=name, hint="convert it to UTF-8 first") from error


def lines_of(text: str, length: int = LINE_LENGTH) -> Iterator[str]:
    """The lines of a text, in NFC and with single spaces. Longer lines, such as paragraphs, are cut between words.

    So the model learns how handwritten lines begin and end: anywhere in a sentence, but not within a word. A line also
    ends where a sentence ends in its second half, so that enough lines begin with a capital letter.

    >>> list(lines_of("To be,  or not to be\\n\\nthat is", length=10))
    ['To be, or', 'not to be', 'that is']
    """
    sentence = rf"\S.{{{length // 2},{length - 3}}}?[.!?](?= )"
    piece = re.compile(rf"{sentence}|\S(?:.{{0,{length - 2}}}\S)?(?= |$)|\S+")
    for line in text.splitlines():
        yield from piece.findall(" ".join(normal(line).split()))


def read_words(path: Path) -> list[str]:
    """The user's words, one per line, sorted. An entry may be several words, as in "New York". Raises BadInput."""
    words = {" ".join(normal(line).split()) for line in read_text(path).splitlines()} - {""}
    if not words:
        raise BadInput("has no words", path=path, hint="write one word per line")
    return sorted(words)
