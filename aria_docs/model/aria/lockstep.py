"""A few tokens of each of several answers, again and again: work whose shapes never change, as a CUDA graph replays it.

A step of Aria's decoder is some 1,800 small kernels. Started one by one they keep a CPU busy for four times as long as
the card needs for them (benchmarks/gpu.md); recorded once, they are started as one. So all lengths are numbers on the
card here, and each answer has as much room as the longest: keys that are not written yet are hidden by a mask.

Letters: W answers, K tokens of each at most, H heads, D width of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from aria_docs.model.aria.attention import two_products
from aria_docs.model.aria.cache import Prefix, Tail, TokenSpan, by_prefix
from aria_docs.model.aria.cascade import Partial
from aria_docs.model.aria.decoder import Decoder, before

_LEAST_ROOM = 512  # positions of a question and its answer; doubled when the longest has filled it


class Lockstep:
    """Answers side by side, up to `span` tokens of each at a time. Their tails live in its memory from now on.

    sequences:  of each answer its prefix, which is not empty, and its tail; neighbours of one context beside each
                other read its keys together.
    recorded:   as a CUDA graph, which takes some 0.1 s to record; otherwise the same work is started kernel by kernel.
    """

    def __init__(
        self, decoder: Decoder, sequences: Sequence[tuple[Prefix, Tail]], *, recorded: bool, span: int = 1
    ) -> None:
        self._decoder, self.span = decoder, span
        self._tails = [tail for _, tail in sequences]
        self._groups = by_prefix(
            [
                TokenSpan(slice(row * span, (row + 1) * span), prefix, prefix.length, tail)
                for row, (prefix, tail) in enumerate(sequences)
            ]
        )
        longest = max(tail.length for tail in self._tails) + span
        self._room = min(max(_LEAST_ROOM, 2 * longest), max(tail.limit for tail in self._tails) + span)
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
        # Of each answer its tokens, and in the last column its length before them.
        self._given = torch.zeros((rows, span + 1), dtype=torch.long, device=device)
        self._ahead = torch.arange(span, device=device)
        self._logits: torch.Tensor | None = None
        self._graph = self._recording() if recorded else None

    def serves(self, tails: Sequence[Tail]) -> bool:
        """Whether these answers are most of its own, have not moved away, and have room for a step more."""
        here = all(
            tail in self._tails and tail.room == self._room and tail.length + self.span <= self._room for tail in tails
        )
        return here and 2 * len(tails) > len(self._tails)

    def step(self, tokens: Sequence[tuple[Tail, Sequence[int]]]) -> torch.Tensor:
        """Takes more tokens of each of these answers, 1 … span; float32 logits [their number, V] of what follows each.

        The tails are not advanced: that is for whoever knows how many of the tokens stand.
        """
        self._decoder.checked()
        given = torch.zeros((len(self._tails), self.span + 1), dtype=torch.long)
        rows: list[int] = []
        for tail, ids in tokens:
            row = self._tails.index(tail)
            given[row, : len(ids)] = torch.tensor(ids)
            given[row, self.span] = tail.length
            rows += range(row * self.span, row * self.span + len(ids))
        self._given.copy_(given)
        if self._graph is None:
            self._logits = self._work()
        else:
            self._graph.replay()
        assert self._logits is not None
        return self._logits[rows]

    def _recording(self) -> torch.cuda.CUDAGraph:
        device, graph = self._given.device, torch.cuda.CUDAGraph()
        self._given[:, self.span] = torch.tensor([tail.length for tail in self._tails])  # nothing kept is written over
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
        tokens, lengths = self._given[:, : self.span], self._given[:, self.span]
        places = lengths[:, None] + self._ahead  # [W, K], in its tail
        # An answer with fewer tokens fills up with what no token sees: it is written over by the next step.
        later = (self._places > places[:, :, None])[:, None]  # [W, 1, K, room]
        rows, width = self._rows[:, None], len(self._tails)

        def attention(
            layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
        ) -> torch.Tensor:  # of and to [1, H, W·K, D]
            heads, _, size = queries.shape[1:]
            own_keys, own_values = self._kept[layer]  # each [W, H, room, D]
            own_keys[rows, :, places] = keys[0].transpose(0, 1).view(width, self.span, heads, size)
            own_values[rows, :, places] = values[0].transpose(0, 1).view(width, self.span, heads, size)
            asked = queries[0].view(heads, width, self.span, size).transpose(0, 1)  # [W, H, K, D]
            output, lse = two_products(asked, own_keys, own_values, hidden=later)
            own = Partial(output.transpose(0, 1).reshape(1, heads, -1, size), lse.transpose(0, 1).reshape(1, heads, -1))
            return before(layer, queries, self._groups).joined(own).output.to(queries.dtype)

        hidden = self._decoder.embed(tokens.reshape(-1))
        positions = (self._starts[:, None] + places).reshape(-1)
        return self._decoder.logits(self._decoder.through_layers(hidden, positions, attention))
