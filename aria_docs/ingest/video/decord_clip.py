"""The second decoder behind `clip.Clip`. The only decord import.

Run it only in a child process that can be killed: once open, decord decodes on in the background into RAM, and it may
spin for ever on a container that promises too many frames.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import decord
import numpy as np
from PIL import Image

from aria_docs.errors import Damaged
from aria_docs.ingest.video.clip import Chapter, Picture, TextTrack, pictures_at
from aria_docs.media import VideoInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

decord.logging.set_level(decord.logging.QUIET)


class DecordClip:
    """decord 0.6 with FFmpeg 4.1 inside; it applies the rotation itself and knows no pixel aspect ratio."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path = path
        self.note: str | None = None
        self.text_note: str | None = None
        self.text_tracks: tuple[TextTrack, ...] = ()
        self.chapters: tuple[Chapter, ...] = ()
        try:
            self._reader = decord.VideoReader(str(path.resolve()), num_threads=threads)
            stamps = self._reader.get_frame_timestamp(range(len(self._reader)))
            height, width, channels = self._reader[0].shape
            fps = self._reader.get_avg_fps()
        except (decord.DECORDError, RuntimeError, IndexError) as e:
            raise Damaged(f"{path.name} cannot be decoded by decord: fetch it again.") from e
        if channels != 3:  # some pictures that are to be turned come out as garbage of four
            raise Damaged(f"{path.name} is turned in a way that decord does not know.")
        self._times_s = [float(t) for t in stamps[:, 0] - stamps[0, 0]]
        self.info = VideoInfo(
            duration_s=float(stamps[-1, 1] - stamps[0, 0]),
            width=int(width),
            height=int(height),
            fps=float(fps),
            n_frames=len(self._times_s),
            start_s=float(stamps[0, 0]),
            codec="unknown",
        )

    def times_s(self) -> list[float]:
        """As decord reports them."""
        return self._times_s

    def pictures(self, *, rough: bool = False) -> Iterator[Picture]:  # noqa: ARG002 - decord has no such way
        """One by one: decord fills frames that it misses with copies of others when asked for many."""
        self._reader.seek(0)
        for time_s in self._times_s:
            try:
                pixels = self._reader.next().asnumpy()
            except (decord.DECORDError, StopIteration):
                self.note = f"stops at {time_s:.1f} s of {self.info.duration_s:.1f} s: the rest cannot be decoded"
                return
            yield Picture(time_s, partial(_resize, pixels), (self.info.width, self.info.height))

    def pictures_at(self, times_s: Sequence[float]) -> Iterator[Picture]:
        """Everything is decoded: decord's seek is not to be trusted with broken files, and it is given no others."""
        return pictures_at(times_s, self.pictures())


def _resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
