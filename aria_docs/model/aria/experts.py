"""Aria's experts in other memory than their file's: packed for a CPU, or as 8 or 4 bits; and what multiplies by them.

Knows transformers' experts registry and nothing of files, prompts or attention. E experts, T tokens, k experts a
token, K numbers in, N numbers out; a checkpoint's expert tensor is (E, K, N).

Three quarters of a second of every 2,048 tokens, and 10 of 13 bytes read for a decoded token, go to the routed experts:

- **CUDA, bfloat16**: nothing here is used. transformers' `grouped_mm` takes the file's layout as it is.
- **CPU, bfloat16**: oneDNN reads a weight in its own blocked layout, and repacks it in every call that brings another.
  So all weights of the decoder are packed once, when they are loaded (`pack`). Same bytes, same numbers;
  benchmarks/layers.py has by how much it wins against grouped_mm, batched_mm and eager.
- **int8, int4** (`Int8Stack`, `Int4Stack`, `Int4CpuStack`): weights alone. On a CPU torch's kernels read the bytes as
  they are where that wins; elsewhere a touched expert becomes bfloat16 again when its tokens are gathered. Own code,
  because no kept library multiplies by quantised experts of three dimensions (tried with transformers 5.24): torchao
  0.18 quantises them to int8, but its tensor has neither `grouped_mm` nor `bmm` nor `mm`, and its int4 wants a package
  of CUDA kernels; quanto 0.2.7 sees nn.Linear alone; bitsandbytes is for CUDA alone.

float32 is for comparing numbers, and stays with transformers' own.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn
from torch.nn import functional

from aria_docs.model.aria import private

if TYPE_CHECKING:
    from collections.abc import Iterator

Quantization = Literal["int8", "int4"]

NAME = "aria_docs"  # in transformers' registry of experts functions
STACKS = ("gate_up_proj", "down_proj")  # (E, hidden, 2·width): gate and up side by side; (E, width, hidden)
INT4_GROUP = 128  # numbers along K that share a scale and a lowest value

# Up to so many tokens of one expert the CPU's int8 kernel, which reads half the bytes, beats turning it into bfloat16.
_INT8_ROWS = 8

# Up to so many tokens (answers side by side) a card multiplies each of their k experts apart, at lengths it knows.
FEW_TOKENS = 8


class PackedStack(nn.Module):
    """The bfloat16 weights of E experts in oneDNN's blocked layout, (E, K, N) as the file has them."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.nbytes = weights.nbytes
        # A list and no buffers: torch can neither move nor save a tensor of that layout.
        self.packed = [private.pack(expert.t().contiguous()) for expert in weights]

    def multiply(self, expert: int, rows: torch.Tensor) -> torch.Tensor:
        """(n, K) by the weights of that expert: (n, N)."""
        return private.by_packed(rows, self.packed[expert], None)


