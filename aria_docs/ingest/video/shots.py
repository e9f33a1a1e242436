"""Small frames → shots: hard cuts, dissolves and fades; not flashes, swells of light, pans, or things that pass by.

numpy only, no I/O. Frames come as a stream and are held for some seconds, so that hours of video need no more memory
than a minute does. Frames are compared with each other by root mean square over 16 × 9 points; as every such question
comes down to inner products, a stretch of frames computes all of these at once. Only the few places that look like a
boundary are then looked at closely, at 32 × 18 pixels and with an eye for motion. Where that leaves doubt a referee is
asked, if there is one: a network that is shown a hundred frames and costs as much as decoding 200 of 720p.

What makes a boundary:
  cut       one step changes most of the picture, far more than the steps around it do and even after each block has
            looked around for its content (motion); and what was there is not back within moments (flash).
            Beside motion as large as itself, its colours tell (`colours`).
  dissolve  the frames between two are mixtures of them, in proportion to time (Lienhart 1999, "Comparison of automatic
            shot boundary detection algorithms"), and are explained better so than by motion from either end.
  fade      contrast falls to nothing and rises again to another picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aria_docs.ingest.video.colours import (
    LENGTHS_S,
    LONG_LENGTHS_S,
    LUMA,
    changes,
    distance,
    histograms,
    outstanding_steps,
)
from aria_docs.ingest.video.slides import is_paper, is_retouched, is_scrolled, largest, replacements
from aria_docs.ingest.video.sweeps import is_panned, is_swept
from aria_docs.media import Shot, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (FRAME_HEIGHT_PX, FRAME_WIDTH_PX, 3), RGB
    # (WINDOW, 27, 48, 3), about 30 frames a second → (WINDOW,) how likely a transition is at each frame
    Referee = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    Small = tuple[float, Pixels, bool]  # second, pixels, whether it is whole: not made up by a decoder
    Floats = NDArray[np.float32]
    Planes = NDArray[np.float32]  # (3, HEIGHT_PX, WIDTH_PX): luma, blue and red difference
    Index = Any  # an int or an array of them, as numpy broadcasts them

FRAME_WIDTH_PX, FRAME_HEIGHT_PX = 96, 54  # of the frames that come in: a line of letters can still be seen
WIDTH_PX, HEIGHT_PX = 32, 18  # of these, two for three of half the size, which is what the referee was trained on

# Frames are looked at at an even pace, whatever the film's: of 60 or 120 a second every second or fourth, and where a
# picture stands for seconds, as in a slide show, it is seen ten times a second, for a while.
CLOSEST_S, FURTHEST_S, HELD_S = 0.0285, 0.1, 1.5

# A film of so few frames a second that each shows something else: from picture to picture at least, and at most.
LOW_RATE_S = 0.3, 2.5

STRETCH = 1024  # frames looked at together
MARGIN_S = 3.9  # what a decision may have to see on either side: half of the longest dissolve, and what is around it
HALF_LENGTHS_S = (0.06, 0.09, 0.13, 0.18, 0.25, 0.35, 0.48, 0.64, 0.85, 1.2)  # of dissolves, in steps of about 1.4
LONG_HALF_LENGTHS_S = (1.6, 2.1)  # looked for where nothing else is
# How alike two frames are, less the share of their difference that other light does not explain. Of 1,437 pairs from
# either side of a boundary all but one had less than 0.46, of 86 from a change of light 70 had more than this.
RELIT = 0.58
MOST = 0.375  # share of the picture's blocks that is "most of the picture": a caption or a passer-by changes less

# Two pictures as alike as this are of one shot, however many blocks differ: of 424 cuts between shots the most had .81.
# Slides that differ by less are found by `slides`.
UNCUT = 0.9
INSERTED_S = 0.13  # a shot between two views of the picture before it; a flash or a lost picture is shorter

OTHER_PAPER = 20  # grey levels of blue and red difference; a screen that is dimmed behind a window changes by less
MIXED = 0.3  # what a dissolve leaves unexplained; a wipe leaves .41 where nothing moves

# What is left to a referee: of 42 minutes with 280 transitions these were 32 places, and all but one of our errors.
DOUBTFUL_SHARE = (0.25, 0.55)  # of the blocks changed by a cut, around MOST
DOUBTFUL_LEFT = (0.35, 0.65)  # of the change that a cut made, soon after it, around half
DOUBTFUL_ODDS = (-3.0, 3.0)  # of a dissolve
WINDOW = 100  # frames shown to it
# Of 93 false candidates in sets of our own none had more than .41, of 39 wipes half had less than this; .5 would
# find one wipe of 80 more, and one false.
AGREED = 0.6


class Settled(Protocol):
    """How candidates are decided."""

    def __call__(self, first: int, middle: int, last: int, *, found: bool, doubtful: bool) -> bool:
        """What we found; but where that is doubtful and somebody can be asked, what they say."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Numbers of frames: the transition's first, middle and last. The middle one begins the next shot."""

    first: int
    middle: int
    last: int
    kind: Transition

    def overlaps(self, other: Boundary) -> bool:
        """Whether they share a frame."""
        return self.first <= other.last and other.first <= self.last


def detect(frames: Iterable[Small], *, duration_s: float, referee: Referee | None = None) -> Iterator[Shot]:
    """(time, frame) in order → shots without gaps, each as soon as its end is known.

    The first starts at 0, the last ends at `duration_s`; without any boundary there is one.
    """
    kind: Transition = "start"
    start_s, extent_s = 0.0, (0.0, 0.0)
    for first_s, middle_s, last_s, next_kind in _boundaries(frames, duration_s, referee):
        yield Shot(start_s, middle_s, kind, *extent_s)
        start_s, extent_s, kind = middle_s, (first_s, last_s), next_kind
    yield Shot(start_s, max(start_s, duration_s), kind, *extent_s)


