"""Crops → what the decoder sees of them: vision tower and projector, each crop once, a few at a time.

The modules are transformers'; what surrounds them is ours, since theirs encode everything in one batch, pad a 16:9
frame to a square and keep the projector's attention weights. Crops of one shape go together, at most AT_ONCE of them,
and only their valid patches: the tower without padding answers the same, since a patch's position counts from the
valid area. Knows no prompt and no decoder.

Letters: n crops, P patches, Q queries, E width of the tower, C width of the decoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from aria_docs.model.aria.pixels import CropBatch, gather
from aria_docs.tiling.pixels import Crop

if TYPE_CHECKING:
    from aria_docs.model.aria.feature_cache import FeatureCache
    from aria_docs.model.chat_model import Shown

AT_ONCE = 16  # crops: 16 of 4,900 patches take under 1 GB beside the weights; 256 at once would take 24.6 GB


class Vision:
    """The eyes of a loaded Aria.

    cache:    of features on disk, None for none.
    checked:  called before every pass; what it raises ends the work.
    encoded:  how many crops went through the tower so far.
    """

    def __init__(
        self, network: Any, *, cache: FeatureCache | None = None, checked: Callable[[], None] = lambda: None
    ) -> None:
        assert network.config.vision_feature_layer == -1, network.config.vision_feature_layer
        self._tower, self._projector = network.model.vision_tower, network.model.multi_modal_projector
        self._cache, self._checked = cache, checked
        self.width = int(network.config.text_config.hidden_size)
        self.encoded = 0

    def features(self, shown: Sequence[Shown]) -> list[torch.Tensor]:
        """Of each page or frame [crops · Q, C], where the decoder takes them as its image tokens."""
        found: dict[int, torch.Tensor] = {}
        names = [self._cache.name(_crops(one), _queries(one)) if self._cache else None for one in shown]
        for place, name in enumerate(names):
            cached = (
                self._cache.read(name, (shown[place].part.layout.tokens, self.width)) if self._cache and name else None
            )
            if cached is not None:
                found[place] = cached.to(self._device)
        missing = [place for place in range(len(shown)) if place not in found]
        found |= dict(zip(missing, self._encode([shown[place] for place in missing]), strict=True))
        if self._cache:
            self._cache.write({name: found[place] for place in missing if (name := names[place])})
        return [found[place] for place in range(len(shown))]

    def _encode(self, shown: Sequence[Shown]) -> list[torch.Tensor]:
        found = [
            torch.empty((one.part.layout.tokens, self.width), dtype=self._dtype, device=self._device) for one in shown
        ]
        for places, batch in _batches(shown):
            self._checked()
            for (page, crop), made in zip(places, self.encode(batch), strict=True):
                found[page][crop * batch.queries : (crop + 1) * batch.queries] = made
        return found

    def encode(self, batch: CropBatch) -> torch.Tensor:
        """Crops of one shape, uint8 [n, 3, height, width] → [n, Q, C]."""
        self.encoded += len(batch)
        pixels = batch.normalise(self._dtype, device=self._device)
        valid = torch.ones((len(batch), *batch.patches), dtype=torch.bool, device=self._device)
        hidden = self._tower.embeddings(pixel_values=pixels, patch_attention_mask=valid)  # [n, P, E]
        # Before post_layernorm: it is no part of Aria, whose checkpoints leave it at zero. No mask: all are valid.
        hidden = self._tower.encoder(inputs_embeds=hidden, attention_mask=None).last_hidden_state
        return project(self._projector, hidden, batch.queries)

    @property
    def _device(self) -> torch.device:
        return torch.device(self._projector.query.device)

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._projector.query.dtype
        return dtype


def project(projector: Any, patches: torch.Tensor, queries: int) -> torch.Tensor:
    """[n, P, E] → [n, Q, C]: AriaProjector's forward without attention weights, its queries by mode.

    The first 128 learned queries serve a 490-px crop and all 256 a 980-px one, however many of its patches are valid.
    """
    cross = projector.cross_attn
    heads = cross.multihead_attn
    asked = cross.q_proj(cross.layer_norm(projector.query[:queries]))[None]  # [1, Q, E]
    normed = cross.layer_norm_kv(patches)
    weights, biases = heads.in_proj_weight.chunk(3), heads.in_proj_bias.chunk(3)
    sides = (asked, cross.k_proj(normed), cross.v_proj(normed))
    q, k, v = (
        functional.linear(side, weight, bias).view(*side.shape[:2], heads.num_heads, -1).transpose(1, 2)  # [n, H, ·, D]
        for side, weight, bias in zip(sides, weights, biases, strict=True)
    )
    seen = functional.scaled_dot_product_attention(q.expand(len(patches), -1, -1, -1), k, v)
    answer = cross.linear(heads.out_proj(seen.transpose(1, 2).flatten(2)))  # [n, Q, E]
    made: torch.Tensor = projector.feed_forward(projector.layer_norm(answer))
    return made


def _batches(shown: Sequence[Shown]) -> Iterator[tuple[list[tuple[int, int]], CropBatch]]:
    """All crops by shape, at most AT_ONCE together, with the (page, crop) each belongs to."""
    shapes: dict[tuple[tuple[int, ...], int], list[tuple[int, int, Crop]]] = defaultdict(list)
    for page, one in enumerate(shown):
        for number, crop in enumerate(_crops(one)):
            shapes[crop.pixels.shape, _queries(one)].append((page, number, crop))
    for (_, queries), members in shapes.items():
        for start in range(0, len(members), AT_ONCE):
            some = members[start : start + AT_ONCE]
            batch = gather([crop.pixels for _, _, crop in some], queries=queries)
            yield [(page, number) for page, number, _ in some], batch


def _crops(shown: Shown) -> tuple[Crop, ...]:
    crops = tuple(crop for crop in shown.crops if isinstance(crop, Crop))
    assert len(crops) == shown.part.layout.crops, f"{shown.key}: {len(crops)} crops, {shown.part.layout.crops} due"
    return crops


def _queries(shown: Shown) -> int:
    return shown.part.layout.mode.tokens_per_crop
