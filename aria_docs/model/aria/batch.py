"""Continuous batching: questions join a running batch and leave it one by one. Knows no page, no text, no thread pool.

    ask ──> waiting ── context read, a chunk between two steps ──> ready ── a slot is free ──> answering ──> over

Any number of threads `serve` their questions at once. One of them drives the batch for all, cycle by cycle, until its
own are over, and then another does: no thread of its own that nobody waits for, and what goes wrong is raised where
somebody asked. A cycle is a piece of the next contexts and a step of all answers, so no answer waits longer than for
BETWEEN tokens (62 ms at the 8,200 tokens/s of an H100) while others are read. A question that fails costs itself.

Memory: a context is read when its keys have room beside those in use; where nothing else goes on, keys of contexts
that no question is being asked of are let go and, should one be asked again, read again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aria_docs.errors import ModelError
from aria_docs.model.aria.cache import Prefix
from aria_docs.model.aria.generate import Steps, Writing

BETWEEN = 512  # tokens of a context that are read between two steps of answers
_AHEAD = 2  # contexts read beyond those that have a slot, so that a free slot is filled at once


class Readable(Protocol):
    """A context as the batch sees it.

    n_bytes:  of its keys and values.
    prefix:   None where it has not been read, or was let go.
    """

    n_bytes: int
    prefix: Prefix | None


@dataclass(eq=False)
class BatchJob:
    """One question on its way.

    context:  what it is asked of.
    start:    makes the answer to write, once the context has been read. Raises ModelError.
    on_tokens:     how many more tokens were decoded.

    began_s:  time.perf_counter() when its context began to be read, or it had its slot.
    over:     answered, or `error` says why not.
    """

    context: Readable
    start: Callable[[Prefix], Writing]
    on_tokens: Callable[[int], None]
    began_s: float = 0.0
    writing: Writing | None = None
    error: ModelError | None = None
    n_told: int = field(default=0)

    @property
    def over(self) -> bool:
        """Nothing more happens to it."""
        return self.error is not None or (self.writing is not None and self.writing.done)


class RunningBatch:
    """The questions of one model.

    steps:      takes a step of all answers.
    reading:    reads a context, given the tokens of a piece or None for as many as go at once; yields those of each.
    slots:      answers written side by side.
    room:       bytes for the keys of contexts; None for no limit.
    translate:  turns an error of the machine into ModelError; None for one that is a defect and goes on.

    n_steps, n_busy:  steps so far, and the slots that were busy in them.
    """

    def __init__(
        self,
        steps: Steps,
        reading: Callable[[Readable, int | None], Iterator[int]],
        *,
        slots: int,
        room: int | None,
        translate: Callable[[Exception], ModelError | None],
    ) -> None:
        self._steps, self._reading, self._translate = steps, reading, translate
        self.slots, self._room = slots, room
        self._turn = threading.Condition()
        self._driven = False
        self._waiting: deque[BatchJob] = deque()
        self._answering: list[BatchJob] = []
        self._read: tuple[Readable, Iterator[int]] | None = None  # the context that is being read
        self._kept: list[Readable] = []  # read contexts, the one that was asked longest ago first
        self.n_steps = self.n_busy = 0

    @property
    def busy(self) -> float:
        """The share of slots that were busy."""
        return self.n_busy / (self.n_steps * self.slots) if self.n_steps else 0.0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._waiting and not self._answering

    def serve(self, jobs: Sequence[BatchJob]) -> None:
        """Returns when all of these are over. What is raised is a defect, and ends these jobs alone."""
        with self._turn:
            self._waiting += jobs
        while True:
            with self._turn:
                self._turn.wait_for(lambda: all(job.over for job in jobs) or not self._driven)
                if all(job.over for job in jobs):
                    return
                self._driven = True
            try:
                while not all(job.over for job in jobs):
                    if self._cycle():
                        with self._turn:
                            self._turn.notify_all()
            finally:
                self._withdraw(jobs)
                with self._turn:
                    self._driven = False
                    self._turn.notify_all()

    def _withdraw(self, jobs: Sequence[BatchJob]) -> None:
        with self._turn:
            self._waiting = deque(job for job in self._waiting if job not in jobs)
        self._answering = [job for job in self._answering if job not in jobs]

    def _cycle(self) -> bool:
        """Some reading, and a step of all answers; whether any job is over."""
        self._begin_reading()
        self._read_on()
        self._fill_slots()
        if self._answering:
            self._step()
        over = [job for job in (*self._waiting, *self._answering) if job.over]
        self._withdraw(over)
        return bool(over)

    # Reading

    def _begin_reading(self) -> None:
        if self._read:
            return
        context = next((job.context for job in list(self._waiting) if job.context.prefix is None), None)
        if context is None or len(self._ready()) >= self._free() + _AHEAD or not self._make_room(context):
            return
        now = time.perf_counter()
        for job in list(self._waiting):
            if job.context is context:
                job.began_s = job.began_s or now
        self._read = context, self._reading(context, BETWEEN if self._answering else None)

    def _read_on(self) -> None:
        """The next BETWEEN tokens of contexts; while there is nothing to answer, all that there are slots for."""
        taken = 0
        while self._read and (taken < BETWEEN or not self._answering):
            context, pieces = self._read
            about = [job for job in list(self._waiting) if job.context is context]
            try:
                taken += next(pieces)
                for job in about:
                    job.on_tokens(0)
            except StopIteration:
                self._read = None
                self._kept.append(context)
                self._begin_reading()
            except (ModelError, RuntimeError, MemoryError) as error:
                self._read = None
                self._fail(about, error)

    def _make_room(self, context: Readable) -> bool:
        """Whether the keys of one more context have room, those let go for it that nothing is asked of."""
        self._kept = [kept for kept in self._kept if kept.prefix is not None]
        if self._room is None:
            return True
        used = sum(kept.n_bytes for kept in self._kept)
        asked = {id(job.context) for job in (*self._waiting, *self._answering)}
        idle = [kept for kept in self._kept if id(kept) not in asked]
        while used + context.n_bytes > self._room and idle and not self._answering:
            kept = idle.pop(0)
            kept.prefix = None
            used -= kept.n_bytes
        return used + context.n_bytes <= self._room or not (self._answering or self._ready())

    # Answering

    def _ready(self) -> list[BatchJob]:
        return [job for job in list(self._waiting) if job.context.prefix is not None and not job.over]

    def _free(self) -> int:
        return self.slots - len(self._answering)

    def _fill_slots(self) -> None:
        for job in self._ready()[: self._free()]:
            assert job.context.prefix is not None
            job.began_s = job.began_s or time.perf_counter()
            try:
                job.writing = job.start(job.context.prefix)
            except ModelError as error:
                job.error = error
                continue
            self._withdraw([job])
            # Beside others of its context, which then share a reading of its keys.
            alike = [at for at, other in enumerate(self._answering) if other.context is job.context]
            self._answering.insert(alike[-1] + 1 if alike else len(self._answering), job)

    def _step(self) -> None:
        jobs = [job for job in self._answering if not job.over]
        writings = [job.writing for job in jobs if job.writing]
        self.n_steps += 1
        self.n_busy += len(jobs)
        try:
            if writings:
                self._steps.take(writings)
        except (ModelError, RuntimeError, MemoryError) as error:
            own = [job for job in jobs if job.writing and job.writing.is_broken]
            self._fail(own or jobs[-1:], error)  # else the last that joined: the others had room before it came
        for job in jobs:
            if job.writing and (new := len(job.writing.written) - job.n_told):
                job.n_told += new
                job.on_tokens(new)

    def _fail(self, jobs: Sequence[BatchJob], error: Exception) -> None:
        said = error if isinstance(error, ModelError) else self._translate(error)
        if said is None:
            raise error
        for job in jobs:
            job.error = said
