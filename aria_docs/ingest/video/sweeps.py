"""Frames at 16 × 9 points → whether a front sweeps over the picture, one shot before it and another behind. numpy only.

In a wipe each point belongs to the old shot until the front reaches it, and to the new one from then on; and points
beside each other are reached one after the other. What moves in a shot also changes points in order, but leaves them
neither as before nor as after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

AROUND = 3  # frames on either side of the change
ROWS, COLUMNS = 9, 16
# Of some 35 changes of colours without a transition, in 26 minutes and in shots of made wipes, five were in order (.68
# to .82). These left .37 and more, and at .18 of the points at most one step stood out.
ORDER, LEFT, STOOD_OUT = 0.6, 0.34, 0.25


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
