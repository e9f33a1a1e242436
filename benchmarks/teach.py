"""Makes a tiny Aria that reads small tables from pictures of pages: from nothing, in some seven minutes of one H100.

    python benchmarks/teach.py OUT [--seed 0]                                        one card, some cores draw pages
    python benchmarks/teach.py OUT --steps 6 --batch 4 --processes 1 --held-out 4    on a CPU: that every line runs

OUT becomes a checkpoint in the published layout, for `aria-docs run … --engine aria --model OUT --resolution medium`,
with history.jsonl beside it. What it is asked is asked as `run` asks it: whoever changes `prompts.TABLES`, `AGAIN`, the
answer's JSON, `Page N: ` or the medium rendering teaches another one. It needs the fonts of teach_pages.FILES (Debian:
fonts-dejavu, fonts-liberation); without some it draws other pages, and says so.

First the tower alone, by what stands in each patch and in each query's stretch of the page; then the decoder too, by
the answer, and for a while by which row, column and place a token stands for and by where on the page it looks.
Cross-entropy alone stands on the plateau of single letters after 26,000 pages and more; with these, what to count and
where to look are nearly solved after 22,000, and then fade out.

The seed decides every page, their order, the first weights and all that is drawn while it learns. Each page is seen
once: 5,150 steps of 128 are 660,000 pages, drawn at 1 to 2 ms each. Letters: as in teach_network.py.
"""

from __future__ import annotations

import argparse
import json
import math
import mmap
import multiprocessing
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from teach_network import COLS, GRID, PATCHES, QUERIES, QUERY, ROWS, SLOTS, Looks, Reader, Size
from teach_pages import CHARS, CLASSES, HEIGHT, MAX_GLYPHS, SIZES, WIDTH, Maker, make_template
from torch.nn import functional as F  # noqa: N812 - as torch's own code calls it

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from aria_docs import prompts  # noqa: E402

LIKE = ROOT / "tests" / "data" / "tiny_aria"  # whose processor and chat template are those of every one
CHUNK = 32  # pages that a process draws before it hands them over
MAX_ANSWER = 144  # tokens
FIELDS = {  # of one page; spots: each token's glyph, row, column and place
    "picture": ((HEIGHT, WIDTH), np.uint8), "glyphs": ((MAX_GLYPHS, 6), np.int16),
    "ids": ((MAX_ANSWER,), np.int16), "spots": ((MAX_ANSWER, 4), np.int16),
}  # fmt: skip
SPECIAL = (  # the order decides the ids: `<|img|>` is 9, as published
    "<unk> <s> </s> <fim_prefix> <fim_middle> <fim_suffix> <fim_pad> <filename> <gh_stars> <|img|> <|im_start|> "
    "<|im_end|> <pad>"
).split()
FIRST_CELL, NEXT_CELL, NEXT_ROW, LAST = ',"rows":[["', '","', '"],["', '"]],"spans":[]}'
# Each is one token where it stands in an answer; the first win where two overlap. None begins with what a cell may
# contain: a cell's characters stay single tokens.
CHUNKS = (NEXT_CELL, NEXT_ROW, LAST, '{"tables":[', '{"caption":null,"box":[', '],"header_rows":', FIRST_CELL, "]}")
QUESTIONS = (prompts.TABLES, f"\n{prompts.AGAIN}")  # one token each: 330 bytes would be as many tokens

Weights = dict[str, torch.Tensor]
Batch = dict[str, torch.Tensor]


# What it is taught with


