"""A gray picture of a page → its skew, its ruling lines, patches that hang together. Pure: numpy and Pillow.

Pictures are uint8 of shape (height, width), 0 black. A mask is a bool array of that shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_CONTRAST = 25  # ink is that much darker than what surrounds it: more than the noise of a poor scan after averaging
_MAX_SKEW = 5.0  # degrees; feeders tilt a sheet by one or two
_MAX_RUNS = 60_000  # more are a photograph

_RULING_PT, _NO_LETTER_PT = 15.0, 40.0  # the least length of a ruling, and of one that cannot be a letter's stem
_RULING_WIDTH_PT = 4.0
_PAPER = 0.4  # no more ink than that beside a ruling: what crosses or touches it


@dataclass(frozen=True, slots=True)
class Patch:
    """Pixels that hang together: first and last row and column (the last ones excluded), and how many they are."""

    x0: int
    y0: int
    x1: int
    y1: int
    area: int


def ink(picture: Gray, *, radius_px: int) -> Mask:
    """Pixels darker than their surroundings: holds on shaded rows and yellowed paper, and leaves large areas hollow."""
    around = np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(radius_px)), dtype=np.int16)
    mask: Mask = picture < around - _CONTRAST
    return mask


def skew_degrees(picture: Gray) -> float:
    """How far to turn the picture counter-clockwise for its lines of text to lie level (or upright, on a page on its
    side): the angle at which the profile of ink over rows or columns is sharpest (Postl 1986). 0 where that is none.
    """
    image = Image.fromarray(picture)
    image.thumbnail((1200, 1200), Image.Resampling.BOX)
    ys, xs = np.nonzero(ink(np.asarray(image), radius_px=15))
    if len(ys) < 500:
        return 0.0
    step = len(ys) // 60_000 + 1
    ys, xs = ys[::step], xs[::step]

    def sharpness(degrees: float) -> float:
        tan = np.tan(np.radians(degrees))
        profiles = (np.bincount(np.round(at - at.min()).astype(np.intp)) for at in (ys - xs * tan, xs + ys * tan))
        return max(float((np.diff(profile.astype(float)) ** 2).sum()) for profile in profiles)

    coarse = max(np.arange(-_MAX_SKEW, _MAX_SKEW + 0.01, 0.25), key=sharpness)
    fine = max(np.arange(coarse - 0.25, coarse + 0.26, 0.05), key=sharpness)
    return float(fine) if sharpness(fine) > 1.05 * sharpness(0.0) else 0.0


def turned(picture: Gray, degrees: float) -> Gray:
    """The picture turned counter-clockwise about its middle, in its own size, on white."""
    image = Image.fromarray(picture).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    return np.asarray(image)


def rulings(mask: Mask, *, pt: float) -> tuple[list[Patch], list[Patch]]:
    """Level and upright ruling lines among the ink; a pixel is `pt` points.

    Long, thin, and with paper close beside most of them. The stem of a large letter is so, too: an upright line counts
    where it is longer than any letter or meets a level one.
    """
    level = _level_lines(mask, pt)
    upright = [Patch(p.y0, p.x0, p.y1, p.x1, p.area) for p in _level_lines(mask.T, pt)]
    snap = 4 / pt
    return level, [
        u
        for u in upright
        if u.y1 - u.y0 > _NO_LETTER_PT / pt
        or any(h.x0 - snap < u.x0 < h.x1 + snap and u.y0 - snap < h.y0 < u.y1 + snap for h in level)
    ]


def _level_lines(mask: Mask, pt: float) -> list[Patch]:
    height, _ = mask.shape
    # A line that drifts by a pixel over its length, or has holes, stays one run.
    thick = mask.copy()
    thick[1:] |= mask[:-1]
    thick[:-1] |= mask[1:]
    found = []
    for patch in patches(thick, min_run_px=_RULING_PT / pt):
        y0, y1 = patch.y0 + 1, patch.y1 - 1
        if y1 - y0 > _RULING_WIDTH_PT / pt:
            continue
        beside = [mask[y, patch.x0 : patch.x1] for y in (y0 - 3, y1 + 2) if 0 <= y < height]
        if all(row.mean() < _PAPER for row in beside):
            found.append(Patch(patch.x0, y0, patch.x1, y1, patch.area))
    return found


def patches(mask: Mask, *, min_run_px: float = 1) -> list[Patch]:
    """What hangs together, row by row; runs shorter than `min_run_px` do not count."""
    edges = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    edges[:, 1:-1] = mask
    steps = np.diff(edges, axis=1)
    (rows, starts), (_, ends) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    long = ends - starts >= min_run_px
    rows, starts, ends = rows[long], starts[long], ends[long]
    if len(rows) > _MAX_RUNS:
        return []
    owner = list(range(len(rows)))

    def root(n: int) -> int:
        while owner[n] != n:
            owner[n] = owner[owner[n]]
            n = owner[n]
        return n

    runs = list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))
    above = 0
    for n, (row, start, end) in enumerate(runs):
        while runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] < start):
            above += 1
        k = above
        while k < n and runs[k][0] == row - 1 and runs[k][1] <= end:
            owner[root(k)] = root(n)
            k += 1
    roots = np.array([root(n) for n in range(len(runs))], dtype=np.intp)
    result = []
    order = np.argsort(roots, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(roots[order])) + 1) if len(order) else ():
        x0, x1 = int(starts[group].min()), int(ends[group].max())
        y0, y1 = int(rows[group].min()), int(rows[group].max()) + 1
        result.append(Patch(x0, y0, x1, y1, int((ends[group] - starts[group]).sum())))
    return result
