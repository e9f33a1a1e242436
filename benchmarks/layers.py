"""One decoder layer and one vision layer of Aria at their real size, bfloat16, random: ours against transformers' own.

    python benchmarks/layers.py [--rounds N] [--tokens N] [--context N] [--quantized] [--only TOWER] [--cpu]

Wall clock, medians; every round runs each contender once, so that all meet the same neighbours on the machine. Each
job is given to transformers in every setting it has for it, and the last column is against the best of them. Where
other processes want the cores, --cpu counts one thread's work: ours meets more barriers than grouped_mm does.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time

import torch
from torch.nn import functional
from transformers import AriaConfig, DynamicCache

from aria_docs.model.aria import experts, weights
from aria_docs.model.aria.cache import Prefix, Tail, TokenSpan
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.features import project

CLOCK = [time.perf_counter]
HIDDEN, WIDTH, EXPERTS, ACTIVE, HEADS, HEAD = 2560, 1664, 64, 6, 20, 128


def random_network(layers=1):
    """So many layers of the decoder and one of the vision tower; a small vocabulary, which no layer meets."""
    config = AriaConfig(
        vision_config={
            "model_type": "idefics3_vision", "hidden_size": 1152, "num_hidden_layers": 1, "num_attention_heads": 16,
            "intermediate_size": 4304, "image_size": 980, "patch_size": 14, "hidden_act": "gelu_pytorch_tanh",
        },
        text_config={
            "model_type": "aria_text", "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_hidden_layers": layers,
            "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "vocab_size": 512, "moe_topk": ACTIVE,
            "moe_num_experts": EXPERTS, "max_position_embeddings": 65_536, "rope_theta": 5_000_000,
        },
    )  # fmt: skip
    network = weights.skeleton(config)
    for name, parameter in list(network.named_parameters()):
        module, _, leaf = name.rpartition(".")
        filled = torch.empty(parameter.shape, dtype=torch.bfloat16).normal_(0, 0.02)
        if "norm" in name and leaf == "weight":
            filled.fill_(1)
        setattr(network.get_submodule(module), leaf, torch.nn.Parameter(filled, requires_grad=False))
    return network.eval()


def shared_copy(network):
    """Another network over the same weights, to be packed or quantised without touching the first."""
    copy = weights.skeleton(network.config)
    for name, parameter in network.named_parameters():
        module, _, leaf = name.rpartition(".")
        setattr(copy.get_submodule(module), leaf, parameter)
    return copy.eval()


def alternating(rounds, contenders):
    """Median seconds of each; the first round only warms up."""
    taken = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, work in contenders.items():
            start = CLOCK[0]()
            work()
            taken[name].append(CLOCK[0]() - start)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def report(job, rounds, ours, theirs):
    """A line for each of ours; the settings of transformers in one cell, the best of them first."""
    taken = alternating(rounds, ours | theirs)
    settings = sorted(theirs, key=taken.__getitem__)
    cell = ", ".join(f"{name} {taken[name] * 1e3:,.1f}" for name in settings)
    for name in ours:
        print(
            f"| {job} | {name} | {taken[name] * 1e3:,.1f} | {cell} | {taken[settings[0]] / taken[name]:.2f}× |",
            flush=True,
        )


def routed(tokens):
    """(hidden, index, shares) of random tokens that ask random experts."""
    logits, index = torch.randn(tokens, EXPERTS).topk(ACTIVE)
    return torch.randn(tokens, HIDDEN).bfloat16(), index, logits.softmax(-1).bfloat16()


def measure_experts(network, kinds, rounds, prefill):
    layer = network.model.language_model.layers[0].mlp.experts

    def contender(module, name, given):
        def work():
            module.config._experts_implementation = name
            return module(*given)

        return work

    mine = {}
    for kind in kinds:
        copy = shared_copy(network)
        experts.pack(copy.model.language_model) if kind == "packed" else experts.quantise(copy, kind)
        mine[kind] = copy.model.language_model.layers[0].mlp.experts
    name = experts.register()
    for tokens in (prefill, 16, 8, 1):
        given = routed(tokens)
        touched = len(given[1].unique())
        settings = ["grouped_mm", "eager"] + ["batched_mm"] * (tokens <= 16)
        report(
            f"experts, {tokens:,} tokens, {touched} touched", rounds if tokens > 16 else 3 * rounds,
            {kind: contender(module, name, given) for kind, module in mine.items()},
            {setting: contender(layer, setting, given) for setting in settings},
        )  # fmt: skip


def measure_decoder(network, rounds, prefill, context):
    packed = shared_copy(network)
    experts.pack(packed.model.language_model)
    decoder = Decoder(packed)
    text = network.model.language_model
    fallback = Decoder(network)

    def ours(which, setting, hidden, spans):
        def work():
            which.config._experts_implementation = setting
            return (decoder if which is packed.model.language_model else fallback).forward(hidden, spans)

        return work

    def theirs(setting, hidden, seen, attention="sdpa"):
        """transformers' own layer, its cache full of `seen` positions, its mask as it builds it."""
        cache = DynamicCache(config=text.config)
        if seen:
            held = torch.randn(2, len(hidden), HEADS, seen, HEAD).bfloat16()
            cache.update(held[0], held[1], 0)

        def work():
            text.config._experts_implementation, text.config._attn_implementation = setting, attention
            text(inputs_embeds=hidden, cache=cache, use_cache=True)
            cache.crop(-hidden.shape[1])
            text.config._attn_implementation = "sdpa"

        return work

    both = {"packed": (packed.model.language_model, experts.register()), "not packed": (text, "grouped_mm")}
    for seen in (0, 3 * prefill):
        hidden = torch.randn(prefill, HIDDEN).bfloat16()
        prefix = Prefix(decoder.shape, seen + prefill)
        job = f"decoder layer, {prefill:,} tokens" + f" behind {seen:,}" * bool(seen)
        settings = {f"{name}, sdpa": theirs(name, hidden[None], seen) for name in ("grouped_mm", "eager")}
        settings["grouped_mm, eager"] = theirs("grouped_mm", hidden[None], seen, "eager")
        report(
            job, rounds,
            {k: ours(*how, hidden, [TokenSpan(slice(0, prefill), prefix, seen)]) for k, how in both.items()}, settings,
        )  # fmt: skip
    for tokens in (1, 8, 16):
        hidden = torch.randn(tokens, HIDDEN).bfloat16()
        spans = []
        for row in range(tokens):
            tail = Tail(decoder.shape, 64)
            tail.make_room(1)
            spans.append(TokenSpan(slice(row, row + 1), Prefix(decoder.shape, context), context, tail))
        settings = {
            f"{name}, sdpa": theirs(name, hidden[:, None], context) for name in ("grouped_mm", "eager", "batched_mm")
        }
        settings["grouped_mm, eager"] = theirs("grouped_mm", hidden[:, None], context, "eager")
        report(
            f"decoder layer, 1 token of each of {tokens} pages of {context:,}", 3 * rounds,
            {k: ours(*how, hidden, spans) for k, how in both.items()}, settings,
        )  # fmt: skip


