"""Pages answered side by side: tokens per second of 1, 8 and 16 answers as one batch, with Aria's real expert shapes.

    python benchmarks/batching.py [--rounds N] [--layers N] [--tokens N] [--cpu]
    python benchmarks/batching.py --simulate [--pages N] [--stood N]
    python benchmarks/batching.py --drafts FOLDER [--model tests/data/tiny_aria]
    python benchmarks/batching.py --scenes

Random bfloat16 weights: hidden 2560, 20 heads, 64 experts of which a token asks 6, N of the 28 layers, a small
vocabulary, so that the head (33 ms of 28 layers' 700) is left out. Each page has 1,800 cached tokens of its own. One
answer alone is measured in every way we have, and batches are held against the fastest. Experts touched: the mean of
layers and steps. Wall clock from the first token to the last, medians; each round runs every contender once.

--simulate lets the engine's own scheduler (aria/batch.py) work through pages of very different lengths on a clock that
is wound by what an H100 was measured to take: nothing is computed. Steps of more than 8 answers were never recorded
there; theirs are the 8 answers' time, by the experts that are awake. --stood: tokens of a guess that stand in a step.

--drafts asks a model that reads for the tables of a folder's small PDFs, in float32, without guesses and with them.
--scenes draws subtitles and answers that quote a share of their words, in runs of 4 to 12, a word a token: how many
passes such an answer takes. No checkpoint here describes scenes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymupdf
import torch
from layers import random_network, shared_copy

sys.path.insert(0, str(Path(__file__).parents[1]))

from aria_docs.media import Page as MediaPage
from aria_docs.media import Word
from aria_docs.model.aria import experts, weights
from aria_docs.model.aria.batch import BatchJob, RunningBatch
from aria_docs.model.aria.cache import Prefix
from aria_docs.model.aria.decoder import Decoder
from aria_docs.model.aria.drafting import Draft
from aria_docs.model.aria.feature_cache import FeatureCache
from aria_docs.model.aria.features import Vision
from aria_docs.model.aria.generate import Writing
from aria_docs.model.aria.model import AriaModel
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import Shown
from aria_docs.model.seen import SeenPage
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import MEDIUM
from tests.greedy import answer

GROUP = 32  # pages that are answered side by side, to compare guesses
CONTEXT = 1_800  # an A4 page in ultra, its label and marks
CLOCK = [time.perf_counter]

# One H100 80 GB, 28 layers, random bfloat16 weights (the table): seconds.
STEP_OF_8 = 8 / 406
TOKENS_READ = 8_200  # a second
RECORDING = 0.1


class Free:
    """In the place of Grammars: any token may come next."""

    def allowed(self, answers):
        return torch.ones(sum(1 + len(guess) for _, guess in answers), 512, dtype=torch.bool)


class Touched:
    """Counts the experts that each pass of each layer wakes."""

    def __init__(self, network):
        self.counts = []
        for layer in network.model.language_model.layers:
            layer.mlp.router.register_forward_hook(self._see)

    def _see(self, _, __, found):
        self.counts.append(len(found[2].unique()))


class Virtual:
    """Steps, contexts and answers on a clock of their own."""

    def __init__(self, stood):
        self.now, self.stood, self.recorded = 0.0, stood, set()

    def take(self, writings):
        if not {id(one) for one in writings} <= self.recorded or 2 * len(writings) <= len(self.recorded):
            self.recorded = {id(one) for one in writings}
            self.now += RECORDING
        self.now += step_s(len(writings), tokens=1 + self.stood)
        for one in writings:
            one.written += [0] * min(1 + self.stood, one.length - len(one.written))

    def reading(self, context, between):
        for _ in range(0, CONTEXT, between or CONTEXT):
            self.now += min(between or CONTEXT, CONTEXT) / TOKENS_READ
            yield between or CONTEXT
        context.prefix = True


class Page:
    n_bytes, prefix = CONTEXT * 286_720, None


class Answer:
    def __init__(self, length):
        self.length, self.written = length, []

    @property
    def done(self):
        return len(self.written) >= self.length


def awake(tokens):
    return 64 * (1 - (1 - 6 / 64) ** tokens)


def step_s(answers, tokens=1):
    return STEP_OF_8 * awake(answers * tokens) / awake(8)


def lengths(pages):
    drawn = random.Random(1)
    return [min(max(int(drawn.lognormvariate(6, 0.8)), 20), 4_000) for _ in range(pages)]


def simulate(pages, stood):
    wanted = lengths(pages)
    answers = f"answers of {min(wanted)} … {max(wanted):,} tokens, {sum(wanted):,} in all"
    print(f"{pages} pages of {CONTEXT:,} tokens, {answers}; {stood} tokens of a guess stand\n")
    print("| scheduler | answers at once | slots busy | s | tokens/s, reading included |\n|---|---|---|---|---|")
    taken = pages * CONTEXT / TOKENS_READ
    groups = [wanted[at : at + 8] for at in range(0, pages, 8)]
    for group in groups:
        rest = sorted(group)
        ended = [0, *rest]
        taken += sum((ended[at + 1] - ended[at]) * step_s(8 - at) for at in range(len(rest))) + RECORDING
    busy = sum(wanted) / sum(8 * max(group) for group in groups)
    before = "before: eight at a time, until the longest has ended"
    print(f"| {before} | 8 | {busy:.2f} | {taken:.1f} | {sum(wanted) / taken:,.0f} |")
    for slots in (8, 16, 32):
        clock = Virtual(stood)
        batch = RunningBatch(clock, clock.reading, slots=slots, room=None, translate=lambda _: None)
        batch.serve([BatchJob(Page(), lambda _, length=length: Answer(length), lambda _: None) for length in wanted])
        print(f"| continuous | {slots} | {batch.busy:.2f} | {clock.now:.1f} | {sum(wanted) / clock.now:,.0f} |")


def seen_pages(folder):
    """The pages of all PDFs below a folder, as a run shows them at medium resolution."""
    for file in sorted(folder.rglob("*.pdf")):
        with pymupdf.open(file) as document:
            for page in document:
                size = page.rect.width, page.rect.height
                part = page_part(1, *size, MEDIUM)
                width, height = part.layout.render_px
                shot = page.get_pixmap(matrix=pymupdf.Matrix(width / size[0], height / size[1]), alpha=False)
                picture = np.frombuffer(shot.samples, np.uint8).reshape(shot.height, shot.width, 3)
                words = tuple(Word(word[4], tuple(word[:4])) for word in page.get_text("words"))
                shown = Shown(part, crops(picture, part.layout), f"{file} {page.number}")
                yield SeenPage(MediaPage(1, *size, "", words=words), shown, ("tables",))


def compare_drafts(name, folder):
    loaded = weights.load(name, device="cpu", packed=False)
    loaded = replace(loaded, network=loaded.network.float(), dtype=torch.float32)
    torch.set_num_threads(1)
    written, choose, said = [], Writing.choose, {}

    def watch(self, *given):
        choose(self, *given)
        if self.done:
            written.append((self.n_passes, len(self.written)))

    Writing.choose = watch
    pages, same = list(seen_pages(folder)), 0
    sums = {drafts: [0, 0, 0.0] for drafts in (False, True)}  # passes, tokens, CPU seconds
    with tempfile.TemporaryDirectory() as place:
        kept = FeatureCache(Path(place), weights="", dtype=loaded.dtype)
        for at in range(0, len(pages), GROUP):
            some = pages[at : at + GROUP]
            Vision(loaded.network, cache=kept).features([page.shown for page in some])  # both ways see the same
            for drafts, counts in sums.items():
                written.clear()
                model = AriaModel(loaded, drafts=drafts, feature_cache=kept, slots=GROUP)
                start = time.process_time()
                said[drafts] = [read.answer for [read] in ChatEngine(model).read_pages(some)]
                counts[2] += time.process_time() - start
                counts[:2] = map(sum, zip(counts[:2], *written, strict=True))
            same += sum(one == other for one, other in zip(*said.values(), strict=True))
            print(f"{same} of {at + len(some)} answers are the same", file=sys.stderr, flush=True)
    print("| guesses | pages | tokens | passes | a token | CPU s |\n|---|---|---|---|---|---|")
    for drafts, (passes, tokens, cpu_s) in sums.items():
        cells = f"{tokens:,} | {passes:,} | {passes / tokens:.3f} | {cpu_s:.0f}"
        print(f"| {'from the words' if drafts else 'none'} | {len(pages)} | {cells} |")
    print(f"\n{same} of {len(pages)} answers are the same")


def scenes_answer(chance, cues, share):
    """(words, kind) of an answer: forced by the schema, a time that no guess fits, or text that quotes such a share."""
    for at in range(0, len(cues), 10):
        heard, described = " ".join(cues[at : at + 10]).split(), []
        while len(described) < 45:
            run, start = chance.randint(4, 12), chance.randrange(len(heard))
            quoted = chance.random() < share
            described += heard[start : start + run] if quoted else [f"w{chance.randrange(3000)}" for _ in range(run)]
        yield from (("start", "forced"), (f"0:{at}", "time"), ("end", "forced"), (f"0:{at + 9}", "time"))
        for key, words in (("title", described[:5]), ("description", described[5:])):
            yield from ((key, "forced"), *((word, "text") for word in words), ("quote", "text"))


def simulate_scenes():
    chance = random.Random(3)
    cues = [" ".join(f"w{int(chance.paretovariate(1)) % 3000}" for _ in range(8)) for _ in range(120)]
    numbers = {}

    def token(word):
        return numbers.setdefault(word, len(numbers))

    print("| words quoted from subtitles | tokens | passes a token |\n|---|---|---|")
    for share in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0):
        draft = Draft([token(word) for cue in cues for word in cue.split()])
        answered = list(scenes_answer(chance, cues, share))
        said = [token(word) for word, _ in answered]
        done = passes = 0
        while done < len(said):
            if answered[done][1] == "forced":
                done += 1
                continue
            guess = draft.following(said[:done], 24) if answered[done][1] == "text" else []
            stood = next((at for at, one in enumerate(guess) if said[done + at : done + at + 1] != [one]), len(guess))
            if guess:
                draft.learn(len(guess), stood)
            done, passes = done + stood + 1, passes + 1
        print(f"| {share:.0%} | {len(said):,} | {passes / len(said):.2f} |")


def decode(decoder, prefixes, tokens):
    """Seconds from the first token of every answer to the last."""
    generator = torch.Generator().manual_seed(len(prefixes))
    writings = [
        Writing(decoder, prefix, torch.randint(0, 512, (20,), generator=generator).tolist(), None, tokens + 1)
        for prefix in prefixes
    ]
    heard = []
    answer(decoder, writings, Free(), end=-1, forbidden=[], on_tokens=lambda _: heard.append(CLOCK[0]()))
    assert all(len(writing.written) == tokens + 1 for writing in writings)
    return heard[-1] - heard[0]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--layers", type=int, default=2)
    options.add_argument("--tokens", type=int, default=24)
    options.add_argument("--cpu", action="store_true", help="CPU seconds of one thread: for a machine that is shared")
    options.add_argument("--simulate", action="store_true", help="the scheduler alone, on a clock of measured times")
    options.add_argument("--pages", type=int, default=200)
    options.add_argument("--stood", type=int, default=0)
    options.add_argument("--drafts", type=Path, metavar="FOLDER", help="of small PDFs with a text layer")
    options.add_argument("--model", default="tests/data/tiny_aria")
    options.add_argument("--scenes", action="store_true", help="answers that quote subtitles, drawn")
    args = options.parse_args()
    if args.simulate:
        simulate(args.pages, args.stood)
        return
    if args.drafts:
        compare_drafts(args.model, args.drafts)
        return
    if args.scenes:
        simulate_scenes()
        return
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
