"""Pages and frames → contexts that a model can hold. Arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from aria_docs.model.chat_model import Shown
from aria_docs.tiling.budget import Budget, ContextImage

Window = tuple[int, int]  # parts start … stop - 1


def page_windows(parts: Sequence[ContextImage], budget: Budget) -> list[Window]:
    """Cuts a document into contexts, each as full as it gets; one repeats the last page of the one before.

    Raises BudgetError where a single page is more than a context holds.
    """
    return [(window.start, window.stop) for window in budget.windows(parts, overlap=1)]


def frame_windows(parts: Sequence[ContextImage], budget: Budget) -> list[Window]:
    """Cuts the frames of a video into contexts of nearly as many each, as few as can be, without overlap.

        300 frames, 256 to a window:  150, 150

    Raises BudgetError where a single frame is more than a context holds.
    """
    for part in parts:
        budget.one_window([part])
    for n in range(-(-len(parts) // budget.max_frames), len(parts) + 1):
        windows = list(pairwise(len(parts) * i // n for i in range(n + 1)))
        if all(_fits(parts[start:stop], budget) for start, stop in windows):
            return windows
    raise AssertionError("each frame fits alone")


def room(parts: Sequence[ContextImage], budget: Budget) -> int:
    """How many tokens an answer may have at most in a context of these parts."""
    return budget.answer + budget.limit - budget.tokens(parts)


def plainly(shown: Shown) -> Shown:
    """The same with nothing in its label that a tokenizer takes for a special token: subtitles may hold anything."""
    label = shown.part.label.replace("<|", "< |").replace("<fim_", "< fim_")
    return shown if label == shown.part.label else replace(shown, part=replace(shown.part, label=label))


def _fits(parts: Sequence[ContextImage], budget: Budget) -> bool:
    if budget.max_images is not None and sum(part.layout.crops for part in parts) > budget.max_images:
        return False
    return budget.tokens(parts) <= budget.limit
