"""Frames at 16 × 9 points → whether a front sweeps over the picture, one shot before it and another behind. numpy only.

In a wipe each point belongs to the old shot until the front reaches it, and to the new one from then on; and points
beside each other are reached one after the other. What moves in a shot also changes points in order, but leaves them
neither as before nor as after.

A camera that pans, and a page that scrolls, move the whole picture, and so does a push; but that by the picture's width
or height, neither more nor less.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

AROUND = 3  # frames on either side of the change
ROWS, COLUMNS = 9, 16
# Of some 35 changes of colours without a transition, in 26 minutes and in shots of made wipes, five were in order (.68
# to .82). These left .37 and more, and at .18 of the points at most one step stood out.
ORDER, LEFT, STOOD_OUT = 0.6, 0.34, 0.25
EXPLAINED = 0.55  # of the steps between frames, what is left once the picture is moved back
PUSHED = 0.8, 1.06  # how far a push moves, of the picture's size: those of made wipes went .9 to 1.01
ASKEW = 0.12  # and at most across its way


def is_swept(points: NDArray[np.float32], first: int, last: int) -> bool:
    """Whether a front passes between two frames; points: (n, ROWS · COLUMNS · 3)."""
    order, left, stood_out = front(points[max(0, first - AROUND) : last + AROUND + 1])
    return order > ORDER and (left < LEFT or stood_out > STOOD_OUT)


def front(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """How well the places of points tell when they change, 1 at best; what of the difference between the first and
    last frames a change at that moment leaves unexplained, 0 at best; the share of points that change by one step."""
    n = len(points)
    if n < 8:
        return 0.0, 1.0, 0.0
    x = points.reshape(n, ROWS * COLUMNS, 3)
    pairs = (x[1:] + x[:-1]) / 2
    steps = np.abs(pairs[2:] - pairs[:-2]).sum(-1)
    reached = steps.argmax(0)
    elsewhere = np.where(np.abs(np.arange(len(steps))[:, None] - reached) > 2, steps, 0).max(0)
    stood_out = float((steps.max(0) > 1.6 * elsewhere + 6).mean())
    weight = np.clip(steps.max(0) - elsewhere, 0, None) + 1e-3
    before, after = x[:2].mean(0), x[-2:].mean(0)
    expected = np.where((np.arange(n)[:, None] <= reached + 1)[..., None], before, after)
    left = np.sqrt(((x - expected) ** 2).sum() / (((before - after) ** 2).sum() * n + 1))
    row, column = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    y, x_ = row / ROWS - 0.5, column / COLUMNS - 0.5
    terms = np.stack([np.ones(len(y)), x_, y, x_ * x_, y * y, x_ * y], 1)  # lines, corners and rings
    scaled = np.sqrt(weight)[:, None]
    surface, *_ = np.linalg.lstsq(terms * scaled, reached * scaled[:, 0], rcond=None)
    missed = np.average((reached - terms @ surface) ** 2, weights=weight)
    spread = np.average((reached - np.average(reached, weights=weight)) ** 2, weights=weight)
    return float(1 - missed / max(1e-3, spread)), float(left), stood_out


def is_panned(lumas: NDArray[np.float32], first: int, last: int) -> bool:
    """Whether all that happens between two frames is that the picture moves, and does not just make room for another.

    lumas:  (n, height, width), those before and after too, in which the movement may begin and end.
    """
    moves = [_move(a, b) for a, b in pairwise(lumas[first : last + 1])]
    if not moves or sum(left for *_, left, _ in moves) > EXPLAINED * sum(still for *_, still in moves):
        return False
    far = np.array([(y, x) for y, x, *_ in moves]).sum(0)
    for numbers in (range(last, len(lumas) - 1), range(first - 1, -1, -1)):
        for i in numbers:  # as long as it goes on
            y, x, *_ = _move(lumas[i], lumas[i + 1])
            if far @ (y, x) <= 0.1 * np.linalg.norm(far):
                break
            far += y, x
    way = np.abs(far) / lumas.shape[1:]
    return bool(way.max() > 0.15 and not (PUSHED[0] < way.max() < PUSHED[1] and way.min() < ASKEW))


def _move(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """(rows, columns, left, still): how far b has moved from a, by phase correlation (Kuglin, Hines 1975), and the mean
    difference of what both show, moved back and as it is."""
    crossed = np.fft.rfft2(b - b.mean()) * np.conj(np.fft.rfft2(a - a.mean()))
    peaks = np.fft.irfft2(crossed / (np.abs(crossed) + 1), a.shape)
    at = np.unravel_index(int(peaks.argmax()), a.shape)
    y, x = (int(p if 2 * p < size else p - size) for p, size in zip(at, a.shape, strict=True))
    rows = slice(max(0, -y), a.shape[0] - max(0, y)), slice(max(0, y), a.shape[0] - max(0, -y))
    columns = slice(max(0, -x), a.shape[1] - max(0, x)), slice(max(0, x), a.shape[1] - max(0, -x))
    shown = b[rows[1], columns[1]]
    left = float(np.abs(a[rows[0], columns[0]] - shown).mean())
    still = float(np.abs(a[rows[1], columns[1]] - shown).mean())
    finer = [
        _vertex(np.take(peaks, [p - 1, p, p + 1], axis, mode="wrap").take(q, 1 - axis, mode="wrap"))
        for axis, (p, q) in enumerate((at, at[::-1]))
    ]
    return y + finer[0], x + finer[1], left, still


def _vertex(three: Any) -> float:
    """Where between three values of a peak the largest would be, from the middle one."""
    before, peak, after = (max(0.0, float(value)) for value in three)
    return (after - before) / (before + peak + after + 1e-9)
