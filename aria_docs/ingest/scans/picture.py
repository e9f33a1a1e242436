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
_THIN_PT = 6.0  # shades are larger, strokes of letters smaller
_FAINT, _FAINT_PT = 10, 7.0  # levels of gray by which a ruling is darker than paper, averaged over such a length
_SHADE, _SOME_SHADE = 225, 0.04  # of 255, and the share of a page; with less there are no white lines
_SHADED = 0.85  # of a white line's length has shades on both sides; letters do not fill their rows
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


def rotate(picture: Gray, degrees: float) -> Gray:
    """The picture turned counter-clockwise about its middle, in its own size, on white."""
    image = Image.fromarray(picture).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    return np.asarray(image)


def rulings(picture: Gray, *, pt: float) -> tuple[list[Patch], list[Patch]]:
    """Level and upright ruling lines; a pixel is `pt` points, best about half a point.

    Long, thin, dark all along, and with paper close beside most of them. The stem of a large letter is so, too: an
    upright line counts where it is longer than any letter or meets a level one.
    """
    level = _level_lines(picture, pt)
    upright = [Patch(p.y0, p.x0, p.y1, p.x1, p.area) for p in _level_lines(np.ascontiguousarray(picture.T), pt)]
    snap = 4 / pt
    return level, [
        u
        for u in upright
        if u.y1 - u.y0 > _NO_LETTER_PT / pt
        or any(h.x0 - snap < u.x0 < h.x1 + snap and u.y0 - snap < h.y0 < u.y1 + snap for h in level)
    ]


def _level_lines(picture: Gray, pt: float) -> list[Patch]:
    mask = ink(picture, radius_px=max(3, round(10 / pt)))
    clear = _long_and_thin(picture, mask, mask, pt, least_pt=_RULING_PT, paper=_PAPER)
    # The feet of letters are a faint line, too, but not a long one with nothing above it.
    ridges = mask | _ridges(picture, half_px=max(1, round(_FAINT_PT / 2 / pt)))
    faint = _long_and_thin(picture, ridges, mask, pt, least_pt=_NO_LETTER_PT, paper=_PAPER / 3)
    # Where a line is clear nearly all along, its ends are, too; else the faint line joins what is clear of it.
    joining = [line for line in faint if max((_overlap(line, piece) for piece in clear), default=0.0) < 0.75]
    found = joining + [piece for piece in clear if not any(_overlap(piece, line) > 0.5 for line in joining)]
    # Beside a shade all of it counts as ink; there, a line is what stands out from the shade, too.
    thin = _stands_out(picture, px=round(_THIN_PT / pt) | 1)  # odd: else what is closed is shifted by a pixel
    shaded = _long_and_thin(picture, thin, thin, pt, least_pt=_RULING_PT, paper=_PAPER / 3)
    if (picture < _SHADE).mean() > _SOME_SHADE:
        shaded += _light_lines(picture, pt)
    return found + [line for line in shaded if not any(_overlap(line, other) > 0 for other in found)]


def _light_lines(picture: Gray, pt: float) -> list[Patch]:
    """White lines between shades: nearly all along, what is on both sides is darker."""
    negative = 255 - picture
    thin = _stands_out(negative, px=round(_THIN_PT / pt) | 1)
    found = _long_and_thin(negative, thin, thin, pt, least_pt=_NO_LETTER_PT, paper=_PAPER / 3)
    return [line for line in found if _is_between_shades(picture, line)]


def _is_between_shades(picture: Gray, line: Patch) -> bool:
    light = picture[line.y0 : line.y1, line.x0 : line.x1].max(axis=0).astype(np.int16) - _CONTRAST
    above = picture[max(0, line.y0 - 4), line.x0 : line.x1]
    below = picture[min(len(picture) - 1, line.y1 + 3), line.x0 : line.x1]
    return bool(((above < light) & (below < light)).mean() > _SHADED)


def _stands_out(picture: Gray, *, px: int) -> Mask:
    """Pixels darker than all that is further away than half of `px`: strokes, and not shades (closing, then top-hat:
    Serra 1982)."""
    light = smooth = np.asarray(Image.fromarray(picture).filter(ImageFilter.BoxBlur(1)))
    for axis in (0, 1):
        light = _running(np.maximum, light, px, axis)
    for axis in (0, 1):
        light = _running(np.minimum, light, px, axis)
    mask: Mask = smooth.astype(np.int16) < light.astype(np.int16) - _CONTRAST  # a shade's own edge is in both
    return mask


def _running(of: np.ufunc, values: Gray, px: int, axis: int) -> Gray:
    """The largest or smallest of `px` neighbours, in windows that double."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (px // 2, px - 1 - px // 2)
    values = np.moveaxis(np.pad(values, pad, mode="edge"), axis, 0)
    reach = 1
    while reach < px:
        step = min(reach, px - reach)
        values = of(values[:-step], values[step:])
        reach += step
    return np.moveaxis(values, 0, axis)


def _overlap(line: Patch, other: Patch) -> float:
    """The share of a level line's length along which the other lies on it."""
    if other.y0 > line.y1 + 1 or line.y0 > other.y1 + 1:
        return 0.0
    return (min(line.x1, other.x1) - max(line.x0, other.x0)) / (line.x1 - line.x0)


def _long_and_thin(picture: Gray, lines: Mask, mask: Mask, pt: float, *, least_pt: float, paper: float) -> list[Patch]:
    found = []
    # A line that drifts by a pixel over its length, or has holes, stays one run.
    thick = lines.copy()
    thick[1:] |= lines[:-1]
    thick[:-1] |= lines[1:]
    for patch in patches(thick, min_run_px=least_pt / pt):
        y0 = min(patch.y0 + 1, (patch.y0 + patch.y1) // 2)  # pieces of a drifting line may meet in one row alone
        y1 = max(patch.y1 - 1, y0 + 1)
        if y1 - y0 > _RULING_WIDTH_PT / pt:
            continue
        above, below = (mask[y, patch.x0 : patch.x1] for y in (max(0, y0 - 3), min(len(mask) - 1, y1 + 2)))
        if above.mean() < paper and below.mean() < paper and _is_dark_along(picture, patch):
            found.append(Patch(patch.x0, y0, patch.x1, y1, patch.area))
    return found


def _ridges(picture: Gray, *, half_px: int) -> Mask:
    """Rows darker than those a little above and below, all averaged along the row: lines too faint for `ink`."""
    total = np.cumsum(np.pad(picture, ((0, 0), (half_px + 1, half_px)), mode="edge"), axis=1, dtype=np.float32)
    mean = (total[:, 2 * half_px + 1 :] - total[:, : -2 * half_px - 1]) / (2 * half_px + 1)
    mask = np.zeros(picture.shape, dtype=bool)
    apart = 3
    mask[apart:-apart] = np.minimum(mean[: -2 * apart], mean[2 * apart :]) - mean[apart:-apart] > _FAINT
    return mask


def _is_dark_along(picture: Gray, patch: Patch) -> bool:
    """Whether there is ink at nearly every column, as there is not in a line of very small type."""
    around = picture[max(0, patch.y0 - 3) : patch.y1 + 3, patch.x0 : patch.x1]
    darkest = picture[patch.y0 : patch.y1, patch.x0 : patch.x1].min(axis=0)
    dark = darkest < np.percentile(around, 75) - _FAINT
    return bool(dark.mean() > 0.9)


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
