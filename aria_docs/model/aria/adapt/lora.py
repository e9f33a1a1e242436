"""LoRA on Aria's network by PEFT: which weights, by the published names' substrings, and what is frozen.

    published (as Rhymes' YAML names them)                   in memory                          in PEFT
    ….self_attn.q_proj, shared_experts.gate_proj, lm_head    the same                           target_modules
    ….mlp.experts.fc1, ….mlp.experts.fc2                     ….gate_up_proj, ….down_proj        target_parameters

The router is never adapted. The only PEFT import beside `merging`'s check.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from aria_docs.errors import UsageError

_PUBLISHED = {"gate_up_proj": "fc1", "down_proj": "fc2"}  # of the routed experts' stacks
_LAYER = re.compile(r"^model\.language_model\.layers\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What no LoRA touches."""

    vision: bool = True
    projector: bool = True
    decoder: bool = False
    layers: tuple[int, ...] = ()

    def holds(self, name: str) -> bool:
        """Whether the module of that name is frozen."""
        if name.startswith("model.vision_tower."):
            return self.vision
        if name.startswith("model.multi_modal_projector."):
            return self.projector
        layer = _LAYER.match(name)
        return self.decoder or (layer is not None and int(layer[1]) in self.layers)


def targets(network: Any, named: Sequence[str], frozen: Frozen) -> tuple[list[str], list[str]]:
    """(linear modules, stacks of experts) whose names hold one of the given substrings.

    UsageError where none does, where one of them stands in no name at all, or a frozen layer is none of the network's.
    """
    modules, stacks, known = [], [], set[str]()
    for name, module in network.named_modules():
        # The projector's attention is torch's own: its out_proj's weight is read without calling the module.
        if isinstance(module, nn.Linear) and ".multihead_attn." not in name:
            found = {part for part in named if part in name}
            modules += [name] * bool(found and not frozen.holds(name))
            known |= found
        if name.endswith(".mlp.experts"):
            for leaf, published in _PUBLISHED.items():
                found = {part for part in named if part in f"{name}.{published}" or part == f"experts.{leaf}"}
                stacks += [f"{name}.{leaf}"] * bool(found and not frozen.holds(name))
                known |= found
    if unknown := [part for part in named if part not in known]:
        raise UsageError(f"lora_target_modules {unknown[0]}: no weight that can be adapted has such a name")
    n_layers = len(network.model.language_model.layers)
    if frozen.layers and max(frozen.layers) >= n_layers:
        raise UsageError(f"freeze_llm_layers {max(frozen.layers)}: the model has layers 0 to {n_layers - 1}")
    if not modules and not stacks:
        raise UsageError(f"lora_target_modules {', '.join(named)}: no weight that is not frozen has such a name")
    return modules, stacks


def wrap(
    network: Any, *, named: Sequence[str], frozen: Frozen, rank: int, alpha: float, dropout: float, seed: int
) -> Any:
    """PEFT's model around the network, its A and B in float32 and the only weights with gradients.

    PEFT knows no dropout for stacks of experts, and refuses a configuration with one: so dropout is set on the linear
    layers afterwards, and what is saved says 0, which changes no answer.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    modules, stacks = targets(network, named, frozen)
    torch.manual_seed(seed)
    scale: Any = alpha  # named an int there, and divided by the rank
    config = LoraConfig(
        r=rank, lora_alpha=scale, lora_dropout=0.0, bias="none", target_modules=modules, target_parameters=stacks
    )
    with warnings.catch_warnings():
        # PEFT still asks the network by a name that transformers is giving up.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        wrapped = get_peft_model(network, config)
    for module in wrapped.modules():
        drops: Any = getattr(module, "lora_dropout", None)
        if dropout and drops is not None and isinstance(getattr(module, "base_layer", None), nn.Linear):
            drops["default"] = nn.Dropout(dropout)
    return wrapped


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that a training changes, by name."""
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def save(wrapped: Any, folder: Path) -> None:
    """PEFT's two files, and not the model card it writes beside them."""
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
