"""Every call into what torch and transformers keep to themselves, and the releases it was tried with.

Nobody promises that these stay. tests/model/aria holds each to plain arithmetic, so that a new release that changes one
is seen there, and this is the file to mend. Knows nothing of Aria but the name of its rotary function.

Letters: B batch, H heads, N queries, S keys, D width of a head; K numbers in, N numbers out of a product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

TRIED = {"torch": ("2.11", "2.13"), "transformers": ("5.24",)}

_aten: Any = torch.ops.aten
_mkldnn: Any = torch.ops.mkldnn


# Products on a CPU


def multiplies_bf16() -> bool:
    """Whether oneDNN finds instructions for bfloat16 on this CPU."""
    return bool(_mkldnn._is_mkldnn_bf16_supported())


def pack(weight: torch.Tensor) -> torch.Tensor:
    """(N, K) row-major to oneDNN's layout; the number of rows is a hint that changes nothing on what was tried.

    As it was where oneDNN has no bfloat16 on this CPU (AVX2 alone): packing gains nothing there, and must not fail.
    """
    if weight.dtype == torch.bfloat16 and not multiplies_bf16():
        return weight
    return cast("torch.Tensor", _mkldnn._reorder_linear_weight(weight, 64))


def by_packed(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(…, K) by a packed weight: (…, N)."""
    if not weight.is_mkldnn:
        return torch.nn.functional.linear(rows, weight, bias)
    return cast("torch.Tensor", _mkldnn._linear_pointwise(rows, weight, bias, "none", [], ""))


def by_int8(rows: torch.Tensor, values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """bfloat16 (n, K) by int8 (N, K) with a scale for each of N: (n, N)."""
    return torch._weight_int8pack_mm(rows.contiguous(), values, scales)


def pack_int4(numbers: torch.Tensor) -> torch.Tensor:
    """int32 (N, K) of 0 … 15 to the bytes (N, K/2) that `by_int4` takes."""
    return cast("torch.Tensor", _aten._convert_weight_to_int4pack_for_cpu(numbers, 1))


def by_int4(rows: torch.Tensor, values: torch.Tensor, group: int, spans: torch.Tensor) -> torch.Tensor:
    """bfloat16 (n, K) by packed numbers with a scale and a middle for each group along K: (n, N)."""
    return cast("torch.Tensor", _aten._weight_int4pack_mm_for_cpu(rows.contiguous(), values, group, spans))


# Attention with the logarithms of its sums; queries [B, H, N, D], keys and values [B, H, S, D]


def flash_on_cpu(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output [B, H, N, D] and lse [B, H, N]."""
    output, lse = _aten._scaled_dot_product_flash_attention_for_cpu(queries, keys, values, 0.0, causal)
    return output, lse


def flash_on_card(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in half precision."""
    output, lse, *_ = _aten._scaled_dot_product_flash_attention(queries, keys, values, 0.0, causal)
    return output, lse


def efficient_on_card(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in float32; its logarithms are padded to a multiple of 32 queries."""
    output, lse, *_ = _aten._scaled_dot_product_efficient_attention(queries, keys, values, None, True, 0.0, causal)
    return output, lse[..., : queries.shape[2]]


# transformers


def register_experts(name: str, multiply: Callable[..., torch.Tensor]) -> None:
    """Makes an experts function known under that name. Harmless when done twice."""
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    ALL_EXPERTS_FUNCTIONS.register(name, multiply)


def rotate(
    queries: torch.Tensor, keys: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys [B, H, N, D] turned by their positions' cosine and sine [B, N, D]."""
    from transformers.models.aria.modeling_aria import apply_rotary_pos_emb

    queries, keys = apply_rotary_pos_emb(queries, keys, cosine, sine)
    return queries, keys


def set_attention(config: Any, *, vision: str) -> None:
    """How transformers calls the attention of the vision tower; the decoder's is not transformers'."""
    config._attn_implementation = {"": vision, "text_config": "sdpa", "vision_config": vision}
