"""What an open video is to everyone who reads one: its pictures in order of display, its subtitles, its chapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from aria_docs.ingest.video import tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from aria_docs.media import VideoInfo

SLACK_S = 0.0005
"""Time stamps are rounded to a tick, in Matroska a millisecond: a time this short before a frame means that frame."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One displayed frame, converted only when asked.

    time_s:    from the first displayed frame.
    damaged:   the decoder filled in what it could not read, here or in a frame that this one was built from.
    scale:     (width, height) → RGB uint8 of shape (height, width, 3), as coded: neither upright nor square pixels.
    rotation:  counter-clockwise quarter turns, in degrees, that make it upright.
    size:      (width, height) in pixels, as displayed.
    deep:      the same as `scale` in 16 bits, where the film is not in the colours of a common screen.
    colours:   which these are.
    """

    time_s: float
    scale: Callable[[int, int], NDArray[np.uint8]]
    size: tuple[int, int]
    rotation: int = 0
    damaged: bool = False
    deep: Callable[[int, int], NDArray[np.uint16]] | None = None
    colours: tone.Colours | None = None

    def upright(self, longest_px: int | None = None) -> NDArray[np.uint8]:
        """RGB as displayed on a common screen, the longer side at most `longest_px`; never enlarged."""
        width, height = self.size
        ratio = min(1.0, longest_px / max(width, height)) if longest_px else 1.0
        width, height = max(1, round(width * ratio)), max(1, round(height * ratio))
        if self.rotation % 180:
            width, height = height, width
        if self.deep and self.colours:
            pixels = tone.to_srgb(self.deep(width, height), self.colours)
        else:
            pixels = self.scale(width, height)
        return np.ascontiguousarray(np.rot90(pixels, self.rotation // 90)) if self.rotation else pixels


@dataclass(frozen=True, slots=True)
class TextTrack:
    """A subtitle track.

    lines:     (start, end, text with the markup of its format) in seconds from the first displayed frame.
    language:  as the file says, "" where it does not.
    chosen:    marked as the default by the writer of the file.
    forced:    only what is foreign or written in the picture; marked so, or named so.
    aside:     comments, or descriptions of what is seen.
    for_the_deaf:  what else is heard, too.
    """

    lines: tuple[tuple[float, float, str], ...]
    language: str = ""
    chosen: bool = False
    forced: bool = False
    aside: bool = False
    for_the_deaf: bool = False


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch that the writer of the file has named."""

    start_s: float
    end_s: float
    title: str


class Clip(Protocol):
    """An open video.

    path:         where it lies.
    info:         what it says of itself.
    note:         after `pictures` is through: why it could only be read in part, else None.
    text_tracks:  its subtitles in words.
    text_note:    which of its subtitles could not be read, else None.
    chapters:     that the file names, in order.
    """

    path: Path
    info: VideoInfo
    note: str | None
    text_tracks: tuple[TextTrack, ...]
    text_note: str | None
    chapters: tuple[Chapter, ...]

    def times_s(self) -> list[float]:
        """When each displayed frame is, ascending; evenly spread where the container does not say."""

    def pictures(self, *, rough: bool = False) -> Iterator[Picture]:
        """Every displayed frame, in order, from the first.

        rough: the edges of blocks may be left in those that no other is built from (a sixth of the CPU of 720p H.264),
        where pictures are so large that scaling them down to 320 px hides it.
        """

    def pictures_at(self, times_s: Sequence[float]) -> Iterator[Picture]:
        """The frame displayed at each of these ascending times; the first before the start, the last after the end."""


def pictures_at(times_s: Sequence[float], pictures: Iterable[Picture]) -> Iterator[Picture]:
    """The picture displayed at each of these ascending times, out of all pictures in order.

    times   0.5   1.2 1.4      9.0
    shown  0     1     2     3           → 0, 1, 1, 3
    """
    following: Picture | None = None
    pictures = iter(pictures)
    current = next(pictures, None)
    for time_s in times_s:
        while current is not None and current.time_s < time_s - SLACK_S:
            following = following or next(pictures, None)
            if following is None or following.time_s > time_s + SLACK_S:
                break
            current, following = following, None
        if current is not None:
            yield current
