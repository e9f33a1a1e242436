"""Keys and values of a decoder: of a context, kept once for all questions, and of each question and its answer.

    Prefix   pages or frames, as long as their prompt and not a token longer; written once, in chunks; on request as
             8-bit numbers, each token and head with a scale of its own
    Tail     one question and its answer so far; grows by doubling, is thrown away when the answer is there

So a question never copies a context's keys, and none sees another. Knows no layer's weights and no token.

Letters: H heads, S positions, D width of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from aria_docs.model.aria.cascade import Piece

Quantised = Literal["fp8", "int8"]

_UNPACKED = 8_192  # positions of a quantised layer that are unpacked at a time: 2 × 42 MB at Aria's width
_GROWN = 128  # positions that a tail has room for at first, beyond the question


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What one layer caches for a position: heads of a width, on that layer's device, in the network's dtype."""

    heads: int
    width: int
    devices: tuple[torch.device, ...]
    dtype: torch.dtype

    def bytes_per_token(self, kept: Quantised | None = None) -> int:
        """Of keys and values over all layers: 286,720 for Aria in bfloat16, 147,840 in 8 bits with their scales."""
        each = self.width * self.dtype.itemsize if kept is None else self.width + torch.float32.itemsize
        return 2 * len(self.devices) * self.heads * each


class Prefix:
    """The context's part of the cache, for `length` positions."""

    def __init__(self, shape: CacheShape, length: int, *, kept: Quantised | None = None) -> None:
        self.length = length
        self._layers = [
            (_make_storage(shape, length, device, kept), _make_storage(shape, length, device, kept))
            for device in shape.devices
        ]

    def write(self, layer: int, start: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keys and values [1, H, n, D] of positions start … start + n - 1."""
        for kept, new in zip(self._layers[layer], (keys, values), strict=True):
            kept.write(start, new)

    def pieces(self, layer: int, stop: int) -> Iterator[Piece]:
        """Positions 0 … stop - 1, one piece where they are kept as they are, else one for each block unpacked."""
        keys, values = self._layers[layer]
        step = stop if isinstance(keys, _Plain) else _UNPACKED
        for start in range(0, stop, max(step, 1)):
            block = slice(start, min(start + step, stop))
            yield Piece(keys.read(block), values.read(block))


class Tail:
    """One question and its answer so far: `length` positions behind its prefix, `room` for more, up to `limit`."""

    def __init__(self, shape: CacheShape, limit: int) -> None:
        self.length, self.limit, self.room = 0, limit, 0
        self._shape = shape
        self._layers: list[torch.Tensor] = []  # of each layer [2, H, room, D]

    def make_room(self, more: int) -> None:
        """Room for `more` positions beyond the length. Copies what there is, a layer at a time, when it must grow."""
        needed = self.length + more
        assert needed <= self.limit, (needed, self.limit)
        if needed <= self.room:
            return
        self.room = min(max(2 * self.room, needed + _GROWN), self.limit)
        shape = self._shape
        for layer, device in enumerate(shape.devices):
            size = (2, shape.heads, self.room, shape.width)
            self.move(layer, torch.empty(size, dtype=shape.dtype, device=device))

    def move(self, layer: int, memory: torch.Tensor) -> None:
        """Lives in that memory [2, H, room, D] from now on, with what a layer has so far."""
        if self.length:
            memory[:, :, : self.length] = self._layers[layer][:, :, : self.length]
        self._layers[layer : layer + 1] = [memory]
        self.room = memory.shape[2]

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keys and values [1, H, n, D] of the next n positions; `advance` counts them once every layer has them."""
        new = slice(self.length, self.length + keys.shape[2])
        self._layers[layer][0, :, new] = keys[0]
        self._layers[layer][1, :, new] = values[0]

    def advance(self, count: int) -> None:
        """The last `count` positions written are part of it from now on."""
        self.length += count

    def pieces(self, layer: int, count: int) -> Iterator[Piece]:
        """What the last `count` positions written see of the tail: what was there before, and themselves causally."""
        kept = self._layers[layer]
        if count == 1:
            yield Piece(kept[:1, :, : self.length + 1], kept[1:, :, : self.length + 1])
            return
        if self.length:
            yield Piece(kept[:1, :, : self.length], kept[1:, :, : self.length])
        own = slice(self.length, self.length + count)
        yield Piece(kept[:1, :, own], kept[1:, :, own], causal=True)


class _Plain:
    """Keys or values of one layer in the network's own dtype."""

    def __init__(self, shape: CacheShape, length: int, device: torch.device) -> None:
        self._kept = torch.empty((1, shape.heads, length, shape.width), dtype=shape.dtype, device=device)

    def write(self, start: int, new: torch.Tensor) -> None:
        self._kept[:, :, start : start + new.shape[2]] = new

    def read(self, block: slice) -> torch.Tensor:
        return self._kept[:, :, block]


class _Eighth:
    """Keys or values of one layer in 8 bits. Each token and head is divided by its own largest number first."""

    def __init__(self, shape: CacheShape, length: int, device: torch.device, kept: Quantised) -> None:
        self._dtype = shape.dtype
        self._stored, self._largest = {"fp8": (torch.float8_e4m3fn, 448.0), "int8": (torch.int8, 127.0)}[kept]
        self._kept = torch.empty((1, shape.heads, length, shape.width), dtype=self._stored, device=device)
        self._scale = torch.empty((1, shape.heads, length, 1), dtype=torch.float32, device=device)

    def write(self, start: int, new: torch.Tensor) -> None:
        wide = new.float()
        scale = wide.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-12) / self._largest
        scaled = wide / scale
        block = slice(start, start + new.shape[2])
        self._kept[:, :, block] = (scaled.round() if self._stored == torch.int8 else scaled).to(self._stored)
        self._scale[:, :, block] = scale

    def read(self, block: slice) -> torch.Tensor:
        return self._kept[:, :, block].to(self._dtype) * self._scale[:, :, block].to(self._dtype)


