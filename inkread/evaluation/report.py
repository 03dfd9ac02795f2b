"""The report of an evaluation: one HTML file, made from report.html."""

import base64
import io
import itertools
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from inkread import __version__
from inkread._files import write_atomic
from inkread.data import Dataset
from inkread.data.samples import read_line
from inkread.evaluation.lines import Evaluation, Group, ScoredLine
from inkread.evaluation.metrics import alignment
from inkread.evaluation.pages import PageScores
from inkread.plot import Axis, Curve, figure, plot_curves

MAX_LINES = 50  # the worst lines that are shown
MAX_CONFUSIONS = 25  # the most frequent errors that are shown
MAX_IMAGE_SIZE = (1400, 160)  # width and height in pixels of the images of lines
GREY_LEVELS = 16  # of these images: enough to see ink, and the file stays small


def write_report(
    evaluation: Evaluation, dataset: Dataset, path: Path, title: str, pages: PageScores | None = None
) -> None:
    """Write one HTML file that needs no others: error rates, frequent errors, and the worst lines with their images.

    `dataset` is the one that was evaluated. `pages` are the scores of whole pages, if the lines are on pages. Raises
    CannotWrite, and keeps an older file, if it cannot be written.
    """
    writers = _group_bars("writer", evaluation.error_by_writer())
    template = Template(files("inkread.evaluation").joinpath("report.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(title),
        dataset=escape(evaluation.dataset),
        figures=_figures(evaluation) + (_page_figures(pages) if pages else ""),
        failures=_failures(evaluation.failures),
        confusions=_confusion_bars(evaluation.confusions(MAX_CONFUSIONS)),
        lengths=_group_bars("characters written", evaluation.error_by_length()),
        characters=_character_bars(evaluation.character_accuracy()),
        confidence=_reliability_plot(evaluation),
        writers_link=' <a href="#writers">Writers</a>' if writers else "",
        writers=f'<section id="writers"><h2>Error rate by writer</h2>{writers}</section>' if writers else "",
        worst="\n".join(_line_card(line, dataset) for line in evaluation.worst(MAX_LINES)),
        interval_by=evaluation.interval_by,
        version=escape(__version__),
    )
    write_atomic(path, page.encode("utf-8", "replace"))  # a damaged transcription may have surrogates


def _figures(evaluation: Evaluation) -> str:
    """The error rates and the speed, one tile for each."""
    writers = "" if evaluation.writers is None else f" by {evaluation.writers} writers"
    return _tiles(
        ("Character error rate", f"{100 * evaluation.cer:.2f} %", _between(evaluation.cer_interval, 2)),
        ("Word error rate", f"{100 * evaluation.wer:.1f} %", _between(evaluation.wer_interval, 1)),
        ("Lines without an error", f"{100 * evaluation.perfect:.1f} %", f"of {len(evaluation.lines):,} lines{writers}"),
        (
            "Lines per second",
            f"{evaluation.lines_per_second:.1f}",
            f"{evaluation.seconds:.1f} s, including the reading of files",
        ),
    )


def _reliability_plot(evaluation: Evaluation) -> str:
    """The reliability diagram: of what has a certain confidence, the share that is right. The diagonal is perfect."""
    curves = [Curve("perfect", [0, 100], [0, 100], colour=3, dashed=True)]
    for colour, (unit, bins) in enumerate(evaluation.reliability.items()):
        x, y = [100 * each.confidence for each in bins], [100 * each.right for each in bins]
        curves.append(Curve(unit, x, y, colour, dots=True))
    across, up = (Axis(label, low=0, high=100) for label in ("confidence, %", "read correctly, %"))
    plot = plot_curves("", curves, across, up, height=300)
    errors = evaluation.calibration_errors
    area = evaluation.line_roc_area
    text = "Calibration error: " + ", ".join(f"{unit} {100 * error:.1f}" for unit, error in errors.items()) + " points."
    if area is not None:
        text += f" Area under the ROC curve for a line without an error: {area:.3f}."
    return figure([[plot]], "Reliability diagram. " + text) + f'<p class="legend">{text}</p>'


def _page_figures(scores: PageScores) -> str:
    """The scores of whole pages, one tile for each."""
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
    summary = f"Lines not scored because they cannot be read: {len(failures)}"
    return f'<details class="failures"><summary>{summary}</summary><ul>{items}</ul></details>'


def _confusion_bars(confusions: Sequence[tuple[str, str, int]]) -> str:
    def describe(written: str, read: str) -> str:
        if not read:
            return f"{_key(written)} missed"
        return f"{_key(written)} read as {_key(read)}" if written else f"{_key(read)} added"

    return _bars(("error", "times"), [(describe(a, b), times, (f"{times:,}",)) for a, b, times in confusions])


def _character_bars(accuracy: dict[str, tuple[int, int]]) -> str:
    rows = [
        (
            _key(character),
            written - correct,
            (f"{written - correct:,}", f"{written:,}", f"{100 * correct / written:.1f} %"),
        )
        for character, (written, correct) in accuracy.items()
    ]
    return _bars(("character", "wrong", "written", "correct"), rows)


def _group_bars(name: str, groups: Sequence[Group]) -> str:
    rows = [(escape(group.name), group.rate, (f"{100 * group.rate:.1f} %", f"{group.lines:,}")) for group in groups]
    return _bars((name, "CER", "lines"), rows)


def _bars(headings: Sequence[str], rows: Sequence[tuple[str, float, Sequence[str]]]) -> str:
    """A table of rows (name as HTML, length of the bar, figures); the bar is before the first figure."""
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
    image = _data_uri(read_line(dataset.samples[line.index]))
    label = escape(f"Read: {line.read}\nWritten: {line.written}")
    return f"""<article>
<header><strong>{100 * line.rate:.0f} %</strong> {line.character_edits} edits in {line.characters} characters
 · confidence {100 * line.confidence:.0f} %{writer} · <code>{escape(line.id)}</code></header>
<img src="{image}" alt="" loading="lazy" decoding="async">
<p class="texts" role="img" aria-label="{label}">{_compared(line.written, line.read)}</p>
</article>"""


def _compared(written: str, read: str) -> str:
    """The text read above the text written, piece by piece, so that both wrap together and stay aligned."""
    pieces = []
    for kind, pairs in itertools.groupby(alignment(written, read), key=_kind):
        below, above = ("".join(side) for side in zip(*pairs, strict=True))
        if kind == "same":
            words = map(escape, re.findall(r" *[^ ]+| +", above))  # a long line may wrap between any two
            pieces += [f"<span><b>{word}</b><s>{word}</s></span>" for word in words]
        else:
            above, below = escape(above.replace(" ", "␣")), escape(below.replace(" ", "␣"))
            pieces.append(f'<span class="{kind}"><b>{above}</b><s>{below}</s></span>')
    return "".join(pieces)


def _kind(pair: tuple[str, str]) -> str:
    written, read = pair
    if written == read:
        return "same"
    return "replaced" if written and read else "added" if read else "missed"


def _data_uri(grey: np.ndarray) -> str:
    """A small copy of a grey (H, W) image as a data URI. 16 levels of grey are enough to see ink."""
    image = Image.fromarray(grey)
    image.thumbnail(MAX_IMAGE_SIZE, Image.Resampling.BOX, reducing_gap=None)
    stream = io.BytesIO()
    image.quantize(GREY_LEVELS).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
