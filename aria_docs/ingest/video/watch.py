"""A video file → what it says of itself, frames at given times, and, in one pass over all frames, its shots.

Knows no model and no store. Runs in a child process that can be killed (see `pyav_clip`).
"""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING

from PIL import Image

from aria_docs.ingest.video import shots, subtitles
from aria_docs.ingest.video.opening import open_clip
from aria_docs.media import Frame, Video, VideoInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from aria_docs.ingest.video.clip import Clip, Picture
    from aria_docs.ingest.video.shots import Referee, Small
    from aria_docs.ingest.video.subtitles import Words
    from aria_docs.media import Shot


def warm() -> None:
    """Importing this module has loaded every library it uses but decord; none of them starts a thread by that."""


def probe(path: Path) -> VideoInfo:
    """One demux pass and one decoded frame. Raises Unreachable, WrongKind, NoVideoStream, Damaged."""
    return open_clip(path).info


def frames_at(clip: Clip, times_s: Sequence[float], *, size_px: int | None = None) -> Iterator[Frame]:
    """The frame displayed at each of these times, ascending: upright, square pixels, RGB.

    size_px: the longer side at most. A time past the end gives the last frame; where a file is damaged, the frame that
    would still stand on the screen.
    """
    for picture in clip.pictures_at(sorted(times_s)):
        yield Frame(picture.time_s, picture.upright(size_px), picture.damaged)


def low_resolution(clip: Clip) -> Iterator[Small]:
    """Every displayed frame, as `shots.detect` wants it."""
    return _small(clip.pictures(rough=True))


def watch(
    clip: Clip,
    *,
    thumbnail_px: int = 320,
    referee: Referee | None = None,
    said: Words | None = None,
    on_time: Callable[[float], None] = lambda _: None,
) -> Video:
    """Shots, thumbnails, cues and what is wrong with the file, from one pass over its frames.

    referee: asked about doubtful transitions, see `shots`.
    said:    `subtitles.words`, where they are known.
    on_time: called with the time of each frame.
    """
    said = said or subtitles.words(clip)
    candidates = _Candidates(thumbnail_px)
    found: list[Shot] = []
    thumbnails: list[bytes | None] = []
    frames = _small(candidates.passing(_timed(clip.pictures(rough=True), on_time)))
    for shot in shots.detect(frames, duration_s=clip.info.duration_s, referee=referee):
        found.append(shot)
        thumbnails.append(candidates.nearest_middle(shot))
    missing = [number for number, thumbnail in enumerate(thumbnails) if thumbnail is None]
    middles_s = [(found[number].start_s + found[number].end_s) / 2 for number in missing]
    for number, picture in zip(missing, clip.pictures_at(middles_s), strict=False):
        thumbnails[number] = _jpeg(picture.upright(thumbnail_px))
    return Video(clip.info, tuple(found), tuple(thumbnails), said.cues, clip.note, said.note)


def _timed(pictures: Iterable[Picture], on_time: Callable[[float], None]) -> Iterator[Picture]:
    for picture in pictures:
        on_time(picture.time_s)
        yield picture


def _small(pictures: Iterable[Picture]) -> Iterator[Small]:
    for picture in pictures:
        yield picture.time_s, picture.scale(shots.FRAME_WIDTH_PX, shots.FRAME_HEIGHT_PX), not picture.damaged


class _Candidates:
    """Small pictures at intervals, taken in passing, so that almost no shot costs a second decoding for its thumbnail.

    Kept only for the shot that is still open, and thinned out as it grows: never more than LIMIT, 22 MB of 16:9.
    """

    INTERVAL_S = 0.5
    LIMIT = 128

    def __init__(self, longest_px: int) -> None:
        self._longest_px = longest_px
        self._interval_s = self.INTERVAL_S
        self._kept: deque[tuple[float, NDArray[np.uint8]]] = deque()

    def passing(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """The same pictures; some leave their portrait here."""
        for picture in pictures:
            if not picture.damaged and (not self._kept or picture.time_s - self._kept[-1][0] >= self._interval_s):
                self._kept.append((picture.time_s, picture.upright(self._longest_px)))
                if len(self._kept) > self.LIMIT:
                    self._kept = deque(list(self._kept)[::2])
                    self._interval_s *= 2
            yield picture

    def nearest_middle(self, shot: Shot) -> bytes | None:
        """A JPEG of the candidate nearest the middle, if not from the tenths at either end; forgets all up to the
        shot's end."""
        middle_s, reach_s = (shot.start_s + shot.end_s) / 2, (shot.end_s - shot.start_s) * 0.4
        near = [(abs(time_s - middle_s), pixels) for time_s, pixels in self._kept if abs(time_s - middle_s) <= reach_s]
        while self._kept and self._kept[0][0] < shot.end_s:
            self._kept.popleft()
        self._interval_s = self.INTERVAL_S
        return _jpeg(min(near, key=lambda candidate: candidate[0])[1]) if near else None


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
