"""Frames of a still screen → where what it shows is replaced: slides, windows, pages. numpy only, no I/O.

A slide differs from the next by its letters, which are a few percent of the picture: too little for the rules of
`shots`, which let a caption or a passer-by change as much. But a screen stands still before and after. So each cell of
the picture is asked whether it rests for half a second before and after a moment, and differs. Cells that do not rest,
such as those of a lecturer's picture in a corner, have no say.

    time      ├──── before: rests ────┤  change, at most 1.5 s  ├──── after: rests ────┤
    typing    little that was there is gone; what is new is a line
    scrolling what was there is still there, elsewhere
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aria_docs.ingest.video.colours import LUMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Cells = NDArray[np.int16]  # (height, width, 3)
    Mask = NDArray[np.bool_]  # (height, width)

GRID_S = 0.12  # how often the screen is looked at
REST_S = 0.5
LENGTHS_S = (0.12, 0.24, 0.48, 0.84, 1.44)  # of a change
STILL = 10  # grey levels that coding changes in a cell at rest; a keyframe's were up to 8
DIFFERS = 16  # what a letter changes in a cell of 7 × 7 pixels of 360p is 40 and more, of 1080p 20
AS_ON_SCREENS = 2  # grey levels: what most cells of a screen vary by, at most, and of a camera's picture do not
DRIFT = 2.0
TRAIL = 0.5  # of the changed cells beside restless ones: something moves there, and has left where it was
INK = 10  # from a cell to the next: an edge of something
BLOCK = 6  # cells a side of the blocks in which changes are counted


@dataclass(frozen=True, slots=True)
class Replacement:
    """Numbers of frames: the last with the old content, the first that has more of the new, the first without old."""

    first: int
    middle: int
    last: int
    is_cut: bool
    mixed: bool


def replacements(frames: NDArray[np.uint8], period_s: float) -> list[Replacement]:
    """(n, height, width, 3) → in order, none overlapping another."""
    every = max(1, round(GRID_S / period_s))
    looks = np.arange(0, len(frames), every)
    n_rest = max(2, round(REST_S / (every * period_s)))
    if len(looks) < 2 * n_rest + 2:
        return []
    seen = frames[looks]
    unrest = _unrest(seen, n_rest)
    rests = (unrest <= STILL).mean((1, 2)) >= 0.4
    as_screens = (unrest <= AS_ON_SCREENS).mean((1, 2)) >= 0.6
    found: list[Replacement] = []
    if not rests.any():
        return found
    for length in sorted({max(1, round(seconds / (every * period_s))) for seconds in LENGTHS_S}):
        for at in _candidates(seen, unrest, rests if length == 1 else as_screens, n_rest, length):
            first, last = int(looks[at]), int(looks[at + length])
            if any(first < other.last + every and other.first < last + every for other in found):
                continue
            before, after = seen[at].astype(np.int16), seen[at + length].astype(np.int16)
            restless = np.maximum(unrest[at - n_rest], unrest[at + length])
            settled = restless <= _most_restless(before, after, length)
            if is_replaced(before, after, settled, at_once=length == 1):
                found.append(_locate(frames, first, last, before, after, settled))
    return sorted(found, key=lambda replacement: replacement.middle)


def _unrest(seen: NDArray[np.uint8], n_rest: int) -> NDArray[np.uint8]:
    """(looks - n_rest, height, width): by how many grey levels a cell varies from a look on."""
    n = len(seen) - n_rest
    low, high = seen[:n].copy(), seen[:n].copy()
    for later in range(1, n_rest + 1):
        np.minimum(low, seen[later : later + n], out=low)
        np.maximum(high, seen[later : later + n], out=high)
    return largest(high - low)


def largest(pixels: NDArray[Any]) -> NDArray[Any]:
    """(…, 3) → (…): of the three channels; numpy's own way along so short an axis takes four times as long."""
    of_each: NDArray[Any] = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
    return of_each


def _most_restless(before: NDArray[Any], after: NDArray[Any], length: int) -> NDArray[Any]:
    """How restless a cell may be that rests: what drifts by so much in half a second drifts further in a longer one."""
    differs = largest(np.abs(after.astype(np.int16) - before))
    return np.where(differs > DIFFERS, np.minimum(STILL, differs / (DRIFT * (1 + length * GRID_S / REST_S))), STILL)


