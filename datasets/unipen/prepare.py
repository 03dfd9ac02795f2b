"""Make lines of the pen strokes of UNIPEN: single words, running words, text segments, composed lines.

python datasets/unipen/prepare.py RAW OUT [--strokes|--other-writers]
                                         (RAW holds data/ and include/; 4 minutes on two cores)
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.prepare import parser_of, read_label_files, report, seeded, split_of
from inkread.errors import BadInput
from inkread.features.ink import baseline_and_x_height
from inkread.inputs.ink import Stroke
from inkread.inputs.unipen import read_segments, writer_name
from inkread.synth.compose import WordInk, compose_line, draw_sign, scale_tall, scale_word
from inkread.synth.write import MadeLine, add_kinds, make_line, write_lines

EXPECTED = {  # lines
    "words train": 26662,
    "words dev": 4085,
    "running train": 5020,
    "running dev": 583,
    "text train": 9788,
    "text dev": 634,
    "composed train": 9490,
    "composed dev": 1454,
}
GERMAN = {"atu", "sie"}
STACKED = {"apc", "apd", "ape"}  # their text segments are words below one another; only the words are used
C_CODE = {"att"}  # tokens of programs: words, but no text
MOST_WORDS = 120  # single words per writer and provider
MOST_LINES = 45  # composed lines per writer and provider
LONGEST = 100  # characters of a line

ONE_LINE = 5.5  # body heights a line of text reaches from its lowest to its highest point
# Labels that are not what is written: crossed-out words, words without a space between, digits and letters with one.
UNUSABLE = re.compile(r"XXX|[a-z][A-Z]|(?:^| )\S \S(?: |$)|^\W+$")


@dataclass(frozen=True)
class Segment:
    kind: str  # WORD, TEXT or CHARACTER
    text: str
    writer: str
    provider: str
    file: str
    strokes: list[Stroke]

    @cached_property
    def baseline_and_x_height(self) -> tuple[float, float]:
        return baseline_and_x_height(self.strokes)


@dataclass(frozen=True)
class Line:
    kind: str  # the subfolder
    text: str
    strokes: Sequence[Stroke]  # in body heights


def read_file(path: Path, root: Path) -> list[Segment]:
    """The labelled segments of a label file; none if its ink is missing."""
    try:
        segments = read_segments(path)
    except BadInput:
        return []
    return [
        Segment(
            kind=segment.unit,
            text=segment.text,
            writer=writer_name(segment, path),
            provider=segment.provider,
            file=str(path.relative_to(root)),
            strokes=list(segment.strokes),
        )
        for segment in segments
    ]


def width(strokes: Sequence[Stroke]) -> float:
    return float(np.ptp(np.concatenate([stroke[:, 0] for stroke in strokes])))


def height(strokes: Sequence[Stroke]) -> float:
    """The height of a line of ink. If the line is long enough to have a slope, it is levelled first."""
    x, y = np.concatenate(strokes).T
    if np.ptp(x) > 8 * np.ptp(y):
        y = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(np.ptp(y))


def is_one_line(segment: Segment, body: float, pitch: float) -> bool:
    """Whether the ink is one line, of a length that is likely for its label.

    `body` and `pitch` are the writer's median height of small letters and width of a character.
    """
    length = len(segment.text)
    wide, high = width(segment.strokes), height(segment.strokes)
    return (
        (length < 3 or 0.4 < wide / length / pitch < 2.2)
        and (length < 6 or wide > 0.1 * length * high)  # not words stacked on one another
        and high < ONE_LINE * body
        and not breaks(segment.strokes, body)
        and not UNUSABLE.search(segment.text)
    )


def breaks(strokes: Sequence[Stroke], body: float) -> bool:
    """Whether the pen returns to the left and begins a new line below."""
    middles = [stroke.mean(axis=0) for stroke in strokes]
    return any(
        after[0] < before[0] - 3 * body and after[1] > before[1] + 1.3 * body for before, after in pairwise(middles)
    )


def running_lines(words: Sequence[tuple[Segment, WordInk]], body: float) -> Iterator[Line]:
    """Words that follow one another on a line of their page, at their places."""
    line: list[tuple[Segment, float, float]] = []  # with its right end and baseline
    text = ""
    for segment, _ in [*words, (None, None)]:
        if segment is not None:
            xs = np.concatenate([stroke[:, 0] for stroke in segment.strokes])
            left, right, baseline = float(xs.min()), float(xs.max()), segment.baseline_and_x_height[0]
            joins = (
                line
                and line[-1][0].file == segment.file
                and -0.3 * body < left - line[-1][1] < 5 * body
                and abs(baseline - line[-1][2]) < 0.8 * body
                and len(text) + len(segment.text) < LONGEST
            )
            if joins:
                near = segment.text in {".", ",", ";", ":", "!", "?", ")"} and left - line[-1][1] < 0.8 * body
                text += segment.text if near else f" {segment.text}"
                line.append((segment, right, baseline))
                continue
        if len(line) > 1 and not UNUSABLE.search(text):
            yield Line("running", text, [stroke / body for segment, *_ in line for stroke in segment.strokes])
        if segment is not None:
            line, text = [(segment, right, baseline)], segment.text


def composed_lines(pool: Sequence[WordInk], tall: dict[str, list[WordInk]], rng: np.random.Generator) -> Iterator[Line]:
    """Lines of a writer's words in random order, with punctuation, numbers and initials between."""
    for _ in range(min(MOST_LINES, len(pool) // 3)):
        target, length = rng.uniform(20, 72), 0
        words: list[list[WordInk]] = []
        while length < target:
            chance = rng.random()
            if chance < 0.06:
                word = number(tall, rng)
            elif chance < 0.08 and tall["A"]:
                word = [pick(tall["A"], rng), draw_sign(".", rng)]
            else:
                word = [pick(pool, rng)]
                if chance > 0.98:
                    word = [*word, draw_sign("-", rng), pick(pool, rng)]
                elif chance > 0.96:
                    mark = str(rng.choice(['"', "'", "("]))
                    word = [draw_sign(mark, rng), *word, draw_sign(")" if mark == "(" else mark, rng)]
                elif chance > 0.80 and word[0].text[-1].isalnum():
                    marks = [",", ".", ";", ":", "?", "!"]
                    word = [*word, draw_sign(str(rng.choice(marks, p=[0.42, 0.38, 0.05, 0.05, 0.05, 0.05])), rng)]
            words.append(word)
            length += 1 + sum(len(piece.text) for piece in word)
        line = compose_line(words, rng)
        yield Line("composed", line.text, line.strokes)


def pick(words: Sequence[WordInk], rng: np.random.Generator) -> WordInk:
    return words[int(rng.integers(len(words)))]


def number(tall: dict[str, list[WordInk]], rng: np.random.Generator) -> list[WordInk]:
    """A number such as 7, 1938, 12.50 or 4,200."""
    if not tall["0"]:
        return [draw_sign("-", rng)]
    digits = [pick(tall["0"], rng) for _ in range(rng.integers(1, 5))]
    if len(digits) > 2 and rng.random() < 0.25:
        digits.insert(len(digits) - 2, draw_sign(str(rng.choice([".", ","])), rng))
    return digits


def lines_of(
    segments: Sequence[Segment], borrowed: dict[str, list[WordInk]], rng: np.random.Generator
) -> Iterator[Line]:
    """All lines of one writer. `borrowed` has the digits and capitals of another, if this one has none."""
    words = [segment for segment in segments if segment.kind == "WORD"]
    texts = [segment for segment in segments if segment.kind == "TEXT" and segment.provider not in STACKED | C_CODE]
    long = [segment for segment in words + texts if len(segment.text) > 3]
    if not long:
        return
    by_provider = defaultdict(list)  # each has its own unit of length
    for segment in long:
        by_provider[segment.provider].append(segment)
    for provider, examples in sorted(by_provider.items()):
        body = float(np.median([segment.baseline_and_x_height[1] for segment in examples]))
        pitch = float(np.median([width(segment.strokes) / len(segment.text) for segment in examples]))
        scaled = [
            (segment, scale_word(segment.text, segment.strokes, body, segment.baseline_and_x_height))
            for segment in words
            if segment.provider == provider and is_one_line(segment, body, pitch)
        ]
        chosen = rng.permutation(len(scaled))[:MOST_WORDS]
        for index in sorted(chosen.tolist()):
            yield Line("words", scaled[index][1].text, scaled[index][1].strokes)
        if provider not in C_CODE:
            yield from running_lines(scaled, body)
        for segment in texts:
            if segment.provider == provider and len(segment.text) <= LONGEST and is_one_line(segment, body, pitch):
                yield Line("text", segment.text, [stroke / body for stroke in segment.strokes])
        tall = tall_characters(segments)
        pool = [word for segment, word in scaled if len(segment.text) > 1 or segment.text in {"a", "I"}]
        yield from composed_lines(pool, {key: own or borrowed[key] for key, own in tall.items()}, rng)


def tall_characters(segments: Sequence[Segment]) -> dict[str, list[WordInk]]:
    """A writer's single digits, under "0", and capitals, under "A"."""
    single = [segment for segment in segments if segment.kind == "CHARACTER" and len(segment.text) == 1]
    return {
        "0": [scale_tall(segment.text, segment.strokes) for segment in single if segment.text in "0123456789"],
        "A": [scale_tall(segment.text, segment.strokes) for segment in single if "A" <= segment.text <= "Z"],
    }


Task = tuple[str, list[Segment], dict[str, list[WordInk]]]  # a writer, what they wrote, and what they borrow


def make_writer(task: Task, out: Path, kind: str) -> list[MadeLine]:
    """One writer's lines, called words/ap_Bill_Cleveland/0001 and so on."""
    writer, segments, borrowed = task
    folder, split = re.sub(r"[^\w.-]+", "_", writer), split_of("unipen", writer)
    rng = seeded(writer)
    numbers: Counter[str] = Counter()
    made = []
    for line in lines_of(segments, borrowed, rng):
        numbers[line.kind] += 1
        name = f"{line.kind}/{folder}/{numbers[line.kind]:04}"
        made.append(make_line(name, WordInk(line.text, line.strokes), writer, split, out, kind, rng))
    return made


def main() -> None:
    parser = parser_of(__doc__)
    add_kinds(parser)
    options = parser.parse_args()
    files = sorted(options.raw.glob("data/*/**/*.dat"))
    files = [file for file in files if file.relative_to(options.raw).parts[2] not in GERMAN]
    writers: dict[str, list[Segment]] = defaultdict(list)
    with Pool() as pool:
        for segments in read_label_files(pool, partial(read_file, root=options.raw), files, options.raw):
            for segment in segments:
                writers[segment.writer].append(segment)
        donors: dict[str, list[dict[str, list[WordInk]]]] = {"train": [], "dev": []}
        for writer, segments in sorted(writers.items()):
            tall = tall_characters(segments)
            if len(tall["0"]) >= 10 and len(tall["A"]) >= 10:
                donors[split_of("unipen", writer)].append(tall)
        tasks = []
        for number_, (writer, segments) in enumerate(sorted(writers.items())):
            mine = donors[split_of("unipen", writer)]
            tasks.append((writer, segments, mine[number_ % len(mine)]))
        options.out.mkdir(parents=True, exist_ok=True)
        make = partial(make_writer, out=options.out, kind=options.kind)
        made = [line for lines in pool.imap(make, tasks, chunksize=2) for line in lines]
    write_lines(options.out, made, options.kind)
    rows = [row for row, _ in made]
    counts = Counter(f"{row[0].split('/')[0]} {row[3]}" for row in rows)
    report(f"{len({row[2] for row in rows})} writers, lines", counts, EXPECTED)


if __name__ == "__main__":
    main()
