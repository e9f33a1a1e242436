"""The loop: lessons in, an adapter out; stopped at any step and taken up again, it comes to the same weights.

What a step learns from and its random numbers follow from the seed and the step's number alone, so a checkpoint is
weights, moments and that number. Knows no file of data: pictures come from `show` when a step needs them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from aria_docs.errors import EngineError
from aria_docs.model.aria.adapt import checkpoints, lora
from aria_docs.model.aria.adapt.lesson import Lesson
from aria_docs.model.aria.adapt.losses import Learner, batch
from aria_docs.model.aria.features import Vision
from aria_docs.model.chat_model import Shown

MAX_NORM = 1.0  # of all gradients together: what Rhymes' trainer clips at
BETA1, EPSILON = 0.9, 1e-8
_SAVED_EVERY = 0.1  # of all steps: an adapter with experts has a checkpoint of 1.7 GB at Aria's size


@dataclass(frozen=True, slots=True)
class Plan:
    """Which lessons each step learns from, and how fast.

    lessons:     how many there are; an epoch has each once.
    per_device:  lessons of one pass on one device; accumulated: passes of a step; devices: that share its lessons.
    """

    lessons: int
    epochs: float
    per_device: int
    accumulated: int
    devices: int
    rate: float
    schedule: str
    warmup_ratio: float
    seed: int

    @property
    def per_step(self) -> int:
        """Lessons of a step on all devices."""
        return self.per_device * self.accumulated * self.devices

    @property
    def steps_an_epoch(self) -> int:
        """The last step of an epoch may have fewer lessons."""
        return -(-self.lessons // self.per_step)

    @property
    def steps(self) -> int:
        """In all."""
        return max(1, math.ceil(self.epochs * self.steps_an_epoch))

    def lessons_of(self, step: int) -> list[int]:
        """The numbers of a step's lessons; steps count from 0."""
        epoch, place = divmod(step, self.steps_an_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.lessons)
        return [int(number) for number in order[place * self.per_step : (place + 1) * self.per_step]]

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        warm = math.ceil(self.steps * self.warmup_ratio) if self.schedule != "constant" else 0
        if step < warm:
            return self.rate * (step + 1) / warm
        gone = (step - warm) / max(1, self.steps - warm)
        if self.schedule == "cosine":
            return self.rate * 0.5 * (1 + math.cos(math.pi * gone))
        return self.rate * (1 - gone) if self.schedule == "linear" else self.rate


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How one step went.

    loss:    cross-entropy of the learnt tokens, their mean over the step's lessons.
    router:  the balance terms. tokens: of the step's lessons, pictures included; seconds: that it took.
    """

    step: int
    epoch: float
    loss: float
    router: float
    rate: float
    tokens: int
    seconds: float


def train(
    loaded: Any,
    lessons: Sequence[Lesson],
    show: Callable[[int], Sequence[Shown]],
    plan: Plan,
    *,
    folder: Path,
    recipe: str,
    wrapped: Any,
    vision: Vision,
    see_with_gradients: bool,
    z_loss: float,
    balance: float,
    weight_decay: float,
    beta2: float,
    checkpointing: bool,
    on_step: Callable[[StepProgress], None],
    stopped: Callable[[], bool],
) -> int:
    """Trains from the last checkpoint in `folder`, or from the start; the number of steps that are done then.

    loaded:   weights.load(…, packed=False), its network wrapped by `lora.wrap`.
    show:     the pictures of a lesson by its number, in their order.
    stopped:  asked after every step; True ends the training there, with a checkpoint.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=loaded.device.type == "cpu")
    network = loaded.network
    learner: nn.Module = Learner(network, z_loss=z_loss, balance=balance)
    _make_ready(network, checkpointing=checkpointing)
    weights = lora.trainable(network)
    optimizer = torch.optim.AdamW(
        weights.values(), lr=plan.rate, betas=(BETA1, beta2), eps=EPSILON, weight_decay=weight_decay
    )
    begun = checkpoints.latest(folder)
    done = begun[0] if begun else 0
    if begun:
        _restore(checkpoints.load(folder, done), weights, optimizer, done, folder)
    if accelerator.num_processes > 1:  # else it would move what is spread over several cards
        learner = accelerator.prepare_model(learner)
    every = max(1, round(plan.steps * _SAVED_EVERY))
    for step in range(done, plan.steps):
        progress = _step(
            step, accelerator, learner, optimizer, weights, lessons, show, vision, plan,
            see_with_gradients=see_with_gradients,
        )  # fmt: skip
        done = step + 1
        last = done == plan.steps
        if accelerator.is_main_process:
            on_step(progress)
        stop = not last and stopped()
        if accelerator.is_main_process and (stop or last or done % every == 0):
            checkpoints.save(folder, done, _state(weights, optimizer), recipe=recipe)
        if stop:
            break
    if done == plan.steps and accelerator.is_main_process:
        lora.save(wrapped, folder)
    return done


