"""Aria on a CUDA card: frames, an hour of film, pages alone and side by side, training: speed, peak memory, kernels.

    python benchmarks/gpu.py --random-layers 28 --against --train       all of it, in one call under 4 minutes
    python benchmarks/gpu.py --model FOLDER_OR_ID [--quantize int8|int4] [--kv-cache fp8|int8]
    python benchmarks/gpu.py --rehearse --against --train               on a CPU, tiny: that it runs to its end

Ends with status 1 where attention fell back to PyTorch's math kernel: the operators that ran are listed by torch's
profiler. With all 28 layers in bfloat16 the figures that are asked for stand at the end, each kept or missed.

The model card claims that a video of 256 frames is captioned in 10 seconds, and names no hardware; the time to the
first token, and to the end of an answer of --answer tokens, are given beside it. Frames and pages are drawn noise: the
work does not depend on what they show. With random weights the schema asks for an endless string, so an answer has
--answer tokens.
Times are medians over --rounds, after a short one that only warms up; features are not cached, so each one starts from
pixels. The film is read once, after the frames.

--against asks the same of transformers' `generate` too, one question and five over one context, by turns with ours:
the same network in the same memory, its crops normalised and on the card before the clock starts. Where vLLM is
installed and a --model is named, its own engine answers the pages in a process of its own afterwards. --train adapts
the network at the end (LoRA of the default settings, experts too) to an A4 page in ultra-high and 1,000 tokens a step.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from aria_docs import prompts
from aria_docs.model.chat_model import Question, Shown
from aria_docs.schemas.answers import ScenesAnswer, TablesAnswer
from aria_docs.tiling.budget import frame_part, page_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM, ULTRA

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/tiny_aria.py has the stand-in for Aria's tokenizer

MATH = "aten::_scaled_dot_product_attention_math"
# Asked for of 28 layers in bfloat16 on one card of 80 GB, by the names of the jobs: (what, limit, at least or at most).
ASKED = {
    "256 frames, scenes": ("first token, s", 1.5, "at most"),
    "1 page, tables": ("tokens/s", 200, "at least"),
    "16 pages, tables": ("tokens/s", 800, "at least"),
    "32 pages, tables": ("tokens/s", 1_300, "at least"),
    "60 minutes": ("s", 60, "at most"),
    "five questions": ("of transformers' time", 0.11, "at most"),
}
FOUND = {}  # by job and what


def random_aria(layers, quantize, device):
    """`weights.Loaded` of the real width: made on the card, expert tensor by expert tensor."""
    from transformers import AriaConfig

    from aria_docs.model.aria import attention, experts, weights
    from tests.tiny_aria import build

    config = AriaConfig(
        vision_config={
            "model_type": "idefics3_vision", "hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16,
            "intermediate_size": 4304, "image_size": 980, "patch_size": 14, "hidden_act": "gelu_pytorch_tanh",
        },
        text_config={
            "model_type": "aria_text", "hidden_size": 2560, "intermediate_size": 1664, "num_hidden_layers": layers,
            "num_attention_heads": 20, "num_key_value_heads": 20, "vocab_size": 100_352, "moe_num_experts": 64,
            "moe_topk": 6, "max_position_embeddings": 65_536, "rope_theta": 5_000_000,
        },
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = weights.read_tokenizer(build(Path(folder), vocab=100_352, hidden=32, layers=1), config)
    chosen = attention.choose(device, torch.bfloat16)
    network = weights.skeleton(config, vision=chosen)
    for name, parameter in list(network.named_parameters()):
        owner, _, leaf = name.rpartition(".")
        filled = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device).normal_(0, 0.02)
        if "norm" in name and leaf == "weight":
            filled.fill_(1)
        if quantize and leaf in experts.STACKS:
            experts.put(network.get_submodule(owner), leaf, experts.quantise_stack(filled, quantize))
        else:
            setattr(network.get_submodule(owner), leaf, torch.nn.Parameter(filled, requires_grad=False))
    if quantize:
        network.set_experts_implementation(experts.register())
    network.model.language_model.rotary_emb.to(device)
    return weights.LoadedAria(
        network.eval(), tokenizer, f"random, {layers} layers", "", device, torch.bfloat16, chosen, quantize
    )


def tiny_aria(quantize):
    """The same for a rehearsal: nothing of it is of real size."""
    from aria_docs.model.aria import weights
    from tests.tiny_aria import build

    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder), dtype=torch.bfloat16, vision_layers=1)
        return weights.load(str(built), quantize=quantize, device="cpu", packed=False)


def noise(layout, number):
    """Crops of one of 16 pictures, drawn at the size that the layout wants."""
    random = np.random.default_rng(number % 16)
    width, height = layout.render_px if layout.mode.splits else layout.overview_px
    coarse = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return crops(coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width], layout)


DRAWN = {}  # by layout and picture: an hour has 1,800 frames


def shown(part, number):
    drawn = (part.layout, number % 16)
    if drawn not in DRAWN:
        DRAWN[drawn] = noise(part.layout, number)
    return Shown(part, DRAWN[drawn], key=f"noise {number}")


def asked_once(model, contexts, question):
    """(seconds on the wall, replies)."""
    opened = [model.open(context) for context in contexts]
    start = time.perf_counter()
    replies = model.ask([(context, question) for context in opened])
    seconds = time.perf_counter() - start
    for context in opened:
        context.close()
    return seconds, replies


def measured(model, contexts, question, rounds):
    """(seconds on the wall, replies) of the median round: each opens its contexts anew."""
    asked_once(model, contexts, replace(question, max_tokens=min(16, question.max_tokens)))
    found = [asked_once(model, contexts, question) for _ in range(rounds)]
    seconds = statistics.median_low([spent for spent, _ in found])
    return next(one for one in found if one[0] == seconds)


def report(job, seconds, replies):
    read, written = sum(reply.input_tokens for reply in replies), sum(reply.output_tokens for reply in replies)
    first = max(reply.prefill_s for reply in replies)
    decode = max(reply.decode_s for reply in replies)
    peak = max(reply.peak_bytes or 0 for reply in replies) / 2**30  # 0 on a CPU
    FOUND[job] = {"first token, s": first, "tokens/s": written / max(decode, 1e-9), "s": seconds}
    cells = (f"{read:,}", f"{first:.2f}", f"{read / first:,.0f}", f"{written:,}", f"{written / max(decode, 1e-9):,.1f}")
    print(f"| {job} | {' | '.join(cells)} | {seconds:.2f} | {peak:.1f} |", flush=True)


def attention_that_ran(model, context, question):
    """The operators that computed attention for this answer, as torch's profiler lists them."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        asked_once(model, [context], question)
    names = {event.key for event in profiler.key_averages()}
    return sorted(name for name in names if "scaled_dot_product" in name or "flash_attn" in name)


