"""One token of each of several answers, again and again: work whose shapes never change, which a CUDA graph replays.

A step of Aria's decoder is some 1,800 small kernels. Started one by one they keep a CPU busy for four times as long as
the card needs for them (benchmarks/gpu.md); recorded once, they are started as one. So all lengths are numbers on the
card here, and each answer has as much room as the longest: keys that are not written yet are hidden by a mask.

Letters: W answers, H heads, D width of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aria_docs.model.aria.attention import two_products
from aria_docs.model.aria.cache import Prefix, Span, Tail, by_prefix
from aria_docs.model.aria.cascade import Partial
from aria_docs.model.aria.decoder import Decoder, before

_LEAST_ROOM = 512  # positions of a question and its answer; doubled when the longest has filled it


class Lockstep:
    """Answers side by side, one token of each at a time. Their tails live in its memory from now on.

    sequences:  of each answer its prefix, which is not empty, and its tail; neighbours of one context beside each
                other read its keys together.
    recorded:   as a CUDA graph, which takes some 0.1 s to record; otherwise the same work is started kernel by kernel.
    """

    def __init__(self, decoder: Decoder, sequences: Sequence[tuple[Prefix, Tail]], *, recorded: bool) -> None:
        self._decoder = decoder
        self._tails = [tail for _, tail in sequences]
        self._groups = by_prefix(
            [Span(slice(row, row + 1), prefix, prefix.length, tail) for row, (prefix, tail) in enumerate(sequences)]
        )
        longest = max(tail.length for tail in self._tails) + 1
        self._room = min(max(_LEAST_ROOM, 2 * longest), max(tail.limit for tail in self._tails))
        shape, rows, device = decoder.shape, len(sequences), decoder.device
        self._kept = []  # of each layer [2, W, H, room, D]
        for layer, place in enumerate(shape.devices):
            # Not empty: what is hidden weighs nothing, but nothing times not-a-number is not a number.
            kept = torch.zeros((2, rows, shape.heads, self._room, shape.width), dtype=shape.dtype, device=place)
            for row, tail in enumerate(self._tails):
                tail.move(layer, kept[:, row])
            self._kept.append(kept)
        self._starts = torch.tensor([prefix.length for prefix, _ in sequences], device=device)  # [W]
        self._rows, self._places = torch.arange(rows, device=device), torch.arange(self._room, device=device)
        self._given = torch.zeros((2, rows), dtype=torch.long, device=device)  # tokens, and lengths before them
        self._logits: torch.Tensor | None = None
        self._graph = self._recording() if recorded else None

    def serves(self, tails: Sequence[Tail]) -> bool:
        """Whether these answers are most of its own, have not moved away, and have room for a token more."""
        here = all(tail in self._tails and tail.room == self._room and tail.length < self._room for tail in tails)
        return here and 2 * len(tails) > len(self._tails)

    def step(self, tokens: Sequence[tuple[Tail, int]]) -> torch.Tensor:
        """Takes one more token of each of these answers; float32 logits [their number, V] of what follows it."""
        self._decoder.checked()
        rows = [self._tails.index(tail) for tail, _ in tokens]
        given = torch.zeros((2, len(self._tails)), dtype=torch.long)
        for row, (tail, token) in zip(rows, tokens, strict=True):
            given[0, row], given[1, row] = token, tail.length
        self._given.copy_(given)
        if self._graph is None:
            self._logits = self._work()
        else:
            self._graph.replay()
        for tail, _ in tokens:
            tail.advance(1)
        assert self._logits is not None
        return self._logits[rows]

    def _recording(self) -> torch.cuda.CUDAGraph:
        device, graph = self._given.device, torch.cuda.CUDAGraph()
        self._given[1] = torch.tensor([tail.length for tail in self._tails])  # nothing kept is written over
        aside: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with torch.cuda.device(device):
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                self._work()  # loads the kernels, which cannot be done while recording
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._logits = self._work()
        return graph

    def _work(self) -> torch.Tensor:
        tokens, lengths = self._given
        later = (self._places > lengths[:, None])[:, None, None]  # [W, 1, 1, room]

        def attention(
            layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
        ) -> torch.Tensor:  # of and to [1, H, W, D]
            own_keys, own_values = self._kept[layer]  # each [W, H, room, D]
            own_keys[self._rows, :, lengths] = keys[0].transpose(0, 1)
            own_values[self._rows, :, lengths] = values[0].transpose(0, 1)
            output, lse = two_products(queries.permute(2, 1, 0, 3), own_keys, own_values, hidden=later)
            own = Partial(output.permute(2, 1, 0, 3), lse.permute(2, 1, 0))
            return before(layer, queries, self._groups).joined(own).output.to(queries.dtype)

        hidden = self._decoder.embedded(tokens)
        return self._decoder.logits(self._decoder.through_layers(hidden, self._starts + lengths, attention))
