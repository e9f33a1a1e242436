"""A LoRA adapter on disk, in PEFT's files, → what it adds to each weight of Aria. Knows no training, needs no PEFT.

    adapter_config.json            r, lora_alpha; what else changes a weight (DoRA, biases, …) is refused
    adapter_model.safetensors      base_model.model.….q_proj.lora_A.weight   (r, in), lora_B (out, r)
                                   ….mlp.experts[.base_layer].lora_A.weight  (E·r, in), lora_B (out, r·E)

A linear layer's weight (out, in) gets scaling · B A. A stack of E experts (E, in, out) gets, of each expert e, the
transpose of scaling · B[:, :, e] A[e]; A's rows are sorted by expert, B's columns by rank (PEFT's `ParamWrapper`).
The two stacks of a layer share a module, and PEFT nests their names in an order of its own: shapes tell them apart.

Added in float32 and rounded once, one expert at a time, before anything is quantised or packed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import torch

from aria_docs.errors import EngineError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_STACK = ".mlp.experts"
# What PEFT's LoRA can do beside A and B; each would change the weights in a way that is not read here.
_PLAIN = {
    "use_dora": False, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None, "lora_bias": False,
    "alpha_pattern": {}, "rank_pattern": {}, "layer_replication": None, "trainable_token_indices": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Factors:
    """What is added to one weight: `scaling` times the product of a (E·r, in) and b (out, r·E); one linear: E = 1."""

    a: torch.Tensor
    b: torch.Tensor
    scaling: float

    def added(self, weight: torch.Tensor) -> torch.Tensor:
        """(out, in), or (E, in, out), with what is added to it, in its own dtype and place."""
        a, b = (side.to(weight.device, torch.float32) for side in (self.a, self.b))
        if weight.dim() == 2:
            return (weight.float() + self.scaling * (b @ a)).to(weight.dtype)
        n = len(weight)
        a, b = a.view(n, -1, a.shape[1]), b.view(b.shape[0], -1, n)  # (E, r, in), (out, r, E)
        summed = torch.empty_like(weight)
        for expert in range(n):
            summed[expert] = weight[expert].float() + self.scaling * (b[:, :, expert] @ a[expert]).t()
        return summed


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter whose tensors are known to fit a network.

    identity:  hex digits of its contents: part of a recipe.
    factors:   by the weight's name in memory.
    """

    folder: Path
    identity: str
    factors: Mapping[str, Factors]

    def added(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """The weight of that name, adapted; the same tensor where the adapter leaves it alone."""
        factors = self.factors.get(name)
        return weight if factors is None else factors.added(weight)


def identity(folder: Path) -> str:
    """16 hex digits of what an adapter adds. EngineError where the folder holds none that can be applied."""
    config = _config(folder)
    digest = hashlib.sha256(f"{_scaling(folder, config)}".encode())
    try:
        with (folder / WEIGHTS).open("rb") as file:
            while block := file.read(2**24):
                digest.update(block)
    except OSError as error:
        raise EngineError(f"{folder / WEIGHTS} cannot be read ({error.strerror}): {_WAY_OUT}") from error
    return digest.hexdigest()[:16]


def read(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Adapter:
    """The adapter of a folder for a network of these shapes, by name in memory. EngineError where it does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _config(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{folder / WEIGHTS} cannot be read ({error}): {_WAY_OUT}") from error
    factors: dict[str, Factors] = {}
    scaling = _scaling(folder, config)
    for key, a in tensors.items():
        module, found, _ = key.partition(".lora_A.")
        if not found:
            if ".lora_B." not in key:
                raise EngineError(f"{folder / WEIGHTS} holds {key}, which is no part of a plain LoRA: {_WAY_OUT}")
            continue
        b = tensors.get(key.replace(".lora_A.", ".lora_B."))
        name = None if b is None else _weight(module.removeprefix("base_model.model."), a, b, shapes)
        if b is None or name is None or name in factors:
            size = f"{tuple(a.shape)} and {None if b is None else tuple(b.shape)}"
            raise EngineError(
                f"{key} of {folder} ({size}) fits no weight of this model: give the model it was trained on"
            )
        factors[name] = Factors(a, b, scaling)
    if not factors:
        raise EngineError(f"{folder / WEIGHTS} adapts nothing: train it again")
    return Adapter(folder, identity(folder), factors)


_WAY_OUT = "give the folder that `aria-docs adapt train` wrote, or another of PEFT's plain LoRA"


def _weight(module: str, a: torch.Tensor, b: torch.Tensor, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The name of the weight that A and B fit; None if absent."""
    module = module.replace(".base_layer", "")
    if module.endswith(_STACK):
        names = [f"{module}.gate_up_proj", f"{module}.down_proj"]
        fitting = [name for name in names if name in shapes and shapes[name][1:] == (a.shape[1], b.shape[0])]
        fitting = [name for name in fitting if a.shape[0] == b.shape[1] and a.shape[0] % shapes[name][0] == 0]
    else:
        name = f"{module}.weight"
        fitting = [name] if shapes.get(name) == (b.shape[0], a.shape[1]) and a.shape[0] == b.shape[1] else []
    return fitting[0] if len(fitting) == 1 else None


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{folder} holds no adapter ({CONFIG}: {error}): {_WAY_OUT}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise EngineError(f"{folder} holds no LoRA adapter: {_WAY_OUT}")
    for key, plain in _PLAIN.items():
        if (given := config.get(key, plain)) != plain and given:
            raise EngineError(f"{folder / CONFIG} has {key}: {given}, which cannot be applied here: {_WAY_OUT}")
    return config


def _scaling(folder: Path, config: Mapping[str, Any]) -> float:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise EngineError(f"{folder / CONFIG} has r {rank} and lora_alpha {alpha}: {_WAY_OUT}")
    return float(alpha) / (sqrt(rank) if config.get("use_rslora") else rank)
