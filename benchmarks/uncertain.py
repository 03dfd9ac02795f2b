"""Which words the studio marks as uncertain: how many, how many of them are wrong, and how many wrong words it finds.

    python benchmarks/uncertain.py iam-lines:tr/4 copiste:dev unipen:dev/4 --model latin

The model must not have been trained on these lines. DATASET/4 takes every fourth line. Lines of one form, or of one
writer, are put together to pages of at most 30 lines, as the studio marks at most a share of the words of a page.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator

from inkread.data import Dataset, Sample, open_dataset
from inkread.evaluation.calibration import right_words
from inkread.evaluation.lines import evaluate
from inkread.model.recognizer import Recognizer

LINES = 30  # of a page
FEWEST = 3  # words that may be marked on any page, as in inkread/studio/static/text.js
Word = tuple[float, bool]  # its confidence, and whether it is right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="DATASET[/N]")
    parser.add_argument("--model", default="latin")
    arguments = parser.parse_args()
    recognizer = Recognizer.load(arguments.model)
    pages = {spec: list(_pages(recognizer, spec)) for spec in arguments.datasets}
    print("| lines of | threshold | at most | marked words | of these wrong | wrong words marked |")
    print("|---|---|---|---|---|---|")
    for name, chosen in [*pages.items(), ("all", [page for each in pages.values() for page in each])]:
        for threshold in (0.5, 0.6, 0.7, 0.75, 0.8, 0.9):
            for most in (0.1, 0.15, 0.2, 1.0):
                print(f"| {name} | {threshold} | {100 * most:.0f} % | {_row(chosen, threshold, most)} |")


def _pages(recognizer: Recognizer, spec: str) -> Iterator[list[Word]]:
    name, _, every = spec.rpartition("/") if spec.rpartition("/")[2].isdigit() else (spec, "", "1")
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in open_dataset(name).samples[:: int(every)]:
        groups[sample.writer or sample.id.rpartition("-")[0]].append(sample)
    for samples in groups.values():
        for first in range(0, len(samples), LINES):
            yield list(_words(recognizer, samples[first : first + LINES]))


def _words(recognizer: Recognizer, samples: Iterable[Sample]) -> Iterator[Word]:
    for line in evaluate(recognizer, Dataset("page", tuple(samples))).lines:
        yield from zip(line.word_confidences, right_words(line.written, line.read), strict=True)


def _row(pages: list[list[Word]], threshold: float, most: float) -> str:
    marked = [word for page in pages for word in _marked(page, threshold, most)]
    words = [word for page in pages for word in page]
    wrong, found = (sum(not right for _, right in each) for each in (words, marked))
    shares = len(marked) / len(words), found / max(len(marked), 1), found / wrong
    return " | ".join(f"{100 * share:.1f} %" for share in shares)


def _marked(page: list[Word], threshold: float, most: float) -> list[Word]:
    """The words that the studio marks: the least certain ones."""
    limit = max(FEWEST, -int(-most * len(page) // 1))
    return sorted(word for word in page if word[0] < threshold)[:limit]


if __name__ == "__main__":
    main()
