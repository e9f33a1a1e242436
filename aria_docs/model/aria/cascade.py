"""Attention over a cache that lies in pieces, without a mask: each piece by a flash kernel, then joined. Arithmetic.

    keys:     [ the context's pages or frames | the question and what is answered so far ]
    queries:  see all of the first piece (no mask), and the second causally

Softmax over the whole is the mean of the pieces' outputs, weighted by their sums of exponents; flash kernels give the
logarithm of that sum (LSE) along with the output. So a chunk of a 64K prefill needs no S×S mask, several questions
share one context's keys without a copy, and a quantised cache is unpacked a block at a time.

Letters: H heads, N queries, S keys, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

# Up to so many queries two matrix products beat torch's flash kernel for CPUs in bfloat16: one query of 20 heads of 128
# over 2,048 and 16,384 keys takes 2.7 and 57 ms by them, 19.9 and 221 ms by it (one core). In float32 neither wins.
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


Kernel = Callable[[torch.Tensor, Piece], Partial]  # attention of queries [1, H, N, D], scaled by D^-½, over one piece


def kernel(implementation: str) -> Kernel:
    """What transformers calls an attention implementation: flash_attention_2 | flash_attention_3; else torch's own."""
    if implementation == "flash_attention_3":
        import flash_attn_interface

        return partial(_package, flash_attn_interface.flash_attn_func)
    if implementation == "flash_attention_2":
        import flash_attn

        return partial(_package, flash_attn.flash_attn_func)
    return torchs


def attend(queries: torch.Tensor, pieces: Iterable[Piece], by: Kernel) -> Partial | None:
    """Attention over all pieces together; None where there is none."""
    found: Partial | None = None
    for piece in pieces:
        assert not piece.causal or queries.shape[2] == piece.keys.shape[2], (queries.shape, piece.keys.shape)
        partial = by(queries, piece)
        found = partial if found is None else found.joined(partial)
    return found


def torchs(queries: torch.Tensor, piece: Piece) -> Partial:
    """The device's own flash kernel as torch carries it: on CUDA FlashAttention 2's.

    torch's public scaled_dot_product_attention chooses among the same kernels but keeps their LSE to itself.
    """
    arguments = (queries, piece.keys, piece.values)
    half = queries.dtype in (torch.bfloat16, torch.float16)
    if queries.device.type == "cpu":
        if half and queries.shape[2] <= _FEW and not piece.causal:
            return _two_products(*arguments)
        output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*arguments, 0.0, piece.causal)
    elif half:
        output, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(*arguments, 0.0, piece.causal)
    else:  # float32 on CUDA; its lse is padded to a multiple of 32 queries
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention
        output, lse, *_ = efficient(*arguments, None, True, 0.0, piece.causal)
        lse = lse[..., : queries.shape[2]]
    return Partial(output, lse.float())


def _package(flash: Callable[..., Any], queries: torch.Tensor, piece: Piece) -> Partial:
    """The flash-attn packages, which want [1, N, H, D] and give lse as [1, H, N]."""
    sides = (side.transpose(1, 2) for side in (queries, piece.keys, piece.values))
    output, lse, *_ = flash(*sides, causal=piece.causal, return_attn_probs=True)
    return Partial(output.transpose(1, 2), lse)


def _two_products(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> Partial:
    """The same by matrix products, which hold H·N·S numbers: little for one token at a time."""
    scores = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5  # [1, H, N, S]
    lse = scores.logsumexp(dim=-1)
    return Partial((scores - lse[..., None]).exp_().to(values.dtype) @ values, lse)
