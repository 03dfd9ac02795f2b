"""Random lines of text in thirteen languages, to be drawn in a font or spelt with single letters.

They come from a folder LANGUAGE/SOURCE.txt with a paragraph or an entry in each line; see datasets/text/README.md.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inkread.alphabet import CROSSED_OUT, bare_letter, join_crossed_out

# The share of the lines in each language.
LANGUAGES = {
    "en": 0.20, "fr": 0.22, "de": 0.14, "es": 0.09, "it": 0.08, "nl": 0.07, "pt": 0.07,
    "pl": 0.03, "cs": 0.02, "sv": 0.02, "da": 0.02, "nb": 0.02, "fi": 0.02,
}  # fmt: skip
SMALL = "àáâãäåāăąæçćčďđðèéêëēėęěğģìíîïīįıķĺľłñńņňòóôõöőøœŕřśşšșťţțþùúûüūůűųýÿźżž"
# Everything that is drawn. Curly quotes and long dashes are missing: in handwriting they look like ' " and -.
CHARACTERS = frozenset(string.printable[:95] + SMALL + SMALL.upper() + "ß" + "¡¿«»‹›„‚€£§°½¼¾²³ªº·•×÷±µ©")
PLAIN = str.maketrans(
    {**dict.fromkeys("’‘`´", "'"), **dict.fromkeys("“”", '"'), **dict.fromkeys("—–", "-"), "…": "...", "\u00a0": " "}
)
# Sources with an entry in each line: names, addresses, dates, amounts.
ENTRIES = ("forms", "names", "names-us-census", "places")
SHARE_ALIKE = ("ntrex", "ud-gsd")  # licensed CC BY-SA, so not used
ENTRY_SHARE = 0.25  # of the lines are entries
EVERYDAY_SHARE = 0.5  # of the sentences are from EVERYDAY, where a language has it
EVERYDAY = "common-voice"
MOST = 1_500_000  # characters that are read of a file
LONGEST = 75  # characters of a line
CAPITALS = 0.12  # of the lines are in capitals
RARE = 0.12  # of the lines have rare letters in place of others: the texts have ő or ť too seldom to learn them
REPLACED = 0.35  # of the letters of such a line that have rare variants
SIGN = 0.3  # of the lines with rare letters also have a rare sign, with a number before it or after it
SIGNS = "§°½¼¾²³ªº·×÷±µ©£€•‹›«»„‚¡¿"
STRUCK = 0.04  # of the lines have a word that is crossed out


VARIANTS = {  # letter -> the rare letters that look like it: a -> à á â ...
    base: "".join(letter for letter in sorted(CHARACTERS) if letter != base and bare_letter(letter) == base)
    for base in string.ascii_letters
}


@dataclass(frozen=True)
class LineText:
    """The words of a line, and the numbers of those that are crossed out."""

    words: Sequence[str]
    struck: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The transcription, with CROSSED_OUT in place of each word that is crossed out."""
        words = (CROSSED_OUT if place in self.struck else word for place, word in enumerate(self.words))
        return join_crossed_out(" ".join(words))