def _make_ready(network: Any, *, checkpointing: bool) -> None:
    """Layers forget what they computed and compute it again on the way back; what is frozen drops nothing out."""
    network.train()
    network.model.vision_tower.eval()
    network.model.multi_modal_projector.eval()
    if checkpointing:
        network.model.language_model.activation_checkpointing_enable({"use_reentrant": False})


def _step(
    step: int,
    accelerator: Any,
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    weights: dict[str, nn.Parameter],
    lessons: Sequence[Lesson],
    show: Callable[[int], Sequence[Shown]],
    vision: Vision,
    plan: Plan,
    *,
    see_with_gradients: bool,
) -> StepProgress:
    began = time.perf_counter()
    torch.manual_seed(plan.seed * 1_000_003 + step)  # of the dropout: by the step, whatever was before
    chosen = plan.lessons_of(step)
    own = chosen[accelerator.process_index :: accelerator.num_processes]
    learnt = sum(lessons[number].learnt for number in chosen)
    passes = [own[start : start + plan.per_device] for start in range(0, len(own), plan.per_device)]
    lost = router = 0.0
    for numbers in passes:
        shown = [one for number in numbers for one in show(number)]
        with torch.set_grad_enabled(see_with_gradients):
            features = torch.cat(vision.features(shown)) if shown else None
        entropy, terms = learner(batch([lessons[number] for number in numbers], features))
        # Gradients of several devices are averaged: each counts for its own share of the tokens.
        loss = entropy * accelerator.num_processes / learnt + terms / len(passes)
        accelerator.backward(loss)
        lost, router = lost + float(entropy.detach()), router + float(terms.detach()) / len(passes)
    if not math.isfinite(lost):
        raise EngineError(f"the loss of step {step + 1} is {lost}: take a lower learning_rate")
    torch.nn.utils.clip_grad_norm_(weights.values(), MAX_NORM)
    for group in optimizer.param_groups:
        group["lr"] = plan.rate_at(step)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if accelerator.num_processes > 1:
        lost = float(accelerator.reduce(torch.tensor(lost, device=accelerator.device)))
    tokens = sum(len(lessons[number].ids) for number in chosen)
    return StepProgress(
        step + 1, (step + 1) / plan.steps_an_epoch, lost / learnt, router, plan.rate_at(step), tokens,
        time.perf_counter() - began,
    )  # fmt: skip


def _state(weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        moments = optimizer.state[weight]
        tensors |= {
            f"weight/{name}": weight,
            f"mean/{name}": moments["exp_avg"],
            f"square/{name}": moments["exp_avg_sq"],
        }
    return tensors


def _restore(
    tensors: dict[str, torch.Tensor],
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    step: int,
    folder: Path,
) -> None:
    if {name.partition("/")[2] for name in tensors} != weights.keys():
        raise EngineError(
            f"the checkpoint in {folder} is of other weights: remove its folder checkpoints and train again"
        )
    for name, weight in weights.items():
        weight.data.copy_(tensors[f"weight/{name}"])
        optimizer.state[weight] = {
            "step": torch.tensor(float(step)),
            "exp_avg": tensors[f"mean/{name}"].to(weight.device),
            "exp_avg_sq": tensors[f"square/{name}"].to(weight.device),
        }