def tokenizer() -> Any:
    """Byte-level BPE over whole answers; its only merges are those that lead to CHUNKS, from the left."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = list(dict.fromkeys((chunk[:end], chunk[end]) for chunk in CHUNKS for end in range(1, len(chunk))))
    tokens += [left + right for left, right in merges] + list(QUESTIONS)
    tokens += [f"<unused_{number}>" for number in range(len(tokens), Size().vocab)]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    made.add_tokens([AddedToken(question, normalized=False) for question in QUESTIONS])
    return made


def prepare(folder: Path) -> None:
    """Tokenizer and processor as `run` and vLLM load them."""
    from transformers import PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("chat_template.json", "preprocessor_config.json", "processor_config.json"):
        shutil.copyfile(LIKE / name, folder / name)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(), unk_token="<unk>", pad_token="<pad>",
        chat_template=(LIKE / "chat_template.jinja").read_text(), clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": "<|img|>"},
    ).save_pretrained(folder)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompt:
    """The product's own prompt around a page and its answer, as ids [n].

    opening, digits, marker:  before the page's number, each digit, and from behind it to the picture.
    closing, again:           behind the picture, asked for the first time and once more.
    header_rows:              the token that follows the number of header rows; cells: what a cell may hold.
    """

    opening: torch.Tensor
    digits: torch.Tensor
    marker: torch.Tensor
    closing: torch.Tensor
    again: torch.Tensor
    header_rows: int
    cells: torch.Tensor

    @classmethod
    def of(cls, folder: Path, device: str) -> Prompt:
        """As `run` asks with that tokenizer."""
        from transformers import AutoTokenizer

        from aria_docs.model.aria.tokens import Tokens
        from aria_docs.tiling.budget import page_part
        from aria_docs.tiling.resolution import MEDIUM

        product = Tokens(AutoTokenizer.from_pretrained(folder), vocabulary=Size().vocab, image=SPECIAL.index("<|img|>"))
        part = page_part(1, *SIZES[0], MEDIUM)
        assert part.layout.render_px == (WIDTH, HEIGHT), part
        prefix, digits = product.prefix([part]), product.ids("0123456789")
        at, first = prefix.index(digits[1]), prefix.index(SPECIAL.index("<|img|>"))
        [header_rows] = product.ids(FIRST_CELL)
        of = lambda ids: torch.tensor(ids, device=device)  # noqa: E731
        return cls(
            opening=of(prefix[:at]), digits=of(digits), marker=of(prefix[at + 1 : first]),
            closing=of(product.question([part], QUESTIONS[0])),
            again=of(product.question([part], "".join(QUESTIONS))),
            header_rows=header_rows, cells=of(product.ids(CHARS[1:])),
        )  # fmt: skip


class Scribe:
    """A page → numbers to teach it by; one in each process."""

    def __init__(self, folder: Path) -> None:
        self._maker, self._tokenizer = Maker(folder), tokenizer()
        marks = ("<|im_end|>", FIRST_CELL, NEXT_CELL, NEXT_ROW, LAST)
        self._end, self._first, self._next_cell, self._next_row, self._last = map(self._tokenizer.token_to_id, marks)

    def write(self, chance: random.Random, into: dict[str, Any], place: int) -> None:
        """The next page into arrays of FIELDS; answers that are too long are left out."""
        while True:
            page = self._maker.page(chance)
            ids = [*self._tokenizer.encode(page.answer, add_special_tokens=False).ids, self._end]
            if len(ids) <= MAX_ANSWER:
                break
        made = {"picture": page.picture, "glyphs": page.glyphs, "ids": np.array(ids), "spots": self._spots(ids)}
        for name, array in into.items():
            array[place] = -1 if name == "spots" else 0
            array[place, : len(made[name])] = made[name]

    def _spots(self, ids: list[int]) -> np.ndarray:
        """[n, 4]: a token that ends a cell has the glyph before it; -1 where there is none, row 0 outside the cells."""
        found, row, col, place, glyph = np.full((len(ids), 4), (-1, 0, 0, 0), np.int16), 0, 0, 0, -1
        for at, token in enumerate(ids):
            ends = token in (self._next_cell, self._next_row, self._last)
            if row:
                glyph += not ends
                found[at] = glyph if not ends or place > 1 else -1, row, col, min(place, CLASSES[2] - 1)
                place += 1
            if token == self._first:
                row, col, place = 1, 1, 1
            elif row and ends:
                row, col = {self._next_cell: (row, col + 1), self._next_row: (row + 1, 1), self._last: (0, 0)}[token]
                place = 1
        return found


class Drawn:
    """Pages drawn by other processes into shared memory: chunk after chunk, each by its own number's chance."""

    def __init__(self, folder: Path, processes: int, seed: int) -> None:
        self._n, slots = processes, 3
        self._arrays = {}
        for name, (shape, kind) in FIELDS.items():
            sizes = processes, slots, CHUNK, *shape
            shared = mmap.mmap(-1, math.prod(sizes) * np.dtype(kind).itemsize)
            self._arrays[name] = np.frombuffer(shared, kind).reshape(sizes)
        context = multiprocessing.get_context("fork")  # before the card is first used
        self._free, self._ready = ([context.SimpleQueue() for _ in range(processes)] for _ in range(2))
        for number in range(processes):
            for slot in range(slots):
                self._free[number].put(slot)
            arrays = {name: array[number] for name, array in self._arrays.items()}
            step = folder, seed, number, processes, arrays, self._free[number], self._ready[number]
            context.Process(target=_draw, args=step, daemon=True).start()

    def batches(self, size: int, device: str) -> Iterator[Batch]:
        """So many of the next pages, again and again."""
        held: Batch = {}
        chunk = 0
        while True:
            while not held or len(held["ids"]) < size:
                new = self._take(chunk, device)
                held = {name: torch.cat([held[name], value]) if held else value for name, value in new.items()}
                chunk += 1
            yield {name: value[:size] for name, value in held.items()}
            held = {name: value[size:] for name, value in held.items()}

    def _take(self, chunk: int, device: str) -> Batch:
        number = chunk % self._n
        slot = self._ready[number].get()
        new = {name: torch.tensor(array[number, slot], device=device) for name, array in self._arrays.items()}
        self._free[number].put(slot)
        return new


