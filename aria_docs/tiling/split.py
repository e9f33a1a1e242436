"""Where each crop of a page or frame lies, and the way back from its pixels. Arithmetic; sees no pixel.

    ultra, an A4 page: grid (2, 3)        crop 0 is the overview, the whole page at 693×980 px;
    ┌───┬───┐                             crops 1 … 6 are 980×980 px each. The page is *stretched* to the grid, not
    │ 1 │ 2 │   ← 595 pt is 1,960 px      letterboxed, so a point of the page is 3.29 px wide and 3.49 px high.
    ├───┼───┤
    │ 3 │ 4 │                             medium, high: grid (1, 1), crop 0 alone.
    ├───┼───┤
    │ 5 │ 6 │   ← 842 pt are 2,940 px
    └───┴───┘

Coordinates count from the top left of the page as displayed and are continuous: pixel i covers [i, i + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aria_docs.errors import Damaged
from aria_docs.media import Box
from aria_docs.tiling.resolution import Mode, Size, fit

# (columns, rows), in the order of Aria's vision_processor.py, which decides ties.
CANDIDATES = (
    *((1, rows) for rows in range(2, 9)),
    *((2, 4), (2, 3), (2, 2), (2, 1)),
    *((3, 1), (3, 2), (4, 1), (4, 2)),
    *((columns, 1) for columns in range(5, 9)),
)

PAGE_DPI = 144  # at which the official example renders a page before it chooses the grid


def grid(width: int, height: int, tile_px: int) -> tuple[int, int]:
    """(columns, rows) of the tiles for an image of that size in pixels: the candidate of the nearest aspect.

    Where two are as near, as 2×1 and 4×2 always are, the later one is taken if the image fills more than half of it.
    """
    nearest, best = math.inf, CANDIDATES[0]
    for columns, rows in CANDIDATES:
        distance = abs(width / height - columns / rows)
        fills_half = width * height > 0.5 * columns * rows * tile_px**2
        if distance < nearest or (distance == nearest and fills_half):
            nearest, best = distance, (columns, rows)
    return best


@dataclass(frozen=True, slots=True)
class Layout:
    """How one page or frame is shown in one mode.

    width, height:  in the image's own unit: points for a page, pixels for a frame.
    size_px:        what it counts as when grid and overview are chosen: a page at 144 dpi, a frame as it is.
    grid:           (columns, rows) of tiles; (1, 1) where the mode does not split.
    """

    width: float
    height: float
    size_px: Size
    mode: Mode
    grid: tuple[int, int]

    @property
    def crops(self) -> int:
        """How many crops the model sees, the overview included."""
        columns, rows = self.grid
        return columns * rows + 1 if self.mode.splits else 1

    @property
    def tokens(self) -> int:
        """What the crops cost; markers and labels come on top (budget.py)."""
        return self.crops * self.mode.tokens_per_crop

    @property
    def overview_px(self) -> Size:
        """The size of crop 0, the whole image."""
        return fit(*self.size_px, self.mode.tile_px)

    @property
    def render_px(self) -> Size:
        """The size to render the page at, once and stretched: tiles are slices of it, the overview is scaled down."""
        if not self.mode.splits:
            return self.overview_px
        columns, rows = self.grid
        return columns * self.mode.tile_px, rows * self.mode.tile_px

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Each crop's place on the image, in its own unit: the whole first, then the tiles row by row."""
        sizes = [self.overview_px] + [(self.mode.tile_px,) * 2] * (self.crops - 1)
        return tuple((*self.to_page(crop, 0, 0), *self.to_page(crop, *size)) for crop, size in enumerate(sizes))

    def at(self, mode: Mode) -> Layout:
        """The same image in another mode."""
        return _layout(self.width, self.height, self.size_px, mode)

    def to_page(self, crop: int, x: float, y: float) -> tuple[float, float]:
        """The point of the page that a point of a crop shows; the stretch is undone."""
        left, top, across, down = self._frame(crop)
        return (left + x) * self.width / across, (top + y) * self.height / down

    def to_crop(self, crop: int, x: float, y: float) -> tuple[float, float]:
        """Where in a crop a point of the page stands, in pixels; outside the crop's size where another one shows it."""
        left, top, across, down = self._frame(crop)
        return x * across / self.width - left, y * down / self.height - top

    def locate(self, x: float, y: float) -> tuple[int, float, float]:
        """(crop, x, y) of a point of the page in the sharpest crop that shows it: a tile, or crop 0 without tiles."""
        if not self.mode.splits:
            return 0, *self.to_crop(0, x, y)
        columns, rows = self.grid
        column = min(max(int(x * columns / self.width), 0), columns - 1)
        row = min(max(int(y * rows / self.height), 0), rows - 1)
        crop = 1 + row * columns + column
        return crop, *self.to_crop(crop, x, y)

    def _frame(self, crop: int) -> tuple[int, int, int, int]:
        """A crop's left and top within the picture it is cut from, and that picture's width and height, in pixels."""
        assert 0 <= crop < self.crops, (crop, self.crops)
        if crop == 0:
            return 0, 0, *self.overview_px
        row, column = divmod(crop - 1, self.grid[0])
        return column * self.mode.tile_px, row * self.mode.tile_px, *self.render_px


def page(width_pt: float, height_pt: float, mode: Mode) -> Layout:
    """A PDF page, as displayed (rotation applied); Damaged where it has no area."""
    if not (0 < width_pt < math.inf and 0 < height_pt < math.inf):
        raise Damaged(f"A page of {width_pt:g} × {height_pt:g} pt has no area to read: leave it out with --pages.")
    # MuPDF's rounding of a page's box to whole pixels: outwards, but for what is within a thousandth of a pixel.
    across, down = (max(math.ceil(edge * PAGE_DPI / 72 - 0.001), 1) for edge in (width_pt, height_pt))
    return _layout(width_pt, height_pt, (across, down), mode)


def frame(width_px: int, height_px: int, mode: Mode) -> Layout:
    """A frame or any picture, as displayed; Damaged where it has no area."""
    if width_px < 1 or height_px < 1:
        raise Damaged(f"A picture of {width_px} × {height_px} px has no area to read: leave it out.")
    return _layout(width_px, height_px, (width_px, height_px), mode)


def _layout(width: float, height: float, size_px: Size, mode: Mode) -> Layout:
    return Layout(width, height, size_px, mode, grid(*size_px, mode.tile_px) if mode.splits else (1, 1))
