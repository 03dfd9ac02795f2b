"""Draw lines of text in handwriting fonts.

python datasets/fonts/prepare.py RAW OUT --text FOLDER      (RAW holds *.woff2; 5 minutes on two cores; needs fonttools)
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from PIL import Image, ImageFont, features

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.data.manifest import Row, write_manifest
from inkread.data.prepare import parser_of, report, seeded, split_of
from inkread.features.image import shrink_to_height
from inkread.synth.fonts import draw_text
from inkread.synth.texts import CAPITALS, CHARACTERS, Texts

EXPECTED = {"train": 29280, "dev": 1200}  # lines
LINES_PER_FONT = 240
TALLEST = 92  # pixels
# Print rather than handwriting, and two that came without their licence.
LEFT_OUT = {"comic-neue", "comic-relief", "itim", "condiment", "nova-script"}
CAPITALS_ONLY = {"amatic-sc", "permanent-marker", "rock-salt"}


def drawable(path: Path) -> set[str]:
    """The characters for which a font has ink, and the space."""
    font = ImageFont.truetype(str(path), 30)
    mapped = {chr(code) for code in TTFont(path).getBestCmap()} & CHARACTERS
    return {character for character in mapped if font.getmask(character).getbbox()} | {" "}


def draw_font(path: Path, texts: Texts, out: Path) -> list[Row]:
    """Draw LINES_PER_FONT lines below `out`, of characters that the font has. Returns their rows for lines.tsv."""
    name = path.stem
    rng = seeded(name)
    covered = drawable(path)
    fonts = {size: ImageFont.truetype(str(path), size) for size in range(30, 54, 4)}
    (out / name).mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    while len(rows) < LINES_PER_FONT:
        line = texts.random_line(rng, capitals=1.0 if name in CAPITALS_ONLY else CAPITALS)
        written = " ".join(line.words)
        if not line.text or not covered.issuperset(written):
            continue
        image = Image.fromarray(draw_text(written, fonts[int(rng.choice(list(fonts)))], rng, line.struck))
        file = f"{name}/{len(rows):03}.png"
        Image.fromarray(shrink_to_height(image, TALLEST)).save(out / file)
        rows.append((file.removesuffix(".png"), file, name, split_of("fonts", name), line.text))
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--text", type=Path, required=True, help="the texts of many languages, LANGUAGE/SOURCE.txt")
    options = parser.parse_args()
    if not features.check("raqm"):
        sys.exit(
            "Pillow has no RAQM layout, without which school fonts do not join their letters; use Pillow's own wheel"
        )
    texts = Texts.read(options.text)
    fonts = [path for path in sorted(options.raw.glob("*.woff2")) if path.stem not in LEFT_OUT]
    with Pool() as pool:
        drawn = pool.imap(partial(draw_font, texts=texts, out=options.out), fonts, chunksize=8)
        rows = [row for rows in drawn for row in rows]
    write_manifest(options.out / "lines.tsv", rows)
    counts = Counter(row[3] for row in rows)
    report(f"{len(fonts)} fonts, lines", counts, EXPECTED)


if __name__ == "__main__":
    main()
