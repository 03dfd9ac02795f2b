"""Error rates by language, for a dataset with several languages.

    python benchmarks/by_language.py letters:dev --model latin --lm none

The language of a line is detected from its true text. Lines that are in one of two languages, such as most names, are
counted as "not sure".
"""

import argparse
from collections import defaultdict
from dataclasses import replace

from inkread._languages import LANGUAGES
from inkread.alphabet import without_crossed_out
from inkread.config import AUTO_LM, DEFAULT_MODEL
from inkread.data import Sample, open_dataset
from inkread.evaluation.lines import evaluate
from inkread.lm.automatic import AutomaticLanguages
from inkread.model.recognizer import Recognizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--lm", default=AUTO_LM, help="as for `inkread eval`; none for greedy decoding")
    options = parser.parse_args()
    recognizer, languages = Recognizer.load(options.model, lm=options.lm), AutomaticLanguages()
    dataset = open_dataset(options.dataset)
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.samples:
        ((_, stated),) = languages.choose([without_crossed_out(sample.text)])
        groups[stated].append(sample)
    for code, samples in sorted(groups.items(), key=lambda group: -len(group[1])):
        result = evaluate(recognizer, replace(dataset, samples=tuple(samples)))
        low, high = result.cer_interval
        print(
            f"{LANGUAGES.get(code, 'not sure'):12} {len(samples):5} lines, CER {100 * result.cer:5.1f} % "
            f"({100 * low:.1f}-{100 * high:.1f}), WER {100 * result.wer:.1f} %"
        )


if __name__ == "__main__":
    main()
