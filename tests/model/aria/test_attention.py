"""The kernels' answer and logarithms against softmax written out; which of them is chosen."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from aria_docs.model.aria import attention  # noqa: E402

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")),
]


def written_out(queries: Any, keys: Any, values: Any, causal: bool) -> tuple[Any, Any]:
    scores = (queries.double() @ keys.double().transpose(-1, -2)) / math.sqrt(queries.shape[-1])
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(-1) @ values.double(), scores.logsumexp(-1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(
    ("new", "total", "causal"), [(1, 1, False), (1, 300, False), (2, 300, False), (70, 300, False), (70, 70, True)]
)
def test_a_stretch_of_keys(device: str, dtype: Any, tolerance: float, new: int, total: int, causal: bool) -> None:
    random = torch.Generator().manual_seed(new)
    sides = [torch.randn(2, 3, n, 32, generator=random).to(device, dtype) for n in (new, total, total)]
    found, lse = attention.flash(*sides, causal=causal)
    wanted, logarithms = written_out(*sides, causal)
    assert (found.dtype, found.shape, lse.dtype) == (dtype, sides[0].shape, torch.float32)
    assert (found.double() - wanted).abs().max() < tolerance
    assert (lse.double() - logarithms).abs().max() < tolerance


@pytest.mark.parametrize(
    ("capability", "installed", "dtype", "chosen"),
    [
        ((9, 0), {2, 3.1}, torch.bfloat16, "flash_attention_3"),
        ((9, 0), {2}, torch.bfloat16, "flash_attention_2"),
        ((9, 0), {2, 3.0}, torch.bfloat16, "flash_attention_2"),  # a release that gives no sums
        ((8, 0), {2, 3.1}, torch.bfloat16, "flash_attention_2"),
        ((12, 0), {2, 3.1}, torch.bfloat16, "flash_attention_2"),
        ((7, 5), {2, 3.1}, torch.bfloat16, "sdpa"),
        ((9, 0), set(), torch.bfloat16, "sdpa"),
        ((9, 0), {2, 3.1}, torch.float32, "sdpa"),
    ],
)
def test_which_kernels_a_card_gets(
    capability: tuple[int, int], installed: set[float], dtype: Any, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.utils import import_utils

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(import_utils, "is_flash_attn_2_available", lambda: 2 in installed)
    monkeypatch.setattr(import_utils, "is_flash_attn_3_available", lambda: not installed.isdisjoint({3.0, 3.1}))

    def with_sums(q: Any, k: Any, v: Any, causal: bool = False, return_attn_probs: bool = False) -> Any: ...
    def without(q: Any, k: Any, v: Any, causal: bool = False) -> Any: ...

    package = SimpleNamespace(flash_attn_func=with_sums if 3.1 in installed else without)
    monkeypatch.setattr(attention, "_package", lambda name: package)
    assert attention.choose.__wrapped__(torch.device("cuda", 0), dtype) == chosen


def test_a_cpu_gets_pytorchs_own() -> None:
    assert attention.choose(torch.device("cpu"), torch.bfloat16) == "sdpa"


def test_the_kernels_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here = attention.kernels(torch.device("cpu"), torch.bfloat16, tower=(2, 16), recorded=False)
    assert str(here) == ("attention: tower torch's flash for CPUs, prefill torch's flash for CPUs, decode two products")
    asked = attention._choice_of_sdpa
    monkeypatch.setattr(torch.backends.cuda, "can_use_flash_attention", lambda _: False)
    for efficient, name in ((True, "torch's memory-efficient"), (False, "torch's math")):
        monkeypatch.setattr(torch.backends.cuda, "can_use_efficient_attention", lambda _, can=efficient: can)
        assert asked(torch.device("cpu"), torch.bfloat16, 16, 72) == name
