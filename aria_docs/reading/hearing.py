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
from aria_docs.reading.rows import heard_part, stretches

REPORT_S = 1.0  # on the clock, from one report to the next


class Hearing:
    """What is said in a film, where the job names a speech model and the film has no subtitles; and the progress of
    seeing and hearing it.

    share:  of the film's work that these are; the rest is a model's.
    """

    def __init__(self, job: Job, info: VideoInfo, *, needed: bool, share: float = 1.0) -> None:
        self._duration_s, self._share = info.duration_s, share
        self._seen_s, self._heard_s = 0.0, 0.0
        self._began = self._reported = self._noted = time.monotonic()
        self._first_s: float | None = None  # where the first sentence ended: what came before it, the model was loaded
        self._listened = 0.0  # seconds on the clock since then, in listening alone
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
        listener, heard = speech.whisper(Path(job.speech)), stretches(job.heard)
        began = time.perf_counter()
        found = speech.hear(Path(job.path), info, listener, heard=heard, on_time=self._note)
        for number, stretch in enumerate(found):
            if stretch not in heard:
                sandbox.report(heard_part(job, number, stretch, time.perf_counter() - began))
            yield stretch
            began = time.perf_counter()

    def _go_on(self, stretches: Iterator[speech.Stretch]) -> None:
        self._noted = time.monotonic()
        if stretch := next(stretches, None):
            self._cues += stretch.cues
        else:
            self._left, self._heard_s = None, self._duration_s

    def _note(self, heard_s: float) -> None:
        now = time.monotonic()
        if self._first_s is None:
            self._first_s = heard_s
        else:
            self._listened += now - self._noted
        self._heard_s, self._noted = heard_s, now
        self._report()

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_S:
            self._reported = now
            sandbox.report(Reached(self._share * self._duration_s * self._done(now - self._began)))

    def _done(self, spent: float) -> float:
        """The share of the work that is done, by how fast both were so far; 0 before the first sentence."""
        left = (spent - self._listened) * (self._duration_s - self._seen_s) / max(self._seen_s, 1e-3)
        if self._left:
            heard_s = self._heard_s - (self._first_s or 0.0)
            if heard_s <= 0:
                return 0.0
            left += self._listened * (self._duration_s - self._heard_s) / heard_s
        return spent / max(spent + left, 1e-3)
