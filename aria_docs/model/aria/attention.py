"""Which attention kernels are used: chosen once for a device, reported by a run. Knows shapes, nothing of caches.

    flash_attention_3   its package is installed, in a release that gives softmax sums, and the card is a Hopper
    flash_attention_2   its package is installed, the card is an Ampere or newer
    sdpa                PyTorch's own: on CUDA the flash kernel that it carries (or the memory-efficient one for
                        float32), on a CPU the flash kernel for CPUs

None of them is given a mask: the vision tower sees valid patches alone, and the decoder asks `flash` for one stretch of
keys at a time. transformers' own `sdpa` would build a mask of new × all tokens for every chunk of a prefill but the
first: at 4,096 × 65,536 that is 0.27 GB of bytes, which a CPU's kernel turns into 1.1 GB of floats and CUDA's flash
kernel does not take.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch

from aria_docs.model.aria import private

Name = Literal["flash_attention_3", "flash_attention_2", "sdpa"]

# Up to so many queries torch's flash kernel for CPUs takes 4 times as long in bfloat16 as two products do (one query of
# 20 heads of 128 over 2,048 and 16,384 keys, one core: 19.9 and 221 ms against 2.7 and 57.5); in float32 neither wins.
_FEW = 1


def has_card() -> bool:
    """Whether there is a CUDA device that torch can use."""
    return torch.cuda.is_available()


@cache
def choose(device: torch.device, dtype: torch.dtype) -> Name:
    """The fastest that is installed and that the device and the numbers' type allow, as transformers names it too."""
    from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16):
        return "sdpa"
    capability = torch.cuda.get_device_capability(device)
    if capability[0] == 9 and is_flash_attn_3_available() and _gives_sums("flash_attention_3"):
        return "flash_attention_3"
    return "flash_attention_2" if capability >= (8, 0) and is_flash_attn_2_available() else "sdpa"


@dataclass(frozen=True, slots=True)
class Kernels:
    """What computes attention, by name: in the vision tower, while contexts are read, and in a step of answers."""

    tower: str
    prefill: str
    decode: str

    def __str__(self) -> str:
        return f"attention: tower {self.tower}, prefill {self.prefill}, decode {self.decode}"


def kernels(device: torch.device, dtype: torch.dtype, *, tower: tuple[int, int], recorded: bool) -> Kernels:
    """What runs on this device.

    tower:     heads of the vision tower and their width; `sdpa` chooses by them.
    recorded:  whether steps of answers are recorded: their own few keys are then multiplied as matrices.
    """
    name = choose(device, dtype)
    if device.type == "cpu":
        few = "two products" if dtype == torch.bfloat16 else "torch's flash for CPUs"
        return Kernels("torch's flash for CPUs", "torch's flash for CPUs", few)
    half = dtype in (torch.bfloat16, torch.float16)
    contexts = name if name != "sdpa" else "torch's flash" if half else "torch's memory-efficient"
    own = f"{contexts} for contexts, two products for answers" if recorded else contexts
    return Kernels(contexts if name != "sdpa" else _choice_of_sdpa(device, dtype, *tower), contexts, own)


def _choice_of_sdpa(device: torch.device, dtype: torch.dtype, heads: int, width: int) -> str:
    """Asked of torch with numbers of that shape: it chooses by width, type and card."""
    one = torch.empty((1, heads, 64, width), dtype=dtype, device=device)
    asked = torch.backends.cuda.SDPAParams(one, one, one, None, 0.0, False, False)
    if torch.backends.cuda.can_use_flash_attention(asked):
        return "torch's flash"
    return "torch's memory-efficient" if torch.backends.cuda.can_use_efficient_attention(asked) else "torch's math"


def flash(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of N queries over S keys, scaled by D^-½, and the logarithm of each softmax's sum.

    queries [B, H, N, D], keys and values [B, H, S, D]; causal: then N = S. Gives [B, H, N, D] and float32 [B, H, N].

    torch's public scaled_dot_product_attention chooses among the same kernels but keeps their logarithms to itself.
    """
    assert not causal or queries.shape[2] == keys.shape[2], (queries.shape, keys.shape)
    device, dtype = queries.device, queries.dtype
    if (name := choose(device, dtype)) != "sdpa":
        # The packages want [B, N, H, D].
        sides = (side.transpose(1, 2) for side in (queries, keys, values))
        output, lse, *_ = _package(name).flash_attn_func(*sides, causal=causal, return_attn_probs=True)
        return output.transpose(1, 2), lse.float()
    if device.type == "cpu" and dtype == torch.bfloat16 and queries.shape[2] <= _FEW and not causal:
        return two_products(queries, keys, values)
    if device.type == "cpu":
        output, lse = private.flash_on_cpu(queries, keys, values, causal=causal)
    elif dtype in (torch.bfloat16, torch.float16):
        output, lse = private.flash_on_card(queries, keys, values, causal=causal)
    else:
        output, lse = private.efficient_on_card(queries, keys, values, causal=causal)
    return output, lse.float()


def two_products(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, *, hidden: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by matrix products, which hold B·H·N·S numbers: little for one token at a time.

    hidden:  bool, broadcast to [B, H, N, S]: keys that a query does not see.
    """
    scores = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5  # [B, H, N, S]
    if hidden is not None:
        scores = scores.masked_fill_(hidden, -torch.inf)
    lse = scores.logsumexp(dim=-1)
    return (scores - lse[..., None]).exp_().to(values.dtype) @ values, lse


def _gives_sums(name: Name) -> bool:
    """Releases of FlashAttention 3 from mid-2025 give a function's output alone."""
    return "return_attn_probs" in inspect.signature(_package(name).flash_attn_func).parameters


@cache
def _package(name: Name) -> Any:
    return importlib.import_module({"flash_attention_3": "flash_attn_interface"}.get(name, "flash_attn"))
