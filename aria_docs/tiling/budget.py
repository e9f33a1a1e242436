"""What fits Aria's 65,536-token window: the prompt around the crops, counted before any model work. Arithmetic.

    <|im_start|>user\\n
    Page 1: <fim_prefix><|img|> × 1,792<fim_suffix>\\n       a part: label, markers and all crops of one image
    Page 2: <fim_prefix><|img|> × 1,792<fim_suffix>\\n
    Which tables …?<|im_end|>\\n                             the question, last: several may follow one context
    <|im_start|>assistant\\n … <|im_end|>                    the answer, for which tokens are kept free

`prompt` writes that text and a `Budget` counts it, from the same pieces. Each piece stands between special tokens,
where every tokenizer splits, so the sum is exact. Counting takes a `Count`: a tokenizer, or `upper_bound`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Literal

from aria_docs.errors import BudgetError
from aria_docs.tiling import split
from aria_docs.tiling.resolution import MODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.tiling.resolution import Mode
    from aria_docs.tiling.split import Layout

Count = Callable[[str], int]  # how many tokens a text has, special tokens in it recognised, none added

WINDOW = 65_536  # positions the model was trained for
MAX_FRAMES = 256  # of one video, in training and here
ANSWER_TOKENS = 4_096  # what the official examples let an answer grow to

IMAGE = "<|img|>"  # stands once for every token of every crop
_START, _END, _PREFIX, _SUFFIX = "<|im_start|>", "<|im_end|>", "<fim_prefix>", "<fim_suffix>"
_SPECIAL = re.compile("|".join(map(re.escape, (_START, _END, _PREFIX, _SUFFIX, IMAGE))))


def upper_bound(text: str) -> int:
    """No tokenizer of Aria's kind makes more tokens of a text: the `Count` where none is at hand.

    A special token is one. Between them stands at most one token per UTF-8 byte (byte-level BPE, or SentencePiece with
    byte fallback), and one blank that SentencePiece puts in front. English prose has a quarter of that.
    """
    runs = [run for run in _SPECIAL.split(text) if run]
    return len(_SPECIAL.findall(text)) + sum(len(run.encode("utf-8", "surrogatepass")) + 1 for run in runs)


@dataclass(frozen=True, slots=True)
class Part:
    """One image of a context: a page or a frame, its label as in the official examples, and its layout."""

    kind: Literal["page", "frame"]
    label: str
    layout: Layout

    def at(self, mode: Mode) -> Part:
        """The same page or frame in another mode."""
        return Part(self.kind, self.label, self.layout.at(mode))


def page_part(number: int, width_pt: float, height_pt: float, mode: Mode) -> Part:
    """Page `number` (from 1) as part of a context: `Page 12: `."""
    return Part("page", f"Page {number}: ", split.page(width_pt, height_pt, mode))


def frame_part(time_s: float, width_px: int, height_px: int, mode: Mode) -> Part:
    """The frame at that second as part of a context: `[03:20]`, and `[75:00]` past the hour."""
    minutes, seconds = divmod(int(time_s), 60)
    return Part("frame", f"[{minutes:02d}:{seconds:02d}]", split.frame(width_px, height_px, mode))


def prompt(parts: Sequence[Part], question: str) -> str:
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

    question:  the longest of those that are asked of it.
    answer:    tokens kept free for the answer.
    limit:     tokens of the model's window, or fewer where the memory holds no more.
    count:     a tokenizer makes every figure here exact; without one they are the stated upper bound.
    """

    question: str
    answer: int = ANSWER_TOKENS
    limit: int = WINDOW
    count: Count = upper_bound

    def tokens(self, parts: Sequence[Part]) -> int:
        """What one context with all of these parts takes: its `prompt`, and the answer's room."""
        assert parts, "a context without an image"
        return self._fixed + self._first(parts[0]) + sum(map(self._next, parts[1:]))

    def how_many(self, part: Part) -> int:
        """How many parts like this one fit a context; of frames never more than 256."""
        left = self.limit - self.tokens([part])
        held = 1 + left // self._next(part) if left >= 0 else 0
        return min(held, MAX_FRAMES) if part.kind == "frame" else held

    def one_window(self, parts: Sequence[Part]) -> Window:
        """All parts in one context; BudgetError, with the ways out, where they do not fit or are over 256 frames."""
        needed = self.tokens(parts)
        if needed > self.limit or self._too_many(parts):
            raise self._refusal(parts, needed)
        return Window(0, len(parts), needed)

    def windows(self, parts: Sequence[Part], *, overlap: int = 1) -> tuple[Window, ...]:
        """Cut a document into contexts, each as full as it gets.

        overlap:  how many parts a context repeats of the one before, so that what runs over the end of a page is seen
                  whole; fewer where they would leave no room for a new part.

            5 pages, 3 to a window, overlap 1:  [1 2 3] [3 4 5]

        BudgetError where a single part is more than the window holds.
        """
        assert parts and overlap >= 0, (len(parts), overlap)
        first, following = [self._first(part) for part in parts], [self._next(part) for part in parts]
        found: list[Window] = []
        while not found or found[-1].stop < len(parts):
            seen = found[-1].stop if found else 0
            starts = range(max(seen - overlap, 0), seen + 1)
            filled = (self._filled(first, following, start) for start in starts)
            window = next((window for window in filled if window.stop > seen), None)
            if window is None:
                raise self._refusal(parts[seen : seen + 1], self.tokens(parts[seen : seen + 1]))
            found.append(window)
        return tuple(found)

    def best_mode(self, parts: Sequence[Part]) -> Mode:
        """The sharpest mode of the command line in which all parts fit one context; BudgetError where none does."""
        for mode in MODES:
            shown = [part.at(mode) for part in parts]
            if self.tokens(shown) <= self.limit and not self._too_many(shown):
                return mode
        raise self._refusal(shown, self.tokens(shown))

    def _first(self, part: Part) -> int:
        return self.count(_opening(part)) + part.layout.tokens

    def _next(self, part: Part) -> int:
        return self.count(_following(part)) + part.layout.tokens

    @property
    def _fixed(self) -> int:
        return self.count(_closing(self.question)) + self.answer

    def _filled(self, first: Sequence[int], following: Sequence[int], start: int) -> Window:
        """The context of as many parts from `start` on as fit, given what each takes; it may be empty."""
        sizes = accumulate(following[start + 1 :], initial=self._fixed + first[start])
        held = list(takewhile(lambda size: size <= self.limit, sizes))
        return Window(start, start + len(held), held[-1] if held else self._fixed)

    def _too_many(self, parts: Sequence[Part]) -> bool:
        return parts[0].kind == "frame" and len(parts) > MAX_FRAMES

    def _refusal(self, parts: Sequence[Part], needed: int) -> BudgetError:
        """What is asked for, what it needs, what there is, and each way out that works."""
        part = max(parts, key=lambda part: part.layout.tokens)
        alone = part.label.rstrip(": ") if part.kind == "page" else f"The frame at {part.label}"
        what = f"{len(parts)} {part.kind}s" if len(parts) > 1 else alone
        said = f"{what} at {part.layout.mode} resolution {'need' if len(parts) > 1 else 'needs'} {needed:,} tokens, "
        said += f"{self.answer:,} of them for the answer, and a window holds {self.limit:,}"
        said += f" and at most {MAX_FRAMES} frames" if self._too_many(parts) else ""
        ways = []
        for mode in MODES:
            shown = self.tokens([part.at(mode) for part in parts])
            if shown < needed and shown <= self.limit and not self._too_many(parts):
                ways.append(f"{mode} resolution ({shown:,} tokens)")
        if 0 < self.how_many(part) < len(parts):
            ways.append(f"at most {self.how_many(part)} {part.kind}s at a time")
        if 0 < needed - self.limit < self.answer:
            ways.append(f"at most {self.limit - needed + self.answer:,} tokens for the answer")
        return BudgetError(f"{said}: take {' or '.join(ways) or 'a shorter question and answer'}.")


def _opening(part: Part) -> str:
    return f"{_START}user\n{part.label}{_PREFIX}"


def _following(part: Part) -> str:
    return f"{_SUFFIX}\n{part.label}{_PREFIX}"


def _closing(question: str) -> str:
    return f"{_SUFFIX}\n{question}{_END}\n{_START}assistant\n"
