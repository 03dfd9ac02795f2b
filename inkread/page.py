"""A page: its lines."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """Where one line stands on its page, in pixels of the upright page: x to the right, y down."""

    polygon: tuple[tuple[float, float], ...]  # the outline around the ink of the line
    baseline: tuple[tuple[float, float], ...]  # left to right; empty when the file gives none
