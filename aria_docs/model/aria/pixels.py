"""The local model's input: the crops of tiling/pixels.py again, several times faster, as torch tensors.

Torch resizes uint8 directly, without Pillow's detour over four channels or a float32 copy, as long as the batch is
channels-last in memory. Crops stay uint8 until the vision tower takes a few of them; `normalised` is the only place
where they become floats. Within 2 grey levels of Pillow everywhere (two roundings), the same almost everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
import torch
from torch.nn import functional

from aria_docs.tiling.pixels import rgb
from aria_docs.tiling.resolution import PATCH_PX, patch_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from aria_docs.tiling.pixels import Pixels
    from aria_docs.tiling.resolution import Size
    from aria_docs.tiling.split import Layout

_PILLOW = int(PIL.__version__.split(".")[0])


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
        """(x / 255 − 0.5) / 0.5, computed where the model is, in the shape and memory order of `pixels`."""
        if torch.device(device).type == "cpu":
            return _looked_up(self.pixels, dtype)
        # Subtracting first is exact in bfloat16 too: 0 … 255 and x − 127.5 need no more than its 8 bits.
        return self.pixels.to(device).to(dtype).sub_(127.5).mul_(1 / 127.5)


def page(picture: NDArray[Any] | Image.Image, layout: Layout) -> tuple[CropBatch, ...]:
    """The overview, then a batch of the layout's tiles row by row where its mode splits.

    A page that was rendered at layout.render_px is sliced as it is; anything else is stretched to that size first.
    Damaged where the picture is empty or of a kind that `rgb` cannot read.
    """
    pixels = rgb(picture)
    overview = batched([_resize(pixels, layout.overview_px)], queries=layout.mode.tokens_per_crop)
    if not layout.mode.splits:
        return (overview,)
    (columns, rows), tile = layout.grid, layout.mode.tile_px
    canvas = _resize(pixels, layout.render_px)
    starts = [(row * tile, column * tile) for row in range(rows) for column in range(columns)]
    tiles = [canvas[top : top + tile, left : left + tile] for top, left in starts]
    return overview, batched(tiles, queries=layout.mode.tokens_per_crop)


def frames(pictures: Iterable[NDArray[np.uint8]], layout: Layout, *, at_once: int = 16) -> Iterator[CropBatch]:
    """The frames of a video, each as one crop, in batches of at_once: what the vision tower encodes at a time.

    pictures:  from a decoder's generator too: no two are held at full size.
    layout:    that of any of them, in a mode that does not split; frames in ultra are pages, one by one.

    256 frames of 720p at medium are 126 MB where all batches are kept, 253 MB once normalised to bfloat16.
    """
    assert not layout.mode.splits, layout.mode
    resized = (_resize(rgb(picture), layout.overview_px) for picture in pictures)
    while batch := list(islice(resized, at_once)):
        yield batched(batch, queries=layout.mode.tokens_per_crop)


def batched(crops: Sequence[Pixels], *, queries: int) -> CropBatch:
    """Crops of one size gathered in one piece of memory, each filled up with 0 to whole patches, right and below.

    Gathered by numpy: torch's own threads take longer to touch new memory than one takes to copy it.
    """
    height, width = crops[0].shape[:2]
    rows, columns = patch_grid((width, height))
    pixels = np.empty((len(crops), rows * PATCH_PX, columns * PATCH_PX, 3), np.uint8)
    pixels[:, height:] = pixels[:, :, width:] = 0
    for padded, crop in zip(pixels, crops, strict=True):
        padded[:height, :width] = crop
    return CropBatch(torch.from_numpy(pixels).permute(0, 3, 1, 2), (rows, columns), queries)


def _resize(pixels: Pixels, size: Size) -> Pixels:
    """(height, width, 3) stretched to (width, height): both passes of Pillow's resize, in Pillow's order."""
    (height, width), (to_width, to_height) = pixels.shape[:2], size
    # What overshoots 0 … 255 is cut off between the passes, so their order shows: by 16 levels on a till receipt.
    # Since release 13 (its #9549) Pillow scales the height first where it shrinks far more than the width.
    height_first = _PILLOW >= 13 and height - to_height > max(2 * (width - to_width), 0)
    between = (to_height, width) if height_first else (height, to_width)
    # Channels-last only if the batch axis comes before the permutation; torch is five times slower otherwise.
    tensor = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))[None].permute(0, 3, 1, 2)
    for step in (between, (to_height, to_width)):
        if step != tuple(tensor.shape[2:]):
            tensor = functional.interpolate(tensor, size=step, mode="bicubic", antialias=True)
    return tensor[0].permute(1, 2, 0).numpy()


def _looked_up(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(n, 3, height, width) uint8 as normalised floats, two neighbouring bytes at a time from a table of all pairs.

    On one core of a CPU that is faster than arithmetic, which takes three passes through memory in bfloat16.
    """
    channels_last = pixels.permute(0, 2, 3, 1)
    table, pairs = _pairs(dtype), channels_last.reshape(-1).numpy().view("<u2")
    values = np.empty(pairs.shape, table.dtype)
    for start in range(0, len(pairs), 2**16):  # take makes 64-bit indices of them: keep these within the cache
        part = slice(start, start + 2**16)
        np.take(table, pairs[part], out=values[part], mode="clip")  # "raise" would go through a second buffer
    return torch.from_numpy(values).view(dtype).view(channels_last.shape).permute(0, 3, 1, 2)


@cache
def _pairs(dtype: torch.dtype) -> NDArray[np.signedinteger[Any]]:
    """For each two bytes, read as one little-endian number, their two values side by side as one integer."""
    levels = ((torch.arange(256, dtype=torch.float64) / 255 - 0.5) / 0.5).to(dtype)
    pair = torch.arange(2**16)
    values = torch.stack([levels[pair % 256], levels[pair // 256]], dim=1)
    return values.view({2: torch.int32, 4: torch.int64}[dtype.itemsize]).view(-1).numpy()