@dataclass(frozen=True)
class Texts:
    """The paragraphs of each language by their source."""

    sources: dict[str, dict[str, Sequence[str]]] = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> "Texts":
        """The texts in a folder, without those under a share-alike licence."""
        sources: dict[str, dict[str, Sequence[str]]] = {}
        for language in LANGUAGES:
            files = [file for file in sorted((folder / language).glob("*.txt")) if file.stem not in SHARE_ALIKE]
            sources[language] = {file.stem: paragraphs_of(file) for file in files}
        return cls(sources)

    def random_line(self, rng: np.random.Generator, capitals: float = CAPITALS) -> LineText:
        """A line to write. The share `capitals` of them is in capitals; STRUCK have a word that is crossed out."""
        text = self.random_text(rng)
        words = (with_rare_letters(text, rng) if rng.random() < RARE else text).split()
        struck: tuple[int, ...] = ()
        if rng.random() < STRUCK:
            struck = (int(rng.integers(len(words) + 1)),)
            words.insert(struck[0], self.random_text(rng).split()[0])
        if rng.random() < capitals:
            words = [word.upper() for word in words]
        return LineText(words, struck)

    def random_text(self, rng: np.random.Generator) -> str:
        """A line of 1 to LONGEST characters, all of them in CHARACTERS, cut between words."""
        while True:
            sources = self.sources[str(rng.choice(list(LANGUAGES), p=list(LANGUAGES.values())))]
            if rng.random() < ENTRY_SHARE:
                text = some_entries([sources[name] for name in ENTRIES if name in sources], rng)
            else:
                names = [name for name in sources if name not in ENTRIES]
                everyday = EVERYDAY in sources and rng.random() < EVERYDAY_SHARE
                paragraphs = sources[EVERYDAY if everyday else names[int(rng.integers(len(names)))]]
                text = part_of(paragraphs[int(rng.integers(len(paragraphs)))], rng)
            if text and CHARACTERS.issuperset(text):
                return text


def with_rare_letters(text: str, rng: np.random.Generator) -> str:
    """A text whose letters are partly replaced by variants, sometimes with a rare sign: "Hěľlò wörłd, 12 §"."""
    letters = [
        variants[int(rng.integers(len(variants)))] if variants and rng.random() < REPLACED else character
        for character in text
        for variants in [VARIANTS.get(character, "")]
    ]
    words = "".join(letters).split()
    if rng.random() < SIGN:
        sign, number = SIGNS[int(rng.integers(len(SIGNS)))], str(rng.integers(1, 1000))
        space = str(rng.choice(["", " "]))
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice([number + space + sign, sign + space + number])))
    return " ".join(words)[:LONGEST].strip()


def paragraphs_of(file: Path) -> list[str]:
    """The first paragraphs of a text, with plain quotes and dashes, without marks that nobody writes by hand."""
    with file.open(encoding="utf-8") as lines:
        text = lines.read(MOST).translate(PLAIN)
    if file.stem not in ENTRIES:
        text = re.sub(r"[_=*{}|<>~^\\¬®¦⁄\u00ad]", "", text)
        text = re.sub(r" *-{2,} *", " - ", text)
    return [line for line in map(str.strip, text.split("\n")) if line]


def part_of(paragraph: str, rng: np.random.Generator) -> str:
    """Some words from a paragraph, in 40 % of the cases from its beginning, which has a capital.

    The length is beta-distributed: long lines are most frequent, as on real pages.
    """
    words = paragraph.split()
    target = int(LONGEST * rng.beta(1.6, 1.0)) + 1
    start = 0 if rng.random() < 0.4 else int(rng.integers(len(words)))
    text = words[start]
    for word in words[start + 1 :]:
        if len(text) + 1 + len(word) > target:
            break
        text += f" {word}"
    return text[:LONGEST].strip()


def some_entries(lists: Sequence[Sequence[str]], rng: np.random.Generator) -> str:
    """An entry, or a list of them: "2 mei 2019", "- Anna Kovács; 12,50 €", "3) Pilsen, Brno"."""
    weights = [1.0 if len(entries) < 5000 else 3.0 for entries in lists]  # names and places thrice as often as forms
    count = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
    chosen = [lists[int(rng.choice(len(lists), p=np.divide(weights, sum(weights))))] for _ in range(count)]
    text = str(rng.choice([", ", "; ", " - ", " / "])).join(
        entries[int(rng.integers(len(entries)))] for entries in chosen
    )
    bullet = str(
        rng.choice(
            ["", "- ", "• ", f"{rng.integers(1, 30)}. ", f"{rng.integers(1, 30)}) "], p=[0.8, 0.05, 0.05, 0.05, 0.05]
        )
    )
    return (bullet + text)[:LONGEST].strip()
