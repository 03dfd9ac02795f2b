"""A recognizer and a dataset -> how well it reads: error rates with intervals, the worst lines, a page to look at."""

import base64
import io
import itertools
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from inkread import __version__
from inkread._files import write_atomic
from inkread.alphabet import normal
from inkread.data import Dataset, Sample
from inkread.data.samples import read_line, read_line_input
from inkread.errors import BadDataset, InkreadError
from inkread.evaluate.metrics import alignment, bootstrap_interval, edit_distance, words
from inkread.inputs.ink import LineInput

if TYPE_CHECKING:
    from inkread.evaluate.pages import PageScores

WORST_LINES = 50
"""How many lines the report shows."""


class Read(Protocol):
    """What is scored of a `recognizer.Reading`."""

    @property
    def text(self) -> str: ...
    @property
    def confidence(self) -> float: ...


class Reader(Protocol):
    """What is needed of a `recognizer.Recognizer`: one reading a line, in the order of the lines."""

    def read_many(self, writings: Iterable[LineInput]) -> Iterator[Read]: ...


@dataclass(frozen=True)
class ScoredLine:
    """One line of the dataset, what was read there and how far that is from what was written."""

    index: int  # its place in Dataset.samples
    id: str
    writer: str | None
    written: str  # NFC
    read: str  # NFC
    confidence: float
    characters: int  # written
    words: int  # written
    character_edits: int
    word_edits: int

    @property
    def rate(self) -> float:
        """Edits by written characters; a line where nothing was written counts as one character."""
        return self.character_edits / max(1, self.characters)


@dataclass(frozen=True)
class Group:
    """Lines that have something in common, a writer or a length, and their character error rate."""

    name: str
    lines: int
    characters: int
    rate: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. At least one word was written, so every rate exists."""

    dataset: str
    lines: tuple[ScoredLine, ...]
    failures: tuple[tuple[str, str], ...]  # (id, message) of each line whose picture cannot be read
    seconds: float  # wall clock, files and all

    @property
    def characters(self) -> int:
        return sum(line.characters for line in self.lines)

    @property
    def words(self) -> int:
        return sum(line.words for line in self.lines)

    @property
    def writers(self) -> int | None:
        """How many writers there are; None when they are not known for every line."""
        found = {line.writer for line in self.lines}
        return None if None in found else len(found)

    @property
    def cer(self) -> float:
        return sum(line.character_edits for line in self.lines) / self.characters

    @property
    def wer(self) -> float:
        return sum(line.word_edits for line in self.lines) / self.words

    @property
    def interval_by(self) -> str:
        """What the bootstrap draws: each "writer", or each "line" where writers are unknown or there is only one."""
        return "writer" if self.writers is not None and self.writers > 1 else "line"

    @cached_property
    def cer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the CER."""
        return self._interval([line.character_edits for line in self.lines], [line.characters for line in self.lines])

    @cached_property
    def wer_interval(self) -> tuple[float, float]:
        """The 95 % bootstrap interval of the WER."""
        return self._interval([line.word_edits for line in self.lines], [line.words for line in self.lines])

    @property
    def lines_per_second(self) -> float:
        return len(self.lines) / self.seconds

    @property
    def perfect(self) -> float:
        """The share of lines read without an error."""
        return sum(line.read == line.written for line in self.lines) / len(self.lines)

    def worst(self, count: int) -> list[ScoredLine]:
        """The lines with the highest error rate, longer ones first among equals; none that was read without error."""
        wrong = [line for line in self.lines if line.character_edits]
        return sorted(wrong, key=lambda line: (-line.rate, -line.character_edits))[:count]

    def confusions(self, count: int) -> list[tuple[str, str, int]]:
        """The commonest mistakes: ("a", "o", 12), a read as o 12 times; ("a", "", 3), a lost; ("", "a", 2), a added."""
        return [(*pair, times) for pair, times in self._pairs.most_common() if pair[0] != pair[1]][:count]

    def character_accuracy(self) -> dict[str, tuple[int, int]]:
        """For each written character how often it was written and how often read right; most mistakes first."""
        written: Counter[str] = Counter()
        for (character, _), times in self._pairs.items():
            written[character] += times
        del written[""]
        accuracy = {character: (times, self._pairs[character, character]) for character, times in written.items()}
        return dict(sorted(accuracy.items(), key=lambda item: (item[1][1] - item[1][0], item[0])))

    def error_by_length(self) -> list[Group]:
        """The lines in bins of ten written characters, shortest first; bins without a line are left out."""
        return _groups(sorted(self.lines, key=lambda line: line.characters), _length_bin)

    def error_by_writer(self) -> list[Group]:
        """The writers, hardest to read first; empty when they are not known."""
        if self.writers is None:
            return []
        return sorted(_groups(self.lines, lambda line: str(line.writer)), key=lambda group: -group.rate)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; rates are fractions, seconds wall clock."""
        return {
            "dataset": self.dataset,
            "cer": self.cer,
            "cer_interval": self.cer_interval,
            "wer": self.wer,
            "wer_interval": self.wer_interval,
            "interval_by": self.interval_by,
            "perfect_lines": self.perfect,
            "lines": len(self.lines),
            "characters": self.characters,
            "words": self.words,
            "writers": self.writers,
            "seconds": self.seconds,
            "lines_per_second": self.lines_per_second,
            "failures": [{"id": name, "message": message} for name, message in self.failures],
            "readings": [asdict(line) for line in self.lines],
        }

    @cached_property
    def _pairs(self) -> Counter[tuple[str, str]]:
        """How often each (written, read) pair of characters stands in the alignments."""
        return Counter(itertools.chain.from_iterable(alignment(line.written, line.read) for line in self.lines))

    def _interval(self, edits: Sequence[int], lengths: Sequence[int]) -> tuple[float, float]:
        writers = [line.writer for line in self.lines]
        return bootstrap_interval(edits, lengths, writers if self.interval_by == "writer" else None)


def evaluate(recognizer: Reader, dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Read every line of the dataset and score it; progress(lines done, of how many) is called after each.

    A line whose picture cannot be read becomes one of the failures and the others are still scored.
    Raises BadDataset when that leaves nothing to score.
    """
    total = len(dataset.samples)
    opened: list[int] = []
    failures: list[tuple[str, str]] = []

    def writings() -> Iterator[LineInput]:
        for index, sample in enumerate(dataset.samples):
            try:
                writing = read_line_input(sample)
            except InkreadError as error:
                failures.append((sample.id, str(error)))
            except Exception as error:  # whatever is wrong with one line, the others are scored
                message = f"{sample.path}: cannot be read because of an error in inkread ({error!r}); please report it"
                failures.append((sample.id, message))
            else:
                opened.append(index)
                yield writing

    start = time.perf_counter()
    lines: list[ScoredLine] = []
    for reading in recognizer.read_many(writings()):
        index = opened[len(lines)]
        lines.append(_score(index, dataset.samples[index], reading))
        if progress:
            progress(len(lines) + len(failures), total)
    seconds = time.perf_counter() - start
    if progress:
        progress(total, total)  # failures may have come after the last reading

    if not lines and failures:
        raise BadDataset(f"{dataset.name}: none of its {total} pictures can be read; the first: {failures[0][1]}")
    if not any(line.words for line in lines):
        raise BadDataset(f"{dataset.name}: no line with a text to compare with")
    return Evaluation(dataset.name, tuple(lines), tuple(failures), seconds)


