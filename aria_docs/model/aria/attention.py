"""Which attention kernels are used, chosen once when the model is loaded. Knows shapes, and no files or prompts.

B batch, H heads, Q new tokens, S tokens in all, D numbers a head; the cache already holds the new tokens' keys.

flash-attention where its package is installed and the card has it: version 3 on Hopper, version 2 from Ampere on.
Otherwise PyTorch's own kernels (flash, memory-efficient, the CPU's), through transformers' `sdpa` for the vision tower,
and for the decoder through `lower_right` below: for a prompt that is prefilled in chunks, transformers' own `sdpa`
builds a mask of Q × S for every chunk but the first. At 4,096 × 65,536 that is 0.27 GB of bytes, which the kernels turn
into floats again (1.1 GB on a CPU), and a CUDA card's flash kernel takes no mask at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import nn

NAME = "aria_docs"  # in transformers' registries of attention and mask functions


@dataclass(frozen=True, slots=True)
class Attention:
    """What transformers calls the implementations of its two towers; `str` is what a run reports."""

    decoder: str
    vision: str

    def __str__(self) -> str:
        return "sdpa" if self.decoder == NAME else self.decoder


def choose(device: torch.device, dtype: torch.dtype) -> Attention:
    """The fastest that is installed and that the device and the numbers' type allow."""
    from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        capability = torch.cuda.get_device_capability(device)
        if capability[0] == 9 and is_flash_attn_3_available():
            return Attention("flash_attention_3", "flash_attention_3")
        if capability >= (8, 0) and is_flash_attn_2_available():
            return Attention("flash_attention_2", "flash_attention_2")
    _register()
    return Attention(NAME, "sdpa")


def lower_right(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The decoder's attention: each of the last Q of S tokens sees itself and all before it.

    query (B, H, Q, D), key and value (B, H, S, D); gives (B, Q, H, D). Where a mask is given, as for a batch whose rows
    are padded, transformers' own `sdpa` answers.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    new, total = query.shape[2], key.shape[2]
    if attention_mask is not None or new in (1, total):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    if query.device.type == "cpu":
        attended = _in_two_parts(query, key, value, scaling)
    else:
        from torch.nn.attention.bias import causal_lower_right

        corner = cast("torch.Tensor", causal_lower_right(new, total))
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=corner, scale=scaling)
    return attended.transpose(1, 2).contiguous(), None


def _in_two_parts(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """What was there before is seen whole, what is new causally; the two are weighed by their softmax's sums.

    The CPU's flash kernel knows only a causal square whose corner is on the upper left.
    """
    past = key.shape[2] - query.shape[2]
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    old, old_sum = flash(query, key[:, :, :past], value[:, :, :past], scale=scaling)
    new, new_sum = flash(query, key[:, :, past:], value[:, :, past:], 0.0, True, scale=scaling)
    share = torch.sigmoid(old_sum - new_sum).unsqueeze(-1)  # (B, H, Q, 1), from logarithms
    return torch.lerp(new.float(), old.float(), share).to(query.dtype)


def _mask(**kwargs: Any) -> torch.Tensor | None:
    """A mask only where one is needed: for padding, for room in the cache behind its tokens, for special patterns.

    Which tokens come later than others, `lower_right` knows.
    """
    from transformers.masking_utils import sdpa_mask

    padding = kwargs.get("attention_mask")
    whole = kwargs.get("kv_offset", 0) == 0 and kwargs["kv_length"] == kwargs["q_offset"] + kwargs["q_length"]
    if whole and kwargs.get("allow_is_causal_skip", True) and (padding is None or bool(padding.all())):
        return None
    return sdpa_mask(**kwargs)


def _register() -> None:
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, lower_right)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, _mask)
