"""The colours of small frames → where one set of colours gives way to another: wipes, pushes. numpy only, no I/O.

Whatever moves in a shot, its colours stay. In a wipe or a push, so much of the picture has the colours of the new shot
as has been uncovered; in a dissolve, the sum of both. So the histograms tell a gradual change from motion, where pixels
and blocks cannot: they rest before, go from one to the other, and rest after.

    distance of histograms, 0 (the same) to 1 (no colour in common), over 0.4 s:
    ····· 0.02 ·····│ 0.8 from end to end, in at most 4 s │····· 0.03 ·····
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

LENGTHS_S = (0.3, 0.5, 0.75, 1.0, 1.4, 2.0)
LONG_LENGTHS_S = (2.8, 4.0)  # in which a shot too changes its colours, if not so much
REST_S = 0.4
AT_ONCE = 0.5  # of the way in one step: a cut
# Below this the colours alone say nothing; whether a front sweeps over the picture decides, see `sweeps`.
FAINT_DISTANCE, FAINT_WEIGHT = 0.2, 0.6
# Of 26 minutes of shots with pans, people, flashes and passers-by none had a change of more than CLEAR but one
# passer-by, seen to be one by what is behind him, and three had a weaker one; of 40 made wipes 24 had a clear one.
DISTANCE, WEIGHT = 0.4, 2.2
CLEAR = 2.9  # a weight above which there was none; below, the pictures themselves must differ by more
RESTLESS = 0.37
STEP, RIVALLED = 0.35, 1.6  # a cut's change of colours, and how far it stands out among the steps around it
BINS = 64
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


@dataclass(frozen=True, slots=True)
class Change:
    """Numbers of frames: the last of the old colours, the first that is half new, the first of the new.

    weight:    how much larger the change is than those around it.
    distance:  of the colours from soon before it to soon after it.
    around:    of the colours at either end to those soon before or after.
    """

    first: int
    middle: int
    last: int
    weight: float
    distance: float
    around: float

    @property
    def is_clear(self) -> bool:
        """Whether no shot without a transition changes its colours so much."""
        return self.weight > CLEAR

    @property
    def is_likely(self) -> bool:
        """Whether next to no such shot does, and the colours rest before and after. Of a bird that comes close and of
        a car that drives off they differ by .42 and .38 of the change;
        in made wipes that no front tells by .35 at most.
        """
        return self.distance > DISTANCE and self.weight > WEIGHT and self.around < RESTLESS * self.distance


def histograms(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, height, width, 3) → (n, 2, BINS): the shares of four levels each of red, green and blue; twice, with other
    limits between the levels: a plain wall that lies on one of them would change its colour with every cloud."""
    return np.stack([_histograms(frames), _histograms(np.minimum(frames, 223) + np.uint8(32))], 1)


def _histograms(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    n = len(frames)
    levels = frames >> 6
    bins = (levels[..., 0].astype(np.int32) << 4) + (levels[..., 1] << 2) + levels[..., 2]
    bins = bins.reshape(n, -1) + BINS * np.arange(n, dtype=np.int32)[:, None]
    counted = np.bincount(bins.ravel(), minlength=BINS * n).reshape(n, BINS)
    shares: NDArray[np.float32] = (counted / bins.shape[1]).astype(np.float32)
    return shares


def distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of histograms, 0 (the same) to 1 (no colour in common)."""
    far: NDArray[np.float32] = np.abs(a - b).sum(-1).min(-1) / 2
    return far


def outstanding_steps(shares: NDArray[np.float32], around: int) -> list[int]:
    """Histograms → frames whose colours are others than just before, by more than any step among so many on either
    side: a cut beside motion as large as itself, which moves the pixels but not the colours. Of 185 such steps in the
    sets named above 185 were cuts, and so were those at 1.3 times the next largest."""
    steps = np.zeros(len(shares), np.float32)
    steps[1:] = distance(shares[1:], shares[:-1])
    windows = sliding_window_view(np.pad(steps, around), 2 * around + 1).copy()
    windows[:, around] = 0
    return np.flatnonzero((steps > STEP) & (steps > RIVALLED * windows.max(1))).tolist()


def changes(shares: NDArray[np.float32], period_s: float, lengths_s: Sequence[float] = LENGTHS_S) -> list[Change]:
    """Histograms of all frames → changes in order; the best first where two overlap."""
    n = len(shares)

    def far(i: Any, j: Any) -> NDArray[np.float32]:
        return distance(shares[i], shares[j])

    rest = max(2, round(REST_S / period_s))
    steps = np.zeros(n, np.float32)
    steps[1:] = far(np.arange(1, n), np.arange(n - 1))
    candidates: list[tuple[float, int, int]] = []
    for length in sorted({max(3, round(seconds / period_s)) for seconds in lengths_s}):
        if length + 2 * rest + 2 > n:
            break
        first = np.arange(rest, n - length - rest)
        last = first + length
        whole = np.minimum(far(first, last), far(first - rest, last + rest))
        around = np.maximum(far(first - rest, first), far(last, last + rest))
        largest = sliding_window_view(steps, length)[first + 1].max(1)
        weight = whole**2 / (around + 0.06)
        good = (whole > FAINT_DISTANCE) & (largest < AT_ONCE * whole) & (weight > FAINT_WEIGHT)
        candidates += [(float(weight[i]), int(first[i]), int(last[i])) for i in np.flatnonzero(good)]
    found: list[Change] = []
    for weight_, first_no, last_no in sorted(candidates, reverse=True):
        if any(first_no <= other.last + rest and other.first - rest <= last_no for other in found):
            continue
        reach = max(2, round(1.5 / period_s))
        after = far(first_no, np.arange(last_no, min(n, last_no + reach)))
        before = far(last_no, np.arange(max(0, first_no - reach), first_no + 1))
        if min(after.min(), before.min()) > 0.5 * far(first_no, last_no):  # else the old colours come back
            found.append(_locate(shares, first_no, last_no, weight_, max(2, round(0.3 / period_s))))
    return sorted(found, key=lambda change: change.middle)


def _locate(shares: NDArray[np.float32], first: int, last: int, weight: float, rest: int) -> Change:
    """Where on the way from the first to the last histogram the others are, by their projection."""
    inside = shares[first : last + 1].reshape(last - first + 1, -1)
    way = inside[-1] - inside[0]
    done = (inside - inside[0]) @ way / float(way @ way)
    middle = int(np.argmax(done >= 0.5))
    begun = first + int(np.flatnonzero(done[: middle + 1] <= 0.06)[-1])
    late = np.flatnonzero(done[middle:] >= 0.94)
    ended = first + (middle + int(late[0]) if len(late) else len(done) - 1)
    before, after = max(0, begun - rest), min(len(shares) - 1, ended + rest)
    around = max(distance(shares[before], shares[begun]), distance(shares[ended], shares[after]))
    whole = distance(shares[before], shares[after])
    return Change(begun, first + middle, ended, weight, float(whole), float(around))
