"""Small frames → shots. numpy only, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aria_docs.media import Shot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 64, 36


def detect(frames: Iterable[tuple[float, NDArray[np.uint8]]], *, duration_s: float) -> Iterator[Shot]:
    """FIRST VERSION, hard cuts only: (time, RGB of shape (HEIGHT_PX, WIDTH_PX, 3)) in order → shots as they end."""
    times: list[float] = []
    change: list[float] = []
    before = None
    for time_s, frame in frames:
        now = frame.astype(np.int16)
        change.append(0.0 if before is None else float(np.abs(now - before).mean()))
        times.append(time_s)
        before = now
    start = 0.0
    kind = "start"
    for i in range(1, len(times)):
        around = change[max(1, i - 5) : i] + change[i + 1 : i + 6]
        if change[i] > 12 and change[i] > 4 * (np.median(around) if around else 0):
            yield Shot(start, times[i], kind, start, start)
            start, kind = times[i], "cut"
    yield Shot(start, max(duration_s, start), kind, start, start)
