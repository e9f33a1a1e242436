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


# Up to so many queries torch's flash kernel for CPUs takes 4 times as long in bfloat16 as two products do (one query of
# 20 heads of 128 over 2,048 and 16,384 keys, one core: 19.9 and 221 ms against 2.7 and 57.5 ms); in float32 neither wins.
_FEW = 1


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

    def joined(self, other: Partial) -> Partial:
        """Attention over both sets of keys, in float32. Rows that saw nothing have lse -inf and weigh nothing."""
        share = torch.sigmoid(other.lse - self.lse)[..., None]  # of `other` in the sum of exponents: [1, H, N, 1]
        output = torch.lerp(self.output.float(), other.output.float(), share)
        return Partial(output, torch.logaddexp(self.lse, other.lse))


def attend(queries: torch.Tensor, pieces: Iterable[Piece]) -> Partial | None:
    """Attention of queries [1, H, N, D], scaled by D^-½, over all pieces together; None where there is no piece."""
    found: Partial | None = None
    for piece in pieces:
        partial = _flash(queries, piece)
        found = partial if found is None else found.joined(partial)
    return found


def _flash(queries: torch.Tensor, piece: Piece) -> Partial:
    """One piece by the device's own flash kernel: on CUDA that of FlashAttention 2, as torch carries it.

    torch's public scaled_dot_product_attention chooses among the same kernels but keeps their LSE to itself.
    """
    assert not piece.causal or queries.shape[2] == piece.keys.shape[2], (queries.shape, piece.keys.shape)
    arguments = (queries, piece.keys, piece.values)
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16 and queries.shape[2] <= _FEW and not piece.causal:
        return _two_products(*arguments)
    if queries.device.type == "cpu":
        output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*arguments, 0.0, piece.causal)
    elif queries.dtype in (torch.bfloat16, torch.float16):
        output, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(*arguments, 0.0, piece.causal)
    else:  # float32 on CUDA; its lse is padded to a multiple of 32 queries
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention
        output, lse, *_ = efficient(*arguments, None, True, 0.0, piece.causal)
        lse = lse[..., : queries.shape[2]]
    return Partial(output, lse.float())


def _two_products(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> Partial:
    """The same by matrix products, which hold H·N·S numbers: little for one token at a time."""
    scores = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5  # [1, H, N, S]
    lse = scores.logsumexp(dim=-1)
    return Partial((scores - lse[..., None]).exp_().to(values.dtype) @ values, lse)