def _candidates(
    seen: NDArray[np.uint8], unrest: NDArray[np.uint8], calm: NDArray[np.bool_], n_rest: int, length: int
) -> Iterator[int]:
    """Looks after which something that rests changes to something that rests, the largest changes first.

    calm:  (looks - n_rest,) whether enough of the picture rests from a look on.
    """
    at = np.arange(n_rest, len(seen) - n_rest - length)
    at = at[calm[at - n_rest] & calm[at + length]]
    changed = np.zeros(len(at))
    for i, look in enumerate(at):
        before, after = seen[look], seen[look + length]
        differs = largest(np.maximum(before, after) - np.minimum(before, after))
        if (differs > DIFFERS).mean() < 0.01:
            continue
        restless = np.maximum(unrest[look - n_rest], unrest[look + length])
        if length > 1 and (restless <= AS_ON_SCREENS).mean() < 0.6:
            continue  # what takes longer might be somebody who moves before a camera that does not
        changed[i] = ((differs > DIFFERS) & (restless <= _most_restless(before, after, length))).mean()
    for i in np.argsort(-changed):
        if changed[i] < 0.01:
            return
        yield int(at[i])


def is_replaced(before: Cells, after: Cells, settled: Mask, *, at_once: bool) -> bool:
    """Whether one screen is replaced by another; what does not rest counts for nothing.

    at_once:  within a step or two; what takes longer must look more like a screen: much of it flat.
    """
    if settled.mean() < 0.4:
        return False
    changed = (np.abs(after - before).max(-1) > DIFFERS) & settled
    spread = _blocks(changed).mean() / max(0.25, _blocks(settled).mean())
    old, new = ink(before) & settled, ink(after) & settled
    gone = (changed & old).sum() / max(40, old.sum())
    come = (changed & new).sum() / max(40, new.sum())
    # A board that is wiped has lost all, however little that was; and so has a slide of few words, but for its frame.
    few = min((changed & kind).sum() / max(40, kind.sum()) for kind in (_letters(old), _letters(new)))
    is_other = gone >= 0.9 or (few >= 0.3 and spread >= 0.06) or (few >= 0.2 and spread >= 0.25)
    if not (is_other or (spread >= 0.2 and gone >= 0.3) or (come >= 0.75 and spread >= 0.35)):
        return False
    if _is_local(changed, old):
        return False
    flat = min((~ink(before)).mean(), (~ink(after)).mean())
    if not at_once and (flat < 0.5 or (changed & _around(~settled)).sum() > TRAIL * changed.sum()):
        return False
    plain = np.abs(after - np.median(after, axis=(0, 1))).max(-1) <= DIFFERS  # paper, or a wall
    sideways = before.swapaxes(0, 1), after.swapaxes(0, 1)
    whole = bool(plain.mean() > 0.5)
    return not is_scrolled(before, after, whole=whole) and not is_scrolled(*sideways, furthest=0.3, whole=whole)


def _is_local(changed: Mask, old: Mask) -> bool:
    """Whether a caption, a menu or a small window is laid on the picture or taken from it: the change lies within a
    third of it, and what there is to see is elsewhere and stays. Of 287 made changes of slides none left more than .54
    around it, of 25 captions, menus and windows all .66 and more, and .59 where a film went on behind a filled box."""
    box = []
    for axis in (1, 0):
        up_to = changed.sum(axis).cumsum() / max(1, changed.sum())
        box.append(slice(int(np.searchsorted(up_to, 0.03)), int(np.searchsorted(up_to, 0.97)) + 1))
    inside, is_filled = old[box[0], box[1]], changed[box[0], box[1]].mean() > 0.6
    return bool(inside.size < 0.3 * old.size and inside.sum() < (0.5 if is_filled else 0.4) * old.sum())


def ink(cells: Cells) -> Mask:
    """Where a cell differs from its neighbour to the right or below."""
    edges = np.zeros(cells.shape[:2], np.bool_)
    edges[:, :-1] |= np.abs(np.diff(cells, axis=1)).max(-1) > INK
    edges[:-1] |= np.abs(np.diff(cells, axis=0)).max(-1) > INK
    return edges


def _around(cells: Mask) -> Mask:
    """These and what is at most two cells away."""
    padded = np.pad(cells, 2)
    near: Mask = np.asarray(sliding_window_view(padded, (5, 5)).any((2, 3)))
    return near