def summary_lines(evaluation: Evaluation) -> list[str]:
    """The result in a few lines of plain text, the headline figures first."""
    (cer_low, cer_high), (wer_low, wer_high) = evaluation.cer_interval, evaluation.wer_interval
    writers = "" if evaluation.writers is None else f"{evaluation.writers} writers, "
    summary = [
        f"CER {100 * evaluation.cer:.2f} % ({100 * cer_low:.2f}-{100 * cer_high:.2f})   "
        f"WER {100 * evaluation.wer:.1f} % ({100 * wer_low:.1f}-{100 * wer_high:.1f})   "
        f"{len(evaluation.lines)} lines, {writers}{evaluation.lines_per_second:.1f} lines a second; "
        f"interval: 95 % bootstrap by {evaluation.interval_by}"
    ]
    if evaluation.failures:
        summary.append(f"Lines not scored, for their pictures cannot be read: {len(evaluation.failures)}")
    return summary


def _score(index: int, sample: Sample, reading: Read) -> ScoredLine:
    written, read = normal(sample.text), normal(reading.text)
    return ScoredLine(
        index=index,
        id=sample.id,
        writer=sample.writer,
        written=written,
        read=read,
        confidence=reading.confidence,
        characters=len(written),
        words=len(words(written)),
        character_edits=edit_distance(written, read),
        word_edits=edit_distance(words(written), words(read)),
    )


def _groups(lines: Iterable[ScoredLine], name: Callable[[ScoredLine], str]) -> list[Group]:
    """The lines of each name together, in the order in which the names come up."""
    members = defaultdict(list)
    for line in lines:
        members[name(line)].append(line)
    groups = []
    for key, together in members.items():
        characters = sum(line.characters for line in together)
        edits = sum(line.character_edits for line in together)
        groups.append(Group(key, len(together), characters, edits / max(1, characters)))
    return groups


