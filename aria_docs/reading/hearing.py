"""How far a film is, seen and heard: its sound is listened to in step with its pictures, so that one time tells both.

seen    ├──── 10 min ────┼──── 10 min ────┼──
heard   └> ├──── 10 min ────┤ └> ├──── …           a stretch of sound whenever so much more has been seen
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from aria_docs.ingest import sandbox
from aria_docs.ingest.video import speech
from aria_docs.media import Cue, VideoInfo
from aria_docs.reading.messages import Job, Reached

REPORT_S = 1.0  # on the clock, from one report to the next


class Hearing:
    """What is said in a film, where the job names a speech model and the film has no subtitles; and the progress of
    seeing and hearing it.

    share:  of the film's work that these are; the rest is a model's.
    """

    def __init__(self, job: Job, info: VideoInfo, *, needed: bool, share: float = 1.0) -> None:
        self._duration_s, self._share = info.duration_s, share
        self._seen_s, self._heard_s, self._reported_at = 0.0, 0.0, time.monotonic()
        self._cues: list[Cue] = []
        self._left = self._listen(job, info) if needed and job.speech else None

    def follow(self, seen_s: float) -> None:
        """The film has been seen so far."""
        self._seen_s = seen_s
        while self._left and seen_s >= self._heard_s + speech.STRETCH_S:
            self._go_on(self._left)
        self._report()

    def finish(self) -> tuple[Cue, ...]:
        """All that is said, after what had not been heard yet."""
        self._seen_s = self._duration_s
        while self._left:
            self._go_on(self._left)
        return tuple(self._cues)

    def _listen(self, job: Job, info: VideoInfo) -> Iterator[speech.Stretch]:
        assert job.speech
        yield from speech.hear(Path(job.path), info, speech.whisper(Path(job.speech)), on_time=self._note)

    def _go_on(self, stretches: Iterator[speech.Stretch]) -> None:
        if stretch := next(stretches, None):
            self._cues += stretch.cues
        else:
            self._left, self._heard_s = None, self._duration_s

    def _note(self, heard_s: float) -> None:
        self._heard_s = heard_s
        self._report()

    def _report(self) -> None:
        if time.monotonic() - self._reported_at >= REPORT_S:
            self._reported_at = time.monotonic()
            both_s = min(self._seen_s, self._heard_s) if self._left else self._seen_s
            sandbox.report(Reached(self._share * both_s))
