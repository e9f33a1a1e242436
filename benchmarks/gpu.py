"""Aria on a CUDA card: frames, an hour of film, pages alone and side by side: tokens per second, peak memory, kernels.

    python benchmarks/gpu.py --model FOLDER_OR_ID [--quantize int8|int4] [--kv-cache fp8|int8]
    python benchmarks/gpu.py --random-layers N [...]      random weights of the real width, N of 28 decoder layers

Ends with status 1 where attention fell back to PyTorch's math kernel. One call with --against takes under 4 minutes.

The model card claims that a video of 256 frames is captioned in 10 seconds, and names no hardware; the time to the
first token, and to the end of an answer of --answer tokens, are given beside it. Frames and pages are drawn noise: the
work does not depend on what they show. With random weights the schema asks for an endless string, so an answer has
--answer tokens.
Times are medians over --rounds, after one that only warms up; features are not cached, so each one starts from pixels.

--against asks the same of transformers' `generate` too, one question and five over one context, by turns with ours:
the same network in the same memory, its crops normalised and on the card before the clock starts. Where vLLM is
installed and a --model is named, its own engine answers the pages in a process of its own afterwards.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from aria_docs import prompts
from aria_docs.model.chat_model import Question, Shown
from aria_docs.schemas.answers import ScenesAnswer, TablesAnswer
from aria_docs.tiling.budget import frame_part, page_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM, ULTRA

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/tiny_aria.py has the stand-in for Aria's tokenizer


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
            experts.put(network.get_submodule(owner), leaf, experts.quantised(filled, quantize))
        else:
            setattr(network.get_submodule(owner), leaf, torch.nn.Parameter(filled, requires_grad=False))
    if quantize:
        network.set_experts_implementation(experts.register())
    network.model.language_model.rotary_emb.to(device)
    return weights.Loaded(
        network.eval(), tokenizer, f"random, {layers} layers", "", device, torch.bfloat16, chosen, quantize
    )


def shown(part, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (90, 160, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return Shown(part, crops(picture, part.layout), key=f"noise {seed}")


def measured(model, contexts, question, rounds):
    """(seconds on the wall, replies) of the median round: each opens its contexts anew."""
    found = []
    for _ in range(rounds + 1):
        opened = [model.open(context) for context in contexts]
        start = time.perf_counter()
        replies = model.ask([(context, question) for context in opened])
        found.append((time.perf_counter() - start, replies))
        for context in opened:
            context.close()
    seconds = statistics.median_low([spent for spent, _ in found[1:]])
    return next(one for one in found[1:] if one[0] == seconds)


def report(job, seconds, replies):
    read, written = sum(reply.input_tokens for reply in replies), sum(reply.output_tokens for reply in replies)
    first = max(reply.prefill_s for reply in replies)
    decode = max(reply.decode_s for reply in replies)
    peak = max(reply.peak_bytes for reply in replies) / 2**30
    cells = (f"{read:,}", f"{first:.2f}", f"{read / first:,.0f}", f"{written:,}", f"{written / max(decode, 1e-9):,.1f}")
    print(f"| {job} | {' | '.join(cells)} | {seconds:.2f} | {peak:.1f} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = options.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="a folder or hub id")
    which.add_argument("--random-layers", type=int, metavar="N")
    options.add_argument("--quantize", choices=("int8", "int4"))
    options.add_argument("--kv-cache", choices=("fp8", "int8"))
    options.add_argument("--device", default="cuda")
    options.add_argument("--frames", type=int, default=256)
    options.add_argument(
        "--pages", default="1,8,16,32", help="A4 pages in ultra-high asked at once, each its own batch"
    )
    options.add_argument("--minutes", type=int, default=60, help="of film, at 30 frames a minute in windows of 256")
    options.add_argument("--answer", type=int, default=256, help="tokens, at most")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--against", action="store_true", help="transformers' generate on the same network too")
    args = options.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py needs a CUDA card and a torch built for it; benchmarks/layers.py runs on a CPU")

    from aria_docs.model.aria import weights
    from aria_docs.model.aria.model import AriaModel

    if args.model:
        loaded = weights.load(args.model, quantize=args.quantize, device=args.device)
    else:
        loaded = random_aria(args.random_layers, args.quantize, torch.device(args.device))
    model = AriaModel(loaded, kv_cache=args.kv_cache)
    print(f"{loaded!r} on {torch.cuda.get_device_name(loaded.device)}, torch {torch.__version__}")
    print(f"{model.kernels}\n")
    if model.kernels.is_slow:
        sys.exit("attention fell back to the math kernel: this torch has no flash kernel for this card")
    print(
        "| job | prompt tokens | first token, s | prefill, tokens/s | answer tokens | decode, tokens/s | all, s | GiB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    endless = {"type": "string", "minLength": 100_000}  # random weights know no end, nor do they keep to a form
    forms = [kind.model_json_schema() if args.model else endless for kind in (ScenesAnswer, TablesAnswer)]
    schemas = [json.dumps(form) for form in forms]
    film = [shown(frame_part(4.0 * n, 1280, 720, MEDIUM), n) for n in range(args.frames)]
    scenes = Question(prompts.SCENES, schemas[0], args.answer)
    report(f"{args.frames} frames, scenes", *measured(model, [film], scenes, args.rounds))
    tables = Question(prompts.TABLES, schemas[1], args.answer)
    counts = [int(count) for count in args.pages.split(",")]
    pages = [[shown(page_part(n, 595.276, 841.89, ULTRA), 1000 + n)] for n in range(1, max(counts) + 1)]
    for count in counts:
        report(f"{count} pages, tables", *measured(model, pages[:count], tables, args.rounds))
    if args.minutes:
        times = [2.0 * n for n in range(30 * args.minutes)]
        windows = [
            [shown(frame_part(time_s, 1280, 720, MEDIUM), int(time_s)) for time_s in times[at : at + args.frames]]
            for at in range(0, len(times), args.frames)
        ]
        long = Question(prompts.SCENES, schemas[0], 500)
        report(f"{args.minutes} minutes, {len(windows)} windows", *measured(model, windows, long, 1))
    model.close()
    if args.against:
        from contexts import Ours, Theirs, compare

        sides = Ours(loaded), Theirs(loaded.network, loaded.tokenizer)
        print("\n| context | questions × tokens | ours: first tokens + the rest, s | transformers | ours / theirs |")
        print("|---|---|---|---|---|")
        with torch.inference_mode():
            compare(f"{args.frames} frames", film, *sides, args.rounds, length=64)
            eight = [page for one in pages[:8] for page in one]
            compare(f"{len(eight)} pages", eight, *sides, args.rounds, length=64)
    if args.model and importlib.util.find_spec("vllm"):
        del model, loaded
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