def _length_bin(line: ScoredLine) -> str:
    """34 written characters -> "31–40"; "over 100" beyond."""
    tens = max(0, line.characters - 1) // 10
    return f"{10 * tens + 1}–{10 * tens + 10}" if tens < 10 else "over 100"


def write_report(
    evaluation: Evaluation, dataset: Dataset, path: Path, title: str, pages: "PageScores | None" = None
) -> None:
    """Write one HTML page that needs nothing else: the figures, the mistakes, and the worst lines with their pictures.

    `pages` are the scores of whole pages, where the lines of the dataset are on pages.

    dataset is the one that was evaluated.  Raises CannotWrite, and leaves what was there, when it cannot be written.
    """
    writers = _group_bars("writer", evaluation.error_by_writer())
    page = PAGE.substitute(
        title=escape(title),
        style=STYLE,
        dataset=escape(evaluation.dataset),
        figures=_figures(evaluation) + (_page_figures(pages) if pages else ""),
        failures=_failures(evaluation.failures),
        confusions=_confusion_bars(evaluation.confusions(25)),
        lengths=_group_bars("characters written", evaluation.error_by_length()),
        characters=_character_bars(evaluation.character_accuracy()),
        writers_link=' <a href="#writers">Writers</a>' if writers else "",
        writers=f'<section id="writers"><h2>Error rate by writer</h2>{writers}</section>' if writers else "",
        worst="\n".join(_line_card(line, dataset) for line in evaluation.worst(WORST_LINES)),
        interval_by=evaluation.interval_by,
        version=escape(__version__),
    )
    write_atomic(path, page.encode("utf-8", "replace"))  # a broken transcription may hold half a character


def _figures(evaluation: Evaluation) -> str:
    """The headline: one tile a figure."""
    writers = "" if evaluation.writers is None else f" by {evaluation.writers} writers"
    return _tiles(
        ("Character error rate", f"{100 * evaluation.cer:.2f} %", _between(evaluation.cer_interval, 2)),
        ("Word error rate", f"{100 * evaluation.wer:.1f} %", _between(evaluation.wer_interval, 1)),
        ("Lines without an error", f"{100 * evaluation.perfect:.1f} %", f"of {len(evaluation.lines):,} lines{writers}"),
        ("Lines a second", f"{evaluation.lines_per_second:.1f}", f"{evaluation.seconds:.1f} s, opening files and all"),
    )


def _page_figures(scores: "PageScores") -> str:
    """The same of whole pages."""
    return _tiles(
        ("Lines found on pages (F1)", f"{100 * scores.f1:.1f} %", _between(scores.f1_interval, 1)),
        ("Precision of lines found", f"{100 * scores.precision:.1f} %", f"on {len(scores.pages):,} pages"),
        ("Recall of lines found", f"{100 * scores.recall:.1f} %", f"on {len(scores.pages):,} pages"),
        ("Character error rate of pages", f"{100 * scores.cer:.2f} %", _between(scores.cer_interval, 2)),
    )


def _tiles(*figures: tuple[str, str, str]) -> str:
    return "".join(
        f'<div class="tile"><dt>{name}</dt><dd><strong>{figure}</strong><small>{note}</small></dd></div>\n'
        for name, figure, note in figures
    )


def _between(interval: tuple[float, float], digits: int) -> str:
    return f"95 % interval {100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}"


def _failures(failures: Sequence[tuple[str, str]]) -> str:
    if not failures:
        return ""
    items = "\n".join(f"<li><code>{escape(name)}</code> {escape(message)}</li>" for name, message in failures)
    summary = f"Lines not scored, for their pictures cannot be read: {len(failures)}"
    return f'<details class="failures"><summary>{summary}</summary><ul>{items}</ul></details>'


def _confusion_bars(confusions: Sequence[tuple[str, str, int]]) -> str:
    def mistake(written: str, read: str) -> str:
        if not read:
            return f"{_key(written)} lost"
        return f"{_key(written)} read as {_key(read)}" if written else f"{_key(read)} added"

    return _bars(("mistake", "times"), [(mistake(a, b), times, (f"{times:,}",)) for a, b, times in confusions])


def _character_bars(accuracy: dict[str, tuple[int, int]]) -> str:
    rows = [
        (_key(character), written - right, (f"{written - right:,}", f"{written:,}", f"{100 * right / written:.1f} %"))
        for character, (written, right) in accuracy.items()
    ]
    return _bars(("character", "wrong", "written", "right"), rows)


