"""Which words the studio marks as uncertain: how many, how many of them are wrong, and how many wrong words it finds.

    python benchmarks/uncertain.py iam-lines:tr/4 copiste:dev unipen:dev/4 --model latin

The model must not have been trained on these lines. DATASET/4 takes every fourth line. The studio marks the words below
a threshold, which inkread/studio/static/text.js states.
"""

import argparse

from inkread.data import Dataset, open_dataset
from inkread.evaluation.calibration import right_words
from inkread.evaluation.lines import evaluate
from inkread.model.recognizer import Recognizer

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
Word = tuple[float, bool]  # its confidence, and whether it is right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="DATASET[/N]")
    parser.add_argument("--model", default="latin")
    arguments = parser.parse_args()
    recognizer = Recognizer.load(arguments.model)
    print("| dataset | threshold | marked words | of these wrong | wrong words marked |\n|---|---|---|---|---|")
    for spec in arguments.datasets:
        words = read_words(recognizer, spec)
        for threshold in THRESHOLDS:
            print(f"| {spec} | {threshold} | {row(words, threshold)} |")


def read_words(recognizer: Recognizer, spec: str) -> list[Word]:
    name, _, every = spec.rpartition("/") if spec.rpartition("/")[2].isdigit() else (spec, "", "1")
    dataset = Dataset(spec, open_dataset(name).samples[:: int(every)])
    return [
        word
        for line in evaluate(recognizer, dataset).lines
        for word in zip(line.word_confidences, right_words(line.written, line.read), strict=True)
    ]


def row(words: list[Word], threshold: float) -> str:
    marked = [right for confidence, right in words if confidence < threshold]
    wrong = sum(not right for _, right in words)
    shares = len(marked) / len(words), marked.count(False) / max(len(marked), 1), marked.count(False) / max(wrong, 1)
    return " | ".join(f"{100 * share:.1f} %" for share in shares)


if __name__ == "__main__":
    main()
