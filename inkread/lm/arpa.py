"""Read and write ARPA files, the text format for n-gram models of KenLM, SRILM and others.

    \\data\\          the number of n-grams of each length: "ngram 1=5"
    \\1-grams:        a section for each length; its lines are
    -0.6 a -0.3      log10 p, the tokens and, unless it is 0, log10 of the backoff
    \\end\\
"""

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np

from inkread.alphabet import normal
from inkread.errors import BadModel, shown
from inkread.lm.ngram import END, IMPOSSIBLE, START, UNKNOWN, NgramModel, smallest_type

Ngram = tuple[str, ...]
Level = dict[Ngram, tuple[float, float]]  # the n-grams of one length, each with log p and backoff

SPACES = ("<space>", "▁", "|")  # how ARPA files write the token " ", as spaces separate the tokens
LOG10_ZERO = -99.0  # how ARPA files write log10 of 0
COPY_AGAIN = "copy the file again"


def read_arpa(path: Path) -> NgramModel:
    """Read a model of single characters from an ARPA file. Raises BadModel, which gives the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadModel(f"cannot be read as an ARPA file ({error})", path=path, hint="check the path") from error
    levels = _parse(path, text)
    if not any(name not in (START, END, UNKNOWN) for (name,) in levels[0]):
        raise BadModel("an empty language model", path=path, hint="inkread needs one of single characters")
    try:
        return _as_model(levels)
    except ValueError as error:
        raise BadModel(f"damaged: {shown(error)}", path=path, hint=COPY_AGAIN) from error


def _parse(path: Path, text: str) -> list[Level]:
    """The n-grams of an ARPA file, single tokens first. Raises BadModel."""
    announced: dict[int, int] = {}
    levels: list[Level] = []
    for number, line in enumerate(text.split("\n"), 1):
        row = line.strip(" \t\r")
        try:
            if row == "\\end\\":
                return _complete(levels, announced)
            if section := re.fullmatch(r"\\(\d{1,9})-grams:", row):
                _begin_level(levels, int(section[1]))
            elif levels and row:
                _add_ngram(levels, re.split(r"[ \t]+", row))  # split() would also split at spaces that are tokens
            elif size := re.fullmatch(r"ngram (\d{1,9}) *= *(\d{1,18})", row):
                announced[int(size[1])] = int(size[2])
        except ValueError as error:
            hint = f"correct it or {COPY_AGAIN}"
            raise BadModel(shown(error), path=path, line=number, hint=hint) from error
    raise BadModel("not a complete ARPA file: it has no \\end\\", path=path, hint=COPY_AGAIN)


def _begin_level(levels: list[Level], n: int) -> None:
    if n != len(levels) + 1:
        raise ValueError(f"{n}-grams where {len(levels) + 1}-grams are expected")
    levels.append({})


def _add_ngram(levels: list[Level], fields: list[str]) -> None:
    """Add one n-gram to the last level. Raises ValueError if it does not fit those before."""
    n = len(levels)
    if not n < len(fields) <= n + 2:
        raise ValueError(f"not a {n}-gram: expected a log-probability, {n} tokens and perhaps a backoff")
    ngram = tuple(fields[1 : n + 1])
    if n == 1 and len(normal(ngram[0])) != 1 and ngram[0] not in (START, END, UNKNOWN, SPACES[0]):
        raise ValueError(f"a language model of words ({ngram[0]}, ...), but inkread needs one of single characters")
    if ngram in levels[-1]:
        raise ValueError(f"the {n}-gram {' '.join(ngram)} occurs twice")
    if n > 1 and ngram[:-1] not in levels[-2]:
        raise ValueError(f"a {n}-gram whose context {' '.join(ngram[:-1])} is not among the {n - 1}-grams")
    if n > 1 and ngram[-1:] not in levels[0]:
        raise ValueError(f"a {n}-gram whose last token {ngram[-1]} is not among the 1-grams")
    backoff = _natural_log(fields[n + 1], "a backoff", most=-LOG10_ZERO) if fields[n + 1 :] else 0.0
    levels[-1][ngram] = (_natural_log(fields[0], "a probability", most=0.0), backoff)


def _natural_log(field: str, what: str, most: float) -> float:
    """The natural logarithm of a number that is given by its log10. Raises ValueError above `most`."""
    try:
        value = float(field)
    except ValueError:
        raise ValueError(f"{field} is not a number") from None
    if not value <= most:
        raise ValueError(f"{field} is not the log10 of {what}")
    return max(value, LOG10_ZERO) * math.log(10)


def _complete(levels: list[Level], announced: dict[int, int]) -> list[Level]:
    """The levels with all special tokens and without empty levels. Raises ValueError if n-grams are missing."""
    for n, count in announced.items():
        found = len(levels[n - 1]) if 1 <= n <= len(levels) else 0
        if found != count:
            raise ValueError(f"the file has {found} {n}-grams, but announces {count}")
    while levels and not levels[-1]:
        levels.pop()
    levels = levels or [{}]
    for special in (START, END, UNKNOWN):
        levels[0].setdefault((special,), (IMPOSSIBLE, 0.0))
    return levels


def _as_model(levels: list[Level]) -> NgramModel:
    """The trie of the n-grams of an ARPA file."""
    space = next((form for form in SPACES if (form,) in levels[0]), None)
    characters = [name for (name,) in levels[0] if name not in (START, END, UNKNOWN)]
    characters.sort(key=lambda name: " " if name == space else name)
    code = {name: code for code, name in enumerate((START, END, UNKNOWN, *characters))}

    children, token, log_p, backoff = [len(code)], [0], [0.0], [0.0]  # the root
    for level, longer in zip(levels, [*levels[1:], {}], strict=True):
        followers = Counter(ngram[:-1] for ngram in longer)
        for ngram in sorted(level, key=lambda ngram: [code[name] for name in ngram]):
            children.append(followers[ngram])
            token.append(code[ngram[-1]])
            log_p.append(level[ngram][0])
            backoff.append(level[ngram][1])
    return NgramModel(
        [START, END, UNKNOWN, *(" " if name == space else normal(name) for name in characters)],
        len(levels),
        smallest_type(np.array(token)),
        smallest_type(np.array(children)),
        np.array(log_p, np.float32),
        np.array(backoff, np.float32),
    )


def to_arpa(model: NgramModel) -> str:
    """A model as an ARPA file, which KenLM and others read. The token " " is written <space>."""
    names = [SPACES[0] if token == " " else token for token in model.tokens]
    level, sections, sizes = [(0, "")], [], []  # the nodes of a level, each with the tokens of its n-gram
    for n in range(1, model.order + 1):
        rows, longer = [f"\\{n}-grams:"], []
        for node, ngram in level:
            for child in range(model.first_child[node], model.first_child[node + 1]):
                spelling = f"{ngram} {names[model.token[child]]}" if ngram else names[model.token[child]]
                longer.append((child, spelling))
                log_p, backoff = model.log_p[child] / math.log(10), model.backoff[child] / math.log(10)
                rows.append(f"{log_p:.7g}\t{spelling}" + (f"\t{backoff:.7g}" if n < model.order else ""))
        level = longer
        sizes.append(f"ngram {n}={len(level)}")
        sections.append("\n".join(rows))
    return "\n".join(["\\data\\", *sizes, "", "\n\n".join(sections), "", "\\end\\", ""])
