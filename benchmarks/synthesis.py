"""Is written text legible? Lines that `inkread write` makes of unseen text, read by the recognisers.

    python benchmarks/synthesis.py work/text/english-dev.txt --model models/english.synth.safetensors
    python benchmarks/synthesis.py work/text/english-dev.txt --lines 50 --sheets /tmp/sheets --neatness 1

`strokes` reads the path of the pen, `latin` its drawing. Both were trained on other lines by the same writers of
UNIPEN, so they know these hands, and other programs may read them worse. Decoding is greedy, and then with the language
models. Lines have at most --width characters, and only those that the model knows. Prints, for each neatness, the CER
of each recogniser, and the CPU time per line in seconds.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from inkread.evaluation.metrics import edit_distance
from inkread.inputs.ink import Stroke
from inkread.lm.text import lines_of, read_text
from inkread.model.recognizer import Recognizer
from inkread.synth.sheets import break_lines, on_sheets, to_png, write_lines
from inkread.synth.synthesizer import Synthesizer, load_synthesizer

SHOWN = 50  # lines
READERS = (("strokes", "none"), ("strokes", None), ("latin", "none"), ("latin", None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Read what inkread write has written.")
    parser.add_argument("text", type=Path, help="lines of text, chosen at random")
    parser.add_argument("--model", default="english", help="name or path of a synthesis model")
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--width", type=int, default=40, help="characters of a line, at most")
    parser.add_argument("--neatness", type=float, nargs="+", default=[0.0, 1.0, 3.0])
    parser.add_argument("--like", help="a writer in the model")
    parser.add_argument("--sheets", type=Path, help="a folder for images of what was written")
    options = parser.parse_args()
    synthesizer = load_synthesizer(options.model)
    texts = choose(options.text, synthesizer.characters, options.width, options.lines)
    print(f"{len(texts)} lines, {sum(map(len, texts))} characters")
    print("neatness", *(f"{name}{'' if lm else '+lm'}" for name, lm in READERS), "seconds/line", sep="\t")
    for neatness in options.neatness:
        began = time.process_time()
        lines = written(synthesizer, texts, neatness, options.like, options.sheets)
        seconds = (time.process_time() - began) / len(texts)
        rates = [100 * error_rate(Recognizer.load(name, lm=lm), lines, texts) for name, lm in READERS]
        print(neatness, *(f"{rate:.1f} %" for rate in rates), f"{seconds:.2f}", sep="\t", flush=True)


def choose(path: Path, characters: str, width: int, count: int) -> list[str]:
    """Random lines of a text, without those that have other characters."""
    known = set(characters)
    texts = [line for row in lines_of(read_text(path)) for line in break_lines(row, width) if known.issuperset(line)]
    texts = [line for line in texts if len(line) > width / 2]
    chosen = np.random.default_rng(0).choice(len(texts), min(count, len(texts)), replace=False)
    return [texts[index] for index in chosen]


def written(
    synthesizer: Synthesizer, texts: list[str], neatness: float, like: str | None, folder: Path | None
) -> list[list[Stroke]]:
    """The strokes of each line, each in a hand of its own; the folder, if there is one, gets images of some."""
    primer = synthesizer.primers[like] if like else None
    inks = [write_lines([text], synthesizer, seed, neatness, primer)[0] for seed, text in enumerate(texts)]
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for number, sheet in enumerate(on_sheets(inks[:SHOWN]), 1):
            (folder / f"neatness-{neatness:g}-page-{number}.png").write_bytes(to_png(sheet))
    return [list(ink.strokes) for ink in inks]


def error_rate(recognizer: Recognizer, lines: list[list[Stroke]], texts: list[str]) -> float:
    """The CER of the lines."""
    read = [reading.text for reading in recognizer.read_many(lines)]
    return sum(edit_distance(a, b) for a, b in zip(read, texts, strict=True)) / sum(map(len, texts))


if __name__ == "__main__":
    main()