def _boundaries(
    frames: Iterable[Small], duration_s: float, referee: Referee | None
) -> Iterator[tuple[float, float, float, Transition]]:
    """(first, middle, last second, kind), in order of the middle.

    Stretches overlap by two margins, and each decides what lies in its middle:
        |---------------|MM|
                     |MM|---------------|MM|
    """
    held: list[FrameView] = []
    undecided = 0
    stream = looks(frames, end_s=duration_s)
    at_end = False
    while not at_end:
        for look in stream:
            held.append(look)
            if len(held) == STRETCH:
                break
        else:
            at_end = True
        if len(held) < 2:
            return
        times_s = np.array([look.time_s for look in held])
        lost = frozenset(number for number, look in enumerate(held) if look.after_damage)
        stretch = Stretch(times_s, np.stack([look.pixels for look in held]), lost)
        margin = 0 if at_end else min(stretch.count(MARGIN_S), STRETCH // 3)
        decided = range(undecided, len(held) - margin)
        for found in stretch.boundaries(decided, referee):
            if found.middle in decided:
                before, middle = held[found.middle - 1], held[found.middle]
                middle_s = middle.begins_s(before) if found.kind == "cut" else middle.time_s
                first_s, last_s = held[found.first].time_s, held[found.last].time_s
                yield min(first_s, middle_s), middle_s, max(middle_s, last_s), found.kind
        undecided = margin
        del held[: -2 * margin]


@dataclass(frozen=True, slots=True)
class FrameView:
    """One frame that is looked at.

    skipped:       those displayed between the one looked at before and this one: (second, pixels).
    after_damage:  what was displayed just before could not be read.
    """

    time_s: float
    pixels: Pixels
    skipped: tuple[tuple[float, Pixels], ...] = ()
    after_damage: bool = False

    def begins_s(self, before: FrameView) -> float:
        """Where this differs from the look before: when the first frame was displayed that is more like this."""

        def far(pixels: Pixels, other: Pixels) -> float:
            return float(np.abs(pixels.astype(np.int16) - other).mean())

        alike = (t for t, pixels in self.skipped if far(pixels, self.pixels) < far(pixels, before.pixels))
        return next(alike, self.time_s)


def looks(frames: Iterable[Small], *, end_s: float) -> Iterator[FrameView]:
    """Frames at an even pace.

    displayed  |||||||||||    |                 |                     CLOSEST_S and FURTHEST_S apart at most,
    looked at  | | | | | |.. .|...          ....|                     a long still at its beginning and its end
    """
    last: FrameView | None = None
    skipped: list[tuple[float, Pixels]] = []
    damaged = False
    for time_s, pixels, whole in frames:
        if not whole:
            damaged = True
            continue
        if last is not None:
            if time_s <= last.time_s:
                continue
            if time_s - last.time_s < CLOSEST_S and not damaged:
                skipped.append((time_s, pixels))
                continue
            if not damaged:
                yield from _standing(last, time_s)
        last = FrameView(time_s, pixels, tuple(skipped), damaged)
        skipped, damaged = [], False
        yield last
    if last is not None:
        yield from (FrameView(*one) for one in skipped)
        yield from _standing(last, end_s)


def _standing(last: FrameView, until_s: float) -> Iterator[FrameView]:
    """The same picture, as long as it stands; of a long while its beginning and its end."""
    if until_s - last.time_s <= 1.5 * FURTHEST_S:
        return
    times_s = np.arange(last.time_s + FURTHEST_S, until_s - FURTHEST_S / 2, FURTHEST_S)
    for time_s in times_s[(times_s < last.time_s + HELD_S) | (times_s > until_s - HELD_S)]:
        yield FrameView(float(time_s), last.pixels)


class Stretch:
    """Some seconds of frames, and the questions asked of them.

    fine:      (n, FRAME_HEIGHT_PX, FRAME_WIDTH_PX, 3) as they came.
    frames:    (n, 27, 48, 3) half as large.
    lost:      numbers of the frames before which some could not be read.
    pixels:    (n, HEIGHT_PX, WIDTH_PX, 3) the same without bars.
    vectors:   (n, 432) the frames at 16 × 9 points.
    colours:   their histograms, see `colours`.
    inner:     (n, n) their inner products.
    contrast:  (n,) how much the points of a frame differ among each other; 0 for a blank.
    fresh:     numbers of the frames that are not the picture before once more.
    """

    def __init__(
        self, times_s: NDArray[np.float64], pixels: NDArray[np.uint8], lost: frozenset[int] = frozenset()
    ) -> None:
        self.n = len(times_s)
        self.fine, self.lost = pixels, lost
        self.frames = pixels = halve(pixels)
        self.pixels = pixels = _lit(_without_bars(_two_for_three(pixels)))
        steps = np.diff(times_s)
        self.period_s = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.04
        points = _opponent(_sums_of_four(pixels).astype(np.float32) * np.float32(0.25))
        self.contrast = np.sqrt(points.var((1, 2)).sum(1))
        points[..., 0] -= 128  # small numbers make small rounding errors in the differences of large products
        self.vectors = points.reshape(self.n, -1)
        self.colours = histograms(self.frames)
        self.inner = self.vectors @ self.vectors.T
        self.square = self.inner.diagonal()
        self.times_s = times_s
        self.fresh = np.flatnonzero((self.pixels[1:] != self.pixels[:-1]).any((1, 2, 3))) + 1

    def count(self, seconds: float) -> int:
        """How many frames last that long; at least 1."""
        return max(1, round(seconds / self.period_s))

    def distance(self, i: Index, j: Index) -> Floats:
        """Root mean square difference of frames, in grey levels."""
        squares = self.square[i] + self.square[j] - 2 * self.inner[i, j]
        distances: Floats = np.sqrt(np.maximum(squares, 0) / self.vectors.shape[1])
        return distances

    def slack(self, i: Index, j: Index) -> Any:
        """Grey levels that mean nothing between two frames: two, and fewer at night, whose shots differ by little."""
        return np.clip(np.maximum(self.contrast[i], self.contrast[j]) / 8, 0.5, 2)

    def relit(self, i: int, j: int) -> bool:
        """Whether two frames are one picture in other light: alike, and when one has got the other's light, little but
        motion is left of what they differ by."""
        inside = self._inside(i, j)
        a, b = self._stretch(i, inside), self._stretch(j, inside)
        planes_a, planes_b = _planes(a), _planes(b)
        if (
            np.abs(planes_a[1:] - planes_b[1:]).mean() > OTHER_PAPER
            and is_paper(self.fine[i])
            and is_paper(self.fine[j])
        ):
            return False  # a card of another colour: no lamp lights a drawing
        alike = _likeness(planes_a[0], planes_b[0])
        if alike < RELIT:
            return False
        left = max(
            block_motion(_planes(_in_light_of(a, b)), planes_b).mean()
            / (block_motion(planes_a, planes_b).mean() + 0.1),
            block_motion(planes_a, _planes(_in_light_of(b, a))).mean()
            / (block_motion(planes_b, planes_a).mean() + 0.1),
        )
        return bool(alike - left > RELIT)

    def planes(self, i: int, inside: tuple[int, int, int, int] | None = None) -> Planes:
        """One frame at full size, or what is inside of it, stretched to that."""
        return _planes(self._stretch(i, inside))

    def _stretch(self, i: int, inside: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
        return _stretch(self.frames[i], inside) if inside else self.pixels[i]

    def boundaries(self, decided: range, referee: Referee | None) -> list[Boundary]:
        """In order of time. Cuts inside fades and dissolves over either of them are parts of these.

        The referee is asked about middles among the `decided` only: the others are those of another stretch; and not
        about screens, which it was not made for: of 31 windows of 30 made slide films none gained anything.
        """

        def settled(first: int, middle: int, last: int, *, found: bool, doubtful: bool) -> bool:
            if not doubtful or referee is None or middle not in decided or is_paper(self.fine[middle]):
                return found
            return self.agreed(referee, first, middle, last)

        fades = self.fades()
        cuts = self.cuts(settled)
        near = self.count(0.08)
        sharp = [*fades, *(c for c in cuts if not any(f.first < c.middle <= f.last + near for f in fades))]
        sharp += self.find_replacements(sharp)
        # Colours tell a wipe; where they see a dissolve that is seen in the pictures too, these know its middle better.
        gradual, dissolves = self.find_recolourings(sharp), self.dissolves(sharp, settled)
        wipes = [found for found in gradual if found.kind == "wipe"]
        dissolves = [found for found in dissolves if not any(found.overlaps(wipe) for wipe in wipes)]
        others = [found for found in gradual if not any(found.overlaps(other) for other in (*dissolves, *wipes))]
        all_found = [*sharp, *wipes, *dissolves, *others]
        all_found += self.dissolves(all_found, settled, LONG_HALF_LENGTHS_S)
        all_found += self.find_recolourings(all_found, LONG_LENGTHS_S)
        return sorted(all_found, key=lambda found: found.middle)

    def agreed(self, referee: Referee, first: int, middle: int, last: int) -> bool:
        """Whether the referee sees a transition: on the last frame before a cut, or anywhere inside a dissolve."""
        step = self.count(1 / 30)  # it was trained on videos of 25 to 30 frames a second
        shown = middle + step * (np.arange(WINDOW) - WINDOW // 2)
        likely = referee(self.frames[np.clip(shown, 0, self.n - 1)])
        return float(likely[(shown >= first - step) & (shown <= last)].max()) > AGREED

    # ------------------------------------------------------------------------------------------------------------ cuts

    def cuts(self, settled: Settled) -> list[Boundary]:
        """Steps that stand out among the six on either side: of these the second largest counts, for the largest may
        be another cut. Of two cuts within 0.15 s of each other the last begins a shot."""
        around = min(8, max(3, self.count(0.24)))
        step = np.zeros(self.n, np.float32)
        step[1:] = self.distance(np.arange(1, self.n), np.arange(self.n - 1))
        around = min(around, max(1, self.n - 2))
        # The first and last steps are mirrored: whoever stands at an end has as many rivals as others.
        mirrored = np.pad(step[1:], (around + 1, around), mode="reflect") if self.n > 2 else np.pad(step, around)
        windows = sliding_window_view(mirrored, 2 * around + 1).copy()
        windows[:, around] = 0
        order = np.argsort(windows, axis=1)[:, -2]
        rival = np.abs(np.arange(self.n) + order - around - 1) + 1
        rival = np.minimum(rival, 2 * (self.n - 1) - rival)
        second = np.take_along_axis(windows, order[:, None], 1)[:, 0]
        slack = self.slack(np.arange(self.n), np.arange(self.n) - 1)
        outstanding = np.flatnonzero((step > 1.5 * slack) & (step > 1.4 * second + 0.7 * slack))
        rival = np.clip(rival, 1, self.n - 1)
        found = {i for i in outstanding.tolist() if self._is_cut(i, int(rival[i]), settled)}
        found |= {i for i in self._alone(step, slack) if i not in found and self._is_another(i)}
        found |= {i for i in outstanding_steps(self.colours, around) if i not in found and self._is_elsewhere(i)}
        found = {i for i in found if not self._is_motion(i) and not is_scrolled(self.fine[i - 1], self.fine[i])}
        soon = self.count(0.15)
        near = {i: [j for j in found if 0 < abs(j - i) < soon] for i in found}  # two near each other, or a montage
        kept = (i for i in sorted(found) if not near[i] or near[i][0] < i or len(near[i]) + len(near[near[i][0]]) > 2)
        return [Boundary(i, i, i, "cut") for i in kept]

    def _alone(self, step: Floats, slack: Floats) -> list[int]:
        """Steps with next to nothing within two frames: in a quick montage every fourth is a cut, and each has others
        near. Drawings that move every second frame have steps two frames apart."""
        padded = np.pad(step, 2)
        near = np.max([padded[2 + k : 2 + k + self.n] for k in (-2, -1, 1, 2)], axis=0)
        return np.flatnonzero((step > 8 * slack) & (step > 3 * near)).tolist()

    def _is_another(self, i: int) -> bool:
        """Whether a step leads to a picture that has nothing in common with the one before, nor with those a little
        earlier, as after a flash."""
        change = block_motion(self.planes(i - 1), self.planes(i))
        motion = np.maximum(
            block_motion(self.planes(max(0, i - 2)), self.planes(i - 1)),
            block_motion(self.planes(i), self.planes(min(self.n - 1, i + 1))),
        )
        if (change > 2 * motion + self.slack(i - 1, i)).mean() < 0.6:
            return False
        return self._is_elsewhere(i)

    def _is_motion(self, i: int) -> bool:
        """Whether a film of few frames a second goes on: each of them shows another picture, but most are of one scene,
        and so is this one. Where most are of none, as in a slide show, or stand for long, this says nothing."""
        at = int(np.searchsorted(self.fresh, i))
        near = [int(j) for j in (*self.fresh[max(0, at - 2) : at], *self.fresh[at + 1 : at + 3])]
        near = [j for j in near if abs(self.times_s[j] - self.times_s[i]) < LOW_RATE_S[1]]
        if len(near) < 2 or min(abs(self.times_s[j] - self.times_s[i]) for j in near) < LOW_RATE_S[0]:
            return False
        steps = [j for j in near if self.distance(j - 1, j) > 0.25 * self.distance(i - 1, i)]
        if len(steps) < max(2, len(near) - 1) or self._is_unrelated(i):
            return False
        return sum(self._is_unrelated(j) for j in steps) * 2 <= len(steps)

    def _is_panned(self, first: int, last: int) -> bool:
        """Whether the picture moves from one frame to the other, see `sweeps`."""
        reach = self.count(1.5)
        begin = max(0, first - reach)
        return bool(is_panned(self.fine[begin : last + reach + 1] @ LUMA, first - begin, last - begin))

    def _is_sparse(self, first: int, last: int) -> bool:
        """Whether between two frames too few pictures are shown to tell what becomes of the one."""
        shown = int(((self.fresh > first) & (self.fresh <= last)).sum())
        return bool(shown * LOW_RATE_S[0] < self.times_s[last] - self.times_s[first])

    def _is_unrelated(self, i: int) -> bool:
        """Whether a picture has other colours than the one before, and more so where the two are alike. Of 3,564 pairs
        of a shot, 1/3 to 1 s apart, 30 are unrelated, of 610 from two shots 544."""
        alike = max(-0.25, _likeness(self.planes(i - 1)[0], self.planes(i)[0]))
        return float(distance(self.colours[i - 1], self.colours[i])) > 0.29 + 0.47 * alike

    def _is_elsewhere(self, i: int) -> bool:
        """Whether a step leads to what is neither the same scene nor seen a moment earlier, nor soon left again."""
        if i in self.lost or self._is_barred(i - 1, i) or self._same(i - 1, i) or self.relit(i - 1, i):
            return False
        views = self._views_around(i)
        back = min((self.distance(*view) for view in views), default=np.inf)
        return bool(back > 0.5 * self.distance(i - 1, i)) or any(self._is_inserted(i, a, b) for a, b in views)

    def _views_around(self, i: int) -> list[tuple[int, int]]:
        """The frame before a step with the most similar one soon after it, and one from before with that after it."""
        reach = self.count(0.4)
        earlier, later = np.arange(max(0, i - 1 - reach), i - 1), np.arange(i + 1, min(self.n, i + 1 + reach))
        after = [(i - 1, int(later[self.distance(i - 1, later).argmin()]))] if len(later) else []
        return after + ([(int(earlier[self.distance(earlier, i).argmin()]), i)] if len(earlier) else [])

    def _is_cut(self, i: int, rival: int, settled: Settled) -> bool:
        inside = self._inside(i - 1, i)
        change = block_motion(self.planes(i - 1, inside), self.planes(i, inside))
        motion = block_motion(self.planes(rival - 1, inside), self.planes(rival, inside))
        share = (change > 2 * motion + self.slack(i - 1, i)).mean()
        if share < DOUBTFUL_SHARE[0] or self.relit(i - 1, i) or self._is_barred(i - 1, i):
            return False
        if _likeness(self.planes(i - 1)[0], self.planes(i)[0]) > UNCUT:
            return False  # a thin frame, a grid: in many blocks, but little of each
        if i in self.lost and (share < 0.6 or self._same(i - 1, i)):
            return False  # there was time for what moves to have moved on
        # A flash, a dropped frame, something right before the lens: the old picture is back, or the new one was there.
        views = self._views_around(i)
        back = (block_motion(self.planes(a, inside), self.planes(b, inside)).mean() for a, b in views)
        left = min(back) / change.mean()
        if share >= MOST and left < DOUBTFUL_LEFT[1] and any(self._is_inserted(i, a, b) for a, b in views):
            return True
        return settled(
            i,
            i,
            i,
            found=share >= MOST and left >= 0.5,
            doubtful=left >= DOUBTFUL_LEFT[0] and (share < DOUBTFUL_SHARE[1] or left < DOUBTFUL_LEFT[1]),
        )

    def _is_inserted(self, i: int, a: int, b: int) -> bool:
        """Whether what stands on one side of the step to i, between two views a and b of one picture, is a shot: it
        comes and goes at once, and rests meanwhile; and is no flash, of which there is less to see."""
        begin, end = a + 1, b
        far = self.distance(a, np.arange(begin, end))
        alike = begin + np.flatnonzero(far < 0.5 * far.max())
        if len(alike):
            begin, end = (begin, int(alike[0])) if begin == i else (int(alike[-1]) + 1, end)
        if end - begin < 3 or (end - begin) * self.period_s < INSERTED_S:
            return False
        step = self.distance(np.arange(begin, end + 1), np.arange(begin - 1, end))
        rests = step[1:-1].max() < 0.2 * min(step[0], step[-1])
        is_picture = self.contrast[begin:end].min() > 0.3 * self.contrast[[begin - 1, end]].max()
        return bool(rests and is_picture and _likeness(self.planes(begin - 1)[0], self.planes(begin)[0]) < RELIT)

    def _inside(self, i: int, j: int) -> tuple[int, int, int, int] | None:
        """What two frames show between bars that both have, see `_inside_bars`; None where that is most of them.

        An upright picture in a wide film is a third of it, and the bars would make any two of them alike.
        """
        a, b = _inside_bars(self.frames[i]), _inside_bars(self.frames[j])
        top, bottom, left, right = a
        area = (bottom - top) * (right - left) / (self.frames.shape[1] * self.frames.shape[2])
        alike = max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 1
        return a if alike and area < 0.8 and bottom - top >= 8 and right - left >= 8 else None

    def _is_barred(self, i: int, j: int) -> bool:
        """Whether all that changes is that bars come or go at the edges of the picture, which stays where it is or is
        squeezed between them."""
        a, b = self.frames[i], self.frames[j]
        inner_a, inner_b = _inside_bars(a), _inside_bars(b)
        if inner_a == inner_b:
            return False
        top, bottom = max(inner_a[0], inner_b[0]), min(inner_a[1], inner_b[1])
        left, right = max(inner_a[2], inner_b[2]), min(inner_a[3], inner_b[3])
        if bottom - top < 8 or right - left < 12:
            return False
        whole = np.abs(a.astype(np.int16) - b).mean()
        stays = np.abs(a[top:bottom, left:right].astype(np.int16) - b[top:bottom, left:right]).mean()
        squeezed = np.abs(_stretch(a, inner_a).astype(np.int16) - _stretch(b, inner_b)).mean()
        return bool(min(stays, squeezed) < 0.3 * whole)

    def find_recolourings(self, sharp: list[Boundary], lengths_s: Sequence[float] = LENGTHS_S) -> list[Boundary]:
        """Gradual changes between shots of other colours, see `colours`, or of a front that passes, see `sweeps`."""
        found = []
        for change in changes(self.colours, self.period_s, lengths_s):
            if any(change.first <= other.last and other.first <= change.last for other in sharp):
                continue
            blank = self.contrast[[change.first, change.last]].min() < 3
            if blank or self._is_from_blank(change.first, change.last) or self.relit(change.first, change.last):
                continue
            if any(change.first < lost <= change.last for lost in self.lost) or self._is_sparse(
                change.first, change.last
            ):
                continue
            differs = float(block_motion(self.planes(change.first), self.planes(change.last)).mean())
            # A car that leaves a plain road, and the light that follows, change all colours by a little.
            by_colours = change.is_likely and differs > (12 if change.is_clear else 15)
            if lengths_s is LONG_LENGTHS_S and not (by_colours and change.is_clear):
                continue
            if not by_colours and not (differs > 7 and is_swept(self.vectors, change.first, change.last)):
                continue
            _, error, _ = self._mixture(np.array([change.first]), max(2, change.last - change.first))
            if self._is_panned(change.first, change.last):
                continue
            kind: Transition = "dissolve" if float(error[0]) < MIXED else "wipe"
            found.append(Boundary(change.first, change.middle, change.last, kind))
        return found

    def find_replacements(self, sharp: list[Boundary]) -> list[Boundary]:
        """Changes of a still screen, see `slides`."""
        found = []
        near = self.count(0.2)
        for change in replacements(self.fine, self.period_s):
            if any(change.first - near < other.last and other.first < change.last + near for other in sharp):
                continue
            if (
                self.relit(change.first, change.last)
                or self._is_barred(change.first, change.last)
                or is_retouched(self.fine[change.first], self.fine[change.last])
                or (self._is_motion(change.middle) and not is_paper(self.fine[change.middle]))
            ):
                continue
            if change.is_cut:
                found.append(Boundary(change.middle, change.middle, change.middle, "cut"))
            elif not self._is_panned(change.first, change.last):
                kind: Transition = "dissolve" if change.mixed else "wipe"
                found.append(Boundary(change.first, change.middle, change.last, kind))
        return _joined(found, near)

    # ----------------------------------------------------------------------------------------------------------- fades

    def fades(self) -> list[Boundary]:
        """Runs of blank frames with pictures around them. A blank of more than 1.5 s is a shot of its own, so there are
        two boundaries, unless they are cuts."""
        contrast, reach = self.contrast, self.count(1.2)
        padded = np.pad(contrast, reach)
        before = sliding_window_view(padded, reach + 1).max(1)[: self.n]
        after = sliding_window_view(padded, reach + 1).max(1)[reach:]
        blank = (contrast < 1.5) | (contrast < 0.2 * np.minimum(before, after))
        edges = np.flatnonzero(np.diff(np.concatenate(([False], blank, [False])).astype(np.int8)))
        found = []
        for begin, end in edges.reshape(-1, 2).tolist():  # the blank is [begin, end)
            first, last = self._foot(begin, -1), self._foot(end - 1, +1)
            darkest = contrast[begin:end].min()
            left = first < begin and darkest < 0.2 * contrast[first] and contrast[first] > 3
            right = last >= end and darkest < 0.2 * contrast[last] and contrast[last] > 3
            falls, rises = self._is_ramp(first, begin), self._is_ramp(end - 1, last)
            if end - begin > self.count(1.5):
                if left and falls:
                    found.append(Boundary(first, begin, begin, "fade"))
                if right and rises:
                    found.append(Boundary(end - 1, end, last, "fade"))
            elif left and right and (falls or rises or self._is_sudden(begin, end)) and not self._same(first, last):
                found.append(Boundary(first, (begin + end) // 2, last, "fade"))
        return found

    def _is_sudden(self, begin: int, end: int) -> bool:
        """Whether the picture goes and comes within two frames; a camera that passes a wall loses it bit by bit."""
        contrast = self.contrast
        before, after = contrast[max(0, begin - 2)], contrast[min(self.n - 1, end + 1)]
        return bool(min(before, after) > 3 and contrast[begin:end].min() < 1.5)

    def _is_ramp(self, first: int, last: int) -> bool:
        """Whether the frames between are mixtures of these two, one of which is a blank, and no single step is all."""
        if last - first < 2:
            return False
        _, error, jump = self._mixture(np.array([first]), last - first)
        return float(error[0]) < 0.33 and float(jump[0]) < 0.6

    def _foot(self, i: int, direction: int) -> int:
        """Where the rise of contrast from frame i ends, at most 1.5 s away."""
        limit = self.count(1.5)
        j = i
        while 0 <= j + direction < self.n and abs(j - i) < limit and self.contrast[j + direction] > self.contrast[j]:
            j += direction
        while j != i and self.contrast[j - direction] > 0.93 * self.contrast[j]:  # what follows is the picture's own
            j -= direction
        return j

    def _same(self, i: int, j: int) -> bool:
        """Whether two frames show the same scene, in motion or in other light. Holds for 92 % of pairs 0.7 s apart in a
        shot, and for 0.1 % of pairs from two."""
        a, b = self.planes(i), self.planes(j)
        return bool(block_motion(a, b).mean() < 0.18 * min(a[0].std(), b[0].std()) or _likeness(a[0], b[0]) > 0.7)

    # ------------------------------------------------------------------------------------------------------- dissolves

    def dissolves(
        self, sharp: list[Boundary], settled: Settled, half_lengths_s: Sequence[float] = HALF_LENGTHS_S
    ) -> list[Boundary]:
        """The best candidates, none overlapping a better one or what is found, that have the evidence for them."""
        score = np.full(self.n, -np.inf, np.float32)
        half = np.zeros(self.n, np.int64)
        error, jump = np.zeros(self.n, np.float32), np.zeros(self.n, np.float32)
        for h in sorted({max(2, self.count(seconds)) for seconds in half_lengths_s}):
            if 2 * h >= self.n:
                break
            middle = np.arange(h, self.n - h)
            span, its_error, its_jump = self._mixture(middle - h, 2 * h)
            its_score = np.where(its_jump < 0.5, span * (1 - 2 * its_error), -np.inf)
            better = its_score > score[middle]
            at = middle[better]
            score[at], half[at] = its_score[better], h
            error[at], jump[at] = its_error[better], its_jump[better]
        near = self.count(0.3)
        peaks = score >= sliding_window_view(np.pad(score, near, constant_values=-np.inf), 2 * near + 1).max(1)
        candidates = np.flatnonzero(peaks & (score > 4))
        found: list[Boundary] = []
        for i in candidates[np.argsort(-score[candidates])].tolist():
            first, last = i - int(half[i]), i + int(half[i])
            if any(first <= other.last and other.first <= last for other in (*sharp, *found)):
                continue
            if self._is_sparse(first, last) or self._is_from_blank(first, last) or self._keeps_colours(first, last):
                continue
            odds = self._evidence(first, i, last, float(error[i]), float(jump[i]))
            doubtful = DOUBTFUL_ODDS[0] < odds < DOUBTFUL_ODDS[1]
            if self._is_barred(first, last) or is_retouched(self.fine[first], self.fine[last]):
                continue
            if settled(first, i, last, found=odds > ENOUGH, doubtful=doubtful) and not self._is_panned(first, last):
                found.append(Boundary(first, i, last, "dissolve"))
        return found

    def _keeps_colours(self, first: int, last: int) -> bool:
        """Whether the colours hardly change, or those before are soon back: of 14 dissolves the least changed .36."""
        change = float(distance(self.colours[first], self.colours[last]))
        reach = self.count(1.2)
        after = distance(self.colours[first], self.colours[last : last + reach + 1]).min()
        before = distance(self.colours[last], self.colours[max(0, first - reach) : first + 1]).min()
        return change < 0.12 or float(min(after, before)) < 0.4 * change

    def _is_from_blank(self, first: int, last: int) -> bool:
        """Whether one end is a picture on its way from or to nothing: one shot fades in or out, which is no change.

        contrast   0 0 1 4 │ 9 15 20 │ 22      before `first` it falls on, to next to nothing
        """
        contrast, reach = self.contrast, self.count(1.5)
        if contrast[first] < 0.6 * contrast[last]:
            return bool(contrast[max(0, first - reach) : first + 1].min() < min(1.5, 0.2 * contrast[last]))
        if contrast[last] < 0.6 * contrast[first]:
            return bool(contrast[last : last + reach + 1].min() < min(1.5, 0.2 * contrast[first]))
        return False

    def _mixture(self, first: NDArray[np.int64], length: int) -> tuple[Floats, Floats, Floats]:
        """How well frames between `first` and `first + length` are linear mixtures of these two, A and B.

        Returns |B - A| in grey levels; the root mean square of X - ((1 - t) A + t B) over seven frames X between,
        relative to |B - A|; and the largest step among them in direction of B - A, likewise (1 for a cut).
        """
        last = first + length
        aa, bb, ab = self.square[first], self.square[last], self.inner[first, last]
        squared = np.maximum(aa + bb - 2 * ab, 1)
        error = np.zeros(len(first), np.float32)
        shares = [np.zeros(len(first), np.float32)]
        for eighth in range(1, 8):
            x = first + round(length * eighth / 8)
            t = round(length * eighth / 8) / length
            xa, xb, xx = self.inner[x, first], self.inner[x, last], self.square[x]
            mixed = (1 - t) ** 2 * aa + t**2 * bb + 2 * t * (1 - t) * ab
            error += np.maximum(xx + mixed - 2 * ((1 - t) * xa + t * xb), 0) / squared
            shares.append((xb - xa - ab + aa) / squared)
        shares.append(np.ones(len(first), np.float32))
        return np.sqrt(squared / self.vectors.shape[1]), np.sqrt(error / 7), np.diff(shares, axis=0).max(0)

    def _evidence(self, first: int, middle: int, last: int, error: float, jump: float) -> float:
        """Log odds that this is a dissolve: a logistic regression (see EVIDENCE) on six measures of it."""
        reach = self.count(0.9)
        back = min(
            self.distance(first, np.arange(last, min(self.n, last + reach + 1))).min(),
            self.distance(np.arange(max(0, first - reach), first + 1), last).min(),
        ) / max(1e-3, float(self.distance(first, last)))
        if back < 0.5:
            return -np.inf  # what follows is what was before: light swelled, or something passed by
        a, x, b = self.planes(first), self.planes(middle), self.planes(last)
        change = block_motion(a, b)
        motion = np.maximum(
            block_motion(self.planes(max(0, first - 1)), a), block_motion(b, self.planes(min(self.n - 1, last + 1)))
        )
        if (change > 2 * motion + self.slack(first, last)).mean() < MOST or self.relit(first, last):
            return -np.inf
        by_motion = np.minimum(block_motion(a, x), block_motion(b, x)).mean()
        measures = {
            "mixture": np.log(_mixture_error(a, x, b) / (by_motion + 1) + 0.05),
            "error": error,
            "jump": jump,
            "back": back,
            "change": np.log(change.mean() + 1),
            "likeness": max(-0.25, _likeness(a[0], b[0])),  # a negative says no more than none
        }
        return EVIDENCE["bias"] + float(sum(EVIDENCE[name] * value for name, value in measures.items()))


def _joined(found: list[Boundary], near: int) -> list[Boundary]:
    """Ascending boundaries; what a gradual one and another within so many frames of it are is one in two parts."""
    joined: list[Boundary] = []
    for later in found:
        before = joined[-1] if joined else None
        if before and later.first - before.last < near and (before.kind, later.kind) != ("cut", "cut"):
            longer = max(before, later, key=lambda part: part.last - part.first)
            joined[-1] = Boundary(before.first, longer.middle, later.last, longer.kind)
        else:
            joined.append(later)
    return joined


# Log odds. Slow tilts over fine detail reach 0.2; the weakest dissolve of the videos below has 0.8.
ENOUGH = 0.5

# Fitted to 42 dissolves and 702 other candidates in 14 composed videos, and to 407 and 1,015 in clips blended from
# pairs of their shots (with swells of light and occlusions; some made dark or grey). With the videos left out by turns,
# 1 of the 42 was missed and 1 of the 702 taken.
EVIDENCE = {
    "bias": -5.1,
    "mixture": -2.9,  # log of (what a mixture leaves unexplained of the middle frame / what motion leaves)
    "error": -13.7,  # of a linear mixture, over all frames between
    "jump": -10.8,  # the largest step from eighth to eighth: an eighth in a dissolve, all in a cut
    "back": 5.9,  # how near the pictures before and after come to each other, relative to those at the two ends
    "change": 2.3,  # log of what motion leaves unexplained from end to end
    "likeness": -6.0,  # correlation of luma from end to end: the same picture in other light
}


# Which rows and columns of pixels make a block, as matrices: BLAS adds up faster than numpy does along short axes.
IN_BLOCK_ROW = np.kron(np.eye(3, dtype=np.float32), np.ones((1, 6), np.float32))  # (3, HEIGHT_PX)
IN_BLOCK_COLUMN = np.kron(np.eye(8, dtype=np.float32), np.ones((4, 1), np.float32))  # (WIDTH_PX, 8)


def block_motion(a: Planes, b: Planes) -> Floats:
    """(3, 8): for each block of b of 6 × 4 pixels, its mean difference from the most similar place nearby in a.

    Block matching, full search within 3 rows and 5 columns (a tenth to a sixth of the picture).
    """
    shifted = _shifts(a, 3, 5)
    differences = np.abs(shifted[0] - b[0])
    for of_a, of_b in zip(shifted[1:], b[1:], strict=True):
        differences += np.abs(of_a - of_b)
    least: Floats = (IN_BLOCK_ROW @ differences @ IN_BLOCK_COLUMN).min(0) / (3 * 6 * 4)
    return least


def _mixture_error(a: Planes, x: Planes, b: Planes) -> float:
    """Mean difference of x from the even mixture of a and b, each shifted as a whole for the best fit, in turns."""
    moved_a, moved_b = _shifts(a, 2, 3), _shifts(b, 2, 3)
    best_a = a
    for _ in range(2):
        best_b = moved_b[:, np.abs(x[:, None] - (best_a[:, None] + moved_b) / 2).mean((0, 2, 3)).argmin()]
        errors = np.abs(x[:, None] - (moved_a + best_b[:, None]) / 2).mean((0, 2, 3))
        best_a = moved_a[:, errors.argmin()]
    return float(errors.min())


def _shifts(planes: Planes, rows: int, columns: int) -> Floats:
    """(3, n, HEIGHT_PX, WIDTH_PX): the picture moved by up to so many pixels each way, its edges repeated."""
    padded = np.pad(planes, ((0, 0), (rows, rows), (columns, columns)), mode="edge")
    return sliding_window_view(padded, (HEIGHT_PX, WIDTH_PX), (1, 2)).reshape(3, -1, HEIGHT_PX, WIDTH_PX)


def _two_for_three(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, height, width, 3) → two thirds as large; area averages: (a, b, c) → ((2 a + b) / 3, (b + 2 c) / 3)."""
    n, height, width, _ = pixels.shape
    rows = np.empty((n, height // 3 * 2, width * 3), np.uint8)
    in_rows = pixels.reshape(n, height, -1)
    _average_thirds((in_rows[:, start::3] for start in range(3)), (rows[:, ::2], rows[:, 1::2]))
    small = np.empty((n, height // 3 * 2, width // 3 * 6), np.uint8)
    for channel in range(3):  # numpy is slow along an axis of three
        thirds = (rows[..., channel + start :: 9] for start in (0, 3, 6))
        _average_thirds(thirds, (small[..., channel::6], small[..., channel + 3 :: 6]))
    return small.reshape(n, height // 3 * 2, -1, 3)


def _average_thirds(thirds: Iterable[NDArray[np.uint8]], halves: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    """Writes the averages of each first and second third, and of each second and last."""
    a, b, c = (third.astype(np.uint16) for third in thirds)
    b += 1
    halves[0][:], halves[1][:] = (2 * a + b) // 3, (b + 2 * c) // 3


def _without_bars(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, HEIGHT_PX, WIDTH_PX, 3) with the picture stretched over the black bars of a letterbox, which would make any
    two frames alike. A bar is dark in nearly all frames; at least half of each side is picture."""
    bright = (largest(pixels) > 24).mean(0) > 0.02
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    if len(rows) < HEIGHT_PX // 2 or len(columns) < WIDTH_PX // 4 or (bright.any(1).all() and bright.any(0).all()):
        return pixels
    row = np.linspace(rows[0], rows[-1], HEIGHT_PX).round().astype(int)
    column = np.linspace(columns[0], columns[-1], WIDTH_PX).round().astype(int)
    return pixels[:, row][:, :, column]


def halve(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, height, width, 3) → half as large, each pixel the mean of four."""
    return ((_sums_of_four(pixels) + 2) >> 2).astype(np.uint8)


def _sums_of_four(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(n, height, width, 3) → (n, height / 2, width / 2, 3)."""
    n, height, width, _ = pixels.shape
    rows = np.add(pixels[:, ::2], pixels[:, 1::2], dtype=np.uint16).reshape(n, height // 2, -1)
    sums = np.empty((n, height // 2, width // 2 * 3), np.uint16)
    for channel in range(3):  # numpy is slow along an axis of three
        np.add(rows[..., channel::6], rows[..., channel + 3 :: 6], out=sums[..., channel::3])
    return sums.reshape(n, height // 2, -1, 3)


def _lit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A stretch so dark that its shots differ by next to nothing, brighter by up to four times."""
    brightest = float(np.quantile(pixels[::8].max(-1), 0.99))
    gain = np.clip(100 / max(1.0, brightest), 1, 4)
    return np.clip(pixels * np.float32(gain), 0, 255).astype(np.uint8) if gain > 1.2 else pixels


def _inside_bars(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """First and last row, first and last column of what is no black bar."""
    bright = pixels.max(-1) > 24
    rows, columns = np.flatnonzero(bright.mean(1) > 0.02), np.flatnonzero(bright.mean(0) > 0.02)
    if not len(rows) or not len(columns):
        return 0, pixels.shape[0], 0, pixels.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _stretch(pixels: NDArray[np.uint8], inside: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    top, bottom, left, right = inside
    row = np.linspace(top, bottom - 1, 18).round().astype(int)
    column = np.linspace(left, right - 1, 32).round().astype(int)
    found: NDArray[np.uint8] = pixels[row][:, column]
    return found


def _planes(pixels: NDArray[np.uint8]) -> Planes:
    return np.moveaxis(_opponent(pixels.astype(np.float32)), -1, 0)


def _in_light_of(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Picture a with b's values, channel by channel, in the order of its own."""
    values, order = (pixels.reshape(-1, 3) for pixels in (b, a))
    relit = np.empty_like(order)
    np.put_along_axis(relit, order.argsort(0, kind="stable"), np.sort(values, 0), 0)
    return relit.reshape(a.shape)


def _likeness(a: Floats, b: Floats) -> float:
    """Correlation of two pictures, which light and contrast do not change; 0 with a blank."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1))


def _opponent(rgb: Floats) -> Floats:
    """(…, 3) → luma (BT.601) and half the difference of blue and of red from it: light apart from colour."""
    luma = rgb @ LUMA
    return np.stack([luma, (rgb[..., 2] - luma) / 2, (rgb[..., 0] - luma) / 2], -1)
