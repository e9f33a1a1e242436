"""Scenes as a model names them → scenes without gaps that begin where the shots do. Pure arithmetic.

A model sees frames seconds apart and names a scene's start by the first frame that belongs to it. The cut itself lies
between that frame and the one shown before:

    shown       [01:00]        [01:10]        [01:20]
    shots     ────────────┼────────────────┼───────────     the model: a scene starts at 1:20
    found                     expected ↑   └── start_s      1:15, and the nearest shot start within 5 s of it
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aria_docs.media import Scene, Shot, Video

REACH_S = 2.0  # a scene's edge moves to a shot start no further away, or half the time between frames if that is more
_ROUNDED_S = 0.001  # times of frames are rounded before they are cut to labels (`tiling.budget.frame_label`)


@dataclass(frozen=True, slots=True)
class Named:
    """A scene as a model names it; None where it says nothing."""

    start_s: float
    end_s: float
    title: str | None
    description: str | None


def seconds(clock: str) -> float:
    """The time of a label: 75:03.5 → 4503.5."""
    minutes, rest = clock.split(":")
    return 60.0 * int(minutes) + float(rest)


def stretch(named: Sequence[Named], *, start_s: float, end_s: float, broke_off: bool) -> tuple[Named, ...]:
    """The scenes of one window, in order, clipped to the stretch of the video that the window shows.

    What lies outside is left out; of those that start in one second the later ones add their description to the first.
    broke_off:  the model was cut off: what follows the last scene is a scene of which nothing is known.
    """
    found: list[Named] = []
    for scene in sorted(named, key=lambda scene: scene.start_s):
        if scene.start_s >= end_s or (scene.start_s < start_s and scene.end_s <= start_s):
            continue
        clipped = replace(scene, start_s=max(scene.start_s, start_s), end_s=min(scene.end_s, end_s))
        if found and clipped.start_s == found[-1].start_s:
            found[-1] = _join(found[-1], clipped)
        else:
            found.append(clipped)
    if found and broke_off and found[-1].start_s < found[-1].end_s < end_s:
        found.append(Named(found[-1].end_s, end_s, None, None))
    return tuple(found)


def link(stretches: Sequence[Sequence[Named]]) -> tuple[Named, ...]:
    """The scenes of all windows; one that goes on in the next window under the same title is one."""
    found: list[Named] = []
    for named in stretches:
        first, rest = named[:1], named[1:]
        if found and first and first[0].title and first[0].title == found[-1].title:
            found[-1] = _join(found[-1], first[0])
        else:
            found += first
        found += rest
    return tuple(found)


def scenes(named: Sequence[Named], video: Video, *, shown_s: Sequence[float]) -> tuple[Scene, ...]:
    """Scenes from 0 to the end of the video, each until the next, their edges on shots where one is near.

    named:    ascending; neighbours with the same title and description are one. One scene, of which nothing is known,
              where there is none.
    shown_s:  the times of the frames that the model was shown, ascending.

    A scene takes the transition of the shot it begins with, `cut` where that is none, and the thumbnail of the shot
    that holds its middle, or of the nearest that has one.
    """
    kept: list[Named] = []
    for scene in named:
        said = scene.title or scene.description
        same = kept and said and (kept[-1].title, kept[-1].description) == (scene.title, scene.description)
        later = not kept or scene.start_s > kept[-1].start_s
        if not same and later and scene.start_s < video.info.duration_s:
            kept.append(scene)
    if not kept:
        kept = [Named(0.0, video.info.duration_s, None, None)]
    starts = [0.0, *(scene.start_s for scene in kept[1:])]
    shots = _snap(starts, video, shown_s)
    edges = [
        *(shot.start_s if shot else start for start, shot in zip(starts, shots, strict=True)),
        video.info.duration_s,
    ]
    return tuple(
        Scene(
            start_s=start,
            end_s=end,
            transition=("cut" if shot.transition == "start" else shot.transition) if shot else "cut" if at else "start",
            title=scene.title,
            description=scene.description,
            thumbnail=_thumbnail(video, (start + end) / 2),
        )
        for at, ((start, end), scene, shot) in enumerate(zip(pairwise(edges), kept, shots, strict=True))
    )


def _snap(starts: Sequence[float], video: Video, shown_s: Sequence[float]) -> list[Shot | None]:
    """The shot that each start but the first moves to: the nearest pairs first, no shot twice, none out of order."""
    pairs = []
    for at, start in enumerate(starts[1:], 1):
        expected, reach = _expect(start, shown_s)
        near = [
            (abs(shot.start_s - expected), abs(shot.start_s - start), at, n) for n, shot in enumerate(video.shots) if n
        ]
        pairs += [pair for pair in near if pair[0] <= reach]
    found: list[Shot | None] = [None] * len(starts)
    now = list(starts)
    for *_, at, number in sorted(pairs):
        shot = video.shots[number]
        after = now[at + 1] if at + 1 < len(now) else video.info.duration_s
        if found[at] is None and now[at - 1] < shot.start_s < after:
            found[at], now[at] = shot, shot.start_s
    return found


def _expect(start_s: float, shown_s: Sequence[float]) -> tuple[float, float]:
    """Where the cut before a named frame is to be expected, and how far from there it may be."""
    at = bisect_left(shown_s, start_s - _ROUNDED_S)  # a label is what its frame's time begins with
    if at == 0 or at == len(shown_s):
        return start_s, REACH_S
    between = shown_s[at] - shown_s[at - 1]
    if int(shown_s[at] + _ROUNDED_S) != int(start_s):
        return start_s, max(REACH_S, between / 2)
    return shown_s[at] - between / 2, max(REACH_S, between / 2)


def _thumbnail(video: Video, at_s: float) -> bytes | None:
    """Of the shot that is on screen at that time; of the nearest, where that has none."""

    def away(pair: tuple[Shot, bytes | None]) -> tuple[float, float]:
        shot, _ = pair
        return max(shot.start_s - at_s, at_s - shot.end_s, 0.0), -shot.start_s  # a shot does not hold its end

    having = [pair for pair in zip(video.shots, video.thumbnails, strict=True) if pair[1] is not None]
    return min(having, key=away)[1] if having else None


def _join(first: Named, second: Named) -> Named:
    said = [text for text in (first.description, second.description) if text]
    return Named(
        first.start_s,
        max(first.end_s, second.end_s),
        first.title or second.title,
        " ".join(dict.fromkeys(said)) or None,
    )
