"""Error rates of groups of lines: by language, or on Copiste without the sentence of consent that all volunteers wrote.

    python benchmarks/by_group.py letters:dev --by language --lm none
    python benchmarks/by_group.py copiste:dev --by consent

The language of a line is detected from its true text. Lines that are in one of two languages, such as most names, are
counted as "not sure". The text of the consent is in the training data too, in other hands, so it is easier to read than
other text.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rapidfuzz.fuzz import partial_ratio

from inkread._languages import LANGUAGES
from inkread.alphabet import without_crossed_out
from inkread.config import AUTO_LM, DEFAULT_MODEL
from inkread.data import Sample, open_dataset
from inkread.evaluation.lines import evaluate
from inkread.lm.automatic import AutomaticLanguages
from inkread.model.recognizer import Recognizer

SENTENCE = (
    "j'ai lu les conditions de participation et j'y consens. je comprends que mon manuscrit sera anonymisé et utilisé "
    "par banq pour des activités de recherche et développement et qu'il pourra aussi être publié et partagé sous "
    "licence cc-by pour être utilisé librement à des fins non commerciales."
)
ALIKE = 85  # of 100: some words are copied wrongly, or broken at the end of a line
LEAST = 6  # characters: shorter lines may be part of the sentence by chance


def consent_of(text: str) -> str:
    """Whether a line is a part of the sentence."""
    alike = len(text) >= LEAST and partial_ratio(text.lower(), SENTENCE) >= ALIKE
    return "the consent" if alike else "other text"


def language_of(languages: AutomaticLanguages, text: str) -> str:
    """The language of a line, or "not sure"."""
    ((_, stated),) = languages.choose([text])
    return LANGUAGES.get(stated, "not sure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--by", choices=("language", "consent"), required=True)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--lm", default=AUTO_LM, help="as for `inkread eval`; none for greedy decoding")
    options = parser.parse_args()
    recognizer, languages = Recognizer.load(options.model, lm=options.lm), AutomaticLanguages()
    group_of: Callable[[str], str] = consent_of if options.by == "consent" else partial(language_of, languages)
    dataset = open_dataset(options.dataset)
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in dataset.samples:
        groups[group_of(without_crossed_out(sample.text))].append(sample)
    for name, samples in sorted(groups.items(), key=lambda group: -len(group[1])):
        result = evaluate(recognizer, replace(dataset, samples=tuple(samples)))
        low, high = result.cer_interval
        print(
            f"{name:12} {len(samples):5} lines, {result.characters:6} characters, CER {100 * result.cer:5.1f} % "
            f"({100 * low:.1f}-{100 * high:.1f}), WER {100 * result.wer:.1f} %"
        )


if __name__ == "__main__":
    main()
