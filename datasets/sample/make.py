"""Draw the sample lines of this folder, and its page.

python datasets/sample/make.py FONTS      (the folder of *.woff2 that datasets/fonts/README.md tells of)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageFont

sys.path.insert(0, str(Path(__file__).parents[2]))
from inkread.features.image import GreyImage
from inkread.synth.fonts import draw_text

HERE = Path(__file__).parent
SCAN, RULED, PHOTO = "scan", "ruled", "photo"

LINES = [  # font, kind of paper, text: all of our own invention
    ("caveat", SCAN, "The ferry leaves at half past six."),
    ("kalam", RULED, "Please water the two ferns on Sunday."),
    ("homemade-apple", SCAN, "Dear Margaret, thank you for the plums."),
    ("cedarville-cursive", RULED, "We walked along the canal until it rained."),
    ("indie-flower", PHOTO, "milk, bread, 12 eggs, green tea"),
    ("shadows-into-light", SCAN, "Call the plumber: 555-0147, ask for Ruth."),
    ("reenie-beanie", RULED, "Nobody in the village owned a clock."),
    ("patrick-hand", SCAN, "Room 308, third floor, left of the stairs"),
    ("zeyada", SCAN, "Her brother built the kite from old maps."),
    ("gloria-hallelujah", PHOTO, "Meeting moved to Thursday, 14 March!"),
    ("marck-script", SCAN, "The quiet dog of our neighbour snores."),
    ("mansalva", RULED, "Invoice 2047: paid in full, $318.50"),
    ("nanum-pen-script", SCAN, "Why does the kettle whistle twice?"),
    ("the-girl-next-door", PHOTO, "Turn left after the second bridge."),
    ("dancing-script", SCAN, "Le train de Nîmes est arrivé à l'heure."),
    ("handlee", RULED, "N'oublie pas les clés du garage, Hélène."),
    ("bad-script", SCAN, "Où sont passés les élèves de sixième ?"),
    ("covered-by-your-grace", PHOTO, "Café, sucre, œufs et farine"),
    ("sue-ellen-francisco", SCAN, "Rendez-vous le 3 août à Évreux."),
    ("delius", RULED, "La forêt était calme après la tempête."),
]

LETTER = """\
Dear Margaret,
thank you for the plums. They arrived on
Tuesday, a little bruised but very sweet,
and half of them are jam already.

We walked along the canal until it rained,
and then sat in the old mill and counted
the ducks: 14 of them, and one grey goose.

Come and see us before the leaves are down.
Your Henry"""


def lay_on_paper(ink: GreyImage, kind: str, rng: np.random.Generator) -> GreyImage:
    """Clean black ink on white -> grey ink on paper: even (a scan), with ruled lines, or shaded as in a photo."""
    height, width = ink.shape
    coverage = np.asarray(Image.fromarray(255 - ink).filter(ImageFilter.GaussianBlur(0.5)), float) / 255
    paper = np.full((height, width), rng.uniform(232, 250))
    if kind == RULED:
        paper[round(0.78 * height) :][:2] -= 60
    if kind == PHOTO:
        x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
        paper *= 0.55 + 0.35 * np.sin(2.2 * x + rng.uniform(0, 1)) * (1 - 0.2 * y)
    pen = rng.uniform(30, 80)
    grey = paper * (1 - coverage) + np.minimum(pen, paper) * coverage + rng.normal(0, 2.0, paper.shape)
    levels: GreyImage = grey.clip(0, 255).astype(np.uint8) // 6 * 6  # few grey levels make small files
    return levels


def draw_page(font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Image.Image:
    """LETTER on a ruled page that was laid on the scanner not quite straight."""
    pitch = round(1.7 * font.size)
    page = np.full(((LETTER.count("\n") + 3) * pitch, 24 * int(font.size)), 255, np.uint8)
    for number, text in enumerate(LETTER.split("\n")):
        if text:
            line = draw_text(text, font, rng)
            top, left = number * pitch + pitch // 2, pitch + int(rng.integers(0, 12))
            place = page[top : top + line.shape[0], left : left + line.shape[1]]
            np.minimum(place, line[: place.shape[0], : place.shape[1]], out=place)
    paper = rng.normal(238, 2, page.shape)
    paper[round(1.22 * pitch) :: pitch] -= 45
    sheet = Image.fromarray(
        np.where(page < 255, np.minimum(paper, 60 + 0.7 * page), paper).clip(0, 255).astype(np.uint8)
    )
    return sheet.rotate(1.6, Image.Resampling.BICUBIC, expand=True, fillcolor=225)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fonts", type=Path)
    fonts = parser.parse_args().fonts
    rng = np.random.default_rng(1)
    for number, (name, kind, text) in enumerate(LINES, start=1):
        font = ImageFont.truetype(str(fonts / f"{name}.woff2"), 40)
        ink = np.pad(draw_text(text, font, rng), 8, constant_values=255)
        stem = f"{number:02}-{kind}"
        Image.fromarray(lay_on_paper(ink, kind, rng)).save(HERE / f"{stem}.png", optimize=True)
        (HERE / f"{stem}.gt.txt").write_text(text + "\n", encoding="utf-8")
    draw_page(ImageFont.truetype(str(fonts / "kalam.woff2"), 34), rng).save(HERE / "letter.jpg", quality=60)


if __name__ == "__main__":
    main()
