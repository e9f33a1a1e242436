"""The resolution modes Aria was trained in: how large one crop is, and what it costs. Knows no grid and no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from aria_docs.errors import UsageError

Size = tuple[int, int]  # (width, height), in pixels unless a name says otherwise

SHORT_EDGE_PX = 336  # no crop is thinner: a longer strip is stretched
PATCH_PX = 14  # edge of what the vision tower sees as one patch


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to show an image to Aria (arXiv 2410.05993, section 2.1).

    tile_px:          the long edge of one crop, in pixels.
    tokens_per_crop:  what one crop costs, whatever its shape: the projector asks that many queries of it.
    splits:           whether the image is also cut into a grid of tile_px squares, behind an overview of the whole.
    """

    name: str
    tile_px: int
    tokens_per_crop: int
    splits: bool = False

    def __str__(self) -> str:
        return self.name


MEDIUM = Mode("medium", 490, 128)
HIGH = Mode("high", 980, 256)
ULTRA = Mode("ultra", 980, 256, splits=True)
ULTRA_490 = Mode("ultra-490", 490, 128, splits=True)  # half the price of ultra, for long documents on this machine

MODES = (ULTRA, HIGH, MEDIUM)  # what the command line offers, best first


def named(name: str) -> Mode:
    """The mode of that name; UsageError if there is none."""
    modes = {mode.name: mode for mode in (*MODES, ULTRA_490)}
    if name not in modes:
        raise UsageError(f"There is no resolution {name!r}: take one of {', '.join(modes)}.")
    return modes[name]


def fit(width: int, height: int, long_px: int) -> Size:
    """The size of a whole image as one crop: its long edge long_px, its short edge in proportion but never under 336.

    1280×720 → 490×336 (stretched), 1920×1080 → 980×551, 1190×1684 → 692×980. The float arithmetic is that of
    Aria's vision_processor.py, so that no size differs by a pixel.
    """
    scale = long_px / max(width, height)
    if width >= height:
        return long_px, max(int(height * scale), SHORT_EDGE_PX)
    return max(int(width * scale), SHORT_EDGE_PX), long_px


def patch_grid(size: Size) -> tuple[int, int]:
    """(rows, columns) of the patches that hold at least one pixel of a crop of that size: 980×551 → (40, 70)."""
    width, height = size
    return -(-height // PATCH_PX), -(-width // PATCH_PX)