def _blocks(cells: Mask) -> Mask:
    """(height // BLOCK, width // BLOCK): blocks with at least two such cells."""
    height, width = (size // BLOCK * BLOCK for size in cells.shape)
    in_blocks = cells[:height, :width].reshape(height // BLOCK, BLOCK, -1, BLOCK).sum((1, 3))
    enough: Mask = in_blocks >= 2
    return enough


def _letters(edges: Mask) -> Mask:
    """Without rules and bars, which run over most of a row or a column."""
    kept: Mask = edges & (edges.mean(1) <= 0.7)[:, None] & (edges.mean(0) <= 0.7)
    return kept


def is_scrolled(before: Cells, after: Cells, *, furthest: float = 0.75, whole: bool = True) -> bool:
    """Whether the new content is the old one, moved up or down: then half of the difference is gone once it is moved
    back. Between two texts that have nothing to do with each other nine tenths are left, however they are moved.

    whole:  half of what there is to see in either must be explained by the other, too: a full page moved out of the way
            leaves little but paper.
    """
    height = len(before)
    a, b = before.mean(-1), after.mean(-1)
    finer_a, finer_b = (np.stack([x[:-1], (x[:-1] + x[1:]) / 2], 1).reshape(-1, x.shape[1]) for x in (a, b))
    columns = np.abs(finer_a - finer_b).max(0) > DIFFERS  # bars at the sides stay where they are
    if not columns.any():
        return False
    a, b = finer_a[:, columns], finer_b[:, columns]
    apart = np.abs(a - b).mean(1)
    reach = int(2 * height * furthest)
    for shift in range(-reach, reach + 1):
        of_a, of_b = (slice(max(0, way), len(a) + min(0, way)) for way in (shift, -shift))
        still = apart[of_b].mean()
        if not shift or still <= 4:
            continue
        x, y = a[of_a], b[of_b]
        left = np.abs(x - y).mean()
        if left < 0.55 * still and (left < 0.6 * min(_ink_of(x), _ink_of(y)) if whole else y.std() > 6):
            return True
    return False


def is_retouched(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether one picture is the other out of focus, or without its colours: blurred, the sharp one comes nearer to it,
    or they are as bright at each place. Of 102 made changes of slides the nearest left 1.25 of the difference once it
    was blurred, and .87 of it is light; of three pulled focuses it was .56 at most, of two lost colours .18."""
    difference = after.astype(np.float32) - before
    whole = np.abs(difference).mean()
    if np.abs(difference @ LUMA).mean() < 0.4 * whole:
        return True
    a, b = (np.pad(frame.astype(np.float32), ((2, 2), (2, 2), (0, 0)), mode="edge") for frame in (before, after))
    blurred_a, blurred_b = (sliding_window_view(frame, (5, 5), (0, 1)).mean((-1, -2)) for frame in (a, b))
    left = min(np.abs(blurred_a - after).mean(), np.abs(blurred_b - before).mean())
    return bool(left < 0.8 * whole)


def is_paper(frame: NDArray[np.uint8]) -> bool:
    """Whether most of a picture is without any shade: .6 to .96 of made screens is, of films .46 at most."""
    return bool((frame[:, 1:] == frame[:, :-1]).all(-1).mean() > 0.5)


def _ink_of(cells: NDArray[Any]) -> float:
    """What there is to see, in grey levels."""
    return float(np.abs(cells - np.median(cells)).mean())


def _locate(
    frames: NDArray[np.uint8], first: int, last: int, before: Cells, after: Cells, settled: Mask
) -> Replacement:
    """Which frames between two looks have the old content, and which the new."""
    changed = (np.abs(after - before).max(-1) > DIFFERS) & settled
    between = frames[first : last + 1][:, changed].astype(np.int16)  # (n, cells, 3)
    whole = np.abs(after - before)[changed].max(-1)
    to_old = np.abs(between - before[changed]).max(-1)
    to_new = np.abs(between - after[changed]).max(-1)
    done = (to_old > to_new).mean(1)
    moved = to_old.mean(1) / whole.mean()
    middle = first + int(np.argmax(done >= 0.5))
    begun = first + max(0, int(np.argmax(moved > 0.12)) - 1)
    ended = first + len(done) - 1 - int(np.argmax((to_new.mean(1) / whole.mean())[::-1] > 0.12)) + 1
    ended = min(last, max(ended, middle))
    is_cut = ended - begun <= 2
    return Replacement(
        min(begun, middle), middle, ended, is_cut, _is_mixed(between[middle - first], before, after, changed)
    )


def _is_mixed(between: NDArray[np.int16], before: Cells, after: Cells, changed: Mask) -> bool:
    """Whether a frame on the way is the sum of the two, as in a dissolve."""
    way = (after - before)[changed].astype(np.float32)
    gone = (between - before[changed]).astype(np.float32)
    share = float((gone * way).sum() / max(1.0, float((way * way).sum())))
    return float(np.linalg.norm(gone - share * way)) < 0.3 * float(np.linalg.norm(way))
