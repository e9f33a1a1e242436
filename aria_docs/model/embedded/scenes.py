"""Scenes without a model: shots, described by what is said in them, and on request joined by what they look like."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from aria_docs.media import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.media import Video

REACH = 4  # shots: as far ahead as a camera may come back in one scene (shot, counter-shot, and both again)
ALIKE = 0.6  # of colours in common: 47 % of pairs from one source are that, and 2 % of pairs from two


def scenes(video: Video, *, group: bool = False) -> tuple[Scene, ...]:
    """One scene per shot, or with `group` one per run of shots that look alike.

    The description is the words of the cues whose middle lies in the scene, None without any. There is no title. A
    grouped scene has the transition of its first shot and the thumbnail of its longest.
    """
    edges = [0, *(_group(video) if group else range(1, len(video.shots))), len(video.shots)]
    found = []
    for low, high in pairwise(edges):
        first, last = video.shots[low], video.shots[high - 1]
        longest = max(range(low, high), key=lambda i: video.shots[i].end_s - video.shots[i].start_s)
        found.append(
            Scene(
                start_s=first.start_s,
                end_s=last.end_s,
                transition=first.transition,
                description=_words_of(video, first.start_s, last.end_s),
                thumbnail=video.thumbnails[longest],
            )
        )
    return tuple(found)


def _words_of(video: Video, start_s: float, end_s: float) -> str | None:
    said = [cue.text for cue in video.cues if start_s <= (cue.start_s + cue.end_s) / 2 < end_s]
    return " ".join(said) or None


def _group(video: Video) -> list[int]:
    """The shots that begin a scene, but for the first: those that no link passes over, and those after a fade.

    Overlapping links (Hanjalic, Lagendijk, Biemond 1999, "Automated high-level movie segmentation for advanced
    video-retrieval systems"): two shots alike hold all between them together.

        shots   A B A B C D C        links A–A, B–B, C–C → scenes begin at C
                └─┼─┘ │ └───┘
                  └───┘
    """
    colours = [_colours(thumbnail) for thumbnail in video.thumbnails]
    begins = []
    held_until = 0
    for i, colour in enumerate(colours):
        if i and (i > held_until or video.shots[i].transition == "fade"):
            begins.append(i)
            held_until = i
        for j in range(i + 1, min(len(colours), i + REACH + 1)):
            if video.shots[j].transition == "fade":
                break
            if float(np.minimum(colour, colours[j]).sum()) >= ALIKE:
                held_until = max(held_until, j)
    return begins


def _colours(thumbnail: bytes | None) -> NDArray[np.float64]:
    """(128,) the shares of 8 hues × 4 saturations × 4 values; nothing where there is no picture, which is like none."""
    if thumbnail is None:
        return np.zeros(128)
    with Image.open(io.BytesIO(thumbnail)) as image:
        pixels = np.asarray(image.convert("HSV").resize((32, 18), Image.Resampling.BOX)).reshape(-1, 3)
    hue, saturation, value = pixels[:, 0] // 32, pixels[:, 1] // 64, pixels[:, 2] // 64
    return np.bincount(hue * 16 + saturation * 4 + value, minlength=128) / len(pixels)