def _draw(folder: Path, seed: int, number: int, processes: int, arrays: Any, free: Any, ready: Any) -> None:
    scribe, chunk = Scribe(folder), number
    while True:
        slot, chance = free.get(), random.Random(f"{seed} {chunk}")
        for place in range(CHUNK):
            scribe.write(chance, {name: array[slot] for name, array in arrays.items()}, place)
        ready.put(slot)
        chunk += processes


def held_out(folder: Path, count: int, seed: int, device: str) -> Batch:
    """Pages that no step has."""
    scribe, chance = Scribe(folder), random.Random(f"{seed} held out")
    arrays = {name: np.zeros((count, *shape), kind) for name, (shape, kind) in FIELDS.items()}
    for place in range(count):
        scribe.write(chance, arrays, place)
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


# How it is taught


def seen(pictures: torch.Tensor, dtype: torch.dtype, *, worn: bool) -> torch.Tensor:
    """uint8 pages → -1 to 1; where worn, some are blurred, paler or noisy, as scans are."""
    x = pictures.float() / 255

    def some(share: float) -> torch.Tensor:  # of each page 0, or with that chance a number up to 1
        chance, much = torch.rand(2, len(x), 1, 1, device=x.device)
        return (chance < share) * much

    if worn:
        kernel = torch.tensor([0.25, 0.5, 0.25], device=x.device)
        soft = F.conv2d(x[:, None], (kernel[:, None] * kernel)[None, None], padding=1)[:, 0]
        x = torch.lerp(x, soft, some(0.35))
        ink, paper = 0.3 * some(0.4), 1 - 0.2 * some(0.4)
        x = ink + x * (paper - ink) + torch.randn_like(x) * 0.05 * some(0.4)
    return (2 * x - 1).to(dtype)