def measure_head(rounds):
    head = torch.nn.Linear(HIDDEN, 100_352, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    packed = experts.PackedLinear(head)
    for tokens in (1, 8):
        rows = torch.randn(tokens, HIDDEN).bfloat16()
        report(
            f"the head, {tokens} token{'s' * (tokens > 1)}", 3 * rounds, {"packed": lambda rows=rows: packed(rows)},
            {"nn.Linear": lambda rows=rows: head(rows)},
        )  # fmt: skip


def measure_vision(network, rounds):
    tower = network.model.vision_tower
    layer, config = tower.encoder.layers[0], tower.config

    def theirs(setting, patches, mask=None):
        def work():
            config._attn_implementation = setting
            layer(patches, None if mask is None else mask_for(setting, mask))
            config._attn_implementation = "sdpa"

        return work

    def mask_for(setting, mask):
        allowed = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        return allowed if setting == "sdpa" else torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf).bfloat16()

    def run(patches):
        return lambda: layer(patches, None)

    for job, crops, patches in (("980 px, 1 crop", 1, 4900), ("490 px, 4 crops", 4, 1225)):
        given = torch.randn(crops, patches, 1152).bfloat16()
        whole = torch.ones(crops, patches, dtype=torch.bool)
        report(
            f"vision layer, {job}", rounds, {"no mask": run(given)},
            {"sdpa, masked": theirs("sdpa", given, whole), "eager": theirs("eager", given)},
        )  # fmt: skip
    valid = torch.zeros(4, 35, 35, dtype=torch.bool)
    valid[:, :24] = True
    padded = torch.randn(4, 1225, 1152).bfloat16()
    report(
        "vision layer, 4 frames of 16:9", rounds, {"cropped to 24×35": run(padded[:, : 24 * 35].contiguous())},
        {
            "padded to 35×35, sdpa": theirs("sdpa", padded, valid.flatten(1)),
            "padded, eager": theirs("eager", padded, valid.flatten(1)),
        },
    )  # fmt: skip
    projector, seen = network.model.multi_modal_projector, torch.randn(1, 4900, 1152).bfloat16()
    report(
        "projector, 980 px", rounds, {"no weights kept": lambda: project(projector, seen, 256)},
        {"nn.MultiheadAttention": lambda: projector(seen)},
    )  # fmt: skip


def measure_gemm():
    """What the machine can do: one dense product, and 64 of 192 rows, in GF/s."""
    for name, rows, times in (("dense, 2,048 rows", 2048, 1), ("192 rows, 16 times", 192, 16)):
        a, b = torch.randn(rows, HIDDEN).bfloat16(), torch.randn(2 * WIDTH, HIDDEN).bfloat16()
        taken = alternating(5, {name: lambda a=a, b=b, times=times: [functional.linear(a, b) for _ in range(times)]})
        print(f"{name}: {2 * rows * HIDDEN * 2 * WIDTH * times / taken[name] / 1e9:,.0f} GF/s")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--tokens", type=int, default=2048)
    options.add_argument("--context", type=int, default=1800)
    options.add_argument("--quantized", action="store_true", help="experts as int8 and int4 too")
    options.add_argument("--only", choices=("decoder", "experts", "vision"))
    options.add_argument("--cpu", action="store_true", help="CPU seconds of one thread: for a machine that is shared")
    args = options.parse_args()
    if args.cpu:
        CLOCK[0] = time.process_time
        torch.set_num_threads(1)
    torch.manual_seed(0)
    network = random_network()
    with torch.inference_mode():
        measure_gemm()
        print("\n| job | ours | ms | transformers, ms | against its best |\n|---|---|---|---|---|")
        if args.only in (None, "experts"):
            kinds = ["packed", *(["int8", "int4"] if args.quantized else [])]
            measure_experts(network, kinds, args.rounds, args.tokens)
            gc.collect()
        if args.only in (None, "decoder"):
            measure_decoder(network, args.rounds, args.tokens, args.context)
            measure_head(args.rounds)
            gc.collect()
        if args.only in (None, "vision"):
            measure_vision(network, args.rounds)


if __name__ == "__main__":
    main()