def _group_bars(name: str, groups: Sequence[Group]) -> str:
    rows = [(escape(group.name), group.rate, (f"{100 * group.rate:.1f} %", f"{group.lines:,}")) for group in groups]
    return _bars((name, "CER", "lines"), rows)


def _bars(headings: Sequence[str], rows: Sequence[tuple[str, float, Sequence[str]]]) -> str:
    """A table of rows (name as HTML, length of the bar, figures); the bar stands before the first figure."""
    if not rows:
        return ""
    longest = max(length for _, length, _ in rows) or 1
    name, first, *others = headings
    head = f'<th scope="col">{name}</th><th scope="col" colspan="2">{first}</th>'
    head += "".join(f'<th scope="col">{other}</th>' for other in others)
    body = "\n".join(
        f'<tr><th scope="row">{label}</th><td class="bar"><i style="width:{100 * length / longest:.1f}%"></i></td>'
        + "".join(f"<td>{figure}</td>" for figure in figures)
        + "</tr>"
        for label, length, figures in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _key(character: str) -> str:
    return f"<kbd>{escape('␣' if character == ' ' else character)}</kbd>"


def _line_card(line: ScoredLine, dataset: Dataset) -> str:
    writer = "" if line.writer is None else f" · writer {escape(line.writer)}"
    picture = _data_uri(read_line(dataset.samples[line.index]))
    label = escape(f"Read: {line.read}\nWritten: {line.written}")
    return f"""<article>
<header><strong>{100 * line.rate:.0f} %</strong> {line.character_edits} edits in {line.characters} characters
 · confidence {100 * line.confidence:.0f} %{writer} · <code>{escape(line.id)}</code></header>
<img src="{picture}" alt="" loading="lazy" decoding="async">
<p class="texts" role="img" aria-label="{label}">{_compared(line.written, line.read)}</p>
</article>"""


def _compared(written: str, read: str) -> str:
    """What was read over what was written, piece by piece, so that both wrap together and stay in line."""
    pieces = []
    for kind, pairs in itertools.groupby(alignment(written, read), key=_kind):
        below, above = ("".join(side) for side in zip(*pairs, strict=True))
        if kind == "same":
            words_here = map(escape, re.findall(r" *[^ ]+| +", above))  # a long line may wrap between any two
            pieces += [f"<span><b>{word}</b><s>{word}</s></span>" for word in words_here]
        else:
            above, below = escape(above.replace(" ", "␣")), escape(below.replace(" ", "␣"))
            pieces.append(f'<span class="{kind}"><b>{above}</b><s>{below}</s></span>')
    return "".join(pieces)


def _kind(pair: tuple[str, str]) -> str:
    written, read = pair
    if written == read:
        return "same"
    return "swapped" if written and read else "added" if read else "lost"


def _data_uri(picture: np.ndarray) -> str:
    """A small copy of a grey (H, W) picture as a data URI: 16 greys are plenty to see ink by."""
    image = Image.fromarray(picture)
    image.thumbnail((1400, 160), Image.Resampling.BOX, reducing_gap=None)
    stream = io.BytesIO()
    image.quantize(16).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header class="top">
<h1>$title</h1>
<p><code>$dataset</code></p>
<dl>
$figures
</dl>
$failures
</header>
<nav><a href="#confusions">Mistakes</a> <a href="#characters">Characters</a> <a href="#lengths">Lengths</a>$writers_link
<a href="#worst">Worst lines</a></nav>
<main>
<section id="confusions"><h2>Commonest mistakes</h2>$confusions</section>
<section id="characters"><h2>Characters</h2>$characters</section>
<section id="lengths"><h2>Error rate by length of line</h2>$lengths</section>
$writers
<section id="worst"><h2>Worst lines</h2>
<p class="legend">What was read stands over what was written:
<span class="swapped"><b>read</b></span> as something else, <span class="lost"><s>lost</s></span>,
<span class="added"><b>added</b></span>. ␣ is a space.</p>
$worst
</section>
</main>
<footer>
<p>Error rates are edits (characters or words swapped, lost and added) by characters or words written, over all lines
together. The interval is a 95 % percentile bootstrap by $interval_by. inkread $version.</p>
</footer>
</body>
</html>
""")

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f7f5f0; --sheet: #fffefb; --ink: #1f2430; --faint: #666b76; --rule: #dedbd2; --bar: #a9b8d4;
  --swapped: #b34700; --swapped-wash: #fbe6d6; --lost: #005f9e; --lost-wash: #dcecf8;
  --added: #96386f; --added-wash: #f6e1ed;
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  background: var(--paper); color: var(--ink);
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15171c; --sheet: #1d2027; --ink: #e6e4de; --faint: #9aa0ac; --rule: #343842; --bar: #48587a;
    --swapped: #ffa366; --swapped-wash: #46291a; --lost: #7cc3ff; --lost-wash: #16344d;
    --added: #f29bcb; --added-wash: #472038;
  }
  article img { filter: invert(0.89) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { max-width: 84rem; margin: 0 auto; padding: 2.5rem 1.5rem; }
h1 { font: 600 2rem/1.2 Georgia, "Times New Roman", serif; margin: 0; overflow-wrap: anywhere; }
h2 { font: 600 1.2rem/1.3 Georgia, "Times New Roman", serif; margin: 0 0 0.75rem; }
code { font: 0.9em ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
a { color: inherit; text-decoration-color: var(--bar); text-underline-offset: 0.2em; }
.top p, footer, nav { color: var(--faint); }
.top p { margin: 0.25rem 0 0; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0 0 1.5rem; font-size: 0.9rem; }
footer { font-size: 0.85rem; max-width: 50rem; margin-top: 2rem; }

dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin: 1.5rem 0; }
.tile, section, article { background: var(--sheet); border: 1px solid var(--rule); border-radius: 0.5rem; }
.tile { padding: 1rem 1.25rem; }
.tile dt { font-size: 0.9rem; color: var(--faint); }
.tile dd { margin: 0; }
.tile strong { display: block; font: 600 2.25rem/1.25 Georgia, "Times New Roman", serif; }
.tile small { font-size: 0.85rem; color: var(--faint); }
.failures { margin: 0 0 1.5rem; }

main { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
section { padding: 1.25rem; min-width: 0; }
.scroll { max-height: 43.5rem; overflow: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
thead th { position: sticky; top: 0; background: var(--sheet); color: var(--faint); font-weight: 400; }
th, td { padding: 0.15rem 0 0.15rem 0.75rem; text-align: right; white-space: nowrap; }
th:first-child { padding-left: 0; text-align: left; font-weight: 400; }
.bar { width: 100%; min-width: 3rem; }
.bar i { display: block; height: 0.7rem; border-radius: 0 0.2rem 0.2rem 0; background: var(--bar); }
kbd { font: 600 1em ui-monospace, Consolas, monospace; white-space: pre; }

#worst { background: none; border: none; padding: 1rem 0 0; }
.legend { color: var(--faint); font-size: 0.9rem; }
article { padding: 1rem 1.25rem; margin: 0 0 1rem; break-inside: avoid; }
article header { color: var(--faint); font-size: 0.85rem; }
article header strong { color: var(--ink); font-size: 1.1rem; margin-right: 0.25rem; }
article img { display: block; max-width: 100%; max-height: 6rem; margin: 0.75rem 0; border-radius: 0.2rem; }
.texts { margin: 0; }
.texts span, .legend span { display: inline-grid; white-space: pre; }
.texts span, .legend span { font: 1.05rem/1.4 ui-monospace, Consolas, monospace; }
.texts span { margin-bottom: 0.4rem; vertical-align: bottom; }
.texts b, .legend b, .texts s, .legend s { font-weight: 400; text-decoration: none; min-height: 1.4em; }
.texts s { color: var(--faint); }
.texts .swapped s, .texts .lost s { color: inherit; }
.swapped, .lost, .added { border-radius: 0.2rem; }
.swapped { color: var(--swapped); background: var(--swapped-wash); }
.swapped b { text-decoration: underline 2px; text-underline-offset: 0.15em; }
.lost { color: var(--lost); background: var(--lost-wash); outline: 1.5px dashed; outline-offset: -1.5px; }
.added { color: var(--added); background: var(--added-wash); }
.added b { text-decoration: line-through 2px; }

@media (min-width: 48rem) {
  main { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #worst { grid-column: 1 / -1; }
}
@media (min-width: 70rem) {
  main { grid-template-columns: repeat(3, minmax(0, 1fr)); grid-template-rows: auto 1fr; }
  #confusions, #characters { grid-row: span 2; }
  #writers .scroll { max-height: 24rem; }
}
@media print {
  :root { --sheet: #fff; background: none; font-size: 11px; print-color-adjust: exact; }
  body { padding: 0; }
  main { display: block; columns: 2; }
  #worst { column-span: all; break-before: page; }
  section { border: none; padding: 0 0 1rem; }
  tr { break-inside: avoid; }
  .scroll { max-height: none !important; overflow: visible; }
  nav { display: none; }
}
"""