def what_stands(
    w: Weights, batch: Batch, name: str, seen_as: torch.Tensor, n_cols: int, n_rows: int, slots: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of what an area of the page is taken for: a character in each of its slots, side by side, and the row,
    column and place of its first one. And the share of characters that are right."""
    glyphs, n, b = batch["glyphs"].long(), n_cols * n_rows, len(seen_as)
    x = (glyphs[..., 1] * n_cols * slots // WIDTH).clamp(0, n_cols * slots - 1)
    area = (glyphs[..., 2] * n_rows // HEIGHT).clamp(0, n_rows - 1) * n_cols + x // slots
    there = glyphs[..., 0] > 0
    wanted = glyphs.new_zeros(b, n * slots + 1)
    slot = torch.where(there, area * slots + x % slots, n * slots)
    wanted = wanted.scatter(1, slot, glyphs[..., 0])[:, :-1].flatten()
    order = torch.arange(MAX_GLYPHS, device=glyphs.device).expand_as(area)
    first = glyphs.new_full((b, n + 1), MAX_GLYPHS)
    first = first.scatter_reduce(1, torch.where(there, area, n), order, "amin")[:, :-1]
    said = F.linear(seen_as[:, :n], w[name + ".weight"], w[name + ".bias"]).flatten(0, 1).float()
    chars = said[:, : slots * len(CHARS)].reshape(-1, len(CHARS))
    weight = torch.where(wanted > 0, 1.0, 0.03)
    loss = (F.cross_entropy(chars, wanted, reduction="none") * weight).sum() / weight.sum()
    labels = glyphs.gather(1, first.clamp(max=MAX_GLYPHS - 1)[..., None].expand(-1, -1, 6))[..., 3:].flatten(0, 1)
    loss = loss + _of_places(said[:, slots * len(CHARS) :], labels, (first < MAX_GLYPHS).flatten()) / 3
    return loss, ((chars.argmax(-1) == wanted) & (wanted > 0)).sum() / (wanted > 0).sum()


def _of_places(said: torch.Tensor, labels: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Row, column and place of each, where there is one."""
    parts = zip(said.split(CLASSES, dim=-1), labels.unbind(-1), strict=True)
    lost = torch.stack([F.cross_entropy(part, label, reduction="none") for part, label in parts]).sum(0)
    return (lost * where).sum() / where.sum()


def answer(
    reader: Reader,
    w: Weights,
    prompt: Prompt,
    batch: Batch,
    features: torch.Tensor,
    *,
    counting: float,
    looking: float,
    noise: float,
) -> tuple[torch.Tensor, Batch]:
    """The loss of the answer, token by token, with that of what tokens stand for and of where they look; and figures.

    noise:  share of wrong characters in what it is fed: the page is to be read, not guessed.
    """
    s, b, device = reader.size, len(features), features.device
    digits = prompt.digits[torch.randint(1, 10, (b, 1 + int(torch.rand(()) < 0.25)), device=device)]
    closing = (prompt.again if torch.rand(()) < 0.125 else prompt.closing).expand(b, -1)
    ids, spots = batch["ids"].long(), batch["spots"].long()
    glyph, inside = spots[..., 0], spots[..., 1] > 0
    cell = inside & (ids < len(SPECIAL) + 256)  # single bytes
    wrong = prompt.cells[torch.randint(len(prompt.cells), ids.shape, device=device)]
    fed = torch.where(cell & (torch.rand(ids.shape, device=device) < noise), wrong, ids)[:, :-1]
    front = torch.cat([prompt.opening.expand(b, -1), digits, prompt.marker.expand(b, -1)], dim=1)
    pictures = torch.full((b, QUERIES), SPECIAL.index("<|img|>"), device=device)
    tokens = torch.cat([front, pictures, closing, fed], dim=1)
    first, begin = front.shape[1], front.shape[1] + QUERIES + closing.shape[1] - 1
    where = batch["glyphs"].long().gather(1, glyph.clamp(min=0)[..., None].expand(-1, -1, 6))
    x, y = ((where[..., n] * GRID // side).clamp(0, GRID - 1) for n, side in ((1, WIDTH), (2, HEIGHT)))
    looks = _looks(s, first + y * GRID + x, glyph >= 0, begin, weighed=looking > 0)
    states, uneven, looked = reader.say(w, tokens, features, first, looks)
    logits = F.linear(states[-1][:, begin:], w["language_model.lm_head.weight"]).float()
    heads = ids.roll(-1, 1) == prompt.header_rows  # how many rows are header rows
    weight = torch.where(inside | heads, 1.0, 0.15) * (ids > 0)
    lost = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    counters = F.linear(states[s.layers - 3][:, begin:], w["aux.counters.weight"], w["aux.counters.bias"]).float()
    counted = _of_places(counters.flatten(0, 1), spots[..., 1:].clamp(min=0).flatten(0, 1), inside.flatten())
    right = (logits.argmax(-1) == ids) | ~inside
    looked_at = torch.stack(looked).sum()
    told = {
        "answer": (lost * inside).sum() / inside.sum(), "counters": counted, "looks": looked_at,
        "tokens right": (right & inside).sum() / inside.sum(), "pages right": right.all(dim=1).float().mean(),
    }  # fmt: skip
    return (lost * weight).sum() / weight.sum() + 0.01 * uneven + counting * counted + looking * looked_at, told


def _looks(s: Size, goal: torch.Tensor, aimed: torch.Tensor, begin: int, *, weighed: bool) -> Looks:
    """−log attention of two heads of the last two layers to the query that has the next token's glyph."""

    def looks(layer: int, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        if layer < s.layers - 2 or not weighed:
            return torch.zeros((), device=q.device)
        scores = (q[:, :2, begin:] @ k[:, :2].transpose(2, 3)).float() * q.shape[-1] ** -0.5
        places = torch.arange(k.shape[2], device=q.device)
        scores = scores.masked_fill(places > places[begin:, None], -1e9)
        lost = scores.logsumexp(-1) - scores.gather(3, goal[:, None, :, None].expand(-1, 2, -1, 1))[..., 0]
        return (lost.mean(1) * aimed).sum() / aimed.sum()

    return looks


def losses(
    reader: Reader, w: Weights, prompt: Prompt, batch: Batch, u: float, *, alone: float, teaching: bool = True
) -> tuple[torch.Tensor, Batch]:
    """The sum of all losses at u, from 0 to 1 of all steps; and what to tell."""
    dtype = w["language_model.lm_head.weight"].dtype
    patches, features = reader.see(w, seen(batch["picture"], dtype, worn=teaching))
    loss, told = torch.zeros((), device=features.device), dict[str, torch.Tensor]()
    for side, name, seen_as, n_cols, n_rows, slots in (
        (max(0.0, 1 - u / 0.5), PATCHES, patches, COLS, ROWS, 3),
        (max(0.1, 1 - u / 0.8), QUERY, features, GRID, GRID, SLOTS),
    ):
        if side:
            lost, told[name + " right"] = what_stands(w, batch, name, seen_as, n_cols, n_rows, slots)
            loss, told[name] = loss + side * lost, lost
    if u >= alone:
        left = max(0.0, 1 - (u - alone) / (1 - alone) / 0.6)
        more, also = answer(
            reader, w, prompt, batch, features, counting=0.5 * max(0.05, left), looking=0.4 * left,
            noise=0.04 * teaching,
        )  # fmt: skip
        loss, told = loss + more, told | also
    return loss, {name: value.detach() for name, value in told.items()}


def teach(a: argparse.Namespace) -> None:
    """Trains, tells how it goes, and saves the checkpoint."""
    prepare(a.out)
    drawing = a.out / "drawing"
    drawing.mkdir(exist_ok=True)
    if missing := make_template(drawing, a.fonts):
        print(f"drawn without {', '.join(missing)}, which {a.fonts} does not have")
    drawn = Drawn(drawing, a.processes, a.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(a.seed)
    reader, prompt = Reader(Size(), device), Prompt.of(a.out, device)
    adam = torch.optim.AdamW([reader.flat], lr=a.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=device == "cuda")
    lines, sums = list[str](), dict[str, list[torch.Tensor]]()
    began = said = time.perf_counter()
    for step, batch in zip(range(a.steps), drawn.batches(a.batch, device), strict=False):
        u = step / a.steps
        warm = min(1.0, (step + 1) / (0.018 * a.steps))
        adam.param_groups[0]["lr"] = a.rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * u)))
        loss, told = losses(reader, reader.views(dtype), prompt, batch, u, alone=a.alone)
        loss.backward()
        gradient = reader.flat.grad
        assert gradient is not None
        gradient.mul_((1.0 / gradient.norm().clamp(min=1.0)).nan_to_num(0.0)).nan_to_num_(0.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        for name, value in told.items():
            sums.setdefault(name, []).append(value)
        if (now := time.perf_counter()) - said > a.every or step + 1 == a.steps:
            figures = {name: round(float(torch.stack(values).mean()), 3) for name, values in sums.items()}
            lines.append(json.dumps({"s": round(now - began), "steps": step + 1} | figures))
            print(lines[-1], flush=True)
            said, sums = now, {}
    reader.save(a.out)
    with torch.no_grad():
        pages = held_out(drawing, a.held_out, a.seed, device)
        _, told = losses(reader, reader.views(dtype), prompt, pages, 1.0, alone=a.alone, teaching=False)
    lines.append(json.dumps({"held out": {name: round(float(value), 4) for name, value in told.items()}}))
    print(lines[-1])
    (a.out / "history.jsonl").write_text("\n".join(lines) + "\n")
    shutil.rmtree(drawing)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5_150)
    parser.add_argument("--batch", type=int, default=128, help="pages a step")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--alone", type=float, default=0.12, help="share of the steps in which the tower is alone")
    parser.add_argument("--processes", type=int, default=5, help="that draw pages")
    parser.add_argument("--held-out", type=int, default=256, help="pages of the last figures")
    parser.add_argument("--every", type=float, default=5, help="seconds between two lines of figures")
    teach(parser.parse_args())
