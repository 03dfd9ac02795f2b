"""Images NAME.png with their text in NAME.gt.txt, as kraken and OCR4all have them; InkML instead of an image, too."""

from collections.abc import Iterator
from pathlib import Path

from inkread.data._reading import any_below, files_below, read_text
from inkread.data.samples import IMAGE_SUFFIXES, Sample

NAME = "images with .gt.txt"
ENDING = ".gt.txt"


def recognizes(path: Path) -> bool:
    """A folder with a NAME.gt.txt in it or below."""
    return path.is_dir() and any_below(path, ENDING)


def read(folder: Path) -> Iterator[Sample]:
    """One line for each NAME.gt.txt. If it has no image, the sample names the PNG that should be there."""
    for transcription in files_below(folder, ENDING):
        stem = transcription.name.removesuffix(ENDING)
        candidates = [transcription.with_name(stem + suffix) for suffix in (*IMAGE_SUFFIXES, ".inkml")]
        image = next((file for file in candidates if file.exists()), candidates[0])
        yield Sample(str(image.relative_to(folder).with_suffix("")), image, read_text(transcription))
