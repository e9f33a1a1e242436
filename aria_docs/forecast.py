"""What reading a file with Aria would take: crops, tokens, windows, memory. From page sizes or a video's facts alone;
opens no file, loads no model, needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from aria_docs.errors import BudgetError
from aria_docs.tiling.budget import frame_part, page_part
from aria_docs.tiling.resolution import MEDIUM, ULTRA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import VideoInfo
    from aria_docs.tiling.budget import Budget, ContextImage, Window
    from aria_docs.tiling.resolution import Mode

GIB = 2**30

# What the engine's own code takes for the published config: tests/model/aria/test_weights.py holds these to it.
# Keys and values of 28 layers of 20 heads of 128 numbers; Aria shares no heads. In 8 bits each head of a token has a
# float32 scale.
KV_BYTES_PER_TOKEN = {"bf16": 2 * 28 * 20 * 128 * 2, "fp8": 2 * 28 * 20 * (128 + 4)}
_WEIGHTS, _ROUTED = 25_307_311_216, 28 * 64 * (2560 * 3328 + 1664 * 2560)
# In int8 and int4 the routed experts alone are quantised: a scale for each column, or two numbers for every 128.
WEIGHT_BYTES = {
    "bf16": 2 * _WEIGHTS,
    "int8": 2 * (_WEIGHTS - _ROUTED) + _ROUTED + 2 * 28 * 64 * (3328 + 2560),
    "int4": 2 * (_WEIGHTS - _ROUTED) + _ROUTED // 2 + _ROUTED // 128 * 4,
}
# Prefill in chunks of 4-8 thousand tokens, vision in chunks of 16 crops, the CUDA context.
WORK_BYTES = 3 * GIB
# Tokens a second of one H100 80 GB, 28 layers, random bfloat16 weights, from pixels on (benchmarks/gpu.md): of 256
# frames in one window and of pages in ultra-high while they are read, and written of 8 answers side by side.
READ_PER_S = {"video": 18_000, "pdf": 8_200}
WRITTEN_PER_S = 406
ANSWER = 500  # tokens of a usual answer: a table of 12 rows and 6 columns, the scenes of 256 frames
CARDS_GB = (24, 48, 80)  # counted as 10⁹ bytes: the driver keeps the rest of what is sold as that


@dataclass(frozen=True, slots=True)
class PartForecast:
    """A page, or a whole video.

    part:           page:12 | video.
    width, height:  as displayed; points of a page, pixels of a video.
    grid:           (columns, rows) of tiles of the page or of each frame; (1, 1) where the mode does not split.
    crops, tokens:  of the images alone, of all frames together.
    """

    part: str
    width: float
    height: float
    grid: tuple[int, int]
    crops: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run sends a model for one file and what it writes; reading/workload.py works it out.

    windows:      contexts; answers: questions asked of them, one answer each.
    tokens_read:  each context once, as Aria on this machine reads it.
    tokens_in:    each context with each of its questions, as a server counts requests.
    """

    kind: str
    windows: int = 0
    answers: int = 0
    tokens_read: int = 0
    tokens_in: int = 0

    @property
    def tokens_out(self) -> int:
        """Answers of ANSWER tokens."""
        return self.answers * ANSWER

    @property
    def hours(self) -> float:
        """On one H100 80 GB in bf16."""
        read_per_s = READ_PER_S["video" if self.kind == "video" else "pdf"]
        return (self.tokens_read / read_per_s + self.tokens_out / WRITTEN_PER_S) / 3600


