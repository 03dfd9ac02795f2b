"""Pages that are upside down or on their side are turned upright, and images without any handwriting are empty pages.

The network is far less sure of what it reads when letters are upside down, or when a line is none. So a page that it
has read with confidence is upright. Of any other page, a few long lines are read upside down as well; and if it is not
sure of these either, also a few lines that are found on the page turned by 90 degrees, both ways up, and at last some
that are found on the page turned by 180 and 270 degrees.

If it is not sure of anything on the page, there is no handwriting: what was found as lines is a part of a picture.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from inkread.features.extract import Writing
from inkread.model.recognizer import Reading
from inkread.pages.layout import PageLayout, turn_layout

Read = Callable[[Iterable[Writing]], Iterator[Reading]]

LINES = 6  # the longest ones, that are read turned
# The mean probability that the network gives the characters, of the model `latin` on training pages:
UPRIGHT = 0.92  # no page that is upside down reaches it: at most 0.75 by most writers, 0.84 in very clear writing
NOT_ON_ITS_SIDE = 0.72  # no page on its side reaches it
READABLE = 0.5  # so much is needed to turn a page
UNSEEN = 5  # characters: so a few that are read by chance on the turned page do not decide
HANDWRITING = 0.35  # every page of 84 with handwriting reaches 0.44 (experiments/LOG.md); unknown writers have less


def turn_upright(read: Read, layout: PageLayout, readings: list[Reading]) -> tuple[PageLayout, list[Reading]]:
    """The layout of the page turned upright, and the readings of its lines; what is upright stays as it is.

    An image without handwriting becomes an empty page.
    """
    rotation = find_rotation(read, layout, readings)
    if rotation:
        layout = turn_layout(layout, rotation)
        readings = list(read(layout.line_inputs))
    if layout.image is not None and _sureness(readings) < HANDWRITING:
        layout = replace(layout, line_inputs=(), regions=(), cuts=(), paragraphs=(), is_page=True)
        readings = []
    return replace(layout, image=None), readings


def find_rotation(read: Read, layout: PageLayout, readings: Sequence[Reading]) -> int:
    """By how many degrees the image of a page must be turned clockwise: 0, 90, 180 or 270.

    `readings` are those of the lines of the layout. What has no image to look at, such as pen strokes, is upright.
    """
    if layout.image is None or _sureness(readings, UNSEEN) > UPRIGHT:
        return 0
    longest = _longest(layout)
    if layout.is_page:
        sure = {0: _sureness([readings[number] for number in longest], UNSEEN)}
        sure[180] = _sureness(read(_upside_down([layout.line_inputs[number] for number in longest])), UNSEEN)
    else:  # the whole image was read as one line, as none was found in it
        sure = {0: _sureness(readings, UNSEEN)}
    if max(sure.values()) < NOT_ON_ITS_SIDE:
        turned = turn_layout(layout, 90)
        lines = [turned.line_inputs[number] for number in _longest(turned)]
        sure[90], sure[270] = _sureness(read(lines), UNSEEN), _sureness(read(_upside_down(lines)), UNSEEN)
    if max(sure.values()) <= READABLE:  # not all lines are found upside down, so they are looked for once more
        for rotation in (180, 270):
            turned = turn_layout(layout, rotation)
            found = _sureness(read([turned.line_inputs[number] for number in _longest(turned)]), UNSEEN)
            sure[rotation] = max(sure.get(rotation, 0.0), found)
    best = max(sure, key=sure.__getitem__)
    return best if sure[best] > READABLE else 0


def _sureness(readings: Iterable[Reading], unseen: int = 0) -> float:
    """The mean probability of all characters by the network, and of so many more that have none; 0 without any."""
    weights = [(len(reading.text), reading.network) for reading in readings]
    return sum(count * mean for count, mean in weights) / max(1, unseen + sum(count for count, _ in weights))


def _longest(layout: PageLayout) -> list[int]:
    """The numbers of the longest lines, which are images."""
    widths = [line.shape[1] for line in layout.line_inputs if isinstance(line, np.ndarray)]
    return sorted(range(len(widths)), key=lambda number: -widths[number])[:LINES]


def _upside_down(lines: Sequence[Writing]) -> list[Writing]:
    return [np.ascontiguousarray(line[::-1, ::-1]) for line in lines if isinstance(line, np.ndarray)]
