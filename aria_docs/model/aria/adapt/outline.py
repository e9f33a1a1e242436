"""What a training is on this machine: the network's names and sizes without its weights, then the training itself.

The door of this room for `aria_docs.adapt`, which imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aria_docs.errors import EngineError
from aria_docs.forecast import Widths
from aria_docs.model.aria import experts, weights
from aria_docs.model.aria.adapt import lora, training
from aria_docs.model.aria.adapt.lesson import Lesson, Turn
from aria_docs.model.aria.adapt.lesson import lesson as make_lesson
from aria_docs.model.aria.adapt.training import Plan, StepProgress
from aria_docs.model.aria.feature_cache import FeatureCache, fingerprint
from aria_docs.model.aria.features import Vision
from aria_docs.model.aria.model import cache_folder
from aria_docs.model.aria.tokens import Tokens
from aria_docs.model.chat_model import Shown
from aria_docs.tiling.split import Layout

Settings = Mapping[str, Any]  # of `aria_docs.adapt.config`, as a dictionary


@dataclass(frozen=True, slots=True)
class Outline:
    """A checkpoint and what would be trained of it.

    window:       tokens of its longest context. base: the state of its weights.
    trained:      numbers of A and B; experts_too: whether some are of the routed experts.
    """

    tokens: Tokens
    window: int
    base: str
    widths: Widths
    weights_bytes: int
    trained: int
    experts_too: bool
    bytes_a_number: int
    device: str
    free_bytes: int | None

    def lesson(self, turns: Sequence[tuple[str, tuple[str | Layout, ...]]]) -> Lesson:
        """(role, content) of each message as ids and labels."""
        return make_lesson(self.tokens, [Turn(role, content) for role, content in turns])  # type: ignore[arg-type]


def outline(model: str, *, settings: Settings, device: str | None = None) -> Outline:
    """Reads config, headers and tokenizer. Raises EngineError, and UsageError where nothing would be trained."""
    folder = weights.locate(model)
    config = weights.read_config(folder)
    stored = weights.read_headers(folder)
    dtype = torch.bfloat16 if settings["bf16"] else torch.float32
    network = weights.skeleton(config, dtype=dtype)
    wanted = weights.shapes(network)
    weights.check_tensors(folder, {name: tensor.shape for name, tensor in stored.items()}, wanted)
    modules, stacks = lora.targets(network, settings["lora_target_modules"], _freeze(settings))
    rank, text = settings["lora_r"], config.text_config
    trained = sum(rank * sum(wanted[f"{name}.weight"]) for name in modules)
    trained += sum(rank * wanted[name][0] * sum(wanted[name][1:]) for name in stacks)
    place = weights.find_device(device)
    tokens = Tokens(weights.read_tokenizer(folder, config), vocabulary=text.vocab_size, image=config.image_token_index)
    return Outline(
        tokens=tokens,
        window=text.max_position_embeddings,
        base=weights.fingerprint(folder),
        widths=Widths(
            text.num_hidden_layers, text.hidden_size, text.vocab_size, text.moe_num_experts, text.moe_topk,
            text.intermediate_size, text.moe_num_shared_experts,
        ),
        weights_bytes=experts.nbytes(network),
        trained=trained,
        experts_too=bool(stacks),
        bytes_a_number=dtype.itemsize,
        device=str(place),
        free_bytes=weights.free_bytes(place),
    )  # fmt: skip


def plan(lessons: int, *, settings: Settings) -> Plan:
    """Of so many lessons on the devices that accelerate has been started for."""
    from accelerate import PartialState

    return Plan(
        lessons=lessons,
        epochs=settings["num_train_epochs"],
        per_device=settings["per_device_train_batch_size"],
        accumulated=settings["gradient_accumulation_steps"],
        devices=PartialState().num_processes,
        rate=settings["learning_rate"],
        schedule=settings["lr_scheduler_type"],
        warmup_ratio=settings["warmup_ratio"],
        seed=settings["seed"],
    )


def train(
    model: str,
    lessons: Sequence[Lesson],
    show: Callable[[int], Sequence[Shown]],
    plan: Plan,
    *,
    settings: Settings,
    device: str | None,
    folder: Path,
    recipe: str,
    on_step: Callable[[StepProgress], None],
    stopped: Callable[[], bool],
) -> int:
    """Loads the weights and trains; the number of steps done. Raises EngineError where memory runs out."""
    loaded = weights.load(model, device=device, packed=False)
    network = loaded.network if settings["bf16"] else loaded.network.float()
    frozen = _freeze(settings)
    identity = fingerprint(network)
    wrapped = lora.wrap(
        network,
        named=settings["lora_target_modules"],
        frozen=frozen,
        rank=settings["lora_r"],
        alpha=settings["lora_alpha"],
        dropout=settings["lora_dropout"],
        seed=settings["seed"],
    )
    learns_to_see = any(name.startswith(_EYES) for name in lora.trainable(network))
    dtype = network.model.multi_modal_projector.query.dtype
    cache = None if learns_to_see else FeatureCache(cache_folder(), weights=identity, dtype=dtype)
    try:
        return training.train(
            loaded,
            lessons,
            show,
            plan,
            folder=folder,
            recipe=recipe,
            wrapped=wrapped,
            vision=Vision(network, cache=cache),
            see_with_gradients=learns_to_see,
            z_loss=settings["moe_z_loss_coeff"],
            balance=settings["moe_aux_loss_coeff"],
            weight_decay=settings["weight_decay"],
            beta2=settings["adam_beta2"],
            checkpointing=settings["gradient_checkpointing"],
            on_step=on_step,
            stopped=stopped,
        )
    except (torch.OutOfMemoryError, MemoryError) as error:
        way_out = "take a smaller per_device_train_batch_size, or fewer lora_target_modules; --resume goes on"
        raise EngineError(f"memory ran out while training: {way_out}") from error


_EYES = ("model.vision_tower.", "model.multi_modal_projector.")


def _freeze(settings: Settings) -> lora.Frozen:
    return lora.Frozen(
        vision=settings["freeze_vit"],
        projector=settings["freeze_projector"],
        decoder=settings["freeze_llm"],
        layers=tuple(settings["freeze_llm_layers"]),
    )
