"""What fits a model's window: the prompt around the crops, counted before any model work. Arithmetic.

Aria's 65,536 tokens, exactly, unless a `Budget` is given another model's numbers:

    <|im_start|>user\\n
    Page 1: <fim_prefix><|img|> × 1,792<fim_suffix>\\n       a part: label, markers and all crops of one image
    Page 2: <fim_prefix><|img|> × 1,792<fim_suffix>\\n
    Which tables …?<|im_end|>\\n                             the question, last: several may follow one context
    <|im_start|>assistant\\n … <|im_end|>                    the answer, for which tokens are kept free

`prompt` writes that text and a `Budget` counts it, from the same pieces. Each piece stands between special tokens,
where every tokenizer splits, so the sum is exact. Counting takes a `Count`: a tokenizer, or `upper_bound`. Of another
model's prompt these pieces are the frame: what its images cost is its own (`Budget.image_tokens`), and its few marks
around a message are less than what `upper_bound` counts too much of any question.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from aria_docs.errors import BudgetError
from aria_docs.tiling import split
from aria_docs.tiling.resolution import MODES, Mode
from aria_docs.tiling.split import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

Count = Callable[[str], int]  # how many tokens a text has, special tokens in it recognised, none added
ImageTokens = Callable[[Layout], int]  # what the crops of a page or frame take, and the markers between them

WINDOW = 65_536  # positions the model was trained for
MAX_FRAMES = 256  # of one video, in training and here
ANSWER_TOKENS = 4_096  # what the official examples let an answer grow to
_ROUNDED_S = 0.0005  # containers round times to a tick, in Matroska a millisecond: 59.9997 s is the 60th second

MARKERS = "<|img|>", "<|im_start|>", "<|im_end|>", "<fim_prefix>", "<fim_suffix>"  # what a prompt is made of
IMAGE, _START, END, _PREFIX, _SUFFIX = MARKERS  # IMAGE stands once for every token of every crop
_SPECIAL = re.compile("|".join(map(re.escape, MARKERS)))


def upper_bound(text: str) -> int:
    """No tokenizer of Aria's kind makes more tokens of a text: the `Count` where none is at hand.

    A special token is one. Between them stands at most one token per UTF-8 byte (byte-level BPE, or SentencePiece with
    byte fallback), and one blank that SentencePiece puts in front. English prose has a quarter of that.
    """
    runs = [run for run in _SPECIAL.split(text) if run]
    return len(_SPECIAL.findall(text)) + sum(len(run.encode("utf-8", "surrogatepass")) + 1 for run in runs)


def usual(text: str) -> int:
    """About how many tokens a text has, English at four bytes each: for prices, where a bound would be too dear."""
    runs = [run for run in _SPECIAL.split(text) if run]
    return len(_SPECIAL.findall(text)) + sum(-(-len(run.encode("utf-8", "surrogatepass")) // 4) for run in runs)


@dataclass(frozen=True, slots=True)
class ContextImage:
    """One image of a context: a page or a frame, its label as in the official examples, and its layout."""

    kind: Literal["page", "frame"]
    label: str
    layout: Layout

    def at(self, mode: Mode) -> ContextImage:
        """The same page or frame in another mode."""
        return ContextImage(self.kind, self.label, self.layout.at(mode))


def page_part(number: int, width_pt: float, height_pt: float, mode: Mode) -> ContextImage:
    """Page `number` (from 1) as part of a context: `Page 12: `."""
    return ContextImage("page", f"Page {number}: ", split.page(width_pt, height_pt, mode))


def frame_part(time_s: float, width_px: int, height_px: int, mode: Mode, *, apart_s: float = 1.0) -> ContextImage:
    """The frame at that second as part of a context; apart_s: see `frame_label`."""
    return ContextImage("frame", frame_label(time_s, apart_s=apart_s), split.frame(width_px, height_px, mode))


def frame_label(time_s: float, *, apart_s: float = 1.0) -> str:
    """`[03:20]`, and `[75:00]` past the hour, as in Aria's examples.

    apart_s: to the nearest other frame of the context; where that is less than a second, the label has the decimals
             that tell them apart, `[03:20.48]`.
    """
    decimals = math.ceil(-math.log10(min(1.0, max(apart_s, 0.001))))
    seconds, fraction = divmod(int((time_s + _ROUNDED_S) * 10**decimals), 10**decimals)
    return f"[{seconds // 60:02d}:{seconds % 60:02d}{f'.{fraction:0{decimals}d}' if decimals else ''}]"


def prompt(parts: Sequence[ContextImage], question: str) -> str:
    """The text of one context and question, ready for the tokenizer, with IMAGE once for every image token."""
    assert parts, "a context without an image"
    labels = [_opening(parts[0]), *map(_following, parts[1:])]
    images = [IMAGE * part.layout.tokens for part in parts]
    return "".join(label + image for label, image in zip(labels, images, strict=True)) + _closing(question)


@dataclass(frozen=True, slots=True)
class Window:
    """One context: parts start … stop - 1, and the tokens of its prompt and of the room kept for the answer."""

    start: int
    stop: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What is asked of a context, and the room there is.

    question:      the longest of those that are asked of it.
    answer:        tokens kept free for the answer.
    limit:         tokens of the model's window, or fewer where the memory holds no more.
    count:         a tokenizer makes every figure here exact; without one they are the stated upper bound.
    image_tokens:  of the model; Aria's own where none is given.
    max_frames:    of one video.
    max_images:    crops in one context, None for any number.
    modes:         the resolutions that the model has, sharpest first.
    """

    question: str
    answer: int = ANSWER_TOKENS
    limit: int = WINDOW
    count: Count = upper_bound
    image_tokens: ImageTokens = attrgetter("tokens")
    max_frames: int = MAX_FRAMES
    max_images: int | None = None
    modes: tuple[Mode, ...] = MODES

    def tokens(self, parts: Sequence[ContextImage]) -> int:
        """What one context with all of these parts takes: its `prompt`, and the answer's room."""
        assert parts, "a context without an image"
        return self._fixed + self._first(parts[0]) + sum(map(self._next, parts[1:]))

    def how_many(self, part: ContextImage) -> int:
        """How many parts like this one fit a context; of frames never more than max_frames."""
        left = self.limit - self.tokens([part])
        held = 1 + left // self._next(part) if left >= 0 else 0
        if self.max_images is not None:
            held = min(held, self.max_images // part.layout.crops)
        return min(held, self.max_frames) if part.kind == "frame" else held

    def one_window(self, parts: Sequence[ContextImage]) -> Window:
        """All parts in one context; BudgetError, with the ways out, where they do not fit or are too many frames."""
        needed = self.tokens(parts)
        if needed > self.limit or self._too_many(parts):
            raise self._refusal(parts, needed)
        return Window(0, len(parts), needed)

    def windows(self, parts: Sequence[ContextImage], *, overlap: int = 1) -> tuple[Window, ...]:
        """Cut a document into contexts, each as full as it gets.

        overlap:  how many parts a context repeats of the one before, so that what runs over the end of a page is seen
                  whole; fewer where they would leave no room for a new part.

            5 pages, 3 to a window, overlap 1:  [1 2 3] [3 4 5]

        BudgetError where a single part is more than the window holds.
        """
        assert parts and overlap >= 0, (len(parts), overlap)
        first, following = [self._first(part) for part in parts], [self._next(part) for part in parts]
        crops = [part.layout.crops for part in parts]
        found: list[Window] = []
        while not found or found[-1].stop < len(parts):
            seen = found[-1].stop if found else 0
            starts = range(max(seen - overlap, 0), seen + 1)
            filled = (self._filled(first, following, crops, start) for start in starts)
            window = next((window for window in filled if window.stop > seen), None)
            if window is None:
                raise self._refusal(parts[seen : seen + 1], self.tokens(parts[seen : seen + 1]))
            found.append(window)
        return tuple(found)

    def best_mode(self, parts: Sequence[ContextImage]) -> Mode:
        """The sharpest of the modes in which all parts fit one context; BudgetError where none does."""
        for mode in self.modes:
            shown = [part.at(mode) for part in parts]
            if self.tokens(shown) <= self.limit and not self._too_many(shown):
                return mode
        raise self._refusal(shown, self.tokens(shown))

    def _first(self, part: ContextImage) -> int:
        return self.count(_opening(part)) + self.image_tokens(part.layout)

    def _next(self, part: ContextImage) -> int:
        return self.count(_following(part)) + self.image_tokens(part.layout)

    @property
    def _fixed(self) -> int:
        return self.count(_closing(self.question)) + self.answer

    def _filled(self, first: Sequence[int], following: Sequence[int], crops: Sequence[int], start: int) -> Window:
        """The context of as many parts from `start` on as fit, given what each takes; it may be empty."""
        sizes = accumulate(following[start + 1 :], initial=self._fixed + first[start])
        taken = zip(sizes, accumulate(crops[start:]), strict=True)
        held = list(takewhile(lambda each: each[0] <= self.limit and not self._crowded(each[1]), taken))
        return Window(start, start + len(held), held[-1][0] if held else self._fixed)

    def _too_many(self, parts: Sequence[ContextImage]) -> bool:
        frames = parts[0].kind == "frame" and len(parts) > self.max_frames
        return frames or self._crowded(sum(part.layout.crops for part in parts))

    def _crowded(self, crops: int) -> bool:
        return self.max_images is not None and crops > self.max_images

    def _refusal(self, parts: Sequence[ContextImage], needed: int) -> BudgetError:
        """What is asked for, what it needs, what there is, and each way out that works."""
        part = max(parts, key=lambda part: self.image_tokens(part.layout))
        alone = part.label.rstrip(": ") if part.kind == "page" else f"The frame at {part.label}"
        what = f"{len(parts)} {part.kind}s" if len(parts) > 1 else alone
        said = f"{what} at {part.layout.mode} resolution {'need' if len(parts) > 1 else 'needs'} {needed:,} tokens, "
        said += f"{self.answer:,} of them for the answer, and a window holds {self.limit:,}"
        if part.kind == "frame" and len(parts) > self.max_frames:
            said += f" and at most {self.max_frames} frames"
        crops = sum(part.layout.crops for part in parts)
        said += f" and at most {self.max_images} pictures, not {crops:,}" if self._crowded(crops) else ""
        ways = []
        for mode in self.modes:
            shown = self.tokens([part.at(mode) for part in parts])
            if shown < needed and shown <= self.limit and not self._too_many([part.at(mode) for part in parts]):
                ways.append(f"{mode} resolution ({shown:,} tokens)")
        if 0 < self.how_many(part) < len(parts):
            ways.append(f"at most {self.how_many(part)} {part.kind}s at a time")
        if 0 < needed - self.limit < self.answer:
            ways.append(f"at most {self.limit - needed + self.answer:,} tokens for the answer")
        return BudgetError(f"{said}: take {' or '.join(ways) or 'a shorter question and answer'}.")


def _opening(part: ContextImage) -> str:
    return f"{_START}user\n{part.label}{_PREFIX}"


def _following(part: ContextImage) -> str:
    return f"{_SUFFIX}\n{part.label}{_PREFIX}"


def _closing(question: str) -> str:
    return f"{_SUFFIX}\n{question}{END}\n{_START}assistant\n"
