"""Images as a camera stores them, with the EXIF tag that says how to turn them upright."""

import numpy as np


def stored_images(upright: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Each orientation of EXIF 2.3, and the stored image (H, W) that shows `upright` once the tag is applied."""
    return [
        (1, upright),
        (2, upright[:, ::-1]),
        (3, upright[::-1, ::-1]),
        (4, upright[::-1]),
        (5, upright.T),
        (6, np.rot90(upright, 1)),
        (7, upright[::-1, ::-1].T),
        (8, np.rot90(upright, -1)),
    ]
