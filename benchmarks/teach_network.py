"""Aria's network small enough to be taught in minutes, in plain torch; its weights are saved in the published layout.

All parameters lie in one flat float32 tensor, so that casting, clipping and Adam are one kernel each. What is known
beforehand is in the first weights: a tower's heads look at a patch's neighbours, and the projector's queries at the
places of a grid, both by the sines and cosines of the position table.

Letters: B pages, P patches (24·35), Q queries (128), E width of the tower, C of the decoder, T tokens, D of a head.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from teach_pages import CHARS, CLASSES
from torch.nn import functional as F  # noqa: N812 - as torch's own code calls it

SIDE, PATCH, ROWS, COLS, QUERIES = 70, 14, 24, 35, 128  # of the position table; of a page of 490×336 px
GRID, SLOTS = 11, 10  # 11×11 of the queries stand for a stretch of the page, with 10 characters side by side at most
WAVES = 32  # numbers of the tower's width that tell a place: as many as a head has
PATCHES, QUERY = "aux.patches", "aux.queries"
Looks = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Size:
    vision: int = 192
    vision_layers: int = 6
    vision_mlp: int = 576
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    expert: int = 64
    experts: int = 8
    active: int = 2
    vocab: int = 384

    @property
    def vision_heads(self) -> int:
        return self.vision // WAVES


def _turn(dx: float, dy: float) -> torch.Tensor:
    """[32, 32] that makes the waves of a place those of the place (dx, dy) patches further."""
    frequencies = torch.logspace(math.log10(2.0), math.log10(0.08), WAVES // 4)
    angles = torch.cat([dx * frequencies, dy * frequencies])
    sine, cosine = angles.sin().diag(), angles.cos().diag()
    return torch.cat([torch.cat([cosine, sine], 1), torch.cat([-sine, cosine], 1)])


def _waves(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """[n, 32] of places in patches."""
    origin = torch.cat([torch.zeros(WAVES // 2), torch.ones(WAVES // 2)])
    return torch.stack([_turn(float(a), float(b)) @ origin for a, b in zip(x, y, strict=True)])


def first_weights(s: Size) -> dict[str, torch.Tensor]:
    """Every parameter; fused projections are told apart when saved, and what begins with aux. is never saved."""
    e, c, w = s.vision, s.hidden, {}

    def linear(name: str, out: int, into: int, *, bias: bool = True, last: int = 0) -> None:
        w[name + ".weight"] = torch.randn(out, into) * into**-0.5 * ((2 * last) ** -0.5 if last else 1.0)
        w.update({name + ".bias": torch.zeros(out)} if bias else {})

    def norm(name: str, width: int, *, bias: bool = True) -> None:
        w[name + ".weight"] = torch.ones(width)
        w.update({name + ".bias": torch.zeros(width)} if bias else {})

    def looking(near: list[tuple[float, float]], strength: float) -> torch.Tensor:
        """[2E, E]: queries and keys of heads that look so many patches away; a head beyond that list looks anywhere."""
        q, k = torch.randn(2, s.vision_heads, WAVES, e) * 0.02
        for head, (dx, dy) in enumerate(near):
            q[head, :, e - WAVES :] += strength * _turn(dx, dy)
            k[head, :, e - WAVES :] += strength * torch.eye(WAVES)
        return torch.cat([q.reshape(e, e), k.reshape(e, e)])

    # Of a patch of gray its smoother waves, none of white paper; of its place, the last 32 numbers.
    n, at = torch.arange(PATCH), "vision_tower.embeddings."
    wave = F.normalize(torch.cos(math.pi / PATCH * (n[None] + 0.5) * n[:, None]))
    basis = torch.einsum("ai,bj->abij", wave, wave).reshape(PATCH**2, -1)
    basis = 0.5 * basis[(n[:, None] + n[None]).reshape(-1).argsort(stable=True)][: e - WAVES]
    w[at + "patch_embedding.weight"] = torch.cat([basis, torch.zeros(WAVES, PATCH**2)])
    w[at + "patch_embedding.bias"] = -w[at + "patch_embedding.weight"].sum(1)
    y, x = (((torch.arange(SIDE) + 0.5) * side / SIDE - 0.5) for side in (ROWS, COLS))
    waves = 1.5 * _waves(x.repeat(SIDE), y.repeat_interleave(SIDE))
    w[at + "position_embedding.weight"] = torch.cat([0.02 * torch.randn(SIDE**2, e - WAVES), waves], dim=1)
    for layer in range(s.vision_layers):
        at = f"vision_tower.encoder.layers.{layer}."
        near = [(-1, 0), (1, 0), (0, -1), (0, 1), (-2, 0) if layer % 2 else (-1, -1)]
        norm(at + "layer_norm1", e)
        w[at + "self_attn.qkv_proj.weight"] = torch.cat([looking(near, 1.1), torch.randn(e, e) * e**-0.5])
        w[at + "self_attn.qkv_proj.bias"] = torch.zeros(3 * e)
        linear(at + "self_attn.out_proj", e, e, last=s.vision_layers)
        norm(at + "layer_norm2", e)
        linear(at + "mlp.fc1", s.vision_mlp, e)
        linear(at + "mlp.fc2", e, s.vision_mlp, last=s.vision_layers)
    at, n = "multi_modal_projector.", torch.arange(256)
    x, y = ((place + 0.5) * side / GRID - 0.5 for place, side in ((n % GRID, COLS), (n // GRID % GRID, ROWS)))
    w[at + "query"] = torch.cat([0.1 * torch.randn(256, e - WAVES), 1.5 * _waves(x, y)], dim=1)
    w.update({f"{at}cross_attn.{side}_proj.weight": torch.eye(e) for side in "qkv"})
    near = [(dx * COLS / GRID / 3, dy * ROWS / GRID / 4) for dy in (-1, 1) for dx in (-1, 0, 1)]
    mixed = torch.nn.init.orthogonal_(torch.empty(e, e))
    w[at + "cross_attn.multihead_attn.in_proj_weight"] = torch.cat([looking(near, 1.3), mixed])
    w[at + "cross_attn.multihead_attn.in_proj_bias"] = torch.zeros(3 * e)
    for name in ("cross_attn.multihead_attn.out_proj", "cross_attn.linear"):
        w |= {f"{at}{name}.weight": torch.eye(e), f"{at}{name}.bias": torch.zeros(e)}
    for name in ("cross_attn.layer_norm", "cross_attn.layer_norm_kv", "layer_norm"):
        norm(at + name, e)
    linear(at + "feed_forward.linear_in", c, e, bias=False)
    linear(at + "feed_forward.linear_out", c, c, bias=False)
    w["language_model.model.embed_tokens.weight"] = torch.randn(s.vocab, c)
    for layer in range(s.layers):
        at = f"language_model.model.layers.{layer}."
        norm(at + "input_layernorm", c, bias=False)
        linear(at + "self_attn.qkv_proj", 3 * c, c, bias=False)
        linear(at + "self_attn.o_proj", c, c, bias=False, last=s.layers)
        norm(at + "post_attention_layernorm", c, bias=False)
        w[at + "mlp.router.weight"] = 0.02 * torch.randn(s.experts, c)
        w[at + "mlp.experts.fc1.weight"] = torch.randn(s.experts, c, 2 * s.expert) * c**-0.5
        w[at + "mlp.experts.fc2.weight"] = torch.randn(s.experts, s.expert, c) * (2 * s.layers * s.expert) ** -0.5
        linear(at + "mlp.shared_experts.gate_up_proj", 4 * s.expert, c, bias=False)
        linear(at + "mlp.shared_experts.down_proj", c, 2 * s.expert, bias=False, last=s.layers)
    norm("language_model.model.norm", c, bias=False)
    w["language_model.lm_head.weight"] = 0.02 * torch.randn(s.vocab, c)
    for name, into, chars in ((PATCHES, e, 3), (QUERY, c, SLOTS), ("aux.counters", c, 0)):
        w[name + ".weight"] = 0.02 * torch.randn(chars * len(CHARS) + sum(CLASSES), into)
        w[name + ".bias"] = torch.zeros(len(w[name + ".weight"]))
    return w


class Reader:
    """The network's parameters and its passes."""

    def __init__(self, size: Size, device: str) -> None:
        weights = first_weights(size)
        self.size, self.shapes = size, {name: value.shape for name, value in weights.items()}
        self.flat = torch.cat([value.reshape(-1) for value in weights.values()]).to(device).requires_grad_(True)
        # A patch's row and column in the position table, as transformers computes them.
        bounds = torch.arange(1 / SIDE, 1.0, 1 / SIDE)
        rows, cols = (
            torch.bucketize((torch.arange(n) / n).clamp(max=1 - 1e-6), bounds, right=True) for n in (ROWS, COLS)
        )
        self._positions = (rows[:, None] * SIDE + cols).reshape(-1).to(device)

    def views(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """The parameters by name, in the numbers to compute with."""
        parts = self.flat.to(dtype).split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def see(self, w: dict[str, torch.Tensor], pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gray pages [B, height, width] from -1 to 1 → patches [B, P, E], and what the decoder sees [B, Q, C]."""
        b, heads = len(pixels), self.size.vision_heads
        patches = pixels.view(b, ROWS, PATCH, COLS, PATCH).transpose(2, 3).reshape(b, ROWS * COLS, -1)
        x = _linear(w, "vision_tower.embeddings.patch_embedding", patches)
        x = x + w["vision_tower.embeddings.position_embedding.weight"][self._positions]
        for layer in range(self.size.vision_layers):
            at = f"vision_tower.encoder.layers.{layer}."
            sides = _linear(w, at + "self_attn.qkv_proj", _norm(w, at + "layer_norm1", x, 1e-6))
            q, k, v = sides.view(b, ROWS * COLS, 3, heads, -1).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = x + _linear(w, at + "self_attn.out_proj", seen)
            up = F.gelu(_linear(w, at + "mlp.fc1", _norm(w, at + "layer_norm2", x, 1e-6)), approximate="tanh")
            x = x + _linear(w, at + "mlp.fc2", up)
        at = "multi_modal_projector.cross_attn."
        told = _norm(w, at + "layer_norm_kv", x)
        asked = _norm(w, at + "layer_norm", w["multi_modal_projector.query"][None, :QUERIES])
        weights, biases = (w[f"{at}multihead_attn.in_proj_{kind}"].chunk(3) for kind in ("weight", "bias"))
        q, k, v = (
            F.linear(_linear(w, f"{at}{name}_proj", side), weight, bias)
            .view(len(side), -1, heads, WAVES)
            .transpose(1, 2)
            for name, side, weight, bias in zip("qkv", (asked, told, told), weights, biases, strict=True)
        )
        seen = F.scaled_dot_product_attention(q.expand(b, -1, -1, -1).contiguous(), k, v).transpose(1, 2).flatten(2)
        seen = _linear(w, at + "linear", _linear(w, at + "multihead_attn.out_proj", seen))
        at = "multi_modal_projector."
        up = F.gelu(_linear(w, at + "feed_forward.linear_in", _norm(w, at + "layer_norm", seen)), approximate="tanh")
        return x, _linear(w, at + "feed_forward.linear_out", up)

    def say(
        self, w: dict[str, torch.Tensor], ids: torch.Tensor, features: torch.Tensor, first: int, looks: Looks
    ) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
        """Tokens [B, T], the pages' features in place of those from `first` on → hidden states after each layer and,
        last, normed; how unevenly experts are used; what looks(layer, queries, keys) gives of each layer."""
        s, (b, t) = self.size, ids.shape
        # Not by index: thousands of equal tokens would each add to one row of its gradient, one after the other.
        x = F.one_hot(ids, s.vocab).to(features.dtype) @ w["language_model.model.embed_tokens.weight"]
        x = torch.cat([x[:, :first], features, x[:, first + QUERIES :]], dim=1)
        half = s.hidden // s.heads // 2
        inverse = 5_000_000.0 ** (-torch.arange(half, device=x.device) / half)
        angles = torch.arange(t, device=x.device)[:, None] * inverse
        cosine, sine = angles.cos().repeat(1, 2).to(x.dtype), angles.sin().repeat(1, 2).to(x.dtype)
        states, uneven, looked = list[torch.Tensor](), x.new_zeros(()), list[torch.Tensor]()
        for layer in range(s.layers):
            at = f"language_model.model.layers.{layer}."
            y = F.rms_norm(x, (s.hidden,), w[at + "input_layernorm.weight"], 1e-6)
            q, k, v = _linear(w, at + "self_attn.qkv_proj", y).view(b, t, 3, s.heads, -1).permute(2, 0, 3, 1, 4)
            q, k = (z * cosine + torch.cat([-z[..., half:], z[..., :half]], dim=-1) * sine for z in (q, k))
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + _linear(w, at + "self_attn.o_proj", seen)
            y = F.rms_norm(x, (s.hidden,), w[at + "post_attention_layernorm.weight"], 1e-6)
            # Every expert computes every token, and those not chosen weigh nothing: at this size the fastest way.
            logits = _linear(w, at + "mlp.router", y)
            best, chosen = logits.topk(s.active, dim=-1)
            gates = torch.zeros_like(logits).scatter(-1, chosen, best.softmax(dim=-1))  # [B, T, experts]
            fc1 = w[at + "mlp.experts.fc1.weight"].transpose(0, 1).reshape(s.hidden, -1)
            gate, up = (y @ fc1).view(b, t, s.experts, -1).chunk(2, dim=-1)
            routed = (F.silu(gate) * up * gates[..., None]).flatten(2)
            gate, up = _linear(w, at + "mlp.shared_experts.gate_up_proj", y).chunk(2, dim=-1)
            x = x + routed @ w[at + "mlp.experts.fc2.weight"].flatten(0, 1)
            x = x + _linear(w, at + "mlp.shared_experts.down_proj", F.silu(gate) * up)
            used = (gates > 0).float().mean(dim=(0, 1)) * logits.float().softmax(dim=-1).mean(dim=(0, 1))
            uneven = uneven + used.sum() * s.experts / s.active
            looked.append(looks(layer, q, k))
            states.append(x)
        states.append(F.rms_norm(x, (s.hidden,), w["language_model.model.norm.weight"], 1e-6))
        return states, uneven, looked

    @torch.no_grad()
    def save(self, folder: Path) -> None:
        """model.safetensors and config.json, as published."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        kept = {f"vision_tower.post_layernorm.{name}": torch.zeros(self.size.vision) for name in ("weight", "bias")}
        for name, value in self.views(torch.float32).items():
            if ".qkv_proj." in name:
                kept |= {name.replace("qkv", side): part for side, part in zip("qkv", value.chunk(3), strict=True)}
            elif ".gate_up_proj." in name:
                sides = zip(("gate", "up"), value.chunk(2), strict=True)
                kept |= {name.replace("gate_up", side): part for side, part in sides}
            elif name.endswith("patch_embedding.weight"):  # a third of gray's to each colour
                kept[name] = (value / 3).view(-1, 1, PATCH, PATCH).repeat(1, 3, 1, 1)
            elif not name.startswith("aux."):
                kept[name] = value
        kept = {name: value.cpu().bfloat16().clone().contiguous() for name, value in kept.items()}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config(self.size), indent=2))


