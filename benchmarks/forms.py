"""Pages whose text is known, but not where it stands: their error rate, beside that of the same lines cut by others.

    python benchmarks/forms.py ../shared/data/iam-forms work/raw/iam-lines:va1

FORMS is a folder with the pictures and `forms.tsv`, that is form, file, line and text in reading order; LINES a dataset
whose lines are called FORM-00, FORM-01, ... The difference of the two rates is what finding the lines costs.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.alphabet import normal
from inkread.data import Dataset, open_dataset
from inkread.evaluation.lines import evaluate
from inkread.evaluation.metrics import bootstrap_interval, edit_distance
from inkread.inputs import open_images
from inkread.model.recognizer import Recognizer
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.reader import read_layouts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forms", type=Path, help="a folder with forms.tsv and pictures of pages")
    parser.add_argument("lines", help="a dataset of the same lines, cut")
    parser.add_argument("--model", default="latin", help="(default: %(default)s)")
    parser.add_argument("--worst", type=int, default=5, metavar="N", help="pages to name (default: %(default)s)")
    arguments = parser.parse_args()

    forms = texts_of(arguments.forms / "forms.tsv")
    lines = open_dataset(arguments.lines)
    samples = tuple(sample for sample in lines.samples if sample.id.rpartition("-")[0] in forms)
    writers = {sample.id.rpartition("-")[0]: sample.writer for sample in samples}
    recognizer = Recognizer.load(arguments.model)

    def layouts() -> Iterator[PageLayout]:
        for form, (file, _) in forms.items():
            yield detect_layout(form, 1, 1, open_images(arguments.forms / file)[0], is_page=True)

    scores = []  # (edits, characters, lines found, lines written, form)
    for layout, readings in read_layouts(recognizer, layouts()):
        texts = forms[layout.name][1]
        written = "\n".join(map(normal, texts))
        read = "\n".join(normal(reading.text) for reading in readings)
        scores.append((edit_distance(written, read), len(written), len(readings), len(texts), layout.name))
    edits, characters, *_ = zip(*scores, strict=True)
    low, high = bootstrap_interval(edits, characters, [writers.get(form) or form for form in forms])
    cut = evaluate(recognizer, Dataset(lines.name, samples, lines.skipped))
    pages, right = sum(edits) / sum(characters), sum(score[2] == score[3] for score in scores)
    print(f"{len(scores)} pages, of {right} as many lines found as there are")
    print(f"page CER {100 * pages:.2f} % ({100 * low:.2f}-{100 * high:.2f})")
    print(f"CER of {len(samples)} lines cut by others {100 * cut.cer:.2f} %, difference {100 * (pages - cut.cer):+.2f}")
    for wrong, long, found, true, form in sorted(scores, key=lambda score: -score[0] / score[1])[: arguments.worst]:
        print(f"  {form}: {100 * wrong / long:.1f} %, {found} lines found of {true}")


def texts_of(table: Path) -> dict[str, tuple[str, list[str]]]:
    """The file and the lines of text of every form."""
    forms: dict[str, tuple[str, list[str]]] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            forms.setdefault(row["form"], (row["file"], []))[1].append(row["text"])
    return forms


if __name__ == "__main__":
    main()
