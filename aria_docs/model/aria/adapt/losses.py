"""What a step learns from: the answers' tokens, and two terms that keep the experts' router in balance.

Letters: B lessons of a batch, S tokens of the longest, C hidden width, V vocabulary, E experts, k of them a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from aria_docs.model.aria.adapt.lesson import IGNORED, Lesson

# Logits of so many learnt tokens at a time: 1,024 × 100,352 float32 are 0.4 GB, all of a batch 3 GB and more.
_AT_ONCE = 1_024


@dataclass(frozen=True, slots=True)
class LessonBatch:
    """Lessons side by side, filled up on the right: what follows a token changes nothing in front of it.

    ids, labels:  [B, S]; IGNORED where nothing is learnt.
    real:         [B, S], False where it is filled up.
    features:     of all image tokens of the batch in their order [n, C].
    """

    ids: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor
    features: torch.Tensor | None


def batch(lessons: Sequence[Lesson], features: torch.Tensor | None) -> LessonBatch:
    """On the CPU."""
    longest = max(len(lesson.ids) for lesson in lessons)
    ids = torch.zeros((len(lessons), longest), dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    real = torch.zeros_like(ids, dtype=torch.bool)
    for row, lesson in enumerate(lessons):
        length = len(lesson.ids)
        ids[row, :length] = torch.tensor(lesson.ids)
        labels[row, :length] = torch.tensor(lesson.labels)
        real[row, :length] = True
    return LessonBatch(ids, labels, real, features)


class Learner(nn.Module):
    """The network as a step uses it: a batch in, its losses out.

    z_loss:   factor of the mean of squared logsumexp of the router's logits (ST-MoE, arXiv 2202.08906, equation 5).
    balance:  factor of E · Σ f·p over the experts, f the share of choices that fall on one, p the mean probability the
              router gives it (Switch Transformer, arXiv 2101.03961, equations 4 to 6, with k choices a token).
    """

    def __init__(self, network: Any, *, z_loss: float, balance: float) -> None:
        super().__init__()
        self.network = network
        self._z_loss, self._balance = z_loss, balance
        self._routed: list[torch.Tensor] | None = (
            None  # a list only while a forward pass runs: checkpoints run it twice
        )
        for layer in network.model.language_model.layers:
            layer.mlp.router.register_forward_hook(self._hear)

    def _hear(self, _router: nn.Module, _given: Any, said: tuple[torch.Tensor, ...]) -> None:
        if self._routed is not None:
            self._routed.append(said[0])

    def forward(self, given: LessonBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """(the sum of the learnt tokens' cross-entropy, the router's terms)."""
        text, image = self.network.model.language_model, self.network.config.image_token_index
        device = text.embed_tokens.weight.device
        ids = given.ids.to(device)
        embedded = text.embed_tokens(ids)  # [B, S, C]
        if given.features is not None:
            places = (ids == image)[..., None].expand_as(embedded)
            embedded = embedded.masked_scatter(places, given.features.to(embedded.device, embedded.dtype))
        self._routed = []
        hidden = text(inputs_embeds=embedded, use_cache=False).last_hidden_state  # [B, S, C]
        routed, self._routed = self._routed, None
        # A token's label is what follows it.
        labels = given.labels[:, 1:].to(hidden.device)
        learnt = labels != IGNORED
        lost = self._cross_entropy(hidden[:, :-1][learnt], labels[learnt])
        real = given.real.flatten()
        return lost, sum((self._router_terms(logits, real) for logits in routed), start=lost.new_zeros(()))

    def _cross_entropy(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """[n, C], [n]: each stretch's logits are made once more on the way back in place of being kept."""

        def part(hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            logits = self.network.lm_head(hidden)
            return functional.cross_entropy(logits.float(), labels.to(logits.device), reduction="sum")

        parts = zip(torch.split(hidden, _AT_ONCE), torch.split(labels, _AT_ONCE), strict=True)
        sums = [checkpoint(part, *side, use_reentrant=False) for side in parts]
        return torch.stack(sums).sum()

    def _router_terms(self, logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Of one layer, from logits [B·S, E] of tokens that are real."""
        logits = logits.float()[real.to(logits.device)]
        experts, k = logits.shape[1], self.network.config.text_config.moe_topk
        chosen = functional.one_hot(logits.topk(k, dim=-1).indices, experts).sum(dim=1).float()
        shares, probabilities = chosen.mean(dim=0) / k, logits.softmax(dim=-1).mean(dim=0)
        balance = experts * (shares * probabilities).sum()
        summed: torch.Tensor = self._z_loss * logits.logsumexp(dim=-1).square().mean() + self._balance * balance
        return summed