def _make_storage(shape: CacheShape, length: int, device: torch.device, kept: Quantised | None) -> _Plain | _Eighth:
    return _Plain(shape, length, device) if kept is None else _Eighth(shape, length, device, kept)


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Neighbouring tokens of one batch that belong to one sequence.

    rows:    which tokens of the batch.
    prefix:  of their context, and `seen`: how many of its positions are there before these.
    tail:    where they go; None where they are the next of the prefix itself.
    """

    rows: slice
    prefix: Prefix
    seen: int
    tail: Tail | None = None

    @property
    def count(self) -> int:
        """How many tokens."""
        return int(self.rows.stop - self.rows.start)

    @property
    def start(self) -> int:
        """The position of the first of them in its sequence."""
        return self.seen + (self.tail.length if self.tail else 0)

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> Iterator[Piece]:
        """Stores the batch's keys and values [1, H, N, D] of this span; what its tokens see beside the prefix."""
        keys, values = keys[:, :, self.rows], values[:, :, self.rows]
        if self.tail is not None:
            self.tail.write(layer, keys, values)
            return self.tail.pieces(layer, self.count)
        self.prefix.write(layer, self.seen, keys, values)
        return iter([Piece(keys, values, causal=True)])


def by_prefix(spans: Sequence[TokenSpan]) -> list[tuple[slice, Prefix, int]]:
    """Neighbouring spans of one context together, as (rows, prefix, seen): their queries read its keys in one go."""
    found: list[tuple[slice, Prefix, int]] = []
    for span in spans:
        if found and found[-1][1:] == (span.prefix, span.seen) and found[-1][0].stop == span.rows.start:
            found[-1] = (slice(found[-1][0].start, span.rows.stop), span.prefix, span.seen)
        else:
            found.append((span.rows, span.prefix, span.seen))
    return found
