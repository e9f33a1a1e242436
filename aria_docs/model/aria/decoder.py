"""The decoder's own pass: tokens of any number of sequences side by side, each attending to its own cache.

One row of tokens goes through every layer, whatever sequences they belong to: router, experts and projections see one
large batch, and only attention looks at each sequence apart. No padding, no mask. The modules are those of
transformers' AriaForConditionalGeneration, quantised or spread over cards as they were loaded; not their `forward`,
which would build masks and a cache of its own. Knows no tokenizer, no question, no grammar.

Letters: N tokens of the batch, C hidden width, H heads, D width of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from aria_docs.model.aria import private
from aria_docs.model.aria.cache import CacheShape, Prefix, TokenSpan, by_prefix
from aria_docs.model.aria.cascade import Partial, attend
from aria_docs.model.aria.experts import FEW_TOKENS, Int4Stack, Int8Stack

MOST_TOKENS = 256  # of a recorded step: 32 answers with 7 guesses each; all 64 experts are awake by then

Attention = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Layer, queries, keys and values [1, H, N, D] → what the queries see, [1, H, N, D]; stores the keys on the way."""


class Decoder:
    """The language model of a loaded Aria.

    checked:  called before every layer; what it raises ends the pass. A chunk takes minutes on a CPU.
    """

    def __init__(self, network: Any, *, checked: Callable[[], None] = lambda: None) -> None:
        self._text, self._head, self.checked = network.model.language_model, network.lm_head, checked
        config = network.config.text_config
        self.vocabulary: int = config.vocab_size
        self.positions: int = config.max_position_embeddings
        attention = self._text.layers[0].self_attn
        assert attention.num_key_value_groups == 1, "Aria has as many key heads as heads"
        self._heads, self._width = config.num_attention_heads, attention.head_dim
        devices = tuple(layer.input_layernorm.weight.device for layer in self._text.layers)
        self.shape = CacheShape(self._heads, self._width, devices, self._text.embed_tokens.weight.dtype)

    @property
    def device(self) -> torch.device:
        """Where tokens go in."""
        return torch.device(self._text.embed_tokens.weight.device)

    @property
    def records(self) -> bool:
        """Whether a pass can be recorded as a CUDA graph: all of it on one card, in half precision."""
        if self.device.type != "cuda" or self.shape.dtype not in (torch.bfloat16, torch.float16):
            return False  # on a CPU the head may be packed, and then has no weight to ask
        return {*self.shape.devices, self.device, torch.device(self._head.weight.device)} == {self.device}

    @property
    def widest(self) -> int:
        """Tokens of a step that can be recorded: how many its experts multiply without asking the device which.

        transformers' grouped_mm asks at no width. Quantised experts are unpacked for each token that wakes them.
        """
        quantised = any(isinstance(module, Int8Stack | Int4Stack) for module in self._text.modules())
        return FEW_TOKENS if quantised else MOST_TOKENS

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """[N] → [N, C]."""
        embeddings: torch.Tensor = self._text.embed_tokens(ids.to(self.device))
        return embeddings

    def forward(self, hidden: torch.Tensor, spans: Sequence[TokenSpan]) -> torch.Tensor:
        """[N, C] → [N, C] before the last norm; keys and values are in the spans' caches, tails not yet advanced."""
        starts = [torch.arange(span.start, span.start + span.count) for span in spans]
        groups = by_prefix(spans)
        return self.through_layers(
            hidden,
            torch.cat(starts).to(hidden.device),
            lambda layer, queries, keys, values: _attention(layer, queries, keys, values, spans, groups),
        )

    def through_layers(self, hidden: torch.Tensor, positions: torch.Tensor, attention: Attention) -> torch.Tensor:
        """[N, C] at positions [N] → [N, C] before the last norm, each layer's attention as the caller has it."""
        hidden = hidden[None]  # [1, N, C]
        cosine, sine = self._text.rotary_emb(hidden, positions[None])  # each [1, N, D]
        for index, (layer, device) in enumerate(zip(self._text.layers, self.shape.devices, strict=True)):
            self.checked()
            hidden, cosine, sine = hidden.to(device), cosine.to(device), sine.to(device)
            projections, normed = layer.self_attn, layer.input_layernorm(hidden)
            queries, keys, values = (
                project(normed).view(1, -1, self._heads, self._width).transpose(1, 2)  # [1, H, N, D]
                for project in (projections.q_proj, projections.k_proj, projections.v_proj)
            )
            queries, keys = private.rotate(queries, keys, cosine, sine)
            seen = attention(index, queries, keys, values)
            hidden = hidden + projections.o_proj(seen.transpose(1, 2).reshape(1, -1, self._heads * self._width))
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return hidden[0]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[n, C] from `forward` → [n, V] in float32, on the head's device."""
        normed = self._text.norm(hidden.to(self._text.norm.weight.device))
        logits: torch.Tensor = self._head(normed)
        return logits.float()


def _attention(
    layer: int,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    spans: Sequence[TokenSpan],
    groups: Sequence[tuple[slice, Prefix, int]],
) -> torch.Tensor:
    """[1, H, N, D] of the whole batch: each context's part for all its tokens in one go, each span's own, joined."""
    own = _stack(
        queries, [(span.rows, attend(queries[:, :, span.rows], span.write(layer, keys, values))) for span in spans]
    )
    if not any(seen for _, _, seen in groups):
        return own.output.to(queries.dtype)
    return before(layer, queries, groups).joined(own).output.to(queries.dtype)


def before(layer: int, queries: torch.Tensor, groups: Sequence[tuple[slice, Prefix, int]]) -> Partial:
    """What queries [1, H, N, D] see of their contexts, grouped `by_prefix`."""
    return _stack(
        queries, [(rows, attend(queries[:, :, rows], prefix.pieces(layer, seen))) for rows, prefix, seen in groups]
    )


def _stack(queries: torch.Tensor, partials: Sequence[tuple[slice, Partial | None]]) -> Partial:
    """The partial answers of neighbouring rows as one; rows without any saw nothing."""
    whole = [partial or Partial.of_nothing(queries[:, :, rows]) for rows, partial in partials]
    if len(whole) == 1:
        return whole[0]
    return Partial(
        torch.cat([one.output.to(queries.dtype) for one in whole], dim=2), torch.cat([one.lse for one in whole], dim=2)
    )
