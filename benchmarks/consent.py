"""The error rates on Copiste with and without the sentence of consent that every volunteer wrote.

    python benchmarks/consent.py copiste:dev --model latin --lm none

Its text is in the training data too, in other hands, so it is easier to read than other text.
"""

import argparse
from dataclasses import replace

from rapidfuzz.fuzz import partial_ratio

from inkread.alphabet import without_crossed_out
from inkread.config import AUTO_LM, DEFAULT_MODEL
from inkread.data import open_dataset
from inkread.evaluation.lines import evaluate
from inkread.model.recognizer import Recognizer

SENTENCE = (
    "j'ai lu les conditions de participation et j'y consens. je comprends que mon manuscrit sera anonymisé et utilisé "
    "par banq pour des activités de recherche et développement et qu'il pourra aussi être publié et partagé sous "
    "licence cc-by pour être utilisé librement à des fins non commerciales."
)
ALIKE = 85  # of 100: some words are copied wrongly, or broken at the end of a line
LEAST = 6  # characters: shorter lines may be part of the sentence by chance


def is_consent(text: str) -> bool:
    """Whether a line is a part of the sentence."""
    return len(text) >= LEAST and partial_ratio(text.lower(), SENTENCE) >= ALIKE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--lm", default=AUTO_LM, help="as for `inkread eval`; none for greedy decoding")
    options = parser.parse_args()
    recognizer = Recognizer.load(options.model, lm=options.lm)
    dataset = open_dataset(options.dataset)
    others = tuple(sample for sample in dataset.samples if not is_consent(without_crossed_out(sample.text)))
    for name, samples in (("all lines", dataset.samples), ("without the consent", others)):
        result = evaluate(recognizer, replace(dataset, samples=samples))
        low, high = result.cer_interval
        print(
            f"{name}: {len(samples)} lines, {result.characters} characters, CER {100 * result.cer:.1f} % "
            f"({100 * low:.1f}-{100 * high:.1f}), WER {100 * result.wer:.1f} %"
        )


if __name__ == "__main__":
    main()