def train(loaded, page, steps):
    """Steps of one lesson each, a page and 1,000 tokens: seconds, tokens and peak memory of the median one."""
    from aria_docs.adapt.config import Settings
    from aria_docs.model.aria.adapt import lora, training
    from aria_docs.model.aria.adapt.lesson import Turn, lesson
    from aria_docs.model.aria.features import Vision
    from aria_docs.model.aria.tokens import Tokens

    settings, config, network = Settings(), loaded.network.config, loaded.network
    tokens = Tokens(loaded.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index)
    words = "12.5 " * 1_000
    while tokens.count(words) > 1_000:
        words = words[: int(0.9 * len(words))]
    asked = ("Page 1: ", page.part.layout, f"\n{prompts.TABLES}")
    taught = lesson(tokens, [Turn("user", asked), Turn("assistant", (words,))])
    wrapped = lora.wrap(
        network, named=settings.lora_target_modules, frozen=lora.Frozen(), rank=settings.lora_r,
        alpha=settings.lora_alpha, dropout=settings.lora_dropout, seed=1,
    )  # fmt: skip
    plan = training.Plan(
        lessons=steps, epochs=1, per_device=1, accumulated=1, devices=1, rate=settings.learning_rate,
        schedule="cosine", warmup_ratio=settings.warmup_ratio, seed=1,
    )  # fmt: skip
    training._SAVED_EVERY = 1  # not while it is measured: a checkpoint has 1.7 GB
    done = []
    with tempfile.TemporaryDirectory() as folder:
        training.train(
            loaded, [taught] * steps, lambda _: [page], plan, folder=Path(folder), recipe="", wrapped=wrapped,
            vision=Vision(network), see_with_gradients=False, z_loss=settings.moe_z_loss_coeff,
            balance=settings.moe_aux_loss_coeff, weight_decay=settings.weight_decay, beta2=settings.adam_beta2,
            checkpointing=True, on_step=done.append, stopped=lambda: False,
        )  # fmt: skip
    seconds = statistics.median(step.seconds for step in done)
    adapted = sum(weight.numel() for weight in lora.trainable(network).values()) / 1e6
    peak = torch.cuda.max_memory_allocated(loaded.device) / 2**30 if loaded.device.type == "cuda" else 0
    print(
        f"\n{steps} training steps of {len(taught.ids):,} tokens, {taught.learnt:,} of them learnt, {adapted:,.1f} M "
        f"numbers adapted: {seconds:.2f} s a step, {len(taught.ids) / seconds:,.0f} tokens/s, {peak:.1f} GiB at peak; "
        f"loss {done[0].loss:.3f} → {done[-1].loss:.3f}",
        flush=True,
    )


