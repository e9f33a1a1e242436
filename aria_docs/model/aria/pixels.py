"""The local model's input: the crops of tiling/pixels.py again, several times faster, as torch tensors.

Torch resizes uint8 directly, without Pillow's detour over four channels or a float32 copy, as long as the batch is
channels-last in memory. Crops stay uint8 until the vision tower takes a few of them; `normalised` is the only place
where they become floats. Within 2 grey levels of Pillow everywhere (two roundings), the same almost everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
import torch
from torch.nn import functional

from aria_docs.tiling.pixels import rgb
from aria_docs.tiling.resolution import PATCH_PX, patch_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from PIL import Image

    from aria_docs.tiling.resolution import Size
    from aria_docs.tiling.split import Layout


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Crops of one shape, in the order the model sees them.

    pixels:   uint8 (n, 3, rows · 14, columns · 14), channels-last in memory: the valid patches alone, what is missing
              of the last row or column of them is 0.
    patches:  (rows, columns).
    queries:  how many tokens the projector makes of each crop: by mode, not by patch count.
    """

    pixels: torch.Tensor
    patches: tuple[int, int]
    queries: int

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        return f"CropBatch({len(self)} × {self.patches[0]}×{self.patches[1]} patches, queries={self.queries})"

    def chunks(self, size: int) -> Iterator[CropBatch]:
        """The same crops, at most `size` at a time, without copying."""
        for start in range(0, len(self), size):
            yield CropBatch(self.pixels[start : start + size], self.patches, self.queries)

    def normalised(self, dtype: torch.dtype = torch.bfloat16, *, device: torch.device | str = "cpu") -> torch.Tensor:
        """(x / 255 − 0.5) / 0.5, computed where the model is, in the shape and memory order of `pixels`.

        Subtracting first keeps bfloat16 right to its last bit: 0 … 255 and x − 127.5 need no more than its 8 bits.
        """
        return self.pixels.to(device).to(dtype).sub_(127.5).mul_(1 / 127.5)


def page(picture: NDArray[Any] | Image.Image, layout: Layout) -> tuple[CropBatch, ...]:
    """The overview, then a batch of the layout's tiles row by row where its mode splits.

    A page that was rendered at layout.render_px is sliced as it is; anything else is stretched to that size first.
    Damaged where the picture is empty or of a kind that `rgb` cannot read.
    """
    whole = _tensor(picture)
    overview = _batch(_resize(whole, layout.overview_px), layout)
    if not layout.mode.splits:
        return (overview,)
    (columns, rows), tile = layout.grid, layout.mode.tile_px
    canvas = _resize(whole, layout.render_px).permute(0, 2, 3, 1)  # (1, rows · tile, columns · tile, 3)
    tiles = canvas.reshape(rows, tile, columns, tile, 3).transpose(1, 2).reshape(-1, tile, tile, 3)
    return overview, _batch(tiles.permute(0, 3, 1, 2), layout)


def frames(pictures: Iterable[NDArray[np.uint8]], layout: Layout) -> CropBatch:
    """The frames of one video, each as one crop; `layout` is that of any of them, in a mode that does not split.

    Frames are resized as they come, so a decoder's generator never has to hold two of them at full size.
    """
    assert not layout.mode.splits, layout.mode
    resized = [_resize(_tensor(picture), layout.overview_px).permute(0, 2, 3, 1) for picture in pictures]
    return _batch(torch.cat(resized).permute(0, 3, 1, 2), layout)


def _tensor(picture: NDArray[Any] | Image.Image) -> torch.Tensor:
    """uint8 (1, 3, height, width), channels-last. The batch axis comes before the permutation: with a stride that torch
    doesn't take for channels-last, the page's resize is five times slower."""
    pixels = np.require(rgb(picture), requirements=["C", "W"])  # copies what is read-only, of which torch would warn
    return torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)


def _resize(pixels: torch.Tensor, size: Size) -> torch.Tensor:
    """(n, 3, height, width) stretched to (width, height): both passes of Pillow's resize, in Pillow's order."""
    width, height = size
    between = (height, pixels.shape[3]) if _vertical_first(pixels, size) else (pixels.shape[2], width)
    for step in (between, (height, width)):
        if step != tuple(pixels.shape[2:]):
            pixels = functional.interpolate(pixels, size=step, mode="bicubic", antialias=True)
    return pixels


def _vertical_first(pixels: torch.Tensor, size: Size) -> bool:
    """Whether Pillow scales the height first: since release 13 (its #9549) where the height shrinks far more.

    The order shows, since what overshoots 0 … 255 is cut off between the passes: by 16 levels on a till receipt.
    """
    height, width = pixels.shape[2:]
    return int(PIL.__version__.split(".")[0]) >= 13 and height - size[1] > max(2 * (width - size[0]), 0)


def _batch(pixels: torch.Tensor, layout: Layout) -> CropBatch:
    """Filled up with 0 to whole patches, right and below; copied where the tiles are still strided over their page."""
    height, width = pixels.shape[2:]
    rows, columns = patch_grid((width, height))
    if (height, width) != (rows * PATCH_PX, columns * PATCH_PX):
        pixels = functional.pad(pixels, (0, columns * PATCH_PX - width, 0, rows * PATCH_PX - height))
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    return CropBatch(pixels, (rows, columns), layout.mode.tokens_per_crop)