class Int8Stack(nn.Module):
    """(E, K, N) as int8 (E, N, K) and a scale for each expert and column; the largest number becomes ±127."""

    values: torch.Tensor
    scales: torch.Tensor

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        values, scales = zip(*map(self._quantise, weights), strict=True)
        self.register_buffer("values", torch.stack(values))
        self.register_buffer("scales", torch.stack(scales))

    @staticmethod
    def _quantise(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        columns = weights.t().float()  # one expert at a time: all of them as float32 would be 2.2 GB
        scale = (columns.abs().amax(dim=1) / 127).clamp_min(1e-12).to(weights.dtype)
        return (columns / scale.float()[:, None]).round_().clamp_(-127, 127).to(torch.int8), scale

    @property
    def nbytes(self) -> int:
        """Of weights and scales."""
        return self.values.nbytes + self.scales.nbytes

    def multiply(self, expert: int, rows: torch.Tensor) -> torch.Tensor:
        """(n, K) by the weights of that expert: (n, N)."""
        values, scale = self.values[expert], self.scales[expert]
        if rows.device.type == "cpu" and rows.dtype == torch.bfloat16 and len(rows) <= _INT8_ROWS:
            return private.by_int8(rows, values, scale)
        return functional.linear(rows, values.to(rows.dtype)) * scale

    def multiply_each(self, experts: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """(n, K), each row by the weights of its own of experts (n): (n, N)."""
        weights = self.values[experts].to(rows.dtype)  # (n, N, K)
        return (weights @ rows[:, :, None])[:, :, 0] * self.scales[experts]


class Int4Stack(nn.Module):
    """(E, K, N) as 4 bits, (E, N, K/2) bytes, with a scale and a lowest value for every 128 numbers along K.

    weight = lowest + scale · (0 … 15). A byte holds two numbers of one group, half a group apart, the earlier one low.
    Where K is no multiple of 128, as in tiny models, a group has the largest power of two that divides it.
    """

    values: torch.Tensor
    scales: torch.Tensor
    lowest: torch.Tensor

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.group = gcd(weights.shape[1], INT4_GROUP)
        values, scales, lowest = zip(*(self._pack(expert) for expert in weights), strict=True)
        self.register_buffer("values", torch.stack(values))
        self.register_buffer("scales", torch.stack(scales))
        self.register_buffer("lowest", torch.stack(lowest))

    def _pack(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        numbers, scale, lowest = _in_groups(weights, self.group)
        earlier, later = numbers.chunk(2, dim=2)
        return (earlier | later << 4).flatten(1), scale, lowest

    @property
    def nbytes(self) -> int:
        """Of weights, scales and lowest values."""
        return self.values.nbytes + self.scales.nbytes + self.lowest.nbytes

    def multiply(self, expert: int, rows: torch.Tensor) -> torch.Tensor:
        """(n, K) by the weights of that expert: (n, N)."""
        return functional.linear(rows, self._unpack(expert, rows.dtype))

    def multiply_each(self, experts: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """(n, K), each row by the weights of its own of experts (n): (n, N)."""
        return (self._unpack(experts, rows.dtype) @ rows[:, :, None])[:, :, 0]

    def _unpack(self, experts: torch.Tensor | int, dtype: torch.dtype) -> torch.Tensor:
        """(…, N, K) of one expert or several."""
        values = self.values[experts]  # (…, N, K/2)
        pairs = values.view(*values.shape[:-1], -1, self.group // 2)
        numbers = torch.cat([pairs & 15, pairs >> 4], dim=-1).to(dtype)
        return torch.addcmul(self.lowest[experts][..., None], numbers, self.scales[experts][..., None]).flatten(-2)


class Int4CpuStack(nn.Module):
    """The same 4 bits and groups as `Int4Stack`, for bfloat16 on a CPU, in the layout of torch's own kernel for it.

    weight = middle + scale · (−8 … 7). Turning an expert into bfloat16 first takes 25 times as long for one token, and
    longer than this kernel for 200 (one thread, AVX-512).
    """

    values: torch.Tensor
    spans: torch.Tensor

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.group = gcd(weights.shape[1], INT4_GROUP)
        values, spans = zip(*(self._pack(expert) for expert in weights), strict=True)
        self.register_buffer("values", torch.stack(values))  # (E, N, K/2) bytes
        self.register_buffer("spans", torch.stack(spans))  # (E, K/group, N, 2): scale and middle

    @staticmethod
    def takes(weights: torch.Tensor) -> bool:
        """Whether the kernel knows this device, these numbers and sizes."""
        fits = gcd(weights.shape[1], INT4_GROUP) >= 32 and weights.shape[2] % 64 == 0
        return fits and weights.device.type == "cpu" and weights.dtype == torch.bfloat16

    def _pack(self, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        numbers, scale, lowest = _in_groups(weights, self.group)
        middle = (lowest.float() + 8 * scale.float()).to(weights.dtype)
        return private.pack_int4(numbers.flatten(1).int()), torch.stack([scale.t(), middle.t()], dim=2)

    @property
    def nbytes(self) -> int:
        """Of weights, scales and middles."""
        return self.values.nbytes + self.spans.nbytes

    def multiply(self, expert: int, rows: torch.Tensor) -> torch.Tensor:
        """(n, K) by the weights of that expert: (n, N)."""
        return private.by_int4(rows, self.values[expert], self.group, self.spans[expert])


def _in_groups(weights: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One expert (K, N) as uint8 0 … 15, (N, K/group, group), and each group's scale and lowest value, (N, K/group)."""
    groups = weights.t().float().reshape(weights.shape[1], -1, group)
    low, high = groups.aminmax(dim=2, keepdim=True)
    lowest = low.to(weights.dtype)
    scale = ((high - lowest.float()) / 15).clamp_min(1e-12).to(weights.dtype)
    numbers = ((groups - lowest.float()) / scale.float()).round_().clamp_(0, 15).to(torch.uint8)
    return numbers, scale.squeeze(2), lowest.squeeze(2)


Stack = PackedStack | Int8Stack | Int4Stack | Int4CpuStack


class PackedLinear(nn.Module):
    """An nn.Linear in bfloat16 whose weight lies in oneDNN's blocked layout."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.nbytes = linear.weight.nbytes
        self.bias = linear.bias
        self.packed = private.pack(linear.weight.detach())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, K) to (…, N)."""
        return private.by_packed(rows, self.packed, self.bias)


def quantise_stack(weights: torch.Tensor, kind: Quantization) -> Int8Stack | Int4Stack | Int4CpuStack:
    """An expert tensor (E, K, N), on the device where it is to stay, as 8 or 4 bits."""
    if kind == "int8":
        return Int8Stack(weights)
    return Int4CpuStack(weights) if Int4CpuStack.takes(weights) else Int4Stack(weights)


def quantise(decoder: nn.Module, kind: Quantization) -> None:
    """Every expert tensor below a module, in place; on the meta device it tells what they will take."""
    for module in list(decoder.modules()):
        for name in STACKS:
            if isinstance(weights := getattr(module, name, None), nn.Parameter):
                put(module, name, quantise_stack(weights.detach(), kind))


def put(module: nn.Module, name: str, stack: Stack) -> None:
    """In place of the parameter of that name in one of transformers' `AriaExperts`."""
    delattr(module, name)
    setattr(module, name, stack)


def packs(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether oneDNN's layout is of use here: a CPU with instructions for bfloat16, and weights in it."""
    return device.type == "cpu" and dtype == torch.bfloat16 and private.multiplies_bf16()


def pack(decoder: nn.Module) -> None:
    """Packs every expert and every nn.Linear below a module, in place; the weights it had are let go one by one."""
    for module in list(decoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, PackedLinear(child))
        for name in STACKS:
            if isinstance(weights := getattr(module, name, None), nn.Parameter):
                put(module, name, PackedStack(weights.detach()))


def nbytes(network: nn.Module) -> int:
    """What all weights of a network take in memory, packed and quantised ones counted."""
    held = sum(module.nbytes for module in network.modules() if isinstance(module, (PackedStack, PackedLinear)))
    return held + sum(tensor.nbytes for tensor in _tensors(network))


def multiply_routed(
    experts: nn.Module, hidden: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    """What transformers calls for each layer's routed experts, once `register` has named it.

    experts:                     an `AriaExperts` whose two weights are stacks.
    hidden:                      (T, hidden).
    top_k_index, top_k_weights:  (T, k).

    Tokens are sorted by expert; each expert that is touched reads its rows, and nothing as large as all T · k rows is
    ever gathered. The sum over a token's experts is kept in float32.
    """
    gate_up, down = cast("Stack", experts.gate_up_proj), cast("Stack", experts.down_proj)
    if hidden.is_cuda and len(hidden) <= FEW_TOKENS:
        assert isinstance(gate_up, Int8Stack | Int4Stack), gate_up
        assert isinstance(down, Int8Stack | Int4Stack), down
        return multiply_few(gate_up, down, hidden, top_k_index, top_k_weights)
    index = top_k_index.reshape(-1)  # (T·k)
    order = index.argsort(stable=True)
    tokens, weights = order // top_k_index.shape[1], top_k_weights.reshape(-1)[order].float()
    counts = torch.bincount(index, minlength=cast("int", experts.num_experts)).tolist()
    summed = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
    start = 0
    for expert, count in enumerate(counts):
        if not count:
            continue
        rows = tokens[start : start + count]
        gate, up = gate_up.multiply(expert, hidden[rows]).chunk(2, dim=-1)
        said = down.multiply(expert, functional.silu(gate).mul_(up))
        summed.index_add_(0, rows, said.float().mul_(weights[start : start + count, None]))
        start += count
    return summed.to(hidden.dtype)


def multiply_few(
    gate_up: Int8Stack | Int4Stack,
    down: Int8Stack | Int4Stack,
    hidden: torch.Tensor,
    top_k_index: torch.Tensor,
    top_k_weights: torch.Tensor,
) -> torch.Tensor:
    """The same for few tokens, without asking the device which experts they touch: a CUDA graph can record it.

    What two tokens share is read twice: 48 experts for 8 tokens, of which 35 differ.
    """
    index, k = top_k_index.reshape(-1), top_k_index.shape[1]
    gate, up = gate_up.multiply_each(index, hidden.repeat_interleave(k, dim=0)).chunk(2, dim=-1)
    said = down.multiply_each(index, functional.silu(gate).mul_(up)).view(len(hidden), k, -1)
    return (said.float() * top_k_weights.float()[..., None]).sum(dim=1).to(hidden.dtype)


def register() -> str:
    """Makes `multiply_routed` known to transformers; gives the name to select it by. Harmless when done twice."""
    private.register_experts(NAME, multiply_routed)
    return NAME


def _tensors(network: nn.Module) -> Iterator[torch.Tensor]:
    yield from network.parameters()
    yield from network.buffers()
