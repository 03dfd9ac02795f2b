"""What else a word may be: from the words that the recogniser reads in its line, each with other readings."""

from collections.abc import Sequence
from difflib import SequenceMatcher


def alternatives(words: Sequence[str], place: int, read: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """The other readings of the word at a place of a line, the likeliest first.

    `words` are those that stand there now, and may be corrected; `read` are those that are read there.

    >>> alternatives(["to", "bc", "ar"], 1, [("to", []), ("bc", ["be", "lie"]), ("or", ["ar"])])
    ['be', 'lie']
    >>> alternatives(["to", "be", "ar"], 2, [("to", []), ("bc", ["be", "lie"]), ("or", ["ar"])])
    ['or']
    """
    blocks = SequenceMatcher(None, words, [text for text, _ in read], autojunk=False).get_opcodes()
    for _, start, end, first, last in blocks:
        if start <= place < end and end - start == last - first:
            text, others = read[first + place - start]
            return [other for other in (text, *others) if other != words[place]]
    return []
