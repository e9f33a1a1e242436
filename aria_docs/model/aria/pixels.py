"""The local model's input: the crops of tiling/pixels.py, gathered as torch tensors and normalised.

Crops stay uint8 until the vision tower takes a few of them; `normalise` is the only place where they become floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aria_docs.tiling.resolution import PATCH_PX, patch_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aria_docs.tiling.pixels import Pixels


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

    def normalise(self, dtype: torch.dtype = torch.bfloat16, *, device: torch.device | str = "cpu") -> torch.Tensor:
        """(x / 255 − 0.5) / 0.5, computed where the model is, in the shape and memory order of `pixels`."""
        if torch.device(device).type == "cpu":
            return _look_up(self.pixels, dtype)
        # Subtracting first is exact in bfloat16 too: 0 … 255 and x − 127.5 need no more than its 8 bits.
        return self.pixels.to(device).to(dtype).sub_(127.5).mul_(1 / 127.5)


def gather(crops: Sequence[Pixels], *, queries: int) -> CropBatch:
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


def _look_up(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
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
