"""Memory of a whole 64K window at Aria's real width: it grows by the keys and values alone, beyond a constant.

    python benchmarks/window.py [--layers N] [--tokens N] [--chunk N] [--kv-cache int8|fp8]

Random bfloat16 weights on a CPU: N decoder layers (a layer's work needs the same room whatever their number) and one
vision layer. The prompt is all image tokens, its features are there before. Resident memory beyond what the weights
take, at its peak within each chunk: Linux's VmHWM, which is reset before. The constant is that peak without the keys
and values so far. Then the vision tower: 16 crops of 980 px at once.
"""

from __future__ import annotations

import argparse
import gc
import time
from pathlib import Path

import torch
from layers import HIDDEN, random_network

from aria_docs.model.aria.cache import Prefix
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.features import AT_ONCE, Vision
from aria_docs.model.aria.generate import CHUNK, ContextReading, prefill
from aria_docs.model.aria.pixels import CropBatch

GIB = 2**30


def resident(what):
    """VmRSS or VmHWM, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--layers", type=int, default=2)
    options.add_argument("--tokens", type=int, default=65_536)
    options.add_argument("--chunk", type=int, default=CHUNK)
    options.add_argument("--kv-cache", choices=("int8", "fp8"))
    args = options.parse_args()
    torch.manual_seed(0)
    network = random_network(args.layers)
    decoder = Decoder(network)
    gc.collect()
    weights = resident("VmRSS")
    each = decoder.shape.bytes_per_token(args.kv_cache)
    kept = f"{args.kv_cache or 'bfloat16'} keys and values, {each:,} bytes a token"
    print(f"{args.layers} layers, {weights / GIB:.2f} GiB of weights and libraries; {kept}; chunks of {args.chunk:,}\n")
    print("| tokens read | keys and values, GiB | peak beyond the weights, GiB | the constant, GiB | s |")
    print("|---|---|---|---|---|", flush=True)
    features = torch.randn(args.tokens, HIDDEN, dtype=torch.bfloat16)
    prefix = Prefix(decoder.shape, args.tokens, kept=args.kv_cache)
    read, start, largest = 0, time.perf_counter(), 0.0
    reset_peak()
    for count in prefill(decoder, [ContextReading([9] * args.tokens, features, prefix)], image=9, chunk=args.chunk):
        read += count
        peak, keys = resident("VmHWM") - weights, read * each
        largest = max(largest, peak - keys)
        if read == args.tokens or (read & (read - 1)) == 0:
            seconds = time.perf_counter() - start
            row = (f"{value / GIB:.2f}" for value in (keys, peak, peak - keys))
            print(f"| {read:,} | {' | '.join(row)} | {seconds:.0f} |", flush=True)
        reset_peak()
    print(f"\nThe largest constant of all chunks: {largest / GIB:.2f} GiB, features included.")
    del features, prefix
    gc.collect()
    before = resident("VmRSS")
    reset_peak()
    vision = Vision(network)
    pixels = torch.zeros((AT_ONCE, 980, 980, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    with torch.inference_mode():
        vision.encode(CropBatch(pixels, (70, 70), 256))
    print(
        f"{AT_ONCE} crops of 980 px through the vision tower: {(resident('VmHWM') - before) / GIB:.2f} GiB at the peak."
    )


if __name__ == "__main__":
    main()
