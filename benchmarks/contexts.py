"""Five questions over one context against transformers' `generate` asked five times, for a video and a document.

    python benchmarks/contexts.py [--rounds N] [--only video|document] [--small] [--cpu]

A mid-size random Aria in bfloat16 (its size is printed) on a CPU, loaded from one folder by both sides: ours by
`weights.load`, theirs by `from_pretrained` with its defaults (sdpa, grouped_mm). 256 frames of 16:9 at medium, and 9 A4
pages in ultra, 63 crops. Theirs gets the same crops, one an image, normalised and padded before the clock starts; ours
starts from uint8. Answers are free of a schema and all of one length, a tenth of the time that their first token takes.
Wall clock, medians; each round runs all contenders once. No features are cached. Where other processes want the cores,
--cpu counts one thread's work.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AriaForConditionalGeneration
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/tiny_aria.py writes the checkpoint

from aria_docs.model.aria import weights
from aria_docs.model.aria.cache import Prefix
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.features import Vision
from aria_docs.model.aria.generate import ContextReading, Writing, prefill
from aria_docs.model.aria.grammar import Grammars
from aria_docs.model.aria.tokens import Tokens
from aria_docs.model.chat_model import Shown
from aria_docs.tiling.budget import frame_part, page_part, prompt
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM, ULTRA
from tests.greedy import answer
from tests.tiny_aria import build

CLOCK = [time.perf_counter]
SIZES = {
    "hidden": 256, "layers": 3, "heads": 4, "experts": 16, "active": 3, "expert_width": 256, "vocab": 8192,
    "vision_hidden": 128, "vision_layers": 2, "vision_heads": 2, "vision_width": 512,
}  # fmt: skip
QUESTIONS = [f"{what} is shown here, and when?" for what in ("Which table", "What", "Who", "Which scene", "How much")]


class Ours:
    def __init__(self, loaded):
        config = loaded.network.config
        self.tokens = Tokens(loaded.tokenizer, vocabulary=config.text_config.vocab_size, image=config.image_token_index)
        self.vision, self.decoder = Vision(loaded.network), Decoder(loaded.network)
        self.grammars = Grammars(self.tokens)

    @torch.inference_mode()
    def ask(self, shown, questions, length):
        """Seconds until all first tokens, and from there to the last."""
        start = CLOCK[0]()
        parts = [one.part for one in shown]
        ids = self.tokens.prefix(parts)
        prefix = Prefix(self.decoder.shape, len(ids))
        reading = ContextReading(ids, torch.cat(self.vision.features(shown)), prefix)
        list(prefill(self.decoder, [reading], image=self.tokens.image))
        writings = [
            Writing(self.decoder, prefix, self.tokens.question(parts, text), None, length) for text in questions
        ]
        first = []

        def on_tokens(_):
            if not first:  # one token of every answer is there
                first.append(CLOCK[0]())

        # No end: every answer has its full length.
        answer(self.decoder, writings, self.grammars, end=-1, forbidden=self.tokens.forbidden, on_tokens=on_tokens)
        return first[0] - start, CLOCK[0]() - first[0]


class Theirs:
    def __init__(self, network, tokenizer):
        self.network, self.tokenizer, self.device = network, tokenizer, network.lm_head.weight.device

    def prepared(self, shown):
        edge = shown[0].part.layout.mode.tile_px
        images = [crop for one in shown for crop in one.crops]
        pixels = torch.full((len(images), 3, edge, edge), -1, dtype=torch.bfloat16)
        mask = torch.zeros((len(images), edge, edge), dtype=torch.bool)
        for row, crop in enumerate(images):
            height, width = crop.pixels.shape[:2]
            values = torch.from_numpy(crop.pixels.copy()).permute(2, 0, 1)
            pixels[row, :, :height, :width] = (values / 255 - 0.5) / 0.5
            mask[row, :height, :width] = True
        return {"pixel_values": pixels.to(self.device), "pixel_mask": mask.to(self.device)}

    @torch.inference_mode()
    def ask(self, shown, images, question, length):
        start, times = CLOCK[0](), []
        ids = self.tokenizer(
            prompt([one.part for one in shown], question), add_special_tokens=False, return_tensors="pt"
        )["input_ids"].to(self.device)

        class Watch:
            def put(self, _):
                times.append(CLOCK[0]())

            def end(self):
                pass

        self.network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), **images, do_sample=False,
            max_new_tokens=length, min_new_tokens=length, streamer=Watch(),
        )  # fmt: skip
        return times[1] - start, times[-1] - times[1]  # a streamer is given the prompt first


def noise(part, seed):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (9, 16, 3), np.uint8).repeat(40, axis=0).repeat(40, axis=1)
    return Shown(
        part, crops(coarse // 2 + random.integers(0, 128, coarse.shape, np.uint8), part.layout), f"noise {seed}"
    )


def compare(name, shown, ours, theirs, rounds, length=None):
    """Prints a row for five questions and one for one; ours by theirs, of the five."""
    images = theirs.prepared(shown)
    seconds, step = theirs.ask(shown, images, QUESTIONS[0], 5)
    length = length or max(8, round(0.1 * seconds / (step / 4)) + 1)
    ours.ask(shown, QUESTIONS[:1], 4)
    taken = {"ours, five": [], "ours, one": [], "theirs, five": [], "theirs, one": []}
    for _ in range(rounds):
        taken["ours, five"].append(ours.ask(shown, QUESTIONS, length))
        asked = [theirs.ask(shown, images, question, length) for question in QUESTIONS]
        taken["theirs, one"] += asked
        taken["theirs, five"].append(tuple(map(sum, zip(*asked, strict=True))))
        taken["ours, one"].append(ours.ask(shown, QUESTIONS[:1], length))
    total = {key: statistics.median(map(sum, values)) for key, values in taken.items()}
    tokens = len(ours.tokens.prefix([one.part for one in shown]))
    for count in ("one", "five"):
        cells = []
        for side in ("ours", "theirs"):
            first, rest = (statistics.median(column) for column in zip(*taken[f"{side}, {count}"], strict=True))
            cells.append(f"{first:.2f} + {rest:.2f}")
        ratio = total[f"ours, {count}"] / total[f"theirs, {count}"]
        print(f"| {name}, {tokens:,} tokens | {count} × {length} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)
    return ratio


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--only", choices=("video", "document"))
    options.add_argument("--small", action="store_true", help="16 frames and 1 page: to see that it runs")
    options.add_argument("--cpu", action="store_true", help="CPU seconds of one thread: for a machine that is shared")
    args = options.parse_args()
    if args.cpu:
        CLOCK[0] = time.process_time
        torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    frames, pages = (16, 1) if args.small else (256, 9)
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder), dtype=torch.bfloat16, **SIZES)
        network = AriaForConditionalGeneration.from_pretrained(built, dtype=torch.bfloat16).eval()
        ours = Ours(weights.load(str(built), device="cpu"))
        theirs = Theirs(network, weights.read_tokenizer(built, network.config))
    parameters = sum(parameter.numel() for parameter in theirs.network.parameters())
    print(f"{parameters / 1e6:.1f} M parameters in bfloat16, {torch.get_num_threads()} threads\n")
    print("| context | questions × tokens | ours: first tokens + the rest, s | transformers | ours / theirs |")
    print("|---|---|---|---|---|")
    if args.only != "document":
        shown = [noise(frame_part(10 * number, 1280, 720, MEDIUM), number) for number in range(frames)]
        compare(f"{frames} frames", shown, ours, theirs, args.rounds)
    if args.only != "video":
        shown = [noise(page_part(number + 1, 595, 842, ULTRA), number) for number in range(pages)]
        compare(f"{pages} pages", shown, ours, theirs, args.rounds)


if __name__ == "__main__":
    main()