@dataclass(frozen=True, slots=True)
class Total:
    """What reading all files takes.

    price_in, price_out:  of a million tokens, in whatever money; None if not given.
    """

    files: int
    pages: int
    film_s: float
    windows: int
    tokens_in: int
    tokens_out: int
    hours: float
    price_in: float | None = None
    price_out: float | None = None

    @property
    def price(self) -> float | None:
        """Of all tokens; what has no price costs nothing."""
        if self.price_in is None and self.price_out is None:
            return None
        return (self.tokens_in * (self.price_in or 0) + self.tokens_out * (self.price_out or 0)) / 1e6

    def as_json(self) -> dict[str, Any]:
        """The `total` of `aria-docs budget --json --total`."""
        return {
            "files": self.files,
            "pages": self.pages,
            "film_s": round(self.film_s, 1),
            "windows": self.windows,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "hours": round(self.hours, 4),
            "price": None if self.price is None else round(self.price, 6),
        }

    def as_text(self) -> str:
        """Lines for a terminal."""
        extent = [_plural(self.pages, "page")] if self.pages else []
        extent += [f"{self.film_s:,.0f} s of film"] if self.film_s else []
        lines = [
            f"total: {', '.join([_plural(self.files, 'file'), *extent])}",
            f"  {_plural(self.windows, 'window')}, {self.tokens_in:,} tokens in, {self.tokens_out:,} tokens out",
            f"  {_time(self.hours)} with Aria on one H100 80 GB in bf16, answers of {ANSWER} tokens",
        ]
        if self.price is not None:
            money = f"{self.price:,.2f}" if self.price >= 1 else f"{self.price:.4f}"
            lines.append(f"  price {money}, at {self.price_in or 0:g} in and {self.price_out or 0:g} out a million")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One file.

    work:     what a run of the tasks asked about sends and is answered; None if not asked for.
    frames:   how many of a video are shown.
    windows:  the contexts that hold it; each counts labels, markers, question and answer too.
    whole:    the sharpest mode in which one window holds it all, None if absent.
    """

    path: str
    kind: Literal["pdf", "video"]
    mode: Mode
    parts: tuple[PartForecast, ...]
    windows: tuple[Window, ...]
    limit: int
    whole: Mode | None
    duration_s: float = 0.0
    frames: int = 0
    work: Workload | None = None

    @property
    def tokens(self) -> int:
        """What all windows take together, parts that two of them share counted twice."""
        return sum(window.tokens for window in self.windows)

    @property
    def hours(self) -> float:
        """On one H100 80 GB in bf16: read once, asked once a page, or twice a video, answers of ANSWER tokens."""
        answers = len(self.parts) if self.kind == "pdf" else 2 * len(self.windows)
        return (self.tokens / READ_PER_S[self.kind] + answers * ANSWER / WRITTEN_PER_S) / 3600

    @property
    def fullest(self) -> int:
        """Tokens of the largest window: what the cache must hold at a time."""
        return max((window.tokens for window in self.windows), default=0)

    def kv_bytes(self, dtype: str = "bf16") -> int:
        """Size of full Aria's cache for the largest window, in bf16 or fp8."""
        return self.fullest * KV_BYTES_PER_TOKEN[dtype]

    def on_card(self, card_gb: int) -> tuple[str, str] | None:
        """The finest (weights, cache) with which a card of so many GB reads the largest window, None if none does."""
        finest = ((weights, cache) for weights in WEIGHT_BYTES for cache in KV_BYTES_PER_TOKEN)
        room = card_gb * 10**9 - WORK_BYTES
        return next(((w, c) for w, c in finest if WEIGHT_BYTES[w] + self.kv_bytes(c) <= room), None)

    def as_json(self) -> dict[str, Any]:
        """The shape that `aria-docs budget --json` prints; kv_bytes in bf16."""
        parts = [
            {
                "part": part.part,
                "width": round(part.width, 3),
                "height": round(part.height, 3),
                "grid": list(part.grid),
                "crops": part.crops,
                "tokens": part.tokens,
            }
            for part in self.parts
        ]
        return {
            "path": self.path,
            "kind": self.kind,
            "mode": self.mode.name,
            "parts": parts,
            "tokens": self.tokens,
            "windows": len(self.windows),
            "kv_bytes": self.kv_bytes(),
            "hours": round(self.hours, 4),
        }

    def as_text(self) -> str:
        """A few lines for a terminal; pages in a row that cost the same share one."""
        if self.kind == "video":
            extent = f"{self.duration_s:,.1f} s, {_plural(self.frames, 'frame')}"
        else:
            extent = _plural(len(self.parts), "page")
        lines = [f"{self.path}: {extent}, {self.mode} resolution", *self._part_lines()]
        if not self.windows:
            return "\n".join(lines)
        held = f"{self.tokens:,} tokens in {_plural(len(self.windows), 'window')} of at most {self.limit:,}"
        if len(self.windows) > 1 and self.whole:
            held += f"; one window holds it at {self.whole} resolution"
        cache = f"{self.kv_bytes() / 1e9:.1f} GB in bf16, {self.kv_bytes('fp8') / 1e9:.1f} GB in fp8"
        return "\n".join([*lines, f"  {held}", f"  KV cache {cache}", *map(self._card_line, CARDS_GB)])

    def _part_lines(self) -> list[str]:
        lines, first = [], 1
        for _, alike in groupby(self.parts, key=lambda part: (part.width, part.height)):
            group = list(alike)
            last, part = first + len(group) - 1, group[0]
            if self.kind == "video":
                where, unit = "frames", "px"
            else:
                where, unit = f"page {first}" if first == last else f"pages {first}-{last}", "pt"
            grid = "{}×{} tiles and overview, ".format(*part.grid) if self.mode.splits else ""
            cost = f"{grid}{_plural(part.crops, 'crop')}, {part.tokens:,} image tokens"
            lines.append(f"  {where}: {part.width:g} × {part.height:g} {unit}, {cost}{' each' * (first < last)}")
            first = last + 1
        return lines

    def _card_line(self, card_gb: int) -> str:
        if found := self.on_card(card_gb):
            return "  {} GB card: fits with {} weights, {} cache".format(card_gb, *found)
        room = card_gb * 10**9 - WORK_BYTES - min(WEIGHT_BYTES.values())
        held = int(room // min(KV_BYTES_PER_TOKEN.values()))
        return f"  {card_gb} GB card: does not fit; it holds windows of {held:,} tokens (int4 weights, fp8 cache)"


def document(
    path: str, sizes_pt: Sequence[tuple[float, float]], *, budget: Budget, mode: Mode = ULTRA, overlap: int = 1
) -> Forecast:
    """A PDF, from the (width, height) of each page as displayed. Without a page it takes no window."""
    parts = [page_part(number, width, height, mode) for number, (width, height) in enumerate(sizes_pt, start=1)]
    costs = [
        PartForecast(f"page:{number}", *size, part.layout.grid, part.layout.crops, part.layout.tokens)
        for number, (size, part) in enumerate(zip(sizes_pt, parts, strict=True), start=1)
    ]
    windows = budget.windows(parts, overlap=overlap) if parts else ()
    return Forecast(path, "pdf", mode, tuple(costs), windows, budget.limit, _whole(budget, parts))


def video(path: str, info: VideoInfo, *, budget: Budget, mode: Mode = MEDIUM, frames: int | None = None) -> Forecast:
    """A video at so many frames, or as many as it has and the window holds, at most 256.

    BudgetError where the frames asked for do not fit.
    """
    last = frame_part(info.duration_s, info.width, info.height, mode)
    n = min(frames or max(budget.how_many(last), 1), max(info.n_frames, 1))
    times = [info.duration_s * (i + 0.5) / n for i in range(n)]
    shown = [frame_part(time_s, info.width, info.height, mode) for time_s in times]
    window = budget.one_window(shown)
    layout = last.layout
    cost = PartForecast("video", info.width, info.height, layout.grid, n * layout.crops, n * layout.tokens)
    return Forecast(path, "video", mode, (cost,), (window,), budget.limit, _whole(budget, shown), info.duration_s, n)


def _whole(budget: Budget, parts: Sequence[ContextImage]) -> Mode | None:
    if not parts:
        return None
    try:
        return budget.best_mode(parts)
    except BudgetError:  # too long for one window in any mode: an answer here, not a failure
        return None


def in_all(forecasts: Sequence[Forecast]) -> str:
    """One line on all files: tokens, and hours at the rates measured."""
    tokens, hours = sum(one.tokens for one in forecasts), sum(one.hours for one in forecasts)
    files = _plural(len(forecasts), "file")
    return f"{files}: {tokens:,} tokens, {_time(hours)} on one H100 80 GB in bf16 with answers of {ANSWER} tokens"


def total(forecasts: Sequence[Forecast], *, price_in: float | None = None, price_out: float | None = None) -> Total:
    """The sum over files whose `work` is known."""
    work = [one.work for one in forecasts if one.work]
    return Total(
        files=len(forecasts),
        pages=sum(len(one.parts) for one in forecasts if one.kind == "pdf"),
        film_s=sum(one.duration_s for one in forecasts),
        windows=sum(one.windows for one in work),
        tokens_in=sum(one.tokens_in for one in work),
        tokens_out=sum(one.tokens_out for one in work),
        hours=sum(one.hours for one in work),
        price_in=price_in,
        price_out=price_out,
    )


def _time(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{60 * hours:,.1f} minutes"


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


@dataclass(frozen=True, slots=True)
class Widths:
    """Of a decoder, as its config has them: what a training step's memory follows from."""

    layers: int
    hidden: int
    vocabulary: int
    experts: int
    active: int
    expert_width: int
    shared: int


ARIA_WIDTHS = Widths(28, 2560, 100_352, 64, 6, 1664, 2)


def training_bytes(
    widths: Widths,
    *,
    weights: int,
    trained: int,
    experts_too: bool,
    lessons: int,
    tokens: int,
    checkpointing: bool = True,
    bytes_a_number: int = 2,
) -> int:
    """What the hungriest step of training a LoRA takes at most.

    weights:      bytes of the network, as it is loaded; trained: numbers of the adapter, in float32 with a gradient and
                  two moments each.
    lessons:      side by side in one pass, each of so many tokens.
    experts_too:  then a layer's stacks stand there once more, adapted, and once as their gradient.

    Of the passes' own: every layer's input (with checkpointing; else all that a layer computes), and once what one
    layer computes forwards and backwards: k rows of each token through the experts, and attention's and the shared
    experts' rows. Logits are made in stretches (losses.py).
    """
    rows, number = lessons * tokens, bytes_a_number
    routed = widths.active * (2 * widths.hidden + 3 * widths.expert_width)
    dense = 12 * widths.hidden + 3 * widths.shared * widths.expert_width
    layer = rows * (routed + dense) * number
    kept = rows * widths.hidden * number * widths.layers if checkpointing else layer * widths.layers
    stacks = 3 * widths.experts * widths.hidden * widths.expert_width * number * 2 if experts_too else 0
    logits = 3 * min(rows, 1_024) * widths.vocabulary * 4
    return weights + 16 * trained + kept + 2 * layer + stacks + logits + WORK_BYTES
