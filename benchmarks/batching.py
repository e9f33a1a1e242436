"""Pages answered side by side: tokens per second of 1, 8 and 16 answers as one batch, with Aria's real expert shapes.

    python benchmarks/batching.py [--rounds N] [--layers N] [--tokens N] [--cpu]

Random bfloat16 weights: hidden 2560, 20 heads, 64 experts of which a token asks 6, N of the 28 layers, a small
vocabulary, so that the head (33 ms of 28 layers' 700) is left out. Each page has 1,800 cached tokens of its own. One
answer alone is measured in every way we have, and batches are held against the fastest. Experts touched: the mean of
layers and steps. Wall clock from the first token to the last, medians; each round runs every contender once.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from layers import random_network, shared_copy

from aria_docs.model.aria import experts
from aria_docs.model.aria.cache import Prefix
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.generate import Writing, answer

CONTEXT = 1_800  # an A4 page in ultra, its label and marks
CLOCK = [time.perf_counter]


class Free:
    """In the place of Grammars: any token may come next."""

    def allowed(self, constraints):
        return torch.ones(len(constraints), 512, dtype=torch.bool)


class Touched:
    """Counts the experts that each pass of each layer wakes."""

    def __init__(self, network):
        self.counts = []
        for layer in network.model.language_model.layers:
            layer.mlp.router.register_forward_hook(self._see)

    def _see(self, _, __, found):
        self.counts.append(len(found[2].unique()))


def decode(decoder, prefixes, tokens):
    """Seconds from the first token of every answer to the last."""
    generator = torch.Generator().manual_seed(len(prefixes))
    writings = [
        Writing(decoder, prefix, torch.randint(0, 512, (20,), generator=generator).tolist(), None, tokens + 1)
        for prefix in prefixes
    ]
    heard = []
    answer(decoder, writings, Free(), end=-1, forbidden=[], told=lambda _: heard.append(CLOCK[0]()))
    assert all(len(writing.written) == tokens + 1 for writing in writings)
    return heard[-1] - heard[0]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--layers", type=int, default=2)
    options.add_argument("--tokens", type=int, default=24)
    options.add_argument("--cpu", action="store_true", help="CPU seconds of one thread: for a machine that is shared")
    args = options.parse_args()
    if args.cpu:
        CLOCK[0] = time.process_time
        torch.set_num_threads(1)
    torch.manual_seed(0)
    plain = random_network(args.layers)
    packed = shared_copy(plain)
    experts.pack(packed.model.language_model)
    settings = {"packed": experts.register(), "grouped_mm": "grouped_mm"}  # of the config, which both share
    decoders = {"packed": Decoder(packed), "grouped_mm": Decoder(plain)}
    touched = Touched(packed)
    prefixes = []
    for _ in range(16):
        prefixes.append(Prefix(decoders["packed"].shape, CONTEXT))
        for layer in range(args.layers):
            prefixes[-1].write(layer, 0, *torch.randn(2, 1, 20, CONTEXT, 128).bfloat16())
    ways = [("packed", 1), ("grouped_mm", 1), ("packed", 8), ("packed", 16)]
    seconds, woken = {way: [] for way in ways}, {way: [] for way in ways}
    with torch.inference_mode():
        for number in range(args.rounds + 1):
            for way in ways:
                packed.model.language_model.config._experts_implementation = settings[way[0]]
                touched.counts.clear()
                taken = decode(decoders[way[0]], prefixes[: way[1]], args.tokens)
                if number:  # the first round only warms up
                    seconds[way].append(taken)
                    woken[way] += touched.counts[args.layers :]  # without the question's tokens
    speed = {way: way[1] * args.tokens / statistics.median(taken) for way, taken in seconds.items()}
    fastest = max(speed[way] for way in ways if way[1] == 1)
    print(f"{args.layers} layers, {torch.get_num_threads()} threads, {args.rounds} rounds of {args.tokens} tokens\n")
    print("| experts | answers | experts touched | tokens/s | against the fastest alone |\n|---|---|---|---|---|")
    for way in ways:
        count = f"{statistics.mean(woken[way]):.1f}" if woken[way] else "6.0"
        print(f"| {way[0]} | {way[1]} | {count} | {speed[way]:.1f} | {speed[way] / fastest:.2f}× |")


if __name__ == "__main__":
    main()