def verdicts():
    print("\n| job | asked for | measured | |\n|---|---|---|---|")
    for job, (what, limit, sense) in ASKED.items():
        value = next((found[what] for name, found in FOUND.items() if name.startswith(job) and what in found), None)
        kept = value is not None and (value >= limit if sense == "at least" else value <= limit)
        said = "not measured" if value is None else f"{value:,.2f} | {'kept' if kept else '**missed**'}"
        print(f"| {job} | {sense} {limit:g} {what} | {said} |")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = options.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="a folder or hub id")
    which.add_argument("--random-layers", type=int, metavar="N", help="random weights of real width, of 28 layers")
    which.add_argument("--rehearse", action="store_true", help="a tiny network on a CPU, and little of everything")
    options.add_argument("--quantize", choices=("int8", "int4"))
    options.add_argument("--kv-cache", choices=("fp8", "int8"))
    options.add_argument("--device", default="cuda")
    options.add_argument("--frames", type=int, default=256)
    options.add_argument(
        "--pages", default="1,8,16,32", help="A4 pages in ultra-high asked at once, each its own batch"
    )
    options.add_argument("--minutes", type=int, default=60, help="of film, at 30 frames a minute in windows of 256")
    options.add_argument("--answer", type=int, default=256, help="tokens, at most")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--train", action="store_true", help="20 training steps at the end")
    options.add_argument("--against", action="store_true", help="transformers' generate on the same network too")
    args = options.parse_args()
    if args.rehearse:
        args.device, args.frames, args.pages, args.minutes, args.answer = "cpu", 4, "1,2", 1, 8
    elif not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py needs a CUDA card and a torch built for it: --rehearse runs on a CPU")

    from aria_docs.model.aria import weights
    from aria_docs.model.aria.model import AriaModel

    began = time.perf_counter()
    if args.rehearse:
        loaded = tiny_aria(args.quantize)
    elif args.model:
        loaded = weights.load(args.model, quantize=args.quantize, device=args.device)
    else:
        loaded = random_aria(args.random_layers, args.quantize, torch.device(args.device))
    model = AriaModel(loaded, kv_cache=args.kv_cache)
    card = "a CPU" if loaded.device.type == "cpu" else torch.cuda.get_device_name(loaded.device)
    print(f"{loaded!r} on {card}, torch {torch.__version__}, ready after {time.perf_counter() - began:.0f} s")
    endless = {"type": "string", "minLength": 100_000}  # random weights know no end, nor do they keep to a form
    forms = [kind.model_json_schema() if args.model else endless for kind in (ScenesAnswer, TablesAnswer)]
    schemas = [json.dumps(form) for form in forms]
    counts = [int(count) for count in args.pages.split(",")]
    mode = MEDIUM if args.rehearse else ULTRA
    pages = [[shown(page_part(n, 595.276, 841.89, mode), n)] for n in range(1, max(counts) + 1)]
    ran = attention_that_ran(model, pages[0], Question(prompts.TABLES, schemas[1], 4))
    print(f"{model.kernels}; ran: {', '.join(ran)}\n")
    if MATH in ran:
        sys.exit("attention fell back to the math kernel: this torch has no flash kernel for this card")
    print(
        "| job | prompt tokens | first token, s | prefill, tokens/s | answer tokens | decode, tokens/s | all, s | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    film = [shown(frame_part(4.0 * n, 1280, 720, MEDIUM), n) for n in range(args.frames)]
    scenes = Question(prompts.SCENES, schemas[0], args.answer)
    report(f"{args.frames} frames, scenes", *measured(model, [film], scenes, args.rounds))
    tables = Question(prompts.TABLES, schemas[1], args.answer)
    for count in counts:
        name = f"{count} page{'s' * (count > 1)}, tables"
        report(name, *measured(model, pages[:count], tables, args.rounds))
    if args.minutes:
        times = [2.0 * n for n in range(30 * args.minutes)]
        windows = [
            [shown(frame_part(time_s, 1280, 720, MEDIUM), int(time_s)) for time_s in times[at : at + args.frames]]
            for at in range(0, len(times), args.frames)
        ]
        long = Question(prompts.SCENES, schemas[0], 8 if args.rehearse else 500)
        report(f"{args.minutes} minutes, {len(windows)} windows", *asked_once(model, windows, long))
    model.close()
    if args.against:
        from contexts import Ours, Theirs, compare

        sides = Ours(loaded), Theirs(loaded.network, loaded.tokenizer)
        print("\n| context | questions × tokens | ours: first tokens + the rest, s | transformers | ours / theirs |")
        print("|---|---|---|---|---|")
        length = 8 if args.rehearse else 64
        with torch.inference_mode():
            compare(f"{args.frames} frames", film, *sides, args.rounds, length=length)
            eight = [page for one in pages[:8] for page in one]
            ratio = compare(f"{len(eight)} pages", eight, *sides, args.rounds, length=length)
        FOUND["five questions"] = {"of transformers' time": ratio}
        del sides
    model = None  # its batch holds memory
    if loaded.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(loaded.device)
    if args.train:
        missing = [name for name in ("peft", "accelerate") if importlib.util.find_spec(name) is None]
        if missing or args.quantize:
            print(f"\nno training: {'quantised weights' if args.quantize else missing[0] + ' is not installed'}")
        else:
            train(loaded, pages[0][0], 2 if args.rehearse else 20)
    if args.random_layers == 28 and not args.quantize:
        verdicts()
    print(f"\n{time.perf_counter() - began:.0f} s in all")
    if args.model and importlib.util.find_spec("vllm"):
        del loaded
        torch.cuda.empty_cache()
        against_vllm(args.model, max(counts), args.answer)


def against_vllm(name, count, length):
    """Tokens per second of vLLM's own engine: so many pages of medium size at once, each one crop."""
    from PIL import Image
    from vllm import LLM, SamplingParams

    engine = LLM(name, dtype="bfloat16", max_model_len=8_192, limit_mm_per_prompt={"image": 1})
    drawn = np.random.default_rng(0).integers(0, 256, (490, 346, 3), np.uint8)
    asked = f"<|im_start|>user\n<fim_prefix><|img|><fim_suffix>\n{prompts.TABLES}<|im_end|>\n<|im_start|>assistant\n"
    request = {"prompt": asked, "multi_modal_data": {"image": Image.fromarray(drawn)}}
    start = time.perf_counter()
    engine.generate([request] * count, SamplingParams(temperature=0, max_tokens=length, ignore_eos=True))
    print(f"\nvLLM, {count} pages in medium at once: {count * length / (time.perf_counter() - start):,.0f} tokens/s")


if __name__ == "__main__":
    main()