def config(s: Size) -> dict[str, Any]:
    """config.json in the published layout."""
    text = {
        "model_type": "aria_text", "hidden_size": s.hidden, "intermediate_size": s.expert, "vocab_size": s.vocab,
        "num_hidden_layers": s.layers, "num_attention_heads": s.heads, "num_key_value_heads": s.heads,
        "head_dim": s.hidden // s.heads, "max_position_embeddings": 65_536, "moe_num_experts": s.experts,
        "moe_topk": s.active, "moe_num_shared_experts": 2, "rms_norm_eps": 1e-6, "rope_theta": 5_000_000,
        "pad_token_id": 2, "bos_token_id": None, "eos_token_id": None, "dtype": "bfloat16",
    }  # fmt: skip
    vision = {
        "model_type": "idefics3_vision", "hidden_size": s.vision, "num_hidden_layers": s.vision_layers,
        "num_attention_heads": s.vision_heads, "intermediate_size": s.vision_mlp, "image_size": 980,
        "patch_size": PATCH, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "dtype": "bfloat16",
    }  # fmt: skip
    return {
        "architectures": ["AriaForConditionalGeneration"], "model_type": "aria", "dtype": "bfloat16",
        "image_token_index": 9, "pad_token_id": 2, "vision_feature_layer": -1, "text_config": text,
        "vision_config": vision, "projector_patch_to_query_dict": {"1225": 128, "4900": 256},
    }  # fmt: skip


def _linear(w: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def _norm(w: dict[str, torch.Tensor], name: str, x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps)
