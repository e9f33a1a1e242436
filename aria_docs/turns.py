"""Quarter turns of boxes, and how far a page must be turned for its text to be upright. Pure.

A page says how it is to be displayed (/Rotate), and is not always right: a wide table is often set sideways on an
upright page. Tables and reading order are looked for in the frame in which most of the text runs from left to right.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aria_docs.media import Box


def turn(box: Box, quarters: int, width: float, height: float) -> Box:
    """The box after `quarters` clockwise quarter turns of the page of `width` by `height` that it lies on."""
    x0, y0, x1, y1 = box
    for _ in range(quarters % 4):
        x0, y0, x1, y1 = height - y1, x0, height - y0, x1
        width, height = height, width
    return (x0, y0, x1, y1)


def quarters_upright(directions: Iterable[tuple[float, float, int]]) -> int:
    """How many clockwise quarter turns set most of the text upright.

    `directions` has the direction of writing of each line, (1, 0) from left to right and (0, 1) down, and its length.
    """
    votes: Counter[int] = Counter()
    for dx, dy, length in directions:
        if abs(dx) >= abs(dy):
            votes[0 if dx >= 0 else 2] += length
        else:
            votes[1 if dy < 0 else 3] += length
    return max(votes, key=lambda quarters: (votes[quarters], -quarters), default=0)


def is_mirrored(direction: tuple[float, float], origin: tuple[float, float], box: Box) -> bool:
    """Whether letters written in that direction stand on their heads: below the baseline, and not above it.

    `origin` is on the baseline. The way up is a quarter turn to the left of the direction of writing.
    """
    (dx, dy), (x, y) = direction, origin
    return ((box[0] + box[2]) / 2 - x) * dy - ((box[1] + box[3]) / 2 - y) * dx < 0
