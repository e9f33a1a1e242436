"""Pages and frames → contexts that a model can hold: its tokens, its images, its frames. Arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aria_docs.errors import BudgetError
from aria_docs.media import Cue
from aria_docs.model.profiles import Profile
from aria_docs.tiling.budget import Budget, Part

Window = tuple[int, int]  # parts start … stop - 1


def page_windows(parts: Sequence[Part], budget: Budget, profile: Profile, *, overlap: int = 1) -> list[Window]:
    """Cuts a document into contexts, each as full as it gets; one repeats the last `overlap` pages of the one before.

    Raises BudgetError where a single page is more than a context holds.
    """
    found: list[Window] = []
    for start, stop in _by_images(parts, profile, overlap):
        windows = budget.windows(parts[start:stop], overlap=overlap)
        found += [(start + window.start, start + window.stop) for window in windows]
    return found


def frame_windows(parts: Sequence[Part], budget: Budget, profile: Profile) -> list[Window]:
    """Cuts the frames of a video into contexts of nearly as many frames each, as few as can be, without overlap.

    Raises BudgetError where a single frame is more than a context holds.
    """
    fewest = -(-len(parts) // profile.max_frames)
    for n in range(fewest, len(parts) + 1):
        edges = [len(parts) * i // n for i in range(n + 1)]
        windows = list(zip(edges, edges[1:], strict=False))
        if all(_fits(parts[start:stop], budget, profile) for start, stop in windows):
            return windows
    part = max(parts, key=lambda part: part.layout.tokens)
    _check_images(part, profile)
    budget.one_window([part])
    raise AssertionError(part)


def check_page(part: Part, budget: Budget, profile: Profile) -> None:
    """Raises BudgetError where a page does not fit a context of its own."""
    _check_images(part, profile)
    budget.one_window([part])


def room(parts: Sequence[Part], budget: Budget) -> int:
    """How many tokens an answer may have at most in a context of these parts."""
    return budget.answer + budget.limit - budget.tokens(parts)


def with_cues(parts: Sequence[Part], times_s: Sequence[float], cues: Iterable[Cue]) -> list[Part]:
    """Frames with what is said about their time in front of their labels: each cue at the frame nearest its middle.

        [03:20]<frame>          She opens the door.
        [03:30]<frame>    →     [03:20]<frame>
                                [03:30]<frame>
    """
    said: dict[int, list[str]] = {}
    at = 0
    for cue in sorted(cues, key=lambda cue: cue.start_s + cue.end_s):
        middle = (cue.start_s + cue.end_s) / 2
        while at + 1 < len(times_s) and abs(times_s[at + 1] - middle) <= abs(times_s[at] - middle):
            at += 1
        if text := unmarked(" ".join(cue.text.split())):
            said.setdefault(at, []).append(text)
    return [
        Part(part.kind, f"{' '.join(said[at])}\n{part.label}", part.layout) if at in said else part
        for at, part in enumerate(parts)
    ]


def unmarked(text: str) -> str:
    """A text of somebody else's with nothing in it that a tokenizer takes for a special token."""
    return text.replace("<|", "< |").replace("<fim_", "< fim_")


def _by_images(parts: Sequence[Part], profile: Profile, overlap: int) -> list[Window]:
    if profile.max_images is None:
        return [(0, len(parts))]
    found: list[Window] = []
    while not found or found[-1][1] < len(parts):
        seen = found[-1][1] if found else 0
        for start in range(max(seen - overlap, 0), seen + 1):
            stop, images = start, 0
            while stop < len(parts) and images + parts[stop].layout.crops <= profile.max_images:
                images += parts[stop].layout.crops
                stop += 1
            if stop > seen:
                found.append((start, stop))
                break
        else:
            _check_images(parts[seen], profile)
    return found


def _fits(parts: Sequence[Part], budget: Budget, profile: Profile) -> bool:
    images = sum(part.layout.crops for part in parts)
    return budget.tokens(parts) <= budget.limit and (profile.max_images is None or images <= profile.max_images)


def _check_images(part: Part, profile: Profile) -> None:
    if profile.max_images is not None and part.layout.crops > profile.max_images:
        raise BudgetError(
            f"{part.label.rstrip(': ')} at {part.layout.mode} resolution is {part.layout.crops} images, and the model "
            f"takes {profile.max_images} at a time: take a lower resolution, or let the server take more images."
        )
