"""Attention in pieces is attention over the whole: against torch's own with a mask."""

from __future__ import annotations

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from aria_docs.model.aria.cascade import Piece, attend  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")),
]


def sides(queries: int, keys: int, dtype: torch.dtype, device: str) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn((1, 3, count, 32), generator=generator).to(device, dtype) for count in (queries, keys, keys)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(
    ("queries", "cuts"),
    [(7, [0, 40, 47]), (7, [0, 1, 13, 40, 47]), (1, [0, 30, 31]), (47, [0, 47])],
    ids=["one cut", "three cuts", "one query", "all causal"],
)
def test_pieces_are_the_whole(queries: int, cuts: list[int], dtype: torch.dtype, within: float, device: str) -> None:
    q, k, v = sides(queries, cuts[-1], dtype, device)
    pieces = [
        Piece(k[:, :, start:stop], v[:, :, start:stop], causal=stop == cuts[-1]) for start, stop in pairwise(cuts)
    ]
    mask = torch.ones(queries, cuts[-1], dtype=torch.bool, device=device).tril(cuts[-1] - queries)
    expected = scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)
    found = attend(q, pieces)
    assert found
    assert (found.output.float() - expected).abs().max() < within
    scores = (q.float() @ k.float().transpose(-1, -2) * 32**-0.5).masked_fill(~mask, -torch.inf)
    assert (found.lse - scores.logsumexp(dim=-1)).abs().max() < within


def test_no_piece_is_no_answer() -> None:
    assert attend(torch.randn(1, 2, 3, 32), []) is None
