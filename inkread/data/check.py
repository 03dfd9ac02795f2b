"""Finds what would stop or spoil a training on a dataset, before time is spent on it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from inkread.alphabet import steps_needed
from inkread.data import Dataset
from inkread.data.samples import Sample, read_line_input
from inkread.errors import BadInput
from inkread.features.extract import Writing, image_of


@dataclass(frozen=True)
class Problem:
    """Something that stops or spoils a training, and what to do about it."""

    where: str  # the line or the file
    what: str
    hint: str


@dataclass(frozen=True)
class CheckReport:
    """What a dataset contains, and its problems."""

    name: str
    lines: int
    characters: int
    writers: int  # 0 if unknown
    splits: dict[str, int]  # lines of each split
    alphabet: dict[str, int]  # how often each character occurs
    heights: tuple[int, ...]  # of the readable lines, in pixels: minimum, 5 %, median, 95 %, maximum
    widths: tuple[int, ...]
    skipped: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report as plain text, the problems last."""
        facts = {"lines": f"{self.lines:,}", "characters": f"{self.characters:,}"}
        facts |= {"writers": f"{self.writers:,}" if self.writers else "unknown"}
        facts |= {f"split {split}": f"{lines:,} lines" for split, lines in self.splits.items()}
        facts |= {"alphabet": f"{len(self.alphabet)} characters: {''.join(self.alphabet).replace(' ', '␣')}"}
        for name, sizes in (("heights", self.heights), ("widths", self.widths)):
            if sizes:
                minimum, low, median, high, maximum = sizes
                facts[name] = f"{minimum} to {maximum} px, median {median}, 90 % are {low} to {high}"
        column = max(map(len, facts))
        rows = [self.name, *(f"  {name:{column}}  {fact}" for name, fact in facts.items())]
        rows += [f"left out: {reason}" for reason in self.skipped]
        rows += [f"note: {note}" for note in self.notes]
        rows += [f"problem: {problem.where}: {problem.what}; {problem.hint}" for problem in self.problems]
        return "\n".join((*rows, f"{len(self.skipped)} left out, {len(self.problems)} problems"))

    def as_dict(self) -> dict[str, object]:
        """The report as plain types, for JSON."""
        return asdict(self)


def check_dataset(
    dataset: Dataset,
    alphabet: set[str] | None = None,
    count_steps: Callable[[Writing], int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    defaults: Mapping[str, set[str]] | None = None,
) -> CheckReport:
    """Read every line of a dataset and report the problems.

    A problem is a file that is missing or cannot be read; a character that is not in `alphabet`, the characters of a
    model; and a text that needs more steps for CTC than the network has for the line. `count_steps` returns these
    steps. `progress(done, total)` is called after each line. `defaults` has the characters of the models that are used
    by default, by name: characters that they are missing are notes, not problems.
    """
    problems: list[Problem] = []
    unreadable: dict[str, list[str]] = {}  # message -> ids of the lines; a missing page affects all its lines
    sizes: list[tuple[int, int]] = []  # (height, width) of the readable lines
    for done, sample in enumerate(dataset.samples, 1):
        if alphabet is not None and (missing := sorted(set(sample.text) - alphabet)):
            hint = "`inkread train --from` with this model adds them, or replace them in the text"
            problems.append(Problem(sample.id, f"the model has no {_names(missing)}", hint))
        try:
            line = read_line_input(sample)
            image = image_of(line)
        except BadInput as error:
            unreadable.setdefault(str(error), []).append(sample.id)
        else:
            sizes.append(image.shape)
            if count_steps:
                problems += _too_long(sample, image.shape, count_steps(line))
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
        heights=_distribution([height for height, _ in sizes]),
        widths=_distribution([width for _, width in sizes]),
        skipped=dataset.skipped,
        problems=tuple(problems),
        notes=tuple(_missing_characters(dataset, defaults or {})),
    )


def _too_long(sample: Sample, shape: tuple[int, int], steps: int) -> Iterator[Problem]:
    """The problem of a text that CTC cannot write in so many steps, if it is one."""
    height, width = shape
    needed = steps_needed([ord(character) for character in sample.text])
    if steps < needed:
        what = f"its text needs {needed} steps for CTC, but its {width} x {height} pixels give {steps}"
        yield Problem(sample.id, what, "check its text and outline, or leave the line out")


def _missing_characters(dataset: Dataset, alphabets: Mapping[str, set[str]]) -> Iterator[str]:
    """A note for each model that is missing characters of the texts."""
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


def _distribution(sizes: list[int]) -> tuple[int, ...]:
    """Minimum, 5 %, median, 95 %, maximum; empty for no sizes."""
    return tuple(int(size) for size in np.percentile(sizes, (0, 5, 50, 95, 100), method="nearest")) if sizes else ()
