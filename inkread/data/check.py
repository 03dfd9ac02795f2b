"""What would stop or spoil a training, told before an hour is spent on it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from inkread.alphabet import steps_needed
from inkread.data import Dataset
from inkread.data.samples import read_line_input
from inkread.errors import BadInput
from inkread.features.render import draw_ink
from inkread.inputs.ink import LineInput


@dataclass(frozen=True)
class Problem:
    """What stands in the way of training on a line, or of reading a file, and what to do about it."""

    where: str
    what: str
    cure: str


@dataclass(frozen=True)
class CheckReport:
    """What a dataset holds and what is wrong with it."""

    name: str
    lines: int
    characters: int
    writers: int  # 0: not known
    splits: dict[str, int]  # lines of each split
    alphabet: dict[str, int]  # how often each character is written
    heights: tuple[int, ...]  # of the readable line pictures, in pixels: least, 5 %, median, 95 %, most
    widths: tuple[int, ...]
    skipped: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report as plain text, the problems last."""
        facts = {"lines": f"{self.lines:,}", "characters": f"{self.characters:,}"}
        facts |= {"writers": f"{self.writers:,}" if self.writers else "not known"}
        facts |= {f"split {split}": f"{lines:,} lines" for split, lines in self.splits.items()}
        facts |= {"alphabet": f"{len(self.alphabet)} characters: {''.join(self.alphabet).replace(' ', '␣')}"}
        for name, sizes in (("heights", self.heights), ("widths", self.widths)):
            if sizes:
                least, low, median, high, most = sizes
                facts[name] = f"{least} to {most} px, median {median}, nine tenths of them {low} to {high}"
        column = max(map(len, facts))
        rows = [self.name, *(f"  {name:{column}}  {fact}" for name, fact in facts.items())]
        rows += [f"left out: {reason}" for reason in self.skipped]
        rows += [f"note: {note}" for note in self.notes]
        rows += [f"problem: {problem.where}: {problem.what}; {problem.cure}" for problem in self.problems]
        return "\n".join((*rows, f"{len(self.skipped)} left out, {len(self.problems)} problems"))

    def as_dict(self) -> dict[str, object]:
        """The report as what json.dumps takes."""
        return asdict(self)


def check_dataset(
    dataset: Dataset,
    alphabet: set[str] | None = None,
    count_steps: Callable[[LineInput], int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    defaults: Mapping[str, set[str]] | None = None,
) -> CheckReport:
    """Read every line and name all that would stop or spoil a training.

    That is every file that is missing or cannot be read; with the `alphabet` of a model, every text with characters it
    lacks; and with `count_steps`, from a line's writing to the steps the network makes of it, every text too long for
    CTC there. `progress` is called with the lines done and the lines in all. `defaults` are the alphabets of models
    that are used unless another is named: characters they lack are notes, not problems.
    """
    problems: list[Problem] = []
    unreadable: dict[str, list[str]] = {}  # message -> lines, as a page that is missing takes all its lines along
    sizes: list[tuple[int, int]] = []
    for done, sample in enumerate(dataset.samples, 1):
        if alphabet is not None and (lacking := sorted(set(sample.text) - alphabet)):
            cure = "`inkread train --from` with this model adds them, or replace them in the text"
            problems.append(Problem(sample.id, f"the model has no {_names(lacking)}", cure))
        try:
            writing = read_line_input(sample)
            picture = writing if isinstance(writing, np.ndarray) else draw_ink(writing)
        except BadInput as error:
            unreadable.setdefault(str(error), []).append(sample.id)
        else:
            height, width = picture.shape
            sizes.append((height, width))
            needed = steps_needed([ord(character) for character in sample.text])
            steps = count_steps(writing) if count_steps else needed
            if steps < needed:
                what = f"its text needs {needed} steps for CTC, but its {width} x {height} pixels give {steps}"
                problems.append(Problem(sample.id, what, "check its text and outline, or leave the line out"))
        if progress:
            progress(done, len(dataset.samples))
    for message, ids in unreadable.items():
        where = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
        problems.append(Problem(where, message, "or leave the lines of this file out"))
    return CheckReport(
        name=dataset.name,
        lines=len(dataset.samples),
        characters=sum(len(sample.text) for sample in dataset.samples),
        writers=len({sample.writer for sample in dataset.samples if sample.writer}),
        splits=_counts(sample.split for sample in dataset.samples if sample.split),
        alphabet=_counts(character for sample in dataset.samples for character in sample.text),
        heights=_spread([height for height, _ in sizes]),
        widths=_spread([width for _, width in sizes]),
        skipped=dataset.skipped,
        problems=tuple(problems),
        notes=tuple(_missing(dataset, defaults or {})),
    )


def _missing(dataset: Dataset, alphabets: Mapping[str, set[str]]) -> Iterator[str]:
    """For each model that lacks characters of the texts: which, and what to do."""
    for model, alphabet in alphabets.items():
        missing = sorted({character for sample in dataset.samples for character in sample.text} - alphabet)
        if missing:
            lines = sum(not alphabet.issuperset(sample.text) for sample in dataset.samples)
            yield (
                f"the model {model} has no {_names(missing)}, in {lines} of {len(dataset.samples)} lines: it cannot "
                f"read them; `inkread train --from {model}` adds them"
            )


def _names(characters: Iterable[str]) -> str:
    return ", ".join(f"{character!r} (U+{ord(character):04X})" for character in characters)


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spread(sizes: list[int]) -> tuple[int, ...]:
    """Least, 5 %, median, 95 %, most; empty for no sizes."""
    return tuple(int(size) for size in np.percentile(sizes, (0, 5, 50, 95, 100), method="nearest")) if sizes else ()
