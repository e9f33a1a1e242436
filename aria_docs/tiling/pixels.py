"""The crops themselves, as uint8 RGB: one picture in, its overview and tiles out. Pillow and numpy; no torch.

Resizing is Pillow's bicubic, which widens its kernel when it scales down (antialiasing), as Aria was trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aria_docs.errors import Damaged
from aria_docs.tiling.resolution import patch_grid

if TYPE_CHECKING:
    from aria_docs.tiling.resolution import Size
    from aria_docs.tiling.split import Layout

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB


@dataclass(frozen=True, slots=True)
class Crop:
    """What the model sees of a picture at once.

    pixels:   the valid pixels alone, (height, width, 3); Aria's padding to a square is left out, since the vision
              tower without it answers the same. A tile is a view of the page's pixels, not a copy.
    patches:  (rows, columns) of 14-px patches, a begun one counted: what is missing of it right and below is 0.
    """

    pixels: Pixels
    patches: tuple[int, int]

    def __repr__(self) -> str:
        return f"Crop({self.pixels.shape[1]}×{self.pixels.shape[0]} px, patches={self.patches})"


def crops(picture: NDArray[Any] | Image.Image, layout: Layout) -> tuple[Crop, ...]:
    """The overview, then the tiles row by row, of a picture of any size that shows what the layout was made for.

    A page that was rendered at layout.render_px is sliced as it is; anything else is stretched to that size first.
    Damaged where the picture is empty or of a kind that `rgb` cannot read.
    """
    pixels = rgb(picture)
    whole = resize(pixels, layout.overview_px)
    if not layout.mode.splits:
        return (_crop(whole),)
    canvas, tile, (columns, rows) = resize(pixels, layout.render_px), layout.mode.tile_px, layout.grid
    starts = [(row * tile, column * tile) for row in range(rows) for column in range(columns)]
    return (_crop(whole), *(_crop(canvas[top : top + tile, left : left + tile]) for top, left in starts))


def resize(pixels: Pixels, size: Size) -> Pixels:
    """Stretched to (width, height) in pixels; the same array where it has that size already."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def rgb(picture: NDArray[Any] | Image.Image) -> Pixels:
    """Any picture as (height, width, 3) uint8; what is RGB already is returned as it is.

    Arrays are 8 or 16 bits deep and (height, width) with no, 1 (grey), 2 (grey, alpha), 3 or 4 (RGB, alpha) channels;
    a CMYK or palette picture comes as a Pillow image. What shines through an alpha channel is white, as paper is.
    Damaged for anything else, and for a picture without pixels.
    """
    samples = _samples(picture) if isinstance(picture, Image.Image) else picture
    if samples.ndim == 2:
        samples = samples[:, :, None]
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or samples.dtype not in (np.uint8, np.uint16):
        raise Damaged(f"A picture of shape {samples.shape} and type {samples.dtype} is unknown: give 8-bit RGB.")
    if 0 in samples.shape:
        raise Damaged(f"A picture of {samples.shape[1]} × {samples.shape[0]} px has no area to read: leave it out.")
    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if samples.shape[2] in (2, 4):
        colour, alpha = samples[:, :, :-1].astype(np.uint16), samples[:, :, -1:].astype(np.uint16)
        samples = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return samples if samples.shape[2] == 3 else np.repeat(samples, 3, axis=2)


def _samples(image: Image.Image) -> NDArray[Any]:
    """A Pillow image as an array that `rgb` knows. Pillow's own convert clips 16 bits to 8, so those go around it."""
    try:
        if image.mode == "I" or image.mode.startswith("I;16"):
            levels = np.asarray(image)
            if levels.size and not 0 <= levels.min() <= levels.max() <= 65_535:
                raise Damaged(f"A picture with levels from {levels.min()} to {levels.max()} is not 16 bits deep.")
            return levels.astype(np.uint16)
        if image.mode == "F":
            raise Damaged("A picture of floating-point levels has no known white: give 8-bit RGB.")
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except (OSError, ValueError) as e:
        raise Damaged(f"A picture in mode {image.mode} cannot be read as RGB ({e}): give 8-bit RGB.") from e


def _crop(pixels: Pixels) -> Crop:
    return Crop(pixels, patch_grid((pixels.shape[1], pixels.shape[0])))
