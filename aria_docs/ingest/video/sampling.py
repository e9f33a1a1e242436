"""Which frames a model is shown. Pure arithmetic: times in, indices out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from aria_docs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FRAMES = 256
"""As many as Aria was trained to read at once (arXiv 2410.05993, section 4)."""


def uniform(times_s: Sequence[float], n: int) -> list[int]:
    """Indices of at most n of these ascending frame times: those displayed at the middles of n equal bins of time.

    times   0 1 2 3 4 5 6 7      n = 3: bins of 8/3 s
            |---*-|--*--|-*---|  middles 1.33, 4, 6.67 → [1, 4, 6]

    In time and not by number, because frames may lie unevenly; middles, so that neither the first nor the last part of
    a video is shown less (a step of `len // n` loses up to half of it). A frame that is displayed for several bins is
    named once. All of them where there are no more than n. Raises UsageError where n is not 1 to MAX_FRAMES.
    """
    _check(n)
    if len(times_s) <= n:
        return list(range(len(times_s)))
    first, last = times_s[0], times_s[-1]
    span = (last - first) * len(times_s) / (len(times_s) - 1)  # the last frame too is displayed for a while
    middles = (first + (bin_ + 0.5) * span / n for bin_ in range(n))
    return sorted({max(0, bisect_right(times_s, middle) - 1) for middle in middles})


def by_shot(times_s: Sequence[float], starts_s: Sequence[float], n: int) -> list[int]:
    """Indices of at most n frame times, spread over the shots that start at `starts_s` (ascending, the first at 0).

    Each shot gets one, the rest go where the time between samples is longest, so in the end by duration; within a shot
    as in `uniform`. With more shots than n, the n longest get one each.
    """
    _check(n)
    if len(times_s) <= n:
        return list(range(len(times_s)))
    edges = [bisect_left(times_s, start) for start in starts_s] + [len(times_s)]
    shots = [(low, high) for low, high in pairwise(edges) if high > low]
    ends_s = [*times_s[1:], times_s[-1] + (times_s[-1] - times_s[0]) / (len(times_s) - 1)]
    length_s = [ends_s[high - 1] - times_s[low] for low, high in shots]
    share = [0] * len(shots)
    for shot in sorted(range(len(shots)), key=lambda s: -length_s[s])[:n]:
        share[shot] = 1
    for _ in range(n - sum(share)):
        open_ = [s for s, (low, high) in enumerate(shots) if share[s] < high - low]
        neediest = max(open_, key=lambda s: length_s[s] / share[s])
        share[neediest] += 1
    return [low + i for (low, high), k in zip(shots, share, strict=True) if k for i in uniform(times_s[low:high], k)]


def _check(n: int) -> None:
    if not 1 <= n <= MAX_FRAMES:
        raise UsageError(f"{n} frames cannot be shown to a model: ask for 1 to {MAX_FRAMES}.")
