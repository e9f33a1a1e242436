"""Attention over a cache that lies in pieces, without a mask: each piece by a flash kernel, then joined. Arithmetic.

    keys:     [ the context's pages or frames | the question and what is answered so far ]
    queries:  see all of the first piece (no mask), and the second causally

Softmax over the whole is the mean of the pieces' outputs, weighted by their sums of exponents; flash kernels give the
logarithm of that sum (LSE) along with the output. So a chunk of a 64K prefill needs no S×S mask, several questions
share one context's keys without a copy, and a quantised cache is unpacked a block at a time.

Letters: H heads, N queries, S keys, D width of a head.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from aria_docs.model.aria.attention import flash


@dataclass(frozen=True, slots=True)
class Piece:
    """Keys and values of one stretch, each [1, H, S, D].

    causal:  the queries are those of the same stretch, and each sees itself and what is before it (then N = S);
             otherwise every query sees all of it.
    """

    keys: torch.Tensor
    values: torch.Tensor
    causal: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """What attention over some of the keys answers: output [1, H, N, D], and lse [1, H, N] in float32."""

    output: torch.Tensor
    lse: torch.Tensor

    @classmethod
    def of_nothing(cls, queries: torch.Tensor) -> Partial:
        """For queries [1, H, N, D] that there is nothing to see for."""
        return cls(torch.zeros_like(queries), torch.full(queries.shape[:3], -torch.inf, device=queries.device))

    def joined(self, other: Partial) -> Partial:
        """Attention over both sets of keys, in float32. Rows that saw nothing have lse -inf and weigh nothing."""
        share = torch.sigmoid(other.lse - self.lse)[..., None]  # of `other` in the sum of exponents: [1, H, N, 1]
        output = torch.lerp(self.output.float(), other.output.float(), share)
        return Partial(output, torch.logaddexp(self.lse, other.lse))


def attend(queries: torch.Tensor, pieces: Iterable[Piece]) -> Partial | None:
    """Attention of queries [1, H, N, D], scaled by D^-½, over all pieces together; None where there is no piece."""
    found: Partial | None = None
    for piece in pieces:
        partial = Partial(*flash(queries, piece.keys, piece.values, causal=piece.causal))
        found = partial if found is None else found.joined(partial)
    return found
